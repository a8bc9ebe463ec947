"""One plan for several contracts, equity floors and what they cost, and why each member was chosen or not."""

import io
import json
from datetime import date
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from audit.models import Event, Subject
from hedis.accounts.models import User
from hedis.gaps.models import Gap, Status
from hedis.lib.commands import WrongUse
from hedis.members.models import Contract, Member
from interventions import deciding, offers, plan_floors, plan_storing
from interventions.deciding import Wish
from interventions.models import Intervention, Plan, PlanItem
from interventions.money import County
from interventions.plan_floors import FloorWanted
from interventions.problem import ProblemError
from tests.factories import make_contract, make_gap, make_measure
from tests.interventions.counties_of_a_contract import keep
from tests.interventions.plannable import give_subsidy, make_plannable

pytestmark = pytest.mark.django_db
TODAY = date(2026, 9, 30)
COUNTY = County(
    "Example", base=Decimal(1000), fee_for_service=Decimal(1000), bid=Decimal(900), member_months=Decimal(12000),
    risk_score=Decimal(1),
)  # fmt: skip


@pytest.fixture
def contracts() -> list[Contract]:
    """H1234 and H2222: COL at 60 and 55 of 100, GSD at 70; ten members of each with an open COL gap have LIS."""
    first = make_plannable()
    second = make_plannable(make_contract("H2222"), {"COL": (55, 100), "GSD": (70, 100)})
    for contract in (first, second):
        give_subsidy(contract, "COL", 10)
    return [first, second]


def decided(contracts: list[Contract], *floors: str, **wish: Any) -> Plan:
    wanted = [FloorWanted.from_text(text) for text in floors]
    return deciding.decide(
        contracts, 2026, Wish(**{"budget": Decimal(1500), "floors": wanted, **wish}), today=TODAY, by="ben"
    )


def check(plan: Plan) -> dict[str, Any]:
    """What check_plan says of a plan's files."""
    folder, out = plan_storing.folder_of(plan), io.StringIO()
    files = {"candidates": folder / "candidates.parquet", "problem": folder / "problem.json",
             "plan": folder / "plan.parquet"}  # fmt: skip
    call_command("check_plan", **files, json=True, stdout=out)
    return dict(json.loads(out.getvalue()))


class TestSeveralContracts:
    def test_they_share_one_budget_and_their_measures_are_named_apart(self, contracts: list[Contract]) -> None:
        plan = decided(contracts, "lis:H2222/COL=0.5", capacities={"phone": 90.0}, budget=Decimal(3000))
        assert set(plan.answer["stars"]) == {"H1234/COL", "H2222/COL"}
        assert set(plan.left_out) == {"H1234/GSD", "H2222/GSD"}, "which nobody predicted"
        assert plan.spend <= 3000 and plan.answer["resources"]["phone"]["used"] <= 90
        assert list(plan.contracts.order_by("number")) == contracts
        chosen = PlanItem.objects.filter(plan=plan).chosen().select_related("member", "contract")
        assert {item.contract.number for item in chosen} == {"H1234", "H2222"}
        for item in chosen:
            assert item.member.gaps.filter(contract=item.contract, measure__code__in=item.uplift).exists()

    def test_anybody_can_check_it(self, contracts: list[Contract]) -> None:
        assert check(decided(contracts, "lis:H2222/COL=0.5"))["valid"] is True

    def test_its_campaign_has_no_contract_of_its_own_and_takes_everybody(
        self, contracts: list[Contract], ben: User
    ) -> None:
        plan = decided(contracts)
        campaign, planned = deciding.make_campaign(
            plan, "Autumn", start_date=TODAY, end_date=date(2026, 12, 15), holdout_share=Decimal(0), today=TODAY, by=ben
        )
        assert campaign.contract is None and "H1234, H2222" in campaign.notes
        assert planned.planned == plan.chosen == Intervention.objects.filter(campaign=campaign).count()

    def test_a_member_of_two_contracts_is_planned_for_the_one_with_most_of_her_gaps(
        self, contracts: list[Contract]
    ) -> None:
        gap = Gap.objects.filter(contract=contracts[0], status=Status.OPEN, measure__code="COL").first()
        assert gap is not None
        for code in ("GSD", "CBP"):
            make_gap(gap.member, make_measure(code), contract=contracts[1])
        person = next(each for each in offers.people(contracts, 2026, TODAY) if each.member == gap.member.pseudonym)
        assert (person.contract, [one.measure for one in person.gaps]) == ("H2222", ["CBP", "GSD"])

    def test_the_queries_hang_on_contracts_and_not_on_members(
        self, contracts: list[Contract], django_assert_max_num_queries: Any
    ) -> None:
        with django_assert_max_num_queries(80):
            decided(contracts, "lis:H1234/COL=0.5")

    def test_the_outcome_of_each_contract_is_kept(self, contracts: list[Contract]) -> None:
        plan = decided(contracts)
        raised = [name for name, one in plan.answer["stars"].items() if one["after"] > one["before"]]
        assert raised
        for name in raised:
            contract, code = name.split("/")
            found = plan.outcomes[contract]["measures"][code]
            assert found["added"] > 0 and found["expected_stars"][1] > found["expected_stars"][0]
            assert sum(found["chances"][1]) == pytest.approx(1)

    def test_dollars_are_those_of_each_contracts_own_counties(self, contracts: list[Contract]) -> None:
        plan = decided(contracts, objective="dollars", counties={"H1234": [COUNTY]})
        assert {step["contract"] for step in plan.problem["ratings"]} == {"H1234"}
        with pytest.raises(ProblemError, match="by contract"):
            decided(contracts, objective="dollars", counties=[COUNTY])

    def test_the_command_takes_several(self, contracts: list[Contract], tmp_path: Path) -> None:
        out = io.StringIO()
        wish: dict[str, Any] = {"contract": ["H1234", "H2222"], "year": 2026, "budget": "1500", "json": True}
        call_command("plan_interventions", **wish, floor=["lis:H1234/COL=0.5"], stdout=out)
        answer = json.loads(out.getvalue())
        assert set(answer["prices"]["measures"]) == {"H1234/COL", "H2222/COL"}
        assert answer["floors"]["lis/H1234/COL"]["closures"] >= 0.5 and Path(answer["near"]).is_file()
        with pytest.raises(WrongUse, match="goes with --objective dollars and one contract"):
            file = tmp_path / "counties.csv"
            call_command("plan_interventions", **wish, objective="dollars", counties=file, stdout=io.StringIO())
        keep(contracts[0])
        with pytest.raises(WrongUse, match="no counties of H2222 are stored"):
            call_command("plan_interventions", **wish, objective="dollars", stdout=io.StringIO())
        keep(contracts[1])
        call_command("plan_interventions", **wish, objective="dollars", stdout=(paid := io.StringIO()))
        plan = Plan.objects.get(pk=json.loads(paid.getvalue())["id"])
        assert {step["contract"] for step in plan.problem["ratings"]} == {"H1234", "H2222"}
        with pytest.raises(WrongUse, match="H9999 is no contract"):
            call_command("plan_interventions", **{**wish, "contract": ["H1234", "H9999"]}, stdout=io.StringIO())


class TestFloors:
    def test_a_floor_is_kept_and_its_cost_is_told(self, contracts: list[Contract]) -> None:
        plan = decided(contracts[:1], "lis:COL=1.4", budget=Decimal(300))
        inside = Member.objects.filter(low_income_subsidy=True)
        chosen = PlanItem.objects.filter(plan=plan, chosen=True, member__in=inside)
        told = plan.answer["floors"]["lis/COL"]
        assert sum(item.uplift.get("COL", 0.0) for item in chosen) == pytest.approx(told["closures"])
        assert told["closures"] >= told["floor"] == 1.4
        cost = plan.answer["price_of_equity"]
        free = decided(contracts[:1], budget=Decimal(300))
        assert cost["objective_without"] == max(free.lower_bound, plan.lower_bound)
        assert cost["lost"] == cost["floors"]["lis/COL"]["objective"] == cost["objective_without"] - plan.lower_bound
        assert "price_of_equity" not in free.answer
        assert check(plan)["valid"] is True

    def test_a_floor_that_takes_the_budget_from_the_stars_says_what_it_loses(self, contracts: list[Contract]) -> None:
        give_subsidy(contracts[1], "COL", 45)
        free = decided(contracts, budget=Decimal(1300))
        plan = decided(contracts, "lis:H2222/COL=6", budget=Decimal(1300))
        cost = plan.answer["price_of_equity"]
        assert cost["lost"] == free.lower_bound - plan.lower_bound > 0
        assert cost["floors"]["lis/H2222/COL"]["closures_without"] < 6

    @pytest.mark.parametrize(
        ("floor", "words"),
        [
            ("lis:COL=50", "all that can still be helped bring"),
            ("sex.Male:COL=1", "nobody who can still be helped"),
            ("age.75-84:COL=1", "nobody who can still be helped"),
            ("rich:COL=1", "no group; there are lis, dual, disability"),
            ("sex:COL=1", "no group"),
            ("lis:XYZ=1", "is XYZ, which is no measure"),
            ("lis:H9999/COL=1", "H9999 is not planned for"),
            ("lis", "no floor such as"),
            ("lis:COL=many", "no floor such as"),
            ("lis:COL=-1", "no floor such as"),
        ],
    )
    def test_one_that_cannot_be_is_told_and_stores_nothing(
        self, contracts: list[Contract], floor: str, words: str, own_data_dir: Path
    ) -> None:
        with pytest.raises(ProblemError, match=words):
            decided(contracts[:1], floor)
        assert not Plan.objects.exists() and not (own_data_dir / "plans").exists()

    def test_one_beyond_the_budget_is_told_too(self, contracts: list[Contract]) -> None:
        with pytest.raises(ProblemError, match="no plan within the budget"):
            decided(contracts[:1], "lis:COL=1.4", budget=Decimal(50))
        assert not Plan.objects.exists()

    def test_with_several_contracts_each_names_its_own_and_only_once(self, contracts: list[Contract]) -> None:
        with pytest.raises(ProblemError, match="which contract"):
            decided(contracts, "lis:COL=1")
        with pytest.raises(ProblemError, match="a floor for this group"):
            decided(contracts, "lis:H1234/COL=1", "lis:H1234/COL=1.2")

    def test_a_level_is_named_as_the_lens_writes_it(self, contracts: list[Contract]) -> None:
        everybody = plan_floors.members_of("sex.female", contracts, 2026)
        assert len(everybody) == 400 == len(plan_floors.members_of("age.65-74", contracts, 2026))
        assert len(plan_floors.members_of("lis", contracts, 2026)) == 20
        assert plan_floors.members_of("language.Spanish", contracts, 2026) == set()


class TestReasons:
    def test_every_chosen_member_has_one_that_adds_up(self, contracts: list[Contract]) -> None:
        plan = decided(contracts[:1])
        prices = plan.answer["prices"]["measures"]
        for item in PlanItem.objects.filter(plan=plan).chosen():
            worth = sum(gain * prices[code] for code, gain in item.uplift.items())
            assert item.worth == pytest.approx(worth)
            assert item.reason.startswith(f"Worth ${worth:,.2f}") and f"costs ${item.cost:,.2f}" in item.reason

    def test_the_nearest_not_chosen_are_kept_with_why(
        self, contracts: list[Contract], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(plan_storing.limits(), "nearest_kept", 7)
        # With kits for half of them only, a kit for anybody else would have been as good.
        plan = decided(contracts[:1], capacities={"mail": 20.0})
        near = list(PlanItem.objects.filter(plan=plan, chosen=False).order_by("id"))
        assert len(near) == 7 < plan.answer["nearly_chosen"]
        leaves = [item.leaves for item in near]
        assert all(after <= before + 1e-9 for before, after in pairwise(leaves))
        taken = {(item.member_id, item.kind) for item in PlanItem.objects.filter(plan=plan).chosen()}
        for item in near:
            assert (item.member_id, item.kind) not in taken
            assert any(words in item.reason for words in ("Another action", "more than it is worth", "reached without"))

    def test_the_ledger_names_everybody_who_is_kept(self, contracts: list[Contract]) -> None:
        plan = decided(contracts)
        event = Event.objects.get(action="plan.decided")
        named = set(Subject.objects.filter(event_id=event.id).values_list("member_pseudonym", flat=True))
        assert named == set(PlanItem.objects.filter(plan=plan).values_list("member__pseudonym", flat=True))
