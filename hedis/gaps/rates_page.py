"""Rates of every measure and contract as the last finding run counted them; every number leads to its members."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse

from audit import ledger
from audit.models import Event
from hedis.gaps.models import FindingRun, MeasureCount
from hedis.lib import csvfile
from hedis.measures.models import Measure
from hedis.members.models import Contract

HEADER = ["measure", "name", "contract", "rate", "numerator", "denominator", "open", "excluded", "eligible",
          "direction", "measurement_year", "data_as_of", "definition_version"]  # fmt: skip


@dataclass(frozen=True)
class RateRow:
    """One measure in one contract, with the addresses of the lists behind its numbers."""

    count: MeasureCount
    first: bool
    links: dict[str, str]


def gap_list(count: MeasureCount, status: str) -> str:
    """The gap list that holds exactly these members."""
    narrowed: dict[str, Any] = {"year": count.run.year, "measure": count.measure.code, "status": status}
    narrowed["contract"] = count.contract.number if count.contract else "none"
    return f"{reverse('admin:gaps_gap_changelist')}?{urlencode(narrowed)}"


def rows(counts: list[MeasureCount], *, linked: bool) -> Iterator[RateRow]:
    """Rows in order, the first of each measure marked; links only for those who may see members."""
    before = None
    for count in counts:
        links = {
            "numerator": gap_list(count, "closed-gap"),
            "denominator": gap_list(count, "denominator"),
            "open": gap_list(count, "unmet"),
            "excluded": gap_list(count, "not-applicable"),
        }
        yield RateRow(count, count.measure_id != before, links if linked else {})
        before = count.measure_id


def chosen_counts(request: HttpRequest) -> tuple[list[MeasureCount], int | None]:
    """Counts of the year and contract in the address; of the newest year when none is named."""
    year = request.GET.get("year", "")
    counts = MeasureCount.objects.latest(int(year) if year.isdecimal() else None)
    if contract := request.GET.get("contract"):
        counts = counts.filter(contract__number=contract)
    if measure := request.GET.get("measure"):
        counts = counts.filter(measure__code=measure)
    found = list(counts)
    return found, found[0].run.year if found else None


def measure_rates(request: HttpRequest) -> HttpResponse:
    """The page, or with `?format=csv` the file."""
    if not request.user.has_perm("gaps.view_measurecount"):
        raise PermissionDenied
    counts, year = chosen_counts(request)
    if request.GET.get("format") == "csv":
        return export(request, counts, year)
    context = {
        **admin.site.each_context(request),
        "title": "Measure rates",
        "rows": list(rows(counts, linked=request.user.has_perm("gaps.view_gap"))),
        "run": counts[0].run if counts else None,
        "year": year,
        "years": FindingRun.objects.order_by("-year").values_list("year", flat=True).distinct(),
        "contracts": Contract.objects.all(),
        "measures": Measure.objects.filter(kind=Measure.Kind.MEASURE),
        "chosen": {name: request.GET.get(name, "") for name in ("contract", "measure")},
        "may_see_contracts": request.user.has_perm("members.view_contract"),
    }
    return TemplateResponse(request, "admin/rates.html", context)


def export(request: HttpRequest, counts: list[MeasureCount], year: int | None) -> HttpResponse:
    """The same counts as CSV: numbers with their year, date and version, and no member."""
    with transaction.atomic():
        ledger.record(
            Event.Kind.EXPORT, "rates.exported", object_type="measure_count", object_id=year or "",
            row_count=len(counts), by=request.user,
        )  # fmt: skip
    lines = (
        [count.measure.code, count.measure.name, count.contract.number if count.contract else "",
         "" if count.rate is None else f"{count.rate:.4f}", count.numerator, count.denominator, count.open,
         count.excluded, count.eligible, count.measure.direction, count.run.year, count.run.data_as_of.isoformat(),
         count.definition_version]
        for count in counts
    )  # fmt: skip
    return csvfile.download(f"measure-rates-{year or 'none'}.csv", HEADER, lines)  # type: ignore[return-value]
