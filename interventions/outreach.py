"""The work on one intervention: begun, attempts logged, completed or cancelled; handed over, one or many."""

from collections.abc import Collection, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from audit import ledger
from audit.models import Event
from hedis.gaps.models import Gap
from hedis.members.models import ContactPreference, Member
from interventions import contacting, ending, workflow
from interventions.models import Attempt, Disposition, Intervention, InterventionQuerySet, Outcome, State
from interventions.workflow import HeldOut, Unusable, name_of

LARGEST_COST = Decimal(10) ** 8
CHANGEABLE = frozenset({"due_date", "estimated_cost"})


@transaction.atomic
def start(intervention: Intervention, *, by: Any) -> Intervention:
    """Begin a planned intervention, decided on the version of `intervention`; returns it as it stands now."""
    row = workflow.locked(intervention)
    workflow.check(row, State.IN_PROGRESS)
    workflow.move(row, State.IN_PROGRESS, by=by)
    record(row, "started", {"state": State.IN_PROGRESS}, by=by)
    return row


@transaction.atomic
def log_attempt(
    intervention: Intervention,
    *,
    channel: str,
    disposition: str,
    note: str = "",
    follow_up_date: date | None = None,
    inbound: bool = False,
    over_cap_reason: str = "",
    at: datetime | None = None,
    by: Any,
) -> Attempt:
    """Write down one attempt, or a call the member made (`inbound`), and what follows from it.

    The first attempt begins the intervention. The gaps' work status moves forward where that is legal. A do-not-call
    request becomes the member's preference; death or departure ends every live intervention of the member.

    Raises IllegalStep, ChangedMeanwhile, HeldOut, NotRunning, Unusable, and contacting.ContactRefused: only the
    frequency limit is overruled by `over_cap_reason`.
    """
    row, now = workflow.locked(intervention), timezone.now()
    workflow.check_workable(row)
    check_attempt(channel, disposition, note, follow_up_date, at, now)
    # Two people who reach for the same member at once count one after the other.
    member = Member.objects.select_for_update(of=("self",)).get(pk=row.member_id)
    if not inbound:
        contacting.check(member, channel, over_cap_reason=over_cap_reason, now=now)
    attempt = Attempt.objects.create(
        intervention=row, at=at or now, channel=channel, disposition=disposition, note=note.strip(), inbound=inbound,
        follow_up_date=follow_up_date, over_cap_reason=over_cap_reason.strip(), by=name_of(by),
    )  # fmt: skip
    row.due_date = follow_up_date
    if row.state == State.PLANNED:
        workflow.move(row, State.IN_PROGRESS, by=by)
    else:
        workflow.save(row)
    record(row, "contacted", {"channel": channel, "disposition": disposition, "inbound": inbound,
                              "follow_up_date": follow_up_date, "over_cap_reason": over_cap_reason}, by=by)  # fmt: skip
    follow_from(attempt, by=by)
    return attempt


def check_attempt(
    channel: str, disposition: str, note: str, follow_up: date | None, at: datetime | None, now: datetime
) -> None:
    """Raise Unusable for the first field that cannot be."""
    if channel not in workflow.ENDINGS:
        raise Unusable("channel", "There is no such channel.")
    if disposition not in workflow.ENDINGS[channel]:
        raise Unusable("disposition", "An attempt by this channel does not end like this.")
    if disposition in workflow.NEEDS_NOTE and not note.strip():
        raise Unusable("note", f"“{Disposition(disposition).label}” needs a note: why, what help, or where and when.")
    if disposition == Disposition.CALL_BACK and follow_up is None:
        raise Unusable("follow_up_date", "When should the member be called back?")
    if follow_up is not None and follow_up < timezone.localdate(now):
        raise Unusable("follow_up_date", "The next step lies in the past.")
    if at is not None and at > now:
        raise Unusable("at", "The attempt lies in the future.")


def follow_from(attempt: Attempt, *, by: Any) -> None:
    """What an attempt means for the gaps, for how the member is reached, and for other interventions."""
    row, disposition = attempt.intervention, attempt.disposition
    if step := workflow.GAP_STEP.get(disposition):
        why = f"{attempt.get_channel_display()}: {attempt.get_disposition_display()}. {attempt.note}".strip()
        workflow.bring_forward(locked_gaps(row), to=step, why=why, by=by)
    if disposition == Disposition.DO_NOT_CALL:
        ContactPreference.objects.update_or_create(member=row.member, defaults={"do_not_call": True})
    if disposition in workflow.ENDS_ALL:
        of_member = Intervention.objects.filter(member=row.member)
        ending.end(of_member, to=State.CANCELLED, why=f"The member: {Disposition(disposition).label.lower()}.", by=by)
        row.refresh_from_db()


def locked_gaps(row: Intervention) -> list[Gap]:
    """The intervention's gaps, held until the transaction ends, in one order for everybody."""
    gaps = Gap.objects.select_related("member", "measure").select_for_update(of=("self",))
    return list(gaps.filter(interventions=row).order_by("pk"))


@transaction.atomic
def complete(
    intervention: Intervention,
    *,
    outcome: str,
    actual_cost: Decimal | None = None,
    note: str = "",
    served: Collection[str] | None = None,
    by: Any,
) -> Intervention:
    """End an intervention in progress. The gaps become “service reported” at most: a finding run closes them.

    `served`: codes of the measures whose care was given; all of them with success, none unless named with partial
    success. Raises IllegalStep, ChangedMeanwhile, HeldOut, NotRunning, Unusable.
    """
    row = workflow.locked(intervention)
    workflow.check(row, State.COMPLETED)
    gaps = locked_gaps(row)
    done = check_completion(gaps, outcome, actual_cost, note, served)
    row.outcome, row.actual_cost, row.due_date = outcome, actual_cost, None
    workflow.move(row, State.COMPLETED, why=note.strip(), by=by)
    record(row, "completed", {"outcome": outcome, "actual_cost": actual_cost, "served": sorted(done)}, by=by)
    for gap in gaps:
        if step := workflow.outcome_step(outcome, gap.measure.code in done):
            words = f"{row.get_kind_display()} completed: {Outcome(outcome).label.lower()}. {note}".strip()
            workflow.bring_forward([gap], to=step, why=words, by=by)
    return row


def check_completion(
    gaps: list[Gap], outcome: str, cost: Decimal | None, note: str, served: Collection[str] | None
) -> set[str]:
    """The codes of the measures served. Raises Unusable for the first field that cannot be."""
    codes = {gap.measure.code for gap in gaps}
    if outcome not in Outcome.values:
        raise Unusable("outcome", "There is no such outcome.")
    if cost is not None and not (cost.is_finite() and 0 <= cost < LARGEST_COST):
        raise Unusable("actual_cost", "The cost is an amount of dollars of at least 0.")
    if outcome != Outcome.SUCCESS and not note.strip():
        raise Unusable("note", f"“{Outcome(outcome).label}” needs a word on what happened.")
    if served is not None and (outcome != Outcome.PARTIAL or not set(served) <= codes):
        raise Unusable("served", "Name measures of this intervention, and only with partial success.")
    return codes if outcome == Outcome.SUCCESS else set(served or ())


@transaction.atomic
def cancel(intervention: Intervention, *, why: str, by: Any) -> Intervention:
    """Give one intervention up. Raises IllegalStep, ChangedMeanwhile, HeldOut, Unusable."""
    row = workflow.locked(intervention)
    if row.held_out and row.is_live:
        raise HeldOut("A held-out member stays the comparison until the campaign ends.")
    workflow.check(row, State.CANCELLED)
    if not why.strip():
        raise Unusable("why", "Cancelling needs a reason.")
    row.due_date = None
    workflow.move(row, State.CANCELLED, why=why.strip(), by=by)
    record(row, "cancelled", {"why": why}, by=by)
    return row


@transaction.atomic
def amend(intervention: Intervention, *, changes: Mapping[str, Any], by: Any) -> Intervention:
    """Change `due_date` or `estimated_cost` of a live intervention. Raises as `cancel` does."""
    row = workflow.locked(intervention)
    if unknown := sorted(set(changes) - CHANGEABLE):
        raise Unusable(unknown[0], "This cannot be changed here.")
    if not row.is_live:
        raise workflow.IllegalStep(f"This intervention is “{row.get_state_display()}”: it is not changed any more.")
    cost = changes.get("estimated_cost", row.estimated_cost)
    if cost is None or not (cost.is_finite() and 0 <= cost < LARGEST_COST):
        raise Unusable("estimated_cost", "The cost is an amount of dollars of at least 0.")
    before = {name: getattr(row, name) for name in changes}
    for name, value in changes.items():
        setattr(row, name, value)
    workflow.save(row)
    record(row, "amended", changes, before=before, by=by)
    return row


@transaction.atomic
def hand_over(interventions: InterventionQuerySet, *, to: Any, by: Any) -> int:
    """Give live interventions to a person (or to nobody: None); returns how many changed hands."""
    rows = interventions.live().order_by("pk").exclude(owner=to).select_related("member", "owner")
    changing = list(rows.select_for_update(of=("self",)))
    if not changing:
        return 0
    ledger.record(
        Event.Kind.CHANGE, "intervention.assigned", object_type="intervention",
        object_id=changing[0].pk if len(changing) == 1 else "",
        before={str(row.pk): row.owner.get_username() if row.owner else None for row in changing},
        after={"owner": to.get_username() if to else None}, members=[row.member.pseudonym for row in changing],
        row_count=len(changing), by=by,
    )  # fmt: skip
    changed = {"owner": to, "version": F("version") + 1, "changed_at": timezone.now()}
    return Intervention.objects.filter(pk__in=[row.pk for row in changing]).update(**changed)


def record(
    row: Intervention, action: str, after: Mapping[str, Any], before: Mapping[str, Any] | None = None, *, by: Any
) -> None:
    """The ledger line of one step."""
    ledger.record(
        Event.Kind.CHANGE, f"intervention.{action}", object_type="intervention", object_id=row.pk, before=before,
        after=after, members=[row.member.pseudonym], by=by,
    )  # fmt: skip
