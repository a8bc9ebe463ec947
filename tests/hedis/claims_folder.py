"""A small plan's files for the import tests: two people, a few claims, every table, one change at a time."""

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb

Row = dict[str, str]

ELIGIBILITY: Row = {
    "person_id": "MBI-1EG4-TE5",
    "member_id": "M-77",
    "gender": "female",
    "race": "white",
    "birth_date": "1955-03-02",
    "death_date": "",
    "enrollment_start_date": "2023-01-01",
    "enrollment_end_date": "",
    "payer": "Test Plan",
    "plan": "H1234-001",
    "first_name": "Gwendolyn",
    "last_name": "Featherstone",
    "social_security_number": "078-05-1120",
    "address": "12 Sycamore Lane",
    "phone": "555-0142",
    "email": "gwen@example.org",
    "dual_status_code": "2.0",
    "original_reason_entitlement_code": "0",
    "low_income_subsidy_indicator": "1",
    "hospice_flag": "0",
    "x_spoken_language": "Spanish",
    "x_anything": "passes",
    "data_source": "test",
}
MEDICAL: Row = {
    "claim_id": "MBI-1EG4-TE5-9001",
    "claim_line_number": "1",
    "claim_type": "professional",
    "person_id": "MBI-1EG4-TE5",
    "claim_start_date": "2025-04-10",
    "claim_end_date": "2025-04-10",
    "claim_line_start_date": "2025-04-10",
    "claim_line_end_date": "2025-04-10",
    "admission_date": "",
    "discharge_date": "",
    "place_of_service_code": "11",
    "bill_type_code": "",
    "revenue_center_code": "",
    "service_unit_quantity": "1",
    "hcpcs_code": "G0105",
    "paid_date": "2025-04-20",
    "paid_amount": "100.00",
    "charge_amount": "250.00",
    "diagnosis_code_type": "icd-10-cm",
    "diagnosis_code_1": "E11.9",
    "diagnosis_code_2": "I10",
    "procedure_code_type": "",
    "procedure_code_1": "",
    "procedure_date_1": "",
    "data_source": "test",
}
PHARMACY: Row = {
    "claim_id": "MBI-1EG4-TE5-P1",
    "claim_line_number": "1",
    "person_id": "MBI-1EG4-TE5",
    "dispensing_date": "2025-05-01",
    "ndc_code": "00093-7180-98",
    "quantity": "30",
    "days_supply": "30",
    "paid_date": "2025-05-03",
    "paid_amount": "12.50",
    "data_source": "test",
}
LAB: Row = {
    "lab_result_id": "MBI-1EG4-TE5-L1",
    "person_id": "MBI-1EG4-TE5",
    "source_component_type": "loinc",
    "source_component_code": "4548-4",
    "status": "final",
    "result": "7.4",
    "result_datetime": "2025-04-12 09:30:00",
    "collection_datetime": "2025-04-10 08:00:00",
    "source_units": "%",
    "data_source": "lab",
}
OBSERVATION: Row = {
    "observation_id": "MBI-1EG4-TE5-O1",
    "person_id": "MBI-1EG4-TE5",
    "observation_date": "2025-04-10",
    "source_code_type": "loinc",
    "source_code": "8480-6",
    "result": "128",
    "source_units": "mm[Hg]",
    "data_source": "emr",
}
OTHER = "QX-2002"
SECRETS = (
    "MBI-1EG4-TE5", "MBI1EG4TE5", "1EG4", "QX-2002", "QX2002", "M-77", "Gwendolyn", "Featherstone", "078-05-1120",
    "Sycamore", "555-0142", "gwen@example.org",
)  # fmt: skip
FIRST: dict[str, Row] = {
    "eligibility": ELIGIBILITY,
    "medical_claim": MEDICAL,
    "pharmacy_claim": PHARMACY,
    "lab_result": LAB,
    "observation": OBSERVATION,
}


def plan() -> dict[str, list[Row]]:
    """Two rows a table: one person's, and another's that a test may spoil."""
    tables = {name: [dict(row), {**row, "person_id": OTHER}] for name, row in FIRST.items()}
    for name, identifier in (
        ("medical_claim", "claim_id"),
        ("pharmacy_claim", "claim_id"),
        ("lab_result", "lab_result_id"),
        ("observation", "observation_id"),
    ):
        tables[name][1][identifier] = f"{OTHER}-{name}"
    return tables


def write(folder: Path, tables: Mapping[str, list[Row]]) -> Path:
    """The tables as CSV files in a folder of their own."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in tables.items():
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as handle:
            writer = csv.DictWriter(handle, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    return folder


def as_parquet(folder: Path, table: str) -> Path:
    """One table of the folder turned into Parquet."""
    source, target = folder / f"{table}.csv", folder / f"{table}.parquet"
    duckdb.execute(f"COPY (FROM read_csv('{source}', all_varchar = true)) TO '{target}' (FORMAT parquet)")
    source.unlink()
    return target


def rows_of(table: Any, **wanted: Any) -> list[dict[str, Any]]:
    """Rows of a warehouse table as plain mappings, narrowed by equality, in a fixed order."""
    for column, value in wanted.items():
        table = table.filter(table[column] == value)
    found: list[dict[str, Any]] = table.to_pyarrow().to_pylist()
    return sorted(found, key=str)
