"""The money pages and the counties behind them: every rating in dollars, who may see and enter, what is said when
figures are missing."""

import csv
import io
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from audit.models import Event
from hedis.accounts import roles
from hedis.accounts.models import User
from hedis.gaps.models import FindingRun, MeasureCount
from hedis.members.models import Contract
from interventions import counties, deciding, money
from interventions.deciding import Wish
from interventions.models import CountyFigures
from interventions.money import cents
from predictions.models import ActionEffect, Origin
from tests.conftest import person
from tests.factories import make_contract, make_count, make_measure
from tests.hedis.star_plan import make_gaps
from tests.interventions.counties_of_a_contract import ADAMS, BELL, FILE, HEAD, keep
from tests.interventions.plans import TODAY
from tests.interventions.test_project_rates import enter, two_past_years

pytestmark = pytest.mark.django_db
PAGE = "/admin/money/H1234/2026/"
COUNTIES = "/admin/interventions/countyfigures/"
UPLOAD = "/admin/money/counties/upload/"
D = Decimal


@pytest.fixture(autouse=True)
def nothing_is_cached() -> None:
    cache.clear()


@pytest.fixture
def plan(dee: User, tmp_path: Path) -> Contract:
    """H1234 with 60 % of COL met, which ended past years at 80 %; other measures entered at four stars."""
    contract = make_gaps({"COL": (15, 25)})
    two_past_years()
    enter(contract, tmp_path, by=dee)
    make_count(make_measure("COL"), contract, eligible=25, excluded=0, denominator=25, numerator=15)
    return contract


@pytest.fixture
def page(plan: Contract, client: Client, quinn: User) -> Any:
    """The director looks at the contract; its counties are those of the worked example, of an earlier payment year."""
    keep(plan, payment_year=2027)
    client.force_login(quinn)
    return client.get(PAGE)


def text_of(page: Any) -> str:
    return str(page.content.decode())


# --- one contract


def test_each_rating_and_half_star_stands_in_dollars(page: Any) -> None:
    found = page.context["money"]
    assert found.values[D("3.5")] == D("191448750") and found.values[D("4.0")] == D("199443750")
    text = text_of(page)
    for said in ("$191,448,750", "$199,443,750", "$7,995,000", "$6,346,689", "$12,300,000", "$4,290,000", "$3,705,000"):
        assert said in text, said
    assert "Who books the whole bonus overstates" in text and "double bonus" in text


def test_the_expected_payment_weighs_the_projected_chances(page: Any) -> None:
    found = page.context["money"]
    seen = found.outlook
    by_hand = sum(D(chance) * found.values[star] for star, chance in seen.independent.items())
    assert found.expected == by_hand
    assert found.expected_shared == sum(D(chance) * found.values[star] for star, chance in seen.shared.items())
    assert f"${round(found.expected):,}" in text_of(page)
    # What is expected and what is still to win make the whole way from the lowest payment to the highest.
    won = sum(one.moved.change * D(one.chance) for one in found.steps)
    assert cents(found.values[D("3.0")] + won) == cents(found.expected)
    left = sum(one.to_win for one in found.steps)
    assert cents(left) == cents(found.present(found.values[D("5.0")] - found.expected))


def test_what_is_at_risk_and_the_next_half_star_hang_on_todays_rating(page: Any) -> None:
    found = page.context["money"]
    assert found.rating is not None and found.today == found.values[found.rating]
    worse = {star: chance for star, chance in found.outlook.independent.items() if star < found.rating}
    assert found.falls[0] == pytest.approx(sum(worse.values()))
    assert found.at_risk == sum(
        (D(chance) * (found.today - found.values[star]) for star, chance in worse.items()), D(0)
    )
    assert found.lost_step.moved.after == found.rating and found.lost_step.moved.change >= 0
    assert found.next_step is None or found.next_step.moved.before >= found.rating


def test_figures_that_stand_in_are_said_and_lead_to_the_list(page: Any, client: Client, plan: Contract) -> None:
    assert "Figures of 2027 stand in for 2029" in text_of(page)
    listed = client.get(page.context["counties_link"]).context["cl"]
    assert {row.name for row in listed.result_list} == {"Adams", "Bell"}
    keep(plan)
    assert "stand in" not in text_of(client.get(PAGE))


def test_the_picture_has_words_and_a_table_beside_it_and_no_style(page: Any) -> None:
    main = text_of(page).split("<main")[1].split("</main>")[0]
    assert [each for each in main.split("<svg")[1:] if "<title>" not in each.split("</svg>")[0]] == []
    assert "<title>Payment a year above 3.0 stars</title>" in main and "4.0 stars $11,606,250" in main
    assert " style=" not in main and main.count('role="region"') >= 3


def test_the_file_holds_every_county_at_every_rating_to_the_cent(page: Any, client: Client) -> None:
    answer = client.get(PAGE, {"format": "csv"})
    rows = list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode())))  # type: ignore[attr-defined]
    at_four = {row["county"]: row for row in rows if row["rating"] == "4.0"}
    assert (at_four["Adams"]["payment"], at_four["Bell"]["payment"]) == ("135960000.00", "63483750.00")
    assert (at_four["Bell"]["benchmark"], at_four["Bell"]["figures_of_payment_year"]) == ("1175.00", "2027")
    found = page.context["money"]
    assert len(rows) == 2 * len(found.values)
    assert Event.objects.get(action="money.exported").row_count == len(rows)


def test_the_newest_plan_is_weighed_against_the_next_half_star(page: Any, plan: Contract, client: Client) -> None:
    assert "No plan is stored for H1234 in 2026" in text_of(page)
    ActionEffect.objects.create(action="call", uplift=0.15, standard_error=0.02, origin=Origin.TRIAL, source="test")
    made = deciding.decide([plan], 2026, Wish(D(200)), today=TODAY, by="ben")
    answer = client.get(PAGE)
    line, found = answer.context["plan"], answer.context["money"]
    assert line["link"] == reverse("admin:interventions_plan_change", args=[made.pk])
    if found.next_step:
        assert line["points"] == pytest.approx(100 * float(made.spend / found.next_step.present))
    assert f"Plan {made.pk}" in text_of(answer) and "Published trial" in text_of(answer)


def test_a_contract_without_a_projection_still_has_its_ratings_worth(client: Client, quinn: User) -> None:
    bare = make_contract("H7777")
    make_count(make_measure("XYZ"), bare)
    keep(bare)
    client.force_login(quinn)
    answer = client.get("/admin/money/H7777/2026/")
    assert answer.status_code == 200 and answer.context["money"].expected is None
    assert "has no gaps of measurement year 2026 in a Star measure" in text_of(answer) and "$7,995,000" in text_of(
        answer
    )
    assert "None" not in text_of(answer).split("<main")[1]
    assert "has no gaps" in text_of(client.get("/admin/money/"))


def test_without_counties_the_page_says_what_to_bring(plan: Contract, client: Client, quinn: User) -> None:
    client.force_login(quinn)
    for address in (PAGE, "/admin/money/"):
        text = text_of(client.get(address))
        assert "ratebook" in text and "manage.py import_counties" in text and COUNTIES in text
    assert client.get("/admin/money/H8888/2026/").status_code == 404


def test_the_list_has_every_contract_with_or_without_figures(page: Any, client: Client) -> None:
    make_count(make_measure("COL"), make_contract("H9999"))
    answer = client.get("/admin/money/")
    assert [one.contract for one in answer.context["lines"]] == ["H1234"]
    assert [one.contract for one in answer.context["missing"]] == ["H9999"]
    assert PAGE in text_of(answer) and "standing in" in text_of(answer)
    assert "Nothing is counted yet" not in text_of(answer)


def test_an_empty_house_says_what_to_do_first(client: Client, quinn: User) -> None:
    client.force_login(quinn)
    assert "manage.py find_gaps" in text_of(client.get("/admin/money/"))


def test_the_outlook_leads_to_the_money_for_those_who_may_see_it(page: Any, client: Client, lea: User) -> None:
    assert PAGE in text_of(client.get("/admin/outlook/H1234/2026/"))
    client.force_login(lea)
    assert PAGE not in text_of(client.get("/admin/outlook/H1234/2026/"))


def test_the_queries_grow_neither_with_members_nor_with_counties(
    page: Any, plan: Contract, client: Client, django_assert_max_num_queries: Any
) -> None:
    def ask(address: str, most: int) -> None:
        cache.clear()
        with django_assert_max_num_queries(most):
            assert client.get(address).status_code == 200

    ask(PAGE, 33)
    make_gaps({"COL": (30, 40)}, contract=plan)
    MeasureCount.objects.filter(run__year=2026).update(run=FindingRun.objects.order_by("-id").first())
    keep(plan, ADAMS, BELL, *(money.County(f"C{n}", D(1000), D(1000), D(900), D(12), D(1)) for n in range(20)))
    ask(PAGE, 33)
    ask("/admin/money/", 28)


@pytest.mark.parametrize("address", [PAGE, "/admin/money/", COUNTIES, f"{COUNTIES}add/"])
@pytest.mark.parametrize("role", [roles.CARE_MANAGER, roles.TEAM_LEAD, roles.MODEL_STEWARD])
def test_who_does_not_see_bids_sees_no_money(address: str, role: roles.Role, client: Client) -> None:
    client.force_login(person("pat", role))
    assert client.get(address).status_code == 403


# --- counties entered


def test_the_analyst_enters_a_county_and_a_correction_supersedes(plan: Contract, client: Client, ben: User) -> None:
    client.force_login(ben)
    form = {"contract": plan.pk, "payment_year": 2029, "name": "Adams", "base": "1050", "fee_for_service": "1000",
            "bid": "900", "member_months": "120000", "risk_score": "1.10", "cap": "", "source": "the bid"}  # fmt: skip
    assert client.post(f"{COUNTIES}add/", form).status_code == 302
    assert counties.stored(plan, 2026) == (ADAMS,)
    # The list leads to the form filled in with what stands.
    (link,) = [part.split('"')[0] for part in text_of(client.get(COUNTIES)).split('href="') if "add/?" in part]
    filled = client.get(link.replace("&amp;", "&")).context["adminform"].form.initial
    assert (filled["name"], filled["bid"], filled["source"]) == ("Adams", "900", "the bid")
    client.post(f"{COUNTIES}add/", {**form, "bid": "905", "double_county": "on"})
    row = CountyFigures.objects.standing().get()
    assert (row.bid, row.double_county, row.entered_by) == (905, True, "ben")
    assert CountyFigures.objects.count() == 2


@pytest.mark.parametrize(
    ("wrong", "said"),
    [({"bid": "-5"}, "Adams, bid: -5 is not above 0"), ({"cap": "1000"}, "cap: 1000 is below the base of 1050"),
     ({"payment_year": "2013"}, "no rules for payment year 2013"), ({"bid": "900.12345"}, "4 decimal places"),
     ({"name": "A\u200bdams"}, "printable characters"), ({"source": ""}, "required")],
)  # fmt: skip
def test_what_cannot_be_is_said_on_the_form_and_not_stored(
    plan: Contract, client: Client, ben: User, wrong: dict[str, str], said: str
) -> None:
    client.force_login(ben)
    form = {"contract": plan.pk, "payment_year": 2029, "name": "Adams", "base": "1050", "fee_for_service": "1000",
            "bid": "900", "member_months": "120000", "risk_score": "1.10", "source": "the bid", **wrong}  # fmt: skip
    answer = client.post(f"{COUNTIES}add/", form)
    assert answer.status_code == 200 and said in text_of(answer)
    assert not CountyFigures.objects.exists()


def test_chosen_counties_are_withdrawn(plan: Contract, client: Client, ben: User) -> None:
    keep(plan)
    client.force_login(ben)
    chosen = CountyFigures.objects.get(name="Bell")
    told = {"action": "withdraw_chosen", "_selected_action": [chosen.pk]}
    assert "1 county withdrawn." in text_of(client.post(COUNTIES, told, follow=True))
    assert counties.stored(plan, 2026) == (ADAMS,)
    assert "0 counties withdrawn." in text_of(client.post(COUNTIES, told, follow=True))
    past = client.get(COUNTIES, {"standing": "no"}).context["cl"]
    assert [row.name for row in past.result_list] == ["Bell"]


def send(client: Client, contract: Contract, content: str, **facts: Any) -> str:
    file = SimpleUploadedFile("counties.csv", content.encode())
    told = {"contract": contract.pk, "payment_year": 2029, "source": "the bid", "file": file, **facts}
    return text_of(client.post(UPLOAD, told, follow=True))


def test_a_file_is_uploaded_from_the_page(plan: Contract, client: Client, quinn: User) -> None:
    client.force_login(quinn)
    assert "What to bring stands above" in text_of(client.get(COUNTIES))
    assert "2 read, 2 added, 0 superseded" in send(client, plan, FILE)
    assert counties.stored(plan, 2026) == (ADAMS, BELL)
    assert CountyFigures.objects.first().entered_by == "quinn"  # type: ignore[union-attr]


def test_a_wrong_file_is_refused_whole_with_every_row(plan: Contract, client: Client, quinn: User) -> None:
    client.force_login(quinn)
    said = send(client, plan, FILE + "Cole,x,1,1,1,1,N,\n" + "Dane,1,1,1,1,1,?,\n")
    assert ".csv, row 4: Cole, base: not a plain number" in said
    assert "row 5: Dane, double_county: neither Y nor N" in said and "Nothing was stored." in said
    assert "3 more rows are wrong" in send(client, plan, HEAD + "".join(f"C{n},x,1,1,1,1,N,\n" for n in range(23)))
    assert "Payment year: " in send(client, plan, FILE, payment_year="soon")
    assert "no rules for payment year 2010" in send(client, plan, FILE, payment_year="2010")
    assert "larger than" in send(client, plan, FILE + "x" * 2_000_001)
    assert not CountyFigures.objects.exists()


def test_an_auditor_reads_the_counties_and_enters_none(plan: Contract, client: Client, cy: User) -> None:
    keep(plan)
    client.force_login(cy)
    text = text_of(client.get(COUNTIES))
    assert "Adams" in text and "Correct" not in text and UPLOAD not in text
    assert client.get(f"{COUNTIES}add/").status_code == 403
    assert client.post(UPLOAD, {}).status_code == 403
    row = CountyFigures.objects.get(name="Bell")
    assert client.get(f"{COUNTIES}{row.pk}/change/").status_code == 200
    client.post(COUNTIES, {"action": "withdraw_chosen", "_selected_action": [row.pk]})
    assert CountyFigures.objects.standing().count() == 2
