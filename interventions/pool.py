"""The pool of usable candidates as linking rows, and the exact pass over it that prices everything at once.

What a plan adds up to is a vector: the closures of each measure, those of each equity floor, the units of each
resource, the dollars. `covers` are the first ones, of which there must be enough; `limits` the others, with the budget
last, of which there must not be too much. Prices are dollars (or any common unit) per unit of each, never negative.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import sparse

from interventions.candidates import Candidates, Flags
from interventions.problem import Floats, Integers, Problem

# Sums of multiples of one part in so many are exact in doubles up to eight billions.
FINEST = 2.0**20
# Above what HiGHS rounds, as a share of the largest number of a row.
EDGE = 1e-5


@dataclass(frozen=True)
class Pool:
    """Candidates that fit at all, sorted by member. `matrix` is rows x columns, columns being covers then limits.

    `starts` are the first rows of each member, `owner` the member of each row, `source` its row in the file (from 0).
    `caps` are the limits with the budget last, `floors` what the last covers must reach whatever the stars.
    """

    matrix: sparse.csr_array
    starts: Integers
    owner: Integers
    source: Integers
    measures: int
    floors: Floats
    caps: Floats

    @property
    def members(self) -> int:
        """How many members can be helped."""
        return len(self.starts)

    @property
    def covers(self) -> int:
        """How many columns are covers."""
        return self.measures + len(self.floors)

    @property
    def columns(self) -> int:
        """How many columns there are."""
        return self.covers + len(self.caps)

    @cached_property
    def counted(self) -> Flags:
        """Which columns hold only numbers whose sums are exact: whole ones, halves, down to a millionth part."""
        fractions = (self.matrix.data * FINEST) % 1 != 0
        found = np.ones(self.columns, dtype=bool)
        found[np.unique(self.matrix.indices[fractions])] = False
        return found

    @cached_property
    def edge(self) -> Floats:
        """How far the sum of each column must keep from a bound that is not to be passed by HiGHS's tolerance.

        Where numbers of a row are multiples of one another HiGHS counts in these, and a millionth of one is nothing.
        """
        return EDGE * abs(self.matrix).max(axis=0).toarray().ravel() if self.members else np.zeros(self.columns)

    @cached_property
    def by_column(self) -> sparse.csc_array:
        """The matrix, to be read a column at a time."""
        return sparse.csc_array(self.matrix)

    def signed(self, prices: Floats) -> Floats:
        """Prices with the limits negative: what a row is worth is its dot product with these."""
        return np.concatenate([prices[: self.covers], -prices[self.covers :]])

    def rows_of(self, members: Integers) -> tuple[Integers, Integers]:
        """All rows of some members, and for each the place of its member in the list."""
        ends = np.append(self.starts[1:], len(self.owner))
        lengths = ends[members] - self.starts[members]
        place = np.repeat(np.arange(len(members)), lengths)
        offset = np.arange(len(place)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        return self.starts[members][place] + offset, place

    def best_rows(self, members: Integers, prices: Floats, most: int) -> tuple[Integers, Integers]:
        """As rows_of, but of each member only so many rows, those worth most at some prices."""
        rows, place = self.rows_of(members)
        worth = self.matrix[rows] @ self.signed(prices)
        order = np.lexsort((-worth, place))
        first = np.searchsorted(place, np.arange(len(members)))
        rank = np.arange(len(rows)) - first[place]
        kept = np.sort(order[rank < most])
        return rows[kept], place[kept]

    def total(self, rows: Integers) -> Floats:
        """What these rows add up to, column by column."""
        return np.asarray(self.matrix[rows].sum(axis=0), dtype=np.float64).ravel()


def usable(problem: Problem, candidates: Candidates) -> Flags:
    """Which candidates raise something and fit the budget and each capacity, each taken alone."""
    fits = (candidates.cost <= problem.budget) & (np.diff(candidates.uplifts.indptr) > 0)
    uses = candidates.uses
    over = np.flatnonzero(uses.data > np.array([*problem.resources.values(), 0.0])[uses.indices])
    fits[np.searchsorted(uses.indptr, over, side="right") - 1] = False
    return fits


def pool_of(problem: Problem, candidates: Candidates) -> Pool:
    """The usable candidates of a problem."""
    caps = np.array([*problem.resources.values(), problem.budget])
    blocks: list[sparse.sparray] = [candidates.uplifts]
    for floor in problem.floors:
        inside = sparse.diags_array(candidates.groups[floor.group].astype(np.float64))
        blocks.append(inside @ candidates.uplifts[:, [floor.measure]])
    blocks += [candidates.uses, sparse.csr_array(candidates.cost[:, None])]
    matrix = sparse.hstack(blocks, format="csr")
    source = np.flatnonzero(usable(problem, candidates))
    source = source[np.argsort(candidates.member[source], kind="stable")]
    member = candidates.member[source]
    first = np.append(True, np.diff(member) > 0) if len(member) else np.zeros(0, dtype=bool)
    return Pool(
        matrix=matrix[source],
        starts=np.flatnonzero(first),
        owner=np.cumsum(first) - 1,
        source=source,
        measures=len(problem.measures),
        floors=np.array([floor.closures for floor in problem.floors], dtype=np.float64),
        caps=caps,
    )


def sample_of(pool: Pool, members: Integers) -> Pool:
    """Some of the members, with the limits they would have in proportion."""
    rows, place = pool.rows_of(members)
    share = len(members) / max(pool.members, 1)
    return Pool(
        matrix=pool.matrix[rows],
        starts=np.flatnonzero(np.append(True, np.diff(place) > 0)) if len(place) else np.zeros(0, dtype=np.int64),
        owner=place,
        source=pool.source[rows],
        measures=pool.measures,
        floors=pool.floors * share,
        caps=pool.caps * share,
    )


@dataclass(frozen=True)
class Offer:
    """What every member's best action is at some prices.

    `best` is the row of each member (-1: no action is worth its price), `margin` how much worse the second choice is
    (nothing being a choice), `surplus` the sum of what the best are worth, `total` what they add up to.
    """

    prices: Floats
    best: Integers
    margin: Floats
    surplus: float
    total: Floats


def offer(pool: Pool, prices: Floats) -> Offer:
    """One exact pass over all candidates."""
    if not pool.members:
        nothing = np.zeros(0)
        return Offer(prices, np.zeros(0, dtype=np.int64), nothing, 0.0, np.zeros(pool.columns))
    worth = pool.matrix @ pool.signed(prices)
    top = np.maximum.reduceat(worth, pool.starts)
    hits = np.flatnonzero(worth == top[pool.owner])
    best = hits[np.append(True, np.diff(pool.owner[hits]) > 0)]
    worth[best] = -np.inf
    second = np.maximum(np.maximum.reduceat(worth, pool.starts), 0.0)
    taken = top > 0
    return Offer(
        prices=prices,
        best=np.where(taken, best, -1),
        margin=np.where(taken, top - second, -top),
        surplus=float(top[taken].sum()),
        total=pool.total(best[taken]),
    )


@dataclass(frozen=True)
class Cut:
    """What every plan obeys, whatever the prices: prices of covers · what is covered ≤ constant.

    Theorem 1 of the research: for prices p of covers and q of limits, let h be a member's best worth at these prices,
    or 0. Whatever a plan covers is worth at most Σ q·cap + Σ h.
    """

    prices: Floats
    constant: float

    def excess(self, pool: Pool, needs: Floats) -> float:
        """By how much a cover of `needs` breaks the rule, in units of its constant; above 0 it cannot be had."""
        asked = float(self.prices[: pool.measures] @ needs)
        asked += float(self.prices[pool.measures : pool.covers] @ pool.floors)
        return (asked - self.constant) / max(abs(self.constant), abs(asked), 1e-300)


def cut_of(pool: Pool, offered: Offer) -> Cut:
    """The cut of one exact pass."""
    return cut_at(pool, offered.prices, offered.surplus)


def cut_at(pool: Pool, prices: Floats, surplus: float) -> Cut:
    """The cut of prices and their surplus. The constant is raised by more than a pass can have lost in rounding."""
    return Cut(prices, (float(prices[pool.covers :] @ pool.caps) + surplus) * (1 + 1e-10))
