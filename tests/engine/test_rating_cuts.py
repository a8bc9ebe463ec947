"""Cut points from scores: percentiles, fences, clustering, folds, guardrails."""

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hedis.engine import rating_cuts as cuts
from hedis.engine.rating_cuts import Cluster, Fences, TooFewScores
from hedis.engine.rating_year import CutPoints
from hedis.stars import years
from hedis.stars.clustering import final_cuts_before, known_cap
from hedis.stars.years import star_year

YEAR = star_year(2026)
SCREENING, READMISSIONS, COMPLAINTS, IMPROVEMENT = (YEAR.measure(name) for name in ("C01", "C18", "C28", "C30"))


def decimals(*values: object) -> list[Decimal]:
    return [Decimal(str(value)) for value in values]


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [
        pytest.param((1, 2, 3, 4), 25, "1.5", id="on a score: mean with the next"),
        pytest.param((1, 2, 3, 4, 5), 25, "2", id="between: the next score"),
        pytest.param((1, 2, 3, 4), 75, "3.5", id="upper quartile"),
        pytest.param((7,), 25, "7", id="one score"),
    ],
)
def test_percentiles_are_sas_defaults(values: tuple[int, ...], share: int, expected: str) -> None:
    assert cuts.percentile(decimals(*values), share) == Decimal(expected)


def test_fences_reach_three_times_the_middle_half_and_stay_on_the_scale() -> None:
    assert cuts.outer_fences(decimals(50, 52, 54, 56), SCREENING) == Fences(Decimal(39), Decimal(67))
    assert cuts.outer_fences(decimals(40, 60, 80, 99), SCREENING) == Fences(Decimal(0), Decimal(100))
    assert cuts.outer_fences(decimals("0.1", "0.2", "0.3", "0.4"), COMPLAINTS).lower == 0
    with pytest.raises(TooFewScores):
        cuts.outer_fences([], SCREENING)


def test_clusters_are_the_obvious_ones() -> None:
    scores = decimals(10, 11, 12, 40, 41, 60, 61, 62, 80, 95, 96)
    assert [(one.low, one.high) for one in cuts.ward(scores, 5)] == [(10, 12), (40, 41), (60, 62), (80, 80), (95, 96)]


def brute_force(scores: list[Decimal], wanted: int) -> list[tuple[Decimal, Decimal]]:
    """Ward over all pairs of single scores, not only neighbours; ties by the lowest pair."""
    clusters = [[score] for score in sorted(scores)]

    def cost(one: list[Decimal], other: list[Decimal]) -> Fraction:
        gap = Fraction(sum(one)) / len(one) - Fraction(sum(other)) / len(other)
        return Fraction(len(one) * len(other), len(one) + len(other)) * gap**2

    while len(clusters) > wanted:
        pairs = [
            (cost(clusters[i], clusters[j]), i, j) for i in range(len(clusters)) for j in range(i + 1, len(clusters))
        ]
        _, i, j = min(pairs)
        clusters[i] += clusters.pop(j)
        clusters.sort(key=min)
    return [(min(one), max(one)) for one in clusters]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 100_000), min_size=6, max_size=14, unique=True))
def test_looking_at_neighbours_alone_finds_what_all_pairs_find(values: list[int]) -> None:
    scores = decimals(*values)
    assert [(one.low, one.high) for one in cuts.ward(scores, 5)] == brute_force(scores, 5)


def test_joining_costs_the_increase_of_the_sum_of_squares() -> None:
    one, other = Cluster(2, Decimal(20), Decimal(9), Decimal(11)), Cluster(1, Decimal(16), Decimal(16), Decimal(16))
    assert one.cost(other) == Fraction(2, 3) * 36


def test_cut_points_lie_on_the_better_side_of_each_cluster() -> None:
    scores = decimals(3, 4, 10, 11, 20, 21, 30, 31, 40, 41)
    assert cuts.boundaries(scores, SCREENING) == decimals(10, 20, 30, 40)
    assert cuts.boundaries(scores, READMISSIONS) == decimals(31, 21, 11, 4)


def test_improvement_is_clustered_apart_below_and_above_zero() -> None:
    scores = decimals(-0.9, -0.8, -0.1, 0, 0.05, 0.4, 0.45, 0.9)
    assert cuts.boundaries(scores, IMPROVEMENT) == decimals("-0.1", 0, "0.4", "0.9")


def test_few_distinct_scores_fill_the_stars_from_the_top() -> None:
    assert cuts.boundaries(decimals(99, 99, 99), SCREENING) == decimals(0, 0, 0, 99)
    assert cuts.boundaries(decimals(1, 2, 2, 3), READMISSIONS) == decimals(100, 3, 2, 1)
    with pytest.raises(TooFewScores):
        cuts.boundaries(decimals("0.1", "0.2"), COMPLAINTS)


def test_folds_are_equal_reproducible_and_differ_by_seed() -> None:
    groups = cuts.folds(95, 1)
    assert sorted(groups.count(group) for group in range(10)) == [9] * 5 + [10] * 5
    assert groups == cuts.folds(95, 1)
    assert groups != cuts.folds(95, 2)


def test_resampling_averages_ten_clusterings_to_the_display_step() -> None:
    scores = [Decimal(value) for value in (20, 40, 60, 80, 95) for _ in range(10)]
    assert list(cuts.resampled(scores, SCREENING, seed=1)) == decimals(40, 60, 80, 95)


@pytest.mark.parametrize(
    ("cut", "before", "cap", "expected"),
    [("76", "70", "5", "75"), ("75", "70", "5", "75"), ("60", "70", "5", "65"), ("76", "70", None, "76")],
)
def test_a_cut_point_moves_no_further_than_the_cap(cut: str, before: str, cap: str | None, expected: str) -> None:
    now, old = CutPoints(*decimals(cut, cut, cut, cut)), CutPoints(*decimals(before, before, before, before))
    assert list(cuts.guarded(now, old, None if cap is None else Decimal(cap))) == decimals(*[expected] * 4)
    assert cuts.guarded(now, None, Decimal(5)) == now


def test_the_cap_is_five_points_or_five_percent_of_the_range_or_none() -> None:
    rules = YEAR.guardrails
    assert cuts.guardrail(SCREENING, rules, None) == 5
    assert cuts.guardrail(COMPLAINTS, rules, Decimal("1.04")) == Decimal("0.05")
    assert cuts.guardrail(COMPLAINTS, rules, None) is None
    assert cuts.guardrail(IMPROVEMENT, rules, Decimal(2)) is None
    assert cuts.guardrail(replace(SCREENING, id="C13"), rules, None) is None


def test_all_published_cut_points_of_2026_follow_from_cms_thresholds_last_years_finals_and_the_guardrails() -> None:
    checked = 0
    for row in years.rows("resampled_thresholds.csv", 2026):
        measure, contract_type = YEAR.measure(row.text("measure_id")), row.text("contract_type")
        if measure.id in ("C30", "D04"):
            continue
        cap = cuts.guardrail(measure, YEAR.guardrails, None) or known_cap(YEAR, measure, contract_type)
        found = cuts.guarded(years.cut_points(row), final_cuts_before(YEAR, measure, contract_type), cap)
        assert found == YEAR.cut_points[measure.id, contract_type], (measure.id, contract_type)
        checked += 4
    assert checked == 172
