"""The API's simulations: ask for one, see how far it is, read what came out. No member is in them."""

from http import HTTPStatus
from typing import Any

from django.db.models import QuerySet
from django.urls import path, reverse
from django_filters import rest_framework as filters
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_serializer, extend_schema_view
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from hedis.accounts.idempotency import idempotent
from hedis.lib import run_rows
from hedis.lib.problem import Conflict
from hedis.lib.records import One, Records
from hedis.lib.runs import RunState
from hedis.lib.schema import ApiSchema
from hedis.members.models import Contract
from interventions import simulation_runs
from interventions.models import Simulation
from interventions.problem import ProblemError
from predictions.score_rows import KnownFields, YearField


class SimulationRow(run_rows.RunRow):
    """A simulation: what it is about and how far it is."""

    name = serializers.CharField()
    contract = serializers.CharField(source="contract.number")
    data_as_of = serializers.DateField(allow_null=True)
    seconds = serializers.FloatField()


class SimulationDetail(run_rows.Watched, SimulationRow):
    """A simulation with what was asked and what came out (docs/simulations.md)."""

    scenario = serializers.JSONField()
    result = serializers.JSONField(allow_null=True, help_text="None until it is done.")


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "Two ways to spend, under harder cut points",
            value={"name": "Cuts two points up", "contract": "H1234", "year": 2026,
                   "scenario": {"budget": 20000, "strategies": ["optimal", "nearest_cut"], "cut_shifts": {"*": 2}}},
        )
    ]
)  # fmt: skip
class SimulationBody(KnownFields):
    """What is asked, under which name."""

    name = serializers.CharField(max_length=simulation_runs.LONGEST_NAME)
    contract = serializers.SlugRelatedField(
        slug_field="number", queryset=Contract.objects.all(), help_text="H-number.",
        error_messages={"does_not_exist": "There is no such contract.", "invalid": "Give an H-number."},
    )  # fmt: skip
    year = YearField()
    scenario = serializers.DictField(help_text="What would be different (docs/simulations.md).")


class SimulationFilters(filters.FilterSet):
    """Narrow the simulations."""

    year = filters.NumberFilter(label="measurement year", min_value=1900, max_value=2200, decimal_places=0)
    contract = filters.ModelChoiceFilter(queryset=Contract.objects.all(), to_field_name="number", label="H-number")
    state = filters.MultipleChoiceFilter(choices=RunState.choices)
    name = filters.CharFilter(lookup_expr="icontains", label="part of the name")

    class Meta:
        model = Simulation
        fields: tuple[str, ...] = ()


class SimulationSchema(ApiSchema):
    """Adds what can keep a simulation from being asked for."""

    def own_problems(self) -> dict[str, str]:
        if self.method != "POST":
            return super().own_problems()
        return {"400": "Fields that cannot be used.", "404": "No such page.",
                "409": "Another simulation of the contract and year has this name."}  # fmt: skip


@extend_schema_view(
    list=extend_schema(summary="Simulations, newest first"),
    retrieve=extend_schema(summary="A simulation and what came out"),
    create=extend_schema(
        summary="Ask for a simulation",
        description="Answers at once; a worker does it. `Location` says where to watch. The same name with the same "
        "scenario is the same simulation.",
        request=SimulationBody,
        responses={202: SimulationDetail},
    ),
)
class Simulations(One, Records):
    """What-ifs of a contract, kept under a name."""

    schema = SimulationSchema()
    queryset = Simulation.objects.all()
    row_class, detail_class = SimulationRow, SimulationDetail
    filterset_class = SimulationFilters
    ordering = ("-id",)
    ordering_fields = ("id", "name", "year", "requested_at", "finished_at")

    def get_queryset(self) -> QuerySet[Simulation]:
        return Simulation.objects.for_list()

    @idempotent
    def create(self, request: Request, **kwargs: Any) -> Response:
        """Ask for one; a worker takes it from here."""
        told = SimulationBody(data=request.data)
        told.is_valid(raise_exception=True)
        facts = dict(told.validated_data)
        content = facts.pop("scenario")
        try:
            asked = simulation_runs.ask(facts.pop("name"), **facts, content=content, by=request.user)
        except simulation_runs.NameTaken as taken:
            raise Conflict(str(taken), code="name_taken") from taken
        except simulation_runs.NoName as nameless:
            raise ValidationError({"name": [str(nameless)]}) from nameless
        except ProblemError as wrong:
            raise ValidationError({"scenario": [f"{wrong.field}: {wrong.reason}"]}) from wrong
        address = reverse("simulations-detail", args=[asked.pk])
        return Response(SimulationDetail(asked).data, status=HTTPStatus.ACCEPTED, headers={"Location": address})


urlpatterns = [
    path(
        "simulations/",
        Simulations.as_view({"get": "list", "post": "create"}, basename="simulations", detail=False),
        name="simulations-list",
    ),
    path(
        "simulations/<int:pk>/",
        Simulations.as_view({"get": "retrieve"}, basename="simulations", detail=True),
        name="simulations-detail",
    ),
]
