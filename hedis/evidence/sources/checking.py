"""Every staged row is accepted, a duplicate, or refused with field and reason: set-based, whatever the layout.

A refusal never quotes the value: after a slipped comma a date's column may hold a name.
"""

import datetime as dt
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from hedis.evidence.sources.layout import Column, Kind, Table
from hedis.evidence.sources.reading import literal
from hedis.members.pseudonyms import UnusableId, pseudonym, record_key

ISO_DATE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}([ T][0-9:.+\-Z ]*)?"
CODE = r"[A-Z0-9][A-Z0-9.\-]{0,19}"
EARLIEST = "DATE '1900-01-01'"
YES, NO = ("1", "y", "yes", "t", "true"), ("0", "n", "no", "f", "false")
LONGEST_TEXT = 200
LONGEST_IDENTIFIER = 128


@dataclass(frozen=True)
class Counts:
    """What became of a table's rows: read = loaded + duplicates + quarantined."""

    read: int = 0
    loaded: int = 0
    duplicates: int = 0
    quarantined: int = 0


def _whole(column: str) -> str:
    """A number written without its decimals: spreadsheets turn 2 into 2.0."""
    return rf"regexp_replace({column}, '^(-?[0-9]+)\.0+$', '\1')"


def typed(column: Column) -> str:
    """SQL that gives the column its type; null where the text is not of that type."""
    name = column.name
    whole = _whole(name)
    upper = f"upper({whole})"
    short = f"regexp_full_match({upper}, '[0-9]+') AND length({upper}) < {column.pad}"
    padded = f"if({short}, lpad({upper}, {column.pad}, '0'), {upper})"
    month = f"left({name}, 4) || '-' || substr({name}, 5, 2) || '-01'"
    sql = {
        Kind.PERSON: "member",
        Kind.IDENTIFIER: name,
        Kind.LIST: name,
        Kind.TEXT: name,
        Kind.WORD: f"lower({name})",
        Kind.DATE: f"if(regexp_full_match({name}, '{ISO_DATE}'), try_cast(left({name}, 10) AS DATE), NULL)",
        Kind.MONTH: f"if(regexp_full_match({whole}, '[0-9]{{6}}'), try_cast({month} AS DATE), NULL)",
        Kind.NUMBER: f"if(isfinite(try_cast({name} AS DOUBLE)), try_cast({name} AS DOUBLE), NULL)",
        Kind.INTEGER: f"if(regexp_full_match({whole}, '[+-]?[0-9]{{1,9}}'), try_cast({whole} AS INTEGER), NULL)",
        Kind.FLAG: f"CASE WHEN lower({whole}) IN {YES} THEN true WHEN lower({whole}) IN {NO} THEN false END",
        Kind.CHOICE: _chosen(column),
        Kind.CODE: f"if(regexp_full_match({upper}, '{CODE}'), {padded if column.pad else upper}, NULL)",
        Kind.ICD: f"if(regexp_full_match(upper({name}), '{CODE}'), upper(replace({name}, '.', '')), NULL)",
        Kind.NDC: _ndc(name),
        Kind.NPI: f"if(regexp_full_match({whole}, '[0-9]{{10}}'), {whole}, NULL)",
    }
    return sql[column.kind]


def _chosen(column: Column) -> str:
    pairs = ", ".join(f"{literal(spelling)}: {literal(word)}" for spelling, word in column.choices.items())
    return f"(MAP {{{pairs}}})[lower({column.name})]" if pairs else column.name


def _ndc(name: str) -> str:
    """Eleven digits; FDA's 4-4-2, 5-3-2 and 5-4-1 are padded where hyphens say which part is short."""
    part = f"string_split({name}, '-')"
    return (
        f"CASE WHEN regexp_full_match({name}, '[0-9]{{11}}') THEN {name} "
        f"WHEN regexp_full_match({name}, '[0-9]{{4,5}}-[0-9]{{3,4}}-[0-9]{{1,2}}') "
        f"THEN lpad({part}[1], 5, '0') || lpad({part}[2], 4, '0') || lpad({part}[3], 2, '0') END"
    )


EXPECTED = {
    Kind.DATE: "is not a date (YYYY-MM-DD)",
    Kind.MONTH: "is not a month (YYYYMM)",
    Kind.NUMBER: "is not a number",
    Kind.INTEGER: "is not a whole number",
    Kind.FLAG: "is not yes or no (1 or 0)",
    Kind.CODE: "is not a code",
    Kind.ICD: "is not a code",
    Kind.NDC: "is not an NDC of eleven digits, nor hyphenated so that it could be padded",
    Kind.NPI: "is not an NPI of ten digits",
}


def fault(column: Column) -> str:
    """SQL for the reason a value is refused, null where it is believed. `t_` columns are the typed ones."""
    name, value, cases = column.name, f"t_{column.name}", []
    if column.kind is Kind.LIST:
        return "NULL"
    if column.filled:
        cases.append((f"{name} IS NULL", "is missing"))
    if column.kind is Kind.PERSON:
        cases.append(("unusable IS NOT NULL", ""))
    elif column.kind is Kind.CHOICE:
        what = "code system" if column.name.endswith("code_type") else "value"
        words = ", ".join(sorted(column.choices))
        cases.append((f"{name} IS NOT NULL AND {value} IS NULL", f"is an unknown {what} (known: {words})"))
    elif column.kind in EXPECTED:
        cases.append((f"{name} IS NOT NULL AND {value} IS NULL", EXPECTED[column.kind]))
    else:
        longest = LONGEST_IDENTIFIER if column.kind is Kind.IDENTIFIER else LONGEST_TEXT
        cases.append((f"contains({name}, chr(0))", "contains a NUL character"))
        cases.append((f"length({name}) > {longest}", f"is longer than {longest} characters"))
    if column.kind is Kind.DATE:
        if column.past:
            cases.append((f"{value} > today", "lies in the future"))
        if name != "birth_date":
            cases.append((f"{value} < {EARLIEST}", "lies before 1900"))
    whens = " ".join(f"WHEN {when} THEN {literal(reason) if reason else 'unusable'}" for when, reason in cases)
    return f"CASE {whens} END"


def name_people(connection: duckdb.DuckDBPyConnection, table: Table) -> None:
    """Add the people of `staged` to `person` (plan_id, member, unusable): each distinct id passes the one door once."""
    if not table.has_person:
        return
    column = next(column.name for column in table.columns if column.kind is Kind.PERSON)
    found = connection.execute(
        f"FROM staged ANTI JOIN person ON person.plan_id = staged.{column} SELECT DISTINCT {column} "
        f"WHERE {column} IS NOT NULL"
    ).fetchall()
    ids = [plan_id for (plan_id,) in found]
    members: list[str | None] = []
    reasons: list[str | None] = []
    for plan_id in ids:
        try:
            members.append(pseudonym(plan_id))
            reasons.append(None)
        except UnusableId as refusal:
            members.append(None)
            reasons.append(str(refusal))
    _append(connection, "person", plan_id=ids, member=members, unusable=reasons)


def name_records(connection: duckdb.DuckDBPyConnection, table: Table) -> None:
    """Make `record_name` (identifier, data_source, record): the keyed hash of each claim or result of `staged`."""
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE record_name (identifier VARCHAR, data_source VARCHAR, record VARCHAR)"
    )
    if not table.identifier:
        return
    found = connection.execute(
        f"FROM staged SELECT DISTINCT {table.identifier} AS identifier, coalesce(data_source, '') AS data_source "
        f"WHERE {table.identifier} IS NOT NULL"
    ).fetchall()
    identifiers, sources = [row[0] for row in found], [row[1] for row in found]
    records = [record_key(table.name, source, name) for name, source in zip(identifiers, sources, strict=True)]
    _append(connection, "record_name", identifier=identifiers, data_source=sources, record=records)


def _append(connection: duckdb.DuckDBPyConnection, table: str, **columns: list[str | None] | list[str]) -> None:
    arrow = pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()})
    connection.register("appended", arrow)
    connection.execute(f"INSERT INTO {table} FROM appended")
    connection.unregister("appended")


def check(connection: duckdb.DuckDBPyConnection, table: Table, today: dt.date) -> None:
    """From `staged` make `accepted_rows` (row, record, line, reversal, content, year and the stored columns) and add
    what is refused to `refused` (row, field, reason)."""
    types = ", ".join(f"{typed(column)} AS t_{column.name}" for column in table.columns)
    connection.execute("CREATE OR REPLACE TEMP TABLE refused AS FROM malformed SELECT row, field, reason")
    connection.execute(
        "CREATE OR REPLACE TEMP VIEW named AS FROM staged "
        + _named(table)
        + f"SELECT staged.*, DATE '{today.isoformat()}' AS today, {_person_columns(table)}, {_record(table)}"
    )
    faults = ", ".join(f"{{'field': {literal(c.name)}, 'reason': {fault(c)}}}" for c in table.columns)
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE typed AS FROM (FROM named SELECT *, {types}) "
        f"SELECT row, today, keyed_record, {', '.join(f't_{c.name} AS {c.name}' for c in table.columns)}, "
        f"list_filter([{faults}], lambda fault: fault.reason IS NOT NULL) AS faults"
    )
    _judge(connection, table)


def _named(table: Table) -> str:
    person = next((c.name for c in table.columns if c.kind is Kind.PERSON), None)
    joins = f"LEFT JOIN person ON person.plan_id = staged.{person} " if person else ""
    if table.identifier:
        joins += (
            f"LEFT JOIN record_name ON record_name.identifier = staged.{table.identifier} "
            "AND record_name.data_source = coalesce(staged.data_source, '') "
        )
    return joins


def _person_columns(table: Table) -> str:
    return "person.member, person.unusable" if table.has_person else "NULL AS member, NULL AS unusable"


def _record(table: Table) -> str:
    return "record_name.record AS keyed_record" if table.identifier else "NULL::VARCHAR AS keyed_record"


def _judge(connection: duckdb.DuckDBPyConnection, table: Table) -> None:
    """Rules across columns, then duplicates within the file: the first row of a key stands."""
    rules = ", ".join(
        f"{{'field': {literal(rule.field)}, 'reason': if({rule.wrong}, {literal(rule.reason)}, NULL)}}"
        for rule in table.rules
    )
    broken = f"list_filter([{rules}], lambda fault: fault.reason IS NOT NULL)" if rules else "[]"
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE judged AS FROM (FROM typed SELECT *, {table.reversal} AS reversal) "
        f"SELECT * EXCLUDE (faults), list_concat(faults, {broken}) AS faults"
    )
    connection.execute(
        "INSERT INTO refused FROM judged SELECT row, faults[1].field, array_to_string(list_prepend(faults[1].reason, "
        "list_transform(faults[2:], lambda fault: 'also ' || fault.field || ': ' || fault.reason)), '; ') "
        "WHERE len(faults) > 0"
    )
    stored = list(table.stored)
    names = [expression.rsplit(" AS ", 1)[-1] for expression in stored]
    person = next((c.name for c in table.columns if c.kind is Kind.PERSON), "NULL::VARCHAR")
    content = ", ".join(f"coalesce({name}::VARCHAR, '')" for name in ["member", *names])
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE valid AS FROM (FROM judged "
        f"SELECT row, {person} AS member, {_key(table)} AS record, ({table.line})::INTEGER AS line, reversal, "
        f"{table.year}::INTEGER AS year, {', '.join(stored)} WHERE len(faults) = 0) "
        f"SELECT *, md5_number_lower(concat_ws(chr(31), {content})) AS content"
    )
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE ranked AS FROM valid SELECT *, "
        "first_value(row) OVER same AS first_row, first_value(content) OVER same AS first_content "
        "WINDOW same AS (PARTITION BY record, line, reversal ORDER BY row)"
    )
    connection.execute(
        f"INSERT INTO refused FROM ranked SELECT row, {literal(table.key_fields)}, "
        "'duplicate key: row ' || first_row || ' has the same key and other content' WHERE content <> first_content"
    )


def _key(table: Table) -> str:
    if table.identifier:
        return "keyed_record"
    return "md5(concat_ws(chr(31), " + ", ".join(f"coalesce({name}::VARCHAR, '')" for name in table.key) + "))"
