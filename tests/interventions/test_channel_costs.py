"""What one more closure cost, by hold-out; and what plans reckon with."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from hedis.accounts.models import User
from hedis.gaps.models import Gap, Status, Work
from hedis.members.models import Contract
from interventions import campaigning, channel_costs, planning
from interventions.channel_costs import ArmSums, Measured
from interventions.intervals import difference, wilson
from interventions.models import Campaign, Intervention, State
from predictions.models import ActionEffect, Origin
from tests.factories import make_contract, make_gap, make_measure, make_member
from tests.interventions.plans import CLOSED, TODAY, make_campaign, proposal

TREATED, HELD_OUT = 40, 30


def drawn(contract: Contract, codes: tuple[str, ...], *, made_by: User, approved_by: User) -> Campaign:
    """A running campaign of calls about each member's gaps; the first thirty members are held out."""
    measures = [make_measure(code) for code in codes]
    members = [make_member(contract=contract) for _ in range(TREATED + HELD_OUT)]
    gaps = [[make_gap(member, measure, contract=contract) for measure in measures] for member in members]
    campaign = make_campaign(by=made_by, contract=contract)
    planning.plan(campaign, rows=[proposal(*each) for each in gaps], today=TODAY, by=made_by)
    approved = campaigning.approve(campaign, why="Go.", by=approved_by)
    Intervention.objects.filter(campaign=campaign).update(held_out=False)
    Intervention.objects.filter(campaign=campaign, member__in=members[:HELD_OUT]).update(held_out=True)
    begun = Intervention.objects.filter(campaign=campaign, held_out=False)
    begun.update(state=State.IN_PROGRESS, started_at=approved.approved_at, actual_cost=Decimal("12.50"))
    return campaigning.start(approved, why="Go.", by=made_by)


@pytest.fixture
def contract(db: None) -> Contract:
    return make_contract("H1234")


@pytest.fixture
def campaign(contract: Contract, ben: User, quinn: User) -> Campaign:
    return drawn(contract, ("COL",), made_by=ben, approved_by=quinn)


def close(held_out: bool, members: int) -> None:
    """Let a finding run close the gaps of so many members of an arm."""
    arm = Intervention.objects.filter(held_out=held_out).order_by("member_id").values_list("member_id", flat=True)
    Gap.objects.filter(member__in=list(arm)[:members]).update(**CLOSED)


def only(contract: Contract) -> Measured:
    (found,) = channel_costs.measured(contract, 2026)
    return found


def test_a_closure_costs_what_was_spent_by_what_the_hold_out_did_not_close(
    campaign: Campaign, contract: Contract
) -> None:
    close(False, 20)
    close(True, 3)
    one = only(contract)
    assert (one.name, one.channel, one.treated.members, one.held_out.members) == (campaign.name, "phone", 40, 30)
    # One gap a member: 20 of 40 less 3 of 30 is 40 points, 16 closures, for 40 · 12.50 dollars.
    assert one.found is not None and one.cost == 500
    assert one.found.effect == difference(wilson(20, 40), wilson(3, 30))
    assert one.found.closures.value == pytest.approx(16)
    assert one.found.cost_per_closure == pytest.approx(31.25)
    assert one.found.low is not None and one.found.high is not None and one.found.low < 31.25 < one.found.high


def test_what_closes_anyway_gains_nothing_and_has_no_cost(campaign: Campaign, contract: Contract) -> None:
    close(False, 20)
    close(True, 15)
    found = only(contract).found
    assert found is not None and found.closures.value == 0
    assert (found.cost_per_closure, found.high) == (None, None)


def test_gaps_of_one_member_are_no_more_witnesses_than_the_member(contract: Contract, ben: User, quinn: User) -> None:
    drawn(contract, ("COL", "GSD"), made_by=ben, approved_by=quinn)
    close(False, 20)
    close(True, 3)
    one = only(contract)
    assert (one.treated.gaps, one.treated.closed) == (80, 40)
    # Both gaps of a member close together, so the interval is about that of the members alone.
    assert one.treated.clustering == pytest.approx(2)
    alone = difference(wilson(20, 40), wilson(3, 30))
    assert one.found is not None and one.found.effect.value == pytest.approx(0.4)
    assert one.found.effect.low == pytest.approx(alone.low, abs=1e-9)


def test_too_few_members_of_an_arm_tell_nothing_yet(campaign: Campaign, contract: Contract) -> None:
    first = Intervention.objects.filter(held_out=True).order_by("pk")[:1].get()
    excluded: dict[str, Any] = {"status": Status.NOT_APPLICABLE, "work_status": Work.EXCLUDED, "contact_by": None}
    Gap.objects.filter(member=first.member).update(**excluded)
    one = only(contract)
    assert (one.held_out.members, one.found) == (29, None)


def test_other_contracts_years_and_drafts_are_not_counted(campaign: Campaign, ben: User) -> None:
    assert channel_costs.measured(make_contract("H9999"), 2026) == []
    assert channel_costs.measured(make_contract("H1234"), 2025) == []
    draft = make_campaign(by=ben, name="Draft")
    planning.plan(
        draft, rows=[proposal(make_gap(make_member(), make_measure("COL"), contract=make_contract("H9999")))],
        today=TODAY, by=ben,
    )  # fmt: skip
    assert channel_costs.measured(make_contract("H9999"), 2026) == []


def test_however_many_members_it_is_two_queries(
    campaign: Campaign, contract: Contract, django_assert_num_queries: Any
) -> None:
    with django_assert_num_queries(2):
        channel_costs.measured(contract, 2026)


def spreads() -> Iterator[tuple[ArmSums, float]]:
    # Ten members with one gap each: nothing is alike.
    yield ArmSums(10, 10, 4, 4, 4, 10), 1.0
    # Nobody, or everybody, closed: a member's two gaps are taken as one.
    yield ArmSums(10, 20, 0, 0, 0, 40), 2.0
    yield ArmSums(10, 20, 20, 40, 40, 40), 2.0
    # One of two closed by each member: they differ less than chance, and count as they are.
    yield ArmSums(10, 20, 10, 10, 20, 40), 1.0


@pytest.mark.parametrize(("sums", "alike"), list(spreads()))
def test_how_alike_gaps_of_a_member_are(sums: ArmSums, alike: float) -> None:
    assert sums.clustering == pytest.approx(alike)


def test_plans_reckon_with_price_and_best_known_effect(db: None, django_assert_num_queries: Any) -> None:
    for code in ("COL", "GSD", "BCS"):
        make_measure(code)
    effect = {"standard_error": 0.02, "source": "made for a test"}
    ActionEffect.objects.create(action="call", uplift=0.15, origin=Origin.TRIAL, **effect)
    ActionEffect.objects.create(action="call", measure=make_measure("COL"), uplift=0.06, origin=Origin.OWN, **effect)
    ActionEffect.objects.create(action="home_visit", uplift=0.2, origin=Origin.PRIOR, **effect)
    ActionEffect.objects.create(action="mailed_kit", measure=make_measure("COL"), uplift=0.03, origin=Origin.PRIOR,
                                **effect)  # fmt: skip
    with django_assert_num_queries(1):
        found = {(one.action.kind, one.measures): one for one in channel_costs.believed()}
    col = found["call", ("COL",)]
    assert (col.origin, col.cost) == ("Own hold-out", pytest.approx(26 / 0.06))
    assert (col.cost_low, col.cost_high) == (pytest.approx(26 / 0.0992), pytest.approx(26 / 0.0208))
    assert any("GSD" in measures and one.cost == pytest.approx(26 / 0.15) for (_, measures), one in found.items())
    kit = found["mailed_kit", ("COL",)]
    assert kit.cost == pytest.approx(10.55 / 0.03) and kit.cost_high is None
    assert all(one.cost is None for (kind, _), one in found.items() if kind == "home_visit")
