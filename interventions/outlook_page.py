"""The outlook: where a contract stands, where its measures and rating will end the year, what the next star takes."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.safestring import SafeString

from audit import ledger
from audit.models import Event
from hedis.evidence.models import ImportBatch
from hedis.gaps.models import FindingRun
from hedis.lib import csvfile
from interventions import back_testing, early_warnings, outlook, outlook_charts
from interventions.early_warnings import EarlyWarning, Kind
from interventions.models import PlanContract
from interventions.outlook import MeasureOutlook, Missing, Outlook
from interventions.projecting import CLAIM_LAG, CURVE, MEMBERS, PAST_YEARS

SEE_RATES, SEE_GAPS = "gaps.view_measurecount", "gaps.view_gap"
METHODS = {
    CURVE: "completion curve of past years",
    MEMBERS: "each member's chance, by the models in force",
    CLAIM_LAG: "claims still to come",
    PAST_YEARS: "how past years ended",
}
HEADER = [
    "contract", "measurement_year", "data_as_of", "measure", "code", "name", "weight", "numerator", "denominator",
    "rate_today", "rate_year_end", "low_80", "high_80", "cut_2", "cut_3", "cut_4", "cut_5", "star_today",
    "chance_1", "chance_2", "chance_3", "chance_4", "chance_5", "expected_stars", "next_star", "closures_to_next_star",
    "closable", "forecast",
]  # fmt: skip


@dataclass(frozen=True)
class Tried:
    """How a measure's past projections did, in words; empty where nothing was tried."""

    years: str
    errors: str
    error: str
    loss: str
    held: str


@dataclass(frozen=True)
class MeasureLine:
    """One measure as the page shows it: figures, pictures, and the gap lists behind the numbers."""

    one: MeasureOutlook
    band: SafeString
    odds: SafeString
    chances: tuple[str, ...]
    keeps: str
    rises: str
    forecast: str
    tried: Tried
    at_risk: bool
    links: dict[str, str]


def check_sees_rates(request: HttpRequest) -> None:
    """The outlook is for the roles that see rates. Raises PermissionDenied."""
    if not request.user.has_perm(SEE_RATES):
        raise PermissionDenied


def gap_list(contract: str, year: int, **narrowed: Any) -> str:
    """The gap list of a contract and year, of members of an age the Star measure counts."""
    told = {"year": year, "contract": contract, "star_eligible__exact": 1, "status": "unmet", **narrowed}
    return f"{reverse('admin:gaps_gap_changelist')}?{urlencode(told)}"


def links_of(found: Outlook, code: str) -> dict[str, str]:
    """The lists that hold exactly the counted members of a measure."""
    named = (found.contract, found.year)
    return {
        "met": gap_list(*named, measure=code, status="closed-gap"),
        "denominator": gap_list(*named, measure=code, status="denominator"),
        "unmet": gap_list(*named, measure=code),
        "closable": gap_list(*named, measure=code, due_from=found.data_as_of.isoformat()),
    }


def measure_line(one: MeasureOutlook, links: dict[str, str]) -> MeasureLine:
    """One measure with its pictures and words."""
    return MeasureLine(
        one, outlook_charts.rate_band(one), outlook_charts.odds_bar(one),
        tuple(outlook_charts.percent(chance) for chance in one.odds),
        outlook_charts.percent(one.keeps), "" if one.rises is None else outlook_charts.percent(one.rises),
        forecast_words(one), tried(one), early_warnings.at_risk(one), links,
    )  # fmt: skip


def forecast_words(one: MeasureOutlook) -> str:
    """Which forecasts were blended, and their shares where there are several."""
    used = [(share, METHODS[name]) for name, share in one.methods.items() if share > 0]
    if len(used) == 1:
        return used[0][1]
    return ", ".join(f"{words} {share:.0%}" for share, words in sorted(used, reverse=True))


def tried(one: MeasureOutlook) -> Tried:
    """How a measure's past projections did, in points; the method that missed least first."""
    found = one.verdict
    errors = sorted(found.errors.items(), key=lambda item: item[1])
    held = "" if found.covered is None else f"{found.covered * len(found.past):.0f} of {len(found.past)}"
    return Tried(
        ", ".join(map(str, found.years)), ", ".join(f"{METHODS[name]} {100 * error:.1f}" for name, error in errors),
        "" if found.error is None else f"{100 * found.error:.1f}",
        "" if found.loss is None else f"{100 * found.loss:.2f}", held,
    )  # fmt: skip


def outlook_list(request: HttpRequest) -> HttpResponse:
    """Every contract of a measurement year, each the way to its page."""
    check_sees_rates(request)
    years = list(FindingRun.objects.order_by("-year").values_list("year", flat=True).distinct())
    asked = request.GET.get("year", "")
    year = next((one for one in years if str(one) == asked), years[0] if years else None)
    found = outlook.of_contracts(list(outlook.stamped(year)), year) if year else []
    context = {
        **admin.site.each_context(request),
        "title": "Outlook",
        "year": year,
        "years": years,
        **table_of(found, sees_gaps=request.user.has_perm(SEE_GAPS)),
    }
    return TemplateResponse(request, "admin/outlook/list.html", context)


def table_of(found: list[Outlook | Missing], *, sees_gaps: bool) -> dict[str, Any]:
    """The table of contracts: those with an outlook, with the plan that waits to become a campaign; those without."""
    seen = [one for one in found if isinstance(one, Outlook)]
    waiting = waiting_plans(seen[0].year) if seen else {}
    return {
        "lines": [{**contract_line(one, sees_gaps=sees_gaps), "waiting": waiting.get(one.contract)} for one in seen],
        "missing": [one for one in found if isinstance(one, Missing)],
    }


def waiting_plans(year: int) -> dict[str, dict[str, Any]]:
    """By contract its newest plan of a year, where that is no campaign yet, and what it would bring. One query."""
    newest = (
        PlanContract.objects.filter(plan__year=year)
        .order_by("contract_id", "-plan_id")
        .distinct("contract_id")
        .values_list("contract__number", "plan_id", "plan__campaign_id", "plan__outcomes")
    )
    return {
        number: {"plan": plan, "outcome": outcomes.get(number)}
        for number, plan, campaign, outcomes in newest
        if campaign is None
    }


def contract_line(found: Outlook, *, sees_gaps: bool) -> dict[str, Any]:
    """One contract of the table."""
    near = found.nearest
    return {
        "outlook": found,
        "odds": outlook_charts.odds_words(found.independent),
        "pays": pays_words(found),
        "nearest": near,
        "nearest_link": links_of(found, near.code)["closable"] if near and sees_gaps else "",
    }


def pays_words(found: Outlook) -> str:
    """The chance that the outreach under way covers its cost; empty where nothing is known of dollars."""
    returned = found.bought.returned if found.bought else None
    return outlook_charts.percent(returned.pays) if returned else ""


def outlook_contract(request: HttpRequest, number: str, year: int) -> HttpResponse:
    """One contract's outlook; with `?format=csv` the measures as a file."""
    check_sees_rates(request)
    found = outlook.of_contract(number, year)
    if found is None:
        raise Http404(f"No gaps of measurement year {year} were counted in {number}.")
    if isinstance(found, Missing):
        context = {**admin.site.each_context(request), "title": f"Outlook {number} {year}", "missing": found}
        return TemplateResponse(request, "admin/outlook/missing.html", context)
    if request.GET.get("format") == "csv":
        return export(request, found)
    sees_gaps = request.user.has_perm(SEE_GAPS)
    lines = [measure_line(one, links_of(found, one.code) if sees_gaps else {}) for one in found.measures]
    context = {
        **admin.site.each_context(request),
        "title": f"Outlook {number} {year}",
        "outlook": found,
        "lines": lines,
        "past": back_testing.together(one.verdict for one in found.measures),
        "nearest_link": contract_line(found, sees_gaps=sees_gaps)["nearest_link"],
        "warnings": list(with_links(warnings_of(found), year, found.data_as_of, sees_gaps=sees_gaps)),
        "chart": outlook_charts.rating_bars(found.independent, found.shared, found.today),
        "ratings": [
            (star, outlook_charts.percent(found.independent.get(star, 0.0)),
             outlook_charts.percent(found.shared.get(star, 0.0)))
            for star in outlook_charts.worth_showing(found.independent, found.shared)
        ],
        "bought_odds": outlook_charts.odds_words(found.bought.chances) if found.bought else "",
        "bought_pays": pays_words(found),
        "odds": outlook_charts.odds_words(found.independent),
        "odds_shared": outlook_charts.odds_words(found.shared),
    }  # fmt: skip
    return TemplateResponse(request, "admin/outlook/contract.html", context)


def warnings_of(found: Outlook) -> list[EarlyWarning]:
    """A contract's warnings, and those of the plan's data that its figures rest on. One query."""
    return [*early_warnings.of_outlook(found), *missing_files()]


def missing_files() -> list[EarlyWarning]:
    """Sources of which a file seems to be missing, by the newest import. One query."""
    batch = ImportBatch.objects.current()
    return list(early_warnings.of_deliveries(batch.deliveries)) if batch else []


def with_links(
    warnings: list[EarlyWarning], year: int, data_as_of: date, *, sees_gaps: bool
) -> Iterator[tuple[EarlyWarning, str]]:
    """Warnings with the list of the members they are about, for those who may see members."""
    for one in warnings:
        narrowed = {}
        if one.kind is Kind.OPPORTUNITY:
            narrowed = {"due_from": data_as_of.isoformat()}
        elif one.kind is Kind.ANOMALY:
            narrowed = {"status": "denominator"}
        yield one, gap_list(one.contract, year, measure=one.code, **narrowed) if sees_gaps and one.code else ""


def export(request: HttpRequest, found: Outlook) -> HttpResponse:
    """The measures as CSV: figures of a contract and no member."""
    with transaction.atomic():
        ledger.record(
            Event.Kind.EXPORT, "outlook.exported", object_type="contract",
            object_id=f"{found.contract}:{found.year}", row_count=len(found.measures), by=request.user,
        )  # fmt: skip
    name = f"outlook-{found.contract}-{found.year}.csv"
    return csvfile.download(name, HEADER, map(csv_row, [found] * len(found.measures), found.measures))  # type: ignore[return-value]


def csv_row(found: Outlook, one: MeasureOutlook) -> list[Any]:
    """One measure as a line of the file."""
    return [
        found.contract, found.year, found.data_as_of.isoformat(), one.id, one.code, one.name, one.weight, one.met,
        one.denominator, *(f"{rate:.4f}" for rate in (one.rate_today, one.rate, one.low, one.high)), *one.cuts,
        one.star_today, *(f"{chance:.4f}" for chance in one.odds), f"{one.expected_stars:.4f}", one.next_star,
        one.closures, one.closable, forecast_words(one),
    ]  # fmt: skip
