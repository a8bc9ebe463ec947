"""A small plan written as text, for decision tables: lines of members, spans and events become the engine's tables.

An event reads ``2026-03-01 loinc:4548-4 =8.1 #claim1 ~supplemental-standard ^2026-09-01 >2026-03-05``: date, code,
result (``=loinc|LA1`` a coded one), claim or record, source, received date, end date; clinical sources add kind
(``%exam``), status (``!final``), qualifier (``@snomed-ct|7771000``) and encounter (``&visit1``, the record of the
visit). A fill reads ``2026-03-01 ndc:00001000101 *90``: days' supply (30 where nothing is said, ``*`` alone: none
told). All after the code may be left out. Events are separated by ``;``.
Spans read ``2025-01-01..2026-12-31 H1234/001 +hospice``.
"""

from __future__ import annotations

import datetime as dt
import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ibis
import pyarrow as pa

from hedis.engine.codes import ValueSetCode, as_table
from hedis.engine.evaluate import KeptInMemory, evaluate
from hedis.engine.facts import Tables
from hedis.engine.measure import Definition
from hedis.engine.period import measurement_year
from hedis.measures import decision_tables
from hedis.measures.definitions import DEFINITIONS
from hedis.measures.value_sets import packaged

KINDS = {"icd-10-cm": "diagnosis", "icd-10-pcs": "procedure", "hcpcs": "procedure", "place-of-service": "visit"}
SCHEMAS = {
    "member": {"member": "string", "birth_date": "date", "death_date": "date", "sex": "string"},
    "enrolment": {
        "member": "string", "start_date": "date", "end_date": "date", "contract": "string",
        "plan_benefit_package": "string", "hospice": "boolean", "long_term_institutional": "boolean",
        "institutional_snp": "boolean",
    },
    "event": {
        "member": "string", "kind": "string", "code_system": "string", "code": "string", "start_date": "date",
        "end_date": "date", "value_number": "float64", "value_text": "string", "value_code": "string",
        "qualifier": "string", "status": "string", "encounter": "string", "record": "string", "line": "int32",
        "source": "string", "received_date": "date",
    },
    "dispensing": {
        "member": "string", "dispensing_date": "date", "ndc": "string", "rxnorm": "string", "days_supply": "int32",
        "record": "string", "line": "int32", "source": "string", "received_date": "date",
    },
}  # fmt: skip
FULL = "2024-01-01..2026-12-31"
TABLES = Path(__file__).parent / "tables"
READING = re.compile(r"(\S+) bp:([0-9]+)/([0-9]+)((?: [^;\s]+)*)")
BAR = re.compile(r"\s\|(?=\s|$)")
"""Between cells: a bar after a space. The bar of a coded result stands between characters."""


def day(text: str) -> dt.date:
    return dt.date.fromisoformat(text)


def span(member: str, text: str) -> dict[str, Any]:
    dates, *words = text.split()
    start, end = dates.split("..")
    contract, _, package = next((word for word in words if word[0] == "H"), "H1234/001").partition("/")
    flags = {word[1:] for word in words if word[0] == "+"}
    return {
        "member": member, "start_date": day(start), "end_date": day(end), "contract": contract,
        "plan_benefit_package": package, "hospice": "hospice" in flags,
        "long_term_institutional": "long_term_institutional" in flags,
        "institutional_snp": "institutional_snp" in flags,
    }  # fmt: skip


@functools.cache
def code_table(codes: tuple[ValueSetCode, ...], year: int) -> ibis.Table:
    """The packaged codes and these, as a table; the same for every plan that asks."""
    return as_table((*packaged(), *codes), year)


@dataclass
class Plan:
    """Rows of the four tables; `add` writes one member."""

    rows: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: {name: [] for name in SCHEMAS})

    def add(
        self, member: str, born: str, spans: str = FULL, events: str = "", sex: str = "female", died: str = ""
    ) -> None:
        self.rows["member"].append(
            {"member": member, "birth_date": day(born), "death_date": day(died) if died else None, "sex": sex}
        )
        self.rows["enrolment"] += [span(member, text.strip()) for text in spans.split(",") if text.strip()]
        written = READING.sub(r"\1 loinc:8480-6 =\2\4; \1 loinc:8462-4 =\3\4", events)
        for number, text in enumerate(part.strip() for part in written.split(";")):
            if text:
                self.add_event(member, number, text)

    def add_case(self, case: str, born: str, spans: str, events: str) -> None:
        """A line of a decision table: `born` may name the sex, `spans` the day of death; empty: enrolled throughout."""
        date, _, sex = born.partition(" ")
        died = next((word[5:] for word in spans.split() if word.startswith("died:")), "")
        self.add(case, date, spans.replace(f"died:{died}", "").strip() or FULL, events, sex or "female", died=died)

    def add_event(self, member: str, number: int, text: str) -> None:
        date, coded, *words = text.split()
        system, code = coded.split(":")
        given = {word[0]: word[1:] for word in words}
        kind = given.get("%", KINDS.get(system, "lab"))
        record = f"{member}-{given.get('#', number)}"
        source = given.get("~", "lab" if kind == "lab" else "claim")
        known = {"member": member, "record": record, "line": number, "source": source,
                 "received_date": day(given.get("^", date))}  # fmt: skip
        if system == "ndc" or "*" in given:
            days = given.get("*", "30")
            fill = {"dispensing_date": day(date), system: code, "days_supply": int(days) if days else None}
            self.rows["dispensing"].append({**known, **fill, "source": given.get("~", "claim")})
            return
        result = given.get("=", "")
        is_number, is_code = result.replace(".", "", 1).isdigit(), "|" in result
        encounter = given.get("&")
        self.rows["event"].append({
            **known, "kind": kind, "code_system": system, "code": code, "start_date": day(date),
            "end_date": day(given.get(">", date)), "value_number": float(result) if is_number else None,
            "value_text": None if is_number or is_code or not result else result,
            "value_code": result if is_code else None, "qualifier": given.get("@"), "status": given.get("!"),
            "encounter": encounter and f"{member}-{encounter}",
        })  # fmt: skip

    def tables(self, year: int, codes: tuple[ValueSetCode, ...] = ()) -> Tables:
        made = {
            name: ibis.memtable(pa.Table.from_pylist(self.rows[name], schema=ibis.schema(schema).to_pyarrow()))
            for name, schema in SCHEMAS.items()
        }
        return Tables(**made, value_set=code_table(codes, year))

    def result(
        self, definition: Definition, year: int = 2026, as_of: str = "2027-06-30",
        member: str | None = None, codes: tuple[ValueSetCode, ...] = (),
    ) -> dict[str, dict[str, Any]]:  # fmt: skip
        """Result rows by member."""
        connection = ibis.duckdb.connect()
        expression = evaluate(
            definition, self.tables(year, codes), measurement_year(year), day(as_of),
            member=member, keep=KeptInMemory(connection),
        )  # fmt: skip
        rows = connection.to_pyarrow(expression).to_pylist()
        connection.disconnect()
        assert len({row["member"] for row in rows}) == len(rows), "a member has more than one row"
        return {row["member"]: row for row in rows}


def decided(row: dict[str, Any] | None) -> str:
    """A result row as a decision table writes it: ``absent``, ``excluded: hospice`` or ``open-gap ValueOutOfRange``."""
    if row is None:
        return "absent"
    if row["excluded"]:
        assert row["status"] == "not-applicable" and not row["numerator"] and row["reason"] is None
        return f"excluded: {row['exclusion']}"
    assert row["denominator"] and row["numerator"] == (row["status"] == "closed-gap")
    assert (row["reason"] is None) == (row["reason_code"] is None) == row["numerator"]
    return " ".join(filter(None, (row["status"], row["reason_code"])))


def decide(definition: Definition, table: str, **options: Any) -> tuple[dict[str, str], dict[str, str], dict[str, Any]]:
    """Runs a decision table ``case | born | spans | events | expected`` in one evaluation.

    Gives expected and found decisions by case, and the result rows. Empty spans: enrolled throughout.
    """
    lines = [tuple(cell.strip() for cell in re.split(r"\|(?=\s)", line)) for line in table.strip().splitlines()]
    return _decide(definition, lines, **options)


def decide_table(code: str, **options: Any) -> tuple[dict[str, str], dict[str, str], dict[str, Any]]:
    """The same for the table of a measure in tests/engine/tables, which its page in docs/measures shows too.

    There `born` may name the sex (``1961-06-01 male``; female where it does not) and a reading may be written
    ``bp:139/89``.
    """
    table = decision_tables.read(TABLES / f"{code.lower()}.txt")
    lines = [(each.case, each.born, each.enrolled, each.known, each.expected) for each in table.resolved()]
    return _decide(DEFINITIONS[code], lines, codes=table.codes, **options)


def _decide(
    definition: Definition, lines: Sequence[Sequence[str]], **options: Any
) -> tuple[dict[str, str], dict[str, str], dict[str, Any]]:
    plan, expected = Plan(), {}
    for case, born, spans, events, outcome in lines:
        assert case not in expected, f"case {case!r} is written twice"
        plan.add_case(case, born, spans, events)
        expected[case] = outcome
    rows = plan.result(definition, **options)
    return expected, {case: decided(rows.get(case)) for case in expected}, rows
