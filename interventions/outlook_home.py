"""The home page's panel "Where the contracts stand", and what fills it in where nothing is projected yet.

A projection of three contracts takes seconds, so the home page shows what the cache holds; where that is nothing, a
script asks for the panel alone, and without scripts a link leads to the page.
"""

from datetime import timedelta
from typing import Any

from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone

from hedis.gaps.models import FindingRun, Gap
from interventions import early_warnings, outlook
from interventions.outlook import Missing, Outlook
from interventions.outlook_page import (
    SEE_GAPS,
    SEE_RATES,
    check_sees_rates,
    gap_list,
    missing_files,
    table_of,
    with_links,
)


def outlook_panel(request: HttpRequest) -> dict[str, Any] | None:
    """Where the contracts stand, as far as it is projected already, and the early warnings."""
    if not request.user.has_perm(SEE_RATES):
        return None
    run = FindingRun.objects.order_by("-year", "-id").first()
    if run is None:
        return {"template": "admin/outlook/panel.html", "year": None}
    contracts = list(outlook.stamped(run.year))
    found = outlook.known(contracts, run.year)
    panel = contents(request, run, found or [])
    return {"template": "admin/outlook/panel.html", **panel, "to_fill": found is None}


def panel_alone(request: HttpRequest) -> HttpResponse:
    """The panel with everything projected: what the script of the home page asks for."""
    check_sees_rates(request)
    run = FindingRun.objects.order_by("-year", "-id").first()
    panel: dict[str, Any] = {"year": None}
    if run is not None:
        contracts = list(outlook.stamped(run.year))
        panel = contents(request, run, outlook.of_contracts(contracts, run.year))
    return TemplateResponse(request, "admin/outlook/panel.html", {"panel": panel})


def contents(request: HttpRequest, run: FindingRun, found: list[Outlook | Missing]) -> dict[str, Any]:
    """What the panel shows: a line for each contract, and the first early warnings of each."""
    sees_gaps = request.user.has_perm(SEE_GAPS)
    today = timezone.localdate()
    last = today + timedelta(days=early_warnings.limits().contact_days)
    warnings = [each for one in found if isinstance(one, Outlook) for each in early_warnings.of_outlook(one)]
    warnings += early_warnings.of_dates(due_by_contract(run.year), run.data_as_of, today)
    warnings += missing_files()
    shown, more = early_warnings.first_lines(warnings)
    lines = [
        (one, gap_list(one.contract, run.year, due_from=today.isoformat(), due_to=last.isoformat()) if
         sees_gaps and one.kind is early_warnings.Kind.DEADLINE else link)
        for one, link in with_links(shown, run.year, run.data_as_of, sees_gaps=sees_gaps)
    ]  # fmt: skip
    return {
        "year": run.year, "data_as_of": run.data_as_of, "warnings": lines, "more_warnings": more,
        "to_fill": False, **table_of(found, sees_gaps=sees_gaps),
    }  # fmt: skip


def due_by_contract(year: int) -> dict[str, int]:
    """Unmet gaps of each contract whose last useful contact is within the warning's days. One query."""
    today = timezone.localdate()
    rows = (
        Gap.objects.for_year(year)
        .open()
        .filter(star_eligible=True, contract__isnull=False)
        .contact_within(today, early_warnings.limits().contact_days)
        .order_by()
        .values_list("contract__number")
        .annotate(gaps=Count("pk"))
    )
    return {number: gaps for number, gaps in rows}
