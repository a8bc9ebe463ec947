"""The end of the demo's main job: what the scores are for. A plan for each contract, a campaign of it, a snapshot."""

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

from hedis.accounts.models import User
from hedis.members.models import Contract
from hedis.stars import snapshots
from interventions import campaigning, deciding, projection
from interventions.deciding import Wish
from interventions.models import Plan

PLANNER, APPROVER = "ben", "quinn"
# Dollars for each member enrolled in the contract: what an outreach season of a small plan might get.
PER_MEMBER = Decimal(3)
HOLDOUT_SHARE = Decimal("0.05")
NAME = "Autumn outreach"


def act(*, as_of: date, say: Callable[[str], None], by: str) -> dict[str, Any]:
    """Plan each contract that has none yet, start its campaign, and freeze the day; by contract what was decided."""
    planner, approver = (User.objects.get(username=name) for name in (PLANNER, APPROVER))
    planned = set(Plan.objects.filter(year=as_of.year).values_list("contracts__number", flat=True))
    done: dict[str, Any] = {}
    for contract in Contract.objects.exclude(number__in=planned).order_by("number"):
        budget = PER_MEMBER * contract.enrolments.filter(end_date=None).count()
        try:
            plan = deciding.decide([contract], as_of.year, Wish(budget), today=as_of, by=planner)
        except (projection.NothingToProject, deciding.NothingToPlan) as reason:
            done[contract.number] = str(reason)
            continue
        campaign, _ = deciding.make_campaign(
            plan, f"{NAME} {contract.number}", start_date=as_of, end_date=date(as_of.year, 12, 15),
            holdout_share=HOLDOUT_SHARE, today=as_of, by=planner,
        )  # fmt: skip
        approved = campaigning.approve(campaign, why="Within the season's budget.", by=approver)
        campaigning.start(approved, why="The teams are ready.", by=planner)
        done[contract.number] = f"{plan.chosen:,} interventions for ${plan.spend:,.0f} of ${plan.budget:,.0f}"
        say(f"{contract.number}: {done[contract.number]}")
    snapshots.take(as_of=as_of, by=by)
    return done
