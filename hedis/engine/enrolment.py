"""Continuous enrolment, and the contract a member belongs to, as relational expressions over the enrolment table.

The rule (NCQA's general guideline on continuous enrolment, in our words): in every calendar year it covers, a
member may have one break of at most 45 days, and must be enrolled on the anchor date, the last day of the
period. Breaks are counted inside each year, so a break over New Year is judged in each year by its days there.
While the period still runs, it is judged up to the as-of date and the anchor is that date. Spans of all contracts
of the plan count together: moving from one contract to another is no break. Where the look-back begins within a
year (mammogram: 1 October), no break is allowed in that part of a year.
"""

from __future__ import annotations

import datetime as dt

import ibis

from hedis.engine.measure import ContinuousEnrolment
from hedis.engine.period import Period


def anchor_date(period: Period, as_of: dt.date) -> dt.date:
    """The day a member must be enrolled on: the period's last, or the as-of date while the period runs."""
    return min(period.end, as_of)


def continuously_enrolled(
    enrolment: ibis.Table, rule: ContinuousEnrolment, period: Period, as_of: dt.date
) -> ibis.Table:
    """Members (one column, `member`, each once) who meet the rule.

    `enrolment`: one row a span with member, start_date, end_date, both inclusive; spans may overlap or repeat.
    """
    last = anchor_date(period, as_of)
    breaks = _breaks(enrolment, period.start, last)
    found = breaks.filter(_allowed(breaks, rule) & (breaks.days_after_last == 0)).select("member")
    for years in range(1, rule.years_before + 1):
        year = period.back(years)
        breaks = _breaks(enrolment, year.start, year.end)
        found = found.semi_join(breaks.filter(_allowed(breaks, rule)), "member")
    if rule.lead_in_from is not None:
        year_before = period.back(rule.years_before + 1)
        month, day = rule.lead_in_from
        breaks = _breaks(enrolment, year_before.start.replace(month=month, day=day), year_before.end)
        found = found.semi_join(breaks.filter(breaks.breaks == 0), "member")
    return found


def _allowed(breaks: ibis.Table, rule: ContinuousEnrolment) -> ibis.Value:
    return (breaks.breaks <= rule.breaks_per_year) & (breaks.longest <= rule.break_days)


def _breaks(enrolment: ibis.Table, first: dt.date, last: dt.date) -> ibis.Table:
    """One row a member with any enrolled day from `first` to `last`: number of breaks, days of the longest one,
    and days between the last enrolled day and `last`."""
    touching = enrolment.filter(
        (enrolment.start_date <= last) & (enrolment.end_date >= first) & (enrolment.start_date <= enrolment.end_date)
    )
    spans = touching.select(
        "member",
        starts=ibis.greatest(touching.start_date, ibis.literal(first)),
        ends=ibis.least(touching.end_date, ibis.literal(last)),
    )
    # The furthest end so far, not the previous row's: a long span may contain the spans that follow it.
    earlier = ibis.window(group_by="member", order_by=[spans.starts, spans.ends], preceding=(None, 1))
    ordered = spans.mutate(covered=spans.ends.max().over(earlier).fill_null(ibis.literal(first - dt.timedelta(days=1))))
    gaps = ordered.mutate(days=ibis.greatest(ordered.starts.delta(ordered.covered, unit="day") - 1, 0))
    by_member = gaps.group_by("member").agg(
        before=(gaps.days > 0).sum(), longest_before=gaps.days.max(), ends=gaps.ends.max()
    )
    by_member = by_member.mutate(days_after_last=ibis.literal(last).delta(by_member.ends, unit="day"))
    return by_member.select(
        "member",
        "days_after_last",
        breaks=by_member.before + (by_member.days_after_last > 0).cast("int64"),
        longest=ibis.greatest(by_member.longest_before, by_member.days_after_last),
    )


def contract_on(enrolment: ibis.Table, day: dt.date) -> ibis.Table:
    """Contract and plan benefit package of each member's span that covers `day`, else of the last span begun.

    Columns member, contract, plan_benefit_package. Several spans on that day: the one begun last, then the one
    ending last, then by contract and package, so every engine picks the same.
    """
    begun = enrolment.filter(enrolment.start_date <= day)
    order = [
        ibis.desc(begun.end_date >= day),
        ibis.desc(begun.start_date),
        ibis.desc(begun.end_date),
        ibis.asc(begun.contract, nulls_first=False),
        ibis.asc(begun.plan_benefit_package, nulls_first=False),
    ]
    ranked = begun.mutate(rank=ibis.row_number().over(ibis.window(group_by="member", order_by=order)))
    return ranked.filter(ranked["rank"] == 0).select("member", "contract", "plan_benefit_package")
