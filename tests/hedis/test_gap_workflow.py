"""The work on a gap: which step may follow which, and what taking one leaves behind."""

from itertools import product
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from audit.models import Event
from hedis.accounts.models import User
from hedis.gaps import workflow
from hedis.gaps.models import Gap, Status, Transition, Work
from tests.factories import make_gap, make_measure, make_member

SETTLED = {
    Work.CLOSED_CLAIM: Status.CLOSED,
    Work.CLOSED_STANDARD: Status.CLOSED,
    Work.CLOSED_NON_STANDARD: Status.CLOSED,
    Work.EXCLUDED: Status.NOT_APPLICABLE,
    Work.GONE: Status.NOT_APPLICABLE,
}


@pytest.fixture
def gap(ana: User) -> Gap:
    """An open gap of a member on Ana's panel."""
    return make_gap(make_member(care_manager=ana), make_measure("COL"))


def test_every_status_stands_in_the_workflow_and_leads_only_to_known_ones() -> None:
    for table in (workflow.BY_HAND, workflow.BY_FINDING):
        assert set(table) == set(Work.values)
        assert set().union(*table.values()) <= set(Work.values)


def test_nobody_closes_excludes_or_reopens_a_gap_by_hand() -> None:
    reachable = set().union(*workflow.BY_HAND.values())
    assert reachable & (workflow.SETTLED | {Work.REOPENED}) == set()


def test_a_finding_run_may_settle_any_gap_and_reopen_only_a_settled_one() -> None:
    for status, ends in workflow.BY_FINDING.items():
        assert ends >= workflow.SETTLED - {status}
        assert (Work.REOPENED in ends) == (status in workflow.SETTLED)


@pytest.mark.parametrize(("start", "end"), list(product(Work.values, Work.values)))
def test_each_step_is_taken_or_refused_as_the_dictionary_says(db: None, start: str, end: str) -> None:
    gap = Gap(work_status=start, status=SETTLED.get(Work(start), Status.OPEN))
    if end in workflow.BY_HAND[start]:
        workflow.check(gap, to=end, why="said so on the telephone")
    else:
        with pytest.raises(workflow.IllegalStep):
            workflow.check(gap, to=end, why="said so on the telephone")


def test_a_step_writes_the_gap_its_history_and_one_ledger_line(gap: Gap, ana: User) -> None:
    workflow.move(gap, to=Work.OUTREACH, why="left a voicemail", by=ana)
    stored = Gap.objects.get(pk=gap.pk)
    assert (stored.work_status, stored.status, stored.version) == (Work.OUTREACH, Status.OPEN, 2)
    step = Transition.objects.get(gap=gap)
    assert (step.from_work_status, step.to_work_status, step.by, step.why) == (
        Work.OPEN,
        Work.OUTREACH,
        "ana",
        "left a voicemail",
    )
    event = Event.objects.get(action="gap.moved")
    assert (event.actor, event.object_id) == ("ana", str(gap.pk))
    assert list(Event.objects.about_member(gap.member.pseudonym)) == [event]


@pytest.mark.parametrize("status", sorted(workflow.NEEDS_WHY))
def test_a_refusal_without_a_reason_is_not_taken(gap: Gap, ana: User, status: str) -> None:
    gap.work_status = Work.PENDING if status == Work.REJECTED else Work.OPEN
    gap.save()
    with pytest.raises(workflow.WhyMissing):
        workflow.move(gap, to=status, why="  ", by=ana)
    assert not Transition.objects.exists()
    assert not Event.objects.filter(action="gap.moved").exists()


def test_of_two_people_at_once_the_second_is_told(gap: Gap, ana: User, lea: User) -> None:
    as_read_by_lea = Gap.objects.get(pk=gap.pk)
    workflow.move(gap, to=Work.OUTREACH, by=ana)
    with pytest.raises(workflow.ChangedMeanwhile):
        workflow.move(as_read_by_lea, to=Work.APPOINTMENT, by=lea)
    assert Gap.objects.get(pk=gap.pk).work_status == Work.OUTREACH
    assert Transition.objects.count() == 1


def test_a_double_click_takes_the_step_once(gap: Gap, ana: User) -> None:
    workflow.move(gap, to=Work.OUTREACH, by=ana)
    with pytest.raises(workflow.IllegalStep):
        workflow.move(gap, to=Work.OUTREACH, by=ana)
    assert Transition.objects.count() == 1


def test_of_many_gaps_those_that_cannot_move_are_told_and_the_others_are_not_lost(ana: User) -> None:
    member, measure = make_member(care_manager=ana), make_measure("COL")
    movable = make_gap(member, measure)
    closed = make_gap(member, measure, year=2025, status=Status.CLOSED, work_status=Work.CLOSED_CLAIM, reason="")
    moved, refused = workflow.move_many([movable, closed], to=Work.OUTREACH, by=ana)
    assert [gap.pk for gap in moved] == [movable.pk]
    assert [refusal.gap.pk for refusal in refused] == [closed.pk]
    assert "Closed by claim" in refused[0].why


def test_handing_over_gaps_is_one_ledger_line_and_says_who_had_them(
    ana: User, dee: User, lea: User, django_assert_num_queries: Any
) -> None:
    lea.role  # noqa: B018 - read once a request
    measure = make_measure("COL")
    gaps = [make_gap(make_member(care_manager=ana), measure) for _ in range(20)]
    with django_assert_num_queries(8):
        assert workflow.assign(gaps, to=dee, by=lea) == 20
    assert Gap.objects.assigned_to(dee).count() == 20
    assert Event.objects.filter(action="gap.assigned").count() == 1
    assert workflow.assign(gaps, to=dee, by=lea) == 0


@pytest.mark.parametrize(
    "broken",
    [
        {"status": "half-open"},
        {"work_status": "thinking"},
        {"exclusion": "hospice"},  # excluded and open at once
        {"reason": ""},  # open and nobody knows why
    ],
)
def test_the_database_refuses_a_gap_that_makes_no_sense(ana: User, broken: dict[str, Any]) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        make_gap(make_member(care_manager=ana), make_measure("COL"), **broken)


def test_a_member_has_one_gap_a_measure_and_year(gap: Gap) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        make_gap(gap.member, gap.measure)


class GapsAtWork(RuleBasedStateMachine):
    """Whatever people try, in whatever order, a gap only ever stands where the dictionary let it go."""

    gaps = Bundle("gaps")

    @rule(target=gaps, start=st.sampled_from(sorted(Work.values)))
    def found(self, start: str) -> dict[str, str]:
        return {"at": start, "was": start}

    @rule(gap=gaps, end=st.sampled_from(sorted(Work.values)), why=st.sampled_from(["", "asked"]))
    def tried(self, gap: dict[str, str], end: str, why: str) -> None:
        try:
            workflow.check(Gap(work_status=gap["at"]), to=end, why=why)
        except (workflow.IllegalStep, workflow.WhyMissing):
            return
        gap.update(was=gap["at"], at=end)
        assert end in workflow.BY_HAND[gap["was"]]
        assert why or end not in workflow.NEEDS_WHY
        assert end not in workflow.SETTLED

    @invariant()
    def settled_gaps_stay(self) -> None:
        assert all(not workflow.BY_HAND[status] for status in workflow.SETTLED)


TestGapsAtWork = GapsAtWork.TestCase
TestGapsAtWork.settings = hypothesis_settings(max_examples=50, deadline=None)
