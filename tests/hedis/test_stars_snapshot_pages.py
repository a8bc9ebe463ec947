"""Snapshots on the pages and in the API: taken once, read as a page, compared with direction and sign."""

import csv
import io
from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from audit.models import Event
from hedis.accounts import roles
from hedis.accounts.models import User
from hedis.gaps.models import FindingRun, Gap
from hedis.stars import snapshots
from hedis.stars.models import Snapshot
from tests.conftest import person
from tests.factories import make_count, make_measure
from tests.hedis.star_plan import DAY, close_one, make_gaps

pytestmark = pytest.mark.django_db
TAKE, COMPARE, API = "/admin/stars/snapshot/take/", "/admin/stars/snapshot/compare/", "/api/v1/snapshots/"
KEY = {"HTTP_IDEMPOTENCY_KEY": "7d2f0c1e-one"}


@pytest.fixture
def two() -> tuple[Snapshot, Snapshot]:
    """A snapshot, and one of the day after: one gap closed, everybody's readings better."""
    cache.clear()
    contract = make_gaps({"COL": (1, 4), "GSD": (2, 4)})
    make_count(make_measure("COL"), contract)
    first = snapshots.take(as_of=DAY, by="ben")
    close_one("COL")
    return first, snapshots.take(as_of=DAY + timedelta(days=1), by="ben")


@pytest.fixture
def director(client: Client, quinn: User) -> Client:
    client.force_login(quinn)
    return client


@pytest.fixture
def api(quinn: User) -> APIClient:
    client = APIClient()
    client.force_login(quinn)
    return client


def test_a_snapshot_is_a_page_to_read(director: Client, two: tuple[Snapshot, Snapshot]) -> None:
    text = director.get(f"/admin/stars/snapshot/{two[1].pk}/change/").content.decode()
    assert "Snapshot as of 2026-10-01" in text and "measurement year 2026, Star year 2028" in text
    assert "<b>C02</b>" in text and "Colorectal Cancer Screening" in text and "Stars that day" in text
    assert "Gaps by status" in text and "measure=COL" in text and "Projected stars" in text and "No outlook" in text
    assert f"earlier={two[0].pk}&amp;later={two[1].pk}" in text and "&quot;" not in text.split("<main")[1]


def test_the_change_stands_with_its_direction_and_sign(director: Client, two: tuple[Snapshot, Snapshot]) -> None:
    answer = director.get(COMPARE, {"earlier": two[1].pk, "later": two[0].pk})  # in the wrong order
    text = answer.content.decode()
    assert (answer.context["earlier"], answer.context["later"]) == two
    moved = {(one.part, one.subject, one.figure): (one.arrow, one.tone)
             for part in answer.context["parts"] for one, _ in part["rows"]}  # fmt: skip
    assert moved["gaps", "COL", "Closed"] == ("▲ +1", "good") and moved["gaps", "COL", "Open"] == ("▼ -1", "good")
    assert moved["measures", "COL", "score"] == ("▲ +25", "good")
    assert not any(subject == "GSD" and part == "gaps" for part, subject, _ in moved)
    assert "contract=H1234&amp;measure=COL" in text and " style=" not in text


def test_what_stayed_is_shown_when_asked_for_and_is_always_in_the_file(
    director: Client, two: tuple[Snapshot, Snapshot]
) -> None:
    everything = director.get(COMPARE, {"all": "1"}).context["parts"]
    figures = {(one.part, one.subject, one.figure) for part in everything for one, _ in part["rows"]}
    assert ("gaps", "GSD", "Closed") in figures
    answer = director.get(COMPARE, {"format": "csv"})
    lines = list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode())))  # type: ignore[attr-defined]
    assert {(line["part"], line["subject"], line["figure"]) for line in lines} == figures
    (closed,) = [line for line in lines if (line["subject"], line["figure"]) == ("COL", "Closed")]
    assert (closed["contract"], closed["earlier"], closed["later"], closed["change"]) == ("H1234", "1", "2", "1")
    assert Event.objects.get(action="snapshot_changes.exported").row_count == len(lines)


def test_one_snapshot_alone_or_none_is_said(director: Client) -> None:
    assert "No snapshot yet" in director.get(COMPARE).content.decode()
    make_gaps({"COL": (1, 4)})
    snapshots.take(as_of=DAY, by="ben")
    assert "Both are the same snapshot" in director.get(COMPARE).content.decode()


def test_pressed_twice_there_is_one_snapshot(director: Client) -> None:
    make_gaps({"COL": (1, 4)})
    pages = [director.post(TAKE, follow=True).content.decode() for _ in range(2)]
    assert Snapshot.objects.count() == 1 and Event.objects.filter(action="snapshot.taken").count() == 1
    assert "The snapshot is taken." in pages[0] and "Nothing has changed since this snapshot" in pages[1]


def test_what_keeps_a_snapshot_from_being_taken_is_said(director: Client) -> None:
    assert "No snapshot was taken: no gaps were found" in director.post(TAKE, follow=True).content.decode()
    make_gaps({"COL": (1, 4)})
    Gap.objects.update(data_as_of=timezone.localdate() + timedelta(days=1))
    assert "later than" in director.post(TAKE, follow=True).content.decode()
    assert not Snapshot.objects.exists() and director.get(TAKE).status_code == 405


@pytest.mark.parametrize(
    ("role", "sees", "takes"),
    [(roles.QUALITY_DIRECTOR, 200, 302), (roles.ANALYST, 200, 302), (roles.AUDITOR, 200, 403),
     (roles.MODEL_STEWARD, 200, 403), (roles.CARE_MANAGER, 403, 403)],
)  # fmt: skip
def test_who_may_see_and_who_may_take(
    role: roles.Role, sees: int, takes: int, client: Client, two: tuple[Snapshot, Snapshot]
) -> None:
    client.force_login(person("sam", role, team="north"))
    page = f"/admin/stars/snapshot/{two[0].pk}/change/"
    assert [client.get(address).status_code for address in (page, COMPARE)] == [sees, sees]
    assert client.post(TAKE).status_code == takes
    if sees == 200 and role is roles.MODEL_STEWARD:
        assert "/admin/gaps/gap/" not in client.get(page).content.decode() + client.get(COMPARE).content.decode()


@pytest.mark.parametrize("address", [COMPARE, COMPARE + "?all=1"])
def test_no_query_grows_with_the_figures(
    address: str, director: Client, two: tuple[Snapshot, Snapshot], django_assert_max_num_queries: Any
) -> None:
    with django_assert_max_num_queries(12):
        director.get(address)


def test_the_api_lists_narrows_and_opens(api: APIClient, two: tuple[Snapshot, Snapshot]) -> None:
    found = api.get(API).json()
    assert [row["id"] for row in found["results"]] == [two[1].pk, two[0].pk]
    assert [row["id"] for row in api.get(API, {"as_of_to": DAY.isoformat()}).json()["results"]] == [two[0].pk]
    assert api.get(API, {"contract": "H1234"}).status_code == 400
    one = api.get(f"{API}{two[0].pk}/").json()
    assert one["totals"]["members"]["active"] == 8 and "totals" not in found["results"][0]


def test_the_api_compares_any_two(api: APIClient, two: tuple[Snapshot, Snapshot]) -> None:
    asked = {"earlier": two[0].pk, "later": two[1].pk, "part": "gaps", "moved": "true", "contract": "H1234"}
    rows = api.get(f"{API}compare/", asked).json()["results"]
    assert [(row["subject"], row["figure"], row["change"], row["tone"]) for row in rows] == [
        ("COL", "Closed", 1.0, "good"), ("COL", "Open", -1.0, "good"),
    ]  # fmt: skip
    assert api.get(f"{API}compare/").json()["count"] > len(rows)
    assert api.get(f"{API}compare/", {"earlier": 999_999}).status_code == 400


def test_the_api_takes_one_and_repeats_its_answer(api: APIClient) -> None:
    make_gaps({"COL": (1, 4)})
    body = {"as_of": DAY.isoformat()}
    first, again = (api.post(API, body, format="json", **KEY) for _ in range(2))
    assert (first.status_code, again["Idempotency-Replayed"]) == (201, "true")
    assert first["Location"] == f"{API}{first.json()['id']}/" and again.json() == first.json()
    assert api.post(API, body, format="json").status_code == 200 and Snapshot.objects.count() == 1


def test_the_api_says_why_it_takes_none(api: APIClient) -> None:
    nothing = api.post(API, {"as_of": DAY.isoformat()}, format="json")
    assert (nothing.status_code, nothing.json()["code"]) == (409, "nothing_to_freeze")
    future = api.post(API, {"as_of": "2199-01-01"}, format="json")
    assert future.status_code == 400 and "future" in future.content.decode()
    FindingRun.objects.create(year=2026, data_as_of=DAY, generation="g1", found_by="system")
    make_gaps({"COL": (1, 4)})
    Gap.objects.update(data_as_of=DAY + timedelta(days=9))
    assert api.post(API, {"as_of": DAY.isoformat()}, format="json").json()["code"] == "data_is_newer"
