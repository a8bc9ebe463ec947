"""The chance of each rating: against every combination rated one by one, and what must hold for any odds."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hedis.engine import rating
from hedis.engine.rating import Contract, NotRated
from hedis.engine.rating_year import NotInThisYear, Part, RatedAs
from hedis.stars.years import star_year
from interventions.rating_odds import paired_draws, rating_odds, together

YEAR = star_year(2026)
# Of each class one: plain of weight 1 and 3, new, improvement, and Part D.
OPEN = ("C01", "C12", "C04", "C30", "D08")
FIXED = dict.fromkeys([name for name in sorted(YEAR.measures) if name not in OPEN], 4)
CONTRACT = Contract("H0001", RatedAs.MA_PD, FIXED, cai_categories={"overall": 3}, disaster_shares={})
EVEN = (0.1, 0.2, 0.4, 0.2, 0.1)
odds_of_a_measure = (
    st.lists(st.integers(0, 9), min_size=5, max_size=5)
    .filter(sum)
    .map(lambda shares: tuple(share / sum(shares) for share in shares))
)


def brute(contract: Contract, odds: Mapping[str, Sequence[float]], part: Part) -> dict[Decimal, float]:
    """Every combination of stars, rated by the engine."""
    found: dict[Decimal, float] = {}
    for stars in product(range(1, 6), repeat=len(odds)):
        chance = float(np.prod([odds[name][star - 1] for name, star in zip(odds, stars, strict=True)]))
        every = Contract(contract.number, contract.rated_as, {**contract.stars, **dict(zip(odds, stars, strict=True))},
                         contract.kind, contract.cai_categories, disaster_shares=contract.disaster_shares)  # fmt: skip
        star = rating.rate(every, YEAR).ratings[part].star
        assert star is not None
        found[star] = found.get(star, 0.0) + chance
    return {star: chance for star, chance in found.items() if chance}


@pytest.mark.parametrize("fixed", [2, 3, 4])
def test_the_walk_over_sums_agrees_with_every_combination(fixed: int) -> None:
    contract = Contract("H0001", RatedAs.MA_PD, dict.fromkeys(FIXED, fixed), cai_categories={"overall": 3})
    odds = {"C01": EVEN, "C12": (0, 0, 0.3, 0.3, 0.4), "C30": (0.2, 0.2, 0.2, 0.2, 0.2)}
    contract = Contract(**{**contract.__dict__, "stars": {**contract.stars, "C04": 4, "D08": 3}})
    found = rating_odds(contract, [(1.0, odds)], YEAR)
    assert found.chances == pytest.approx(brute(contract, odds, Part.OVERALL))


def test_a_summary_hangs_on_its_own_part_alone() -> None:
    odds = {"C01": EVEN, "D08": EVEN}
    contract = Contract("H0001", RatedAs.MA_PD, {**FIXED, "C04": 3, "C12": 3, "C30": 3})
    found = rating_odds(contract, [(1.0, odds)], YEAR, part=Part.D)
    assert found.chances == pytest.approx(brute(contract, odds, Part.D))


@settings(max_examples=20, deadline=None)
@given(st.fixed_dictionaries(dict.fromkeys(("C01", "C12", "D08"), odds_of_a_measure)))
def test_the_chances_of_the_ratings_sum_to_one_and_fall_with_the_star(odds: dict[str, tuple[float, ...]]) -> None:
    contract = Contract("H0001", RatedAs.MA_PD, {**FIXED, "C04": 3, "C30": 3})
    found = rating_odds(contract, [(1.0, odds)], YEAR)
    assert sum(found.chances.values()) == pytest.approx(1)
    assert found.at_least(Decimal(1)) == pytest.approx(1)
    assert found.at_least(Decimal("4.5")) <= found.at_least(Decimal(4))
    assert found.expected == pytest.approx(sum(float(star) * chance for star, chance in found.chances.items()))


def test_certain_stars_give_the_one_rating_of_the_engine() -> None:
    certain = {name: (0.0, 0.0, 0.0, 1.0, 0.0) for name in OPEN}
    every = Contract("H0001", RatedAs.MA_PD, {**FIXED, **dict.fromkeys(OPEN, 4)}, cai_categories={"overall": 3})
    assert rating_odds(CONTRACT, [(1.0, certain)], YEAR).chances == {rating.rate(every, YEAR).highest.star: 1.0}


def test_a_shock_that_strikes_all_measures_makes_extremes_likelier() -> None:
    good, bad = (0.0, 0.0, 0.0, 0.0, 1.0), (1.0, 0.0, 0.0, 0.0, 0.0)
    shared = {name: [(0.5, good), (0.5, bad)] for name in OPEN}
    once = rating_odds(CONTRACT, together(shared), YEAR)
    alone = rating_odds(CONTRACT, [(1.0, dict.fromkeys(OPEN, (0.5, 0.0, 0.0, 0.0, 0.5)))], YEAR)
    best = max(once.chances)
    assert once.chances[best] == pytest.approx(0.5)
    assert alone.at_least(best) < 0.5


def test_a_measure_without_a_shock_is_the_same_in_every_scenario() -> None:
    found = together({"C01": [(0.3, EVEN), (0.7, EVEN)], "C12": [(1.0, EVEN)]})
    assert [weight for weight, _ in found] == [0.3, 0.7]
    assert found[1][1]["C12"] == EVEN
    with pytest.raises(ValueError, match="C12"):
        together({"C01": [(0.3, EVEN), (0.7, EVEN)], "C12": [(0.5, EVEN), (0.5, EVEN)]})


def test_a_contract_with_too_few_measures_has_no_chances_but_the_reason() -> None:
    contract = Contract("H0001", RatedAs.MA_PD, {"C02": 4}, kind="ccp_no_snp")
    found = rating_odds(contract, [(1.0, {"C01": EVEN})], YEAR)
    assert (found.chances, found.expected) == ({}, None)
    assert found.not_rated is not None
    assert isinstance(found.not_rated, NotRated)
    with pytest.raises(ValueError, match="is not rated"):
        paired_draws(contract, {"C01": EVEN}, {"C01": EVEN}, YEAR)


@pytest.mark.parametrize(
    ("odds", "error"),
    [
        ({"C01": (0.5, 0.5, 0.5, 0, 0)}, ValueError),
        ({"C01": (1.5, -0.5, 0, 0, 0)}, ValueError),
        ({"C01": (0.5, 0.5)}, ValueError),
        ({"C02": EVEN}, ValueError),
        ({"Z99": EVEN}, NotInThisYear),
    ],
)
def test_odds_that_are_none_are_refused(odds: dict[str, tuple[float, ...]], error: type[Exception]) -> None:
    with pytest.raises(error, match=next(iter(odds))):
        rating_odds(CONTRACT, [(1.0, odds)], YEAR)


def test_draws_of_the_same_luck_never_fall_where_all_odds_rise_and_average_to_the_chances() -> None:
    contract = Contract("H0001", RatedAs.MA_PD, {**FIXED, "C30": 3})
    before = {name: EVEN for name in OPEN if name != "C30"}
    after = {**before, "C12": (0.0, 0.1, 0.3, 0.3, 0.3)}
    drawn = paired_draws(contract, before, after, YEAR, draws=3000, seed=4)
    assert drawn == paired_draws(contract, before, after, YEAR, draws=3000, seed=4)
    assert all(later >= earlier for earlier, later in zip(drawn.before, drawn.after, strict=True))
    exact = rating_odds(contract, [(1.0, after)], YEAR).expected
    assert np.mean([float(star) for star in drawn.after]) == pytest.approx(exact, abs=0.02)
