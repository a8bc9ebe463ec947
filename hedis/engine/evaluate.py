"""From a definition and the warehouse's tables to one row per member of the eligible population."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import ibis

from hedis.engine.conditions import dates_met, find, missing
from hedis.engine.enrolment import anchor_date, continuously_enrolled, contract_on
from hedis.engine.facts import Tables, coded_facts
from hedis.engine.measure import AgeBand, Definition, Exclusion, Reason, Status
from hedis.engine.period import Period
from hedis.engine.selection import Context

# Ibis by default rewrites nested selects into fewer; the engines do that themselves, and here it takes most of the
# time of a small run. The answer is the same either way.
ibis.options.sql.fuse_selects = False

RESULT = (
    "member", "measure", "contract", "plan_benefit_package", "age", "star_eligible",
    "eligible", "excluded", "exclusion", "exclusion_date", "denominator", "numerator",
    "status", "reason_code", "reason", "evidence_date", "evidence_value", "evidence_route",
    "supplemental_only", "closable_until", "definition_version",
)  # fmt: skip


Keep = Callable[[ibis.Table], ibis.Table]
"""Takes a step that several later ones read and gives it back computed once (on Spark: ``lambda t: t.cache()``)."""


def kept_in_memory(connection: ibis.BaseBackend) -> Keep:
    """Keeps steps as Arrow tables of this process; nothing is left in the database, not even when a run fails."""
    return lambda table: ibis.memtable(connection.to_pyarrow(table))


def evaluate(
    definition: Definition,
    tables: Tables,
    period: Period,
    as_of: dt.date,
    *,
    member: str | None = None,
    keep: Keep = lambda table: table,
) -> ibis.Table:
    """The result relation of one measure: one row per member of the eligible population, columns `RESULT`.

    `as_of`: what was not received by then is not known. `member`: only this pseudonym, same row as in the full
    run. `keep`: how shared steps (population, facts) are computed once; without it the result is one lazy
    expression, which engines that inline common subqueries run many times slower.
    Raises ValueError where `as_of` lies before the period or the definition has no age band for it.
    """
    if as_of < period.start:
        raise ValueError(f"{definition.code}: as-of date {as_of} is before the period starts ({period.start})")
    if member is not None:
        tables = tables.of_member(member)
    people = keep(initial_population(definition, tables, period, as_of))
    facts = keep(coded_facts(tables, definition, people, period, as_of))
    undated = people.mutate(denominator_date=ibis.null("date"))
    context = Context(facts, undated, tables.member, tables.enrolment, period, as_of)
    population = _with_denominator_event(definition, undated, context)
    if definition.denominator_event is not None:
        population = keep(population)
        facts = keep(facts.semi_join(population, "member"))
    context = Context(facts, population, tables.member, tables.enrolment, period, as_of)
    judged = keep(_judged(definition, population, context))
    return _result(definition, judged, contract_on(tables.enrolment, anchor_date(period, as_of)), period, as_of)


def age_on(birth_date: ibis.Value, day: dt.date) -> ibis.Value:
    """Completed years of age on `day`."""
    had_birthday = (birth_date.month() < day.month) | (
        (birth_date.month() == day.month) & (birth_date.day() <= day.day)
    )
    return ibis.literal(day.year) - birth_date.year() - ibis.ifelse(had_birthday, 0, 1)


def _within(age: ibis.Value, band: AgeBand) -> ibis.Value:
    return (age >= band.low) & (age <= band.high)


def initial_population(definition: Definition, tables: Tables, period: Period, as_of: dt.date) -> ibis.Table:
    """Members of the right age and sex who meet continuous enrolment: columns member, age."""
    people = tables.member.mutate(age=age_on(tables.member.birth_date, period.end).cast("int64"))
    people = people.filter(_within(people.age, definition.band(period)))
    if definition.sexes:
        people = people.filter(people.sex.isin(definition.sexes))
    people = people.select("member", "age")
    if definition.enrolment is None:
        return people
    return people.semi_join(continuously_enrolled(tables.enrolment, definition.enrolment, period, as_of), "member")


def _with_denominator_event(definition: Definition, people: ibis.Table, context: Context) -> ibis.Table:
    if definition.denominator_event is None:
        return people
    dated = dates_met(definition.denominator_event, context.primary_only()).rename(denominator_date="date")
    return people.drop("denominator_date").inner_join(dated, "member")


def _judged(definition: Definition, population: ibis.Table, context: Context) -> ibis.Table:
    """Population joined with its first exclusion and its numerator finding, nobody lost."""
    excluded = _first_exclusion(definition.exclusions, population, context)
    finding = find(definition.numerator, context).rename(evidence_date="date")
    primary = dates_met(definition.numerator, context.primary_only())
    without_supplemental = primary.select("member", met_by_primary=ibis.literal(True))
    joined = population
    for part in (excluded, finding, without_supplemental):
        joined = joined.left_join(part, "member").drop("member_right")
    return joined


def _first_exclusion(exclusions: tuple[Exclusion, ...], population: ibis.Table, context: Context) -> ibis.Table:
    """One row a member excluded: exclusion (name), exclusion_date; of several the one listed first."""
    parts = []
    for order, exclusion in enumerate(exclusions):
        met = dates_met(exclusion.condition, context)
        low, high = exclusion.ages
        of_age = population.filter(population.age.between(low if low is not None else 0, 200 if high is None else high))
        parts.append(
            met.semi_join(of_age, "member")
            .select("member", exclusion_date="date")
            .mutate(exclusion=ibis.literal(exclusion.name), order=ibis.literal(order, type="int64"))
        )
    if not parts:
        return population.filter(ibis.literal(False)).select(
            "member", exclusion_date=ibis.null("date"), exclusion=ibis.null("string")
        )
    every = parts[0] if len(parts) == 1 else ibis.union(*parts)
    ranked = every.mutate(rank=ibis.row_number().over(ibis.window(group_by="member", order_by=every.order)))
    return ranked.filter(ranked["rank"] == 0).select("member", "exclusion_date", "exclusion")


def _result(
    definition: Definition, judged: ibis.Table, contracts: ibis.Table, period: Period, as_of: dt.date
) -> ibis.Table:
    table = judged.left_join(contracts, "member").drop("member_right")
    excluded = table.exclusion.notnull()
    numerator = ~excluded & table.met.fill_null(False)
    still_running = Status.PROSPECTIVE if as_of < period.end else Status.OPEN
    status = ibis.cases(
        (excluded, Status.NOT_APPLICABLE.value), (numerator, Status.CLOSED.value), else_=still_running.value
    )
    is_open, none = ~excluded & ~numerator, ibis.null("string")
    told = table.reason.fill_null(missing(definition.numerator, period))
    return table.mutate(
        measure=ibis.literal(definition.code),
        star_eligible=_within(table.age, definition.star_band(period)),
        eligible=ibis.literal(True),
        excluded=excluded,
        denominator=~excluded,
        numerator=numerator,
        status=status,
        reason_code=ibis.ifelse(is_open, table.reason_code.fill_null(Reason.NOT_FOUND.value), none),
        reason=ibis.ifelse(is_open, told.left(1).upper() + told.substr(1), none),
        evidence_value=table.value,
        evidence_route=table.route,
        supplemental_only=numerator & table.met_by_primary.isnull(),
        closable_until=ibis.literal(period.end),
        definition_version=ibis.literal(definition.version),
    ).select(*RESULT)
