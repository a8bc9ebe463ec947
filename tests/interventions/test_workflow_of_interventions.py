"""The words of the workflows and the files behind them: everything known stands in both, everything else is refused."""

from datetime import timedelta
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from django.db import IntegrityError, connection, models, transaction
from django.utils import timezone

from hedis.accounts.models import User
from hedis.gaps import workflow as gap_workflow
from hedis.gaps.models import Work
from interventions import actions, workflow
from interventions.models import (
    Attempt,
    Campaign,
    CampaignState,
    CampaignTransition,
    Channel,
    Disposition,
    Intervention,
    InterventionTransition,
    Kind,
    Outcome,
    State,
)
from tests.factories import make_gap, make_measure, make_member
from tests.interventions.plans import make_campaign, make_intervention


@pytest.mark.parametrize(("table", "values"), [(workflow.STEPS, State), (workflow.CAMPAIGN_STEPS, CampaignState)])
def test_every_state_stands_in_the_workflow_and_leads_only_to_known_ones(table: Any, values: Any) -> None:
    assert set(table) == set(values.values)
    assert set().union(*table.values()) <= set(values.values)


@pytest.mark.parametrize(
    ("model", "constraint", "values"),
    [
        (Intervention, "intervention_state_known", State.values),
        (Intervention, "intervention_kind_known", Kind.values),
        (Intervention, "intervention_completed_has_outcome", Outcome.values),
        (InterventionTransition, "intervention_step_state_known", State.values),
        (Campaign, "campaign_state_known", CampaignState.values),
        (CampaignTransition, "campaign_step_state_known", CampaignState.values),
        (Attempt, "attempt_channel_known", Channel.values),
        (Attempt, "attempt_disposition_known", Disposition.values),
    ],
)
def test_the_database_knows_every_word_and_no_other(
    db: None, model: type[models.Model], constraint: str, values: list[str]
) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = %s", [constraint])
        (words,) = cursor.fetchone()
    assert all(f"'{value}'::" in words for value in values), words


@pytest.mark.parametrize(("start", "end"), list(product(State.values, State.values)))
def test_each_step_is_taken_or_refused_as_the_dictionary_says(start: str, end: str) -> None:
    row = Intervention(state=start)
    if end in workflow.STEPS[start]:
        workflow.check(row, end)
    else:
        with pytest.raises(workflow.IllegalStep):
            workflow.check(row, end)


@pytest.mark.parametrize("state", [state for state in CampaignState.values if state != CampaignState.RUNNING])
def test_nothing_of_a_campaign_is_worked_unless_it_runs(state: str) -> None:
    with pytest.raises(workflow.NotRunning):
        workflow.check_workable(Intervention(state=State.PLANNED, held_out=False, campaign=Campaign(state=state)))


def test_every_step_of_a_gap_is_one_its_workflow_takes_by_hand_and_none_settles_it() -> None:
    assert set(workflow.GAP_STEP.values()) | {Work.REPORTED, Work.OUTREACH} == set(workflow.FORWARD)
    for to, sources in workflow.FORWARD.items():
        assert to not in gap_workflow.SETTLED
        for source in sources:
            at = source
            for step in workflow.way_forward(source, to):
                assert step in gap_workflow.BY_HAND[at], (source, to)
                at = step
            assert at == to


def test_every_channel_has_endings_and_every_disposition_a_channel() -> None:
    assert set(workflow.ENDINGS) == set(Channel.values)
    assert set().union(*workflow.ENDINGS.values()) == set(Disposition.values)
    assert set(workflow.GAP_STEP) <= set(Disposition.values)


def test_every_kind_stands_in_the_price_list_with_a_known_channel_and_a_source() -> None:
    listed = actions.actions()
    assert {kind: action.name for kind, action in listed.items()} == dict(Kind.choices)
    assert {action.channel for action in listed.values()} <= set(Channel.values)
    assert all(action.source for action in listed.values())


def test_the_limits_name_known_channels() -> None:
    assert set().union(*(cap.channels for cap in actions.caps())) == set(Channel.values)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("call,Call,phone,-1,2000,7,source", "actions.csv, row 2, cost: '-1' is no price"),
        ("call,Call,phone,NaN,2000,7,source", "row 2, cost: 'NaN' is no price"),
        ("call,Call,phone,12,,7,source", "row 2, cost_year: is empty"),
        ("call,Call,phone,,,soon,source", "row 2, lead_days: 'soon' is no whole number"),
        ("call,Call,phone,,,7,", "row 2, source: is empty"),
        ("call,Call,phone,,,7,s\ncall,Call,phone,,,7,s", "row 3, kind: 'call' stands there twice"),
    ],
)
def test_a_mistake_in_the_price_list_names_file_row_and_field(tmp_path: Path, line: str, told: str) -> None:
    file = tmp_path / "actions.csv"
    file.write_text(f"kind,name,channel,cost,cost_year,lead_days,source\n{line}\n", encoding="utf-8")
    with pytest.raises(actions.ActionFileError) as refusal:
        actions.actions(file)
    assert told in str(refusal.value)


CAPS = (
    actions.Cap(frozenset({"phone", "text"}), 3, 14, "test"),
    actions.Cap(frozenset({"text"}), 1, 1, "test"),
)


@pytest.mark.parametrize(
    ("channel", "tried", "reached"),
    [
        ("phone", [], None),
        ("phone", [("phone", 1.0), ("text", 2.0)], None),
        ("phone", [("phone", 1.0), ("text", 2.0), ("phone", 13.99)], 0),
        ("phone", [("phone", 1.0), ("text", 2.0), ("phone", 14.0)], None),
        ("phone", [("mail", 1.0)] * 9, None),
        ("mail", [("phone", 1.0)] * 9, None),
        ("text", [("text", 0.5)], 1),
        ("text", [("text", 1.0)], None),
    ],
)
def test_a_limit_counts_its_own_channels_within_its_days(channel: str, tried: Any, reached: int | None) -> None:
    assert actions.cap_reached(channel, tried, CAPS) == (None if reached is None else CAPS[reached])


@pytest.mark.parametrize(
    "broken",
    [
        {"state": "thinking"},
        {"kind": "carrier_pigeon"},
        {"state": State.IN_PROGRESS},  # and never begun
        {"state": State.COMPLETED, "started_at": timezone.now(), "ended_at": timezone.now()},  # with what outcome?
        {"state": State.CANCELLED, "ended_at": timezone.now()},  # why?
        {"outcome": "success"},
        {"estimated_cost": -1},
        {"held_out": False},  # of no campaign
    ],
)
def test_the_database_refuses_an_intervention_that_makes_no_sense(ana: User, broken: dict[str, Any]) -> None:
    row = make_intervention(make_gap(make_member(care_manager=ana), make_measure("COL")), by=ana)
    with pytest.raises(IntegrityError), transaction.atomic():
        Intervention.objects.filter(pk=row.pk).update(**broken)


def test_the_database_refuses_to_work_on_the_held_out(ana: User, ben: User) -> None:
    row = make_intervention(make_gap(make_member(care_manager=ana), make_measure("COL")), by=ana)
    Intervention.objects.filter(pk=row.pk).update(campaign=make_campaign(by=ben), held_out=True)
    with pytest.raises(IntegrityError), transaction.atomic():
        Intervention.objects.filter(pk=row.pk).update(state=State.IN_PROGRESS, started_at=timezone.now())


@pytest.mark.parametrize(
    "broken",
    [
        {"holdout_share": "0.6"},
        {"budget": -1},
        {"approved_by": "ben"},
        {"state": CampaignState.APPROVED},
        {"end_date": "2026-01-01"},
    ],
)
def test_the_database_refuses_a_campaign_that_makes_no_sense(ben: User, broken: dict[str, Any]) -> None:
    campaign = make_campaign(by=ben)
    with pytest.raises(IntegrityError), transaction.atomic():
        Campaign.objects.filter(pk=campaign.pk).update(**broken)


def test_a_window_of_one_day_is_a_window(ben: User) -> None:
    campaign = make_campaign(by=ben)
    Campaign.objects.filter(pk=campaign.pk).update(end_date=campaign.start_date)
    assert campaign.start_date + timedelta(0) == Campaign.objects.get().end_date
