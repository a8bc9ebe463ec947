"""What moved more than chance and the season explain is said, and nothing else."""

from datetime import date
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client

from hedis.accounts.models import User
from hedis.evidence.models import ImportBatch
from hedis.gaps.models import FindingRun, MeasureCount
from hedis.members.models import Contract
from interventions import early_warnings, movements
from interventions.anomalies import Movement, limits, of_deliveries, of_movement
from interventions.completing import Course, Reading
from interventions.early_warnings import Kind
from tests.factories import make_contract, make_measure
from tests.hedis.star_plan import make_gaps
from tests.interventions.test_project_rates import past_run

SINCE = date(2026, 8, 31)


def moved(
    before: tuple[int, int], now: tuple[int, int], *, stays: bool = True, past: tuple[tuple[int, int], ...] = ()
) -> str:
    """What is said of counts (numerator, denominator) on two days; `past`: numerators of 1,000 on those days and at
    the end of past years."""
    courses = [
        Course(2020 + number, (Reading(243, early, 1000), Reading(273, late, 1000), Reading(455, 900, 1000)))
        for number, (early, late) in enumerate(past)
    ]
    found = of_movement(Movement("COL", stays, SINCE, Reading(243, *before), Reading(273, *now), courses), limits())
    return found.words if found else ""


def test_an_ordinary_month_says_nothing() -> None:
    assert moved((600, 1000), (640, 1010)) == ""
    assert moved((600, 1000), (640, 1010), past=((600, 640), (610, 650))) == ""
    assert moved((600, 1000), (580, 1000), stays=False) == "", "without past years nobody knows the season"


def test_a_denominator_that_shrank_or_grew_is_said() -> None:
    assert moved((600, 1000), (530, 880)) == "COL: denominator shrank from 1,000 to 880 since 2026-08-31"
    assert moved((600, 1000), (680, 1120)) == "COL: denominator grew from 1,000 to 1,120 since 2026-08-31"
    assert moved((600, 1000), (600, 1100)) == "", "a tenth is let pass"
    assert moved((6, 10), (8, 14)) == "", "of a few, chance moves more than a tenth"


def test_a_denominator_that_moves_so_every_year_is_no_surprise() -> None:
    grows = Course(2025, (Reading(243, 600, 1000), Reading(273, 720, 1200), Reading(455, 900, 1200)))
    one = Movement("COL", True, SINCE, Reading(243, 600, 1000), Reading(273, 720, 1200), [grows])
    assert of_movement(one, limits()) is None


def test_members_who_are_met_no_longer_are_said_where_who_is_met_stays_met() -> None:
    # 2 % of 600 may be replaced, and three times the root of these twelve: 22.
    assert moved((600, 1000), (578, 1000)) == ""
    assert moved((600, 1000), (570, 1000)).startswith("COL: numerator fell from 600 to 570, though")
    assert moved((600, 1000), (570, 960)) == "", "they left the plan"
    assert moved((600, 1000), (570, 1000), stays=False) == "", "where the last value decides it happens"


def test_a_rate_far_from_its_season_is_said() -> None:
    season = ((600, 640), (600, 650))
    assert moved((600, 1000), (700, 1000), past=season) == (
        "COL: rate went from 60.0 % to 70.0 %, past years to 64.5 %, since 2026-08-31"
    )
    assert moved((600, 1000), (610, 1000), past=season).startswith("COL: rate went from 60.0 % to 61.0 %")
    assert moved((600, 1000), (670, 1000), past=season) == "", "less than three points"
    assert moved((12, 20), (15, 20), past=season) == "", "of a few, chance alone does it"
    assert moved((600, 1000), (690, 1000), past=((600, 620), (600, 700))) == "", "past years differ as much"


def test_where_the_last_value_decides_chance_is_taken_at_its_most() -> None:
    assert moved((600, 1000), (540, 1000), stays=False, past=((600, 590),)) == ""
    assert "rate went" in moved((600, 1000), (500, 1000), stays=False, past=((600, 590),))


def delivery(rows: int, year_before: int, month_before: int) -> dict[str, Any]:
    return {"source": "lab", "month": "2026-09", "rows": rows, "year_before": year_before,
            "month_before": month_before}  # fmt: skip


@pytest.mark.parametrize(
    ("rows", "year_before", "month_before", "said"),
    [(0, 900, 1000, True), (449, 900, 1000, True), (450, 900, 1000, False), (600, 2000, 1000, False),
     (0, 900, 0, True), (0, 99, 99, False), (0, 0, 0, False)],
)  # fmt: skip
def test_a_source_with_less_than_half_of_what_it_had_is_said(
    rows: int, year_before: int, month_before: int, said: bool
) -> None:
    assert bool(list(of_deliveries([delivery(rows, year_before, month_before)], limits()))) == said


def test_a_missing_file_is_told_in_words() -> None:
    (one,) = early_warnings.of_deliveries([delivery(12, 900, 1000)])
    assert (one.contract, one.kind, one.tone) == ("", Kind.ANOMALY, "warn")
    assert one.words == (
        "lab: 12 rows of 2026-09, 900 in the same month a year before, 1,000 in the month before when as new"
    )


def run_of(as_of: date, numerator: int, denominator: int, contract: Contract) -> None:
    run = FindingRun.objects.create(year=2026, data_as_of=as_of, generation="g", found_by="test")
    MeasureCount.objects.create(
        run=run, measure=make_measure("COL"), contract=contract, eligible=denominator, excluded=0,
        denominator=denominator, numerator=numerator, definition_version="1",
    )  # fmt: skip


@pytest.mark.django_db
def test_the_two_newest_runs_with_different_data_are_compared(django_assert_num_queries: Any) -> None:
    contract = make_contract("H1234")
    for year in (2024, 2025):
        past_run("COL", year, date(year, 8, 31), 60)
        past_run("COL", year, date(year, 9, 30), 64)
        past_run("COL", year, date(year + 1, 3, 31), 80)
    run_of(date(2026, 6, 30), 100, 1000, contract)
    with django_assert_num_queries(1):
        assert movements.unusual(contract, 2026) == (), "one run alarms nobody"
    run_of(SINCE, 600, 1000, contract)
    run_of(date(2026, 9, 30), 600, 990, contract)
    run_of(date(2026, 9, 30), 700, 1000, contract)
    run_of(date(2026, 9, 30), 100, 1000, make_contract("H9999"))
    MeasureCount.objects.filter(contract__number="H9999").update(run=FindingRun.objects.get(counts__numerator=700))
    FindingRun.objects.filter(counts=None).delete()
    with django_assert_num_queries(2):
        (found,) = movements.unusual(contract, 2026)
    assert found.words == "COL: rate went from 60.0 % to 70.0 %, past years to 64.0 %, since 2026-08-31"


@pytest.mark.django_db
def test_the_panel_and_the_page_show_anomalies_and_lead_to_the_members(client: Client, quinn: User) -> None:
    cache.clear()
    contract = make_gaps({"COL": (15, 25)})
    past_run("COL", 2025, date(2025, 12, 31), 70)
    run_of(SINCE, 30, 60, contract)
    run_of(date(2026, 9, 30), 15, 25, contract)
    ImportBatch.objects.create(
        source="tuva", folder="f", content_hash="0" * 64, generation="g", imported_by="test",
        deliveries=[delivery(0, 900, 1000)],
    )  # fmt: skip
    client.force_login(quinn)
    for address in ("/admin/outlook/panel/", "/admin/outlook/H1234/2026/"):
        context = client.get(address).context
        found = [(one, link) for one, link in (context.get("panel") or context)["warnings"] if one.kind is Kind.ANOMALY]
        assert [one.words.split(" since")[0] for one, _ in found] == [
            "COL: denominator shrank from 60 to 25",
            "lab: 0 rows of 2026-09, 900 in the same month a year before, 1,000 in the month before when as new",
        ]
        assert client.get(found[0][1]).context["cl"].result_count == 25
        assert found[1][1] == ""
