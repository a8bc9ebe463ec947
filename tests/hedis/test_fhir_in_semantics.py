"""What each FHIR resource becomes (docs/fhir.md): one line a rule, no database."""

from collections.abc import Iterator
from copy import deepcopy
from datetime import date
from functools import reduce
from itertools import product
from typing import Any

import duckdb
import pytest

from hedis.evidence.schema import SCHEMA
from hedis.evidence.sources.fhir import Loaded, load_resources
from tests.hedis.fhir_folder import (
    CVX,
    HCPCS,
    ICD,
    LOINC,
    RXNORM,
    SNOMED,
    Resource,
    about,
    concept,
    condition,
    coverage,
    dispense,
    encounter,
    explanation,
    observation,
    patient,
    request,
)

OPEN = date(9999, 12, 31)
APRIL_10 = date(2025, 4, 10)


def load(*resources: Resource, time_zone: str = "UTC") -> tuple[Loaded, duckdb.DuckDBPyConnection]:
    """The resources beside one person."""
    connection = duckdb.connect()
    return load_resources(connection, [patient(), *resources], time_zone=time_zone), connection


def rows(table: str, *resources: Resource, time_zone: str = "UTC") -> list[dict[str, Any]]:
    loaded, connection = load(*resources, time_zone=time_zone)
    assert loaded.refused == ()
    found: list[dict[str, Any]] = connection.sql(f"FROM {table} ORDER BY ALL").to_arrow_table().to_pylist()
    return found


def facts(*resources: Resource, time_zone: str = "UTC") -> list[tuple[Any, ...]]:
    """kind, code system, code, start, end."""
    return [
        (row["kind"], row["code_system"], row["code"], row["start_date"], row["end_date"])
        for row in rows("event", *resources, time_zone=time_zone)
    ]


def days(*resources: Resource, time_zone: str = "UTC") -> tuple[date, date]:
    """Start and end of the one fact."""
    ((_, _, _, start, end),) = facts(*resources, time_zone=time_zone)
    return start, end


def left_out(resource: Resource) -> str:
    """Why a valid resource gives no row."""
    loaded, connection = load(resource)
    assert loaded.refused == () and connection.execute("FROM event SELECT count(*)").fetchone() == (0,)
    ((kind, reason),) = loaded.left_out
    assert kind == resource["resourceType"]
    return reason


def test_the_tables_have_exactly_the_columns_of_the_warehouse() -> None:
    _, connection = load(condition(), dispense(), coverage())
    for table, columns in SCHEMA.items():
        told = {name: kind for name, kind, *_ in connection.execute(f"DESCRIBE {table}").fetchall()}
        assert told == columns, table


@pytest.mark.parametrize(
    ("resource", "kind", "system", "code"),
    [
        (condition(), "diagnosis", "icd-10-cm", "E119"),
        (about("Procedure", "1", status="completed", code=concept(SNOMED, "73761001"), performedDateTime="2025-04-10"),
         "procedure", "snomed-ct", "73761001"),
        (about("DiagnosticReport", "1", status="final", code=concept(LOINC, "24606-6"), issued="2025-04-10T09:00:00Z"),
         "report", "loinc", "24606-6"),
        (about("Immunization", "1", status="completed", vaccineCode=concept(CVX, "140"),
               occurrenceDateTime="2025-04-10"), "immunization", "cvx", "140"),
        (about("AllergyIntolerance", "1", code=concept(RXNORM, "83367"), recordedDate="2025-04-10"),
         "allergy", "rxnorm", "83367"),
        (request("ServiceRequest"), "order", "snomed-ct", "860975"),
        (request("DeviceRequest"), "device-order", "snomed-ct", "860975"),
        (request("MedicationRequest"), "medication-order", "rxnorm", "860975"),
        (observation(), "lab", "loinc", "4548-4"),
        (observation(category=[concept("x", "survey")]), "assessment", "loinc", "4548-4"),
        (observation(category=[concept("x", "exam")]), "exam", "loinc", "4548-4"),
        (observation(category=[concept("x", "vital-signs")]), "vital-sign", "loinc", "4548-4"),
        (observation(category=[concept("x", "imaging")]), "imaging", "loinc", "4548-4"),
        (observation(category=[concept("x", "therapy")]), "observation", "loinc", "4548-4"),
        (observation(category=None), "observation", "loinc", "4548-4"),
    ],
)  # fmt: skip
def test_each_type_becomes_its_kind(resource: Resource, kind: str, system: str, code: str) -> None:
    assert [row[:3] for row in facts(resource)] == [(kind, system, code)]


@pytest.mark.parametrize(
    ("url", "system", "written", "code"),
    [
        ("http://www.ama-assn.org/go/cpt", "hcpcs", "g0105", "G0105"),
        ("https://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets", "hcpcs", "G0105", "G0105"),
        ("urn:oid:2.16.840.1.113883.6.285", "hcpcs", "G0105", "G0105"),
        ("http://www.cms.gov/Medicare/Coding/ICD10", "icd-10-pcs", "0DTJ4ZZ", "0DTJ4ZZ"),
        ("http://example.org/Our/Codes", "example.org/our/codes", "ab-1", "AB-1"),
    ],
)
def test_a_code_system_is_known_by_its_address(url: str, system: str, written: str, code: str) -> None:
    found = facts(
        about("Procedure", "1", status="completed", code=concept(url, written), performedDateTime="2025-04-10")
    )
    assert [row[1:3] for row in found] == [(system, code)]


def test_each_coding_gives_a_row_and_one_without_a_system_none() -> None:
    code = {"coding": [*concept(ICD, "E11.9")["coding"], *concept(SNOMED, "44054006")["coding"], {"code": "X"}]}
    assert [row[1] for row in facts(condition(code=code))] == ["icd-10-cm", "snomed-ct"]
    assert left_out(condition(code={"text": "sugar"})) == "no code"


@pytest.mark.parametrize(
    ("resource", "reason"),
    [
        (condition(verificationStatus=concept("x", "refuted")), "verification status refuted"),
        (condition(verificationStatus=concept("x", "entered-in-error")), "verification status entered-in-error"),
        (observation(status="cancelled"), "status cancelled"),
        (observation(status="registered"), "status registered"),
        (encounter(status="planned"), "status planned"),
        (encounter(period=None), "no date"),
        (about("Procedure", "1", status="not-done", code=concept(SNOMED, "1")), "status not-done"),
        (about("Immunization", "1", status="not-done", vaccineCode=concept(CVX, "1")), "status not-done"),
        (about("DiagnosticReport", "1", status="registered", code=concept(LOINC, "1-1")), "status registered"),
        (request(intent="plan"), "intent plan"),
        (request(intent="directive"), "intent directive"),
        (request(status="draft"), "status draft"),
        (request(status="revoked"), "status revoked"),
        (request(doNotPerform=True), "do not perform"),
        (request("DeviceRequest", modifierExtension=[
            {"url": "http://hl7.org/fhir/5.0/StructureDefinition/extension-DeviceRequest.doNotPerform",
             "valueBoolean": True}]), "do not perform"),
        (request("MedicationRequest", doNotPerform=True), "do not perform"),
        (request("MedicationRequest", dispenseRequest=None), "no period can be told"),
        (request("MedicationRequest", authoredOn=None), "no period can be told"),
        (request(meta={"profile": ["http://hl7.org/fhir/us/qicore/StructureDefinition/qicore-servicenotrequested"]}),
         "not done"),
        (explanation(status="cancelled"), "status cancelled"),
        (explanation(use="predetermination"), "use predetermination"),
        (explanation(outcome="error"), "outcome error"),
    ],
)  # fmt: skip
def test_what_did_not_happen_gives_no_row_and_says_why(resource: Resource, reason: str) -> None:
    assert left_out(resource) == reason


def test_an_order_of_any_origin_is_an_order() -> None:
    assert len(facts(request(intent="reflex-order"))) == 1


def test_a_do_not_perform_of_false_is_an_order() -> None:
    extension = [{"url": "http://x/extension-DeviceRequest.doNotPerform", "valueBoolean": False}]
    assert len(facts(request("DeviceRequest", modifierExtension=extension))) == 1


@pytest.mark.parametrize(
    ("onset", "clinical", "abatement", "expected"),
    [
        ({"onsetDateTime": "2020-05-04"}, "active", {}, (date(2020, 5, 4), OPEN)),
        ({"onsetDateTime": "2020-05-04"}, "relapse", {}, (date(2020, 5, 4), OPEN)),
        ({"onsetDateTime": "2020-05-04"}, "resolved", {}, (date(2020, 5, 4), date(2020, 5, 4))),
        ({"onsetDateTime": "2020-05-04"}, "active", {"abatementDateTime": "2021-03"},
         (date(2020, 5, 4), date(2021, 3, 31))),
        ({"onsetDateTime": None, "recordedDate": "2020-06-01"}, "active", {}, (date(2020, 6, 1), OPEN)),
        ({"onsetDateTime": None, "onsetString": "long ago", "recordedDate": "2020"}, "inactive", {},
         (date(2020, 1, 1), date(2020, 1, 1))),
        ({"onsetDateTime": None, "onsetPeriod": {"start": "2019-02-01", "end": "2019-03-01"}}, "active", {},
         (date(2019, 2, 1), OPEN)),
        ({"onsetDateTime": None, "onsetAge": {"value": 50, "code": "a"}}, "active", {}, (date(2005, 3, 2), OPEN)),
        ({"onsetDateTime": None, "onsetRange": {"low": {"value": 50, "code": "a"}, "high": {"value": 51, "code": "a"}}},
         "active", {}, (date(2005, 3, 2), OPEN)),
        ({"onsetDateTime": "2020-05-04"}, "resolved", {"abatementAge": {"value": 66, "unit": "years"}},
         (date(2020, 5, 4), date(2021, 3, 2))),
    ],
)  # fmt: skip
def test_a_condition_lasts_for_its_prevalence(
    onset: Resource, clinical: str, abatement: Resource, expected: tuple[date, date]
) -> None:
    assert days(condition(clinicalStatus=concept("x", clinical), **onset, **abatement)) == expected


@pytest.mark.parametrize(
    ("written", "zone", "expected"),
    [
        ("2025-12-31T23:30:00-05:00", "UTC", (date(2026, 1, 1), date(2026, 1, 1))),
        ("2025-12-31T23:30:00-05:00", "America/New_York", (date(2025, 12, 31), date(2025, 12, 31))),
        ("2026-01-01T00:00:00.000+00:00", "UTC", (date(2026, 1, 1), date(2026, 1, 1))),
        ("2026-01-01T03:00:00Z", "America/New_York", (date(2025, 12, 31), date(2025, 12, 31))),
        ("2026-01-01", "America/New_York", (date(2026, 1, 1), date(2026, 1, 1))),
        ("2024-02", "UTC", (date(2024, 2, 1), date(2024, 2, 29))),
        ("2025-12", "UTC", (date(2025, 12, 1), date(2025, 12, 31))),
        ("2025", "UTC", (date(2025, 1, 1), date(2025, 12, 31))),
    ],
)
def test_days_are_those_of_the_plans_time_zone_and_partial_dates_are_intervals(
    written: str, zone: str, expected: tuple[date, date]
) -> None:
    assert days(observation(effectiveDateTime=written), time_zone=zone) == expected


@pytest.mark.parametrize(
    ("status", "period", "expected"),
    [
        ("finished", {"start": "2025-04-10T23:00:00Z", "end": "2025-04-12T01:00:00Z"}, (APRIL_10, date(2025, 4, 12))),
        ("finished", {"start": "2025-04-10"}, (APRIL_10, APRIL_10)),
        ("in-progress", {"start": "2025-04-10"}, (APRIL_10, OPEN)),
        ("finished", {"end": "2025-04-10"}, (date(1900, 1, 1), APRIL_10)),
    ],
)
def test_an_encounter_lasts_for_its_period(status: str, period: Resource, expected: tuple[date, date]) -> None:
    assert {row[3:] for row in facts(encounter(status=status, period=period))} == {expected}


def test_an_encounter_gives_a_row_for_each_type_and_one_for_its_class_with_the_discharge() -> None:
    home = concept(SNOMED, "428371000124100")
    found = rows("event", encounter(type=[concept(SNOMED, "183452005"), concept(HCPCS, "G0463")],
                                    hospitalization={"dischargeDisposition": home}))  # fmt: skip
    assert [(row["code_system"], row["code"]) for row in found] == [
        ("encounter-class", "AMB"), ("hcpcs", "G0463"), ("snomed-ct", "183452005"),
    ]  # fmt: skip
    assert {row["qualifier"] for row in found} == {"snomed-ct|428371000124100"}
    assert {(row["encounter"], row["record"], row["status"]) for row in found} == {
        ("Encounter/e1", "Encounter/e1", "finished")
    }


def test_a_side_of_the_body_narrows_a_diagnosis() -> None:
    found = rows("event", condition(bodySite=[concept(SNOMED, "7771000", "24028007")]))
    assert [row["qualifier"] for row in found] == ["snomed-ct|24028007", "snomed-ct|7771000"]


@pytest.mark.parametrize(
    ("value", "number", "text", "code", "unit"),
    [
        ({"valueQuantity": {"value": 7.4, "unit": "percent", "code": "%"}}, 7.4, None, None, "%"),
        ({"valueQuantity": {"value": 128, "unit": "mmHg"}}, 128.0, None, None, "mmHg"),
        ({"valueQuantity": {"value": 5, "comparator": "<", "unit": "mg/g"}}, None, "<5 mg/g", None, None),
        ({"valueQuantity": {"unit": "mg/g"}}, None, None, None, None),
        ({"valueInteger": 3}, 3.0, None, None, None),
        ({"valueBoolean": True}, None, "true", None, None),
        ({"valueString": "Negative"}, None, "Negative", None, None),
        ({"valueString": "call Gwendolyn"}, None, "text not kept", None, None),
        ({"valueCodeableConcept": concept(LOINC, "LA18643-9")}, None, None, "loinc|LA18643-9", None),
        ({"valueCodeableConcept": {"text": "positive"}}, None, "positive", None, None),
        ({"valueRatio": {"numerator": {"value": 1}, "denominator": {"value": 128}}}, None, "1:128", None, None),
        ({"valueRange": {"low": {"value": 1}, "high": {"value": 5}}}, None, "1-5", None, None),
        ({"valueDateTime": "2025-01-01"}, None, "stated", None, None),
        ({"dataAbsentReason": concept("x", "unknown")}, None, None, None, None),
    ],
)
def test_a_result_is_kept_as_number_text_or_code(
    value: Resource, number: float | None, text: str | None, code: str | None, unit: str | None
) -> None:
    resource = observation()
    del resource["valueQuantity"]
    (row,) = rows("event", resource | value)
    assert (row["value_number"], row["value_text"], row["value_code"], row["unit"]) == (number, text, code, unit)


def test_a_panel_gives_a_row_for_itself_and_one_for_each_component() -> None:
    parts = [{"code": concept(LOINC, code), "valueQuantity": {"value": value, "code": "mm[Hg]"}}
             for code, value in (("8480-6", 128), ("8462-4", 79))]  # fmt: skip
    panel = observation(code=concept(LOINC, "85354-9"), valueQuantity=None, component=parts)
    assert [(row["code"], row["value_number"], row["line"]) for row in rows("event", panel)] == [
        ("8462-4", 79.0, 2), ("8480-6", 128.0, 1), ("85354-9", None, 0),
    ]  # fmt: skip


def test_the_value_of_an_identifying_code_is_dropped() -> None:
    (row,) = rows("event", observation(code=concept(LOINC, "45401-7"), valueQuantity={"value": 53703}))
    assert (row["code"], row["value_number"]) == ("45401-7", None)


def test_a_result_in_several_categories_gives_a_row_in_each() -> None:
    several = [concept("x", "laboratory"), concept("x", "exam")]
    assert [(row["kind"], row["source"]) for row in rows("event", observation(category=several))] == [
        ("exam", "observation"), ("lab", "lab"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, (APRIL_10, date(2025, 7, 8))),
        ({"dispenseRequest": {"expectedSupplyDuration": {"value": 30, "unit": "days"}, "numberOfRepeatsAllowed": 2}},
         (APRIL_10, date(2025, 7, 8))),
        ({"dispenseRequest": {"quantity": {"value": 60}},
          "dosageInstruction": [{"timing": {"repeat": {"frequency": 2, "period": 1, "periodUnit": "d"}},
                                 "doseAndRate": [{"doseQuantity": {"value": 1}}]}]}, (APRIL_10, date(2025, 5, 9))),
        ({"dispenseRequest": {"quantity": {"value": 30}},
          "dosageInstruction": [{"timing": {"repeat": {"timeOfDay": ["08:00:00", "12:00:00", "20:00:00"]}},
                                 "doseAndRate": [{"doseRange": {"low": {"value": 0.5}, "high": {"value": 1}}}]}]},
         (APRIL_10, date(2025, 4, 19))),
        ({"dispenseRequest": None, "dosageInstruction": [
            {"timing": {"repeat": {"boundsPeriod": {"start": "2025-05-01", "end": "2025-06-01"}}}}]},
         (date(2025, 5, 1), date(2025, 6, 1))),
        ({"authoredOn": None, "dispenseRequest": {"validityPeriod": {"start": "2025-05-01"},
                                                  "expectedSupplyDuration": {"value": 1, "code": "wk"}}},
         (date(2025, 5, 1), date(2025, 5, 7))),
    ],
)  # fmt: skip
def test_a_prescription_covers_its_days(more: Resource, expected: tuple[date, date]) -> None:
    assert days(request("MedicationRequest", **more)) == expected


@pytest.mark.parametrize(
    "reference",
    ["Medication/med", "http://server/fhir/Medication/med", "Medication/med/_history/3", "urn:uuid:med", "#inside"],
)
def test_a_medication_is_found_however_it_is_referred_to(reference: str) -> None:
    order = request("MedicationRequest", medicationReference={"reference": reference})
    del order["medicationCodeableConcept"]
    inside = {"resourceType": "Medication", "id": "inside", "code": concept(RXNORM, "860975")}
    medication = {"resourceType": "Medication", "id": "med", "code": concept(RXNORM, "860975")}
    assert [row[2] for row in facts(order | {"contained": [inside]}, medication)] == ["860975"]


def test_a_dangling_medication_is_refused_by_name() -> None:
    order = request("MedicationRequest", medicationReference={"reference": "Medication/none"})
    del order["medicationCodeableConcept"]
    loaded, _ = load(order)
    assert [(each.resource_type, each.place, each.field) for each in loaded.refused] == [
        ("MedicationRequest", 2, "medicationReference")
    ]


def test_entries_of_a_bundle_refer_to_each_other_by_full_url() -> None:
    her = patient()
    del her["id"]
    entries: list[Resource] = [
        {"fullUrl": "urn:uuid:1-2", "resource": her},
        {"resource": condition(subject={"reference": "urn:uuid:1-2"})},
        {"fullUrl": "http://server/Patient/other", "resource": patient("p7")},
        {"resource": condition("d2", subject={"reference": "http://server/Patient/other"})},
    ]
    connection = duckdb.connect()
    assert load_resources(connection, entries).refused == ()
    assert connection.execute("FROM event SELECT member ORDER BY member").fetchall() == [("1-2",), ("p7",)]


def test_a_fill_keeps_its_ndc_and_its_rxnorm_code() -> None:
    drug = {"coding": [*concept(RXNORM, "860975")["coding"],
                       *concept("http://hl7.org/fhir/sid/ndc", "0093-7180-98")["coding"]]}  # fmt: skip
    (row,) = rows("dispensing", dispense(medicationCodeableConcept=drug))
    assert (row["ndc"], row["rxnorm"], row["days_supply"], row["quantity"]) == ("00093718098", "860975", 30, 60.0)


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, "female"),
        ({"gender": "other"}, "unknown"),
        ({"gender": None}, "unknown"),
        ({"gender": "unknown", "extension": [
            {"url": "http://hl7.org/fhir/us/core/StructureDefinition/us-core-sex", "valueCode": "248153007"}]}, "male"),
        ({"gender": "male", "extension": [
            {"url": "http://hl7.org/fhir/us/core/StructureDefinition/us-core-sex", "valueCode": "asked-declined"}]},
         "male"),
    ],
)  # fmt: skip
def test_sex_is_us_cores_else_the_gender(more: Resource, expected: str) -> None:
    connection = duckdb.connect()
    load_resources(connection, [patient(**more)])
    assert connection.execute("FROM member SELECT sex").fetchall() == [(expected,)]


def test_race_language_and_death_of_a_person() -> None:
    races = [{"url": "ombCategory", "valueCoding": {"code": code, "display": name}}
             for code, name in (("2106-3", "White"), ("2028-9", "Asian"))]  # fmt: skip
    her = patient(
        extension=[{"url": "http://hl7.org/fhir/us/core/StructureDefinition/us-core-race", "extension": races}],
        communication=[{"language": {"text": "English"}}, {"language": {"text": "Spanish"}, "preferred": True}],
        deceasedDateTime="2025-06",
    )
    connection = duckdb.connect()
    load_resources(connection, [her])
    assert connection.execute("FROM member SELECT race, language, death_date").fetchall() == [
        ("two or more races", "Spanish", date(2025, 6, 30))
    ]


def test_a_coverage_is_a_span_with_contract_package_and_status() -> None:
    dual = [{"url": f"https://bluebutton.cms.gov/resources/variables/dual_{month}", "valueCoding": {"code": code}}
            for month, code in (("01", "08"), ("12", "02"))]  # fmt: skip
    (span,) = rows("enrolment", coverage(extension=dual, period={"start": "2024-01-01", "end": "2024-12-31"}))
    assert (span["contract"], span["plan_benefit_package"], span["dual_status_code"]) == ("H1234", "001", "02")
    assert (span["start_date"], span["end_date"]) == (date(2024, 1, 1), date(2024, 12, 31))
    (span,) = rows("enrolment", coverage(**{"class": []}))
    assert (span["contract"], span["end_date"]) == (None, OPEN)


def test_a_claim_in_fhir_gives_the_facts_of_a_claim() -> None:
    assert facts(explanation()) == [
        ("diagnosis", "icd-10-cm", "E119", APRIL_10, APRIL_10),
        ("procedure", "hcpcs", "G0105", APRIL_10, APRIL_10),
        ("visit", "place-of-service", "11", APRIL_10, APRIL_10),
    ]
    assert {(row["source"], row["claim_type"], row["received_date"]) for row in rows("event", explanation())} == {
        ("claim", "professional", date(2025, 4, 20))
    }


def test_an_institutional_claim_spans_the_stay() -> None:
    info = [
        {"category": concept("x", "admissionperiod"), "timingPeriod": {"start": "2025-06-02", "end": "2025-06-06"}},
        {"category": concept("x", "typeofbill"), "code": concept("https://www.nubc.org/CodeSystem/TypeOfBill", "0111")},
    ]
    line = {"sequence": 1, "revenue": concept("https://www.nubc.org/CodeSystem/RevenueCodes", "120")}
    stay = explanation(
        kind="institutional",
        supportingInfo=info,
        item=[line],
        billablePeriod={"start": "2025-06-03", "end": "2025-06-05"},
    )
    admitted, left = date(2025, 6, 2), date(2025, 6, 6)
    assert facts(stay) == [
        ("diagnosis", "icd-10-cm", "E119", admitted, left),
        ("visit", "bill-type", "111", admitted, left),
        ("visit", "revenue-center", "0120", admitted, left),
    ]
    info[1]["code"] = concept("https://www.nubc.org/CodeSystem/TypeOfBill", "0118")
    assert left_out(stay) == "no code"


def test_a_pharmacy_claim_is_a_fill_and_a_line_below_nothing_takes_it_back() -> None:
    line = {"sequence": 1, "productOrService": concept("http://hl7.org/fhir/sid/ndc", "00093718098"),
            "servicedDate": "2025-05-01", "quantity": {"value": 60}}  # fmt: skip
    info = [{"category": concept("x", "dayssupply"), "valueQuantity": {"value": 30}}]
    claim = explanation(kind="pharmacy", item=[line], supportingInfo=info, diagnosis=None)
    (row,) = rows("dispensing", claim)
    assert (row["ndc"], row["days_supply"], row["quantity"], row["source"]) == ("00093718098", 30, 60.0, "claim")
    assert left_out(claim | {"item": [line, line | {"sequence": 2, "quantity": {"value": -60}}]}) == "no code"


JUNK: list[Any] = [
    None, "", [], {}, 0, -1, 1e308, True, "\x00", "x" * 5000, "9999-12-31", "0001-01-01", "2025-13-45",
    "2025-01-01T25:00:00Z", "9999-12-31T23:59:59-12:00", [None], [[]], [{}], {"coding": 1}, {"value": "NaN"},
    {"value": float("nan")}, {"reference": 5}, {"reference": "/"}, {"start": "9999-12-31"}, {"value": 1e300},
]  # fmt: skip


def broken(resource: Resource) -> Iterator[Resource]:
    """The resource with each of its elements in turn replaced by each piece of junk."""

    def places(element: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
        named = (
            element.items() if isinstance(element, dict) else enumerate(element) if isinstance(element, list) else ()
        )
        for name, value in named:
            yield (*path, name)
            yield from places(value, (*path, name))

    for number, (path, junk) in enumerate(product(list(places(resource)), JUNK)):
        copy = deepcopy(resource) | {"id": f"{resource['id']}-{number}"}
        reduce(lambda element, name: element[name], path[:-1], copy)[path[-1]] = junk
        yield copy


@pytest.mark.parametrize(
    "resource",
    [
        patient(), coverage(), condition(onsetDateTime=None, onsetAge={"value": 50, "code": "a"}), observation(),
        encounter(), request(), request("DeviceRequest"), request("MedicationRequest"), dispense(), explanation(),
        explanation(kind="pharmacy"), explanation(kind="institutional"),
    ],
    ids=lambda each: each["resourceType"],
)  # fmt: skip
def test_junk_in_any_element_is_refused_or_read_and_never_stops_the_rest(resource: Resource) -> None:
    every = list(broken(resource))
    loaded, connection = load(*every, condition("good"))
    assert sum(loaded.read.values()) + sum(loaded.ignored.values()) == len(every) + 2
    assert loaded.refused and all(each.field and each.reason for each in loaded.refused)
    good = connection.execute("FROM event SELECT count(*) WHERE record = 'Condition/good'").fetchone()
    assert good == (1,)


@pytest.mark.parametrize(
    ("resource", "field"),
    [
        (condition(onsetDateTime="1899-12-31"), "onsetDateTime"),
        (condition(abatementDateTime="2019-01-01"), "abatement[x]"),
        (condition(onsetDateTime=None, onsetAge={"value": -1, "code": "a"}), "onsetAge"),
        (encounter(period={"start": "2025-04-10", "end": "2025-04-09"}), "period"),
        (encounter(**{"class": None}), "class"),
        (observation(meta={"lastUpdated": "yesterday"}), "meta.lastUpdated"),
        (observation(valueQuantity={"value": "7.4"}), "value"),
        (observation(id=None), "id"),
        (request(intent="wish"), "intent"),
        (request("MedicationRequest", medicationCodeableConcept=None), "medication[x]"),
        (explanation(kind="gardening"), "type"),
        (patient("p2", birthDate=None), "birthDate"),
        (patient("p2", gender="f"), "gender"),
    ],
)
def test_what_is_wrong_is_refused_by_field(resource: Resource, field: str) -> None:
    loaded, _ = load(resource)
    assert [each.field for each in loaded.refused] == [field]
