"""Work on one intervention: attempts and what follows from them, completing, cancelling, handing over."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from audit.models import Event
from hedis.accounts.models import User
from hedis.gaps import workflow as gap_workflow
from hedis.gaps.models import Gap, Status, Transition, Work
from hedis.members.models import ContactPreference, Member
from interventions import contacting, history, outreach, planning, workflow
from interventions.models import Attempt, Intervention, State
from tests.factories import make_gap, make_measure, make_member
from tests.interventions.plans import CLOSED, make_campaign, make_intervention, make_running, proposal

pytestmark = pytest.mark.django_db


@pytest.fixture
def member(ana: User) -> Member:
    """A member on Ana's panel."""
    return make_member(care_manager=ana)


@pytest.fixture
def gap(member: Member) -> Gap:
    """An open gap of that member."""
    return make_gap(member, make_measure("COL"))


@pytest.fixture
def row(gap: Gap, ana: User) -> Intervention:
    """A planned call about it."""
    return make_intervention(gap, by=ana)


def log(row: Intervention, disposition: str = "voicemail", *, by: User, **facts: Any) -> Attempt:
    """An attempt on the version as it stands."""
    facts = {"channel": "phone", **facts}
    return outreach.log_attempt(Intervention.objects.get(pk=row.pk), disposition=disposition, **facts, by=by)


def work_status(gap: Gap) -> str:
    return Gap.objects.get(pk=gap.pk).work_status


class TestAttempts:
    def test_the_first_attempt_begins_the_work_and_leaves_history_and_ledger_line(
        self, row: Intervention, gap: Gap, ana: User
    ) -> None:
        soon = timezone.localdate() + timedelta(days=3)
        log(row, "reached_call_back", follow_up_date=soon, by=ana)
        row.refresh_from_db()
        assert (row.state, row.due_date, row.version) == (State.IN_PROGRESS, soon, 2)
        assert list(row.transitions.values_list("to_state", flat=True)) == ["planned", "in_progress"]
        attempt = Attempt.objects.get()
        assert (attempt.channel, attempt.disposition, attempt.by) == ("phone", "reached_call_back", "ana")
        event = Event.objects.get(action="intervention.contacted")
        assert list(Event.objects.about_member(gap.member.pseudonym).filter(pk=event.pk)) == [event]
        step = Transition.objects.get(gap=gap)
        assert (step.to_work_status, step.why) == (Work.OUTREACH, "Telephone: Reached: call back.")

    @pytest.mark.parametrize(
        ("disposition", "before", "after"),
        [
            ("voicemail", Work.OPEN, Work.OUTREACH),
            ("voicemail", Work.APPOINTMENT, Work.APPOINTMENT),
            ("voicemail", Work.UNCLOSABLE, Work.UNCLOSABLE),
            ("voicemail", Work.REFUSED, Work.REFUSED),
            ("reached_scheduled", Work.REFUSED, Work.APPOINTMENT),
            ("reached_scheduled", Work.OUTREACH, Work.APPOINTMENT),
            ("reached_scheduled", Work.UNREACHABLE, Work.APPOINTMENT),
            ("reached_scheduled", Work.REPORTED, Work.REPORTED),
            ("reached_already_done", Work.APPOINTMENT, Work.REPORTED),
            ("reached_already_done", Work.PENDING, Work.PENDING),
            ("reached_refused", Work.OUTREACH, Work.REFUSED),
            ("wrong_number", Work.OUTREACH, Work.UNREACHABLE),
            ("wrong_number", Work.APPOINTMENT, Work.APPOINTMENT),
            ("do_not_call_request", Work.OPEN, Work.OPEN),
        ],
    )
    def test_the_gaps_work_status_moves_forward_and_never_back(
        self, row: Intervention, gap: Gap, ana: User, disposition: str, before: str, after: str
    ) -> None:
        Gap.objects.filter(pk=gap.pk).update(work_status=before)
        log(row, disposition, note="Said so.", by=ana)
        assert work_status(gap) == after
        assert Gap.objects.get(pk=gap.pk).status == Status.OPEN, "an attempt never closes a gap"
        steps = 2 if before == Work.UNREACHABLE else int(before != after)
        assert Transition.objects.count() == steps

    def test_a_gap_met_meanwhile_is_left_as_it_is(self, row: Intervention, gap: Gap, ana: User) -> None:
        Gap.objects.filter(pk=gap.pk).update(**CLOSED)
        log(row, by=ana)
        assert work_status(gap) == Work.CLOSED_CLAIM

    @pytest.mark.parametrize(
        ("facts", "field"),
        [
            ({"disposition": "reached_refused"}, "note"),
            ({"disposition": "reached_needs_help", "note": "  "}, "note"),
            ({"disposition": "reached_call_back"}, "follow_up_date"),
            (
                {"disposition": "voicemail", "follow_up_date": timezone.localdate() - timedelta(days=2)},
                "follow_up_date",
            ),
            ({"disposition": "voicemail", "at": timezone.now() + timedelta(hours=1)}, "at"),
            ({"disposition": "voicemail", "channel": "mail"}, "disposition"),
            ({"disposition": "sent"}, "disposition"),
            ({"disposition": "voicemail", "channel": "pigeon"}, "channel"),
        ],
    )
    def test_an_attempt_that_says_too_little_is_not_taken(
        self, row: Intervention, ana: User, facts: dict[str, Any], field: str
    ) -> None:
        with pytest.raises(workflow.Unusable) as refusal:
            log(row, by=ana, **facts)
        assert refusal.value.field == field
        assert not Attempt.objects.exists()

    def test_a_double_click_logs_once(self, row: Intervention, ana: User) -> None:
        as_read = Intervention.objects.get(pk=row.pk)
        outreach.log_attempt(as_read, channel="phone", disposition="busy", by=ana)
        with pytest.raises(workflow.ChangedMeanwhile):
            outreach.log_attempt(as_read, channel="phone", disposition="busy", by=ana)
        assert Attempt.objects.count() == 1

    def test_the_second_attempt_makes_no_second_beginning(self, row: Intervention, ana: User) -> None:
        log(row, by=ana)
        log(row, "busy", by=ana)
        row.refresh_from_db()
        assert (row.version, row.attempts.count(), row.transitions.count()) == (3, 2, 2)

    def test_a_death_ends_every_live_intervention_of_the_member(self, row: Intervention, gap: Gap, ana: User) -> None:
        other = make_intervention(gap, kind="mailed_kit", by=ana)
        stranger = make_intervention(make_gap(make_member(), gap.measure), by=ana)
        log(row, "deceased", by=ana)
        states = dict(Intervention.objects.values_list("pk", "state"))
        assert states == {row.pk: "cancelled", other.pk: "cancelled", stranger.pk: "planned"}
        assert work_status(gap) == Work.OPEN, "that a member died is for the enrolment file to say"


class TestWhoMayBeContacted:
    def test_the_limit_counts_every_team_and_campaign(
        self, row: Intervention, gap: Gap, ana: User, lea: User, ben: User, quinn: User
    ) -> None:
        make_running([gap], made_by=ben, approved_by=quinn)
        of_campaign = Intervention.objects.exclude(campaign=None).get()
        log(row, by=ana)
        log(of_campaign, by=lea)
        log(row, "no_answer", by=ana)
        with pytest.raises(contacting.FrequencyCapReached, match="3 attempts in 14 days"):
            log(of_campaign, by=lea)
        assert Attempt.objects.count() == 3
        log(of_campaign, over_cap_reason="Her doctor asked us to call today.", by=lea)
        event = Event.objects.filter(action="intervention.contacted").latest("occurred_at")
        assert "Her doctor asked" in bytes(event.payload).decode()

    def test_old_attempts_and_the_members_own_calls_do_not_count(self, row: Intervention, ana: User) -> None:
        for _ in range(3):
            log(row, at=timezone.now() - timedelta(days=14, minutes=1), by=ana)
            log(row, "reached_agreed", inbound=True, by=ana)
        log(row, by=ana)

    def test_who_asked_not_to_be_called_gets_letters_only(self, row: Intervention, member: Member, ana: User) -> None:
        log(row, "do_not_call_request", by=ana)
        assert ContactPreference.objects.get(member=member).do_not_call
        for channel in ("phone", "text"):
            with pytest.raises(contacting.DoNotCall):
                log(row, "wrong_number", channel=channel, over_cap_reason="It is urgent.", by=ana)
        log(row, "sent", channel="mail", by=ana)
        log(row, "reached_agreed", inbound=True, by=ana)
        assert row.attempts.count() == 3

    def test_a_text_needs_the_members_own_choice(self, row: Intervention, member: Member, ana: User) -> None:
        with pytest.raises(contacting.NoConsent):
            log(row, "sent", channel="text", by=ana)
        ContactPreference.objects.create(member=member, channel=ContactPreference.Channel.TEXT)
        log(row, "sent", channel="text", by=ana)
        with pytest.raises(contacting.FrequencyCapReached, match="1 attempt in 1 day by text message"):
            log(row, "sent", channel="text", by=ana)

    def test_the_held_out_and_campaigns_that_do_not_run_are_not_worked(
        self, gap: Gap, ana: User, ben: User, quinn: User
    ) -> None:
        campaign = make_campaign(by=ben)
        planning.plan(campaign, rows=[proposal(gap)], today=gap.data_as_of, by=ben)
        row = Intervention.objects.get()
        with pytest.raises(workflow.NotRunning):
            log(row, by=ana)
        other = make_gap(make_member(), gap.measure)
        running = make_running([other], made_by=ben, approved_by=quinn, name="Other calls")
        Intervention.objects.filter(campaign=running).update(held_out=True)
        held = Intervention.objects.get(campaign=running)
        for step in (
            lambda: log(held, by=ana),
            lambda: outreach.start(held, by=ana),
            lambda: outreach.cancel(held, why="Wrong list.", by=ana),
        ):
            with pytest.raises(workflow.HeldOut):
                step()


class TestCompleting:
    @pytest.fixture
    def begun(self, row: Intervention, ana: User) -> Intervention:
        """The call, in progress."""
        return outreach.start(row, by=ana)

    def test_success_reports_the_service_and_closes_nothing(self, begun: Intervention, gap: Gap, ana: User) -> None:
        done = outreach.complete(begun, outcome="success", actual_cost=Decimal("31.40"), by=ana)
        assert (done.state, done.outcome, done.actual_cost) == ("completed", "success", Decimal("31.40"))
        stored = Gap.objects.get(pk=gap.pk)
        assert (stored.work_status, stored.status) == (Work.REPORTED, Status.OPEN)
        assert Event.objects.filter(action="intervention.completed").count() == 1

    def test_partial_success_reports_only_what_was_served(self, gap: Gap, member: Member, ana: User) -> None:
        other = make_gap(member, make_measure("GSD"))
        row = outreach.start(make_intervention(gap, other, by=ana), by=ana)
        outreach.complete(row, outcome="partial", served=["GSD"], note="Blood taken, kit lost.", by=ana)
        assert (work_status(gap), work_status(other)) == (Work.OUTREACH, Work.REPORTED)

    def test_failure_moves_no_gap(self, begun: Intervention, gap: Gap, ana: User) -> None:
        outreach.complete(begun, outcome="failed", note="Never reached.", by=ana)
        assert work_status(gap) == Work.OPEN

    @pytest.mark.parametrize(
        ("facts", "field"),
        [
            ({"outcome": "splendid"}, "outcome"),
            ({"outcome": "failed"}, "note"),
            ({"outcome": "success", "actual_cost": Decimal(-1)}, "actual_cost"),
            ({"outcome": "success", "actual_cost": Decimal("NaN")}, "actual_cost"),
            ({"outcome": "success", "served": ["COL"]}, "served"),
            ({"outcome": "partial", "note": "Some.", "served": ["XYZ"]}, "served"),
        ],
    )
    def test_a_completion_that_cannot_be_is_refused(
        self, begun: Intervention, ana: User, facts: dict[str, Any], field: str
    ) -> None:
        with pytest.raises(workflow.Unusable) as refusal:
            outreach.complete(begun, **facts, by=ana)
        assert refusal.value.field == field

    def test_only_what_is_in_progress_is_completed_and_only_once(self, row: Intervention, ana: User) -> None:
        with pytest.raises(workflow.IllegalStep):
            outreach.complete(row, outcome="success", by=ana)
        begun = outreach.start(row, by=ana)
        as_read = Intervention.objects.get(pk=row.pk)
        done = outreach.complete(begun, outcome="success", by=ana)
        with pytest.raises(workflow.ChangedMeanwhile):
            outreach.complete(as_read, outcome="failed", note="Never reached.", by=ana)
        with pytest.raises(workflow.IllegalStep):
            outreach.cancel(done, why="Too late.", by=ana)

    def test_cancelling_needs_a_reason_and_a_new_one_may_follow(self, row: Intervention, gap: Gap, ana: User) -> None:
        with pytest.raises(planning.NothingToDo, match="planned or in progress"):
            make_intervention(gap, by=ana)
        with pytest.raises(workflow.Unusable):
            outreach.cancel(row, why=" ", by=ana)
        outreach.cancel(row, why="She moves next week.", by=ana)
        assert make_intervention(gap, by=ana).pk != row.pk


class TestChanges:
    def test_due_date_and_estimate_may_change_and_nothing_else(self, row: Intervention, ana: User) -> None:
        soon = timezone.localdate() + timedelta(days=9)
        changed = outreach.amend(row, changes={"due_date": soon, "estimated_cost": Decimal(40)}, by=ana)
        assert (changed.due_date, changed.estimated_cost, changed.version) == (soon, 40, 2)
        with pytest.raises(workflow.Unusable):
            outreach.amend(changed, changes={"priority": Decimal(9)}, by=ana)
        with pytest.raises(workflow.ChangedMeanwhile):
            outreach.amend(row, changes={"due_date": None}, by=ana)

    def test_handing_over_is_one_ledger_line_and_says_who_had_them(
        self, gap: Gap, ana: User, dee: User, lea: User, django_assert_max_num_queries: Any
    ) -> None:
        for _ in range(20):
            make_intervention(make_gap(make_member(care_manager=ana), gap.measure), by=ana)
        with django_assert_max_num_queries(10):
            assert outreach.hand_over(Intervention.objects.all(), to=dee, by=lea) == 20
        assert Event.objects.filter(action="intervention.assigned").count() == 1
        assert outreach.hand_over(Intervention.objects.all(), to=dee, by=lea) == 0


def test_a_members_history_is_one_line_of_contacts_gap_steps_and_interventions(
    row: Intervention, gap: Gap, ana: User, django_assert_num_queries: Any
) -> None:
    gap_workflow.move(gap, to=Work.APPOINTMENT, why="Booked by the practice.", by=ana)
    log(row, by=ana)
    make_intervention(make_gap(make_member(), gap.measure), by=ana)
    with django_assert_num_queries(3):
        told = history.of_member(gap.member)
    assert [(each.what, each.to) for each in told] == [
        ("intervention", "in_progress"),
        ("contact", "voicemail"),
        ("gap", "appointment_made"),
        ("intervention", "planned"),
    ]
    assert told[2].why == "Booked by the practice." and told[2].about == "COL 2026"
