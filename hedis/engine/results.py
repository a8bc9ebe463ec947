"""Compiles the conditions that ask for a result: its value, its day, its partner. See `conditions` for findings."""

from __future__ import annotations

import ibis

from hedis.engine import measure as m
from hedis.engine.conditions import before, day_words, find, finding, missing, sentence
from hedis.engine.facts import source_words
from hedis.engine.period import Period
from hedis.engine.selection import Context, first_row, selected, tie_break, with_code


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
    lowest_first = ibis.asc(rows.number, nulls_first=result.missing_decides)
    last = first_row(rows, ["member"], [ibis.desc(rows.day), lowest_first, *tie_break(rows)])
    last = last.rename(date="day")
    name = sentence(result.events.name)
    value = last.shown + f" {result.unit}"
    met = (last.counts & _in_control(result, last.number)).fill_null(False)
    told = ibis.literal(f"Last {result.events.name}") + (ibis.literal(" ") + value).fill_null("")
    on_day = ibis.literal(" on ") + day_words(last.date)
    return finding(
        last,
        met=met,
        reasons=[
            (~last.counts, m.Reason.DATE_OUT_OF_RANGE, before(told, last)),
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
        lowest = first_row(rows, ["member", "day"], [lowest_first, *tie_break(rows)])
        parts.append(
            lowest.select("member", "counts_from", "counts", "number", "shown", "source", date="day").mutate(
                part=ibis.literal(index, type="int64")
            )
        )
    both = ibis.union(*parts)
    days = both.group_by("member", "date").agg(
        counts_from=both.counts_from.max(),
        counts=(~both.counts).sum() == 0,
        first=both.number.max(where=both.part == 0),
        second=both.number.max(where=both.part == 1),
        first_shown=both.shown.max(where=both.part == 0),
        second_shown=both.shown.max(where=both.part == 1),
        source=both.source.min(),
    )
    return _only_complete(days, condition, context) if condition.first.missing_decides else days


def _only_complete(days: ibis.Table, condition: m.LatestReading, context: Context) -> ibis.Table:
    """The days, without the second part where any reading (record) of the day lacks a part."""
    parts = []
    for result in (condition.first, condition.second):
        rows = _measured(result, context)
        name = ibis.literal(result.events.name)
        parts.append(rows.select("member", "record", date=rows.day, part=ibis.ifelse(rows.number.isnull(), None, name)))
    both = ibis.union(*parts)
    readings = both.group_by("member", "date", "record").agg(parts=both.part.nunique())
    lacking = readings.filter(readings.parts < len(parts)).select("member", "date").distinct()
    marked = days.left_join(lacking.mutate(lacks=ibis.literal(True)), ["member", "date"])
    return marked.mutate(second=ibis.ifelse(marked.lacks.fill_null(False), None, marked["second"])).drop(
        "member_right", "date_right", "lacks"
    )


@find.register
def _(condition: m.LatestReading, context: Context) -> ibis.Table:
    days = _reading_days(condition, context)
    last = first_row(days, ["member"], [ibis.desc(days.date)])
    shown = last.first_shown.fill_null("?") + "/" + last.second_shown.fill_null("?") + f" {condition.unit}"
    in_control = _in_control(condition.first, last["first"]) & _in_control(condition.second, last["second"])
    met = (last.counts & in_control).fill_null(False)
    told = ibis.literal(f"Last {condition.name} ") + shown
    on_day = ibis.literal(" on ") + day_words(last.date)
    limit = f" is not below {condition.first.threshold:.0f}/{condition.second.threshold:.0f} {condition.unit}"
    return finding(
        last,
        met=met,
        reasons=[
            (~last.counts, m.Reason.DATE_OUT_OF_RANGE, before(told, last)),
            (last["first"].isnull() | last["second"].isnull(), m.Reason.MISSING, told + on_day + " is incomplete"),
            (~met, m.Reason.VALUE_OUT_OF_RANGE, told + on_day + limit),
        ],
        value=shown,
        route=ibis.literal(sentence(condition.name)) + " (" + source_words(last.source) + ")",
    )


@missing.register
def _(condition: m.LatestReading, period: Period) -> str:
    return f"no {condition.name} {condition.first.events.window.words(period)}"


# -- coded results ---------------------------------------------------------------------------------------------


@find.register
def _(condition: m.LatestValue, context: Context) -> ibis.Table:
    events = condition.events
    rows = selected(events, context)
    fitting = with_code(rows, "value_code", condition.value_sets, context)
    # Several on the last day: one that fits is enough, since the time of day is not kept.
    fitting = fitting.select("member", "day").distinct().mutate(fits=ibis.literal(True))
    rows = rows.left_join(fitting, ["member", "day"]).drop("member_right", "day_right")
    rows = rows.mutate(fits=rows.fits.fill_null(False))
    last = first_row(rows, ["member"], [ibis.desc(rows.day), *tie_break(rows), rows.value_code.fill_null("")])
    last = last.rename(date="day")
    name = ibis.literal(sentence(events.name))
    told = ibis.literal(f"Last {events.name} on ") + day_words(last.date) + " has another result"
    met = last.counts & last.fits
    return finding(
        last,
        met=met,
        reasons=[
            (~last.counts, m.Reason.DATE_OUT_OF_RANGE, before(name, last)),
            (~met, m.Reason.VALUE_OUT_OF_RANGE, told),
        ],
        value=last.value_code,
        route=name + " (" + source_words(last.source) + ")",
    )


@missing.register
def _(condition: m.LatestValue, period: Period) -> str:
    return f"no {condition.events.missing(period)}"


# -- two results near each other -------------------------------------------------------------------------------


def _days_counted(events: m.Events, context: Context) -> ibis.Table:
    rows = selected(events, context)
    return rows.filter(rows.counts).select("member", "day").distinct()


def _latest_pair(condition: m.WithinDays, context: Context) -> ibis.Table:
    """One row a member with a pair near enough: the later day of the latest one (`paired`)."""
    first = _days_counted(condition.first, context)
    second = _days_counted(condition.second, context).rename(other="day")
    both = first.inner_join(second, "member")
    near = both.filter(both.day.delta(both.other, unit="day").abs() <= condition.days)
    return near.group_by("member").agg(paired=ibis.greatest(near.day, near.other).max())


@find.register
def _(condition: m.WithinDays, context: Context) -> ibis.Table:
    events, parts = (condition.first, condition.second), []
    for index, each in enumerate(events):
        part = ibis.literal(index, type="int64")
        parts.append(_days_counted(each, context).mutate(part=part))
    both = ibis.union(*parts)
    latest = both.group_by("member").agg(
        first_day=both.day.max(where=both.part == 0),
        second_day=both.day.max(where=both.part == 1),
        latest=both.day.max(),
    )
    found = latest.left_join(_latest_pair(condition, context), "member").drop("member_right")
    found = found.mutate(date=found.paired.fill_null(found.latest))
    first, second = (
        ibis.literal(f"{each.name} on ") + day_words(day)
        for each, day in zip(events, (found.first_day, found.second_day), strict=True)
    )
    met, name = found.paired.notnull(), ibis.literal(sentence(condition.name))
    apart = first + " and " + second + f" are more than {condition.days} days apart"
    return finding(
        found,
        met=met,
        reasons=[
            (found.second_day.isnull(), m.Reason.NOT_FOUND, first + f" without {condition.second.name}"),
            (found.first_day.isnull(), m.Reason.NOT_FOUND, second + f" without {condition.first.name}"),
            (~met, m.Reason.DATE_OUT_OF_RANGE, apart),
        ],
        value=ibis.null("string"),
        route=name,
    )


@missing.register
def _(condition: m.WithinDays, period: Period) -> str:
    return f"no {condition.name} {condition.first.window.words(period)}"
