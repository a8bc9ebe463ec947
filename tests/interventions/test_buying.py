"""What outreach buys, where a director sees it first: stars with it and without, its cost, its return."""

from datetime import date
from decimal import Decimal

import pytest
from django.core.cache import cache
from django.test import Client

from hedis.accounts.models import User
from hedis.members.models import Contract
from interventions import campaigning, deciding, outlook
from interventions.deciding import Wish
from interventions.models import Plan
from tests.factories import make_count, make_measure
from tests.interventions.counties_of_a_contract import keep
from tests.interventions.plannable import make_plannable
from tests.interventions.test_simulations import enter_scores

pytestmark = pytest.mark.django_db
TODAY = date(2026, 9, 30)
PANEL = "/admin/outlook/panel/"


@pytest.fixture
def contract() -> Contract:
    """A contract that can be rated and planned for."""
    cache.clear()
    made = make_plannable()
    enter_scores(made)
    make_count(make_measure("COL"), made, eligible=100, excluded=0, denominator=100, numerator=60)
    keep(made)
    return made


def planned(contract: Contract, *, by: User) -> Plan:
    return deciding.decide([contract], 2026, Wish(Decimal(2000)), today=TODAY, by=by)


def begun(plan: Plan, *, by: User, approver: User) -> None:
    campaign, _ = deciding.make_campaign(
        plan, "Autumn", start_date=TODAY, end_date=date(2026, 12, 15), holdout_share=Decimal(0), today=TODAY, by=by
    )
    campaigning.start(campaigning.approve(campaign, why="yes", by=approver), why="go", by=by)


def panel(client: Client, user: User) -> str:
    client.force_login(user)
    return client.get(PANEL).content.decode()


def test_a_plan_that_waits_is_shown_with_what_it_would_bring(
    contract: Contract, client: Client, ben: User, quinn: User
) -> None:
    assert "With the outreach under way" in panel(client, quinn)
    plan = planned(contract, by=ben)
    page = panel(client, quinn)
    assert f"Plan {plan.pk}" in page and "waits" in page and f"{plan.outcomes['H1234']['expected'][1]:.2f}" in page


def test_outreach_under_way_is_shown_with_stars_cost_and_return(
    contract: Contract, client: Client, ben: User, quinn: User
) -> None:
    plan = planned(contract, by=ben)
    begun(plan, by=ben, approver=quinn)
    found = outlook.of_contract("H1234", 2026)
    assert isinstance(found, outlook.Outlook) and found.bought is not None
    assert found.bought.interventions == plan.chosen and found.bought.cost == plan.spend
    assert found.bought.gained == pytest.approx(plan.outcomes["H1234"]["expected"][1] - (found.expected or 0))
    assert found.bought.returned is not None and found.bought.returned.gain.low >= 0
    page = panel(client, quinn)
    assert f"{found.bought.expected:.2f}" in page and "returns $" in page and "waits" not in page
    own = client.get("/admin/outlook/H1234/2026/").content.decode()
    assert "What the outreach under way buys" in own and "Closures beyond those that come anyway" in own


def test_who_sees_no_money_sees_stars_and_cost_alone(
    contract: Contract, client: Client, ben: User, quinn: User, lea: User
) -> None:
    begun(planned(contract, by=ben), by=ben, approver=quinn)
    page = panel(client, lea)
    assert "for $" in page and "returns $" not in page
