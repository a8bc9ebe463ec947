"""What an action adds, by arithmetic: differences by lot, shrinkage, bounds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from predictions import uplift
from predictions.uplift import Arms, Effect

counts = st.integers(min_value=40, max_value=5000)
shares = st.floats(min_value=0, max_value=1)


@st.composite
def arms(draw: st.DrawFn) -> Arms:
    treated, held_out = draw(counts), draw(counts)
    return Arms(treated, round(draw(shares) * treated), held_out, round(draw(shares) * held_out))


def test_the_automated_call_trial_of_colorectal_screening_reads_six_points() -> None:
    """PMC3845657: 25 against 19 %, here with 1,000 in each arm."""
    found = uplift.difference([Arms(1000, 250, 1000, 190)])
    assert found.uplift == pytest.approx(0.06)
    assert found.standard_error == pytest.approx(0.0185, abs=0.0002)


def test_campaigns_are_compared_within_themselves() -> None:
    """An easy campaign with few held out and a hard one with many: pooled, the action would seem to harm nobody."""
    easy, hard = Arms(900, 720, 100, 80), Arms(100, 10, 900, 90)
    assert uplift.difference([easy, hard]).uplift == pytest.approx(0)


def test_thirty_in_each_arm_are_needed() -> None:
    with pytest.raises(uplift.NoEffect, match="29 held out"):
        uplift.difference([Arms(1000, 100, 29, 3)])


def test_a_campaign_without_a_hold_out_tells_nothing() -> None:
    alone = uplift.difference([Arms(100, 50, 100, 40)])
    assert uplift.difference([Arms(100, 50, 100, 40), Arms(5000, 5000, 0, 0)]) == alone


def test_more_closed_than_there_are_is_refused() -> None:
    with pytest.raises(ValueError, match="more closed"):
        Arms(10, 11, 10, 5)


@given(arms())
def test_a_difference_is_a_share_and_never_certain(lot: Arms) -> None:
    found = uplift.difference([lot])
    assert -1 <= found.uplift <= 1
    assert found.standard_error > 0


@given(arms(), st.floats(-0.5, 0.5), st.floats(0.01, 0.3))
def test_shrinkage_lies_between_what_was_found_and_what_is_known_and_is_surer(
    lot: Arms, known: float, error: float
) -> None:
    own = uplift.difference([lot])
    (found,) = uplift.shrunk([own], Effect(known, error))
    low, high = sorted((own.uplift, known))
    assert low - 1e-12 <= found.uplift <= high + 1e-12
    assert found.standard_error <= own.standard_error


def test_own_effects_that_agree_are_drawn_closer_than_those_that_differ() -> None:
    known = Effect(0.05, 0.02)
    alike = [Effect(0.05 + step, 0.03) for step in (-0.01, 0, 0.01)]
    apart = [Effect(0.05 + step, 0.03) for step in (-0.2, 0, 0.2)]
    assert abs(uplift.shrunk(alike, known)[2].uplift - 0.05) < 0.001
    assert abs(uplift.shrunk(apart, known)[2].uplift - 0.25) < 0.02


@given(shares, st.floats(-1, 1))
def test_an_action_closes_no_more_than_is_open_and_loses_no_more_than_would_close(p0: float, effect: float) -> None:
    found = uplift.bounded(p0, Effect(effect, 0.02))
    assert 0 <= p0 - found.uplift <= 1
    assert found.uplift == effect or abs(found.uplift) < abs(effect)


def test_the_interval_holds_the_true_effect_of_most_lots() -> None:
    chance = np.random.default_rng(4)
    held = 0
    for _ in range(2000):
        treated = int(chance.binomial(400, 0.35))
        kept = int(chance.binomial(60, 0.30))
        low, high = uplift.difference([Arms(400, treated, 60, kept)]).interval
        held += low <= 0.05 <= high
    assert held / 2000 == pytest.approx(0.95, abs=0.02)
