"""A plan with everything a rating takes: gaps of three computed measures, and scores for all the others."""

from datetime import date
from typing import Any

from django.db.models import F

from hedis.gaps.models import FindingRun, Gap, Status
from hedis.measures.models import MeasureYear
from hedis.members.models import Contract
from hedis.stars.years import star_year
from tests.factories import a_gap, make_contract, make_measure, make_members

DAY = date(2026, 9, 30)
IDS = {"COL": "C02", "GSD": "C12", "CBP": "C14"}
# A score of every measure of 2027 that nothing computes: the four-star cut point itself.
OTHERS = {
    name: cuts.four
    for (name, contract_type), cuts in star_year(2027).cut_points.items()
    if contract_type in ("MA", "MA-PD") and name not in IDS.values()
}


def make_gaps(counts: dict[str, tuple[int, int]], *, contract: Contract | None = None, year: int = 2026) -> Contract:
    """Gaps by measure code: so many closed of so many, for members of their own; the run that found them."""
    contract = contract or make_contract("H1234")
    for code, (closed, everyone) in counts.items():
        measure = make_measure(code)
        MeasureYear.objects.get_or_create(
            measure=measure, measurement_year=2025,
            defaults={"star_year": 2027, "star_measure": IDS[code], "weight": 1, "source": "made for a test"},
        )  # fmt: skip
        met: dict[str, Any] = {"status": Status.CLOSED, "reason": ""}
        Gap.objects.bulk_create(
            a_gap(member, measure, contract=contract, year=year, **(met if number < closed else {}))
            for number, member in enumerate(make_members(everyone, contract))
        )
    FindingRun.objects.create(year=year, data_as_of=date(year, 9, 30), generation="g1", found_by="system")
    return contract


def close_one(code: str) -> None:
    """One open gap of a measure closes."""
    gap = Gap.objects.filter(measure__code=code, status=Status.OPEN).order_by("pk").first()
    assert gap is not None
    Gap.objects.filter(pk=gap.pk).update(status=Status.CLOSED, reason="", contact_by=None, version=F("version") + 1)


def scores_file(scores: dict[str, Any], contract: str = "H1234") -> str:
    """The CSV that import_scores reads."""
    rows = [f"{contract},{name},{score},vendor report" for name, score in scores.items()]
    return "\n".join(["contract,measure,score,source", *rows]) + "\n"
