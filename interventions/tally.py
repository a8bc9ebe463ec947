"""What a plan adds up to, and whether it keeps every promise however its doubles are added.

Sums of doubles depend on their order. A plan counts as within a limit only where the sums in the order of the file, in
pairs, and without rounding all say so; as over a cut also where only the last digits are missing.
"""

import math
from dataclasses import dataclass

import numpy as np

from interventions.candidates import Candidates
from interventions.problem import Floats, Integers, Problem

# Ten times 0.1 from 23 up is less than 24 in doubles: so much of a numerator is no difference.
LAST_DIGITS = 1e-12


@dataclass(frozen=True)
class Tally:
    """The least numerator of each measure, closures of each floor; the most units of each resource and dollars."""

    numerators: list[float]
    floors: list[float]
    uses: list[float]
    spend: float
    stars: list[int]


def tally(problem: Problem, candidates: Candidates, rows: Integers) -> Tally:
    """Add up the plan that takes these rows of the file."""
    rows = np.sort(rows)
    uplifts, uses = candidates.uplifts[rows].toarray(), candidates.uses[rows].toarray()
    numerators = [
        min(with_base(measure.firm, measure.baseline_mean, uplifts[:, place]))
        for place, measure in enumerate(problem.measures)
    ]
    floors = []
    for floor in problem.floors:
        inside = candidates.groups[floor.group][rows]
        floors.append(min(sums(uplifts[inside, floor.measure])))
    return Tally(
        numerators=numerators,
        floors=floors,
        uses=[max(sums(uses[:, place])) for place in range(len(problem.resources))],
        spend=max(sums(candidates.cost[rows])),
        stars=stars_of(problem, numerators),
    )


def sums(values: Floats) -> tuple[float, float, float]:
    """One after the other, in pairs, and exactly."""
    in_order = float(np.cumsum(values)[-1]) if len(values) else 0.0
    return in_order, float(values.sum()), math.fsum(values.tolist())


def with_base(firm: float, mean: float, uplifts: Floats) -> tuple[float, ...]:
    """The numerator, the uplifts being added to the base together or one after the other."""
    base = firm + mean
    after = float(np.cumsum(np.concatenate([[base], uplifts]))[-1])
    return (after, *(base + total for total in sums(uplifts)))


def stars_of(problem: Problem, numerators: list[float], *, digits: float = LAST_DIGITS) -> list[int]:
    """The stars these expected numerators earn: those held without action, or more where a threshold is met."""
    return [
        max([one.held, *(star for star, least in one.thresholds(problem.confidence_z) if had * (1 + digits) >= least)])
        for one, had in zip(problem.measures, numerators, strict=True)
    ]


def hangs(problem: Problem, found: Tally) -> bool:
    """Whether a plan has a star only if the last digits help."""
    return stars_of(problem, found.numerators, digits=-LAST_DIGITS) != found.stars


def allowed(problem: Problem, found: Tally) -> bool:
    """Whether a plan keeps the budget, every capacity and every floor; no tolerance."""
    covered = all(had >= floor.closures for had, floor in zip(found.floors, problem.floors, strict=True))
    return within_limits(problem, found) and covered


def within_limits(problem: Problem, found: Tally) -> bool:
    """Whether a plan keeps the budget and every capacity; no tolerance."""
    within = all(used <= cap for used, cap in zip(found.uses, problem.resources.values(), strict=True))
    return found.spend <= problem.budget and within
