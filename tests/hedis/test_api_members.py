"""The API's members, contracts, providers and measures, and the manners all endpoints share."""

import json
from datetime import date
from typing import Any

import pytest
from django.db import connection
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from audit.models import Event, Subject
from hedis.accounts import roles
from hedis.accounts.models import User
from hedis.lib import problem
from hedis.lib.schema import Docs
from hedis.measures.models import MeasureYear
from hedis.members.models import ContactPreference, Enrolment, Member
from tests.conftest import person
from tests.factories import make_contract, make_measure, make_member, make_provider

MEMBERS = "/api/v1/members/"


def signed_in(user: User) -> APIClient:
    client = APIClient()
    client.force_login(user)
    return client


@pytest.fixture
def administrator(db: None) -> User:
    """Keeps accounts; sees no member."""
    return person("ada", roles.ADMINISTRATOR)


@pytest.fixture
def member(ana: User) -> Member:
    """On Ana's panel, enrolled in H1234, attributed, not to be called."""
    member = make_member(care_manager=ana, contract=make_contract("H1234"), provider=make_provider(npi="1234567893"))
    ContactPreference.objects.create(member=member, do_not_call=True)
    return member


class TestMembers:
    def test_a_care_manager_lists_her_panel(self, ana: User, dee: User, member: Member) -> None:
        make_member(care_manager=dee)
        answer = signed_in(ana).get(MEMBERS).json()
        assert [row["pseudonym"] for row in answer["results"]] == [member.pseudonym]
        assert (answer["count"], answer["results"][0]["contract"]) == (1, "H1234")

    def test_another_panels_member_is_not_there(self, dee: User, member: Member) -> None:
        answer = signed_in(dee).get(f"{MEMBERS}{member.pseudonym}/")
        assert (answer.status_code, answer["Content-Type"]) == (404, "application/problem+json")

    def test_those_who_see_no_member_are_refused(self, member: Member, administrator: User) -> None:
        client = signed_in(administrator)
        assert client.get(MEMBERS).status_code == 403
        assert client.get(f"{MEMBERS}{member.pseudonym}/").status_code == 403
        assert Event.objects.filter(outcome="denied", actor=administrator.username).count() == 2

    def test_one_member_shows_spans_provider_and_preference(self, ana: User, member: Member) -> None:
        answer = signed_in(ana).get(f"{MEMBERS}{member.pseudonym}/").json()
        assert answer["enrolments"] == [
            {"contract": "H1234", "plan_benefit_package": "001", "start_date": "2024-01-01", "end_date": None}
        ]
        assert [span["npi"] for span in answer["attributions"]] == ["1234567893"]
        assert answer["contact_preference"]["do_not_call"] is True
        assert answer["care_manager"] == "ana"

    def test_a_member_without_preference_or_care_manager_opens(self, ben: User) -> None:
        member = make_member()
        answer = signed_in(ben).get(f"{MEMBERS}{member.pseudonym}/").json()
        assert (answer["contact_preference"], answer["care_manager"], answer["contract"]) == (None, None, None)

    def test_the_tag_follows_what_is_shown(self, ana: User, member: Member) -> None:
        client, path = signed_in(ana), f"{MEMBERS}{member.pseudonym}/"
        tag = client.get(path)["ETag"]
        assert client.get(path, headers={"if-none-match": f"W/{tag}"}).status_code == 304
        ContactPreference.objects.filter(member=member).update(do_not_call=False)
        assert client.get(path, headers={"if-none-match": tag}).status_code == 200

    def test_the_contract_is_that_of_the_latest_enrolment(self, ben: User, member: Member) -> None:
        Enrolment.objects.create(member=member, contract=make_contract("H9999"), start_date=date(2026, 1, 1))
        client = signed_in(ben)
        assert client.get(MEMBERS, {"contract": "H1234"}).json()["count"] == 0
        assert client.get(MEMBERS, {"contract": "H9999"}).json()["results"][0]["contract"] == "H9999"

    @pytest.mark.parametrize(
        ("query", "count"),
        [
            ({"active": "true"}, 11), ({"active": "false"}, 1), ({"lis": "true"}, 1), ({"lis": "false"}, 11),
            ({"care_manager": "ana"}, 1), ({"care_manager": "nobody"}, 0), ({"disabled": "true"}, 2),
            ({"disabled": "false"}, 10),
        ],
    )  # fmt: skip
    def test_filters_do_what_they_say(self, ben: User, member: Member, query: dict[str, str], count: int) -> None:
        make_member(low_income_subsidy=True)
        make_member(active=False)
        for code in ("", "0", "1", "2", "3"):
            make_member(original_reason_code=code)
        for code in ("", "02", "4", "09"):
            make_member(dual_status_code=code)
        assert signed_in(ben).get(MEMBERS, query).json()["count"] == count

    def test_the_filter_and_the_member_agree_on_who_is_dual_and_disabled(self, ben: User) -> None:
        for code in ("", "00", "01", "02", "03", "04", "05", "06", "07", "08", "09", "1", "8", "9", "99", "NA"):
            make_member(dual_status_code=code)
        for code in ("", "0", "1", "2", "3", "9"):
            make_member(original_reason_code=code)
        client, members = signed_in(ben), Member.objects.all()
        for name, is_so in (("dual", Member.is_dual.fget), ("disabled", Member.is_disabled.fget)):
            for wanted in (True, False):
                rows = client.get(MEMBERS, {name: str(wanted).lower()}).json()["results"]
                assert {row["pseudonym"] for row in rows} == {m.pseudonym for m in members if is_so(m) is wanted}

    def test_the_first_digits_find_a_member(self, ben: User, member: Member) -> None:
        make_member()
        rows = signed_in(ben).get(MEMBERS, {"search": member.pseudonym[:20]}).json()["results"]
        assert [row["pseudonym"] for row in rows] == [member.pseudonym]

    @pytest.mark.parametrize("query", [{"search": "W123456789"}, {"paging": "cursor", "cursor": "W123456789"}])
    def test_a_plan_id_is_refused_and_never_repeated(self, ben: User, member: Member, query: dict[str, str]) -> None:
        answer = signed_in(ben).get(MEMBERS, query)
        assert answer.status_code == 400
        assert "W123456789" not in answer.content.decode()

    def test_a_plan_id_in_the_address_is_404_and_not_kept(self, ben: User, administrator: User) -> None:
        for user, status in ((ben, 404), (administrator, 403)):
            assert signed_in(user).get(f"{MEMBERS}W123456789/").status_code == status
        assert not Event.objects.filter(route__contains="W123456789").exists()

    def test_a_hundred_rows_cost_the_queries_of_five(self, ana: User, member: Member) -> None:
        client, spent = signed_in(ana), []
        for wanted in (5, 100):
            while Member.objects.count() < wanted:
                make_member(care_manager=ana, contract=make_contract("H1234"))
            with CaptureQueriesContext(connection) as queries:
                assert len(client.get(MEMBERS, {"page_size": 100}).json()["results"]) == wanted
            spent.append(len(queries))
        assert spent[0] == spent[1] <= 16

    def test_many_spans_cost_the_queries_of_one(self, ana: User, member: Member) -> None:
        client, spent = signed_in(ana), []
        for start in (2001, 2011):
            for year in range(start, start + 10):
                Enrolment.objects.create(member=member, contract=make_contract(f"H{year}"), start_date=date(year, 1, 1))
            with CaptureQueriesContext(connection) as queries:
                client.get(f"{MEMBERS}{member.pseudonym}/")
            spent.append(len(queries))
        assert spent[0] == spent[1] <= 17

    def test_a_cursor_shows_every_member_once(self, ben: User) -> None:
        wanted = sorted(make_member().pseudonym for _ in range(5))
        client, seen, page = signed_in(ben), [], f"{MEMBERS}?paging=cursor&page_size=2&active=true"
        while page:
            answer = client.get(page).json()
            assert set(answer) == {"next", "results"}
            seen += [row["pseudonym"] for row in answer["results"]]
            page = answer["next"]
        assert seen == wanted

    def test_every_look_is_one_event_with_the_members_shown(self, ana: User, member: Member) -> None:
        client = signed_in(ana)
        client.get(MEMBERS)
        client.get(f"{MEMBERS}{member.pseudonym}/")
        actions = []
        for event in Event.objects.filter(kind="api"):
            actions.append(event.action)
            assert list(Subject.objects.filter(event_id=event.id).values_list("member_pseudonym", flat=True)) == [
                member.pseudonym
            ]
        assert sorted(actions) == ["api.members.listed", "api.members.shown"]

    def test_without_a_ledger_no_member_is_shown(self, ana: User, member: Member) -> None:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE audit_pending RENAME TO audit_away")
        for path in (MEMBERS, f"{MEMBERS}{member.pseudonym}/"):
            answer = signed_in(ana).get(path)
            assert (answer.status_code, answer.json()["code"]) == (503, "ledger_unavailable")
            assert member.pseudonym not in answer.json().get("detail", "")


class TestReference:
    def test_contracts_are_listed_and_opened_by_number(self, ana: User) -> None:
        make_contract("H1234")
        make_contract("H9999", plan_type="local_ppo")
        client = signed_in(ana)
        assert [row["number"] for row in client.get("/api/v1/contracts/").json()["results"]] == ["H1234", "H9999"]
        assert client.get("/api/v1/contracts/", {"plan_type": "local_ppo"}).json()["count"] == 1
        assert client.get("/api/v1/contracts/", {"search": "h99"}).json()["count"] == 1
        assert client.get("/api/v1/contracts/H9999/").json()["plan_type"] == "local_ppo"
        assert client.get("/api/v1/contracts/H0000/").status_code == 404

    def test_providers_are_found_by_npi_name_and_practice(self, ana: User) -> None:
        make_provider(npi="1234567893", name="Dr. Rivera", practice="Elm Street Clinic")
        make_provider(practice="Oak Clinic")
        client = signed_in(ana)
        for query in ({"search": "1234567893"}, {"search": "rivera"}, {"practice": "Elm Street Clinic"}):
            assert [row["npi"] for row in client.get("/api/v1/providers/", query).json()["results"]] == ["1234567893"]
        assert client.get("/api/v1/providers/1234567893/").json()["name"] == "Dr. Rivera"

    def test_a_measure_opens_with_its_years(self, ana: User) -> None:
        measure = make_measure("COL", domain="Staying healthy")
        make_measure("HEI", kind="lens", definition_version="")
        MeasureYear.objects.create(
            measure=measure, measurement_year=2026, star_year=2028, weight=1, age_low=45, age_high=75, source="made"
        )
        client = signed_in(ana)
        assert [row["code"] for row in client.get("/api/v1/measures/").json()["results"]] == ["COL", "HEI"]
        assert client.get("/api/v1/measures/", {"computed": "false"}).json()["results"][0]["code"] == "HEI"
        assert client.get("/api/v1/measures/", {"search": "staying"}).json()["count"] == 1
        [year] = client.get("/api/v1/measures/COL/").json()["years"]
        assert (year["star_year"], year["age_low"], year["age_high"]) == (2028, 45, 75)
        [row] = client.get("/api/v1/measure-years/", {"star_year": 2028}).json()["results"]
        assert (row["measure"], row["weight"]) == ("COL", 1)

    def test_lists_without_a_cursor_say_so(self, ana: User) -> None:
        answer = signed_in(ana).get("/api/v1/measures/", {"paging": "cursor"})
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "paging")

    def test_looking_at_no_member_is_no_look(self, ana: User) -> None:
        make_contract("H1234")
        signed_in(ana).get("/api/v1/contracts/H1234/")
        assert not Event.objects.filter(kind="api").exists()


class TestManners:
    def test_a_method_that_is_not_there_is_405(self, ana: User, member: Member) -> None:
        answer = signed_in(ana).delete(f"{MEMBERS}{member.pseudonym}/")
        assert (answer.status_code, answer["Content-Type"]) == (405, "application/problem+json")
        assert "DELETE" not in answer["Allow"]

    def test_a_server_error_stays_one_and_tells_nothing(
        self, ana: User, member: Member, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fails(self: Any, rows: Any) -> None:
            raise RuntimeError(rows[0]["pseudonym"])

        monkeypatch.setattr("hedis.members.api.Members.before_showing", fails)
        client = signed_in(ana)
        client.raise_request_exception = False
        answer = client.get(MEMBERS)
        assert answer.status_code == 500
        assert member.pseudonym not in answer.content.decode()

    def test_too_many_requests_are_asked_to_wait(
        self, ana: User, member: Member, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("rest_framework.throttling.UserRateThrottle.THROTTLE_RATES", {"user": "2/min"})
        client = signed_in(ana)
        answers = [client.get("/api/v1/contracts/") for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert answers[2]["Content-Type"] == "application/problem+json" and int(answers[2]["Retry-After"]) > 0

    def test_people_may_browse_and_their_problems_are_pages(self, ana: User, member: Member) -> None:
        client = signed_in(ana)
        for path, status in ((MEMBERS, 200), (f"{MEMBERS}{member.pseudonym}/", 200), (f"{MEMBERS}x/", 404)):
            answer = client.get(path, headers={"accept": "text/html"})
            assert (answer.status_code, answer["Content-Type"]) == (status, "text/html; charset=utf-8")

    def test_the_browsable_form_may_leave_filters_empty(self, ana: User, member: Member) -> None:
        answer = signed_in(ana).get(MEMBERS, {"lis": "", "search": ""}, headers={"accept": "text/html"})
        assert answer.status_code == 200

    def test_strangers_get_no_page(self, member: Member) -> None:
        answer = APIClient().get(MEMBERS, headers={"accept": "text/html"})
        assert (answer.status_code, answer["Content-Type"]) == (406, "application/problem+json")

    def test_an_address_no_endpoint_answers_is_a_problem_too(self, rf: RequestFactory) -> None:
        answer = problem.unknown_address(rf.get("/api/v1/nothing/"))
        assert (answer.status_code, answer["Content-Type"]) == (404, "application/problem+json")
        assert json.loads(answer.content)["instance"] == "/api/v1/nothing/"

    @pytest.mark.parametrize("method", ["options", "post"])
    def test_the_docs_page_refuses_what_it_cannot_draw(self, rf: RequestFactory, method: str) -> None:
        answer = Docs.as_view(url_name="api-schema")(getattr(rf, method)("/api/docs/"))
        assert answer.render().status_code == 405
