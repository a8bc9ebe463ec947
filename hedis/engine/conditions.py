"""Compiles conditions of the measure language to relational expressions.

Every condition becomes a *finding* relation: at most one row a member, with

    member, met (bool), date, value (text), route (text), reason_code, reason (both null where met)

A member of whom nothing relevant is known has no row; `missing` says that in words. So a condition that is not
met still tells what was found last, and why it did not count. Every choice of "the latest" is a total order.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import singledispatch

import ibis

from hedis.engine import measure as m
from hedis.engine.facts import source_words
from hedis.engine.period import Period
from hedis.engine.selection import Context, first_row, selected, tie_break

FINDING = ("member", "met", "date", "value", "route", "reason_code", "reason")


@singledispatch
def find(condition: m.Condition, context: Context) -> ibis.Table:
    """The finding relation of a condition. Raises TypeError for a node the compiler does not know."""
    raise TypeError(f"no rule compiles {type(condition).__name__}")


@singledispatch
def dates_met(condition: m.Condition, context: Context) -> ibis.Table:
    """Who meets the condition and when: columns member, date. The short form of `find`, for conditions nobody
    needs explained: denominator events and exclusions."""
    found = find(condition, context)
    return found.filter(found.met).select("member", "date")


@singledispatch
def missing(condition: m.Condition, period: Period) -> str:
    """What a sentence says when nothing relevant is found: ``no colonoscopy since 2017-01-01``."""
    raise TypeError(f"no words for {type(condition).__name__}")


def sentence(text: str) -> str:
    """First letter upper case, the rest untouched (FOBT stays FOBT)."""
    return text[:1].upper() + text[1:]


def finding(table: ibis.Table, *, met: ibis.Value, reasons: Sequence[tuple[ibis.Value, m.Reason, ibis.Value]],
             value: ibis.Value, route: ibis.Value) -> ibis.Table:  # fmt: skip
    """Assembles the finding; `reasons` are (when, code, words), the first that applies is given."""
    none = ibis.null("string")
    return table.select(
        "member",
        met=met,
        date=table.date,
        value=value.cast("string"),
        route=route,
        reason_code=ibis.ifelse(met, none, ibis.cases(*((when, code.value) for when, code, _ in reasons))),
        reason=ibis.ifelse(met, none, ibis.cases(*((when, words) for when, _, words in reasons))),
    )


def day_words(date: ibis.Value) -> ibis.Value:
    return date.cast("string")


def before(what: ibis.Value, rows: ibis.Table) -> ibis.Value:
    """``Last HbA1c 7.1 % on 2025-03-01 is before 2026-01-01``."""
    return what + " on " + day_words(rows.date) + " is before " + day_words(rows.counts_from)


def _out_of_range(events: m.Events, rows: ibis.Table) -> ibis.Value:
    """Why a fact found lies outside the window."""
    name = ibis.literal(events.name)
    if events.dates not in (m.Dates.OVERLAP, m.Dates.OVERLAP_FROM_BEFORE):
        return before(name, rows)
    ended = name + " until " + day_words(rows.end_date) + " is before " + day_words(rows.counts_from)
    begun = name + " on " + day_words(rows.date) + " is not before " + day_words(rows.counts_from)
    return ibis.ifelse(rows.end_date < rows.counts_from, ended, begun)


# -- events ----------------------------------------------------------------------------------------------------


@find.register
def _(condition: m.Exists, context: Context) -> ibis.Table:
    events = condition.events
    rows = selected(events, context)
    latest = first_row(rows, ["member"], [ibis.desc(rows.counts), ibis.desc(rows.day), *tie_break(rows)])
    latest = latest.rename(date="day")
    name = ibis.literal(sentence(events.name))
    return finding(
        latest,
        met=latest.counts,
        reasons=[(~latest.counts, m.Reason.DATE_OUT_OF_RANGE, _out_of_range(events, latest))],
        value=latest.text,
        route=name + " (" + source_words(latest.source) + ")",
    )


@dates_met.register
def _(condition: m.Exists, context: Context) -> ibis.Table:
    rows = selected(condition.events, context)
    rows = rows.filter(rows.counts)
    return rows.group_by("member").agg(date=rows.day.max())


@missing.register
def _(condition: m.Exists, period: Period) -> str:
    return f"no {condition.events.missing(period)}"


@find.register
def _(condition: m.CountDates, context: Context) -> ibis.Table:
    events, needed = condition.events, condition.at_least
    rows = selected(events, context)
    dates = rows.filter(rows.counts).select("member", "day").distinct()
    dates = dates.mutate(number=ibis.row_number().over(ibis.window(group_by="member", order_by=dates.day)) + 1)
    counted = dates.group_by("member").agg(
        found=dates.count(),
        completing=dates.day.min(where=dates.number == needed),
        latest=dates.day.max(),
    )
    counted = counted.mutate(date=counted.completing.fill_null(counted.latest))
    what = f" of {needed} dates with {events.name} {events.window.words(context.period)}"
    met = counted.found >= needed
    return finding(
        counted,
        met=met,
        reasons=[(~met, m.Reason.COUNT_OUT_OF_RANGE, counted.found.cast("string") + what)],
        value=counted.found.cast("string") + " dates",
        route=ibis.literal(sentence(events.name)),
    )


@missing.register
def _(condition: m.CountDates, period: Period) -> str:
    return f"no {condition.events.missing(period)}"


# -- combining -------------------------------------------------------------------------------------------------


def _union(parts: list[ibis.Table]) -> ibis.Table:
    return parts[0] if len(parts) == 1 else ibis.union(*parts)


def _combined(conditions: tuple[m.Condition, ...], context: Context, *, every: bool, named: bool = False) -> ibis.Table:
    """Findings of several conditions as one. The row shown is the latest; of alternatives a met one comes first,
    where all are needed one that is not met. The reason speaks of each condition in the order written; of named
    alternatives only of what was found."""
    parts = [
        find(each, context).mutate(part=ibis.literal(index, type="int64")) for index, each in enumerate(conditions)
    ]
    if len(parts) == 1:
        return parts[0].drop("part")
    found = ibis.union(*parts)
    latest = [ibis.desc(found.date), found.part]
    shown = first_row(found, ["member"], [found.met if every else ibis.desc(found.met), *latest])
    told = {}
    for index, _ in enumerate(conditions):
        told[f"met_{index}"] = found.met.max(where=found.part == index).fill_null(False)
        told[f"reason_{index}"] = found.reason.max(where=found.part == index)
    by_member = found.group_by("member").agg(count=found.met.sum(), **told)
    joined = shown.drop("met", "reason").inner_join(by_member, "member")
    met = joined["count"] == len(conditions) if every else joined["count"] > 0
    reason = _reasons(joined, ["" if named else missing(each, context.period) for each in conditions])
    none = ibis.null("string")
    return joined.select(
        "member",
        "date",
        "value",
        "route",
        met=met,
        reason_code=ibis.ifelse(met, none, joined.reason_code.fill_null(m.Reason.NOT_FOUND.value)),
        reason=ibis.ifelse(met, none, reason),
    ).select(*FINDING)


def _reasons(joined: ibis.Table, otherwise: list[str]) -> ibis.Value:
    text = ibis.literal("")
    for index, words in enumerate(otherwise):
        own = (joined[f"reason_{index}"] + ", ").fill_null(f"{words}, " if words else "")
        text = text + ibis.ifelse(joined[f"met_{index}"], ibis.literal(""), own)
    return text.left(text.length() - 2)


@find.register
def _(condition: m.AnyOf, context: Context) -> ibis.Table:
    return _combined(condition.conditions, context, every=False, named=bool(condition.name))


@find.register
def _(condition: m.AllOf, context: Context) -> ibis.Table:
    return _combined(condition.conditions, context, every=True)


@dates_met.register
def _(condition: m.AnyOf, context: Context) -> ibis.Table:
    met = _union([dates_met(each, context) for each in condition.conditions])
    return met.group_by("member").agg(date=met.date.max())


@dates_met.register
def _(condition: m.AllOf, context: Context) -> ibis.Table:
    met = _union([dates_met(each, context) for each in condition.conditions])
    by_member = met.group_by("member").agg(date=met.date.max(), parts=met.count())
    return by_member.filter(by_member.parts == len(condition.conditions)).select("member", "date")


@missing.register(m.AnyOf)
@missing.register(m.AllOf)
def _(condition: m.AnyOf | m.AllOf, period: Period) -> str:
    if isinstance(condition, m.AnyOf) and condition.name:
        return f"no {condition.name}"
    return ", ".join(missing(each, period) for each in condition.conditions)


@find.register
def _(condition: m.Not, context: Context) -> ibis.Table:
    inner = find(condition.condition, context)
    found = context.population.select("member").left_join(inner, "member").drop("member_right")
    met = ~found.met.fill_null(False)
    found = found.mutate(
        met=met,
        # What nearly made the condition true is no evidence of its absence.
        date=ibis.ifelse(met, ibis.null("date"), found.date),
        value=ibis.ifelse(met, ibis.null("string"), found.value),
        route=ibis.ifelse(met, ibis.null("string"), found.route),
    )
    told = ibis.literal(sentence(condition.name)) + (ibis.literal(" on ") + day_words(found.date)).fill_null("")
    return finding(
        found, met=found.met, reasons=[(~found.met, m.Reason.PRESENT, told)], value=found.value, route=found.route
    )


@missing.register
def _(condition: m.Not, period: Period) -> str:
    return f"not known whether {condition.name}"


# -- enrolment and life ----------------------------------------------------------------------------------------


@dates_met.register
def _(condition: m.EnrolmentFlag, context: Context) -> ibis.Table:
    spans = context.enrolment
    first = condition.window.first_date(context.period)
    last = min(condition.window.last_date(context.period), context.as_of)
    flagged = spans.filter(spans[condition.column] & (spans.start_date <= last))
    if first is not None:
        flagged = flagged.filter(flagged.end_date >= first)
        flagged = flagged.mutate(start_date=ibis.greatest(flagged.start_date, ibis.literal(first)))
    return flagged.group_by("member").agg(date=flagged.start_date.max())


@dates_met.register
def _(condition: m.Died, context: Context) -> ibis.Table:
    people = context.member
    first = condition.window.first_date(context.period)
    last = min(condition.window.last_date(context.period), context.as_of)
    dead = people.filter(people.death_date <= last)
    if first is not None:
        dead = dead.filter(dead.death_date >= first)
    return dead.select("member", date="death_date")


@find.register(m.EnrolmentFlag)
@find.register(m.Died)
def _(condition: m.EnrolmentFlag | m.Died, context: Context) -> ibis.Table:
    none = ibis.null("string")
    name = condition.name if isinstance(condition, m.EnrolmentFlag) else "death"
    return dates_met(condition, context).mutate(
        met=ibis.literal(True),
        value=none,
        route=ibis.literal(f"{sentence(name)} (enrolment record)"),
        reason_code=none,
        reason=none,
    )[list(FINDING)]


@missing.register
def _(condition: m.EnrolmentFlag, period: Period) -> str:
    return f"no {condition.name} {condition.window.words(period)}"


@missing.register
def _(condition: m.Died, period: Period) -> str:
    return f"no death {condition.window.words(period)}"
