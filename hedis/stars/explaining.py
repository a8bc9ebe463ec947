"""A rating and why, ready for JSON: the one shape that pages, stored ratings and the API show.

Decimals are strings, so nothing is lost on the way: stars with one place, everything else as the engine has it. Codes
(`rule`, `reason`, `mean_class`) stand beside the sentence a person reads.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any

from hedis.engine.rating import Contract, ContractRating, NotRated, Rating, Rule, Scenario, six_places
from hedis.engine.rating_scores import MeasureStar, domain_star
from hedis.engine.rating_year import Measure, Method, NotInThisYear, Part, RatedAs, StarYear, column

PART_NAMES = {Part.C: "Part C summary", Part.D: "Part D summary", Part.OVERALL: "Overall"}

RULES = {
    Rule.SUMMARY_INCLUDES_IMPROVEMENT: "This rating always includes the improvement measures: the hold harmless holds "
    "only for the highest rating of the contract's type.",
    Rule.IMPROVEMENT_COUNTS: "The improvement measures are included where there are any: without them the contract "
    "would not have both four stars or more and a higher result.",
    Rule.IMPROVEMENT_HOLD_HARMLESS: "Improvement hold harmless: without the improvement measures the contract has four "
    "stars or more and a higher result, so they are left out.",
    Rule.NEW_MEASURE_HOLD_HARMLESS: "New measure hold harmless: a disaster hit the contract and the result without "
    "the new measures is higher, so they are left out.",
}
REASONS = {
    NotRated.TOO_FEW_MEASURES: "Not enough measures with a star.",
    NotRated.NO_MEASURES: "No measure has a star.",
    NotRated.NO_SUMMARIES: "The overall rating needs both the Part C and the Part D summary.",
}
STAR_RULES = {
    "cut_points": "The score as displayed meets the cut points.",
    "data_integrity": "CMS found the data biased, erroneous or not reported: one star whatever the score.",
    "prior_year_disaster": "A disaster hit the contract: last year's star and score were better and stay.",
    "cahps": "Survey measure: the cut points give the base group, significance and reliability move it.",
    "improvement": "From the significant changes of the other measures' scores between two years.",
    "given": "The star was given, without a score.",
    "unexplained": "The star is not the one the score earns, and no rule in public data explains it.",
    "none": "No star.",
}


def explain(
    rating: ContractRating, contract: Contract, year: StarYear, *, scores: Mapping[str, MeasureStar] | None = None
) -> dict[str, Any]:
    """Everything a page or the API shows of a contract's rating, with decimals as strings.

    `contract` is what was rated and `year` the Star year whose method was used. `scores` say by measure id which score
    gave a star and by which rule; a measure without one has its star only. Raises NotInThisYear as the engine does.
    """
    scores = scores or {}
    parts = tuple(part for part in contract.rated_as.parts if part is not Part.OVERALL)
    measures = [year.measures[name] for name in sorted(year.measures) if year.measures[name].part in parts]
    return {
        "contract": contract.number,
        "rated_as": contract.rated_as.value,
        "star_year": year.year,
        "method": {"star_year": year.year, "status": year.status},
        "highest": contract.rated_as.highest.value,
        "icons": {"high_performing": rating.high_performing},
        "puerto_rico_only": contract.puerto_rico_only,
        "disaster_shares": {key.value: plain(share) for key, share in contract.disaster_shares.items()},
        "contract_kind": contract.kind,
        "measures": [explain_measure(one, contract, year, scores.get(one.id)) for one in measures],
        "domains": explain_domains(measures, contract, year),
        "ratings": {part.value: explain_rating(one, contract.rated_as, year) for part, one in rating.ratings.items()},
    }


def explain_measure(measure: Measure, contract: Contract, year: StarYear, found: MeasureStar | None) -> dict[str, Any]:
    """One measure: what it is, its score, its cut points, its star and the rule that gave it."""
    star = contract.stars.get(measure.id)
    rule = star_rule(measure, star, found)
    return {
        "id": measure.id,
        "key": measure.key,
        "name": measure.name,
        "part": measure.part.value,
        "domain_id": measure.domain_id,
        "domain": measure.domain,
        "category": measure.category,
        "weight": 0 if measure.puerto_rico_zero and contract.puerto_rico_only else measure.weight,
        "direction": "lower" if measure.lower_is_better else "higher",
        "method": measure.method.value,
        "unit": measure.unit,
        "precision": plain(measure.precision),
        "scale": {"low": plain(measure.scale_low), "high": plain(measure.scale_high)},
        "new": measure.new,
        "score": plain(found.score) if found else None,
        "shown_score": plain(found.displayed) if found else None,
        "cut_points": explain_cut_points(measure, contract.rated_as, year),
        "by_cut_points": found.by_cut_points if found else None,
        "star": star,
        "rule": rule,
        "rule_in_words": STAR_RULES[rule],
    }


def star_rule(measure: Measure, star: int | None, found: MeasureStar | None) -> str:
    """Why a measure has its star, as a key of STAR_RULES."""
    if star is None:
        return "none"
    if found:
        return found.rule
    return "improvement" if measure.method is Method.IMPROVEMENT else "given"


def explain_cut_points(measure: Measure, rated_as: RatedAs, year: StarYear) -> dict[str, str | None] | None:
    """The cut points by name; None where the year has none, as 2027 has none for PDP contracts yet."""
    try:
        cuts = year.cuts(measure.id, rated_as)
    except NotInThisYear:
        return None
    return {name: plain(value) for name, value in zip(("two", "three", "four", "five"), cuts, strict=True)}


def explain_domains(measures: Iterable[Measure], contract: Contract, year: StarYear) -> list[dict[str, Any]]:
    """Domain stars in CMS's order. A domain of too few measures with a star has none (TN26 Table 5)."""
    by_domain: dict[str, list[Measure]] = {}
    for measure in measures:
        by_domain.setdefault(measure.domain_id, []).append(measure)
    found = []
    for domain_id, inside in sorted(by_domain.items(), key=lambda item: (item[1][0].part, item[0])):
        stars = [contract.stars[one.id] for one in inside if one.id in contract.stars]
        minimum = year.minimums.get((domain_id, contract.kind)) if contract.kind else None
        enough = minimum is None or len(stars) >= minimum
        found.append(
            {
                "id": domain_id,
                "name": inside[0].domain,
                "part": inside[0].part.value,
                "star": domain_star(stars) if enough else None,
                "mean": plain(six_places(Fraction(sum(stars), len(stars)))) if stars else None,
                "rated_measures": len(stars),
                "minimum": minimum,
                "measures": [one.id for one in inside],
            }
        )
    return found


def explain_rating(one: Rating, rated_as: RatedAs, year: StarYear) -> dict[str, Any]:
    """A summary or overall rating: the figures that count, every scenario, and the rule that chose."""
    used = one.used
    return {
        "name": PART_NAMES[one.part],
        "star": star_text(one.star),
        "reason": one.reason.value if one.reason else None,
        "reason_in_words": REASONS[one.reason] if one.reason else "",
        "final": plain(used.final) if used else None,
        "mean": plain(used.mean) if used else None,
        "mean_class": used.mean_class if used else None,
        "variance": plain(used.variance) if used else None,
        "variance_class": used.variance_class if used else None,
        "reward": plain(used.reward) if used else None,
        "cai": plain(used.cai) if used else None,
        "cai_category": one.cai_category,
        "rule": one.rule.value if one.rule else None,
        "rule_in_words": RULES[one.rule] if one.rule else "",
        "rated_measures": one.rated_measures,
        "minimum": one.minimum,
        "left_out": dict(one.left_out),
        "scenarios": [
            {**explain_scenario(each, column(one.part, rated_as), year), "used": each == used} for each in one.scenarios
        ],
    }


def explain_scenario(one: Scenario, which: str, year: StarYear) -> dict[str, Any]:
    """One way to compute the rating, with the thresholds its mean and variance met. `which`: CMS's column."""
    limits = year.reward_thresholds(which, one.improvement, one.new_measures)
    return {
        "improvement": one.improvement,
        "new_measures": one.new_measures,
        "measures": list(one.measures),
        "weight": one.weight,
        "mean": plain(one.mean),
        "mean_class": one.mean_class,
        "variance": plain(one.variance),
        "variance_class": one.variance_class,
        "thresholds": {name: plain(value) for name, value in vars(limits).items()},
        "reward": plain(one.reward),
        "cai": plain(one.cai),
        "final": plain(one.final),
        "star": star_text(one.star),
    }


def plain(value: Decimal | None) -> str | None:
    """A decimal as people write it, never with an exponent."""
    return None if value is None else f"{value:f}"


def star_text(star: Decimal | None) -> str | None:
    """A rating with one place, as CMS prints it: 4.0."""
    return None if star is None else f"{star:.1f}"
