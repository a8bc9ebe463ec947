"""A small plan for the tests of what leaves as FHIR: three measures, five members, every gap status."""

from collections.abc import Iterator
from datetime import date
from types import SimpleNamespace
from typing import Any

from rest_framework.test import APIClient

from hedis.accounts.models import User
from hedis.gaps.fhir import validation
from hedis.gaps.models import Status, Work
from hedis.measures.models import MeasureYear
from tests.factories import make_contract, make_count, make_gap, make_measure, make_member, make_provider

YEAR = {"periodStart": "2026-01-01", "periodEnd": "2026-12-31"}
EVERY_STATUS = ["open-gap", "closed-gap", "prospective-gap", "not-applicable"]
CARE_GAPS = "/fhir/Measure/$care-gaps"


def signed_in(user: User) -> APIClient:
    client = APIClient()
    client.force_login(user)
    return client


def care_gaps(user: User, **asked: Any) -> Any:
    """GET $care-gaps for the year 2026 and every status, unless the story says otherwise."""
    return signed_in(user).get(CARE_GAPS, {**YEAR, "status": EVERY_STATUS, **asked})


def bundles(answer: Any) -> list[dict[str, Any]]:
    """The bundles of a Parameters answer."""
    assert answer.status_code == 200, answer.content
    body = answer.json()
    assert body["resourceType"] == "Parameters"
    assert {one["name"] for one in body.get("parameter", [])} <= {"return"}
    return [one["resource"] for one in body.get("parameter", [])]


def content(bundle: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    """The resources of one type in a bundle."""
    return [one["resource"] for one in bundle["entry"] if one["resource"]["resourceType"] == kind]


def status_of(issue: dict[str, Any]) -> str:
    """The gap status of a DetectedIssue."""
    [extension] = issue["modifierExtension"]
    code: str = extension["valueCodeableConcept"]["coding"][0]["code"]
    return code


def statuses(bundle: dict[str, Any]) -> dict[str, str]:
    """Gap status by measure code."""
    reports = {f"MeasureReport/{one['id']}": one for one in content(bundle, "MeasureReport")}
    return {
        reports[issue["evidence"][0]["detail"][0]["reference"]]["group"][0]["id"]: status_of(issue)
        for issue in content(bundle, "DetectedIssue")
    }


def population(report: dict[str, Any]) -> dict[str, int]:
    """Counts by population code."""
    return {one["code"]["coding"][0]["code"]: one["count"] for one in report["group"][0]["population"]}


def references(value: Any) -> Iterator[str]:
    """Every literal reference in a resource."""
    if isinstance(value, dict):
        if isinstance(value.get("reference"), str):
            yield value["reference"]
        for inner in value.values():
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def check_bundle(bundle: dict[str, Any]) -> None:
    """The library accepts all of it, references resolve inside it, and a document starts with its Composition."""
    validation.check(bundle)
    there = set()
    for one in bundle["entry"]:
        validation.check(one["resource"])
        there.add(f"{one['resource']['resourceType']}/{one['resource']['id']}")
        assert one["fullUrl"].endswith(f"/fhir/{one['resource']['resourceType']}/{one['resource']['id']}")
    assert len(there) == len(bundle["entry"])
    assert set(references(bundle)) <= there
    first = bundle["entry"][0]["resource"]["resourceType"]
    assert (first == "Composition") == (bundle["type"] == "document")


def tell(ana: User) -> Any:
    """The plan: Ana's panel of five in contract H1234, one of them a patient of a known practitioner.

    COL and GSD and BCS were counted for 2026; `open_` has an open COL gap, `closed` a closed one, `excluded` an
    exclusion, `gone` left the plan, `waiting` has prospective GSD and closed COL.
    """
    contract, col, gsd, bcs = make_contract("H1234"), make_measure("COL"), make_measure("GSD"), make_measure("BCS")
    for measure in (col, gsd, bcs):
        make_count(measure, contract)
    doctor = make_provider()
    MeasureYear.objects.create(measure=col, measurement_year=2026, star_year=2028, weight=1, source="made for a test")
    open_, closed, excluded, gone, waiting = (
        make_member(care_manager=ana, provider=doctor if number == 0 else None) for number in range(5)
    )
    shared: dict[str, Any] = {"contract": contract}
    make_gap(open_, col, reason_code="NotFound", **shared)
    make_gap(closed, col, status=Status.CLOSED, work_status=Work.CLOSED_CLAIM, reason="", evidence_value="colonoscopy",
             evidence_date=date(2024, 5, 1), evidence_route="claim", **shared)  # fmt: skip
    make_gap(excluded, col, status=Status.NOT_APPLICABLE, work_status=Work.EXCLUDED, reason="", exclusion="hospice",
             exclusion_date=date(2026, 2, 1), **shared)  # fmt: skip
    make_gap(gone, col, status=Status.NOT_APPLICABLE, work_status=Work.GONE, reason="", evidence_value="old", **shared)
    make_gap(waiting, gsd, status=Status.PROSPECTIVE, reason_code="ValueOutOfRange", evidence_value="9.4",
             evidence_date=date(2026, 3, 2), evidence_route="lab result", **shared)  # fmt: skip
    make_gap(waiting, col, status=Status.CLOSED, work_status=Work.CLOSED_CLAIM, reason="", **shared)
    return SimpleNamespace(
        contract=contract, doctor=doctor, open_=open_, closed=closed, excluded=excluded, gone=gone, waiting=waiting
    )
