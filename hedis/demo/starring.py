"""The demo plan's Star ratings: what gaps do not give is invented, called so, and entered like anybody's scores."""

import random
from collections.abc import Iterator
from datetime import date
from decimal import ROUND_HALF_UP, Decimal

from hedis.engine.rating_year import Measure, Method, Part, column_type
from hedis.measures.definitions import DEFINITIONS
from hedis.members.models import Contract
from hedis.stars import rating, scores, snapshots
from hedis.stars.standing import Standing, standing_of

SOURCE = "invented for the demo plan"
# Where a contract's scores lie between the cut points of two stars (0) and of five (1); chosen for the demo.
LEVELS = {"H1001": 0.62, "H2002": 0.80, "H3003": 0.50}
SPREAD = 0.22


def rate_plan(*, as_of: date, seed: int, by: str) -> None:
    """Enter scores, rate every contract for the year that ended and the one that runs, freeze the totals."""
    for star_year in (as_of.year + 1, as_of.year + 2):
        for contract in Contract.objects.filter(number__in=LEVELS):
            standing = standing_of(contract, star_year)
            scores.keep(list(invented(contract, standing, seed)), star_year, by=by)
            rating.rate(contract, star_year, as_of=as_of, by=by)
    snapshots.take(as_of=as_of, by=by)


def invented(contract: Contract, standing: Standing, seed: int) -> Iterator[scores.Score]:
    """A score for every measure of the contract that gaps do not give; the improvement measures are left to CMS."""
    drawn: dict[str, str] = {}
    for measure in standing.year.measures.values():
        if measure.part not in standing.rated_as.parts or measure.method is Method.IMPROVEMENT:
            continue
        # What CMS asks of this kind of contract only: a plan without special needs has no care management score.
        asked = not standing.kind or standing.kind in measure.required_of
        has_cuts = (measure.id, cut_type(measure, standing)) in standing.year.cut_points
        if measure.key in DEFINITIONS or not asked or not has_cuts:
            continue
        chance = random.Random(f"{seed} {contract.number} {measure.key}")  # noqa: S311 - repeatable, not secret
        level = min(max(chance.gauss(LEVELS[contract.number], SPREAD), 0.0), 1.1)
        score = drawn.get(measure.duplicate_of) or between_cuts(measure, standing, level)
        drawn[measure.id] = score
        yield scores.check(standing, contract, measure.id, score, SOURCE)


def cut_type(measure: Measure, standing: Standing) -> str:
    """Whose cut points a measure has: Part D's depend on the contract type."""
    return "MA" if measure.part is Part.C else column_type(standing.rated_as)


def between_cuts(measure: Measure, standing: Standing, level: float) -> str:
    """The score at `level` of the way from the two-star to the five-star cut point, in the measure's precision."""
    cuts = standing.year.cuts(measure.id, standing.rated_as)
    score = cuts.two + (cuts.five - cuts.two) * Decimal(round(level, 3))
    bounded = min(max(score, measure.scale_low or Decimal(0)), measure.scale_high or score)
    return f"{bounded.quantize(measure.precision, ROUND_HALF_UP):f}"
