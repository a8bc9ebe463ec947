"""What interventions say on the member's page and in the queue, and the order of plans there."""

from collections.abc import Sequence
from typing import Any

from django.db.models import Max, Q
from django.http import HttpRequest
from django.utils import timezone

from hedis.gaps.labels import Chip
from hedis.gaps.models import Gap
from hedis.members.models import Member
from interventions import history, labels
from interventions.models import Intervention, InterventionGap
from interventions.outreach_models import workable

SHOWN = 20


def member_interventions_panel(request: HttpRequest, member: Member) -> dict[str, Any] | None:
    """A member's interventions, the live ones first in plan order, and the history of every team."""
    if not request.user.has_perm("interventions.view_intervention"):
        return None
    rows = list(Intervention.objects.filter(member=member).for_list().in_plan_order())
    rows.sort(key=lambda row: not row.is_live)
    told = history.of_member(member)
    return {
        "template": "admin/panels/member_interventions.html",
        "rows": [(row, labels.state_chip(row)) for row in rows],
        "today": timezone.localdate(),
        "history": told[:SHOWN],
        "more": max(len(told) - SHOWN, 0),
    }


def plan_priority() -> Max:
    """In a query of gaps by member: what the member's workable interventions are worth at most at their plan's prices;
    nothing where no plan chose the member."""
    chosen = workable("member__interventions__") & Q(member__interventions__priority__gt=0)
    return Max("member__interventions__priority", filter=chosen)


def planned_chips(gaps: Sequence[Gap]) -> dict[int, Chip]:
    """By the gap's id, the intervention about it that is worth most and can be worked: one query, however many gaps."""
    links = (
        InterventionGap.objects.filter(workable("intervention__"), gap__in=[gap.pk for gap in gaps])
        .select_related("intervention", "intervention__campaign")
        .order_by("gap_id", "-intervention__priority", "intervention_id")
        .distinct("gap_id")
    )
    return {link.gap_id: labels.planned_chip(link.intervention) for link in links}
