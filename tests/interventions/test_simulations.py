"""What would be: other rules, other closures, ways to spend; asked for, done by a worker, kept, compared."""

import io
import json
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from rest_framework.test import APIClient

from audit.models import Event
from hedis.accounts.models import User
from hedis.gaps.models import FindingRun, Gap, MeasureCount, Status
from hedis.lib.commands import Refused, WrongUse
from hedis.lib.runs import RunState
from hedis.members.models import Contract, Member
from hedis.stars import scores
from hedis.stars.models import PublishedContract, PublishedStar, Release
from hedis.stars.standing import standing_of
from interventions import altering, campaigning, counties, planning, projection, simulation, simulation_runs, underway
from interventions.deciding import CHANNELS
from interventions.models import Simulation
from interventions.money import County
from interventions.planning import Proposal
from interventions.problem import ProblemError
from interventions.scenario import scenario_of
from interventions.simulation_runs import NameTaken, NoName
from predictions.models import ActionEffect, Origin
from tests.conftest import PASSWORD
from tests.factories import make_measure
from tests.hedis.star_plan import OTHERS, make_gaps
from tests.interventions.plans import make_campaign

pytestmark = pytest.mark.django_db
TODAY = date(2026, 9, 30)
COUNTS = {"COL": (35, 50), "GSD": (38, 50), "CBP": (35, 50)}
ADAMS = County("Adams", Decimal(1050), Decimal(1000), Decimal(900), Decimal(12000), Decimal(1))


@pytest.fixture
def contract() -> Contract:
    """Three measures from gaps, every other from entered scores; a call adds 15 of 100, a kit 10."""
    made = make_gaps(COUNTS)
    standing = standing_of(made, 2028)
    kept = {name: score for name, score in OTHERS.items() if name in standing.year.measures}
    scores.keep(
        [scores.check(standing, made, name, str(score), "vendor") for name, score in kept.items()], 2028, by="ben"
    )
    effect = {"origin": Origin.TRIAL, "standard_error": 0.02, "source": "made for a test"}
    ActionEffect.objects.create(action="call", uplift=0.15, **effect)
    ActionEffect.objects.create(action="mailed_kit", measure=make_measure("COL"), uplift=0.1, **effect)
    past(made)
    return made


def enter_scores(contract: Contract) -> None:
    """A score of every measure that gaps do not give, so that the contract is rated."""
    standing = standing_of(contract, 2028)
    kept = {name: score for name, score in OTHERS.items() if name in standing.year.measures}
    checked = [scores.check(standing, contract, name, str(score), "vendor") for name, score in kept.items()]
    scores.keep(checked, 2028, by="ben")


def past(contract: Contract) -> None:
    """Two past years that ended where this one stands, so that there is something to project from."""
    for year in (2024, 2025):
        run = FindingRun.objects.create(year=year, data_as_of=date(year, 12, 31), generation="old", found_by="system")
        for code, (closed, everyone) in COUNTS.items():
            MeasureCount.objects.create(
                run=run, measure=make_measure(code), contract=contract, eligible=everyone, excluded=0,
                denominator=everyone, numerator=closed + (year - 2024), definition_version="1",
            )  # fmt: skip


def tried(contract: Contract, content: dict[str, Any]) -> dict[str, Any]:
    return simulation.simulated(contract, 2026, scenario_of(content, channels=CHANNELS), today=TODAY)


def money(contract: Contract) -> None:
    counties.keep([ADAMS], contract, 2029, source="made for a test", by="ben")


# --- rules


def test_nothing_changed_is_the_outlook_itself(contract: Contract) -> None:
    found = tried(contract, {})
    assert found["changes"] == [] and found["ways"] == []
    assert found["nothing_done"]["expected"] == pytest.approx(found["as_it_stands"]["expected"])
    assert found["nothing_done"]["chances"] == pytest.approx(found["as_it_stands"]["chances"])


def test_harder_cut_points_cost_stars_and_easier_ones_give_them(contract: Contract) -> None:
    harder, easier = (tried(contract, {"cut_shifts": {"*": points}})["nothing_done"] for points in (3, -3))
    now = tried(contract, {})["nothing_done"]
    for name, one in now["measures"].items():
        stars = [side["measures"][name]["expected_stars"][0] for side in (harder, easier)]
        assert stars[0] <= one["expected_stars"][0] <= stars[1]
    assert harder["expected"] < easier["expected"]


def test_a_cut_point_is_set_for_one_measure_alone(contract: Contract) -> None:
    found, now = tried(contract, {"cuts": {"COL": {"3": 67, "4": 69, "5": 71}}}), tried(contract, {})
    changed = {
        name for name, one in found["nothing_done"]["measures"].items()
        if one["chances"] != now["nothing_done"]["measures"][name]["chances"]
    }  # fmt: skip
    assert changed == {"C02"}


def test_weights_of_another_star_year_take_the_measures_out_that_leave_by_then(contract: Contract) -> None:
    found = tried(contract, {"weights_of": 2029})
    assert "weights of 2027, the newest known for 2029" in found["changes"][0]
    assert "leave" in found["changes"][0]


def test_a_measure_can_be_left_out_or_added_with_a_star(contract: Contract) -> None:
    assert "C02" not in tried(contract, {"without": ["COL"]})["nothing_done"]["measures"]
    outlook = projection.projected(contract, 2026)
    fixed = min(outlook.fixed)
    left = altering.altered(outlook, scenario_of({"without": [fixed]}, channels=CHANNELS))
    assert fixed not in left.outlook.fixed and left.outlook.measures.keys() == outlook.measures.keys()
    low, high = (tried(contract, {"with": {"DSF": {"star": star, "weight": 5}}})["nothing_done"] for star in (1, 5))
    assert low["expected"] < tried(contract, {})["nothing_done"]["expected"] <= high["expected"]


def test_without_the_reward_factor_the_rating_is_never_better(contract: Contract) -> None:
    without, now = tried(contract, {"reward_factor": False}), tried(contract, {})
    assert without["nothing_done"]["expected"] <= now["nothing_done"]["expected"]
    assert without["changes"] == ["no reward factor"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"without": ["XYZ"]}, "without.XYZ: no measure of the Star year"),
        ({"without": ["COL", "GSD", "CBP"]}, "without: leaves no measure"),
        ({"cut_shifts": {"C03": 2}}, "cut_shifts.C03: is not projected"),
        ({"cuts": {"COL": {"2": 99}}}, "cuts.COL: cut points"),
        ({"with": {"COL": {"star": 3}}}, "with.COL: is projected already"),
        ({"closures": {"COL": 500}}, "closures.COL: is 500, and"),
        ({"closures": {"C03": 1}}, "closures.C03: is not projected"),
        ({"budget": 500, "objective": "dollars"}, "objective: dollars need the contract's county figures"),
        ({"hei_median_share": 0.4}, "hei_median_share: asks to rank against all contracts"),
    ],
)
def test_a_scenario_that_does_not_fit_the_contract_names_its_field(
    contract: Contract, content: dict[str, Any], words: str
) -> None:
    with pytest.raises(ProblemError) as refusal:
        tried(contract, content)
    assert words in str(refusal.value)


# --- closures and spending


def test_closures_given_are_added_to_those_that_come_anyway(contract: Contract) -> None:
    (way,) = tried(contract, {"closures": {"COL": 10}})["ways"]
    assert (way["name"], way["closures"], way["cost"]) == ("given", 10, 0)
    assert way["measures"]["C02"]["added"] == 10
    assert way["expected"] >= tried(contract, {})["nothing_done"]["expected"]


def test_a_closure_rate_counts_nothing_that_closes_anyway(contract: Contract) -> None:
    outlook = projection.projected(contract, 2026)
    one = outlook.measures["C02"]
    anyway = max((one.rate - one.rate_today) * one.denominator, 0.0)
    (way,) = tried(contract, {"closure_rates": {"COL": 0.5}})["ways"]
    assert way["closures"] == pytest.approx(0.5 * one.closable - anyway)
    (none,) = tried(contract, {"closure_rates": {"COL": 0.0}})["ways"]
    assert none["closures"] == 0 and none["gained"] == pytest.approx(0)


def test_every_way_keeps_the_budget_and_the_best_is_worth_most(contract: Contract) -> None:
    found = tried(contract, {"budget": 1500, "strategies": [
        "optimal", "triple_weighted_first", "newest_measures", "most_gaps_per_member", "nearest_cut"]})  # fmt: skip
    by_name = {way["name"]: way for way in found["ways"]}
    assert len(by_name) == 5
    assert all(way["cost"] <= 1500 for way in found["ways"])
    assert by_name["optimal"]["worth"] == max(way["worth"] for way in found["ways"])
    assert by_name["optimal"]["worth"] <= by_name["optimal"]["upper_bound"]
    assert by_name["optimal"]["closures"] > 0


def test_more_effect_of_outreach_is_worth_no_less(contract: Contract) -> None:
    worths = [tried(contract, {"budget": 1500, "effect": effect})["ways"][0]["worth"] for effect in (0.0, 1.0, 2.0)]
    assert worths == sorted(worths)
    assert tried(contract, {"budget": 1500, "effect": 0.0})["ways"][0]["closures"] == 0


def test_the_frontier_never_falls_with_the_budget(contract: Contract) -> None:
    points = tried(contract, {"budget": 1000, "budgets": [0, 400, 1000, 3000]})["frontier"]
    assert [point["budget"] for point in points] == [0, 400, 1000, 3000]
    worths = [point["worth"] for point in points]
    assert worths == sorted(worths)
    assert all(point["spend"] <= point["budget"] and point["worth"] <= point["upper_bound"] for point in points)


def test_with_county_figures_a_way_says_what_it_returns_and_when_it_breaks_even(contract: Contract) -> None:
    money(contract)
    found = tried(contract, {"budget": 3000, "cut_shifts": {"COL": -4}, "closures": {"CBP": 12, "GSD": 10, "COL": 12}})
    assert found["money"]["counties"] == 1
    for way in found["ways"]:
        assert way["return"]["gain"]["low"] >= 0
        assert way["return"]["net"] == pytest.approx(way["return"]["gain"]["value"] - way["cost"])
        assert {one["name"] for one in way["sensitivity"]} == {"effect", "cut_points", "cost", "discount_rate"}
    given = next(way for way in found["ways"] if way["name"] == "given")
    assert given["return"]["gain"]["value"] > 0
    paid = next(way for way in found["ways"] if way["cost"])
    assert paid["break_even_share"] is None or 0 <= paid["break_even_share"] <= 1


def test_who_adds_nothing_returns_nothing_and_no_bonus_is_negative(contract: Contract) -> None:
    money(contract)
    (way,) = tried(contract, {"closures": {"COL": 0}})["ways"]
    assert way["return"]["gain"] == {"value": 0, "low": 0, "high": 0}
    assert way["sensitivity"] == []


def test_on_top_of_outreach_under_way_its_closures_come_first(contract: Contract, ben: User, quinn: User) -> None:
    gaps = list(Gap.objects.filter(measure__code="COL", status=Status.OPEN).select_related("member")[:10])
    campaign = make_campaign(by=ben, contract=contract)
    rows = [Proposal(gap.member.pseudonym, "call", {"COL": 0.25}) for gap in gaps]
    planning.plan(campaign, rows=rows, today=TODAY, by=ben)
    assert underway.underway(contract, 2026).added == {}
    campaigning.start(campaigning.approve(campaign, why="yes", by=quinn), why="go", by=ben)
    found = underway.underway(contract, 2026)
    assert (found.interventions, found.members, found.added) == (10, 10, {"COL": pytest.approx(2.5)})
    on_top = tried(contract, {"on_top": True})
    assert on_top["changes"] == ["on top of 10 interventions under way, 2.5 closures expected"]
    anew = tried(contract, {})["nothing_done"]["measures"]["C02"]
    assert on_top["nothing_done"]["measures"]["C02"]["rate"][0] == pytest.approx(anew["rate"][0] + 100 * 2.5 / 50)


def test_the_health_equity_index_takes_the_rewards_place(contract: Contract) -> None:
    Member.objects.update(low_income_subsidy=True)
    publish({"COL": "C02", "GSD": "C12", "CBP": "C14"})
    found = tried(contract, {"hei_median_share": 0.4})
    assert found["changes"][0].startswith("Health Equity Index in the reward factor's place: ")
    # Only some hundred members: CMS would not have computed one.
    assert "fewer than 500 enrollees, reward 0" in found["changes"][0]


def publish(ids: dict[str, str]) -> None:
    """Three contracts as CMS's tables of 2026 have them."""
    release = Release.objects.create(
        star_year=2026, name="made", is_current=True, digest="0" * 64, loaded_at="2026-01-01T00:00Z", loaded_by="ben",
        contract_count=3, star_count=9,
    )  # fmt: skip
    for number, score in (("H0001", 50), ("H0002", 70), ("H0003", 90)):
        one = PublishedContract.objects.create(
            release=release, number=number, organisation_type="Local CCP", name=number, marketing_name=number,
            parent="made", rated_as="MA-PD", snp=False, puerto_rico_only=False, disaster_current=0, disaster_previous=0,
        )  # fmt: skip
        PublishedStar.objects.bulk_create(
            PublishedStar(contract=one, measure_id=name, score=score, star=3) for name in ids.values()
        )


def test_the_reading_takes_no_more_queries_for_more_members(
    contract: Contract, django_assert_max_num_queries: Callable[..., Any]
) -> None:
    with django_assert_max_num_queries(30):
        tried(contract, {"budget": 1500})


# --- kept


def ask(contract: Contract, name: str = "Autumn", content: dict[str, Any] | None = None, **more: Any) -> Simulation:
    told = {"closures": {"COL": 5}} if content is None else content
    return simulation_runs.ask(name, contract=contract, year=2026, content=told, by="ben", **more)


def test_a_simulation_waits_for_a_worker_and_then_holds_its_result(contract: Contract) -> None:
    asked = ask(contract)
    assert (asked.state, asked.result) == (RunState.QUEUED, None)
    done = simulation_runs.carry_out(asked, today=TODAY, by="ben")
    assert done.state == RunState.DONE and done.result is not None and done.data_as_of == TODAY
    assert list(Event.objects.filter(object_type="simulation").order_by("id").values_list("action", flat=True)) == [
        "simulation.asked", "simulation.done",
    ]  # fmt: skip
    assert simulation_runs.carry_out(asked, today=TODAY, by="ben").result == done.result


def test_a_second_click_is_the_first_and_another_scenario_needs_another_name(contract: Contract) -> None:
    first = ask(contract)
    assert ask(contract) == first
    with pytest.raises(NameTaken, match="Autumn"):
        ask(contract, content={"closures": {"COL": 6}})
    with pytest.raises(NoName):
        ask(contract, name=" ")
    assert Simulation.objects.count() == 1


def test_one_that_cannot_be_done_says_why_and_keeps_no_result(contract: Contract) -> None:
    asked = ask(contract, content={"without": ["XYZ"]})
    with pytest.raises(ProblemError):
        simulation_runs.carry_out(asked, today=TODAY, by="ben")
    asked.refresh_from_db()
    assert asked.state == RunState.FAILED and "without.XYZ" in asked.error and asked.result is None


def run(*arguments: str) -> dict[str, Any]:
    out = io.StringIO()
    call_command("simulate", "--contract", "H1234", "--year", "2026", *arguments, "--json", stdout=out)
    found: dict[str, Any] = json.loads(out.getvalue())
    return found


def test_the_command_tries_and_keeps_only_under_a_name(contract: Contract) -> None:
    found = run("--budget", "900", "--cut-shift", "*=1", "--close", "COL=3", "--no-reward-factor")
    assert [way["name"] for way in found["ways"]] == ["given", "optimal"]
    assert Simulation.objects.count() == 0
    kept = run("--close", "COL=3", "--name", "Three more")
    assert Simulation.objects.get().pk == kept["id"]
    out = io.StringIO()
    call_command("simulate", "--contract", "H1234", "--year", "2026", "--close", "COL=3", stdout=out)
    assert "Closures as given" in out.getvalue() and "stars expected" in out.getvalue()


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (("--close", "COL"), WrongUse, "is not NAME=NUMBER"),
        (("--cut", "COL=3"), WrongUse, "MEASURE:STAR=SCORE"),
        (("--without", "XYZ"), Refused, "without.XYZ"),
        (("--strategy", "optimal"), Refused, "budget: is missing"),
        (("--scenario", "nowhere.json"), Refused, "nowhere.json"),
    ],
)
def test_a_wrong_call_of_the_command_says_what_is_wrong(
    contract: Contract, arguments: tuple[str, ...], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words.replace(".", r"\.")):
        run(*arguments)
    assert Simulation.objects.count() == 0


def test_an_unknown_contract_is_a_wrong_call() -> None:
    with pytest.raises(WrongUse, match="H9999"):
        call_command("simulate", "--contract", "H9999", "--year", "2026")


# --- API and pages


def signed_in(user: User) -> Client:
    client = Client()
    client.login(username=user.get_username(), password=PASSWORD)
    return client


def test_the_api_takes_one_at_once_and_tells_where_to_watch(contract: Contract, ben: User) -> None:
    client = APIClient()
    client.force_login(ben)
    body = {"name": "By API", "contract": "H1234", "year": 2026, "scenario": {"closures": {"COL": 5}}}
    answer = client.post("/api/v1/simulations/", body, format="json", HTTP_IDEMPOTENCY_KEY="one")
    assert answer.status_code == 202 and answer.data["state"] == "queued"
    again = client.post("/api/v1/simulations/", body, format="json", HTTP_IDEMPOTENCY_KEY="one")
    assert again.headers["Idempotency-Replayed"] == "true" and Simulation.objects.count() == 1
    simulation_runs.carry_out(Simulation.objects.get(), today=TODAY, by="ben")
    found = client.get(answer.headers["Location"])
    assert found.data["result"]["ways"][0]["closures"] == 5
    listed = client.get("/api/v1/simulations/?contract=H1234&year=2026")
    assert listed.data["count"] == 1 and "result" not in listed.data["results"][0]


@pytest.mark.parametrize(
    ("change", "status", "words"),
    [
        ({"scenario": {"bugdet": 5}}, 400, "bugdet"),
        ({"scenario": "all"}, 400, "scenario"),
        ({"contract": "H9999"}, 400, "no such contract"),
        ({"name": " "}, 400, "name"),
        ({"speed": 3}, 400, "speed"),
        ({"scenario": {"closures": {"COL": 6}}}, 409, "asks something else"),
    ],
)
def test_the_api_refuses_what_cannot_be_asked(
    contract: Contract, ben: User, change: dict[str, Any], status: int, words: str
) -> None:
    ask(contract)
    client = APIClient()
    client.force_login(ben)
    body = {"name": "Autumn", "contract": "H1234", "year": 2026, "scenario": {"closures": {"COL": 5}}, **change}
    answer = client.post("/api/v1/simulations/", body, format="json")
    assert answer.status_code == status and words in json.dumps(answer.json())
    assert Simulation.objects.count() == 1


def test_the_pages_ask_show_compare_and_export(contract: Contract, quinn: User) -> None:
    money(contract)
    client = signed_in(quinn)
    form = {"name": "On a page", "contract": "H1234", "year": "2026", "budget": "1500", "strategies": ["optimal"],
            "objective": "weighted_stars", "budgets": "0, 1500", "cut_shift": "-1", "closures": "COL=5",
            "reward_factor": "on", "effect": "1"}  # fmt: skip
    answer = client.post(reverse("admin:interventions_simulation_new"), form)
    asked = Simulation.objects.get()
    assert answer.status_code == 302 and answer.headers["Location"].endswith(f"/{asked.pk}/change/")
    assert "No worker is running" in client.get(answer.headers["Location"]).content.decode()
    simulation_runs.carry_out(asked, today=TODAY, by="ben")
    page = client.get(answer.headers["Location"]).content.decode()
    for words in ("Closures as given", "What more money buys", "What the answer hangs on", "Nothing done"):
        assert words in page
    side = client.get(reverse("admin:interventions_simulation_compare"), {"id": asked.pk}).content.decode()
    assert "On a page" in side
    file = client.get(answer.headers["Location"], {"format": "csv"})
    lines = b"".join(file.streaming_content).decode().splitlines()  # type: ignore[attr-defined]
    assert len(lines) == 4 and lines[1].startswith("On a page,H1234,2026,2026-09-30,Nothing done")
    assert Event.objects.filter(action="simulation.exported", row_count=3).count() == 1


def test_the_form_keeps_what_was_typed_and_says_what_is_wrong(contract: Contract, quinn: User) -> None:
    form = {"name": "Slip", "contract": "H1234", "year": "2026", "closures": "COL=many", "reward_factor": "on"}
    answer = signed_in(quinn).post(reverse("admin:interventions_simulation_new"), form)
    page = answer.content.decode()
    assert answer.status_code == 409 and "is not NAME=NUMBER" in page and "COL=many" in page
    assert Simulation.objects.count() == 0


def test_who_sees_no_money_sees_no_simulation(contract: Contract, lea: User, ana: User) -> None:
    asked = ask(contract)
    for user in (lea, ana):
        assert signed_in(user).get(
            reverse("admin:interventions_simulation_change", args=[asked.pk])).status_code == 403  # fmt: skip


def test_rules_of_a_measure_are_those_of_the_star_year(contract: Contract) -> None:
    outlook = projection.projected(contract, 2026)
    same = altering.unaltered(outlook)
    assert same.rules["C02"].cuts == outlook.method.year.cuts("C02", outlook.method.rated_as)
