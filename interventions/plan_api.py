"""The API's plans: ask for one, watch it being decided, read it, make it a campaign; and whom to act on first."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from http import HTTPStatus
from typing import Any, ClassVar

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django.urls import path, reverse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer

from audit.reading import RecordedReads
from hedis.accounts.idempotency import idempotent
from hedis.lib.problem import Conflict
from hedis.lib.records import One, Records
from hedis.lib.schema import ApiSchema
from interventions import deciding, plan_runs, priority, workflow
from interventions import plan_rows as rows
from interventions.deciding import Wish
from interventions.models import Campaign, Plan, PlanItem, PlanItemQuerySet, PlanQuerySet, PlanRun
from interventions.planning import UnusableProposals
from interventions.problem import ProblemError

ID = r"^[0-9]{1,18}$"
NAMED = OpenApiParameter("id", OpenApiTypes.INT, OpenApiParameter.PATH, description="The plan's id.")


def named(known: QuerySet[Any], pk: str) -> Any:
    """The row at an address; `abc` names none, and is no server error."""
    return get_object_or_404(known, pk=pk) if re.fullmatch(ID, pk) else get_object_or_404(known.none())


class RunSchema(ApiSchema):
    """Adds what can keep a plan from being asked for."""

    def own_problems(self) -> dict[str, str]:
        if self.method != "POST":
            return super().own_problems()
        words = "Fields that cannot be used: unknown contracts, channels or groups, a floor twice."
        return {"400": words, "404": "No such page."}


@extend_schema_view(
    list=extend_schema(summary="Plans that were asked for, newest first"),
    retrieve=extend_schema(summary="How far a plan is; the plan's id once it is decided"),
    create=extend_schema(
        summary="Have interventions planned",
        description="Answers at once; a worker decides. `Location` says where to watch. While the same plan waits or "
        "is being decided, the answer is that run. A floor that cannot be reached is told in the run's `error`.",
        request=rows.PlanBody,
        responses={202: rows.PlanRunDetail},
    ),
)
class Optimise(One, Records):
    """Runs of the optimiser over contracts, and the next one. No member is in here."""

    schema = RunSchema()
    queryset = PlanRun.objects.all()
    row_class, detail_class = rows.PlanRunRow, rows.PlanRunDetail
    filterset_class = rows.RunFilters
    ordering = ("-id",)
    ordering_fields = ("id", "year", "requested_at", "finished_at")

    def get_object(self) -> PlanRun:
        run: PlanRun = named(PlanRun.objects.all(), str(self.kwargs["pk"]))
        return run

    @idempotent
    def create(self, request: Request, **kwargs: Any) -> Response:
        """Ask for a plan; a worker takes it from here."""
        asked = rows.PlanBody(data=request.data)
        asked.is_valid(raise_exception=True)
        wanted = asked.validated_data
        contracts, year = wanted.pop("contracts"), wanted.pop("year")
        try:
            run = plan_runs.start(contracts, year, Wish(**wanted), by=request.user)
        except ProblemError as error:
            raise ValidationError({error.field or "non_field_errors": error.reason}) from error
        address = reverse("portfolio-optimize-detail", args=[run.pk])
        return Response(rows.PlanRunDetail(run).data, status=HTTPStatus.ACCEPTED, headers={"Location": address})


@extend_schema_view(
    list=extend_schema(summary="Stored plans, newest first"),
    retrieve=extend_schema(summary="One plan: stars, prices, bound, floors, outcomes"),
)
class Plans(One, Records):
    """Plans of the whole organisation; no member is named here."""

    queryset = Plan.objects.all()
    row_class, detail_class = rows.PlanRow, rows.PlanDetail
    filterset_class = rows.PlanFilters
    ordering = ("-id",)
    ordering_fields = ("id", "year", "budget", "spend", "planned_at")

    def get_queryset(self) -> PlanQuerySet:
        return Plan.objects.with_numbers()

    def get_object(self) -> Plan:
        plan: Plan = named(self.get_queryset(), str(self.kwargs["pk"]))
        return plan


class OfMembers(RecordedReads, Records):
    """What the lists of chosen members share. Every look is recorded."""

    queryset: QuerySet[Any] = PlanItem.objects.all()
    member_field = "member"
    address_key, address_shape = "pk", ID


@extend_schema_view(
    list=extend_schema(summary="Whom a plan chose, of the members you may see, most worth first", parameters=[NAMED])
)
class Items(OfMembers):
    """What a plan chose, or with `chosen=false` the nearest of what it nearly chose."""

    row_class: ClassVar[type[Serializer[Any]]] = rows.PlanItemRow
    filterset_class = rows.ItemFilters
    ordering = ("-worth",)
    ordering_fields = ("id", "worth", "cost", "kind")

    def get_queryset(self) -> PlanItemQuerySet:
        items = PlanItem.objects.visible_to(self.request.user)
        plan = named(Plan.objects.all(), str(self.kwargs["pk"]))
        asked = "chosen" in self.request.query_params
        return items.filter(plan=plan) if asked else items.filter(plan=plan).chosen()


@extend_schema_view(
    list=extend_schema(
        summary="Whom to act on first, of the members you may see",
        description="What the newest plan of each contract chose and nobody has contacted since, most worth first. "
        "Left out: who is held out, whose intervention was begun or ended, who asked not to be called, whose gaps are "
        "met or too late.",
    )
)
class PriorityList(OfMembers):
    """Members to act on, in the order of the plans' prices."""

    row_class: ClassVar[type[Serializer[Any]]] = rows.PriorityRow
    filterset_class = rows.PriorityFilters
    ordering = ("-worth", "contact_by")
    ordering_fields = ("worth", "contact_by", "cost")

    def get_queryset(self) -> PlanItemQuerySet:
        return priority.items(self.request.user, timezone.localdate())


@contextmanager
def as_problems() -> Iterator[None]:
    """The verb's refusals as the API's problems."""
    try:
        yield
    except workflow.Unusable as refusal:
        raise ValidationError({refusal.field: str(refusal)}) from refusal
    except deciding.AlreadyACampaign as refusal:
        raise Conflict(str(refusal), code="already_a_campaign") from refusal
    except UnusableProposals as refusal:
        raise Conflict(f"The data changed since the plan was made: {refusal}", code="data_changed") from refusal


class CampaignSchema(ApiSchema):
    """Adds what can keep a plan from becoming a campaign."""

    def own_problems(self) -> dict[str, str]:
        return {"400": "Fields that cannot be used.", "404": "No such plan.", "409": "It is a campaign already."}


@extend_schema_view(
    create=extend_schema(
        summary="Make a plan a draft campaign",
        description="In the plan's order; somebody else approves it. The campaign of several contracts has none of its "
        "own. 409 where the plan is a campaign already.",
        parameters=[NAMED],
        request=rows.CampaignBody,
        responses={201: rows.CampaignMade},
    )
)
class MakeCampaign(Records):
    """The campaign of one plan."""

    schema = CampaignSchema()
    queryset: QuerySet[Any] = Campaign.objects.all()
    row_class = detail_class = rows.CampaignMade
    pagination_class = None

    @idempotent
    def create(self, request: Request, **kwargs: Any) -> Response:
        """A draft of what the plan chose."""
        plan = named(Plan.objects.all(), str(kwargs["pk"]))
        sent = rows.CampaignBody(data=request.data)
        sent.is_valid(raise_exception=True)
        facts = {"holdout_share": Decimal("0.05"), **sent.validated_data}
        with as_problems():
            campaign, planned = deciding.make_campaign(
                plan, facts.pop("name"), **facts, today=timezone.localdate(), by=request.user
            )
        told = {"campaign": campaign.pk, "planned": planned.planned, "left_out": planned.left_out}
        address = reverse("campaigns-detail", args=[campaign.pk])
        return Response(rows.CampaignMade(told).data, status=HTTPStatus.CREATED, headers={"Location": address})


urlpatterns = [
    path(
        "portfolio/optimize/",
        Optimise.as_view({"get": "list", "post": "create"}, basename="planning_runs", detail=False),
        name="portfolio-optimize-list",
    ),
    path(
        "portfolio/optimize/<str:pk>/",
        Optimise.as_view({"get": "retrieve"}, basename="planning_runs", detail=True),
        name="portfolio-optimize-detail",
    ),
    path(
        "portfolio/priority-list/",
        PriorityList.as_view({"get": "list"}, basename="priority_list", detail=False),
        name="portfolio-priority-list",
    ),
    path("plans/", Plans.as_view({"get": "list"}, basename="plans", detail=False), name="plans-list"),
    path("plans/<str:pk>/", Plans.as_view({"get": "retrieve"}, basename="plans", detail=True), name="plans-detail"),
    path(
        "plans/<str:pk>/items/",
        Items.as_view({"get": "list"}, basename="plan_items", detail=False),
        name="plan-items-list",
    ),
    path(
        "plans/<str:pk>/campaign/",
        MakeCampaign.as_view({"post": "create"}, basename="plan_campaign", detail=False),
        name="plan-campaign",
    ),
]
