"""What the ledger says on other pages: the auditor's home, and who looked at or changed a member."""

from datetime import timedelta
from typing import Any

from django.db.models import Count, Q
from django.http import HttpRequest
from django.utils import timezone

from audit.models import Event

DAYS, LATEST, OF_MEMBER = 7, 10, 20


def activity_panel(request: HttpRequest) -> dict[str, Any] | None:
    """Events of the last days by kind, what was denied or failed, and the latest ones."""
    if not request.user.has_perm("audit.view_event"):
        return None
    now = timezone.now()
    recent = Event.objects.between(now - timedelta(days=DAYS), now + timedelta(minutes=1))
    kinds = (
        recent.order_by()
        .values("kind")
        .annotate(
            number=Count("pk"),
            denied=Count("pk", filter=Q(outcome="denied")),
            failed=Count("pk", filter=Q(outcome="failed")),
        )
        .order_by("-number")
    )
    return {
        "template": "admin/panels/activity.html",
        "days": DAYS,
        "kinds": list(kinds),
        "latest": list(recent[:LATEST]),
    }


def member_events_panel(request: HttpRequest, member: Any) -> dict[str, Any] | None:
    """Who looked at or changed this member, newest first. For auditors (45 CFR 164.312(b))."""
    if not request.user.has_perm("audit.view_event"):
        return None
    return {
        "template": "admin/panels/member_events.html",
        "pseudonym": member.pseudonym,
        "events": list(Event.objects.about_member(member.pseudonym)[:OF_MEMBER]),
        "limit": OF_MEMBER,
    }
