"""Simulation: what closures added to a projection make of stars, rating and money; never baseline closures."""

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest

from hedis.engine.rating import Contract
from hedis.engine.rating_year import CutPoints, NotInThisYear, RatedAs
from hedis.stars.years import star_year
from interventions import money
from interventions.money import County
from interventions.projecting import Projection, Standing, StarRule, project
from interventions.simulating import Outcome, Worth, outcome, reweighted, without_reward

D = Decimal
YEAR = star_year(2026)
RULE = StarRule(CutPoints(D(50), D(62), D(71), D(80)))
OPEN = ("C01", "C12", "C14", "D08", "D09", "D10")
CONTRACT = Contract("H0001", RatedAs.MA_PD, {name: 3 + (name[0] == "D") for name in YEAR.measures if name not in OPEN})
WORTH = Worth(
    [County("Adams", D(1050), D(1000), D(900), D(120000), D("1.1"))], money.payment_rules(2029), D(400_000), D("0.08")
)


def projection(rate: float, **rule: int) -> Projection:
    met = 600
    chances = np.full(400, (rate * 1000 - met) / 400)
    return project(Standing("any", 180, 1000, met, met, chances), replace(RULE, **rule))


BASE = {name: projection(0.69) for name in OPEN}
RULES = dict.fromkeys(OPEN, RULE)


def simulated(added: dict[str, float], **more: object) -> Outcome:
    return outcome(CONTRACT, YEAR, BASE, RULES, added, **more)  # type: ignore[arg-type]


def test_closures_added_raise_the_star_they_are_added_to_and_no_other() -> None:
    found = simulated({"C12": 30.0})
    # 690 expected, 705 wanted for four stars: sd sqrt(400·0.225·0.775) = 8.35; 1 - Φ(14.5/8.35) and 1 - Φ(-15.5/8.35).
    without, with_plan = found.measures["C12"].odds
    assert sum(without[3:]) == pytest.approx(0.0412, abs=5e-4)
    assert sum(with_plan[3:]) == pytest.approx(0.9683, abs=5e-4)
    assert found.measures["C01"].odds[0] == found.measures["C01"].odds[1]
    assert found.after.expected is not None and found.before.expected is not None
    assert found.after.expected > found.before.expected
    assert found.returned is None


def test_a_plan_that_adds_nothing_gains_nothing_and_costs_what_it_costs() -> None:
    found = simulated({}, worth=WORTH)
    assert found.before == found.after
    assert found.returned is not None
    assert (found.returned.gain.value, found.returned.net, found.returned.pays) == (0, -400_000, 0)


def test_the_gain_is_the_difference_of_the_ratings_worth_and_never_negative() -> None:
    found = simulated(dict.fromkeys(OPEN, 40.0), worth=WORTH)
    assert found.returned is not None
    low, high = (
        sum(float(money.value(WORTH.counties, star, WORTH.rules)) * chance for star, chance in odds.chances.items())
        for odds in (found.before, found.after)
    )
    assert found.returned.gain.value == pytest.approx((high - low) / 1.08**3, rel=0.05)
    assert found.returned.gain.value > 0
    assert found.returned.gain.low >= 0


def test_the_same_seed_gives_the_same_return() -> None:
    added = dict.fromkeys(OPEN, 20.0)
    assert simulated(added, worth=WORTH, draws=300) == simulated(added, worth=WORTH, draws=300)
    assert simulated(added, worth=WORTH, draws=300) != simulated(added, worth=WORTH, draws=300, seed=1)


def test_a_hybrid_sample_shows_only_its_share_of_the_closures() -> None:
    hybrid = projection(0.69, sample=411)
    found = outcome(CONTRACT, YEAR, {**BASE, "C12": hybrid}, {**RULES, "C12": replace(RULE, sample=411)}, {"C12": 30.0})
    whole = simulated({"C12": 30.0})
    assert found.measures["C12"].added == 30
    gained = [after - before for before, after in (one.measures["C12"].expected_stars for one in (found, whole))]
    assert 0 < gained[0] < gained[1]


@pytest.mark.parametrize("added", [{"C02": 1.0}, {"C12": -1.0}, {"C12": float("nan")}])
def test_closures_that_cannot_be_are_refused(added: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="closures"):
        simulated(added)


def test_more_closures_than_members_end_at_everyone() -> None:
    assert simulated({"C12": 5000.0}).measures["C12"].expected_stars[1] == pytest.approx(5)


def test_what_if_the_rules_were_others() -> None:
    heavier = reweighted(YEAR, {"C01": 3})
    assert (heavier.measures["C01"].weight, heavier.measures["C02"].weight) == (3, 1)
    with pytest.raises(NotInThisYear, match="Z99"):
        reweighted(YEAR, {"Z99": 1})
    even = Contract("H0001", RatedAs.MA_PD, {name: 4 for name in YEAR.measures if name not in OPEN})
    certain = {name: projection(0.75) for name in OPEN}
    with_reward = outcome(even, YEAR, certain, RULES, {}).before
    without = outcome(even, without_reward(YEAR), certain, RULES, {}).before
    # All fours, evenly: the reward of 0.4 makes 4.5 of 4.
    assert with_reward.at_least(D("4.5")) == pytest.approx(1)
    assert without.at_least(D("4.5")) == pytest.approx(0)
