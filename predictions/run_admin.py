"""The scoring runs: how far each is, and the button that asks for the next one."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from hedis.gaps.models import FindingRun
from hedis.lib import run_pages
from hedis.members.models import Contract
from predictions import score_words, scoring
from predictions.models import ModelVersion, ScoringRun

MAY_RUN = "predictions.add_scoringrun"


class RunForm(forms.Form):
    """Which gaps to score: a year that has some, one contract or all."""

    year = forms.TypedChoiceField(label="Year", coerce=int)
    contract = forms.ModelChoiceField(
        label="Contract", queryset=Contract.objects.all(), required=False, empty_label="All contracts"
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"auto_id": "run_%s", **kwargs})
        years = FindingRun.objects.order_by("-year").values_list("year", flat=True).distinct()
        self.fields["year"].choices = [(str(year), str(year)) for year in years]  # type: ignore[attr-defined]


@admin.register(ScoringRun)
class ScoringRunAdmin(run_pages.RunAdmin):
    """Runs are asked for here, done by a worker, and never edited."""

    list_display = ("run_cell", "state_cell", "progress_cell", "scored_cell", "skipped_cell", "as_of", "requested_by",
                    "requested_at", "took_cell")  # fmt: skip
    list_filter = ("state", "year")
    list_select_related = ("contract",)
    sortable_by = ("run_cell", "requested_at")
    change_list_template = "admin/predictions/runs.html"
    change_form_template = "admin/predictions/run.html"

    def get_urls(self) -> list[Any]:
        start = path("start/", self.admin_site.admin_view(self.start_view), name="predictions_scoringrun_start")
        return [start, *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """The list, the form for the next run, and whether anybody is there to do it."""
        form = RunForm() if request.user.has_perm(MAY_RUN) else None
        extra = {"form": form, "nothing_deployed": not ModelVersion.objects.deployed().exists()}
        return super().changelist_view(request, {**extra, **(extra_context or {})})

    # --- columns

    @admin.display(description="run", ordering="id")
    def run_cell(self, run: ScoringRun) -> str:
        return f"{run.year}, {run.contract.number if run.contract else 'all contracts'}"

    @admin.display(description="scored")
    def scored_cell(self, run: ScoringRun) -> SafeString:
        return format_html('<span class="number">{}</span>', f"{run.scored:,}")

    @admin.display(description="without a score")
    def skipped_cell(self, run: ScoringRun) -> SafeString:
        return format_html('<span class="number">{}</span>', f"{sum(run.skipped.values()):,}")

    @admin.display(description="took")
    def took_cell(self, run: ScoringRun) -> str:
        return run_pages.duration(run.seconds)

    # --- one run

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """How far the run is, what it scored by, what it left out and why."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        run = self.get_object(request, object_id)
        if not isinstance(run, ScoringRun):
            raise Http404("No scoring run here.")
        models = ModelVersion.objects.in_bulk(run.model_ids.values())
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": run,
            "title": f"Scoring run {run.pk}",
            "list_title": self.named(),
            "run": run,
            **run_pages.about(run),
            "took": run_pages.duration(run.seconds),
            "skipped": score_words.skipped(run),
            "models": [(code, models.get(pk)) for code, pk in sorted(run.model_ids.items())],
            "sees_predictions": request.user.has_perm("predictions.view_prediction"),
        }
        return TemplateResponse(request, self.change_form_template, context)

    def start_view(self, request: HttpRequest) -> HttpResponse:
        """Ask for a run. Pressed twice, there is one: the verb gives the second press the run of the first."""
        if not request.user.has_perm(MAY_RUN):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        form = RunForm(request.POST)
        to_list = HttpResponseRedirect(reverse("admin:predictions_scoringrun_changelist"))
        if not form.is_valid():
            messages.error(request, "Nothing was started: choose a year that has gaps, and a contract of the list.")
            return to_list
        try:
            run = scoring.start(**form.cleaned_data, by=request.user)
        except scoring.ScoringError as refusal:
            messages.error(request, f"Nothing was started: {refusal}")
            return to_list
        return HttpResponseRedirect(reverse("admin:predictions_scoringrun_change", args=[run.pk]))
