"""The API's figures of the portfolio: summary, gaps counted, equity. No member in any of them."""

from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from rest_framework.test import APIClient

from hedis.accounts.models import User
from hedis.gaps.models import Gap, Status
from hedis.members.models import Contract
from predictions.models import State
from tests.factories import make_contract, make_count, make_gap, make_measure, make_member
from tests.hedis.star_plan import make_gaps
from tests.interventions.test_project_rates import enter, make_model, open_gaps, two_past_years
from tests.predictions.scored import make_prediction

pytestmark = pytest.mark.django_db


@pytest.fixture
def api(quinn: User) -> APIClient:
    cache.clear()
    client = APIClient()
    client.force_login(quinn)
    return client


@pytest.fixture
def plan() -> Contract:
    """H1234 with 15 of 25 met in COL, and H9999 with nothing a Star measure counts."""
    contract = make_gaps({"COL": (15, 25)})
    two_past_years()
    make_count(make_measure("COL"), contract, eligible=25, excluded=0, denominator=25, numerator=15)
    make_count(make_measure("XYZ"), make_contract("H9999"))
    return contract


def rows(api: APIClient, address: str, **parameters: Any) -> list[dict[str, Any]]:
    answer = api.get(f"/api/v1/{address}", parameters)
    assert answer.status_code == 200, answer.content
    found: list[dict[str, Any]] = answer.json()["results"]
    return found


def test_the_summary_says_where_each_contract_stands(api: APIClient, plan: Contract, dee: User, tmp_path: Path) -> None:
    enter(plan, tmp_path, by=dee)
    first, second = rows(api, "portfolio/summary/")
    assert (first["contract"], first["year"], first["data_as_of"]) == ("H1234", 2026, "2026-09-30")
    (measure,) = first["measures"]
    assert (measure["id"], measure["rate_today"], measure["rate"]) == ("C02", 60.0, pytest.approx(80))
    assert (measure["next_star"], measure["closures"], measure["closable"]) == (3, 2, 10)
    assert first["nearest"] == measure
    assert sum(each["apart"] for each in first["chances"]) == pytest.approx(1)
    assert float(first["today"]) >= 1 and first["expected"] >= 1 and first["not_rated"] == ""
    assert (second["contract"], second["measures"], second["nearest"]) == ("H9999", [], None)
    assert "no gaps of measurement year 2026 in a Star measure" in second["not_rated"]


def test_the_summary_narrows_and_pages_and_projects_only_the_page(api: APIClient, plan: Contract) -> None:
    assert [row["contract"] for row in rows(api, "portfolio/summary/", contract="H9999")] == ["H9999"]
    assert rows(api, "portfolio/summary/", year=2019) == []
    answer = api.get("/api/v1/portfolio/summary/", {"page_size": 1, "page": 2}).json()
    assert (answer["count"], answer["pages"], answer["results"][0]["contract"]) == (2, 2, "H9999")


def test_gaps_are_counted_by_contract_measure_status_and_tier(api: APIClient, plan: Contract) -> None:
    deployed, shadow = make_model("COL"), make_model("COL", state=State.SHADOW)
    for number, gap in enumerate(open_gaps("COL")[:4]):
        make_prediction(gap, deployed, probability=0.9, low=None, high=None, tier="high" if number else "low")
        make_prediction(gap, shadow, probability=0.9, low=None, high=None, tier="medium")
    make_gap(make_member(), make_measure("XYZ"), contract=None)
    found = {(row["contract"], row["measure"], row["status"], row["tier"]): row["gaps"]
             for row in rows(api, "portfolio/gaps/")}  # fmt: skip
    assert found == {
        ("H1234", "COL", "closed-gap", ""): 15, ("H1234", "COL", "open-gap", ""): 6,
        ("H1234", "COL", "open-gap", "high"): 3, ("H1234", "COL", "open-gap", "low"): 1,
        (None, "XYZ", "open-gap", ""): 1,
    }  # fmt: skip
    assert sum(found.values()) == Gap.objects.filter(year=2026).count()
    (high,) = rows(api, "portfolio/gaps/", tier="high", status="open-gap", measure="COL", contract="H1234", year=2026)
    assert high["gaps"] == 3


def test_equity_tells_the_strata_and_what_is_withheld(api: APIClient, plan: Contract) -> None:
    for subsidy, met, unmet in ((True, 12, 12), (False, 30, 20)):
        for number in range(met + unmet):
            facts: dict[str, Any] = {"status": Status.CLOSED, "reason": ""} if number < met else {}
            member = make_member(low_income_subsidy=subsidy)
            make_gap(member, make_measure("GSD"), contract=plan, **facts)
    poor, rich = rows(api, "equity/", by="lis", measure="GSD", contract="H1234", year=2026)
    assert (poor["level"], poor["numerator"], poor["denominator"], poor["reference"]) == ("With", 12, 24, "Without")
    assert poor["rate"]["value"] == 0.5 and poor["gap"]["value"] == pytest.approx(-0.1) and poor["closures"] == 3
    assert rich["gap"] is None and rich["withheld"] == ""
    assert poor["gap_within_practices"] + poor["gap_between_practices"] == pytest.approx(-0.1)
    Gap.objects.filter(member__low_income_subsidy=True, status=Status.OPEN)[0].delete()
    Gap.objects.filter(member__low_income_subsidy=True, status=Status.OPEN)[0].delete()
    withheld = rows(api, "equity/", by="lis", measure="GSD")
    assert [(row["numerator"], row["rate"]) for row in withheld] == [(None, None)] * 2
    assert all(row["withheld"] for row in withheld)
    assert {row["by"] for row in rows(api, "equity/", page_size=1000)} == {
        "lis", "dual", "disability", "sex", "age", "language",
    }  # fmt: skip


@pytest.mark.parametrize("address", ["portfolio/summary/", "portfolio/gaps/", "equity/"])
@pytest.mark.parametrize(
    ("name", "value"),
    [("member", "x"), ("year", "soon"), ("year", ""), ("contract", "H0000"), ("ordering", "year"), ("page", "0"),
     ("paging", "cursor")],
)  # fmt: skip
def test_what_a_list_cannot_use_is_a_problem_that_names_the_field(
    api: APIClient, plan: Contract, address: str, name: str, value: str
) -> None:
    answer = api.get(f"/api/v1/{address}", {name: value})
    assert answer.status_code in (400, 404) and answer["Content-Type"] == "application/problem+json"
    if answer.status_code == 400:
        assert [each["field"] for each in answer.json()["errors"]] == [name]


@pytest.mark.parametrize("address", ["portfolio/summary/", "portfolio/gaps/", "equity/"])
def test_no_member_is_in_the_figures_and_a_care_manager_gets_none(
    api: APIClient, plan: Contract, ana: User, address: str, django_assert_max_num_queries: Any
) -> None:
    text = api.get(f"/api/v1/{address}").content.decode()
    pseudonyms = Gap.objects.values_list("member__pseudonym", flat=True)
    assert not any(pseudonym in text for pseudonym in pseudonyms)
    with django_assert_max_num_queries(36):
        api.get(f"/api/v1/{address}")
    api.force_login(ana)
    assert api.get(f"/api/v1/{address}").status_code == 403
