"""The plan's own training table for one measure: features of each year's open gaps on the score date, and what became
of them. Pure: tables, days and engine come in."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import ibis
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hedis.engine.evaluate import Keep
from hedis.engine.facts import Tables
from hedis.engine.measure import Definition
from hedis.engine.period import measurement_year
from predictions import features, labels, splitting
from predictions.learning import FEWEST_EVENTS
from predictions.splitting import Split, SplitError
from predictions.tables import Table, TableError, categories, typed

# Fewer events or non-events among the test rows measure nothing.
FEWEST_TESTED = 10


@dataclass(frozen=True)
class Engine:
    """How the warehouse is read: `tables` gives a year's parts, `codes` a year's value sets; `arrow` brings rows."""

    tables: Callable[[int], Sequence[Tables]]
    codes: Callable[[int], ibis.Table]
    keep: Keep
    arrow: Callable[[ibis.Table], pa.Table]


@dataclass(frozen=True)
class YearCounts:
    """Members with an open gap on the score date of one year, by what became of it."""

    by_outcome: dict[str, int]
    met_before: int = 0
    """Rows of members who met the measure in the year before."""

    @property
    def open(self) -> int:
        """Gaps open on the score date."""
        return sum(self.by_outcome.values())

    @property
    def events(self) -> int:
        """Rows whose gap stayed open."""
        return self.by_outcome.get(labels.STILL_OPEN, 0)

    @property
    def rows(self) -> int:
        """Rows with a label."""
        return self.events + self.by_outcome.get(labels.CLOSED, 0)

    @property
    def dropped(self) -> dict[str, int]:
        """Members without a label or with nothing to foresee, by reason."""
        return {name: n for name, n in self.by_outcome.items() if name not in (labels.STILL_OPEN, labels.CLOSED)}


@dataclass(frozen=True)
class Training:
    """The labelled table (group: the member, time: the year), its feature names, and the counts by year.

    `without_history`: years in whose year before nobody met the measure while in others some did: the warehouse does
    not reach back so far, and features of the year before mean something else there."""

    table: Table
    features: tuple[str, ...]
    counts: dict[int, YearCounts] = field(default_factory=dict)
    without_history: tuple[int, ...] = ()

    @property
    def dropped(self) -> dict[str, int]:
        """Over all years, by reason."""
        total: Counter[str] = Counter()
        for counts in self.counts.values():
            total.update(counts.dropped)
        return dict(total)


def build(
    definition: Definition,
    engine: Engine,
    years: Sequence[int],
    score_day: tuple[int, int],
    *,
    others: Sequence[Definition] = (),
    history: bool = False,
) -> Training:
    """Labelled rows of these years, scored on the (month, day) of each; with `history` those years alone whose year
    before is in the warehouse too. Raises TableError where there is none."""
    found, counts = {}, {}
    for year in sorted(years):
        whole = pa.concat_tables(year_rows(definition, engine, year, score_day, others))
        outcome = whole["outcome"].to_pylist()
        labelled = pc.is_in(whole["outcome"], pa.array([labels.STILL_OPEN, labels.CLOSED]))
        kept = whole.filter(labelled)
        found[year] = kept.append_column("year", pa.array([year] * kept.num_rows, pa.int64()))
        met = int(pc.sum(kept["met_last_year"]).as_py() or 0)
        counts[year] = YearCounts(dict(sorted(Counter(outcome).items())), met)
    bare = tuple(year for year, each in counts.items() if not each.met_before)
    bare = bare if len(bare) < len(counts) else ()
    for year in bare if history else ():
        del found[year], counts[year]
    names = tuple(feature.name for feature in features.features_of(definition, others))
    return Training(as_table(pa.concat_tables(found.values()), names, definition.code), names, counts, bare)


def year_rows(
    definition: Definition, engine: Engine, year: int, score_day: tuple[int, int], others: Sequence[Definition]
) -> Iterator[pa.Table]:
    """One part of the plan after the other: a row a member with an open gap, features, AUDIT, and `outcome`."""
    period, scored = measurement_year(year), dt.date(year, *score_day)
    before = engine.codes(year - 1)
    for part in engine.tables(year):
        rows = engine.keep(
            features.rows(definition, part, period, scored, others=others, codes_before=before, keep=engine.keep)
        )
        known = labels.outcomes(definition, part, rows, period, labels.settled_on(year), engine.keep)
        told = features.joined(rows, known)
        outcome = ibis.ifelse(told.out_of_reach, ibis.literal(labels.OUT_OF_REACH), told.outcome)
        # A fixed order of rows: the same warehouse gives the same model, bit by bit.
        yield engine.arrow(told.mutate(outcome=outcome).drop("out_of_reach").order_by("member"))


def as_table(rows: pa.Table, names: Sequence[str], file: str) -> Table:
    """Rows as the learner takes them. Members are numbered: a pseudonym has no place in a message or a model file."""
    if not rows.num_rows:
        raise TableError("no gap that was open on the score date has an outcome in these years", file=file)
    codes, pseudonyms = categories(rows["member"])
    return Table(
        file=file,
        labels=pc.equal(rows["outcome"], labels.STILL_OPEN).to_numpy().astype(np.int64),
        groups=codes,
        group_names=tuple(str(number) for number in range(len(pseudonyms))),
        times=rows["year"].to_numpy().astype(np.float64),
        columns={name: typed(name, rows[name], file) for name in (*names, *features.AUDIT)},
    )


def divide(table: Table, seed: int) -> Split:
    """Test on the last year, learn from those before; a member is on one side only. With one year: by chance.

    Raises TableError where a side is too small to learn from or to measure on.
    """
    times = np.zeros(table.rows) if table.times is None else table.times
    last = (times == times.max()).astype(np.float64)
    try:
        split = splitting.by_chance(table, seed) if last.all() else splitting.by_time(table, last, seed)
    except SplitError as error:
        raise TableError(str(error), file=table.file) from error
    for side, rows, fewest in (("learn from", split.train, FEWEST_EVENTS), ("test on", split.test, FEWEST_TESTED)):
        events = int(table.labels[rows].sum())
        if min(events, len(rows) - events) < fewest:
            reason = (
                f"too few gaps to {side}: {events} stayed open and {len(rows) - events} closed; at least {fewest} of "
                "each are needed. Take more years, an earlier score date or a larger plan"
            )
            raise TableError(reason, file=table.file)
    return split
