"""Makers of campaigns and interventions for the tests: name only what the story is about."""

from datetime import date
from decimal import Decimal
from typing import Any

from hedis.gaps.models import Gap, Status, Work
from hedis.members.models import Contract
from interventions import campaigning, planning
from interventions.models import Campaign, Intervention
from interventions.planning import Proposal

TODAY = date(2026, 9, 30)
# What a finding run makes of a gap whose care it saw, and of one that does not count any more.
CLOSED: dict[str, Any] = {"status": Status.CLOSED, "work_status": Work.CLOSED_CLAIM, "contact_by": None}


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
