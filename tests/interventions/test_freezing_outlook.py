"""What snapshots keep of the outlook: the same figures each time, and why a contract has none."""

from pathlib import Path

import pytest
from django.core.cache import cache
from rest_framework.test import APIClient

from hedis.accounts.models import User
from hedis.stars import snapshots
from interventions import outlook, valuing
from interventions.money import cents
from tests.factories import make_contract, make_count, make_measure
from tests.hedis.star_plan import DAY, make_gaps
from tests.interventions.counties_of_a_contract import keep
from tests.interventions.test_project_rates import enter, two_past_years

pytestmark = pytest.mark.django_db


def test_a_snapshot_keeps_the_projected_stars_and_is_the_same_when_projected_again(dee: User, tmp_path: Path) -> None:
    cache.clear()
    contract = make_gaps({"COL": (15, 25)})
    two_past_years()
    make_count(make_measure("COL"), contract, eligible=25, excluded=0, denominator=25, numerator=15)
    make_count(make_measure("XYZ"), make_contract("H9999"))
    enter(contract, tmp_path, by=dee)
    first = snapshots.take(as_of=DAY, by="ben")
    cache.clear()
    assert snapshots.take(as_of=DAY, by="ben").pk == first.pk
    kept = {tuple(row["key"]): row["value"] for row in first.totals["projected_stars"]}
    found = outlook.of_contract("H1234", 2026)
    assert isinstance(found, outlook.Outlook) and found.expected is not None
    assert kept["H1234", "expected stars"] == round(found.expected, 3)
    chances = [value for key, value in kept.items() if key[1].startswith("chance of")]
    assert sum(chances) == pytest.approx(1, abs=0.005)
    assert "no gaps of measurement year 2026 in a Star measure" in kept["H9999", "no outlook"]
    (measure,) = found.measures
    of_measure = {row["key"][2]: row["value"] for row in first.totals["projected_measures"]}
    assert of_measure == {
        "rate": round(measure.rate, 2), "low": round(measure.low, 2), "high": round(measure.high, 2),
        "expected stars": round(measure.expected_stars, 2),
    }  # fmt: skip
    compared = snapshots.compare(first, first)
    assert {row["key"][0] for row in compared["projected_stars"]} == {"H1234", "H9999"}


def test_what_a_contract_is_paid_is_frozen_and_shown_to_those_who_see_money(
    dee: User, lea: User, quinn: User, tmp_path: Path
) -> None:
    cache.clear()
    contract = make_gaps({"COL": (15, 25)})
    two_past_years()
    make_count(make_measure("COL"), contract, eligible=25, excluded=0, denominator=25, numerator=15)
    enter(contract, tmp_path, by=dee)
    keep(contract)
    taken = snapshots.take(as_of=DAY, by="ben")
    kept = {tuple(row["key"]): row["value"] for row in taken.totals["value"]}
    (found,) = valuing.of_contracts(list(outlook.stamped(2026)), 2026)
    assert isinstance(found, valuing.Money) and found.today is not None and found.expected is not None
    assert kept["H1234", "dollars a year at today's rating"] == float(cents(found.today))
    assert kept["H1234", "dollars a year, expected"] == float(cents(found.expected))
    assert "value" in snapshots.totals_for(taken, quinn)
    assert "value" not in snapshots.totals_for(taken, lea)
    shown = {}
    for user in (lea, quinn):
        client = APIClient()
        client.force_login(user)
        shown[user] = client.get(f"/api/v1/snapshots/{taken.pk}/").data["totals"]
    assert "value" not in shown[lea] and shown[quinn]["value"] == taken.totals["value"]
