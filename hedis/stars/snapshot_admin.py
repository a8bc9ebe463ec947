"""Snapshots: the list with the button that takes one, one to read, and what changed between any two."""

from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone

from audit import ledger
from audit.models import Event
from hedis.lib import csvfile
from hedis.lib.modeladmin import ReadOnlyAdmin
from hedis.stars import rating, snapshot_rows, snapshots
from hedis.stars.models import Snapshot

MAY_TAKE, SEES_GAPS = "stars.add_snapshot", "gaps.view_gap"
HEADINGS = {"members": "Members", "ratings": "Ratings", "measures": "Measures", "gaps": "Gaps by status"}
# A choice of more dates than this is no choice; older ones are opened from the list.
MOST_CHOICES = 400


class CompareForm(forms.Form):
    """Two snapshots: the newest one and the one before it where none is named."""

    earlier = forms.ModelChoiceField(Snapshot.objects.defer("totals"), required=False)
    later = forms.ModelChoiceField(Snapshot.objects.defer("totals"), required=False)

    def clean(self) -> dict[str, Any]:
        """The two in the order of their days, whichever was named first; nothing where there is none."""
        cleaned = super().clean() or {}
        later = cleaned.get("later") or Snapshot.objects.first()
        if later is None:
            return {}
        pair = [cleaned.get("earlier") or snapshots.one_before(later) or later, later]
        return dict(zip(("earlier", "later"), sorted(pair, key=lambda one: (one.as_of, one.pk)), strict=True))


@admin.register(Snapshot)
class SnapshotAdmin(ReadOnlyAdmin):
    """Snapshots are taken here, by the verb, and never edited."""

    list_display = ("as_of", "measurement_year", "star_year", "taken_at", "taken_by")
    list_filter = ("measurement_year",)
    change_list_template = "admin/stars/snapshots.html"
    change_form_template = "admin/stars/snapshot.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Snapshot]:
        return super().get_queryset(request).defer("totals")

    def get_urls(self) -> list[Any]:
        own = [
            path("take/", self.admin_site.admin_view(self.take_view), name="stars_snapshot_take"),
            path("compare/", self.admin_site.admin_view(self.compare_view), name="stars_snapshot_compare"),
        ]
        return [*own, *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        extra = {"may_take": request.user.has_perm(MAY_TAKE), "several": Snapshot.objects.count() > 1}
        return super().changelist_view(request, {**extra, **(extra_context or {})})

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """One snapshot to read."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        snapshot = self.get_object(request, object_id)
        if not isinstance(snapshot, Snapshot):
            raise Http404("No snapshot here.")
        totals = snapshot.totals
        before = snapshots.year_before(snapshot)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": snapshot,
            "title": str(snapshot),
            "list_title": self.named(),
            "snapshot": snapshot,
            "totals": totals,
            "measures": list(snapshot_rows.measure_rows(totals["ratings"])),
            "grids": grids(snapshot, snapshots.parts_for(request.user), linked=request.user.has_perm(SEES_GAPS)),
            "year_before": before,
            "previous": snapshots.one_before(snapshot),
        }
        return TemplateResponse(request, self.change_form_template, context)

    def take_view(self, request: HttpRequest) -> HttpResponse:
        """Take one of today. Pressed twice, there is one: the same totals are the same snapshot."""
        if not request.user.has_perm(MAY_TAKE):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        began = timezone.now()
        try:
            taken = snapshots.take(as_of=timezone.localdate(), by=request.user)
        except (snapshots.NothingToFreeze, rating.DataIsNewer) as refusal:
            messages.error(request, f"No snapshot was taken: {refusal}.")
            return HttpResponseRedirect(reverse("admin:stars_snapshot_changelist"))
        if taken.taken_at < began:
            messages.info(request, "Nothing has changed since this snapshot was taken.")
        else:
            messages.success(request, "The snapshot is taken.")
        return HttpResponseRedirect(reverse("admin:stars_snapshot_change", args=[taken.pk]))

    def compare_view(self, request: HttpRequest) -> HttpResponse:
        """What changed between two snapshots; with `?format=csv` every figure as a file."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        form = CompareForm(request.GET)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "Compare snapshots",
            "form": form,
            "choices": Snapshot.objects.defer("totals")[:MOST_CHOICES],
        }
        if form.is_valid() and form.cleaned_data:
            earlier, later = form.cleaned_data["earlier"], form.cleaned_data["later"]
            changes = snapshot_rows.changes_of(snapshots.compare(earlier, later), snapshots.parts_for(request.user))
            if request.GET.get("format") == "csv":
                return export(request, earlier, later, changes)
            everything = request.GET.get("all") == "1"
            context |= {"earlier": earlier, "later": later, "everything": everything,
                        "parts": sections(changes, later, everything, linked=request.user.has_perm(SEES_GAPS)),
                        "same": not any(one.moved for one in changes)}  # fmt: skip
        return TemplateResponse(request, "admin/stars/snapshot_compare.html", context)


def heading(part: str) -> str:
    """What a part is called on the pages."""
    return HEADINGS.get(part) or part.replace("_", " ").capitalize()


def grids(snapshot: Snapshot, parts: list[str], *, linked: bool) -> list[dict[str, Any]]:
    """The frozen gaps and the parts of the rooms above as tables; gaps lead to the list as it is now."""
    gaps = snapshot_rows.gap_grid(snapshot.totals["gaps"])
    rows = [(key, gap_list(snapshot, *key) if linked else "", cells) for key, cells in gaps.rows]
    found = [{"heading": heading("gaps"), "grid": gaps, "rows": rows}]
    for part in parts:
        grid = snapshot_rows.part_grid(snapshot.totals.get(part, []))
        found.append({"heading": heading(part), "grid": grid, "rows": [(key, "", cells) for key, cells in grid.rows]})
    return [one for one in found if one["rows"]]


def gap_list(snapshot: Snapshot, contract: str, measure: str) -> str:
    """The gaps of a contract and measure as they are now."""
    told = {"year": snapshot.measurement_year, "contract": contract or "none", "measure": measure}
    return f"{reverse('admin:gaps_gap_changelist')}?{urlencode(told)}"


def sections(
    changes: list[snapshot_rows.Change], later: Snapshot, everything: bool, *, linked: bool
) -> list[dict[str, Any]]:
    """The changes by part, those that moved or all; each with the list behind it where there is one."""
    found: dict[str, list[tuple[snapshot_rows.Change, str]]] = {}
    for one in changes:
        if everything or one.moved:
            link = gap_list(later, one.contract, one.subject) if linked and one.part == "gaps" else ""
            found.setdefault(one.part, []).append((one, link))
    return [{"heading": heading(part), "rows": rows} for part, rows in found.items()]


def export(
    request: HttpRequest, earlier: Snapshot, later: Snapshot, changes: list[snapshot_rows.Change]
) -> HttpResponse:
    """Every figure of both as CSV: figures of contracts and no member."""
    with transaction.atomic():
        ledger.record(
            Event.Kind.EXPORT, "snapshot_changes.exported", object_type="stars.snapshot",
            object_id=f"{earlier.pk}:{later.pk}", row_count=len(changes), by=request.user,
        )  # fmt: skip
    name = f"snapshots-{earlier.as_of}-{later.as_of}.csv"
    return csvfile.download(name, snapshot_rows.HEADER, (one.cells for one in changes))  # type: ignore[return-value]
