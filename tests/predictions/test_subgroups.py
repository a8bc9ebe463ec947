"""Parts of the test set: right figures, and no small number shown or to be worked out."""

import numpy as np
import pytest

from predictions import measuring, subgroups
from predictions.measuring import Sample
from predictions.tables import Column, Kind

RNG = np.random.default_rng(1)
SAMPLE = Sample((RNG.random(400) < 0.4).astype(int), RNG.normal(0, 1, 400))
GROUPS = np.arange(400)


def category(sizes: dict[str, int]) -> Column:
    """A category with parts of these sizes, in order; the rest has the last word."""
    codes = np.full(400, len(sizes))
    codes[: sum(sizes.values())] = np.repeat(np.arange(len(sizes)), list(sizes.values()))
    return Column("race", Kind.CATEGORY, codes, (*sizes, "rest"))


def rows(column: Column) -> dict[str, dict]:
    """The table of one column by level."""
    return {row["level"]: row for row in subgroups.table({"it": (column, [0.0])}, SAMPLE, GROUPS, seed=0)}


def test_a_part_has_the_figures_of_its_own_rows() -> None:
    found = rows(category({"a": 150}))
    inside = Sample(SAMPLE.labels[:150], SAMPLE.margins[:150])
    assert found["a"]["n"] == 150
    assert found["a"]["auc"]["value"] == pytest.approx(measuring.auc(inside, np.ones(150)))
    assert found["a"]["auc"]["low"] < found["a"]["auc"]["value"] < found["a"]["auc"]["high"]


def test_parts_below_eleven_are_withheld_whole() -> None:
    found = rows(category({"a": 10, "b": 8, "c": 150}))
    for level in ("a", "b"):
        assert found[level]["suppressed"]
        assert [found[level][name] for name in ("n", "events", "auc", "brier", "oe")] == [None] * 5
    assert found["c"]["n"] == 150


def test_a_part_with_few_events_is_withheld_though_it_has_many_people() -> None:
    labels = SAMPLE.labels.copy()
    labels[:100] = 0
    labels[:10] = 1
    parts = list(subgroups.parts_of(category({"a": 100})))
    found = subgroups.rows_of(parts, Sample(labels, SAMPLE.margins), GROUPS, 0)
    assert found[0]["suppressed"]


def test_one_withheld_part_cannot_be_worked_out_from_the_total() -> None:
    found = rows(category({"a": 9, "b": 120}))
    sized = [row["n"] for row in found.values() if row["n"] is not None]
    assert found["a"]["suppressed"] and not found["b"]["suppressed"]
    assert found["b"]["n"] is None and found["b"]["auc"]["value"] is not None
    assert sized == [271]


def test_missing_is_a_part_and_numbers_are_cut() -> None:
    values = RNG.normal(0, 1, 400)
    values[:60] = np.nan
    found = rows(Column("income", Kind.NUMBER, values))
    assert list(found) == ["under 0", "0 and over", "missing"]
    assert sum(row["n"] for row in found.values()) == 400


def test_a_column_with_one_value_divides_nothing() -> None:
    assert rows(Column("flag", Kind.YES_NO, np.ones(400))) == {}
