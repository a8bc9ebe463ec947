"""What became of an open gap: the engine's own answer for the whole period, as known on a settling date.

The label is 1 where the gap is still open and 0 where it closed. Some members have neither: who died or left the plan
is in no rate, and an exclusion may be found after the score date. They are not learnt from, because nobody knows
what would have become of their gap; but each of them is counted with the reason, never silently gone.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import ibis

from hedis.engine.evaluate import Keep, Pass
from hedis.engine.facts import Tables
from hedis.engine.measure import Definition
from hedis.engine.period import Period
from predictions.lookback import Held

STILL_OPEN, CLOSED = "still open", "closed"
DIED = "died before the year ended"
LEFT = "left the plan before the year ended"
EXCLUDED = "excluded later: "
NOT_ELIGIBLE = "in the eligible population no longer"
OUT_OF_REACH = "out of reach on the score date already"
CONTACTED = "contacted before the outcome"


def settled_on(year: int) -> dt.date:
    """The day the label of a measurement year is read: half a year of claims run-out after it, in which claims of the
    year arrive (HEDIS results are submitted in June)."""
    return dt.date(year + 1, 6, 30)


class Settled:
    """What became of the gaps of several measures in one year, for one part of the plan: shared steps computed once.

    `tables` is the whole warehouse: what was received after `settled` is not looked at. Raises ValueError where the
    year has not ended on `settled`.
    """

    def __init__(
        self, definitions: Sequence[Definition], tables: Tables, period: Period, settled: dt.date, keep: Keep
    ) -> None:
        if settled <= period.end:
            raise ValueError(
                f"the label of {period.measurement_year} cannot be settled on {settled}: the year still runs"
            )
        self._keep = Held(keep)
        self._judging = Pass(definitions, tables, period, settled, self._keep)
        died = tables.member.filter(tables.member.death_date <= period.end)
        spans = tables.enrolment
        there = spans.filter((spans.start_date <= period.end) & (spans.end_date >= period.end))
        self._told = {"dead": died, "stayed": there}

    def outcomes(self, definition: Definition, people: ibis.Table) -> ibis.Table:
        """member, outcome of each of `people` (member): STILL_OPEN, CLOSED, or why there is no label.

        Who is in the denominator has a label, also where death ended a treatment period early (days covered).
        """
        judged = self._judging.result(definition)
        found = self._keep(judged.select("member", "denominator", "numerator", "exclusion"))
        each = people.select("member").distinct().left_join(found, "member").drop("member_right")
        for name, part in self._told.items():
            part = part.select("member").distinct().mutate(**{name: ibis.literal(True)})
            each = each.left_join(part, "member").drop("member_right")
        outcome = ibis.cases(
            (each.numerator.fill_null(False), CLOSED),
            (each.denominator.fill_null(False), STILL_OPEN),
            (each.dead.fill_null(False), DIED),
            (each.exclusion.notnull(), ibis.literal(EXCLUDED) + each.exclusion.fill_null("")),
            (each.stayed.isnull(), LEFT),
            else_=NOT_ELIGIBLE,
        )
        return each.select("member", outcome=outcome)

    def release(self) -> None:
        """Let go of everything that is kept."""
        self._keep.release_all()


def outcomes(
    definition: Definition, tables: Tables, people: ibis.Table, period: Period, settled: dt.date, keep: Keep
) -> ibis.Table:
    """`Settled.outcomes` of one measure."""
    return Settled((definition,), tables, period, settled, keep).outcomes(definition, people)
