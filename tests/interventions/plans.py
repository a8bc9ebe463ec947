"""Makers of campaigns and interventions for the tests: name only what the story is about."""

from datetime import date
from decimal import Decimal
from typing import Any

from django.utils import timezone

from hedis.gaps.models import Gap, Status, Work
from hedis.members.models import Contract
from interventions import campaigning, planning
from interventions.models import Campaign, Intervention, Plan, PlanContract, PlanItem
from interventions.planning import Proposal
from tests.factories import make_contract

TODAY = date(2026, 9, 30)
# What a finding run makes of a gap whose care it saw, and of one that does not count any more.
CLOSED: dict[str, Any] = {"status": Status.CLOSED, "work_status": Work.CLOSED_CLAIM, "contact_by": None}

# The answer of a plan that lifts COL from three to four stars.
ANSWER: dict[str, Any] = {
    "objective": 4.0, "lower_bound": 4.0, "upper_bound": 4.0, "gap": 0.0, "proof": "prices", "budget": 500.0,
    "spend": 26.0, "resources": {}, "stars": {"COL": {"before": 3, "after": 4}}, "floors": {}, "chosen": 1,
    "prices": {"measures": {"COL": 100.0}, "floors": {}, "resources": {}, "budget": 1.0}, "nearly_chosen": 0,
}  # fmt: skip


def proposal(gap: Gap, *others: Gap, kind: str = "call", **overrides: Any) -> Proposal:
    """A proposal about these gaps of one member, each expected to gain a tenth."""
    gains = {each.measure.code: 0.1 for each in (gap, *others)}
    return Proposal(**{"member": gap.member.pseudonym, "kind": kind, "uplift": gains, **overrides})


def make_campaign(*, by: Any, contract: Contract | None = None, **overrides: Any) -> Campaign:
    """A draft of 2026 that nobody is held out of unless the story says so."""
    facts: dict[str, Any] = {
        "name": "Autumn calls", "year": 2026, "budget": Decimal(10_000), "start_date": date(2026, 9, 1),
        "end_date": date(2026, 12, 15), "holdout_share": Decimal(0), "contract": contract, **overrides,
    }  # fmt: skip
    return campaigning.create(facts.pop("name"), **facts, by=by)


def make_running(gaps: list[Gap], *, made_by: Any, approved_by: Any, **overrides: Any) -> Campaign:
    """A running campaign with a call about each gap."""
    campaign = make_campaign(by=made_by, **overrides)
    planning.plan(campaign, rows=[proposal(gap) for gap in gaps], today=TODAY, by=made_by)
    approved = campaigning.approve(campaign, why="Within the budget.", by=approved_by)
    return campaigning.start(approved, why="The team is ready.", by=made_by)


def make_intervention(gap: Gap, *others: Gap, by: Any, **overrides: Any) -> Intervention:
    """One planned intervention outside of any campaign."""
    return planning.plan_one(proposal(gap, *others, **overrides), year=gap.year, today=TODAY, by=by)


def make_plan(*gaps: Gap, **overrides: Any) -> Plan:
    """A stored plan that chose a call about each gap, the first worth most; a COL closure is worth 100 dollars."""
    facts: dict[str, Any] = {
        "year": 2026, "objective": "weighted_stars", "budget": Decimal(500), "spend": Decimal(26) * len(gaps),
        "confidence_z": 0.0, "lower_bound": 4.0, "upper_bound": 4.0, "chosen": len(gaps), "candidates": len(gaps),
        "data_as_of": TODAY, "problem": {"measures": [{"code": "COL"}]}, "certificate": {}, "digest": "0" * 64,
        "planned_by": "ben", "planned_at": timezone.now(), "answer": ANSWER, **overrides,
    }  # fmt: skip
    plan = Plan.objects.create(**facts)
    contracts = {gap.contract or make_contract() for gap in gaps}
    PlanContract.objects.bulk_create(PlanContract(plan=plan, contract=one) for one in contracts)
    for place, gap in enumerate(gaps):
        add_item(plan, gap, worth=60.0 - place)
    return plan


def add_item(plan: Plan, gap: Gap, **overrides: Any) -> PlanItem:
    """What a plan chose for the member of a gap."""
    facts: dict[str, Any] = {
        "member": gap.member, "contract": gap.contract or make_contract(), "kind": "call", "cost": Decimal(26),
        "uplift": {gap.measure.code: 0.1}, "worth": 60.0, "reason": "Worth $60.00 (COL $60.00); costs $26.00.",
        **overrides,
    }  # fmt: skip
    return PlanItem.objects.create(plan=plan, **facts)
