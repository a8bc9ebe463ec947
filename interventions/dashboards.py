"""What interventions say on the member's page."""

from typing import Any

from django.http import HttpRequest
from django.utils import timezone

from hedis.members.models import Member
from interventions import history, labels
from interventions.models import Intervention

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
