"""The list of predictions, and one prediction's page, where it is reviewed and scored again."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Exists, OuterRef
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from audit import ledger
from audit.hand_edits import record_refusal
from audit.models import Event
from hedis.gaps import queueing
from hedis.gaps.filters import DefaultingFilter, MeasureFilter, YearFilter
from hedis.gaps.models import Gap
from hedis.lib.modeladmin import LabelSearch, ReadOnlyAdmin
from hedis.lib.templatetags import portfolio
from hedis.members.models import Contract
from predictions import reason_chart, reviewing, score_words, scoring
from predictions.models import ModelVersion, Prediction, PredictionReview, Verdict
from predictions.score_models import PredictionQuerySet

MAY_REVIEW, MAY_SCORE = "predictions.add_predictionreview", "predictions.add_prediction"
MAY_RUN = "predictions.add_scoringrun"


class ReviewForm(forms.Form):
    """What a person thinks of a prediction."""

    verdict = forms.ChoiceField(label="Verdict", choices=Verdict.choices)
    note = forms.CharField(label="Note", required=False, max_length=reviewing.LONGEST_NOTE)


class StandingFilter(DefaultingFilter):
    """Predictions of models deployed now, unless asked otherwise: the others are not to be acted on."""

    title, parameter_name = "model", "state"
    all_words = "Every model"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        models = ModelVersion.objects.filter(Exists(Prediction.objects.filter(model=OuterRef("pk"))))
        return [("in_force", "In force"), *((str(one.pk), f"{one}") for one in models)]

    def default(self) -> str:
        return "in_force"

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        chosen = self.value()
        if chosen == "in_force":
            return queryset.in_force()
        known = {value for value, _ in self.lookup_choices}
        return queryset.filter(model=int(chosen)) if chosen in known else queryset


class ContractFilter(admin.SimpleListFilter):
    """By the gap's contract."""

    title = parameter_name = "contract"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(one.number, str(one)) for one in Contract.objects.all()]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset.filter(gap__contract__number=self.value()) if self.value() else queryset


class AgeFilter(admin.SimpleListFilter):
    """Fresh enough to act on, or not."""

    title, parameter_name = "age", "age"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("fresh", "Fresh"), ("old", "Too old to act on")]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        today = timezone.localdate()
        if self.value() == "fresh":
            return queryset.filter(expires_on__gte=today)
        return queryset.filter(expires_on__lt=today) if self.value() == "old" else queryset


class ReviewedFilter(admin.SimpleListFilter):
    """What people said."""

    title, parameter_name = "review", "review"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [*Verdict.choices, ("none", "Not reviewed")]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        said = PredictionReview.objects.filter(prediction=OuterRef("pk"))
        if self.value() == "none":
            return queryset.filter(~Exists(said))
        return queryset.filter(Exists(said.filter(verdict=self.value()))) if self.value() else queryset


@admin.register(Prediction)
class PredictionAdmin(LabelSearch, ReadOnlyAdmin):
    """Predictions are made by models; people look, review, and have them made again."""

    list_display = ("gap_cell", "member_link", "chip_cell", "reasons_cell", "recommendation_cell", "model_cell",
                    "scored_cell", "expires_cell")  # fmt: skip
    list_filter = (YearFilter, MeasureFilter, "tier", "recommendation", StandingFilter, ContractFilter, AgeFilter,
                   ReviewedFilter)  # fmt: skip
    ordering = ("-probability", "id")
    sortable_by = ("chip_cell", "scored_cell", "expires_cell")
    change_list_template = "admin/predictions/scores.html"
    change_form_template = "admin/predictions/score.html"

    def get_queryset(self, request: HttpRequest) -> PredictionQuerySet:
        return Prediction.objects.visible_to(request.user).for_list()

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """A page of the list shows members: the ledger knows which, before the page leaves."""
        nothing_deployed = not ModelVersion.objects.deployed().exists()
        extra = {"nothing_deployed": nothing_deployed, "may_run": request.user.has_perm(MAY_RUN)}
        response = super().changelist_view(request, {**extra, **(extra_context or {})})
        shown = getattr(response, "context_data", None) or {}
        if "cl" in shown:
            rows = shown["cl"].result_list = list(shown["cl"].result_list)
            queueing.record_look("prediction.listed", [one.member for one in rows], by=request.user)
        return response

    def get_urls(self) -> list[Any]:
        own = [
            path("score/", self.admin_site.admin_view(self.score_view), name="predictions_prediction_score"),
            path(
                "<path:object_id>/review/",
                self.admin_site.admin_view(self.review_view),
                name="predictions_prediction_review",
            ),
        ]
        return [*own, *super().get_urls()]

    # --- columns

    @admin.display(description="gap")
    def gap_cell(self, prediction: Prediction) -> SafeString:
        return format_html('<span class="nowrap">{} {}</span>', prediction.measure.code, prediction.year)

    @admin.display(description="member")
    def member_link(self, prediction: Prediction) -> SafeString:
        address = reverse("admin:members_member_change", args=[prediction.member_id])
        return format_html('<a class="label" href="{}">{}</a>', address, prediction.member.label)

    @admin.display(description="stays open", ordering="probability")
    def chip_cell(self, prediction: Prediction) -> SafeString:
        chip = score_words.tier_chip(prediction, timezone.localdate())
        interval = score_words.interval(prediction)
        return format_html(
            '{}<span class="sub nowrap" title="95 % interval">{}</span>', portfolio.chip(chip.text, chip.tone), interval
        )

    @admin.display(description="reasons")
    def reasons_cell(self, prediction: Prediction) -> SafeString:
        words = score_words.why(prediction)
        return format_html('<span class="two-lines" title="{}">{}</span>', words, words or portfolio.DASH)

    @admin.display(description="what to do")
    def recommendation_cell(self, prediction: Prediction) -> str:
        return prediction.get_recommendation_display().split(":")[0]

    @admin.display(description="model")
    def model_cell(self, prediction: Prediction) -> str:
        return str(prediction.model)

    @admin.display(description="scored", ordering="scored_at")
    def scored_cell(self, prediction: Prediction) -> SafeString:
        day = timezone.localtime(prediction.scored_at).date().isoformat()
        return format_html('<time class="nowrap" datetime="{}">{}</time>', day, day)

    @admin.display(description="act until", ordering="expires_on")
    def expires_cell(self, prediction: Prediction) -> SafeString:
        return format_html('<span class="nowrap">{}</span>', prediction.expires_on.isoformat())

    # --- one prediction

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The prediction's page, and the ledger says so."""
        prediction = self.seen(request, object_id, "prediction.viewed")
        with transaction.atomic():
            self.record_look(request, prediction)
            return self.page(request, prediction, ReviewForm())

    def seen(self, request: HttpRequest, object_id: str, action: str) -> Prediction:
        """The visible prediction at this address; a refusal is recorded."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        prediction = self.get_object(request, object_id)
        if not isinstance(prediction, Prediction):
            record_refusal(action, Prediction, object_id, by=request.user)
            raise Http404("No prediction here.")
        return prediction

    def record_look(self, request: HttpRequest, prediction: Prediction) -> None:
        """Looking at a prediction is looking at a member."""
        ledger.record(
            Event.Kind.READ,
            "prediction.viewed",
            object_type="prediction",
            object_id=prediction.pk,
            members=[prediction.member.pseudonym],
            by=request.user,
        )

    def page(self, request: HttpRequest, prediction: Prediction, form: ReviewForm, status: int = 200) -> HttpResponse:
        """The prediction's page, rendered before the transaction ends."""
        reasons = score_words.reasons(prediction)
        reviews = [(one, score_words.reviewed(one, prediction)) for one in prediction.reviews.all()]
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": prediction,
            "title": f"{prediction.measure.code} {prediction.year}",
            "list_title": self.named(),
            "prediction": prediction,
            "chip": score_words.tier_chip(prediction, timezone.localdate()),
            "percent": score_words.percent(prediction.probability),
            "interval": score_words.interval(prediction),
            "reasons": reasons,
            "chart": reason_chart.contributions(reasons),
            "quality": score_words.quality(prediction),
            "standing": score_words.standing(prediction),
            "expired": prediction.is_expired(timezone.localdate()),
            "reviews": reviews,
            "verdicts": Verdict.choices if request.user.has_perm(MAY_REVIEW) else [],
            "may_score": request.user.has_perm(MAY_SCORE),
            "sees_models": request.user.has_perm("predictions.view_modelversion"),
            "form": form,
        }
        return TemplateResponse(request, self.change_form_template, context, status=status).render()

    def review_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Take a person's word; a refusal keeps what was typed."""
        if not request.user.has_perm(MAY_REVIEW):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        prediction = self.seen(request, object_id, "prediction.reviewed")
        form = ReviewForm(request.POST)
        if form.is_valid():
            try:
                made = reviewing.review(prediction, **form.cleaned_data, by=request.user)
            except reviewing.ReviewError as refused:
                form.add_error(refused.field, str(refused))
            else:
                said = made.get_verdict_display()
                messages.success(request, f"Your word on {prediction.measure.code} is kept: “{said}”.")
                return HttpResponseRedirect(back_to(request, prediction.gap, prediction))
        with transaction.atomic():
            self.record_look(request, prediction)
            return self.page(request, prediction, form, status=409)

    def score_view(self, request: HttpRequest) -> HttpResponse:
        """Score one gap now, by the model in force."""
        if not request.user.has_perm(MAY_SCORE):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        named = request.POST.get("gap", "")
        visible = Gap.objects.visible_to(request.user).select_related("member", "measure")
        gap = get_object_or_404(visible, pk=named) if named.isdecimal() else get_object_or_404(visible.none())
        item = scoring.Item(gap.member.pseudonym, gap.measure.code, gap.year)
        made = None
        try:
            (outcome,) = scoring.score([item], by=request.user)
        except scoring.ScoringError as refusal:
            messages.error(request, str(refusal))
        else:
            made = outcome.prediction
            if outcome.problem:
                messages.warning(request, f"{gap.measure.code} was not scored: {outcome.problem.message}")
            elif made:
                words = score_words.percent(made.probability)
                messages.success(request, f"{gap.measure.code} is scored: stays open {words}.")
        return HttpResponseRedirect(back_to(request, gap, made))


def back_to(request: HttpRequest, gap: Gap, prediction: Prediction | None) -> str:
    """The page a form was sent from."""
    if request.POST.get("back") == "member":
        member = reverse("admin:members_member_change", args=[gap.member_id])
        return f"{member}?year={gap.year}#gap-{gap.pk}"
    if request.POST.get("back") == "prediction" and prediction:
        return reverse("admin:predictions_prediction_change", args=[prediction.pk])
    return reverse("admin:gaps_gap_change", args=[gap.pk])
