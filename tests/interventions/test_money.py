"""Money: the rebate and bonus arithmetic on a worked example to the cent, and what no calculator may say."""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from interventions import money, returns, simulating, swinging
from interventions.intervals import difference, wilson
from interventions.money import County, ImpossibleInput, Unrated
from interventions.rating_odds import Draws
from interventions.returns import Arms, NoReturn
from interventions.simulating import Worth

D = Decimal
RULES = money.payment_rules(2029)
HALF_STARS = [D(half) / 2 for half in range(2, 11)]
# The worked example of docs/money.md: one county like any other, and one with the double bonus.
PLAIN = County("Adams", D("1050"), D("1000"), D("900"), D("120000"), D("1.10"))
DOUBLE = County("Bell", D("1075"), D("1000"), D("1000"), D("60000"), D("0.95"), double_county=True)


def test_the_worked_example_to_the_cent() -> None:
    # Adams, 132,000 risk-adjusted months (120,000 · 1.10).
    #   3.5 stars: benchmark 1,050; 900 + 0.65 · 150 = 997.50;          · 132,000 = 131,670,000
    #   4.0 stars: benchmark 1,050 + 5 % of 1,000 = 1,100; 900 + 0.65 · 200 = 1,030; · 132,000 = 135,960,000
    adams = {star: money.payment(PLAIN, D(star), RULES) for star in ("3.5", "4.0")}
    assert adams["3.5"].benchmark == D("1050.00")
    assert (adams["3.5"].for_bid, adams["3.5"].rebate) == (D("118800000.00"), D("12870000.00"))
    assert adams["4.0"].benchmark == D("1100.00")
    assert adams["4.0"].total == D("135960000.00")
    # Bell, 57,000 months (60,000 · 0.95), double bonus: 10 %.
    #   3.5 stars: 1,000 + 0.65 · 75  = 1,048.75; · 57,000 = 59,778,750
    #   4.0 stars: benchmark 1,175; 1,000 + 0.65 · 175 = 1,113.75; · 57,000 = 63,483,750
    assert money.payment(DOUBLE, D("3.5"), RULES).total == D("59778750.00")
    assert money.payment(DOUBLE, D("4.0"), RULES).total == D("63483750.00")
    # Together 191,448,750 to 199,443,750: 7,995,000, which is 65 % of the whole bonus of
    # 50 · 132,000 + 100 · 57,000 = 12,300,000.
    found = money.move([PLAIN, DOUBLE], D("3.5"), D("4.0"), RULES)
    assert money.cents(found.change) == D("7995000.00")
    assert money.cents(found.whole_bonus) == D("12300000.00")
    assert found.change == D("0.65") * found.whole_bonus
    assert (found.by_bonus, found.by_rebate_share) == (found.change, 0)
    assert found.counties == {"Adams": D("4290000"), "Bell": D("3705000")}
    # Paid in three years; at 8 % a year 7,995,000 / 1.259712 = 6,346,688.77.
    assert money.payment_year(2026, RULES) == 2029
    assert money.cents(money.present_value(found.change, D("0.08"), 3)) == D("6346688.77")


@pytest.mark.parametrize(
    ("before", "after", "change"),
    [
        # 0.15 · (1,050 - 900) · 132,000
        ("3.0", "3.5", "2970000.00"),
        # 0.05 · (1,100 - 900) · 132,000
        ("4.0", "4.5", "1320000.00"),
        # the same share and the same bonus
        ("4.5", "5.0", "0.00"),
        ("2.0", "3.0", "0.00"),
        # 4 to 3.5: what was won is lost
        ("4.0", "3.5", "-4290000.00"),
    ],
)
def test_each_half_star_by_hand(before: str, after: str, change: str) -> None:
    assert money.cents(money.move([PLAIN], D(before), D(after), RULES).change) == D(change)


def test_a_bid_above_the_benchmark_has_no_rebate_and_the_bonus_counts_whole() -> None:
    high = replace(PLAIN, bid=D("1200"))
    found = money.move([high], D("3.5"), D("4.0"), RULES)
    assert found.change == found.whole_bonus == D("6600000")
    assert money.payment(high, D("4.0"), RULES).rebate == 0


def test_the_cap_of_before_the_act_stops_the_bonus() -> None:
    capped = replace(PLAIN, cap=D("1065"))
    # 15 of the 50 dollars: 0.65 · 15 · 132,000.
    assert money.move([capped], D("3.5"), D("4.0"), RULES).change == D("1287000")
    assert money.payment(capped, D("5.0"), RULES).benchmark == D("1065")


@pytest.mark.parametrize("kind", list(Unrated))
def test_an_unrated_contract_gets_three_and_a_half_points_and_65_percent(kind: Unrated) -> None:
    found = money.payment(PLAIN, kind, RULES)
    assert found.benchmark == D("1085")
    assert found.rebate == D("0.65") * D("185") * D("132000")
    assert money.payment(DOUBLE, kind, RULES).benchmark == D("1145")


amounts = st.decimals("1", "2000", places=2)
counties = st.builds(
    lambda base, ffs, bid, months, risk, double, above: County(
        "Any", base, ffs, bid, months, risk, double, None if above is None else base + above
    ),
    amounts, amounts, amounts, st.decimals("0", "100000", places=0), st.decimals("0.3", "3", places=2), st.booleans(),
    st.none() | st.decimals("0", "100", places=2),
)  # fmt: skip


@given(counties)
def test_no_bonus_is_negative_and_no_better_rating_pays_less(county: County) -> None:
    payments = [money.payment(county, star, RULES) for star in HALF_STARS]
    assert all(paid.bonus >= 0 and paid.rebate >= 0 for paid in payments)
    totals = [paid.total for paid in payments]
    assert totals == sorted(totals)


def test_a_falling_rating_is_a_change_below_zero_and_no_bonus_ever_is() -> None:
    found = money.move([PLAIN, DOUBLE], D("4.0"), D("3.5"), RULES)
    assert (found.change, found.by_bonus, found.by_rebate_share) == (D("-7995000"), D("-7995000"), 0)
    for star in HALF_STARS:
        assert all(money.payment(county, star, RULES).bonus >= 0 for county in (PLAIN, DOUBLE))
    # A simulated plan whose rating falls has a gain below zero, out of payments that hold no negative bonus.
    worth = Worth((PLAIN, DOUBLE), RULES, D(1000), RULES.discount_rate)
    fallen = simulating.returned_by(Draws(before=(D("4.0"),) * 2, after=(D("3.5"),) * 2), worth)
    assert fallen.gain.value == pytest.approx(-6_346_688.77, abs=0.01)
    assert (fallen.pays, fallen.net) == (0, pytest.approx(-6_347_688.77, abs=0.01))


@given(
    st.dictionaries(st.sampled_from(["COL", "BCS", "GSD"]), st.tuples(st.floats(0, 1e5), st.floats(0, 1e5)), min_size=1)
)
def test_what_closes_without_the_plan_is_never_counted_as_its_own(measures: dict[str, tuple[float, float]]) -> None:
    baseline = {measure: anyway for measure, (anyway, _) in measures.items()}
    with_plan = {measure: anyway + more for measure, (anyway, more) in measures.items()}
    added = returns.incremental(with_plan, baseline)
    assert all(0 <= added[measure] <= more + 1e-6 for measure, (_, more) in measures.items())
    assert set(returns.incremental(baseline, baseline).values()) == {0.0}


@given(counties, st.sampled_from(HALF_STARS), st.sampled_from(HALF_STARS))
def test_the_parts_of_a_move_add_up_and_back_again_is_nothing(county: County, one: Decimal, other: Decimal) -> None:
    there, back = money.move([county], one, other, RULES), money.move([county], other, one, RULES)
    assert there.by_bonus + there.by_rebate_share == there.change == sum(there.counties.values())
    assert there.change == -back.change
    assert abs(there.by_bonus) <= abs(there.whole_bonus) + abs(there.change)


def test_the_expected_value_weighs_each_rating() -> None:
    found = money.expected_value([PLAIN], {D("3.5"): 0.25, D("4.0"): 0.75}, RULES)
    assert money.cents(found) == D("131670000") + D("0.75") * D("4290000")
    with pytest.raises(ImpossibleInput, match="not 1"):
        money.expected_value([PLAIN], {D("3.5"): 0.25}, RULES)


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("base", "0", "not above 0"),
        ("base", "NaN", "not above 0"),
        ("bid", "-1", "not above 0"),
        ("bid", "90000", "at most 20000"),
        ("fee_for_service", "Infinity", "not above 0"),
        ("risk_score", "11", "at most 10"),
        ("member_months", "-12", "not within 0"),
        ("cap", "1000", "below the base"),
    ],
)
def test_an_impossible_county_is_refused_with_its_name_and_field(field: str, value: str, reason: str) -> None:
    with pytest.raises(ImpossibleInput, match=f"Adams, {field}: .*{reason}"):
        replace(PLAIN, **{field: D(value)})


ROW = {"name": "Adams", "base": "1050", "fee_for_service": "1000", "bid": "900", "member_months": "120000",
       "risk_score": "1.10", "double_county": "N", "cap": ""}  # fmt: skip


def test_a_county_is_read_from_a_row_of_text() -> None:
    assert County.from_text(ROW) == PLAIN
    assert County.from_text({**ROW, "cap": "1100"}).cap == D("1100")


@pytest.mark.parametrize("wrong", [{"base": "1,050"}, {"bid": ""}, {"double_county": "yes"}, {"cap": "none"}])
def test_a_row_that_says_nothing_is_refused_with_its_field(wrong: Mapping[str, str]) -> None:
    with pytest.raises(ImpossibleInput, match=f"Adams, {next(iter(wrong))}"):
        County.from_text({**ROW, **wrong})


def test_what_cannot_be_is_refused() -> None:
    for rating in (D("3.7"), D("0.5"), D("5.5"), D("NaN")):
        with pytest.raises(ImpossibleInput, match="no half star"):
            money.payment(PLAIN, rating, RULES)
    with pytest.raises(ImpossibleInput, match="one name"):
        money.move([PLAIN, PLAIN], D("3.5"), D("4.0"), RULES)
    with pytest.raises(ImpossibleInput, match="discount rate"):
        money.present_value(D(1), D("8"), 3)
    with pytest.raises(LookupError, match="2013"):
        money.payment_rules(2013)


# What outreach buys


def test_wilson_and_newcombe_agree_with_published_figures() -> None:
    # Newcombe, Statistics in Medicine 1998: 81 of 263 (Wilson), and 56/70 less 48/80 by his method 10.
    found = wilson(81, 263)
    assert (found.low, found.high) == (pytest.approx(0.2553, abs=5e-5), pytest.approx(0.3662, abs=5e-5))
    between = difference(wilson(56, 70), wilson(48, 80))
    assert between.value == pytest.approx(0.2)
    assert (between.low, between.high) == (pytest.approx(0.0524, abs=5e-5), pytest.approx(0.3339, abs=5e-5))


@given(st.integers(1, 2000), st.data())
def test_wilson_stays_within_zero_and_one_around_its_share(total: int, data: st.DataObject) -> None:
    count = data.draw(st.integers(0, total))
    found = wilson(count, total)
    assert 0 <= found.low <= found.value <= found.high <= 1


@pytest.mark.parametrize(("count", "total"), [(1, 0), (-1, 5), (6, 5)])
def test_a_share_that_is_none_is_refused(count: int, total: int) -> None:
    with pytest.raises(ValueError, match="no share"):
        wilson(count, total)


def test_closures_that_come_anyway_are_never_the_plans() -> None:
    assert returns.incremental({"COL": 120.0, "BCS": 40.0}, {"COL": 100.0, "BCS": 40.0}) == {"COL": 20.0, "BCS": 0.0}
    with pytest.raises(NoReturn, match="BCS"):
        returns.incremental({"COL": 120.0}, {"COL": 100.0, "BCS": 40.0})
    with pytest.raises(NoReturn, match="COL: 90"):
        returns.incremental({"COL": 90.0}, {"COL": 100.0})


def test_a_return_by_hand() -> None:
    # Four worlds: the plan wins 300 in two of them, at a cost of 100.
    found = returns.return_on(100, np.array([500.0, 800, 500, 800]), np.array([500.0, 500, 500, 500]))
    assert (found.gain.value, found.net, found.pays) == (150, 50, 0.5)
    assert found.ratio is not None and found.ratio.value == pytest.approx(0.5)
    assert found.ratio.low == pytest.approx(-1) and found.ratio.high == pytest.approx(2)
    assert found.sampling == pytest.approx(np.std([0, 300, 0, 300], ddof=1) / 2)
    assert returns.return_on(0, np.ones(2), np.ones(2)).ratio is None


@pytest.mark.parametrize(("cost", "draws"), [(-1.0, 2), (float("nan"), 2), (1.0, 3)])
def test_a_return_of_nothing_is_refused(cost: float, draws: int) -> None:
    with pytest.raises(NoReturn):
        returns.return_on(cost, np.ones(draws), np.ones(2))


def test_the_cost_of_an_incremental_closure_by_hand() -> None:
    # 25 % of 1,000 called against 19 % of 1,000 held out: 60 closures more for $6,000.
    found = returns.channel_return(Arms("ivr", 1000, 250, 1000, 190, 6000))
    assert found.closures.value == pytest.approx(60)
    assert found.cost_per_closure == pytest.approx(100)
    assert found.low == pytest.approx(6000 / found.closures.high)
    assert found.high == pytest.approx(6000 / found.closures.low)
    assert found.low is not None and found.high is not None and found.low < 100 < found.high


def test_a_channel_that_may_do_nothing_has_a_cost_without_an_upper_end() -> None:
    found = returns.channel_return(Arms("text", 200, 42, 200, 40, 100))
    assert found.cost_per_closure == pytest.approx(50)
    assert found.high is None
    nothing = returns.channel_return(Arms("letter", 200, 40, 200, 40, 100))
    assert (nothing.cost_per_closure, nothing.high) == (None, None)
    assert nothing.low is not None


@pytest.mark.parametrize(
    "arms", [Arms("ivr", 10, 5, 0, 0, 1), Arms("ivr", 10, 11, 5, 0, 1), Arms("ivr", 9, 1, 9, 1, -1)]
)
def test_a_hold_out_that_is_none_is_refused_with_the_channel(arms: Arms) -> None:
    with pytest.raises(NoReturn, match="ivr"):
        returns.channel_return(arms)


def test_gaps_of_the_same_members_say_less_than_as_many_of_others() -> None:
    alone = returns.channel_return(Arms("phone", 400, 200, 400, 120, 4000))
    alike = returns.channel_return(Arms("phone", 400, 200, 400, 120, 4000, clustering=2.0))
    halved = returns.channel_return(Arms("phone", 200, 100, 200, 60, 4000))
    assert (alike.effect.low, alike.effect.high) == (halved.effect.low, halved.effect.high)
    assert alike.effect.low < alone.effect.low and alike.closures.value == alone.closures.value == pytest.approx(80)
    with pytest.raises(NoReturn, match=r"phone: clustering 0\.5"):
        returns.channel_return(Arms("phone", 4, 2, 4, 1, 4, clustering=0.5))


def test_break_even_as_a_chance_and_as_a_share_of_the_effect() -> None:
    assert returns.break_even_chance(400_000, 8_000_000) == 0.05
    assert returns.break_even_chance(9, 8) is None
    assert returns.break_even_chance(0, 0) == 0
    assert returns.break_even_chance(1, 0) is None
    assert returns.break_even_share(25, lambda share: 100 * share**2) == pytest.approx(0.5)
    assert returns.break_even_share(101, lambda share: 100 * share) is None
    assert returns.break_even_share(0, lambda share: 100 * share) == 0


def test_the_widest_swing_comes_first() -> None:
    found = returns.sensitivity(
        lambda given: given["chance"] * given["worth"],
        {"chance": 0.5, "worth": 8.0},
        {"worth": (7, 9), "chance": (0.2, 0.9)},
    )
    assert [(swing.name, swing.at_low, swing.at_high) for swing in found] == [("chance", 1.6, 7.2), ("worth", 3.5, 4.5)]
    with pytest.raises(NoReturn, match="cost"):
        returns.sensitivity(lambda given: 0.0, {}, {"cost": (1, 2)})


def test_a_step_swings_with_the_figures_behind_it_the_widest_first() -> None:
    # 3 to 3.5 at Adams: 0.15 · (1,050 - bid) · 132,000, in three years at 8 %.
    found = {one.name: one for one in swinging.swings([PLAIN], money.move([PLAIN], D("3.0"), D("3.5"), RULES), RULES)}
    bid = next(iter(found.values()))
    assert (bid.name, bid.low, bid.high) == ("Bid", "-2 %", "+2 %")
    assert bid.at_low == pytest.approx(0.15 * (1050 - 882) * 132_000 / 1.08**3)
    assert bid.at_high == pytest.approx(0.15 * (1050 - 918) * 132_000 / 1.08**3)
    assert found["Member months"].at_high == pytest.approx(1.05 * 0.15 * 150 * 132_000 / 1.08**3)
    assert found["Discount rate"].at_low == pytest.approx(2_970_000 / 1.05**3)
    assert found["Fee-for-service cost"].at_low == found["Fee-for-service cost"].at_high, "no bonus below four stars"


def test_a_figure_goes_no_further_than_it_can() -> None:
    highest = replace(PLAIN, bid=D("19900"), risk_score=D("9.9"))
    moved = money.move([highest], D("3.5"), D("4.0"), RULES)
    assert len(swinging.swings([highest], moved, RULES)) == len(swinging.ranges())
