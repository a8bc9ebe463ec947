"""Measures, reports and the capability statement as FHIR; who may what."""

from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import URLPattern, get_resolver
from rest_framework.test import APIClient

from audit.models import Event, Subject
from hedis.accounts import roles
from hedis.accounts.models import User
from hedis.gaps.fhir import api, guide, validation
from tests.conftest import person
from tests.factories import make_contract, make_count, make_gap, make_measure, make_member
from tests.hedis.fhir_story import CARE_GAPS, YEAR, population, signed_in, tell


@pytest.fixture
def plan(ana: User) -> Any:
    return tell(ana)


class TestMeasures:
    def test_the_list_is_a_searchset_of_computed_measures(self, ana: User, plan: Any) -> None:
        make_measure("HEI", definition_version="")
        body = signed_in(ana).get("/fhir/Measure").json()
        validation.check(body)
        assert [one["resource"]["id"] for one in body["entry"]] == ["BCS", "COL", "GSD"] and body["total"] == 3

    @pytest.mark.parametrize(
        "asked",
        [
            {"_id": "COL"},
            {"identifier": "COL"},
            {"identifier": f"{settings.FHIR_BASE_URL}/NamingSystem/measure|COL"},
            {"url": f"{settings.FHIR_BASE_URL}/Measure/COL"},
        ],
    )
    def test_a_search_narrows_it(self, ana: User, plan: Any, asked: dict[str, str]) -> None:
        body = signed_in(ana).get("/fhir/Measure", asked).json()
        assert [one["resource"]["id"] for one in body["entry"]] == ["COL"]

    def test_pages_are_linked(self, ana: User, plan: Any) -> None:
        client, seen, address = signed_in(ana), list[str](), "/fhir/Measure?_count=2"
        while address:
            body = client.get(address).json()
            seen += [one["resource"]["id"] for one in body["entry"]]
            address = {one["relation"]: one["url"] for one in body["link"]}.get("next", "")
        assert seen == ["BCS", "COL", "GSD"]

    def test_one_measure_opens_at_the_address_its_page_gives(self, ana: User, plan: Any) -> None:
        measure = signed_in(ana).get("/fhir/Measure/COL").json()
        validation.check(measure)
        assert measure["url"] == f"{settings.FHIR_BASE_URL}/Measure/COL" and measure["version"] == "1"
        assert measure["useContext"][0]["valueCodeableConcept"]["coding"][0]["code"] == "medicare-star-ratings"

    @pytest.mark.parametrize("path", ["/fhir/Measure/NOPE", "/fhir/Measure/HEI", "/fhir/Measure/%24care-gap"])
    def test_a_measure_that_is_not_computed_is_not_there(self, ana: User, plan: Any, path: str) -> None:
        make_measure("HEI", definition_version="")
        answer = signed_in(ana).get(path)
        assert answer.status_code == 404 and answer.json()["issue"][0]["code"] == "not-found"

    @pytest.mark.parametrize("asked", [{"name": "x"}, {"_count": "0"}, {"_offset": "-1"}, {"_id": ""}])
    def test_an_unknown_or_empty_parameter_is_refused(self, ana: User, asked: dict[str, str]) -> None:
        assert signed_in(ana).get("/fhir/Measure", asked).status_code == 400


class TestIndividualReports:
    def ask(self, user: User, member: Any, measure: str = "COL", **asked: str) -> Any:
        query = {**YEAR, "subject": f"Patient/{member.pseudonym}", **asked}
        return signed_in(user).get(f"/fhir/Measure/{measure}/$evaluate", query)

    def test_a_members_report_is_told_from_the_stored_gap(self, ana: User, plan: Any) -> None:
        answer = self.ask(ana, plan.closed)
        report = answer.json()
        validation.check(report)
        assert (report["type"], report["measure"]) == ("individual", f"{settings.FHIR_BASE_URL}/Measure/COL|1")
        assert report["meta"]["profile"] == [guide.CURRENT.individual_report]
        assert report["period"] == {"start": "2026-01-01", "end": "2026-12-31"}
        assert population(report)["numerator"] == 1 and report["group"][0]["measureScore"]["value"] == 1.0
        assert {"url": guide.CURRENT.calculated_date, "valueDateTime": "2026-09-30"} in report["group"][0]["extension"]
        event = Event.objects.get(request_id=answer["X-Request-ID"])
        assert (event.action, event.object_id) == ("api.fhir_evaluate.shown", plan.closed.pseudonym)
        assert Subject.objects.filter(event_id=event.id, member_pseudonym=plan.closed.pseudonym).exists()

    def test_a_member_outside_the_initial_population_counts_nowhere(self, ana: User, plan: Any) -> None:
        report = self.ask(ana, plan.closed, "GSD").json()
        assert set(population(report).values()) == {0} and "measureScore" not in report["group"][0]

    def test_a_measure_that_no_run_counted_says_so(self, ana: User, plan: Any) -> None:
        make_measure("CBP")
        assert self.ask(ana, plan.closed, "CBP").status_code == 404

    def test_the_former_name_and_report_type_work(self, ana: User, plan: Any) -> None:
        query = {**YEAR, "subject": f"Patient/{plan.closed.pseudonym}", "reportType": "subject"}
        former = signed_in(ana).get("/fhir/Measure/COL/$evaluate-measure", query).json()
        assert former["id"] == self.ask(ana, plan.closed, reportType="individual").json()["id"]

    def test_another_panels_member_is_not_there(self, dee: User, plan: Any) -> None:
        answer = self.ask(dee, plan.closed)
        assert answer.status_code == 404
        event = Event.objects.get(request_id=answer["X-Request-ID"])
        assert (event.outcome, event.object_id) == ("denied", plan.closed.pseudonym)

    @pytest.mark.parametrize(
        ("asked", "status"),
        [
            ({"reportType": "population"}, 400),
            ({"reportType": "subject-list"}, 400),
            ({"subject": "Patient/1"}, 400),
            ({"reporter": "Practitioner/1234567890"}, 400),
            ({"reporter": "Organization/H0000"}, 404),
            ({"reporter": "Organization/H9999"}, 404),
            ({"periodEnd": "2026-06-30"}, 400),
            ({"periodStart": "2031", "periodEnd": "2031"}, 404),
            ({"lastReceivedOn": "2026-01-01"}, 400),
        ],
    )
    def test_what_cannot_be_used_is_an_outcome(self, ana: User, plan: Any, asked: dict[str, str], status: int) -> None:
        make_contract("H9999")
        answer = self.ask(ana, plan.closed, **asked)
        assert answer.status_code == status, answer.content
        assert answer.json()["resourceType"] == "OperationOutcome"


class TestSummaryReports:
    @pytest.fixture
    def counted(self) -> None:
        for number, met in (("H1234", 60), ("H9999", 30)):
            make_count(make_measure("COL"), make_contract(number), numerator=met)

    def test_a_contracts_report_counts_as_fhir_counts(self, ben: User, counted: None) -> None:
        query = {**YEAR, "reporter": "Organization/H1234"}
        report = signed_in(ben).get("/fhir/Measure/COL/$evaluate", query).json()
        validation.check(report)
        assert (report["type"], report["reporter"]) == ("summary", {"reference": "Organization/H1234"})
        assert population(report) == {
            "initial-population": 100, "denominator": 100, "denominator-exclusion": 10, "numerator": 60,
        }  # fmt: skip
        assert report["group"][0]["measureScore"]["value"] == round(60 / 90, 6)
        assert report["meta"]["profile"] == [guide.CURRENT.summary_report]

    def test_the_plans_report_adds_the_contracts_up(self, ben: User, counted: None) -> None:
        report = signed_in(ben).get("/fhir/Measure/COL/$evaluate", YEAR).json()
        assert report["reporter"] == {"reference": "Organization/plan"}
        assert population(report)["numerator"] == 90 and report["group"][0]["measureScore"]["value"] == 0.5

    def test_a_measure_without_anybody_has_no_score(self, ben: User) -> None:
        zero = {"eligible": 2, "excluded": 2, "denominator": 0, "numerator": 0}
        make_count(make_measure("COL"), make_contract("H1234"), **zero)
        report = signed_in(ben).get("/fhir/Measure/COL/$evaluate", YEAR).json()
        validation.check(report)
        assert "measureScore" not in report["group"][0]

    def test_reports_are_found_by_measure_year_and_reporter(self, ben: User, counted: None) -> None:
        make_count(make_measure("GSD"), make_contract("H1234"))
        client = signed_in(ben)

        def found(**asked: str) -> list[str]:
            body = client.get("/fhir/MeasureReport", asked).json()
            validation.check(body)
            return [one["resource"]["id"] for one in body["entry"]]

        assert found() == ["COL-2026-H1234", "COL-2026-H9999", "GSD-2026-H1234"]
        assert found(measure="COL", reporter="Organization/H9999") == ["COL-2026-H9999"]
        assert found(measure=f"{settings.FHIR_BASE_URL}/Measure/GSD", period="2026") == ["GSD-2026-H1234"]
        assert found(period="2025") == []
        assert client.get("/fhir/MeasureReport", {"measure": "NOPE"}).status_code == 404
        assert client.get("/fhir/MeasureReport", {"period": "last"}).status_code == 400

    def test_what_no_run_counted_is_not_there(self, ben: User, counted: None) -> None:
        make_measure("GSD")
        assert signed_in(ben).get("/fhir/Measure/GSD/$evaluate", YEAR).status_code == 404

    def test_more_contracts_cost_no_more_queries(self, ben: User, counted: None) -> None:
        client = signed_in(ben)
        client.get("/fhir/MeasureReport")
        with CaptureQueriesContext(connection) as few:
            client.get("/fhir/MeasureReport")
        for number in range(20):
            make_count(make_measure("COL"), make_contract(f"H20{number:02}"))
        with CaptureQueriesContext(connection) as many:
            assert client.get("/fhir/MeasureReport").json()["total"] == 22
        assert len(few) == len(many), [one["sql"][:150] for one in many.captured_queries]


class TestCapability:
    def test_it_is_valid_and_open_to_everybody(self, db: None) -> None:
        answer = APIClient().get("/fhir/metadata")
        assert answer.status_code == 200 and answer["Content-Type"] == "application/fhir+json"
        validation.check(answer.json())

    def test_it_names_exactly_the_routes_there_are(self, db: None) -> None:
        [rest] = APIClient().get("/fhir/metadata").json()["rest"]
        told = set()
        for resource in rest["resource"]:
            kind = resource["type"]
            told |= {
                {"read": f"{kind}/<str:code>", "search-type": kind}[one["code"]] for one in resource["interaction"]
            }
            for operation in resource.get("operation", ()):
                told.add({"care-gaps": f"{kind}/$care-gaps"}.get(operation["name"], f"{kind}/<str:code>/$evaluate"))
                told |= {f"{kind}/<str:code>/$evaluate-measure"} & {f"{kind}/<str:code>/${operation['name']}"}
        assert told | {"metadata"} == ROUTES.keys()

    @pytest.mark.parametrize("kind", ["Measure", "MeasureReport"])
    def test_every_search_parameter_it_names_is_understood(self, ben: User, kind: str) -> None:
        make_count(make_measure("COL"), make_contract("H1234"))
        [rest] = APIClient().get("/fhir/metadata").json()["rest"]
        [resource] = [one for one in rest["resource"] if one["type"] == kind]
        examples = {"period": "2026", "reporter": "Organization/H1234"}
        for parameter in resource["searchParam"]:
            asked = {parameter["name"]: examples.get(parameter["name"], "COL")}
            assert signed_in(ben).get(f"/fhir/{kind}", asked).status_code == 200, asked


# Route to the permission that opens it; None: open to everybody, holds no data.
ROUTES: dict[str, str | None] = {
    "metadata": None,
    "Measure": "measures.view_measure",
    "Measure/<str:code>": "measures.view_measure",
    "Measure/$care-gaps": "gaps.view_gap",
    "Measure/<str:code>/$evaluate": "gaps.view_measurecount",
    "Measure/<str:code>/$evaluate-measure": "gaps.view_measurecount",
    "MeasureReport": "gaps.view_measurecount",
}
POSTED = {"Measure/$care-gaps", "Measure/<str:code>/$evaluate", "Measure/<str:code>/$evaluate-measure"}
ACTORS = [role.key for role in roles.ROLES] + ["ana", "no_role", "stranger"]


def test_every_route_below_fhir_is_in_the_matrix() -> None:
    below = [one for one in get_resolver().url_patterns if str(one.pattern) == "fhir/"]
    routes = [each for one in below for each in one.url_patterns if isinstance(each, URLPattern)]
    assert {str(each.pattern) for each in routes if each.callback is not api.unknown_address} == ROUTES.keys()


class TestWhoMayWhat:
    @pytest.fixture
    def actor(self, request: pytest.FixtureRequest, ana: User, plan: Any) -> User | None:
        """One person for each role, of Ana's team but without a panel; Ana; one without a role; a stranger."""
        if request.param == "stranger":
            return None
        if request.param == "ana":
            return ana
        if request.param == "no_role":
            return User.objects.create_user("nora", password="correct-horse-battery")
        return person(f"the_{request.param}", roles.BY_KEY[request.param], team="north")

    def expected(self, actor: User | None, permission: str | None, method: str, route: str) -> int:
        if permission is None:
            return 200 if method in ("GET", "HEAD") else 405
        if actor is None:
            return 401
        if method not in ("GET", "HEAD", "OPTIONS") and not (method == "POST" and route in POSTED):
            return 405
        role = roles.BY_KEY.get(actor.role)
        allowed = permission in (role.permissions if role else ())
        # What is posted here has no parameters, which is noticed after the permission.
        return 403 if not allowed else {"POST": 400, "OPTIONS": 405}.get(method, 200)

    @pytest.mark.parametrize("actor", ACTORS, indirect=True)
    def test_each_role_may_exactly_what_the_roles_page_implies(self, actor: User | None, plan: Any) -> None:
        client, wrong = APIClient(), {}
        if actor is not None:
            client.force_login(actor)
        for route, permission in ROUTES.items():
            query = "?periodStart=2026&periodEnd=2026" if "$" in route else ""
            query += "&status=open-gap" if "care-gaps" in route else ""
            path = "/fhir/" + route.replace("<str:code>", "COL")
            for method in ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"):
                body = '{"resourceType": "Parameters"}'
                answer = client.generic(
                    method, path if method == "POST" else path + query, data=body, content_type="application/fhir+json"
                )
                wanted = self.expected(actor, permission, method, route)
                if answer.status_code != wanted:
                    wrong[f"{method} {route}"] = (answer.status_code, wanted)
        assert wrong == {}

    @pytest.mark.parametrize("actor", ACTORS, indirect=True)
    def test_a_members_report_needs_the_permission_to_see_gaps(self, actor: User | None, plan: Any) -> None:
        client = APIClient()
        if actor is not None:
            client.force_login(actor)
        query = {**YEAR, "subject": f"Patient/{plan.open_.pseudonym}"}
        answer = client.get("/fhir/Measure/COL/$evaluate", query)
        role = roles.BY_KEY.get(actor.role) if actor else None
        allowed = role.permissions if role else ()
        sees = roles.WHOLE_PLAN in allowed or roles.TEAM_PANEL in allowed or (actor and actor.username == "ana")
        wanted = 401 if actor is None else 403 if "gaps.view_gap" not in allowed else 200 if sees else 404
        assert answer.status_code == wanted
        assert answer.json()["resourceType"] == ("MeasureReport" if wanted == 200 else "OperationOutcome")

    @pytest.mark.parametrize("actor", ACTORS, indirect=True)
    def test_no_answer_shows_a_member_without_an_event_that_says_so(self, actor: User | None, plan: Any) -> None:
        client = APIClient()
        if actor is not None:
            client.force_login(actor)
        query = {**YEAR, "status": "open-gap"}
        for answer in (
            client.get(CARE_GAPS, query),
            client.get(CARE_GAPS, {**query, "_format": "ndjson"}),
            client.get("/fhir/Measure/COL/$evaluate", {**YEAR, "subject": f"Patient/{plan.open_.pseudonym}"}),
        ):
            sent = b"".join(answer.streaming_content) if answer.streaming else answer.content
            if plan.open_.pseudonym.encode() in sent:
                event = Event.objects.get(request_id=answer["X-Request-ID"])
                assert Subject.objects.filter(event_id=event.id, member_pseudonym=plan.open_.pseudonym).exists()


def test_a_gap_without_a_contract_is_reported_by_the_plan(ana: User) -> None:
    member = make_member(care_manager=ana)
    make_gap(member, make_measure("COL"))
    query = {**YEAR, "subject": f"Patient/{member.pseudonym}"}
    report = signed_in(ana).get("/fhir/Measure/COL/$evaluate", query).json()
    assert report["reporter"] == {"reference": "Organization/plan"}


def test_answers_may_not_be_kept_on_the_way(ana: User, plan: Any) -> None:
    for path in (CARE_GAPS, "/fhir/Measure"):
        assert signed_in(ana).get(path)["Cache-Control"] == "private, no-store"
