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

from hedis.lib import etag
from hedis.lib.problem import Conflict, PreconditionRequired
from hedis.lib.records import One, Records
from hedis.lib.schema import CHANGES, ApiSchema
from hedis.measures.models import Measure
from predictions import registry
from predictions.models import ModelTransition, ModelVersion, State, ValidationRun
from predictions.source_attributes import ATTRIBUTES, KEYS

MODEL_ID = r"^[0-9]{1,18}$"


@extend_schema_field({"type": "object", "additionalProperties": {}})
class Facts(serializers.JSONField):
    """Figures or settings by name."""


@extend_schema_field({"type": "array", "items": {"type": "object", "additionalProperties": {}}})
class FactRows(serializers.JSONField):
    """A table of facts."""


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "A model in force",
            value={
                "id": 3,
                "name": "col-open-gap",
                "version": "2026.1",
                "measure": "COL",
                "line_of_business": "",
                "state": "deployed",
                "kind": "logistic regression",
                "sha256": "0f1e" * 16,
                "training_start": "2023-01-01",
                "training_end": "2024-12-31",
                "trained_by": "ben",
                "approved_by": "mo",
                "revision": 6,
                "created_at": "2026-01-10T09:00:00Z",
                "changed_at": "2026-02-01T09:00:00Z",
            },
        )
    ]
)
class ModelRow(serializers.Serializer[Any]):
    """One trained model."""

    id = serializers.IntegerField()
    name = serializers.CharField()
    version = serializers.CharField()
    measure = serializers.CharField(source="measure.code", default=None, allow_null=True)
    line_of_business = serializers.CharField(help_text="Empty: every line.")
    state = serializers.ChoiceField(State.choices)
    kind = serializers.CharField()
    sha256 = serializers.CharField(help_text="Of the model file's content.")
    training_start = serializers.DateField(allow_null=True)
    training_end = serializers.DateField(allow_null=True)
    trained_by = serializers.CharField()
    approved_by = serializers.CharField()
    revision = serializers.IntegerField(help_text="Counts the changes; a step names the one it was decided on.")
    created_at = serializers.DateTimeField()
    changed_at = serializers.DateTimeField()


class SourceAttribute(serializers.Serializer[Any]):
    """One of the 31 source attributes (45 CFR 170.315(b)(11)(iv)(B)), worded by us."""

    number = serializers.IntegerField()
    key = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]
    value = serializers.CharField(help_text="Empty: not filled in yet.")


class ModelDetail(ModelRow):
    """A model with its card, figures and the steps that may follow."""

    framework = Facts()
    features = FactRows()
    training = Facts()
    metrics = Facts(help_text="On the test groups put away in training; each figure with its interval.")
    thresholds = Facts()
    card = serializers.CharField()
    attributes = serializers.SerializerMethodField()
    steps = serializers.SerializerMethodField(help_text="States that may follow, whoever decides.")

    @extend_schema_field(SourceAttribute(many=True))
    def get_attributes(self, model: ModelVersion) -> list[dict[str, Any]]:
        return [
            {"number": one.number, "key": one.key, "label": one.label, "value": model.attributes.get(one.key, "")}
            for one in ATTRIBUTES
        ]

    def get_steps(self, model: ModelVersion) -> list[str]:
        return [value for value in State.values if value in registry.STEPS[model.state]]


class ValidationRow(serializers.Serializer[Any]):
    """One measurement of a model."""

    id = serializers.IntegerField()
    data = serializers.CharField(help_text="Which rows it was measured on.")  # type: ignore[assignment]
    sha256 = serializers.CharField(help_text="Of the model file that was measured.")
    metrics = Facts(help_text="Each figure with its interval.")
    subgroups = FactRows(help_text="Small groups are withheld and say so.")
    run_by = serializers.CharField()
    run_at = serializers.DateTimeField()


class ModelTransitionRow(serializers.Serializer[Any]):
    """One step of a model."""

    from_state = serializers.CharField(help_text="Empty in the first step: it was registered.")
    to_state = serializers.CharField(help_text="As a model's `state`.")
    by = serializers.CharField()
    at = serializers.DateTimeField()
    why = serializers.CharField()
    evidence_sha256 = serializers.CharField(help_text="Of what the decision rested on.")


@extend_schema_serializer(
    examples=[OpenApiExample("Approving", value={"to": "validated", "why": "O/E 1.02, no group off.", "revision": 3})]
)
class ModelStep(serializers.Serializer[Any]):
    """The next step, decided on a revision: named here, or by its ETag in If-Match."""

    to = serializers.ChoiceField(State.choices)
    why = serializers.CharField(max_length=2000)
    revision = serializers.IntegerField(required=False, min_value=1)


class ModelDescription(serializers.Serializer[Any]):
    """Source attributes by key (those given; the others stay) and the model card, until the model is approved."""

    attributes = serializers.DictField(child=serializers.CharField(allow_blank=True, max_length=5000), required=False)
    card = serializers.CharField(allow_blank=True, max_length=50_000, required=False)

    def to_internal_value(self, data: Any) -> Any:
        """Refuse what cannot be changed here: a `state` sent by a program would seem set."""
        unknown = sorted(set(data) - set(self.fields)) if isinstance(data, dict) else []
        if unknown:
            raise ValidationError(dict.fromkeys(unknown, "This cannot be changed here."))
        return super().to_internal_value(data)

    def validate_attributes(self, given: dict[str, str]) -> dict[str, str]:
        unknown = sorted(set(given) - KEYS)
        if unknown:
            raise ValidationError(dict.fromkeys(unknown, "There is no such source attribute."))
        return given

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if not attrs:
            raise ValidationError("Give attributes, card or both.")
        return attrs


class ModelFilters(filters.FilterSet):
    """Narrow the models."""

    measure = filters.ModelChoiceFilter(queryset=Measure.objects.all(), to_field_name="code", label="measure code")
    state = filters.MultipleChoiceFilter(choices=State.choices)
    name = filters.CharFilter(lookup_expr="iexact", label="name")

    class Meta:
        model = ModelVersion
        fields: tuple[str, ...] = ()


CODES = {
    registry.IllegalStep: "illegal_step",
    registry.ChangedMeanwhile: "changed_meanwhile",
    registry.NotReady: "not_ready",
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
        model = named(self.kwargs["pk"])
        step = ModelStep(data=request.data)
        step.is_valid(raise_exception=True)
        wanted = step.validated_data
        if "If-Match" in request.headers:
            etag.require_match(request, tag_of(model))
        elif "revision" not in wanted:
            raise PreconditionRequired("Send the model's revision, or If-Match with its ETag.")
        model.revision = wanted.get("revision", model.revision)
        with as_problems():
            moved = registry.transition(model, wanted["to"], why=wanted["why"], by=request.user)
        return Response(ModelDetail(moved).data, headers={"ETag": tag_of(moved)})


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
    *router.urls,
]
