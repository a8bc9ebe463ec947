"""What leaves as files: FHIR NDJSON, Tuva's summary_long, the patient-level file."""

import csv
import json
import stat
from datetime import date
from io import StringIO
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from django.core.management import CommandError, call_command

from audit import ledger
from audit.models import Event, Subject
from hedis.accounts.models import User
from hedis.gaps import extracting
from hedis.gaps.fhir import bulk, reading, validation
from hedis.gaps.models import Gap, Status, Work
from hedis.lib.commands import Refused, WrongUse
from hedis.measures import loading
from tests.factories import make_contract, make_gap, make_measure, make_member
from tests.hedis.fhir_story import YEAR, population, references, signed_in, tell
from tests.hedis.test_finding import Plan

LONG = ["person_id", "denominator_flag", "numerator_flag", "exclusion_flag", "performance_flag", "evidence_date",
        "evidence_value", "exclusion_date", "exclusion_reason", "performance_period_begin", "performance_period_end",
        "measure_id", "measure_name", "measure_version"]  # fmt: skip


@pytest.fixture
def plan(ana: User) -> Any:
    return tell(ana)


def run(name: str, *arguments: Any, **options: Any) -> dict[str, Any]:
    """A command's JSON answer."""
    out = StringIO()
    call_command(name, *map(str, arguments), "--json", "--year", "2026", stdout=out, **options)
    answer: dict[str, Any] = json.loads(out.getvalue())
    return answer


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def exported() -> Event:
    """The one export in the ledger."""
    return Event.objects.get(kind=Event.Kind.EXPORT)


def members_of(event: Event) -> set[str]:
    return set(Subject.objects.filter(event_id=event.id).values_list("member_pseudonym", flat=True))


class TestSummaryLong:
    def test_it_has_tuvas_columns_and_a_row_for_each_member_and_measure(self, plan: Any, tmp_path: Path) -> None:
        file = tmp_path / "long.csv"
        assert run("export_summary_long", file) == {"file": str(file), "rows": 5}
        found = {(row["person_id"], row["measure_id"]): row for row in rows(file)}
        assert list(rows(file)[0]) == LONG and len(found) == 5
        closed = found[plan.closed.pseudonym, "COL"]
        assert {name: closed[name] for name in LONG[1:8]} == {
            "denominator_flag": "1", "numerator_flag": "1", "exclusion_flag": "0", "performance_flag": "1",
            "evidence_date": "2024-05-01", "evidence_value": "colonoscopy", "exclusion_date": "",
        }  # fmt: skip
        assert (closed["performance_period_begin"], closed["performance_period_end"]) == ("2026-01-01", "2026-12-31")
        assert closed["measure_name"] == "COL as made for a test" and closed["measure_version"] == "1"

    def test_an_excluded_member_has_no_performance_and_a_reason(self, plan: Any, tmp_path: Path) -> None:
        run("export_summary_long", tmp_path / "long.csv")
        [row] = [one for one in rows(tmp_path / "long.csv") if one["person_id"] == plan.excluded.pseudonym]
        assert (row["exclusion_flag"], row["performance_flag"], row["numerator_flag"]) == ("1", "", "0")
        assert (row["exclusion_reason"], row["exclusion_date"]) == ("hospice", "2026-02-01")

    def test_a_member_who_left_is_not_in_it(self, plan: Any, tmp_path: Path) -> None:
        run("export_summary_long", tmp_path / "long.csv")
        assert plan.gone.pseudonym not in (tmp_path / "long.csv").read_text()

    def test_parquet_holds_the_same_rows_with_types(self, plan: Any, tmp_path: Path) -> None:
        run("export_summary_long", tmp_path / "long.csv")
        run("export_summary_long", tmp_path / "long.parquet")
        table = pq.read_table(tmp_path / "long.parquet")
        assert table.column_names == LONG
        told = [{name: "" if value is None else str(value) for name, value in row.items()} for row in table.to_pylist()]
        assert told == rows(tmp_path / "long.csv")
        assert table.column("evidence_date").to_pylist().count(date(2024, 5, 1)) == 1

    def test_a_trial_in_debug_writes_it_too(self, plan: Any, tmp_path: Path, settings: Any) -> None:
        settings.DEBUG = True  # Django then wraps every cursor in another one
        assert run("export_summary_long", tmp_path / "long.csv", measure="GSD")["rows"] == 1

    def test_measure_and_contract_narrow_it(self, ana: User, plan: Any, tmp_path: Path) -> None:
        make_gap(make_member(care_manager=ana), make_measure("COL"), contract=make_contract("H9999"))
        assert run("export_summary_long", tmp_path / "a.csv", measure="GSD")["rows"] == 1
        assert run("export_summary_long", tmp_path / "b.csv", contract="H9999")["rows"] == 1
        assert run("export_summary_long", tmp_path / "c.csv", measure="GSD", contract="H9999")["rows"] == 0

    def test_a_value_that_a_spreadsheet_would_run_is_made_harmless(self, ana: User, tmp_path: Path) -> None:
        gap = make_gap(make_member(care_manager=ana), make_measure("COL"))
        Gap.objects.filter(pk=gap.pk).update(evidence_value='=cmd|"/c calc"!A1')
        run("export_summary_long", tmp_path / "long.csv")
        assert rows(tmp_path / "long.csv")[0]["evidence_value"] == '\'=cmd|"/c calc"!A1'


class TestPatientLevel:
    def test_it_has_one_row_a_member_and_a_pair_of_columns_a_measure(self, plan: Any, tmp_path: Path) -> None:
        assert run("export_patient_level", tmp_path / "level.csv")["rows"] == 4
        found = {row["member"]: row for row in rows(tmp_path / "level.csv")}
        assert list(found[plan.open_.pseudonym]) == [
            "contract", "member", "birth_year", "sex", "low_income_subsidy", "dual_status_code",
            "original_reason_code", "bcs_denominator", "bcs_numerator", "col_denominator", "col_numerator",
            "gsd_denominator", "gsd_numerator",
        ]  # fmt: skip
        pairs = {
            who: tuple(int(found[getattr(plan, who).pseudonym][name]) for name in list(found[plan.open_.pseudonym])[9:])
            for who in ("open_", "closed", "excluded", "waiting")
        }
        assert pairs == {
            "open_": (1, 0, 0, 0), "closed": (1, 1, 0, 0), "excluded": (0, 0, 0, 0), "waiting": (1, 1, 1, 0),
        }  # fmt: skip

    def test_columns_add_up_to_denominator_and_numerator(self, plan: Any, tmp_path: Path) -> None:
        run("export_patient_level", tmp_path / "level.csv")
        total = sum(int(row["col_denominator"]) for row in rows(tmp_path / "level.csv"))
        met = sum(int(row["col_numerator"]) for row in rows(tmp_path / "level.csv"))
        col = Gap.objects.filter(measure__code="COL")
        assert total == col.filter(status__in=extracting.IN_DENOMINATOR).count() == 3
        assert met == col.filter(status=Status.CLOSED).count() == 2

    def test_a_member_with_gaps_in_two_contracts_has_a_row_in_each(self, ana: User, tmp_path: Path) -> None:
        member = make_member(care_manager=ana)
        make_gap(member, make_measure("COL"), contract=make_contract("H1234"))
        make_gap(member, make_measure("GSD"), contract=make_contract("H9999"))
        run("export_patient_level", tmp_path / "level.csv")
        told = [
            (row["contract"], row["col_denominator"], row["gsd_denominator"]) for row in rows(tmp_path / "level.csv")
        ]
        assert told == [("H1234", "1", "0"), ("H9999", "0", "1")]

    def test_parquet_holds_numbers(self, plan: Any, tmp_path: Path) -> None:
        run("export_patient_level", tmp_path / "level.parquet")
        table = pq.read_table(tmp_path / "level.parquet")
        assert table.column("low_income_subsidy").to_pylist() == [0] * 4
        assert sum(table.column("col_numerator").to_pylist()) == 2


class TestFhirFiles:
    def test_every_type_has_a_file_that_the_library_accepts_and_the_manifest_counts(
        self, plan: Any, tmp_path: Path
    ) -> None:
        folder = tmp_path / "out"
        answer = run("export_fhir", folder, "--validate")
        manifest = json.loads((folder / "manifest.json").read_text())
        counts = {one["type"]: one["count"] for one in manifest["output"]}
        assert counts == answer["resources"] == {
            "Measure": 3, "Patient": 5, "DetectedIssue": 6, "MeasureReport": 6, "GuidanceResponse": 2,
            "Organization": 2,
        }  # fmt: skip
        there, named = set(), set[str]()
        for one in manifest["output"]:
            lines = (folder / one["url"]).read_text(encoding="utf-8").splitlines()
            assert len(lines) == one["count"]
            for resource in map(json.loads, lines):
                validation.check(resource)
                there.add(f"{resource['resourceType']}/{resource['id']}")
                named |= set(references(resource))
        assert named <= there and len(there) == sum(counts.values())
        assert {file.name for file in folder.iterdir()} == {
            "manifest.json",
            *(one["url"] for one in manifest["output"]),
        }

    def test_measure_and_contract_narrow_it(self, ana: User, plan: Any, tmp_path: Path) -> None:
        assert run("export_fhir", tmp_path / "a", measure="GSD")["resources"]["DetectedIssue"] == 1
        make_contract("H9999")
        assert "DetectedIssue" not in run("export_fhir", tmp_path / "b", contract="H9999")["resources"]

    def test_a_resource_that_the_library_refuses_leaves_nothing_behind(
        self, plan: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def broken(gap: Any, frame: Any) -> list[dict[str, Any]]:
            return [{"resourceType": "DetectedIssue", "id": gap.name, "status": 7}]

        monkeypatch.setattr(bulk, "gap_resources", broken)
        with pytest.raises(Refused, match=r"DetectedIssue/gap-\d+: .*status"):
            run("export_fhir", tmp_path / "out", "--validate")
        assert list(tmp_path.iterdir()) == [] and not Event.objects.filter(kind=Event.Kind.EXPORT).exists()


class TestTheLedger:
    @pytest.mark.parametrize(
        ("command", "name", "action", "told"),
        [
            ("export_summary_long", "x.csv", "gaps.exported_as_summary_long", 5),
            ("export_summary_long", "x.parquet", "gaps.exported_as_summary_long", 5),
            ("export_patient_level", "x.csv", "gaps.exported_as_patient_level", 4),
            ("export_fhir", "x", "gaps.exported_as_fhir", 6),
        ],
    )
    def test_an_export_is_one_event_with_rows_and_members(
        self, plan: Any, tmp_path: Path, command: str, name: str, action: str, told: int
    ) -> None:
        run(command, tmp_path / name)
        event = exported()
        assert (event.action, event.actor, event.row_count) == (action, command, told)
        everybody = {plan.open_, plan.closed, plan.excluded, plan.waiting} | ({plan.gone} if name == "x" else set())
        assert members_of(event) == {one.pseudonym for one in everybody}
        assert ledger.contents(event)["after"]["data_as_of"] == "2026-09-30"

    @pytest.mark.parametrize(("command", "name"), [("export_summary_long", "x.csv"), ("export_fhir", "x")])
    def test_without_a_ledger_line_there_is_no_export(
        self, plan: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, name: str
    ) -> None:
        def broken(*args: Any, **facts: Any) -> None:
            raise RuntimeError("the ledger is away")

        monkeypatch.setattr(ledger, "record", broken)
        with pytest.raises(RuntimeError, match="the ledger is away"):
            run(command, tmp_path / name)
        assert list(tmp_path.iterdir()) == []


class TestWhatIsRefused:
    @pytest.mark.parametrize(
        ("command", "name"),
        [("export_summary_long", "x.csv"), ("export_patient_level", "x.parquet"), ("export_fhir", "x")],
    )
    def test_nothing_is_ever_overwritten(self, plan: Any, tmp_path: Path, command: str, name: str) -> None:
        target = tmp_path / name
        if command == "export_fhir":
            target.mkdir()
            (target / "kept").write_text("kept")
        else:
            target.write_text("kept")
        with pytest.raises(Refused, match="is there already"):
            run(command, target)
        assert ((target / "kept") if target.is_dir() else target).read_text() == "kept"
        assert not Event.objects.filter(kind=Event.Kind.EXPORT).exists()
        assert [one.name for one in tmp_path.iterdir()] == [name]

    def test_a_file_that_appears_while_writing_is_not_replaced(
        self, plan: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        target, write = tmp_path / "x.csv", extracting.write_csv

        def slow(path: Path, extract: Any) -> Any:
            target.write_text("somebody else's")
            return write(path, extract)

        monkeypatch.setattr(extracting, "write_csv", slow)
        with pytest.raises(Refused, match="appeared meanwhile"):
            run("export_summary_long", target)
        assert target.read_text() == "somebody else's" and list(tmp_path.iterdir()) == [target]

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ({"measure": "NOPE"}, "no measure NOPE is computed here; there are: BCS, COL, GSD"),
            ({"contract": "H0000"}, "no contract H0000"),
        ],
    )
    @pytest.mark.parametrize("command", ["export_summary_long", "export_patient_level", "export_fhir"])
    def test_what_nobody_knows_is_named(
        self, plan: Any, tmp_path: Path, command: str, options: dict[str, str], words: str
    ) -> None:
        with pytest.raises(Refused, match=words):
            run(command, tmp_path / "x.csv", **options)
        assert list(tmp_path.iterdir()) == []

    def test_a_year_that_was_never_found_says_what_to_do(self, plan: Any, tmp_path: Path) -> None:
        with pytest.raises(Refused, match="run find_gaps --year 2031 first"):
            call_command("export_fhir", str(tmp_path / "x"), "--year", "2031")
        with pytest.raises(WrongUse, match="no measurement year"):
            call_command("export_fhir", str(tmp_path / "x"), "--year", "20261")
        with pytest.raises(CommandError):
            call_command("export_fhir", str(tmp_path / "x"), "--year", "last")

    @pytest.mark.parametrize("command", ["export_summary_long", "export_fhir"])
    def test_a_place_that_cannot_be_written_to_is_named(self, plan: Any, tmp_path: Path, command: str) -> None:
        (tmp_path / "file").write_text("no folder")
        with pytest.raises(Refused, match=r"x\.csv cannot be written: "):
            run(command, tmp_path / "file" / "x.csv")

    def test_a_name_without_a_format_is_wrong_use(self, plan: Any, tmp_path: Path) -> None:
        with pytest.raises(WrongUse, match=r"must end in \.csv or \.parquet"):
            run("export_summary_long", tmp_path / "x.xlsx")


def test_files_are_for_their_owner_alone(plan: Any, tmp_path: Path) -> None:
    run("export_summary_long", tmp_path / "x.csv")
    run("export_fhir", tmp_path / "x")
    for made in (tmp_path / "x.csv", tmp_path / "x"):
        assert stat.S_IMODE(made.stat().st_mode) & 0o077 == 0


def test_memory_is_bounded_by_a_chunk_and_not_by_the_plan(ana: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reader asks the cursor for a chunk at a time and gives each row on before it asks for the next."""
    measure = make_measure("COL")
    for _ in range(7):
        make_gap(make_member(care_manager=ana), measure, work_status=Work.OPEN)
    monkeypatch.setattr(reading, "CHUNK", 2)
    stream = reading.gaps_and_people(Gap.objects.order_by(*bulk.ORDER))
    first = next(stream)[0]
    assert first.measure == "COL" and sum(1 for _ in stream) == 6


def test_what_leaves_adds_up_to_what_the_finding_run_counted(
    db: None, ben: User, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loading.load(today=date(2026, 9, 30), by="test")
    plan = Plan(monkeypatch)
    plan.add("never", "screened", "cancer", "left")
    plan.add("elsewhere", contract="H9999")
    plan.happened("screened", "G0105", date(2024, 3, 3))
    plan.happened("cancer", "C189", date(2025, 3, 3), "icd-10-cm", kind="diagnosis")
    plan.find()
    del plan.enrolled_in["left"]
    counted = plan.find()
    assert (counted.eligible, counted.excluded, counted.denominator, counted.numerator) == (4, 1, 3, 1)
    run("export_summary_long", tmp_path / "long.csv", measure="COL")
    run("export_patient_level", tmp_path / "level.csv", measure="COL")
    run("export_fhir", tmp_path / "fhir", "--validate", measure="COL")
    long, level = rows(tmp_path / "long.csv"), rows(tmp_path / "level.csv")
    assert [row["performance_flag"] for row in long].count("") == counted.excluded
    assert sum(row["numerator_flag"] == "1" for row in long) == counted.numerator
    assert sum(int(row["col_denominator"]) for row in level) == counted.denominator
    assert sum(int(row["col_numerator"]) for row in level) == counted.numerator
    reports = [json.loads(line) for line in (tmp_path / "fhir" / "MeasureReport.ndjson").read_text().splitlines()]
    whole = signed_in(ben).get("/fhir/Measure/COL/$evaluate", YEAR).json()
    for population_code, count in population(whole).items():
        assert sum(population(one)[population_code] for one in reports) == count, population_code
    assert population(whole)["denominator"] - population(whole)["denominator-exclusion"] == counted.denominator
    assert whole["group"][0]["measureScore"]["value"] == round(1 / 3, 6)
