"""When a numerator was first met, and when that was first known: what a claim lag is learnt from.

Only conditions that stay met once they are: events that exist, alone or together. Where the last value decides, or
days are counted, care of a month closes nothing for good, so there is nothing to learn.
"""

from __future__ import annotations

from functools import reduce, singledispatch

import ibis

from hedis.engine import measure as m
from hedis.engine.selection import Context, first_row, selected

FIRST = ("first_service", "first_received")
CLOSING = ("service_month", "lag")


def stays_met(condition: m.Condition) -> bool:
    """Whether the condition is one that stays met, so that a first closure means something."""
    if isinstance(condition, m.AnyOf | m.AllOf):
        return all(stays_met(each) for each in condition.conditions)
    return isinstance(condition, m.Exists | m.WithinDays)


@singledispatch
def first_met(condition: m.Condition, context: Context) -> ibis.Table:
    """member, first_service, first_received: the care by which the condition was known to be met for the first time.

    Of several the one received first, then the one that happened first. `first_service` is its last day where several
    facts are needed. The facts must carry `received_date`. Raises TypeError for a condition that does not stay met.
    """
    raise TypeError(f"{type(condition).__name__} does not stay met")


def _first(rows: ibis.Table) -> ibis.Table:
    return first_row(rows, ["member"], [rows.first_received, rows.first_service]).select("member", *FIRST)


def _known(events: m.Events, context: Context) -> ibis.Table:
    """Each day these events count on, with the first day on which that was known."""
    rows = selected(events, context)
    rows = rows.filter(rows.counts)
    return rows.group_by("member", first_service=rows.day).agg(first_received=rows.received_date.min())


@first_met.register
def _(condition: m.Exists, context: Context) -> ibis.Table:
    return _first(_known(condition.events, context))


@first_met.register
def _(condition: m.WithinDays, context: Context) -> ibis.Table:
    one = _known(condition.first, context)
    other = _known(condition.second, context).rename(other_service="first_service", other_received="first_received")
    both = one.inner_join(other, "member")
    near = both.filter(both.first_service.delta(both.other_service, unit="day").abs() <= condition.days)
    return _first(
        near.select(
            "member",
            first_service=ibis.greatest(near.first_service, near.other_service),
            first_received=ibis.greatest(near.first_received, near.other_received),
        )
    )


@first_met.register
def _(condition: m.AnyOf, context: Context) -> ibis.Table:
    return _first(reduce(ibis.union, [first_met(each, context) for each in condition.conditions]))


@first_met.register
def _(condition: m.AllOf, context: Context) -> ibis.Table:
    every = reduce(ibis.union, [first_met(each, context) for each in condition.conditions])
    met = every.group_by("member").agg(
        parts=every.count(), first_service=every.first_service.max(), first_received=every.first_received.max()
    )
    return met.filter(met.parts == len(condition.conditions)).select("member", *FIRST)


def by_month(closed: ibis.Table, year: int) -> ibis.Table:
    """member, service_month, lag: the month of the year of the first closure, and how many months later it was known.

    Care of before the year, which a look-back counts, has the month 0, and its months run from January.
    """
    before = closed.first_service.year() < year
    month = ibis.ifelse(before, 0, closed.first_service.month())
    received = (closed.first_received.year() - year) * 12 + closed.first_received.month()
    lag = ibis.greatest(received - ibis.greatest(month, 1), 0)
    return closed.select("member", service_month=month.cast("int64"), lag=lag.cast("int64"))
