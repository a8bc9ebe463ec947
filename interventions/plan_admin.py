"""The list of stored plans, one plan, whom it chose, the form that has one made, and the runs that make them."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone

from hedis.gaps import queueing
from hedis.lib import jobs, run_pages
from hedis.lib.modeladmin import ReadOnlyAdmin
from interventions import deciding, plan_forms, plan_page, plan_runs, plan_storing
from interventions.filters import is_id
from interventions.models import Plan, PlanItem, PlanRun
from interventions.planning import UnusableProposals
from interventions.problem import ProblemError
from interventions.workflow import Unusable, WorkflowError

MAY_PLAN = "interventions.add_planrun"
PAGE_SIZE = 50


@admin.register(Plan)
class PlanAdmin(ReadOnlyAdmin):
    """Plans come from the optimiser; nobody types one in."""

    list_display = ("numbered", "contracts_cell", "year", "objective", "dollars", "chosen", "reached", "campaign",
                    "planned_by", "planned_at")  # fmt: skip
    list_filter = ("year", "objective", "contracts")
    list_select_related = ("campaign",)
    sortable_by = ("numbered", "dollars", "planned_at")
    change_list_template = "admin/interventions/plans.html"
    change_form_template = "admin/interventions/plan.html"

    def get_queryset(self, request: HttpRequest) -> Any:
        return Plan.objects.with_numbers()

    def get_urls(self) -> list[Any]:
        views: dict[str, tuple[Callable[..., Any], str]] = {
            "new/": (self.new_view, "new"),
            "<int:pk>/members/": (self.members_view, "members"),
            "<int:pk>/files/": (self.files_view, "files"),
            "<int:pk>/campaign/": (self.campaign_view, "campaign"),
        }
        own = [
            path(address, self.admin_site.admin_view(view), name=f"interventions_plan_{name}")
            for address, (view, name) in views.items()
        ]
        return [*own, *super().get_urls()]

    @admin.display(description="plan", ordering="id")
    def numbered(self, plan: Plan) -> str:
        return str(plan)

    @admin.display(description="contracts")
    def contracts_cell(self, plan: Any) -> str:
        return ", ".join(plan.numbers)

    @admin.display(description="spends of its budget", ordering="budget")
    def dollars(self, plan: Plan) -> str:
        return f"${plan.spend:,.2f} of ${plan.budget:,.2f}"

    @admin.display(description="reaches; no plan passes")
    def reached(self, plan: Plan) -> str:
        return f"{plan.lower_bound:,.2f}; {plan.upper_bound:,.2f} (gap {plan.gap:.2%})"

    # --- one plan

    def plan_at(self, request: HttpRequest, pk: Any) -> Any:
        """The plan at an address, for those who may see plans. Raises PermissionDenied, Http404."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        if not is_id(str(pk)):
            raise Http404("No plan here.")
        return get_object_or_404(Plan.objects.with_numbers().select_related("campaign"), pk=pk)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The plan in figures and words; no member is named here."""
        return self.page(request, self.plan_at(request, object_id), plan_forms.PlanCampaignForm())

    def page(
        self, request: HttpRequest, plan: Any, form: plan_forms.PlanCampaignForm, status: int = 200
    ) -> HttpResponse:
        """The plan's page."""
        context = {**self.frame(request), **plan_page.contents(plan, request.user), "original": plan,
                   "title": str(plan), "form": form}  # fmt: skip
        return TemplateResponse(request, self.change_form_template, context, status=status)

    def frame(self, request: HttpRequest) -> dict[str, Any]:
        """What every page here has."""
        return {**self.admin_site.each_context(request), "opts": self.opts, "list_title": self.named()}

    def members_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Whom it chose, or nearly chose, of the members this person may see; the ledger knows whom a page showed."""
        plan = self.plan_at(request, pk)
        if not request.user.has_perm("interventions.view_planitem"):
            raise PermissionDenied
        near = request.GET.get("shown") == "near"
        items = PlanItem.objects.visible_to(request.user).filter(plan=plan, chosen=not near)
        items = items.select_related("member", "contract").order_by(*(["id"] if near else ["-worth", "id"]))
        page = Paginator(items, PAGE_SIZE).get_page(request.GET.get("page"))
        queueing.record_look("plan.members_listed", [item.member for item in page], by=request.user)
        title = f"{plan}: {'nearly chosen' if near else 'chosen'}"
        context = {**self.frame(request), "plan": plan, "original": plan, "title": title, "page": page, "near": near}
        return TemplateResponse(request, "admin/interventions/plan_members.html", context)

    def files_view(self, request: HttpRequest, pk: int) -> Any:
        """The files to check the plan with, as one archive."""
        plan = self.plan_at(request, pk)
        if not plan_storing.may_export(request.user):
            raise PermissionDenied
        try:
            archive = plan_storing.as_archive(plan, by=request.user)
        except plan_storing.FilesGone as gone:
            messages.error(request, str(gone))
            return HttpResponseRedirect(reverse("admin:interventions_plan_change", args=[plan.pk]))
        return FileResponse(
            archive, as_attachment=True, filename=f"plan-{plan.pk}.zip", headers={"Cache-Control": "no-store"}
        )

    def campaign_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """POST makes a draft campaign of it; pressed twice, the second press is led to the campaign of the first."""
        plan = self.plan_at(request, pk)
        if not request.user.has_perm("interventions.add_campaign"):
            raise PermissionDenied
        form = plan_forms.PlanCampaignForm(request.POST if request.method == "POST" else None)
        if not form.is_valid():
            return self.page(request, plan, form, status=409 if form.is_bound else 200)
        facts = dict(form.cleaned_data)
        try:
            campaign, planned = deciding.make_campaign(
                plan, facts.pop("name"), **facts, today=timezone.localdate(), by=request.user
            )
        except deciding.AlreadyACampaign:
            made = Plan.objects.select_related("campaign").get(pk=plan.pk)
            messages.info(request, f"{made} is a campaign already.")
            return HttpResponseRedirect(reverse("admin:interventions_campaign_change", args=[made.campaign_id]))
        except Unusable as refusal:
            form.add_error(refusal.field if refusal.field in form.fields else None, str(refusal))
        except UnusableProposals as refusal:
            form.add_error(None, f"The data changed since the plan was made; plan again. {refusal}")
        except WorkflowError as refusal:
            form.add_error(None, str(refusal))
        else:
            late = sum(planned.left_out.values())
            came_late = f"; {late:,} came too late since" if late else ""
            messages.success(request, f"{campaign} is a draft of {planned.planned:,} interventions{came_late}.")
            return HttpResponseRedirect(reverse("admin:interventions_campaign_change", args=[campaign.pk]))
        return self.page(request, plan, form, status=409)

    # --- a new one

    def new_view(self, request: HttpRequest) -> HttpResponse:
        """GET is the form, filled as a run asked where `run` names one; POST asks for the plan."""
        if not request.user.has_perm(MAY_PLAN):
            raise PermissionDenied
        choices = {"choices": plan_forms.floor_choices()}
        if request.method == "POST":
            form = plan_forms.NewPlanForm(request.POST)
            floors = plan_forms.FloorForms(request.POST, form_kwargs=choices, prefix="floors")
            if form.is_valid() and floors.is_valid():
                told = form.cleaned_data
                try:
                    wish = form.wish(plan_forms.floors_of(floors))
                    run = plan_runs.start(list(told["contracts"]), told["year"], wish, by=request.user)
                except ProblemError as error:
                    form.add_error(error.field if error.field in form.fields else None, error.reason)
                else:
                    return HttpResponseRedirect(reverse("admin:interventions_planrun_change", args=[run.pk]))
            return self.new_page(request, form, floors, status=409)
        run_at = request.GET.get("run", "")
        asked = PlanRun.objects.filter(pk=run_at).first() if is_id(run_at) else None
        of_plan, of_floors = plan_forms.filled(asked.asked, asked.year) if asked else ({}, [])
        return self.new_page(
            request, plan_forms.NewPlanForm(initial=of_plan),
            plan_forms.FloorForms(form_kwargs=choices, initial=of_floors, prefix="floors"), run=asked,
        )  # fmt: skip

    def new_page(
        self, request: HttpRequest, form: Any, floors: Any, *, run: PlanRun | None = None, status: int = 200
    ) -> HttpResponse:
        """The form."""
        context = {**self.frame(request), "title": "New plan", "form": form, "floors": floors, "run": run,
                   "worker": jobs.worker_alive()}  # fmt: skip
        return TemplateResponse(request, "admin/interventions/plan_new.html", context, status=status)


@admin.register(PlanRun)
class PlanRunAdmin(run_pages.RunAdmin):
    """Runs are asked for by the form, done by a worker, and never edited."""

    list_title = "Planning runs"
    list_display = ("run_cell", "year", "contracts_cell", "budget_cell", "state_cell", "progress_cell", "plan",
                    "requested_by", "requested_at")  # fmt: skip
    list_filter = ("state", "year")
    list_select_related = ("plan",)
    sortable_by = ("run_cell", "requested_at")
    change_form_template = "admin/interventions/plan_run.html"

    @admin.display(description="run", ordering="id")
    def run_cell(self, run: PlanRun) -> str:
        return f"Run {run.pk}"

    @admin.display(description="contracts")
    def contracts_cell(self, run: PlanRun) -> str:
        return ", ".join(run.asked.get("contracts", []))

    @admin.display(description="budget")
    def budget_cell(self, run: PlanRun) -> str:
        return f"${float(run.asked.get('budget', 0)):,.2f}"

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """How far the run is, what it was asked for, and the plan once it is decided."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        run = self.get_object(request, object_id)
        if not isinstance(run, PlanRun):
            raise Http404("No planning run here.")
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": run,
            "title": str(run),
            "list_title": self.named(),
            "run": run,
            **run_pages.about(run),
            "may_plan": request.user.has_perm(MAY_PLAN),
        }
        return TemplateResponse(request, self.change_form_template, context)
