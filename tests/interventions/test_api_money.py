"""The API of money: what ratings are worth, counties read and entered."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from rest_framework.test import APIClient

from hedis.accounts.models import User
from hedis.members.models import Contract
from interventions import counties
from interventions.models import CountyFigures
from tests.factories import make_contract, make_count, make_measure
from tests.hedis.star_plan import make_gaps
from tests.interventions.counties_of_a_contract import ADAMS, BELL, keep
from tests.interventions.test_project_rates import enter, two_past_years

pytestmark = pytest.mark.django_db
MONEY, COUNTIES = "/api/v1/portfolio/money/", "/api/v1/counties/"
BODY = {
    "contract": "H1234", "payment_year": 2029, "name": "Adams", "base": "1050", "fee_for_service": "1000",
    "bid": "900", "member_months": "120000", "risk_score": "1.10", "double_county": False, "source": "the bid",
}  # fmt: skip


@pytest.fixture
def api(ben: User) -> APIClient:
    cache.clear()
    client = APIClient()
    client.force_login(ben)
    return client


@pytest.fixture
def plan(dee: User, tmp_path: Path) -> Contract:
    """H1234 projected and with figures, H9999 with neither."""
    contract = make_gaps({"COL": (15, 25)})
    two_past_years()
    enter(contract, tmp_path, by=dee)
    make_count(make_measure("COL"), contract, eligible=25, excluded=0, denominator=25, numerator=15)
    make_count(make_measure("XYZ"), make_contract("H9999"))
    return contract


def rows(api: APIClient, address: str, **parameters: Any) -> list[dict[str, Any]]:
    answer = api.get(address, parameters)
    assert answer.status_code == 200, answer.content
    found: list[dict[str, Any]] = answer.json()["results"]
    return found


def test_each_contract_has_its_ratings_in_dollars(api: APIClient, plan: Contract) -> None:
    keep(plan, payment_year=2027)
    first, second = rows(api, MONEY)
    assert (first["contract"], first["year"], first["payment_year"], first["figures_of"]) == ("H1234", 2026, 2029, 2027)
    paid = {one["stars"]: one["payment"] for one in first["ratings"]}
    assert (paid["3.5"], paid["4.0"]) == (191448750, 199443750)
    (step,) = [one for one in first["steps"] if one["after"] == "4.0"]
    assert (step["change"], step["whole_bonus"], step["present"]) == (7995000, 12300000, 6346688.77)
    assert 0 <= step["chance"] <= 1 and step["to_win"] <= step["present"]
    assert first["today"] == paid[first["rating"]] and first["expected"] > 0 and first["missing"] == ""
    assert (second["contract"], second["counties"], second["expected"], second["ratings"]) == ("H9999", 0, None, [])
    assert second["missing"] == "No county's figures are stored."


def test_the_list_narrows_and_pages(api: APIClient, plan: Contract) -> None:
    assert [row["contract"] for row in rows(api, MONEY, contract="H9999")] == ["H9999"]
    assert rows(api, MONEY, year=2019) == []
    answer = api.get(MONEY, {"page_size": 1, "page": 2}).json()
    assert (answer["count"], answer["pages"], answer["results"][0]["contract"]) == (2, 2, "H9999")
    for name, value in (("member", "x"), ("year", "soon"), ("contract", "H0000"), ("ordering", "year")):
        refusal = api.get(MONEY, {name: value})
        assert refusal.status_code == 400 and [each["field"] for each in refusal.json()["errors"]] == [name]


def test_a_contract_without_a_projection_says_why(api: APIClient, plan: Contract) -> None:
    keep(make_contract("H9999"))
    (row,) = rows(api, MONEY, contract="H9999")
    assert "no gaps of measurement year 2026 in a Star measure" in row["missing"]
    assert (row["expected"], row["rating"], row["counties"], len(row["steps"])) == (None, None, 2, 4)


def test_who_sees_no_bids_gets_neither(api: APIClient, plan: Contract, lea: User, django_assert_max_num_queries: Any
                                       ) -> None:  # fmt: skip
    keep(plan)
    api.get(MONEY)
    cache.clear()
    with django_assert_max_num_queries(27):
        api.get(MONEY)
    api.force_login(lea)
    assert {api.get(address).status_code for address in (MONEY, COUNTIES)} == {403}


def test_a_county_is_entered_and_corrected(api: APIClient, plan: Contract) -> None:
    answer = api.post(COUNTIES, BODY)
    assert answer.status_code == 201, answer.content
    assert (answer.json()["name"], answer.json()["contract"], answer.json()["entered_by"]) == ("Adams", "H1234", "ben")
    assert counties.stored(plan, 2026) == (ADAMS,)
    again = api.post(COUNTIES, BODY)
    assert again.json()["id"] == answer.json()["id"], "the same again changes nothing"
    api.post(COUNTIES, {**BODY, "bid": 905.5, "cap": 1100})
    stands = CountyFigures.objects.standing().get()
    assert (stands.bid, stands.cap) == (Decimal("905.5"), 1100)
    assert [row["bid"] for row in rows(api, COUNTIES, standing="false")] == [900]


def test_a_repeated_request_has_one_effect(api: APIClient, plan: Contract) -> None:
    first = api.post(COUNTIES, BODY, headers={"Idempotency-Key": "one"})
    counties.withdraw(CountyFigures.objects.get(), by="ben")
    again = api.post(COUNTIES, BODY, headers={"Idempotency-Key": "one"})
    assert again["Idempotency-Replayed"] == "true" and again.json() == first.json()
    assert not CountyFigures.objects.standing().exists()


def test_counties_are_listed_with_those_past(api: APIClient, plan: Contract) -> None:
    keep(plan)
    keep(plan, BELL)
    keep(make_contract("H9999"), payment_year=2028)
    assert len(rows(api, COUNTIES)) == 4
    assert [row["name"] for row in rows(api, COUNTIES, contract="H1234", payment_year=2029, standing="true")] == [
        "Bell"
    ]
    assert [row["name"] for row in rows(api, COUNTIES, standing="false")] == ["Adams"]


@pytest.mark.parametrize(
    ("wrong", "field"),
    [({"bid": -1}, "bid"), ({"bid": 30_000}, "county"), ({"cap": 10}, "county"), ({"contract": "H0000"}, "contract"),
     ({"payment_year": 2010}, "payment_year"), ({"risk_score": "high"}, "risk_score"), ({"source": " "}, "source"),
     ({"name": "A\u200b"}, "county"), ({"base": "1.23456"}, "base"), ({"colour": "red"}, "colour")],
)  # fmt: skip
def test_what_cannot_be_is_a_problem_that_names_the_field(
    api: APIClient, plan: Contract, wrong: dict[str, Any], field: str
) -> None:
    answer = api.post(COUNTIES, {**BODY, **wrong})
    assert answer.status_code == 400, answer.content
    assert [each["field"] for each in answer.json()["errors"]] == [field]
    assert not CountyFigures.objects.exists()


def test_the_director_enters_and_the_auditor_does_not(plan: Contract, quinn: User, cy: User) -> None:
    client = APIClient()
    client.force_login(cy)
    assert client.post(COUNTIES, BODY).status_code == 403 and client.get(COUNTIES).status_code == 200
    client.force_login(quinn)
    assert client.post(COUNTIES, BODY).status_code == 201
