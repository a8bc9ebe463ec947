"""What the API shows of predictions, reviews and scoring runs, and what it takes."""

from http import HTTPStatus
from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema_field, extend_schema_serializer
from rest_framework import serializers
from rest_framework.exceptions import APIException, ValidationError

from hedis.lib import run_rows
from hedis.members.models import PSEUDONYM, Contract
from predictions.models import Recommendation, Tier, Verdict

MOST_ITEMS = 1000
FIRST_YEAR, LAST_YEAR = 1900, 2200
A_PREDICTION = {
    "id": 812,
    "gap": 4711,
    "member": "5f0c" * 16,
    "measure": "BCS",
    "year": 2026,
    "contract": "H1234",
    "model": 3,
    "model_name": "bcs-open-gap",
    "model_version": "2026.1",
    "model_state": "deployed",
    "probability": 0.82,
    "low": 0.78,
    "high": 0.86,
    "tier": "high",
    "recommendation": "contact_first",
    "quality": [],
    "as_of": "2026-09-30",
    "scored_at": "2026-10-05T04:12:09.118273Z",
    "expires_on": "2026-11-04",
}
REASON = {
    "feature": "days_since_evidence",
    "value": None,
    "words": "no mammogram in the look-back",
    "contribution": 0.91,
}


class NotScored(APIException):
    """Nothing was scored, because nothing can score now."""

    status_code = HTTPStatus.SERVICE_UNAVAILABLE
    default_code = "no_deployed_model"


@extend_schema_field(
    {
        "type": "array",
        "items": {"type": "object", "additionalProperties": {}},
        "examples": [[REASON]],
        "description": "Features that moved the score most: feature, value, words, contribution (log-odds).",
    }
)
class Reasons(serializers.JSONField):
    """Exact contributions of the model to this score, the largest first."""


@extend_schema_field({"type": "array", "items": {"type": "string"}})
class Codes(serializers.JSONField):
    """A list of codes."""


@extend_schema_field({"type": "object", "additionalProperties": {"type": "integer"}})
class Counts(serializers.JSONField):
    """How many, by reason."""


@extend_schema_serializer(examples=[OpenApiExample("A gap that will hardly close by itself", value=A_PREDICTION)])
class PredictionRow(serializers.Serializer[Any]):
    """The probability that a gap which was open on the score date is open at the year's end, without outreach."""

    id = serializers.IntegerField()
    gap = serializers.IntegerField(source="gap_id")
    member = serializers.CharField(source="member.pseudonym", help_text="Pseudonym.")
    measure = serializers.CharField(source="measure.code")
    year = serializers.IntegerField(help_text="Measurement year.")
    contract = serializers.CharField(source="gap.contract.number", default=None, allow_null=True)
    model = serializers.IntegerField(source="model_id")
    model_name = serializers.CharField(source="model.name")
    model_version = serializers.CharField(source="model.version")
    model_state = serializers.CharField(source="model.state", help_text="As a model's `state`, now.")
    probability = serializers.FloatField(help_text="0 to 1.")
    low = serializers.FloatField(allow_null=True, help_text="95 % interval of the rate among members scored alike.")
    high = serializers.FloatField(allow_null=True)
    tier = serializers.ChoiceField(Tier.choices)
    recommendation = serializers.ChoiceField(Recommendation.choices)
    quality = Codes(help_text="What to know of the input.")
    as_of = serializers.DateField(help_text="Score date: what was known on this day was scored.")
    scored_at = serializers.DateTimeField()
    expires_on = serializers.DateField(help_text="The last day it should be acted on.")


@extend_schema_serializer(examples=[OpenApiExample("With its reasons", value={**A_PREDICTION, "reasons": [REASON]})])
class PredictionDetail(PredictionRow):
    """A prediction with its reasons and what it was made of."""

    reasons = Reasons()
    feature_version = serializers.CharField()
    feature_sha256 = serializers.CharField(help_text="Of the row of features that was scored.")
    generation = serializers.CharField(help_text="Of the warehouse.")
    run = serializers.IntegerField(source="run_id", allow_null=True, help_text="The portfolio run that made it.")


class KnownFields(serializers.Serializer[Any]):
    """A body whose every field is known: one that is silently ignored would seem to have been used."""

    def to_internal_value(self, data: Any) -> Any:
        unknown = sorted(set(data) - set(self.fields)) if isinstance(data, dict) else []
        if unknown:
            raise ValidationError(dict.fromkeys(unknown, "There is no such field here."))
        return super().to_internal_value(data)


class YearField(serializers.IntegerField):
    """A measurement year. `true` is no number, though Python counts it as one."""

    def __init__(self, **more: Any) -> None:
        super().__init__(min_value=FIRST_YEAR, max_value=LAST_YEAR, help_text="Measurement year.", **more)

    def to_internal_value(self, data: Any) -> int:
        if isinstance(data, bool):
            self.fail("invalid")
        return int(super().to_internal_value(data))


@extend_schema_serializer(
    examples=[OpenApiExample("One gap", value={"member": "5f0c" * 16, "measure": "BCS", "year": 2026})]
)
class ScoreItem(KnownFields):
    """A gap to score, named by member, measure and year."""

    member = serializers.RegexField(
        PSEUDONYM, help_text="Pseudonym.", error_messages={"invalid": "This is no pseudonym."}
    )
    measure = serializers.CharField(max_length=20, help_text="Measure code.")
    year = YearField()


@extend_schema_field(ScoreItem(many=True))
class RawItems(serializers.ListField):
    """Items as they were sent: each is judged by itself, so that a bad one loses no good one."""


@extend_schema_serializer(
    examples=[
        OpenApiExample("Two gaps", value={"items": [
            {"member": "5f0c" * 16, "measure": "BCS", "year": 2026},
            {"member": "5f0c" * 16, "measure": "COL", "year": 2026},
        ]})
    ]
)  # fmt: skip
class BatchBody(KnownFields):
    """1 to 1,000 gaps to score."""

    items = RawItems(
        min_length=1,
        max_length=MOST_ITEMS,
        error_messages={
            "min_length": "Give at least one item.",
            "max_length": f"Give at most {MOST_ITEMS:,} items; a whole year is scored at predictions/portfolio/.",
        },
    )


class ItemProblem(serializers.Serializer[Any]):
    """Why one item has no prediction."""

    code = serializers.CharField(
        help_text="`unknown_member`, `unknown_measure`, `wrong_year`, `not_deployed`, `no_open_gap`, `out_of_reach`; "
        "or what is wrong with the field's form."
    )
    field = serializers.CharField(help_text="The item's field.")
    detail = serializers.CharField()


class ItemResult(serializers.Serializer[Any]):
    """What became of one item: a prediction or a problem."""

    index = serializers.IntegerField(help_text="Of the item as it was sent, from 0.")
    prediction = PredictionDetail(allow_null=True)
    problem = ItemProblem(allow_null=True)


class BatchAnswer(serializers.Serializer[Any]):
    """Every item's result, in the order asked."""

    scored = serializers.IntegerField()
    refused = serializers.IntegerField()
    results = ItemResult(many=True)


class RunRow(run_rows.RunRow):
    """One run over a year's open gaps; a unit is a measure, or a part of one."""

    contract = serializers.CharField(source="contract.number", default=None, allow_null=True)
    scored = serializers.IntegerField(help_text="Predictions stored so far.")
    skipped = Counts(help_text="Open gaps without a prediction, by reason.")
    as_of = serializers.DateField(help_text="Score date.")
    seconds = serializers.FloatField(help_text="Spent scoring.")


class RunDetail(run_rows.Watched, RunRow):
    """A run with what it scores by and whether anybody works on it."""

    models = Counts(source="model_ids", help_text="Measure code: id of the model that scores it.")
    generation = serializers.CharField(help_text="Of the warehouse.")


@extend_schema_serializer(examples=[OpenApiExample("One contract", value={"year": 2026, "contract": "H1234"})])
class RunBody(KnownFields):
    """Which gaps to score."""

    year = YearField()
    contract = serializers.SlugRelatedField(
        slug_field="number",
        queryset=Contract.objects.all(),
        required=False,
        allow_null=True,
        help_text="H-number; every contract without it.",
        error_messages={"does_not_exist": "There is no such contract.", "invalid": "Give an H-number."},
    )


class ReviewRow(serializers.Serializer[Any]):
    """A person's word on a prediction as it stood then."""

    id = serializers.IntegerField()
    verdict = serializers.ChoiceField(Verdict.choices)
    note = serializers.CharField()
    probability = serializers.FloatField(help_text="As it was when it was reviewed.")
    scored_at = serializers.DateTimeField(help_text="Of the score that was reviewed.")
    by = serializers.CharField()
    at = serializers.DateTimeField()


@extend_schema_serializer(
    examples=[OpenApiExample("It will close", value={"verdict": "too_high", "note": "Booked for Tuesday."})]
)
class ReviewBody(KnownFields):
    """What you think of the prediction; who disagrees says why."""

    verdict = serializers.ChoiceField(Verdict.choices)
    note = serializers.CharField(required=False, allow_blank=True, max_length=2000, default="")
