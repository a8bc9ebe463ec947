"""The API's predictions: lists, one, scoring one gap or a batch, and what people think of a prediction."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

from django.core.validators import RegexValidator
from django.db.models import Q, QuerySet
from django.shortcuts import get_object_or_404
from django.urls import path, reverse
from django.utils import timezone
from django_filters import rest_framework as filters
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema, extend_schema_view
from rest_framework.exceptions import APIException, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from audit import reading
from audit.reading import RecordedReads
from hedis.accounts.idempotency import idempotent
from hedis.lib.problem import Conflict, field_errors
from hedis.lib.records import One, Records
from hedis.lib.schema import LISTS, ApiSchema
from hedis.measures.models import Measure
from hedis.members.models import PSEUDONYM, Contract
from predictions import reviewing, scoring
from predictions.models import ModelVersion, Prediction, PredictionReview, Recommendation, Tier
from predictions.score_models import PredictionQuerySet
from predictions.score_rows import (
    BatchAnswer,
    BatchBody,
    NotScored,
    PredictionDetail,
    PredictionRow,
    ReviewBody,
    ReviewRow,
    ScoreItem,
)

PREDICTION_ID = r"^[0-9]{1,18}$"
IN_FORCE, ALL = "in_force", "all"
# Problems of an item: a field that cannot be used, or what the gap's own state stands against. Every other one says
# that the model in force cannot score now.
UNUSABLE = ("unknown_member", "unknown_measure", "wrong_year")
AGAINST = ("no_open_gap", "out_of_reach")
NO_MODEL = "Nothing can score this: no model is deployed, or what a model reads is missing; `detail` says what to do."


class PredictionFilters(filters.FilterSet):
    """Narrow the predictions; without `state` to those of models deployed now, which are what people act on."""

    member = filters.CharFilter(
        field_name="member__pseudonym", validators=[RegexValidator(PSEUDONYM, "This is no pseudonym.")]
    )
    measure = filters.ModelChoiceFilter(queryset=Measure.objects.all(), to_field_name="code", label="measure code")
    year = filters.NumberFilter(label="measurement year", min_value=1900, max_value=2200, decimal_places=0)
    model = filters.ModelChoiceFilter(queryset=ModelVersion.objects.all(), label="model id")
    contract = filters.ModelChoiceFilter(
        field_name="gap__contract", queryset=Contract.objects.all(), to_field_name="number", label="H-number"
    )
    tier = filters.MultipleChoiceFilter(choices=Tier.choices)
    recommendation = filters.MultipleChoiceFilter(choices=Recommendation.choices)
    min_probability = filters.NumberFilter(
        field_name="probability", lookup_expr="gte", min_value=0, max_value=1, label="probability at least, 0 to 1"
    )
    max_probability = filters.NumberFilter(
        field_name="probability", lookup_expr="lte", min_value=0, max_value=1, label="probability at most, 0 to 1"
    )
    expired = filters.BooleanFilter(method="by_age", label="whether it is too old to act on")
    scored_since = filters.IsoDateTimeFilter(field_name="scored_at", lookup_expr="gte", label="scored at or after")
    state = filters.ChoiceFilter(
        choices=[(IN_FORCE, "of models deployed now"), (ALL, "of every model, retired ones too")],
        method="of_state",
        label="in_force unless told otherwise",
    )

    class Meta:
        model = Prediction
        fields: tuple[str, ...] = ()

    def filter_queryset(self, queryset: QuerySet[Prediction]) -> QuerySet[Prediction]:
        found: PredictionQuerySet = super().filter_queryset(queryset)
        return found if self.form.cleaned_data.get("state") == ALL else found.in_force()

    def of_state(self, queryset: QuerySet[Prediction], name: str, value: str) -> QuerySet[Prediction]:
        return queryset

    def by_age(self, queryset: QuerySet[Prediction], name: str, value: bool) -> QuerySet[Prediction]:
        too_old = Q(expires_on__lt=timezone.localdate())
        return queryset.filter(too_old if value else ~too_old)


class ScoringSchema(ApiSchema):
    """Adds what can keep a POST from scoring, and the header that makes it safe to send twice."""

    def own_problems(self) -> dict[str, str]:
        if self.method != "POST":
            return super().own_problems()
        return {"400": "Fields that cannot be used.", "404": LISTS["404"],
                "409": "The gap is not open, or nothing can close it any more.", "503": NO_MODEL}  # fmt: skip

    def _get_response_bodies(self, direction: Any = "response") -> Any:
        """An answer to many items is no thing with a version."""
        bodies = super()._get_response_bodies(direction)
        if self.method == "POST":
            bodies.get("200", {}).pop("headers", None)
        return bodies


class PredictionRecords(RecordedReads, Records):
    """What the endpoints of predictions share."""

    schema = ScoringSchema()
    queryset = Prediction.objects.all()
    row_class, detail_class = PredictionRow, PredictionDetail
    filterset_class = PredictionFilters
    cursor_key = "id"
    ordering = ()
    ordering_fields = ("id", "probability", "scored_at", "expires_on", "year", "measure")
    ordering_columns = {"measure": "measure__code"}
    member_field = "member"
    address_key, address_shape = "pk", PREDICTION_ID

    def get_queryset(self) -> PredictionQuerySet:
        return Prediction.objects.visible_to(self.request.user).for_list()


@extend_schema_view(
    list=extend_schema(summary="Predictions of the gaps you may see"),
    retrieve=extend_schema(summary="One prediction"),
    create=extend_schema(
        summary="Score one open gap now",
        description="The same member, measure, year and model have one prediction: a later score replaces an earlier.",
        request=ScoreItem,
        responses={201: PredictionDetail},
    ),
)
class Predictions(One, PredictionRecords):
    """Predictions of the caller's scope. Every look is recorded."""

    def get_object(self) -> Prediction:
        """The prediction at this address; `abc` names none, and is no server error."""
        if not self.thing_named():
            return get_object_or_404(Prediction.objects.none())
        return get_object_or_404(self.get_queryset(), pk=self.kwargs["pk"])

    @idempotent
    def create(self, request: Request, **kwargs: Any) -> Response:
        """Score one gap. The score is the ledger's event and names the member; showing it is no second look."""
        asked = ScoreItem(data=request.data)
        asked.is_valid(raise_exception=True)
        (outcome,) = scored([scoring.Item(**asked.validated_data)], by=request.user)
        if outcome.problem:
            raise refusal(outcome.problem)
        row = PredictionDetail(outcome.prediction).data
        address = reverse("predictions-detail", args=[row["id"]])
        return Response(row, status=HTTPStatus.CREATED, headers={"Location": address})


class Batch(Records):
    """Up to a thousand gaps in one request."""

    schema = ScoringSchema()
    queryset = Prediction.objects.all()
    detail_class = BatchAnswer

    @extend_schema(
        summary="Score up to 1,000 open gaps now",
        description="Every item has its own result, in the order asked; a bad item takes no good one with it.",
        request=BatchBody,
        responses=BatchAnswer,
    )
    @idempotent
    def score(self, request: Request) -> Response:
        """Per-item results; 200 whatever became of single items."""
        asked = BatchBody(data=request.data)
        asked.is_valid(raise_exception=True)
        form = ScoreItem()
        sent = asked.validated_data["items"]
        results: list[dict[str, Any]] = [{"index": index, **usable(raw, form)} for index, raw in enumerate(sent)]
        good = [result for result in results if result["problem"] is None]
        outcomes = scored([result.pop("item") for result in good], by=request.user) if good else []
        shown = PredictionDetail()
        for result, outcome in zip(good, outcomes, strict=True):
            result["prediction"] = outcome.prediction and shown.to_representation(outcome.prediction)
            result["problem"] = outcome.problem and told(outcome.problem)
        number = sum(result["prediction"] is not None for result in results)
        return Response({"scored": number, "refused": len(results) - number, "results": results})


def usable(raw: Any, form: ScoreItem) -> dict[str, Any]:
    """An item to score, or the first thing that is wrong with its form."""
    try:
        return {"item": scoring.Item(**form.run_validation(raw)), "prediction": None, "problem": None}
    except ValidationError as wrong:
        first = next(field_errors(wrong.get_full_details()))
        field = "" if first["field"] == "non_field_errors" else first["field"]
        return {"prediction": None, "problem": {**first, "field": field}}


def scored(items: Sequence[scoring.Item], *, by: Any) -> list[scoring.Outcome]:
    """The verb, its refusals as the API's problems; asking for a member one may not see is a denied look."""
    with as_problems():
        outcomes = scoring.score(items, by=by)
    unseen = [one.item.member for one in outcomes if one.problem and one.problem.code == "unknown_member"]
    if unseen:
        facts = {"object_type": "predictions", "row_count": 0, "outcome": "denied", "after": {"asked_for": unseen}}
        reading.record("api.predictions.create", **facts, by=by)
    return outcomes


@contextmanager
def as_problems() -> Iterator[None]:
    """What keeps everything from being scored, as a 503 that says what to do."""
    try:
        yield
    except scoring.NoDeployedModel as nothing:
        raise NotScored(str(nothing)) from nothing
    except scoring.NothingToScore as nothing:
        raise NotScored(str(nothing), code="nothing_to_score") from nothing


def refusal(problem: scoring.Problem) -> APIException:
    """One item's problem as the whole answer's."""
    if problem.code in UNUSABLE:
        return ValidationError({problem.field: [problem.message]}, code=problem.code)
    if problem.code in AGAINST:
        return Conflict(problem.message, code=problem.code)
    return NotScored(problem.message, code="no_deployed_model" if problem.code == "not_deployed" else problem.code)


def told(problem: scoring.Problem) -> dict[str, str]:
    """One item's problem beside the other items' results."""
    return {"code": problem.code, "field": problem.field, "detail": problem.message}


ID_PARAMETER = OpenApiParameter("id", OpenApiTypes.INT, OpenApiParameter.PATH, description="The prediction's id.")


class ReviewSchema(ApiSchema):
    """A review can be refused for its words."""

    def own_problems(self) -> dict[str, str]:
        given = super().own_problems()
        return given | ({"400": "Fields that cannot be used."} if self.method == "POST" else {})


@extend_schema_view(list=extend_schema(summary="What people thought of a prediction", parameters=[ID_PARAMETER]))
class Reviews(RecordedReads, Records):
    """The reviews of one prediction, newest first, and the next one."""

    schema = ReviewSchema()
    queryset = PredictionReview.objects.all()
    row_class = detail_class = ReviewRow
    ordering = ("-at",)
    ordering_fields = ("at",)
    member_field = "member"
    address_key, address_shape = "pk", PREDICTION_ID

    def prediction(self) -> Prediction:
        """The visible prediction at this address."""
        named = self.thing_named()
        visible = Prediction.objects.visible_to(self.request.user).select_related("member", "measure", "model")
        found: Prediction = get_object_or_404(visible, pk=named) if named else get_object_or_404(visible.none())
        return found

    def get_queryset(self) -> QuerySet[PredictionReview]:
        self.reviewed = self.prediction()
        return PredictionReview.objects.filter(prediction=self.reviewed)

    def members_in(self, rows: Any) -> list[str]:
        return [self.reviewed.member.pseudonym]

    @extend_schema(
        summary="Say what you think of a prediction",
        description="Agree, or say why not. It changes no score; the next model learns whom to ask.",
        parameters=[ID_PARAMETER],
        request=ReviewBody,
        responses={201: OpenApiResponse(ReviewRow)},
    )
    @idempotent
    def create(self, request: Request, **kwargs: Any) -> Response:
        """One person's word, as the prediction stands now."""
        prediction = self.prediction()
        said = ReviewBody(data=request.data)
        said.is_valid(raise_exception=True)
        try:
            review = reviewing.review(prediction, **said.validated_data, by=request.user)
        except reviewing.ReviewError as refused:
            raise ValidationError({refused.field: str(refused)}) from refused
        return Response(ReviewRow(review).data, status=HTTPStatus.CREATED)


urlpatterns = [
    path(
        "predictions/batch/",
        Batch.as_view({"post": "score"}, basename="predictions_batch", detail=True),
        name="predictions-batch",
    ),
    path(
        "predictions/",
        Predictions.as_view({"get": "list", "post": "create"}, basename="predictions", detail=False),
        name="predictions-list",
    ),
    path(
        "predictions/<str:pk>/",
        Predictions.as_view({"get": "retrieve"}, basename="predictions", detail=True),
        name="predictions-detail",
    ),
    path(
        "predictions/<str:pk>/reviews/",
        Reviews.as_view({"get": "list"}, basename="prediction_reviews", detail=False),
        name="prediction-reviews",
    ),
    path(
        "predictions/<str:pk>/review/",
        Reviews.as_view({"post": "create"}, basename="prediction_reviews", detail=True),
        name="prediction-review",
    ),
]
