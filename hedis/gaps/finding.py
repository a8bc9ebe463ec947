"""Finds the gaps of a measurement year: engine over warehouse, rows into PostgreSQL, history and counts beside them.

Everything is set-based: one engine pass a measure, one COPY into a staging table, one statement for each kind of
change. Running it twice changes nothing; a gap that opens again is told as reopened.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Protocol

import ibis
import pyarrow as pa
from django.db import connection, transaction

from audit import ledger
from audit.models import Event
from hedis.engine import pdc
from hedis.engine.backends import Backend
from hedis.engine.closing import CLOSING, by_month, stays_met
from hedis.engine.evaluate import Pass
from hedis.engine.facts import Tables
from hedis.engine.measure import DaysCovered, Definition
from hedis.engine.period import measurement_year
from hedis.evidence import warehouse
from hedis.gaps import contacting, counting, statements
from hedis.gaps.counting import Counts, Tally
from hedis.gaps.models import LONGEST_VALUE, FindingRun, MeasureCount
from hedis.measures import loading, portfolio
from hedis.measures.definitions import DEFINITIONS
from hedis.measures.models import Measure
from hedis.members.models import Contract

COLUMNS = (
    "member", "contract", "star_eligible", "status", "reason_code", "reason", "evidence_date", "evidence_value",
    "evidence_route", "supplemental_only", "exclusion", "exclusion_date", "closable_until", "contact_by",
    "definition_version",
)  # fmt: skip
ADHERENCE = (
    "treatment_start", "treatment_end", "treatment_days", "covered_days", "missable_days", "refill_due",
    "last_chance_date", "adherence_class",
)  # fmt: skip
NEVER_EMPTY = {"reason_code", "reason", "evidence_value", "evidence_route", "exclusion"}
Read = Callable[[ibis.Table], pa.Table]


class NotInWarehouse(Exception):
    """No member of this pseudonym, or no contract of this number, is in the warehouse."""


@dataclass(frozen=True)
class Scope:
    """Which part of the plan a run looks at; nothing given means all of it."""

    contract: str = ""
    member: str = ""

    @property
    def whole_plan(self) -> bool:
        """Only a run over the whole plan may leave counts: a part's would be taken for the plan's rate."""
        return not (self.contract or self.member)


class Watch(Protocol):
    """Told after each measure of a run: its code and counts, and how many of how many are done."""

    def __call__(self, code: str, counts: Counts, done: int, total: int) -> None: ...


def nobody_watches(code: str, counts: Counts, done: int, total: int) -> None:
    """The run of a program that shows no progress."""


@transaction.atomic
def find(
    year: int,
    *,
    as_of: date,
    scope: Scope = Scope(),
    definitions: Iterable[Definition] | None = None,
    watch: Watch = nobody_watches,
    backend: Backend | None = None,
    by: Any,
) -> dict[str, Counts]:
    """Find the gaps of `year` as known on `as_of`, of every measure there was; returns counts per measure code.

    `backend`: the engine that computes, DuckDB where none is given; the rows are the same.

    Raises warehouse.NoWarehouse before the first import, NotInWarehouse for an unknown contract or member, ValueError
    where `as_of` lies before the year.
    """
    # Two runs at once would both insert the same gap.
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('find gaps'))")
    stored = warehouse.connect(backend=backend)
    period = measurement_year(year)
    # A measure younger than the year has nothing to find; one asked for by name says so.
    every = [each for each in DEFINITIONS.values() if each.in_force(period)]
    wanted = every if definitions is None else list(definitions)
    judging = [Pass(wanted, part, period, as_of, stored.backend.keep) for part in parts_of(stored, year, scope)]
    run = FindingRun(year=year, data_as_of=as_of, generation=stored.generation, found_by=name_of(by))
    found, changed = {}, {}
    for done, definition in enumerate(wanted, start=1):
        relations = part_by_part(definition, judging)
        changed[definition.code] = store(definition, relations, run, scope, read=stored.backend.arrow)
        found[definition.code] = counted(definition, run, scope)
        watch(definition.code, found[definition.code], done, len(wanted))
    ledger.record(
        Event.Kind.JOB,
        "gaps.found",
        object_type="measurement_year",
        object_id=year,
        after={"as_of": as_of, "generation": stored.generation, "contract": scope.contract, "changes": changed},
        members=[scope.member] if scope.member else (),
        row_count=sum(sum(changes.values()) for changes in changed.values()),
        by=by,
    )
    return found


def parts_of(stored: warehouse.Warehouse, year: int, scope: Scope) -> list[Tables]:
    """What the engine reads, in parts that fit its memory; one member where the scope names one.

    Raises NotInWarehouse for a member or contract the warehouse has not.
    """
    named = stored.member.filter(stored.member.member == scope.member)
    if scope.member and not stored.backend.arrow(named).num_rows:
        raise NotInWarehouse("no such member in the warehouse")
    if scope.contract and not Contract.objects.filter(number=scope.contract).exists():
        raise NotInWarehouse(f"no contract {scope.contract} in the warehouse")
    tables = stored.tables(portfolio.value_sets(year, loading.own_lists()))
    if scope.member:
        return [tables.of_member(scope.member)]
    return tables.parts(stored.parts())


def part_by_part(definition: Definition, judging: Iterable[Pass]) -> Iterator[ibis.Table]:
    """What the engine says of one measure, a relation for each part of the plan; what a part took is let go of before
    the next."""
    for part in judging:
        yield judged(definition, part)
        part.release()


def judged(definition: Definition, judging: Pass) -> ibis.Table:
    """What the engine says of one measure; of an adherence measure with the days behind it."""
    relation = with_months(definition, judging)
    if not isinstance(definition.numerator, DaysCovered):
        return relation
    days = pdc.adherence(definition, judging.tables, judging.period, judging.as_of, keep=judging.keep)
    return relation.left_join(days.select("member", *ADHERENCE), "member").drop("member_right")


def with_months(definition: Definition, judging: Pass) -> ibis.Table:
    """What the engine says of one measure, with the month and the lag of each first closure where it stays met."""
    relation = judging.result(definition)
    if not stays_met(definition.numerator):
        return relation
    months = by_month(judging.first_closures(definition), judging.period.measurement_year)
    return relation.left_join(months, "member").drop("member_right")


def name_of(by: Any) -> str:
    """The actor as text, for rows that outlive the account."""
    return by if isinstance(by, str) else str(by.get_username())


def store(
    definition: Definition,
    relations: Iterable[ibis.Table],
    run: FindingRun,
    scope: Scope,
    *,
    read: Read = ibis.Table.to_pyarrow,
) -> dict[str, int]:
    """Bring one measure's rows to what the engine says; returns how many were found, changed, reopened or ended.

    `relations`: parts of the plan, each with the engine's `RESULT` columns; of an adherence measure also `ADHERENCE`,
    of one that stays met `CLOSING`.
    `read`: how their rows come here from the engine.
    """
    measure = Measure.objects.get(code=definition.code)
    facts: dict[str, Any] = {"measure": measure.pk, "year": run.year, "as_of": run.data_as_of, "by": run.found_by,
             "contract": scope.contract or None, "member": scope.member or None}  # fmt: skip
    adherence = isinstance(definition.numerator, DaysCovered)
    columns = COLUMNS + (ADHERENCE if adherence else ()) + (CLOSING if stays_met(definition.numerator) else ())
    lead, calendar = portfolio.lead_days(definition.code), portfolio.calendar(run.year)
    with connection.cursor() as cursor:
        cursor.execute(statements.STAGE)
        with cursor.copy(statements.COPY.format(columns=", ".join(columns))) as copy:
            for relation in relations:
                for row in rows(contacting.with_contact_by(relation, lead, calendar), columns, read):
                    copy.write_row(row)
        cursor.execute("ANALYZE found_gap")
        changes: dict[str, int] = {}
        for name, statement in statements.STEPS + (statements.ADHERENCE_STEPS if adherence else ()):
            cursor.execute(statement, facts)
            changes[name] = cursor.rowcount
    return {name: changes[name] for name in statements.CHANGES}


def rows(relation: ibis.Table, columns: Sequence[str], read: Read) -> Iterator[Sequence[Any]]:
    """The relation's rows in the order of `columns`, batch by batch; text columns that may not be null as ""."""
    shown = ibis.ifelse(
        relation.evidence_value.length() > LONGEST_VALUE,
        relation.evidence_value.left(LONGEST_VALUE - 1) + "…",
        relation.evidence_value,
    )
    for batch in read(relation.mutate(evidence_value=shown).select(*columns)).to_batches(50_000):
        lists = [
            ["" if value is None else value for value in column] if name in NEVER_EMPTY else column
            for name, column in zip(columns, (column.to_pylist() for column in batch.columns), strict=True)
        ]
        yield from zip(*lists, strict=True)


def counted(definition: Definition, run: FindingRun, scope: Scope) -> Counts:
    """Counts of what was found just now; stored per contract when the run was over the whole plan."""
    with connection.cursor() as cursor:
        cursor.execute(statements.TALLY)
        tallies = [Tally(*row) for row in cursor.fetchall()]
    if scope.whole_plan:
        if run.pk is None:
            run.save()
        measure, contracts = Measure.objects.get(code=definition.code), counting.contracts_of(tallies)
        MeasureCount.objects.bulk_create(
            MeasureCount(run=run, measure=measure, contract=contracts[contract],
                         definition_version=definition.version, **counts)
            for contract, counts in counting.by_contract(tallies).items()
        )  # fmt: skip
        counting.store_months(tallies, measure, run.year, run.data_as_of, contracts)
    return counting.counts_of(tallies)
