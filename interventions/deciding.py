"""From the data of one or several contracts to a stored plan, and from a plan to a campaign.

What is planned for is the projected year end: the numerator expected without the plan, what it takes for each number of
stars, and what each kind of intervention adds for each member (`offers`). `plan_storing` keeps what was decided, and
files to check it with.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import pairwise
from math import isfinite
from typing import Any

from django.db import transaction

from hedis.members.models import Contract
from interventions import campaigning, offers, plan_floors, planning, projection
from interventions.actions import actions
from interventions.models import Campaign, Plan, PlanItem
from interventions.money import County, payment_rules, payment_year, value
from interventions.optimiser import optimise
from interventions.plan_floors import FloorWanted
from interventions.plan_storing import Decision, folder_of, limits, store
from interventions.planning import Planned, Proposal
from interventions.problem import OBJECTIVES, ProblemError, problem_of
from interventions.projection import ContractProjection
from interventions.workflow import WorkflowError

# What a capacity can be of: the channels that kinds of intervention are begun by.
CHANNELS = tuple(dict.fromkeys(action.channel for action in actions().values()))
HALF_STARS = [Decimal(step) / 2 for step in range(2, 11)]
# Counts that coincide (a small denominator, or cut points close together) are kept apart by so little.
APART = 1e-6
LARGEST_BUDGET = Decimal(10) ** 10


class NothingToPlan(WorkflowError):
    """There is nobody to do anything for; the message says why and what to do."""


class AlreadyACampaign(WorkflowError):
    """This plan was made a campaign before."""


@dataclass(frozen=True)
class Wish:
    """What is wanted: dollars to spend at most, what to make the most of, how surely, and how many contacts there are.

    `capacities`: contacts by channel, a channel not named is not limited. `counties` turn ratings into dollars; for
    several contracts they are given by contract number. `floors`: least closures for groups of members.
    """

    budget: Decimal
    objective: str = "weighted_stars"
    confidence_z: float = 0.0
    capacities: Mapping[str, float] | None = None
    counties: Sequence[County] | Mapping[str, Sequence[County]] = ()
    floors: Sequence[FloorWanted] = ()

    def counties_of(self, contract: str) -> Sequence[County]:
        """The counties of one contract."""
        return self.counties.get(contract, ()) if isinstance(self.counties, Mapping) else self.counties


def nothing() -> None:
    """Nobody watches how far it is."""


def decide(contracts: Sequence[Contract], year: int, wish: Wish, *, seed: int = 0, today: date, by: Any) -> Plan:
    """Plan what to do for the members of contracts and store it, all or nothing. The same data, wish and seed choose
    the same.

    Raises projection.NothingToProject, NothingToPlan, problem.ProblemError for a wish that cannot be.
    """
    return store(work_out(contracts, year, wish, seed=seed, today=today), by=by)


def work_out(
    contracts: Sequence[Contract], year: int, wish: Wish, *, seed: int = 0, today: date,
    step: Callable[[], None] = nothing,
) -> Decision:  # fmt: skip
    """Find the plan without storing it; `step` is called after each of `steps(wish, contracts)` units of work.

    Raises as `decide`.
    """
    check_wish([one.number for one in contracts], wish)
    outlooks = []
    for contract in contracts:
        outlooks.append(projection.projected(contract, year))
        step()
    content = contents_of(outlooks, wish)
    problem = problem_of(content, file="the wish")
    baselines = {
        outlook.contract: {one.measure: stays_open(one.rate_today, one.rate) for one in outlook.measures.values()}
        for outlook in outlooks
    }
    candidates = offers.gathered(contracts, year, problem, baselines, today)
    if not candidates.rows:
        raise NothingToPlan(
            f"{', '.join(baselines)} {'have' if len(baselines) > 1 else 'has'} nobody whom an intervention could still "
            f"help in {year}: every gap is met, too late or worked on already, or no effect of an action is known "
            "(manage.py load_action_effects)"
        )
    candidates = plan_floors.with_groups(problem, candidates, contracts, year)
    step()
    found = optimise(problem, candidates, seed=seed)
    step()
    equity = plan_floors.price_of_equity(found, candidates, seed=seed, step=step) if problem.floors else {}
    return Decision(contracts, outlooks, content, candidates, found, equity)


def steps(wish: Wish, contracts: int) -> int:
    """Units of work of `work_out`: a projection each, the offers, the plan, and the price of equity."""
    return contracts + 2 + (1 + len(wish.floors) if wish.floors else 0)


def check_wish(contracts: Sequence[str], wish: Wish) -> None:
    """Refuse what no data could make possible. Raises ProblemError naming the field."""
    if not contracts or len(set(contracts)) < len(contracts):
        raise ProblemError("name at least one contract, each once", field="contracts")
    if wish.objective not in OBJECTIVES:
        raise ProblemError(f"is {wish.objective!r}; it is one of {', '.join(OBJECTIVES)}", field="objective")
    if not (wish.budget.is_finite() and 0 <= wish.budget < LARGEST_BUDGET):
        raise ProblemError(f"is no amount from 0 to below {LARGEST_BUDGET:,} dollars", field="budget")
    if not isfinite(wish.confidence_z):
        raise ProblemError("is no number of standard deviations", field="confidence_z")
    if not isinstance(wish.counties, Mapping) and wish.counties and len(contracts) > 1:
        raise ProblemError("are given by contract where there are several", field="counties")
    for channel, most in (wish.capacities or {}).items():
        if channel not in CHANNELS:
            raise ProblemError(f"{channel!r} is no channel; there are {', '.join(CHANNELS)}", field="capacities")
        if not (isfinite(most) and most >= 0):
            raise ProblemError(f"{channel}: {most:g} is no number of contacts from 0", field="capacities")
    if len(wish.floors) > limits()["most_floors"]:
        raise ProblemError(f"there are at most {limits()['most_floors']} floors", field="floors")
    plan_floors.check(wish.floors, contracts)


def stays_open(today: float, year_end: float) -> float:
    """Of the members unmet today the share expected unmet at the year's end, where nobody predicted them one by one."""
    return min(max((1 - year_end) / (1 - today), 0.0), 1.0) if today < 1 else 0.0


def content_of(outlook: ContractProjection, wish: Wish) -> dict[str, Any]:
    """The problem of one contract as docs/optimiser.md has it."""
    return contents_of([outlook], wish)


def contents_of(outlooks: Sequence[ContractProjection], wish: Wish) -> dict[str, Any]:
    """The problem of contracts together; where there are several, everything names its contract."""
    several = len(outlooks) > 1
    named = {one.contract: {"contract": one.contract} if several else {} for one in outlooks}
    content: dict[str, Any] = {
        "objective": wish.objective,
        "confidence_z": wish.confidence_z,
        "budget": float(wish.budget),
        "resources": dict(wish.capacities or {}),
        "measures": [
            {
                "code": one.measure, **named[outlook.contract],
                "weight": float(outlook.method.year.measure(measure_id).weight),
                "denominator": one.denominator, "firm": 0, "baseline_mean": one.numerator,
                "baseline_variance": one.count.variance, "cut_counts": cut_counts(one.needed, one.denominator),
            }
            for outlook in outlooks
            for measure_id, one in outlook.measures.items()
        ],
    }  # fmt: skip
    if wish.floors:
        content["floors"] = plan_floors.content_of(wish.floors, named=several)
    if wish.objective == "dollars":
        content["ratings"] = [
            {**step, **named[outlook.contract]}
            for outlook in outlooks
            for step in rating_steps(outlook, wish.counties_of(outlook.contract))
        ]
    return content


def cut_counts(needed: Sequence[int], denominator: int) -> list[float | None]:
    """Counts that rise from 0; None for stars not even everybody would earn."""
    counts: list[float | None] = [0.0]
    for count in needed[1:]:
        last = max(one for one in counts if one is not None)
        counts.append(None if count > denominator else max(float(count), last + APART))
    return counts


def rating_steps(outlook: ContractProjection, counties: Sequence[County]) -> Iterator[dict[str, Any]]:
    """What each half star of the rating adds in dollars, on the weighted mean of the measures that are planned for.

    The other measures stand as they do today. Reward factor and adjustment index are left out of the plan's own sum:
    the outlook with the plan has them.
    """
    rules = payment_rules(payment_year(outlook.year, payment_rules(outlook.year)))
    weight_of = {name: float(one.weight) for name, one in outlook.method.year.measures.items()}
    inside = sum(weight_of[name] for name in outlook.measures)
    outside = sum(weight_of[name] for name in outlook.fixed)
    standing = sum(weight_of[name] * star for name, star in outlook.fixed.items())
    for lower, higher in pairwise(HALF_STARS):
        gain = value(counties, higher, rules) - value(counties, lower, rules)
        if gain > 0:
            wanted = (float(higher) - 0.25) * (inside + outside) - standing
            yield {"at_least": max(wanted / inside, 0.0), "value": float(gain)}


@transaction.atomic
def make_campaign(
    plan: Plan, name: str, *, start_date: date, end_date: date, holdout_share: Decimal, today: date, by: Any
) -> tuple[Campaign, Planned]:
    """A draft campaign of what a plan chose, in the plan's order; somebody else approves it. The campaign of a plan for
    several contracts is of every contract.

    Returns it and what became of the choices: gaps may have been met since. Raises AlreadyACampaign, and what
    `campaigning.create` and `planning.plan` raise.
    """
    row = Plan.objects.select_for_update().get(pk=plan.pk)
    if row.campaign_id is not None:
        raise AlreadyACampaign(f"Plan {row.pk} is the campaign {row.campaign} already.")
    contracts = list(row.contracts.order_by("number"))
    campaign = campaigning.create(
        name, contract=contracts[0] if len(contracts) == 1 else None, year=row.year, budget=row.budget,
        start_date=start_date, end_date=end_date, holdout_share=holdout_share,
        notes=f"Plan {row.pk} of {', '.join(one.number for one in contracts)}.", by=by,
    )  # fmt: skip
    planned = planning.plan(campaign, rows=proposals(row), today=today, by=by)
    Plan.objects.filter(pk=row.pk).update(campaign=campaign)
    return campaign, planned


def proposals(plan: Plan) -> list[Proposal]:
    """What a plan chose as campaigns take it, most worth first. A list: the campaign is filled by COPY, during which
    the connection answers no query."""
    items = PlanItem.objects.filter(plan=plan).chosen().order_by("-worth", "id")
    found = []
    for pseudonym, kind, cost, uplift, worth in items.values_list(
        "member__pseudonym", "kind", "cost", "uplift", "worth"
    ):
        dollars = Decimal(str(round(worth, 4)))
        found.append(Proposal(pseudonym, kind, uplift, estimated_cost=cost, priority=dollars, expected_value=dollars))
    return found


def as_facts(plan: Plan) -> dict[str, Any]:
    """What the command answers for a stored plan: as of a problem file, and its id."""
    folder = folder_of(plan)
    return {
        **plan.answer,
        "id": plan.pk,
        "data_as_of": plan.data_as_of,
        "candidates": plan.candidates,
        "left_out": plan.left_out,
        "plan": str(folder / "plan.parquet"),
        "near": str(folder / "plan.near.parquet"),
        "certificate": str(folder / "plan.certificate.json"),
    }
