"""From a definition and the warehouse's tables to one row per member of the eligible population."""

from __future__ import annotations

import datetime as dt
import itertools
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import ibis

from hedis.engine import days_covered as _days_covered  # noqa: F401  registers the conditions of adherence
from hedis.engine import results as _results  # noqa: F401  registers the conditions that ask for a result
from hedis.engine.closing import first_met
from hedis.engine.conditions import dates_met, find, missing
from hedis.engine.enrolment import anchor_date, continuously_enrolled, contract_on
from hedis.engine.facts import Tables, coded_facts, result_codes
from hedis.engine.measure import (
    AgeBand,
    AgeOn,
    Condition,
    ContinuousEnrolment,
    Definition,
    Events,
    Exclusion,
    Reason,
    Status,
    nodes,
)
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


class Keep:
    """How a step that several later ones read is computed once. This one keeps nothing: every step stays lazy, which
    engines that inline common subqueries run many times slower."""

    def __call__(self, table: ibis.Table) -> ibis.Table:
        """The step, computed."""
        return table

    def release(self, tables: Iterable[ibis.Table]) -> None:
        """Let go of steps that this keeper computed; nothing reads them any more."""


class KeptInMemory(Keep):
    """Keeps steps as Arrow tables of this process; nothing is left in the database, not even when a run fails.

    Ibis's own memtables would do, but they stay registered as long as the connection lives: the memory of a run of
    eleven measures would be the sum of all their steps.
    """

    def __init__(self, connection: ibis.BaseBackend) -> None:
        self._connection = connection

    def __call__(self, table: ibis.Table) -> ibis.Table:
        name = f"kept_{next(_NUMBERS)}"
        self._connection.con.register(name, self._connection.to_pyarrow(table))
        return self._connection.table(name)

    def release(self, tables: Iterable[ibis.Table]) -> None:
        for table in tables:
            self._connection.con.unregister(table.get_name())


_NUMBERS = itertools.count()  # names must differ between keepers of one connection
DatesMet = Mapping[Condition, ibis.Table]
"""Conditions already looked at for everybody: who meets them and when (member, date)."""


def evaluate(
    definition: Definition,
    tables: Tables,
    period: Period,
    as_of: dt.date,
    *,
    member: str | None = None,
    keep: Keep | None = None,
) -> ibis.Table:
    """The result relation of one measure: one row per member of the eligible population, columns `RESULT`.

    `as_of`: what was not received by then is not known. `member`: only this pseudonym, same row as in the full
    run. `keep`: how shared steps (population, facts) are computed once.
    Raises ValueError where `as_of` lies before the period or the definition has no age band for it.
    """
    if member is not None:
        tables = tables.of_member(member)
    return Pass((definition,), tables, period, as_of, keep or Keep()).result(definition)


class Pass:
    """One pass over the warehouse for several measures: what they share is computed once.

    Shared are enrolment by rule, the contracts, and the exclusions that more than one of the definitions has.
    Raises ValueError where `as_of` lies before the period.
    """

    def __init__(
        self, definitions: Sequence[Definition], tables: Tables, period: Period, as_of: dt.date, keep: Keep
    ) -> None:
        if as_of < period.start:
            raise ValueError(f"as-of date {as_of} is before the period starts ({period.start})")
        self.tables, self.period, self.as_of, self._keeper = tables, period, as_of, keep
        self._steps: list[ibis.Table] = []
        self._contracts = keep(contract_on(tables.enrolment, anchor_date(period, as_of)))
        self._enrolled: dict[ContinuousEnrolment, ibis.Table] = {}
        uses = Counter(each.condition for definition in definitions for each in definition.exclusions)
        self._shared = self._met_by_anybody(tuple(condition for condition, number in uses.items() if number > 1))

    def keep(self, step: ibis.Table) -> ibis.Table:
        """A step of the result being made, computed once."""
        kept = self._keeper(step)
        self._steps.append(kept)
        return kept

    def release(self) -> None:
        """Let go of the steps of the last result: it was read."""
        self._keeper.release(self._steps)
        self._steps = []

    def _met_by_anybody(self, conditions: tuple[Condition, ...]) -> DatesMet:
        if not conditions:
            return {}
        facts = self.keep(coded_facts(self.tables, conditions, self.period, self.as_of))
        everybody = self.tables.member.mutate(denominator_date=ibis.null("date"))
        context = self._context(facts, conditions, everybody)
        return {condition: self._keeper(dates_met(condition, context)) for condition in conditions}

    def result(self, definition: Definition) -> ibis.Table:
        """The result relation of one of the measures (see `evaluate`), to be read before the next is asked for."""
        self.release()
        people = self.keep(self._initial_population(definition))
        own = tuple(each for each in definition.exclusions if each.condition not in self._shared)
        tree = (definition.denominator_event, definition.numerator, own)
        facts = self.keep(coded_facts(self.tables, tree, self.period, self.as_of).semi_join(people, "member"))
        undated = people.mutate(denominator_date=ibis.null("date"))
        context = self._context(facts, tree, undated)
        population = _with_denominator_event(definition, undated, context)
        if definition.denominator_event is not None:
            population = self.keep(population)
            facts = self.keep(facts.semi_join(population, "member"))
        self._context_now = context = replace(context, facts=facts, population=population)
        judged = self._judged(definition, population, context)
        return _result(definition, judged, self._contracts, self.period, self.as_of)

    def first_closures(self, definition: Definition) -> ibis.Table:
        """`closing.first_met` of the numerator of the measure whose result was asked for last."""
        return first_met(definition.numerator, self._context_now)

    def _judged(self, definition: Definition, population: ibis.Table, context: Context) -> ibis.Table:
        """Population joined with its first exclusion and its numerator finding, nobody lost."""
        excluded = self.keep(_first_exclusion(definition.exclusions, population, context, self._shared))
        finding = self.keep(find(definition.numerator, context).rename(evidence_date="date"))
        joined = population
        for part in (excluded, finding):
            joined = joined.left_join(part, "member").drop("member_right")
        asked = [each for each in nodes(definition.numerator) if isinstance(each, Events)]
        if not self.tables.supplemental or all(each.claims_only for each in asked):
            return joined.mutate(met_by_primary=joined.met)
        primary = dates_met(definition.numerator, context.primary_only())
        primary = self.keep(primary.select("member", met_by_primary=ibis.literal(True)))
        return joined.left_join(primary, "member").drop("member_right")

    def _context(self, facts: ibis.Table, tree: object, population: ibis.Table) -> Context:
        codes = result_codes(self.tables, tree)
        return Context(facts, codes, population, self.tables.member, self.tables.enrolment, self.period, self.as_of)

    def _initial_population(self, definition: Definition) -> ibis.Table:
        """Members of the right age and sex who meet the enrolment rule: columns member, age."""
        people = of_age_and_sex(definition, self.tables.member, self.period)
        rule = definition.enrolment
        if rule is None:
            return people
        if rule not in self._enrolled:
            enrolled = continuously_enrolled(self.tables.enrolment, rule, self.period, self.as_of)
            self._enrolled[rule] = self._keeper(enrolled)
        return people.semi_join(self._enrolled[rule], "member")


def age_on(birth_date: ibis.Value, day: dt.date) -> ibis.Value:
    """Completed years of age on `day`."""
    had_birthday = (birth_date.month() < day.month) | (
        (birth_date.month() == day.month) & (birth_date.day() <= day.day)
    )
    return ibis.literal(day.year) - birth_date.year() - ibis.ifelse(had_birthday, 0, 1)


def _within(age: ibis.Value, band: AgeBand) -> ibis.Value:
    return (age >= band.low) & (age <= band.high)


def of_age_and_sex(definition: Definition, member: ibis.Table, period: Period) -> ibis.Table:
    """Members of the definition's ages and sexes: columns member, age."""
    day = period.start if definition.age_on is AgeOn.START else period.end
    people = member.mutate(age=age_on(member.birth_date, day).cast("int64"))
    people = people.filter(_within(people.age, definition.band(period)))
    if definition.sexes:
        people = people.filter(people.sex.isin(definition.sexes))
    return people.select("member", "age")


def _with_denominator_event(definition: Definition, people: ibis.Table, context: Context) -> ibis.Table:
    if definition.denominator_event is None:
        return people
    dated = dates_met(definition.denominator_event, context.primary_only()).rename(denominator_date="date")
    return people.drop("denominator_date").inner_join(dated, "member")


def _first_exclusion(
    exclusions: tuple[Exclusion, ...], population: ibis.Table, context: Context, shared: DatesMet
) -> ibis.Table:
    """One row a member excluded: exclusion (name), exclusion_date; of several the one listed first."""
    parts = []
    for order, exclusion in enumerate(exclusions):
        known = shared.get(exclusion.condition)
        met = dates_met(exclusion.condition, context) if known is None else known
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
