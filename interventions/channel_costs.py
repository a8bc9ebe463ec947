"""What one more closure costs: as planned with (price and effect of each action), and as the hold-outs measured it.

Reads only. Measured is by campaign and channel: a campaign is one lot, and lots with other shares held out must not be
poured together. Closures that come anyway are in both arms, so the difference never counts them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db import connection

from hedis.gaps.models import UNMET, Status
from hedis.members.models import Contract
from interventions.actions import Action, actions
from interventions.intervals import Interval
from interventions.offers import reach
from interventions.returns import Arms, ChannelReturn, channel_return, per_closure
from predictions import effects, uplift
from predictions.models import ActionEffect

# A member's gaps close together more often than not, so members are counted as what was drawn, and gaps within them.
BY_ARM = """
WITH way AS (SELECT * FROM unnest(%(kinds)s::text[], %(channels)s::text[]) AS way (kind, channel)),
     drawn AS (
    SELECT DISTINCT i.campaign_id, way.channel, i.held_out, i.member_id, g.id, (g.status = %(closed)s)::int AS closed
      FROM interventions_intervention AS i
      JOIN way ON way.kind = i.kind
      JOIN interventions_interventiongap AS l ON l.intervention_id = i.id
      JOIN gaps_gap AS g ON g.id = l.gap_id
     WHERE i.held_out IS NOT NULL AND g.contract_id = %(contract)s AND g.year = %(year)s AND g.status = ANY(%(counted)s)
), of_member AS (
    SELECT campaign_id, channel, held_out, member_id, count(*) AS gaps, sum(closed) AS closed
      FROM drawn GROUP BY campaign_id, channel, held_out, member_id
)
SELECT c.id, c.name, m.channel, m.held_out, count(*), sum(m.gaps), sum(m.closed), sum(m.closed * m.closed),
       sum(m.closed * m.gaps), sum(m.gaps * m.gaps)
  FROM of_member AS m JOIN interventions_campaign AS c ON c.id = m.campaign_id
 GROUP BY c.id, c.name, m.channel, m.held_out
 ORDER BY c.id, m.channel
"""
COSTS = """
SELECT i.campaign_id, way.channel, sum(coalesce(i.actual_cost, i.estimated_cost))
  FROM interventions_intervention AS i
  JOIN unnest(%(kinds)s::text[], %(channels)s::text[]) AS way (kind, channel) ON way.kind = i.kind
 WHERE i.held_out = false AND i.started_at IS NOT NULL AND EXISTS (
       SELECT FROM interventions_interventiongap AS l JOIN gaps_gap AS g ON g.id = l.gap_id
        WHERE l.intervention_id = i.id AND g.contract_id = %(contract)s AND g.year = %(year)s)
 GROUP BY i.campaign_id, way.channel
"""


@dataclass(frozen=True)
class ArmSums:
    """One arm of a campaign and channel: members, their gaps and closures, and the sums their spread is told from."""

    members: int = 0
    gaps: int = 0
    closed: int = 0
    closed_squares: int = 0
    closed_by_gaps: int = 0
    gap_squares: int = 0

    @property
    def clustering(self) -> float:
        """How many gaps of the same members say as much as one of another member (design effect), at least 1.

        The variance of the ratio closed / gaps over members, by that of as many independent gaps. Where none or all
        closed nothing tells it, and a member's gaps are taken as one.
        """
        share = self.closed / self.gaps
        independent = self.gaps * share * (1 - share)
        if not independent:
            return self.gaps / self.members
        squares = self.closed_squares - 2 * share * self.closed_by_gaps + share**2 * self.gap_squares
        return max(squares / independent, 1.0)


NOBODY = ArmSums()


@dataclass(frozen=True)
class Measured:
    """A channel of a campaign by its hold-out. `found` is None while either arm has too few members to tell."""

    campaign: int
    name: str
    channel: str
    treated: ArmSums
    held_out: ArmSums
    cost: Decimal
    found: ChannelReturn | None


def measured(contract: Contract, year: int) -> list[Measured]:
    """Cost per incremental closure of each campaign and channel, of the contract's gaps of a year. Two queries."""
    ways = {kind: action.channel for kind, action in actions().items()}
    told: dict[str, Any] = {
        "kinds": list(ways), "channels": list(ways.values()), "contract": contract.pk, "year": year,
        "closed": Status.CLOSED.value, "counted": [status.value for status in (*UNMET, Status.CLOSED)],
    }  # fmt: skip
    arms: dict[tuple[int, str, str], dict[bool, ArmSums]] = {}
    with connection.cursor() as cursor:
        cursor.execute(BY_ARM, told)
        for campaign, name, channel, held_out, *sums in cursor.fetchall():
            arms.setdefault((campaign, name, channel), {})[held_out] = ArmSums(*map(int, sums))
        cursor.execute(COSTS, told)
        costs = {(campaign, channel): cost for campaign, channel, cost in cursor.fetchall()}
    return [
        told_of(*key, both.get(False, NOBODY), both.get(True, NOBODY), costs.get((key[0], key[2]), Decimal(0)))
        for key, both in arms.items()
    ]


def told_of(campaign: int, name: str, channel: str, treated: ArmSums, held_out: ArmSums, cost: Decimal) -> Measured:
    """One channel of a campaign; what too few members cannot tell is left open."""
    found = None
    if min(treated.members, held_out.members) >= uplift.FEWEST:
        alike = max(treated.clustering, held_out.clustering)
        found = channel_return(
            Arms(channel, treated.gaps, treated.closed, held_out.gaps, held_out.closed, float(cost), alike)
        )  # fmt: skip
    return Measured(campaign, name, channel, treated, held_out, cost, found)


@dataclass(frozen=True)
class Believed:
    """An action's effect on some measures as plans believe it: 95 % interval, whose it is, cost of one more closure."""

    action: Action
    measures: tuple[str, ...]
    effect: Interval
    origin: str
    source: str
    cost: float | None
    cost_low: float | None
    cost_high: float | None


def believed() -> list[Believed]:
    """What plans reckon with: each action's price and the effect believed of it, measures of one effect together;
    actions without an effect are left out. One query."""
    stored = list(ActionEffect.objects.select_related("measure"))
    found: list[Believed] = []
    for kind, action in actions().items():
        by_effect: dict[int, tuple[ActionEffect, list[str]]] = {}
        for code in reach().get(kind, ()):
            row = effects.best(stored, kind, code)
            if row is not None:
                by_effect.setdefault(row.pk, (row, []))[1].append(code)
        found += (line_of(action, row, codes) for row, codes in by_effect.values())
    return found


def line_of(action: Action, row: ActionEffect, codes: Sequence[str]) -> Believed:
    """One effect of an action with the cost of one more closure, the interval turned over."""
    low, high = effects.effect_of(row).interval
    best, most, least = (turned(action.cost, effect) for effect in (row.uplift, low, high))
    return Believed(
        action, tuple(codes), Interval(row.uplift, low, high), row.get_origin_display(), row.source,
        best, least, most if best is not None else None,
    )  # fmt: skip


def turned(cost: Decimal | None, effect: float) -> float | None:
    """The cost of one more closure at an effect; None where there is none."""
    return None if cost is None else per_closure(float(cost), effect)
