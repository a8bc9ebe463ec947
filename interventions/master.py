"""The tiny programme over stars alone: which stars would be worth most among those no cut forbids."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, OptimizeResult, milp

from interventions.ladders import Ladder, Rung
from interventions.pool import Cut
from interventions.problem import Floats, Problem

# HiGHS keeps a row to about a millionth; a row of this size keeps a cut to a hundred-millionth of its constant.
ROW_SIZE = 100.0
# A cut must be broken by more than this share to count.
CLEAR = 2e-6
# A search for stars ends here; its bound holds all the same.
MOST_NODES = 1_000
# The farthest from any cut need not be found exactly.
NEARLY_EASIEST = 0.05
# Nor the cheapest.
NEARLY_CHEAPEST = 2e-3

Stars = tuple[int, ...]


@dataclass
class Master:
    """The stars there are to choose from, the cuts and ladders so far, and stars tried in vain."""

    problem: Problem
    rungs: list[Rung]
    cuts: list[Cut] = field(default_factory=list)
    ladders: list[Ladder] = field(default_factory=list)
    in_vain: list[Stars] = field(default_factory=list)

    def needs(self, stars: Stars) -> Floats:
        """Closures beyond the baseline that these stars need, by measure."""
        needed = {(rung.measure, rung.stars): rung.need for rung in self.rungs}
        return np.array([needed[place, one] for place, one in enumerate(stars)])

    def best(self) -> tuple[Stars | None, float]:
        """The best stars found that no cut forbids, and what no plan can pass, proven even where the search ends early.

        The bound is minus infinity where the cuts forbid everything, infinity where nothing was proven in time.
        """
        found = self.solve(self.worths(), self.rules())
        if found.status == 2:
            return None, -np.inf
        if found.mip_dual_bound is None:
            return None, np.inf
        bound = self.problem.floor(-float(found.mip_dual_bound) * self.unit)
        stars = self.stars_of(found)
        return stars, bound if stars is None else max(bound, self.problem.worth(stars))

    def easiest(self, at_least: float) -> Stars | None:
        """Of the stars worth so much, not forbidden and not tried in vain, those farthest below the tightest cut."""
        rows, bounds, _ = self.cut_rows()
        return self.least(at_least, rows, bounds, np.ones(len(rows)), NEARLY_EASIEST)[0]

    def cheapest(self, at_least: float) -> tuple[Stars | None, float]:
        """Of the same stars those that cost least as far as the cuts know, and the dollars below which none can be had.

        What a cut leaves over is dollars.
        """
        rows, bounds, dollars = self.cut_rows()
        stars, share = self.least(at_least, rows, bounds - dollars, dollars, NEARLY_CHEAPEST)
        return stars, share * self.problem.budget

    def least(
        self, at_least: float, rows: Floats, bounds: Floats, slack: Floats, near: float
    ) -> tuple[Stars | None, float]:
        """Of the stars worth so much those that need least of a slack all rows have (to a share `near`), and it."""
        worths, tolerance = self.worths(), 1e-7 * max(1.0, abs(at_least))
        rules = [*self.rules(), *self.untried()]
        rules.append(LinearConstraint(-worths[None, :] / self.unit, (at_least - tolerance) / self.unit, np.inf))
        widened = [
            LinearConstraint(np.hstack([rule.A, np.zeros((len(rule.A), 1))]), rule.lb, rule.ub) for rule in rules
        ]
        widened.append(LinearConstraint(np.hstack([rows, -slack[:, None]]), -np.inf, bounds))
        found = self.solve(np.append(np.zeros(self.size), 1.0), widened, free=1, near=near)
        return self.stars_of(found), -np.inf if found.mip_dual_bound is None else float(found.mip_dual_bound)

    @property
    def unit(self) -> float:
        """The unit of worth in the programmes: HiGHS likes numbers near one."""
        return float(np.abs(self.worths()).max(initial=0.0)) or 1.0

    @property
    def size(self) -> int:
        """How many binaries: one a rung, one a step of the rating."""
        return len(self.rungs) + len(self.problem.steps)

    def worths(self) -> Floats:
        """What each binary is worth, negative because HiGHS minimises."""
        return -np.array([*(rung.worth for rung in self.rungs), *(step.value for step in self.problem.steps)])

    def rules(self, *, with_cuts: bool = True) -> list[LinearConstraint]:
        """One rung a measure, no step that is not reached, no cut broken."""
        kept = [self.one_each()]
        for place, step in enumerate(self.problem.steps):
            row = np.zeros((1, self.size))
            weights = [m.weight if m.contract == step.contract else 0.0 for m in self.problem.measures]
            row[0, : len(self.rungs)] = [weights[rung.measure] * rung.stars for rung in self.rungs]
            row[0, len(self.rungs) + place] = -step.at_least * sum(weights)
            kept.append(LinearConstraint(row, -1e-9 * step.at_least * sum(weights), np.inf))
        if self.cuts and with_cuts:
            rows, bounds, _ = self.cut_rows()
            kept.append(LinearConstraint(rows, -np.inf, bounds))
        return kept

    def one_each(self) -> LinearConstraint:
        """Exactly one rung a measure."""
        rows = np.zeros((len(self.problem.measures), self.size))
        rows[[rung.measure for rung in self.rungs], np.arange(len(self.rungs))] = 1
        return LinearConstraint(rows, 1, 1)

    def cut_rows(self) -> tuple[Floats, Floats, Floats]:
        """The cuts as rows over the binaries, scaled to a common size; their bounds, and what of these is the budget.

        A rung that breaks a cut alone is forbidden whatever it asks: twice the bound says so, and keeps the numbers
        near each other.
        """
        measures = len(self.problem.measures)
        floors = np.array([floor.closures for floor in self.problem.floors])
        measure, need = np.array([r.measure for r in self.rungs]), np.array([r.need for r in self.rungs])
        both = [(cut, cut.prices[measure] * need) for cut in self.cuts]
        both += [(ladder.cut, ladder.asked) for ladder in self.ladders]
        rows, bounds, dollars = np.zeros((len(both), self.size)), np.zeros(len(both)), np.zeros(len(both))
        for place, (cut, asked) in enumerate(both):
            bound = cut.constant - float(cut.prices[measures : measures + len(floors)] @ floors)
            unit = max(bound, float(asked.max(initial=0.0)) * CLEAR, 1e-300)
            rows[place, : len(self.rungs)] = ROW_SIZE * np.minimum(asked / unit, 2.0)
            bounds[place] = ROW_SIZE * bound / unit
            dollars[place] = ROW_SIZE * float(cut.prices[-1]) * self.problem.budget / unit
        return rows, bounds, dollars

    def untried(self) -> list[LinearConstraint]:
        """Stars tried in vain are not tried again."""
        rules = []
        for stars in self.in_vain:
            row = np.zeros((1, self.size))
            row[0, : len(self.rungs)] = [float(stars[rung.measure] == rung.stars) for rung in self.rungs]
            rules.append(LinearConstraint(row, -np.inf, len(stars) - 1))
        return rules

    def solve(
        self, objective: Floats, rules: Sequence[LinearConstraint], *, free: int = 0, near: float = 0.0
    ) -> OptimizeResult:
        """The best solution, to a share `near` or after MOST_NODES; the last `free` variables are real numbers."""
        binaries = self.size
        unit = float(np.abs(objective).max(initial=0.0)) or 1.0
        found = milp(
            objective / unit,
            constraints=rules,
            integrality=np.append(np.ones(binaries), np.zeros(free)),
            bounds=Bounds(np.append(np.zeros(binaries), [-ROW_SIZE] * free), np.ones(binaries + free)),
            options={"mip_rel_gap": near, "node_limit": MOST_NODES},
        )
        # scipy knows no name for HiGHS's "Solution limit reached", which is MOST_NODES.
        if found.status not in (0, 1, 2) and "limit" not in found.message:
            raise ArithmeticError(f"HiGHS could not choose stars: {found.message}")
        return found

    def stars_of(self, found: OptimizeResult) -> Stars | None:
        """The stars of a solution."""
        if found.x is None:
            return None
        chosen = {rung.measure: rung.stars for rung, taken in zip(self.rungs, found.x, strict=False) if taken > 0.5}
        return tuple(chosen[place] for place in range(len(self.problem.measures)))


def master_of(problem: Problem) -> Master:
    """Every level of every measure from the one held without action upwards."""
    rungs = []
    for place, measure in enumerate(problem.measures):
        levels = [(measure.held, 0.0)]
        levels += [(star, max(0.0, least - measure.base)) for star, least in measure.thresholds(problem.confidence_z)]
        rungs += [Rung(place, star, need, problem.values[place][star - 1]) for star, need in levels]
    return Master(problem, rungs)
