"""What predictions say on other pages: the list of gaps, the queue, a gap's card and its page."""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.db.models import Exists, OuterRef, QuerySet, Subquery
from django.http import HttpRequest
from django.utils import timezone

from hedis.gaps.labels import Chip
from hedis.gaps.models import Gap
from hedis.lib.modeladmin import Column
from predictions import score_words
from predictions.models import ModelVersion, Prediction, PredictionReview, Tier, Verdict
from predictions.score_models import PredictionQuerySet

UNSCORED = "none"
MAY_REVIEW, MAY_SCORE = "predictions.add_predictionreview", "predictions.add_prediction"


def of_gap() -> PredictionQuerySet:
    """In a query of gaps: the predictions in force of each, the newest first."""
    return Prediction.objects.in_force().filter(gap=OuterRef("pk")).order_by("-scored_at", "-id")


def newest_of(gaps: Sequence[Gap]) -> dict[int, Prediction]:
    """The prediction in force of each gap that is not met, by the gap's id: one query, however many."""
    unmet = [gap.pk for gap in gaps if gap.is_unmet]
    found = Prediction.objects.in_force().filter(gap__in=unmet).select_related("model", "measure")
    newest = found.order_by("gap_id", "-scored_at", "-id").distinct("gap_id")
    return {prediction.gap_id: prediction for prediction in newest}


def likelihood() -> Subquery:
    """What the list of gaps is ordered by."""
    return Subquery(of_gap().values("probability")[:1])


def cells(gaps: Sequence[Gap]) -> dict[int, str]:
    """Tier, probability and reasons for the list of gaps."""
    today = timezone.localdate()
    return {pk: score_words.in_a_list(prediction, today) for pk, prediction in newest_of(gaps).items()}


def tier_chips(gaps: Sequence[Gap]) -> dict[int, Chip]:
    """Tier and probability for the queue, the reasons when pointed at."""
    today = timezone.localdate()
    return {pk: score_words.tier_chip(prediction, today) for pk, prediction in newest_of(gaps).items()}


STAYS_OPEN = Column("stays_open", "stays open", likelihood, cells)


class TierFilter(admin.SimpleListFilter):
    """How likely a gap is to stay open."""

    title, parameter_name = "stays open", "tier"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [*Tier.choices, (UNSCORED, "Not scored")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() == UNSCORED:
            return queryset.filter(~Exists(of_gap()))
        return queryset.filter(Exists(of_gap().filter(tier=self.value()))) if self.value() else queryset


def gap_parts(request: HttpRequest, gaps: Sequence[Gap]) -> dict[int, dict[str, Any]]:
    """Of each gap that is not met its prediction; of one not scored yet, though a model could, that it is not."""
    if not request.user.has_perm("predictions.view_prediction"):
        return {}
    newest = newest_of(gaps)
    scorable = set(ModelVersion.objects.deployed().values_list("measure_id", flat=True))
    said = last_reviews(newest.values())
    parts = {}
    for gap in gaps:
        prediction = newest.get(gap.pk)
        if prediction or (gap.contact_by and gap.is_unmet and gap.measure_id in scorable):
            parts[gap.pk] = part(request, gap, prediction, said.get(prediction.pk) if prediction else None)
    return parts


def part(
    request: HttpRequest, gap: Gap, prediction: Prediction | None, review: PredictionReview | None
) -> dict[str, Any]:
    """What the template shows of one gap."""
    today = timezone.localdate()
    common = {
        "template": "admin/predictions/part.html",
        "label": "Prediction",
        "gap": gap,
        "prediction": prediction,
        "may_score": request.user.has_perm(MAY_SCORE),
    }
    if prediction is None:
        return common
    return common | {
        "chip": score_words.tier_chip(prediction, today),
        "interval": score_words.interval(prediction),
        "why_title": score_words.why_title(prediction),
        "why": score_words.why(prediction),
        "quality": score_words.quality(prediction),
        "expired": prediction.is_expired(today),
        "review": score_words.reviewed(review, prediction) if review else "",
        "verdicts": Verdict.choices if request.user.has_perm(MAY_REVIEW) else [],
        "sees_models": request.user.has_perm("predictions.view_modelversion"),
    }


def last_reviews(predictions: Any) -> dict[int, PredictionReview]:
    """What was last said of each prediction, by its id."""
    found = PredictionReview.objects.filter(prediction__in=[prediction.pk for prediction in predictions])
    newest = found.order_by("prediction_id", "-at", "-id").distinct("prediction_id")
    return {review.prediction_id: review for review in newest}
