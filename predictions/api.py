"""The API's prediction models: lists, one model, its validations, its steps and the next one."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django.urls import path
from django_filters import rest_framework as filters
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import (
    OpenApiParameter,
    extend_schema,
    extend_schema_view,
)
from rest_framework import serializers
from rest_framework.exceptions import PermissionDenied, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter

from hedis.lib import etag
from hedis.lib.problem import Conflict, PreconditionRequired
from hedis.lib.records import One, Records
from hedis.lib.schema import CHANGES, ApiSchema
from hedis.measures.models import Measure
from predictions import registry, waiving
from predictions.model_rows import (
    ModelDescription,
    ModelDetail,
    ModelRow,
    ModelStep,
    ModelTransitionRow,
    NewWaiver,
    ValidationRow,
    WaiverRow,
)
from predictions.models import ModelTransition, ModelVersion, State, ValidationRun, Waiver

MODEL_ID = r"^[0-9]{1,18}$"


class ModelFilters(filters.FilterSet):
    """Narrow the models."""

    measure = filters.ModelChoiceFilter(queryset=Measure.objects.all(), to_field_name="code", label="measure code")
    state = filters.MultipleChoiceFilter(choices=State.choices)
    name = filters.CharFilter(lookup_expr="iexact", label="name")

    class Meta:
        model = ModelVersion
        fields: tuple[str, ...] = ()


CODES: dict[type[registry.RegistryError], str] = {
    registry.IllegalStep: "illegal_step",
    registry.ChangedMeanwhile: "changed_meanwhile",
    registry.NotReady: "not_ready",
    registry.GatesMissed: "fairness_gates_missed",
    waiving.NothingToWaive: "nothing_to_waive",
    registry.FileChanged: "file_changed",
}


@contextmanager
def as_problems() -> Iterator[None]:
    """The registry's refusals as the API's problems."""
    try:
        yield
    except registry.WhyMissing as refusal:
        raise ValidationError({"why": str(refusal)}) from refusal
    except registry.TrainerCannotApprove as refusal:
        raise PermissionDenied(str(refusal), code="trainer_cannot_approve") from refusal
    except tuple(CODES) as refusal:
        raise Conflict(str(refusal), code=CODES[type(refusal)]) from refusal


def tag_of(model: ModelVersion) -> str:
    """The ETag of a model: every change is a revision."""
    return etag.of("model", model.pk, model.revision)


@extend_schema_view(
    list=extend_schema(summary="Prediction models"),
    retrieve=extend_schema(summary="One model"),
    partial_update=extend_schema(
        summary="Write a model's source attributes and card", request=ModelDescription, responses=ModelDetail
    ),
)
class Models(One, Records):
    """Every registered model, retired ones too."""

    queryset = ModelVersion.objects.all()
    row_class, detail_class = ModelRow, ModelDetail
    filterset_class = ModelFilters
    ordering = ("name", "-id")
    ordering_fields = ("id", "name", "version", "measure", "state", "created_at", "changed_at")
    ordering_columns = {"measure": "measure__code"}

    def get_queryset(self) -> QuerySet[ModelVersion]:
        return ModelVersion.objects.select_related("measure")

    def get_object(self) -> ModelVersion:
        return named(self.kwargs["pk"])

    def tag(self, thing: ModelVersion, data: Any) -> str:
        return tag_of(thing)

    def partial_update(self, request: Request, **kwargs: Any) -> Response:
        """Describe the model, decided on the version that If-Match names."""
        model = self.get_object()
        etag.require_match(request, tag_of(model))
        given = ModelDescription(data=request.data)
        given.is_valid(raise_exception=True)
        with as_problems():
            described = registry.describe(model, **given.validated_data, by=request.user)
        return Response(ModelDetail(described).data, headers={"ETag": tag_of(described)})


def named(pk: str) -> ModelVersion:
    """The model at an address; `abc` names none, and is no server error."""
    known = ModelVersion.objects.select_related("measure")
    return get_object_or_404(known, pk=pk) if re.fullmatch(MODEL_ID, str(pk)) else get_object_or_404(known.none())


class StepSchema(ApiSchema):
    """Adds what stands against a step, and the header that may name the version it was decided on."""

    def get_override_parameters(self) -> list[Any]:
        given = super().get_override_parameters()
        if self.method != "POST":
            return given
        words = "The model's ETag; instead of `revision`."
        return [*given, OpenApiParameter("If-Match", str, OpenApiParameter.HEADER, description=words)]

    def own_problems(self) -> dict[str, str]:
        return CHANGES if self.method == "POST" else super().own_problems()


def decided(request: Request, pk: str, given: serializers.Serializer[Any]) -> tuple[ModelVersion, Any]:
    """The model as it was when the caller decided (by `revision` or If-Match), and what the caller wants."""
    model = named(pk)
    given.is_valid(raise_exception=True)
    if "If-Match" in request.headers:
        etag.require_match(request, tag_of(model))
    elif "revision" not in given.validated_data:
        raise PreconditionRequired("Send the model's revision, or If-Match with its ETag.")
    model.revision = given.validated_data.get("revision", model.revision)
    return model, given.validated_data


MODEL_PARAMETER = OpenApiParameter("id", OpenApiTypes.INT, OpenApiParameter.PATH, description="The model's id.")


@extend_schema_view(list=extend_schema(summary="What a model was measured at", parameters=[MODEL_PARAMETER]))
class Validations(Records):
    """The measurements of one model, newest first."""

    queryset = ValidationRun.objects.all()
    row_class = ValidationRow
    ordering = ("-run_at",)
    ordering_fields = ("run_at",)

    def get_queryset(self) -> QuerySet[ValidationRun]:
        return ValidationRun.objects.filter(model=named(self.kwargs["pk"]))


@extend_schema_view(
    list=extend_schema(summary="Every step a model took", parameters=[MODEL_PARAMETER]),
    create=extend_schema(
        summary="Take the next step",
        description="Who trained a model may not approve it (403). Deploying suspends the version in force. 409 where "
        "the state does not allow the step, something is missing, the files are not the registered ones, or `revision` "
        "is no longer the current one; 412 where If-Match is not.",
        parameters=[MODEL_PARAMETER],
        request=ModelStep,
        responses=ModelDetail,
    ),
)
class Transitions(Records):
    """The steps of one model, first to last, and the next one."""

    schema = StepSchema()
    queryset = ModelTransition.objects.all()
    row_class = ModelTransitionRow
    ordering = ("at",)
    ordering_fields = ("at",)

    def get_queryset(self) -> QuerySet[ModelTransition]:
        return ModelTransition.objects.filter(model=named(self.kwargs["pk"]))

    def create(self, request: Request, **kwargs: Any) -> Response:
        """One step, decided on the revision the caller names."""
        model, wanted = decided(request, self.kwargs["pk"], ModelStep(data=request.data))
        with as_problems():
            moved = registry.transition(model, wanted["to"], why=wanted["why"], by=request.user)
        return Response(ModelDetail(moved).data, headers={"ETag": tag_of(moved)})


@extend_schema_view(
    list=extend_schema(summary="Waivers of a model's fairness gates", parameters=[MODEL_PARAMETER]),
    create=extend_schema(
        summary="Waive the fairness gates a model misses",
        description="Of the newest validation and of what it found alone: a new one needs another waiver. Who trained "
        "a model may not waive (403). 409 where it misses no gate, is retired, or `revision` is no longer the current "
        "one; 412 where If-Match is not.",
        parameters=[MODEL_PARAMETER],
        request=NewWaiver,
        responses=WaiverRow,
    ),
)
class Waivers(Records):
    """Who answered for a fairness gate that a model misses, newest first."""

    schema = StepSchema()
    queryset = Waiver.objects.all()
    row_class = WaiverRow
    ordering = ("-at",)
    ordering_fields = ("at",)

    def get_queryset(self) -> QuerySet[Waiver]:
        return Waiver.objects.filter(validation__model=named(self.kwargs["pk"]))

    def create(self, request: Request, **kwargs: Any) -> Response:
        """Waive, decided on the revision the caller names."""
        model, wanted = decided(request, self.kwargs["pk"], NewWaiver(data=request.data))
        latest = model.latest_validation()
        if latest is None:
            raise Conflict(f"{model} has no validation run yet.", code="nothing_to_waive")
        latest.model = model
        with as_problems():
            waiver = waiving.waive(latest, why=wanted["why"], by=request.user)
        return Response(WaiverRow(waiver).data)


router = SimpleRouter()
router.register("models", Models, basename="models")
urlpatterns = [
    path(
        "models/<str:pk>/validations/",
        Validations.as_view({"get": "list"}, basename="model_validations", detail=False),
        name="model-validations-list",
    ),
    path(
        "models/<str:pk>/transitions/",
        Transitions.as_view({"get": "list", "post": "create"}, basename="model_transitions", detail=False),
        name="model-transitions-list",
    ),
    path(
        "models/<str:pk>/waivers/",
        Waivers.as_view({"get": "list", "post": "create"}, basename="model_waivers", detail=False),
        name="model-waivers-list",
    ),
    *router.urls,
]
