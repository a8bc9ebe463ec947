"""Whom to act on first: what the newest plan of each contract chose and nobody has contacted yet, in price order."""

from datetime import date
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import BooleanField, Exists, F, Func, OuterRef, Q, Subquery
from django.db.models.functions import Coalesce

from hedis.gaps.models import UNMET, Gap
from interventions.actions import actions
from interventions.models import Attempt, Intervention, PlanItem, PlanItemQuerySet
from interventions.states import State

# Kinds that begin by speaking to the member or writing a text, which a do-not-call closes.
SPOKEN_KINDS = [kind for kind, action in actions().items() if action.channel in ("phone", "text")]


def items(user: Any, today: date) -> PlanItemQuerySet:
    """The items of the members this user may see, with what a row shows: `measures` and `contact_by` of the gaps that a
    contact can still close today, and `owner`. Two queries, however many rows.

    Left out: who was contacted since the plan was made, is held out, whose intervention was begun or given up, who
    asked not to be called, who left, and whose gaps are met or too late.
    """
    still = Gap.objects.filter(
        about(), member=OuterRef("member"), contract=OuterRef("contract"), year=OuterRef("plan__year"),
        status__in=UNMET, contact_by__gte=today,
    )  # fmt: skip
    of_plan = Intervention.objects.filter(
        campaign=OuterRef("plan__campaign"), member=OuterRef("member"), kind=OuterRef("kind")
    )
    contacted = Attempt.objects.filter(intervention__member=OuterRef("member"), at__gte=OuterRef("plan__planned_at"))
    silent = Q(member__contact_preference__do_not_call=True, kind__in=SPOKEN_KINDS)
    return (
        PlanItem.objects.visible_to(user)
        .of_newest_plans()
        .chosen()
        .filter(Exists(still), member__active=True, member__deceased_date=None)
        .exclude(Exists(contacted))
        .exclude(Exists(of_plan.filter(Q(held_out=True) | ~Q(state=State.PLANNED))))
        .exclude(silent)
        .annotate(
            measures=ArraySubquery(still.order_by("measure__code").values("measure__code")),
            contact_by=Subquery(still.order_by("contact_by").values("contact_by")[:1]),
            owner=Coalesce(Subquery(of_plan.values("owner__username")[:1]), F("member__care_manager__username")),
            intervention=Subquery(of_plan.values("pk")[:1]),
        )
    )


def about() -> Func:
    """In a query of gaps within one of items: whether the item is about the gap's measure."""
    return Func(OuterRef("uplift"), F("measure__code"), function="jsonb_exists", output_field=BooleanField())
