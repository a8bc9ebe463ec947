"""From proposals to planned interventions, however many: checked row by row, then a handful of set-based statements.

A proposal that cannot be right (no such member, a gap that member has not, a negative cost) refuses the whole set and
names row and field. One that came too late (its gaps met meanwhile, the member gone) is left out and counted.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from audit import ledger
from audit.models import Event
from interventions import actions, plan_statements
from interventions.models import Campaign, CampaignState, Intervention
from interventions.workflow import IllegalStep, Unusable, WorkflowError, locked_campaign, name_of

MOST_TOLD = 20
LARGEST = Decimal(10) ** 8


class UnusableProposals(WorkflowError):
    """Proposals that cannot be right; `problems` names row (from 1), field and reason of the first of them."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class NothingToDo(WorkflowError):
    """The one intervention asked for would have nothing to do, or is planned already."""


@dataclass(frozen=True)
class Proposal:
    """One intervention as a plan proposes it.

    `uplift`: measure code to the expected gain in the probability that the gap closes (0 to 1), None where nobody
    estimated it; the measures are those of the year. `estimated_cost` in dollars; None takes the price list's.
    `priority`: worth at the plan's prices; `expected_value`: in the plan's own unit.
    """

    member: str
    kind: str
    uplift: Mapping[str, float | None]
    estimated_cost: Decimal | None = None
    priority: Decimal = Decimal(0)
    expected_value: Decimal = Decimal(0)
    due_date: date | None = None
    owner: int | None = None


@dataclass(frozen=True)
class Planned:
    """What became of the proposals: how many were planned, and how many were left out for each reason."""

    planned: int
    left_out: Mapping[str, int] = field(default_factory=dict)


@transaction.atomic
def plan(campaign: Campaign, *, rows: Iterable[Proposal], today: date, by: Any) -> Planned:
    """Add proposals to a draft campaign, all of them or none.

    Left out and counted are those with nothing open any more (`met`), too late for their kind's lead time
    (`too_late`), planned already (`planned`), of a member who left (`left`), asked not to be called though the kind
    begins with a call (`do_not_call`), or is held out of another campaign for one of the gaps (`held_out`).

    Raises UnusableProposals; IllegalStep where the campaign is no draft any more.
    """
    row = locked_campaign(campaign)
    if row.state != CampaignState.DRAFT:
        raise IllegalStep(f"{row} is “{row.get_state_display()}”: only a draft takes interventions.")
    contract = row.contract_id
    return stored(rows, year=row.year, campaign=row.pk, contract=contract, today=today, strict=False, by=by)


@transaction.atomic
def plan_one(proposal: Proposal, *, year: int, campaign: Campaign | None = None, today: date, by: Any) -> Intervention:
    """Plan one intervention, in a draft campaign or outside of any; returns it.

    A person may plan what comes too late to count: it is still worth doing. Raises UnusableProposals, IllegalStep, and
    NothingToDo where `plan` would have left it out.
    """
    row = locked_campaign(campaign) if campaign else None
    if row and row.state != CampaignState.DRAFT:
        raise IllegalStep(f"{row} is “{row.get_state_display()}”: only a draft takes interventions.")
    if row and row.year != year:
        raise Unusable("year", f"{row} is of measurement year {row.year}.")
    number = row.pk if row else None
    contract = row.contract_id if row else None
    done = stored([proposal], year=year, campaign=number, contract=contract, today=today, strict=True, by=by)
    if not done.planned:
        raise NothingToDo(LEFT_OUT[next(iter(done.left_out))])
    return Intervention.objects.get(
        member__pseudonym=proposal.member, kind=proposal.kind, campaign=row, state="planned"
    )


LEFT_OUT = {
    "left": "This member has left the plan.",
    "met": "No gap of it is open any more.",
    "too_late": "It would come too late for its gaps.",
    "planned": "An intervention of this kind is planned or in progress for this member already.",
    "do_not_call": "This member asked not to be called.",
    "held_out": "This member is held out of a campaign for one of these gaps, to compare with.",
}


def stored(
    rows: Iterable[Proposal], *, year: int, campaign: int | None, contract: int | None, today: date, strict: bool,
    by: Any,
) -> Planned:  # fmt: skip
    """Stage, check and insert; `strict` plans what comes too late as well."""
    now = timezone.now()
    facts: dict[str, Any] = {
        "year": year, "campaign": campaign, "contract": contract, "today": today, "late_too": strict, "at": now,
        "by": name_of(by),
    }  # fmt: skip
    with connection.cursor() as cursor:
        stage(cursor, rows, today=today)
        refuse_unusable(cursor, facts)
        cursor.execute(plan_statements.CHOOSE, facts)
        for statement in (plan_statements.INSERT, plan_statements.INSERT_GAPS, plan_statements.INSERT_STEPS):
            cursor.execute(statement, facts)
        cursor.execute(plan_statements.LEFT_OUT)
        left_out = dict(cursor.fetchall())
        cursor.execute(plan_statements.MEMBERS)
        members = [pseudonym for (pseudonym,) in cursor.fetchall()]
    if members:
        ledger.record(
            Event.Kind.CHANGE, "interventions.planned", object_type="campaign", object_id=campaign or "",
            after={"year": year, "planned": len(members), "left_out": left_out}, members=members,
            row_count=len(members), by=by,
        )  # fmt: skip
    return Planned(len(members), left_out)


def stage(cursor: Any, rows: Iterable[Proposal], *, today: date) -> None:
    """COPY the proposals into two temporary tables, each value checked. Raises UnusableProposals."""
    problems: list[str] = []
    uplifts: list[tuple[int, str, float | None]] = []
    cursor.execute(plan_statements.STAGE)
    with cursor.copy(plan_statements.COPY_PROPOSALS) as copy:
        for number, proposal in enumerate(rows, start=1):
            found = [f"row {number}, {where}" for where in mistakes(proposal)]
            problems += found
            if found or problems:
                if len(problems) >= MOST_TOLD:
                    break
                continue
            action = actions.actions()[proposal.kind]
            cost = action.cost if proposal.estimated_cost is None else proposal.estimated_cost
            last = today + timedelta(days=action.lead_days)
            copy.write_row(
                (number, proposal.member, proposal.kind, action.channel, last, cost, proposal.priority,
                 proposal.expected_value, proposal.due_date, proposal.owner)
            )  # fmt: skip
            uplifts += [(number, code, gain) for code, gain in proposal.uplift.items()]
    if problems:
        raise UnusableProposals(problems)
    with cursor.copy(plan_statements.COPY_UPLIFTS) as copy:
        for uplift in uplifts:
            copy.write_row(uplift)
    cursor.execute(plan_statements.ANALYZE)


def mistakes(proposal: Proposal) -> Iterator[str]:
    """Field and reason of everything that cannot be in one proposal. The member is never quoted: it may be a plan's own
    id."""
    action = actions.actions().get(proposal.kind)
    if action is None:
        yield f"kind: there is no kind {proposal.kind!r}"
    elif action.cost is None and proposal.estimated_cost is None:
        yield f"estimated_cost: the price list has no price for {proposal.kind}: give one"
    for name in ("estimated_cost", "priority", "expected_value"):
        amount = getattr(proposal, name)
        if amount is not None and not (amount.is_finite() and 0 <= amount < LARGEST):
            yield f"{name}: is no amount of at least 0 and less than {LARGEST:,}"
    if not proposal.uplift:
        yield "uplift: names no measure"
    for code, gain in proposal.uplift.items():
        if gain is not None and not (math.isfinite(gain) and 0 <= gain <= 1):
            yield f"uplift.{code}: is no share from 0 to 1"


def refuse_unusable(cursor: Any, facts: Mapping[str, Any]) -> None:
    """Raise UnusableProposals for members, gaps and contracts that do not fit, and for one member and kind twice."""
    problems: list[str] = []
    for statement in plan_statements.CHECKS:
        cursor.execute(statement, {**facts, "most": MOST_TOLD})
        problems += [f"row {number}, {where}" for number, where in cursor.fetchall()]
    if problems:
        raise UnusableProposals(problems[:MOST_TOLD])
