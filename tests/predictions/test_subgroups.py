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
    found = subgroups.table({"it": (column, [0.0])}, SAMPLE, GROUPS, seed=0, capacity=0.2)
    return {row["level"]: row for row in found}


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
        assert [found[level][name] for name in ("n", "events", *subgroups.NAMES)] == [None] * 7
    assert found["c"]["n"] == 150


def test_a_part_with_few_events_is_withheld_though_it_has_many_people() -> None:
    labels = SAMPLE.labels.copy()
    labels[:100] = 0
    labels[:10] = 1
    parts = list(subgroups.parts_of(category({"a": 100})))
    found = subgroups.rows_of(parts, subgroups.Tested(Sample(labels, SAMPLE.margins), GROUPS, np.zeros(400), 0))
    assert found[0]["suppressed"]


def test_one_withheld_part_cannot_be_worked_out_from_the_total() -> None:
    found = rows(category({"a": 9, "b": 120}))
    sized = [row["n"] for row in found.values() if row["n"] is not None]
    assert found["a"]["suppressed"] and not found["b"]["suppressed"]
    assert found["b"]["n"] is None and found["b"]["auc"]["value"] is not None
    assert sized == [271]
    for name in subgroups.NAMES:  # a share with all its digits is a fraction: its denominator is the size
        assert found["b"][name]["value"] == round(found["b"][name]["value"], 3)


@pytest.mark.parametrize(("size", "told"), [(211, 200), (210, None), (120, None)])
def test_a_part_without_its_size_says_that_it_is_large_where_that_gives_nothing_away(
    size: int, told: int | None
) -> None:
    part = subgroups.Part("race", "b", np.arange(400) < size)
    row = subgroups.row_of(part, subgroups.Tested(SAMPLE, GROUPS, np.zeros(400), 0), withheld=False, sized=False)
    assert row["n"] is None and row["events"] is None
    assert row.get("n_at_least") == told


def test_the_edge_is_one_for_all_groups_and_rates_are_counted_by_hand() -> None:
    column = category({"a": 150})
    found = rows(column)
    edge = np.sort(SAMPLE.margins)[-80]
    chosen = SAMPLE.margins >= edge
    for level, part in (("a", slice(0, 150)), ("rest", slice(150, 400))):
        events = SAMPLE.labels[part] == 1
        assert found[level]["tpr"]["value"] == pytest.approx(chosen[part][events].mean())
        assert found[level]["selected"]["value"] == pytest.approx(chosen[part].mean())


def test_of_a_tie_at_the_edge_everybody_is_chosen_in_part() -> None:
    sample = Sample(np.array([1, 0, 1, 0, 0]), np.array([2.0, 1.0, 1.0, 1.0, 0.0]))
    assert measuring.selection(sample, 0.4).tolist() == pytest.approx([1, 1 / 3, 1 / 3, 1 / 3, 0])


def test_missing_is_a_part_and_numbers_are_cut() -> None:
    values = RNG.normal(0, 1, 400)
    values[:60] = np.nan
    found = rows(Column("income", Kind.NUMBER, values))
    assert list(found) == ["under 0", "0 and over", "missing"]
    assert sum(row["n"] for row in found.values()) == 400


def test_a_column_with_one_value_divides_nothing() -> None:
    assert rows(Column("flag", Kind.YES_NO, np.ones(400))) == {}
