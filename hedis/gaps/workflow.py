"""The work on a gap: which step may follow which, and the verbs that take it.

People move a gap through the work layer. Only a finding run closes, excludes or reopens one: an intervention brings
evidence, the engine recomputes, and the gap closes. There is one path to "closed".
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.utils import timezone

from audit import ledger
from audit.models import Event
from hedis.gaps.models import Gap, Transition, Work

WORKING = frozenset(
    {Work.OUTREACH, Work.APPOINTMENT, Work.REPORTED, Work.PENDING, Work.REFUSED, Work.UNREACHABLE, Work.UNCLOSABLE}
)
# Where people may move a gap by hand.
BY_HAND: dict[str, frozenset[str]] = {
    Work.OPEN: WORKING,
    Work.REOPENED: WORKING,
    Work.OUTREACH: WORKING - {Work.OUTREACH} | {Work.OPEN},
    Work.APPOINTMENT: WORKING - {Work.APPOINTMENT} | {Work.OPEN},
    Work.REPORTED: frozenset({Work.OUTREACH, Work.APPOINTMENT, Work.PENDING, Work.OPEN}),
    Work.PENDING: frozenset({Work.REJECTED, Work.OUTREACH, Work.OPEN}),
    Work.REJECTED: WORKING | {Work.OPEN},
    Work.REFUSED: frozenset({Work.OUTREACH, Work.APPOINTMENT, Work.OPEN}),
    Work.UNREACHABLE: frozenset({Work.OUTREACH, Work.OPEN}),
    Work.UNCLOSABLE: frozenset({Work.OUTREACH, Work.OPEN}),
    Work.CLOSED_CLAIM: frozenset(),
    Work.CLOSED_STANDARD: frozenset(),
    Work.CLOSED_NON_STANDARD: frozenset(),
    Work.EXCLUDED: frozenset(),
    Work.GONE: frozenset(),
}
CLOSED = frozenset({Work.CLOSED_CLAIM, Work.CLOSED_STANDARD, Work.CLOSED_NON_STANDARD})
SETTLED = CLOSED | {Work.EXCLUDED, Work.GONE}
# Where a finding run may take a gap: to settled from anywhere, to reopened from settled.
BY_FINDING: dict[str, frozenset[str]] = {
    status: (SETTLED - {status}) | ({Work.REOPENED} if status in SETTLED else frozenset()) for status in BY_HAND
}
# Steps that mean nothing without a sentence.
NEEDS_WHY = frozenset({Work.REFUSED, Work.REJECTED, Work.UNCLOSABLE})


class IllegalStep(Exception):
    """The workflow does not allow this step from where the gap stands."""


class WhyMissing(Exception):
    """This step needs a reason in words."""


class ChangedMeanwhile(Exception):
    """Somebody else changed the gap since it was read: look again before deciding."""


@dataclass(frozen=True)
class Refusal:
    """One gap of a bulk step that could not take it, and why."""

    gap: Gap
    why: str


@transaction.atomic
def move(gap: Gap, *, to: str, why: str = "", by: Any) -> Gap:
    """Take one step in the work layer, if it is legal and nobody was faster.

    Compare-and-set on `version`. Raises IllegalStep, WhyMissing or ChangedMeanwhile; the gap passed in is updated.
    """
    check(gap, to=to, why=why)
    now = timezone.now()
    moved = Gap.objects.filter(pk=gap.pk, version=gap.version).update(
        work_status=to, version=gap.version + 1, changed_at=now
    )
    if not moved:
        raise ChangedMeanwhile(f"{gap} was changed by somebody else; reload it")
    Transition.objects.create(
        gap=gap,
        from_status=gap.status,
        to_status=gap.status,
        from_work_status=gap.work_status,
        to_work_status=to,
        by=by.get_username(),
        at=now,
        why=why,
    )
    ledger.record(
        Event.Kind.CHANGE,
        "gap.moved",
        object_type="gap",
        object_id=gap.pk,
        before={"work_status": gap.work_status},
        after={"work_status": to, "why": why},
        members=[gap.member.pseudonym],
        by=by,
    )
    gap.work_status, gap.version, gap.changed_at = to, gap.version + 1, now
    return gap


def check(gap: Gap, *, to: str, why: str = "") -> None:
    """Raise IllegalStep or WhyMissing where this step may not be taken by hand."""
    if to not in BY_HAND[gap.work_status]:
        words = dict(Work.choices)
        raise IllegalStep(f"A gap that is “{gap.get_work_status_display()}” cannot become “{words.get(to, to)}”.")
    if to in NEEDS_WHY and not why.strip():
        raise WhyMissing(f"“{dict(Work.choices)[to]}” needs a reason.")


def steps_from(gap: Gap) -> list[tuple[str, str]]:
    """The steps a person may take from here, as (value, words), in the order of the statuses."""
    return [(value, words) for value, words in Work.choices if value in BY_HAND[gap.work_status]]


def move_many(gaps: Iterable[Gap], *, to: str, why: str = "", by: Any) -> tuple[list[Gap], list[Refusal]]:
    """Take the same step for many gaps; those that cannot are told, the others are not lost."""
    moved, refused = [], []
    for gap in gaps:
        try:
            moved.append(move(gap, to=to, why=why, by=by))
        except (IllegalStep, WhyMissing, ChangedMeanwhile) as refusal:
            refused.append(Refusal(gap, str(refusal)))
    return moved, refused


@transaction.atomic
def assign(gaps: Sequence[Gap], *, to: Any, by: Any) -> int:
    """Hand gaps to a person (or to nobody: None); returns how many changed hands."""
    ids = [gap.pk for gap in gaps]
    changing = list(
        Gap.objects.select_for_update(of=("self",))
        .filter(pk__in=ids)
        .exclude(assigned_to=to)
        .select_related("member", "assigned_to")
        .order_by("pk")
    )
    if not changing:
        return 0
    Gap.objects.filter(pk__in=[gap.pk for gap in changing]).update(assigned_to=to, changed_at=timezone.now())
    ledger.record(
        Event.Kind.CHANGE,
        "gap.assigned",
        object_type="gap",
        object_id=changing[0].pk if len(changing) == 1 else "",
        before={str(gap.pk): gap.assigned_to.get_username() if gap.assigned_to else None for gap in changing},
        after={"assigned_to": to.get_username() if to else None},
        members=[gap.member.pseudonym for gap in changing],
        row_count=len(changing),
        by=by,
    )
    return len(changing)
