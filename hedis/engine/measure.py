"""The measure language: what a definition in hedis/measures/definitions is written in.

A definition is a value built of frozen dataclasses. It says who is in the eligible population, who is excluded
and what closes the gap; it computes nothing. `hedis.engine.evaluate` compiles it to relational expressions, so
one definition runs on every engine Ibis speaks.

Names are the field's: eligible population, denominator event, required exclusion, numerator, evidence route.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, field, fields, is_dataclass
from enum import StrEnum

from hedis.engine.period import MEASUREMENT_YEAR, Period, Window


class Direction(StrEnum):
    """Which way the rate is better."""

    HIGHER = "higher"
    LOWER = "lower"


class Reason(StrEnum):
    """Why a gap is open: the care-gap reason codes of Da Vinci DEQM."""

    NOT_FOUND = "NotFound"
    MISSING = "Missing"
    DATE_OUT_OF_RANGE = "DateOutOfRange"
    VALUE_OUT_OF_RANGE = "ValueOutOfRange"
    COUNT_OUT_OF_RANGE = "CountOutOfRange"
    PRESENT = "Present"


class Status(StrEnum):
    """State of a gap in the exchange layer (Da Vinci DEQM gap status)."""

    OPEN = "open-gap"
    CLOSED = "closed-gap"
    PROSPECTIVE = "prospective-gap"
    NOT_APPLICABLE = "not-applicable"


class Dates(StrEnum):
    """Which days of a fact must lie in the window for the fact to count."""

    START = "starts"
    END = "ends"
    WITHIN = "lies within"
    OVERLAP = "overlaps"
    OVERLAP_FROM_BEFORE = "overlaps, begun before"


ORDERS = ("order", "device-order", "medication-order")
"""Warehouse kinds that say what was asked for, not what was done."""


@dataclass(frozen=True)
class Events:
    """Coded facts of one sort: claims lines, diagnoses, results, fills.

    name            as a sentence uses it: "colonoscopy"
    value_sets      any code of any of these sets selects the fact
    window          the days that count
    dates           which days of the fact must lie in the window
    kinds           warehouse kinds (`diagnosis`, `lab`, `dispensing`, …); empty means any but `ORDERS`
    statuses        only facts their source calls one of these (`finished`, `final`, …); empty means any
    has_value       only facts with a result: a number, text or a code
    measured        only facts with a figure: a number, or what it lies below or above (``<5``)
    with_value      only facts whose coded result is in one of these value sets
    qualified_by    only facts whose qualifier (side of the body, discharge disposition) is in one of these value sets
    on_same_claim   only facts whose claim also carries one of these
    not_on_same_claim  only facts whose claim carries none of these
    not_during      only facts on a day none of these covers (from start to end date)
    kept_in_encounter  a fact that `not_during` would drop stays where it was recorded in one of these encounters
    from_denominator_event  only facts on or after the day the member met the denominator event
    claims_only     supplemental data does not count (Part D fills: a cash purchase is no prescription drug event)
    needs           vocabularies the route would need in full (`hcpcs-ii`, `cpt`, …), so that the product can
                    say which part of a route is off while a licensed list is not loaded
    """

    name: str
    value_sets: tuple[str, ...]
    window: Window = MEASUREMENT_YEAR
    kinds: tuple[str, ...] = ()
    dates: Dates = Dates.START
    statuses: tuple[str, ...] = ()
    has_value: bool = False
    measured: bool = False
    with_value: tuple[str, ...] = ()
    qualified_by: tuple[str, ...] = ()
    on_same_claim: Events | None = None
    not_on_same_claim: Events | None = None
    not_during: Events | None = None
    kept_in_encounter: Events | None = None
    from_denominator_event: bool = False
    claims_only: bool = False
    needs: tuple[str, ...] = ()

    def missing(self, period: Period) -> str:
        """What a sentence says when nothing is found: ``colonoscopy since 2017-01-01``."""
        return f"{self.name} {self.window.words(period)}"


class Condition:
    """Something true or not true of a member. The subclasses below are all there are."""


@dataclass(frozen=True)
class Exists(Condition):
    """At least one of these events in their window. Finding: the latest."""

    events: Events


@dataclass(frozen=True)
class CountDates(Condition):
    """Events on at least `at_least` different dates. Finding: the date that completes the count."""

    events: Events
    at_least: int


@dataclass(frozen=True)
class WithinDays(Condition):
    """One of `first` and one of `second` at most `days` days apart. Finding: the later day of the latest pair."""

    name: str
    first: Events
    second: Events
    days: int


@dataclass(frozen=True)
class LatestValue(Condition):
    """The coded result of the last of these events (by end date) is in one of the value sets."""

    events: Events
    value_sets: tuple[str, ...]


@dataclass(frozen=True)
class DaysCovered(Condition):
    """The member has medication on hand on at least `percent` of the days of the treatment period.

    `fills`: the drug class. Overlapping supply of one target ingredient shifts forward; other ingredients do not.
    `stays`: days in hospital or skilled nursing facility, which leave the period and shift the supply, up to
    measurement year `stays_until_year` (None: every year). Finding: the last fill.
    """

    name: str
    fills: Events
    stays: Events
    percent: int = 80
    stays_until_year: int | None = None


@dataclass(frozen=True)
class InTreatment(Condition):
    """The member's days covered count: fills on at least `fill_dates` different dates and a treatment period, from
    the first fill, of at least `days` calendar days, not all of them in a stay. Finding: the first fill."""

    covered: DaysCovered
    fill_dates: int = 2
    days: int = 91


@dataclass(frozen=True)
class CodedResult:
    """A code that states a result instead of a number, and the number it stands for in comparisons.

    `text` is what a person is shown ("below 140"): the number itself was never measured.
    """

    value_set: str
    number: float
    text: str


@dataclass(frozen=True)
class Result:
    """A measured quantity: which events carry it, and what counts as in control.

    `at_most` / `below`: exactly one is set. `plausible` bounds a result that can be true; outside it the result
    is treated as missing, because a zero typed for "not done" must never close a gap. `missing_decides`: on the
    last day a result without a value counts before one with a value, and a reading that lacks a part makes the day
    incomplete (the eCQM forms); otherwise the values there are decide.
    """

    events: Events
    unit: str
    decimals: int
    plausible: tuple[float, float]
    at_most: float | None = None
    below: float | None = None
    missing_decides: bool = False
    coded: tuple[CodedResult, ...] = ()

    def __post_init__(self) -> None:
        if (self.at_most is None) == (self.below is None):
            raise ValueError(f"result {self.events.name!r}: set exactly one of at_most and below")

    @property
    def threshold(self) -> float:
        """The figure compared with, in `unit`."""
        return self.at_most if self.at_most is not None else self.below  # type: ignore[return-value]


@dataclass(frozen=True)
class LatestResult(Condition):
    """The result of the last day in the window is in control; several on that day: the lowest counts."""

    result: Result


@dataclass(frozen=True)
class LatestReading(Condition):
    """A reading of two parts, judged on the last day that has either: the lowest of each part on that day.

    A day with one part only is an incomplete reading: not in control.
    """

    name: str
    first: Result
    second: Result
    unit: str


@dataclass(frozen=True)
class AnyOf(Condition):
    """One of the conditions is enough. `AnyOf(a, b)`; the order breaks ties between findings of one day.

    `name`: what a reason says is missing, once, instead of naming every way there is ("retinal exam in the year").
    """

    conditions: tuple[Condition, ...]
    name: str = ""

    def __init__(self, *conditions: Condition, name: str = "") -> None:
        object.__setattr__(self, "conditions", conditions)
        object.__setattr__(self, "name", name)


@dataclass(frozen=True)
class AllOf(Condition):
    """All conditions are needed. Finding: the latest of theirs."""

    conditions: tuple[Condition, ...]

    def __init__(self, *conditions: Condition) -> None:
        object.__setattr__(self, "conditions", conditions)


@dataclass(frozen=True)
class Not(Condition):
    """True of every member of whom the condition is not true. `name` says it in words for the reason."""

    name: str
    condition: Condition


@dataclass(frozen=True)
class EnrolmentFlag(Condition):
    """A flag column of the enrolment table is true on a span that touches the window."""

    name: str
    column: str
    window: Window = MEASUREMENT_YEAR


@dataclass(frozen=True)
class Died(Condition):
    """The member died in the window."""

    window: Window = MEASUREMENT_YEAR


class AgeOn(StrEnum):
    """The day of the period that ages are told on."""

    START = "start"
    END = "end"


@dataclass(frozen=True)
class AgeBand:
    """Ages `low` to `high` on the definition's `age_on`, both inclusive, from measurement year `from_year` on."""

    from_year: int
    low: int
    high: int


@dataclass(frozen=True)
class ContinuousEnrolment:
    """Enrolled over the period and `years_before` years before it.

    In each calendar year at most `breaks_per_year` breaks of at most `break_days` days; enrolled on the last
    day of the period. A break over New Year counts once in each year, by its days in that year.
    `lead_in_from`: enrolled without any break from that month and day to the end of the year before all these
    (the mammogram rule: 1 October).
    """

    years_before: int = 0
    breaks_per_year: int = 1
    break_days: int = 45
    lead_in_from: tuple[int, int] | None = None


@dataclass(frozen=True)
class Exclusion:
    """A required exclusion. `ages`: only members of that age at the end of the period (None: no bound)."""

    name: str
    condition: Condition
    ages: tuple[int | None, int | None] = (None, None)


@dataclass(frozen=True)
class Source:
    """Where a rule comes from."""

    document: str
    section: str


@dataclass(frozen=True, kw_only=True)
class Definition:
    """One measure, complete: read it beside the specification.

    `ages` decide the eligible population; `star_ages` the part of it the Star measure counts, where CMS adopts
    a change of age later than the steward (empty: the same). `inverse`: the steward publishes the complement
    (poor control); this definition counts the good outcome. `reversible`: the last result of the period
    decides, so a closed gap can open again. `enrolment` None: nobody asks for enrolment (the eCQM form of a
    measure, whose eligible population are people with a visit). `exclusions` are listed in the order they are
    reported. An empty `checker` means that nobody but the author has checked the definition yet.
    """

    code: str
    name: str
    version: str
    steward: str
    domain: str
    direction: Direction
    author: str
    checker: str
    review_date: dt.date
    sources: tuple[Source, ...]
    ages: tuple[AgeBand, ...]
    enrolment: ContinuousEnrolment | None
    numerator: Condition
    exclusions: tuple[Exclusion, ...]
    denominator_event: Condition | None = None
    sexes: tuple[str, ...] = ()
    age_on: AgeOn = AgeOn.END
    star_ages: tuple[AgeBand, ...] = ()
    inverse: bool = False
    reversible: bool = False
    closable_until: str = "period end"
    notes: tuple[str, ...] = field(default=())

    def in_force(self, period: Period) -> bool:
        """Whether the measure existed in the period: KED begins with measurement year 2020."""
        return any(band.from_year <= period.measurement_year for band in self.ages)

    def band(self, period: Period) -> AgeBand:
        """The age band in force for the period; ValueError where the definition knows none."""
        return _band_in_force(self.code, self.ages, period)

    def star_band(self, period: Period) -> AgeBand:
        """The age band the Star measure counts for the period."""
        return _band_in_force(self.code, self.star_ages or self.ages, period)


def _band_in_force(code: str, bands: tuple[AgeBand, ...], period: Period) -> AgeBand:
    known = [band for band in bands if band.from_year <= period.measurement_year]
    if not known:
        raise ValueError(f"{code}: no age band for measurement year {period.measurement_year}")
    return max(known, key=lambda band: band.from_year)


def nodes(tree: object) -> Iterator[object]:
    """Every dataclass within `tree`, itself first, depth first, in the order written."""
    if isinstance(tree, tuple):
        for part in tree:
            yield from nodes(part)
    elif is_dataclass(tree):
        yield tree
        for each in fields(tree):
            yield from nodes(getattr(tree, each.name))


def value_sets_used(tree: object) -> frozenset[str]:
    """Names of all value sets a definition, or any part of one, refers to."""
    events = {name for node in nodes(tree) if isinstance(node, Events) for name in node.value_sets}
    return frozenset(events | {node.value_set for node in nodes(tree) if isinstance(node, CodedResult)})


def result_value_sets_used(tree: object) -> frozenset[str]:
    """Names of the value sets that coded results and qualifiers are looked up in."""
    events = [node for node in nodes(tree) if isinstance(node, Events)]
    latest = {name for node in nodes(tree) if isinstance(node, LatestValue) for name in node.value_sets}
    return frozenset(latest | {name for each in events for name in (*each.with_value, *each.qualified_by)})
