"""What conditions are judged against, and the facts a selection of events means."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace

import ibis

from hedis.engine.measure import Events
from hedis.engine.period import Period


@dataclass(frozen=True)
class Context:
    """What conditions are judged against.

    `population`: member and, once a denominator event is known, `denominator_date` (else null).
    """

    facts: ibis.Table
    population: ibis.Table
    member: ibis.Table
    enrolment: ibis.Table
    period: Period
    as_of: dt.date

    def primary_only(self) -> Context:
        """The same without supplemental data, which may never make a denominator event."""
        return replace(self, facts=self.facts.filter(~self.facts.supplemental))


def selected(events: Events, context: Context, extra_value_sets: Sequence[str] = ()) -> ibis.Table:
    """Facts of these events up to the window's end, with `counts_from`, the day from which they count (null:
    any day), and `counts`, whether the fact does. Older facts stay: they explain an open gap."""
    facts = context.facts
    rows = facts.filter(
        facts.value_set.isin([*events.value_sets, *extra_value_sets])
        & (facts.start_date <= events.window.last_date(context.period))
    )
    if events.kinds:
        rows = rows.filter(rows.kind.isin(events.kinds))
    rows = _by_claim_and_day(rows, events, context)
    first = ibis.literal(events.window.first_date(context.period), type="date")
    if events.from_denominator_event:
        rows = rows.inner_join(context.population.select("member", "denominator_date"), "member")
        rows = rows.mutate(counts_from=ibis.greatest(first.fill_null(rows.denominator_date), rows.denominator_date))
    else:
        rows = rows.mutate(counts_from=first)
    return rows.mutate(counts=rows.counts_from.isnull() | (rows.start_date >= rows.counts_from))


def _by_claim_and_day(rows: ibis.Table, events: Events, context: Context) -> ibis.Table:
    if events.on_same_claim:
        rows = rows.semi_join(selected(events.on_same_claim, context), ["member", "record"])
    if events.not_on_same_claim:
        rows = rows.anti_join(selected(events.not_on_same_claim, context), ["member", "record"])
    if events.not_during:
        stays = selected(events.not_during, context)
        covered = [
            rows.member == stays.member,
            rows.start_date >= stays.start_date,
            rows.start_date <= stays.end_date,
        ]
        rows = rows.anti_join(stays, covered)
    return rows


def first_row(table: ibis.Table, keys: Sequence[str], order: Sequence[ibis.Value]) -> ibis.Table:
    """The first row of each group of `keys` by `order`, which must be total."""
    ranked = table.mutate(_rank=ibis.row_number().over(ibis.window(group_by=list(keys), order_by=list(order))))
    return ranked.filter(ranked["_rank"] == 0).drop("_rank")


def tie_break(rows: ibis.Table) -> list[ibis.Value]:
    """Ends every order: which of two equal facts is shown must not depend on the engine."""
    return [rows.record, rows.line, rows.source, rows.value_set, ibis.asc(rows.text, nulls_first=False)]
