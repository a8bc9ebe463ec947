"""An independent checker: recomputes a plan's bound from the stored prices, and the plan from its file.

Nothing here is shared with the optimiser but the reading of the files. A cut says that closures bought at its prices
never exceed the limits at their prices plus what each member's best action is worth beyond its own; that is true at
any prices, so the constant is computed anew and the stored one is only compared. The bound is the worth of the best
stars no cut forbids.
"""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
from scipy import sparse
from scipy.optimize import Bounds, LinearConstraint, OptimizeResult, milp

from interventions.candidates import PARQUET, Candidates
from interventions.highs import chatter_to_stderr
from interventions.problem import Floats, Integers, Problem, ProblemError

# Constants are compared to this share: the sums are the same, their order is not.
SAME = 1e-6
# At a tie that doubles cannot see a plan may be said to earn the star or not.
LAST_DIGITS = 1e-12
# Searches end after so many nodes, of the whole problem fewer the larger it is: no clock decides.
MOST_NODES, NODES_BY_SIZE, LEAST_NODES = 20_000, 40_000_000, 1_000
# What a certificate of this form says, this module can read.
VERSION = 2


@dataclass(frozen=True)
class Checked:
    """What was found: the worth and the bound recomputed, and every finding in words (none: all is as it says)."""

    worth: float
    upper_bound: float
    findings: list[str]


def check(problem: Problem, candidates: Candidates, rows: Integers, certificate: dict[str, Any]) -> Checked:
    """Check a plan (rows of the file, from 0) and its certificate."""
    findings, least, worth = plan_findings(problem, candidates, rows)
    said, edge = certificate["lower_bound"], SAME * max(1.0, abs(worth))
    if not least - edge <= said <= worth + edge:
        findings.append(f"the plan is worth {worth:g}, the certificate says {said:g}")
    cuts = []
    for place, cut in enumerate(certificate["cuts"]):
        constant, negative = constant_of(problem, candidates, cut)
        if negative:
            findings.append(f"cut {place} has a price below 0: it proves nothing")
            continue
        if abs(constant - cut["constant"]) > SAME * max(1.0, abs(constant)):
            findings.append(f"the constant of cut {place} is {constant:g}, the certificate says {cut['constant']:g}")
        cuts.append((cut, constant))
    ladders = []
    for place, ladder in enumerate(certificate["ladders"]):
        constant, negative = constant_of(problem, candidates, ladder)
        asked = None if negative else asked_of(problem, candidates, ladder)
        if asked is None:
            findings.append(f"ladder {place} has a price below 0 or a weight that is not above 0: it proves nothing")
            continue
        if abs(constant - ladder["constant"]) > SAME * max(1.0, abs(constant)):
            findings.append(
                f"the constant of ladder {place} is {constant:g}, the certificate says {ladder['constant']:g}"
            )
        ladders.append((asked, constant - at_floors(problem, ladder)))
    with chatter_to_stderr():
        exact = candidates if certificate["proof"] == "exact" else None
        bound = best_stars(problem, cuts, ladders, exact, certificate["upper_bound"])
    tolerance = SAME * max(1.0, abs(bound))
    if bound > certificate["upper_bound"] + tolerance:
        findings.append(f"the bound is {bound:g}, the certificate says {certificate['upper_bound']:g}")
    if worth > bound + tolerance:
        findings.append(f"the plan is worth {worth:g}, above the bound of {bound:g}")
    return Checked(worth, bound, findings)


def plan_findings(problem: Problem, candidates: Candidates, rows: Integers) -> tuple[list[str], float, float]:
    """What is wrong with a plan, and what the stars it reaches are worth: at the least, and if the last digits help."""
    findings = []
    if len(set(candidates.member[rows].tolist())) < len(rows):
        findings.append("a member has more than one action")
    spend = float(sum(candidates.cost[rows].tolist()))
    if spend > problem.budget:
        findings.append(f"the plan costs {spend:.2f}, above the budget of {problem.budget:.2f}")
    for place, (name, cap) in enumerate(problem.resources.items()):
        used = float(sum(candidates.uses[rows][:, [place]].toarray().ravel().tolist()))
        if used > cap:
            findings.append(f"the plan uses {used:g} of {name}, above the capacity of {cap:g}")
    uplifts = candidates.uplifts[rows].toarray()
    for floor in problem.floors:
        had = float(sum(uplifts[candidates.groups[floor.group][rows], floor.measure].tolist()))
        if had < floor.closures:
            findings.append(f"{problem.floor_name(floor)} gets {had:g} closures, below the floor of {floor.closures:g}")
    earned: list[list[int]] = [[], []]
    for place, measure in enumerate(problem.measures):
        numerator = measure.firm + measure.baseline_mean + float(sum(uplifts[:, place].tolist()))
        spread = problem.confidence_z * math.sqrt(measure.baseline_variance)
        cuts = [(star, cut) for star, cut in enumerate(measure.cut_counts, 1) if cut is not None]
        held = max(star for star, cut in cuts if measure.firm + measure.baseline_mean >= cut)
        for stars, digits in zip(earned, (-LAST_DIGITS, LAST_DIGITS), strict=True):
            had = numerator * (1 + digits)
            stars.append(max([held, *(star for star, cut in cuts if star > held and had >= cut + spread)]))
    return findings, problem.worth(earned[0]), problem.worth(earned[1])


def constant_of(problem: Problem, candidates: Candidates, cut: dict[str, Any]) -> tuple[float, bool]:
    """The right side of a cut by one exact pass, and whether one of its prices is below 0 or no number."""
    measures = np.array([cut["measures"][measure.name] for measure in problem.measures])
    floors = np.array([cut["floors"][problem.floor_name(floor)] for floor in problem.floors])
    resources = np.array([cut["resources"][name] for name in problem.resources])
    everything = np.concatenate([measures, floors, resources, [cut["budget"]]])
    if not (np.isfinite(everything).all() and (everything >= 0).all()):
        return math.inf, True
    worth, fits = worth_of_rows(problem, candidates, cut)
    best = np.zeros(len(candidates.member_names))
    np.maximum.at(best, candidates.member[fits], worth[fits])
    limits = cut["budget"] * problem.budget + float(resources @ list(problem.resources.values()))
    return (limits + float(best.sum())) * (1 + 1e-10), False


def worth_of_rows(
    problem: Problem, candidates: Candidates, cut: dict[str, Any]
) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """What each row is worth at the prices of a cut beyond what it takes, and which rows fit at all.

    A row that alone passes a limit is in no plan; without it the cut is as true and closer.
    """
    worth = candidates.uplifts @ np.array([cut["measures"][measure.name] for measure in problem.measures])
    worth -= candidates.cost * cut["budget"]
    worth -= candidates.uses @ np.array([cut["resources"][name] for name in problem.resources])
    for floor in problem.floors:
        raised = candidates.uplifts[:, [floor.measure]].toarray().ravel()
        worth += np.where(candidates.groups[floor.group], raised * cut["floors"][problem.floor_name(floor)], 0.0)
    fits = candidates.cost <= problem.budget
    for place, cap in enumerate(problem.resources.values()):
        fits &= candidates.uses[:, [place]].toarray().ravel() <= cap
    return worth, fits


def at_floors(problem: Problem, cut: dict[str, Any]) -> float:
    """What the floors are worth at the prices of a cut."""
    return sum(cut["floors"][problem.floor_name(floor)] * floor.closures for floor in problem.floors)


Asked = list[dict[int, float]]


def asked_of(problem: Problem, candidates: Candidates, ladder: dict[str, Any]) -> Asked | None:
    """What a ladder asks for each level of each measure, by one pass a level; None where it proves nothing.

    `nothing` is an action of its own, the last of each member. See `ladders` for why it is true.
    """
    weights = [ladder["weights"][measure.name] for measure in problem.measures]
    prices = np.array([ladder["measures"][measure.name] for measure in problem.measures])
    if not all(math.isfinite(weight) and weight > 0 for weight in weights):
        return None
    worth, fits = worth_of_rows(problem, candidates, ladder)
    people, rows = len(candidates.member_names), np.flatnonzero(fits)
    owner = np.concatenate([candidates.member[rows], np.arange(people)])
    worth = np.concatenate([worth[rows], np.zeros(people)])
    order = np.lexsort((-worth, owner))
    best = order[np.append(True, np.diff(owner[order]) > 0)]
    uplifts = sparse.vstack([candidates.uplifts[rows], sparse.csr_array((people, len(prices)))], format="csc")
    differ = []
    for place in range(len(prices)):
        column = uplifts[:, [place]].toarray().ravel()
        differ.append((column[best], column - column[best][owner]))
    weighted = np.zeros(len(owner))
    for weight, (_, difference) in zip(weights, differ, strict=True):
        weighted += weight * np.abs(difference)
    share = (worth[best][owner] - worth) / np.where(weighted > 0, weighted, 1.0)
    found: Asked = []
    for measure, weight, price, (had, difference) in zip(problem.measures, weights, prices, differ, strict=True):
        found.append({})
        needs = {measure.held: 0.0}
        needs |= {star: max(0.0, least - measure.base) for star, least in measure.thresholds(problem.confidence_z)}
        for star, need in needs.items():
            shift = ladder["shifts"][measure.name][str(star)]
            if not math.isfinite(shift) or price + shift < -1e-12 * abs(price):
                return None
            turns = np.zeros(people)
            np.maximum.at(turns, owner, shift * difference - share * weight * np.abs(difference))
            found[-1][star] = max(0.0, (price + shift) * need - shift * float(had.sum()) - float(turns.sum()))
    return found


def best_stars(
    problem: Problem,
    cuts: list[tuple[dict[str, Any], float]],
    ladders: list[tuple[Asked, float]],
    candidates: Candidates | None,
    said: float,
) -> float:
    """The worth of the best stars no cut forbids; with candidates, of the best stars a plan can reach.

    Where none is worth more than what is `said` of it, it is that.

    A binary says "at least so many stars": the levels of a measure are taken in order, and each adds its worth and its
    need.
    """
    steps = [one for place in range(len(problem.measures)) for one in ladder(problem, place)]
    size = len(steps) + len(problem.steps)
    rules = [rule for rule in orders(steps, size)] + ratings(problem, steps, size)
    for cut, constant in cuts:
        prices = [cut["measures"][problem.measures[place].name] for place, *_ in steps]
        left = constant - at_floors(problem, cut)
        row = np.array(
            [price * need for price, (_, _, need, _) in zip(prices, steps, strict=True)] + [0.0] * len(problem.steps)
        )
        rules.append(no_more(row, left))
    for asked, left in ladders:
        already = sum(one[measure.held] for one, measure in zip(asked, problem.measures, strict=True))
        row = np.array(
            [rise(asked[place], steps, number) for number, (place, *_) in enumerate(steps)] + [0.0] * len(problem.steps)
        )
        rules.append(no_more(row, left - already))
    held = [max(s for s, cut in m.levels if m.firm + m.baseline_mean >= cut) for m in problem.measures]
    base = math.fsum(values[star - 1] for values, star in zip(problem.values, held, strict=True))
    gains = np.array([gain for *_, gain in steps] + [step.value for step in problem.steps])
    rows = 0
    if candidates is not None:
        rows, rules = candidates.rows, whole(problem, candidates, steps, rules, size)
    if not size:
        return base
    unit = float(gains.max(initial=0.0)) or 1.0
    objective = np.concatenate([np.zeros(rows), -gains / unit])
    more = LinearConstraint(-objective[None, :], (said - base) / unit + SAME * max(1.0, abs(said)) / unit, np.inf)
    if solved(objective, [*rules, more], rows).status == INFEASIBLE:
        return said
    found = solved(objective, rules, rows)
    if found.mip_dual_bound is None:
        raise ArithmeticError(f"HiGHS could not recompute the bound: {found.message}")
    # Where the nodes did not suffice the bound is what was proven by then.
    return base - float(found.mip_dual_bound) * unit


INFEASIBLE = 2


def solved(objective: Floats, rules: list[LinearConstraint], rows: int) -> OptimizeResult:
    """A search over binaries, `rows` of them candidates."""
    nodes = max(NODES_BY_SIZE // (rows * (len(objective) - rows)), LEAST_NODES) if rows else MOST_NODES
    options = {"mip_rel_gap": 0.0, "node_limit": nodes}
    everywhere = np.ones(len(objective))
    return milp(objective, constraints=rules, integrality=everywhere, bounds=Bounds(0, 1), options=options)


def no_more(row: Floats, most: float) -> LinearConstraint:
    """A row of at most so much, in units in which HiGHS's tolerance is small."""
    unit = 100.0 / max(abs(most), 1e-6 * float(np.abs(row).max(initial=0.0)), 1e-300)
    return LinearConstraint(row[None, :] * unit, -np.inf, most * unit)


Step = tuple[int, int, float, float]


def ladder(problem: Problem, place: int) -> list[Step]:
    """(measure, stars, closures needed more than for the step below, worth more) of the levels above the one held."""
    measure, values = problem.measures[place], problem.values[place]
    base = measure.firm + measure.baseline_mean
    cuts = [(star, cut) for star, cut in enumerate(measure.cut_counts, 1) if cut is not None]
    below = max(star for star, cut in cuts if base >= cut)
    spread, had, found = problem.confidence_z * math.sqrt(measure.baseline_variance), 0.0, []
    for star, cut in [one for one in cuts if one[0] > below]:
        need = max(0.0, cut + spread - base)
        found.append((place, star, need - had, values[star - 1] - values[below - 1]))
        had, below = need, star
    return found


def rise(asked: dict[int, float], steps: list["Step"], number: int) -> float:
    """What a ladder asks for a step more than for the step below."""
    place, star = steps[number][:2]
    below = steps[number - 1][1] if number and steps[number - 1][0] == place else min(asked)
    return asked[star] - asked[below]


def orders(steps: list[Step], size: int) -> list[LinearConstraint]:
    """No level of a measure without the level below."""
    rules = []
    for place in range(1, len(steps)):
        if steps[place][0] == steps[place - 1][0]:
            row = np.zeros((1, size))
            row[0, place], row[0, place - 1] = 1.0, -1.0
            rules.append(LinearConstraint(row, -np.inf, 0.0))
    return rules


def ratings(problem: Problem, steps: list[Step], size: int) -> list[LinearConstraint]:
    """No step of a contract's rating without the weighted mean of stars it asks for."""
    rules = []
    for number, step in enumerate(problem.steps):
        row, had, asked = np.zeros((1, size)), 0.0, 0.0
        for place, measure in enumerate(problem.measures):
            if measure.contract != step.contract:
                continue
            had += measure.weight * measure.held
            asked += measure.weight * step.at_least
            below = measure.held
            for at, (owner, star, _, _) in enumerate(steps):
                if owner == place:
                    row[0, at], below = measure.weight * (star - below), star
        row[0, len(steps) + number] = -asked
        rules.append(LinearConstraint(row, -had - 1e-9 * asked, np.inf))
    return rules


def whole(
    problem: Problem, candidates: Candidates, steps: list[Step], rules: list[LinearConstraint], size: int
) -> list[LinearConstraint]:
    """The rules with every candidate as a variable before the levels: the whole problem, as the file says it."""
    rows = candidates.rows
    wide = [
        LinearConstraint(np.hstack([np.zeros((rule.A.shape[0], rows)), rule.A]), rule.lb, rule.ub) for rule in rules
    ]
    owner = sparse.csr_array((np.ones(rows), (candidates.member, np.arange(rows))))
    wide.append(LinearConstraint(sparse.hstack([owner, sparse.csr_array((owner.shape[0], size))]), -np.inf, 1.0))
    limits = [(candidates.cost, problem.budget)]
    limits += [(candidates.uses[:, [k]].toarray().ravel(), cap) for k, cap in enumerate(problem.resources.values())]
    for use, cap in limits:
        wide.append(scaled(np.append(-use, np.zeros(size)), -cap))
    for floor in problem.floors:
        raised = candidates.uplifts[:, [floor.measure]].toarray().ravel() * candidates.groups[floor.group]
        wide.append(scaled(np.append(raised, np.zeros(size)), floor.closures))
    for place in range(len(problem.measures)):
        needs = [-need if owner == place else 0.0 for owner, _, need, _ in steps] + [0.0] * len(problem.steps)
        wide.append(scaled(np.append(candidates.uplifts[:, [place]].toarray().ravel(), needs), 0.0))
    return wide


def scaled(row: Floats, least: float) -> LinearConstraint:
    """A row of at least so much, in units in which HiGHS's tolerance is small."""
    unit = 1e4 / max(float(np.abs(row).max(initial=0.0)), 1e-9)
    return LinearConstraint(row[None, :] * unit, least * unit, np.inf)


def read_certificate(path: Path, problem: Problem) -> dict[str, Any]:
    """Read a certificate. Raises ProblemError where it is none, or of another problem."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if found.get("version") != VERSION:
            written = f"is written in form {found.get('version')} of a certificate; this version reads form {VERSION}"
            raise ProblemError(f"{written}: plan anew", file=path.name, field="version")
        names = [measure.name for measure in problem.measures]
        known = [
            list(cut["measures"])
            for cut in [{"measures": found["prices"]["measures"]}, *found["cuts"], *found["ladders"]]
        ]
        missing = {"lower_bound", "upper_bound", "proof", "cuts", "ladders"} - set(found)
    except OSError as error:
        raise ProblemError(f"cannot be read: {error.strerror}", file=str(path)) from error
    except (json.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
        raise ProblemError("is not a certificate of a plan", file=path.name) from error
    if missing or any(one != names for one in known):
        raise ProblemError("is a certificate of another problem", file=path.name)
    return found


def read_plan(path: Path, candidates: Candidates) -> Integers:
    """The rows of the candidates that a plan file lists. Raises ProblemError for a line that is no candidate."""
    try:
        if path.suffix.lower() in PARQUET:
            listed = pq.read_table(path, columns=["member", "action"])
        else:
            texts = pa_csv.ConvertOptions(column_types={"member": pa.string(), "action": pa.string()})
            listed = pa_csv.read_csv(path, convert_options=texts).select(["member", "action"])
    except (OSError, KeyError, pa.ArrowException) as error:
        raise ProblemError(f"cannot be read as a plan: {str(error).splitlines()[0]}", file=path.name) from error
    members = {str(name): place for place, name in enumerate(candidates.member_names.to_pylist())}
    actions = {str(name): place for place, name in enumerate(candidates.action_names.to_pylist())}
    wide = max(len(actions), 1)
    keys = candidates.member * wide + candidates.action
    order = np.argsort(keys)
    keys_in_order = keys[order]
    found = []
    for line, (member, action) in enumerate(
        zip(*(listed[name].to_pylist() for name in ("member", "action")), strict=True), 1
    ):
        key = members.get(str(member), -1) * wide + actions.get(str(action), -1)
        place = (
            int(np.searchsorted(keys_in_order, key)) if str(member) in members and str(action) in actions else len(keys)
        )
        if place >= len(keys) or keys_in_order[place] != key:
            raise ProblemError("is no candidate", file=path.name, row=line, field="action")
        found.append(int(order[place]))
    return np.sort(np.array(found, dtype=np.int64))
