"""The plan of most expected stars: within the limits, and likely to leave more than plans that aim at the mean."""

import numpy as np
import pytest

from interventions.candidates import Candidates
from interventions.expecting import added_by, curve_of, most_expected, reach_of, worth_of
from interventions.instances import contract
from interventions.problem import Problem
from interventions.strategies import Strategy, choose
from interventions.tally import allowed, tally


def expected(problem: Problem, candidates: Candidates, rows: np.ndarray) -> float:
    """Expected weighted stars of a plan."""
    reaches = reach_of(candidates)
    curves = [curve_of(one, reach, weighted=True) for one, reach in zip(problem.measures, reaches, strict=True)]
    return worth_of(curves, added_by(candidates, rows))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_it_keeps_every_limit_and_no_other_way_is_likely_to_leave_more(seed: int) -> None:
    problem, candidates = contract(1500, seed=seed, confidence_z=0.0)
    rows = most_expected(problem, candidates)
    assert allowed(problem, tally(problem, candidates, rows))
    best = expected(problem, candidates, rows)
    others = {
        strategy: expected(problem, candidates, choose(strategy, problem, candidates, newest=["COL"]))
        for strategy in Strategy
        if strategy is not Strategy.EXPECTED
    }
    assert best > expected(problem, candidates, np.zeros(0, dtype=np.int64))
    assert max(others.values()) <= best + 1e-9, others


def test_the_same_problem_gives_the_same_plan() -> None:
    problem, candidates = contract(600, seed=4)
    first, second = (choose(Strategy.EXPECTED, problem, candidates) for _ in range(2))
    assert first.tolist() == second.tolist()


def test_a_cover_lies_above_its_curve_to_a_thousandth_and_never_falls() -> None:
    problem, candidates = contract(600, seed=5)
    (curve,) = [curve_of(problem.measures[0], reach_of(candidates)[0], weighted=True)]
    assert curve.cover is not None
    for added in np.linspace(0, float(curve.cover.means[-1] - curve.base), 9):
        assert curve.weight * curve.cover.at(curve.base + added) >= curve.worth(added) - 1e-3
        assert curve.cover_slope(added) >= 0


def test_nothing_to_choose_from_is_an_empty_plan() -> None:
    problem, candidates = contract(600, seed=6)
    none = np.zeros(candidates.rows, dtype=bool)
    empty = Candidates(
        candidates.member[none], candidates.member_names, candidates.action[none], candidates.action_names,
        candidates.cost[none], candidates.uplifts[none], candidates.uses[none], {},
    )  # fmt: skip
    assert len(most_expected(problem, empty)) == 0
