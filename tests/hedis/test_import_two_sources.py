"""Two sources, one result: the same members once as claims files and once as FHIR; supplemental files beside them."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from hedis.evidence import importing, warehouse
from hedis.gaps import finding
from hedis.gaps.models import Gap
from hedis.measures import loading
from hedis.measures.definitions import DEFINITIONS
from hedis.members.models import Attribution, Enrolment, Member
from tests.hedis import claims_folder, fhir_folder
from tests.hedis.claims_folder import Row, rows_of
from tests.hedis.fhir_folder import LOINC, TERMINOLOGY, Resource, concept
from tests.hedis.test_import_refusals import refused_rows

YEAR, AS_OF = 2025, date(2026, 1, 31)
NDC = "00093718098"
WELL, UNWELL, UNSEEN = "WELL-0001", "ILL-0002", "NEW-0003"
VISITS = {
    WELL: [("2024-05-06", "G0463", "11"), ("2025-03-04", "G0463", "11"), ("2025-04-10", "G0105", "24")],
    UNWELL: [("2024-09-01", "G0463", "11"), ("2025-02-03", "G0463", "11")],
}
RESULTS = {
    WELL: [("2025-09-01", "4548-4", 7.4, "%"), ("2025-09-02", "8480-6", 128, "mm[Hg]"),
           ("2025-09-02", "8462-4", 79, "mm[Hg]")],
    UNWELL: [("2025-08-01", "4548-4", 9.8, "%"), ("2025-08-01", "8480-6", 150, "mm[Hg]"),
             ("2025-08-01", "8462-4", 95, "mm[Hg]")],
}  # fmt: skip
FILLS = {WELL: ["2025-01-10", "2025-02-09"], UNWELL: ["2025-03-01"]}


def as_claims(folder: Path) -> Path:
    """The members in the Tuva input layer."""
    tables: dict[str, list[Row]] = {name: [] for name in ("eligibility", "medical_claim", "pharmacy_claim",
                                                          "lab_result", "observation")}  # fmt: skip
    for person in (WELL, UNWELL, UNSEEN):
        tables["eligibility"].append(
            {"person_id": person, "gender": "female", "birth_date": "1960-05-05", "plan": "H1234-001",
             "enrollment_start_date": "2020-01-01", "enrollment_end_date": "", "data_source": "fhir"}
        )  # fmt: skip
        for number, (day, code, place) in enumerate(VISITS.get(person, ())):
            tables["medical_claim"].append(
                {"claim_id": f"{person}{number}", "claim_line_number": "1", "claim_type": "professional",
                 "person_id": person, "claim_start_date": day, "claim_end_date": day, "hcpcs_code": code,
                 "place_of_service_code": place, "diagnosis_code_1": "E11.9", "diagnosis_code_2": "I10"}
            )  # fmt: skip
        for number, (day, code, value, unit) in enumerate(RESULTS.get(person, ())):
            table = "lab_result" if unit == "%" else "observation"
            tables[table].append(
                {f"{table}_id": f"{person}{number}", "person_id": person, "source_units": unit, "result": str(value)}
                | ({"source_component_type": "loinc", "source_component_code": code, "result_date": day}
                   if unit == "%" else {"source_code_type": "loinc", "source_code": code, "observation_date": day})
            )  # fmt: skip
        for number, day in enumerate(FILLS.get(person, ())):
            tables["pharmacy_claim"].append(
                {"claim_id": f"{person}{number}", "claim_line_number": "1", "person_id": person,
                 "dispensing_date": day, "ndc_code": NDC, "days_supply": "30", "quantity": "60"}
            )  # fmt: skip
    return claims_folder.write(folder, tables)


def as_fhir(folder: Path) -> Path:
    """The same members as NDJSON."""
    made: list[Resource] = []
    for person in (WELL, UNWELL, UNSEEN):
        subject = {"reference": f"Patient/{person}"}
        number = {"type": concept(f"{TERMINOLOGY}/v2-0203", "MB"), "value": person.lower()}
        made.append(fhir_folder.patient(person, birthDate="1960-05-05") | {"identifier": [number]})
        made.append(fhir_folder.coverage(f"c{person}", person, period={"start": "2020-01-01"}))
        for day, code, place in VISITS.get(person, ()):
            claim = fhir_folder.explanation(f"x{person}{day}", patient=subject, created=day)
            claim["billablePeriod"] = {"start": day, "end": day}
            claim["item"][0] |= {"productOrService": concept(fhir_folder.HCPCS, code), "servicedDate": day}
            claim["item"][0]["locationCodeableConcept"]["coding"][0]["code"] = place
            claim["diagnosis"] = [
                {"diagnosisCodeableConcept": concept(fhir_folder.ICD, each)} for each in ("E11.9", "I10")
            ]
            made.append(claim)
        for day, code, value, unit in RESULTS.get(person, ()):
            category = concept("x", "laboratory" if unit == "%" else "vital-signs")
            made.append(
                fhir_folder.observation(
                    f"o{person}{code}", subject=subject, code=concept(LOINC, code), effectiveDateTime=day,
                    category=[category], valueQuantity={"value": value, "code": unit},
                )
            )  # fmt: skip
        for day in FILLS.get(person, ()):
            made.append(fhir_folder.dispense(f"m{person}{day}", subject=subject, whenHandedOver=day))
    return fhir_folder.write(folder, made)


def find() -> None:
    loading.load(today=timezone.localdate(), by="test")
    definitions = [DEFINITIONS[code] for code in ("COL", "GSD", "CBP")]
    finding.find(YEAR, as_of=AS_OF, definitions=definitions, by="test")


def found() -> list[tuple[Any, ...]]:
    """Every gap as a person sees it."""
    find()
    return sorted(
        Gap.objects.values_list(
            "member__pseudonym", "measure__code", "status", "reason_code", "reason", "evidence_date", "evidence_value",
            "evidence_route", "supplemental_only", "exclusion", "contract__number", "closable_until",
        ),
        key=str,
    )  # fmt: skip


def without(rows: list[dict[str, Any]], *columns: str) -> list[dict[str, Any]]:
    return sorted(({name: value for name, value in row.items() if name not in columns} for row in rows), key=str)


def test_claims_and_fhir_give_the_same_members_fills_and_gaps(db: None, tmp_path: Path, settings: Any) -> None:
    settings.DATA_DIR = tmp_path / "one"
    importing.import_tuva(as_claims(tmp_path / "claims"), by="test")
    tables = warehouse.connect()
    members, spans = rows_of(tables.member), rows_of(tables.enrolment)
    fills, gaps = rows_of(tables.dispensing), found()
    assert {(row[1], row[2]) for row in gaps} >= {("COL", "closed-gap"), ("GSD", "open-gap"), ("CBP", "open-gap")}
    assert len(gaps) == 7

    for model in (Gap, Attribution, Enrolment, Member, importing.ImportBatch):
        model.objects.all().delete()
    settings.DATA_DIR = tmp_path / "other"
    importing.import_fhir(as_fhir(tmp_path / "fhir"), by="test")
    tables = warehouse.connect()
    assert rows_of(tables.member) == members and rows_of(tables.enrolment) == spans
    apart = ("record", "line", "source", "data_source")
    assert without(rows_of(tables.dispensing), *apart) == without(fills, *apart)
    assert found() == gaps


STANDARD: Row = {
    "person_id": UNWELL, "service_date": "2023-06-07", "code_type": "hcpcs", "code": "G0105", "result": "",
    "units": "", "provider_npi": "", "source_document": "registry-row-17", "received_date": "2025-07-01",
}  # fmt: skip
PROVEN: Row = {
    "person_id": UNSEEN, "service_date": "2024-02-03", "code_type": "HCPCS", "code": "G0121", "result": "",
    "units": "", "provider_npi": "1234567893", "reference": "chart-3", "received_date": "2025-07-02",
    "proof_of_service": "yes",
}  # fmt: skip


def supplement(folder: Path, **tables: list[Row]) -> importing.Imported:
    written = {f"supplemental_{name}": rows for name, rows in tables.items()}
    return importing.import_supplemental(claims_folder.write(folder, written), by="test")


def test_a_gap_closed_only_by_supplemental_data_says_so(db: None, tmp_path: Path) -> None:
    importing.import_tuva(as_claims(tmp_path / "claims"), by="test")
    done = supplement(tmp_path / "more", standard=[STANDARD], non_standard=[PROVEN])
    assert {name: each.loaded for name, each in done.tables.items()} == {
        "supplemental_standard": 1, "supplemental_non_standard": 1,
    }  # fmt: skip
    find()
    closed = Gap.objects.filter(measure__code="COL", status="closed-gap").order_by("evidence_date")
    assert [(gap.evidence_date, gap.supplemental_only) for gap in closed] == [
        (date(2023, 6, 7), True), (date(2024, 2, 3), True), (date(2025, 4, 10), False),
    ]  # fmt: skip
    assert "standard supplemental data" in closed[0].evidence_route
    assert not supplement(tmp_path / "more", standard=[STANDARD], non_standard=[PROVEN]).changed


def test_a_folder_without_supplemental_files_is_refused(db: None, tmp_path: Path) -> None:
    with pytest.raises(importing.ImportRefused, match=r"supplemental_standard\.csv or .*none of the tables"):
        importing.import_supplemental(tmp_path, by="test")


def test_supplemental_data_makes_no_denominator_event(db: None, tmp_path: Path) -> None:
    importing.import_tuva(as_claims(tmp_path / "claims"), by="test")
    diabetes = {"person_id": UNSEEN, "code_type": "icd-10-cm", "code": "E11.9"}
    rows = [STANDARD | diabetes | {"service_date": day} for day in ("2024-02-03", "2025-02-03")]
    supplement(tmp_path / "more", standard=rows)
    find()
    assert Gap.objects.filter(measure__code="GSD").count() == 2


@pytest.mark.parametrize(
    ("table", "column", "value", "reason"),
    [
        ("standard", "service_date", "soon", "is not a date (YYYY-MM-DD)"),
        ("standard", "service_date", "", "is missing"),
        ("standard", "received_date", "2023-01-01", "lies before service_date"),
        ("standard", "code_type", "ndc", "is an unknown code system (known: cpt, cvx, hcpcs, icd-10-cm, icd-10-pcs, "
                                         "icd-9-cm, icd-9-pcs, loinc, snomed, snomed-ct)"),
        ("standard", "code", "no code!", "is not a code"),
        ("standard", "result", "see the chart", "is neither a number nor a known result word"),
        ("standard", "source_document", "", "is missing"),
        ("non_standard", "proof_of_service", "no", "is no: a non-standard row needs the proof"),
        ("non_standard", "proof_of_service", "", "is missing"),
        ("non_standard", "provider_npi", "", "is missing"),
        ("non_standard", "provider_npi", "12", "is not an NPI of ten digits"),
    ],
)  # fmt: skip
def test_a_bad_supplemental_row_is_put_aside(
    db: None, tmp_path: Path, table: str, column: str, value: str, reason: str
) -> None:
    row = STANDARD if table == "standard" else PROVEN
    document = "source_document" if table == "standard" else "reference"
    done = supplement(tmp_path / "in", **{table: [row, row | {document: "b", column: value}]})
    column = "reference" if column == "source_document" else column
    refused = [(each["row"], each["field"], each["reason"]) for each in refused_rows(done)]
    assert refused == [("3", column, reason)]
    assert done.tables[f"supplemental_{table}"].loaded == 1
