"""The plan's own training tables: features of each year's open gaps on the score dates, and what became of them.

Pure: tables, days and engine come in."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

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
from predictions.tables import Column, Kind, Table, TableError, categories, typed

# Fewer events or non-events among the test rows measure nothing.
FEWEST_TESTED = 10
SCORE_DATE = "score_date"
# Under this share of the best year's, those who met the measure are missing from the warehouse, not from care.
LEAST_HISTORY = 0.5

MonthDay = tuple[int, int]
Treated = Callable[[str, int], Mapping[str, dt.date]]
"""Measure code and year: pseudonym and day of those contacted for it."""


@dataclass(frozen=True)
class Engine:
    """How the warehouse is read: `tables` gives a year's parts, `codes` a year's value sets; `arrow` brings rows."""

    tables: Callable[[int], Sequence[Tables]]
    codes: Callable[[int], ibis.Table]
    keep: Keep
    arrow: Callable[[ibis.Table], pa.Table]


@dataclass(frozen=True)
class YearCounts:
    """Gaps open on the score dates of one year, a member's once for each date, by what became of them."""

    by_outcome: dict[str, int]

    @property
    def open(self) -> int:
        """Gaps open on the score dates."""
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
        """Rows without a label, with nothing to foresee or of members contacted, by reason."""
        return {name: n for name, n in self.by_outcome.items() if name not in (labels.STILL_OPEN, labels.CLOSED)}


@dataclass(frozen=True)
class Training:
    """The labelled table (group: the member, time: the year), its feature names, and the counts by year.

    `without_history`: years in whose year before far fewer met the measure than in that of another: the warehouse does
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


@dataclass
class Gathered:
    """The rows of one measure by year, and the years whose year before is not in the warehouse while another's is."""

    rows: dict[int, list[pa.Table]] = field(default_factory=dict)
    without_history: set[int] = field(default_factory=set)


@dataclass
class History:
    """The share who met a measure in the year before, 0 to 1, by year and measure code. It tells how far the warehouse
    reaches back: where far fewer met a measure than in the year before another, claims, results or fills are not in
    it yet, and features of the year before mean something else."""

    shares: dict[int, dict[str, float]] = field(default_factory=dict)

    def is_lacking(self, year: int, needed: Sequence[Definition], feed: features.Feed, engine: Engine) -> bool:
        """Whether the year before lacks what one of these measures needs. Asked for the newest year first."""
        own = self.shares.setdefault(year, {})
        for each in needed:
            if each.code not in own:
                own[each.code] = share_met(feed.met(each), engine)
            if own[each.code] < LEAST_HISTORY * max(held.get(each.code, 0.0) for held in self.shares.values()):
                return True
        return False


@dataclass(frozen=True)
class Asked:
    """What is to be gathered: years by measure code, the month and day of each score date, the measures whose year
    before is looked at. With `history` only years whose year before is in the warehouse too. `treated`: members
    contacted for a measure, whose outcome is not one without outreach."""

    years: Mapping[str, Sequence[int]]
    days: Sequence[MonthDay]
    others: Sequence[Definition] = ()
    history: bool = False
    treated: Treated = lambda code, year: {}


def build(
    definition: Definition,
    engine: Engine,
    years: Sequence[int],
    days: Sequence[MonthDay],
    *,
    others: Sequence[Definition] = (),
    history: bool = False,
    treated: Treated = lambda code, year: {},
) -> Training:
    """Labelled rows of one measure (see `Asked`). Raises TableError where there is none."""
    asked = Asked({definition.code: years}, days, others, history, treated)
    return assembled(definition, gather([definition], engine, asked)[definition.code], asked)


def gather(definitions: Sequence[Definition], engine: Engine, asked: Asked) -> dict[str, Gathered]:
    """The rows of several measures: what they share is computed once for each year and part of the plan, the newest
    year first."""
    found, history = {definition.code: Gathered() for definition in definitions}, History()
    for year in sorted({year for years in asked.years.values() for year in years}, reverse=True):
        here = [definition for definition in definitions if year in asked.years[definition.code]]
        for part in engine.tables(year):
            feed = feed_of(here, part, year, engine, asked)
            settled = labels.Settled(here, part, measurement_year(year), labels.settled_on(year), engine.keep)
            for definition in here:
                own = found[definition.code]
                if history.is_lacking(year, (*asked.others, definition), feed, engine):
                    own.without_history.add(year)
                if not (asked.history and year in own.without_history):
                    rows = labelled(definition, feed, settled, engine)
                    own.rows.setdefault(year, []).append(set_aside(rows, asked.treated(definition.code, year)))
            feed.release()
            settled.release()
    return found


def feed_of(definitions: Sequence[Definition], part: Tables, year: int, engine: Engine, asked: Asked) -> features.Feed:
    """The features of these measures on the score dates of a year."""
    period, days = measurement_year(year), [dt.date(year, *day) for day in asked.days]
    before = engine.codes(year - 1)
    return features.Feed(definitions, part, period, days, codes_before=before, keep=engine.keep, others=asked.others)


def labelled(definition: Definition, feed: features.Feed, settled: labels.Settled, engine: Engine) -> pa.Table:
    """A row a member with an open gap and a score date: features, AUDIT, `outcome`."""
    rows = engine.keep(feed.rows(definition))
    told = features.joined(rows, settled.outcomes(definition, rows))
    outcome = ibis.ifelse(told.out_of_reach, ibis.literal(labels.OUT_OF_REACH), told.outcome)
    # A fixed order of rows: the same warehouse gives the same model, bit by bit.
    told = told.mutate(outcome=outcome).drop("out_of_reach").order_by("member", ibis.desc(features.DAYS_LEFT))
    arrived = engine.arrow(told)
    engine.keep.release([rows])
    return arrived


def share_met(met: ibis.Table, engine: Engine) -> float:
    """Share of members who met a measure; 0 where nobody was in it."""
    return float(engine.arrow(met.aggregate(met=met.met.mean()))["met"][0].as_py() or 0.0)


def set_aside(rows: pa.Table, contacted: Mapping[str, dt.date]) -> pa.Table:
    """Rows of members who were contacted have another outcome than one without outreach: they are told apart."""
    if not contacted:
        return rows
    theirs = pc.is_in(rows["member"], pa.array(list(contacted), rows["member"].type))
    other = pc.and_(theirs, is_labelled(rows))
    outcome = pc.if_else(other, labels.CONTACTED, rows["outcome"])
    return rows.set_column(rows.column_names.index("outcome"), "outcome", outcome)


def is_labelled(rows: pa.Table) -> pa.ChunkedArray:
    """Which rows have a label."""
    return pc.is_in(rows["outcome"], pa.array([labels.STILL_OPEN, labels.CLOSED]))


def assembled(definition: Definition, gathered: Gathered, asked: Asked) -> Training:
    """One measure's table of what was gathered. Raises TableError where no row has a label."""
    found, counts = [], {}
    for year in sorted(gathered.rows):
        whole = pa.concat_tables(gathered.rows[year])
        counts[year] = YearCounts(dict(sorted(Counter(whole["outcome"].to_pylist()).items())))
        kept = whole.filter(is_labelled(whole))
        kept = kept.append_column("year", pa.array([year] * kept.num_rows, pa.int64()))
        found.append(kept.append_column(SCORE_DATE, score_dates(kept, year)))
    others = [each for each in asked.others if each.code != definition.code]
    names = tuple(feature.name for feature in features.features_of(definition, others))
    return Training(
        as_table(pa.concat_tables(found), names, definition.code),
        names,
        counts,
        tuple(sorted(gathered.without_history)),
    )


def score_dates(rows: pa.Table, year: int) -> pa.Array:
    """Month and day on which each row was scored, as in 06-30."""
    end = measurement_year(year).end
    days = [f"{end - dt.timedelta(days=int(left)):%m-%d}" for left in rows[features.DAYS_LEFT].to_pylist()]
    return pa.array(days, pa.string())


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
        columns={name: column_of(name, rows, file) for name in (*names, *features.AUDIT, SCORE_DATE)},
    )


def column_of(name: str, rows: pa.Table, file: str) -> Column:
    """A column as the learner takes it. Days left are a number even where training knows few of them: scores are asked
    for on other days too."""
    column = typed(name, rows[name], file)
    return replace(column, kind=Kind.NUMBER) if name == features.DAYS_LEFT else column


def divide(table: Table, seed: int) -> Split:
    """Test on the last year, learn from those before; a member is on one side only. With one year: crosswise.

    Raises TableError where a side is too small to learn from or to measure on.
    """
    times = np.zeros(table.rows) if table.times is None else table.times
    last = (times == times.max()).astype(np.float64)
    if last.all():
        split = crosswise(table, seed)
    else:
        try:
            split = splitting.by_time(table, last, seed)
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


def crosswise(table: Table, seed: int) -> Split:
    """All rows on both sides: fifths of the members, each tested on by a model of the others."""
    every = np.arange(table.rows)
    how = (
        f"each fifth of {len(table.group_names):,} members scored by a model that learnt from the others, which the "
        f"figures are of; the model itself learnt from all, seed {seed}"
    )
    return Split(every, every, how, crossed=True)
