"""What the outreach under way buys: rating and dollars with it and without it, and what it costs. Reads only."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from hedis.members.models import Contract
from interventions import altering, counties
from interventions.projection import ContractProjection
from interventions.returns import Return
from interventions.simulating import outcome
from interventions.underway import underway


@dataclass(frozen=True)
class Bought:
    """What a contract's live outreach is expected to bring by the year's end.

    `closures`: beyond those that come anyway. `expected` and `chances` of the rating with them; `gained`: expected
    stars more than without. `returned` in today's dollars, None without county figures. `cost`: dollars still to be
    spent.
    """

    interventions: int
    members: int
    closures: float
    cost: Decimal
    expected: float | None
    gained: float | None
    chances: Mapping[Decimal, float]
    returned: Return | None


def bought(contract: Contract, found: ContractProjection) -> Bought | None:
    """What live outreach makes of a projection; None where none is under way. Four queries at most."""
    live = underway(contract, found.year)
    if not live.interventions:
        return None
    ids = {one.measure: name for name, one in found.measures.items()}
    added = {ids[code]: more for code, more in live.added.items() if code in ids}
    plain = altering.unaltered(found)
    worth = None if found.independent.not_rated else counties.worth(contract, found.year, live.cost)
    end = outcome(plain.contract, plain.year, found.measures, plain.rules, added, worth=worth)
    both = (end.before.expected, end.after.expected)
    return Bought(
        live.interventions, live.members, sum(added.values()), live.cost, end.after.expected,
        None if both[0] is None or both[1] is None else both[1] - both[0], dict(end.after.chances), end.returned,
    )  # fmt: skip
