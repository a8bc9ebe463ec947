"""The claims warehouse as the measure engine reads it; what the columns mean: docs/warehouse.md."""

from dataclasses import dataclass
from pathlib import Path

import ibis
from django.conf import settings

from hedis.evidence.models import ImportBatch

SCHEMA: dict[str, dict[str, str]] = {
    "member": {
        "member": "VARCHAR", "birth_date": "DATE", "death_date": "DATE", "sex": "VARCHAR", "race": "VARCHAR",
        "ethnicity": "VARCHAR", "language": "VARCHAR",
    },
    "enrolment": {
        "member": "VARCHAR", "start_date": "DATE", "end_date": "DATE", "contract": "VARCHAR",
        "plan_benefit_package": "VARCHAR", "dual_status_code": "VARCHAR",
        "original_reason_entitlement_code": "VARCHAR", "low_income_subsidy": "BOOLEAN", "hospice": "BOOLEAN",
        "long_term_institutional": "BOOLEAN", "institutional_snp": "BOOLEAN", "source": "VARCHAR",
    },
    "event": {
        "member": "VARCHAR", "kind": "VARCHAR", "code_system": "VARCHAR", "code": "VARCHAR", "start_date": "DATE",
        "end_date": "DATE", "value_number": "DOUBLE", "value_text": "VARCHAR", "value_code": "VARCHAR",
        "unit": "VARCHAR", "qualifier": "VARCHAR", "status": "VARCHAR", "encounter": "VARCHAR",
        "claim_type": "VARCHAR", "record": "VARCHAR", "line": "INTEGER", "source": "VARCHAR",
        "data_source": "VARCHAR", "received_date": "DATE",
    },
    "dispensing": {
        "member": "VARCHAR", "dispensing_date": "DATE", "ndc": "VARCHAR", "rxnorm": "VARCHAR", "days_supply": "INTEGER",
        "quantity": "DOUBLE", "record": "VARCHAR", "line": "INTEGER", "source": "VARCHAR",
        "data_source": "VARCHAR", "received_date": "DATE",
    },
}  # fmt: skip


class NoWarehouse(Exception):
    """Nothing was imported yet, or the current generation's files are gone. The message says what to do."""


@dataclass(frozen=True)
class Warehouse:
    """The four tables of one generation, lazily read by one DuckDB connection."""

    generation: str
    member: ibis.Table
    enrolment: ibis.Table
    event: ibis.Table
    dispensing: ibis.Table


def folder() -> Path:
    """Where the generations lie."""
    return Path(settings.DATA_DIR) / "warehouse"


def connect(generation: str | None = None) -> Warehouse:
    """Open a generation, by default the current one. Raises NoWarehouse."""
    if generation is None:
        batch = ImportBatch.objects.current()
        if batch is None:
            raise NoWarehouse("Nothing was imported yet: run `manage.py import_claims DIR`.")
        generation = batch.generation
    root = folder() / generation
    if not root.is_dir():
        raise NoWarehouse(f"The files of warehouse generation {generation} are gone: restore them, or import again.")
    connection = ibis.duckdb.connect()
    for name, columns in SCHEMA.items():
        connection.raw_sql(f"CREATE VIEW {name} AS {relation(root, name, columns)}")
    return Warehouse(generation, *(connection.table(name) for name in SCHEMA))


def relation(root: Path | None, table: str, columns: dict[str, str]) -> str:
    """SQL that reads a table's files with exactly these columns; no row where it has no file yet, and null where a
    file was written before the column was thought of."""
    files = sorted((root / table).rglob("*.parquet")) if root else []
    empty = f"SELECT {', '.join(f'NULL::{kind} AS {name}' for name, kind in columns.items())} WHERE false"
    if not files:
        return empty
    names = ", ".join(f"'{str(file).replace(chr(39), chr(39) * 2)}'" for file in files)
    stored = f"FROM read_parquet([{names}], hive_partitioning = false, union_by_name = true)"
    return f"FROM ({empty} UNION ALL BY NAME {stored}) SELECT {', '.join(columns)}"
