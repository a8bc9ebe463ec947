"""Spend the next dollar where it buys the most stars: the plan, a proven bound no plan can pass, and the prices.

The problem (docs/optimiser.md) is split in two. A tiny master programme chooses stars; pricing (`reaching`) says
whether they can be reached with the budget, the capacities and the floors, which is a question about each member alone
once prices are given. Where they cannot, the prices prove it and become a cut of the master; where they can, the
fractional plan is rounded to a real one. The master's worth is an upper bound at any time: it needs the prices to be
true of nothing.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
from threadpoolctl import threadpool_limits

from interventions import exact
from interventions.candidates import Candidates
from interventions.highs import chatter_to_stderr
from interventions.ladders import Ladder, Rung, ladder_of
from interventions.master import Master, Stars, master_of
from interventions.pool import Cut, Pool, cut_of, offer, pool_of
from interventions.problem import Floats, Integers, Problem, ProblemError
from interventions.reaching import Ground, Verdict, reach
from interventions.relaxing import relaxed
from interventions.rounding import plans
from interventions.tally import Tally, allowed, tally

# Problems of at most so many usable candidates are also solved exactly where prices leave a gap.
SMALL = 2_000
# Of these so few are solved exactly at once.
TINY = 200
# The search ends after so many tries, fewer where there is more to look at: it ends in time by its own design, and a
# slower machine finds the same plan. So many tries in a row that better neither the plan nor the bound end it as well.
MOST_TRIES, LEAST_TRIES, TRIES_BY_UPLIFTS = 150, 20, 1e8
MOST_IN_VAIN = 30
# A plan so near to the bound is good enough.
TOLERANCE = 1e-3
# After stars were reached, half of the way left to the bound is tried; after each try in vain, so much less of it.
HALF, SHORTER = 0.5, 0.6
# A first plan of stars may cost all but this share of the budget; the best stars are then reached at least cost.
SPARE = 5e-3
# So many stars of one worth are looked at for the cheapest; a plan that costs this share more is cheap enough.
MOST_CHEAPER, CHEAP = 12, 1e-2
# What may be saved by less than this share is not looked for.
WORTH_WHILE = 2e-3
# So many straight cuts go over to a larger budget.
KEPT_CUTS = 40


@dataclass(frozen=True)
class Plan:
    """The plan and what is proven of it.

    `rows` are those of the file (from 0) to do. `lower_bound` is the worth of the stars they reach, `upper_bound` what
    no plan can pass; `proof` says by what: prices (the cuts) or an exact search. `prices` are dollars per closure of
    each measure and floor and per unit of each resource, and the dollar itself.
    """

    problem: Problem
    rows: Integers
    tally: Tally
    lower_bound: float
    upper_bound: float
    proof: str
    prices: Floats
    cuts: list[Cut]
    ladders: list[Ladder]
    rungs: list[Rung]
    seconds: float

    @property
    def gap(self) -> float:
        """The part of the bound the plan does not reach."""
        if self.upper_bound <= self.lower_bound:
            return 0.0
        return (self.upper_bound - self.lower_bound) / max(abs(self.upper_bound), 1e-300)


def optimise(
    problem: Problem,
    candidates: Candidates,
    *,
    small: int = SMALL,
    tiny: int = TINY,
    seed: int = 0,
    seconds: float = np.inf,
) -> Plan:
    """Plan. Raises ProblemError where an equity floor cannot be reached.

    `small` is how many usable candidates are solved exactly where a gap is left. The same input and seed give the same
    plan, unless `seconds` end the search: then the best plan by then, with the bound proven by then.
    """
    begun = time.monotonic()
    with quietly():
        pool = pool_of(problem, candidates)
        search = Search.of(problem, candidates, pool, seed=seed, deadline=begun + seconds)
        search.search(small=small, tiny=tiny)
        return search.plan(seconds=time.monotonic() - begun)


@contextmanager
def quietly() -> Iterator[None]:
    """HiGHS silent, and one thread for matrices: they are small, and threads would wait for each other."""
    with chatter_to_stderr(), threadpool_limits(limits=1):
        yield


def moved(cut: Cut, more: float) -> Cut:
    """A cut where the budget is larger."""
    return replace(cut, constant=cut.constant + (1 + 1e-10) * float(cut.prices[-1]) * more)


@dataclass
class Search:
    """The search for the best plan of a pool, and what it knows so far."""

    problem: Problem
    candidates: Candidates
    pool: Pool
    ground: Ground
    master: Master
    lower: float = -np.inf
    spend: float = np.inf
    rows: Integers | None = None
    prices: Floats | None = None
    bound: float = np.inf
    near: Floats | None = None
    weights: Floats | None = None
    deadline: float = np.inf
    proven: float = np.inf
    proof: tuple[int, int] = (0, 0)
    looked: tuple[int, int] = (-1, -1)

    @classmethod
    def of(
        cls, problem: Problem, candidates: Candidates, pool: Pool, *, seed: int = 0, deadline: float = np.inf
    ) -> "Search":
        """A search that knows nothing yet."""
        ground = Ground(pool, np.random.default_rng(seed))
        return cls(problem, candidates, pool, ground, master_of(problem), deadline=deadline)

    def search(self, *, small: int = SMALL, tiny: int = TINY, after: "Search | None" = None) -> None:
        """Everything there is to do, `after` a search with a smaller budget; small problems are searched whole."""
        rows = len(self.pool.owner)
        if after is not None:
            self.learn(after)
        else:
            self.begin()
        if rows <= min(tiny, small):
            self.search_whole()
        self.run()
        if rows <= small and self.bound == np.inf and self.lower < self.upper() and not self.late:
            self.search_whole()
        self.cheapen()

    def learn(self, other: "Search") -> None:
        """What a search with a smaller budget found: its plan is a plan, its cuts hold with the dollars there are more.

        Of the straight cuts the newest are kept, and the first, one a measure: more would slow the choice of stars.
        """
        more = self.problem.budget - other.problem.budget
        old = other.master.cuts
        kept = [*old[: self.pool.measures], *old[self.pool.measures :][-KEPT_CUTS:]]
        self.master.cuts += [moved(cut, more) for cut in kept]
        self.master.ladders += [replace(ladder, cut=moved(ladder.cut, more)) for ladder in other.master.ladders]
        self.near, self.weights = other.near, other.weights
        if other.rows is not None and other.prices is not None:
            self.keep(other.rows, other.prices)

    def run(self) -> None:
        """Choose stars, price them, cut or round, until the plan meets the bound or all has been tried.

        Stars are tried in turn at the bound, which lowers it, and part of the way to it, which finds plans.
        """
        if self.lower < min(self.upper(), self.bound) * (1 - TOLERANCE):
            self.relax()
        share, known, in_vain = HALF, (self.lower, np.inf), 0
        for tried in range(self.most_tries):
            upper = min(self.upper(), self.bound)
            in_vain = 0 if (self.lower, upper) != known else in_vain + 1
            known = self.lower, upper
            if upper - self.lower <= TOLERANCE * abs(upper) or in_vain > MOST_IN_VAIN or self.late:
                break
            stars = self.candidate_stars(upper, upper if tried % 2 else self.lower + share * (upper - self.lower))
            if stars is None:
                break
            share = HALF if self.attempt(stars) else share * SHORTER

    def candidate_stars(self, upper: float, target: float) -> Stars | None:
        """Stars worth the target, or what is left to try above the plan; None where nothing is."""
        least = self.lower + self.finest
        return self.master.easiest(min(max(target, least), upper)) or self.master.easiest(least)

    @property
    def late(self) -> bool:
        """Whether the time that was given has run out."""
        return time.monotonic() > self.deadline

    @property
    def most_tries(self) -> int:
        """How many stars may be tried."""
        return int(np.clip(TRIES_BY_UPLIFTS / max(self.pool.matrix.nnz, 1), LEAST_TRIES, MOST_TRIES))

    @property
    def finest(self) -> float:
        """By how much a plan must be better to be worth finding."""
        return self.problem.grain or 1e-6 * max(abs(self.lower), 1.0)

    def cheapen(self) -> None:
        """Reach the worth of the best plan for less: with its own stars, then with those that seem to cost least."""
        if self.rows is None:
            return
        stars: Stars | None = tuple(tally(self.problem, self.candidates, self.rows).stars)
        seen: set[Stars] = set()
        while stars is not None and stars not in seen and len(seen) < MOST_CHEAPER and not self.late:
            seen.add(stars)
            verdict = reach(self.ground, self.master.needs(stars), self.prices)
            self.master.cuts += verdict.cuts
            self.bend(verdict.prices)
            if verdict.way is not None and verdict.way.mix.value < (1 - WORTH_WHILE) * self.spend:
                self.rounded(stars, verdict)
            stars, dollars = self.master.cheapest(self.lower)
            if self.spend <= (1 + CHEAP) * dollars:
                break

    def relax(self) -> None:
        """First prices and two ladders there: the second puts weight where the best stars stand away from the first."""
        for prices in relaxed(self.ground, self.master):
            self.near = prices
            ladder = self.bend(prices)
            stars, _ = self.master.best()
            if stars is None:
                continue
            rungs = zip(self.master.rungs, ladder.shifts, strict=True)
            moved = np.array([abs(shift) for rung, shift in rungs if rung.stars == stars[rung.measure]])
            self.weights = ladder.weights / ladder.weights.sum() + moved / max(moved.sum(), 1e-300)
            self.bend(prices)

    def begin(self) -> None:
        """What is known before any stars: how far each measure can be raised, and a plan that keeps the floors."""
        for place in range(self.pool.measures):
            prices = np.zeros(self.pool.columns)
            prices[place] = 1.0
            self.master.cuts.append(cut_of(self.pool, offer(self.pool, prices)))
        if self.keep(np.zeros(0, dtype=np.int64), np.append(np.zeros(self.pool.columns - 1), 1.0)):
            return
        held = tuple(measure.held for measure in self.problem.measures)
        if not self.pool.members or not (self.attempt(held) or held in self.master.in_vain):
            raise self.no_plan("no plan within the budget and the capacities reaches")

    def bend(self, prices: Floats) -> Ladder:
        """A ladder at these prices."""
        weights = prices[: self.pool.measures] if self.weights is None else self.weights
        ladder = ladder_of(self.pool, offer(self.pool, prices), self.master.rungs, weights)
        self.master.ladders.append(ladder)
        return ladder

    def attempt(self, stars: Stars) -> bool:
        """Whether a plan for these stars was found; if not, a cut forbids them or they are noted as tried in vain."""
        # The first way that the budget allows, and only where no plan lies near it the cheapest.
        for enough in (self.problem.budget * (1 - SPARE), 0.0):
            verdict = reach(self.ground, self.master.needs(stars), self.near, enough=enough)
            self.master.cuts += verdict.cuts
            if verdict.forbidden:
                self.bend(verdict.prices)
                return False
            self.near = verdict.prices
            if self.rounded(stars, verdict, enough):
                return True
            if verdict.way is None or verdict.way.mix.value > enough:
                break
        self.master.in_vain.append(stars)
        return False

    def rounded(self, stars: Stars, verdict: Verdict, enough: float = 0.0) -> bool:
        """Round a fractional plan; kept where it keeps every limit and is better than the one before.

        Without `enough` the search goes on until it costs hardly more than the fractional one.
        """
        if verdict.way is None:
            return False
        needs, nearest = self.master.needs(stars), offer(self.pool, verdict.prices)
        kept, cheap = False, (1 + CHEAP) * verdict.way.mix.value
        for rows in plans(self.pool, needs, verdict.way, nearest, self.ground.random, enough=enough):
            kept = self.keep(self.pool.source[rows], verdict.prices) or kept
            if kept and (enough or self.spend <= cheap):
                break
        return kept

    def keep(self, rows: Integers, prices: Floats) -> bool:
        """Keep a plan of rows of the file if it is allowed and better, or as good and cheaper."""
        found = tally(self.problem, self.candidates, rows)
        worth = self.problem.worth(found.stars)
        if not allowed(self.problem, found) or (worth, -found.spend) <= (self.lower, -self.spend):
            return False
        self.lower, self.spend, self.rows, self.prices = worth, found.spend, np.sort(rows), prices
        return True

    def upper(self) -> float:
        """What no plan can pass, by the cuts so far; `proof` is how many of the cuts and ladders proved it."""
        so_far = len(self.master.cuts), len(self.master.ladders)
        if so_far != self.looked:
            self.looked, bound = so_far, self.master.best()[1]
            if bound < self.proven:
                self.proven, self.proof = bound, so_far
        return self.proven

    def search_whole(self) -> None:
        """Look for a better plan, and a better bound, in the whole problem at once."""
        found = exact.search(self.problem, self.candidates, self.pool, self.master, deadline=self.deadline)
        self.bound = found.bound
        if found.rows is not None and found.worth >= self.lower:
            stars = tuple(tally(self.problem, self.candidates, found.rows).stars)
            verdict = reach(self.ground, self.master.needs(stars))
            self.keep(found.rows, verdict.prices)
            self.rounded(stars, verdict)

    def no_plan(self, reason: str) -> ProblemError:
        """The refusal of floors."""
        names = ", ".join(self.problem.floor_name(floor) for floor in self.problem.floors)
        return ProblemError(f"{reason} {names}", field="floors")

    def plan(self, *, seconds: float) -> Plan:
        """The plan as it stands. Raises ProblemError where none that reaches the floors was found."""
        rows, prices = self.rows, self.prices
        if rows is None or prices is None:
            raise self.no_plan("no plan was found that reaches")
        by_prices = self.upper()
        exactly = self.bound < by_prices
        # An exact search may have had all the cuts; a bound by prices is given with those that proved it.
        cuts, ladders = (None, None) if exactly else self.proof
        return Plan(
            problem=self.problem,
            rows=rows,
            tally=tally(self.problem, self.candidates, rows),
            lower_bound=self.lower,
            upper_bound=max(min(by_prices, self.bound), self.lower),
            proof="exact" if exactly else "prices",
            prices=prices,
            cuts=self.master.cuts[:cuts],
            ladders=self.master.ladders[:ladders],
            rungs=self.master.rungs,
            seconds=seconds,
        )
