"""What the API shows of models and takes from people: one model, its measurements, gates, waivers and steps."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema_field, extend_schema_serializer
from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from predictions import registry
from predictions.fairness import Verdict
from predictions.models import ModelVersion, State
from predictions.source_attributes import ATTRIBUTES, KEYS


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


class GateFinding(serializers.Serializer[Any]):
    """What one fairness gate found in one group."""

    gate = serializers.CharField(help_text="The figure: oe, tpr or selected. Empty: the column is not there.")
    by = serializers.CharField(help_text="The column.")
    level = serializers.CharField(help_text="The group.")
    verdict = serializers.ChoiceField([verdict.value for verdict in Verdict])
    value = serializers.FloatField(allow_null=True, help_text="tpr: how far below the best group of the column.")
    low = serializers.FloatField(allow_null=True)
    high = serializers.FloatField(allow_null=True)
    limit = serializers.FloatField(allow_null=True)
    n = serializers.IntegerField(allow_null=True)
    words = serializers.CharField()


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
    gates = serializers.SerializerMethodField(help_text="What the fairness gates say of the newest validation.")

    @extend_schema_field(SourceAttribute(many=True))
    def get_attributes(self, model: ModelVersion) -> list[dict[str, Any]]:
        return [
            {"number": one.number, "key": one.key, "label": one.label, "value": model.attributes.get(one.key, "")}
            for one in ATTRIBUTES
        ]

    def get_steps(self, model: ModelVersion) -> list[str]:
        return [value for value in State.values if value in registry.STEPS[model.state]]

    @extend_schema_field(GateFinding(many=True))
    def get_gates(self, model: ModelVersion) -> list[dict[str, Any]]:
        latest = model.latest_validation()
        return [one.as_json() for one in latest.gates()] if latest else []


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


class WaiverRow(serializers.Serializer[Any]):
    """Somebody took responsibility for the fairness gates one validation missed."""

    id = serializers.IntegerField()
    validation = serializers.IntegerField(source="validation_id")
    findings = FactRows(help_text="The gates it holds for, as in `gates`.")
    findings_sha256 = serializers.CharField()
    why = serializers.CharField()
    by = serializers.CharField()
    at = serializers.DateTimeField()


class NewWaiver(serializers.Serializer[Any]):
    """Why the gates missed by the newest validation may be missed, decided on a revision as a step is."""

    why = serializers.CharField(max_length=2000)
    revision = serializers.IntegerField(required=False, min_value=1)


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
