"""Ratings explained, compared, and closed in on: the figures behind the star pages, without a database."""

import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedis.engine import rating
from hedis.engine.rating_scores import displayed, measure_star, star_by_cut_points
from hedis.engine.rating_year import CutPoints, Disaster, Part, RatedAs
from hedis.lib.templatetags import stars as pictures
from hedis.stars import comparing, explaining
from hedis.stars.closing import NextStar, closures_to, next_star
from hedis.stars.years import star_year

YEAR = star_year(2026)
IDS = sorted(YEAR.measures)
CUTS = CutPoints(*map(Decimal, ("48", "60", "70", "78")))


def contract(stars: Mapping[str, int], **facts: Any) -> rating.Contract:
    return rating.Contract("H0001", facts.pop("rated_as", RatedAs.MA_PD), dict(stars), **facts)


def explained(stars: Mapping[str, int], scores: Mapping[str, str] | None = None, **facts: Any) -> dict[str, Any]:
    one = contract(stars, **facts)
    found = {name: measure_star(YEAR, name, one.rated_as, Decimal(score)) for name, score in (scores or {}).items()}
    return explaining.explain(rating.rate(one, YEAR), one, YEAR, scores=found)


def measure(told: dict[str, Any], name: str) -> dict[str, Any]:
    return next(one for one in told["measures"] if one["id"] == name)


def leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        for one in value.values():
            yield from leaves(one)
    elif isinstance(value, list):
        for one in value:
            yield from leaves(one)
    else:
        yield value


# --- explaining ------------------------------------------------------------------------------------------------------


def test_an_explanation_is_json_and_loses_no_decimal_on_the_way() -> None:
    told = explained(dict.fromkeys(IDS, 4), cai_categories={"overall": 3})
    assert json.loads(json.dumps(told)) == told
    assert not any(isinstance(leaf, float) for leaf in leaves(told))
    engine = rating.rate(contract(dict.fromkeys(IDS, 4), cai_categories={"overall": 3}), YEAR).ratings[Part.OVERALL]
    assert engine.used is not None
    assert told["ratings"]["overall"]["final"] == f"{engine.used.final:f}"
    assert told["ratings"]["overall"]["cai"] == f"{YEAR.cai('overall', 3):f}"
    assert told["ratings"]["overall"]["star"] == "4.5"


def test_every_scenario_is_told_with_the_thresholds_it_met_and_the_used_one_is_marked() -> None:
    told = explained(dict.fromkeys(IDS, 4), disaster_shares={Disaster.CURRENT: Decimal(30)})
    scenarios = told["ratings"]["overall"]["scenarios"]
    assert [(one["improvement"], one["new_measures"]) for one in scenarios] == [
        (True, True), (False, True), (True, False), (False, False)
    ]  # fmt: skip
    limits = YEAR.reward_thresholds("overall", False, True)
    assert scenarios[1]["thresholds"]["mean_85"] == f"{limits.mean_85:f}"
    assert [one["used"] for one in scenarios].count(True) == 1


def test_improvement_left_out_is_told_with_its_rule() -> None:
    stars = dict.fromkeys(IDS, 4) | {"C30": 1, "D04": 1}
    one = explained(stars)["ratings"]["overall"]
    assert one["rule"] == "improvement_hold_harmless"
    assert "left out" in one["rule_in_words"]
    used = next(each for each in one["scenarios"] if each["used"])
    assert not used["improvement"] and "C30" not in used["measures"]
    assert explained(stars)["ratings"]["part_c"]["rule"] == "summary_includes_improvement"


def test_too_few_measures_are_told_with_how_many_are_needed() -> None:
    told = explained({"C01": 4, "C02": 3}, kind="ccp_no_snp")
    one = told["ratings"]["part_c"]
    assert (one["star"], one["reason"], one["rated_measures"], one["minimum"]) == (None, "too_few_measures", 2, 15)
    assert one["final"] is not None, "the figures are shown although the contract is not rated"
    assert told["ratings"]["part_d"]["reason"] == "no_measures"


def test_a_measure_is_told_with_its_score_its_cut_points_and_its_rule() -> None:
    told = explained({"C02": 3, "C22": 4, "C30": 2, "C01": 5}, {"C02": "69.4", "C22": "81"})
    one = measure(told, "C02")
    assert (one["score"], one["shown_score"], one["by_cut_points"], one["star"]) == ("69.4", "69", 3, 3)
    assert one["cut_points"] == {"two": "48", "three": "60", "four": "70", "five": "78"}
    rules = {name: measure(told, name)["rule"] for name in ("C02", "C30", "C01", "C03")}
    assert rules == {"C02": "cut_points", "C30": "improvement", "C01": "given", "C03": "none"}


@pytest.mark.parametrize(("rated_as", "parts"), [(RatedAs.PDP, {"part_d"}), (RatedAs.MA_ONLY, {"part_c"})])
def test_only_the_parts_a_contract_can_have_are_told(rated_as: RatedAs, parts: set[str]) -> None:
    letter = "D" if rated_as is RatedAs.PDP else "C"
    told = explained({name: 3 for name in IDS if name.startswith(letter)}, rated_as=rated_as)
    assert set(told["ratings"]) == parts == {one["part"] for one in told["measures"]}


def test_domain_stars_are_plain_means_and_need_enough_measures() -> None:
    staying_healthy = {"C01": 5, "C02": 4, "C03": 3, "C04": 4, "C05": 4, "C06": 1}
    domains = {one["id"]: one for one in explained(staying_healthy, kind="ccp_no_snp")["domains"]}
    assert (domains["HD1"]["mean"], domains["HD1"]["star"]) == ("3.500000", 4)
    domains = {one["id"]: one for one in explained({"C01": 5}, kind="ccp_no_snp")["domains"]}
    assert (domains["HD1"]["mean"], domains["HD1"]["star"]) == ("5.000000", None)
    assert domains["HD1"]["minimum"] > 1


def test_adherence_weighs_nothing_in_puerto_rico() -> None:
    stars = dict.fromkeys(IDS, 3)
    assert measure(explained(stars), "D08")["weight"] == 3
    assert measure(explained(stars, puerto_rico_only=True), "D08")["weight"] == 0


def test_every_code_has_a_sentence() -> None:
    assert set(explaining.RULES) == set(rating.Rule)
    assert set(explaining.REASONS) == set(rating.NotRated)
    assert set(explaining.PART_NAMES) == set(Part)


# --- closures --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("numerator", "denominator", "closures"),
    [
        pytest.param(60, 100, 10, id="69.5 shows as 70: nine are 69, ten are 70"),
        pytest.param(139, 200, 0, id="69.5 exactly is enough"),
        pytest.param(138, 200, 1, id="69.0 is not"),
        pytest.param(0, 3, 3, id="2 of 3 is 66.7"),
        pytest.param(100, 100, 0, id="never below none"),
    ],
)
def test_closures_to_a_cut_point_use_the_displayed_rate(numerator: int, denominator: int, closures: int) -> None:
    assert closures_to(Decimal(70), numerator, denominator) == closures


@given(
    denominator=st.integers(1, 400),
    share=st.floats(0, 1),
    lower=st.booleans(),
    cuts=st.lists(st.integers(1, 99), min_size=4, max_size=4, unique=True),
)
def test_the_next_star_takes_exactly_as_many_closures_as_the_engine_says(
    denominator: int, share: float, lower: bool, cuts: list[int]
) -> None:
    numerator = round(share * denominator)
    points = CutPoints(*map(Decimal, sorted(cuts, reverse=lower)))
    one = YEAR.measures["C02"]

    def star(number: int) -> int:
        return star_by_cut_points(displayed(Decimal(100 * number) / denominator, one), points, lower)

    found = next_star(numerator, denominator, points, lower_is_better=lower)
    if found is None:
        assert star(numerator) == 5
        return
    step = -1 if lower else 1
    assert star(numerator) < found.star <= star(numerator + step * found.closures)
    assert star(numerator + step * (found.closures - 1)) < found.star


def test_the_next_star_is_the_one_above_the_star_the_rate_has() -> None:
    assert next_star(65, 102, CUTS) == NextStar(4, Decimal(70), 6)
    assert next_star(80, 100, CUTS) is None


@pytest.mark.parametrize(("numerator", "denominator"), [(0, 0), (5, 4), (-1, 4)])
def test_closures_of_what_is_no_rate_are_refused(numerator: int, denominator: int) -> None:
    with pytest.raises(ValueError, match="is no rate"):
        closures_to(Decimal(70), numerator, denominator)


# --- comparing -------------------------------------------------------------------------------------------------------


def test_two_contracts_are_compared_measure_by_measure() -> None:
    a = explained({"C01": 3, "C02": 3, "C18": 4}, {"C01": "72", "C02": "69", "C18": "8"})
    b = explained({"C02": 5, "C18": 3}, {"C02": "80", "C18": "10"})
    pairs = {pair.ids: pair for pair in comparing.compare_measures(a, b)}
    assert list(pairs) == ["C01", "C02", "C18"], "measures without a figure on either side are left out"
    assert (pairs["C02"].score_difference, pairs["C02"].star_difference, pairs["C02"].better) == (11, 2, "b")
    assert (pairs["C18"].score_difference, pairs["C18"].better) == (2, "a"), "fewer readmissions are better"
    assert (pairs["C01"].score_difference, pairs["C01"].star_difference, pairs["C01"].better) == (None, None, "")
    assert [pair.first_of_domain for pair in pairs.values()] == [True, False, True]


def test_a_measure_is_found_again_in_another_year_under_another_id() -> None:
    before = star_year(2025)
    old_id = next(name for name, one in before.measures.items() if one.key == "CBP")
    assert old_id != "C14"
    old = rating.Contract("H0001", RatedAs.MA_PD, {old_id: 2})
    b = explaining.explain(rating.rate(old, before), old, before)
    pairs = comparing.compare_measures(explained({"C14": 4}), b)
    assert [(pair.ids, pair.star_difference) for pair in pairs] == [(f"C14 / {old_id}", -2)]


def test_ratings_are_compared_where_both_have_them() -> None:
    a = explained(dict.fromkeys(IDS, 3))
    b = explained({name: 4 for name in IDS if name.startswith("D")}, rated_as=RatedAs.PDP)
    found = {pair.name: pair for pair in comparing.compare_ratings(a, b)}
    assert found["Overall"].sides[1] is None and found["Overall"].difference is None
    assert found["Part D summary"].difference == Decimal("1.5")


# --- pictures --------------------------------------------------------------------------------------------------------


def test_stars_are_drawn_to_the_half_and_say_so() -> None:
    drawn = str(pictures.star_row("3.5"))
    assert "<title>3.5 of 5 stars</title>" in drawn
    assert drawn.count('class="star-fill"') == 4 and drawn.count(pictures.LEFT_HALF) == 1
    assert pictures.star_row(None) == ""


@pytest.mark.parametrize(
    ("score", "place"),
    [("0", 0), ("24", 0.5), ("48", 1), ("54", 1.5), ("70", 3), ("78", 4), ("89", 4.5), ("100", 5)],
)
def test_a_score_keeps_its_place_within_its_band(score: str, place: float) -> None:
    one = measure(explained({"C02": 3}), "C02")
    assert pictures.position(Decimal(score), one, list(CUTS)) == pytest.approx(place)


def test_a_lower_score_stands_further_right_where_lower_is_better() -> None:
    told = explained({"C18": 4, "C28": 5}, {"C18": "9", "C28": "0.09"})
    readmissions = measure(told, "C18")
    points = [Decimal(readmissions["cut_points"][name]) for name in pictures.CUTS]
    places = [pictures.position(Decimal(score), readmissions, points) for score in (100, 12, 9, 7, 0)]
    assert places == sorted(places) and places[0] == 0 and places[-1] == 5
    drawn = str(pictures.cut_band(measure(told, "C28")))
    assert "or less" in drawn and "earns 5 of 5 stars" in drawn, "complaints have no upper end of the scale"


def test_a_measure_without_cut_points_has_no_band_and_one_without_score_no_mark() -> None:
    one = measure(explained({"C02": 3}), "C02")
    assert "band-mark" not in pictures.cut_band(one) and "no score" in pictures.cut_band(one)
    assert pictures.cut_band(one | {"cut_points": None}) == ""


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "–"),
        (0, "0"),
        ("0.000000", "0"),
        ("-0.017803", "-0.017803"),
        (Decimal("1.50"), "+1.5"),
        (Decimal("-10"), "-10"),
    ],
)
def test_a_difference_has_its_sign(value: Any, words: str) -> None:
    assert pictures.signed(value) == words
