"""Made-up contracts to measure the optimiser on: seeded, of any size, with gaps, actions, capacities and cuts.

One contract of up to any number of measures (`contract`), or several that share budget and capacities (`contracts`).

Rates, costs and effects lie in the ranges of the published ones (docs/optimiser.md); no figure of it is a finding.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
from scipy import sparse

from interventions.candidates import Candidates
from interventions.problem import Floats, Measure, Problem, problem_of

Generator = np.random.Generator


@dataclass(frozen=True)
class Sort:
    """A sort of action: dollars, the share of open gaps closed beyond the baseline by measure, the resource used."""

    name: str
    cost: float
    effects: dict[str, float]
    resource: str = ""


# Code, weight, share of members in the denominator, share of those met, chance that an open gap closes by itself.
MEASURES = [
    ("BCS", 1, 0.22, 0.62, 0.22), ("COL", 1, 0.45, 0.58, 0.18), ("EED", 1, 0.16, 0.55, 0.24),
    ("GSD", 3, 0.17, 0.52, 0.30), ("CBP", 3, 0.38, 0.50, 0.34), ("KED", 1, 0.17, 0.40, 0.26),
    ("SPC", 1, 0.08, 0.74, 0.12), ("SUPD", 1, 0.12, 0.76, 0.10), ("PDC-STA", 3, 0.30, 0.70, 0.40),
    ("PDC-RAS", 3, 0.28, 0.72, 0.40), ("PDC-DR", 3, 0.12, 0.70, 0.38), ("TRC", 1, 0.07, 0.45, 0.20),
]  # fmt: skip
EVERY = {code: 1.0 for code, *_ in MEASURES}
SORTS = [
    Sort("text", 0.5, {code: 0.015 for code in EVERY}),
    Sort("ivr", 1.5, {code: 0.025 for code in EVERY}),
    Sort("letter", 2.0, {"BCS": 0.04, "COL": 0.03, "EED": 0.03}),
    Sort("live_call", 9.0, {code: 0.07 for code in EVERY}, "live_call"),
    Sort("fit_kit", 25.0, {"COL": 0.20}, "kit"),
    Sort("lab_bundle", 40.0, {"GSD": 0.15, "KED": 0.30, "EED": 0.02}, "kit"),
    Sort("pharmacist", 30.0, dict.fromkeys(("PDC-STA", "PDC-RAS", "PDC-DR"), 0.18) | {"SPC": 0.25}, "pharmacist"),
    Sort("visit_offer", 45.0, {"CBP": 0.22, "GSD": 0.16, "BCS": 0.12, "TRC": 0.30}),
    Sort("home_visit", 120.0, {"CBP": 0.35, "GSD": 0.28, "KED": 0.35, "COL": 0.15, "EED": 0.25, "TRC": 0.40}),
    Sort("call_and_kit", 36.0, {"COL": 0.28, "KED": 0.12, "GSD": 0.08}, "live_call"),
]  # fmt: skip


def contract(
    members: int, *, seed: int, confidence_z: float = 1.28, dollars_a_member: float = 4.0, measures: int = 12
) -> tuple[Problem, Candidates]:
    """A contract of so many members with ten sorts of action and three capacities.

    Beyond the twelfth, measures are like those before them, of other members.
    """
    random = np.random.default_rng(seed)
    open_gaps, made = [], []
    for place in range(measures):
        kind, weight, share, met, alone = MEASURES[place % len(MEASURES)]
        inside = random.random(members) < share
        firm = inside & (random.random(members) < met + random.normal(0, 0.03))
        chance = np.clip(random.beta(8 * alone, 8 * (1 - alone), members), 0.01, 0.95)
        left = inside & ~firm
        open_gaps.append(np.where(left, chance, np.nan))
        made.append(measure(random, code_of(kind, place), weight, inside, firm, chance[left]))
    problem = problem_of(
        {
            "objective": "weighted_stars",
            "confidence_z": confidence_z,
            "budget": round(members * dollars_a_member),
            "resources": {"live_call": members // 20, "kit": members // 25, "pharmacist": members // 40},
            "measures": made,
        }
    )
    return problem, candidates(random, members, problem.measures, np.array(open_gaps))


def contracts(members: int, *, seed: int, number: int, measures: int = 12) -> tuple[Problem, Candidates]:
    """So many contracts, each of its share of the members and with measures of its own; one budget for all."""
    parts = [contract(members // number, seed=1000 * seed + place, measures=measures) for place in range(number)]
    names = [f"H{place + 1:04}" for place in range(number)]
    problem = replace(
        parts[0][0],
        budget=sum(one.budget for one, _ in parts),
        resources={name: sum(one.resources[name] for one, _ in parts) for name in parts[0][0].resources},
        measures=tuple(
            replace(one, contract=name) for name, (own, _) in zip(names, parts, strict=True) for one in own.measures
        ),
        values=tuple(values for own, _ in parts for values in own.values),
    )
    every = [one for _, one in parts]
    people = np.cumsum([0, *(len(one.member_names) for one in every)])
    return problem, Candidates(
        member=np.concatenate([one.member + first for one, first in zip(every, people, strict=False)]),
        member_names=pa.array([f"m{number:07}" for number in range(people[-1])]),
        action=np.concatenate([one.action for one in every]),
        action_names=every[0].action_names,
        cost=np.concatenate([one.cost for one in every]),
        uplifts=sparse.csr_array(sparse.block_diag([one.uplifts for one in every], format="csr")),
        uses=sparse.csr_array(sparse.vstack([one.uses for one in every], format="csr")),
        groups={},
    )


def code_of(kind: str, place: int) -> str:
    """The code of a measure: its kind, and the round it belongs to from the second on."""
    again = place // len(MEASURES)
    return f"{kind}.{again + 1}" if again else kind


def measure(
    random: Generator, code: str, weight: int, inside: np.ndarray, firm: np.ndarray, chances: Floats
) -> dict[str, object]:
    """A measure of the problem file: its cuts lie a few points apart around the rate it would have anyway."""
    denominator = int(inside.sum())
    base = (firm.sum() + chances.sum()) / max(denominator, 1)
    width, held = random.uniform(0.025, 0.05), random.integers(2, 5)
    first = base - random.uniform(0.1, 0.9) * width
    cuts = [0.0, *sorted(np.ceil((first + (star - held) * width) * denominator) for star in range(2, 6))]
    return {
        "code": code,
        "weight": weight,
        "denominator": denominator,
        "firm": int(firm.sum()),
        "baseline_mean": float(chances.sum()),
        "baseline_variance": float((chances * (1 - chances)).sum()),
        "cut_counts": [float(max(cut, place)) for place, cut in enumerate(cuts)],
    }


def candidates(random: Generator, members: int, measures: tuple[Measure, ...], chances: Floats) -> Candidates:
    """Every sort of action for every member with an open gap it touches; members answer differently."""
    codes = [one.code for one in measures]
    answers = random.lognormal(-0.18, 0.6, members)
    parts: list[Any] = []
    resources = ["live_call", "kit", "pharmacist"]
    for place, sort in enumerate(SORTS):
        effect = np.array([sort.effects.get(code.split(".")[0], 0.0) for code in codes])[:, None]
        uplift = effect * answers * np.nan_to_num(1 - chances) * random.uniform(0.7, 1.3, (1, members))
        uplift = np.minimum(uplift, 0.9 * np.nan_to_num(1 - chances))
        who = np.flatnonzero(uplift.any(axis=0))
        uses = np.zeros((len(who), 3))
        if sort.resource:
            uses[:, resources.index(sort.resource)] = 1
        cost = np.round(sort.cost * random.uniform(0.9, 1.1, len(who)), 2)
        parts.append((who, np.full(len(who), place), cost, sparse.csr_array(uplift[:, who].T), sparse.csr_array(uses)))
    member, action, costs, uplifts, uses_of = map(list, zip(*parts, strict=True))
    return Candidates(
        member=np.concatenate(member),
        member_names=pa.array([f"m{number:07}" for number in range(members)]),
        action=np.concatenate(action),
        action_names=pa.array([sort.name for sort in SORTS]),
        cost=np.concatenate(costs),
        uplifts=sparse.csr_array(sparse.vstack(uplifts, format="csr")),
        uses=sparse.csr_array(sparse.vstack(uses_of, format="csr")),
        groups={},
    )
