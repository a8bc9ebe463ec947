"""Gaps in care as FHIR, through HTTP as a program sees them."""

import json
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from audit import ledger
from audit.models import Event, Subject
from hedis.accounts import keys
from hedis.accounts.models import User
from hedis.gaps.fhir import guide, validation
from hedis.gaps.models import Gap, Work
from tests.factories import make_contract, make_gap, make_measure, make_member
from tests.hedis.fhir_story import (
    CARE_GAPS,
    EVERY_STATUS,
    YEAR,
    bundles,
    care_gaps,
    check_bundle,
    content,
    population,
    signed_in,
    status_of,
    statuses,
    tell,
)


@pytest.fixture
def plan(ana: User) -> Any:
    return tell(ana)


def subject(member: Any) -> str:
    return f"Patient/{member.pseudonym}"


class TestTheGapsDocument:
    def test_each_member_gets_one_bundle_that_the_library_accepts(self, ana: User, plan: Any) -> None:
        found = bundles(care_gaps(ana))
        assert len(found) == 5
        for bundle in found:
            check_bundle(bundle)
            assert bundle["meta"]["profile"] == [guide.CURRENT.bundle]
            assert bundle["identifier"]["value"].startswith("urn:uuid:")

    def test_the_whole_answer_is_valid_parameters(self, ana: User, plan: Any) -> None:
        answer = care_gaps(ana)
        assert answer["Content-Type"] == "application/fhir+json"
        validation.check(answer.json())

    @pytest.mark.parametrize(
        ("who", "status", "counts", "score"),
        [
            ("open_", "open-gap", (1, 1, 0, 0), 0.0),
            ("closed", "closed-gap", (1, 1, 0, 1), 1.0),
            ("excluded", "not-applicable", (1, 1, 1, 0), None),
            ("gone", "not-applicable", (0, 0, 0, 0), None),
        ],
    )
    def test_status_and_populations_agree(
        self, ana: User, plan: Any, who: str, status: str, counts: tuple[int, ...], score: float | None
    ) -> None:
        [bundle] = bundles(care_gaps(ana, subject=subject(getattr(plan, who)), measureId="COL"))
        assert statuses(bundle) == {"COL": status}
        [report] = content(bundle, "MeasureReport")
        names = ("initial-population", "denominator", "denominator-exclusion", "numerator")
        assert population(report) == dict(zip(names, counts, strict=True))
        assert report["group"][0].get("measureScore", {}).get("value") == score

    def test_an_excluded_or_departed_member_is_never_an_open_gap(self, ana: User, plan: Any) -> None:
        asked = {"status": ["open-gap", "prospective-gap"]}
        for member in (plan.excluded, plan.gone):
            assert bundles(care_gaps(ana, subject=subject(member), **asked)) == []

    def test_a_member_never_in_the_initial_population_is_not_applicable(self, ana: User, plan: Any) -> None:
        [bundle] = bundles(care_gaps(ana, subject=subject(plan.open_)))
        assert statuses(bundle) == {"COL": "open-gap", "GSD": "not-applicable", "BCS": "not-applicable"}
        check_bundle(bundle)

    def test_an_open_gap_says_why_in_deqms_words_and_in_ours(self, ana: User, plan: Any) -> None:
        [bundle] = bundles(care_gaps(ana, subject=subject(plan.waiting), status="prospective-gap"))
        [why] = content(bundle, "GuidanceResponse")
        assert why["reasonCode"][0]["coding"] == [
            {
                "system": "http://hl7.org/fhir/uv/deqm/CodeSystem/deqm-care-gap-reason",
                "code": "ValueOutOfRange",
                "display": "Value is out of specified range",
            }
        ]
        assert why["reasonCode"][0]["text"].startswith("No screening found")
        assert why["note"][-1]["text"] == "Last known: 9.4 on 2026-03-02 (lab result)."
        [issue] = content(bundle, "DetectedIssue")
        assert [one["detail"][0]["reference"].split("/")[0] for one in issue["evidence"]] == [
            "MeasureReport",
            "GuidanceResponse",
        ]

    def test_a_reason_without_a_code_is_told_in_words_alone(self, ana: User) -> None:
        make_gap(make_member(care_manager=ana), make_measure("COL"), reason_code="", reason="Only words.")
        [bundle] = bundles(care_gaps(ana))
        assert content(bundle, "GuidanceResponse")[0]["reasonCode"] == [{"text": "Only words."}]
        check_bundle(bundle)

    def test_a_members_refusal_is_told_as_a_remark(self, ana: User) -> None:
        make_gap(make_member(care_manager=ana), make_measure("COL"), work_status=Work.REFUSED)
        [bundle] = bundles(care_gaps(ana))
        check_bundle(bundle)
        [said] = [
            one["extension"][1]["valueCodeableConcept"]["coding"][0]["code"]
            for one in content(bundle, "MeasureReport")[0]["group"][0]["extension"]
            if one["url"] == guide.CURRENT.care_gap_remark
        ]
        assert said == "patient-refused"

    def test_a_closed_gap_tells_its_evidence_and_has_no_reason(self, ana: User, plan: Any) -> None:
        [bundle] = bundles(care_gaps(ana, subject=subject(plan.closed), status="closed-gap"))
        assert content(bundle, "GuidanceResponse") == []
        [report] = content(bundle, "MeasureReport")
        assert report["evaluatedResource"][-1]["display"] == "colonoscopy on 2024-05-01 (claim)"

    def test_a_departed_member_shows_no_old_evidence(self, ana: User, plan: Any) -> None:
        answer = care_gaps(ana, subject=subject(plan.gone))
        assert "old" not in {one.get("detail") for one in content(bundles(answer)[0], "DetectedIssue")}

    def test_data_as_of_stands_on_issue_and_report(self, ana: User, plan: Any) -> None:
        [bundle] = bundles(care_gaps(ana, subject=subject(plan.open_), measureId="COL"))
        [issue], [report] = content(bundle, "DetectedIssue"), content(bundle, "MeasureReport")
        assert issue["identifiedDateTime"] == "2026-09-30"
        assert {"url": guide.CURRENT.calculated_date, "valueDateTime": "2026-09-30"} in report["group"][0]["extension"]

    def test_a_patient_is_a_pseudonym_a_year_and_a_gender(self, ana: User, plan: Any) -> None:
        [bundle] = bundles(care_gaps(ana, subject=subject(plan.open_)))
        [patient] = content(bundle, "Patient")
        assert set(patient) == {"resourceType", "id", "meta", "identifier", "gender", "birthDate"}
        assert (patient["birthDate"], patient["gender"]) == ("1955", "female")
        assert patient["identifier"][0]["value"] == plan.open_.pseudonym

    def test_a_collection_without_composition_is_given_where_it_is_asked_for(self, ana: User, plan: Any) -> None:
        [bundle] = bundles(care_gaps(ana, subject=subject(plan.open_), isDocument="false"))
        assert bundle["type"] == "collection" and content(bundle, "Composition") == []
        check_bundle(bundle)

    def test_the_former_guides_canonicals_are_given_where_they_are_asked_for(self, ana: User, plan: Any) -> None:
        [bundle] = bundles(care_gaps(ana, subject=subject(plan.open_), _guide="us"))
        check_bundle(bundle)
        [issue] = [one for one in content(bundle, "DetectedIssue") if status_of(one) == "open-gap"]
        assert issue["modifierExtension"][0]["url"] == (
            "http://hl7.org/fhir/us/davinci-deqm/StructureDefinition/extension-gapStatus"
        )
        assert "http://hl7.org/fhir/uv/deqm/" not in json.dumps(bundle)

    def test_a_lower_is_better_measure_says_so(self, ana: User) -> None:
        make_gap(make_member(care_manager=ana), make_measure("INV", direction="lower"))
        [bundle] = bundles(care_gaps(ana))
        notation = content(bundle, "MeasureReport")[0]["improvementNotation"]
        assert notation["coding"][0]["code"] == "decrease"


class TestWhatMayBeAsked:
    @pytest.mark.parametrize(
        "asked",
        [
            {"measureId": "GSD"},
            {"measure": "GSD"},
            {"measureUrl": f"{settings.FHIR_BASE_URL}/Measure/GSD"},
            {"measureUrl": f"{settings.FHIR_BASE_URL}/Measure/GSD|1"},
            {"measureIdentifier": "GSD"},
            {"measureIdentifier": f"{settings.FHIR_BASE_URL}/NamingSystem/measure|GSD"},
        ],
    )
    def test_a_measure_is_named_in_either_generation(self, ana: User, plan: Any, asked: dict[str, str]) -> None:
        [bundle] = bundles(care_gaps(ana, **asked))
        assert statuses(bundle) == {"GSD": "prospective-gap"}

    def test_several_measures_and_statuses_are_each_repeated(self, ana: User, plan: Any) -> None:
        found = bundles(care_gaps(ana, measureId=["COL", "GSD"], status=["prospective-gap", "open-gap"]))
        assert sorted(str(statuses(one)) for one in found) == ["{'COL': 'open-gap'}", "{'GSD': 'prospective-gap'}"]

    @pytest.mark.parametrize("period", [("2026", "2026"), ("2026-01", "2026-12"), ("2026-01-01", "2026-12-31")])
    def test_a_year_or_a_month_stands_for_its_days(self, ana: User, plan: Any, period: tuple[str, str]) -> None:
        answer = care_gaps(ana, periodStart=period[0], periodEnd=period[1])
        assert len(bundles(answer)) == 5

    @pytest.mark.parametrize("name", ["provider", "practitioner", "reporter"])
    def test_a_practitioner_narrows_to_her_members(self, ana: User, plan: Any, name: str) -> None:
        [bundle] = bundles(care_gaps(ana, **{name: f"Practitioner/{plan.doctor.npi}"}))
        assert content(bundle, "Patient")[0]["id"] == plan.open_.pseudonym

    @pytest.mark.parametrize("name", ["organization", "provider", "reporter"])
    def test_an_organization_is_a_contract(self, ana: User, plan: Any, name: str) -> None:
        other = make_gap(make_member(care_manager=ana), make_measure("COL"), contract=make_contract("H9999"))
        [bundle] = bundles(care_gaps(ana, **{name: "Organization/H9999"}))
        assert content(bundle, "Patient")[0]["id"] == other.member.pseudonym
        assert len(bundles(care_gaps(ana, **{name: "Organization/plan"}))) == 6

    def test_a_program_means_its_rated_measures(self, ana: User, plan: Any) -> None:
        found = bundles(care_gaps(ana, program="medicare-star-ratings"))
        assert {code for one in found for code in statuses(one)} == {"COL"}

    def test_a_topic_is_a_domain(self, ana: User) -> None:
        make_gap(make_member(care_manager=ana), make_measure("COL", domain="Staying Healthy"))
        make_gap(make_member(care_manager=ana), make_measure("GSD", domain="Chronic"))
        [bundle] = bundles(care_gaps(ana, topic="Chronic"))
        assert statuses(bundle) == {"GSD": "open-gap"}

    def test_posted_parameters_ask_the_same(self, ana: User, plan: Any) -> None:
        body = {
            "resourceType": "Parameters",
            "parameter": [
                {"name": "periodStart", "valueDate": "2026-01-01"},
                {"name": "periodEnd", "valueDate": "2026-12-31"},
                {"name": "status", "valueCode": "open-gap"},
                {"name": "status", "valueCode": "closed-gap"},
                {"name": "subject", "valueReference": {"reference": subject(plan.open_)}},
                {"name": "measureUrl", "valueCanonical": f"{settings.FHIR_BASE_URL}/Measure/COL"},
                {"name": "isDocument", "valueBoolean": False},
            ],
        }
        for media_type in ("application/fhir+json", "application/json"):
            answer = signed_in(ana).post(CARE_GAPS, json.dumps(body), content_type=media_type)
            [bundle] = bundles(answer)
            assert statuses(bundle) == {"COL": "open-gap"} and bundle["type"] == "collection"

    def test_a_group_of_members_is_asked_at_once(self, ana: User, plan: Any) -> None:
        members = [{"entity": {"reference": subject(one)}} for one in (plan.open_, plan.closed)]
        group = {"resourceType": "Group", "type": "person", "actual": True, "member": members}
        parameters = [{"name": name, "valueDate": day} for name, day in YEAR.items()]
        parameters += [{"name": "status", "valueCode": code} for code in EVERY_STATUS]
        body = {"resourceType": "Parameters", "parameter": [*parameters, {"name": "subjectGroup", "resource": group}]}
        answer = signed_in(ana).post(CARE_GAPS, json.dumps(body), content_type="application/fhir+json")
        people = {content(one, "Patient")[0]["id"] for one in bundles(answer)}
        assert people == {plan.open_.pseudonym, plan.closed.pseudonym}

    def test_a_read_only_key_may_post_because_nothing_is_stored(self, ben: User, plan: Any) -> None:
        _, secret = keys.create(ben, name="reader", days=1, read_only=True, by="test")
        body = {"resourceType": "Parameters", "parameter": [{"name": "periodStart", "valueDate": "2026"}]}
        body["parameter"] += [{"name": "periodEnd", "valueDate": "2026"}, {"name": "status", "valueCode": "open-gap"}]
        answer = APIClient().post(
            CARE_GAPS, json.dumps(body), content_type="application/fhir+json",
            headers={"Authorization": f"Bearer {secret}"},
        )  # fmt: skip
        assert len(bundles(answer)) == 1


class TestPaging:
    def test_pages_follow_each_other_and_miss_nobody(self, ana: User, plan: Any) -> None:
        client, seen = signed_in(ana), list[str]()
        answer = client.get(CARE_GAPS, {**YEAR, "status": EVERY_STATUS, "_count": "2"})
        for _ in range(5):
            seen += [content(one, "Patient")[0]["id"] for one in bundles(answer)]
            if "Link" not in answer:
                break
            answer = client.get(answer["Link"].removeprefix("<").split(">")[0])
        assert len(seen) == 5 and seen == sorted(set(seen))

    def test_the_bundle_shape_carries_links_and_is_valid(self, ana: User, plan: Any) -> None:
        body = care_gaps(ana, _shape="bundle", _count="4").json()
        validation.check(body)
        assert body["type"] == "searchset" and len(body["entry"]) == 4
        following = {one["relation"]: one["url"] for one in body["link"]}["next"]
        last = signed_in(ana).get(following).json()
        assert len(last["entry"]) == 1 and {one["relation"] for one in last["link"]} == {"self"}
        check_bundle(last["entry"][0]["resource"])

    def test_more_members_and_gaps_cost_no_more_queries(self, ben: User, ana: User) -> None:
        contract = make_contract("H1234")

        def members_with_gaps(count: int) -> None:
            for _ in range(count):
                member = make_member(care_manager=ana)
                for code in ("COL", "GSD", "CBP"):
                    make_gap(member, make_measure(code), contract=contract)

        members_with_gaps(1)
        care_gaps(ben)
        with CaptureQueriesContext(
            connection,
        ) as few:
            care_gaps(ben)
        members_with_gaps(20)
        with CaptureQueriesContext(connection) as many:
            assert len(bundles(care_gaps(ben))) == 21
        assert len(many) == len(few), [one["sql"][:150] for one in many.captured_queries]


class TestBadDays:
    @pytest.mark.parametrize(
        ("asked", "status", "where"),
        [
            ({"periodEnd": "2027-12-31"}, 400, "periodEnd"),
            ({"periodEnd": "2026-06-30"}, 400, "periodEnd"),
            ({"periodStart": "2026-02-30"}, 400, "periodStart"),
            ({"periodStart": "last year"}, 400, "periodStart"),
            ({"periodStart": "２０２６"}, 400, "periodStart"),
            ({"status": "open"}, 400, "status"),
            ({"status": ""}, 400, "status"),
            ({"measureId": "NOPE"}, 404, "measureId"),
            ({"measureUrl": "http://elsewhere.example/Measure/COL"}, 404, "measureUrl"),
            ({"measureUrl": f"{settings.FHIR_BASE_URL}/Measure/COL|99"}, 404, "measureUrl"),
            ({"periodStart": "2031", "periodEnd": "2031"}, 404, "periodStart"),
            ({"subject": "123"}, 400, "subject"),
            ({"subject": "Patient/MBI-1EG4TE5MK73"}, 400, "subject"),
            ({"subject": f"Patient/{'0' * 64}"}, 404, "subject"),
            ({"subject": "Group/7"}, 400, "subject"),
            ({"practitioner": "Practitioner/1999999999"}, 404, "practitioner"),
            ({"practitioner": "Practitioner/x"}, 400, "practitioner"),
            ({"organization": "Organization/H0000"}, 404, "organization"),
            ({"program": "mips"}, 404, "program"),
            ({"topic": "nothing"}, 404, "topic"),
            ({"location": "Location/1"}, 400, "location"),
            ({"subjcet": "Patient/1"}, 400, "subjcet"),
            ({"_count": "0"}, 400, "_count"),
            ({"_count": "1001"}, 400, "_count"),
            ({"_cursor": "7"}, 400, "_cursor"),
            ({"_shape": "list"}, 400, "_shape"),
            ({"_guide": "stu9"}, 400, "_guide"),
            ({"isDocument": "yes"}, 400, "isDocument"),
        ],
    )
    def test_what_cannot_be_used_is_an_operation_outcome_that_names_it(
        self, ana: User, plan: Any, asked: dict[str, str], status: int, where: str
    ) -> None:
        answer = care_gaps(ana, **asked)
        assert answer.status_code == status, answer.content
        assert answer["Content-Type"] == "application/fhir+json"
        validation.check(answer.json())
        assert where in [one.get("expression", [""])[0] for one in answer.json()["issue"]]

    def test_no_parameters_at_all_names_everything_that_is_missing(self, ana: User) -> None:
        issues = signed_in(ana).get(CARE_GAPS).json()["issue"]
        assert {one["expression"][0] for one in issues} == {"periodStart", "periodEnd", "status"}
        assert {one["code"] for one in issues} == {"required"}

    def test_a_plans_own_id_is_not_repeated_in_the_answer_nor_kept_in_the_ledger(self, ana: User, plan: Any) -> None:
        answer = care_gaps(ana, subject="Patient/1EG4TE5MK73")
        assert b"1EG4TE5MK73" not in answer.content
        for event in Event.objects.all():
            assert "1EG4TE5MK73" not in json.dumps(ledger.contents(event)) + event.object_id

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"{",
            b"[]",
            b'"text"',
            b'{"resourceType": "Patient"}',
            b'{"resourceType": "Parameters", "parameter": {"name": "status"}}',
            b'{"resourceType": "Parameters", "parameter": [7]}',
            b'{"resourceType": "Parameters", "parameter": [{"name": "status"}]}',
            b'{"resourceType": "Parameters", "parameter": [{"name": "status", "valueCode": "a", "valueId": "b"}]}',
            b'{"resourceType": "Parameters", "parameter": [{"name": "status", "valueCode": ["open-gap"]}]}',
            b'{"resourceType": "Parameters", "parameter": [{"name": "status", "valueCode": null}]}',
            b'{"resourceType": "Parameters", "parameter": [{"name": "subjectGroup", "valueString": "x"}]}',
            b'{"resourceType": "Parameters", "parameter": [{"name": "subject", "resource": {"resourceType": "X"}}]}',
            b'{"resourceType": "Parameters", "parameter": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
            b'{"resourceType": "Parameters", "parameter": ' + b"[" * 100 + b"]" * 100 + b"}",
            b"\xff\xfe{}",
        ],
    )
    def test_a_broken_body_is_a_bad_request(self, ana: User, body: bytes) -> None:
        answer = signed_in(ana).post(CARE_GAPS, body, content_type="application/fhir+json")
        assert answer.status_code == 400, answer.content
        assert answer.json()["resourceType"] == "OperationOutcome"

    def test_a_group_without_members_or_with_a_stranger_is_refused(self, ana: User, plan: Any) -> None:
        for members in ([], [{}], [{"entity": {}}], [{"entity": {"reference": "Patient/abc"}}], ["x"]):
            group = {"resourceType": "Group", "member": members}
            body = {"resourceType": "Parameters", "parameter": [{"name": "subjectGroup", "resource": group}]}
            answer = signed_in(ana).post(CARE_GAPS, json.dumps(body), content_type="application/fhir+json")
            assert answer.status_code == 400
            assert "subjectGroup" in {one.get("expression", [""])[0] for one in answer.json()["issue"]}

    def test_a_body_that_is_too_large_is_refused_unread(self, ana: User) -> None:
        body = b'{"resourceType": "Parameters", "x": "' + b"a" * settings.DATA_UPLOAD_MAX_MEMORY_SIZE + b'"}'
        answer = signed_in(ana).post(CARE_GAPS, body, content_type="application/fhir+json")
        assert answer.status_code == 413 and answer.json()["issue"][0]["code"] == "too-long"

    def test_xml_is_not_acceptable_in_either_direction(self, ana: User, plan: Any) -> None:
        client = signed_in(ana)
        for answer in (
            client.get("/fhir/Measure", headers={"Accept": "application/fhir+xml"}),
            client.get("/fhir/Measure", {"_format": "xml"}),
            client.get("/fhir/Measure", {"_format": "application/fhir+xml"}),
        ):
            assert answer.status_code == 406 and answer.json()["issue"][0]["code"] == "not-supported"
        posted = client.post(CARE_GAPS, "<Parameters/>", content_type="application/fhir+xml")
        assert posted.status_code == 415 and posted.json()["resourceType"] == "OperationOutcome"

    @pytest.mark.parametrize("wanted", ["json", "application/json", "application/fhir+json", "application/fhir json"])
    def test_json_by_any_of_its_names_is_acceptable(self, ana: User, plan: Any, wanted: str) -> None:
        assert care_gaps(ana, _format=wanted).status_code == 200

    def test_an_unknown_address_and_a_wrong_method_are_outcomes_too(self, ana: User) -> None:
        client = signed_in(ana)
        assert client.get("/fhir/Observation/1").json()["resourceType"] == "OperationOutcome"
        refused = client.delete("/fhir/Measure/COL")
        assert refused.status_code == 405 and refused.json()["resourceType"] == "OperationOutcome"


class TestTheLedger:
    def test_an_answer_names_exactly_the_members_it_tells_of(self, ana: User, plan: Any) -> None:
        answer = care_gaps(ana, status="open-gap")
        event = Event.objects.get(request_id=answer["X-Request-ID"])
        assert (event.action, event.row_count, event.outcome) == ("api.fhir_care_gaps.shown", 1, "done")
        shown = Subject.objects.filter(event_id=event.id).values_list("member_pseudonym", flat=True)
        assert list(shown) == [plan.open_.pseudonym]

    def test_a_member_of_another_panel_is_not_there_and_the_attempt_is_recorded(self, dee: User, plan: Any) -> None:
        answer = care_gaps(dee, subject=subject(plan.open_))
        assert answer.status_code == 404
        event = Event.objects.get(request_id=answer["X-Request-ID"])
        assert (event.outcome, event.object_id) == ("denied", plan.open_.pseudonym)
        assert bundles(care_gaps(dee)) == []

    def test_nothing_is_shown_when_the_look_cannot_be_recorded(
        self, ana: User, plan: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from django.db import OperationalError

        def broken(*args: Any, **facts: Any) -> None:
            raise OperationalError

        monkeypatch.setattr(ledger, "record_alone", broken)
        monkeypatch.setattr(ledger, "record", broken)
        for asked in ({}, {"_format": "ndjson"}):
            answer = care_gaps(ana, **asked)
            assert answer.status_code == 503, answer.content
            assert answer.json()["issue"][0]["code"] == "transient"


class TestTheStream:
    def lines(self, answer: Any) -> list[dict[str, Any]]:
        assert answer.status_code == 200, answer.content
        return [json.loads(line) for line in b"".join(answer.streaming_content).decode().splitlines()]

    def test_everything_comes_as_ndjson_to_those_who_ask_for_it(self, ana: User, plan: Any) -> None:
        answer = signed_in(ana).get(
            CARE_GAPS, {**YEAR, "status": EVERY_STATUS}, headers={"Accept": "application/fhir+ndjson"}
        )
        assert answer["Content-Type"] == "application/fhir+ndjson"
        found = self.lines(answer)
        kinds = [one["resourceType"] for one in found]
        assert {kind: kinds.count(kind) for kind in set(kinds)} == {
            "Measure": 3, "Patient": 5, "DetectedIssue": 6, "MeasureReport": 6, "GuidanceResponse": 2,
            "Organization": 2,
        }  # fmt: skip
        for resource in found:
            validation.check(resource)

    def test_the_export_is_one_event_with_members_and_rows_and_stays_in_scope(
        self, ana: User, dee: User, plan: Any
    ) -> None:
        make_gap(make_member(care_manager=dee), make_measure("COL"))
        answer = care_gaps(ana, _format="ndjson")
        patients = {one["id"] for one in self.lines(answer) if one["resourceType"] == "Patient"}
        event = Event.objects.get(request_id=answer["X-Request-ID"])
        named = set(Subject.objects.filter(event_id=event.id).values_list("member_pseudonym", flat=True))
        assert (event.kind, event.row_count) == (Event.Kind.EXPORT, Gap.objects.visible_to(ana).count())
        assert patients == named and len(named) == 5
