"""The concave envelope of expected stars: covers the curve, is concave, touches it, and is no higher than needed."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interventions.curves import envelope, expected_stars

COUNTS = (0, 495, 615, 705, 795)


def test_expected_stars_by_hand() -> None:
    # At a mean half a member below a count the star is even money; far from every count nothing is open.
    assert expected_stars(704.5, COUNTS, 8) == pytest.approx(3.5, abs=1e-6)
    assert expected_stars(560, COUNTS, 8) == pytest.approx(2, abs=1e-6)
    assert expected_stars(900, COUNTS, 8) == pytest.approx(5, abs=1e-6)


@settings(max_examples=25, deadline=None)
@given(st.floats(400, 800), st.floats(5, 200), st.floats(3, 30))
def test_the_envelope_covers_the_curve_is_concave_and_touches_it_at_its_corners(
    low: float, width: float, spread: float
) -> None:
    found = envelope(low, low + width, COUNTS, spread)
    for share in np.linspace(0, 1, 41):
        mean = min(low + share * width, float(found.means[-1]))
        assert found.at(mean) >= expected_stars(mean, COUNTS, spread) - 0.001
    assert all(later <= earlier + 1e-9 for earlier, later in pairwise(found.slopes()))
    for mean, stars in zip(found.means, found.stars, strict=True):
        assert stars == pytest.approx(expected_stars(float(mean), COUNTS, spread))


def test_over_a_whole_step_the_envelope_is_the_chord_that_touches_the_top() -> None:
    found = envelope(640, 760, COUNTS, 5)
    # From 3 stars at 640 up to where the curve flattens behind 705, one straight piece.
    assert found.slopes()[0] == pytest.approx(found.slopes().max())
    assert found.at(680) == pytest.approx(3 + (680 - 640) * found.slopes()[0], abs=1e-6)
    assert found.at(680) > expected_stars(680, COUNTS, 5) + 0.3


def test_no_range_or_no_spread_is_refused() -> None:
    for low, high, spread in ((10, 10, 1), (10, 20, 0), (10, 20, float("nan"))):
        with pytest.raises(ValueError, match="no curve"):
            envelope(low, high, COUNTS, spread)
    with pytest.raises(ValueError, match="outside"):
        envelope(10, 20, COUNTS, 1).at(21)
