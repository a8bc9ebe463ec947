"""Measure scores to measure stars, and measure stars to domain stars.

Source: CMS Medicare 2026 Part C & D Star Ratings Technical Notes (TN26), p. 6 to 11, Attachments I and K;
42 CFR 422.166(a) and (i), 423.186(a) and (i).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from math import floor, sqrt

from hedis.engine.rating_year import CutPoints, Measure, Method, RatedAs, StarYear

DATA_INTEGRITY_STAR = 1
VERY_LOW_RELIABILITY = Decimal("0.60")
LOW_RELIABILITY = Decimal("0.75")
SIGNIFICANT_T = 1.96


class ScoreOutOfRange(ValueError):
    """A score outside the measure's scale, such as a rate above 100."""


@dataclass(frozen=True)
class MeasureStar:
    """A measure's star and why. `rule` is cut_points, data_integrity, prior_year_disaster or cahps.

    `displayed` is the score as CMS shows it; `by_cut_points` the star before a disaster reversion or a CAHPS move.
    """

    measure_id: str
    star: int | None
    rule: str
    score: Decimal | None
    displayed: Decimal | None
    by_cut_points: int | None


def displayed(score: Decimal, measure: Measure) -> Decimal:
    """The score rounded half up to its data display, which is what meets the cut points (TN26 p. 23)."""
    check_scale(score, measure)
    steps = floor(score / measure.precision + Decimal("0.5"))
    return steps * measure.precision


def check_scale(score: Decimal, measure: Measure) -> None:
    """Raises ScoreOutOfRange for a score the measure cannot have."""
    low, high = measure.scale_low, measure.scale_high
    if not score.is_finite() or (low is not None and score < low) or (high is not None and score > high):
        scale = f"{'' if low is None else low} to {'' if high is None else high}"
        raise ScoreOutOfRange(f"{measure.id} {measure.name}: score {score} is outside {scale}".rstrip())


def star_by_cut_points(score: Decimal, cuts: CutPoints, lower_is_better: bool) -> int:
    """1 to 5: one star more for each cut point reached; the boundary belongs to the better star."""
    return 1 + sum(score <= cut if lower_is_better else score >= cut for cut in cuts)


def measure_star(
    year: StarYear, measure_id: str, rated_as: RatedAs, score: Decimal, *, flagged: bool = False
) -> MeasureStar:
    """The star of a score by the year's cut points. For CAHPS measures this is the base group, not yet the star.

    `flagged`: CMS found the data biased, erroneous or not reported: one star whatever the score (TN26 p. 10).
    """
    measure = year.measure(measure_id)
    if flagged:
        return MeasureStar(measure_id, DATA_INTEGRITY_STAR, "data_integrity", None, None, None)
    shown = displayed(score, measure)
    star = star_by_cut_points(shown, year.cuts(measure_id, rated_as), measure.lower_is_better)
    return MeasureStar(measure_id, star, "cut_points", score, shown, star)


def better_of_two_years(
    current: MeasureStar, prior: MeasureStar | None, measure: Measure, share: Decimal, year: StarYear
) -> MeasureStar:
    """Disaster rule: an affected contract keeps last year's star, and that year's score, where it was higher.

    `share`: percent of enrolment in the disaster areas of the year that counts for this measure. Of a contract hit
    in both years pass as `prior` what last year's star would have been without adjustment (TN26 p. 7, 8).
    """
    affected = measure.disaster != "never" and share >= year.disaster_share
    if not affected or prior is None or prior.star is None or current.star is None or prior.star <= current.star:
        return current
    return MeasureStar(
        current.measure_id, prior.star, "prior_year_disaster", prior.score, prior.displayed, current.by_cut_points
    )


@dataclass(frozen=True)
class CahpsEvidence:
    """What a CAHPS star takes besides the mean. `significance`: below, none or above the national mean."""

    standard_error: Decimal
    significance: str
    reliability: Decimal


def cahps_star(
    year: StarYear, measure_id: str, rated_as: RatedAs, mean: Decimal, evidence: CahpsEvidence
) -> MeasureStar:
    """The CAHPS star: base group by percentile, moved by significance and reliability (TN26 Tables K-7 to K-9).

    `mean` is the case-mix adjusted mean on 0 to 100. Reliability below 0.60: no star. Low reliability: below 0.75
    and in the lowest twelve percent of contracts.
    """
    measure = year.measure(measure_id)
    if measure.method is not Method.CAHPS:
        raise ValueError(f"{measure_id} is not a CAHPS measure")
    base = measure_star(year, measure_id, rated_as, mean)
    if evidence.reliability < VERY_LOW_RELIABILITY:
        return MeasureStar(measure_id, None, "cahps", mean, base.displayed, base.star)
    contract_type = "MA" if measure_id.startswith("C") else "PDP" if rated_as is RatedAs.PDP else "MA-PD"
    lowest = year.cahps_reliability.get((measure_id, contract_type), Decimal(0))
    low = evidence.reliability < LOW_RELIABILITY and evidence.reliability <= lowest
    cuts = year.cuts(measure_id, rated_as)
    edge = {1: cuts.two, 5: cuts.five}.get(base.star or 0)
    distance = "any" if edge is None else "beyond" if abs(mean - edge) > evidence.standard_error else "within"
    star = year.cahps_stars[base.star or 0, distance, evidence.significance, low]
    return MeasureStar(measure_id, star, "cahps", mean, base.displayed, base.star)


def cahps_moves(year: StarYear, base_group: int) -> frozenset[int]:
    """The stars CMS can give a base group, whatever the survey's error: what public data can be checked against."""
    return frozenset(star for (group, *_), star in year.cahps_stars.items() if group == base_group)


def domain_minimum(required: int) -> int:
    """Rated measures a domain needs of those required: more than half, or half of an odd number rounded up
    (TN26 Table 5)."""
    return required // 2 + 1 if required else 0


def domain_star(stars: Sequence[int]) -> int | None:
    """Plain mean of the domain's measure stars, half up to a whole star (TN26 p. 11, 22)."""
    return floor(Fraction(sum(stars), len(stars)) + Fraction(1, 2)) if stars else None


@dataclass(frozen=True)
class TwoYears:
    """One measure's scores in two years, for the improvement measure. Standard errors are of the scores."""

    previous: float
    current: float
    previous_error: float
    current_error: float
    correlation: float
    weight: int
    lower_is_better: bool
    previous_star: int
    current_star: int


def net_improvement(pair: TwoYears) -> int:
    """1 improved, -1 declined, 0 no significant change (TN26 Attachment I). Five stars twice cannot decline."""
    change = (pair.current - pair.previous) * (-1 if pair.lower_is_better else 1)
    error = sqrt(
        pair.previous_error**2 + pair.current_error**2 - 2 * pair.correlation * pair.previous_error * pair.current_error
    )
    significant = change != 0 if error == 0 else abs(change / error) > SIGNIFICANT_T
    if not significant:
        return 0
    if change < 0 and pair.previous_star == pair.current_star == 5:
        return 0
    return 1 if change > 0 else -1


def improvement_score(pairs: Iterable[TwoYears], *, minimum: int) -> Decimal | None:
    """Σ weight·net / Σ weight, half up to six places, -1 to 1; None with fewer eligible measures than the minimum.

    Weights are 1 for process, 3 for outcome and 2 for experience and access measures (TN26 Attachment I).
    """
    eligible = list(pairs)
    total = sum(pair.weight for pair in eligible)
    if len(eligible) < minimum or not total:
        return None
    share = Fraction(sum(pair.weight * net_improvement(pair) for pair in eligible), total)
    return Decimal(floor(share * 10**6 + Fraction(1, 2))).scaleb(-6)


def percentage_error(score: float, denominator: int) -> float:
    """Standard error of a simple percentage on 0 to 100, in points (TN26 Attachment I)."""
    return sqrt(score * (100 - score) / denominator)
