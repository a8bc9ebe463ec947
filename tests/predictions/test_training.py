"""The plan's own training table, the split by year and member, and `train_model MEASURE`."""

import datetime as dt
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from django.core.management import CommandError, call_command

from hedis.accounts.models import User
from hedis.evidence import warehouse as evidence
from hedis.measures.definitions import DEFINITIONS
from predictions import labels, model_file, plan_training, training
from predictions.models import ModelVersion
from predictions.tables import Kind, Table, TableError
from tests.engine.plan import Plan
from tests.factories import make_measure
from tests.predictions import warehouse
from tests.predictions.warehouse import FULL

MEMBERS = 240


def plan_of(members: int) -> Plan:
    """Women who close their gap in autumn the more likely the more they see a doctor; some leave, die, are excluded."""
    random = np.random.default_rng(5)
    plan = Plan()
    for number in range(members):
        often = int(random.integers(0, 5))
        events = [f"{year}-0{month}-11 place-of-service:11" for year in (2024, 2025) for month in range(1, often + 1)]
        for year in (2023, 2024, 2025):
            if random.random() < 0.12 + 0.12 * often:
                events.append(f"{year}-10-05 loinc:29771-3")
        spans = "2020-01-01..2025-08-31" if number % 40 == 1 else "2020-01-01..2026-12-31"
        if number % 40 == 2:
            events.append("2025-09-01 hcpcs:G0182")
        plan.add(f"member-{number}", "1958-03-01", spans, "; ".join(events), died="2025-11-01" if number == 3 else "")
    plan.add("witness", "1990-01-01", FULL, "2026-09-01 place-of-service:11")
    return plan


@pytest.fixture(scope="module")
def found() -> training.Training:
    """Two years of COL."""
    return training.build(DEFINITIONS["COL"], warehouse.engine(plan_of(MEMBERS)), (2025, 2024), [(6, 30)])


def test_everyone_with_an_open_gap_is_a_row_or_is_counted_with_the_reason(found: training.Training) -> None:
    assert found.counts[2024].by_outcome.keys() <= {labels.STILL_OPEN, labels.CLOSED}
    assert found.counts[2025].open == MEMBERS
    assert found.dropped == {labels.DIED: 1, labels.EXCLUDED + "hospice": 6, labels.LEFT: 6}
    assert found.table.rows == found.counts[2024].rows + found.counts[2025].rows == 2 * MEMBERS - 13


def test_the_label_is_one_where_the_gap_stayed_open(found: training.Training) -> None:
    last = found.table.times == 2025
    assert found.table.labels[last].sum() == found.counts[2025].events
    visits = found.table.columns["visit_days"].values
    assert visits[found.table.labels == 1].mean() < visits[found.table.labels == 0].mean()


def test_the_last_year_is_tested_on_and_no_member_is_on_both_sides(found: training.Training) -> None:
    split, table = training.divide(found.table, 0), found.table
    assert table.times is not None
    assert set(table.times[split.train]) == {2024} and set(table.times[split.test]) == {2025}
    assert not set(table.groups[split.train]) & set(table.groups[split.test])
    assert len(split.train) and len(split.test)


def test_a_single_year_is_learnt_from_whole_and_measured_crosswise(found: training.Training) -> None:
    held = found.table
    assert held.times is not None
    one = Table(held.file, held.labels, held.groups, held.group_names, np.full(held.rows, 2025.0), held.columns)
    split = training.divide(one, 0)
    assert split.crossed and len(split.train) == len(split.test) == one.rows
    assert "scored by a model that learnt from the others" in split.how


def test_members_contacted_are_counted_and_not_learnt_from(found: training.Training) -> None:
    called = {"member-0": dt.date(2025, 7, 1), "member-3": dt.date(2025, 7, 1), "somebody": dt.date(2025, 7, 1)}
    apart = training.set_aside(
        pa.table(
            {"member": ["member-0", "member-3", "member-5"], "outcome": [labels.CLOSED, labels.DIED, labels.STILL_OPEN]}
        ),
        called,
    )
    assert apart["outcome"].to_pylist() == [labels.CONTACTED, labels.DIED, labels.STILL_OPEN]
    counts = training.YearCounts({labels.CONTACTED: 1, labels.STILL_OPEN: 2})
    assert (counts.rows, counts.open, counts.dropped) == (2, 3, {labels.CONTACTED: 1})


def test_a_year_before_which_care_is_not_in_the_warehouse_is_left_out() -> None:
    plan = plan_of(40)
    plan.rows["event"] = [event for event in plan.rows["event"] if event["start_date"].year != 2023]
    built = training.build(DEFINITIONS["COL"], warehouse.engine(plan), [2024, 2025], [(6, 30)], history=True)
    assert (list(built.counts), built.without_history) == ([2025], (2024,))


def test_a_member_is_one_group_on_every_score_date(found: training.Training) -> None:
    several = training.build(DEFINITIONS["COL"], warehouse.engine(plan_of(40)), [2025], [(6, 30), (9, 30)])
    table = several.table
    assert table.columns[training.SCORE_DATE].words == ("06-30", "09-30")
    assert sorted(set(table.columns["days_left"].values)) == [92, 184]
    assert table.columns["days_left"].kind is Kind.NUMBER
    twice = np.bincount(table.groups)
    assert twice.max() == 2 and several.counts[2025].open == table.rows + sum(several.dropped.values())
    split = training.splitting.by_chance(table, 0)
    assert not set(table.groups[split.train]) & set(table.groups[split.test])


def test_no_pseudonym_reaches_the_learner(found: training.Training) -> None:
    assert not any("member" in name for name in found.table.group_names)
    assert "member" not in found.table.columns


def test_too_few_gaps_that_closed_are_refused() -> None:
    built = training.build(DEFINITIONS["COL"], warehouse.engine(plan_of(30)), (2025,), [(6, 30)])
    with pytest.raises(TableError, match=r"COL: too few gaps to (learn from|test on): \d+ stayed open and \d+ closed"):
        training.divide(built.table, 0)


def test_no_open_gap_at_all_is_refused() -> None:
    with pytest.raises(TableError, match="no gap that was open"):
        training.build(DEFINITIONS["COL"], warehouse.engine(Plan()), (2025,), [(6, 30)])


@pytest.fixture
def stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> evidence.Warehouse:
    """The plan as a generation on disk, read as any import is."""
    read = warehouse.stored(plan_of(MEMBERS), tmp_path)
    monkeypatch.setattr(evidence, "connect", lambda: read)
    monkeypatch.setattr(plan_training, "WIDE", ("COL",))
    return read


def test_a_measure_is_trained_taken_in_as_a_draft_and_its_file_says_from_what(
    stored: evidence.Warehouse, capsys: pytest.CaptureFixture[str], own_data_dir: Path, ben: User
) -> None:
    make_measure("COL")
    call_command("train_model", "COL", register="2026.1", by="ben", json=True)
    answer: dict[str, Any] = json.loads(capsys.readouterr().out)
    for name in ("auc", "brier", "slope", "intercept", "oe", "ici", "n_train", "n_test"):
        assert answer[name], name
    assert answer["rows_by_year"]["2025"]["dropped"] == answer["dropped"]
    assert "still open at the year's end" in answer["label"]
    assert answer["features"]["words"]["visit_days"].startswith("days with an outpatient visit")
    folder = Path(answer["output"]["folder"])
    assert folder == own_data_dir / "models" / "COL" / answer["output"]["sha256"]
    assert [each.name for each in folder.parent.iterdir()] == [folder.name]
    card = model_file.load(folder, answer["output"]["sha256"]).card
    assert card["training"]["years"] == [2024, 2025] and card["training"]["feature_version"]
    assert card["training"]["score_days"] == [[3, 31], [6, 30], [9, 30]]
    assert {row["level"] for row in answer["subgroups"] if row["by"] == "score_date"} == {"03-31", "06-30", "09-30"}
    assert card["reference"]["features"]["days_left"]["range"] == [92, 275]
    assert "member-" not in (folder / model_file.CARD).read_text(encoding="utf-8")
    model = ModelVersion.objects.get(pk=answer["registered"]["model"])
    assert (model.state, model.trained_by, model.measure and model.measure.code) == ("draft", "ben", "COL")
    assert model.training_start == dt.date(2024, 1, 1) and model.sha256 == answer["output"]["sha256"]


def test_a_year_whose_outcome_is_not_settled_is_refused(stored: evidence.Warehouse) -> None:
    with pytest.raises(CommandError, match=r"2026 is not completed: .* 2027-06-30, data was received until 2026-09-01"):
        call_command("train_model", "COL", years=[2026])


@pytest.mark.django_db
def test_without_an_import_the_command_says_what_to_do() -> None:
    with pytest.raises(CommandError, match="import_claims") as refused:
        call_command("train_model", "COL")
    assert refused.value.returncode == 1


@pytest.mark.parametrize(
    "given, options, said",
    [
        ([], {}, "Name a MEASURE"),
        (["COL"], {"table": Path("x.csv")}, "Name a MEASURE"),
        (["XYZ"], {}, "no measure 'XYZ'"),
        (["COL"], {"features": "age"}, "--features goes with --table"),
        (["COL"], {"score_dates": ["13-01"]}, "a month and a day"),
        (["COL"], {"score_dates": ["02-29"]}, "a month and a day"),
        (["COL"], {"score_dates": ["12-31"]}, "leaves no day"),
        ([], {"table": Path("x.csv"), "label": "a", "group": "b", "features": "c", "years": [2025]}, "goes with a"),
        ([], {"table": Path("x.csv")}, "--table needs --label"),
        (["COL"], {"register": "1"}, "go together"),
    ],
)  # fmt: skip
def test_a_wrong_call_is_told(given: list[str], options: dict[str, Any], said: str) -> None:
    with pytest.raises(CommandError, match=said) as wrong:
        call_command("train_model", *given, **options)
    assert wrong.value.returncode == 2
