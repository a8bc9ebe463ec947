"""Equity floors of a plan: the groups they are about, who is in them, and what they cost.

A group is a level of one of the equity lens's characteristics: `lis`, `dual` and `disability` alone mean the members
with it, any other level is named after a point: `sex.Female`, `age.85 and over`, `language.Spanish`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from hedis.gaps.models import Gap
from hedis.members.models import Contract
from interventions import equity_lens
from interventions.candidates import Candidates, Flags
from interventions.optimiser import Plan, optimise
from interventions.problem import Floor, Problem, ProblemError


@dataclass(frozen=True)
class FloorWanted:
    """At least so many expected closures of a measure among the members of a group; `contract` may be left out where
    there is one."""

    group: str
    measure: str
    closures: float
    contract: str = ""

    @classmethod
    def from_text(cls, text: str) -> "FloorWanted":
        """From `lis:COL=25` or `lis:H1001/COL=25`. Raises ProblemError."""
        group, _, rest = text.rpartition(":")
        name, _, number = rest.rpartition("=")
        contract, _, measure = name.rpartition("/")
        try:
            closures = float(number)
        except ValueError:
            closures = -1.0
        if not (group and measure and np.isfinite(closures) and closures >= 0):
            raise ProblemError(f"{text!r} is no floor such as lis:COL=25 or lis:H1001/COL=25", field="floors")
        return cls(group.strip(), measure.strip(), closures, contract.strip())

    def __str__(self) -> str:
        name = f"{self.contract}/{self.measure}" if self.contract else self.measure
        return f"{self.group}:{name}={self.closures:g}"


def level_named(group: str) -> tuple[str, str]:
    """Characteristic and level of a group. Raises ProblemError."""
    by, point, level = group.partition(".")
    kinds = equity_lens.characteristics()
    if by in kinds and not point and "floor" in kinds[by]:
        return by, kinds[by]["floor"]
    if by in kinds and level:
        # Bands are written with the longer dash.
        return by, level.replace("-", "–") if by == equity_lens.AGE else level
    alone = [name for name in kinds if "floor" in kinds[name]]
    others = [f"{name}.LEVEL" for name in kinds if name not in alone]
    raise ProblemError(f"{group!r} is no group; there are {', '.join(alone + others)}", field="floors")


def check(floors: Sequence[FloorWanted], contracts: Sequence[str]) -> None:
    """Refuse an unknown group, a contract that is not planned for, none where there are several, and a floor twice.

    Raises ProblemError.
    """
    seen = set()
    for floor in floors:
        level_named(floor.group)
        if floor.contract and floor.contract not in contracts:
            raise ProblemError(f"{floor}: {floor.contract} is not planned for", field="floors")
        if not floor.contract and len(contracts) > 1:
            words = f"{floor}: which contract? Write {floor.group}:{contracts[0]}/{floor.measure}={floor.closures:g}"
            raise ProblemError(words, field="floors")
        key = (floor.group, floor.contract or contracts[0], floor.measure)
        if key in seen:
            raise ProblemError(f"{floor}: there is a floor for this group and measure already", field="floors")
        seen.add(key)


def content_of(floors: Sequence[FloorWanted], *, named: bool) -> list[dict[str, Any]]:
    """The floors as docs/optimiser.md has them; `named`: with their contracts."""
    return [
        {"group": one.group, "measure": one.measure, "closures": one.closures,
         **({"contract": one.contract} if named else {})}
        for one in floors
    ]  # fmt: skip


def members_of(group: str, contracts: Sequence[Contract], year: int) -> set[str]:
    """Pseudonyms of the group's members with a gap of the year in these contracts. One query."""
    by, level = level_named(group)
    gaps = Gap.objects.filter(contract__in=contracts, year=year).alias(level=equity_lens.level_of(by, year))
    return set(gaps.filter(level__iexact=level).order_by().values_list("member__pseudonym", flat=True).distinct())


def with_groups(problem: Problem, candidates: Candidates, contracts: Sequence[Contract], year: int) -> Candidates:
    """The candidates with the groups of the floors. One query for each group. Raises ProblemError for an empty one."""
    names = candidates.member_names.to_pylist()
    groups: dict[str, Flags] = {}
    for group in dict.fromkeys(floor.group for floor in problem.floors):
        inside = members_of(group, contracts, year)
        flags = np.array([name in inside for name in names], dtype=bool)
        if not flags.any():
            raise ProblemError(f"{group}: nobody who can still be helped is in this group", field="floors")
        groups[group] = flags[candidates.member]
    found = replace(candidates, groups=groups)
    for floor in problem.floors:
        check_reach(problem, floor, found)
    return found


def check_reach(problem: Problem, floor: Floor, candidates: Candidates) -> None:
    """Refuse more than everybody in the group could bring with no limit of budget or contacts. Raises ProblemError."""
    inside = candidates.groups[floor.group]
    best = np.zeros(len(candidates.member_names))
    np.maximum.at(
        best, candidates.member[inside], candidates.uplifts[inside][:, [floor.measure]].toarray().ravel()
    )  # fmt: skip
    if best.sum() < floor.closures:
        raise ProblemError(
            f"{problem.floor_name(floor)}: {floor.closures:g} closures are asked for, and all that can still be helped "
            f"bring {best.sum():,.1f}", field="floors",
        )  # fmt: skip


def price_of_equity(found: Plan, candidates: Candidates, *, seed: int, step: Callable[[], None]) -> dict[str, Any]:
    """What the floors cost: the best plan found without any of them, and without each alone where there are several.

    A plan that keeps the floors is one without them too, so nothing is ever won by a floor.
    """
    problem = found.problem
    free = without(problem.floors, found, candidates, seed)
    step()
    lost = {}
    for floor in problem.floors:
        others = free if len(problem.floors) == 1 else without([floor], found, candidates, seed)
        lost[problem.floor_name(floor)] = {
            "objective": max(others.lower_bound - found.lower_bound, 0.0),
            "closures_without": closures_in(floor, others, candidates),
        }
        step()
    return {
        "objective_without": max(free.lower_bound, found.lower_bound),
        "upper_bound_without": max(free.upper_bound, found.lower_bound),
        "spend_without": free.tally.spend,
        "lost": max(free.lower_bound - found.lower_bound, 0.0),
        "floors": lost,
    }


def without(floors: Sequence[Floor], found: Plan, candidates: Candidates, seed: int) -> Plan:
    """The plan without some of the floors."""
    kept = tuple(floor for floor in found.problem.floors if floor not in floors)
    return optimise(replace(found.problem, floors=kept), candidates, seed=seed)


def closures_in(floor: Floor, plan: Plan, candidates: Candidates) -> float:
    """Expected closures of a floor's measure that a plan brings its group."""
    inside = plan.rows[candidates.groups[floor.group][plan.rows]]
    return float(candidates.uplifts[inside][:, [floor.measure]].sum())
