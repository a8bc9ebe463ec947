"""What is known, on a score date, of the members whose gap is open that day: one row a member, one column a feature.

Pure and versioned: a model says by which `FEATURE_VERSION` it was fed, and the same expressions feed training and
scoring. Nothing received after the score date is seen (`known`): not by its service date, because a claim of May that
is paid in August was unknown in June. Race and ethnicity are carried along to audit a model, never to feed one.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import reduce
from operator import add

import ibis

from hedis.engine import pdc
from hedis.engine.evaluate import Keep, Pass, age_on
from hedis.engine.facts import Tables
from hedis.engine.measure import DaysCovered, Definition, Result, nodes
from hedis.engine.period import Period
from hedis.engine.selection import first_row

FEATURE_VERSION = "1"
"""Raised with every change of what a feature means: an older model is then fed no longer."""

AUDIT = ("race", "ethnicity", "contract")
"""Columns to divide people by, never to learn from."""

LOOK_BACK_DAYS = 365
ENROLMENT_MONTHS = 24
DUAL_STATUS_CODES = ("01", "02", "03", "04", "05", "06", "08")
"""CMS dual status codes of people entitled to Medicare and Medicaid."""
DISABLED = ("1", "3")
"""CMS original reasons for entitlement: disability; disability and end-stage renal disease."""
WELLNESS_VISITS = ("G0402", "G0438", "G0439")
"""HCPCS level II: initial preventive physical examination, annual wellness visit first and subsequent."""
SPAN_FLAGS = (
    "contract", "plan_benefit_package", "dual_status_code", "original_reason_entitlement_code", "low_income_subsidy",
)  # fmt: skip
ENGLISH = ("english", "en", "eng", "en-us")
NO_END = dt.date(9999, 12, 31)


@dataclass(frozen=True)
class Feature:
    """A column and what it is in words: numbers are counted or measured as the words say, yes/no is 1/0."""

    name: str
    words: str


PERSON = (
    Feature("age", "age in years"),
    Feature("sex", "sex"),
    Feature("months_enrolled", f"months enrolled of the last {ENROLMENT_MONTHS}"),
    Feature("low_income_subsidy", "low-income subsidy"),
    Feature("dual", "entitled to Medicare and Medicaid"),
    Feature("disabled", "entitled to Medicare by disability"),
    Feature("language_not_english", "speaks another language than English"),
)
CARE = (
    Feature("wellness_visits", "annual wellness visits in the last 12 months"),
    Feature("visit_days", "days with an outpatient visit in the last 12 months"),
    Feature("visit_months", "months with an outpatient visit in the last 12 months"),
    Feature("days_since_visit", "days since the last outpatient visit"),
    Feature("drugs", "different drugs filled in the last 12 months"),
)
EARLIER = (
    Feature("met_last_year", "met this measure last year"),
    Feature("others_met_last_year", "share of the other measures met last year"),
)
SUPPLY = (
    Feature("pdc_to_date", "percent of days covered so far this year"),
    Feature("fills", "days with a fill this year"),
    Feature("missable_days", "days that may still be missed this year"),
    Feature("days_without", "days since supply ran out"),
)


def features_of(definition: Definition, others: Sequence[Definition] = ()) -> tuple[Feature, ...]:
    """The features of a measure's model, in order. `others`: measures whose last year is looked at too."""
    own = [Feature("days_since_evidence", f"days since the last evidence for {definition.name}")]
    own += [Feature(last_value(each), f"last {each.events.name} in {each.unit}") for each in results(definition)]
    if isinstance(definition.numerator, DaysCovered):
        own += SUPPLY
    each_other = [Feature(met_last_year(each), f"met {each.name} last year") for each in others]
    return (*PERSON, *CARE, *own, *EARLIER, *each_other)


def results(definition: Definition) -> tuple[Result, ...]:
    """The measured quantities that decide the numerator."""
    return tuple(node for node in nodes(definition.numerator) if isinstance(node, Result))


def last_value(result: Result) -> str:
    """Name of the feature that holds the last result."""
    return "last_" + re.sub(r"\W+", "_", result.events.name.lower()).strip("_")


def met_last_year(definition: Definition) -> str:
    """Name of the feature that says whether another measure was met in the year before."""
    return "met_last_year_" + definition.code.lower().replace("-", "_")


def known(tables: Tables, day: dt.date) -> Tables:
    """The warehouse as it was known on the evening of `day`.

    Facts and fills by their received date; spans begun by then, an end that lay ahead taken as open; a death that lay
    ahead as not known. Race and ethnicity are left out, so that no feature can be made of them.
    """
    begun = tables.enrolment.filter(tables.enrolment.start_date <= day)
    ahead = begun.end_date > day
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


def of_people(tables: Tables, people: ibis.Table, keep: Keep) -> Tables:
    """The tables of these members only, computed once: they are read many times."""
    members = people.select("member")
    cut = {
        each.name: keep(table.semi_join(members, "member"))
        for each in fields(tables)
        if isinstance(table := getattr(tables, each.name), ibis.Table) and each.name != "value_set"
    }
    return replace(tables, **cut)


def open_gaps(definition: Definition, then: Tables, period: Period, day: dt.date, keep: Keep) -> ibis.Table:
    """Members of the denominator whose gap is open on `day`, as `then` knows it: member, contract, evidence_date,
    out_of_reach (no care of this year can close it any more: nothing is left to foresee), the columns of SUPPLY where
    the measure is one of days covered."""
    judged = Pass((definition,), then, period, day, keep).result(definition)
    unmet = judged.filter(judged.denominator & ~judged.numerator)
    unmet = keep(unmet.select("member", "contract", "evidence_date"))
    if not isinstance(definition.numerator, DaysCovered):
        return unmet.mutate(out_of_reach=ibis.literal(False))
    days = pdc.adherence(definition, then, period, day, keep=keep)
    overdue = ibis.literal(day).delta(days.refill_due, unit="day")
    supply = days.select(
        "member",
        pdc_to_date=days.pdc,
        fills=days.fill_dates,
        missable_days=days.missable_days,
        days_without=ibis.greatest(overdue, 0).fill_null(0),
    )
    return keep(joined(unmet, supply).mutate(out_of_reach=lambda table: table.missable_days < 0))


def rows(
    definition: Definition,
    tables: Tables,
    period: Period,
    day: dt.date,
    *,
    others: Sequence[Definition] = (),
    codes_before: ibis.Table,
    keep: Keep,
) -> ibis.Table:
    """One row a member whose gap is open on `day`: member, out_of_reach, the columns of `features_of`, AUDIT.

    `codes_before`: the value sets of the year before. Raises ValueError where `day` is before the period.
    """
    then = known(tables, day)
    people = open_gaps(definition, then, period, day, keep)
    then = of_people(then, people, keep)
    before = replace(then, value_set=codes_before)
    every = joined(
        people,
        person(then, day),
        visits(then, day),
        drugs(then, day),
        *(latest(result, then) for result in results(definition)),
        last_year(definition, others, before, period.back(1), day, keep),
        tables.member.select("member", "race", "ethnicity"),
    )
    counts = {name: every[name].fill_null(0) for name in ("wellness_visits", "visit_days", "visit_months", "drugs")}
    since = ibis.literal(day).delta(every.evidence_date, unit="day")
    every = every.mutate(**counts, days_since_evidence=since)
    names = [feature.name for feature in features_of(definition, others)]
    numbers = {name: every[name].cast("float64") for name in names if name != "sex"}
    return every.mutate(**numbers).select("member", "out_of_reach", *names, *AUDIT)


def joined(people: ibis.Table, *parts: ibis.Table) -> ibis.Table:
    """People with the columns of each part, nobody lost."""
    for part in parts:
        people = people.left_join(part, "member").drop("member_right")
    return people


def person(then: Tables, day: dt.date) -> ibis.Table:
    """member and the columns of PERSON; the flags of the span begun last."""
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
        "sex",
        age=age_on(then.member.birth_date, day),
        language_not_english=~then.member.language.lower().isin(ENGLISH),
    )
    return joined(member, flags, months_enrolled(spans, day))


def months_enrolled(spans: ibis.Table, day: dt.date) -> ibis.Table:
    """member, months_enrolled: of how many months, back from that of `day`, the first day lies in a span."""
    months = [day.replace(day=1)]
    while len(months) < ENROLMENT_MONTHS:
        months.append((months[-1] - dt.timedelta(days=1)).replace(day=1))
    covered = {
        f"month_{number}": ((spans.start_date <= month) & (spans.end_date >= month)).any().cast("int64")
        for number, month in enumerate(months)
    }
    found = spans.group_by("member").agg(**covered)
    return found.select("member", months_enrolled=reduce(add, (found[name] for name in covered)))


def visits(then: Tables, day: dt.date) -> ibis.Table:
    """member, wellness_visits, visit_days, visit_months (in the look-back), days_since_visit (ever)."""
    codes = then.value_set.filter(then.value_set.value_set == "outpatient-visit").select("code_system", "code")
    seen = then.event.semi_join(codes.distinct(), ["code_system", "code"])
    recent = seen.start_date > day - dt.timedelta(days=LOOK_BACK_DAYS)
    wellness = (seen.code_system == "hcpcs") & seen.code.isin(WELLNESS_VISITS)
    found = seen.group_by("member").agg(
        wellness_visits=seen.start_date.nunique(where=recent & wellness),
        visit_days=seen.start_date.nunique(where=recent),
        visit_months=(seen.start_date.year() * 12 + seen.start_date.month()).nunique(where=recent),
        last=seen.start_date.max(),
    )
    return found.mutate(days_since_visit=ibis.literal(day).delta(found["last"], unit="day")).drop("last")


def drugs(then: Tables, day: dt.date) -> ibis.Table:
    """member, drugs: different products (labeler and product of the NDC, whatever the package) or RxNorm codes."""
    fills = then.dispensing
    fills = fills.filter(fills.dispensing_date > day - dt.timedelta(days=LOOK_BACK_DAYS))
    return fills.group_by("member").agg(drugs=ibis.coalesce(fills.ndc.left(9), fills.rxnorm).nunique())


def latest(result: Result, then: Tables) -> ibis.Table:
    """member and the last plausible number of a measured quantity; several on that day: the lowest."""
    codes = then.value_set.filter(then.value_set.value_set.isin(result.events.value_sets))
    facts = then.event.semi_join(codes.select("code_system", "code").distinct(), ["code_system", "code"])
    facts = facts.filter(facts.value_number.between(*result.plausible))
    order = [ibis.desc(facts.start_date), facts.value_number, facts.record, facts.line]
    last = first_row(facts, ["member"], order)
    return last.select("member", last.value_number.name(last_value(result)))


def last_year(
    definition: Definition, others: Sequence[Definition], then: Tables, year: Period, day: dt.date, keep: Keep
) -> ibis.Table:
    """member, met_last_year (1, 0; null where the member was not in the denominator), the same of each other measure,
    and the share met of the others the member was in. The year before is judged by what was known on `day`."""
    asked = {"met_last_year": definition, **{met_last_year(each): each for each in others}}
    there = [each for each in asked.values() if each.in_force(year)]
    judging = Pass(there, then, year, day, keep)
    parts = [keep(in_denominator(judging.result(each))) for each in there]
    nobody = then.member.filter(ibis.literal(False)).select(
        "member", measure=ibis.literal(""), met=ibis.literal(0, type="int64")
    )
    met = ibis.union(nobody, *parts)
    own = met.measure == definition.code
    return met.group_by("member").agg(
        **{name: met.met.max(where=met.measure == each.code) for name, each in asked.items()},
        others_met_last_year=met.met.mean(where=~own),
    )


def in_denominator(judged: ibis.Table) -> ibis.Table:
    """member, measure, met (1 or 0) of those whom the measure counts."""
    counted = judged.filter(judged.denominator)
    return counted.select("member", "measure", met=counted.numerator.cast("int64"))
