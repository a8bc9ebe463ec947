"""Days covered by medication, by the rules of CMS's Star Ratings (docs/pdc.md has them with sources and examples).

Nothing here has a row per day. A member's supply is queued: a fill lasts from its date, or from the end of the
supply before it, for its days' supply. Three steps make the days covered:

1. the fills of each target ingredient queue on the calendar (a combination product in the queue of each of its
   ingredients; same-day fills add up; different ingredients do not wait for each other);
2. what any ingredient covers is covered: the intervals of all queues, united to disjoint pieces;
3. the pieces queue again on the calendar without stay days: supply of a stay day moves to the first uncovered days
   after the stay. Without stays this step changes nothing.

Days are numbers counted from the period's start, intervals are half open (`starts` ≤ day < `ends`). In step 3 days
are *places*: the number of treatment days before them that are no stay days.
"""

from __future__ import annotations

import datetime as dt

import ibis

from hedis.engine.conditions import dates_met, day_words, find, finding, missing, sentence
from hedis.engine.measure import DaysCovered, InTreatment, Reason
from hedis.engine.period import Period
from hedis.engine.selection import Context, selected


def _number(date: ibis.Value, period: Period) -> ibis.Value:
    return date.delta(ibis.literal(period.start), unit="day").cast("int64")


def date_of(number: ibis.Value, period: Period) -> ibis.Value:
    """The date of a day number."""
    # The casts Ibis would leave out are the ones needed: DuckDB sums to 128 bits, which are no days, and a date and
    # an interval make a timestamp there.
    shifted = ibis.literal(period.start) + number.cast("int32").as_interval("D")
    return shifted.cast("timestamp").cast("date")


# -- supply ----------------------------------------------------------------------------------------------------


def _fills(condition: DaysCovered, context: Context) -> ibis.Table:
    """One row a fill and target ingredient: member, ingredient, arrives (day number), days.

    A fill without days' supply is a fill that covers nothing.
    """
    rows = selected(condition.fills, context)
    rows = rows.filter(rows.counts)
    if len(condition.fills.value_sets) > 1:
        # A product on two of the lists is still filled once.
        rows = rows.select("member", "record", "line", "ingredient", "start_date", "number").distinct()
    days = ibis.greatest(rows.number.fill_null(0).cast("int64"), 0)
    return rows.select("member", "ingredient", arrives=_number(rows.start_date, context.period), days=days)


def queued(supply: ibis.Table, *keys: str) -> ibis.Table:
    """When supply is used that waits until what arrived before is used up: columns keys, starts, ends.

    `supply`: keys, arrives, days. The start of the i-th is cum(i) + the greatest of arrives(j) - cum(j), j up to i,
    with cum the days that arrived earlier.
    """
    order = [supply.arrives, supply.days]
    earlier = ibis.window(group_by=list(keys), order_by=order, preceding=(None, 1))
    counted = supply.mutate(earlier=supply.days.sum().over(earlier).fill_null(0).cast("int64"))
    # `earlier` settles two equal supplies of one day: in another order than above the second would not wait.
    so_far = ibis.window(group_by=list(keys), order_by=[counted.arrives, counted.earlier], preceding=(None, 0))
    starts = counted.earlier + (counted.arrives - counted.earlier).max().over(so_far)
    return counted.select(*keys, starts=starts, ends=starts + counted.days)


def disjoint(intervals: ibis.Table) -> ibis.Table:
    """The days any interval of a member covers, each once: member, starts, ends, in pieces that do not overlap."""
    earlier = ibis.window(group_by="member", order_by=[intervals.starts, intervals.ends], preceding=(None, 1))
    ends_so_far = intervals.ends.max().over(earlier).fill_null(intervals.starts)
    pieces = intervals.select("member", "ends", starts=ibis.greatest(intervals.starts, ends_so_far))
    return pieces.filter(pieces.starts < pieces.ends).select("member", "starts", "ends")


def _supply(condition: DaysCovered, courses: ibis.Table, stays: ibis.Table | None, context: Context) -> ibis.Table:
    """Covered days as disjoint intervals of places: member, starts, ends."""
    fills = _fills(condition, context).inner_join(courses.select("member", "first", "last"), "member")
    used = fills.filter((fills.days > 0) & (fills.arrives <= fills["last"]))
    pieces = disjoint(queued(used, "member", "ingredient")).inner_join(courses.select("member", "first"), "member")
    lost = ibis.literal(0)
    if stays is not None:
        pieces = pieces.left_join(stays.select("member", stay_starts="starts", stay_ends="ends"), "member")
        before = ibis.greatest(ibis.least(pieces.stay_ends, pieces.starts) - pieces.stay_starts, 0).fill_null(0)
        pieces = pieces.group_by("member", "first", "starts", "ends").agg(lost=before.sum().cast("int64"))
        lost = pieces.lost
    placed = pieces.select("member", arrives=pieces.starts - pieces["first"] - lost, days=pieces.ends - pieces.starts)
    return queued(placed, "member")


# -- treatment period --------------------------------------------------------------------------------------------


def _last_days(context: Context) -> ibis.Table:
    """The last day a member's treatment period can have: member, last.

    The last enrolled day, the day of death, or the period's end, whichever is first. An enrolment in force on the
    as-of date is taken to last to the period's end: files name the end of the month, not the end of membership.
    """
    period, as_of, spans = context.period, context.as_of, context.enrolment
    known = min(as_of, period.end)
    spans = spans.filter((spans.start_date <= known) & (spans.end_date >= period.start))
    enrolled = spans.group_by("member").agg(until=spans.end_date.max())
    lasting = (enrolled.until >= known) if as_of < period.end else ibis.literal(False)
    end = ibis.literal(period.end)
    enrolled = enrolled.mutate(until=ibis.ifelse(lasting, end, ibis.least(enrolled.until, end)))
    died = context.member.filter(context.member.death_date <= as_of).select("member", "death_date")
    joined = enrolled.left_join(died, "member")
    last = ibis.least(joined.until, joined.death_date.fill_null(joined.until))
    return joined.select("member", last=_number(last, period))


def course(condition: DaysCovered, context: Context) -> ibis.Table:
    """One row a member with a fill on a day that can be treated: member, first and last (day numbers of the treatment
    period), fill_dates (different dates), last_fill (day number)."""
    fills = _fills(condition, context).inner_join(_last_days(context), "member")
    fills = fills.filter(fills.arrives <= fills["last"])
    return fills.group_by("member", "last").agg(
        first=fills.arrives.min(), last_fill=fills.arrives.max(), fill_dates=fills.arrives.nunique()
    )


def stays_within(condition: DaysCovered, courses: ibis.Table, context: Context) -> ibis.Table | None:
    """Stay days of the treatment period, each once: member, starts, ends, place (of the first day after the stay).
    None where the measurement year does not adjust for stays."""
    if condition.stays_until_year is not None and context.period.measurement_year > condition.stays_until_year:
        return None
    rows = selected(condition.stays, context)
    rows = rows.filter(rows.counts).inner_join(courses, "member")
    within = rows.select(
        "member",
        starts=ibis.greatest(_number(rows.start_date, context.period), rows["first"]),
        ends=ibis.least(_number(rows.end_date, context.period), rows["last"]) + 1,
    )
    pieces = disjoint(within).inner_join(courses.select("member", "first"), "member")
    earlier = ibis.window(group_by="member", order_by=pieces.starts, preceding=(None, 1))
    lost = (pieces.ends - pieces.starts).sum().over(earlier).fill_null(0).cast("int64")
    return pieces.select("member", "starts", "ends", place=pieces.starts - pieces["first"] - lost)


def places(courses: ibis.Table, stays: ibis.Table | None, context: Context) -> ibis.Table:
    """The treatment period in places: courses with `days` (of the whole period), `days_now` (up to the as-of date)
    and `passed` (before the as-of date: a fill of that day can still come)."""
    last, today = courses["last"], ibis.literal(_day_number(context.as_of, context.period))
    cuts = {"days": last + 1, "days_now": ibis.least(last, today) + 1, "passed": ibis.least(last + 1, today)}
    courses = courses.mutate(**cuts)
    if stays is None:
        return courses.mutate(**{name: courses[name] - courses["first"] for name in cuts})
    joined = courses.left_join(stays.select("member", "starts", "ends"), "member")
    lost = {
        name: ibis.greatest(ibis.least(joined.ends, joined[name]) - joined.starts, 0).fill_null(0).sum().cast("int64")
        for name in cuts
    }
    summed = joined.group_by(courses.columns).agg(**{f"lost_{name}": value for name, value in lost.items()})
    left = {name: summed[name] - summed["first"] - summed[f"lost_{name}"] for name in cuts}
    return summed.mutate(**left).drop(*(f"lost_{name}" for name in cuts))


def _day_number(date: dt.date, period: Period) -> int:
    return (date - period.start).days


def covered(condition: DaysCovered, courses: ibis.Table, stays: ibis.Table | None, context: Context) -> ibis.Table:
    """`places` with covered_days (of all days of the period, if no further fill comes), covered_now and
    covered_passed, and `supply_ends`, the place after the last covered day."""
    period = places(courses, stays, context)
    joined = period.left_join(_supply(condition, courses, stays, context), "member").drop("member_right")

    def until(cut: str) -> ibis.Value:
        return ibis.greatest(ibis.least(joined.ends, joined[cut]) - joined.starts, 0).fill_null(0).sum().cast("int64")

    return joined.group_by(period.columns).agg(
        covered_days=until("days"),
        covered_now=until("days_now"),
        covered_passed=until("passed"),
        supply_ends=joined.ends.max().fill_null(0),
    )


def counted(condition: InTreatment, courses: ibis.Table, stays: ibis.Table | None, context: Context) -> ibis.Table:
    """The courses long enough to count: at least `days` calendar days, not all of them in a stay. Whether there
    are fills enough is left to the caller: a member with one fill gets in by the next."""
    long_enough = courses.filter(courses["last"] - courses["first"] + 1 >= condition.days)
    period = places(long_enough, stays, context)
    return long_enough.semi_join(period.filter(period.days > 0), "member")


# -- findings ----------------------------------------------------------------------------------------------------


@dates_met.register
def _(condition: InTreatment, context: Context) -> ibis.Table:
    members = course(condition.covered, context)
    members = members.filter(members.fill_dates >= condition.fill_dates)
    found = counted(condition, members, stays_within(condition.covered, members, context), context)
    return found.select("member", date=date_of(found["first"], context.period))


@find.register
def _(condition: InTreatment, context: Context) -> ibis.Table:
    none = ibis.null("string")
    return dates_met(condition, context).mutate(
        met=ibis.literal(True),
        value=none,
        route=ibis.literal(sentence(condition.covered.fills.name)),
        reason_code=none,
        reason=none,
    )


@missing.register
def _(condition: InTreatment, period: Period) -> str:
    return f"no {condition.covered.fills.missing(period)}"


def met(condition: DaysCovered, days: ibis.Value, covered_days: ibis.Value) -> ibis.Value:
    """Whether the days covered are enough: in whole numbers, since 0.8 is no binary fraction."""
    return (days > 0) & (covered_days * 100 >= condition.percent * days)


def percent_words(days: ibis.Value, covered_days: ibis.Value) -> ibis.Value:
    """``79.9 %``: cut off, not rounded, so that what is short of the goal never reads as the goal. Null for no day."""
    thousandths = (covered_days * 1000) // days.nullif(0)
    return (thousandths // 10).cast("string") + "." + (thousandths % 10).cast("string") + " %"


@find.register
def _(condition: DaysCovered, context: Context) -> ibis.Table:
    members = course(condition, context)
    rows = covered(condition, members, stays_within(condition, members, context), context)
    rows = rows.mutate(date=date_of(rows.last_fill, context.period))
    enough = met(condition, rows.days_now, rows.covered_now)
    value = percent_words(rows.days_now, rows.covered_now)
    told = ibis.literal(f"{sentence(condition.name)} on hand on ") + rows.covered_now.cast("string")
    told = told + " of " + rows.days_now.cast("string") + " days"
    too_few = told + (ibis.literal(" (") + value + ")").fill_null("") + f", below {condition.percent} %"
    reason = too_few + ", last fill on " + day_words(rows.date)
    return finding(
        rows,
        met=enough,
        reasons=[(~enough, Reason.VALUE_OUT_OF_RANGE, reason)],
        value=value,
        route=ibis.literal(sentence(condition.fills.name)),
    )


@missing.register
def _(condition: DaysCovered, period: Period) -> str:
    return f"no {condition.fills.missing(period)}"
