"""The list of gaps with its bulk steps, and one gap's page, where a step is taken."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from audit import ledger
from audit.hand_edits import record_refusal
from audit.models import Event
from hedis.gaps import beside, exporting, filters, handing, labels, queueing, workflow
from hedis.gaps.models import Gap, GapQuerySet, Transition
from hedis.lib.modeladmin import Column, LabelSearch, NullsLast, ReadOnlyAdmin
from hedis.lib.templatetags import portfolio


def cell_of(column: Column) -> Any:
    """A list column of another room: what it said of the row, or what was annotated."""

    @admin.display(description=column.label, ordering=NullsLast(column.name))
    def cell(gap: Any) -> Any:
        said = gap.cells[column.name] if column.cells is not None else getattr(gap, column.name)
        return portfolio.DASH if said is None else said

    return cell


@admin.register(Gap)
class GapAdmin(LabelSearch, ReadOnlyAdmin):
    """Gaps are found by the engine and moved through the workflow; nobody types one in."""

    list_display = ("gap", "member_link", "status_cell", "work_cell", "reason_cell", "contact_cell", "contract_number",
                    "assigned_to")  # fmt: skip
    list_filter = filters.FILTERS
    ordering = ("contact_by", "id")
    sortable_by = ("contact_cell",)
    actions = ("move_selected", "hand_selected", "export_selected")
    change_list_template = "admin/gaps/gap/list.html"
    change_form_template = "admin/gaps/gap/page.html"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.columns = beside.columns()
        for column in self.columns:
            setattr(self, column.name, cell_of(column))

    def get_list_display(self, request: HttpRequest) -> tuple[str, ...]:
        """The columns of other rooms stand before the reason, which is the widest."""
        before = self.list_display.index("reason_cell")
        beside_it = [column.name for column in self.columns]
        return (*self.list_display[:before], *beside_it, *self.list_display[before:])

    def get_sortable_by(self, request: HttpRequest) -> tuple[str, ...]:
        return (*self.sortable_by, *(column.name for column in self.columns))

    def get_list_filter(self, request: HttpRequest) -> tuple[Any, ...]:
        return (*self.list_filter, *beside.filters())

    def get_queryset(self, request: HttpRequest) -> GapQuerySet:
        gaps = Gap.objects.visible_to(request.user).for_list()
        return gaps.annotate(**{one.name: one.annotation() for one in self.columns}).order_by(*self.ordering)

    def get_urls(self) -> list[Any]:
        export = path("export/", self.admin_site.admin_view(self.export_view), name="gaps_gap_export")
        return [export, *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """A page of the list shows members: the ledger knows which, before the page leaves."""
        response = super().changelist_view(request, extra_context)
        shown = getattr(response, "context_data", None) or {}
        if "cl" in shown:
            rows = shown["cl"].result_list = list(shown["cl"].result_list)
            cells = {one.name: one.cells(rows) for one in self.columns if one.cells is not None}
            for gap in rows:
                gap.cells = {name: of_rows.get(gap.pk, portfolio.DASH) for name, of_rows in cells.items()}
            queueing.record_look("gap.listed", [gap.member for gap in rows], by=request.user)
        return response

    # --- columns

    @admin.display(description="gap")
    def gap(self, gap: Gap) -> str:
        return f"{gap.measure.code} {gap.year}"

    @admin.display(description="member")
    def member_link(self, gap: Gap) -> SafeString:
        address = reverse("admin:members_member_change", args=[gap.member_id])
        return format_html('<a class="label" href="{}">{}</a>', address, gap.member.label)

    @admin.display(description="status")
    def status_cell(self, gap: Gap) -> SafeString:
        shown = labels.status_chip(gap)
        return portfolio.chip(shown.text, shown.tone, shown.title)

    @admin.display(description="work")
    def work_cell(self, gap: Gap) -> SafeString:
        shown = labels.work_chip(gap)
        return portfolio.chip(shown.text, shown.tone, shown.title)

    @admin.display(description="reason")
    def reason_cell(self, gap: Gap) -> SafeString | str:
        """Two lines at most; the whole sentence is on the gap's page and under the pointer."""
        words = gap.reason or gap.exclusion
        return format_html('<span class="two-lines" title="{}">{}</span>', words, words) if words else portfolio.DASH

    @admin.display(description="contact by", ordering="contact_by")
    def contact_cell(self, gap: Gap) -> SafeString | str:
        """The last useful contact date, or that it has passed."""
        today = timezone.localdate()
        if gap.contact_by and gap.can_be_reached(today):
            return portfolio.deadline(gap.contact_by, today)
        instead = labels.contact_chip(gap, today)
        return portfolio.chip(instead.text, instead.tone, instead.title) if instead else portfolio.DASH

    @admin.display(description="contract")
    def contract_number(self, gap: Gap) -> str:
        return gap.contract.number if gap.contract else portfolio.DASH

    # --- many at once

    def has_work_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("gaps.change_gap"))

    def has_hand_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("gaps.assign_gap"))

    @admin.action(description="Move to a work status…", permissions=["work"])
    def move_selected(self, request: HttpRequest, queryset: GapQuerySet) -> HttpResponse | None:
        gaps = handing.few_enough(request, queryset)
        form = handing.StepForm(request.POST if "apply" in request.POST else None)
        if gaps and form.is_valid():
            handing.move_and_tell(request, gaps, **form.cleaned_data)
        return self.ask(request, gaps, form, "move_selected") if gaps and not form.is_valid() else None

    @admin.action(description="Hand to a person…", permissions=["hand"])
    def hand_selected(self, request: HttpRequest, queryset: GapQuerySet) -> HttpResponse | None:
        gaps = handing.few_enough(request, queryset)
        data = request.POST if "apply" in request.POST else None
        form = handing.HandForm(data, user=request.user)  # type: ignore[arg-type]
        if gaps and form.is_valid():
            handing.hand_and_tell(request, gaps, to=form.cleaned_data["person"])
        return self.ask(request, gaps, form, "hand_selected") if gaps and not form.is_valid() else None

    @admin.action(description="Export as CSV", permissions=["view"])
    def export_selected(self, request: HttpRequest, queryset: GapQuerySet) -> Any:
        return exporting.export_csv(queryset, filters={"selected": "by hand"}, by=request.user)

    def export_view(self, request: HttpRequest) -> Any:
        """Everything the list's filters let through."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        chosen = self.get_changelist_instance(request).get_queryset(request)
        return exporting.export_csv(chosen, filters=request.GET.dict(), by=request.user)  # type: ignore[arg-type]

    def ask(self, request: HttpRequest, gaps: list[Gap], form: Any, action: str) -> HttpResponse:
        """The page between choosing an action and doing it: exactly these gaps, whatever the filters say by then."""
        kept = [("action", action), ("apply", "1")]
        kept += [(ACTION_CHECKBOX_NAME, str(gap.pk)) for gap in gaps]
        context = {
            **self.admin_site.each_context(request),
            "title": f"{'Move' if action == 'move_selected' else 'Hand over'} {handing.count_in_words(len(gaps))}",
            "kept": kept,
            "members": len({gap.member_id for gap in gaps}),
            "form": form,
            "show_form": True,
            "back": request.get_full_path(),
        }
        return TemplateResponse(request, "admin/confirm.html", context)

    # --- one gap

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """GET shows the gap, and the ledger says so; POST takes one step in the work layer."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        gap = self.get_object(request, object_id)
        if not isinstance(gap, Gap):
            record_refusal("gap.viewed", Gap, object_id, by=request.user)
            raise Http404("No gap here.")
        if request.method == "POST":
            return self.take_step(request, gap)
        with transaction.atomic():
            self.record_look(request, gap)
            return self.page(request, gap, handing.StepForm(), gap.version)

    def take_step(self, request: HttpRequest, gap: Gap) -> HttpResponse:
        """Move the gap from the version that was on the person's screen; a refusal keeps what was typed."""
        if not request.user.has_perm("gaps.change_gap"):
            raise PermissionDenied
        form = handing.StepForm(request.POST)
        read = request.POST.get("version", "")
        current = gap.version
        if form.is_valid() and read.isdecimal():
            gap.version = int(read)
            try:
                if gap.version != current:
                    raise workflow.ChangedMeanwhile
                workflow.move(gap, by=request.user, **form.cleaned_data)
            except workflow.ChangedMeanwhile:
                gap.refresh_from_db()
                form.add_error(None, self.changed_words(gap))
            except (workflow.IllegalStep, workflow.WhyMissing) as refusal:
                form.add_error(None, str(refusal))
            else:
                messages.success(request, f"{gap.measure.code} is now “{gap.get_work_status_display()}”.")
                return HttpResponseRedirect(self.back_to(request, gap))
        with transaction.atomic():
            self.record_look(request, gap)
            return self.page(request, gap, form, gap.version, status=409)

    def changed_words(self, gap: Gap) -> str:
        """Who was faster, and what to do now."""
        last = gap.transitions.order_by("-at", "-id").first()
        who = f"{last.by} at {timezone.localtime(last.at):%H:%M}" if last else "somebody else"
        return (
            f"This gap was changed by somebody else meanwhile ({who}): it is now “{gap.get_work_status_display()}”. "
            "What you chose and typed is still below; nothing was saved."
        )

    def back_to(self, request: HttpRequest, gap: Gap) -> str:
        """The page the step was taken from."""
        if request.POST.get("back") == "member":
            member = reverse("admin:members_member_change", args=[gap.member_id])
            return f"{member}?year={gap.year}#gap-{gap.pk}"
        return reverse("admin:gaps_gap_change", args=[gap.pk])

    def record_look(self, request: HttpRequest, gap: Gap) -> None:
        """Looking at a gap is looking at a member."""
        ledger.record(
            Event.Kind.READ,
            "gap.viewed",
            object_type="gap",
            object_id=gap.pk,
            members=[gap.member.pseudonym],
            by=request.user,
        )

    def page(self, request: HttpRequest, gap: Gap, form: Any, version: int, status: int = 200) -> HttpResponse:
        """The gap's page, rendered before the transaction ends."""
        steps = workflow.steps_from(gap) if request.user.has_perm("gaps.change_gap") and gap.is_unmet else []
        today = timezone.localdate()
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": gap,
            "title": f"{gap.measure.code} {gap.year}",
            "gap": gap,
            "status": labels.status_chip(gap),
            "work": labels.work_chip(gap),
            "steps": steps,
            "form": form,
            "version": version,
            "today": today,
            "too_late": labels.too_late_words(gap, today),
            "instead": labels.contact_chip(gap, today),
            "cover": labels.cover(gap, today),
            "history": Transition.objects.filter(gap=gap).order_by("-at", "-id"),
            "parts": beside.parts(request, [gap]).get(gap.pk, []),
        }
        return TemplateResponse(request, self.change_form_template, context, status=status).render()
