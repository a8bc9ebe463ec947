"""The list of simulations, the form for a new one, the page of each, and several side by side."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse

from audit import ledger
from audit.models import Event
from hedis.lib import csvfile, run_pages
from hedis.lib.templatetags import portfolio
from interventions import simulation_page, simulation_runs
from interventions.models import Simulation
from interventions.simulation_form import SimulationForm

MAY_ASK = "interventions.add_simulation"
# More columns side by side cannot be read.
MOST_COMPARED = 4
OFFERED = 50


@admin.register(Simulation)
class SimulationAdmin(run_pages.RunAdmin):
    """Simulations are asked for here, done by a worker, and never changed."""

    list_display = ("name", "contract", "year", "state_cell", "progress_cell", "expected_cell", "data_as_of",
                    "requested_by", "requested_at")  # fmt: skip
    list_filter = ("state", "year", "contract")
    list_select_related = ("contract",)
    sortable_by = ("name", "requested_at")
    change_list_template = "admin/simulations/list.html"
    change_form_template = "admin/simulations/simulation.html"

    def get_urls(self) -> list[Any]:
        guard = self.admin_site.admin_view
        return [
            path("new/", guard(self.new_view), name="interventions_simulation_new"),
            path("compare/", guard(self.compare_view), name="interventions_simulation_compare"),
            *super().get_urls(),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """The list, and where each stands."""
        extra = {"may_ask": request.user.has_perm(MAY_ASK)}
        return super().changelist_view(request, {**extra, **(extra_context or {})})

    # --- columns

    @admin.display(description="stars without, with the best way")
    def expected_cell(self, row: Simulation) -> str:
        if not row.result or row.result["nothing_done"]["expected"] is None:
            return portfolio.DASH
        best = simulation_page.best_of(row.ways, by_money=row.result["money"] is not None)
        without = f"{row.result['nothing_done']['expected']:.2f}"
        return f"{without}, {best['expected']:.2f}" if best else without

    # --- pages

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """What was asked and what came out; with `?format=csv` the ways as a file."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        row = self.get_object(request, object_id)
        if not isinstance(row, Simulation):
            raise Http404("No simulation here.")
        if request.GET.get("format") == "csv" and row.result:
            return export(request, [row])
        context = {
            **self.admin_site.each_context(request), "opts": self.opts, "original": row, "title": row.name,
            "list_title": self.named(), "simulation": row, "took": run_pages.duration(row.seconds),
            **run_pages.about(row), **simulation_page.contents(row),
        }  # fmt: skip
        return TemplateResponse(request, self.change_form_template, context)

    def new_view(self, request: HttpRequest) -> HttpResponse:
        """The form; what cannot be asked stays on it, with the reason beside the field."""
        if not request.user.has_perm(MAY_ASK):
            raise PermissionDenied
        form = SimulationForm(request.POST or None, initial=dict(request.GET.items()))
        if request.method == "POST" and form.is_valid():
            told = form.cleaned_data
            try:
                asked = simulation_runs.ask(
                    told["name"], contract=told["contract"], year=told["year"], content=told["content"],
                    by=request.user,
                )  # fmt: skip
            except (simulation_runs.NameTaken, simulation_runs.NoName) as refusal:
                form.add_error("name", str(refusal))
            else:
                return HttpResponseRedirect(reverse("admin:interventions_simulation_change", args=[asked.pk]))
        context = {**self.admin_site.each_context(request), "opts": self.opts, "title": "New simulation",
                   "list_title": self.named(), "form": form}  # fmt: skip
        return TemplateResponse(
            request, "admin/simulations/new.html", context, status=409 if form.errors and form.is_bound else 200
        )

    def compare_view(self, request: HttpRequest) -> HttpResponse:
        """Finished simulations side by side; with `?format=csv` all their ways as a file."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        finished = Simulation.objects.for_list().finished()
        wanted = [int(one) for one in request.GET.getlist("id") if one.isascii() and one.isdigit()][:MOST_COMPARED]
        found = finished.in_bulk(wanted)
        shown = [found[one] for one in dict.fromkeys(wanted) if one in found]
        if request.GET.get("format") == "csv" and shown:
            return export(request, shown)
        context = {
            **self.admin_site.each_context(request), "opts": self.opts, "title": "Compare simulations",
            "list_title": self.named(), "chosen": [one.pk for one in shown], "most": MOST_COMPARED,
            "offered": finished.defer("result")[:OFFERED], "columns": simulation_page.side_by_side(shown),
        }  # fmt: skip
        return TemplateResponse(request, "admin/simulations/compare.html", context)


def export(request: HttpRequest, shown: list[Simulation]) -> HttpResponse:
    """The ways as CSV: figures of contracts and no member."""
    rows = list(simulation_page.file_rows(shown))
    with transaction.atomic():
        ledger.record(
            Event.Kind.EXPORT, "simulation.exported", object_type="simulation",
            object_id=",".join(str(one.pk) for one in shown), row_count=len(rows), by=request.user,
        )  # fmt: skip
    name = "simulations.csv" if len(shown) > 1 else f"simulation-{shown[0].pk}.csv"
    return csvfile.download(name, simulation_page.HEADER, rows)  # type: ignore[return-value]
