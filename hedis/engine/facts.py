"""From the warehouse's tables to the facts a definition can use: known by the as-of date, carrying a code of one
of its value sets, of members who can be in its population. Everything after reads this one relation."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise

import ibis

from hedis.engine.measure import Events, nodes, result_value_sets_used, value_sets_used
from hedis.engine.period import Period

SUPPLEMENTAL_SOURCES = ("supplemental-standard", "supplemental-non-standard")
SOURCE_WORDS = (
    ("claim", "claim"),
    ("lab", "lab result"),
    ("observation", "observation"),
    ("clinical", "clinical record"),
    ("supplemental-standard", "standard supplemental data"),
    ("supplemental-non-standard", "non-standard supplemental data"),
)


FACT = (
    "member", "kind", "code_system", "code", "start_date", "end_date",
    "record", "line", "source", "received_date", "number", "text", "value_code", "qualifier", "status", "encounter",
)  # fmt: skip


@dataclass(frozen=True)
class Tables:
    """The warehouse's four tables (docs/warehouse.md) and `value_set` (see `codes.as_table`).

    `supplemental`: false only where it is known that no event is supplemental data; saves asking every numerator
    twice.
    """

    member: ibis.Table
    enrolment: ibis.Table
    event: ibis.Table
    dispensing: ibis.Table
    value_set: ibis.Table
    supplemental: bool = True

    def of_member(self, member: str) -> Tables:
        """The same tables cut down to one pseudonym; the filter reaches the files."""
        return self._where(lambda table: table.member == member)

    def parts(self, count: int) -> list[Tables]:
        """The same tables in `count` parts of about equal size, by the first digits of the pseudonym. One member's
        result depends on that member alone, so a large plan is evaluated part by part within bounded memory."""
        if count == 1:
            return [self]
        edges = [f"{16**4 * number // count:04x}" for number in range(1, count)]
        return [self._where(partial(_from_to, *bounds)) for bounds in pairwise([None, *edges, None])]

    def _where(self, chosen: Callable[[ibis.Table], ibis.Value]) -> Tables:
        return replace(
            self,
            member=self.member.filter(chosen),
            enrolment=self.enrolment.filter(chosen),
            event=self.event.filter(chosen),
            dispensing=self.dispensing.filter(chosen),
        )


def _from_to(low: str | None, high: str | None, table: ibis.Table) -> ibis.Value:
    """Whether a row's pseudonym lies from `low` (inclusive) to `high` (exclusive); None: no bound."""
    if low is None:
        return table.member < high
    return table.member >= low if high is None else (table.member >= low) & (table.member < high)


def coded_facts(tables: Tables, tree: object, period: Period, as_of: dt.date) -> ibis.Table:
    """One row per fact and value set it belongs to, of the value sets a definition (or any part of one) names; of a
    combination product one per target ingredient.

    Columns: member, kind, value_set, ingredient, start_date, end_date, number, text, value_code, qualifier, status,
    encounter, record, line, source, received_date, supplemental.
    A fact is known when it happened and was received on or before `as_of`.
    """
    wanted = tables.value_set.filter(tables.value_set.value_set.isin(sorted(value_sets_used(tree))))
    # A drug list without ingredients: each code its own, which never counts supply as carried over that was not.
    ingredient = ibis.ifelse(wanted.ingredient == "", wanted.code, wanted.ingredient)
    wanted = wanted.select("value_set", "code_system", "code", ingredient=ingredient).distinct()
    facts = _known(_events(tables.event), period, as_of)
    if any("dispensing" in node.kinds for node in nodes(tree) if isinstance(node, Events)):
        facts = ibis.union(facts, _known(_fills(tables.dispensing), period, as_of))
    facts = facts.inner_join(wanted, ["code_system", "code"])
    return facts.mutate(supplemental=facts.source.isin(SUPPLEMENTAL_SOURCES)).drop("code_system", "code")


def result_codes(tables: Tables, tree: object) -> ibis.Table:
    """What coded results and qualifiers of a definition (or any part of one) are looked up in: value_set, coded
    (``system|code``)."""
    codes = tables.value_set.filter(tables.value_set.value_set.isin(sorted(result_value_sets_used(tree))))
    return codes.select("value_set", coded=codes.code_system + "|" + codes.code)


def _known(facts: ibis.Table, period: Period, as_of: dt.date) -> ibis.Table:
    last = min(period.end, as_of)
    return facts.filter((facts.start_date <= last) & (facts.received_date <= as_of))


def _events(event: ibis.Table) -> ibis.Table:
    named = event.mutate(number=event.value_number.cast("float64"), text=event.value_text)
    return named.mutate(line=named.line.cast("int64")).select(*FACT)


def _fills(dispensing: ibis.Table) -> ibis.Table:
    none = ibis.null("string")
    by_ndc = dispensing.ndc.notnull()
    return dispensing.select(
        "member",
        "record",
        "source",
        "received_date",
        kind=ibis.literal("dispensing"),
        code_system=ibis.ifelse(by_ndc, "ndc", "rxnorm"),
        code=ibis.ifelse(by_ndc, dispensing.ndc, dispensing.rxnorm),
        start_date=dispensing.dispensing_date,
        end_date=dispensing.dispensing_date,
        line=dispensing.line.cast("int64"),
        number=dispensing.days_supply.cast("float64"),
        text=none,
        value_code=none,
        qualifier=none,
        status=none,
        encounter=none,
    ).select(*FACT)


def source_words(source: ibis.Value) -> ibis.Value:
    """The source of a fact as a person reads it."""
    return ibis.cases(*((source == key, words) for key, words in SOURCE_WORDS), else_=source)
