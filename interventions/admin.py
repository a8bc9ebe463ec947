"""The lists of campaigns and interventions, and the page of each, where the work is logged."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from audit import ledger
from audit.hand_edits import record_refusal
from audit.models import Event
from hedis.gaps import queueing
from hedis.lib.modeladmin import LabelSearch, PlanModelAdmin, ReadOnlyAdmin
from hedis.lib.templatetags import portfolio
from interventions import campaign_page, campaigning, filters, forms, intervention_page, labels
from interventions import county_admin as county_admin
from interventions import plan_admin as plan_admin
from interventions import simulation_admin as simulation_admin
from interventions.models import Campaign, Disposition, Intervention, InterventionQuerySet
from interventions.workflow import Unusable, WorkflowError


@admin.register(Intervention)
class InterventionAdmin(LabelSearch, ReadOnlyAdmin):
    """Interventions come from a plan or the API and move through the workflow; nobody types one in."""

    list_display = ("kind_cell", "member_link", "measures_cell", "state_cell", "priority_cell", "contact_cell",
                    "due_cell", "attempts_cell", "owner", "campaign_cell")  # fmt: skip
    list_filter = filters.FILTERS
    ordering = ("-priority", "contact_by", "id")
    sortable_by = ("priority_cell", "contact_cell", "due_cell")
    change_list_template = "admin/interventions/list.html"
    change_form_template = "admin/interventions/intervention.html"

    def get_queryset(self, request: HttpRequest) -> InterventionQuerySet:
        return Intervention.objects.visible_to(request.user).for_list().order_by(*self.ordering)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """A page of the list shows members: the ledger knows which, before the page leaves."""
        response = super().changelist_view(request, extra_context)
        shown = getattr(response, "context_data", None) or {}
        if "cl" in shown:
            members = [row.member for row in shown["cl"].result_list]
            queueing.record_look("intervention.listed", members, by=request.user)
        return response

    # --- columns

    @admin.display(description="intervention")
    def kind_cell(self, row: Intervention) -> str:
        return row.get_kind_display()

    @admin.display(description="member")
    def member_link(self, row: Intervention) -> SafeString:
        address = reverse("admin:members_member_change", args=[row.member_id])
        return format_html('<a class="label" href="{}">{}</a>', address, row.member.label)

    @admin.display(description="measures")
    def measures_cell(self, row: Any) -> str:
        return ", ".join(link.gap.measure.code for link in row.links.all())

    @admin.display(description="state")
    def state_cell(self, row: Intervention) -> SafeString:
        shown = labels.state_chip(row)
        return portfolio.chip(shown.text, shown.tone, shown.title)

    @admin.display(description="priority", ordering="priority")
    def priority_cell(self, row: Intervention) -> str:
        return f"{row.priority:,.2f}" if row.priority else portfolio.DASH

    @admin.display(description="contact by", ordering="contact_by")
    def contact_cell(self, row: Intervention) -> SafeString | str:
        return portfolio.deadline(row.contact_by, timezone.localdate()) if row.contact_by else portfolio.DASH

    @admin.display(description="next step", ordering="due_date")
    def due_cell(self, row: Intervention) -> str:
        return row.due_date.isoformat() if row.due_date else portfolio.DASH

    @admin.display(description="attempts")
    def attempts_cell(self, row: Any) -> SafeString | str:
        if not row.attempts_made:
            return portfolio.DASH
        last = Disposition(row.last_disposition).label
        return format_html('{}<span class="sub">{}</span>', row.attempts_made, last)

    @admin.display(description="campaign")
    def campaign_cell(self, row: Intervention) -> str:
        return str(row.campaign) if row.campaign else portfolio.DASH

    # --- one intervention

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """GET shows the intervention, and the ledger says so; POST takes one step."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        row = self.get_object(request, object_id)
        if not isinstance(row, Intervention):
            record_refusal("intervention.viewed", Intervention, object_id, by=request.user)
            raise Http404("No intervention here.")
        step = intervention_page.Step(request.POST or None, row, request.user)
        if request.method != "POST":
            return self.page(request, row, step)
        if not step.allowed:
            raise PermissionDenied
        if step.taken():
            messages.success(request, step.words)
            return HttpResponseRedirect(reverse("admin:interventions_intervention_change", args=[row.pk]))
        return self.page(request, self.get_object(request, object_id), step, status=409)

    def page(self, request: HttpRequest, row: Any, step: intervention_page.Step, status: int = 200) -> HttpResponse:
        """The page, rendered before the transaction of its ledger line ends."""
        with transaction.atomic():
            ledger.record(
                Event.Kind.READ, "intervention.viewed", object_type="intervention", object_id=row.pk,
                members=[row.member.pseudonym], by=request.user,
            )  # fmt: skip
            context = {
                **self.admin_site.each_context(request),
                **intervention_page.contents(row, step, request.user),
                "opts": self.opts,
                "original": row,
                "title": str(row),
                "list_title": self.named(),
            }
            return TemplateResponse(request, self.change_form_template, context, status=status).render()


@admin.register(Campaign)
class CampaignAdmin(PlanModelAdmin):
    """Campaigns are made as drafts here or by the API, and move through the workflow."""

    list_display = ("name", "contract_cell", "year", "state_cell", "planned", "in_progress", "completed", "held_cell",
                    "budget_cell", "spent_cell", "created_by", "approved_by")  # fmt: skip
    list_filter = ("state", "year", ("contract", admin.RelatedOnlyFieldListFilter))
    search_fields = ("name",)
    sortable_by = ("name", "year")
    form = forms.CampaignForm
    change_list_template = "admin/interventions/campaigns.html"
    page_template = "admin/interventions/campaign.html"

    def get_queryset(self, request: HttpRequest) -> Any:
        return Campaign.objects.with_counts().order_by("-id")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @admin.display(description="contract")
    def contract_cell(self, campaign: Campaign) -> str:
        return campaign.contract.number if campaign.contract else "every"

    @admin.display(description="state")
    def state_cell(self, campaign: Campaign) -> SafeString:
        shown = labels.campaign_chip(campaign)
        return portfolio.chip(shown.text, shown.tone)

    @admin.display(description="planned")
    def planned(self, campaign: Any) -> int:
        return int(campaign.planned)

    @admin.display(description="in progress")
    def in_progress(self, campaign: Any) -> int:
        return int(campaign.in_progress)

    @admin.display(description="completed")
    def completed(self, campaign: Any) -> int:
        return int(campaign.completed)

    @admin.display(description="held out")
    def held_cell(self, campaign: Any) -> int:
        return int(campaign.held_out)

    @admin.display(description="budget")
    def budget_cell(self, campaign: Campaign) -> str:
        return f"${campaign.budget:,.0f}"

    @admin.display(description="spent")
    def spent_cell(self, campaign: Any) -> str:
        return f"${campaign.spent:,.0f}"

    def save_model(self, request: HttpRequest, obj: Campaign, form: Any, change: bool) -> None:
        """The form's facts become a draft through the one verb that makes one."""
        made = campaigning.create(**form.cleaned_data, by=request.user)
        obj.pk = made.pk

    def response_post_save_add(self, request: HttpRequest, obj: Campaign) -> HttpResponseRedirect:
        return HttpResponseRedirect(reverse("admin:interventions_campaign_change", args=[obj.pk]))

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """GET shows the campaign, whom it concerns only in numbers; POST takes one step."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        campaign = self.get_object(request, object_id)
        if not isinstance(campaign, Campaign):
            raise Http404("No campaign here.")
        form = forms.CampaignStepForm(request.POST or None)
        if request.method == "POST":
            return self.take_step(request, campaign, form)
        return self.page(request, campaign, form)

    def take_step(self, request: HttpRequest, campaign: Campaign, form: forms.CampaignStepForm) -> HttpResponse:
        """One step from the version that was on the person's screen; a refusal keeps what was typed."""
        to = request.POST.get("to", "")
        if not campaign_page.may(request.user, to):
            raise PermissionDenied
        if form.is_valid():
            campaign.version = form.cleaned_data["version"]
            try:
                campaign_page.VERBS[to](campaign, why=form.cleaned_data["why"], by=request.user)
            except Unusable as refusal:
                form.add_error(refusal.field, str(refusal))
            except WorkflowError as refusal:
                form.add_error(None, str(refusal))
            else:
                messages.success(request, f"{campaign} is now “{campaign_page.STATES[to]}”.")
                return HttpResponseRedirect(reverse("admin:interventions_campaign_change", args=[campaign.pk]))
        return self.page(request, self.get_object(request, str(campaign.pk)), form, status=409)

    def page(
        self, request: HttpRequest, campaign: Any, form: forms.CampaignStepForm, status: int = 200
    ) -> HttpResponse:
        """The campaign's page."""
        context = {
            **self.admin_site.each_context(request),
            **campaign_page.contents(campaign, request.user),
            "opts": self.opts,
            "original": campaign,
            "title": str(campaign),
            "list_title": self.named(),
            "form": form,
        }
        return TemplateResponse(request, self.page_template, context, status=status)
