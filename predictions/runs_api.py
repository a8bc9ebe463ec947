"""The API's scoring runs: ask for one over a whole year, see how far it is."""

import re
from http import HTTPStatus
from typing import Any

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django.urls import path, reverse
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from hedis.accounts.idempotency import idempotent
from hedis.lib.records import One, Records
from hedis.lib.runs import RunState
from hedis.lib.schema import ApiSchema
from hedis.members.models import Contract
from predictions import scoring
from predictions.models import ScoringRun
from predictions.score_rows import NotScored, RunBody, RunDetail, RunRow

RUN_ID = r"^[0-9]{1,18}$"


class RunFilters(filters.FilterSet):
    """Narrow the runs."""

    year = filters.NumberFilter(label="measurement year", min_value=1900, max_value=2200, decimal_places=0)
    contract = filters.ModelChoiceFilter(queryset=Contract.objects.all(), to_field_name="number", label="H-number")
    state = filters.MultipleChoiceFilter(choices=RunState.choices)

    class Meta:
        model = ScoringRun
        fields: tuple[str, ...] = ()


class RunSchema(ApiSchema):
    """Adds what can keep a run from being asked for."""

    def own_problems(self) -> dict[str, str]:
        if self.method != "POST":
            return super().own_problems()
        return {"400": "Fields that cannot be used, or a year with nothing to score.", "404": "No such page.",
                "503": "No model is deployed."}  # fmt: skip


@extend_schema_view(
    list=extend_schema(summary="Scoring runs, newest first"),
    retrieve=extend_schema(summary="How far a scoring run is"),
    create=extend_schema(
        summary="Have every open gap of a year scored",
        description="Answers at once; a worker does it. `Location` says where to watch. While a "
        "run over the same gaps waits, is under way or stopped on the way, the answer is that run, which goes on.",
        request=RunBody,
        responses={202: RunDetail},
    ),
)
class Portfolio(One, Records):
    """Runs over a whole year, and the next one. No member is in here."""

    schema = RunSchema()
    queryset = ScoringRun.objects.all()
    row_class, detail_class = RunRow, RunDetail
    filterset_class = RunFilters
    ordering = ("-id",)
    ordering_fields = ("id", "year", "requested_at", "finished_at")

    def get_queryset(self) -> QuerySet[ScoringRun]:
        return ScoringRun.objects.select_related("contract")

    def get_object(self) -> ScoringRun:
        """The run at this address; `abc` names none, and is no server error."""
        named = str(self.kwargs["pk"])
        known = self.get_queryset()
        return get_object_or_404(known, pk=named) if re.fullmatch(RUN_ID, named) else get_object_or_404(known.none())

    @idempotent
    def create(self, request: Request, **kwargs: Any) -> Response:
        """Ask for a run; a worker takes it from here."""
        asked = RunBody(data=request.data)
        asked.is_valid(raise_exception=True)
        try:
            run = scoring.start(**asked.validated_data, by=request.user)
        except scoring.NoDeployedModel as nothing:
            raise NotScored(str(nothing)) from nothing
        except scoring.NothingToScore as nothing:
            raise ValidationError({"year": [str(nothing)]}, code="wrong_year") from nothing
        address = reverse("predictions-portfolio-detail", args=[run.pk])
        return Response(RunDetail(run).data, status=HTTPStatus.ACCEPTED, headers={"Location": address})


urlpatterns = [
    path(
        "predictions/portfolio/",
        Portfolio.as_view({"get": "list", "post": "create"}, basename="scoring_runs", detail=False),
        name="predictions-portfolio-list",
    ),
    path(
        "predictions/portfolio/<str:pk>/",
        Portfolio.as_view({"get": "retrieve"}, basename="scoring_runs", detail=True),
        name="predictions-portfolio-detail",
    ),
]
