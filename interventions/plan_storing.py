"""A decided plan kept: the row with its bound and prices, what it chose and nearly chose, and the files to check it."""

import hashlib
import json
import shutil
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal
from functools import cache
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, BinaryIO
from zipfile import ZIP_DEFLATED, ZipFile

import pyarrow as pa
import pyarrow.parquet as pq
from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from audit import ledger
from audit.models import Event
from hedis.accounts import roles
from hedis.members.models import Contract
from interventions import certificate, counties, offers, plan_outcomes, plan_reasons, reasons
from interventions.actions import REFERENCE
from interventions.answering import answer_of
from interventions.candidates import Candidates
from interventions.models import Plan, PlanContract, PlanItem
from interventions.optimiser import Plan as Found
from interventions.problem import Integers
from interventions.projection import ContractProjection
from interventions.simulating import Worth
from interventions.workflow import WorkflowError, name_of

FOLDER = "plans"
FILES = ("problem.json", "candidates.parquet", "plan.parquet", "plan.near.parquet", "plan.certificate.json")
STAGE = """
DROP TABLE IF EXISTS plan_item;
CREATE TEMP TABLE plan_item (row integer, pseudonym text, contract text, chosen boolean, kind text, cost numeric,
    uplift jsonb, worth double precision, charge double precision, reason text) ON COMMIT DROP
"""
INSERT_ITEMS = """
INSERT INTO interventions_planitem
    (plan_id, member_id, contract_id, chosen, kind, cost, uplift, worth, charge, reason)
SELECT %s, m.id, k.id, i.chosen, i.kind, i.cost, i.uplift, i.worth, i.charge, i.reason
  FROM plan_item AS i
  JOIN members_member AS m USING (pseudonym)
  JOIN members_contract AS k ON k.number = i.contract
 ORDER BY i.row
"""


@dataclass(frozen=True)
class Decision:
    """What was found and from what: everything that is stored of a plan. `equity` is empty without floors."""

    contracts: Sequence[Contract]
    outlooks: Sequence[ContractProjection]
    content: Mapping[str, Any]
    candidates: Candidates
    found: Found
    equity: Mapping[str, Any]


@cache
def limits() -> dict[str, int]:
    """How much is kept of a plan, as data."""
    return tomllib.loads((REFERENCE / "plans.toml").read_text(encoding="utf-8"))


@transaction.atomic
def store(decision: Decision, *, by: Any) -> Plan:
    """Keep the plan, what it chose and nearly chose, and the files to check it with."""
    found, candidates = decision.found, decision.candidates
    chosen, near = reasons.chosen(found, candidates), reasons.nearly_chosen(found, candidates)
    answer = {**answer_of(found), "nearly_chosen": near.num_rows}
    if decision.equity:
        answer["price_of_equity"] = dict(decision.equity)
    plan = Plan.objects.create(
        year=decision.outlooks[0].year, objective=found.problem.objective, budget=Decimal(str(found.problem.budget)),
        spend=cents(found.tally.spend), confidence_z=found.problem.confidence_z, lower_bound=found.lower_bound,
        upper_bound=found.upper_bound, chosen=len(found.rows), candidates=candidates.rows,
        data_as_of=min(one.data_as_of for one in decision.outlooks), problem=decision.content, answer=answer,
        certificate=certificate.certificate_of(found),
        outcomes=plan_outcomes.outcomes(decision.outlooks, found, candidates, worths_of(decision)),
        digest=digest_of(decision.content, answer, chosen), left_out=left_out_of(decision.outlooks),
        planned_by=name_of(by), planned_at=timezone.now(),
    )  # fmt: skip
    PlanContract.objects.bulk_create(PlanContract(plan=plan, contract=one) for one in decision.contracts)
    members = store_items(plan, decision, chosen, near)
    numbers = [one.number for one in decision.contracts]
    ledger.record(
        Event.Kind.CHANGE, "plan.decided", object_type="plan", object_id=plan.pk,
        after={"contracts": numbers, "year": plan.year, "objective": plan.objective, "budget": plan.budget,
               "chosen": plan.chosen, "digest": plan.digest},
        members=members, row_count=plan.chosen, by=by,
    )  # fmt: skip
    # Last: files that cannot be written undo the rest, and not the other way round.
    write_files(plan, decision, chosen, near)
    return plan


def worths_of(decision: Decision) -> dict[str, Worth]:
    """What ratings are worth, of the contracts whose county figures are stored. One query."""
    found = counties.figures_of(decision.contracts, decision.outlooks[0].year)
    return {one.number: found[one.pk].worth(Decimal(0)) for one in decision.contracts if one.pk in found}


def left_out_of(outlooks: Sequence[ContractProjection]) -> dict[str, str]:
    """Measures that were not planned for, with the reason; after their contract where there are several."""
    return {
        f"{one.contract}/{code}" if len(outlooks) > 1 else code: reason
        for one in outlooks
        for code, reason in one.left_out.items()
    }


def cents(amount: float) -> Decimal:
    """Dollars as stored. Rounded down: a spend of exactly the budget must not pass it by a fraction of a cent."""
    return Decimal(repr(amount)).quantize(Decimal("0.01"), ROUND_DOWN)


def digest_of(content: Mapping[str, Any], answer: Mapping[str, Any], chosen: pa.Table) -> str:
    """SHA-256 of problem, answer and what was chosen."""
    facts = json.dumps([content, answer, chosen.select(["member", "action"]).to_pylist()], sort_keys=True)
    return hashlib.sha256(facts.encode()).hexdigest()


def store_items(plan: Plan, decision: Decision, chosen: pa.Table, near: pa.Table) -> set[str]:
    """One row a chosen member, and one for each of the nearest that were not, by COPY; returns the pseudonyms."""
    found = decision.found
    kept = near.slice(0, limits()["nearest_kept"])
    near_rows = reasons.near_rows(found, decision.candidates)[: kept.num_rows]
    parts = [
        item_lines(decision, chosen, found.rows, plan_reasons.of_chosen(chosen, found.problem), is_chosen=True),
        item_lines(
            decision, kept, near_rows, plan_reasons.of_nearly_chosen(kept, chosen, found.problem), is_chosen=False
        ),
    ]
    members = set()
    with connection.cursor() as cursor:
        cursor.execute(STAGE)
        with cursor.copy("COPY plan_item FROM STDIN") as copy:
            for number, line in enumerate(line for part in parts for line in part):
                copy.write_row((number, *line))
                members.add(line[0])
        cursor.execute(INSERT_ITEMS, [plan.pk])
    return members


def item_lines(
    decision: Decision, table: pa.Table, rows: Integers, words: Sequence[str], *, is_chosen: bool
) -> Iterator[tuple[Any, ...]]:
    """The lines of a table of reasons as they are stored."""
    problem, uplifts = decision.found.problem, decision.candidates.uplifts[rows]
    only = decision.contracts[0].number
    names = ("member", "action", "cost", "worth", "charge")
    columns = (table[name].to_pylist() for name in names)
    for row, (member, kind, cost, worth, charge, reason) in enumerate(zip(*columns, words, strict=True)):
        start, end = uplifts.indptr[row : row + 2]
        measures = [problem.measures[place] for place in uplifts.indices[start:end]]
        gains = {
            measure.code: float(gain) for measure, gain in zip(measures, uplifts.data[start:end], strict=True)
        }  # fmt: skip
        contract = measures[0].contract or only
        yield member, contract, is_chosen, kind, cost, json.dumps(gains), worth, charge, reason[:MOST_WORDS]


MOST_WORDS = PlanItem._meta.get_field("reason").max_length


def folder_of(plan: Plan) -> Path:
    """Where the files of a plan lie."""
    return Path(settings.DATA_DIR) / FOLDER / str(plan.pk)


def write_files(plan: Plan, decision: Decision, chosen: pa.Table, near: pa.Table) -> None:
    """The files `check_plan` takes, readable by the owner only: they name members by pseudonym."""
    folder = folder_of(plan)
    # A database made anew counts from 1 again; nothing of an older plan must be taken for this one's.
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    folder.chmod(0o700)
    texts = {"problem.json": plan.problem, "plan.certificate.json": plan.certificate}
    for name, facts in texts.items():
        (folder / name).write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    tables = {
        "candidates.parquet": offers.as_table(decision.candidates, decision.found.problem),
        "plan.parquet": chosen,
        "plan.near.parquet": near,
    }
    for name, table in tables.items():
        pq.write_table(table, folder / name)
    for name in FILES:
        (folder / name).chmod(0o600)


def may_export(user: Any) -> bool:
    """Whether this person may take the files away: they hold members of every panel."""
    return bool(user.has_perm("interventions.view_planitem") and user.has_perm(roles.WHOLE_PLAN))


class FilesGone(WorkflowError):
    """The files of a plan are not where they were written."""


def as_archive(plan: Plan, *, by: Any) -> BinaryIO:
    """The plan's files in one archive, after the ledger knows whom they name. Raises FilesGone."""
    folder = folder_of(plan)
    there = [name for name in FILES if (folder / name).is_file()]
    if not {"problem.json", "candidates.parquet"} <= set(there):
        raise FilesGone(f"The files of plan {plan.pk} are not under the data directory any more: plan again.")
    members = pq.read_table(folder / "candidates.parquet", columns=["member"])["member"].unique().to_pylist()
    with transaction.atomic():
        ledger.record(
            Event.Kind.EXPORT, "plan.exported", object_type="plan", object_id=plan.pk, after={"files": there},
            members=members, row_count=len(members), by=by,
        )  # fmt: skip
    archive = TemporaryFile()  # noqa: SIM115 - whoever sends it closes it
    with ZipFile(archive, "w", ZIP_DEFLATED) as packed:
        for name in there:
            packed.write(folder / name, f"plan-{plan.pk}/{name}")
    archive.seek(0)
    return archive
