"""The star pages: published contracts found, shown, explained and compared; our own with the way to the next star."""

import csv
import io
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from django.utils.html import escape

from audit.models import Event
from hedis.accounts import roles
from hedis.accounts.models import User
from hedis.gaps.models import Status
from hedis.members.models import Contract
from hedis.stars import histories, loading, rating
from hedis.stars.models import EnteredScore, PublishedContract, PublishedStar, Rating
from hedis.stars.recomputing import recompute
from tests.conftest import person
from tests.factories import make_contract, make_gap, make_measure, make_member
from tests.hedis import star_tables as made

pytestmark = pytest.mark.django_db
LIST, COMPARE = "/admin/stars/", "/admin/stars/compare/"


@pytest.fixture
def published(tmp_path: Path) -> None:
    """Three contracts of Star year 2025, hand-made."""
    loading.load_release(made.folder(tmp_path / "tables"), made.YEAR, name="test", by="test")


@pytest.fixture
def director(client: Client, quinn: User) -> Client:
    client.force_login(quinn)
    return client


@pytest.fixture
def own(db: None) -> Rating:
    """Our own H1234: 20 of 30 screened among those the Star measure counts, and two younger ones it does not."""
    contract, measure = make_contract(), make_measure("COL")
    measure.years.create(measurement_year=2025, star_year=2027, star_measure="C02", source="test")
    for number in range(32):
        status = Status.CLOSED if number < 20 or number >= 30 else Status.OPEN
        make_gap(make_member(), measure, contract=contract, status=status, star_eligible=number < 30)
    return rating.rate(contract, 2028, as_of=date(2026, 9, 30), by="test")


def text(client: Client, address: str, **parameters: Any) -> str:
    answer = client.get(address, parameters)
    assert answer.status_code == 200, (address, answer.status_code)
    return answer.content.decode()


def numbers(client: Client, **parameters: Any) -> list[str]:
    return [row.number for row in client.get(LIST, parameters).context["page"].object_list]


# --- the list --------------------------------------------------------------------------------------------------------


def test_before_anything_is_loaded_the_list_says_which_commands_to_run(director: Client) -> None:
    page = text(director, LIST)
    assert "manage.py load_star_reference" in page and "manage.py load_star_tables" in page
    assert "manage.py load_star_tables" in text(director, "/admin/")


@pytest.mark.usefixtures("published")
@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({}, ["H1111", "H2222", "S3333"]),
        ({"q": "h11"}, ["H1111"]),
        ({"q": "beta group"}, ["H2222"]),
        ({"q": "GAMMA"}, ["S3333"]),
        ({"q": "nobody"}, []),
        ({"star": "3.5"}, ["H1111", "H2222"]),
        ({"star": "2.5"}, ["S3333"]),
        ({"star": "none"}, []),
        ({"type": "PDP"}, ["S3333"]),
        ({"o": "-number"}, ["S3333", "H2222", "H1111"]),
        ({"o": "rating"}, ["S3333", "H1111", "H2222"]),
        ({"o": "-part_d"}, ["H1111", "S3333", "H2222"]),
        ({"o": "password", "star": "9", "year": "1999"}, ["H1111", "H2222", "S3333"]),
    ],
)
def test_contracts_are_searched_filtered_and_sorted(director: Client, asked: dict[str, str], found: list[str]) -> None:
    assert numbers(director, **asked) == found


@pytest.mark.usefixtures("published")
def test_own_contracts_stand_on_top_published_or_rated(director: Client, own: Rating) -> None:
    make_contract("H2222", name="Ours too")
    context = director.get(LIST).context
    assert [row.number for row in context["own_published"]] == ["H2222"]
    assert context["own_ratings"] == [own]
    assert "H1234" in text(director, "/admin/")


def test_only_the_newest_rating_of_a_contract_and_year_is_listed(director: Client, own: Rating) -> None:
    gap = own.contract.gaps.filter(status=Status.OPEN)[0]
    gap.status, gap.contact_by = Status.CLOSED, None
    gap.save()
    newer = rating.rate(own.contract, 2028, as_of=date(2026, 9, 30), by="test")
    assert newer != own
    assert director.get(LIST).context["own_ratings"] == [newer]


# --- one contract ----------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("published")
def test_a_contract_is_shown_as_published_and_as_recomputed(director: Client) -> None:
    page = text(director, "/admin/stars/H1111/2025/")
    assert page.count("as published = recomputed") == 3 and "differs" not in page
    assert "<title>3.5 of 5 stars</title>" in page
    assert "C01: score 73 earns 3 of 5 stars" in page


@pytest.mark.usefixtures("published")
def test_a_published_figure_that_is_not_the_computed_one_is_said_to_differ(director: Client) -> None:
    PublishedContract.objects.filter(number="H1111").update(part_c=Decimal("5.0"))
    page = text(director, "/admin/stars/H1111/2025/")
    assert "as published: 5.0; recomputed: 3.5" in page and page.count("as published = recomputed") == 2
    assert "differs" in text(director, "/admin/stars/H1111/2025/why/")


@pytest.mark.usefixtures("published")
def test_the_rule_behind_each_published_star_is_named() -> None:
    row = PublishedContract.objects.select_related("release")
    told = {number: recompute(row.get(number=number)) for number in made.ABOUT}
    rules = {
        (number, one["id"]): one["rule"] for number, contract in told.items() for one in contract["measures"]
    }  # fmt: skip
    assert rules["H1111", "C01"] == "cut_points"
    assert rules["H2222", "C01"] == "prior_year_disaster", "four stars for a score worth three, 40 % in disaster areas"
    assert rules["S3333", "D01"] == "data_integrity"
    assert rules["H1111", "C27"] == "improvement"
    assert rules["H1111", "C19"] == "cahps"
    PublishedContract.objects.update(disaster_current=0, disaster_previous=0)
    unhit = recompute(row.get(number="H2222"))
    assert next(one for one in unhit["measures"] if one["id"] == "C01")["rule"] == "unexplained"


@pytest.mark.usefixtures("published")
def test_a_special_needs_contract_is_taken_for_an_institutional_one_only_where_cms_rated_it() -> None:
    """Ten Part C measures: enough for institutional plans only (9), too few for others with SNPs (15)."""
    contract = PublishedContract.objects.select_related("release").get(number="H1111")
    kept = contract.stars.filter(measure_id__startswith="C").exclude(measure_id="C27").values("id")[:10]
    contract.stars.filter(measure_id__startswith="C").exclude(id__in=list(kept.values_list("id", flat=True))).delete()
    told = recompute(contract)
    assert (told["contract_kind"], told["ratings"]["part_c"]["minimum"]) == ("ccp_only_isnp", 9)
    assert told["ratings"]["part_c"]["star"] is not None
    contract.part_c = contract.overall = None
    told = recompute(contract)
    assert (told["contract_kind"], told["ratings"]["part_c"]["reason"]) == ("ccp_with_snp", "too_few_measures")


@pytest.mark.usefixtures("published")
def test_a_contract_or_year_that_is_not_there_is_not_found(director: Client) -> None:
    for address in ("/admin/stars/H9999/2025/", "/admin/stars/H1111/2019/", "/admin/stars/H9999/2025/why/"):
        assert director.get(address).status_code == 404
    assert director.get("/admin/stars/h1111/2025/").status_code == 200


def test_our_own_contract_shows_counts_closures_and_the_lists_behind_them(director: Client, own: Rating) -> None:
    page = director.get("/admin/stars/H1234/2028/")
    rows = {row.told["id"]: row for _, rows in page.context["domains"] for row in rows}
    row = rows["C02"]
    assert (row.counts["numerator"], row.counts["denominator"]) == (20, 30)
    # 2027: three stars from 68. 20 of 30 is 66.7, shown as 67; 21 of 30 is 70.
    assert (row.next.star, row.next.cut, row.next.closures) == (3, Decimal(68), 1)
    assert "not a rating CMS published" in page.content.decode()
    for name, count in (("numerator", 20), ("denominator", 30), ("open", 10)):
        assert director.get(row.links[name]).context["cl"].result_count == count, name


def test_too_few_measures_are_said_and_every_measure_star_is_still_shown(director: Client, own: Rating) -> None:
    page = text(director, "/admin/stars/H1234/2028/")
    assert "Not enough measures with a star." in page
    assert "C02: score 67 earns 2 of 5 stars" in page


def test_a_score_that_was_not_used_is_named_with_its_reason(director: Client, own: Rating) -> None:
    EnteredScore.objects.create(
        contract=own.contract,
        star_year=2028,
        measure_id="C02",
        key="COL",
        score=80,
        source="test",
        entered_at=timezone.now(),
        entered_by="test",
    )
    rating.rate(own.contract, 2028, as_of=date(2026, 9, 30), by="test")
    page = text(director, "/admin/stars/H1234/2028/")
    assert "Not used: C02 entered (the gaps give this measure&#x27;s score)." in page


def test_numbers_are_no_links_for_those_who_may_not_see_gaps(client: Client, own: Rating) -> None:
    client.force_login(person("mara", roles.MODEL_STEWARD))
    page = text(client, "/admin/stars/H1234/2028/")
    assert "gaps/gap" not in page and '<td class="number">30</td>' in page


@pytest.mark.usefixtures("published")
def test_a_contract_with_published_and_own_years_has_both_in_reach(director: Client, own: Rating) -> None:
    Contract.objects.filter(pk=own.contract_id).update(number="H1111")
    history = director.get("/admin/stars/H1111/2025/").context["history"]
    assert history == [histories.Entry(2028, "own"), histories.Entry(2025, "published")]
    assert f"{COMPARE}?a=H1111:2025&amp;b=H1111:2028" in text(director, "/admin/stars/H1111/2028/")
    pairs = director.get(COMPARE, {"a": "H1111:2025", "b": "H1111:2028"}).context["pairs"]
    assert [pair.score_difference for pair in pairs if pair.ids == "C02"] == [-3]
    assert histories.find("H1111", 2028, with_own=False) is None


@pytest.mark.usefixtures("published")
def test_the_measure_table_comes_as_a_file_and_the_ledger_knows(director: Client) -> None:
    answer: Any = director.get("/admin/stars/H1111/2025/", {"format": "csv"})
    assert answer["Content-Disposition"] == 'attachment; filename="star-measures-H1111-2025-published.csv"'
    lines = list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode())))
    first = next(line for line in lines if line["measure"] == "C01")
    assert (first["score"], first["star"], first["weight"], first["rule"]) == ("73", "3", "1", "cut_points")
    event = Event.objects.get(action="star_measures.exported")
    assert (event.object_id, event.row_count) == ("H1111:2025", len(lines))


# --- why -------------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("published")
def test_why_lays_out_every_scenario_and_the_way_to_the_next_half_star(director: Client) -> None:
    page = director.get("/admin/stars/H1111/2025/why/")
    overall = page.context["ratings"][0]
    assert overall["name"] == "Overall"
    shown = page.content.decode()
    for scenario in overall["scenarios"]:
        assert scenario["final"] in shown and scenario["thresholds"]["mean_85"] in shown
    assert overall["next_final"] == Decimal("3.75")
    assert overall["missing"] == Decimal("3.75") - Decimal(overall["final"])
    assert len(overall["counted"]) == len(overall["scenarios"][0]["measures"])
    assert "Rounded to half stars" in shown and escape(overall["rule_in_words"]) in shown


def test_why_of_an_unrated_contract_says_what_is_missing(director: Client, own: Rating) -> None:
    page = text(director, "/admin/stars/H1234/2028/why/")
    assert "Not enough measures with a star. 1 of at least" in page


# --- compare ---------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("published")
def test_any_two_contracts_are_compared(director: Client) -> None:
    context = director.get(COMPARE, {"a": "H1111:2025", "b": "h2222:2025"}).context
    first = next(pair for pair in context["pairs"] if pair.ids == "C01")
    assert (first.a["star"], first.b["star"], first.star_difference) == (3, 4, 1)
    assert [pair.name for pair in context["ratings"]] == ["Overall", "Part C summary", "Part D summary"]


@pytest.mark.usefixtures("published")
@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({}, "Name two contracts"),
        ({"a": "H1111:2025"}, "Name two contracts"),
        ({"a": "H1111", "b": "H2222:2025"}, "H1234:2026."),
        ({"a": "H1111:2025", "b": "H9999:2025"}, "There is no rating of H9999 for Star year 2025."),
    ],
)
def test_what_cannot_be_compared_is_said_at_its_field(director: Client, asked: dict[str, str], said: str) -> None:
    assert said in text(director, COMPARE, **asked)


# --- who, and how lean -----------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("published")
@pytest.mark.parametrize("role", [role for role in roles.ROLES if role.key != "service"], ids=lambda role: role.key)
def test_the_pages_open_for_those_who_see_stars_and_nobody_else(role: roles.Role, client: Client) -> None:
    client.force_login(person("sam", role, team="north"))
    expected = 200 if "stars.view_publishedcontract" in role.permissions else 403
    for address in (LIST, COMPARE, "/admin/stars/H1111/2025/", "/admin/stars/H1111/2025/why/"):
        answer = client.get(address)
        assert answer.status_code == expected, address
        page = answer.content.decode()
        assert " style=" not in page and "<style" not in page, address


def test_a_stranger_is_sent_to_the_sign_in(client: Client) -> None:
    assert client.get(LIST).status_code == 302


def queries(client: Client, address: str) -> int:
    with CaptureQueriesContext(connection) as asked:
        assert client.get(address).status_code == 200
    return len(asked)


@pytest.mark.usefixtures("published")
@pytest.mark.parametrize(
    ("address", "ceiling"),
    [(LIST, 13), ("/admin/stars/H1111/2025/", 12), ("/admin/stars/H1111/2025/why/", 12),
     (f"{COMPARE}?a=H1111:2025&b=H2222:2025", 12)],
)  # fmt: skip
def test_a_page_asks_as_often_for_many_contracts_as_for_few(director: Client, address: str, ceiling: int) -> None:
    director.get(LIST)
    few = queries(director, address)
    one = PublishedContract.objects.get(number="H1111")
    stars = list(one.stars.filter(measure_id__in=["C01", "C02"]))
    for number in range(60):
        one.pk, one.number = None, f"H5{number:03}"
        one.save(force_insert=True)
        PublishedStar.objects.bulk_create(
            PublishedStar(contract=one, measure_id=star.measure_id, star=star.star, score=star.score) for star in stars
        )
        make_contract(one.number)
    assert queries(director, address) == few
    assert few <= ceiling


STRANGE = ["²", "9" * 30, "-1", "'; --", "{{7*7}}<script>"]


@pytest.mark.usefixtures("published")
def test_no_parameter_brings_a_page_down_or_returns_as_markup(director: Client) -> None:
    pages = {LIST: "year q star type o page", COMPARE: "a b", "/admin/stars/H1111/2025/": "source format",
             "/admin/stars/H1111/2025/why/": "source"}  # fmt: skip
    for address, parameters in pages.items():
        for parameter in parameters.split():
            assert director.get(address, {parameter: "a\x00b"}).status_code == 400
            for value in STRANGE:
                answer = director.get(address, {parameter: value})
                assert answer.status_code == 200, (address, parameter, value)
                assert b"{{7*7}}<script>" not in answer.content


def test_the_admin_lists_of_the_app_keep_their_addresses(director: Client) -> None:
    assert director.get(reverse("admin:stars_cutpoint_changelist")).status_code == 200
    assert reverse("admin:contract_stars", args=["H1111", 2025]) == "/admin/stars/H1111/2025/"


@pytest.mark.published
def test_every_published_contract_of_2026_is_recomputed_alike(shared: Path) -> None:
    """769 contracts through the stored rows: each rating as published or, like CMS, none."""
    loading.load_release(shared / "cms" / "2026" / "published", 2026, name="test", by="test")
    contracts = PublishedContract.objects.for_year(2026).select_related("release").prefetch_related("stars")
    told = [recompute(one) for one in contracts]
    assert len(told) == 769
    assert [one["contract"] for one in told if one["differs"]] == []
    rules = [measure["rule"] for one in told for measure in one["measures"]]
    assert rules.count("prior_year_disaster") == 236 and "unexplained" not in rules
