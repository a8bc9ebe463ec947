"""Projection: hand-worked curves, lags and blends, the distribution of the year-end count, and the chance of stars."""

from dataclasses import replace
from decimal import Decimal
from itertools import pairwise, product
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hedis.engine.rating_scores import displayed, star_by_cut_points
from hedis.engine.rating_year import CutPoints
from hedis.stars.years import star_year
from interventions.blending import blend, coverage, pinball
from interventions.claim_lag import ClaimYear, by_claim_lag, completion, lag_trials
from interventions.completing import Course, Reading, Trial, by_curve, curve_trials, growth_after
from interventions.crossing import EXACT_UP_TO, Count, Part, count_of, poisson_binomial, sampled, within
from interventions.cut_counts import counts_for_stars, star_of
from interventions.projecting import CURVE, MEMBERS, Past, Standing, StarRule, project

CUTS = CutPoints(Decimal(50), Decimal(62), Decimal(71), Decimal(80))
FALLING = CutPoints(Decimal(40), Decimal(30), Decimal(20), Decimal(10))
PERCENT = star_year(2026).measure("C01")
chances_lists = st.lists(st.floats(0, 1), min_size=1, max_size=8)


def course(year: int, *rates: tuple[int, int], denominator: int = 1000) -> Course:
    """A year read on these days, each with its numerator."""
    return Course(year, tuple(Reading(day, numerator, denominator) for day, numerator in rates))


# Cut points as counts


def test_half_a_point_below_the_cut_is_enough_for_a_whole_percent() -> None:
    # 49.5, 61.5, 70.5 and 79.5 % of 1,000.
    assert counts_for_stars(1000, CUTS) == (0, 495, 615, 705, 795)


def test_an_inverse_measure_has_to_end_below_half_a_point_above_the_cut() -> None:
    # 40.5 % bad rounds up to 41 and misses the cut of 40, so at most 404 of 1,000 are bad and 596 good.
    assert counts_for_stars(1000, FALLING, lower_is_better=True) == (0, 596, 696, 796, 896)


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 400), st.data(), st.booleans())
def test_counts_agree_with_the_engine_that_rounds_and_compares(
    denominator: int, data: st.DataObject, lower_is_better: bool
) -> None:
    numerator = data.draw(st.integers(0, denominator))
    cuts = FALLING if lower_is_better else CUTS
    measure = replace(PERCENT, lower_is_better=lower_is_better)
    published = denominator - numerator if lower_is_better else numerator
    star = star_by_cut_points(displayed(Decimal(100 * published) / denominator, measure), cuts, lower_is_better)
    assert star_of(numerator, counts_for_stars(denominator, cuts, lower_is_better=lower_is_better)) == star


@pytest.mark.parametrize(
    ("denominator", "cuts", "reason"),
    [
        (0, CUTS, "denominator 0"),
        (10, [Decimal(50)], "1 cut points"),
        (10, [Decimal(50), Decimal(40), Decimal(60), Decimal(70)], "do not rise"),
    ],
)
def test_cut_points_that_are_none_are_refused(denominator: int, cuts: CutPoints, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        counts_for_stars(denominator, cuts)


# The distribution of the count


def test_the_count_of_alike_members_is_binomial() -> None:
    assert poisson_binomial(np.full(4, 0.3)) == pytest.approx([comb(4, k) * 0.3**k * 0.7 ** (4 - k) for k in range(5)])


@settings(max_examples=30, deadline=None)
@given(chances_lists)
def test_the_exact_distribution_agrees_with_every_outcome_counted_one_by_one(chances: list[float]) -> None:
    brute = np.zeros(len(chances) + 1)
    for outcome in product((0, 1), repeat=len(chances)):
        brute[sum(outcome)] += np.prod([p if hit else 1 - p for p, hit in zip(chances, outcome, strict=True)])
    found = poisson_binomial(np.array(chances))
    assert found == pytest.approx(brute, abs=1e-12)
    assert found.sum() == pytest.approx(1)


def test_the_exact_distribution_agrees_with_the_discrete_fourier_transform() -> None:
    chances = np.random.default_rng(5).random(EXACT_UP_TO)
    turns = np.exp(2j * np.pi * np.arange(EXACT_UP_TO + 1) / (EXACT_UP_TO + 1))
    by_transform = np.fft.fft(np.prod(1 - chances + chances * turns[:, None], axis=1)).real / (EXACT_UP_TO + 1)
    assert poisson_binomial(chances) == pytest.approx(by_transform, abs=1e-12)


def test_where_the_exact_one_ends_the_normal_one_says_the_same() -> None:
    chances = np.random.default_rng(6).uniform(0.1, 0.9, EXACT_UP_TO)
    exact = count_of(0, chances)
    normal = Count(0, EXACT_UP_TO, (Part(1.0, exact.parts[0].mean, exact.parts[0].variance),))
    assert exact.parts[0].exact is not None
    for wanted in range(15, 36):
        assert normal.at_least(wanted) == pytest.approx(exact.at_least(wanted), abs=0.003)


@settings(max_examples=30, deadline=None)
@given(chances_lists, st.integers(0, 5), st.floats(0, 2))
def test_chances_fall_with_the_count_and_the_odds_of_the_stars_sum_to_one(
    chances: list[float], firm: int, error: float
) -> None:
    count = count_of(firm, np.array(chances), error=error)
    tail = [count.at_least(wanted) for wanted in range(firm + len(chances) + 2)]
    assert tail[: firm + 1] == pytest.approx([1.0] * (firm + 1))
    assert tail[-1] == 0
    assert all(later <= earlier + 1e-12 for earlier, later in pairwise(tail))
    odds = count.odds(counts_for_stars(firm + len(chances), CUTS))
    assert sum(odds) == pytest.approx(1)
    assert min(odds) >= 0
    assert count.mean == pytest.approx(firm + sum(chances), abs=0.02)


@pytest.mark.parametrize("people", [40, 4000])
def test_an_error_of_the_forecast_widens_the_count_by_just_that(people: int) -> None:
    chances = np.random.default_rng(7).beta(2, 3, people)
    alone, shaken = count_of(10, chances), count_of(10, chances, mean=0.45 * people, error=0.05 * people)
    assert shaken.mean == pytest.approx(10 + 0.45 * people, rel=0.001)
    between = sum(part.weight * (part.mean - (shaken.mean - 10)) ** 2 for part in shaken.parts)
    assert between == pytest.approx((0.05 * people) ** 2, rel=0.01)
    assert shaken.quantile(0.9) - shaken.quantile(0.1) > alone.quantile(0.9) - alone.quantile(0.1)


def test_certain_members_stay_certain_whatever_the_shift() -> None:
    count = count_of(2, np.array([1.0, 0.0, 0.5, 0.5]), mean=2.5, error=0.2)
    assert (count.firm, count.people) == (3, 3)
    assert count.at_least(3) == 1
    assert count.at_least(6) == 0
    assert count.mean == pytest.approx(4.5)


@pytest.mark.parametrize("wrong", [[0.5, 1.2], [-0.1], [float("nan")]])
def test_a_chance_that_is_none_is_refused_with_the_member(wrong: list[float]) -> None:
    with pytest.raises(ValueError, match=f"of member {len(wrong)}"):
        count_of(0, np.array(wrong))


def test_a_mean_the_members_cannot_give_is_refused() -> None:
    with pytest.raises(ValueError, match="expected of 2 members"):
        count_of(0, np.array([0.2, 0.3]), mean=3.0)


def test_a_hybrid_sample_adds_its_own_spread() -> None:
    whole = count_of(600, np.full(400, 0.5))
    drawn = sampled(whole, 1000, 411)
    assert drawn.mean == pytest.approx(0.411 * 800)
    # Hypergeometric 411·0.8·0.2·589/999 = 38.77 less the members' own share, and 100 of the count scaled: 16.89.
    assert drawn.variance == pytest.approx(411 * 589 / 999 * (0.16 - 1e-4) + 0.411**2 * 100)


# Methods


def test_the_completion_curve_by_hand() -> None:
    # Half way 40 %, at the end 70 %: half of the open ones closed. Now 50 %: 75 %.
    years = [course(2023, (90, 200), (180, 400), (365, 700))]
    growth = growth_after(years[0], 180)
    assert growth is not None and growth.share == pytest.approx(0.5)
    found = by_curve(years, 180, 0.5)
    assert found is not None and found.rate == pytest.approx(0.75)
    # Between two readings the line: on day 135 30 %, so 4/7 of the open ones closed.
    between = growth_after(years[0], 135)
    assert between is not None and between.share == pytest.approx(4 / 7)


def test_three_latest_years_are_averaged_and_the_denominator_drifts_as_theirs() -> None:
    years = [
        Course(2019 + n, (Reading(180, 400, 1000), Reading(365, 400 + 60 * n, 1000 + 10 * n))) for n in range(1, 5)
    ]
    found = by_curve(years, 180, 0.4)
    assert found is not None
    assert found.years == (2021, 2022, 2023)
    assert found.rate == pytest.approx((520 / 1020 + 580 / 1030 + 640 / 1040) / 3)
    assert found.drift == pytest.approx(1.03)


def test_a_rate_that_fell_falls_again_and_never_below_zero() -> None:
    years = [course(2023, (180, 800), (365, 600))]
    found = by_curve(years, 180, 0.4)
    assert found is not None and found.rate == pytest.approx(0.3)


def test_the_curve_is_silent_where_no_year_was_read_so_early() -> None:
    assert by_curve([course(2023, (180, 400), (365, 700))], 100, 0.3) is None
    assert by_curve([], 100, 0.3) is None


def test_a_year_is_tried_only_with_years_before_it() -> None:
    years = [course(2022, (180, 400), (365, 700)), course(2023, (180, 400), (365, 640))]
    assert curve_trials(years, 180) == [Trial("curve", 2023, pytest.approx(0.7), 0.64)]


def triangle(*rows: list[float]) -> np.ndarray:
    return np.array(rows, dtype=np.float64)


NAN = float("nan")


def test_the_chain_ladder_by_hand() -> None:
    # Lag 0 to 1: (60+30)/... known at both 150/100; lag 1 to 2 on the first row alone 120/90.
    shares = completion([triangle([60, 30, 30], [40, 20, NAN], [50, NAN, NAN])])
    assert shares == pytest.approx([100 / 150 * 90 / 120, 90 / 120, 1])


def whole_year(year: int, monthly: float, lag: tuple[float, ...] = (0.5, 0.3, 0.2), people: int = 1200) -> ClaimYear:
    return ClaimYear(year, np.outer(np.full(12, monthly), lag), people)


def test_claims_on_their_way_are_added_and_the_rest_of_the_year_goes_as_before() -> None:
    past, now = whole_year(2023, 80), whole_year(2024, 60).as_known_after(6)
    found = by_claim_lag(now, [past])
    assert found is not None
    # Six months of 60 earned, of which the sixth is known by half and the fifth by eight tenths.
    assert found.known == pytest.approx(360 - 30 - 12)
    assert found.earned == pytest.approx(360)
    assert found.rate == pytest.approx(720 / 1200)


def test_the_claim_lag_is_tried_on_past_years_as_they_stood() -> None:
    years = [whole_year(2022, 80), whole_year(2023, 70)]
    (trial,) = lag_trials(years, 6)
    assert (trial.year, trial.forecast, trial.actual) == (2023, pytest.approx(0.7), pytest.approx(0.7))


def test_care_of_before_the_year_is_met_already_and_has_no_season() -> None:
    past, now = (
        whole_year(2023, 80),
        replace(whole_year(2024, 60), carried=np.array([90.0, 10.0, 0.0, 0.0, 0.0, 0.0, 5.0])),
    )
    found = by_claim_lag(now.as_known_after(6), [past])
    # The five became known in July.
    assert found is not None and found.rate == pytest.approx((100 + 720) / 1200)
    assert found.earned == pytest.approx(100 + 360)
    assert now.rate == pytest.approx((105 + 720) / 1200)


def test_a_past_year_whose_last_claims_were_not_in_is_completed_before_its_seasons_are_told() -> None:
    cut_off, now = whole_year(2023, 80).as_known_after(12), whole_year(2024, 60).as_known_after(6)
    found = by_claim_lag(now, [cut_off])
    assert found is not None and found.rate == pytest.approx(720 / 1200)


@pytest.mark.parametrize("rows", [([1, NAN, 2],), ([1, NAN], [1, 2]), ([-1, 2],)])
def test_a_table_that_is_no_triangle_is_refused(rows: tuple[list[float], ...]) -> None:
    with pytest.raises(ValueError):
        completion([triangle(*rows)])


# The blend


def test_the_better_method_of_past_years_gets_the_weight() -> None:
    trials = [Trial("curve", year, 0.6, 0.61) for year in (2022, 2023)]
    trials += [Trial("members", year, 0.7, 0.61) for year in (2022, 2023)]
    found = blend({"curve": 0.5, "members": 0.8}, trials)
    # Weights as 1/0.01² to 1/0.09²: 81 to 1.
    assert found.weights == pytest.approx({"curve": 81 / 82, "members": 1 / 82})
    assert found.rate == pytest.approx((81 * 0.5 + 0.8) / 82)
    # Two years: Student's quantile of 1.886 for the normal 1.282.
    assert found.error == pytest.approx(1.886 / 1.282 * ((81 * 0.01**2 + 0.09**2) / 82) ** 0.5)


def test_a_method_without_a_past_counts_as_one_that_misses_by_its_distance_and_no_less_than_the_worst() -> None:
    near = blend({"curve": 0.5, "members": 0.51}, [Trial("curve", 2023, 0.6, 0.62)])
    # It lies closer than the curve misses: both count alike, and its error is not said to be known.
    assert near.weights == pytest.approx({"curve": 0.5, "members": 0.5})
    assert (near.rate, list(near.errors)) == (pytest.approx(0.505), ["curve"])
    far = blend({"curve": 0.5, "members": 0.8}, [Trial("curve", 2023, 0.6, 0.62)])
    # 1/0.02² to 1/0.3²: 225 to 1.
    assert far.weights == pytest.approx({"curve": 225 / 226, "members": 1 / 226})
    assert far.error == pytest.approx(((225 * (0.02 * 3.078 / 1.282) ** 2 + 0.3**2) / 226) ** 0.5)


def test_methods_without_any_past_count_alike_and_their_distance_is_the_error() -> None:
    other = blend({"curve": 0.5, "members": 0.8}, [])
    assert (other.rate, other.tried) == (pytest.approx(0.65), False)
    assert other.error == pytest.approx(0.3 / 2**0.5)


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=2, max_size=6), st.floats(0, 1), st.floats(0, 1))
def test_the_blend_lies_between_its_methods_and_its_weights_sum_to_one(
    past: list[tuple[float, float]], one: float, other: float
) -> None:
    trials = [Trial("ab"[n % 2], 2020 + n, said, came) for n, (said, came) in enumerate(past)]
    found = blend({"a": one, "b": other}, trials)
    assert min(one, other) - 1e-9 <= found.rate <= max(one, other) + 1e-9
    assert sum(found.weights.values()) == pytest.approx(1)


def test_the_true_quantile_has_the_lowest_pinball_loss_and_coverage_is_a_share() -> None:
    outcomes = np.arange(1, 101) / 100
    losses = {q: np.mean([pinball(q, 0.9, actual) for actual in outcomes]) for q in (0.8, 0.9, 0.97)}
    assert min(losses, key=lambda q: losses[q]) == 0.9
    assert coverage([(0.1, 0.3), (0.4, 0.6)], [0.2, 0.7]) == 0.5


# The projection


def standing(**facts: object) -> Standing:
    given_facts: dict[str, object] = {
        "measure": "COL", "day": 180, "denominator": 1000, "met": 600, "firm": 600, "chances": np.full(400, 0.25),
    }  # fmt: skip
    return Standing(**(given_facts | facts))  # type: ignore[arg-type]


def test_a_projection_of_members_alone_by_hand() -> None:
    found = project(standing(), StarRule(CUTS))
    # 600 and a quarter of 400; 705 are needed for four stars, so 105 more of the year's closures.
    assert found.numerator == pytest.approx(700)
    assert (found.star_today, found.next_star, found.closures, found.closable) == (2, 3, 15, 400)
    assert found.needed == (0, 495, 615, 705, 795)
    # sd = sqrt(400·0.25·0.75) = 8.66; P(≥ 705) = 1 - Φ(4.5/8.66) = 0.3017.
    assert found.at_least[3] == pytest.approx(0.3017, abs=0.0002)
    assert found.expected_stars == pytest.approx(3.3017, abs=0.0002)
    assert (found.low, found.high) == (0.689, 0.711)
    assert any("too narrow" in note for note in found.notes)


def test_past_years_outvote_chances_that_were_wrong_and_widen_the_interval() -> None:
    years = [course(year, (180, 600), (365, 720 + step)) for year, step in ((2021, 0), (2022, 10), (2023, -10))]
    tried = [Trial(MEMBERS, 2023, 0.6, 0.71)]
    found = project(standing(), StarRule(CUTS), Past(courses=years, trials=tried))
    assert found.blend.weights[CURVE] > 0.95
    assert found.rate == pytest.approx(0.72, abs=0.003)
    alone = project(standing(), StarRule(CUTS))
    assert found.high - found.low > alone.high - alone.low
    assert found.notes == ()


def test_without_chances_everyone_open_is_alike() -> None:
    years = [course(year, (180, 600), (365, 700)) for year in (2022, 2023)]
    found = project(standing(chances=None), StarRule(CUTS), Past(courses=years))
    assert found.rate == pytest.approx(0.7)
    assert found.closable == 400


def test_a_reversible_measure_can_lose_members_who_are_met_today() -> None:
    chances = np.concatenate([np.full(600, 0.8), np.full(400, 0.1)])
    found = project(standing(firm=0, chances=chances), StarRule(CUTS))
    assert found.rate == pytest.approx(0.52)
    assert found.closable == 400


def test_the_denominator_at_years_end_drifts_and_the_counts_with_it() -> None:
    years = [Course(year, (Reading(180, 400, 1000), Reading(365, 462, 1100))) for year in (2022, 2023)]
    found = project(standing(), StarRule(CUTS), Past(courses=years))
    assert found.denominator == 1100
    assert found.needed[3] == 776  # ceil(0.705 · 1,100)
    assert found.closures == 15  # of today's members


def test_members_nobody_can_reach_limit_the_forecast_and_it_says_so() -> None:
    chances = np.concatenate([np.full(20, 0.5), np.zeros(380)])
    years = [course(year, (180, 600), (365, 800)) for year in (2022, 2023)]
    found = project(standing(chances=chances), StarRule(CUTS), Past(courses=years))
    assert found.numerator <= 620
    assert any("nearest end" in note for note in found.notes)


def test_a_forecast_below_what_is_met_already_is_near_it_and_not_certain_of_it() -> None:
    years = [course(year, (365, end)) for year, end in ((2022, 590), (2023, 610), (2024, 570))]
    found = project(standing(chances=None), StarRule(CUTS), Past(courses=years))
    assert found.rate > 0.6
    assert 0.6 <= found.low < found.high < 0.65
    assert any("limits it" in note for note in found.notes)


def test_a_forecast_that_was_lucky_before_and_is_shown_wrong_now_errs_by_what_it_missed() -> None:
    years = [course(year, (365, 500)) for year in (2022, 2023, 2024)]
    found = project(standing(chances=None), StarRule(CUTS), Past(courses=years))
    # A hundred below what is met: normal with sd 100 above its first deviation, 52.5 more (0.24197/0.15866 - 1).
    assert found.blend.error == pytest.approx(0.001)
    assert found.numerator == pytest.approx(652.5, abs=1)
    assert found.high > 0.69


def test_a_forecast_within_its_limits_is_a_truncated_normal() -> None:
    # Half a normal from its middle on: mean sqrt(2/pi), variance 1 - 2/pi.
    mean, spread = within(0.0, 1.0, 0.0, 50.0)
    assert (mean, spread) == (pytest.approx(0.79788, abs=1e-5), pytest.approx(0.60281, abs=1e-5))
    assert within(100.0, 5.0, 0.0, 400.0) == (pytest.approx(100), pytest.approx(5))
    assert within(-3.0, 0.0, 0.0, 10.0) == (0.0, 0.0)
    assert within(500.0, 1.0, 0.0, 400.0) == (pytest.approx(399.99), pytest.approx(0.01))


@given(st.floats(-100, 200), st.floats(0.01, 50), st.floats(0, 50), st.floats(0.1, 50))
def test_a_forecast_never_leaves_its_limits(mean: float, error: float, low: float, width: float) -> None:
    found, spread = within(mean, error, low, low + width)
    assert low - 1e-6 <= found <= low + width + 1e-6
    assert 0 <= spread <= error + 1e-6


def test_a_hybrid_measure_is_less_certain_of_its_star() -> None:
    whole = project(standing(), StarRule(CUTS))
    hybrid = project(standing(), StarRule(CUTS, sample=411))
    assert hybrid.high - hybrid.low > 2 * (whole.high - whole.low)
    assert hybrid.needed == whole.needed


def test_a_measure_of_which_only_past_ends_are_known_ends_as_they_did() -> None:
    years = [course(year, (365, end)) for year, end in ((2022, 700), (2023, 740), (2024, 720))]
    found = project(standing(chances=None), StarRule(CUTS), Past(courses=years))
    assert found.rate == pytest.approx(0.72, abs=0.001)
    assert found.blend.weights == {"past_years": 1.0}
    # 2023 missed by 0.04, 2024 by nothing: root of the mean square, widened for two years.
    assert found.blend.errors["past_years"] == pytest.approx((0.04**2 / 2) ** 0.5)
    assert found.blend.error == pytest.approx(1.886 / 1.282 * (0.04**2 / 2) ** 0.5)
    assert any("as past years did" in note for note in found.notes)
    predicted = project(standing(), StarRule(CUTS), Past(courses=years))
    assert predicted.blend.weights == {MEMBERS: 1.0}


def test_nothing_to_forecast_from_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing to forecast from"):
        project(standing(chances=None), StarRule(CUTS))


@pytest.mark.parametrize("facts", [{"firm": 601}, {"met": 1001}, {"chances": np.full(399, 0.2)}, {"denominator": 0}])
def test_a_standing_that_does_not_add_up_is_refused(facts: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="COL"):
        standing(**facts)


@settings(max_examples=40, deadline=None)
@given(st.integers(20, 300), st.data())
def test_more_chance_never_means_fewer_stars(people: int, data: st.DataObject) -> None:
    met = data.draw(st.integers(0, people - 1))
    chance = data.draw(st.floats(0, 0.9))
    more = chance + data.draw(st.floats(0, 1 - chance))
    found = [
        project(standing(denominator=people, met=met, firm=met, chances=np.full(people - met, p)), StarRule(CUTS))
        for p in (chance, more)
    ]
    assert found[1].expected_stars >= found[0].expected_stars - 1e-9
    assert sum(found[0].odds) == pytest.approx(1)
    assert found[0].low <= found[0].high
