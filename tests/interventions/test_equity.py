"""Equity: rates by stratum by hand, the split that adds up exactly, and cells that nobody can find by subtraction."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interventions import hei
from interventions.equity import Outreach, Split, Stratum, outreach_shares, split_by_practice, stratified
from interventions.hei import SubsetRate
from interventions.suppression import COMPLEMENT, WITHHELD, is_small, withheld
from predictions.subgroups import SMALLEST

cells = st.tuples(st.integers(0, 60), st.integers(0, 60))
practices = st.dictionaries(
    st.sampled_from("ABCDE"), cells.map(lambda pair: (min(pair), max(pair))), min_size=1, max_size=5
)


def test_a_stratum_against_its_reference_by_hand() -> None:
    found = stratified("LIS", [Stratum("no", 700, 1000), Stratum("yes", 240, 400), Stratum("", 20, 40)], "no")
    reference, lis, unknown = found.rows
    assert lis.rate is not None and lis.gap is not None
    # 60 % against 70 %: ten points, six sevenths, and 280 of 400 wanted.
    assert (lis.rate.value, lis.gap.value) == (0.6, pytest.approx(-0.1))
    assert (lis.ratio, lis.closures) == (pytest.approx(6 / 7), 40)
    # Newcombe from the Wilson intervals 0.5513 to 0.6468 and 0.6709 to 0.7276.
    assert (lis.gap.low, lis.gap.high) == (pytest.approx(-0.1560, abs=1e-3), pytest.approx(-0.0449, abs=1e-3))
    assert (reference.gap, reference.closures) == (None, None)
    assert found.missing == pytest.approx(40 / 1440)
    assert unknown.closures == 8


def test_a_stratum_that_does_better_needs_nothing() -> None:
    row = stratified("LIS", [Stratum("no", 50, 100), Stratum("yes", 51, 100)], "no").rows[1]
    assert row.closures == 0


def test_closures_are_exact_where_floating_point_would_ask_for_one_too_many() -> None:
    # 0.07 · 300 is 21.000000000000004 in floating point; 21 are enough.
    row = stratified("sex", [Stratum("F", 700, 10000), Stratum("M", 11, 300)], "F").rows[1]
    assert row.closures == 10


def test_nobody_in_a_stratum_has_no_rate() -> None:
    row = stratified("LIS", [Stratum("no", 50, 100), Stratum("yes", 0, 0)], "no").rows[1]
    assert (row.rate, row.denominator, row.withheld) == (None, 0, "")


def test_a_small_stratum_takes_the_smallest_other_with_it() -> None:
    strata = [Stratum("en", 500, 900), Stratum("es", 60, 120), Stratum("vi", 4, 30), Stratum("zh", 40, 80)]
    found = stratified("language", strata, "en")
    assert [row.withheld for row in found.rows] == ["", "", WITHHELD, COMPLEMENT]
    assert all(row.numerator is None and row.rate is None for row in found.rows[2:])


def test_a_withheld_reference_leaves_nothing_to_compare_with() -> None:
    strata = [Stratum("no", 5, 100), Stratum("yes", 50, 100), Stratum("x", 100, 200)]
    found = stratified("LIS", strata, "no")
    assert [row.gap for row in found.rows] == [None, None, None]


def test_a_small_number_of_unknown_levels_is_not_told_as_a_share() -> None:
    strata = [Stratum("no", 50, 100), Stratum("yes", 50, 120), Stratum("", 3, 5)]
    assert stratified("LIS", strata, "no").missing is None


@settings(max_examples=150)
@given(st.lists(cells, min_size=1, max_size=6))
def test_no_small_count_can_be_found_by_subtraction(rows: list[tuple[int, int]]) -> None:
    reasons = withheld(rows)
    hidden = [row for row, reason in zip(rows, reasons, strict=True) if reason]
    shown = [row for row, reason in zip(rows, reasons, strict=True) if not reason]
    assert not any(is_small(cell) for row in shown for cell in row)
    if any(sum(row) for row in shown):
        # Total less what is shown: never a single row, never a small count.
        left = [sum(column) for column in zip(*rows, strict=True)]
        for row in shown:
            left = [all_ones - one for all_ones, one in zip(left, row, strict=True)]
        assert len([row for row in hidden if sum(row)]) != 1
        assert not any(is_small(count) for count in left)


def test_the_smallest_shown_count_is_that_of_the_models() -> None:
    assert (is_small(SMALLEST - 1), is_small(SMALLEST), is_small(0)) == (True, False, False)


@pytest.mark.parametrize(
    ("strata", "reference", "reason"),
    [
        ([Stratum("a", 1, 20)], "b", "no stratum 'b'"),
        ([Stratum("a", 1, 20), Stratum("a", 1, 20)], "a", "given twice"),
    ],
)
def test_strata_that_make_no_table_are_refused(strata: list[Stratum], reference: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        stratified("LIS", strata, reference)
    with pytest.raises(ValueError, match="21 of 20"):
        Stratum("a", 21, 20)


# Within and between practices


def test_a_gap_that_is_all_between_practices() -> None:
    # The same rate for both in each practice; the group goes to the worse one.
    found = split_by_practice({"good": (16, 20), "bad": (32, 80)}, {"good": (64, 80), "bad": (8, 20)})
    assert found == Split(Fraction(-24, 100), Fraction(0), Fraction(-24, 100), 1.0)


def test_a_gap_that_is_all_within_practices() -> None:
    found = split_by_practice({"a": (20, 50), "b": (30, 50)}, {"a": (30, 50), "b": (40, 50)})
    assert found == Split(Fraction(-1, 5), Fraction(-1, 5), Fraction(0), 1.0)


def test_a_practice_of_one_group_alone_is_between() -> None:
    found = split_by_practice({"a": (20, 50), "own": (10, 50)}, {"a": (20, 50)})
    assert found is not None
    # a: the same rate; own: half of the group at 20 % against 40 %.
    assert (found.within, found.between, found.compared) == (0, Fraction(-1, 10), 0.5)


@given(practices, practices)
def test_the_two_parts_add_up_to_the_gap_exactly(
    group: dict[str, tuple[int, int]], reference: dict[str, tuple[int, int]]
) -> None:
    found = split_by_practice(group, reference)
    if found is not None:
        assert found.within + found.between == found.gap
        assert 0 <= found.compared <= 1


def test_a_group_too_small_to_show_is_not_split() -> None:
    assert split_by_practice({"a": (3, 8)}, {"a": (40, 80)}) is None
    assert split_by_practice({}, {"a": (40, 80)}) is None


# Outreach


def test_outreach_by_stratum_step_by_step() -> None:
    no, yes = outreach_shares([Outreach("no", 400, 300, 200, 100), Outreach("yes", 200, 100, 40, 0)])
    assert no.offered is not None and no.reached is not None and no.closed is not None
    assert (no.offered.value, no.reached.value, no.closed.value) == (0.75, pytest.approx(2 / 3), 0.5)
    assert yes.closed is not None and yes.closed.value == 0
    early = outreach_shares([Outreach("no", 400, 0, 0, 0)])[0]
    assert early.offered is not None and (early.offered.value, early.reached, early.closed) == (0, None, None)


def test_a_small_step_is_withheld_with_the_smallest_other() -> None:
    found = outreach_shares(
        [Outreach("no", 400, 300, 200, 100), Outreach("yes", 200, 100, 40, 4), Outreach("", 90, 60, 40, 20)]
    )
    assert [bool(row.withheld) for row in found] == [False, True, True]
    assert (found[1].in_need, found[1].offered) == (None, None)


def test_a_step_cannot_have_more_members_than_the_one_before() -> None:
    with pytest.raises(ValueError, match=r"yes: .* must not rise"):
        Outreach("yes", 10, 5, 6, 0)


# The index that never came


OTHERS = [Decimal(value) for value in (50, 60, 70)]
INDICES = [Fraction(-1, 2), Fraction(1, 10), Fraction(1, 2)]


def subset(measure: str, weight: int, rate: int, *, lower: bool = False) -> SubsetRate:
    return SubsetRate(measure, weight, Decimal(rate), OTHERS, lower)


def test_the_index_is_the_weighted_mean_of_the_thirds_by_hand() -> None:
    rates = [subset("COL", 1, 75), subset("GSD", 3, 65), subset("PCR", 1, 75, lower=True)]
    found = hei.index(rates, measures=5, enrollees=900, risk_share=Decimal(30), median_share=Decimal(25),
                      indices=INDICES)  # fmt: skip
    # +1 with weight 1, 0 with weight 3, -1 with weight 1: nothing.
    assert found.points == {"COL": 1, "GSD": 0, "PCR": -1}
    assert (found.value, found.reward) == (Fraction(0), 0)


@pytest.mark.parametrize(
    ("risk_share", "weights", "reward"),
    [
        ("30", (3, 1), "0.4"),  # (3 - 1)/4 = 1/2: top third, at least the median
        ("24", (3, 1), "0.2"),  # between half the median and the median
        ("12", (3, 1), "0"),  # below half the median
        ("30", (11, 9), "0.267"),  # 2/20 = 1/10: middle third
        ("30", (21, 20), "0.133"),  # 1/41: bottom third, yet above 0
        ("30", (1, 3), "0"),
    ],
)
def test_the_reward_by_third_and_share_of_members_at_risk(
    risk_share: str, weights: tuple[int, int], reward: str
) -> None:
    rates = [subset("COL", weights[0], 75), subset("BCS", weights[1], 40)]
    lowest = [Fraction(1, 20), *INDICES[1:]]
    found = hei.index(rates, measures=4, enrollees=500, risk_share=Decimal(risk_share), median_share=Decimal(25),
                      indices=lowest)  # fmt: skip
    assert found.reward == Decimal(reward)


def test_too_few_enrollees_or_measures_have_no_index() -> None:
    facts = {"risk_share": Decimal(30), "median_share": Decimal(25), "indices": INDICES}
    few = hei.index([subset("COL", 1, 75)], measures=1, enrollees=499, **facts)
    assert (few.value, few.reward) == (None, 0)
    assert "500" in few.reason
    assert hei.index([subset("COL", 1, 75)], measures=3, enrollees=900, **facts).value is None
    with pytest.raises(ValueError, match="no thirds"):
        hei.index([subset("COL", 1, 75)], measures=1, enrollees=900, **{**facts, "indices": INDICES[:2]})
