"""Ratings of our own contracts: from gaps and entered scores, by the newest published method, kept as they stood."""

import io
import json
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import Error, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from audit.models import Event
from hedis.gaps.models import Gap, Status
from hedis.members.models import Contract
from hedis.stars import rating, scores, years
from hedis.stars.models import PublishedContract, PublishedStar, Rating, Release
from hedis.stars.standing import method_for, standing_of
from tests.factories import make_contract, make_gap, make_measure, make_member
from tests.hedis.star_plan import DAY, IDS, OTHERS, close_one, make_gaps, scores_file

pytestmark = pytest.mark.django_db
COUNTS = {"COL": (6, 10), "GSD": (9, 10), "CBP": (7, 10)}


def measure(one: Rating, name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(each for each in one.explanation["measures"] if each["id"] == name)
    return found


def answer(*command: str) -> dict[str, Any]:
    out = io.StringIO()
    call_command(*command, "--json", stdout=out)
    found: dict[str, Any] = json.loads(out.getvalue())
    return found


@pytest.fixture
def full(tmp_path: Path) -> Contract:
    """A contract with gaps and a score of everything else."""
    contract = make_gaps(COUNTS)
    file = tmp_path / "scores.csv"
    usable = {name: score for name, score in OTHERS.items() if name not in standing_of(contract, 2028).gone}
    file.write_text(scores_file(usable), encoding="utf-8")
    scores.import_file(file, 2028, by="ben")
    return contract


def test_three_measures_have_stars_and_make_no_rating() -> None:
    one = rating.rate(make_gaps(COUNTS), 2028, as_of=DAY, by="ben")
    assert (one.part_c, one.part_d, one.overall) == (None, None, None)
    assert one.explanation["ratings"]["part_c"]["reason"] == "too_few_measures"
    assert (one.explanation["ratings"]["part_c"]["rated_measures"], one.data_as_of, one.generation) == (3, DAY, "g1")
    found = {name: (measure(one, name)["shown_score"], measure(one, name)["star"]) for name in IDS.values()}
    assert found == {"C02": ("60", 2), "C12": ("90", 4), "C14": ("70", 1)}
    assert one.inputs["measures"]["C12"] == {
        "from": "gaps", "measure": "GSD", "numerator": 9, "denominator": 10, "score": "90.000000",
    }  # fmt: skip


def test_a_year_cms_has_not_published_is_rated_by_the_newest_method_and_says_so() -> None:
    one = rating.rate(make_gaps(COUNTS), 2028, as_of=DAY, by="ben")
    assert (one.star_year, one.method_year) == (2028, 2027)
    assert "Star year 2028 is not published: measures, weights and cut points of 2027 (provisional)" in one.method
    assert "minimum counts of 2026" in one.method and "without the Categorical Adjustment Index" in one.method
    assert "announced to leave by 2028" in one.method


def test_only_ages_the_star_measure_counts_enter_and_the_excluded_do_not() -> None:
    contract = make_gaps({"COL": (6, 10)})
    young, out = make_member(contract=contract), make_member(contract=contract)
    make_gap(young, make_measure("COL"), contract=contract, star_eligible=False)
    make_gap(out, make_measure("COL"), contract=contract, status=Status.NOT_APPLICABLE, exclusion="hospice")
    one = rating.rate(contract, 2028, as_of=DAY, by="ben")
    assert (one.inputs["measures"]["C02"]["numerator"], one.inputs["measures"]["C02"]["denominator"]) == (6, 10)


def test_gaps_of_another_contract_or_year_do_not_count() -> None:
    contract = make_gaps({"COL": (6, 10)})
    make_gaps({"COL": (3, 3)}, contract=make_contract("H5678"))
    make_gaps({"COL": (2, 2)}, contract=contract, year=2025)
    one = rating.rate(contract, 2028, as_of=DAY, by="ben")
    assert one.inputs["measures"]["C02"]["denominator"] == 10


def test_the_display_rounding_decides_at_a_cut_point() -> None:
    cut = years.star_year(2027).cut_points["C02", "MA"].three
    contract = make_gaps({"COL": (0, 200)})
    wanted = int(2 * cut) - 1  # cut - 0.5 % of 200
    for gap in Gap.objects.order_by("pk")[: wanted - 1]:
        Gap.objects.filter(pk=gap.pk).update(status=Status.CLOSED, reason="", contact_by=None)
    assert measure(rating.rate(contract, 2028, as_of=DAY, by="ben"), "C02")["star"] == 2
    close_one("COL")
    assert measure(rating.rate(contract, 2028, as_of=DAY, by="ben"), "C02")["star"] == 3


def test_entered_scores_complete_the_rating(full: Contract) -> None:
    one = rating.rate(full, 2028, as_of=DAY, by="ben")
    assert one.overall is not None and one.part_c is not None and one.part_d is not None
    assert str(one.overall) == one.explanation["ratings"]["overall"]["star"]
    assert measure(one, "C21")["rule"] == "cahps"
    assert one.inputs["measures"]["D05"]["from"] == "entered"


def test_the_same_inputs_give_the_stored_rating_and_a_closed_gap_a_new_one(full: Contract) -> None:
    first = rating.rate(full, 2028, as_of=DAY, by="ben")
    assert rating.rate(full, 2028, as_of=DAY, by="cy").pk == first.pk
    assert Rating.objects.count() == 1 and Event.objects.filter(action="rating.computed").count() == 1
    close_one("COL")
    second = rating.rate(full, 2028, as_of=DAY, by="ben")
    assert second.pk != first.pk and second.inputs["measures"]["C02"]["numerator"] == 7
    assert Rating.objects.get(pk=first.pk).inputs["measures"]["C02"]["numerator"] == 6


def test_gaps_beat_an_entered_score_and_the_rating_says_so() -> None:
    contract = make_gaps(COUNTS)
    scores.enter(contract, 2028, "C02", "99", source="chart review", by="ben")
    one = rating.rate(contract, 2028, as_of=DAY, by="ben")
    assert one.inputs["measures"]["C02"]["from"] == "gaps"
    assert one.inputs["left_out"] == {"C02 entered": "the gaps give this measure's score"}


def test_a_corrected_score_changes_the_next_rating_and_leaves_the_old_one(full: Contract) -> None:
    first = rating.rate(full, 2028, as_of=DAY, by="ben")
    scores.enter(full, 2028, "D08", "60", source="corrected report", by="ben")
    second = rating.rate(full, 2028, as_of=DAY, by="ben")
    assert (measure(first, "D08")["star"], measure(second, "D08")["star"]) == (4, 1)


def test_nothing_to_rate_and_newer_data_are_refused_and_store_nothing() -> None:
    with pytest.raises(rating.NotRatable, match="H9999 has neither gaps of measurement year 2026"):
        rating.rate(make_contract("H9999"), 2028, as_of=DAY, by="ben")
    contract = make_gaps(COUNTS)
    with pytest.raises(rating.DataIsNewer, match="as of 2026-09-30"):
        rating.rate(contract, 2028, as_of=date(2026, 9, 29), by="ben")
    with pytest.raises(years.UnknownStarYear):
        rating.rate(contract, 2020, as_of=DAY, by="ben")
    assert not Rating.objects.exists() and not Event.objects.filter(action="rating.computed").exists()


@pytest.mark.parametrize("statement", ["UPDATE stars_rating SET overall = 5.0", "DELETE FROM stars_rating"])
def test_the_database_keeps_a_rating_as_it_stood(statement: str) -> None:
    rating.rate(make_gaps(COUNTS), 2028, as_of=DAY, by="ben")
    with pytest.raises(Error, match="stay as they are"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)


def test_no_star_between_the_halves_is_kept(full: Contract) -> None:
    one = rating.rate(full, 2028, as_of=DAY, by="ben")
    one.pk, one.digest, one.overall = None, "0" * 64, Decimal("3.7")
    with pytest.raises(Error, match="rating_overall_in_halves"), transaction.atomic():
        one.save(force_insert=True)


def test_rating_costs_the_same_queries_for_few_gaps_and_many() -> None:
    counts = []
    for number, closed in (("H1234", 2), ("H5678", 40)):
        contract = make_gaps({"COL": (closed, closed + 2)}, contract=make_contract(number))
        with CaptureQueriesContext(
            connection,
        ) as queries:
            rating.rate(contract, 2028, as_of=DAY, by="ben")
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 20


@pytest.fixture
def published() -> Iterator[PublishedContract]:
    """What CMS published of H1234 for 2026."""
    release = Release.objects.create(
        star_year=2026, name="made", is_current=True, digest="0" * 64, loaded_at=timezone.now(), loaded_by="test",
        contract_count=1, star_count=0,
    )  # fmt: skip
    yield PublishedContract.objects.create(
        release=release, number="H1234", organisation_type="Local CCP", name="Evergreen", marketing_name="Evergreen",
        parent="Evergreen", rated_as="MA-PD", snp=False, puerto_rico_only=False, disaster_current=30,
        disaster_previous=0, cai_categories={"part_c": 2, "part_d_mapd": 1, "overall": 3},
    )  # fmt: skip


def test_categories_and_disasters_come_from_what_cms_published(published: PublishedContract) -> None:
    same_year = standing_of(make_contract("H1234"), 2026)
    assert same_year.cai_categories == {"part_c": 2, "part_d_mapd": 1, "overall": 3}
    assert max(same_year.disaster_shares.values()) == 30 and same_year.notes == ()
    later = standing_of(make_contract("H1234"), 2028)
    assert later.cai_categories == {} and later.disaster_shares == {}


def test_after_a_disaster_the_better_star_of_the_year_before_stays(published: PublishedContract) -> None:
    before = Release.objects.create(
        star_year=2025, name="made", is_current=True, digest="1" * 64, loaded_at=timezone.now(), loaded_by="test",
        contract_count=1, star_count=2,
    )  # fmt: skip
    last_year = PublishedContract.objects.create(
        release=before, number="H1234", organisation_type="Local CCP", name="Evergreen", marketing_name="Evergreen",
        parent="Evergreen", rated_as="MA-PD", snp=False, puerto_rico_only=False, disaster_current=0,
        disaster_previous=0,
    )  # fmt: skip
    keys = {one.key: name for name, one in years.star_year(2025).measures.items()}
    own = years.star_year(2026).measures
    for name, star, score in (("C02", 5, "90"), ("C14", 1, "40")):
        PublishedStar.objects.create(contract=last_year, measure_id=keys[own[name].key], star=star, score=score)
    contract = make_contract("H1234")
    for name in ("C02", "C14"):
        scores.enter(contract, 2026, name, "60", source="our own count", by="ben")
    one = rating.rate(contract, 2026, as_of=date(2026, 9, 30), by="ben")
    assert (measure(one, "C02")["star"], measure(one, "C02")["rule"]) == (5, "prior_year_disaster")
    assert measure(one, "C14")["rule"] == "cut_points"
    PublishedContract.objects.filter(pk=published.pk).update(disaster_current=24)
    untouched = rating.rate(contract, 2026, as_of=date(2026, 9, 30), by="ben")
    assert measure(untouched, "C02")["rule"] == "cut_points"


@pytest.mark.parametrize(
    ("plan_type", "snp_kind", "rated_as", "kind"),
    [("hmo", "", "MA-PD", "ccp_no_snp"), ("local_ppo", "dual", "MA-PD", "ccp_with_snp"), ("pdp", "", "PDP", "pdp"),
     ("msa", "", "MA-only", "msa"), ("cost", "", "MA-PD", "cost_1876"), ("pffs", "", "MA-PD", "pffs")],
)  # fmt: skip
def test_the_plan_type_decides_type_and_minimum_counts(plan_type: str, snp_kind: str, rated_as: str, kind: str) -> None:
    standing = standing_of(make_contract("H4321", plan_type=plan_type, snp_kind=snp_kind), 2026)
    assert (standing.rated_as.value, standing.kind) == (rated_as, kind)


def test_a_drug_plan_takes_the_newest_year_that_has_its_cut_points() -> None:
    standing = standing_of(make_contract("S1234", plan_type=""), 2028)
    assert (standing.rated_as.value, standing.year.year) == ("PDP", 2026)
    assert "taken for a PDP contract, as no plan type is entered" in standing.notes
    assert "D04" not in standing.gone and "D11" in standing.gone  # CMR left in 2027


def test_a_published_final_year_needs_no_words() -> None:
    method, notes = method_for(2026, standing_of(make_contract("H1234"), 2026).rated_as)
    assert (method.year, notes) == (2026, [])


def test_the_command_says_not_enough_measures_and_shows_each_star() -> None:
    make_gaps(COUNTS)
    make_contract("H9999")
    found = answer("rate_contracts", "--year", "2028")
    assert [one["contract"] for one in found["ratings"]] == ["H1234"] and set(found["not_rated"]) == {"H9999"}
    assert found["ratings"][0]["overall"] is None and found["ratings"][0]["measures"]["C12"]["star"] == 4
    assert "not enough measures (3 of 15)" in found["ratings"][0]["said"]["Part C summary"]
    out = io.StringIO()
    call_command("rate_contracts", year=2028, stdout=out)
    assert "C12: 90, 4 of 5 stars" in out.getvalue()


@pytest.mark.parametrize(("arguments", "code"), [(["--contract", "H0000"], 2), (["--contract", "H9999"], 1)])
def test_the_command_refuses_what_it_cannot_rate(arguments: list[str], code: int) -> None:
    make_contract("H9999")
    with pytest.raises(CommandError) as refusal:
        answer("rate_contracts", "--year", "2028", *arguments)
    assert refusal.value.returncode == code


def test_a_rating_asked_for_a_later_day_is_of_the_same_data() -> None:
    contract = make_gaps(COUNTS)
    first = rating.rate(contract, 2028, as_of=DAY, by="ben")
    assert rating.rate(contract, 2028, as_of=DAY + timedelta(days=40), by="ben").pk == first.pk


def test_entered_scores_alone_give_one_rating_whatever_the_day() -> None:
    contract, today = make_contract("H1234"), timezone.localdate()
    scores.enter(contract, 2028, "C21", "82", source="CAHPS report", by="ben")
    first = rating.rate(contract, 2028, as_of=today, by="ben")
    assert rating.rate(contract, 2028, as_of=today + timedelta(days=3), by="ben").pk == first.pk
    assert (first.data_as_of, first.finding_run, first.generation) == (today, None, "")


def test_a_day_in_the_future_is_refused() -> None:
    with pytest.raises(CommandError, match="lies in the future"):
        answer("rate_contracts", "--year", "2028", "--as-of", "2199-01-01")
