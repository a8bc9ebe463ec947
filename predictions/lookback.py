"""The warehouse as it was known on a day, and what it then told of each member: person, visits, drugs, last results.

Nothing received after the day is seen: not by its service date, because a claim of May that is paid in August was
unknown in June. Race and ethnicity are left out, so that no feature can be made of them.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import reduce
from operator import add

import ibis

from hedis.engine.evaluate import Keep
from hedis.engine.facts import Tables
from hedis.engine.measure import Definition, Result, value_sets_used
from hedis.engine.selection import first_row

LOOK_BACK_DAYS = 365
ENROLMENT_MONTHS = 24
DUAL_STATUS_CODES = ("01", "02", "03", "04", "05", "06", "08")
"""CMS dual status codes of people entitled to Medicare and Medicaid."""
DISABLED = ("1", "3")
"""CMS original reasons for entitlement: disability; disability and end-stage renal disease."""
VISIT = "outpatient-visit"
WELLNESS_VISITS = ("G0402", "G0438", "G0439")
"""HCPCS level II: initial preventive physical examination, annual wellness visit first and subsequent."""
SPAN_FLAGS = (
    "contract", "plan_benefit_package", "dual_status_code", "original_reason_entitlement_code", "low_income_subsidy",
)  # fmt: skip
ENGLISH = ("english", "en", "eng", "en-us")
NO_END = dt.date(9999, 12, 31)
PARTS = ("member", "enrolment", "event", "dispensing")


class Held(Keep):
    """Keeps steps as another keeper does and knows them all, so that they can be let go of together."""

    def __init__(self, keep: Keep) -> None:
        self._keep, self._held = keep, dict[int, ibis.Table]()

    def __call__(self, table: ibis.Table) -> ibis.Table:
        kept = self._keep(table)
        self._held[id(kept)] = kept
        return kept

    def release(self, tables: Iterable[ibis.Table]) -> None:
        gone = [held for each in tables if (held := self._held.pop(id(each), None)) is not None]
        self._keep.release(gone)

    def release_all(self) -> None:
        """Let go of every step that is left."""
        self.release(list(self._held.values()))


def known(tables: Tables, day: dt.date) -> Tables:
    """The warehouse as it was known on the evening of `day`.

    Facts and fills by their received date; spans begun by then, an end on the day or ahead taken as open; a death that
    lay ahead as not known. Race and ethnicity are left out, so that no feature can be made of them.
    """
    begun = tables.enrolment.filter(tables.enrolment.start_date <= day)
    ahead = begun.end_date >= day
    member = tables.member.drop("race", "ethnicity")
    alive = member.death_date > day
    event, dispensing = tables.event, tables.dispensing
    return replace(
        tables,
        member=member.mutate(death_date=ibis.ifelse(alive, ibis.null("date"), member.death_date)),
        enrolment=begun.mutate(end_date=ibis.ifelse(ahead, ibis.literal(NO_END), begun.end_date)),
        event=event.filter((event.received_date <= day) & (event.start_date <= day)),
        dispensing=dispensing.filter((dispensing.received_date <= day) & (dispensing.dispensing_date <= day)),
    )


def known_on(tables: Tables, days: Mapping[int, dt.date]) -> Tables:
    """What was known on each of the numbered days, as if a member were another person each day: one pass judges all.

    `member` becomes a key of member and number of the day, every table gains `known_on`, and `member` the column
    `person` with the pseudonym.
    """
    each = [_stamped(known(tables, day), number, day) for number, day in days.items()]
    if len(each) == 1:
        return each[0]
    return replace(each[0], **{name: ibis.union(*(getattr(one, name) for one in each)) for name in PARTS})


def _stamped(then: Tables, number: int, day: dt.date) -> Tables:
    def stamp(table: ibis.Table) -> ibis.Table:
        return table.mutate(member=table.member + f"@{number:02d}", known_on=ibis.literal(day))

    stamped = {name: stamp(getattr(then, name)) for name in PARTS if name != "member"}
    return replace(then, member=stamp(then.member.mutate(person=then.member.member)), **stamped)


def relevant(tables: Tables, definitions: Sequence[Definition], codes_before: ibis.Table, day: dt.date) -> Tables:
    """The tables cut down to what was received by `day` and carries a code that a definition or a feature reads.
    `codes_before`: the value sets of the year before."""
    named = sorted({VISIT, *(name for each in definitions for name in value_sets_used(each))})
    codes = [
        table.filter(table.value_set.isin(named)).select("code_system", "code")
        for table in (tables.value_set, codes_before)
    ]
    event, fill = tables.event, tables.dispensing
    event = event.filter((event.received_date <= day) & (event.start_date <= day))
    return replace(
        tables,
        event=event.semi_join(ibis.union(*codes, distinct=True), ["code_system", "code"]),
        dispensing=fill.filter((fill.received_date <= day) & (fill.dispensing_date <= day)),
    )


def joined(people: ibis.Table, *parts: ibis.Table) -> ibis.Table:
    """People with the columns of each part, nobody lost."""
    for part in parts:
        people = people.left_join(part, "member").drop("member_right")
    return people


def age(birth_date: ibis.Value, day: ibis.Value) -> ibis.Value:
    """Completed years of age on `day`."""
    birthday, today = (each.month() * 100 + each.day() for each in (birth_date, day))
    return day.year() - birth_date.year() - ibis.ifelse(birthday <= today, 0, 1)


def person(then: Tables) -> ibis.Table:
    """member, person, known_on, age, sex, months_enrolled, low_income_subsidy, dual, disabled, language_not_english:
    as on the day; the flags of the span begun last."""
    spans = then.enrolment
    order = [ibis.desc(spans.start_date), ibis.desc(spans.end_date)]
    order += [ibis.asc(spans[name], nulls_first=False) for name in SPAN_FLAGS]
    latest_span = first_row(spans, ["member"], order)
    flags = latest_span.select(
        "member",
        low_income_subsidy=latest_span.low_income_subsidy.fill_null(False),
        dual=latest_span.dual_status_code.lpad(2, "0").isin(DUAL_STATUS_CODES).fill_null(False),
        disabled=latest_span.original_reason_entitlement_code.isin(DISABLED).fill_null(False),
    )
    member = then.member.select(
        "member",
        "person",
        "known_on",
        "sex",
        age=age(then.member.birth_date, then.member.known_on),
        language_not_english=~then.member.language.lower().isin(ENGLISH),
    )
    return joined(member, flags, months_enrolled(spans))


def months_enrolled(spans: ibis.Table) -> ibis.Table:
    """member, months_enrolled: of how many months, back from that of the day, the first day lies in a span."""

    def month(date: ibis.Value) -> ibis.Value:
        return date.year() * 12 + date.month()

    first = month(spans.start_date) + ibis.ifelse(spans.start_date.day() > 1, 1, 0)
    last, now = month(spans.end_date), month(spans.known_on)
    covered = {
        f"month_{back}": ((first <= now - back) & (last >= now - back)).any().cast("int64")
        for back in range(ENROLMENT_MONTHS)
    }
    found = spans.group_by("member").agg(**covered)
    return found.select("member", months_enrolled=reduce(add, (found[name] for name in covered)))


def visits(then: Tables) -> ibis.Table:
    """member, wellness_visits, visit_days, visit_months (in the look-back), days_since_visit (ever)."""
    codes = then.value_set.filter(then.value_set.value_set == VISIT).select("code_system", "code")
    seen = then.event.semi_join(codes.distinct(), ["code_system", "code"])
    recent = seen.known_on.delta(seen.start_date, unit="day") < LOOK_BACK_DAYS
    wellness = (seen.code_system == "hcpcs") & seen.code.isin(WELLNESS_VISITS)
    found = seen.group_by("member", "known_on").agg(
        wellness_visits=seen.start_date.nunique(where=recent & wellness),
        visit_days=seen.start_date.nunique(where=recent),
        visit_months=(seen.start_date.year() * 12 + seen.start_date.month()).nunique(where=recent),
        last=seen.start_date.max(),
    )
    since = found.known_on.delta(found["last"], unit="day")
    return found.mutate(days_since_visit=since).drop("last", "known_on")


def drugs(then: Tables) -> ibis.Table:
    """member, drugs: different products (labeler and product of the NDC, whatever the package) or RxNorm codes."""
    fills = then.dispensing
    fills = fills.filter(fills.known_on.delta(fills.dispensing_date, unit="day") < LOOK_BACK_DAYS)
    return fills.group_by("member").agg(drugs=ibis.coalesce(fills.ndc.left(9), fills.rxnorm).nunique())


def last_value(result: Result) -> str:
    """Name of the feature that holds the last result."""
    return "last_" + re.sub(r"\W+", "_", result.events.name.lower()).strip("_")


def latest(result: Result, then: Tables) -> ibis.Table:
    """member and the last plausible number of a measured quantity; several on that day: the lowest."""
    codes = then.value_set.filter(then.value_set.value_set.isin(result.events.value_sets))
    facts = then.event.semi_join(codes.select("code_system", "code").distinct(), ["code_system", "code"])
    facts = facts.filter(facts.value_number.between(*result.plausible))
    order = [ibis.desc(facts.start_date), facts.value_number, facts.record, facts.line]
    last = first_row(facts, ["member"], order)
    return last.select("member", last.value_number.name(last_value(result)))
