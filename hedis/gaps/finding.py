"""Finds the gaps of a measurement year: engine over warehouse, rows into PostgreSQL, history and counts beside them.

Everything is set-based: one engine pass a measure, one COPY into a staging table, one statement for each kind of
change. Running it twice changes nothing; a gap that opens again is told as reopened.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import ibis
from django.db import connection, transaction

from audit import ledger
from audit.models import Event
from hedis.engine.evaluate import evaluate, kept_in_memory
from hedis.engine.facts import Tables
from hedis.engine.measure import Definition
from hedis.engine.period import measurement_year
from hedis.evidence import warehouse
from hedis.gaps import statements
from hedis.gaps.models import FindingRun, MeasureCount
from hedis.measures import loading, portfolio
from hedis.measures.definitions import DEFINITIONS
from hedis.measures.models import Measure
from hedis.members.models import Contract

COLUMNS = (
    "member", "contract", "star_eligible", "status", "reason_code", "reason", "evidence_date", "evidence_value",
    "evidence_route", "supplemental_only", "exclusion", "exclusion_date", "closable_until", "definition_version",
)  # fmt: skip
NEVER_EMPTY = {"reason_code", "reason", "evidence_value", "evidence_route", "exclusion"}


class NotInWarehouse(Exception):
    """No member of this pseudonym, or no contract of this number, is in the warehouse."""


@dataclass(frozen=True)
class Counts:
    """What a run found for one measure."""

    eligible: int
    denominator: int
    excluded: int
    numerator: int

    @property
    def open(self) -> int:
        """Members of the denominator whose care is missing."""
        return self.denominator - self.numerator


@dataclass(frozen=True)
class Scope:
    """Which part of the plan a run looks at; nothing given means all of it."""

    contract: str = ""
    member: str = ""

    @property
    def whole_plan(self) -> bool:
        """Only a run over the whole plan may leave counts: a part's would be taken for the plan's rate."""
        return not (self.contract or self.member)


@transaction.atomic
def find(
    year: int, *, as_of: date, scope: Scope = Scope(), definitions: Iterable[Definition] | None = None, by: Any
) -> dict[str, Counts]:
    """Find the gaps of `year` as known on `as_of`; returns counts per measure code.

    Raises warehouse.NoWarehouse before the first import, NotInWarehouse for an unknown contract or member, ValueError
    where `as_of` lies before the year.
    """
    # Two runs at once would both insert the same gap.
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('find gaps'))")
    stored = warehouse.connect()
    tables = Tables(
        stored.member,
        stored.enrolment,
        stored.event,
        stored.dispensing,
        portfolio.value_sets(year, loading.own_lists()),
    )
    if scope.member and not tables.member.filter(tables.member.member == scope.member).count().to_pyarrow().as_py():
        raise NotInWarehouse("no such member in the warehouse")
    if scope.contract and not Contract.objects.filter(number=scope.contract).exists():
        raise NotInWarehouse(f"no contract {scope.contract} in the warehouse")
    keep = kept_in_memory(stored.member.get_backend())
    run = FindingRun(year=year, data_as_of=as_of, generation=stored.generation, found_by=name_of(by))
    found, changed = {}, {}
    for definition in DEFINITIONS.values() if definitions is None else definitions:
        relation = evaluate(definition, tables, measurement_year(year), as_of, member=scope.member or None, keep=keep)
        changed[definition.code] = store(definition, relation, run, scope)
        found[definition.code] = counted(definition, run, scope)
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


def name_of(by: Any) -> str:
    """The actor as text, for rows that outlive the account."""
    return by if isinstance(by, str) else str(by.get_username())


def store(definition: Definition, relation: ibis.Table, run: FindingRun, scope: Scope) -> dict[str, int]:
    """Bring one measure's rows to what the engine says; returns how many were found, changed, reopened or ended."""
    measure = Measure.objects.get(code=definition.code)
    facts: dict[str, Any] = {"measure": measure.pk, "year": run.year, "as_of": run.data_as_of, "by": run.found_by,
             "contract": scope.contract or None, "member": scope.member or None}  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(statements.STAGE)
        with cursor.copy(statements.COPY) as copy:
            for row in rows(relation):
                copy.write_row(row)
        cursor.execute("ANALYZE found_gap")
        changes: dict[str, int] = {}
        for name, statement in statements.STEPS:
            cursor.execute(statement, facts)
            changes[name] = cursor.rowcount
    return {name: changes[name] for name in statements.CHANGES}


def rows(relation: ibis.Table) -> Iterator[Sequence[Any]]:
    """The relation's rows in the order of COLUMNS, batch by batch; text columns that may not be null as ""."""
    for batch in relation.select(*COLUMNS).to_pyarrow().to_batches(50_000):
        columns = [
            ["" if value is None else value for value in column] if name in NEVER_EMPTY else column
            for name, column in zip(COLUMNS, (column.to_pylist() for column in batch.columns), strict=True)
        ]
        yield from zip(*columns, strict=True)


def counted(definition: Definition, run: FindingRun, scope: Scope) -> Counts:
    """Counts of what was found just now; stored per contract when the run was over the whole plan."""
    with connection.cursor() as cursor:
        cursor.execute(statements.COUNTS)
        by_contract = cursor.fetchall()
    if scope.whole_plan:
        if run.pk is None:
            run.save()
        measure = Measure.objects.get(code=definition.code)
        MeasureCount.objects.bulk_create(
            MeasureCount(run=run, measure=measure, contract_id=contract, eligible=eligible, excluded=excluded,
                         denominator=eligible - excluded, numerator=numerator,
                         definition_version=definition.version)
            for contract, eligible, excluded, numerator in by_contract
        )  # fmt: skip
    eligible, excluded, numerator = (sum(row[column] for row in by_contract) for column in (1, 2, 3))
    return Counts(eligible=eligible, denominator=eligible - excluded, excluded=excluded, numerator=numerator)
