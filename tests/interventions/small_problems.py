"""Small planning problems by seed, of every shape, and what the best plan of each is worth by force."""

import itertools
from typing import Any

import numpy as np
import pyarrow as pa
from scipy import sparse

from interventions.candidates import Candidates
from interventions.problem import Problem, problem_of

Case = tuple[Problem, Candidates]


def measure(code: str, cuts: list[float | None], **given: Any) -> dict[str, Any]:
    """A measure of the problem file."""
    plain = {"weight": 1, "denominator": 100, "firm": 10, "baseline_mean": 2.5, "baseline_variance": 0.0}
    return {"code": code, **plain, "cut_counts": cuts, **given}


def problem(measures: list[dict[str, Any]], **given: Any) -> dict[str, Any]:
    """The content of a problem file."""
    return {"objective": "stars", "confidence_z": 0.0, "budget": 100, "resources": {}, "measures": measures, **given}


def candidates(rows: list[tuple[int, str, float]], uplifts: Any, uses: Any = None, **groups: Any) -> Candidates:
    """Candidates of (member, action, cost) and the uplifts and uses of each row."""
    member, action, cost = zip(*rows, strict=True) if rows else ((), (), ())
    actions = sorted(set(action))
    return Candidates(
        member=np.array(member, dtype=np.int64),
        member_names=pa.array([f"m{number}" for number in range(max(member, default=-1) + 1)]),
        action=np.array([actions.index(one) for one in action], dtype=np.int64),
        action_names=pa.array(actions, pa.string()),
        cost=np.array(cost, dtype=np.float64),
        uplifts=sparse.csr_array(np.asarray(uplifts, dtype=np.float64)),
        uses=sparse.csr_array(np.zeros((len(rows), 0)) if uses is None else np.asarray(uses, dtype=np.float64)),
        groups={name: np.asarray(flags, dtype=bool) for name, flags in groups.items()},
    )


def tiny(seed: int) -> Case:
    """At most five members with three actions each; ties, free actions, no resources, no budget: all turn up."""
    random = np.random.default_rng(seed)
    members, measures, resources = random.integers(1, 6), random.integers(1, 4), random.integers(0, 3)
    rows = [(member, action) for member in range(members) for action in range(random.integers(1, 4))]
    random.shuffle(rows)
    uplifts = random.uniform(0, 1, (len(rows), measures)) * (random.random((len(rows), measures)) < 0.6)
    cost = random.uniform(0, 20, len(rows))
    if random.random() < 0.5:
        uplifts, cost = np.round(uplifts * 8) / 8, np.round(cost)
    if random.random() < 0.1:
        cost[:] = 0
    uses = 1.0 * (random.random((len(rows), resources)) < 0.5)
    content = problem(
        [tiny_measure(random, f"M{place}") for place in range(measures)],
        objective=str(random.choice(["stars", "weighted_stars", "dollars"])),
        confidence_z=float(random.choice([0, 0, 1.0, -0.5])),
        budget=float(random.choice([0, 10, 20, cost.sum() * 0.4, 1e9])),
        resources={f"r{place}": float(random.integers(0, 4)) for place in range(resources)},
    )
    if content["objective"] == "dollars":
        content["values"] = {
            one["code"]: np.cumsum(random.integers(0, 100, len(one["cut_counts"]))).tolist()
            for one in content["measures"]
        }
        content["ratings"] = [{"at_least": 2.5, "value": 100}, {"at_least": 3.0, "value": 55.5}]
    inside = random.random(len(rows)) < 0.5
    if random.random() < 0.2:
        content["floors"] = [{"group": "lis", "measure": "M0", "closures": float(random.integers(0, 5)) / 4}]
    named = [(int(member), f"a{action}", float(price)) for (member, action), price in zip(rows, cost, strict=True)]
    return problem_of(content), candidates(named, uplifts, uses, lis=inside)


def tiny_measure(random: np.random.Generator, code: str) -> dict[str, Any]:
    """Cuts near the baseline, or anywhere."""
    firm, mean = int(random.integers(0, 10)), float(random.integers(0, 40)) / 8
    near = firm + mean + np.cumsum(random.integers(1, 10, 4)) / 8 - 0.5
    cuts = near if random.random() < 0.5 else random.integers(1, 18, 4)
    rising: list[float | None] = [0.0, *(float(cut) for cut in np.unique(cuts[cuts > 0]))]
    return measure(
        code, rising, weight=int(random.choice([1, 3])), firm=firm, baseline_mean=mean,
        baseline_variance=float(random.choice([0, 0.25, 0.0625])),
    )  # fmt: skip


def by_force(problem: Problem, candidates: Candidates) -> float | None:
    """The worth of the best of all plans; None where no plan reaches the floors."""
    choices = [[-1, *np.flatnonzero(candidates.member == member)] for member in np.unique(candidates.member)]
    plans = np.array(list(itertools.product(*choices)))
    nothing = np.zeros((1, len(problem.measures)))
    uplifts = np.vstack([candidates.uplifts.toarray(), nothing])
    uses = np.vstack([candidates.uses.toarray(), np.zeros((1, len(problem.resources)))])
    kept = np.append(candidates.cost, 0.0)[plans].sum(axis=1) <= problem.budget
    kept &= (uses[plans].sum(axis=1) <= list(problem.resources.values())).all(axis=1)
    for floor in problem.floors:
        inside = uplifts[:, floor.measure] * np.append(candidates.groups[floor.group], False)
        kept &= inside[plans].sum(axis=1) >= floor.closures
    closures = uplifts[plans[kept]].sum(axis=1)
    stars = np.empty(closures.shape, dtype=int)
    for place, one in enumerate(problem.measures):
        stars[:, place] = one.held
        for star, least in one.thresholds(problem.confidence_z):
            stars[one.firm + one.baseline_mean + closures[:, place] >= least, place] = star
    return max((problem.worth([int(star) for star in line]) for line in np.unique(stars, axis=0)), default=None)


def middling(seed: int, members: int = 150, *, kind: str = "different") -> Case:
    """Some hundred members with six actions, four measures, two capacities; `kind`: different, equal or in sorts."""
    random = np.random.default_rng(seed)
    effects = random.uniform(0.05, 0.4, (6, 4)) * (random.random((6, 4)) < 0.6)
    answers = {
        "different": random.lognormal(0, 0.5, (members, 6)),
        "equal": np.ones((members, 6)),
        "sorts": random.uniform(0.3, 1.5, (5, 6))[random.integers(0, 5, members)],
    }[kind]
    uplifts = np.minimum(answers[:, :, None] * effects * (random.random((members, 1, 4)) < 0.7), 1.0)
    member, action = np.nonzero(uplifts.any(axis=2))
    mixed = random.permutation(len(member))
    member, action = member[mixed], action[mixed]
    cost = np.array([1, 9, 25, 40, 60, 5.0])[action]
    cost = cost if kind == "equal" else np.round(cost * random.uniform(0.9, 1.1, len(cost)), 2)
    most = uplifts.max(axis=1).sum(axis=0)
    measures = []
    for place in range(4):
        base = 100 + random.uniform(0, 1)
        steps = base + np.cumsum(random.uniform(0.1, 0.35, 3)) * max(most[place], 1.0)
        cuts: list[float | None] = [0.0, base - 5, *steps.tolist()]
        measures.append(
            measure(
                f"M{place}", cuts, firm=90, baseline_mean=base - 90, denominator=1000, weight=int(random.choice([1, 3]))
            )
        )
    content = problem(
        measures,
        objective="weighted_stars",
        budget=float(members * random.choice([2, 5, 12])),
        resources={"call": members // 4, "kit": members / 7},
    )
    uses = np.column_stack([action % 3 == 0, 0.5 * (action % 3 == 1)])
    rows = [(int(m), f"a{a}", float(c)) for m, a, c in zip(member, action, cost, strict=True)]
    return problem_of(content), candidates(rows, uplifts[member, action], uses)
