"""Campaigns: planned in bulk, approved by somebody else, held out by lot, run and ended."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from audit.models import Event, Subject
from hedis.accounts.models import User
from hedis.gaps.models import Gap, Status, Work
from hedis.members.models import ContactPreference
from interventions import campaigning, ending, holding_out, planning, workflow
from interventions.models import Campaign, CampaignState, Intervention, InterventionGap, InterventionTransition, State
from interventions.planning import Proposal
from predictions.models import Exposure
from tests.factories import make_contract, make_gap, make_measure, make_member
from tests.interventions.plans import CLOSED, TODAY, make_campaign, make_intervention, make_running, proposal

pytestmark = pytest.mark.django_db


@pytest.fixture
def gap(ana: User) -> Gap:
    """An open gap of a member on Ana's panel."""
    return make_gap(make_member(care_manager=ana), make_measure("COL"))


def plan(campaign: Campaign, *rows: Proposal, by: User) -> planning.Planned:
    return planning.plan(campaign, rows=rows, today=TODAY, by=by)


class TestPlanning:
    def test_a_proposal_becomes_an_intervention_with_price_list_cost_owner_and_contact_date(
        self, gap: Gap, ana: User, ben: User
    ) -> None:
        late = make_gap(gap.member, make_measure("GSD"), contact_by=date(2026, 11, 1))
        campaign = make_campaign(by=ben)
        done = plan(campaign, proposal(gap, late, priority=Decimal("12.5"), kind="mailed_kit"), by=ben)
        assert (done.planned, done.left_out) == (1, {})
        row = Intervention.objects.get()
        assert (row.state, row.kind, row.held_out, row.estimated_cost) == (
            "planned",
            "mailed_kit",
            None,
            Decimal("10.55"),
        )
        assert (row.owner, row.contact_by, row.priority) == (ana, date(2026, 11, 1), Decimal("12.5"))
        assert set(row.gaps.all()) == {gap, late}
        assert {link.uplift for link in InterventionGap.objects.all()} == {0.1}
        step = InterventionTransition.objects.get()
        assert (step.from_state, step.to_state, step.by) == ("", "planned", "ben")
        event = Event.objects.get(action="interventions.planned")
        assert (event.actor, event.row_count, event.object_id) == ("ben", 1, str(campaign.pk))
        assert Subject.objects.filter(event_id=event.id, member_pseudonym=gap.member.pseudonym).exists()

    def test_what_came_too_late_is_left_out_and_counted(self, gap: Gap, ana: User, ben: User) -> None:
        measure = gap.measure

        def gap_of(**member: Any) -> Gap:
            return make_gap(make_member(care_manager=ana, **member), measure)

        met = make_gap(make_member(), measure, status=Status.CLOSED, reason="", work_status=Work.CLOSED_CLAIM)
        late = make_gap(make_member(), measure, contact_by=date(2026, 9, 1))
        left, silent = gap_of(active=False), gap_of()
        ContactPreference.objects.create(member=silent.member, do_not_call=True)
        campaign = make_campaign(by=ben)
        plan(campaign, proposal(gap), by=ben)
        done = plan(campaign, *map(proposal, (gap, met, late, left, silent)), by=ben)
        assert done.planned == 0
        assert done.left_out == {"planned": 1, "met": 1, "too_late": 1, "left": 1, "do_not_call": 1}
        by_letter = plan(campaign, proposal(silent, kind="mailed_kit"), by=ben)
        assert by_letter.planned == 1, "do-not-call closes the telephone, not the letter box"

    def test_a_kind_that_cannot_be_done_before_the_year_ends_comes_too_late(self, gap: Gap, ben: User) -> None:
        campaign = make_campaign(by=ben)
        done = planning.plan(campaign, rows=[proposal(gap, kind="specialist")], today=date(2026, 12, 10), by=ben)
        assert done.left_out == {"too_late": 1}

    @pytest.mark.parametrize(
        ("change", "told"),
        [
            ({"member": "0" * 64}, "row 2, member: there is no such member"),
            ({"kind": "carrier_pigeon"}, "row 2, kind: there is no kind 'carrier_pigeon'"),
            ({"estimated_cost": Decimal(-1)}, "row 2, estimated_cost: is no amount"),
            ({"estimated_cost": Decimal("NaN")}, "row 2, estimated_cost: is no amount"),
            ({"priority": Decimal("Infinity")}, "row 2, priority: is no amount"),
            ({"uplift": {"COL": float("nan")}}, "row 2, uplift.COL: is no share"),
            ({"uplift": {"COL": 1.5}}, "row 2, uplift.COL: is no share"),
            ({"uplift": {"XYZ": 0.1}}, "row 2, uplift.XYZ: this member has no such gap"),
            ({"uplift": {}}, "row 2, uplift: names no measure"),
            ({"kind": "home_visit"}, "row 2, estimated_cost: the price list has no price"),
        ],
    )
    def test_a_proposal_that_cannot_be_right_refuses_all_and_names_row_and_field(
        self, gap: Gap, ben: User, change: dict[str, Any], told: str
    ) -> None:
        other = make_gap(make_member(), gap.measure)
        with pytest.raises(planning.UnusableProposals) as refusal:
            plan(make_campaign(by=ben), proposal(gap), replace(proposal(other), **change), by=ben)
        assert told in refusal.value.problems[0]
        assert not Intervention.objects.exists()

    def test_a_member_and_kind_twice_or_a_foreign_contract_is_refused(self, gap: Gap, ben: User) -> None:
        with pytest.raises(planning.UnusableProposals, match="row 2, kind: the same member and kind stand in row 1"):
            plan(make_campaign(by=ben), proposal(gap), proposal(gap), by=ben)
        of_one = make_campaign(by=ben, name="One contract", contract=make_contract("H9999"))
        with pytest.raises(
            planning.UnusableProposals, match=r"row 1, uplift\.COL: this gap belongs to another contract"
        ):
            plan(of_one, proposal(gap), by=ben)

    def test_planning_asks_as_often_for_many_as_for_few(self, ana: User, ben: User) -> None:
        ben.role  # noqa: B018 - read once a request
        measure, asked = make_measure("COL"), []
        for number in (2, 40):
            gaps = [make_gap(make_member(care_manager=ana), measure) for _ in range(number)]
            campaign = make_campaign(by=ben, name=f"{number} calls")
            with CaptureQueriesContext(connection) as queries:
                assert plan(campaign, *map(proposal, gaps), by=ben).planned == number
            asked.append(len(queries))
        assert asked[0] == asked[1] <= 24

    def test_only_a_draft_takes_interventions(self, gap: Gap, ben: User, quinn: User) -> None:
        running = make_running([gap], made_by=ben, approved_by=quinn)
        with pytest.raises(workflow.IllegalStep, match="only a draft"):
            plan(running, proposal(gap, kind="mailed_kit"), by=ben)


class TestApproving:
    def test_who_made_it_does_not_approve_it_and_the_attempt_is_recorded(self, gap: Gap, ben: User) -> None:
        campaign = make_campaign(by=ben)
        plan(campaign, proposal(gap), by=ben)
        with pytest.raises(campaigning.CreatorCannotApprove):
            campaigning.approve(campaign, why="Looks fine to me.", by=ben)
        assert Campaign.objects.get().state == CampaignState.DRAFT
        assert Event.objects.get(action="campaign.moved").outcome == "denied"

    def test_an_empty_campaign_or_one_beyond_its_budget_is_not_approved(self, gap: Gap, ben: User, quinn: User) -> None:
        campaign = make_campaign(by=ben, budget=Decimal(20))
        with pytest.raises(campaigning.NotReady, match="no intervention"):
            campaigning.approve(campaign, why="Go.", by=quinn)
        plan(campaign, proposal(gap), by=ben)
        with pytest.raises(campaigning.NotReady, match=r"\$26.00, more than its budget of \$20.00"):
            campaigning.approve(campaign, why="Go.", by=quinn)

    def test_of_two_approvals_at_once_the_second_is_told(self, gap: Gap, ben: User, quinn: User) -> None:
        campaign = make_campaign(by=ben)
        plan(campaign, proposal(gap), by=ben)
        campaigning.approve(campaign, why="Go.", by=quinn)
        with pytest.raises(workflow.ChangedMeanwhile):
            campaigning.approve(campaign, why="Go.", by=quinn)

    def test_a_step_needs_a_reason(self, gap: Gap, ben: User, quinn: User) -> None:
        campaign = make_campaign(by=ben)
        plan(campaign, proposal(gap), by=ben)
        with pytest.raises(workflow.Unusable):
            campaigning.approve(campaign, why=" ", by=quinn)

    def test_what_was_met_since_belongs_to_neither_arm(self, gap: Gap, ben: User, quinn: User) -> None:
        other = make_gap(make_member(), gap.measure)
        campaign = make_campaign(by=ben)
        plan(campaign, proposal(gap), proposal(other), by=ben)
        Gap.objects.filter(pk=other.pk).update(**CLOSED)
        campaigning.approve(campaign, why="Go.", by=quinn)
        arms = dict(Intervention.objects.values_list("gaps", "held_out"))
        assert arms == {gap.pk: False, other.pk: None}
        assert Intervention.objects.get(gaps=other).reason == ending.MET


class TestHoldingOut:
    @pytest.fixture
    def campaign(self, ben: User, quinn: User) -> Campaign:
        """Sixty members with two interventions each, half of the members held out."""
        measure = make_measure("COL")
        gaps = [make_gap(make_member(), measure) for _ in range(60)]
        campaign = make_campaign(by=ben, holdout_share=Decimal("0.5"))
        plan(campaign, *[proposal(gap, kind=kind) for gap in gaps for kind in ("call", "mailed_kit")], by=ben)
        return campaigning.approve(campaign, why="Go.", by=quinn)

    def test_the_lot_is_random_stored_and_the_same_for_all_of_a_members_interventions(self, campaign: Campaign) -> None:
        rows = list(Intervention.objects.select_related("member"))
        held = {row.member_id for row in rows if row.held_out}
        assert 15 <= len(held) <= 45, "about half of sixty; beyond these one run in ten thousand"
        for row in rows:
            lot = holding_out.is_held_out(campaign.seed, row.member.pseudonym, campaign.holdout_share)
            assert row.held_out == lot == (row.member_id in held)

    def test_another_campaign_draws_another_lot(self, ben: User) -> None:
        seeds = [make_campaign(by=ben, name=f"Campaign {number}").seed for number in range(2)]
        people = [f"{number:064x}" for number in range(200)]
        lots = [[holding_out.is_held_out(seed, one, Decimal("0.5")) for one in people] for seed in seeds]
        assert lots[0] != lots[1]
        assert lots[0] == [holding_out.is_held_out(seeds[0], one, Decimal("0.5")) for one in people]

    def test_shares_of_none_and_half_are_kept(self) -> None:
        people = [f"{number:064x}" for number in range(2000)]
        assert not any(holding_out.is_held_out("s", one, Decimal(0)) for one in people)
        assert 850 < sum(holding_out.is_held_out("s", one, Decimal("0.5")) for one in people) < 1150
        assert 60 < sum(holding_out.is_held_out("s", one, Decimal("0.05")) for one in people) < 140

    def test_another_campaign_leaves_the_gaps_of_the_held_out_alone(self, campaign: Campaign, ben: User) -> None:
        gaps = list(Gap.objects.order_by("pk"))
        other = make_campaign(by=ben, name="Winter letters")
        done = plan(other, *map(proposal, gaps), by=ben)
        held = Intervention.objects.filter(campaign=campaign, held_out=True, kind="call").count()
        assert done.left_out == {"held_out": held} and done.planned == 60 - held

    def test_starting_tells_the_predictions_who_was_offered_what_and_who_was_kept_from_it(
        self, campaign: Campaign, ben: User
    ) -> None:
        campaigning.start(campaign, why="Ready.", by=ben)
        told = {(row.member_id, row.action, row.arm == "held_out", row.randomised) for row in Exposure.objects.all()}
        rows = Intervention.objects.all()
        assert told == {(row.member_id, row.kind, bool(row.held_out), True) for row in rows}
        assert Exposure.objects.count() == 120

    def test_a_person_cannot_plan_for_the_held_out_either(self, campaign: Campaign, ben: User) -> None:
        gap = Gap.objects.filter(interventions__held_out=True).first()
        assert gap
        with pytest.raises(planning.NothingToDo, match="held out"):
            make_intervention(gap, by=ben)


class TestEnding:
    def test_a_campaign_runs_and_closes_and_leaves_a_history(self, gap: Gap, ben: User, quinn: User) -> None:
        campaign = campaigning.close(make_running([gap], made_by=ben, approved_by=quinn), why="Year over.", by=ben)
        steps = list(campaign.transitions.values_list("from_state", "to_state", "by"))
        assert steps == [("", "draft", "ben"), ("draft", "approved", "quinn"), ("approved", "running", "ben"),
                         ("running", "closed", "ben")]  # fmt: skip
        row = Intervention.objects.get()
        assert (row.state, row.reason, row.version) == ("cancelled", "The campaign was closed.", 2)
        assert Event.objects.filter(action="interventions.ended").count() == 1
        with pytest.raises(workflow.IllegalStep):
            campaigning.cancel(campaign, why="Again.", by=ben)

    def test_met_interventions_are_withdrawn_and_held_out_ones_stay(self, ana: User, ben: User, quinn: User) -> None:
        measure = make_measure("COL")
        gaps = [make_gap(make_member(care_manager=ana), measure) for _ in range(40)]
        campaign = make_running(gaps, made_by=ben, approved_by=quinn, holdout_share=Decimal("0.5"))
        begun = Intervention.objects.filter(held_out=False).first()
        assert begun
        Gap.objects.exclude(pk=gaps[0].pk).update(**CLOSED)
        Gap.objects.filter(pk=begun.gaps.get().pk).update(**CLOSED)
        Intervention.objects.filter(pk=begun.pk).update(state=State.IN_PROGRESS, started_at=begun.planned_at)
        held = set(Intervention.objects.filter(held_out=True).values_list("pk", flat=True))
        still = set(Intervention.objects.filter(gaps__status=Status.OPEN).values_list("pk", flat=True))
        ended = ending.withdraw_met(today=TODAY, by="system")
        assert set(Intervention.objects.live().values_list("pk", flat=True)) == held | still
        assert ended == 40 - len(held | still)
        begun.refresh_from_db()
        assert (begun.state, begun.outcome) == ("completed", "success")
        assert ending.withdraw_met(today=TODAY, by="system") == 0
        assert campaign.transitions.count() == 3

    def test_what_is_not_applicable_any_more_is_no_success(self, gap: Gap, ana: User) -> None:
        row = make_intervention(gap, by=ana)
        Gap.objects.filter(pk=gap.pk).update(status=Status.NOT_APPLICABLE, exclusion="Hospice", contact_by=None)
        assert ending.withdraw_met(today=TODAY, by="system") == 1
        row.refresh_from_db()
        assert (row.state, row.outcome, row.reason) == ("cancelled", "", ending.NOT_APPLICABLE)

    def test_the_contact_date_follows_the_gaps(self, gap: Gap, ana: User) -> None:
        other = make_gap(gap.member, make_measure("GSD"), contact_by=date(2026, 10, 20))
        row = make_intervention(gap, other, by=ana)
        assert row.contact_by == date(2026, 10, 20)
        ending.withdraw_met(today=date(2026, 11, 1), by="system")
        row.refresh_from_db()
        assert row.contact_by == gap.contact_by

    def test_ending_many_asks_as_often_as_ending_few(self, ana: User, django_assert_max_num_queries: Any) -> None:
        measure = make_measure("COL")
        for _ in range(30):
            make_intervention(make_gap(make_member(), measure), by=ana)
        Gap.objects.update(**CLOSED)
        with django_assert_max_num_queries(17):
            assert ending.withdraw_met(today=TODAY, by="system") == 30
