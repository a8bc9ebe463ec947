"""What both engines say, row by row."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

import ibis

from hedis.engine import pdc
from hedis.engine.backends import Backend
from hedis.engine.evaluate import Pass
from hedis.engine.facts import Tables
from hedis.engine.measure import DaysCovered, Definition
from hedis.engine.period import Period

Rows = dict[str, dict[str, Any]]


def by_member(backend: Backend, relation: ibis.Table) -> Rows:
    """The rows of a relation that has one a member."""
    rows = backend.arrow(relation).to_pylist()
    found = {row["member"]: row for row in rows}
    assert len(found) == len(rows), "a member has more than one row"
    return found


def judged(
    backend: Backend, definitions: Sequence[Definition], tables: Tables, period: Period, as_of: dt.date
) -> dict[str, Rows]:
    """The result rows of every measure, and of the adherence measures the days behind them, by name."""
    found = {}
    judging = Pass(definitions, tables, period, as_of, backend.keep)
    for each in definitions:
        found[each.code] = by_member(backend, judging.result(each))
        if isinstance(each.numerator, DaysCovered):
            days = pdc.adherence(each, judging.tables, period, as_of, keep=judging.keep)
            found[f"{each.code} days"] = by_member(backend, days)
    return found


def apart(one: Rows, other: Rows) -> dict[str, dict[str, tuple[Any, Any]]]:
    """Where two engines differ: by member, the columns with both values."""
    return {
        member: {
            column: (one.get(member, {}).get(column), other.get(member, {}).get(column))
            for column in {**one.get(member, {}), **other.get(member, {})}
            if one.get(member, {}).get(column) != other.get(member, {}).get(column)
        }
        for member in {**one, **other}
        if one.get(member) != other.get(member)
    }
