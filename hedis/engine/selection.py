"""What conditions are judged against, and the facts a selection of events means."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace

import ibis

from hedis.engine.measure import ORDERS, Dates, Events
from hedis.engine.period import Period


@dataclass(frozen=True)
class Context:
    """What conditions are judged against.

    `population`: member and, once a denominator event is known, `denominator_date` (else null).
    `result_codes`: what coded results and qualifiers are looked up in: value_set, coded (``system|code``).
    """

    facts: ibis.Table
    result_codes: ibis.Table
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
    any day), `day`, the day of the fact that is judged and shown, and `counts`, whether the fact does. Older facts
    stay: they explain an open gap."""
    # Few steps: every one costs compiling time, and a measure selects dozens of times.
    rows = context.facts.filter(*_wanted(events, context, extra_value_sets))
    rows = _by_coded_result(rows, events, context)
    rows = _by_claim_and_day(rows, events, context)
    first = ibis.literal(events.window.first_date(context.period), type="date")
    if events.from_denominator_event:
        rows = rows.inner_join(context.population.select("member", "denominator_date"), "member")
        first = ibis.greatest(first.fill_null(rows.denominator_date), rows.denominator_date)
    counts = first.isnull() | _reaches(rows, first, events.dates)
    return rows.mutate(day=_day(rows, events), counts_from=first, counts=counts)


def _wanted(events: Events, context: Context, extra_value_sets: Sequence[str]) -> list[ibis.Value]:
    """What a fact must be by itself."""
    facts, dates = context.facts, events.dates
    last_day = facts.end_date if dates in (Dates.END, Dates.WITHIN) else facts.start_date
    wanted = [
        facts.value_set.isin([*events.value_sets, *extra_value_sets]),
        facts.kind.isin(events.kinds) if events.kinds else ~facts.kind.isin(ORDERS),
        last_day <= events.window.last_date(context.period),
    ]
    if events.claims_only:
        wanted.append(~facts.supplemental)
    if events.statuses:
        wanted.append(facts.status.isin(events.statuses))
    if events.has_value:
        wanted.append(facts.number.notnull() | facts.text.notnull() | facts.value_code.notnull())
    if events.measured:
        wanted.append(facts.number.notnull() | facts.text.substr(0, 1).isin(("<", ">")))
    return wanted


def _day(rows: ibis.Table, events: Events) -> ibis.Value:
    return rows.end_date if events.dates is Dates.END else rows.start_date


def _reaches(rows: ibis.Table, first: ibis.Value, dates: Dates) -> ibis.Value:
    """Whether the fact reaches the window from its first day on, given that it does not lie beyond its end."""
    if dates is Dates.OVERLAP:
        return rows.end_date >= first
    if dates is Dates.OVERLAP_FROM_BEFORE:
        return (rows.start_date < first) & (rows.end_date >= first)
    return (rows.end_date if dates is Dates.END else rows.start_date) >= first


def with_code(rows: ibis.Table, column: str, value_sets: Sequence[str], context: Context) -> ibis.Table:
    """The rows whose coded result or qualifier (`column`) is in one of the value sets."""
    codes = context.result_codes
    wanted = codes.filter(codes.value_set.isin(value_sets)).select("coded").distinct()
    return rows.semi_join(wanted, rows[column] == wanted.coded)


def _by_coded_result(rows: ibis.Table, events: Events, context: Context) -> ibis.Table:
    if events.with_value:
        rows = with_code(rows, "value_code", events.with_value, context)
    if events.qualified_by:
        rows = with_code(rows, "qualifier", events.qualified_by, context)
    return rows


def _by_claim_and_day(rows: ibis.Table, events: Events, context: Context) -> ibis.Table:
    if events.on_same_claim:
        rows = rows.semi_join(selected(events.on_same_claim, context), ["member", "record"])
    if events.not_on_same_claim:
        rows = rows.anti_join(selected(events.not_on_same_claim, context), ["member", "record"])
    if not events.not_during:
        return rows
    stays = selected(events.not_during, context)
    day = _day(rows, events)
    free = rows.anti_join(stays, [rows.member == stays.member, day >= stays.start_date, day <= stays.end_date])
    if not events.kept_in_encounter:
        return free
    visits = selected(events.kept_in_encounter, context).select("member", encounter="record")
    return ibis.union(free, rows.semi_join(visits, ["member", "encounter"]), distinct=True)


def first_row(table: ibis.Table, keys: Sequence[str], order: Sequence[ibis.Value]) -> ibis.Table:
    """The first row of each group of `keys` by `order`, which must be total."""
    ranked = table.mutate(_rank=ibis.row_number().over(ibis.window(group_by=list(keys), order_by=list(order))))
    return ranked.filter(ranked["_rank"] == 0).drop("_rank")


def tie_break(rows: ibis.Table) -> list[ibis.Value]:
    """Ends every order: which of two equal facts is shown must not depend on the engine."""
    return [rows.record, rows.line, rows.source, rows.value_set, ibis.asc(rows.text, nulls_first=False)]
