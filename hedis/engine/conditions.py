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


def _finding(table: ibis.Table, *, met: ibis.Value, reasons: Sequence[tuple[ibis.Value, m.Reason, ibis.Value]],
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


def _day(date: ibis.Value) -> ibis.Value:
    return date.cast("string")


def _before(what: ibis.Value, table: ibis.Table) -> ibis.Value:
    return what + " on " + _day(table.date) + " is before " + _day(table.counts_from)


# -- events ----------------------------------------------------------------------------------------------------


@find.register
def _(condition: m.Exists, context: Context) -> ibis.Table:
    events = condition.events
    rows = selected(events, context)
    latest = first_row(rows, ["member"], [ibis.desc(rows.start_date), *tie_break(rows)])
    latest = latest.rename(date="start_date")
    name = ibis.literal(sentence(events.name))
    return _finding(
        latest,
        met=latest.counts,
        reasons=[(~latest.counts, m.Reason.DATE_OUT_OF_RANGE, _before(name, latest))],
        value=latest.text,
        route=name + " (" + source_words(latest.source) + ")",
    )


@dates_met.register
def _(condition: m.Exists, context: Context) -> ibis.Table:
    rows = selected(condition.events, context)
    rows = rows.filter(rows.counts)
    return rows.group_by("member").agg(date=rows.start_date.max())


@missing.register
def _(condition: m.Exists, period: Period) -> str:
    return f"no {condition.events.missing(period)}"


@find.register
def _(condition: m.CountDates, context: Context) -> ibis.Table:
    events, needed = condition.events, condition.at_least
    rows = selected(events, context)
    dates = rows.filter(rows.counts).select("member", "start_date").distinct()
    dates = dates.mutate(number=ibis.row_number().over(ibis.window(group_by="member", order_by=dates.start_date)) + 1)
    counted = dates.group_by("member").agg(
        found=dates.count(),
        completing=dates.start_date.min(where=dates.number == needed),
        latest=dates.start_date.max(),
    )
    counted = counted.mutate(date=counted.completing.fill_null(counted.latest))
    what = f" of {needed} dates with {events.name} {events.window.words(context.period)}"
    met = counted.found >= needed
    return _finding(
        counted,
        met=met,
        reasons=[(~met, m.Reason.COUNT_OUT_OF_RANGE, counted.found.cast("string") + what)],
        value=counted.found.cast("string") + " dates",
        route=ibis.literal(sentence(events.name)),
    )


@missing.register
def _(condition: m.CountDates, period: Period) -> str:
    return f"no {condition.events.missing(period)}"


# -- results ---------------------------------------------------------------------------------------------------


def _measured(result: m.Result, context: Context) -> ibis.Table:
    """Facts of a result with `number` (null where missing or implausible) and `shown`, the number as text."""
    rows = selected(result.events, context, [coded.value_set for coded in result.coded])
    low, high = result.plausible
    number = ibis.ifelse(rows.number.between(low, high), rows.number, ibis.null("float64"))
    plain = number.round(result.decimals) if result.decimals else number.round().cast("int64")
    shown = plain.cast("string")
    if result.coded:
        stands_for = [(rows.value_set == coded.value_set, coded) for coded in result.coded]
        number = ibis.cases(*((when, ibis.literal(coded.number)) for when, coded in stands_for), else_=number)
        shown = ibis.cases(*((when, coded.text) for when, coded in stands_for), else_=shown)
    return rows.mutate(number=number, shown=shown)


def _in_control(result: m.Result, number: ibis.Value) -> ibis.Value:
    return number <= result.at_most if result.at_most is not None else number < result.below


def _fails(result: m.Result) -> str:
    limit = f"{result.threshold:.{result.decimals}f} {result.unit}"
    return f"is above {limit}" if result.at_most is not None else f"is not below {limit}"


@find.register
def _(condition: m.LatestResult, context: Context) -> ibis.Table:
    result = condition.result
    rows = _measured(result, context)
    lowest_first = ibis.asc(rows.number, nulls_first=False)
    last = first_row(rows, ["member"], [ibis.desc(rows.start_date), lowest_first, *tie_break(rows)])
    last = last.rename(date="start_date")
    name = sentence(result.events.name)
    value = last.shown + f" {result.unit}"
    met = (last.counts & _in_control(result, last.number)).fill_null(False)
    told = ibis.literal(f"Last {result.events.name}") + (ibis.literal(" ") + value).fill_null("")
    on_day = ibis.literal(" on ") + _day(last.date)
    return _finding(
        last,
        met=met,
        reasons=[
            (~last.counts, m.Reason.DATE_OUT_OF_RANGE, _before(told, last)),
            (last.number.isnull(), m.Reason.MISSING, told + on_day + " has no usable result"),
            (~met, m.Reason.VALUE_OUT_OF_RANGE, told + on_day + " " + _fails(result)),
        ],
        value=value,
        route=ibis.literal(name) + " (" + source_words(last.source) + ")",
    )


@missing.register
def _(condition: m.LatestResult, period: Period) -> str:
    return f"no {condition.result.events.missing(period)}"


def _reading_days(condition: m.LatestReading, context: Context) -> ibis.Table:
    """One row a member and day with either part: number and text of each part's lowest result that day."""
    parts = []
    for index, result in enumerate((condition.first, condition.second)):
        rows = _measured(result, context)
        lowest_first = ibis.asc(rows.number, nulls_first=False)
        lowest = first_row(rows, ["member", "start_date"], [lowest_first, *tie_break(rows)])
        parts.append(
            lowest.select("member", "counts_from", "counts", "number", "shown", "source", date="start_date").mutate(
                part=ibis.literal(index, type="int64")
            )
        )
    both = ibis.union(*parts)
    return both.group_by("member", "date").agg(
        counts_from=both.counts_from.max(),
        counts=(~both.counts).sum() == 0,
        first=both.number.max(where=both.part == 0),
        second=both.number.max(where=both.part == 1),
        first_shown=both.shown.max(where=both.part == 0),
        second_shown=both.shown.max(where=both.part == 1),
        source=both.source.min(),
    )


@find.register
def _(condition: m.LatestReading, context: Context) -> ibis.Table:
    days = _reading_days(condition, context)
    last = first_row(days, ["member"], [ibis.desc(days.date)])
    shown = last.first_shown.fill_null("?") + "/" + last.second_shown.fill_null("?") + f" {condition.unit}"
    in_control = _in_control(condition.first, last["first"]) & _in_control(condition.second, last["second"])
    met = (last.counts & in_control).fill_null(False)
    told = ibis.literal(f"Last {condition.name} ") + shown
    on_day = ibis.literal(" on ") + _day(last.date)
    limit = f" is not below {condition.first.threshold:.0f}/{condition.second.threshold:.0f} {condition.unit}"
    return _finding(
        last,
        met=met,
        reasons=[
            (~last.counts, m.Reason.DATE_OUT_OF_RANGE, _before(told, last)),
            (last["first"].isnull() | last["second"].isnull(), m.Reason.MISSING, told + on_day + " is incomplete"),
            (~met, m.Reason.VALUE_OUT_OF_RANGE, told + on_day + limit),
        ],
        value=shown,
        route=ibis.literal(sentence(condition.name)) + " (" + source_words(last.source) + ")",
    )


@missing.register
def _(condition: m.LatestReading, period: Period) -> str:
    return f"no {condition.name} {condition.first.events.window.words(period)}"


# -- combining -------------------------------------------------------------------------------------------------


def _union(parts: list[ibis.Table]) -> ibis.Table:
    return parts[0] if len(parts) == 1 else ibis.union(*parts)


def _combined(conditions: tuple[m.Condition, ...], context: Context, *, every: bool) -> ibis.Table:
    """Findings of several conditions as one. The row shown is the latest; of alternatives a met one comes first.
    Where it is not met, the reason speaks of each condition in the order written."""
    parts = [
        find(each, context).mutate(part=ibis.literal(index, type="int64")) for index, each in enumerate(conditions)
    ]
    if len(parts) == 1:
        return parts[0].drop("part")
    found = ibis.union(*parts)
    latest = [ibis.desc(found.date), found.part]
    shown = first_row(found, ["member"], latest if every else [ibis.desc(found.met), *latest])
    told = {}
    for index, _ in enumerate(conditions):
        told[f"met_{index}"] = found.met.max(where=found.part == index).fill_null(False)
        told[f"reason_{index}"] = found.reason.max(where=found.part == index)
    by_member = found.group_by("member").agg(count=found.met.sum(), **told)
    joined = shown.drop("met", "reason").inner_join(by_member, "member")
    met = joined["count"] == len(conditions) if every else joined["count"] > 0
    reason = _reasons(joined, [missing(each, context.period) for each in conditions])
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
        own = joined[f"reason_{index}"].fill_null(words) + ", "
        text = text + ibis.ifelse(joined[f"met_{index}"], ibis.literal(""), own)
    return text.left(text.length() - 2)


@find.register
def _(condition: m.AnyOf, context: Context) -> ibis.Table:
    return _combined(condition.conditions, context, every=False)


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
    return ", ".join(missing(each, period) for each in condition.conditions)


@find.register
def _(condition: m.Not, context: Context) -> ibis.Table:
    inner = find(condition.condition, context)
    found = context.population.select("member").left_join(inner, "member").drop("member_right")
    met = ~found.met.fill_null(False)
    told = ibis.literal(sentence(condition.name)) + (ibis.literal(" on ") + _day(found.date)).fill_null("")
    return _finding(found, met=met, reasons=[(~met, m.Reason.PRESENT, told)], value=found.value, route=found.route)


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
