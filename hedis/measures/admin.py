"""The portfolio, to read: rows come from reviewed files."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from hedis.engine.codes import Route
from hedis.lib.modeladmin import ReadOnlyAdmin
from hedis.lib.templatetags import portfolio
from hedis.measures import coverage, loading
from hedis.measures.definitions import DEFINITIONS
from hedis.measures.models import Measure, MeasureYear


class MeasureYearInline(admin.TabularInline):
    """What holds in each measurement year."""

    model = MeasureYear
    verbose_name_plural = "measurement years"
    fields = readonly_fields = ("measurement_year", "star_year", "star_measure", "weight_words", "ages", "source")
    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @admin.display(description="weight")
    def weight_words(self, year: MeasureYear) -> str:
        return "Not rated" if year.weight is None else str(year.weight)

    @admin.display(description="ages")
    def ages(self, year: MeasureYear) -> str:
        return portfolio.DASH if year.age_low is None else f"{year.age_low}–{year.age_high}"


@admin.register(Measure)
class MeasureAdmin(ReadOnlyAdmin):
    """Which measures there are, what closes their gaps, and which evidence routes rest for want of a code list."""

    list_display = ("code", "name", "domain", "steward", "direction", "computed")
    list_filter = ("kind", "domain", "steward", "direction")
    search_fields = ("code", "name")
    inlines = (MeasureYearInline,)
    fieldsets = (
        (None, {"fields": ("code", "name", "kind", "domain", "steward", "direction", "reversible_words")}),
        ("How a gap is closed", {"fields": ("routes", "purpose")}),
        ("Where it comes from", {"fields": ("source", "definition_version")}),
    )
    readonly_fields = ("reversible_words", "routes")

    @admin.display(description="definition")
    def computed(self, measure: Measure) -> SafeString:
        if measure.definition_version:
            return portfolio.chip(f"version {measure.definition_version}", "good")
        return portfolio.chip("not computed yet")

    @admin.display(description="last value counts")
    def reversible_words(self, measure: Measure) -> str:
        return "Yes: a gap closed today can be open at year’s end" if measure.reversible else "No: once met, met"

    @admin.display(description="evidence routes")
    def routes(self, measure: Measure) -> SafeString | str:
        """Each route with whether it works here, and which code systems it waits for."""
        lines = [(state_chip(route.state), computed_words(route)) for route in loaded_routes(measure)]
        lines = lines or [(state_chip(route["state"]), route_words(route)) for route in measure.evidence_routes]
        if not lines:
            return portfolio.DASH
        return format_html('<ul class="plain">{}</ul>', format_html_join("", "<li>{} {}</li>", lines))


def state_chip(state: str) -> SafeString:
    """Active, partly, inactive or not computed, in colour and words."""
    tone = {"active": "good", "partly active": "warn", "inactive": "bad"}.get(state, "plain")
    return portfolio.chip(state, tone)


def loaded_routes(measure: Measure) -> tuple[Route, ...]:
    """The routes of a computed measure by the code lists as they are now; empty where it is not computed."""
    if measure.code not in DEFINITIONS:
        return ()
    found = coverage.measures(timezone.localdate().year, loading.own_lists(), [measure.code])
    return found[0].routes


def computed_words(route: Route) -> str:
    """What the route looks for, how many codes it has of what, and what it waits for."""
    counts = ", ".join(f"{number:,} {name}" for name, number in route.loaded) or "no code"
    words = f"{route.name} ({route.part}): {counts}"
    words += f" – needs {', '.join(route.absent)}" if route.absent else ""
    return f"{words} – no list of {', '.join(route.empty)}" if route.empty else words


def route_words(route: dict[str, Any]) -> str:
    """What the route looks for, in which part of the measure, and what it would need."""
    words = f"{route['name']} ({route['part']})"
    return f"{words} – needs {', '.join(route['absent'])}" if route["absent"] else words
