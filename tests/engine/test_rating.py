"""Measure stars to ratings: the recipe by hand, every rule on small contracts, and what must hold for any contract."""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hedis.engine import rating
from hedis.engine.rating import Contract, NotRated, Rule
from hedis.engine.rating_year import Disaster, NotInThisYear, Part, RatedAs, StarYear
from hedis.stars.years import star_year

YEAR = star_year(2026)
IDS = sorted(YEAR.measures)
PART_D = [name for name in IDS if name.startswith("D")]
PART_C = [name for name in IDS if name.startswith("C")]


def contract(stars: Mapping[str, int], rated_as: RatedAs = RatedAs.MA_PD, **facts: object) -> Contract:
    return replace(Contract("H0001", rated_as, dict(stars)), **facts)


def all_at(star: int, ids: list[str] = IDS, **exceptions: int) -> dict[str, int]:
    return {**dict.fromkeys(ids, star), **exceptions}


@pytest.mark.parametrize(
    ("pairs", "mean", "variance"),
    [
        pytest.param([(1, 4), (1, 4)], Fraction(4), Fraction(0), id="all alike"),
        pytest.param([(1, 3), (1, 5)], Fraction(4), Fraction(2), id="sample variance, not population"),
        pytest.param([(3, 5), (1, 1)], Fraction(4), Fraction(6), id="2·(3·1 + 1·9) / (4·1)"),
        pytest.param([(2, 3)], Fraction(3), None, id="one measure has no variance"),
    ],
)
def test_mean_and_variance_by_hand(pairs: list[tuple[int, int]], mean: Fraction, variance: Fraction | None) -> None:
    assert rating.weighted_mean(pairs) == mean
    assert rating.weighted_variance(pairs) == variance


@pytest.mark.parametrize(
    ("final", "star"),
    [("2.249999", "2"), ("2.250000", "2.5"), ("2.749999", "2.5"), ("2.750000", "3"), ("3.749999", "3.5"),
     ("3.75", "4"), ("4.75", "5"), ("5.379999", "5"), ("0.25", "0.5")],
)  # fmt: skip
def test_quarters_round_up_to_half_stars_and_five_is_the_end(final: str, star: str) -> None:
    assert rating.half_star(Decimal(final), Decimal(5)) == Decimal(star)


def test_six_places_are_rounded_half_up_from_the_exact_fraction() -> None:
    assert rating.six_places(Fraction(6328125, 10**7)) == Decimal("0.632813")
    assert rating.six_places(Fraction(2, 3)) == Decimal("0.666667")
    assert rating.six_places(Fraction(-1, 3)) == Decimal("-0.333333")


def test_reward_needs_a_high_mean_and_a_low_variance() -> None:
    even = rating.rate(contract(all_at(4)), YEAR).ratings[Part.OVERALL].used
    uneven = rating.rate(contract(all_at(5) | dict.fromkeys(PART_C[:8], 1)), YEAR).ratings[Part.OVERALL].used
    assert even is not None and uneven is not None
    assert (even.mean_class, even.variance_class, even.reward) == ("high", "low", Decimal("0.4"))
    assert (uneven.mean_class, uneven.variance_class, uneven.reward) == ("high", "high", Decimal(0))


def test_a_threshold_belongs_to_the_better_mean_class_and_the_worse_variance_class() -> None:
    names = ("a", "b", "c")
    one, two = Decimal("1.000000"), Decimal("2.000000")
    assert [rating.classify(Decimal(v), one, two, names) for v in ("0.999999", "1", "1.999999", "2")] == list("abbc")


def test_the_adjustment_of_the_category_is_added_and_shown() -> None:
    found = rating.rate(contract(all_at(3), cai_categories={"overall": 9, "part_c": 1}), YEAR)
    overall, part_c = found.ratings[Part.OVERALL].used, found.ratings[Part.C].used
    assert overall is not None and part_c is not None
    assert (overall.cai, overall.final) == (Decimal("0.145515"), Decimal("3.145515"))
    assert (part_c.cai, part_c.final) == (Decimal("-0.058259"), Decimal("2.941741"))


def test_a_good_contract_leaves_poor_improvement_out_of_its_overall_rating_only() -> None:
    found = rating.rate(contract(all_at(4, C30=1, D04=1)), YEAR)
    overall, part_c = found.ratings[Part.OVERALL], found.ratings[Part.C]
    assert overall.used is not None and part_c.used is not None
    assert (overall.rule, overall.used.improvement) == (Rule.IMPROVEMENT_HOLD_HARMLESS, False)
    assert (part_c.rule, part_c.used.improvement) == (Rule.SUMMARY_INCLUDES_IMPROVEMENT, True)


def test_below_four_stars_poor_improvement_counts() -> None:
    overall = rating.rate(contract(all_at(3, C30=1, D04=1)), YEAR).ratings[Part.OVERALL]
    assert overall.used is not None
    assert (overall.rule, overall.used.improvement) == (Rule.IMPROVEMENT_COUNTS, True)


def test_the_rounded_star_opens_the_hold_harmless_not_the_raw_final() -> None:
    """Without improvement the final is 3.75 to 3.99: four stars when rounded, and that is enough."""
    stars = {f"C{n:02}": 4 for n in (1, 2, 3, 6, 8, 9)} | {"C10": 3, "C11": 3, "C30": 1}
    part_c = rating.rate(contract(stars, RatedAs.MA_ONLY), without_reward(YEAR)).ratings[Part.C]
    assert part_c.used is not None
    assert (part_c.used.final, part_c.used.star) == (Decimal("3.75"), 4)
    assert part_c.rule == Rule.IMPROVEMENT_HOLD_HARMLESS


def without_reward(year: StarYear) -> StarYear:
    return replace(year, reward={})


@pytest.mark.parametrize(
    ("rated_as", "part"), [(RatedAs.MA_ONLY, Part.C), (RatedAs.PDP, Part.D), (RatedAs.MA_PD, Part.OVERALL)]
)
def test_each_contract_type_is_held_harmless_on_its_highest_rating(rated_as: RatedAs, part: Part) -> None:
    ids = PART_C if rated_as is RatedAs.MA_ONLY else PART_D if rated_as is RatedAs.PDP else IDS
    stars = {name: 1 if name in ("C30", "D04") else 4 for name in ids}
    found = rating.rate(contract(stars, rated_as), YEAR)
    assert found.highest.part is part
    assert found.highest.rule == Rule.IMPROVEMENT_HOLD_HARMLESS


@pytest.mark.parametrize(
    ("shares", "rule"),
    [
        pytest.param({Disaster.CURRENT: 25}, Rule.NEW_MEASURE_HOLD_HARMLESS, id="C13 follows the measurement year"),
        pytest.param({Disaster.CURRENT: 24}, Rule.SUMMARY_INCLUDES_IMPROVEMENT, id="below a quarter"),
        pytest.param({Disaster.PREVIOUS: 80}, Rule.SUMMARY_INCLUDES_IMPROVEMENT, id="the other year's disaster"),
    ],
)
def test_an_affected_contract_may_leave_new_measures_out(shares: dict[Disaster, int], rule: str) -> None:
    stars = {name: 4 for name in PART_C if name not in ("C04", "C05")} | {"C13": 1}
    facts = {disaster: Decimal(share) for disaster, share in shares.items()}
    assert rating.rate(contract(stars, disaster_shares=facts), YEAR).ratings[Part.C].rule == rule


def test_new_measures_that_help_stay_in() -> None:
    stars = all_at(3, C13=5)
    found = rating.rate(contract(stars, disaster_shares={Disaster.CURRENT: Decimal(90)}), YEAR).ratings[Part.C]
    assert found.used is not None and found.used.new_measures
    assert len(found.scenarios) == 4


def test_adherence_weighs_nothing_in_puerto_rico() -> None:
    stars = all_at(4, PART_D, D08=1, D09=1, D10=1)
    mainland = rating.rate(contract(stars, RatedAs.PDP), YEAR).highest.used
    island = rating.rate(contract(stars, RatedAs.PDP, puerto_rico_only=True), YEAR).highest.used
    assert mainland is not None and island is not None
    assert mainland.mean < 4
    assert island.mean == 4
    assert not {"D08", "D09", "D10"} & set(island.measures)


def test_the_overall_rating_counts_shared_measures_once_and_says_so() -> None:
    overall = rating.rate(contract(all_at(4)), YEAR).ratings[Part.OVERALL]
    assert overall.used is not None
    assert len(overall.used.measures) == 43
    assert overall.left_out == {"D02": "same data as C28", "D03": "same data as C29"}


def test_the_drug_copy_counts_where_the_health_copy_is_missing() -> None:
    stars = all_at(4)
    del stars["C28"]
    overall = rating.rate(contract(stars), YEAR).ratings[Part.OVERALL]
    assert overall.used is not None
    assert "D02" in overall.used.measures


def test_too_few_measures_give_no_rating_but_keep_the_figures() -> None:
    enough = [name for name in PART_D if name != "D04"][:6]
    six = rating.rate(contract(dict.fromkeys(enough, 4), RatedAs.PDP, kind="pdp"), YEAR).highest
    five = rating.rate(contract(dict.fromkeys([*enough[:5], "D04"], 4), RatedAs.PDP, kind="pdp"), YEAR).highest
    assert (six.star, six.minimum) == (Decimal("4.5"), 6)
    assert (five.star, five.reason, five.rated_measures) == (None, NotRated.TOO_FEW_MEASURES, 5)
    assert five.used is not None


def test_an_overall_rating_needs_both_summaries() -> None:
    stars = all_at(4, PART_C) | dict.fromkeys(PART_D[:3], 4)
    found = rating.rate(contract(stars, kind="ccp_no_snp"), YEAR)
    assert found.ratings[Part.D].reason == NotRated.TOO_FEW_MEASURES
    assert (found.ratings[Part.OVERALL].star, found.ratings[Part.OVERALL].reason) == (None, NotRated.NO_SUMMARIES)


def test_a_contract_without_stars_is_not_rated() -> None:
    found = rating.rate(contract({}), YEAR)
    assert {(one.star, one.reason) for one in found.ratings.values()} == {(None, NotRated.NO_MEASURES)}


def test_unknown_measures_stars_and_categories_are_refused() -> None:
    with pytest.raises(NotInThisYear, match="Star year 2026 has no measure 'C99'"):
        rating.rate(contract({"C99": 4}), YEAR)
    with pytest.raises(ValueError, match="H0001, measure C01: 6 is not a star"):
        rating.rate(contract({"C01": 6}), YEAR)
    with pytest.raises(NotInThisYear, match="no CAI value for overall category 12"):
        rating.rate(contract(all_at(4), cai_categories={"overall": 12}), YEAR)


@pytest.mark.parametrize(
    ("summaries", "low"),
    [
        pytest.param([("2.5", "4"), ("2", "4"), ("2.5", "3")], True, id="the same part"),
        pytest.param([("2.5", "3.5"), ("3", "2.5"), ("2", "3")], True, id="either part"),
        pytest.param([("2.5", "3"), ("3", "3"), ("2", "3")], False, id="one year above"),
        pytest.param([("2.5", None), (None, None), ("2", "3")], False, id="a year without ratings"),
        pytest.param([("2.5", None), ("2.5", None)], False, id="two years only"),
    ],
)
def test_three_low_years_make_a_low_performing_contract(
    summaries: list[tuple[str | None, str | None]], low: bool
) -> None:
    decimals = [tuple(None if star is None else Decimal(star) for star in one) for one in summaries]
    assert rating.low_performing(decimals) is low


def test_the_years_without_new_measures_and_with_other_weights_are_data_too() -> None:
    for number in (2024, 2025, 2027):
        year = star_year(number)
        found = rating.rate(contract(dict.fromkeys(year.measures, 3)), year)
        assert found.highest.star == 3


# --- What must hold for any contract ---------------------------------------------------------------------------------

CONTRACTS = st.builds(
    lambda stars, rated_as, category, island, share: contract(
        {name: star for name, star in stars.items() if rated_as is not RatedAs.PDP or name in PART_D},
        rated_as,
        cai_categories={"overall": category, "part_c": category},
        puerto_rico_only=island,
        disaster_shares={Disaster.CURRENT: Decimal(share), Disaster.PREVIOUS: Decimal(share)},
    ),
    st.dictionaries(st.sampled_from(IDS), st.integers(1, 5), min_size=8),
    st.sampled_from(RatedAs),
    st.integers(1, 8),
    st.booleans(),
    st.sampled_from([0, 30]),
)
GRID = {Decimal(n) / 2 for n in range(11)}


@settings(max_examples=60, deadline=None)
@given(CONTRACTS, st.randoms(use_true_random=False))
def test_ratings_lie_on_the_half_star_grid_and_ignore_the_order_of_measures(one: Contract, chance) -> None:  # type: ignore[no-untyped-def]
    shuffled = list(one.stars.items())
    chance.shuffle(shuffled)
    found = rating.rate(one, YEAR)
    assert rating.rate(replace(one, stars=dict(shuffled)), YEAR) == found
    assert all(part.star is None or part.star in GRID for part in found.ratings.values())


@settings(max_examples=100, deadline=None)
@given(CONTRACTS, st.integers(0, 44))
def test_a_better_measure_never_lowers_a_rating_unless_the_variance_takes_reward_away(
    one: Contract, which: int
) -> None:
    ids = [name for name, star in sorted(one.stars.items()) if star < 5]
    if not ids:
        return
    better = replace(one, stars={**one.stars, ids[which % len(ids)]: one.stars[ids[which % len(ids)]] + 1})
    before, after = rating.rate(one, YEAR), rating.rate(better, YEAR)
    for part, old in before.ratings.items():
        new = after.ratings[part]
        pairs = list(zip(old.scenarios, new.scenarios, strict=True))
        lost = [(was, now) for was, now in pairs if now.final < was.final]
        for was, now in lost:
            assert now.mean >= was.mean
            assert now.reward < was.reward
            assert was.variance is not None and now.variance is not None and now.variance > was.variance
        if not lost and old.star is not None and new.star is not None:
            assert new.star >= old.star


def test_a_better_measure_can_cost_half_a_star_when_it_makes_the_contract_uneven() -> None:
    """One adherence star more: the mean rises by a ninth, the variance passes the 70th percentile, 0.3 is gone."""
    stars = {"D01": 3, "D02": 2, "D03": 5, "D04": 5, "D05": 5, "D06": 4, "D07": 2, "D08": 5, "D09": 4, "D10": 4,
             "D11": 5, "D12": 2}  # fmt: skip
    before = rating.rate(contract(stars), YEAR).ratings[Part.D]
    after = rating.rate(contract(stars | {"D09": 5}), YEAR).ratings[Part.D]
    assert before.used is not None and after.used is not None
    assert (before.star, before.used.variance_class, before.used.reward) == (Decimal("4.5"), "medium", Decimal("0.3"))
    assert (after.star, after.used.variance_class, after.used.reward) == (Decimal(4), "high", Decimal(0))
    assert after.used.mean > before.used.mean
