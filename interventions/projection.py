"""A contract's projection from what is stored: gaps, predictions in force, past finding runs and entered scores.

Reads only; the arithmetic is `projecting` and `rating_odds`. Figures are sums, no member is named.
"""

from calendar import isleap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import numpy as np
from django.db.models import BigIntegerField, Count, F, Q, QuerySet, Sum, Value
from django.db.models.functions import Coalesce, Round

from hedis.engine.rating_year import NotInThisYear, Part
from hedis.gaps.models import UNMET, AdherenceClass, Gap, MeasureCount, MeasureReading, Status, Work
from hedis.gaps.workflow import CLOSED
from hedis.members.models import Contract
from hedis.stars import rating
from hedis.stars.standing import Standing as StarStanding
from hedis.stars.standing import standing_of
from interventions.back_testing import Verdict, judged
from interventions.claims_by_month import Cells, cells_of, claims_of
from interventions.completing import Course, Reading, Trial
from interventions.crossing import Floats
from interventions.projecting import MEMBERS, Past, Projection, Standing, StarRule, project, resized
from interventions.rating_odds import RatingOdds, rating_odds, together
from predictions.models import Prediction

# From this day of its year on a run is taken for the year's end.
YEAR_ENDS = 365
# Chances are counted in steps of a thousandth, so that a plan of any size is a few hundred rows.
STEPS = 3
# A past year's predictions count as made at the same time of year within so many days.
SAME_TIME = 31


class NothingToProject(Exception):
    """The contract has no gaps of the year that a Star measure counts."""


@dataclass(frozen=True)
class OpenOnes:
    """A measure's unmet members: how many a contact can still close, who are lost, and who are safe without one."""

    closable: int
    lost: int
    safe: int


@dataclass(frozen=True)
class ContractProjection:
    """A contract's year-end: its measures by the Star measure's id, and the ratings.

    `independent`: the chance of each rating where the measures err apart; `shared`: where they err together.
    `left_out`: measures without a projection, with the reason. `fixed`: stars of the measures that are not projected.
    `verdicts`: how the projections of past years did.
    """

    contract: str
    year: int
    data_as_of: date
    method: StarStanding
    measures: Mapping[str, Projection]
    fixed: Mapping[str, int]
    left_out: Mapping[str, str]
    independent: RatingOdds
    shared: RatingOdds
    verdicts: Mapping[str, Verdict] = field(default_factory=dict)

    @property
    def part(self) -> Part:
        """The rating the contract is known by, which the chances are of."""
        return self.method.rated_as.highest


@dataclass
class Gathered:
    """What the projection of a contract's measures in a year takes, by measure code; as of the day of the data."""

    year: int
    as_of: date
    open_ones: Mapping[str, OpenOnes]
    chances: Mapping[str, Floats]
    stays: Mapping[str, float]
    courses: Mapping[str, tuple[Course, ...]]
    trials: Mapping[str, tuple[Trial, ...]]
    cells: Cells = field(default_factory=dict)
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)


def projected(contract: Contract, year: int) -> ContractProjection:
    """The year-end of a contract in a measurement year. Raises NothingToProject, years.UnknownStarYear."""
    method = standing_of(contract, year + 2)
    rows = {measure_id: row for row, measure_id in rating.counted(contract, year + 2, method) if row["denominator"]}
    if not rows:
        raise NothingToProject(f"contract {contract.number} has no gaps of measurement year {year} in a Star measure")
    as_of = max(row["newest"] for row in rows.values())
    day, past = day_of(as_of, year), courses(contract, year)
    gathered = Gathered(
        year, as_of, open_ones(contract, year, as_of), chances(contract, year), stays(contract), past,
        member_trials(contract, year, day, past), cells_of(contract, year),
    )  # fmt: skip
    measures = dict(each_measure(method, rows, gathered))
    fixed = fixed_stars(contract, year, method, measures)
    return ContractProjection(
        contract.number, year, as_of, method, measures, fixed, gathered.left_out,
        *ratings(contract, method, measures, fixed), gathered.verdicts,
    )  # fmt: skip


def each_measure(
    method: StarStanding, rows: Mapping[str, dict[str, Any]], gathered: Gathered
) -> Iterator[tuple[str, Projection]]:
    """Each measure that can be projected, with how it did in past years; the others are noted with the reason."""
    day = day_of(gathered.as_of, gathered.year)
    for measure_id, row in sorted(rows.items()):
        code = row["measure__code"]
        try:
            cuts = method.year.cuts(measure_id, method.rated_as)
            measure = method.year.measure(measure_id)
            stands, past = standing(code, row, gathered, day), past_of(code, row["denominator"], gathered)
            found = project(stands, StarRule(cuts, measure.precision, measure.lower_is_better), past)
        except (NotInThisYear, ValueError) as reason:
            gathered.left_out[code] = str(reason)
            continue
        gathered.verdicts[measure_id] = judged(stands, past)
        yield measure_id, found


def past_of(code: str, denominator: int, gathered: Gathered) -> Past:
    """What earlier years tell of a measure."""
    courses = gathered.courses.get(code, ())
    claims = claims_of(code, gathered.year, gathered.as_of, denominator, courses, gathered.cells)
    return Past(courses, claims.past, claims.current, gathered.trials.get(code, ()), claims.without)


def standing(code: str, row: Mapping[str, Any], gathered: Gathered, day: int) -> Standing:
    """Where a measure stands, with the chances of its members where a model in force gave any.

    Unmet members without a prediction are taken to be like those with one. Members met today of a reversible measure
    stay met as often as others did.
    """
    met, unmet = row["numerator"], row["denominator"] - row["numerator"]
    stay = gathered.stays.get(code)
    known = gathered.open_ones.get(code, OpenOnes(0, 0, 0))
    predicted = gathered.chances.get(code)
    found = None
    if predicted is not None or not unmet or known.lost + known.safe == unmet:
        others = max(unmet - known.lost - known.safe, 0)
        guessed = resized(predicted if predicted is not None else np.zeros(0), others)
        found = np.concatenate([np.zeros(known.lost), np.ones(known.safe), guessed])
        found = found if stay is None else np.concatenate([np.full(met, stay), found])
    return Standing(code, day, met + unmet, met, met if stay is None else 0, found, known.closable)


def day_of(day: date, year: int) -> int:
    """The day counted from 1 January of the measurement year, without the 29th of February: dates keep their number."""
    extra = isleap(year) and day > date(year, 2, 28)
    return (day - date(year, 1, 1)).days + 1 - extra


def in_scope(contract: Contract, year: int, prefix: str = "") -> Q:
    """Gaps of the contract and year that the Star measure counts; `prefix` leads to the gap."""
    return Q(**{f"{prefix}contract": contract, f"{prefix}year": year, f"{prefix}star_eligible": True})


LOST, SAFE = AdherenceClass.UNSALVAGEABLE, AdherenceClass.LOCKED_IN


def open_ones(contract: Contract, year: int, as_of: date) -> dict[str, OpenOnes]:
    """The unmet members of each measure. One query."""
    rows = (
        Gap.objects.filter(in_scope(contract, year))
        .open()
        .values("measure__code")
        .annotate(
            closable=Count("id", filter=Q(contact_by__gte=as_of)),
            lost=Count("id", filter=Q(adherence__adherence_class=LOST)),
            safe=Count("id", filter=Q(adherence__adherence_class=SAFE)),
        )
        .order_by("measure__code")
    )
    return {row["measure__code"]: OpenOnes(row["closable"], row["lost"], row["safe"]) for row in rows}


def chances(contract: Contract, year: int) -> dict[str, Floats]:
    """The chance to close of each unmet member whom a model in force scored, in steps. One query.

    Adherence of which the days on hand have decided already is left to them.
    """
    rows = (
        Prediction.objects.in_force()
        .filter(in_scope(contract, year, "gap__"), gap__status__in=UNMET)
        .exclude(gap__adherence__adherence_class__in=(LOST, SAFE))
        .annotate(stays_open=Round(F("probability"), precision=STEPS))
        .values("measure__code", "stays_open")
        .annotate(members=Count("id"))
        .order_by("measure__code", "stays_open")
    )
    found: dict[str, list[Floats]] = {}
    for row in rows:
        found.setdefault(row["measure__code"], []).append(np.full(row["members"], 1 - row["stays_open"]))
    return {code: np.concatenate(parts) for code, parts in found.items()}


def stays(contract: Contract) -> dict[str, float]:
    """Of each reversible measure the chance that a member met today stays met: how often a closed gap did not reopen.

    By the rule of succession, (stayed + 1)/(closed + 2), so that no history is not certainty. One query.
    """
    rows = (
        Gap.objects.filter(contract=contract, measure__reversible=True)
        .values("measure__code")
        .annotate(
            closed=Count("transitions", filter=Q(transitions__to_work_status__in=CLOSED)),
            reopened=Count("transitions", filter=Q(transitions__to_work_status=Work.REOPENED)),
        )
        .order_by("measure__code")
    )
    return {row["measure__code"]: (max(row["closed"] - row["reopened"], 0) + 1) / (row["closed"] + 2) for row in rows}


def courses(contract: Contract, year: int) -> dict[str, tuple[Course, ...]]:
    """Past years' readings of each measure, of the years that were read to their end. One query.

    Of several runs with data of the same day the newest counts, and any of them before what was read afterwards.
    Members of an age the Star measure counts, of runs that did not tell them apart everybody.
    """
    read: dict[tuple[str, int], dict[int, Reading]] = {}
    for code, of_year, as_of, _, numerator, denominator in sorted(past_counts(contract, year)):
        if denominator and (day := day_of(as_of, of_year)) >= 1:
            read.setdefault((code, of_year), {})[day] = Reading(day, numerator, denominator)
    found: dict[str, tuple[Course, ...]] = {}
    for (code, of_year), readings in read.items():
        if max(readings) >= YEAR_ENDS:
            found[code] = (*found.get(code, ()), Course(of_year, tuple(readings.values())))
    return found


def past_counts(contract: Contract, year: int) -> QuerySet[Any, tuple[str, int, date, int, int, int]]:
    """Counts of years before: measure, year, day of the data, finding run (0: read afterwards), numerator and
    denominator."""
    counts = (Coalesce("star_numerator", "numerator"), Coalesce("star_denominator", "denominator"))
    afterwards = Value(0, output_field=BigIntegerField())
    runs = MeasureCount.objects.filter(contract=contract, run__year__lt=year).order_by()
    readings = MeasureReading.objects.filter(contract=contract, year__lt=year).order_by()
    return runs.values_list("measure__code", "run__year", "run__data_as_of", "run_id", *counts).union(
        readings.values_list("measure__code", "year", "data_as_of", afterwards, *counts), all=True
    )


def member_trials(
    contract: Contract, year: int, day: int, past: Mapping[str, tuple[Course, ...]]
) -> dict[str, tuple[Trial, ...]]:
    """What predictions of past years, made at this time of theirs, said of the year's end. One query.

    Only the members they spoke of can make them wrong: the forecast is the final rate, off by expected less real
    closures. A year counts where its final rate is known.
    """
    rows = (
        Prediction.objects.in_force()
        .filter(gap__contract=contract, gap__star_eligible=True, year__lt=year)
        .values("measure__code", "year", "as_of")
        .annotate(expected=Sum(1 - F("probability")), closed=Count("id", filter=Q(gap__status=Status.CLOSED)))
        .order_by("measure__code", "year", "as_of")
    )
    found: dict[str, tuple[Trial, ...]] = {}
    for row in rows:
        code, of_year = row["measure__code"], row["year"]
        final = next((one.final for one in past.get(code, ()) if one.year == of_year), None)
        if final is None or abs(day_of(row["as_of"], of_year) - day) > SAME_TIME:
            continue
        said = final.rate + (row["expected"] - row["closed"]) / final.denominator
        trial = Trial(MEMBERS, of_year, min(max(said, 0.0), 1.0), final.rate)
        found[code] = (*found.get(code, ()), trial)
    return found


def fixed_stars(
    contract: Contract, year: int, method: StarStanding, measures: Mapping[str, Projection]
) -> dict[str, int]:
    """Stars as they stand today of the measures that are not projected: entered scores, and what was left out."""
    inputs = rating.gathered(contract, year + 2, method)
    before = rating.stars_of_the_year_before(contract, year + 2, method)
    stars = {
        name: rating.star_of(method, name, one.score, before.get(name)).star
        for name, one in inputs.scores.items()
        if name not in measures
    }
    return {name: star for name, star in stars.items() if star}


def ratings(
    contract: Contract, method: StarStanding, measures: Mapping[str, Projection], fixed: Mapping[str, int]
) -> tuple[RatingOdds, RatingOdds]:
    """The chance of each rating with measures that err apart, and that err together."""
    rated = method.contract(contract.number, fixed)
    apart = [(1.0, {name: one.odds for name, one in measures.items()})]
    shared = together({name: one.scenarios for name, one in measures.items()})
    return rating_odds(rated, apart, method.year), rating_odds(rated, shared, method.year)
