"""Plans that are not ours keep the limits, do what they say, and are never worth more than ours."""

import numpy as np
import pytest

from interventions.problem import problem_of
from interventions.strategies import Strategy, choose
from interventions.tally import tally, within_limits
from tests.interventions import small_problems
from tests.interventions.small_problems import Case, candidates, measure, problem

OTHERS = [one for one in Strategy if one is not Strategy.OPTIMAL]


@pytest.fixture(scope="module")
def case() -> Case:
    return small_problems.middling(4, members=200)


@pytest.mark.parametrize("strategy", Strategy)
def test_every_strategy_keeps_the_limits_and_repeats_itself(case: Case, strategy: Strategy) -> None:
    rows = choose(strategy, *case, newest=["M1"])
    assert within_limits(case[0], tally(*case, rows))
    assert len(rows) and len(np.unique(case[1].member[rows])) == len(rows)
    assert rows.tolist() == choose(strategy, *case, newest=["M1"]).tolist()
    assert strategy.words


@pytest.mark.parametrize("seed", range(40))
def test_no_strategy_is_worth_more_than_the_optimum(seed: int) -> None:
    one = small_problems.tiny(seed)
    if one[0].floors:
        return
    best = one[0].worth(tally(*one, choose(Strategy.OPTIMAL, *one)).stars)
    for strategy in OTHERS:
        found = tally(*one, choose(strategy, *one))
        assert within_limits(one[0], found)
        assert one[0].worth(found.stars) <= best + 1e-9


def one_action(**given: object) -> Case:
    """Two measures, and money for one of four actions of different members."""
    measures = [measure("M0", [0, 12.6, 40], weight=3), measure("M1", [0, 30], weight=1)]
    rows = [(0, "call", 5.0), (1, "call", 5.0), (2, "visit", 5.0), (3, "kit", 4.0)]
    uplifts = [[0.2, 0.0], [0.0, 0.9], [0.1, 0.1], [0.05, 0.05]]
    return problem_of(problem(measures, objective="weighted_stars", budget=5, **given)), candidates(rows, uplifts)


def test_triple_weighted_measures_come_first() -> None:
    assert choose(Strategy.TRIPLE_WEIGHTED, *one_action()).tolist() == [0]


def test_the_newest_measures_come_first() -> None:
    assert choose(Strategy.NEWEST, *one_action(), newest=["M1"]).tolist() == [1]


def test_the_most_gaps_come_first_and_of_these_the_cheapest() -> None:
    assert choose(Strategy.MOST_GAPS, *one_action()).tolist() == [3]


def test_the_nearest_cut_counts() -> None:
    assert choose(Strategy.NEAREST_CUT, *one_action()).tolist() == [0]


@pytest.mark.parametrize("strategy", Strategy)
def test_nobody_to_help_gives_the_empty_plan(strategy: Strategy) -> None:
    nobody = problem_of(problem([measure("M0", [0, 13])])), candidates([], np.zeros((0, 1)))
    assert choose(strategy, *nobody).tolist() == []
