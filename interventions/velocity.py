"""How fast gaps close: what each finding run knew, the weeks in which the care was given, and where that pace leads.

Reads of a contract are three queries, whatever the number of measures. The arithmetic is pure; days are passed in.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django.db.models import Avg, Count, Max, Q
from django.db.models.functions import TruncDate, TruncWeek

from hedis.engine.rating_year import NotInThisYear
from hedis.gaps.models import UNMET, FindingRun, Gap, MeasureCount, Status, Transition
from hedis.members.models import Contract
from hedis.stars import rating, years
from hedis.stars.closing import next_star
from hedis.stars.standing import standing_of

# The pace is that of so many weeks: long enough to smooth holidays, short enough to show a campaign.
PACE_WEEKS = 12
BY_RUNS, BY_CARE = "finding runs", "days of care"


@dataclass(frozen=True)
class Reading:
    """What a finding run knew: how many of the denominator were met."""

    day: date
    met: int
    denominator: int


@dataclass(frozen=True)
class Steps:
    """The steps gaps of a measure took this year. `days_to_close`: mean days from found unmet to closed."""

    found: int = 0
    closed: int = 0
    reopened: int = 0
    days_to_close: float | None = None


@dataclass(frozen=True)
class Need:
    """What the Star measure asks: its id, today's counts of its ages, the next star and the closures to it."""

    id: str
    met: int
    denominator: int
    next_star: int | None
    closures: int | None


@dataclass(frozen=True)
class Velocity:
    """A measure of a contract. `weeks`: (Monday, gaps whose care was given in that week), every week of the year so
    far. `reversible`: who is met today may be unmet tomorrow, so days of care say nothing about the year's end.
    """

    code: str
    name: str
    reversible: bool
    as_of: date
    year: int
    readings: tuple[Reading, ...]
    weeks: tuple[tuple[date, int], ...]
    steps: Steps
    need: Need | None

    @property
    def basis(self) -> str:
        """What the pace is taken from; empty where there is none yet."""
        if self.span:
            return BY_RUNS
        return BY_CARE if self.weeks and not self.reversible else ""

    @property
    def span(self) -> tuple[Reading, Reading] | None:
        """The newest reading and the oldest within the pace's weeks before it, at least a week apart."""
        if not self.readings:
            return None
        last = self.readings[-1]
        first = next(one for one in self.readings if one.day >= last.day - timedelta(weeks=PACE_WEEKS))
        return (first, last) if (last.day - first.day).days >= 7 else None

    @property
    def pace(self) -> float | None:
        """Closures a week, net of what was lost again where finding runs tell it."""
        if self.span:
            first, last = self.span
            return 7 * (last.met - first.met) / (last.day - first.day).days
        if not self.basis:
            return None
        counted = [closed for monday, closed in self.weeks if monday > self.as_of - timedelta(weeks=PACE_WEEKS)]
        return sum(counted) / PACE_WEEKS

    @property
    def unmet(self) -> int | None:
        """Members of an age the Star measure counts whose care is missing."""
        return self.need.denominator - self.need.met if self.need else None

    @property
    def weeks_left(self) -> float:
        """Weeks from the data's day to the year's end."""
        return max((date(self.year, 12, 31) - self.as_of).days, 0) / 7

    @property
    def by_year_end(self) -> int | None:
        """Closures till the year's end at this pace; no more than are open."""
        if self.pace is None:
            return None
        coming = round(self.pace * self.weeks_left)
        return coming if self.unmet is None else min(coming, self.unmet)

    @property
    def reaches(self) -> bool | None:
        """Whether that is enough for the next star; None where there is no pace or no next star."""
        if self.by_year_end is None or self.need is None or self.need.closures is None:
            return None
        return self.by_year_end >= self.need.closures


def of_contract(contract: Contract, year: int) -> list[Velocity]:
    """Every measure of a contract that was counted in the year, in the order of the codes."""
    counted = readings(contract, year)
    care, steps, needs = weeks_of_care(contract, year), steps_of(contract, year), dict(needs_of(contract, year))
    return [
        Velocity(
            code, name, reversible, found[-1].day, year, tuple(found),
            every_week(care.get(code, {}), year, found[-1].day), steps.get(code, Steps()), needs.get(code),
        )
        for (code, name, reversible), found in counted.items()
    ]  # fmt: skip


def readings(contract: Contract, year: int) -> dict[tuple[str, str, bool], list[Reading]]:
    """What the newest finding run on the data of each day knew, by measure. One query."""
    newest = FindingRun.objects.filter(year=year).values("data_as_of").annotate(newest=Max("id")).values("newest")
    rows = (
        MeasureCount.objects.filter(run_id__in=newest, contract=contract)
        .order_by("measure__code", "run__data_as_of")
        .values_list("measure__code", "measure__name", "measure__reversible", "run__data_as_of", "numerator",
                     "denominator")
    )  # fmt: skip
    found: dict[tuple[str, str, bool], list[Reading]] = {}
    for code, name, reversible, day, met, denominator in rows:
        found.setdefault((code, name, reversible), []).append(Reading(day, met, denominator))
    return found


def weeks_of_care(contract: Contract, year: int) -> dict[str, dict[date, int]]:
    """Closed gaps by measure and the Monday of the week in which the care was given. One query."""
    rows = (
        Gap.objects.for_year(year)
        .filter(contract=contract, status=Status.CLOSED, star_eligible=True, evidence_date__year=year)
        .annotate(week=TruncWeek("evidence_date"))
        .order_by("measure__code", "week")
        .values_list("measure__code", "week")
        .annotate(closed=Count("pk"))
    )
    found: dict[str, dict[date, int]] = {}
    for code, week, closed in rows:
        found.setdefault(code, {})[week] = closed
    return found


def every_week(closed: Mapping[date, int], year: int, as_of: date) -> tuple[tuple[date, int], ...]:
    """Each week from the year's first to the data's, those without a closure with 0; nothing where none closed."""
    if not closed:
        return ()
    first = date(year, 1, 1) - timedelta(days=date(year, 1, 1).weekday())
    weeks = range((max(as_of, first) - first).days // 7 + 1)
    return tuple((monday, closed.get(monday, 0)) for week in weeks for monday in [first + timedelta(weeks=week)])


def steps_of(contract: Contract, year: int) -> dict[str, Steps]:
    """How many gaps were found unmet, closed and opened again, and how long closing took. One query."""
    closed = Q(to_status=Status.CLOSED, from_status__in=UNMET)
    rows = (
        Transition.objects.filter(gap__year=year, gap__contract=contract, gap__star_eligible=True)
        .order_by("gap__measure__code")
        .values("gap__measure__code")
        .annotate(
            found=Count("pk", filter=Q(from_status="", to_status__in=UNMET)),
            closed=Count("pk", filter=closed),
            reopened=Count("pk", filter=Q(from_status=Status.CLOSED, to_status__in=UNMET)),
            took=Avg(TruncDate("at") - TruncDate("gap__found_at"), filter=closed),
        )
    )
    return {
        row["gap__measure__code"]: Steps(
            row["found"], row["closed"], row["reopened"],
            None if row["took"] is None else row["took"] / timedelta(days=1),
        )
        for row in rows
    }  # fmt: skip


def needs_of(contract: Contract, year: int) -> Iterator[tuple[str, Need]]:
    """The next star of each Star measure and what it takes, from today's gaps; nothing for a year without a method."""
    try:
        method = standing_of(contract, year + 2)
    except years.UnknownStarYear:
        return
    for row, measure_id in rating.counted(contract, year + 2, method):
        if not row["denominator"]:
            continue
        measure = method.year.measure(measure_id)
        try:
            cuts = method.year.cuts(measure_id, method.rated_as)
        except NotInThisYear:
            continue
        step = next_star(
            row["numerator"], row["denominator"], cuts, precision=measure.precision,
            lower_is_better=measure.lower_is_better,
        )  # fmt: skip
        yield (
            row["measure__code"],
            Need(
                measure_id,
                row["numerator"],
                row["denominator"],
                step.star if step else None,
                step.closures if step else None,
            ),
        )


def totals(weeks: Sequence[tuple[date, int]]) -> list[tuple[date, int]]:
    """The weeks added up from the year's beginning."""
    done, found = 0, []
    for monday, closed in weeks:
        done += closed
        found.append((monday, done))
    return found


def counted_contracts(year: int, **narrowed: Any) -> list[Contract]:
    """Contracts with counts of a year, in the order of their numbers."""
    counted = MeasureCount.objects.filter(run__year=year, contract__isnull=False).values("contract")
    return list(Contract.objects.filter(pk__in=counted, **narrowed).order_by("number"))
