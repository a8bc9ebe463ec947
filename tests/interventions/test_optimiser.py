"""The plan is allowed and reaches what it says, and nothing can pass the bound: against force, and against itself."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from interventions import bench
from interventions.candidates import Candidates
from interventions.certificate import certificate_of
from interventions.checking import check
from interventions.instances import contract
from interventions.optimiser import Plan, optimise
from interventions.problem import Problem, ProblemError, problem_of
from interventions.strategies import nearest_cut
from interventions.tally import allowed, tally
from tests.interventions import small_problems
from tests.interventions.small_problems import candidates, measure, problem


def planned(problem: Problem, candidates: Candidates, **given: Any) -> Plan:
    """The plan, after everything that holds for every plan was seen to hold."""
    plan = optimise(problem, candidates, **given)
    found = tally(problem, candidates, plan.rows)
    assert allowed(problem, found)
    assert len(np.unique(candidates.member[plan.rows])) == len(plan.rows)
    assert problem.worth(found.stars) == plan.lower_bound <= plan.upper_bound
    return plan


def tenth(part: int) -> Iterator[int]:
    """The seeds of a tenth of the thousand tiny problems."""
    return iter(range(part * 100, part * 100 + 100))


@pytest.mark.parametrize("part", range(10))
def test_a_thousand_tiny_problems_are_solved_as_by_force(part: int) -> None:
    for seed in tenth(part):
        case = small_problems.tiny(seed)
        best = small_problems.by_force(*case)
        if best is None:
            with pytest.raises(ProblemError, match="lis/M0"):
                optimise(*case)
            continue
        plan = planned(*case)
        assert plan.lower_bound == pytest.approx(best, abs=1e-9), seed
        assert plan.upper_bound >= best - 1e-9, seed


@pytest.mark.parametrize("seed", range(60))
def test_prices_alone_never_promise_less_than_the_best_plan(seed: int) -> None:
    case = small_problems.tiny(seed)
    best = small_problems.by_force(*case)
    if best is None or case[0].floors:
        return
    plan = planned(*case, small=0)
    assert plan.proof == "prices"
    assert plan.lower_bound <= best + 1e-9 <= plan.upper_bound + 2e-9


@pytest.mark.parametrize("kind", ["different", "equal", "sorts"])
@pytest.mark.parametrize("seed", range(2))
def test_prices_and_rounding_come_close_to_the_exact_search(kind: str, seed: int) -> None:
    case = small_problems.middling(seed, kind=kind)
    by_prices = planned(*case, small=0)
    exactly = planned(*case, small=5_000)
    assert by_prices.lower_bound <= exactly.upper_bound
    assert by_prices.upper_bound >= exactly.lower_bound
    assert exactly.gap == 0
    # A few split members of 150 may cost a star of one measure, not more.
    assert exactly.lower_bound - by_prices.lower_bound <= 3
    assert not check(*case, by_prices.rows, certificate_of(by_prices)).findings


def test_thousands_of_members_are_planned_without_a_gap() -> None:
    case = small_problems.middling(7, members=3_000)
    plan = planned(*case)
    assert plan.proof == "prices"
    assert plan.gap == 0
    assert plan.lower_bound > case[0].worth([one.held for one in case[0].measures])
    checked = check(*case, plan.rows, certificate_of(plan))
    assert checked.findings == []
    assert checked.upper_bound == plan.upper_bound


def test_thousands_of_equal_members_are_planned_without_a_gap() -> None:
    assert planned(*small_problems.middling(1, members=2_000, kind="equal")).gap == 0


def test_the_plan_beats_those_who_do_not_look_at_the_cuts() -> None:
    case = contract(1_500, seed=1)
    plan = planned(*case)
    assert plan.gap == 0
    assert plan.lower_bound > bench.blind_optimum(*case) > case[0].worth([one.held for one in case[0].measures])
    assert plan.lower_bound > bench.worth_of(*case, nearest_cut(case[0]))


def test_the_same_input_gives_the_same_plan() -> None:
    case = small_problems.middling(3, members=1_200)
    assert optimise(*case).rows.tolist() == optimise(*case).rows.tolist()


def test_nobody_to_help_gives_the_empty_plan() -> None:
    plan = planned(problem_of(problem([measure("M0", [0, 10, 20])])), candidates([], np.zeros((0, 1))))
    assert (len(plan.rows), plan.lower_bound, plan.gap) == (0, 2, 0)


def test_stars_already_held_cost_nothing() -> None:
    plan = planned(problem_of(problem([measure("M0", [0, 5, 12.5])])), candidates([(0, "call", 1)], [[0.9]]))
    assert (len(plan.rows), plan.tally.stars, plan.gap) == (0, [3], 0)


def test_a_cut_above_all_help_is_not_promised() -> None:
    plan = planned(problem_of(problem([measure("M0", [0, 99])])), candidates([(0, "call", 1)], [[0.9]]))
    assert (plan.lower_bound, plan.upper_bound) == (1, 1)


def test_a_capacity_of_none_is_kept() -> None:
    given = problem([measure("M0", [0, 13])], resources={"call": 0})
    plan = planned(problem_of(given), candidates([(0, "call", 1), (1, "text", 1)], [[0.9], [0.1]], [[1], [0]]))
    assert (len(plan.rows), plan.upper_bound) == (0, 1)


def test_exactly_the_whole_budget_may_be_spent() -> None:
    given = problem([measure("M0", [0, 13.5])], budget=10)
    plan = planned(problem_of(given), candidates([(0, "call", 5), (1, "call", 5)], [[0.5], [0.5]]))
    assert (plan.tally.spend, plan.tally.stars, plan.gap) == (10, [2], 0)


def test_a_price_beyond_the_budget_stands_in_nobodys_way() -> None:
    plan = planned(
        problem_of(problem([measure("M0", [0, 13])])), candidates([(0, "call", 5), (1, "visit", 1e12)], [[0.5], [1.0]])
    )
    assert (plan.rows.tolist(), plan.gap) == ([0], 0)


def test_a_level_nobody_can_earn_is_left_out() -> None:
    plan = planned(problem_of(problem([measure("M0", [0, None, 13, 14])])), candidates([(0, "call", 5)], [[0.5]]))
    assert plan.tally.stars == [3]


def test_confidence_asks_for_more_closures() -> None:
    given = problem([measure("M0", [0, 13], baseline_variance=0.25)])
    help_of = candidates([(0, "call", 5), (1, "call", 5)], [[0.6], [0.7]])
    assert len(planned(problem_of(given), help_of).rows) == 1
    assert len(planned(problem_of({**given, "confidence_z": 1.28}), help_of).rows) == 2


def test_an_equity_floor_costs_stars_elsewhere() -> None:
    measures = [measure("M0", [0, 13]), measure("M1", [0, 13])]
    rows, uplifts = [(0, "call", 5), (0, "kit", 5), (1, "call", 5)], [[0.5, 0], [0, 0.5], [0.0, 0.25]]
    given = problem(measures, budget=5, floors=[{"group": "lis", "measure": "M1", "closures": 0.25}])
    plan = planned(problem_of(given), candidates(rows, uplifts, lis=[False, False, True]))
    assert (plan.rows.tolist(), plan.tally.stars) == ([2], [1, 1])


def test_a_floor_nobody_can_reach_is_refused_by_name() -> None:
    given = problem([measure("M0", [0, 13])], floors=[{"group": "lis", "measure": "M0", "closures": 2}])
    with pytest.raises(ProblemError, match="lis/M0"):
        optimise(problem_of(given), candidates([(0, "call", 5)], [[0.5]], lis=[True]))


def test_contracts_share_the_budget_and_have_their_own_stars() -> None:
    measures = [measure("M0", [0, 13], contract="H1"), measure("M0", [0, 13], contract="H2")]
    given = problem(measures, objective="dollars", budget=5, values={"H1/M0": [0, 10], "H2/M0": [0, 20]})
    plan = planned(problem_of(given), candidates([(0, "call", 5), (1, "call", 5)], [[0.5, 0], [0, 0.5]]))
    assert (plan.rows.tolist(), plan.lower_bound, plan.gap) == ([1], 20, 0)


def test_a_rating_step_is_earned_by_the_mean_of_stars() -> None:
    measures = [measure("M0", [0, 13, 14], weight=3), measure("M1", [0, 13, 14])]
    rows = [(0, "call", 5), (1, "call", 5), (2, "call", 5), (3, "call", 5)]
    uplifts = [[0.75, 0], [0.75, 0], [0, 0.75], [0, 0.75]]
    given = problem(measures, objective="dollars", ratings=[{"at_least": 2.5, "value": 1000}])
    plan = planned(problem_of(given), candidates(rows, uplifts))
    assert (sorted(plan.rows.tolist())[:2], plan.lower_bound, plan.gap) == ([0, 1], 1000.0, 0)


def test_the_price_of_a_closure_is_the_dollars_it_takes() -> None:
    rows = [(member, "call", 10.0 + member) for member in range(40)]
    given = problem([measure("M0", [0, 12.5 + 10 * 0.5])], budget=1e6)
    plan = planned(problem_of(given), candidates(rows, [[0.5]] * 40))
    assert plan.tally.spend == sum(range(10, 20))
    assert 19 / 0.5 <= plan.prices[0] <= 20 / 0.5
