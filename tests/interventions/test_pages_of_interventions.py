"""The pages of interventions and campaigns: what a person sees, and the one step she takes there."""

from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from audit.models import Event, Subject
from hedis.accounts.models import User
from hedis.gaps.models import Gap, Work
from interventions import outreach, planning
from interventions.models import Attempt, Campaign, Intervention
from tests.factories import make_gap, make_measure, make_member
from tests.interventions.plans import TODAY, make_campaign, make_intervention, make_running, proposal

pytestmark = pytest.mark.django_db


def page(row: Intervention | Campaign) -> str:
    return reverse(f"admin:interventions_{row._meta.model_name}_change", args=[row.pk])


@pytest.fixture
def gap(ana: User) -> Gap:
    """An open gap of a member on Ana's panel."""
    return make_gap(make_member(care_manager=ana), make_measure("COL"))


@pytest.fixture
def row(gap: Gap, ana: User) -> Intervention:
    """A planned call about it."""
    return make_intervention(gap, by=ana)


def send(client: Client, row: Intervention, step: str, **fields: Any) -> Any:
    """A form of the page as it is on the screen now, unless the story brings its own version."""
    version = Intervention.objects.get(pk=row.pk).version
    return client.post(page(row), {"step": step, "version": version, **fields})


CALL = {"channel": "phone", "disposition": "voicemail"}


def test_an_attempt_is_logged_with_one_button_and_leads_back_to_the_page(
    client: Client, ana: User, row: Intervention, gap: Gap
) -> None:
    client.force_login(ana)
    text = client.get(page(row)).content.decode()
    assert 'name="disposition" value="voicemail"' in text and "DO NOT CALL" not in text
    answer = send(client, row, "attempt", **CALL)
    assert (answer.status_code, answer["Location"]) == (302, page(row))
    assert "Left voicemail" in client.get(page(row)).content.decode()
    assert Gap.objects.get(pk=gap.pk).work_status == Work.OUTREACH


def test_who_is_second_is_told_and_loses_nothing_she_typed(client: Client, ana: User, row: Intervention) -> None:
    client.force_login(ana)
    outreach.start(row, by="lea")
    answer = send(client, row, "attempt", **CALL, note="Left a long message.", version=1)
    assert answer.status_code == 409
    text = answer.content.decode()
    assert "was changed meanwhile" in text and "Left a long message." in text
    assert not Attempt.objects.exists()


def test_a_double_click_logs_once(client: Client, ana: User, row: Intervention) -> None:
    client.force_login(ana)
    assert [send(client, row, "attempt", **CALL, version=1).status_code for _ in range(2)] == [302, 409]
    assert Attempt.objects.count() == 1


def test_what_stands_against_an_attempt_is_said_on_the_page(client: Client, ana: User, row: Intervention) -> None:
    client.force_login(ana)
    assert (
        "needs a note" in send(client, row, "attempt", channel="phone", disposition="reached_refused").content.decode()
    )
    for _ in range(3):
        assert send(client, row, "attempt", **CALL).status_code == 302
    answer = send(client, row, "attempt", **CALL)
    assert answer.status_code == 409 and "3 attempts in 14 days" in answer.content.decode()
    assert "over_cap_reason" in client.get(page(row)).content.decode()
    assert send(client, row, "attempt", **CALL, over_cap_reason="The doctor asked.").status_code == 302


def test_begun_completed_in_part_and_over(client: Client, ana: User, gap: Gap) -> None:
    other = make_gap(gap.member, make_measure("GSD"))
    row = make_intervention(gap, other, by=ana)
    client.force_login(ana)
    assert send(client, row, "complete", outcome="success").status_code == 409
    assert send(client, row, "start").status_code == 302
    done = {"outcome": "partial", "served": ["GSD"], "note": "Kit lost.", "actual_cost": "12.50"}
    assert send(client, row, "complete", **done).status_code == 302
    row.refresh_from_db()
    assert (row.outcome, row.actual_cost, row.reason) == ("partial", Decimal("12.50"), "Kit lost.")
    assert Gap.objects.get(pk=other.pk).work_status == Work.REPORTED
    assert "Log an attempt" not in client.get(page(row)).content.decode()


def test_cancelling_asks_for_the_reason(client: Client, ana: User, row: Intervention) -> None:
    client.force_login(ana)
    assert send(client, row, "cancel").status_code == 409
    assert send(client, row, "cancel", why="She moves.").status_code == 302
    row.refresh_from_db()
    assert (row.state, row.reason) == ("cancelled", "She moves.")


def test_who_may_only_look_takes_no_step(client: Client, quinn: User, ana: User, row: Intervention) -> None:
    client.force_login(quinn)
    assert "Log an attempt" not in client.get(page(row)).content.decode()
    for step in ("attempt", "start", "complete", "cancel", "hand", "conquer", ""):
        assert send(client, row, step, **CALL).status_code == 403
    client.force_login(ana)
    assert send(client, row, "hand").status_code == 403


def test_a_lead_hands_it_over_within_the_team(
    client: Client, lea: User, ana: User, dee: User, row: Intervention
) -> None:
    client.force_login(lea)
    assert send(client, row, "hand", person=dee.pk).status_code == 409
    assert send(client, row, "hand", person=lea.pk).status_code == 302
    assert Intervention.objects.get().owner == lea


def test_another_panels_intervention_is_404_to_get_and_post(client: Client, dee: User, row: Intervention) -> None:
    client.force_login(dee)
    assert client.get(page(row)).status_code == 404
    assert send(client, row, "attempt", **CALL).status_code == 404
    assert Event.objects.filter(action="intervention.viewed", outcome="denied").count() == 2


def test_looking_at_an_intervention_or_the_list_is_looking_at_its_member(
    client: Client, ana: User, row: Intervention
) -> None:
    client.force_login(ana)
    for address, action in (
        (page(row), "intervention.viewed"),
        (reverse("admin:interventions_intervention_changelist"), "intervention.listed"),
    ):
        assert client.get(address).status_code == 200
        event = Event.objects.get(action=action)
        assert Subject.objects.get(event_id=event.id).member_pseudonym == row.member.pseudonym


def test_the_list_begins_with_what_can_be_worked_in_plan_order_and_filters_narrow_it(
    client: Client, ana: User, ben: User, quinn: User, gap: Gap, row: Intervention
) -> None:
    gaps = [make_gap(make_member(care_manager=ana), gap.measure) for _ in range(3)]
    running = make_running(gaps, made_by=ben, approved_by=quinn)
    first, second, held = Intervention.objects.filter(campaign=running).order_by("pk")
    Intervention.objects.filter(pk=second.pk).update(priority=9)
    Intervention.objects.filter(pk=held.pk).update(held_out=True)
    draft = make_campaign(by=ben, name="Not yet")
    planning.plan(draft, rows=[proposal(gap, kind="mailed_kit")], today=TODAY, by=ben)
    client.force_login(ana)

    def shown(**filters: Any) -> list[int]:
        answer = client.get(reverse("admin:interventions_intervention_changelist"), filters)
        return [each.pk for each in answer.context["cl"].result_list]

    assert shown() == [second.pk, row.pk, first.pk]
    assert shown(state="held") == [held.pk]
    assert len(shown(state="live")) == len(shown(state="all")) == 5
    assert shown(state="all", kind="mailed_kit") == shown(state="all", campaign=draft.pk) != []
    assert shown(campaign="none") == [row.pk]
    assert shown(owner="nobody") == shown(measure="GSD") == shown(state="completed") == []
    assert len(shown(owner="me")) == 3


def test_the_members_page_shows_interventions_and_the_history_of_every_team(
    client: Client, ana: User, lea: User, row: Intervention
) -> None:
    outreach.log_attempt(row, **CALL, by=lea)
    client.force_login(ana)
    text = client.get(reverse("admin:members_member_change", args=[row.member_id])).content.decode()
    assert page(row) in text
    assert "Call, telephone: Left voicemail" in text and "by lea" in text


class TestCampaignPages:
    @pytest.fixture
    def draft(self, ben: User, gap: Gap) -> Campaign:
        """Ben's draft with one call in it."""
        campaign = make_campaign(by=ben)
        planning.plan(campaign, rows=[proposal(gap)], today=TODAY, by=ben)
        return Campaign.objects.get()

    def test_an_analyst_makes_a_draft_and_reads_what_is_wrong_with_it(self, client: Client, ben: User) -> None:
        client.force_login(ben)
        facts = {"name": "Letters", "contract": "", "year": 2026, "budget": "500", "holdout_share": "0.1",
                 "start_date": "2026-09-01", "end_date": "2026-12-01", "notes": ""}  # fmt: skip
        wrong = client.post(reverse("admin:interventions_campaign_add"), {**facts, "holdout_share": "0.7"})
        assert wrong.status_code == 200 and "between 0 and 0.5" in wrong.content.decode()
        answer = client.post(reverse("admin:interventions_campaign_add"), facts)
        campaign = Campaign.objects.get()
        assert (answer.status_code, answer["Location"]) == (302, page(campaign))
        assert (campaign.created_by, campaign.state, len(campaign.seed)) == ("ben", "draft", 32)
        assert Event.objects.filter(action="campaign.created").count() == 1

    def test_a_director_approves_what_an_analyst_made_and_the_analyst_starts_it(
        self, client: Client, ben: User, quinn: User, draft: Campaign
    ) -> None:
        step = {"to": "approved", "why": "Within the budget.", "version": 1}
        client.force_login(ben)
        assert "somebody else approves it" in client.get(page(draft)).content.decode()
        assert client.post(page(draft), step).status_code == 403
        client.force_login(quinn)
        assert 'value="approved"' in client.get(page(draft)).content.decode()
        assert client.post(page(draft), {**step, "why": ""}).status_code == 409
        assert client.post(page(draft), step).status_code == 302
        assert client.post(page(draft), step).status_code == 409, "a double click approves once"
        text = client.get(page(draft)).content.decode()
        assert "What it did so far" in text and "too few members or closures" in text
        client.force_login(ben)
        assert client.post(page(draft), {"to": "running", "why": "Ready.", "version": 2}).status_code == 302
        assert Campaign.objects.get().state == "running"

    def test_who_may_only_look_takes_no_step(self, client: Client, lea: User, draft: Campaign) -> None:
        client.force_login(lea)
        assert client.get(page(draft)).status_code == 200
        for to in ("approved", "running", "cancelled", "draft", ""):
            assert client.post(page(draft), {"to": to, "why": "Mine.", "version": 1}).status_code == 403
