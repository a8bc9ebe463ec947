"""A campaign from draft to closed: made, approved by somebody else, with its hold-out drawn, run, and ended."""

from datetime import date
from decimal import Decimal
from typing import Any

from django.db import connection, transaction
from django.db.models import Exists, OuterRef, Sum
from django.utils import timezone

from audit import ledger
from audit.models import Event
from hedis.gaps.models import UNMET
from hedis.members.models import Contract
from interventions import ending, exposing, holding_out, workflow
from interventions.models import (
    LARGEST_HOLDOUT,
    Campaign,
    CampaignState,
    CampaignTransition,
    Intervention,
    InterventionGap,
    State,
)
from interventions.workflow import Unusable, WorkflowError, name_of


class CreatorCannotApprove(WorkflowError):
    """Who made a campaign does not approve it."""


class NotReady(WorkflowError):
    """Something is missing, or costs more than the budget."""


@transaction.atomic
def create(
    name: str,
    *,
    contract: Contract | None,
    year: int,
    budget: Decimal,
    start_date: date,
    end_date: date,
    holdout_share: Decimal = Decimal("0.05"),
    notes: str = "",
    by: Any,
) -> Campaign:
    """Make a draft. `budget` in dollars; `holdout_share` 0 to 0.5. Raises Unusable naming the field."""
    check_facts(name.strip(), year, budget, start_date, end_date, holdout_share)
    campaign = Campaign.objects.create(
        name=name.strip(), contract=contract, year=year, budget=budget, start_date=start_date, end_date=end_date,
        holdout_share=holdout_share, notes=notes, seed=holding_out.new_seed(), created_by=name_of(by),
    )  # fmt: skip
    CampaignTransition.objects.create(
        campaign=campaign, to_state=CampaignState.DRAFT, by=name_of(by), at=timezone.now()
    )
    ledger.record(
        Event.Kind.CHANGE, "campaign.created", object_type="campaign", object_id=campaign.pk,
        after={"name": campaign.name, "contract": contract.number if contract else None, "year": year,
               "budget": budget, "holdout_share": holdout_share, "seed": campaign.seed},
        by=by,
    )  # fmt: skip
    return campaign


def check_facts(name: str, year: int, budget: Decimal, start: date, end: date, share: Decimal) -> None:
    """Raise Unusable for the first fact that cannot be."""
    if not name:
        raise Unusable("name", "A campaign needs a name.")
    if Campaign.objects.filter(name=name, year=year).exists():
        raise Unusable("name", f"There is a campaign of this name in {year} already.")
    if not (budget.is_finite() and budget >= 0):
        raise Unusable("budget", "The budget is an amount of dollars of at least 0.")
    if not (share.is_finite() and 0 <= share <= LARGEST_HOLDOUT):
        raise Unusable("holdout_share", f"The hold-out share lies between 0 and {LARGEST_HOLDOUT}.")
    if end < start:
        raise Unusable("end_date", "The campaign ends before it starts.")


def approve(campaign: Campaign, *, why: str, by: Any) -> Campaign:
    """Approve a draft and draw its hold-out, decided on the version of `campaign`; returns it as it stands now.

    Raises IllegalStep, ChangedMeanwhile, Unusable, NotReady, CreatorCannotApprove; the last leaves a ledger line.
    """
    try:
        return approved(campaign, why=why, by=by)
    except CreatorCannotApprove as refusal:
        ledger.record_alone(
            Event.Kind.CHANGE, "campaign.moved", object_type="campaign", object_id=campaign.pk,
            after={"state": CampaignState.APPROVED, "reason": str(refusal)}, outcome="denied", row_count=0, by=by,
        )  # fmt: skip
        raise


@transaction.atomic
def approved(campaign: Campaign, *, why: str, by: Any) -> Campaign:
    """The approval itself: all of it or nothing."""
    row = workflow.locked_campaign(campaign)
    workflow.check_campaign(row, CampaignState.APPROVED, why=why)
    if name_of(by) == row.created_by:
        raise CreatorCannotApprove(f"{row} was made by {row.created_by}: somebody else has to approve it.")
    withdraw_met_of(row, by=by)
    with connection.cursor() as cursor:
        facts: dict[str, Any] = {"seed": row.seed, "limit": holding_out.limit(row.holdout_share), "campaign": row.pk}
        cursor.execute(holding_out.ASSIGN, facts)
    check_ready(row)
    row.approved_by, row.approved_at = name_of(by), timezone.now()
    workflow.move_campaign(row, CampaignState.APPROVED, why=why, by=by)
    return row


def withdraw_met_of(campaign: Campaign, *, by: Any) -> None:
    """What was met since it was planned belongs to neither arm."""
    unmet = InterventionGap.objects.filter(intervention=OuterRef("pk"), gap__status__in=UNMET)
    met = Intervention.objects.filter(~Exists(unmet), campaign=campaign)
    ending.end(met, to=State.CANCELLED, why=ending.MET, by=by)


def check_ready(campaign: Campaign) -> None:
    """Raise NotReady where nobody is to be contacted, or those to be contacted cost more than the budget."""
    worked = Intervention.objects.filter(campaign=campaign, state=State.PLANNED, held_out=False)
    cost = worked.aggregate(cost=Sum("estimated_cost"))["cost"]
    if cost is None:
        raise NotReady(f"{campaign} has no intervention to work.")
    if cost > campaign.budget:
        raise NotReady(f"{campaign} would cost ${cost:,.2f}, more than its budget of ${campaign.budget:,.2f}.")


@transaction.atomic
def start(campaign: Campaign, *, why: str, by: Any) -> Campaign:
    """Begin the work of an approved campaign: from now on its interventions may be worked.

    Who is offered what, and who is kept from it by lot, is told to the predictions: from both they learn what each kind
    of action adds.
    """
    row = workflow.locked_campaign(campaign)
    workflow.check_campaign(row, CampaignState.RUNNING, why=why)
    workflow.move_campaign(row, CampaignState.RUNNING, why=why, by=by)
    exposing.record(row, by=by)
    return row


@transaction.atomic
def close(campaign: Campaign, *, why: str, by: Any) -> Campaign:
    """End a running campaign; what was not completed by then is cancelled."""
    return over(campaign, CampaignState.CLOSED, why=why, by=by)


@transaction.atomic
def cancel(campaign: Campaign, *, why: str, by: Any) -> Campaign:
    """Give a campaign up; what was not completed by then is cancelled."""
    return over(campaign, CampaignState.CANCELLED, why=why, by=by)


def over(campaign: Campaign, to: str, *, why: str, by: Any) -> Campaign:
    """The last step of a campaign. Its arms stay as drawn: outcomes are counted by them."""
    row = workflow.locked_campaign(campaign)
    workflow.check_campaign(row, to, why=why)
    words = f"The campaign was {dict(CampaignState.choices)[to].lower()}."
    ending.end(Intervention.objects.filter(campaign=row), to=State.CANCELLED, why=words, by=by)
    workflow.move_campaign(row, to, why=why, by=by)
    return row
