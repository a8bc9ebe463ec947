"""Cut points from all contracts' scores: outer fences, resampled hierarchical clustering, guardrails.

Source: CMS Medicare 2026 Part C & D Star Ratings Technical Notes (TN26), p. 9 to 10 and Attachment K; 42 CFR
422.166(a)(2). CMS draws the ten groups with SAS's generator and includes contracts that are not in the public
tables, so a public recomputation comes close, not equal; how close is reported, never hidden.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from math import floor

from hedis.engine.rating_year import CutPoints, Guardrails, Measure, Method

FOLDS = 10
STARS = 5
OUTER_FENCE = 3


class TooFewScores(ValueError):
    """Too few distinct scores to cluster."""


@dataclass(frozen=True)
class Fences:
    """The outer fences: scores beyond are left out."""

    lower: Decimal
    upper: Decimal


@dataclass(frozen=True)
class Cluster:
    """Scores next to each other: how many, their sum, the lowest and the highest."""

    count: int
    total: Decimal
    low: Decimal
    high: Decimal

    def joined(self, other: "Cluster") -> "Cluster":
        return Cluster(self.count + other.count, self.total + other.total, self.low, other.high)

    def cost(self, other: "Cluster") -> Fraction:
        """Ward's increase of the sum of squares when the two are joined: n·m/(n + m) times squared distance."""
        difference = Fraction(self.total) / self.count - Fraction(other.total) / other.count
        return Fraction(self.count * other.count, self.count + other.count) * difference * difference


def percentile(scores: Sequence[Decimal], share: int) -> Decimal:
    """SAS's default percentile (PCTLDEF=5: empirical distribution with averaging). `scores` in order."""
    position = Fraction(len(scores) * share, 100)
    whole = floor(position)
    if position == whole:
        return (scores[max(whole - 1, 0)] + scores[min(whole, len(scores) - 1)]) / 2
    return scores[whole]


def outer_fences(scores: Sequence[Decimal], measure: Measure) -> Fences:
    """Q1 - 3·IQR to Q3 + 3·IQR, clipped to the measure's scale (Tukey)."""
    ordered = sorted(scores)
    if not ordered:
        raise TooFewScores(f"{measure.id}: no scores")
    first, third = percentile(ordered, 25), percentile(ordered, 75)
    reach = OUTER_FENCE * (third - first)
    lower, upper = first - reach, third + reach
    if measure.scale_low is not None:
        lower = max(lower, measure.scale_low)
    if measure.scale_high is not None:
        upper = min(upper, measure.scale_high)
    return Fences(lower, upper)


def ward(scores: Sequence[Decimal], wanted: int) -> list[Cluster]:
    """Ward's hierarchical clustering of single numbers, cut to `wanted` clusters, in order.

    Of numbers the cheapest join is always between neighbours, so only neighbours are looked at; of equal costs the
    lowest pair is joined. Raises TooFewScores for fewer distinct scores than clusters.
    """
    counts: dict[Decimal, int] = {}
    for score in scores:
        counts[score] = counts.get(score, 0) + 1
    clusters = [Cluster(count, score * count, score, score) for score, count in sorted(counts.items())]
    if len(clusters) < wanted:
        raise TooFewScores(f"{len(clusters)} distinct scores for {wanted} clusters")
    costs = [left.cost(right) for left, right in pairwise(clusters)]
    while len(clusters) > wanted:
        at = min(range(len(costs)), key=costs.__getitem__)
        clusters[at : at + 2] = [clusters[at].joined(clusters[at + 1])]
        del costs[at]
        for side in (at - 1, at):
            if 0 <= side < len(costs):
                costs[side] = clusters[side].cost(clusters[side + 1])
    return clusters


def boundaries(scores: Sequence[Decimal], measure: Measure) -> list[Decimal]:
    """The four cut points of one clustering, from 2 to 5 stars.

    Fewer distinct scores than stars make fewer clusters: the best is five stars, and the cut points left over lie at
    the worst end of the scale (as TN26 Table K-4 has it for D07). Improvement scores are clustered apart: below zero
    two clusters (1 and 2 stars), from zero on three, and three stars begin at zero. Raises TooFewScores.
    """
    if measure.method is Method.IMPROVEMENT:
        below = ward([score for score in scores if score < 0], 2)
        above = ward([score for score in scores if score >= 0], 3)
        return [below[1].low, Decimal(0), above[1].low, above[2].low]
    clusters = ward(scores, min(STARS, len(set(scores))))
    edges = [one.high for one in reversed(clusters)] if measure.lower_is_better else [one.low for one in clusters]
    if len(clusters) == STARS:
        return edges[1:]
    worst = measure.scale_high if measure.lower_is_better else measure.scale_low
    if worst is None:
        raise TooFewScores(f"{measure.id}: {len(clusters)} distinct scores for {STARS} stars")
    return [worst] * (STARS - 1 - len(edges)) + edges


def folds(count: int, seed: int) -> list[int]:
    """The group 0 to 9 of each score, groups of equal size, the same for the same seed on every machine."""
    order = sorted(range(count), key=lambda index: hashlib.sha256(f"{seed}:{index}".encode()).digest())
    groups = [0] * count
    for place, index in enumerate(order):
        groups[index] = place % FOLDS
    return groups


def resampled(scores: Sequence[Decimal], measure: Measure, *, seed: int) -> CutPoints:
    """Mean of the cut points of ten clusterings that each leave one tenth out, half up to the display precision.

    `scores` are displayed scores inside the fences. Raises TooFewScores.
    """
    ordered = sorted(scores)
    groups = folds(len(ordered), seed)
    runs = [
        boundaries([score for score, group in zip(ordered, groups, strict=True) if group != left_out], measure)
        for left_out in range(FOLDS)
    ]
    means = [Fraction(sum(run[index] for run in runs)) / FOLDS for index in range(STARS - 1)]
    return CutPoints(*(to_step(mean, measure.precision) for mean in means))


def to_step(value: Fraction, step: Decimal) -> Decimal:
    """Rounded half up to a multiple of the step."""
    return floor(value / Fraction(step) + Fraction(1, 2)) * step


def guarded(cuts: CutPoints, before: CutPoints | None, cap: Decimal | None) -> CutPoints:
    """Cut points moved no further than the cap from last year's final ones; no cap or no last year, no guardrail."""
    if before is None or cap is None:
        return cuts
    return CutPoints(*(min(max(cut, old - cap), old + cap) for cut, old in zip(cuts, before, strict=True)))


def guardrail(measure: Measure, rules: Guardrails, restricted_range: Decimal | None) -> Decimal | None:
    """How far a cut point may move: five points on a 0 to 100 scale, else five percent of last year's range.

    None: no guardrail, for improvement measures, for measures new within three years, and where the range is not
    known. `restricted_range` is last year's range of scores without outliers.
    """
    if measure.method is not Method.CLUSTERING or measure.id in rules.free:
        return None
    if measure.scale_low == 0 and measure.scale_high == 100:
        return rules.points
    if restricted_range is None:
        return None
    return to_step(Fraction(restricted_range * rules.range_percent) / 100, measure.precision)
