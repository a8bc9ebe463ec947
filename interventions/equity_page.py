"""The equity page: rates, gaps to the reference and outreach by stratum, with small cells withheld."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.safestring import SafeString

from audit import ledger
from audit.models import Event
from hedis.gaps.models import FindingRun, MeasureCount
from hedis.lib import csvfile
from interventions import equity_lens
from interventions.equity import OutreachShares, Split, StratumRate
from interventions.equity_lens import MeasureStrata
from interventions.intervals import Interval
from interventions.outlook_charts import interval_bar, percent
from interventions.outlook_page import check_sees_rates

HEADER = [
    "contract", "measurement_year", "data_as_of", "measure", "by", "stratum", "reference", "numerator", "denominator",
    "rate", "low_95", "high_95", "gap", "gap_low_95", "gap_high_95", "ratio", "closures_to_equal", "gap_within",
    "gap_between", "in_need", "offered", "reached", "closed", "withheld",
]  # fmt: skip


@dataclass(frozen=True)
class StratumLine:
    """One stratum of a measure as the page shows it."""

    measure: MeasureStrata
    first: bool
    nothing_shown: bool
    level: str
    is_reference: bool
    row: StratumRate
    rate: str
    interval: str
    bar: SafeString
    gap: str
    gap_interval: str
    split: Split | None
    within: str
    between: str
    outreach: OutreachShares | None
    steps: str


def stratum_lines(found: list[MeasureStrata]) -> Iterator[StratumLine]:
    """The rows of the table, the first of each measure marked."""
    for one in found:
        reference = next(row for row in one.found.rows if row.level == one.found.reference)
        hidden = all(row.withheld for row in one.found.rows)
        for place, row in enumerate(one.found.rows):
            level, split = equity_lens.words_of(row.level), one.splits.get(row.level)
            at = reference.rate.value if reference.rate and row is not reference else None
            yield StratumLine(
                one, place == 0, hidden, level, row is reference, row, *in_percent(row.rate),
                interval_bar(f"{one.code}, {level}", row.rate, at) if row.rate else SafeString(""),
                *points(row.gap), split, share(split.within) if split else "", share(split.between) if split else "",
                one.outreach.get(row.level), steps_of(one.outreach.get(row.level)),
            )  # fmt: skip


def in_percent(rate: Interval | None) -> tuple[str, str]:
    """A rate and its interval in words."""
    return (f"{100 * rate.value:.1f} %", f"{100 * rate.low:.1f} to {100 * rate.high:.1f}") if rate else ("", "")


def points(gap: Interval | None) -> tuple[str, str]:
    """A difference of shares in percentage points, and its interval."""
    return (f"{100 * gap.value:+.1f}", f"{100 * gap.low:+.1f} to {100 * gap.high:+.1f}") if gap else ("", "")


def share(part: Any) -> str:
    """A part of a gap in percentage points."""
    return f"{100 * float(part):+.1f}"


def steps_of(found: OutreachShares | None) -> str:
    """Offered, reached and closed in words, each a share of the step before."""
    if found is None or found.withheld:
        return ""
    steps = (("offered", found.offered), ("reached", found.reached), ("closed", found.closed))
    said = [
        f"{name} {percent(each.value)} ({percent(each.low)} to {percent(each.high)})" for name, each in steps if each
    ]
    return f"{found.in_need:,} in need: " + ", ".join(said)


@dataclass(frozen=True)
class Chosen:
    """What the address asks for; what it asks for that is not there is taken for not asked."""

    year: int | None
    contract: str
    by: str
    measure: str


def chosen_of(request: HttpRequest, counts: list[MeasureCount], year: int | None) -> Chosen:
    """The contract, characteristic and measure of the address, among those there are."""
    numbers = [count.contract.number for count in counts if count.contract]
    codes = {count.measure.code for count in counts}
    asked = {name: request.GET.get(name, "") for name in ("contract", "by", "measure")}
    return Chosen(
        year,
        asked["contract"] if asked["contract"] in numbers else min(numbers, default=""),
        asked["by"] if asked["by"] in equity_lens.BY else equity_lens.LIS,
        asked["measure"] if asked["measure"] in codes else "",
    )


def equity(request: HttpRequest) -> HttpResponse:
    """The page, or with `?format=csv` the file. One contract at a time: a total beside its parts gives cells away."""
    check_sees_rates(request)
    runs = list(FindingRun.objects.order_by("-year", "-id").distinct("year"))
    run = next((one for one in runs if str(one.year) == request.GET.get("year")), runs[0] if runs else None)
    counts = list(MeasureCount.objects.latest(run.year)) if run else []
    chosen = chosen_of(request, counts, run.year if run else None)
    found = []
    if run and chosen.contract:
        found = equity_lens.read(
            chosen.by, run.year, contracts=[chosen.contract], measure=chosen.measure or None
        )  # fmt: skip
    if request.GET.get("format") == "csv" and run:
        return export(request, chosen, found, run)
    kinds = equity_lens.characteristics()
    context = {
        **admin.site.each_context(request),
        "title": "Equity",
        "chosen": chosen,
        "run": run,
        "years": [one.year for one in runs],
        "contracts": sorted({count.contract.number for count in counts if count.contract}),
        "measures": sorted({(count.measure.code, count.measure.name) for count in counts}),
        "kinds": [(name, kinds[name]["name"]) for name in equity_lens.BY],
        "kind": kinds[chosen.by],
        "lines": list(stratum_lines(found)),
        "missing": [(one.code, f"{100 * one.found.missing:.1f} %") for one in found if one.found.missing],
        "outreach": any(one.outreach for one in found),
        "gap_list": gap_list(request, chosen),
    }
    return TemplateResponse(request, "admin/outlook/equity.html", context)


def gap_list(request: HttpRequest, chosen: Chosen) -> str:
    """The members behind the measures together; a list by stratum would show the cells that are withheld."""
    if not request.user.has_perm("gaps.view_gap") or chosen.year is None:
        return ""
    told = {"year": chosen.year, "contract": chosen.contract, "star_eligible__exact": 1, "status": "denominator"}
    return f"{reverse('admin:gaps_gap_changelist')}?{urlencode(told)}"


def export(request: HttpRequest, chosen: Chosen, found: list[MeasureStrata], run: FindingRun) -> HttpResponse:
    """The table as CSV, withheld cells left empty with the reason; no member."""
    lines = [csv_row(line, chosen, run) for line in stratum_lines(found)]
    with transaction.atomic():
        ledger.record(
            Event.Kind.EXPORT, "equity.exported", object_type="contract",
            object_id=f"{chosen.contract}:{run.year}:{chosen.by}", row_count=len(lines), by=request.user,
        )  # fmt: skip
    name = f"equity-{chosen.contract}-{run.year}-{chosen.by}.csv"
    return csvfile.download(name, HEADER, lines)  # type: ignore[return-value]


def csv_row(line: StratumLine, chosen: Chosen, run: FindingRun) -> list[Any]:
    """One stratum as a line of the file; shares of 1."""
    row, split, helped = line.row, line.split, line.outreach
    steps = (helped.offered, helped.reached, helped.closed) if helped else (None, None, None)
    return [
        line.measure.contract, run.year, run.data_as_of.isoformat(), line.measure.code, chosen.by, line.level,
        equity_lens.words_of(line.measure.found.reference), row.numerator, row.denominator, *three(row.rate),
        *three(row.gap), None if row.ratio is None else f"{row.ratio:.4f}", row.closures,
        f"{float(split.within):.4f}" if split else None, f"{float(split.between):.4f}" if split else None,
        helped.in_need if helped else None, *(f"{each.value:.4f}" if each else None for each in steps), row.withheld,
    ]  # fmt: skip


def three(figure: Interval | None) -> list[str | None]:
    """A figure and its interval."""
    return [None] * 3 if figure is None else [f"{each:.4f}" for each in (figure.value, figure.low, figure.high)]
