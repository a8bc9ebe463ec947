"""The outlook's pages and the home panel: today, the year's end, the next star, and the members behind each number."""

import csv
import io
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from audit.models import Event
from hedis.accounts import roles
from hedis.accounts.models import User
from hedis.gaps.models import FindingRun, Gap, MeasureCount
from hedis.members.models import Contract
from hedis.stars import rating
from interventions import early_warnings, outlook, outlook_charts
from interventions.early_warnings import EarlyWarning, Kind
from interventions.outlook import MeasureOutlook, Outlook
from tests.conftest import person
from tests.factories import make_contract, make_count, make_measure
from tests.hedis.star_plan import make_gaps
from tests.interventions.test_project_rates import enter, make_model, open_gaps, two_past_years
from tests.predictions.scored import make_prediction

pytestmark = pytest.mark.django_db
PAGE = "/admin/outlook/H1234/2026/"


@pytest.fixture(autouse=True)
def nothing_is_cached() -> None:
    cache.clear()


@pytest.fixture
def plan(dee: User, tmp_path: Path) -> Contract:
    """H1234 with 60 % of COL and of GSD met; COL ended past years at 80 %, GSD has no past; other measures entered."""
    contract = make_gaps({"COL": (15, 25), "GSD": (15, 25)})
    two_past_years()
    enter(contract, tmp_path, by=dee)
    for code in ("COL", "GSD"):
        make_count(make_measure(code), contract, eligible=25, excluded=0, denominator=25, numerator=15)
    return contract


@pytest.fixture
def page(plan: Contract, client: Client, quinn: User) -> Any:
    """The director looks at the contract."""
    client.force_login(quinn)
    return client.get(PAGE)


def test_a_measure_stands_with_its_rate_its_year_end_and_its_next_star(page: Any) -> None:
    (line,) = page.context["lines"]
    one = line.one
    assert (one.id, one.code, one.met, one.denominator) == ("C02", "COL", 15, 25)
    assert (one.rate_today, one.rate) == (60.0, pytest.approx(80))
    # Three stars begin at 68 %: 67.5 % of 25 is 17 members, two more than now.
    assert (one.star_today, one.next_star, one.closures, one.closable) == (2, 3, 2, 10)
    text = page.content.decode()
    assert "<b>60.0 %</b>" in text and "<b>80.0 %</b>" in text and "<b>2</b>" in text and "for 3 stars" in text
    assert f"{one.low:.1f} to {one.high:.1f}" in text and "completion curve of past years" in text


def test_every_number_leads_to_exactly_its_members(page: Any, client: Client) -> None:
    Gap.objects.filter(pk=open_gaps("COL")[0].pk).update(contact_by=None)
    Gap.objects.filter(pk=open_gaps("COL")[1].pk).update(star_eligible=False)
    cache.clear()
    (line,) = client.get(PAGE).context["lines"]
    one = line.one
    wanted = {"met": one.met, "denominator": one.denominator, "unmet": one.unmet, "closable": one.closable}
    assert wanted == {"met": 15, "denominator": 24, "unmet": 9, "closable": 8}
    for name, count in wanted.items():
        listed = client.get(line.links[name])
        assert listed.context["cl"].result_count == count, name


def test_the_rating_stands_with_its_odds_of_both_kinds(page: Any, plan: Contract) -> None:
    found = page.context["outlook"]
    stored = rating.rate(plan, 2028, as_of=date(2026, 9, 30), by="ben")
    assert found.today == stored.overall
    assert sum(found.independent.values()) == pytest.approx(1) == pytest.approx(sum(found.shared.values()))
    text = page.content.decode()
    assert "If the measures err each for itself: " in text and "If they all err in the same direction: " in text
    assert f"{found.expected:.2f}" in text and "Overall rating at year" in text


def test_what_was_left_out_and_what_stands_fixed_is_said(page: Any) -> None:
    text = page.content.decode()
    assert "GSD (nothing to forecast from: no past year, no chances, no claim lag)" in text
    fixed = page.context["outlook"].fixed
    assert f"{len(fixed)} measures count with the star they have today" in text
    assert "C12" in {one.id for one in fixed}
    assert "data as of 2026-09-30" in text and "cut points of 2027" in text


def test_every_picture_has_words_and_a_table_beside_it_and_no_style(page: Any) -> None:
    text = page.content.decode()
    pictures = text.split("<main")[1].split("</main>")[0].split("<svg")[1:]
    assert pictures and [each for each in pictures if "<title>" not in each.split("</svg>")[0]] == []
    assert "C02: 60.0 percent today, 2 of 5 stars; at year&#x27;s end 80.0" in text
    assert " style=" not in text


def test_the_file_holds_the_page_and_the_ledger_says_so(page: Any, client: Client) -> None:
    answer = client.get(PAGE, {"format": "csv"})
    (row,) = csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode()))  # type: ignore[attr-defined]
    assert (row["contract"], row["measure"], row["numerator"], row["closures_to_next_star"]) == (
        "H1234", "C02", "15", "2",
    )  # fmt: skip
    assert sum(float(row[f"chance_{star}"]) for star in range(1, 6)) == pytest.approx(1, abs=1e-3)
    assert Event.objects.get(action="outlook.exported").row_count == 1


def test_who_sees_no_members_gets_figures_without_links(plan: Contract, client: Client) -> None:
    client.force_login(person("stu", roles.MODEL_STEWARD))
    for address in (PAGE, "/admin/outlook/", "/admin/outlook/panel/"):
        answer = client.get(address)
        assert answer.status_code == 200 and "/admin/gaps/gap/" not in answer.content.decode()


@pytest.mark.parametrize("address", [PAGE, "/admin/outlook/", "/admin/outlook/panel/", "/admin/equity/"])
def test_a_care_manager_sees_no_figures_of_the_plan(address: str, client: Client, ana: User) -> None:
    client.force_login(ana)
    assert client.get(address).status_code == 403


def test_a_contract_without_gaps_of_a_star_measure_says_why(client: Client, quinn: User) -> None:
    make_count(make_measure("XYZ"), make_contract("H7777"))
    client.force_login(quinn)
    for address in ("/admin/outlook/H7777/2026/", "/admin/outlook/", "/admin/outlook/panel/"):
        assert "has no gaps of measurement year 2026 in a Star measure" in client.get(address).content.decode()
    assert client.get("/admin/outlook/H8888/2026/").status_code == 404


def test_the_home_page_projects_nothing_and_the_script_fills_it_in(
    plan: Contract, client: Client, quinn: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.force_login(quinn)
    with monkeypatch.context() as patch:
        patch.setattr(outlook, "computed", None)
        text = client.get(reverse("admin:index")).content.decode()
    assert 'data-fill="/admin/outlook/panel/"' in text and "hedis/fill.js" in text and "Open the outlook" in text
    part = client.get("/admin/outlook/panel/").content.decode()
    assert part.lstrip().startswith("<section") and "H1234" in part and "data-fill" not in part
    text = client.get(reverse("admin:index")).content.decode()
    assert "data-fill" not in text and PAGE in text


def test_a_projection_is_computed_once_for_what_it_hangs_on(plan: Contract, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    real = outlook.projected
    monkeypatch.setattr(outlook, "projected", lambda *args: made.append("once") or real(*args))
    outlook.of_contract("H1234", 2026)
    outlook.of_contract("H1234", 2026)
    assert len(made) == 1
    model = make_model("GSD")
    for gap in open_gaps("GSD"):
        make_prediction(gap, model, probability=0.5, low=None, high=None)
    found = outlook.of_contract("H1234", 2026)
    assert isinstance(found, Outlook) and len(made) == 2 and "GSD" not in found.left_out
    run = FindingRun.objects.create(year=2026, data_as_of=date(2026, 10, 31), generation="g2", found_by="system")
    MeasureCount.objects.filter(run__year=2026).update(run=run)
    outlook.of_contract("H1234", 2026)
    assert len(made) == 3


def queries(client: Client, address: str, most: int, counting: Any) -> None:
    cache.clear()
    with counting(most):
        assert client.get(address).status_code == 200


def test_the_number_of_queries_does_not_grow_with_members(
    plan: Contract, client: Client, quinn: User, django_assert_max_num_queries: Any
) -> None:
    client.force_login(quinn)
    client.get(PAGE)
    queries(client, PAGE, 29, django_assert_max_num_queries)
    make_gaps({"COL": (30, 40), "GSD": (10, 40)}, contract=plan)
    MeasureCount.objects.filter(run__year=2026).update(run=FindingRun.objects.order_by("-id").first())
    queries(client, PAGE, 29, django_assert_max_num_queries)
    queries(client, "/admin/outlook/panel/", 29, django_assert_max_num_queries)


def measure(**overrides: Any) -> MeasureOutlook:
    """A measure of 1,000 members at four stars that it will likely keep."""
    facts: dict[str, Any] = {
        "id": "C02", "code": "COL", "name": "Screening", "weight": 1, "lower_is_better": False,
        "cuts": tuple(map(Decimal, (50, 60, 70, 80))), "scale": (None, None),
        "met": 750, "denominator": 1000, "rate_today": 75.0,
        "rate": 78.0, "low": 76.0, "high": 80.0, "star_today": 4, "odds": (0.0, 0.0, 0.1, 0.7, 0.2),
        "expected_stars": 4.1, "next_star": 5, "closures": 45, "closable": 200, "end_numerator": 780.0,
        "end_denominator": 1000, "methods": {"curve": 1.0}, "error": 1.0, "notes": (), **overrides,
    }  # fmt: skip
    return MeasureOutlook(**facts)


def told(*measures: MeasureOutlook) -> list[tuple[str, str]]:
    found = Outlook("H1", "", 2026, date(2026, 9, 30), 2027, (), "Overall", None, "", {}, {}, None, None, measures,
                    (), {})  # fmt: skip
    return [(one.kind.value, one.code) for one in early_warnings.of_outlook(found)]


def test_a_star_that_is_more_likely_lost_than_kept_is_at_risk() -> None:
    assert told(measure()) == []
    assert told(measure(odds=(0.0, 0.0, 0.6, 0.4, 0.0))) == [("star at risk", "COL")]
    assert told(measure(odds=(0.0, 0.0, 0.5, 0.5, 0.0))) == []
    assert told(measure(star_today=1, odds=(1.0, 0.0, 0.0, 0.0, 0.0), next_star=2)) == [], "one star cannot be lost"


def test_few_closures_with_enough_people_for_them_are_an_opportunity() -> None:
    assert told(measure(closures=20)) == [("opportunity", "COL")]
    assert told(measure(closures=21)) == []
    assert told(measure(closures=20, closable=39)) == []
    assert told(measure(closures=None, next_star=None)) == []


def test_contacts_that_run_out_and_old_data_are_said() -> None:
    as_of = date(2026, 9, 30)
    assert list(early_warnings.of_dates({}, as_of, as_of + timedelta(days=45))) == []
    late = list(early_warnings.of_dates({"H2": 1, "H1": 1200}, as_of, as_of + timedelta(days=46)))
    assert [(one.contract, one.words) for one in late] == [
        ("H1", "1,200 gaps to be contacted within 14 days"),
        ("H2", "1 gap to be contacted within 14 days"),
        ("", "the data are 46 days old, as of 2026-09-30"),
    ]


def test_the_home_page_shows_the_first_lines_of_a_kind_and_counts_the_rest() -> None:
    lines = [EarlyWarning("H1", Kind.OPPORTUNITY, str(number)) for number in range(5)]
    lines.append(EarlyWarning("H1", Kind.AT_RISK, "first"))
    shown, more = early_warnings.first_lines(lines)
    assert ([one.words for one in shown], more) == (["first", "0", "1"], 3)


def test_the_deadline_line_leads_to_the_gaps_it_counts(plan: Contract, client: Client, quinn: User) -> None:
    soon = timezone.localdate() + timedelta(days=14)
    chosen = [gap.pk for gap in open_gaps("COL")[:3]]
    Gap.objects.filter(pk__in=chosen).update(contact_by=soon, closable_until=soon)
    Gap.objects.filter(pk=open_gaps("COL")[3].pk).update(
        contact_by=soon + timedelta(days=1), closable_until=soon + timedelta(days=1)
    )
    Gap.objects.exclude(pk__in=chosen).filter(contact_by__lte=soon).update(contact_by=None)
    client.force_login(quinn)
    panel = client.get("/admin/outlook/panel/").context["panel"]
    (line,) = [(one, link) for one, link in panel["warnings"] if one.kind is Kind.DEADLINE]
    assert line[0].words == "3 gaps to be contacted within 14 days"
    assert client.get(line[1]).context["cl"].result_count == 3


def test_a_lower_rate_that_is_better_stands_further_right() -> None:
    inverse = {"lower_is_better": True, "cuts": tuple(map(Decimal, (50, 40, 30, 20)))}
    better, worse = (
        outlook_charts.rate_band(measure(rate_today=rate, rate=rate, low=rate - 2, high=rate + 2, **inverse))
        for rate in (10.0, 45.0)
    )
    assert mark(better) > mark(worse)


def mark(picture: str) -> float:
    """Where the year's end stands, in pixels from the left."""
    return float(picture.split('cx="')[1].split('"')[0])


def test_a_chance_is_only_certain_where_it_is() -> None:
    words = [outlook_charts.percent(chance) for chance in (0.0, 0.001, 0.5, 0.999, 1.0)]
    assert words == ["0 %", "<1 %", "50 %", ">99 %", "100 %"]
