"""The work on interventions and campaigns: which step may follow which, and what each attempt means for a gap.

An intervention never closes a gap. It moves the gap's work status forward, through `hedis.gaps.workflow` and only where
that knows the step; the finding run closes.
"""

from typing import Any

from django.utils import timezone

from audit import ledger
from audit.models import Event
from hedis.gaps import workflow as gap_workflow
from hedis.gaps.models import Gap, Work
from interventions.models import (
    Campaign,
    CampaignState,
    CampaignTransition,
    Channel,
    Disposition,
    Intervention,
    InterventionTransition,
    Outcome,
    State,
)

STEPS: dict[str, frozenset[str]] = {
    State.PLANNED: frozenset({State.IN_PROGRESS, State.CANCELLED}),
    State.IN_PROGRESS: frozenset({State.COMPLETED, State.CANCELLED}),
    State.COMPLETED: frozenset(),
    State.CANCELLED: frozenset(),
}
CAMPAIGN_STEPS: dict[str, frozenset[str]] = {
    CampaignState.DRAFT: frozenset({CampaignState.APPROVED, CampaignState.CANCELLED}),
    CampaignState.APPROVED: frozenset({CampaignState.RUNNING, CampaignState.CANCELLED}),
    CampaignState.RUNNING: frozenset({CampaignState.CLOSED, CampaignState.CANCELLED}),
    CampaignState.CLOSED: frozenset(),
    CampaignState.CANCELLED: frozenset(),
}
# What an attempt's end says of the gaps; those not named say nothing.
GAP_STEP: dict[str, str] = {
    Disposition.AGREED: Work.OUTREACH,
    Disposition.SCHEDULED: Work.APPOINTMENT,
    Disposition.ALREADY_DONE: Work.REPORTED,
    Disposition.REFUSED: Work.REFUSED,
    Disposition.CALL_BACK: Work.OUTREACH,
    Disposition.NEEDS_HELP: Work.OUTREACH,
    Disposition.VOICEMAIL: Work.OUTREACH,
    Disposition.NO_ANSWER: Work.OUTREACH,
    Disposition.BUSY: Work.OUTREACH,
    Disposition.LANGUAGE_LINE: Work.OUTREACH,
    Disposition.THIRD_PARTY: Work.OUTREACH,
    Disposition.SENT: Work.OUTREACH,
    Disposition.WRONG_NUMBER: Work.UNREACHABLE,
    Disposition.DISCONNECTED: Work.UNREACHABLE,
    Disposition.RETURNED: Work.UNREACHABLE,
}
# From where each of these steps leads forward: a voicemail after an appointment was made takes nothing back.
FORWARD: dict[str, frozenset[str]] = {
    Work.OUTREACH: frozenset({Work.OPEN, Work.REOPENED, Work.REJECTED, Work.UNREACHABLE}),
    Work.UNREACHABLE: frozenset({Work.OPEN, Work.REOPENED, Work.OUTREACH}),
    Work.APPOINTMENT: frozenset(
        {Work.OPEN, Work.REOPENED, Work.REJECTED, Work.UNREACHABLE, Work.OUTREACH, Work.REFUSED}
    ),
    Work.REPORTED: frozenset(
        {Work.OPEN, Work.REOPENED, Work.REJECTED, Work.UNREACHABLE, Work.OUTREACH, Work.APPOINTMENT}
    ),
    Work.REFUSED: frozenset({Work.OPEN, Work.REOPENED, Work.UNREACHABLE, Work.OUTREACH, Work.APPOINTMENT}),
}
# After these nobody contacts the member again: every live intervention of the member ends.
ENDS_ALL = frozenset({Disposition.DECEASED, Disposition.MOVED})
NEEDS_NOTE = frozenset({Disposition.REFUSED, Disposition.NEEDS_HELP, Disposition.ALREADY_DONE})
SPOKEN = frozenset(Disposition.values) - {Disposition.SENT, Disposition.RETURNED}
WRITTEN = frozenset({Disposition.SENT, Disposition.RETURNED, Disposition.DO_NOT_CALL})
# How an attempt by each channel can end. A text or portal message may be answered, a letter too.
ENDINGS: dict[str, frozenset[str]] = {
    Channel.PHONE: SPOKEN,
    Channel.VISIT: SPOKEN - {Disposition.VOICEMAIL, Disposition.BUSY},
    Channel.TEXT: WRITTEN | {each for each in SPOKEN if each.startswith("reached")} | {Disposition.WRONG_NUMBER},
    Channel.MAIL: WRITTEN | {each for each in SPOKEN if each.startswith("reached")} | ENDS_ALL,
    Channel.PORTAL: WRITTEN | {each for each in SPOKEN if each.startswith("reached")},
}


class WorkflowError(Exception):
    """What stands against a step."""


class IllegalStep(WorkflowError):
    """The workflow does not allow this step from where the thing stands."""


class ChangedMeanwhile(WorkflowError):
    """Somebody else changed it since it was read: look again before deciding."""


class Unusable(WorkflowError):
    """A field of what was asked for is missing or cannot be used; `field` names it."""

    def __init__(self, field: str, why: str) -> None:
        super().__init__(why)
        self.field = field


class HeldOut(WorkflowError):
    """The member is the comparison of this campaign and is left alone."""


class NotRunning(WorkflowError):
    """The campaign is not running: not approved or started yet, or over."""


def locked(intervention: Intervention) -> Intervention:
    """The row with member and campaign, held until the transaction ends. Raises ChangedMeanwhile where it is not the
    version that was read: the second of two clicks, or of two people."""
    rows = Intervention.objects.select_related("member", "campaign").select_for_update(of=("self",))
    row = rows.get(pk=intervention.pk)
    if row.version != intervention.version:
        raise ChangedMeanwhile(
            f"This intervention was changed meanwhile: it is now “{row.get_state_display()}”. Reload it."
        )
    return row


def locked_campaign(campaign: Campaign) -> Campaign:
    """The same of a campaign."""
    row = Campaign.objects.select_for_update(of=("self",)).get(pk=campaign.pk)
    if row.version != campaign.version:
        raise ChangedMeanwhile(f"{row} was changed meanwhile: it is now “{row.get_state_display()}”. Reload it.")
    return row


def check(row: Intervention, to: str) -> None:
    """Raise what stands against this step of an intervention; cancelling is always said why elsewhere."""
    if to not in STEPS[row.state]:
        words = dict(State.choices)
        raise IllegalStep(f"An intervention that is “{row.get_state_display()}” cannot become “{words.get(to, to)}”.")
    if to != State.CANCELLED:
        check_workable(row)


def check_workable(row: Intervention) -> None:
    """Raise where nobody may work this intervention now."""
    if not row.is_live:
        raise IllegalStep(f"This intervention is “{row.get_state_display()}”: nothing more is logged on it.")
    if row.held_out:
        raise HeldOut("This member is held out of the campaign by chance, to compare with, and is left alone.")
    if not row.may_be_worked and row.campaign:
        raise NotRunning(f"The campaign “{row.campaign}” is “{row.campaign.get_state_display()}”, not running.")


def check_campaign(row: Campaign, to: str, *, why: str) -> None:
    """Raise what stands against this step of a campaign."""
    if to not in CAMPAIGN_STEPS[row.state]:
        words = dict(CampaignState.choices)
        raise IllegalStep(f"A campaign that is “{row.get_state_display()}” cannot become “{words.get(to, to)}”.")
    if not why.strip():
        raise Unusable("why", "A step of a campaign needs a reason in words.")


def name_of(by: Any) -> str:
    """The actor as text, for rows that outlive the account."""
    return ledger.describe(by)[0]


def save(row: Intervention | Campaign) -> None:
    """Store a changed row under the next version."""
    row.version += 1
    row.changed_at = timezone.now()
    row.save()


def move(row: Intervention, to: str, *, why: str = "", by: Any) -> None:
    """Write the new state with its times and its history row. The row is locked and the step checked."""
    now, before = timezone.now(), row.state
    row.state = to
    if to == State.IN_PROGRESS:
        row.started_at = now
    else:
        row.ended_at, row.reason = now, why
    save(row)
    InterventionTransition.objects.create(
        intervention=row, from_state=before, to_state=to, by=name_of(by), at=now, why=why
    )


def move_campaign(row: Campaign, to: str, *, why: str, by: Any) -> None:
    """Write a campaign's new state, its history row and its ledger line."""
    before, row.state = row.state, to
    save(row)
    CampaignTransition.objects.create(
        campaign=row, from_state=before, to_state=to, by=name_of(by), at=timezone.now(), why=why
    )
    ledger.record(
        Event.Kind.CHANGE, "campaign.moved", object_type="campaign", object_id=row.pk, before={"state": before},
        after={"state": to, "why": why}, by=by,
    )  # fmt: skip


def bring_forward(gaps: list[Gap], *, to: str, why: str, by: Any) -> list[Gap]:
    """Move the work status of those gaps for which this is a step forward; returns them.

    The gaps are locked by the caller, so that no step is decided on a status that has gone.
    """
    moving = [gap for gap in gaps if gap.is_unmet and gap.work_status in FORWARD[to]]
    for gap in moving:
        for step in way_forward(gap.work_status, to):
            gap_workflow.move(gap, to=step, why=why, by=by)
    return moving


def way_forward(start: str, to: str) -> list[str]:
    """The legal steps from one work status to another: who was unable to be reached is in outreach again first."""
    return [to] if to in gap_workflow.BY_HAND[start] else [Work.OUTREACH, to]


def outcome_step(outcome: str, served: bool) -> str:
    """Where a completed intervention brings a gap: what was done is reported, until evidence of it arrives."""
    if served and outcome != Outcome.FAILED:
        return Work.REPORTED
    return Work.OUTREACH if outcome != Outcome.FAILED else ""
