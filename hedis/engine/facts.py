"""From the warehouse's tables to the facts a definition can use: known by the as-of date, carrying a code of one
of its value sets, of members who can be in its population. Everything after reads this one relation."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace

import ibis

from hedis.engine.measure import Definition, Events, nodes, value_sets_used
from hedis.engine.period import Period

SUPPLEMENTAL_SOURCES = ("supplemental-standard", "supplemental-non-standard")
SOURCE_WORDS = (
    ("claim", "claim"),
    ("lab", "lab result"),
    ("observation", "observation"),
    ("supplemental-standard", "standard supplemental data"),
    ("supplemental-non-standard", "non-standard supplemental data"),
)


FACT = (
    "member", "kind", "code_system", "code", "start_date", "end_date",
    "record", "line", "source", "received_date", "number", "text", "value_code", "qualifier", "status", "encounter",
)  # fmt: skip


@dataclass(frozen=True)
class Tables:
    """The warehouse's four tables (docs/warehouse.md) and `value_set` (see `codes.as_table`)."""

    member: ibis.Table
    enrolment: ibis.Table
    event: ibis.Table
    dispensing: ibis.Table
    value_set: ibis.Table

    def of_member(self, member: str) -> Tables:
        """The same tables cut down to one pseudonym; the filter reaches the files."""
        return replace(
            self,
            member=self.member.filter(self.member.member == member),
            enrolment=self.enrolment.filter(self.enrolment.member == member),
            event=self.event.filter(self.event.member == member),
            dispensing=self.dispensing.filter(self.dispensing.member == member),
        )


def coded_facts(
    tables: Tables, definition: Definition, members: ibis.Table, period: Period, as_of: dt.date
) -> ibis.Table:
    """One row per fact and value set it belongs to.

    Columns: member, kind, value_set, start_date, end_date, number, text, value_code, qualifier, status, encounter,
    record, line, source, supplemental.
    A fact is known when it happened and was received on or before `as_of`.
    """
    wanted = tables.value_set.filter(tables.value_set.value_set.isin(sorted(value_sets_used(definition))))
    wanted = wanted.select("value_set", "code_system", "code").distinct()
    facts = _known(_events(tables.event), period, as_of)
    if any("dispensing" in node.kinds for node in nodes(definition) if isinstance(node, Events)):
        facts = ibis.union(facts, _known(_fills(tables.dispensing), period, as_of))
    facts = facts.semi_join(members, "member").inner_join(wanted, ["code_system", "code"])
    return facts.mutate(supplemental=facts.source.isin(SUPPLEMENTAL_SOURCES)).drop("code_system", "code")


def _known(facts: ibis.Table, period: Period, as_of: dt.date) -> ibis.Table:
    last = min(period.end, as_of)
    return facts.filter((facts.start_date <= last) & (facts.received_date <= as_of)).drop("received_date")


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
