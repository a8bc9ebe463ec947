"""No group on both sides, whatever the sizes."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from predictions.splitting import SplitError, divide, folds
from predictions.tables import Table
from tests.predictions import people


def grouped(groups: list[int], times: list[float] | None = None) -> Table:
    """A table with these groups and nothing else."""
    names, codes = np.unique(groups, return_inverse=True)
    clock = np.array(times, dtype=float) if times is not None else None
    return Table("t", np.zeros(len(groups), dtype=int), codes, tuple(f"{name}" for name in names), clock, {})


@given(
    st.lists(st.integers(0, 30), min_size=2, max_size=200).filter(lambda each: len(set(each)) > 1), st.integers(0, 99)
)
@settings(max_examples=100, deadline=None)
def test_no_group_is_on_both_sides_and_no_row_is_lost(groups: list[int], seed: int) -> None:
    table = grouped(groups)
    split = divide(table, seed=seed)
    assert not set(table.groups[split.train]) & set(table.groups[split.test])
    assert sorted([*split.train, *split.test]) == list(range(len(groups)))
    assert len(split.train) and len(split.test)


@given(
    st.lists(st.tuples(st.integers(0, 12), st.integers(0, 5)), min_size=4, max_size=200),
    st.integers(0, 99),
)
@settings(max_examples=150, deadline=None)
def test_in_time_order_every_training_row_is_before_every_test_row(rows: list[tuple[int, int]], seed: int) -> None:
    table = grouped([group for group, _ in rows], [time for _, time in rows])
    try:
        split = divide(table, seed=seed)
    except SplitError as error:
        assert "one side empty" in str(error) or "same time" in str(error) or "one group" in str(error)
        return
    assert table.times is not None
    assert table.times[split.train].max() < table.times[split.test].min()
    assert not set(table.groups[split.train]) & set(table.groups[split.test])


@given(st.lists(st.integers(0, 40), min_size=10, max_size=300), st.integers(0, 99))
@settings(max_examples=100, deadline=None)
def test_a_group_is_in_one_fold(groups: list[int], seed: int) -> None:
    found = folds(np.array(groups), 5, seed)
    for group in set(groups):
        assert len(set(found[np.array(groups) == group])) == 1
    assert len(set(found)) == min(5, len(set(groups)))


def test_folds_of_equal_groups_are_of_equal_size() -> None:
    assert np.bincount(folds(np.repeat(np.arange(50), 7), 5, seed=1)).tolist() == [70] * 5


def test_named_groups_are_exactly_the_test_set(tmp_path: Path) -> None:
    table = people.table(tmp_path, rows=500)
    split = divide(table, test_groups=["area-03", "area-11"])
    assert {table.group_names[group] for group in table.groups[split.test]} == {"area-03", "area-11"}
    assert not {"area-03", "area-11"} & {table.group_names[group] for group in table.groups[split.train]}


def test_a_named_group_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SplitError, match="no row is of group nowhere; the groups are area-00"):
        divide(people.table(tmp_path, rows=500), test_groups=["area-03", "nowhere"])


def test_naming_every_group_leaves_nothing_to_learn_from() -> None:
    with pytest.raises(SplitError, match="nothing is left to learn from"):
        divide(grouped([1, 2, 2]), test_groups=["1", "2"])


def test_one_group_cannot_be_divided() -> None:
    with pytest.raises(SplitError, match="one group"):
        divide(grouped([4, 4, 4]))


def test_a_seed_gives_the_same_split_and_another_one_another() -> None:
    table = grouped(list(range(200)))
    assert divide(table, seed=4).test.tolist() == divide(table, seed=4).test.tolist()
    assert divide(table, seed=4).test.tolist() != divide(table, seed=5).test.tolist()


def test_named_groups_earlier_than_training_rows_are_warned_of() -> None:
    split = divide(replace(grouped([1, 1, 2, 2]), times=np.array([1.0, 5.0, 2.0, 3.0])), test_groups=["2"])
    assert split.warnings[0].startswith("1 of 2 training rows are later than the first test row")
