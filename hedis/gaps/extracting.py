"""Tables out of the house: Tuva's `summary_long` and a patient-level file, streamed by COPY into one new file.

The file appears whole or not at all, never over another one, and only after the ledger knows who is in it.
"""

import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from django.db import connection, transaction
from django.db.models import Case, Count, DateField, F, IntegerField, Q, QuerySet, Value, When
from django.db.models.functions import NullIf

from audit import ledger
from audit.models import Event
from hedis.gaps.models import UNMET, Gap, GapQuerySet, Status, Work
from hedis.lib import csvfile
from hedis.measures.models import Measure

ROWS = 20_000
SUFFIXES = (".csv", ".parquet")
IN_DENOMINATOR = (*UNMET, Status.CLOSED)
# PostgreSQL's name of a column's type, for reading COPY, and Arrow's, for Parquet.
TYPES = {"text": pa.string(), "int4": pa.int32(), "date": pa.date32()}


class AlreadyThere(Exception):
    """The file is there; an export never overwrites."""


class UnknownSuffix(Exception):
    """The file's name does not say which format it should have."""


@dataclass(frozen=True)
class Extract:
    """A table to be written: name, columns with their PostgreSQL types, and the query in that order.

    `member_column` names the column with the pseudonym.
    """

    name: str
    columns: tuple[tuple[str, str], ...]
    query: QuerySet[Any, Any]
    member_column: str

    @property
    def header(self) -> list[str]:
        """The columns' names."""
        return [name for name, _ in self.columns]


def narrowed(gaps: GapQuerySet, *, measure: str = "", contract: str = "") -> GapQuerySet:
    """Those of one measure or contract where named."""
    gaps = gaps.filter(measure__code=measure) if measure else gaps
    return gaps.filter(contract__number=contract) if contract else gaps


def chosen(year: int, *, measure: str = "", contract: str = "") -> GapQuerySet:
    """The gaps of a year whose member is in the eligible population; of one measure or contract where named."""
    eligible = Gap.objects.for_year(year).exclude(work_status=Work.GONE)
    return narrowed(eligible, measure=measure, contract=contract)


# Column, type, expression: the names and their meaning are Tuva's quality_measures__summary_long.
def summary_long(gaps: GapQuerySet, year: int) -> Extract:
    """One row a member and measure, as Tuva's `summary_long` has it; performance is empty for those excluded."""
    closed, excluded = Q(status=Status.CLOSED), ~Q(exclusion="")
    columns: list[tuple[str, str, Any]] = [
        ("person_id", "text", F("member__pseudonym")),
        ("denominator_flag", "int4", Value(1)),
        ("numerator_flag", "int4", flag(closed)),
        ("exclusion_flag", "int4", flag(excluded)),
        ("performance_flag", "int4", Case(When(excluded, then=None), When(closed, then=1), default=0,
                                          output_field=IntegerField())),
        ("evidence_date", "date", F("evidence_date")),
        ("evidence_value", "text", NullIf("evidence_value", Value(""))),
        ("exclusion_date", "date", F("exclusion_date")),
        ("exclusion_reason", "text", NullIf("exclusion", Value(""))),
        ("performance_period_begin", "date", Value(date(year, 1, 1), output_field=DateField())),
        ("performance_period_end", "date", Value(date(year, 12, 31), output_field=DateField())),
        ("measure_id", "text", F("measure__code")),
        ("measure_name", "text", F("measure__name")),
        ("measure_version", "text", F("definition_version")),
    ]  # fmt: skip
    return extract_of("summary_long", columns, gaps.order_by("member__pseudonym", "measure__code"), "person_id")


def patient_level(gaps: GapQuerySet, measures: Sequence[Measure]) -> Extract:
    """One row a member and contract, with a pair of columns for each measure: in the denominator, in the numerator.

    The denominator is what is left after exclusions, so the columns add up to the counts of the finding run.
    """
    columns: list[tuple[str, str, Any]] = [
        ("contract", "text", F("contract__number")),
        ("member", "text", F("member__pseudonym")),
        ("birth_year", "int4", F("member__birth_year")),
        ("sex", "text", F("member__sex")),
        ("low_income_subsidy", "int4", flag(Q(member__low_income_subsidy=True))),
        ("dual_status_code", "text", NullIf("member__dual_status_code", Value(""))),
        ("original_reason_code", "text", NullIf("member__original_reason_code", Value(""))),
    ]
    for measure in measures:
        name, own = measure.code.lower().replace("-", "_"), Q(measure=measure)
        counted = Count("pk", filter=own & Q(status__in=IN_DENOMINATOR))
        met = Count("pk", filter=own & Q(status=Status.CLOSED))
        columns += [(f"{name}_denominator", "int4", counted), (f"{name}_numerator", "int4", met)]
    return extract_of("patient_level", columns, gaps.order_by("member__pseudonym", "contract__number"), "member")


def flag(condition: Q) -> Case:
    """1 where the condition holds, else 0."""
    return Case(When(condition, then=1), default=0, output_field=IntegerField())


def extract_of(name: str, columns: Sequence[tuple[str, str, Any]], gaps: GapQuerySet, member_column: str) -> Extract:
    """An extract of these columns; those without an aggregate are what rows are grouped by."""
    # A column may be called as a field of the model is, so every expression gets an alias of its own.
    plain = {f"c{n}_": expression for n, (_, _, expression) in enumerate(columns) if not isinstance(expression, Count)}
    counted = {f"c{n}_": expression for n, (_, _, expression) in enumerate(columns) if isinstance(expression, Count)}
    query: Any = gaps.annotate(**plain).values(*plain).annotate(**counted) if counted else gaps.annotate(**plain)
    ordered = query.values_list(*(f"c{n}_" for n in range(len(columns))))
    return Extract(name, tuple((column, kind) for column, kind, _ in columns), ordered, member_column)


def write(target: Path, extract: Extract, *, facts: dict[str, Any], by: Any) -> int:
    """Write the extract to a new file, CSV or Parquet by its suffix; returns its rows.

    Raises UnknownSuffix, or AlreadyThere. One EXPORT event with members and rows is committed before the file appears.
    """
    if target.suffix not in SUFFIXES:
        raise UnknownSuffix(f"{target.name}: the name must end in {' or '.join(SUFFIXES)}")
    if target.exists():
        raise AlreadyThere(f"{target} is there already; nothing was written")
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    os.close(handle)
    unfinished = Path(name)
    try:
        with transaction.atomic():
            written = write_parquet if target.suffix == ".parquet" else write_csv
            members, rows = written(unfinished, extract)
            record(extract, members, rows, facts, by=by)
        put_in_place(unfinished, target)
    finally:
        unfinished.unlink(missing_ok=True)
    return rows


def put_in_place(unfinished: Path, target: Path) -> None:
    """Give the finished file its name. Raises AlreadyThere where somebody was faster: a link never replaces."""
    try:
        target.hardlink_to(unfinished)
    except FileExistsError as error:
        raise AlreadyThere(f"{target} appeared meanwhile; nothing was written") from error


def record(extract: Extract, members: set[str], rows: int, facts: dict[str, Any], *, by: Any) -> None:
    """The ledger line of an export."""
    ledger.record(
        Event.Kind.EXPORT, f"gaps.exported_as_{extract.name}", object_type="gap", after=facts, members=members,
        row_count=rows, by=by,
    )  # fmt: skip


class Told:
    """Counts rows and remembers their members as they pass: exactly what was written, not what was meant to be."""

    def __init__(self, extract: Extract) -> None:
        self.at = extract.header.index(extract.member_column)
        self.members, self.rows = set[str](), 0

    def passing(self, rows: Iterator[Sequence[Any]]) -> Iterator[Sequence[Any]]:
        """The same rows."""
        for row in rows:
            self.members.add(row[self.at])
            self.rows += 1
            yield row


def copied(extract: Extract, *, typed: bool) -> Iterator[Sequence[Any]]:
    """The extract's rows, streamed from PostgreSQL; as Python values, or as text with None for what is empty."""
    # COPY takes no parameters; they are quoted into the text by the driver, as it does for every other statement.
    with connection.cursor() as cursor:
        sql = cursor.mogrify(*extract.query.query.sql_with_params())
        with cursor.copy(f"COPY ({sql}) TO STDOUT") as copy:
            if typed:
                copy.set_types([kind for _, kind in extract.columns])
            yield from copy.rows()


def write_csv(path: Path, extract: Extract) -> tuple[set[str], int]:
    """Write CSV; returns members and rows."""
    told = Told(extract)
    with path.open("w", encoding="utf-8", newline="") as file:
        file.writelines(csvfile.lines(extract.header, told.passing(copied(extract, typed=False))))
    return told.members, told.rows


def write_parquet(path: Path, extract: Extract) -> tuple[set[str], int]:
    """Write Parquet, a row group at a time; returns members and rows."""
    told, schema = Told(extract), pa.schema([(name, TYPES[kind]) for name, kind in extract.columns])
    rows = told.passing(copied(extract, typed=True))
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        while part := list(islice(rows, ROWS)):
            arrays = [
                pa.array(values, kind) for values, kind in zip(zip(*part, strict=True), schema.types, strict=True)
            ]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
    return told.members, told.rows
