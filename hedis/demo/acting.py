"""The end of the demo's main job: what the scores are for. A plan for each contract, a campaign of it, a simulation of
other ways to spend, a snapshot."""

from collections.abc import Callable
from contextlib import suppress
from datetime import date
from decimal import Decimal
from typing import Any

from hedis.accounts.models import User
from hedis.members.models import Contract
from hedis.stars import snapshots
from interventions import campaigning, deciding, projection, simulation_runs
from interventions.deciding import Wish
from interventions.models import Plan, Simulation
from interventions.strategies import Strategy

PLANNER, APPROVER = "ben", "quinn"
# Dollars for each member enrolled in the contract: what an outreach season of a small plan might get.
PER_MEMBER = Decimal(3)
HOLDOUT_SHARE = Decimal("0.05")
NAME = "Autumn outreach"
SIMULATION, SIMULATED = "What the season's budget buys", "H2002"
SHARES = (0, 0.1, 0.25, 0.5, 1, 2)


def act(*, as_of: date, say: Callable[[str], None], by: str) -> dict[str, Any]:
    """Plan each contract that has none yet, start its campaign, and freeze the day; by contract what was decided."""
    planner, approver = (User.objects.get(username=name) for name in (PLANNER, APPROVER))
    planned = set(Plan.objects.filter(year=as_of.year).values_list("contracts__number", flat=True))
    done: dict[str, Any] = {}
    for contract in Contract.objects.exclude(number__in=planned).order_by("number"):
        budget = budget_of(contract)
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
    simulate(as_of=as_of, by=planner)
    snapshots.take(as_of=as_of, by=by)
    return done


def budget_of(contract: Contract) -> Decimal:
    """The season's dollars."""
    return PER_MEMBER * contract.enrolments.filter(end_date=None).count()


def simulate(*, as_of: date, by: User) -> None:
    """Every way to spend a contract's budget side by side, and what more or less money would buy. Done before, nothing
    is done."""
    contract = Contract.objects.filter(number=SIMULATED).first()
    if contract is None or Simulation.objects.filter(name=SIMULATION).finished().exists():
        return
    budget = float(budget_of(contract))
    content = {"budget": budget, "strategies": [*Strategy], "budgets": [budget * share for share in SHARES]}
    asked = simulation_runs.ask(
        SIMULATION, contract=contract, year=as_of.year, content=content, later=False, by=by
    )  # fmt: skip
    # A plan too small to project has no simulation: the run itself keeps the reason and shows it.
    with suppress(projection.NothingToProject):
        simulation_runs.carry_out(asked, today=as_of, by=by)
