"""The frontier: as good as a plan for each budget alone, never falling, bounds as true."""

from dataclasses import replace

import numpy as np
import pytest

from interventions.frontier import frontier
from interventions.optimiser import optimise
from interventions.problem import ProblemError, problem_of
from interventions.tally import allowed, tally
from tests.interventions import small_problems
from tests.interventions.small_problems import Case, candidates, measure, problem


def of_budget(case: Case, budget: float) -> Case:
    """The case with another budget."""
    return replace(case[0], budget=budget), case[1]


@pytest.mark.parametrize("seed", [0, 2, 5, 9, 14, 21, 30, 33])
def test_points_are_as_good_as_plans_for_each_budget_alone(seed: int) -> None:
    case = small_problems.tiny(seed)
    if case[0].floors:
        return
    budgets = [0.0, 5.0, 12.5, 20.0, 60.0]
    for point in frontier(*case, budgets):
        alone = optimise(*of_budget(case, point.budget))
        assert point.worth == pytest.approx(alone.lower_bound, abs=1e-9)
        assert point.upper_bound == pytest.approx(alone.upper_bound, abs=1e-9)


def test_worth_and_bound_never_fall_and_every_point_keeps_its_limits() -> None:
    case = small_problems.middling(2, members=400)
    points = frontier(*case, [1600, 0, 200, 400, 800, 100])
    assert [point.budget for point in points] == [0, 100, 200, 400, 800, 1600]
    for point in points:
        own = of_budget(case, point.budget)
        found = tally(*own, point.rows)
        assert allowed(own[0], found)
        assert (own[0].worth(found.stars), found.spend, tuple(found.stars)) == (point.worth, point.spend, point.stars)
        assert point.worth <= point.upper_bound
    assert (np.diff([point.worth for point in points]) >= 0).all()
    assert (np.diff([point.upper_bound for point in points]) >= 0).all()
    assert points[-1].worth > points[0].worth


def test_a_point_costs_no_more_than_its_plan_alone() -> None:
    case = small_problems.middling(2, members=400)
    for point in frontier(*case, [200, 800, 1600, 1e6]):
        alone = optimise(*of_budget(case, point.budget))
        assert point.worth >= alone.lower_bound
        # The search for the cheapest ends at one per cent.
        assert point.worth > alone.lower_bound or point.spend <= 1.01 * alone.tally.spend


def test_more_money_that_buys_nothing_is_said() -> None:
    case = problem_of(problem([measure("M0", [0, 13])])), candidates([(0, "call", 5)], [[0.5]])
    assert [(p.worth, p.spend, p.dominated) for p in frontier(*case, [0, 5, 50])] == [
        (1, 0, False),
        (2, 5, False),
        (2, 5, True),
    ]


@pytest.mark.parametrize("budgets", [[], [-1.0], [float("nan")], [float("inf")]])
def test_budgets_that_are_none_are_refused(budgets: list[float]) -> None:
    case = problem_of(problem([measure("M0", [0, 13])])), candidates([(0, "call", 5)], [[0.5]])
    with pytest.raises(ProblemError, match="budgets"):
        frontier(*case, budgets)


def test_a_floor_out_of_reach_of_the_smallest_budget_is_refused_by_name() -> None:
    given = problem([measure("M0", [0, 13])], floors=[{"group": "lis", "measure": "M0", "closures": 0.5}])
    case = problem_of(given), candidates([(0, "call", 5)], [[0.5]], lis=[True])
    assert frontier(*case, [5])[0].worth == 2
    with pytest.raises(ProblemError, match="lis/M0"):
        frontier(*case, [1, 5])
