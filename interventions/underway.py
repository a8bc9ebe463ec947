"""What the outreach that is under way is expected to add by the year's end, and what it costs. Reads only."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from django.db.models import Count, F, Q, Sum
from django.db.models.functions import Coalesce

from hedis.gaps.models import UNMET
from hedis.members.models import Contract
from interventions.models import CampaignState, Intervention, InterventionGap
from interventions.states import LIVE


@dataclass(frozen=True)
class Underway:
    """Live interventions about gaps that are still unmet: how many, of how many members, the dollars they are to cost,
    and the closures they are expected to add, by measure code."""

    interventions: int
    members: int
    cost: Decimal
    added: Mapping[str, float]


def underway(contract: Contract, year: int) -> Underway:
    """What a contract's campaigns and single interventions are still to bring; who is held out brings nothing, and a
    campaign that does not run yet neither. Two queries."""
    runs = Q(intervention__campaign=None) | Q(intervention__campaign__state=CampaignState.RUNNING)
    links = InterventionGap.objects.filter(
        runs, gap__contract=contract, gap__year=year, gap__star_eligible=True, gap__status__in=UNMET,
        intervention__state__in=LIVE,
    ).exclude(intervention__held_out=True)  # fmt: skip
    sums = links.values_list("gap__measure__code").annotate(Sum("uplift", default=0.0)).order_by("gap__measure__code")
    found = Intervention.objects.filter(pk__in=links.values("intervention")).aggregate(
        interventions=Count("pk"), members=Count("member", distinct=True),
        cost=Sum(Coalesce(F("actual_cost"), F("estimated_cost")), default=Decimal(0)),
    )  # fmt: skip
    return Underway(added=dict(sums), **found)
