"""What the importer does with bad input: every defect is named by file, row, field and reason; nothing half-loaded."""

import csv
import json
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone

from hedis.evidence import importing, warehouse
from hedis.evidence.models import ImportBatch
from hedis.lib.commands import Refused, WrongUse
from hedis.members.models import Contract, Member
from tests.hedis.claims_folder import OTHER, SECRETS, as_parquet, plan, write

Tables = dict[str, list[dict[str, str]]]


def refused_rows(imported: importing.Imported) -> list[dict[str, str]]:
    if imported.quarantine is None:
        return []
    with imported.quarantine.open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


def tomorrow() -> str:
    return (timezone.localdate() + timedelta(days=1)).isoformat()


NO_CLAIM_TYPE = "is an unknown value (known: dental, institutional, other, professional, undetermined, vision)"
NO_DIAGNOSIS_SYSTEM = "is an unknown code system (known: icd-10-cm, icd-10-pcs, icd-9-cm)"
NO_NDC = "is not an NDC of eleven digits, nor hyphenated so that it could be padded"
# table, column, value in the second row (row 3 of the file), reason as the quarantine says it
SPOILT = [
    ("eligibility", "birth_date", "02/03/1955", "is not a date (YYYY-MM-DD)"),
    ("eligibility", "birth_date", "1955-02-30", "is not a date (YYYY-MM-DD)"),
    ("eligibility", "birth_date", "1855-02-03", "lies before 1880"),
    ("eligibility", "birth_date", "TOMORROW", "lies in the future"),
    ("eligibility", "birth_date", "", "is missing"),
    ("eligibility", "enrollment_start_date", "1950-01-01", "lies before birth_date"),
    ("eligibility", "enrollment_start_date", "2150-01-01", "lies more than a year ahead"),
    ("eligibility", "enrollment_end_date", "2022-12-31", "lies before enrollment_start_date"),
    ("eligibility", "gender", "lots", "is an unknown value (known: f, female, m, male, o, other, u, unknown)"),
    ("eligibility", "hospice_flag", "perhaps", "is not yes or no (1 or 0)"),
    ("eligibility", "dual_status_code", "123", "is not two digits"),
    ("eligibility", "person_id", "QX\x0002", "contains a NUL character"),
    ("eligibility", "person_id", "Q" * 65, "is longer than 64 characters"),
    ("eligibility", "person_id", "", "is missing"),
    ("eligibility", "person_id", "--", "is empty"),
    ("medical_claim", "claim_start_date", "yesterday", "is not a date (YYYY-MM-DD)"),
    ("medical_claim", "claim_start_date", "TOMORROW", "lies in the future"),
    ("medical_claim", "claim_end_date", "2025-04-09", "lies before claim_start_date"),
    ("medical_claim", "claim_line_number", "one", "is not a whole number"),
    ("medical_claim", "claim_line_number", "-1", "is negative"),
    ("medical_claim", "claim_type", "gardening", NO_CLAIM_TYPE),
    ("medical_claim", "diagnosis_code_type", "icd-11", NO_DIAGNOSIS_SYSTEM),
    ("medical_claim", "procedure_code_type", "local", "is an unknown code system (known: icd-10-pcs, icd-9-pcs)"),
    ("medical_claim", "diagnosis_code_2", "not a code!", "is not a code"),
    ("medical_claim", "claim_id", "", "is missing"),
    ("medical_claim", "claim_id", "a\x00b", "contains a NUL character"),
    ("medical_claim", "paid_amount", "a lot", "is not a number"),
    ("medical_claim", "paid_amount", "NaN", "is not a number"),
    ("medical_claim", "person_id", "a\x00b", "contains a NUL character"),
    ("medical_claim", "person_id", "Q" * 65, "is longer than 64 characters"),
    ("pharmacy_claim", "days_supply", "-30", "is negative on a fill that is not a reversal"),
    ("pharmacy_claim", "days_supply", "3000", "is more than a year"),
    ("pharmacy_claim", "days_supply", "30.5", "is not a whole number"),
    ("pharmacy_claim", "dispensing_date", "TOMORROW", "lies in the future"),
    ("pharmacy_claim", "dispensing_date", "1825-01-01", "lies before 1900"),
    ("pharmacy_claim", "ndc_code", "0009371809", NO_NDC),
    ("lab_result", "source_component_type", "local", "no code column holds a code of a known code system"),
    ("lab_result", "result_datetime", "TOMORROW", "lies in the future"),
    ("lab_result", "lab_result_id", "", "is missing"),
    ("observation", "source_code_type", "house-list", "no code column holds a code of a known code system"),
    ("observation", "observation_date", "2025-13-01", "is not a date (YYYY-MM-DD)"),
    ("observation", "result", "x" * 201, "is longer than 200 characters"),
]  # fmt: skip


def spoilt_plan() -> tuple[Tables, list[tuple[str, int, str, str]]]:
    """Every defect of SPOILT in a row of its own behind the good ones; (table, record, field, reason) of each."""
    tables, expected = plan(), []
    for number, (table, column, value, reason) in enumerate(SPOILT):
        identifier = next(
            (name for name in ("claim_id", "lab_result_id", "observation_id") if name in tables[table][0]), "payer"
        )
        row = tables[table][1] | {identifier: f"{OTHER}-{number}"}
        tables[table].append(row | {column: tomorrow() if value == "TOMORROW" else value})
        expected.append((table, len(tables[table]), column, reason))
    return tables, expected


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_a_bad_row_is_quarantined_by_file_row_field_and_reason_and_the_rest_is_loaded(
    db: None, tmp_path: Path, form: str
) -> None:
    tables, expected = spoilt_plan()
    folder = write(tmp_path / "in", tables)
    if form == "parquet":
        for table in tables:
            as_parquet(folder, table)
    done = importing.import_tuva(folder, by="test")
    header = 1 if form == "csv" else 0
    found = {(row["table"], row["file"], int(row["row"])): (row["field"], row["reason"]) for row in refused_rows(done)}
    assert found.keys() == {(table, f"{table}.{form}", record + header) for table, record, _, _ in expected}
    for table, record, field, reason in expected:
        said = found[table, f"{table}.{form}", record + header]
        assert (said[0], said[1].partition("; also ")[0]) == (field, reason)
    for table, rows in tables.items():
        counts, bad = done.tables[table], sum(case[0] == table for case in expected)
        assert (counts.read, counts.loaded, counts.duplicates, counts.quarantined) == (len(rows), 2, 0, bad)


def test_several_defects_of_one_row_make_one_line(db: None, tmp_path: Path) -> None:
    tables = plan()
    tables["pharmacy_claim"][1] |= {"ndc_code": "1", "days_supply": "x"}
    done = importing.import_tuva(write(tmp_path / "in", tables), by="test")
    (row,) = refused_rows(done)
    assert row["field"] == "ndc_code"
    assert row["reason"].endswith("; also days_supply: is not a whole number")


def test_a_duplicate_key_with_other_content_is_refused_and_names_the_row_that_stands(db: None, tmp_path: Path) -> None:
    tables = plan()
    tables["medical_claim"].append(tables["medical_claim"][0] | {"hcpcs_code": "G0121"})
    done = importing.import_tuva(write(tmp_path / "in", tables), by="test")
    (row,) = refused_rows(done)
    assert (row["file"], row["row"], row["field"]) == ("medical_claim.csv", "4", "claim_id, claim_line_number")
    assert row["reason"] == "duplicate key: row 2 has the same key and other content"


def test_the_same_row_twice_in_a_file_is_a_duplicate_not_a_refusal(db: None, tmp_path: Path) -> None:
    tables = plan()
    tables["lab_result"].append(dict(tables["lab_result"][0]))
    counts = importing.import_tuva(write(tmp_path / "in", tables), by="test").tables["lab_result"]
    assert (counts.read, counts.loaded, counts.duplicates, counts.quarantined) == (3, 2, 1, 0)


def spoil_text(name: str, change: Callable[[str], str]) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        path = folder / name
        path.write_bytes(change(path.read_text(encoding="utf-8")).encode("utf-8"))

    return spoil


@pytest.mark.parametrize(
    ("change", "row", "reason"),
    [
        (lambda text: text.replace("128,mm", "128,,mm", 1), 2, "the row has too many fields"),
        (lambda text: text + "lonely\n", 4, "the row has too few fields"),
        (lambda text: text.replace("\n", "\n\n", 1) + "lonely\n", 5, "the row has too few fields"),
    ],
)
def test_a_line_that_cannot_be_split_is_quarantined_under_its_number(
    db: None, tmp_path: Path, change: Callable[[str], str], row: int, reason: str
) -> None:
    folder = write(tmp_path / "in", plan())
    spoil_text("observation.csv", change)(folder)
    done = importing.import_tuva(folder, by="test")
    assert (str(row), reason) in {(found["row"], found["reason"]) for found in refused_rows(done)}
    counts = done.tables["observation"]
    assert counts.read == counts.loaded + counts.duplicates + counts.quarantined
    assert counts.quarantined == len(refused_rows(done))


def test_rows_after_a_blank_and_a_broken_line_keep_their_numbers(db: None, tmp_path: Path) -> None:
    tables = plan()
    tables["observation"].append(tables["observation"][0] | {"observation_id": "z", "observation_date": "never"})
    folder = write(tmp_path / "in", tables)
    spoil_text("observation.csv", lambda text: text.replace("\n", "\n\nlonely\n", 1))(folder)
    found = {(row["row"], row["field"]) for row in refused_rows(importing.import_tuva(folder, by="test"))}
    assert found == {("3", "person_id"), ("6", "observation_date")}


def remove(name: str) -> Callable[[Path], Any]:
    return lambda folder: (folder / name).unlink()


def empty(name: str) -> Callable[[Path], Any]:
    return lambda folder: (folder / name).write_bytes(b"")


FATAL: list[tuple[str, Callable[[Path], Any], str, int | None, str | None, str]] = [
    ("no eligibility", remove("eligibility.csv"), "eligibility.csv or .parquet", None, None, "missing"),
    ("no medical claims", remove("medical_claim.csv"), "medical_claim.csv or .parquet", None, None, "missing"),
    (
        "missing column",
        spoil_text("eligibility.csv", lambda text: text.replace("birth_date", "birthday", 1)),
        "eligibility.csv", 1, "birth_date", "the required column is missing",
    ),
    (
        "missing person",
        spoil_text("pharmacy_claim.csv", lambda text: text.replace("person_id", "who", 1)),
        "pharmacy_claim.csv", 1, "person_id", "the required column is missing (older: patient_id, member_id)",
    ),
    (
        "column twice",
        spoil_text("eligibility.csv", lambda text: text.replace("x_anything", "Gender", 1)),
        "eligibility.csv", 1, "gender", "the column is there twice",
    ),
    (
        "no code column",
        spoil_text("observation.csv", lambda text: text.replace("source_code,", "code,", 1)),
        "observation.csv", 1, "source_code", "one of source_code, normalized_code is required",
    ),
    (
        "latin-1",
        lambda f: (f / "eligibility.csv").write_bytes(
            (f / "eligibility.csv").read_text(encoding="utf-8").replace("Gwendolyn", "Zoë").encode("latin-1")
        ),
        "eligibility.csv", 2, "bytes", "is not UTF-8 text (latin-1?)",
    ),
    ("empty", empty("medical_claim.csv"), "medical_claim.csv", None, None, "the file is empty"),
    ("empty optional", empty("lab_result.csv"), "lab_result.csv", None, None, "the file is empty"),
    (
        "header only",
        spoil_text("medical_claim.csv", lambda text: text.splitlines()[0] + "\n"),
        "medical_claim.csv", None, None, "the file has no rows",
    ),
    (
        "open quote",
        spoil_text("medical_claim.csv", lambda text: text.replace("MBI-1EG4-TE5-9001", '"MBI', 1)),
        "medical_claim.csv", 2, "row", "a quote is opened and never closed",
    ),
    (
        "mixed line ends",
        lambda f: (f / "observation.csv").write_bytes((f / "observation.csv").read_bytes() + b"x,y\n"),
        "observation.csv", None, None, "cannot be read to its end (line ends of two kinds, or damaged)",
    ),
    (
        "two forms",
        lambda f: (f / "eligibility.parquet").write_bytes(b"PAR1"),
        "eligibility.csv", None, None, "as CSV and as Parquet",
    ),
    (
        "all refused",
        spoil_text("eligibility.csv", lambda text: text.replace("1955-03-02", "soon")),
        "eligibility.csv", 2, "birth_date", "every row is refused; the first: is not a date (YYYY-MM-DD)",
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("spoil", "file", "row", "field", "reason"), [case[1:] for case in FATAL], ids=[c[0] for c in FATAL]
)
def test_a_folder_that_cannot_be_taken_is_refused_by_name_and_nothing_is_stored(
    db: None, tmp_path: Path, spoil: Callable[[Path], Any], file: str, row: int | None, field: str | None, reason: str
) -> None:
    folder = write(tmp_path / "in", plan())
    spoil(folder)
    with pytest.raises(importing.ImportRefused) as refusal:
        importing.import_tuva(folder, by="test")
    error = refusal.value
    assert (error.file, error.row, error.field) == (file, row, field)
    assert reason in error.reason
    assert file in str(error)
    assert nothing_is_stored()


@pytest.mark.parametrize("cut", [1, 8, 400])
def test_a_truncated_parquet_file_is_refused_by_name(db: None, tmp_path: Path, cut: int) -> None:
    folder = write(tmp_path / "in", plan())
    path = as_parquet(folder, "medical_claim")
    path.write_bytes(path.read_bytes()[:-cut])
    with pytest.raises(importing.ImportRefused, match=r"medical_claim\.parquet: is not a complete Parquet file"):
        importing.import_tuva(folder, by="test")
    assert nothing_is_stored()


def test_a_parquet_file_damaged_in_the_middle_is_refused_by_name(db: None, tmp_path: Path) -> None:
    folder = write(tmp_path / "in", plan())
    path = as_parquet(folder, "medical_claim")
    content = bytearray(path.read_bytes())
    content[4:200] = b"\xff" * 196
    path.write_bytes(bytes(content))
    with pytest.raises(importing.ImportRefused, match=r"medical_claim\.parquet: cannot be read to its end"):
        importing.import_tuva(folder, by="test")
    assert nothing_is_stored()


def nothing_is_stored() -> bool:
    written = [path for path in warehouse.folder().rglob("*") if path.is_file()]
    return not (ImportBatch.objects.exists() or Member.objects.exists() or Contract.objects.exists() or written)


def test_the_command_says_no_as_json_with_file_row_field_and_reason(db: None, tmp_path: Path) -> None:
    folder = write(tmp_path / "in", plan())
    spoil_text("eligibility.csv", lambda text: text.replace("birth_date", "birthday", 1))(folder)
    out = StringIO()
    with pytest.raises(Refused) as refusal:
        call_command("import_claims", str(folder), "--json", stdout=out)
    answer = json.loads(out.getvalue())
    assert answer["error"] == "eligibility.csv, row 1, birth_date: the required column is missing"
    assert (answer["file"], answer["row"], answer["field"]) == ("eligibility.csv", 1, "birth_date")
    assert refusal.value.returncode == 1


def test_a_folder_that_is_not_there_is_wrong_use(db: None, tmp_path: Path) -> None:
    with pytest.raises(WrongUse) as refusal:
        call_command("import_claims", str(tmp_path / "nowhere"))
    assert refusal.value.returncode == 2


def test_the_quarantine_quotes_no_value_and_is_for_its_owner_only(db: None, tmp_path: Path) -> None:
    tables, expected = spoilt_plan()
    done = importing.import_tuva(write(tmp_path / "in", tables), by="test")
    assert done.quarantine is not None
    text = done.quarantine.read_text(encoding="utf-8")
    assert len(text.splitlines()) == len(expected) + 1
    quotable = {row[2] for row in SPOILT if len(row[2]) > 3 and row[2] not in ("TOMORROW", "local")}
    assert [secret for secret in (*SECRETS, OTHER, *quotable) if secret in text] == []
    assert done.quarantine.stat().st_mode & 0o777 == 0o600
