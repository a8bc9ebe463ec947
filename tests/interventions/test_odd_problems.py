"""Problems nobody would wish for: the plan is allowed, its bound is true, the checker agrees, force finds no better."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from interventions.candidates import Candidates
from interventions.certificate import certificate_of
from interventions.checking import check
from interventions.optimiser import Plan, optimise
from interventions.problem import problem_of
from interventions.tally import allowed, tally
from tests.interventions import small_problems
from tests.interventions.problem_files import as_content
from tests.interventions.small_problems import Case, candidates, measure, problem


def sound(case: Case, **options: Any) -> Plan:
    """The plan, after everything that holds for every plan was seen to hold, by the checker too."""
    plan = optimise(*case, **options)
    found = tally(*case, plan.rows)
    assert allowed(case[0], found)
    assert len(np.unique(case[1].member[plan.rows])) == len(plan.rows)
    assert case[0].worth(found.stars) == plan.lower_bound <= plan.upper_bound
    assert np.isfinite([plan.upper_bound, plan.gap, *plan.prices]).all()
    checked = check(*case, plan.rows, certificate_of(plan))
    assert checked.findings == []
    return plan


def case_of(measures: int, members: int, *, seed: int = 0, actions: int = 3, **given: Any) -> Case:
    """So many members with actions that help in some measures; fields of the problem and of its measures replaced."""
    random = np.random.default_rng(seed)
    of_measure = given.pop("of_measure", {})
    rows = [(member, f"a{action}", float(1 + 7 * action)) for member in range(members) for action in range(actions)]
    uplifts = random.uniform(0.1, 0.5, (len(rows), measures)) * (random.random((len(rows), measures)) < 0.5)
    base = 12.5
    every = [
        measure(
            f"M{place}", [0, 5, base + 0.1 * members, base + 0.2 * members], weight=1 + 2 * (place % 2), **of_measure
        )
        for place in range(measures)
    ]
    plain = {"objective": "weighted_stars", "budget": 2.0 * members, "resources": {"call": members // 3}}
    uses = (np.arange(len(rows)) % actions == 1)[:, None] * 1.0
    return problem_of(problem(every, **{**plain, **given})), candidates(rows, uplifts, uses)


def with_(case: Case, **changes: Any) -> Case:
    """The case with columns of its candidates changed: functions of what is there."""
    old = case[1]
    new = {name: change(getattr(old, name)) for name, change in changes.items()}
    return case[0], Candidates(**{**old.__dict__, **new})


def equal(values: Any) -> Any:
    """Wherever there is an uplift, the same one."""
    return (values > 0) * 0.25


ODD: dict[str, Callable[[], Case]] = {
    "all uplifts equal": lambda: with_(case_of(3, 120), uplifts=equal),
    "tiny uplifts": lambda: with_(case_of(3, 120), uplifts=lambda values: values * 1e-6),
    "no budget": lambda: case_of(3, 120, budget=0),
    "no budget and free actions": lambda: with_(case_of(3, 120, budget=0), cost=lambda cost: cost * (cost > 1)),
    "free actions only": lambda: with_(case_of(3, 120), cost=lambda cost: cost * 0),
    "endless budget": lambda: case_of(3, 120, budget=1e12),
    "huge costs": lambda: with_(case_of(3, 120, budget=3e11), cost=lambda cost: cost * 1e9),
    "tiny costs": lambda: with_(case_of(3, 120, budget=3e-7), cost=lambda cost: cost * 1e-9),
    "no capacity": lambda: case_of(3, 120, resources={"call": 0}),
    "a capacity in fractions": lambda: case_of(3, 120, resources={"call": 17.35}),
    "one measure": lambda: case_of(1, 200),
    "two hundred actions a member": lambda: case_of(3, 12, actions=200),
    "one member holds everything": lambda: case_of(3, 1, actions=5, budget=100),
    "cuts nobody can reach": lambda: case_of(3, 120, of_measure={"firm": 0, "baseline_mean": 0}),
    "no spread": lambda: case_of(3, 120, confidence_z=3.0),
    "much confidence": lambda: case_of(3, 120, confidence_z=3.0, of_measure={"baseline_variance": 4.0}),
    "negative confidence": lambda: case_of(3, 120, confidence_z=-3.0, of_measure={"baseline_variance": 4.0}),
    "no denominators": lambda: case_of(
        3, 120, of_measure={"denominator": 0, "firm": 0, "baseline_mean": 0.0, "baseline_variance": 0.0}
    ),
    "plain stars": lambda: case_of(3, 120, objective="stars"),
}


@pytest.mark.parametrize("name", ODD)
def test_an_odd_problem_has_a_sound_plan(name: str) -> None:
    sound(ODD[name]())


def test_forty_five_measures_have_a_sound_plan_when_time_runs_out() -> None:
    plan = sound(case_of(45, 100), seconds=2.0)
    assert plan.lower_bound > plan.problem.worth([one.held for one in plan.problem.measures])


def test_resources_nobody_uses_change_nothing() -> None:
    one, other = case_of(3, 120), case_of(3, 120)
    idle = problem_of({**as_content(other[0]), "resources": {"call": 100, "van": 5}})
    wide = with_(other, uses=lambda uses: type(uses)(np.hstack([uses.toarray(), np.zeros((uses.shape[0], 1))])))
    assert sound((idle, wide[1])).lower_bound == sound(one).lower_bound


def test_weights_of_nothing_and_of_parts_are_weights() -> None:
    weights = [0, 0.5, 2.7]
    content = as_content(case_of(3, 120)[0])
    for one, weight in zip(content["measures"], weights, strict=True):
        one["weight"] = weight
    plan = sound((problem_of(content), case_of(3, 120)[1]))
    assert plan.lower_bound == pytest.approx(sum(w * s for w, s in zip(weights, plan.tally.stars, strict=True)))


def test_all_weights_of_nothing_leave_everybody_alone() -> None:
    content = as_content(case_of(2, 100)[0])
    for one in content["measures"]:
        one["weight"] = 0
    plan = sound((problem_of(content), case_of(2, 100)[1]))
    assert (plan.lower_bound, plan.upper_bound, len(plan.rows)) == (0, 0, 0)


@given(seed=some.integers(1_000, 10**9), small=some.sampled_from([0, 2_000]))
@settings(max_examples=60, deadline=None)
def test_force_finds_nothing_better_and_the_checker_agrees(seed: int, small: int) -> None:
    case = small_problems.tiny(seed)
    best = small_problems.by_force(*case)
    if best is None or (case[0].floors and not small):
        return
    plan = sound(case, small=small)
    assert plan.lower_bound <= best + 1e-9 <= plan.upper_bound + 2e-9
    if small:
        assert plan.lower_bound == pytest.approx(best, abs=1e-9)


@given(
    seed=some.integers(0, 10**6),
    measures=some.integers(1, 8),
    members=some.integers(1, 60),
    budget=some.sampled_from([0.0, 7.0, 60.0, 1e9]),
    calls=some.sampled_from([0, 3, 100]),
    deviations=some.sampled_from([-1.0, 0.0, 2.0]),
)
@settings(max_examples=40, deadline=None)
def test_bounds_by_prices_hold_against_the_exact_search(
    seed: int, measures: int, members: int, budget: float, calls: int, deviations: float
) -> None:
    case = case_of(
        measures, members, seed=seed, budget=budget, resources={"call": calls}, confidence_z=deviations,
        of_measure={"baseline_variance": 0.5},
    )  # fmt: skip
    by_prices, exactly = sound(case, small=0), optimise(*case, tiny=2_000)
    assert by_prices.lower_bound <= exactly.lower_bound + 1e-9
    assert exactly.upper_bound <= by_prices.upper_bound + 1e-9


def test_time_that_runs_out_leaves_a_plan_and_a_true_bound() -> None:
    case = small_problems.middling(7, members=1_500)
    hurried, calm = sound(case, seconds=0.0), sound(case)
    assert hurried.lower_bound <= calm.lower_bound <= calm.upper_bound <= hurried.upper_bound
