"""What a good import does: facts, idempotency, corrections, reversals, a killed run, and nobody's id anywhere."""

import csv
import json
import os
import random
import re
from datetime import date
from io import StringIO
from pathlib import Path
from typing import Any

import duckdb
import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from audit.models import Event
from hedis.evidence import importing, warehouse
from hedis.evidence.models import ImportBatch
from hedis.members.models import Attribution, Contract, Enrolment, Member, Provider
from hedis.members.pseudonyms import pseudonym
from tests.hedis.claims_folder import ELIGIBILITY, FIRST, MEDICAL, OTHER, PHARMACY, SECRETS, Row, plan, rows_of, write

HER = "MBI-1EG4-TE5"


def bring(folder: Path, tables: dict[str, list[Row]]) -> importing.Imported:
    return importing.import_tuva(write(folder, tables), by="test")


def counts_add_up(done: importing.Imported) -> bool:
    return all(each.read == each.loaded + each.duplicates + each.quarantined for each in done.tables.values())


def facts(kind: str, member: str = HER) -> list[tuple[Any, ...]]:
    rows = rows_of(warehouse.connect().event, kind=kind, member=pseudonym(member))
    return [(row["code_system"], row["code"], row["start_date"], row["end_date"]) for row in rows]


def fills(member: str = HER) -> list[dict[str, Any]]:
    return rows_of(warehouse.connect().dispensing, member=pseudonym(member))


def snapshot() -> dict[str, bytes]:
    """Every file of the data directory with its bytes."""
    root = Path(settings.DATA_DIR)
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_a_claim_becomes_diagnoses_procedures_and_visits(db: None, tmp_path: Path) -> None:
    tables = plan()
    stay = {
        "claim_id": "S1", "claim_type": "institutional", "place_of_service_code": "", "bill_type_code": "0111",
        "revenue_center_code": "120", "hcpcs_code": "", "diagnosis_code_1": "i21.4", "diagnosis_code_2": "",
        "claim_start_date": "2025-06-03", "claim_end_date": "2025-06-05", "admission_date": "2025-06-02",
        "discharge_date": "2025-06-06", "claim_line_start_date": "", "claim_line_end_date": "",
        "procedure_code_type": "icd-10-pcs", "procedure_code_1": "4A023N7", "procedure_date_1": "2025-06-04",
    }  # fmt: skip
    tables["medical_claim"].append(MEDICAL | stay)
    bring(tmp_path / "in", tables)
    visit, admitted, left = date(2025, 4, 10), date(2025, 6, 2), date(2025, 6, 6)
    assert facts("diagnosis") == [
        ("icd-10-cm", "E119", visit, visit),
        ("icd-10-cm", "I10", visit, visit),
        ("icd-10-cm", "I214", admitted, left),
    ]
    assert facts("procedure") == [
        ("hcpcs", "G0105", visit, visit),
        ("icd-10-pcs", "4A023N7", date(2025, 6, 4), date(2025, 6, 4)),
    ]
    assert facts("visit") == [
        ("bill-type", "111", admitted, left),
        ("place-of-service", "11", visit, visit),
        ("revenue-center", "0120", admitted, left),
    ]
    records = {row["record"] for row in rows_of(warehouse.connect().event, code_system="hcpcs")}
    assert all(re.fullmatch("[0-9a-f]{32}", record) for record in records) and len(records) == 2


def test_results_keep_numbers_and_known_words_and_drop_free_text(db: None, tmp_path: Path) -> None:
    tables = plan()
    for number, (code, result) in enumerate(
        [("4548-4", "<4.0"), ("29771-3", "Negative"), ("4548-4", "see Gwendolyn"), ("45401-7", "53703")]
    ):
        tables["lab_result"].append(
            FIRST["lab_result"] | {"lab_result_id": f"n{number}", "source_component_code": code, "result": result}
        )
    tables["lab_result"].append(FIRST["lab_result"] | {"lab_result_id": "gone", "status": "cancelled", "result": "9"})
    bring(tmp_path / "in", tables)
    found = rows_of(warehouse.connect().event, kind="lab", member=pseudonym(HER))
    values = {(row["code"], row["value_number"], row["value_text"]) for row in found}
    assert values == {
        ("4548-4", 7.4, None), ("4548-4", None, "<4.0"), ("29771-3", None, "Negative"), ("4548-4", None, None),
        ("45401-7", None, None),
    }  # fmt: skip
    assert {row["start_date"] for row in found} == {date(2025, 4, 10)}
    assert {row["received_date"] for row in found} == {date(2025, 4, 12)}


def test_members_spans_and_contract_arrive_in_the_database(db: None, tmp_path: Path) -> None:
    tables = plan()
    earlier = {"enrollment_start_date": "2022-01-01", "enrollment_end_date": "2022-12-31", "plan": "medicare"}
    tables["eligibility"].append(ELIGIBILITY | earlier)
    tables["eligibility"][1]["death_date"] = "2025-01-31"
    bring(tmp_path / "in", tables)
    her = Member.objects.get(pseudonym=pseudonym(HER))
    assert (her.birth_year, her.sex, her.low_income_subsidy, her.dual_status_code) == (1955, "female", True, "02")
    assert (her.language, her.first_seen_date, her.active, her.original_reason_code) == (
        "Spanish", date(2022, 1, 1), True, "0",
    )  # fmt: skip
    spans = Enrolment.objects.filter(member=her).order_by("start_date")
    assert [(s.contract and s.contract.number, s.plan_benefit_package, s.start_date, s.end_date) for s in spans] == [
        (None, "", date(2022, 1, 1), date(2022, 12, 31)),
        ("H1234", "001", date(2023, 1, 1), None),
    ]
    died = Member.objects.get(pseudonym=pseudonym(OTHER))
    assert (died.active, died.deceased_date) == (False, date(2025, 1, 31))


def test_providers_and_months_of_attribution_become_spans(db: None, tmp_path: Path) -> None:
    months = [("202401", "1000000004"), ("202402", "1000000004"), ("202403", "1000000012"), ("202404", "1000000012")]
    attribution = [{"person_id": HER, "year_month": month, "payer_attributed_provider": npi} for month, npi in months]
    providers = [{"npi": "1000000004", "name": "Dr Amsel", "practice": "North"}]
    bring(tmp_path / "in", plan() | {"provider_attribution": attribution, "provider": providers})
    assert list(Provider.objects.values_list("npi", "practice").order_by("npi")) == [
        ("1000000004", "North"), ("1000000012", ""),
    ]  # fmt: skip
    spans = Attribution.objects.order_by("start_date").values_list("provider__npi", "start_date", "end_date")
    assert list(spans) == [
        ("1000000004", date(2024, 1, 1), date(2024, 2, 29)),
        ("1000000012", date(2024, 3, 1), None),
    ]


@pytest.mark.parametrize("old_name", ["patient_id", "member_id"])
def test_older_column_names_any_order_and_extra_columns_give_the_same_facts(
    db: None, tmp_path: Path, old_name: str
) -> None:
    tables = plan()
    for name, rows in tables.items():
        tables[name] = [
            dict(
                reversed(
                    [(old_name if key == "person_id" else key, value) for key, value in row.items() if key != old_name]
                )
            )
            | {"x_note": "any"}
            for row in rows
        ]
    done = bring(tmp_path / "in", tables)
    assert done.quarantine is None
    assert facts("procedure") == [("hcpcs", "G0105", date(2025, 4, 10), date(2025, 4, 10))]


def test_the_same_folder_twice_changes_nothing(db: None, tmp_path: Path) -> None:
    first = bring(tmp_path / "in", plan())
    before, members = snapshot(), list(Member.objects.values())
    second = importing.import_tuva(tmp_path / "in", by="test")
    assert not second.changed
    assert (second.batch, second.generation) == (first.batch, first.generation)
    assert [counts.duplicates for counts in second.tables.values() if counts.read] == [2, 2, 2, 2, 2]
    assert snapshot() == before
    assert list(Member.objects.values()) == members
    assert ImportBatch.objects.count() == 1
    actions = list(Event.objects.order_by("id").values_list("action", flat=True))
    assert actions == ["members.enrolled", "claims.imported", "claims.import_unchanged"]


def test_a_corrected_line_replaces_the_facts_of_its_claim(db: None, tmp_path: Path) -> None:
    bring(tmp_path / "first", plan())
    corrected = plan()
    corrected["medical_claim"][0] |= {
        "hcpcs_code": "G0121",
        "diagnosis_code_1": "E10.9",
        "claim_start_date": "2024-12-30",
    }
    corrected["medical_claim"][0] |= {"claim_line_start_date": "2024-12-30"}
    done = bring(tmp_path / "second", corrected)
    assert (done.tables["medical_claim"].loaded, done.tables["medical_claim"].duplicates) == (1, 1)
    assert [code for _, code, _, _ in facts("procedure")] == ["G0121"]
    assert [code for _, code, _, _ in facts("diagnosis")] == ["E109", "I10"]
    assert [code for _, code, _, _ in facts("procedure", OTHER)] == ["G0105"]


def test_a_later_line_of_a_known_claim_joins_it(db: None, tmp_path: Path) -> None:
    bring(tmp_path / "first", plan())
    more = plan()
    more["medical_claim"] = [MEDICAL | {"claim_line_number": "2", "hcpcs_code": "G0328", "diagnosis_code_2": "Z12.11"}]
    bring(tmp_path / "second", more)
    assert [code for _, code, _, _ in facts("procedure")] == ["G0105", "G0328"]
    assert [code for _, code, _, _ in facts("diagnosis")] == ["E119", "I10", "Z1211"]


def test_unchanged_years_are_links_to_the_old_generation(db: None, tmp_path: Path) -> None:
    first = bring(tmp_path / "first", plan())
    more = plan()
    more["pharmacy_claim"] = [PHARMACY | {"claim_id": "P2", "dispensing_date": "2024-02-01", "paid_date": "2024-02-02"}]
    second = bring(tmp_path / "second", more)
    old, new = warehouse.folder() / first.generation, warehouse.folder() / second.generation
    kept = Path("event/year=2025/part-0.parquet")
    assert os.path.samefile(old / kept, new / kept)
    assert [fill["dispensing_date"] for fill in fills()] == [date(2024, 2, 1), date(2025, 5, 1)]


def test_the_spans_of_a_member_are_replaced_and_others_stay(db: None, tmp_path: Path) -> None:
    bring(tmp_path / "first", plan())
    later = plan()
    later["eligibility"] = [ELIGIBILITY | {"enrollment_start_date": "2024-01-01", "enrollment_end_date": "2024-12-31"}]
    done = bring(tmp_path / "second", later)
    assert done.tables["eligibility"].loaded == 1
    her, other = pseudonym(HER), pseudonym(OTHER)
    spans = Enrolment.objects.values_list("member__pseudonym", "start_date", "end_date").order_by("start_date")
    assert list(spans) == [(other, date(2023, 1, 1), None), (her, date(2024, 1, 1), date(2024, 12, 31))]
    stored = [(row["member"], row["start_date"]) for row in rows_of(warehouse.connect().enrolment)]
    assert sorted(stored) == sorted([(other, date(2023, 1, 1)), (her, date(2024, 1, 1))])
    assert not Member.objects.get(pseudonym=her).active


REVERSALS = [
    ("next line, all negative", {"claim_line_number": "2", "service_unit_quantity": "-1", "charge_amount": "-250"}, []),
    ("same line again, negative", {"service_unit_quantity": "-1", "charge_amount": "-250"}, []),
    ("amounts only", {"claim_line_number": "2", "charge_amount": "-250", "paid_amount": "-100"}, []),
    ("another service", {"claim_line_number": "2", "service_unit_quantity": "-1", "hcpcs_code": "G0328"}, ["G0105"]),
    ("half the charge", {"claim_line_number": "2", "service_unit_quantity": "", "charge_amount": "-125"}, ["G0105"]),
    ("paid amount of a line that stands", {"claim_line_number": "2", "paid_amount": "-100"}, ["G0105", "G0105"]),
]


@pytest.mark.parametrize("later_file", [False, True], ids=["same file", "later file"])
@pytest.mark.parametrize(("change", "left"), [case[1:] for case in REVERSALS], ids=[case[0] for case in REVERSALS])
def test_a_reversal_cancels_the_service_it_takes_back(
    db: None, tmp_path: Path, change: Row, left: list[str], later_file: bool
) -> None:
    tables, second = plan(), plan()
    (second if later_file else tables)["medical_claim"].append(MEDICAL | change)
    done = bring(tmp_path / "in", tables)
    if later_file:
        done = bring(tmp_path / "second", second)
    assert done.quarantine is None
    assert [code for _, code, _, _ in facts("procedure")] == left
    assert [code for _, code, _, _ in facts("diagnosis")] == (["E119", "I10"] if left else [])


def test_a_voided_bill_cancels_its_claim(db: None, tmp_path: Path) -> None:
    tables = plan()
    tables["medical_claim"].append(
        MEDICAL | {"claim_id": "V", "claim_type": "institutional", "bill_type_code": "138", "hcpcs_code": "G0328"}
    )
    bring(tmp_path / "in", tables)
    assert [code for _, code, _, _ in facts("procedure")] == ["G0105"]


def test_a_reversed_fill_is_no_fill_and_may_carry_negative_supply(db: None, tmp_path: Path) -> None:
    tables = plan()
    tables["pharmacy_claim"].append(PHARMACY | {"claim_line_number": "2", "quantity": "-30", "days_supply": "-30"})
    done = bring(tmp_path / "in", tables)
    assert done.quarantine is None
    assert fills() == []
    (stands,) = fills(OTHER)
    assert (stands["ndc"], stands["days_supply"], stands["quantity"]) == ("00093718098", 30, 30.0)


def test_nothing_of_a_person_lands_in_warehouse_database_quarantine_or_log(
    db: None, tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    tables = plan()
    tables["observation"].append(FIRST["observation"] | {"observation_id": HER, "result": "12 Sycamore Lane"})
    tables["medical_claim"].append(MEDICAL | {"claim_id": HER, "claim_start_date": "Gwendolyn"})
    out, err = StringIO(), StringIO()
    call_command("import_claims", str(write(tmp_path / "in", tables)), "--json", stdout=out, stderr=err)
    held = [out.getvalue(), err.getvalue(), caplog.text, *capfd.readouterr(), *snapshot()]
    for path in Path(settings.DATA_DIR).rglob("*"):
        if path.suffix == ".parquet":
            held.append(str(duckdb.execute(f"FROM read_parquet('{path}')").fetchall()))
        elif path.is_file():
            held.append(path.read_text(encoding="utf-8"))
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT t::text FROM "{table}" t')  # noqa: S608 - names from the catalogue
            held += [row[0] for row in cursor.fetchall()]
    assert any(pseudonym(HER) in text for text in held), "the search looked at nothing"
    assert [secret for secret in SECRETS if any(secret in text for text in held)] == []


def test_a_run_that_fails_half_way_leaves_the_old_state_and_the_next_clears_up(
    transactional_db: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = bring(tmp_path / "first", plan())
    before = snapshot()
    changed = plan()
    changed["medical_claim"][0]["hcpcs_code"] = "G0121"
    changed["eligibility"][0]["gender"] = "male"
    with monkeypatch.context() as patch:
        patch.setattr(ImportBatch.objects, "create", lambda **facts: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            bring(tmp_path / "second", changed)
    left = snapshot()
    assert {name: left[name] for name in before} == before
    assert len(left) > len(before), "the run failed before it wrote anything"
    assert warehouse.connect().generation == first.generation
    assert [code for _, code, _, _ in facts("procedure")] == ["G0105"]
    assert Member.objects.get(pseudonym=pseudonym(HER)).sex == "female"
    done = importing.import_tuva(tmp_path / "second", by="test")
    assert {path.name for path in warehouse.folder().iterdir()} == {first.generation, done.generation}
    assert [code for _, code, _, _ in facts("procedure")] == ["G0121"]


def test_a_second_import_at_the_same_time_is_refused(transactional_db: None, tmp_path: Path) -> None:
    folder = write(tmp_path / "in", plan())
    other = connection.copy()
    try:
        with other.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(hashtext('hedis.evidence.importing'))")
            with pytest.raises(importing.ImportRunning):
                importing.import_tuva(folder, by="test")
            # Given back by hand: a closed connection's server process takes a moment to let go of it.
            cursor.execute("SELECT pg_advisory_unlock(hashtext('hedis.evidence.importing'))")
    finally:
        other.close()
    assert importing.import_tuva(folder, by="test").changed


def test_only_the_current_and_the_previous_generation_are_kept(db: None, tmp_path: Path) -> None:
    names = []
    for number in range(3):
        tables = plan()
        tables["observation"][0]["result"] = str(120 + number)
        names.append(bring(tmp_path / str(number), tables).generation)
    importing.import_tuva(tmp_path / "2", by="test")
    assert sorted(path.name for path in warehouse.folder().iterdir()) == sorted(names[1:])


def test_before_the_first_import_there_is_no_warehouse(db: None) -> None:
    with pytest.raises(warehouse.NoWarehouse, match="import_claims"):
        warehouse.connect()


def many(members: int) -> dict[str, list[Row]]:
    return {
        name: [row | {"person_id": f"P{n}", next(iter(row)): f"P{n}"} for n in range(members)]
        for name, row in FIRST.items()
    }


def test_the_number_of_statements_does_not_grow_with_the_members(db: None, tmp_path: Path) -> None:
    def statements(members: int) -> int:
        with CaptureQueriesContext(connection) as queries:
            done = bring(tmp_path / str(members), many(members))
        assert done.tables["eligibility"].read == members
        assert done.changed
        return len(queries)

    assert statements(10) == statements(1000)
    assert Member.objects.count() == 1000


BAD_CELLS = ["", "x", "-1", "2025-99-99", "2200-01-01", "\x00", "y" * 300, "icd-99", "é", '"', "1e999", "nan"]


@hypothesis_settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(seed=st.integers(0, 2**32 - 1))
def test_whatever_is_spoilt_every_row_read_is_accounted_for(db: None, tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    tables = many(8)
    for rows in tables.values():
        for row in chance.sample(rows[1:], 4):
            row[chance.choice(list(row))] = chance.choice(BAD_CELLS)
        rows += [dict(chance.choice(rows)) for _ in range(2)]
    done = bring(tmp_path / f"in-{seed}", tables)
    assert counts_add_up(done)
    assert [done.tables[name].read for name in tables] == [10] * len(tables)
    lines = 0
    if done.quarantine:
        with done.quarantine.open(encoding="utf-8", newline="") as handle:
            lines = len(list(csv.DictReader(handle)))
    assert lines == sum(counts.quarantined for counts in done.tables.values())


PUBLISHED = {
    "ci10": {"eligibility": 31, "medical_claim": 2075, "pharmacy_claim": 291, "lab_result": 1162, "observation": 2917},
    "demo100": {"eligibility": 219, "medical_claim": 6075, "pharmacy_claim": 648},
}


@pytest.mark.published
@pytest.mark.parametrize(("name", "members"), [("ci10", 10), ("demo100", 100)])
def test_published_tuva_folders_load_whole(db: None, shared: Path, name: str, members: int) -> None:
    out = StringIO()
    call_command("import_claims", str(shared / "data" / "tuva" / name), "--json", stdout=out, stderr=StringIO())
    answer = json.loads(out.getvalue())
    read = {table: counts["read"] for table, counts in answer["tables"].items() if counts["read"]}
    assert read == PUBLISHED[name]
    assert all(counts["loaded"] == counts["read"] for counts in answer["tables"].values())
    assert answer["quarantine"] is None
    assert Member.objects.count() == members
    assert ImportBatch.objects.get(pk=answer["batch"]).generation == warehouse.connect().generation
    assert not Contract.objects.exists()
    again = StringIO()
    call_command("import_claims", str(shared / "data" / "tuva" / name), "--json", stdout=again, stderr=StringIO())
    assert {each["loaded"] for each in json.loads(again.getvalue())["tables"].values()} == {0}


@pytest.mark.published
def test_the_mislabelled_diagnoses_of_ci10_are_read_as_diagnoses_and_its_addresses_are_not_kept(
    db: None, shared: Path
) -> None:
    importing.import_tuva(shared / "data" / "tuva" / "ci10", by="test")
    events = warehouse.connect().event
    systems = set(events.filter(events.kind == "diagnosis").code_system.to_pyarrow().to_pylist())
    assert systems == {"icd-10-cm"}
    addresses = rows_of(events, code="56799-0")
    assert len(addresses) == 80
    assert {(row["value_number"], row["value_text"]) for row in addresses} == {(None, None)}
    held = [
        str(duckdb.execute(f"FROM read_parquet('{path}')").fetchall()) for path in warehouse.folder().rglob("*.parquet")
    ]
    assert not [text for text in held if "Approach" in text]


def test_an_import_counts_the_newest_month_beside_months_as_they_were_when_as_new(db: None, tmp_path: Path) -> None:
    tables = plan()
    laboratory = tables["lab_result"]
    # What is known reaches to 3 May, so April is the newest month that is over. Of March and of the April before, what
    # came on the 4th of the month after was not known yet at this point of theirs.
    for number, (collected, known) in enumerate(
        [("2025-03-10", "2025-03-12"), ("2025-03-30", "2025-04-04"), ("2024-04-10", "2024-05-03"),
         ("2024-04-11", "2024-05-04"), ("2024-12-01", "2024-12-02")]
    ):  # fmt: skip
        laboratory.append(
            {**laboratory[0], "lab_result_id": f"L-{number}", "collection_datetime": f"{collected} 08:00:00",
             "result_datetime": f"{known} 08:00:00"}
        )  # fmt: skip
    bring(tmp_path / "files", tables)
    told = {one["source"]: one for one in ImportBatch.objects.get().deliveries}
    assert told["lab"] == {"source": "lab", "month": "2025-04", "rows": 2, "month_before": 1, "year_before": 1}
    assert told["claim"]["rows"] > 0 and "pharmacy" not in told
