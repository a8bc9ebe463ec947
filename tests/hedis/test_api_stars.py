"""The API's ratings: stored ones, a contract's history, the Star years, and what-if."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from audit.models import Event
from hedis.accounts import keys
from hedis.accounts.models import User
from hedis.engine.rating_year import RatedAs
from hedis.stars import loading, rating, verification, what_if, years
from hedis.stars.models import EnteredScore, PublishedContract, Rating, Release
from tests.factories import make_contract
from tests.hedis.star_plan import DAY, close_one, make_gaps

pytestmark = pytest.mark.django_db
COUNTS = {"COL": (6, 10), "GSD": (9, 10)}
FOURS = {
    name: str(cuts.four) for (name, kind), cuts in years.star_year(2026).cut_points.items() if kind in ("MA", "MA-PD")
}
ASKED: dict[str, Any] = {"star_year": 2026, "contract_type": "MA-PD", "scores": {"C01": 74, "D08": "88"}}


@pytest.fixture
def api(quinn: User) -> Iterator[APIClient]:
    """The director's programs."""
    client = APIClient()
    client.force_login(quinn)
    yield client


@pytest.fixture
def rated() -> Rating:
    return rating.rate(make_gaps(COUNTS), 2028, as_of=DAY, by="ben")


def published(number: str = "H1234", **facts: Any) -> PublishedContract:
    release, _ = Release.objects.get_or_create(
        star_year=2026, is_current=True,
        defaults={"name": "October", "digest": "0" * 64, "loaded_at": timezone.now(), "loaded_by": "test",
                  "contract_count": 1, "star_count": 0},
    )  # fmt: skip
    given = {"organisation_type": "Local CCP", "name": "Evergreen", "marketing_name": "E", "parent": "Evergreen Group",
             "rated_as": "MA-PD", "snp": False, "puerto_rico_only": False, "disaster_current": 0,
             "disaster_previous": 0, **facts}  # fmt: skip
    return PublishedContract.objects.create(release=release, number=number, **given)


def errors(answer: Any) -> dict[str, str]:
    assert answer["Content-Type"] == "application/problem+json"
    return {one["field"]: one["detail"] for one in answer.json()["errors"]}


def test_the_list_has_each_stored_rating_newest_first(api: APIClient, rated: Rating) -> None:
    close_one("COL")
    newer = rating.rate(rated.contract, 2028, as_of=DAY, by="ben")
    found = api.get("/api/v1/ratings/").json()
    assert [row["id"] for row in found["results"]] == [newer.pk, rated.pk]
    assert found["results"][1] | {"rated_at": None} == {
        "id": rated.pk, "contract": "H1234", "star_year": 2028, "method_year": 2027, "data_as_of": "2026-09-30",
        "part_c": None, "part_d": None, "overall": None, "rated_at": None, "rated_by": "ben",
    }  # fmt: skip
    assert len(api.get("/api/v1/ratings/?paging=cursor&page_size=1").json()["results"]) == 1


@pytest.mark.parametrize(
    ("query", "count"),
    [("contract=H1234", 1), ("star_year=2028", 1), ("star_year=2027", 0), ("method_year=2027", 1),
     ("data_after=2026-09-30", 0), ("data_before=2026-10-01", 1), ("rated_since=2199-01-01T00:00:00Z", 0)],
)  # fmt: skip
def test_ratings_are_narrowed(api: APIClient, rated: Rating, query: str, count: int) -> None:
    assert api.get(f"/api/v1/ratings/?{query}").json()["count"] == count


@pytest.mark.parametrize("query", ["contract=H0000", "star_year=soon", "overall=4", "ordering=digest"])
def test_what_is_no_filter_is_refused(api: APIClient, rated: Rating, query: str) -> None:
    answer = api.get(f"/api/v1/ratings/?{query}")
    assert answer.status_code == 400 and errors(answer)


def test_the_detail_says_what_went_in_and_why(api: APIClient, rated: Rating) -> None:
    answer = api.get(f"/api/v1/ratings/{rated.pk}/")
    found = answer.json()
    assert found["inputs"]["measures"]["C02"]["numerator"] == 6
    assert found["explanation"]["ratings"]["overall"]["reason"] == "too_few_measures"
    assert "minimum counts of 2026" in found["method"] and found["generation"] == "g1"
    assert api.get(f"/api/v1/ratings/{rated.pk}/", HTTP_IF_NONE_MATCH=answer["ETag"]).status_code == 304


@pytest.mark.parametrize(
    "address",
    ["ratings/999999999/", "ratings/abc/", "contracts/H0000/ratings/", "contracts/hello/ratings/",
     "contracts/H1%00/ratings/", "star-years/1999/"],
)  # fmt: skip
def test_what_is_not_there_is_a_404(api: APIClient, address: str) -> None:
    answer = api.get(f"/api/v1/{address}")
    assert answer.status_code == 404 and answer["Content-Type"] == "application/problem+json"


def test_a_contract_shows_its_own_and_its_published_ratings(api: APIClient, rated: Rating) -> None:
    published(overall="3.5", part_c="4.0", part_d=None, messages={"part_d": "Not enough data available"})
    found = api.get("/api/v1/contracts/H1234/ratings/").json()
    assert [row["id"] for row in found["own"]] == [rated.pk]
    assert [(row["star_year"], row["overall"], row["parent_organisation"]) for row in found["published"]] == [
        (2026, "3.5", "Evergreen Group")
    ]
    assert found["published"][0]["messages"] == {"part_d": "Not enough data available"}


def test_another_plans_contract_has_published_ratings_only_and_a_new_one_of_ours_none(api: APIClient) -> None:
    published("H5678", overall="4.5")
    make_contract("H4321")
    theirs = api.get("/api/v1/contracts/H5678/ratings/").json()
    assert (theirs["own"], theirs["published"][0]["overall"]) == ([], "4.5")
    assert api.get("/api/v1/contracts/H4321/ratings/").json() == {"contract": "H4321", "own": [], "published": []}


def test_star_years_are_listed_with_their_status(api: APIClient) -> None:
    loading.load_reference(by="test")
    found = api.get("/api/v1/star-years/").json()
    assert [(row["star_year"], row["status"]) for row in found["results"][:3]] == [
        (2029, "announced"), (2028, "announced"), (2027, "provisional"),
    ]  # fmt: skip
    assert api.get("/api/v1/star-years/?status=final").json()["count"] == 3


def test_a_star_year_opens_with_measures_weights_and_cut_points(api: APIClient) -> None:
    loading.load_reference(by="test")
    with CaptureQueriesContext(connection) as queries:
        found = api.get("/api/v1/star-years/2026/").json()
    assert len(queries) < 12
    measures = {row["measure_id"]: row for row in found["measures"]}
    assert (len(measures), measures["C02"]["key"], measures["C14"]["weight"]) == (45, "COL", 3)
    cuts = {(row["measure_id"], row["contract_type"]): row for row in found["cut_points"]}
    assert cuts["D01", "PDP"]["four"] == "98.000000" and cuts["D01", "PDP"]["source"]


def test_what_if_answers_with_every_intermediate_and_stores_nothing(api: APIClient) -> None:
    answer = api.post("/api/v1/ratings/compute/", ASKED | {"scores": FOURS, "cai_categories": {"overall": 3}})
    found = answer.json()
    assert answer.status_code == 200 and answer["ETag"]
    overall = found["explanation"]["ratings"]["overall"]
    # Fours alone: mean 4, no variance, so the highest reward factor and half a star more.
    assert found["overall"] == overall["star"] == "4.5"
    assert (overall["mean"], overall["variance"], overall["reward"]) == ("4.000000", "0.000000", "0.4")
    cai = str(years.star_year(2026).cai("overall", 3))
    assert overall["cai"] == cai and Decimal(overall["final"]) == Decimal("4.4") + Decimal(cai)
    assert len(overall["scenarios"]) == 2 and overall["rule"]
    assert not Rating.objects.exists() and not EnteredScore.objects.exists()
    assert not Event.objects.filter(action="rating.computed").exists()


def test_what_if_is_the_engines_own_answer(api: APIClient) -> None:
    direct = what_if.compute(2026, RatedAs.PDP, what_if.Given(stars={"D08": 5, "D09": 2}, kind="pdp"))
    asked = {"star_year": 2026, "contract_type": "PDP", "stars": {"D08": 5, "D09": 2}, "contract_kind": "pdp"}
    found = api.post("/api/v1/ratings/compute/", asked).json()
    assert found["explanation"] == direct and found["part_d"] is None
    assert direct["ratings"]["part_d"]["reason"] == "too_few_measures"
    assert direct["ratings"]["part_d"]["mean"] == "3.500000"


@pytest.mark.parametrize(
    ("change", "field", "said"),
    [
        ({"scores": {"C99": 50}}, "scores.C99", "Star year 2026 has no measure 'C99'"),
        ({"scores": {"C01": 101}}, "scores.C01", "score 101.000000 is outside 0 to 100"),
        ({"scores": {"C01": -1}}, "scores.C01", "outside 0 to 100"),
        ({"scores": {"C01": "many"}}, "scores.C01", "A valid number is required."),
        ({"scores": {"C01": "NaN"}}, "scores.C01", "A valid number is required."),
        ({"scores": {"C01": "1e40"}}, "scores.C01", "no more than"),
        ({"scores": {}}, "scores", "Give at least one score or star."),
        ({"stars": {"C01": 4}}, "stars.C01", "C01 has a score too"),
        ({"stars": {"C02": 6}}, "stars.C02", "less than or equal to 5"),
        ({"stars": {"X1": 4}}, "stars.X1", "has no measure"),
        ({"contract_type": "PDP"}, "scores.C01", "C01 is no measure of PDP contracts"),
        ({"contract_type": "HMO"}, "contract_type", "not a valid choice"),
        ({"star_year": 2019}, "star_year", "no reference data for Star year 2019"),
        ({"star_year": 2028}, "star_year", "no reference data for Star year 2028"),
        ({"star_year": "next"}, "star_year", "A valid integer is required."),
        ({"cai_categories": {"overall": 50}}, "cai_categories.overall", "no CAI value for overall category 50"),
        ({"cai_categories": {"part_e": 1}}, "cai_categories.part_e", "no such rating"),
        ({"contract_kind": "shop"}, "contract_kind", "minimum counts for: ccp_no_snp"),
        ({"cai_category": 3}, "cai_category", "There is no such field here."),
    ],
)
def test_what_if_names_what_it_cannot_use(api: APIClient, change: dict[str, Any], field: str, said: str) -> None:
    answer = api.post("/api/v1/ratings/compute/", ASKED | change)
    assert answer.status_code == 400
    assert said in errors(answer)[field]


@pytest.mark.parametrize("body", ["[]", "7", '"C01"', "{", "null"])
def test_what_if_refuses_what_is_no_object(api: APIClient, body: str) -> None:
    assert api.post("/api/v1/ratings/compute/", body, content_type="application/json").status_code == 400


def test_a_2027_drug_plan_has_no_cut_points_and_is_told(api: APIClient) -> None:
    asked = {"star_year": 2027, "contract_type": "PDP", "scores": {"D08": 88}}
    answer = api.post("/api/v1/ratings/compute/", asked)
    assert "no cut points for D08 PDP" in errors(answer)["scores.D08"]


def test_a_read_only_key_may_ask_what_if_and_a_stranger_may_not(quinn: User, ana: User) -> None:
    client = APIClient()
    assert client.post("/api/v1/ratings/compute/", ASKED).status_code == 401
    for user, status in ((quinn, 200), (ana, 403)):
        _, secret = keys.create(user, name="what-if", days=1, read_only=True, by=user)
        answer = client.post("/api/v1/ratings/compute/", ASKED, HTTP_AUTHORIZATION=f"Bearer {secret}")
        assert answer.status_code == status


@pytest.mark.published
def test_what_if_on_published_stars_gives_the_published_ratings(shared: Path) -> None:
    release = verification.read_release(shared / "cms" / "2026" / "published", 2026)
    compared = 0
    for number, organisation in release.contracts.items():
        contract = verification.engine_contract(release, organisation)
        if not contract.stars or any(share >= 25 for share in contract.disaster_shares.values()):
            continue
        given = what_if.Given(
            stars=contract.stars,
            cai_categories={name.removesuffix("_mapd").removesuffix("_pdp"): category
                            for name, category in contract.cai_categories.items()
                            if name.removesuffix("_mapd").removesuffix("_pdp") in contract.rated_as.parts},
            puerto_rico_only=contract.puerto_rico_only,
        )  # fmt: skip
        found = what_if.compute(2026, contract.rated_as, given)["ratings"]
        for part, cell in organisation.ratings.items():
            if cell.number is not None:
                assert Decimal(found[part]["star"]) == cell.number, (number, part)
                compared += 1
    assert compared > 1000
