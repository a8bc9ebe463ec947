"""From a contract's data to a stored plan, and from a plan to a campaign.

What is planned for is the projected year end: the numerator expected without the plan, what it takes for each number of
stars, and what each kind of intervention adds for each member (`offers`). Files to check the plan with lie beside it.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_DOWN, Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from audit import ledger
from audit.models import Event
from hedis.members.models import Contract
from interventions import campaigning, certificate, offers, planning, projection, reasons
from interventions.actions import actions
from interventions.answering import answer_of
from interventions.candidates import Candidates
from interventions.models import Campaign, Plan, PlanItem
from interventions.money import County, payment_rules, payment_year, value
from interventions.optimiser import Plan as Found
from interventions.optimiser import optimise
from interventions.planning import Planned, Proposal
from interventions.problem import Problem, problem_of
from interventions.projection import ContractProjection
from interventions.workflow import WorkflowError, name_of

FOLDER = "plans"
# What a capacity can be of: the channels that kinds of intervention are begun by.
CHANNELS = tuple(dict.fromkeys(action.channel for action in actions().values()))
FILES = ("problem.json", "candidates.parquet", "plan.parquet", "plan.certificate.json")
HALF_STARS = [Decimal(step) / 2 for step in range(2, 11)]
# Counts that coincide (a small denominator, or cut points close together) are kept apart by so little.
APART = 1e-6
STAGE = """
DROP TABLE IF EXISTS chosen_item;
CREATE TEMP TABLE chosen_item (pseudonym text, kind text, cost numeric, uplift jsonb, worth double precision)
ON COMMIT DROP
"""
INSERT_ITEMS = """
INSERT INTO interventions_planitem (plan_id, member_id, kind, cost, uplift, worth)
SELECT %s, m.id, c.kind, c.cost, c.uplift, c.worth FROM chosen_item AS c JOIN members_member AS m USING (pseudonym)
"""


class NothingToPlan(WorkflowError):
    """There is nobody to do anything for; the message says why and what to do."""


class AlreadyACampaign(WorkflowError):
    """This plan was made a campaign before."""


@dataclass(frozen=True)
class Wish:
    """What is wanted: dollars to spend at most, what to make the most of, how surely, and how many contacts there are.

    `capacities`: contacts by channel, a channel not named is not limited. `counties` turn ratings into dollars.
    """

    budget: Decimal
    objective: str = "weighted_stars"
    confidence_z: float = 0.0
    capacities: Mapping[str, float] | None = None
    counties: Sequence[County] = ()


def decide(contract: Contract, year: int, wish: Wish, *, seed: int = 0, today: date, by: Any) -> Plan:
    """Plan what to do for a contract's members and store it, all or nothing. The same data, wish and seed choose the
    same.

    Raises projection.NothingToProject, NothingToPlan, problem.ProblemError for a wish that cannot be.
    """
    outlook = projection.projected(contract, year)
    content = content_of(outlook, wish)
    problem = problem_of(content, file="the wish")
    baseline = {one.measure: stays_open(one.rate_today, one.rate) for one in outlook.measures.values()}
    candidates = offers.gathered(contract, year, problem, baseline, today)
    if not candidates.rows:
        raise NothingToPlan(
            f"contract {contract.number} has nobody whom an intervention could still help in {year}: every gap is met, "
            "too late or worked on already, or no effect of an action is known (manage.py load_action_effects)"
        )
    return store(contract, outlook, content, candidates, optimise(problem, candidates, seed=seed), by=by)


def stays_open(today: float, year_end: float) -> float:
    """Of the members unmet today the share expected unmet at the year's end, where nobody predicted them one by one."""
    return min(max((1 - year_end) / (1 - today), 0.0), 1.0) if today < 1 else 0.0


def content_of(outlook: ContractProjection, wish: Wish) -> dict[str, Any]:
    """The problem as docs/optimiser.md has it."""
    content: dict[str, Any] = {
        "objective": wish.objective,
        "confidence_z": wish.confidence_z,
        "budget": float(wish.budget),
        "resources": dict(wish.capacities or {}),
        "measures": [
            {
                "code": one.measure, "weight": float(outlook.method.year.measure(measure_id).weight),
                "denominator": one.denominator, "firm": 0, "baseline_mean": one.numerator,
                "baseline_variance": one.count.variance, "cut_counts": cut_counts(one.needed, one.denominator),
            }
            for measure_id, one in outlook.measures.items()
        ],
    }  # fmt: skip
    if wish.objective == "dollars":
        content["ratings"] = list(rating_steps(outlook, wish.counties))
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
def store(
    contract: Contract,
    outlook: ContractProjection,
    content: Mapping[str, Any],
    candidates: Candidates,
    found: Found,
    *,
    by: Any,
) -> Plan:
    """Keep the plan, what it chose, and the files to check it with."""
    answer, proof = answer_of(found), certificate.certificate_of(found)
    chosen = reasons.chosen(found, candidates)
    plan = Plan.objects.create(
        contract=contract, year=outlook.year, objective=found.problem.objective,
        budget=Decimal(str(found.problem.budget)), spend=cents(found.tally.spend),
        confidence_z=found.problem.confidence_z, lower_bound=found.lower_bound, upper_bound=found.upper_bound,
        chosen=len(found.rows), candidates=candidates.rows, data_as_of=outlook.data_as_of, problem=content,
        answer=answer, certificate=proof, digest=digest_of(content, answer, chosen), left_out=dict(outlook.left_out),
        planned_by=name_of(by), planned_at=timezone.now(),
    )  # fmt: skip
    members = store_items(plan, found, candidates, chosen)
    ledger.record(
        Event.Kind.CHANGE, "plan.decided", object_type="plan", object_id=plan.pk,
        after={"contract": contract.number, "year": outlook.year, "objective": plan.objective, "budget": plan.budget,
               "chosen": plan.chosen, "digest": plan.digest},
        members=members, row_count=plan.chosen, by=by,
    )  # fmt: skip
    # Last: files that cannot be written undo the rest, and not the other way round.
    write_files(plan, found.problem, candidates, chosen)
    return plan


def cents(amount: float) -> Decimal:
    """Dollars as stored. Rounded down: a spend of exactly the budget must not pass it by a fraction of a cent."""
    return Decimal(repr(amount)).quantize(Decimal("0.01"), ROUND_DOWN)


def digest_of(content: Mapping[str, Any], answer: Mapping[str, Any], chosen: pa.Table) -> str:
    """SHA-256 of problem, answer and what was chosen."""
    facts = json.dumps([content, answer, chosen.select(["member", "action"]).to_pylist()], sort_keys=True)
    return hashlib.sha256(facts.encode()).hexdigest()


def store_items(plan: Plan, found: Found, candidates: Candidates, chosen: pa.Table) -> list[str]:
    """One row a chosen member, by COPY; returns the pseudonyms."""
    codes = [measure.code for measure in found.problem.measures]
    members, kinds, costs, worths = (chosen[name].to_pylist() for name in ("member", "action", "cost", "worth"))
    uplifts = candidates.uplifts[found.rows]
    with connection.cursor() as cursor:
        cursor.execute(STAGE)
        with cursor.copy("COPY chosen_item FROM STDIN") as copy:
            for row, facts in enumerate(zip(members, kinds, costs, worths, strict=True)):
                start, end = uplifts.indptr[row : row + 2]
                gains = {codes[uplifts.indices[at]]: float(uplifts.data[at]) for at in range(start, end)}
                member, kind, cost, worth = facts
                copy.write_row((member, kind, cost, json.dumps(gains), worth))
        cursor.execute(INSERT_ITEMS, [plan.pk])
    return list(members)


def folder_of(plan: Plan) -> Path:
    """Where the files of a plan lie."""
    return Path(settings.DATA_DIR) / FOLDER / str(plan.pk)


def write_files(plan: Plan, problem: Problem, candidates: Candidates, chosen: pa.Table) -> None:
    """The files `check_plan` takes, readable by the owner only: they name members by pseudonym."""
    folder = folder_of(plan)
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    texts = {"problem.json": plan.problem, "plan.certificate.json": plan.certificate}
    for name, facts in texts.items():
        (folder / name).write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    pq.write_table(offers.as_table(candidates, problem), folder / "candidates.parquet")
    pq.write_table(chosen, folder / "plan.parquet")
    for name in FILES:
        (folder / name).chmod(0o600)


@transaction.atomic
def make_campaign(
    plan: Plan, name: str, *, start_date: date, end_date: date, holdout_share: Decimal, today: date, by: Any
) -> tuple[Campaign, Planned]:
    """A draft campaign of what a plan chose, in the plan's order; somebody else approves it.

    Returns it and what became of the choices: gaps may have been met since. Raises AlreadyACampaign, and what
    `campaigning.create` and `planning.plan` raise.
    """
    row = Plan.objects.select_for_update(of=("self",)).select_related("contract").get(pk=plan.pk)
    if row.campaign_id is not None:
        raise AlreadyACampaign(f"Plan {row.pk} is the campaign {row.campaign} already.")
    campaign = campaigning.create(
        name, contract=row.contract, year=row.year, budget=row.budget, start_date=start_date, end_date=end_date,
        holdout_share=holdout_share, notes=f"Plan {row.pk}.", by=by,
    )  # fmt: skip
    planned = planning.plan(campaign, rows=proposals(row), today=today, by=by)
    Plan.objects.filter(pk=row.pk).update(campaign=campaign)
    return campaign, planned


def proposals(plan: Plan) -> list[Proposal]:
    """What a plan chose as campaigns take it, most worth first. A list: the campaign is filled by COPY, during which
    the connection answers no query."""
    items = PlanItem.objects.filter(plan=plan).order_by("-worth", "id")
    found = []
    for pseudonym, kind, cost, uplift, worth in items.values_list(
        "member__pseudonym", "kind", "cost", "uplift", "worth"
    ):
        dollars = Decimal(str(round(worth, 4)))
        found.append(Proposal(pseudonym, kind, uplift, estimated_cost=cost, priority=dollars, expected_value=dollars))
    return found


def as_facts(plan: Plan) -> dict[str, Any]:
    """What the command and the API answer for a stored plan."""
    return {
        **plan.answer,
        "id": plan.pk,
        "data_as_of": plan.data_as_of,
        "candidates": plan.candidates,
        "left_out": plan.left_out,
        "plan": str(folder_of(plan) / "plan.parquet"),
        "certificate": str(folder_of(plan) / "plan.certificate.json"),
    }
