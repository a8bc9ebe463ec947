"""The API's campaigns: lists, one with its counts and results, a new one, its steps and its approval."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django.urls import path
from django_filters import rest_framework as filters
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiParameter,
    extend_schema,
    extend_schema_field,
    extend_schema_serializer,
    extend_schema_view,
)
from rest_framework import serializers
from rest_framework.exceptions import PermissionDenied, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter

from hedis.accounts.idempotency import idempotent
from hedis.lib import etag
from hedis.lib.problem import Conflict, PreconditionFailed
from hedis.lib.records import One, Records
from hedis.lib.schema import CHANGES, ApiSchema
from hedis.members.models import Contract
from interventions import campaigning, outcomes, workflow
from interventions.api_rows import Exact, Why, amount
from interventions.intervals import Interval
from interventions.models import LARGEST_HOLDOUT, Campaign, CampaignState, CampaignTransition

CAMPAIGN_ID = r"^[0-9]{1,18}$"
STEPS = {
    CampaignState.RUNNING: campaigning.start,
    CampaignState.CLOSED: campaigning.close,
    CampaignState.CANCELLED: campaigning.cancel,
}


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "A running campaign",
            value={
                "id": 12,
                "name": "Autumn calls",
                "contract": "H1234",
                "year": 2026,
                "state": "running",
                "holdout_share": 0.05,
                "budget": 40000,
                "start_date": "2026-09-01",
                "end_date": "2026-12-15",
                "notes": "",
                "created_by": "ben",
                "approved_by": "quinn",
                "approved_at": "2026-08-28T09:00:00Z",
                "version": 3,
                "created_at": "2026-08-25T09:00:00Z",
                "changed_at": "2026-09-01T07:00:00Z",
            },
        )
    ]
)
class CampaignRow(serializers.Serializer[Any]):
    """Interventions decided on together."""

    id = serializers.IntegerField()
    name = serializers.CharField()
    contract = serializers.CharField(source="contract.number", default=None, allow_null=True, help_text="null: every.")
    year = serializers.IntegerField(help_text="Measurement year.")
    state = serializers.ChoiceField(CampaignState.choices)
    holdout_share = amount(4, 3, help_text="Share of the members left alone by chance.")
    budget = amount(12, 2, help_text="Dollars.")
    start_date = serializers.DateField()
    end_date = serializers.DateField()
    notes = serializers.CharField()
    created_by = serializers.CharField()
    approved_by = serializers.CharField()
    approved_at = serializers.DateTimeField(allow_null=True)
    version = serializers.IntegerField()
    created_at = serializers.DateTimeField()
    changed_at = serializers.DateTimeField()


class IntervalRow(serializers.Serializer[Interval]):
    """A figure with its 95 % interval."""

    value = serializers.FloatField()
    low = serializers.FloatField()
    high = serializers.FloatField()


class ArmRow(serializers.Serializer[Any]):
    """Gaps of one arm that could close, and those that did."""

    gaps = serializers.IntegerField()
    closed = serializers.IntegerField()


class MeasureResultRow(serializers.Serializer[Any]):
    """One measure in both arms."""

    measure = serializers.CharField()
    treated = ArmRow()
    held_out = ArmRow()
    uplift = IntervalRow(allow_null=True, help_text="Share closed of the treated less that of the held-out.")


class ResultsRow(serializers.Serializer[Any]):
    """A campaign so far, by the arms drawn at approval."""

    data_as_of = serializers.DateField(allow_null=True)
    members_treated = serializers.IntegerField(source="treated.members")
    members_held_out = serializers.IntegerField(source="held_out.members")
    measures = MeasureResultRow(many=True)
    incremental = IntervalRow(allow_null=True, help_text="Closures that would not have come by themselves.")
    cost = amount(14, 2, help_text="Dollars: actual where known, else estimated.")
    cost_per_closure = serializers.ListField(
        child=serializers.FloatField(allow_null=True), allow_null=True,
        help_text="Dollars for one more closure, at best and at worst; null where there is no limit, or no gain.",
    )  # fmt: skip


class CampaignDetail(CampaignRow):
    """A campaign with its counts, its results and the steps that may follow."""

    planned = serializers.IntegerField(help_text="Of those to be worked; likewise in_progress, completed, cancelled.")
    in_progress = serializers.IntegerField()
    completed = serializers.IntegerField()
    cancelled = serializers.IntegerField()
    held_out = serializers.IntegerField()
    estimated = amount(14, 2, help_text="Dollars, of those to be worked.")
    spent = amount(14, 2, help_text="Dollars known to be spent.")
    without_cost = serializers.IntegerField(help_text="Begun without an actual cost so far.")
    steps = serializers.SerializerMethodField(help_text="States that may follow.")
    results = serializers.SerializerMethodField(help_text="null until it is approved.")

    def get_steps(self, campaign: Campaign) -> list[str]:
        return [each for each in CampaignState.values if each in workflow.CAMPAIGN_STEPS[campaign.state]]

    @extend_schema_field(ResultsRow(allow_null=True))
    def get_results(self, campaign: Campaign) -> Any:
        return ResultsRow(outcomes.results(campaign)).data if campaign.approved_by else None


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "A draft",
            value={
                "name": "Autumn calls",
                "contract": "H1234",
                "year": 2026,
                "budget": 40000,
                "start_date": "2026-09-01",
                "end_date": "2026-12-15",
            },
        )
    ]
)
class NewCampaign(Exact):
    """A draft."""

    name = serializers.CharField(max_length=120)
    contract = serializers.SlugRelatedField("number", queryset=Contract.objects.all(), required=False, allow_null=True)
    year = serializers.IntegerField(min_value=1900, max_value=2200, help_text="Measurement year.")
    budget = amount(12, 2, help_text="Dollars.")
    start_date = serializers.DateField()
    end_date = serializers.DateField()
    holdout_share = amount(4, 3, required=False, max_value=LARGEST_HOLDOUT, help_text="0.05 where it is not given.")
    notes = serializers.CharField(required=False, allow_blank=True, max_length=5000)


class CampaignStep(Exact):
    """The next step of an approved or running campaign."""

    state = serializers.ChoiceField(CampaignState.choices, help_text="`running`, `closed` or `cancelled`.")
    why = serializers.CharField(max_length=500)

    def validate_state(self, state: str) -> str:
        if state not in STEPS:
            raise ValidationError("Here it is started, closed or cancelled; approving has its own address.")
        return state


class CampaignFilters(filters.FilterSet):
    """Narrow the campaigns."""

    contract = filters.ModelChoiceFilter(queryset=Contract.objects.all(), to_field_name="number", label="H-number")
    year = filters.NumberFilter(label="measurement year", min_value=1900, max_value=2200, decimal_places=0)
    state = filters.MultipleChoiceFilter(choices=CampaignState.choices)

    class Meta:
        model = Campaign
        fields: tuple[str, ...] = ()


@contextmanager
def as_problems() -> Iterator[None]:
    """The verbs' refusals as the API's problems."""
    try:
        yield
    except workflow.Unusable as refusal:
        raise ValidationError({refusal.field: str(refusal)}) from refusal
    except campaigning.CreatorCannotApprove as refusal:
        raise PermissionDenied(str(refusal), code="creator_cannot_approve") from refusal
    except workflow.ChangedMeanwhile as refusal:
        raise PreconditionFailed("It was changed since that version was read.") from refusal
    except campaigning.NotReady as refusal:
        raise Conflict(str(refusal), code="not_ready") from refusal
    except workflow.IllegalStep as refusal:
        raise Conflict(str(refusal), code="illegal_step") from refusal


def tag_of(campaign: Campaign) -> str:
    """The ETag of what was decided: its version. Counts and results change with every call and are not in it."""
    return etag.of("campaign", campaign.pk, campaign.version)


def named(pk: str) -> Campaign:
    """The campaign at an address; `abc` names none, and is no server error."""
    known = Campaign.objects.with_counts()
    return get_object_or_404(known, pk=pk) if re.fullmatch(CAMPAIGN_ID, str(pk)) else get_object_or_404(known.none())


def answer(pk: object, status: int = HTTPStatus.OK) -> Response:
    """The campaign as it stands now."""
    campaign = named(str(pk))
    return Response(CampaignDetail(campaign).data, status=status, headers={"ETag": tag_of(campaign)})


class CampaignSchema(ApiSchema):
    """Adds the version a step is decided on to the POST that approves."""

    def get_override_parameters(self) -> list[Any]:
        given = super().get_override_parameters()
        if self.method != "POST" or not hasattr(self.view, "approves"):
            return given
        words = "The ETag this approval was decided on."
        return [*given, OpenApiParameter("If-Match", str, OpenApiParameter.HEADER, required=True, description=words)]

    def own_problems(self) -> dict[str, str]:
        return CHANGES if self.method == "POST" and hasattr(self.view, "approves") else super().own_problems()


@extend_schema_view(
    list=extend_schema(summary="Campaigns"),
    retrieve=extend_schema(
        summary="One campaign, with counts and results",
        description="The ETag is that of the campaign's version, for the next step; the counts go on changing under it,"
        " so If-None-Match is not answered here.",
    ),
    create=extend_schema(summary="Make a draft", request=NewCampaign, responses={201: CampaignDetail}),
    partial_update=extend_schema(
        summary="Start, close or cancel a campaign", request=CampaignStep, responses=CampaignDetail
    ),
)
class Campaigns(One, Records):
    """Campaigns of the whole plan; no member is named here."""

    schema = CampaignSchema()
    queryset = Campaign.objects.all()
    row_class, detail_class = CampaignRow, CampaignDetail
    filterset_class = CampaignFilters
    ordering = ("-id",)
    ordering_fields = ("id", "name", "year", "state", "start_date", "budget")

    def get_queryset(self) -> QuerySet[Campaign]:
        return Campaign.objects.select_related("contract")

    def retrieve(self, request: Request, **kwargs: Any) -> Response:
        """One campaign; never 304, as its counts are not part of its version."""
        return answer(kwargs["pk"])

    @idempotent
    def create(self, request: Request, **kwargs: Any) -> Response:
        """A draft, for interventions to be added and somebody else to approve."""
        sent = NewCampaign(data=request.data)
        sent.is_valid(raise_exception=True)
        wanted = {"contract": None, **sent.validated_data}
        with as_problems():
            made = campaigning.create(wanted.pop("name"), **wanted, by=request.user)
        return answer(made.pk, HTTPStatus.CREATED)

    def partial_update(self, request: Request, **kwargs: Any) -> Response:
        """One step, decided on the version that If-Match names."""
        campaign = named(kwargs["pk"])
        etag.require_match(request, tag_of(campaign))
        sent = CampaignStep(data=request.data)
        sent.is_valid(raise_exception=True)
        step = STEPS[CampaignState(sent.validated_data["state"])]
        with as_problems():
            step(campaign, why=sent.validated_data["why"], by=request.user)
        return answer(campaign.pk)


@extend_schema_view(
    create=extend_schema(
        summary="Approve a campaign and draw its hold-out",
        description="Who made a campaign may not approve it (403). 409 where it is no draft, empty or over its budget.",
        parameters=[OpenApiParameter("id", OpenApiTypes.INT, OpenApiParameter.PATH, description="The campaign's id.")],
        request=Why,
        responses={200: CampaignDetail},
    )
)
class Approve(Records):
    """The approval of one campaign."""

    schema = CampaignSchema()
    approves = True
    queryset: QuerySet[Any] = CampaignTransition.objects.all()
    row_class = detail_class = CampaignDetail
    pagination_class = None

    def create(self, request: Request, **kwargs: Any) -> Response:
        """Approve it, decided on the version that If-Match names."""
        campaign = named(kwargs["pk"])
        sent = Why(data=request.data)
        sent.is_valid(raise_exception=True)
        etag.require_match(request, tag_of(campaign))
        with as_problems():
            campaigning.approve(campaign, why=sent.validated_data["why"], by=request.user)
        return answer(campaign.pk)


router = SimpleRouter()
router.register("campaigns", Campaigns, basename="campaigns")
urlpatterns = [
    path(
        "campaigns/<str:pk>/approve/",
        Approve.as_view({"post": "create"}, basename="campaign_approval", detail=False),
        name="campaign-approve",
    ),
    *router.urls,
]
