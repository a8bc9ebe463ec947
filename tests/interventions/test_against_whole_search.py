"""Small plans are as good as those of one programme over everything, though costs and effects are full of ties."""

from typing import Any

import numpy as np
import pytest
from scipy import sparse
from scipy.optimize import Bounds, LinearConstraint, milp

from interventions.certificate import certificate_of
from interventions.checking import check
from interventions.instances import contract
from interventions.master import Master
from interventions.optimiser import Plan, optimise
from interventions.problem import Problem, ProblemError, problem_of
from interventions.tally import allowed
from tests.interventions import small_problems
from tests.interventions.small_problems import Case, candidates, measure, problem


def mixed(seed: int) -> Case:
    """Some 40 to 500 candidates, one to ten measures of one to three contracts; every second problem full of ties."""
    random = np.random.default_rng(seed)
    number, actions = int(random.integers(1, 11)), int(random.integers(1, 7))
    members, contracts = int(random.integers(40, 520)) // actions + 1, int(random.integers(1, min(number, 3) + 1))
    effects = random.uniform(0.03, 0.45, (actions, number)) * (random.random((actions, number)) < max(0.3, 2 / number))
    effects[0] = np.maximum(effects[0], 0.05)
    uplifts = np.ones((members, 1, 1)) * np.round(effects * 20) / 20
    cost = np.ones((members, 1)) * random.choice([0.5, 1, 2, 10, 10.55, 25, 40], actions)
    if seed % 2:
        uplifts = effects * random.lognormal(0, 0.4, (members, actions, 1))
        cost = np.round(cost * random.uniform(0.9, 1.1, cost.shape), 2)
    own = random.integers(0, contracts, members)[:, None] == np.arange(number) % contracts
    uplifts = np.minimum(uplifts * (own & (random.random(own.shape) < 0.6))[:, None, :], 1.0)
    member, action = np.nonzero(uplifts.any(axis=2))
    uplifts, cost = uplifts[member, action], cost[member, action]
    uses = 1.0 * (random.random((actions, 2)) < 0.4)[action]
    given: dict[str, Any] = {
        "objective": "weighted_stars",
        "confidence_z": float(random.choice([0, 1.28])),
        "budget": float(round(cost.sum() / actions * random.choice([0.1, 0.3, 0.8, 3]), 2)),
        "resources": {f"r{place}": float(uses[:, place].sum() // random.choice([20, 6, 2])) for place in range(2)},
    }
    measures = [
        one_measure(random, place, float(uplifts[:, place].sum()) / actions, contracts) for place in range(number)
    ]
    if random.random() < 0.25:
        floor = {"group": "lis", "measure": "M0", "closures": round(float(uplifts[:, 0].sum()) / actions / 20, 2)}
        given["floors"] = [floor | ({"contract": "H0"} if contracts > 1 else {})]
    rows = [(int(m), f"a{a}", float(price)) for m, a, price in zip(member, action, cost, strict=True)]
    return problem_of(problem(measures, **given)), candidates(rows, uplifts, uses, lis=random.random(len(rows)) < 0.5)


def one_measure(random: np.random.Generator, place: int, help_there_is: float, contracts: int) -> dict[str, Any]:
    """Cuts in whole numbers some way into the help there is."""
    base = 60 + round(float(random.uniform(0, 8)), int(random.integers(0, 3)))
    steps = np.ceil(base + np.cumsum(random.uniform(0.05, 0.4, 3)) * max(help_there_is, 1.0))
    own = {"contract": f"H{place % contracts}"} if contracts > 1 else {}
    return measure(
        f"M{place}", [0, float(base // 2), *np.unique(steps).tolist()], firm=60, baseline_mean=base - 60,
        baseline_variance=2.0, weight=int(random.choice([1, 3, 5])), **own,
    )  # fmt: skip


def whole(problem: Problem, candidates: Any) -> float | None:
    """The worth of the best plan, by a programme of its own: every action, every level."""
    levels = [
        (place, max(0.0, least - one.base), problem.values[place][star - 1] - problem.values[place][one.held - 1])
        for place, one in enumerate(problem.measures)
        for star, least in one.thresholds(problem.confidence_z)
    ]
    rows, size = candidates.rows, candidates.rows + len(levels)
    owner = sparse.csr_array((np.ones(rows), (candidates.member, np.arange(rows))))
    wide = sparse.csr_array((owner.shape[0], len(levels)))
    rules = [LinearConstraint(sparse.hstack([owner, wide]), -np.inf, 1)]

    def rule(row: Any, rest: list[float], least: float, most: float) -> None:
        rules.append(LinearConstraint(np.append(row, rest)[None, :], least, most))

    nothing = [0.0] * len(levels)
    rule(candidates.cost, nothing, -np.inf, problem.budget)
    for place, cap in enumerate(problem.resources.values()):
        rule(candidates.uses[:, [place]].toarray().ravel(), nothing, -np.inf, cap)
    for floor in problem.floors:
        inside = candidates.uplifts[:, [floor.measure]].toarray().ravel() * candidates.groups[floor.group]
        rule(inside, nothing, floor.closures, np.inf)
    for place in range(len(problem.measures)):
        mine = [float(owner == place) for owner, _, _ in levels]
        rule(np.zeros(rows), mine, -np.inf, 1)
        needs = [-one * need for one, (_, need, _) in zip(mine, levels, strict=True)]
        rule(candidates.uplifts[:, [place]].toarray().ravel(), needs, 0, np.inf)
    gains = np.concatenate([np.zeros(rows), [-gain for *_, gain in levels]])
    found = milp(
        gains, constraints=rules, integrality=np.ones(size), bounds=Bounds(0, 1),
        options={"mip_rel_gap": 0, "node_limit": 1000},
    )  # fmt: skip
    if found.status == 2:
        return None
    held = [one.held for one in problem.measures]
    return problem.worth(held) - float(found.fun) if found.status == 0 else np.nan


def sound(case: Case) -> Plan:
    """The plan; its limits, and its bound from what its certificate holds, were looked at."""
    plan = optimise(*case)
    assert allowed(case[0], plan.tally)
    if plan.proof == "prices":
        proven = Master(case[0], plan.rungs, plan.cuts, plan.ladders).best()[1]
        assert plan.upper_bound == max(proven, plan.lower_bound)
    return plan


@pytest.mark.parametrize("ninth", range(3))
def test_plans_are_as_good_as_those_of_one_programme_over_everything(ninth: int) -> None:
    solved = 0
    for seed in range(9 * ninth, 9 * ninth + 9):
        case = mixed(seed)
        best = whole(*case)
        if best is None:
            with pytest.raises(ProblemError, match="M0"):
                optimise(*case)
            continue
        plan = sound(case)
        if not np.isnan(best):
            solved += 1
            assert plan.lower_bound == pytest.approx(best), seed
            assert plan.gap == 0, seed
    assert solved >= 7


def test_a_star_that_hangs_on_the_last_digit_is_reached_by_one_action_more() -> None:
    """Forty times 0.1 is 4 to HiGHS, and a little less to the sum from 64 up."""
    measures = [
        measure(f"M{place}", [0, 59, 68, 75, 82], firm=0, baseline_mean=mean) for place, mean in enumerate((64, 59.5))
    ]
    rows, uplifts = [], []
    for member in range(85):
        for action, cost, gain in (("call", 10.55, 0.1), ("visit", 26.0, 0.15)):
            rows.append((member, action, cost))
            uplifts.append([gain, 0.0] if member < 40 else [0.0, gain])
    plan = sound((problem_of(problem(measures, budget=1100)), candidates(rows, uplifts)))
    assert (plan.lower_bound, plan.gap, plan.tally.stars) == (5, 0, [3, 2])
    assert plan.tally.spend < 460


def test_a_star_that_can_only_just_be_had_is_had() -> None:
    """Ten times 0.1 from 23 up are 24, though not in doubles."""
    given = problem([measure("M0", [0, 5, 24], firm=23, baseline_mean=0)], budget=20)
    case = problem_of(given), candidates([(member, "call", 2.0) for member in range(12)], [[0.1]] * 12)
    plan = sound(case)
    assert (plan.tally.stars, plan.tally.spend, plan.gap) == ([3], 20, 0)
    assert not check(*case, plan.rows, certificate_of(plan)).findings


@pytest.mark.parametrize("seed", [0, 1])
def test_a_bound_is_one_that_the_cuts_of_the_certificate_prove(seed: int) -> None:
    case = contract(600, seed=seed, measures=16)
    plan = optimise(*case, small=0)
    proven = Master(case[0], plan.rungs, plan.cuts, plan.ladders).best()[1]
    assert plan.upper_bound == max(proven, plan.lower_bound)
    assert not check(*case, plan.rows, certificate_of(plan)).findings


@pytest.mark.parametrize("kind", ["different", "sorts"])
def test_the_stars_are_reached_for_hardly_more_than_their_prices_say_they_must_cost(kind: str) -> None:
    case = small_problems.middling(7, members=2_500, kind=kind)
    plan = optimise(*case)
    needs = [
        dict(((one.held, 0.0), *one.thresholds(case[0].confidence_z)))[star] - (one.base if star > one.held else 0.0)
        for one, star in zip(case[0].measures, plan.tally.stars, strict=True)
    ]
    # At the prices of the plan: what is needed, less what the capacities and the members keep of it.
    prices, resources = plan.prices[: len(needs)], plan.prices[len(needs) : -1]
    worth = case[1].uplifts @ prices - case[1].uses @ resources - case[1].cost
    best = np.zeros(len(case[1].member_names))
    np.maximum.at(best, case[1].member, worth)
    least = float(prices @ needs - resources @ list(case[0].resources.values()) - best.sum())
    assert 0 < least <= plan.tally.spend <= 1.01 * least
