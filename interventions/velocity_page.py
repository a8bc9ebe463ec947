"""Gap velocity of a contract: how fast each measure's gaps close, and whether that is fast enough."""

from datetime import date
from typing import Any

from django.contrib import admin
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from audit import ledger
from audit.models import Event
from hedis.lib import csvfile
from hedis.members.models import Contract
from interventions import velocity
from interventions.outlook_page import SEE_GAPS, check_sees_rates, gap_list
from interventions.velocity import Velocity

WIDTH, HEIGHT, TOP = 160, 36, 3
HEADER = [
    "contract", "measurement_year", "data_as_of", "code", "name", "met", "denominator", "closures_a_week", "pace_from",
    "closed_by_year_end", "next_star", "closures_to_next_star", "found", "closed", "reopened", "mean_days_to_close",
    "week_from", "closed_in_week",
]  # fmt: skip


def contract_velocity(request: HttpRequest, number: str, year: int) -> HttpResponse:
    """The page; with `?format=csv` every measure's weeks as a file."""
    check_sees_rates(request)
    contract = get_object_or_404(Contract, number=number)
    found = velocity.of_contract(contract, year)
    if not found:
        raise Http404(f"No gaps of measurement year {year} were counted in {number}.")
    if request.GET.get("format") == "csv":
        return export(request, contract, year, found)
    sees_gaps = request.user.has_perm(SEE_GAPS)
    context = {
        **admin.site.each_context(request),
        "title": f"Gap velocity {number} {year}",
        "contract": contract,
        "year": year,
        "as_of": max(one.as_of for one in found),
        "pace_weeks": velocity.PACE_WEEKS,
        "lines": [
            (one, weeks_line(one), gap_list(number, year, measure=one.code) if sees_gaps else "") for one in found
        ],
        "weeks": weeks_table(found),
    }
    return TemplateResponse(request, "admin/outlook/velocity.html", context)


def weeks_table(found: list[Velocity]) -> tuple[list[str], list[tuple[date, list[int]]]]:
    """The figures behind the lines: measures as columns, a row for each week, the newest first."""
    drawn = [one for one in found if one.weeks]
    by_week: dict[date, dict[str, int]] = {}
    for one in drawn:
        for monday, closed in one.weeks:
            by_week.setdefault(monday, {})[one.code] = closed
    rows = [
        (monday, [closed.get(one.code, 0) for one in drawn]) for monday, closed in sorted(by_week.items(), reverse=True)
    ]
    return [one.code for one in drawn], rows


def weeks_line(one: Velocity) -> SafeString:
    """Gaps closed by care of the year, added up by its weeks; the broken line is how many the next star takes."""
    points = velocity.totals(one.weeks)
    if len(points) < 2:
        return SafeString("")
    done = points[-1][1]
    wanted = done + one.need.closures if one.need and one.need.closures is not None else None
    top = max(done, wanted or 0)
    step = WIDTH / (len(points) - 1)
    line = "L".join(f"{round(step * place, 1)} {height(so_far, top)}" for place, (_, so_far) in enumerate(points))
    goal = "" if wanted is None else format_html(
        '<path d="M0 {0}H{1}" stroke="currentColor" stroke-dasharray="3 2" opacity=".7"/>', height(wanted, top), WIDTH
    )  # fmt: skip
    return format_html(
        '<svg class="bar" role="img" width="{w}" height="{h}" viewBox="0 0 {w} {h}"><title>{code}: {done} gaps closed '
        "by care given up to the week of {last}</title><desc>Rising line from 1 January{wanted}</desc>{goal}"
        '<path d="M{line}" fill="none" stroke="#1f6280" class="velocity-line" stroke-width="2"/></svg>',
        w=WIDTH, h=HEIGHT, code=one.code, done=done, last=points[-1][0].isoformat(),
        wanted=f"; {wanted} are needed for {one.need.next_star} stars" if wanted is not None and one.need else "",
        goal=goal, line=line,
    )  # fmt: skip


def height(value: int, top: int) -> float:
    """Pixels from the top; 0 lies at the bottom."""
    return round(TOP + (HEIGHT - 2 * TOP) * (1 - value / top), 1) if top else HEIGHT - TOP


def export(request: HttpRequest, contract: Contract, year: int, found: list[Velocity]) -> HttpResponse:
    """A line for each measure and week: figures of a contract and no member."""
    lines = [[contract.number, year, *cells] for one in found for cells in csv_cells(one)]
    with transaction.atomic():
        ledger.record(
            Event.Kind.EXPORT, "velocity.exported", object_type="contract", object_id=f"{contract.number}:{year}",
            row_count=len(lines), by=request.user,
        )  # fmt: skip
    return csvfile.download(f"velocity-{contract.number}-{year}.csv", HEADER, lines)  # type: ignore[return-value]


def csv_cells(one: Velocity) -> list[list[Any]]:
    """One measure as lines of the file; a single one without a week where nothing was closed."""
    last, need, steps = one.readings[-1], one.need, one.steps
    told = [
        one.as_of.isoformat(), one.code, one.name, last.met, last.denominator, rounded(one.pace), one.basis,
        one.by_year_end, need and need.next_star, need and need.closures, steps.found, steps.closed, steps.reopened,
        rounded(steps.days_to_close),
    ]  # fmt: skip
    return [[*told, monday.isoformat(), closed] for monday, closed in one.weeks] or [[*told, "", ""]]


def rounded(value: float | None) -> str:
    """A figure of the file."""
    return "" if value is None else f"{value:.2f}"
