"""From a contract's data to a stored plan, to a draft campaign, to exposures of both arms."""

import io
import json
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from audit.models import Event
from hedis.accounts.models import User
from hedis.gaps.models import Gap, Status
from hedis.lib.commands import Refused, WrongUse
from hedis.members.models import ContactPreference, Contract
from interventions import campaigning, deciding, offers, plan_storing
from interventions.deciding import Wish
from interventions.models import Campaign, Intervention, Plan, PlanItem
from interventions.money import County
from interventions.problem import ProblemError
from predictions.models import ActionEffect, Arm, Exposure
from tests.factories import make_contract
from tests.interventions.counties_of_a_contract import keep
from tests.interventions.plannable import make_plannable

pytestmark = pytest.mark.django_db
TODAY = date(2026, 9, 30)


@pytest.fixture
def contract() -> Contract:
    """A contract of two measures, of which one is scored."""
    return make_plannable()


def decided(*contracts: Contract, **wish: Any) -> Plan:
    return deciding.decide(contracts, 2026, Wish(**{"budget": Decimal(2000), **wish}), today=TODAY, by="ben")


def test_a_plan_is_stored_with_its_bound_its_choices_and_one_ledger_line(contract: Contract) -> None:
    plan = decided(contract)
    assert plan.chosen == PlanItem.objects.filter(plan=plan, chosen=True).count() > 0
    assert plan.lower_bound <= plan.upper_bound and plan.spend <= plan.budget
    assert plan.answer["stars"]["COL"]["after"] > plan.answer["stars"]["COL"]["before"]
    item = PlanItem.objects.filter(plan=plan).select_related("member").first()
    assert item is not None and set(item.uplift) <= {"COL", "GSD"}
    event = Event.objects.get(action="plan.decided")
    assert (event.row_count, event.object_id) == (plan.chosen, str(plan.pk))


def test_anybody_can_check_a_stored_plan_from_its_files(contract: Contract) -> None:
    plan = decided(contract)
    folder = plan_storing.folder_of(plan)
    out = io.StringIO()
    files = {"candidates": folder / "candidates.parquet", "problem": folder / "problem.json",
             "plan": folder / "plan.parquet"}  # fmt: skip
    call_command("check_plan", **files, json=True, stdout=out)
    assert json.loads(out.getvalue())["valid"] is True
    assert all((folder / name).stat().st_mode & 0o077 == 0 for name in plan_storing.FILES)


def test_who_asked_not_to_be_called_is_offered_the_kit_alone(contract: Contract) -> None:
    gap = Gap.objects.filter(measure__code="COL", status=Status.OPEN).first()
    assert gap is not None
    ContactPreference.objects.create(member=gap.member, do_not_call=True)
    person = next(each for each in offers.people([contract], 2026, TODAY) if each.member == gap.member.pseudonym)
    found = list(offers.offers(person, {"COL": 0.8, "GSD": 0.8}, offers.effects_known(), TODAY))
    assert [(one.action.kind, dict(one.uplift)) for one in found] == [("mailed_kit", {"COL": 0.1})]


def test_an_offer_adds_no_more_than_the_gap_is_likely_to_stay_open(contract: Contract) -> None:
    person = offers.Person("m", False, (offers.OpenGap("COL", 0.04, date(2026, 12, 31)),))
    found = list(offers.offers(person, {"COL": 0.8}, offers.effects_known(), TODAY))
    assert {one.uplift["COL"] for one in found} == {0.04}


def test_what_comes_too_late_for_its_lead_time_is_not_offered(contract: Contract) -> None:
    person = offers.Person("m", False, (offers.OpenGap("COL", 0.9, date(2026, 10, 20)),))
    found = list(offers.offers(person, {"COL": 0.8}, offers.effects_known(), TODAY))
    assert [one.action.kind for one in found] == ["call"]


def test_gaps_worked_on_already_are_not_planned_again(contract: Contract, ben: User, lea: User) -> None:
    plan = decided(contract)
    draft(plan, by=ben)
    left = {person.member for person in offers.people([contract], 2026, TODAY)}
    assert left.isdisjoint(PlanItem.objects.filter(plan=plan, chosen=True).values_list("member__pseudonym", flat=True))


def test_the_queries_do_not_grow_with_members(contract: Contract, django_assert_max_num_queries: Any) -> None:
    with django_assert_max_num_queries(40):
        decided(contract)


def draft(plan: Plan, *, by: Any, share: str = "0") -> Campaign:
    campaign, _ = deciding.make_campaign(
        plan, "Autumn", start_date=TODAY, end_date=date(2026, 12, 15), holdout_share=Decimal(share), today=TODAY, by=by
    )
    return campaign


def test_a_plan_becomes_a_campaign_in_its_own_order_once(contract: Contract, ben: User) -> None:
    plan = decided(contract)
    campaign = draft(plan, by=ben)
    worked = list(Intervention.objects.filter(campaign=campaign).in_plan_order())
    assert len(worked) == plan.chosen
    assert [row.priority for row in worked] == sorted((row.priority for row in worked), reverse=True)
    with pytest.raises(deciding.AlreadyACampaign):
        draft(plan, by=ben)


def test_a_campaign_that_starts_records_both_arms(contract: Contract, ben: User, lea: User) -> None:
    campaign = draft(decided(contract), by=ben, share="0.5")
    approved = campaigning.approve(campaign, why="Within the budget.", by=lea)
    campaigning.start(approved, why="The team is ready.", by=ben)
    arms = set(Exposure.objects.values_list("arm", flat=True))
    assert arms == {Arm.TREATED, Arm.HELD_OUT}
    held = set(Intervention.objects.filter(held_out=True).values_list("member_id", flat=True))
    assert set(Exposure.objects.filter(arm=Arm.HELD_OUT).values_list("member_id", flat=True)) == held
    assert not Exposure.objects.filter(randomised=False).exists()


def test_dollars_are_those_of_the_rating_and_need_a_county(contract: Contract) -> None:
    county = County(
        "Example", base=Decimal(1000), fee_for_service=Decimal(1000), bid=Decimal(900), member_months=Decimal(12000),
        risk_score=Decimal(1),
    )  # fmt: skip
    plan = decided(contract, objective="dollars", counties=(county,))
    assert plan.lower_bound >= 0 and {step["value"] > 0 for step in plan.problem["ratings"]} == {True}
    nothing = decided(contract, objective="dollars")
    assert nothing.upper_bound == 0 and nothing.gap == 0


@pytest.mark.parametrize(
    ("wish", "words"),
    [({"budget": Decimal(-1)}, "budget"), ({"capacities": {"phone": -5.0}}, "phone"), ({"objective": "fame"}, "fame")],
)
def test_a_wish_that_cannot_be_is_refused_and_stores_nothing(
    contract: Contract, wish: dict[str, Any], words: str
) -> None:
    with pytest.raises(ProblemError, match=words):
        decided(contract, **wish)
    assert not Plan.objects.exists()


def test_without_effects_nobody_can_be_helped_and_the_message_says_what_to_do(contract: Contract) -> None:
    ActionEffect.objects.all().delete()
    with pytest.raises(deciding.NothingToPlan, match="load_action_effects"):
        decided(contract)


def test_capacities_are_kept(contract: Contract, own_data_dir: Path) -> None:
    plan = decided(contract, capacities={"phone": 3.0})
    assert PlanItem.objects.filter(plan=plan, kind="call").count() <= 3
    assert plan.answer["resources"]["phone"]["used"] <= 3


def test_the_command_answers_in_the_promised_form_with_the_stored_plan(contract: Contract) -> None:
    out = io.StringIO()
    call_command("plan_interventions", contract=["H1234"], year=2026, budget="2000", capacity=["phone=50"], json=True,
                 stdout=out)  # fmt: skip
    answer = json.loads(out.getvalue())
    plan = Plan.objects.get(pk=answer["id"])
    assert (answer["objective"], answer["chosen"], answer["budget"]) == (plan.lower_bound, plan.chosen, 2000)
    assert answer["resources"]["phone"]["capacity"] == 50 and answer["gap"] <= 0.01
    assert Path(answer["plan"]).exists() and Path(answer["certificate"]).exists()


def test_the_command_takes_counties_and_names_the_row_that_cannot_be(contract: Contract, tmp_path: Path) -> None:
    file = tmp_path / "counties.csv"
    head = "name,base,fee_for_service,bid,member_months,risk_score,double_county,cap\n"
    file.write_text(head + "Example,1000,1000,900,12000,1.0,N,\n")
    out = io.StringIO()
    wish = {"contract": ["H1234"], "year": 2026, "budget": "2000", "objective": "dollars", "counties": file}
    call_command("plan_interventions", **wish, json=True, stdout=out)
    assert json.loads(out.getvalue())["objective"] >= 0
    file.write_text(head + "Example,1000,1000,900,12000,1.0,N,\nOther,-5,1000,900,1,1.0,N,\n")
    with pytest.raises(Refused, match="row 3: Other, base"):
        call_command("plan_interventions", **wish, json=True, stdout=io.StringIO())
    assert Plan.objects.count() == 1


def test_the_command_takes_the_stored_counties_where_no_file_is_given(contract: Contract) -> None:
    wish = {"contract": ["H1234"], "year": 2026, "budget": "2000", "objective": "dollars"}
    with pytest.raises(WrongUse, match=r"no counties of H1234 are stored for 2026. Give --counties FILE"):
        call_command("plan_interventions", **wish, json=True)
    keep(contract, payment_year=2027)
    out = io.StringIO()
    call_command("plan_interventions", **wish, json=True, stdout=out)
    plan = Plan.objects.get(pk=json.loads(out.getvalue())["id"])
    # The worked example's 7,995,000 from 3.5 to 4 stars.
    assert 7_995_000.0 in {step["value"] for step in plan.problem["ratings"]}


@pytest.mark.parametrize(
    ("call", "words"),
    [({"contract": ["H1234"], "year": 2026}, "--budget is missing"),
     ({"contract": ["H1234"], "year": 2026, "budget": "many"}, "'many'"),
     ({"contract": ["H1234"], "problem": Path("p.json")}, "not both"),
     ({"contract": ["H9999"], "year": 2026, "budget": "5"}, "H9999 is no contract"),
     ({"contract": ["H1234"], "year": 2026, "budget": "5", "capacity": ["owl=3"]}, "the channels are"),
     ({"contract": ["H1234"], "year": 2026, "budget": "5", "objective": "dollars"}, "--counties"),
     ({}, "--candidates is missing")],
)  # fmt: skip
def test_a_wrong_call_is_refused_before_any_work(contract: Contract, call: dict[str, Any], words: str) -> None:
    with pytest.raises(WrongUse, match=words):
        call_command("plan_interventions", **call, json=True)


def test_another_contract_has_nobody() -> None:
    with pytest.raises(Exception, match="H9999"):
        decided(make_contract("H9999"))
