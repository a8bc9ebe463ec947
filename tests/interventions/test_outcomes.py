"""What a campaign did, by the arms drawn by lot: counts, differences, closures gained and what one cost."""

from decimal import Decimal
from typing import Any

import pytest

from hedis.accounts.models import User
from hedis.gaps.models import Gap, Status, Work
from interventions import campaigning, outcomes, planning
from interventions.intervals import difference, wilson
from interventions.models import Campaign, Intervention, State
from interventions.outcomes import Arm
from tests.factories import make_gap, make_measure, make_member
from tests.interventions.plans import CLOSED, TODAY, make_campaign, proposal


@pytest.fixture
def campaign(ben: User, quinn: User) -> Campaign:
    """Twelve members with two gaps and two interventions each; the first four are held out."""
    measures = [make_measure("COL"), make_measure("GSD")]
    members = [make_member() for _ in range(12)]
    pairs = [[make_gap(member, measure) for measure in measures] for member in members]
    campaign = make_campaign(by=ben)
    rows = [proposal(*pair, kind=kind) for pair in pairs for kind in ("call", "mailed_kit")]
    planning.plan(campaign, rows=rows, today=TODAY, by=ben)
    approved = campaigning.approve(campaign, why="Go.", by=quinn)
    Intervention.objects.filter(member__in=members[:4]).update(held_out=True)
    return campaigning.start(approved, why="Go.", by=ben)


def close(code: str, held_out: bool, number: int) -> None:
    """Let a finding run close so many gaps of a measure in one arm."""
    of_arm = Gap.objects.filter(measure__code=code, interventions__held_out=held_out).distinct().order_by("pk")
    Gap.objects.filter(pk__in=list(of_arm.values_list("pk", flat=True)[:number])).update(**CLOSED)


@pytest.mark.django_db
def test_each_gap_counts_once_in_its_arm_however_many_interventions_are_about_it(campaign: Campaign) -> None:
    close("COL", False, 6)
    close("COL", True, 1)
    found = outcomes.results(campaign)
    col, gsd = found.measures
    assert (col.measure, col.treated.gaps, col.treated.closed) == ("COL", 8, 6)
    assert (col.held_out.gaps, col.held_out.closed) == (4, 1)
    assert col.uplift == difference(wilson(6, 8), wilson(1, 4))
    assert (gsd.treated.closed, gsd.held_out.closed) == (0, 0)
    assert (found.treated.members, found.held_out.members) == (8, 4)
    assert found.data_as_of == TODAY


@pytest.mark.django_db
def test_what_closed_anyway_is_not_counted_as_gained(campaign: Campaign) -> None:
    for code in ("COL", "GSD"):
        close(code, False, 4)
        close(code, True, 2)
    gained = outcomes.results(campaign).incremental
    assert gained is not None and gained.value == 0
    assert gained.low < 0 < gained.high


@pytest.mark.django_db
def test_a_gap_not_applicable_any_more_is_in_neither_count(campaign: Campaign) -> None:
    first = Gap.objects.filter(interventions__held_out=True).order_by("pk")[:1].get()
    excluded: dict[str, Any] = {"status": Status.NOT_APPLICABLE, "work_status": Work.EXCLUDED, "contact_by": None}
    Gap.objects.filter(pk=first.pk).update(**excluded)
    col = outcomes.results(campaign).measures[0]
    assert (col.treated.gaps, col.held_out.gaps) == (8, 3)


@pytest.mark.django_db
def test_cost_is_what_is_known_and_else_estimated_of_what_was_begun(campaign: Campaign) -> None:
    calls = Intervention.objects.filter(campaign=campaign, held_out=False, kind="call").order_by("pk")
    begun = list(calls[:3])
    at = begun[0].planned_at
    Intervention.objects.filter(pk__in=[row.pk for row in begun]).update(state=State.IN_PROGRESS, started_at=at)
    Intervention.objects.filter(pk=begun[0].pk).update(actual_cost=Decimal("41.50"))
    found = outcomes.results(campaign)
    assert (found.spent, found.estimated, found.cost) == (Decimal("41.50"), Decimal(52), Decimal("93.50"))


@pytest.mark.django_db
def test_results_ask_as_often_for_many_as_for_few(campaign: Campaign, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(4):
        outcomes.results(campaign)


def test_closures_gained_and_their_price_as_worked_by_hand() -> None:
    # 100 treated, 40 with one closure: mean 0.4, variance 24.0 / 99. 50 held out, 10 with one: 0.2, 8.0 / 49.
    treated, held_out = Arm(100, 40, 40), Arm(50, 10, 10)
    gained = outcomes.incremental_closures(treated, held_out)
    assert gained is not None
    reach = 1.959964 * (24.0 / 99 / 100 + 8.0 / 49 / 50) ** 0.5
    assert gained.value == pytest.approx(20)
    assert (gained.low, gained.high) == (pytest.approx(100 * (0.2 - reach)), pytest.approx(100 * (0.2 + reach)))
    found = outcomes.Results([], treated, held_out, Decimal(2000), Decimal(600), None)
    assert found.cost_per_closure == (pytest.approx(2600 / gained.high), pytest.approx(2600 / gained.low))


@pytest.mark.parametrize(
    ("treated", "held_out", "told"),
    [
        (Arm(100, 20, 20), Arm(1, 0, 0), None),  # nobody to compare with
        (Arm(), Arm(), None),
        (Arm(100, 0, 0), Arm(50, 0, 0), None),  # before the first closure
        (Arm(100, 0, 0), Arm(100, 90, 90), None),  # no gain is possible
        (Arm(100, 25, 25), Arm(50, 10, 10), "no limit"),  # a gain is possible, and so is none
    ],
)
def test_a_price_is_told_only_where_a_gain_may_be(treated: Arm, held_out: Arm, told: str | None) -> None:
    price = outcomes.Results([], treated, held_out, Decimal(1000), Decimal(0), None).cost_per_closure
    assert price is None if told is None else (price is not None and price[0] > 0 and price[1] is None)
