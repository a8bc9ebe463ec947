"""Measure stars to summary and overall ratings, exactly as CMS computes them, with every intermediate kept.

Source of the method: CMS Medicare 2026 Part C & D Star Ratings Technical Notes (TN26), p. 11 to 24 and Attachment H;
42 CFR 422.166 and 423.186. All arithmetic is on exact fractions: dozens of contracts a year lie within 0.02 of a
rounding boundary, where a binary float would decide by accident. Figures are rounded half up to six places before
they are compared, as CMS's are.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from math import floor

from hedis.engine.rating_year import Disaster, Measure, Part, RatedAs, StarYear, column

SIX_PLACES = 10**6


class Rule(StrEnum):
    """Which rule chose the scenario that counts: codes kept with the rating and explained on its page."""

    SUMMARY_INCLUDES_IMPROVEMENT = "summary_includes_improvement"
    IMPROVEMENT_COUNTS = "improvement_counts"
    IMPROVEMENT_HOLD_HARMLESS = "improvement_hold_harmless"
    NEW_MEASURE_HOLD_HARMLESS = "new_measure_hold_harmless"


class NotRated(StrEnum):
    """Why a contract has no rating."""

    TOO_FEW_MEASURES = "too_few_measures"
    NO_MEASURES = "no_measures"
    NO_SUMMARIES = "summaries_missing"


@dataclass(frozen=True)
class Contract:
    """What the rating of a contract takes.

    `stars` are measure stars 1 to 5 by measure id. `kind` names the row of the minimum counts (such as `ccp_no_snp`);
    None leaves the counts unchecked, for contracts whose kind is not public. `cai_categories` are final adjustment
    categories by column (`part_c`, `part_d_mapd`, `part_d_pdp`, `overall`); a missing one means no adjustment.
    `disaster_shares` are percent of enrolment in FEMA Individual Assistance areas.
    """

    number: str
    rated_as: RatedAs
    stars: Mapping[str, int]
    kind: str | None = None
    cai_categories: Mapping[str, int] = field(default_factory=dict)
    puerto_rico_only: bool = False
    disaster_shares: Mapping[Disaster, Decimal] = field(default_factory=dict)


@dataclass(frozen=True)
class Scenario:
    """One way to compute a rating: with or without the improvement measures, with or without the new measures.

    mean, variance, cai and final are rounded to six places. variance is None with fewer than two measures.
    """

    improvement: bool
    new_measures: bool
    measures: tuple[str, ...]
    weight: int
    mean: Decimal
    variance: Decimal | None
    mean_class: str
    variance_class: str
    reward: Decimal
    cai: Decimal
    final: Decimal
    star: Decimal


@dataclass(frozen=True)
class Rating:
    """A summary or overall rating and why. `star` is None where the contract is not rated; `reason` says why.

    `used` is the scenario that counts even where too few measures keep the contract unrated.
    """

    part: Part
    star: Decimal | None
    reason: NotRated | None
    used: Scenario | None
    rule: Rule | None
    scenarios: tuple[Scenario, ...]
    cai_category: int | None
    rated_measures: int
    minimum: int | None
    left_out: Mapping[str, str]


@dataclass(frozen=True)
class ContractRating:
    """All ratings of a contract."""

    number: str
    rated_as: RatedAs
    ratings: Mapping[Part, Rating]

    @property
    def highest(self) -> Rating:
        """The rating the contract is known by."""
        return self.ratings[self.rated_as.highest]

    @property
    def high_performing(self) -> bool:
        """CMS's icon: five stars on the highest rating (TN26 p. 24)."""
        return self.highest.star == 5


def rate(contract: Contract, year: StarYear) -> ContractRating:
    """All ratings a contract of its type can get.

    Raises NotInThisYear for a measure id, CAI category or threshold the year does not know, ValueError for a star
    that is not 1 to 5.
    """
    for measure_id, star in contract.stars.items():
        year.measure(measure_id)
        if star not in (1, 2, 3, 4, 5):
            raise ValueError(f"contract {contract.number}, measure {measure_id}: {star!r} is not a star of 1 to 5")
    ratings = {part: rate_part(contract, part, year) for part in contract.rated_as.parts}
    overall = ratings.get(Part.OVERALL)
    if overall and overall.star is not None and (ratings[Part.C].star is None or ratings[Part.D].star is None):
        ratings[Part.OVERALL] = without_star(overall, NotRated.NO_SUMMARIES)
    return ContractRating(contract.number, contract.rated_as, ratings)


def rate_part(contract: Contract, part: Part, year: StarYear) -> Rating:
    """One rating: every scenario, the one that counts, and the rule that chose it."""
    counted, left_out = counted_measures(contract, part, year)
    category = contract.cai_categories.get(column(part, contract.rated_as))
    choices = scenarios(contract, part, counted, category, year)
    used, rule = choose(choices, contract, part, year)
    rated = sum(1 for measure in counted if not is_improvement(measure))
    minimum = year.minimums.get((part.value, contract.kind)) if contract.kind else None
    rating = Rating(
        part, used.star if used else None, None if used else NotRated.NO_MEASURES, used, rule, choices, category, rated,
        minimum, left_out,
    )  # fmt: skip
    if used and minimum is not None and rated < minimum:
        return without_star(rating, NotRated.TOO_FEW_MEASURES)
    return rating


def without_star(rating: Rating, reason: NotRated) -> Rating:
    """The same figures, not rated."""
    return replace(rating, star=None, reason=reason)


def counted_measures(contract: Contract, part: Part, year: StarYear) -> tuple[list[Measure], dict[str, str]]:
    """The measures with a star that belong to the rating, in the order of their ids, and those left out with why.

    The overall rating takes one copy of complaints and of members leaving, which Parts C and D share (TN26 p. 12).
    """
    counted, left_out = [], {}
    for measure_id in sorted(contract.stars):
        measure = year.measures[measure_id]
        if part is not Part.OVERALL and measure.part is not part:
            continue
        if part is Part.OVERALL and measure.duplicate_of in contract.stars:
            left_out[measure_id] = f"same data as {measure.duplicate_of}"
        else:
            counted.append(measure)
    return counted, left_out


def is_improvement(measure: Measure) -> bool:
    return measure.category == "improvement"


def weight_of(measure: Measure, contract: Contract) -> int:
    """The measure's weight; adherence weighs nothing for contracts that serve Puerto Rico only (TN26 p. 12)."""
    return 0 if measure.puerto_rico_zero and contract.puerto_rico_only else measure.weight


def scenarios(
    contract: Contract, part: Part, counted: list[Measure], category: int | None, year: StarYear
) -> tuple[Scenario, ...]:
    """Every scenario CMS computes: improvement in and out, and both without the new measures where that may help."""
    with_new = (True, False) if may_leave_out_new_measures(contract, counted, year) else (True,)
    found = (
        scenario(contract, part, counted, category, improvement, new_measures, year)
        for new_measures in with_new
        for improvement in (True, False)
    )
    return tuple(one for one in found if one)


def may_leave_out_new_measures(contract: Contract, counted: list[Measure], year: StarYear) -> bool:
    """New-measure hold harmless: a new measure is in the rating and its disaster year hit the contract (TN26 p. 8)."""
    return any(
        contract.disaster_shares.get(measure.disaster, Decimal(0)) >= year.disaster_share
        for measure in counted
        if measure.new and measure.disaster is not Disaster.NEVER
    )


def scenario(
    contract: Contract,
    part: Part,
    counted: Iterable[Measure],
    category: int | None,
    improvement: bool,
    new_measures: bool,
    year: StarYear,
) -> Scenario | None:
    """One scenario, or None where it leaves no measure."""
    chosen = [
        (measure.id, weight_of(measure, contract), contract.stars[measure.id])
        for measure in counted
        if (improvement or not is_improvement(measure)) and (new_measures or not measure.new)
    ]
    chosen = [one for one in chosen if one[1] > 0]
    if not chosen:
        return None
    which = column(part, contract.rated_as)
    pairs = [(weight, star) for _, weight, star in chosen]
    exact_mean = weighted_mean(pairs)
    exact_variance = weighted_variance(pairs)
    mean = six_places(exact_mean)
    variance = None if exact_variance is None else six_places(exact_variance)
    limits = year.reward_thresholds(which, improvement, new_measures)
    mean_class = classify(mean, limits.mean_65, limits.mean_85, ("other", "relatively_high", "high"))
    variance_class = (
        classify(variance, limits.variance_30, limits.variance_70, ("low", "medium", "high"))
        if variance is not None
        else "undefined"
    )
    reward = year.reward.get((mean_class, variance_class), Decimal(0))
    cai = Decimal(0) if category is None else year.cai(which, category)
    final = six_places(exact_mean + Fraction(reward) + Fraction(cai))
    return Scenario(
        improvement, new_measures, tuple(name for name, _, _ in chosen), sum(weight for weight, _ in pairs), mean,
        variance, mean_class, variance_class, reward, cai, final, half_star(final, year.highest_star),
    )  # fmt: skip


def weighted_mean(pairs: Iterable[tuple[int, int]]) -> Fraction:
    """Mean of stars by weight (TN26 Attachment H). `pairs` are (weight, star), at least one with weight."""
    pairs = list(pairs)
    return Fraction(sum(weight * star for weight, star in pairs), sum(weight for weight, _ in pairs))


def weighted_variance(pairs: Iterable[tuple[int, int]]) -> Fraction | None:
    """Sample-style weighted variance n·Σw(x − mean)² / (W·(n − 1)) (TN26 Attachment H); None for n < 2."""
    pairs = list(pairs)
    count, total = len(pairs), sum(weight for weight, _ in pairs)
    if count < 2:
        return None
    first = sum(weight * star for weight, star in pairs)
    second = sum(weight * star * star for weight, star in pairs)
    return Fraction(count * (total * second - first * first), total * total * (count - 1))


def classify(value: Decimal, lower: Decimal, upper: Decimal, names: tuple[str, str, str]) -> str:
    """Below the lower threshold, from it on, from the upper one on."""
    return names[(value >= lower) + (value >= upper)]


def choose(
    choices: tuple[Scenario, ...], contract: Contract, part: Part, year: StarYear
) -> tuple[Scenario | None, Rule | None]:
    """The scenario that counts and the rule that chose it (TN26 p. 8, 13, 14)."""
    with_new = choose_improvement([one for one in choices if one.new_measures], contract, part, year)
    without_new = choose_improvement([one for one in choices if not one.new_measures], contract, part, year)
    if with_new[0] is None or (without_new[0] is not None and without_new[0].final > with_new[0].final):
        return without_new[0], Rule.NEW_MEASURE_HOLD_HARMLESS if without_new[0] else None
    return with_new


def choose_improvement(
    choices: list[Scenario], contract: Contract, part: Part, year: StarYear
) -> tuple[Scenario | None, Rule | None]:
    """With the improvement measures, unless the hold harmless lets a good contract leave them out.

    A contract whose only measures are improvement measures has no scenario without them, and the reverse.
    """
    by_improvement = {one.improvement: one for one in choices}
    including, without = by_improvement.get(True), by_improvement.get(False)
    if including is None:
        return without, Rule.IMPROVEMENT_COUNTS if without else None
    if not is_held_harmless(contract, part):
        return including, Rule.SUMMARY_INCLUDES_IMPROVEMENT
    if without and is_good_without(without, year) and without.final > including.final:
        return without, Rule.IMPROVEMENT_HOLD_HARMLESS
    return including, Rule.IMPROVEMENT_COUNTS


def is_held_harmless(contract: Contract, part: Part) -> bool:
    """Only the highest rating of the contract's type is held harmless; a summary of an MA-PD never is."""
    return part is contract.rated_as.highest


def is_good_without(without: Scenario, year: StarYear) -> bool:
    """Four stars or more without the improvement measures. The rounded star counts, not the raw final."""
    return without.star >= year.hold_harmless_star


def half_star(final: Decimal, highest: Decimal) -> Decimal:
    """Nearest half star, quarters up, never above the highest star (TN26 Table 22)."""
    return min(Decimal(floor(2 * final + Decimal("0.5"))) / 2, highest)


def six_places(value: Fraction) -> Decimal:
    """Rounded half up to six decimal places."""
    return Decimal(floor(value * SIX_PLACES + Fraction(1, 2))).scaleb(-6)


def low_performing(summaries: Iterable[tuple[Decimal | None, Decimal | None]]) -> bool:
    """CMS's icon: a Part C or Part D summary of 2.5 or less in each of three consecutive years (TN26 p. 24).

    `summaries` are the (Part C, Part D) summaries of the three years; a year without a rating breaks the row.
    """
    years = list(summaries)
    limit = Decimal("2.5")
    return len(years) == 3 and all(any(star is not None and star <= limit for star in one) for one in years)
