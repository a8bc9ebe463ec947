"""What gaps say on other pages: the home page's panels, the member's page, the list of members."""

from collections.abc import Sequence
from datetime import date, timedelta
from itertools import groupby
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.db.models import Count, F, IntegerField, OuterRef, Q, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.utils import timezone

from hedis.accounts.models import User
from hedis.gaps import beside, labels, queueing, workflow
from hedis.gaps.models import UNMET, FindingRun, Gap, MeasureCount, Transition, Work
from hedis.lib.modeladmin import Column
from hedis.members.models import Member

FIRST_OF_QUEUE = 8


def queue_panel(request: HttpRequest) -> dict[str, Any] | None:
    """How much is on this person's queue, how urgent, and where to begin."""
    user = request.user
    if isinstance(user, AnonymousUser) or not isinstance(user, User) or not user.has_perm("gaps.change_gap"):
        return None
    held = queueing.in_hands_of(queueing.TEAM, seen_by=user)
    year = queueing.newest_year(held)
    gaps = held.for_year(year) if year else held
    today = timezone.localdate()
    rows = queueing.filled(list(queueing.by_member(gaps, today)[:FIRST_OF_QUEUE]), gaps, today)
    queueing.record_look("queue.viewed", (row.member for row in rows), by=user)
    return {
        "template": "admin/panels/queue.html",
        "team": queueing.may_see_others(user),
        "year": year,
        "today": today,
        "counts": queue_counts(gaps, today),
        "slipping": queueing.slipping(year, seen_by=user).count() if year else 0,
        "rows": rows,
    }


def queue_counts(gaps: Any, today: date) -> dict[str, int]:
    """Members, gaps, those to be contacted in 14 and 30 days, those reopened, those nobody holds."""
    counts: dict[str, int] = gaps.aggregate(
        members=Count("member", distinct=True),
        gaps=Count("pk"),
        due_14=Count("pk", filter=Q(contact_by__range=(today, today + timedelta(days=14)))),
        due_30=Count("pk", filter=Q(contact_by__range=(today, today + timedelta(days=30)))),
        reopened=Count("pk", filter=Q(work_status=Work.REOPENED)),
        nobody=Count("pk", filter=Q(assigned_to=None)),
    )
    return counts


def rates_panel(request: HttpRequest) -> dict[str, Any] | None:
    """The latest rate of every measure by contract."""
    if not request.user.has_perm("gaps.view_measurecount"):
        return None
    counts = list(MeasureCount.objects.latest())
    contracts = sorted({count.contract.number if count.contract else "" for count in counts})
    return {
        "template": "admin/panels/rates.html",
        "run": counts[0].run if counts else None,
        "contracts": contracts,
        "lines": [rate_line(list(of_measure), contracts) for _, of_measure in groupby(counts, lambda c: c.measure_id)],
        "linked": request.user.has_perm("gaps.view_gap"),
    }


def rate_line(counts: list[MeasureCount], contracts: list[str]) -> dict[str, Any]:
    """One measure: all contracts together, then each; None where a contract has no such count."""
    by_contract = {count.contract.number if count.contract else "": count for count in counts}
    numerator, denominator = (sum(getattr(count, what) for count in counts) for what in ("numerator", "denominator"))
    return {
        "measure": counts[0].measure,
        "numerator": numerator,
        "denominator": denominator,
        "open": denominator - numerator,
        "rate": 100 * numerator / denominator if denominator else None,
        "cells": [by_contract.get(number) for number in contracts],
    }


def member_gaps_panel(request: HttpRequest, member: Member) -> dict[str, Any] | None:
    """A member's gaps of one measurement year, each with why, evidence, deadline, steps taken and the next one."""
    if not request.user.has_perm("gaps.view_gap"):
        return None
    years = list(member.gaps.order_by("-year").values_list("year", flat=True).distinct())
    asked = request.GET.get("year", "")
    year = int(asked) if asked.isdecimal() and int(asked) in years else (years[0] if years else None)
    today = timezone.localdate()
    gaps = list(Gap.objects.filter(member=member, year=year or 0).for_list())
    cards = cards_of(request, gaps, today)
    workable = sum(labels.can_be_worked(gap, today) for gap in gaps)
    return {
        "template": "admin/panels/member_gaps.html",
        "years": years,
        "year": year,
        "today": today,
        "unmet": [card for card in cards if card["gap"].is_unmet],
        "settled": [card for card in cards if not card["gap"].is_unmet],
        "workable": workable,
    }


def cards_of(request: HttpRequest, gaps: Sequence[Gap], today: date) -> list[dict[str, Any]]:
    """What is shown of each gap, the urgent ones first."""
    may_work = request.user.has_perm("gaps.change_gap")
    parts = beside.parts(request, gaps)
    steps = Transition.objects.filter(gap__in=gaps).order_by("-at", "-id")
    history = queueing.grouped_by_gap(steps)
    return [
        {
            "gap": gap,
            "status": labels.status_chip(gap),
            "work": labels.work_chip(gap),
            "steps": workflow.steps_from(gap) if may_work and gap.is_unmet else [],
            "history": history.get(gap.pk, []),
            "too_late": labels.too_late_words(gap, today),
            "instead": labels.contact_chip(gap, today),
            "cover": labels.cover(gap, today),
            "parts": parts.get(gap.pk, []),
        }
        for gap in sorted(gaps, key=lambda gap: urgency_of(gap, today))
    ]


def urgency_of(gap: Gap, today: date) -> tuple[Any, ...]:
    """Unmet before settled, still in time before too late, then by the last day a contact counts."""
    return (not gap.is_unmet, not gap.can_be_reached(today), gap.contact_by or gap.closable_until, gap.measure.code)


def open_gaps_of_newest_year() -> Any:
    """How many gaps of the newest measurement year a member has open."""
    newest = FindingRun.objects.order_by("-year").values("year")[:1]
    counted = (
        Gap.objects.filter(member=OuterRef("pk"), status__in=UNMET, year=Coalesce(Subquery(newest), F("year")))
        .order_by()
        .values("member")
        .annotate(number=Count("pk"))
        .values("number")
    )
    return Coalesce(Subquery(counted), 0, output_field=IntegerField())


OPEN_GAPS = Column("open_gaps", "open gaps", open_gaps_of_newest_year)
