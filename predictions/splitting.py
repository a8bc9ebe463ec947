"""Who is learnt from and who is held out: rows of one group are never on both sides."""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from predictions.tables import Floats, Integers, Table

# Share of the rows held out where the caller names no test groups.
HELD_OUT = 0.25


class SplitError(Exception):
    """The table cannot be divided as asked; the message says why."""


@dataclass(frozen=True)
class Split:
    """Row numbers (from 0) to learn from and to test on, how they were chosen, and what to know about it."""

    train: Integers
    test: Integers
    how: str
    warnings: tuple[str, ...] = ()
    crossed: bool = False
    """Both sides are all rows: each is tested on by a model that did not learn from its group (`cross_fitting`)."""


def divide(table: Table, *, test_groups: Sequence[str] = (), seed: int = 0) -> Split:
    """Named groups are exactly the test set; else a seeded hold-out of groups, of the latest rows if there is a time.

    Raises SplitError for a group that is not there, and where one side would be empty.
    """
    if test_groups:
        return by_name(table, test_groups)
    if len(table.group_names) < 2:
        raise SplitError(f"all rows are of the one group {table.group_names[0]!r}: nothing can be held out")
    return by_time(table, table.times, seed) if table.times is not None else by_chance(table, seed)


def by_name(table: Table, test_groups: Sequence[str]) -> Split:
    """Test on exactly these groups."""
    absent = [name for name in test_groups if name not in table.group_names]
    if absent:
        there = ", ".join(table.group_names[:30]) + (", …" if len(table.group_names) > 30 else "")
        raise SplitError(f"no row is of group {', '.join(absent)}; the groups are {there}")
    chosen = np.isin(np.array(table.group_names, dtype=object), list(test_groups))[table.groups]
    if chosen.all():
        raise SplitError("every group is a test group: nothing is left to learn from")
    train, test = np.flatnonzero(~chosen), np.flatnonzero(chosen)
    warnings = []
    if table.times is not None:
        later = int((table.times[train] > table.times[test].min()).sum())
        if later:
            warnings.append(
                f"{later:,} of {len(train):,} training rows are later than the first test row: the named test groups "
                "decide the split, not the time."
            )
    return Split(train, test, f"test groups {', '.join(test_groups)}", tuple(warnings))


def by_chance(table: Table, seed: int) -> Split:
    """Hold out groups in random order until a quarter of the rows is out; at least one group stays on each side."""
    sizes = np.bincount(table.groups)
    order = np.random.default_rng(seed).permutation(len(sizes))
    before = np.cumsum(sizes[order]) - sizes[order]
    held = order[before < HELD_OUT * table.rows][: len(sizes) - 1]
    out = np.isin(table.groups, held)
    how = f"{len(held):,} of {len(sizes):,} groups held out by chance, seed {seed}"
    return Split(np.flatnonzero(~out), np.flatnonzero(out), how)


def by_time(table: Table, times: Floats, seed: int) -> Split:
    """Learn from earlier rows, test on later ones of other groups.

    Groups with rows on both sides of the day are dealt by chance, half to each side; their rows of the other side
    stand aside.
    """
    distinct = np.unique(times)
    if len(distinct) < 2:
        raise SplitError("all rows are of the same time: nothing is later")
    cut = max(np.quantile(times, 1 - HELD_OUT, method="higher"), distinct[1])
    late = times >= cut
    has_late = np.bincount(table.groups, late) > 0
    has_early = np.bincount(table.groups, ~late) > 0
    lot = np.random.default_rng(seed).permutation(len(has_late)) % 2 == 0
    held = has_late & (~has_early | lot)
    train = np.flatnonzero(~late & ~held[table.groups])
    test = np.flatnonzero(late & held[table.groups])
    if not len(train) or not len(test):
        raise SplitError("no group lies earlier or none lies later: the time leaves one side empty")
    aside = table.rows - len(train) - len(test)
    how = f"earlier groups learnt from, {int(held.sum()):,} later groups tested on, seed {seed}"
    note = f"{aside:,} rows of groups that lie on both sides of the cut in time stand aside."
    return Split(train, test, how, (note,) if aside else ())


def folds(groups: Integers, count: int, seed: int) -> Integers:
    """A fold number for each row; a group is in one fold, and folds are near each other in size.

    Groups go by size, the largest first, each to the smallest fold; equal ones in seeded order.
    """
    names, members = np.unique(groups, return_inverse=True)
    sizes = np.bincount(members)
    order = np.random.default_rng(seed).permutation(len(names))
    order = order[np.argsort(-sizes[order], kind="stable")]
    smallest = [(0, fold) for fold in range(min(count, len(names)))]
    fold_of = np.empty(len(names), dtype=np.int64)
    for group in order:
        rows, fold = heapq.heappop(smallest)
        fold_of[group] = fold
        heapq.heappush(smallest, (rows + int(sizes[group]), fold))
    return fold_of[members]
