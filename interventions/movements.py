"""What the anomaly rules look at, from the finding runs that are stored. Reads only."""

from collections.abc import Iterator
from datetime import date

from django.db.models import Q
from django.db.models.functions import Coalesce

from hedis.gaps.models import FindingRun, MeasureCount
from hedis.members.models import Contract
from interventions import projection
from interventions.anomalies import Anomaly, Movement, limits, of_movement
from interventions.completing import Reading


def unusual(contract: Contract, year: int) -> tuple[Anomaly, ...]:
    """What is unusual about the contract's newest finding run of the year beside the one before. Two queries; one
    where there is but one run."""
    found = (of_movement(one, limits()) for one in movements(contract, year))
    return tuple(one for one in found if one)


def movements(contract: Contract, year: int) -> Iterator[Movement]:
    """The measures that both runs counted. The run before is the newest with older data: the same data found again
    say nothing."""
    runs = FindingRun.objects.filter(year=year).order_by("-id")
    newest = runs.values("id")[:1]
    before = runs.filter(data_as_of__lt=runs.values("data_as_of")[:1]).values("id")[:1]
    rows = (
        MeasureCount.objects.filter(Q(run_id__in=newest) | Q(run_id__in=before), contract=contract)
        .order_by("measure__code", "-run_id")
        .values_list(
            "measure__code", "measure__reversible", "run__data_as_of",
            Coalesce("star_numerator", "numerator"), Coalesce("star_denominator", "denominator"),
        )
    )  # fmt: skip
    read: dict[str, list[tuple[date, Reading]]] = {}
    reversible = {}
    for code, can_reopen, as_of, numerator, denominator in rows:
        if denominator and (day := projection.day_of(as_of, year)) >= 1:
            read.setdefault(code, []).append((as_of, Reading(day, numerator, denominator)))
            reversible[code] = can_reopen
    pairs = {code: pair for code, pair in read.items() if len(pair) > 1}
    courses = projection.courses(contract, year) if pairs else {}
    for code, ((_, now), (since, earlier)) in pairs.items():
        yield Movement(code, not reversible[code], since, earlier, now, courses.get(code, ()))
