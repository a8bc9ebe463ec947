"""The year-end rate of a measure: three forecasts blended, its distribution, and the chance of each star. Pure.

Method and sources: docs/projection.md.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from hedis.engine.rating_year import CutPoints
from interventions.blending import Blend, blend
from interventions.claim_lag import ClaimYear, LagForecast, by_claim_lag, lag_trials
from interventions.completing import Course, CurveForecast, Trial, by_curve, by_past_years, curve_trials, past_trials
from interventions.crossing import Count, Floats, check_chances, count_of, sampled, within
from interventions.cut_counts import counts_for_stars, star_of

CURVE, MEMBERS, CLAIM_LAG, PAST_YEARS = "curve", "members", "claim_lag", "past_years"
# The interval that is shown: from the tenth to the ninetieth percentile.
LOW, HIGH = 0.1, 0.9


@dataclass(frozen=True)
class Standing:
    """Where a measure stands on a day of its year.

    `met`: numerator today. `firm`: those of them who stay met whatever happens; of a reversible measure nobody.
    `chances`: of every other member of the denominator, to be met at year's end; 0 where nothing can close the gap.
    None where nobody predicted them. `closable`: unmet members whom a contact can still close, if known.
    """

    measure: str
    day: int
    denominator: int
    met: int
    firm: int
    chances: Floats | None = None
    closable: int | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.firm <= self.met <= self.denominator or self.denominator < 1:
            raise ValueError(
                f"{self.measure}: {self.firm} firm, {self.met} met, {self.denominator} in the denominator do not fit"
            )
        if self.chances is not None:
            if len(self.chances) != self.denominator - self.firm:
                raise ValueError(
                    f"{self.measure}: {len(self.chances)} chances for {self.denominator - self.firm} members not firm"
                )
            check_chances(self.chances)


@dataclass(frozen=True)
class Past:
    """What earlier years tell: their courses, their claims by month, and forecasts once made for them.

    `without_claims`: why no claim lag can be told, in words, where somebody knows.
    """

    courses: Sequence[Course] = ()
    claims: Sequence[ClaimYear] = ()
    current_claims: ClaimYear | None = None
    trials: Sequence[Trial] = ()
    without_claims: str = ""


@dataclass(frozen=True)
class YearEnd:
    """Where a measure ends, before stars are made of it: the blend of the methods, the distribution of the count."""

    blend: Blend
    denominator: int
    count: Count
    curve: CurveForecast | None
    claim_lag: LagForecast | None
    notes: tuple[str, ...]

    @property
    def low(self) -> float:
        """Lower end of the 80 % interval, as a share of the denominator."""
        return self.count.quantile(LOW) / self.denominator

    @property
    def high(self) -> float:
        """Upper end of it."""
        return self.count.quantile(HIGH) / self.denominator


@dataclass(frozen=True)
class StarRule:
    """How a rate becomes stars. `sample`: members of a hybrid sample, where the measure is reported from one."""

    cuts: CutPoints
    precision: Decimal = Decimal(1)
    lower_is_better: bool = False
    sample: int | None = None

    def counts(self, denominator: int) -> tuple[int, int, int, int, int]:
        """The smallest numerator of so many members that earns 1 to 5 stars."""
        return counts_for_stars(denominator, self.cuts, precision=self.precision, lower_is_better=self.lower_is_better)


@dataclass(frozen=True)
class Projection:
    """The year-end of a measure. Rates are shares of 1, of good outcomes; counts are members at year's end.

    `low` to `high` is the 80 % interval. `odds`: chance of 1 to 5 stars; `at_least`: of so many or more. `needed`:
    smallest numerator at year's end for each number of stars. `next_star`, `closures`: the star after the one held if
    the year ended today, and how many members of today's denominator have to be met for it beside those who are;
    None at five stars. `closable`: who can still close. `count`: the distribution that stars are earned on, of
    `reported` members: the denominator, or a hybrid measure's sample; `scenarios`: weight and odds in each scenario of
    the common shock. `notes` say what limits the figures.
    """

    measure: str
    denominator: int
    numerator: float
    rate_today: float
    rate: float
    low: float
    high: float
    star_today: int
    odds: tuple[float, ...]
    at_least: tuple[float, ...]
    expected_stars: float
    needed: tuple[int, int, int, int, int]
    next_star: int | None
    closures: int | None
    closable: int
    blend: Blend
    count: Count
    reported: int
    scenarios: tuple[tuple[float, tuple[float, ...]], ...]
    curve: CurveForecast | None
    claim_lag: LagForecast | None
    notes: tuple[str, ...]


def project(standing: Standing, rule: StarRule, past: Past | None = None) -> Projection:
    """The year-end of a measure, from whatever of the methods there is. Raises ValueError where there is none."""
    rate = standing.met / standing.denominator
    end = year_end(standing, past or Past())
    denominator, count = end.denominator, end.count
    counted, of = (count, denominator)
    if rule.sample and rule.sample < denominator:
        counted, of = sampled(count, denominator, rule.sample), rule.sample
    needed, today = rule.counts(denominator), rule.counts(standing.denominator)
    star = star_of(standing.met, today)
    earned = rule.counts(of)
    at_least = tuple(counted.at_least(wanted) for wanted in earned)
    return Projection(
        standing.measure, denominator, count.mean, rate, count.mean / denominator,
        counted.quantile(LOW) / of, counted.quantile(HIGH) / of,
        star_today=star, odds=counted.odds(earned), at_least=at_least, expected_stars=sum(at_least),
        needed=needed, next_star=star + 1 if star < 5 else None,
        closures=today[star] - standing.met if star < 5 else None,
        closable=closable(standing), blend=end.blend, count=counted, reported=of,
        scenarios=tuple(counted.odds_by_scenario(earned)), curve=end.curve, claim_lag=end.claim_lag, notes=end.notes,
    )  # fmt: skip


def year_end(standing: Standing, past: Past, said: Mapping[str, float] | None = None) -> YearEnd:
    """The blended forecast and its distribution. `said`: forecasts made elsewhere, by method. Raises ValueError where
    there is none at all."""
    curve = by_curve(past.courses, standing.day, standing.met / standing.denominator)
    lag = by_claim_lag(past.current_claims, past.claims) if past.current_claims else None
    blended = blend(forecasts(standing, curve, lag, past.courses, said or {}), trials_of(standing, past))
    denominator = max(round(standing.denominator * (curve.drift if curve else 1.0)), 1)
    count, notes = counted_at_end(standing, blended, denominator)
    if lag is None and past.without_claims:
        notes = (*notes, past.without_claims)
    return YearEnd(blended, denominator, count, curve, lag, notes)


def forecasts(
    standing: Standing,
    curve: CurveForecast | None,
    lag: LagForecast | None,
    courses: Sequence[Course],
    said: Mapping[str, float],
) -> dict[str, float]:
    """The year-end rate by each method there is; how past years ended only where there is none."""
    found = dict(said)
    if curve:
        found[CURVE] = curve.rate
    if standing.chances is not None:
        found[MEMBERS] = min((standing.firm + float(standing.chances.sum())) / standing.denominator, 1.0)
    if lag:
        found[CLAIM_LAG] = lag.rate
    ended = by_past_years(courses)
    return found if found or ended is None else {PAST_YEARS: ended}


def trials_of(standing: Standing, past: Past) -> list[Trial]:
    """What each method said of past years at this time: the curve and the lag are tried here, others are given."""
    months = past.current_claims.months if past.current_claims else 0
    lags = lag_trials(past.claims, months, CLAIM_LAG) if months else []
    ends = past_trials(past.courses, PAST_YEARS)
    return [*curve_trials(past.courses, standing.day, CURVE), *ends, *lags, *past.trials]


def counted_at_end(standing: Standing, blended: Blend, denominator: int) -> tuple[Count, tuple[str, ...]]:
    """The distribution of the year-end numerator: the members' own chances, shifted to the blended rate."""
    firm = round(standing.firm * denominator / standing.denominator)
    chances = resized(chances_of(standing), denominator - firm)
    notes = []
    forecast, error = blended.rate * denominator - firm, (blended.error or 0.0) * denominator
    sure, reach = int((chances == 1).sum()), int((chances > 0).sum())
    missed = max(sure - forecast, forecast - reach, 0.0)
    if missed:
        # What is met already has shown it wrong by so much: whatever it got right in past years, it errs at least so.
        error = max(error, missed)
        notes.append("The blended rate lies outside what the members can still reach; the nearest end limits it.")
    wanted, error = within(forecast, error, sure, reach)
    if PAST_YEARS in blended.weights:
        notes.append("Neither chances nor readings of past years at this time: it ends as past years did.")
    if blended.error is None:
        notes.append("Nothing is known of the forecast's error: the interval holds chance alone and is too narrow.")
    elif not blended.tried:
        notes.append("No past year to test on: the methods' distance from each other stands for the error.")
    return count_of(firm, chances, mean=wanted, error=error), tuple(notes)


def chances_of(standing: Standing) -> Floats:
    """Each member's chance; alike for all where nobody predicted them, to be shifted to the forecast."""
    if standing.chances is not None:
        return standing.chances
    return np.full(standing.denominator - standing.firm, 0.5)


def resized(chances: Floats, people: int) -> Floats:
    """As many chances as there will be people, spread alike: newcomers and leavers are like those there are."""
    if people == len(chances) or not len(chances):
        return chances[:people]
    ordered = np.sort(chances)
    return ordered[((np.arange(people) + 0.5) * len(chances) / people).astype(np.int64)]


def closable(standing: Standing) -> int:
    """Unmet members who can still close: as given, else those whose chance is not nil."""
    if standing.closable is not None:
        return standing.closable
    unmet = standing.denominator - standing.met
    return unmet if standing.chances is None else min(int((standing.chances > 0).sum()), unmet)
