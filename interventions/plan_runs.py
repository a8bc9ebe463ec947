"""A plan that is asked for by page or API and decided by a worker, with its progress.

A run that is cut off begins again: nothing is stored before everything is, and the plan is stored in the transaction
that says so.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from audit import ledger
from audit.models import Event
from hedis.lib import jobs, runs
from hedis.lib.runs import RunState
from hedis.members.models import Contract
from hedis.stars.years import UnknownStarYear
from interventions import counties, deciding, plan_storing
from interventions.deciding import Wish
from interventions.models import PlanRun
from interventions.plan_floors import FloorWanted
from interventions.problem import ProblemError
from interventions.projection import NothingToProject
from interventions.workflow import WorkflowError, name_of

TASK = "interventions.decide"
# Whose words name no member.
TOLD = (WorkflowError, ProblemError, NothingToProject, UnknownStarYear)


@transaction.atomic
def start(contracts: Sequence[Contract], year: int, wish: Wish, *, by: Any) -> PlanRun:
    """Ask for a plan; a worker decides it. Asked for the same again before it is decided, there is one run.

    Raises ProblemError for a wish that cannot be, naming the field.
    """
    numbers = sorted(one.number for one in contracts)
    deciding.check_wish(numbers, wish)
    paid(wish, contracts, year)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('start planning'))")
    asked = asked_of(numbers, wish)
    waiting = PlanRun.objects.filter(year=year, asked=asked, state__in=(RunState.QUEUED, RunState.RUNNING))
    if (run := waiting.order_by("-id").first()) is not None and not run.is_stalled(timezone.now()):
        return run
    run = run or PlanRun.objects.create(year=year, asked=asked, requested_by=name_of(by))
    ledger.record(
        Event.Kind.JOB, "plan.asked_for", object_type="planning_run", object_id=run.pk,
        after={"year": year, **asked}, by=by,
    )  # fmt: skip
    try:
        jobs.defer(TASK, once=f"plan run {run.pk}", run=run.pk)
    except jobs.AlreadyQueued:
        return run  # its job is there already, which is all that was asked
    return run


def asked_of(contracts: Sequence[str], wish: Wish) -> dict[str, Any]:
    """A wish as it is stored: the same wish is the same text."""
    return {
        "contracts": list(contracts),
        "budget": f"{wish.budget:.2f}",
        "objective": wish.objective,
        "confidence_z": float(wish.confidence_z),
        "capacities": {name: float(most) for name, most in sorted((wish.capacities or {}).items())},
        "floors": sorted(str(floor) for floor in wish.floors),
    }


def wish_of(asked: Mapping[str, Any]) -> Wish:
    """The wish that was stored."""
    return Wish(
        Decimal(asked["budget"]), asked["objective"], asked["confidence_z"], asked["capacities"],
        floors=[FloorWanted.from_text(text) for text in asked["floors"]],
    )  # fmt: skip


def paid(wish: Wish, contracts: Sequence[Contract], year: int) -> Wish:
    """The wish with the stored counties of each contract, where it is for dollars and brings none. Raises
    ProblemError."""
    if wish.objective != "dollars" or wish.counties:
        return wish
    found = counties.figures_of(contracts, year)
    if missing := [one.number for one in contracts if one.pk not in found]:
        raise ProblemError(
            f"dollars need the county figures of {', '.join(missing)}: enter them, or manage.py import_counties",
            field="objective",
        )
    return replace(wish, counties={one.number: found[one.pk].counties for one in contracts})


def carry_on(run: PlanRun, *, by: Any) -> PlanRun:
    """Decide what a run asks for and store the plan; returns the run as it stands then.

    A run that fails says why in `error`; asking again begins a new one.
    """
    wish = wish_of(run.asked)
    units = deciding.steps(wish, len(run.asked["contracts"])) + 1
    if not runs.begin(run, total=units):
        return run
    done = 0

    def step() -> None:
        nonlocal done
        done += 1
        runs.advance(run, done=done)

    with runs.ending(run, tell=TOLD):
        if run.plan_id is not None:
            return run  # stored, and cut off before it could say so
        contracts = list(Contract.objects.filter(number__in=run.asked["contracts"]).order_by("number"))
        decision = deciding.work_out(
            contracts, run.year, paid(wish, contracts, run.year), today=timezone.localdate(), step=step
        )
        with transaction.atomic():
            standing = PlanRun.objects.select_for_update().get(pk=run.pk)
            if standing.state != RunState.RUNNING or standing.plan_id is not None:
                raise runs.NotRunning(f"planning run {run.pk} was ended by another process")
            run.plan = plan_storing.store(decision, by=by)
            run.save(update_fields=["plan"])
    return run
