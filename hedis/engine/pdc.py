"""Adherence for the people who work on it: where a member's proportion of days covered stands, and what can still be
done this year. The arithmetic of missable days and the last-chance date is in docs/pdc.md."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import ibis

from hedis.engine.conditions import dates_met
from hedis.engine.days_covered import counted, course, covered, date_of, stays_within
from hedis.engine.evaluate import of_age_and_sex
from hedis.engine.facts import Tables, coded_facts, result_codes
from hedis.engine.measure import DaysCovered, Definition, InTreatment
from hedis.engine.period import Period
from hedis.engine.selection import Context

ADHERENCE = (
    "member", "treatment_start", "treatment_end", "treatment_days", "covered_days", "pdc", "fill_dates",
    "missable_days", "refill_due", "last_chance_date", "adherence_class",
)  # fmt: skip


class AdherenceClass(StrEnum):
    """What there is to do for a member, in the order in which the first that applies is given."""

    EXCLUDED = "excluded"
    NOT_YET_IN = "not_yet_in"
    UNSALVAGEABLE = "unsalvageable"
    LOCKED_IN = "locked_in"
    LAST_CHANCE = "last_chance"
    LATE_REFILL = "late_refill"
    AT_RISK = "at_risk"
    SAFE = "safe"


@dataclass(frozen=True)
class Bands:
    """Where the classes begin: starting values of this project, a plan may choose its own.

    safe_above         missable days above which a member is safe
    last_chance_within days from the as-of date within which the last-chance date makes a last chance
    """

    safe_above: int = 30
    last_chance_within: int = 14


def adherence(
    definition: Definition,
    tables: Tables,
    period: Period,
    as_of: dt.date,
    *,
    member: str | None = None,
    bands: Bands = Bands(),
    keep: Callable[[ibis.Table], ibis.Table] = lambda table: table,
) -> ibis.Table:
    """One row per member of the right age with a fill in the period whose treatment period is long enough to count
    (a second fill still missing included), columns `ADHERENCE`:

    treatment_start, treatment_end   first fill; last day of the period for this member as far as is known
    treatment_days, covered_days     up to the as-of date, without days in a stay
    pdc                              percent, cut off after two decimals, null before the first day; to show only
    fill_dates                       different dates with a fill
    missable_days                    days that may still be missed for the goal at the period's end; negative: lost
    refill_due                       first day without medication on hand; null where supply lasts to the end
    last_chance_date                 a fill on this day with unbroken supply reaches the goal, a day later never;
                                     null where no further fill is needed or none helps
    adherence_class                  see `AdherenceClass`

    `as_of`: fills not received by then are not known; a fill of that very day may still come. `member`: only this
    pseudonym. `keep`: as in `evaluate`. Raises ValueError where the numerator of the definition is no DaysCovered
    or its denominator event no InTreatment.
    """
    treatment, goal = definition.denominator_event, definition.numerator
    if not isinstance(treatment, InTreatment) or not isinstance(goal, DaysCovered):
        raise ValueError(f"{definition.code}: is not a measure of days covered")
    if member is not None:
        tables = tables.of_member(member)
    people = keep(of_age_and_sex(definition, tables.member, period))
    facts = keep(coded_facts(tables, definition, period, as_of).semi_join(people, "member"))
    undated = people.mutate(denominator_date=ibis.null("date"))
    codes = result_codes(tables, definition)
    context = Context(facts, codes, undated, tables.member, tables.enrolment, period, as_of)
    members = keep(course(goal, context).semi_join(people, "member"))
    stays = stays_within(goal, members, context)
    if stays is not None:
        stays = keep(stays)
    members = keep(counted(treatment, members, stays, context))
    rows = covered(goal, members, stays, context)
    rows = _dated(_planned(rows, goal), stays, period)
    rows = rows.left_join(_excluded(definition, people, context), "member").drop("member_right")
    return _told(rows, treatment, bands, period, as_of)


def _excluded(definition: Definition, people: ibis.Table, context: Context) -> ibis.Table:
    """Members with a required exclusion: member, excluded (true)."""
    parts = []
    for exclusion in definition.exclusions:
        low, high = exclusion.ages
        of_age = people.filter(people.age.between(low if low is not None else 0, 200 if high is None else high))
        parts.append(dates_met(exclusion.condition, context).semi_join(of_age, "member").select("member"))
    found = ibis.union(people.filter(ibis.literal(False)).select("member"), *parts).distinct()
    return found.mutate(excluded=ibis.literal(True))


def _planned(rows: ibis.Table, goal: DaysCovered) -> ibis.Table:
    """Adds in places: missable (days), due (place of the next fill), chance (last place of it), locked (no fill is
    needed any more). Integer arithmetic: the days that may be missed in all are what the goal leaves, cut off."""
    allowed = ((100 - goal.percent) * rows.days) // 100
    rows = rows.mutate(missable=allowed - (rows.passed - rows.covered_passed), due=rows.supply_ends)
    rows = rows.mutate(chance=ibis.greatest(rows.passed, rows.due) + rows.missable)
    return rows.mutate(locked=(rows.missable >= 0) & (rows.chance >= rows.days))


def _dated(rows: ibis.Table, stays: ibis.Table | None, period: Period) -> ibis.Table:
    """Adds refill_due and last_chance_date: the days of the places `due` and `chance`, where they lie in the period
    and a fill helps."""
    due, chance = rows["first"] + rows.due, rows["first"] + rows.chance
    if stays is not None:
        columns = rows.columns
        joined = rows.left_join(stays.select("member", "starts", "ends", "place"), "member").drop("member_right")
        length = joined.ends - joined.starts
        rows = joined.group_by(columns).agg(
            stay_due=length.sum(where=joined.place <= joined.due).fill_null(0).cast("int64"),
            stay_chance=length.sum(where=joined.place <= joined.chance).fill_null(0).cast("int64"),
        )
        due = rows["first"] + rows.due + rows.stay_due
        chance = rows["first"] + rows.chance + rows.stay_chance
    none = ibis.null("date")
    helps = (rows.missable >= 0) & ~rows.locked
    return rows.mutate(
        refill_due=ibis.ifelse(rows.due < rows.days, date_of(due, period), none),
        last_chance_date=ibis.ifelse(helps, date_of(chance, period), none),
    )


def _told(rows: ibis.Table, treatment: InTreatment, bands: Bands, period: Period, as_of: dt.date) -> ibis.Table:
    today = ibis.literal(as_of)
    near = ibis.literal(as_of + dt.timedelta(days=bands.last_chance_within))
    classes = ibis.cases(
        (rows.excluded.fill_null(False), AdherenceClass.EXCLUDED.value),
        (rows.fill_dates < treatment.fill_dates, AdherenceClass.NOT_YET_IN.value),
        (rows.missable < 0, AdherenceClass.UNSALVAGEABLE.value),
        (rows.locked, AdherenceClass.LOCKED_IN.value),
        (rows.last_chance_date <= near, AdherenceClass.LAST_CHANCE.value),
        (rows.refill_due <= today, AdherenceClass.LATE_REFILL.value),
        (rows.missable <= bands.safe_above, AdherenceClass.AT_RISK.value),
        else_=AdherenceClass.SAFE.value,
    )
    return rows.select(
        "member",
        "fill_dates",
        "refill_due",
        "last_chance_date",
        treatment_start=date_of(rows["first"], period),
        treatment_end=date_of(rows["last"], period),
        treatment_days=rows.days_now,
        covered_days=rows.covered_now,
        pdc=((rows.covered_now * 10_000) // rows.days_now.nullif(0)).cast("float64") / 100,
        missable_days=rows.missable,
        adherence_class=classes,
    ).select(*ADHERENCE)
