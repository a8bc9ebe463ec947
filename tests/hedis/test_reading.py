"""Counts of past days without touching a gap, and closures by month of service and receipt."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from audit.models import Event
from hedis.engine.closing import stays_met
from hedis.engine.measure import AllOf, Condition, Definition, WithinDays
from hedis.gaps import finding, reading
from hedis.gaps.counting import Counts
from hedis.gaps.models import ClosureMonth, FindingRun, Gap, MeasureCount, MeasureReading, Status, Transition
from hedis.lib.commands import WrongUse
from hedis.measures.definitions import DEFINITIONS
from hedis.measures.definitions.col import COLONOSCOPY, FOBT
from tests.hedis.test_finding import AFTER, AS_OF, COL, YEAR, Plan
from tests.hedis.test_finding import plan as plan

COLONOSCOPY_CODE, FOBT_CODE = "G0105", "G0328"
DECEMBER = date(2026, 12, 31)


def read(as_of: date = AS_OF, definitions: list[Definition] = COL) -> Counts:
    return reading.read(YEAR, as_of=as_of, definitions=definitions, by="test")["COL"]


def find(definitions: list[Definition], as_of: date = AS_OF) -> None:
    finding.find(YEAR, as_of=as_of, definitions=definitions, by="test")


def closed_by(numerator: Condition) -> list[Definition]:
    """The measure with another numerator."""
    return [replace(COL[0], numerator=numerator)]


def months() -> list[tuple[int, int, int]]:
    """Service month, lag and members of what is kept."""
    return list(ClosureMonth.objects.values_list("service_month", "lag", "members"))


def test_a_past_day_is_counted_as_it_was_known_and_no_gap_moves(plan: Plan) -> None:
    plan.add("early", "late", "never")
    plan.happened("early", COLONOSCOPY_CODE, date(2026, 3, 5))
    plan.happened("late", COLONOSCOPY_CODE, date(2026, 5, 5), received_date=date(2026, 8, 1))
    plan.find()
    before = list(Gap.objects.order_by("pk").values())
    # What happened in May was received in August: nobody knew of it in June.
    assert read(date(2026, 6, 30)) == Counts(eligible=3, denominator=3, excluded=0, numerator=1)
    assert list(Gap.objects.order_by("pk").values()) == before
    assert (FindingRun.objects.count(), MeasureCount.objects.count(), Transition.objects.count()) == (1, 1, 3)
    (kept,) = MeasureReading.objects.all()
    assert (kept.year, kept.data_as_of, kept.numerator, kept.denominator) == (YEAR, date(2026, 6, 30), 1, 3)
    assert (kept.contract and kept.contract.number, kept.read_by, kept.definition_version) == (
        "H1234", "test", COL[0].version,
    )  # fmt: skip
    event = Event.objects.get(action="gaps.read")
    assert (event.object_id, event.row_count) == (str(YEAR), 3)


def test_a_reading_counts_what_a_run_on_that_day_counts(plan: Plan) -> None:
    plan.add("closed", "open")
    plan.add("excluded", contract="H5678")
    plan.happened("closed", COLONOSCOPY_CODE, date(2026, 3, 5))
    plan.happened("excluded", "C18.9".replace(".", ""), date(2026, 2, 1), "icd-10-cm", kind="diagnosis", line=0)
    read()
    plan.find()
    columns = ("contract__number", "eligible", "excluded", "denominator", "numerator", "star_denominator",
               "star_numerator")  # fmt: skip
    assert list(MeasureReading.objects.values_list(*columns)) == list(MeasureCount.objects.values_list(*columns))
    assert Gap.objects.filter(status=Status.NOT_APPLICABLE).count() == 1


def test_a_day_read_again_is_replaced(plan: Plan) -> None:
    plan.add("member")
    read()
    plan.happened("member", COLONOSCOPY_CODE, date(2026, 3, 5))
    read()
    assert list(MeasureReading.objects.values_list("numerator", flat=True)) == [1]


def test_a_member_counts_once_with_the_care_that_was_known_first(plan: Plan) -> None:
    plan.add("twice", "other", "open")
    # The screening of March was received in June, the one of April in April: that one closed the gap.
    plan.happened("twice", COLONOSCOPY_CODE, date(2026, 3, 5), received_date=date(2026, 6, 1))
    plan.happened("twice", FOBT_CODE, date(2026, 4, 5), received_date=date(2026, 4, 20))
    plan.happened("other", FOBT_CODE, date(2026, 4, 9), received_date=date(2026, 7, 2))
    plan.find()
    assert months() == [(4, 0, 1), (4, 3, 1)]
    assert sum(members for *_, members in months()) == MeasureCount.objects.get().star_numerator == 2


def test_care_of_before_the_year_has_no_month_of_it(plan: Plan) -> None:
    plan.add("long ago", "on its way")
    plan.happened("long ago", COLONOSCOPY_CODE, date(2019, 3, 5))
    plan.happened("on its way", COLONOSCOPY_CODE, date(2025, 12, 20), received_date=date(2026, 2, 3))
    plan.find()
    assert months() == [(0, 0, 1), (0, 1, 1)]


@pytest.mark.parametrize(
    ("numerator", "kept"),
    [(AllOf(COLONOSCOPY, FOBT), [(5, 2, 1)]),
     (WithinDays("both", COLONOSCOPY.events, FOBT.events, days=4), [(5, 2, 1)])],
)  # fmt: skip
def test_where_two_are_needed_the_later_one_closes_and_both_must_be_known(
    plan: Plan, numerator: Condition, kept: list[Any]
) -> None:
    plan.add("both", "one")
    plan.happened("both", COLONOSCOPY_CODE, date(2026, 4, 30), received_date=date(2026, 7, 1))
    plan.happened("both", FOBT_CODE, date(2026, 5, 2), received_date=date(2026, 5, 3))
    plan.happened("one", FOBT_CODE, date(2026, 5, 2))
    find(closed_by(numerator))
    assert months() == kept


def test_care_too_far_apart_closes_nothing(plan: Plan) -> None:
    plan.add("apart")
    plan.happened("apart", COLONOSCOPY_CODE, date(2026, 4, 1))
    plan.happened("apart", FOBT_CODE, date(2026, 5, 2))
    find(closed_by(WithinDays("both", COLONOSCOPY.events, FOBT.events, days=4)))
    assert months() == []


def test_a_measure_whose_last_value_decides_or_that_counts_days_has_no_first_closure(plan: Plan) -> None:
    lasting = {code for code, each in DEFINITIONS.items() if stays_met(each.numerator)}
    assert lasting == {"BCS", "COL", "KED", "EED", "SUPD"}
    assert all(each.reversible != (code in lasting) for code, each in DEFINITIONS.items())
    plan.add("taker")
    plan.filled("taker", "617310", date(2026, 1, 5), 300)
    plan.find_statins()
    assert months() == []


def test_later_data_stand_and_older_ones_give_way(plan: Plan) -> None:
    plan.add("first", "second")
    plan.happened("first", FOBT_CODE, date(2026, 4, 5))
    plan.happened("second", FOBT_CODE, date(2026, 9, 5), received_date=date(2026, 11, 5))
    plan.find()
    assert months() == [(4, 0, 1)]
    read(AFTER)
    assert months() == [(4, 0, 1), (9, 2, 1)]
    # A day before is read afterwards: its counts are kept, what is known of the months is not lost.
    read(date(2026, 6, 30))
    plan.find()
    assert months() == [(4, 0, 1), (9, 2, 1)]
    assert set(ClosureMonth.objects.values_list("data_as_of", flat=True)) == {AFTER}


def test_members_of_an_age_that_the_star_measure_does_not_count_are_told_apart(plan: Plan) -> None:
    plan.add("member")
    plan.happened("member", FOBT_CODE, date(2026, 4, 5))
    young = [replace(COL[0], star_ages=(replace(COL[0].ages[0], low=70),))]
    find(young)
    count = MeasureCount.objects.get()
    assert (count.numerator, count.star_numerator, count.star_denominator) == (1, 0, 0)
    assert months() == []


def test_a_run_over_one_contract_leaves_the_months_as_they_are(plan: Plan) -> None:
    plan.add("member")
    plan.happened("member", FOBT_CODE, date(2026, 4, 5))
    plan.find(contract="H1234")
    assert months() == []


def test_the_queries_of_a_reading_do_not_grow_with_members(plan: Plan) -> None:
    plan.add("first")
    counts = []
    for names in ((), [f"member {number}" for number in range(40)]):
        plan.add(*names)
        with CaptureQueriesContext(connection) as queries:
            read()
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_a_day_before_the_year_is_no_day_of_it(plan: Plan) -> None:
    plan.add("member")
    with pytest.raises(ValueError, match="before the period"):
        read(date(2025, 12, 31))
    assert not MeasureReading.objects.exists()


def test_the_command_counts_a_past_day_and_only_the_whole_plan(
    plan: Plan, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setattr(reading, "DEFINITIONS", {"COL": COL[0]})
    plan.add("member")
    call_command("find_gaps", year=YEAR, as_of=date(2026, 6, 30), counts_only=True, json=True)
    assert '"denominator": 1' in capsys.readouterr().out
    assert MeasureReading.objects.count() == 1 and not Gap.objects.exists()
    with pytest.raises(WrongUse, match="whole plan"):
        call_command("find_gaps", year=YEAR, counts_only=True, contract="H1234")
