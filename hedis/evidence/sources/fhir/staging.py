"""The collected rows of a FHIR folder as what an import loads: tables of text, each row known by its place."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb

from hedis.evidence.sources.checking import Counts
from hedis.evidence.sources.fhir import layout
from hedis.evidence.sources.fhir.collecting import TABLES, Collected, collect, judge
from hedis.evidence.sources.fhir.people import MemberIds
from hedis.evidence.sources.fhir.reading import entries, find
from hedis.evidence.sources.fhir.rows import Patient
from hedis.evidence.sources.layout import Table
from hedis.evidence.sources.loading import Brought, Progress
from hedis.evidence.sources.reading import Unreadable, count, literal
from hedis.evidence.sources.tuva import ELIGIBILITY, PROVIDER
from hedis.members.pseudonyms import record_key

# What of the collected rows goes into which table: SQL over standing places, its columns those of the layout.
STAGED = {
    "eligibility": """
        FROM fhir_coverage JOIN standing USING (place) JOIN patient_of USING (patient)
        SELECT place AS row, patient_of.person AS person_id, sex AS gender, birth_date, death_date,
          start_date AS enrollment_start_date, end_date AS enrollment_end_date, standing.id AS payer, plan, race,
          ethnicity, language AS x_spoken_language, original_reason_entitlement_code, dual_status_code,
          low_income_subsidy AS low_income_subsidy_indicator""",
    "patient": """
        FROM fhir_patient JOIN standing USING (place)
        SELECT place AS row, fhir_patient.person AS person_id, 'Patient/' || standing.id AS resource_id, birth_date,
          death_date, sex AS gender, race, ethnicity, language""",
    "provider": "FROM fhir_provider JOIN standing USING (place) SELECT place AS row, npi, nullif(name, '') AS name",
    "resource": """
        FROM standing LEFT JOIN facts USING (place) LEFT JOIN fills USING (place)
        ANTI JOIN (FROM fhir_coverage SELECT place UNION ALL FROM fhir_provider SELECT place
                   UNION ALL FROM fhir_patient SELECT place) AS elsewhere USING (place)
        SELECT place AS row, person AS person_id, resource_type || '/' || id AS resource_id, resource_type,
          facts, fills""",
}


def _folded(table: str, order: str) -> str:
    """SQL that folds the rows of a place into one list of structs, in an order that does not depend on the run."""
    names = [name for name in TABLES[f"fhir_{table}"] if name != "place"]
    row = ", ".join(f"{literal(name)}: {name}" for name in names)
    return (
        f"CREATE OR REPLACE TEMP TABLE {table}s AS FROM fhir_{table} SEMI JOIN standing USING (place) "
        f"SELECT place, list({{{row}}} ORDER BY {order}) AS {table}s GROUP BY place"
    )


HELD = (
    "CREATE OR REPLACE TEMP TABLE standing AS "
    "FROM fhir_judged SELECT place, resource_type, id, person WHERE verdict = 'stands'",
    "CREATE OR REPLACE TEMP TABLE patient_of AS "
    "FROM fhir_patient JOIN standing USING (place) SELECT 'Patient/' || id AS patient, fhir_patient.*",
    _folded("fact", "line, kind, code_system, code, value_code, qualifier"),
    _folded("fill", "line, ndc, rxnorm"),
)


@dataclass(frozen=True)
class StagedTable:
    """One table's rows, waiting in the connection."""

    table: Table
    data_source: str

    def stage(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Make `staged` and an empty `malformed`: what is wrong with a resource was found when it was mapped."""
        rows = STAGED[self.table.name]
        told = {name for name, *_ in connection.execute(f"DESCRIBE {rows}").fetchall()}
        columns = ", ".join(
            f"{literal(self.data_source)} AS data_source"
            if column.name == "data_source"
            else f"{column.name}::{column.type} AS {column.name}"
            if column.name in told
            else f"NULL::{column.type} AS {column.name}"
            for column in self.table.columns
        )
        connection.execute(f"CREATE OR REPLACE TEMP TABLE staged AS FROM ({rows}) SELECT row, {columns}")
        connection.execute("CREATE OR REPLACE TEMP TABLE malformed (row BIGINT, field VARCHAR, reason VARCHAR)")

    def quarantine(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Add `refused` to `quarantine`, each row by the file and line it came from."""
        connection.execute(
            "INSERT INTO quarantine FROM refused JOIN fhir_judged ON fhir_judged.place = refused.row "
            "SELECT resource_type, file, line, refused.field, "
            "regexp_replace(refused.reason, 'duplicate key: row [0-9]+', 'duplicate key: an earlier resource')"
        )


KNOWN = "\x1f"  # before a pseudonym that stands for a plan's id: the door of pseudonyms refuses an id that begins so


def stored_people(
    connection: duckdb.DuckDBPyConnection, old: Path | None, data_source: str
) -> Callable[[str], Patient | None]:
    """Who was told of by an earlier import of this server: key of a Patient -> person. Read at the first question."""

    @cache
    def people() -> dict[str, Patient]:
        files = sorted((old / "received" / layout.PATIENT.name).rglob("*.parquet")) if old else []
        if not files:
            return {}
        names = ", ".join(literal(str(file)) for file in files)
        found = connection.execute(f"FROM read_parquet([{names}]) SELECT record, member, birth_date").fetchall()
        return {
            record: Patient(KNOWN + member, birth_date, None, "unknown", None, None, None)
            for record, member, birth_date in found
        }

    return lambda key: people().get(record_key(layout.PATIENT.name, data_source, key))


def open_folder(
    connection: duckdb.DuckDBPyConnection,
    directory: Path,
    old: Path | None,
    progress: Progress,
    *,
    zone: ZoneInfo,
    data_source: str,
    member_system: str,
) -> Brought:
    """Read the folder's FHIR files into the connection; `old` is the generation in force. Raises Unreadable."""
    paths, others = find(directory)
    collected = collect(
        connection,
        lambda only: entries(paths, only),
        zone=zone,
        ids=MemberIds(member_system),
        record=lambda key: record_key(layout.RESOURCE.name, data_source, key),
        known=stored_people(connection, old, data_source),
        watch=lambda done: progress(f"{done:,} resources", 0, 1),
    )
    if not collected.read:
        raise Unreadable("the folder's files hold no resource", file=paths[0].name)
    judge(connection)
    for statement in HELD:
        connection.execute(statement)
    connection.execute(
        "INSERT INTO person FROM standing SELECT DISTINCT person, substr(person, 2), NULL WHERE starts_with(person, ?)",
        [KNOWN],
    )
    connection.execute(
        "INSERT INTO quarantine FROM fhir_judged SELECT coalesce(resource_type, 'Resource'), file, line, field, reason "
        "WHERE verdict = 'refused'"
    )
    tables = (ELIGIBILITY, PROVIDER, *layout.TABLES)
    inputs = tuple(StagedTable(table, data_source) for table in tables)
    return Brought(inputs, tuple(_messages(connection, collected, others)))


def _messages(connection: duckdb.DuckDBPyConnection, collected: Collected, others: list[str]) -> list[str]:
    left_out = connection.execute(
        "FROM fhir_judged SELECT resource_type, left_out, count(*) WHERE verdict = 'stands' AND left_out <> '' "
        "GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    said = [f"{kind}: {number:,} give no row ({reason})" for kind, reason, number in left_out]
    if collected.ignored:
        types = ", ".join(f"{number:,} {kind}" for kind, number in sorted(collected.ignored.items()))
        said.append(f"not used: {types}")
    if others:
        said.append(f"ignored, no FHIR file: {', '.join(others)}")
    return said


def counts_by_type(connection: duckdb.DuckDBPyConnection) -> dict[str, Counts]:
    """What became of the resources of each type, after the load; `Resource` is what names no usable type."""

    def by_type(rows: str) -> Counter[str]:
        return Counter(dict(connection.execute(f"{rows} GROUP BY ALL").fetchall()))

    read = by_type("FROM fhir_judged SELECT coalesce(resource_type, 'Resource'), count(*)")
    refused = by_type('FROM quarantine SELECT "table", count(*)')
    loaded = by_type("FROM fresh_resource SELECT resource_type, count(*)")
    loaded["Patient"] += count(connection, "fresh_patient")
    loaded["Coverage"] += count(connection, "fresh_eligibility")
    loaded += by_type(
        "FROM fresh_provider JOIN fhir_provider USING (npi) JOIN standing USING (place) "
        "SELECT resource_type, count(DISTINCT npi)"
    )
    return {
        kind: Counts(number, loaded[kind], number - loaded[kind] - refused[kind], refused[kind])
        for kind, number in sorted(read.items())
    }
