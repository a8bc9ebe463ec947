"""Scores to measure stars: rounding, both directions, contract types, disasters, CAHPS, domains, improvement."""

from dataclasses import replace
from decimal import Decimal

import pytest

from hedis.engine import rating_scores as scores
from hedis.engine.rating_scores import CahpsEvidence, MeasureStar, TwoYears
from hedis.engine.rating_year import NotInThisYear, RatedAs
from hedis.stars.years import star_year

YEAR = star_year(2026)


@pytest.mark.parametrize(
    ("measure_id", "rated_as", "score", "star"),
    [
        pytest.param("C01", RatedAs.MA_PD, "83.499999", 4, id="rounds down to 83"),
        pytest.param("C01", RatedAs.MA_PD, "83.5", 5, id="rounds half up to 84, the cut point"),
        pytest.param("C01", RatedAs.MA_PD, "57.4", 1, id="below all"),
        pytest.param("C18", RatedAs.MA_PD, "7.49", 5, id="lower is better, boundary inclusive"),
        pytest.param("C18", RatedAs.MA_PD, "7.5", 4, id="lower is better, rounded half up away"),
        pytest.param("C28", RatedAs.MA_PD, "0.114", 5, id="complaints have two decimals"),
        pytest.param("C28", RatedAs.MA_PD, "0.115", 4, id="complaints round half up"),
        pytest.param("C31", RatedAs.MA_PD, "99.4", 4, id="a single value is five stars only there"),
        pytest.param("C31", RatedAs.MA_PD, "99.5", 5, id="which is reached by rounding"),
        pytest.param("D01", RatedAs.MA_PD, "75", 2, id="Part D, MA-PD"),
        pytest.param("D01", RatedAs.PDP, "74", 1, id="Part D, PDP"),
        pytest.param("C30", RatedAs.MA_PD, "0.202883", 3, id="improvement has six decimals"),
        pytest.param("C30", RatedAs.MA_PD, "-0.121368", 2, id="improvement may be negative"),
    ],
)
def test_scores_become_stars(measure_id: str, rated_as: RatedAs, score: str, star: int) -> None:
    assert scores.measure_star(YEAR, measure_id, rated_as, Decimal(score)).star == star


@pytest.mark.parametrize(("measure_id", "score"), [("C01", "100.1"), ("C28", "-0.01"), ("D04", "1.5"), ("C01", "NaN")])
def test_a_score_outside_its_scale_is_refused(measure_id: str, score: str) -> None:
    with pytest.raises(scores.ScoreOutOfRange, match=f"{measure_id} .*{score}"):
        scores.measure_star(YEAR, measure_id, RatedAs.MA_PD, Decimal(score))


def test_a_data_integrity_finding_is_one_star() -> None:
    found = scores.measure_star(YEAR, "C01", RatedAs.MA_PD, Decimal(99), flagged=True)
    assert (found.star, found.rule, found.score) == (1, "data_integrity", None)


def test_a_provisional_year_says_which_cut_points_it_lacks() -> None:
    with pytest.raises(NotInThisYear, match="Star year 2027 has no cut points for D01 PDP"):
        scores.measure_star(star_year(2027), "D01", RatedAs.PDP, Decimal(90))


def star(measure_id: str, stars: int | None, score: int = 50) -> MeasureStar:
    return MeasureStar(measure_id, stars, "cut_points", Decimal(score), Decimal(score), stars)


@pytest.mark.parametrize(
    ("measure_id", "current", "prior", "share", "kept"),
    [
        pytest.param("C01", 3, 4, 25, 4, id="better last year"),
        pytest.param("C01", 3, 4, 24, 3, id="not affected enough"),
        pytest.param("C01", 4, 4, 90, 4, id="the same: this year"),
        pytest.param("C01", 4, 2, 90, 4, id="better this year"),
        pytest.param("C33", 3, 4, 90, 3, id="call centers are never adjusted"),
        pytest.param("C01", 3, None, 90, 3, id="missing last year"),
        pytest.param("C01", None, 4, 90, None, id="missing this year"),
    ],
)
def test_an_affected_contract_keeps_the_better_year(
    measure_id: str, current: int | None, prior: int | None, share: int, kept: int | None
) -> None:
    measure = YEAR.measure(measure_id)
    before = None if prior is None else star(measure_id, prior, 77)
    found = scores.better_of_two_years(star(measure_id, current), before, measure, Decimal(share), YEAR)
    assert found.star == kept
    if kept is not None and current is not None and kept > current:
        assert (found.rule, found.score, found.by_cut_points) == ("prior_year_disaster", Decimal(77), current)


@pytest.mark.parametrize(
    ("mean", "error", "significance", "reliability", "expected"),
    [
        pytest.param("77.0", "0.3", "below", "0.90", 1, id="below the 15th percentile and significantly"),
        pytest.param("77.4", "0.9", "below", "0.70", 2, id="low reliability within one error is spared"),
        pytest.param("77.0", "0.3", "none", "0.90", 2, id="not significant is spared"),
        pytest.param("79.0", "0.5", "below", "0.90", 2, id="group 2 stays"),
        pytest.param("81.0", "0.5", "below", "0.90", 2, id="group 3 falls"),
        pytest.param("81.0", "0.5", "above", "0.90", 4, id="group 3 rises"),
        pytest.param("83.0", "0.5", "none", "0.90", 4, id="group 4 stays"),
        pytest.param("83.0", "0.5", "none", "0.70", 3, id="group 4 of low reliability falls"),
        pytest.param("86.0", "0.5", "above", "0.90", 5, id="group 5 above"),
        pytest.param("86.0", "0.5", "none", "0.90", 4, id="group 5 not significant"),
        pytest.param("84.2", "0.5", "above", "0.70", 4, id="group 5 of low reliability within one error"),
        pytest.param("86.0", "0.5", "above", "0.59", None, id="very low reliability has no star"),
    ],
)
def test_significance_and_reliability_move_a_cahps_star(
    mean: str, error: str, significance: str, reliability: str, expected: int | None
) -> None:
    evidence = CahpsEvidence(Decimal(error), significance, Decimal(reliability))
    assert scores.cahps_star(YEAR, "C22", RatedAs.MA_PD, Decimal(mean), evidence).star == expected


def test_the_moves_cms_allows_from_each_base_group() -> None:
    moves = [set(scores.cahps_moves(YEAR, group)) for group in (1, 2, 3, 4, 5)]
    assert moves == [{1, 2}, {2, 3}, {2, 3, 4}, {3, 4}, {4, 5}]


def test_only_survey_measures_take_the_survey_rule() -> None:
    with pytest.raises(ValueError, match="C01 is not a CAHPS measure"):
        scores.cahps_star(YEAR, "C01", RatedAs.MA_PD, Decimal(80), CahpsEvidence(Decimal(1), "none", Decimal(1)))


@pytest.mark.parametrize(("stars", "expected"), [([3, 4], 4), ([3, 3, 4], 3), ([1, 2], 2), ([5], 5), ([], None)])
def test_a_domain_star_is_the_plain_mean_half_up(stars: list[int], expected: int | None) -> None:
    assert scores.domain_star(stars) == expected


def test_domain_minimums_equal_the_published_table() -> None:
    required = {(row, kind) for row, kind in YEAR.minimums if row.startswith(("HD", "DD"))}
    for domain_id, kind in required:
        count = sum(
            one.domain_id == domain_id and one.category != "improvement" and kind in one.required_of
            for one in YEAR.measures.values()
        )
        assert scores.domain_minimum(count) == YEAR.minimums[domain_id, kind], (domain_id, kind)


PAIR = TwoYears(70, 75, 1, 1, 0.5, 1, False, 3, 4)


@pytest.mark.parametrize(
    ("pair", "net"),
    [
        pytest.param(PAIR, 1, id="five points at an error of one"),
        pytest.param(replace(PAIR, current=71.9), 0, id="t of 1.9 is no change"),
        pytest.param(replace(PAIR, current=71.97), 1, id="t above 1.96 is"),
        pytest.param(replace(PAIR, current=65), -1, id="declined"),
        pytest.param(replace(PAIR, lower_is_better=True), -1, id="up is worse where lower is better"),
        pytest.param(replace(PAIR, current=65, previous_star=5, current_star=5), 0, id="five stars cannot decline"),
        pytest.param(replace(PAIR, previous_error=0, current_error=0), 1, id="no error, any change counts"),
        pytest.param(replace(PAIR, current=70, previous_error=0, current_error=0), 0, id="no error, no change"),
    ],
)
def test_a_change_counts_when_it_is_significant(pair: TwoYears, net: int) -> None:
    assert scores.net_improvement(pair) == net


def test_the_improvement_score_weighs_net_changes() -> None:
    pairs = [PAIR, replace(PAIR, weight=3, current=65), replace(PAIR, weight=2, current=70)]
    assert scores.improvement_score(pairs, minimum=3) == Decimal("-0.333333")
    assert scores.improvement_score(pairs, minimum=4) is None


def test_the_error_of_a_percentage() -> None:
    assert scores.percentage_error(50, 100) == 5
