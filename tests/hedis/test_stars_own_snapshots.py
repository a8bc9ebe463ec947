"""Frozen totals: of one moment, kept as they were, comparable with the year before."""

import io
import json
from datetime import date
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import Error, connection, transaction
from django.test import Client
from django.urls import reverse

from audit.models import Event
from hedis.accounts.models import User
from hedis.gaps.models import FindingRun, Gap
from hedis.stars import rating, snapshots, tasks
from hedis.stars.models import PublishedContract, Rating, Release, Snapshot
from tests.factories import make_contract
from tests.hedis.star_plan import DAY, close_one, make_gaps

pytestmark = pytest.mark.django_db
COUNTS = {"COL": (1, 3), "GSD": (2, 3)}


def test_a_snapshot_holds_members_gaps_and_stars() -> None:
    make_gaps(COUNTS)
    make_contract("H9999")
    taken = snapshots.take(as_of=DAY, by="ben")
    totals = taken.totals
    assert (taken.measurement_year, taken.star_year, taken.taken_by) == (2026, 2028, "ben")
    assert totals["members"] == {"active": 6, "enrolled": {"H1234": 6}}
    assert totals["gaps"][0] == {
        "contract": "H1234", "measure": "COL", "status": "closed-gap", "gaps": 1, "star_eligible": 1,
    }  # fmt: skip
    assert sum(row["gaps"] for row in totals["gaps"]) == Gap.objects.count()
    assert [(row["contract"], row["overall"], row["measures"]["GSD"]["score"]) for row in totals["ratings"]] == [
        ("H1234", None, "67")
    ]
    assert totals["ratings"][0]["rating"] == Rating.objects.get().pk
    assert "H9999 has neither gaps" in totals["not_rated"]["H9999"]


def test_the_same_totals_again_are_the_same_snapshot_and_changed_ones_another() -> None:
    make_gaps(COUNTS)
    first = snapshots.take(as_of=DAY, by="ben")
    assert snapshots.take(as_of=DAY, by="cy").pk == first.pk
    close_one("COL")
    second = snapshots.take(as_of=DAY, by="ben")
    assert Snapshot.objects.count() == 2 and Event.objects.filter(action="snapshot.taken").count() == 2
    changed = {(row["measure"], row["status"]): (row["earlier"], row["later"])
               for row in snapshots.compare(first, second)["gaps"]}  # fmt: skip
    assert changed["COL", "closed-gap"] == (1, 2) and changed["COL", "open-gap"] == (2, 1)


def test_a_year_on_year_comparison_matches_measures_by_their_lasting_keys() -> None:
    contract = make_gaps({"COL": (1, 4)}, year=2025)
    before = snapshots.take(as_of=date(2025, 9, 30), by="ben")
    make_gaps({"COL": (4, 4), "GSD": (1, 2)}, contract=contract)
    after = snapshots.take(as_of=DAY, by="ben")
    assert snapshots.year_before(after) == before and snapshots.year_before(before) is None
    found = snapshots.compare(before, after)
    stars = {row["measure"]: (row["earlier"], row["later"]) for row in found["measures"]}
    assert stars["COL"] == ({"star": 1, "score": "25"}, {"star": 5, "score": "100"})
    assert stars["GSD"][0] is None
    assert found["active_members"] == {"earlier": 4, "later": 10}
    assert (found["earlier"]["star_year"], found["later"]["star_year"]) == (2027, 2028)


def test_a_snapshot_taken_later_in_the_year_before_is_not_its_year_before() -> None:
    contract = make_gaps({"COL": (1, 4)}, year=2025)
    snapshots.take(as_of=date(2025, 12, 31), by="ben")
    make_gaps({"COL": (4, 4)}, contract=contract)
    assert snapshots.year_before(snapshots.take(as_of=DAY, by="ben")) is None


def test_nothing_is_frozen_without_gaps_or_from_data_newer_than_the_day() -> None:
    with pytest.raises(snapshots.NothingToFreeze):
        snapshots.take(as_of=DAY, by="ben")
    make_gaps(COUNTS)
    with pytest.raises(snapshots.NothingToFreeze, match="2026-09-29"):
        snapshots.take(as_of=date(2026, 9, 29), by="ben")
    Gap.objects.update(data_as_of=date(2026, 10, 1))  # a run over one contract leaves no run behind
    with pytest.raises(rating.DataIsNewer):
        snapshots.take(as_of=DAY, by="ben")
    assert not Snapshot.objects.exists()


def test_the_command_answers_with_totals_and_the_year_before() -> None:
    contract = make_gaps({"COL": (1, 4)}, year=2025)
    snapshots.take(as_of=date(2025, 9, 30), by="ben")
    make_gaps(COUNTS, contract=contract)
    out = io.StringIO()
    call_command("take_snapshot", "--as-of", "2026-09-30", "--json", stdout=out)
    found: dict[str, Any] = json.loads(out.getvalue())
    assert found["totals"]["members"]["active"] == 10 and found["as_of"] == "2026-09-30"
    assert found["compared_with_year_before"]["earlier"]["as_of"] == "2025-09-30"
    with pytest.raises(CommandError) as refusal:
        call_command("take_snapshot", "--as-of", "2199-01-01")
    assert refusal.value.returncode == 2


def test_stored_ratings_and_snapshots_open_to_read(quinn: User, client: Client) -> None:
    contract = make_gaps({"COL": (1, 4)}, year=2025)
    snapshots.take(as_of=date(2025, 9, 30), by="ben")
    make_gaps(COUNTS, contract=contract)
    taken = snapshots.take(as_of=DAY, by="ben")
    rated = Rating.objects.get(star_year=2028)
    client.force_login(quinn)
    for name, key, words in (
        ("rating", rated.pk, "&quot;too_few_measures&quot;"),
        ("snapshot", taken.pk, "Year before"),
    ):
        assert client.get(reverse(f"admin:stars_{name}_changelist")).status_code == 200
        page = client.get(reverse(f"admin:stars_{name}_change", args=[key])).content.decode()
        assert words in page and 'name="_save"' not in page


@pytest.mark.parametrize("statement", ["UPDATE stars_snapshot SET taken_by = 'x'", "DELETE FROM stars_snapshot"])
def test_the_database_keeps_a_snapshot_as_it_was(statement: str) -> None:
    make_gaps(COUNTS)
    snapshots.take(as_of=DAY, by="ben")
    with pytest.raises(Error, match="stay as they are"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)


def test_the_bench_asks_for_tables_and_then_rates_every_contract() -> None:
    with pytest.raises(CommandError, match="load_star_tables"):
        call_command("bench", "stars", "--json")
    release = Release.objects.create(
        star_year=2026, name="made", is_current=True, digest="0" * 64, loaded_at="2026-01-01T00:00:00Z",
        loaded_by="test", contract_count=1, star_count=1,
    )  # fmt: skip
    contract = PublishedContract.objects.create(
        release=release, number="H1234", organisation_type="Local CCP", name="E", marketing_name="E", parent="E",
        rated_as="MA-PD", snp=False, puerto_rico_only=False, disaster_current=0, disaster_previous=0,
    )  # fmt: skip
    contract.stars.create(measure_id="C01", star=4)
    out = io.StringIO()
    call_command("bench", "stars", "--json", stdout=out)
    found = json.loads(out.getvalue())["stars"]
    assert (found["Star year"], found["contracts"], found["ratings computed"]) == (2026, 1, 3)


def test_the_clock_takes_one_a_week_where_gaps_were_found_since() -> None:
    tasks.weekly_snapshot(timestamp=0)
    assert not Snapshot.objects.exists()
    make_gaps(COUNTS)
    for _ in range(2):
        tasks.weekly_snapshot(timestamp=0)
    assert [one.taken_by for one in Snapshot.objects.all()] == [tasks.WEEKLY]
    FindingRun.objects.create(year=2026, data_as_of=DAY, generation="g2", found_by="system")
    close_one("COL")
    tasks.weekly_snapshot(timestamp=0)
    assert Snapshot.objects.count() == 2
