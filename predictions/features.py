"""What is known, on a score date, of the members whose gap is open that day: one row a member, one column a feature.

Pure and versioned: a model says by which `FEATURE_VERSION` it was fed, and the same expressions feed training and
scoring. What was received after the score date is not seen (`lookback.known`). Race and ethnicity are carried along to
audit a model, never to feed one.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce
from operator import add

import ibis

from hedis.engine import pdc
from hedis.engine.evaluate import Keep, Pass
from hedis.engine.facts import Tables
from hedis.engine.measure import DaysCovered, Definition, Result, nodes
from hedis.engine.period import Period
from predictions import lookback
from predictions.lookback import Held, joined, last_value

FEATURE_VERSION = "2"
"""Raised with every change of what a feature means: an older model is then fed no longer."""

AUDIT = ("race", "ethnicity", "contract")
"""Columns to divide people by, never to learn from."""

DAYS_LEFT = "days_left"
COUNTS = ("wellness_visits", "visit_days", "visit_months", "drugs")


@dataclass(frozen=True)
class Feature:
    """A column and what it is in words: numbers are counted or measured as the words say, yes/no is 1/0."""

    name: str
    words: str


PERSON = (
    Feature("age", "age in years"),
    Feature("sex", "sex"),
    Feature("months_enrolled", f"months enrolled of the last {lookback.ENROLMENT_MONTHS}"),
    Feature("low_income_subsidy", "low-income subsidy"),
    Feature("dual", "entitled to Medicare and Medicaid"),
    Feature("disabled", "entitled to Medicare by disability"),
    Feature("language_not_english", "speaks another language than English"),
)
CARE = (
    Feature("wellness_visits", "annual wellness visits in the last 12 months"),
    Feature("visit_days", "days with an outpatient visit in the last 12 months"),
    Feature("visit_months", "months with an outpatient visit in the last 12 months"),
    Feature("days_since_visit", "days since the last outpatient visit"),
    Feature("drugs", "different drugs filled in the last 12 months"),
)
TIME = (Feature(DAYS_LEFT, "days left until the year ends"),)
EARLIER = (
    Feature("met_last_year", "met this measure last year"),
    Feature("others_met_last_year", "share of the other measures met last year"),
)
SUPPLY = (
    Feature("pdc_to_date", "percent of days covered so far this year"),
    Feature("fills", "days with a fill this year"),
    Feature("missable_days", "days that may still be missed this year"),
    Feature("days_without", "days since supply ran out"),
)


def features_of(definition: Definition, others: Sequence[Definition] = ()) -> tuple[Feature, ...]:
    """The features of a measure's model, in order. `others`: measures whose last year is looked at too."""
    own = [Feature("days_since_evidence", f"days since the last evidence for {definition.name}")]
    own += [Feature(last_value(each), f"last {each.events.name} in {each.unit}") for each in results(definition)]
    if is_days_covered(definition):
        own += SUPPLY
    each_other = [Feature(met_last_year(each), f"met {each.name} last year") for each in others]
    return (*PERSON, *CARE, *TIME, *own, *EARLIER, *each_other)


def results(definition: Definition) -> tuple[Result, ...]:
    """The measured quantities that decide the numerator."""
    return tuple(node for node in nodes(definition.numerator) if isinstance(node, Result))


def is_days_covered(definition: Definition) -> bool:
    """Whether the measure counts days of medication on hand: what is met then depends on the day it is judged on."""
    return isinstance(definition.numerator, DaysCovered)


def met_last_year(definition: Definition) -> str:
    """Name of the feature that says whether another measure was met in the year before."""
    return "met_last_year_" + definition.code.lower().replace("-", "_")


class Feed:
    """The features of several measures for one part of the plan: what they share is computed once and kept.

    `day`: the score date, or several of the period: then a member has a row for each on which the gap was open, told
    apart by `days_left`. `codes_before`: the value sets of the year before. `others`: measures whose year before is
    looked at by every model. Raises ValueError where a day lies outside the period.
    """

    def __init__(
        self,
        definitions: Sequence[Definition],
        tables: Tables,
        period: Period,
        day: dt.date | Sequence[dt.date],
        *,
        codes_before: ibis.Table,
        keep: Keep,
        others: Sequence[Definition] = (),
    ) -> None:
        self.days = (day,) if isinstance(day, dt.date) else tuple(sorted(day))
        if not period.start <= self.days[0] <= self.days[-1] <= period.end:
            raise ValueError(f"score dates {self.days[0]} to {self.days[-1]} are not all of {period}")
        self.period, self.others, self._keep = period, tuple(others), Held(keep)
        every = (*definitions, *others)
        slim = lookback.relevant(tables, every, codes_before, self.days[-1])
        slim = replace(slim, **{name: self._keep(getattr(slim, name)) for name in lookback.PARTS})
        self._then = lookback.known_on(slim, dict(enumerate(self.days)))
        self._judging = self._passes(definitions, slim)
        before = replace(self._then, value_set=codes_before)
        year = period.back(1)
        asked = {each.code: each for each in every if each.in_force(year)}
        self._year_before = Pass(tuple(asked.values()), before, year, self.days[-1], self._keep)
        self._asked, self._met = asked, dict[str, ibis.Table]()
        then = self._then
        self._person = self._keep(joined(lookback.person(then), lookback.visits(then), lookback.drugs(then)))
        self._groups = tables.member.select("race", "ethnicity", person="member")

    def _passes(self, definitions: Sequence[Definition], slim: Tables) -> dict[str, list[tuple[Pass, Tables, dt.date]]]:
        """By measure the passes that judge it. All days in one: what counts is cut off at each day beforehand, only
        days covered are counted up to the day of the pass."""
        daily = [each for each in definitions if is_days_covered(each) and len(self.days) > 1]
        whole = [each for each in definitions if each not in daily]
        once = [(Pass(whole, self._then, self.period, self.days[-1], self._keep), self._then, self.days[-1])]
        found = {each.code: once for each in whole}
        if daily:
            apart = [(lookback.known_on(slim, {number: day}), day) for number, day in enumerate(self.days)]
            each_day = [(Pass(daily, then, self.period, day, self._keep), then, day) for then, day in apart]
            found |= {each.code: each_day for each in daily}
        return found

    def release(self) -> None:
        """Let go of everything that is kept: the rows were read."""
        self._keep.release_all()

    def rows(self, definition: Definition) -> ibis.Table:
        """One row a member whose gap is open on the day: member, out_of_reach (no care of this year can close it any
        more: nothing is left to foresee), the columns of `features_of`, AUDIT."""
        others = [each for each in self.others if each.code != definition.code]
        then = self._then
        every = joined(
            self._open_gaps(definition),
            self._person,
            *(lookback.latest(result, then) for result in results(definition)),
            self._own_last_year(definition),
            *(self.met(each).rename({met_last_year(each): "met"}) for each in others),
        )
        every = every.left_join(self._groups, "person").drop("person_right")
        counts = {name: every[name].fill_null(0) for name in COUNTS}
        every = every.mutate(
            **counts,
            days_left=ibis.literal(self.period.end).delta(every.known_on, unit="day"),
            days_since_evidence=every.known_on.delta(every.evidence_date, unit="day"),
            others_met_last_year=share_of([every[met_last_year(each)] for each in others]),
        )
        names = [feature.name for feature in features_of(definition, others)]
        numbers = {name: every[name].cast("float64") for name in names if name != "sex"}
        return every.mutate(**numbers, member=every.person).select("member", "out_of_reach", *names, *AUDIT)

    def _open_gaps(self, definition: Definition) -> ibis.Table:
        """member, contract, evidence_date, out_of_reach, the columns of SUPPLY where the measure has them."""
        found = [
            self._supply(definition, self._unmet(judging, definition), then, day)
            for judging, then, day in self._judging[definition.code]
        ]
        return found[0] if len(found) == 1 else self._keep(ibis.union(*found))

    def _unmet(self, judging: Pass, definition: Definition) -> ibis.Table:
        judged = judging.result(definition)
        unmet = judged.filter(judged.denominator & ~judged.numerator)
        return self._keep(unmet.select("member", "contract", "evidence_date"))

    def _supply(self, definition: Definition, unmet: ibis.Table, then: Tables, day: dt.date) -> ibis.Table:
        if not is_days_covered(definition):
            return unmet.mutate(out_of_reach=ibis.literal(False))
        days = pdc.adherence(definition, then, self.period, day, keep=self._keep)
        overdue = ibis.literal(day).delta(days.refill_due, unit="day")
        supply = days.select(
            "member",
            pdc_to_date=days.pdc,
            fills=days.fill_dates,
            missable_days=days.missable_days,
            days_without=ibis.greatest(overdue, 0).fill_null(0),
        )
        return self._keep(joined(unmet, supply).mutate(out_of_reach=lambda table: table.missable_days < 0))

    def met(self, definition: Definition) -> ibis.Table:
        """member, met (1 or 0) of those whom the measure counted in the year before, judged by what was known on the
        day; nobody where it was not in force."""
        if definition.code not in self._asked:
            nobody = self._person.filter(ibis.literal(False))
            return nobody.select("member", met=ibis.null("int64"))
        if definition.code not in self._met:
            judged = self._year_before.result(definition)
            counted = judged.filter(judged.denominator)
            self._met[definition.code] = self._keep(counted.select("member", met=counted.numerator.cast("int64")))
        return self._met[definition.code]

    def _own_last_year(self, definition: Definition) -> ibis.Table:
        return self.met(definition).rename(met_last_year="met")


def share_of(met: Sequence[ibis.Value]) -> ibis.Value:
    """The share of ones among those that are known; null where none is."""
    if not met:
        return ibis.null("float64")
    counted = reduce(add, (each.notnull().cast("int64") for each in met))
    return reduce(add, (each.fill_null(0) for each in met)) / counted.nullif(0)


def rows(
    definition: Definition,
    tables: Tables,
    period: Period,
    day: dt.date,
    *,
    others: Sequence[Definition] = (),
    codes_before: ibis.Table,
    keep: Keep,
) -> ibis.Table:
    """`Feed.rows` of one measure and day."""
    return Feed((definition,), tables, period, day, codes_before=codes_before, keep=keep, others=others).rows(
        definition
    )
