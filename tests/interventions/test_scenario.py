"""A scenario as JSON and as people type it: read whole, or refused with the field and the reason."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interventions import scenario_text
from interventions.problem import ProblemError
from interventions.scenario import Added, Scenario, as_content, scenario_of
from interventions.strategies import Strategy

CHANNELS = ("phone", "mail")


def read(content: Any) -> Scenario:
    return scenario_of(content, channels=CHANNELS)


def test_nothing_asked_changes_nothing() -> None:
    assert read({}) == Scenario()
    assert not Scenario().spends


def test_everything_that_can_be_asked_is_read() -> None:
    found = read(
        {"budget": 5000, "strategies": ["nearest_cut", "optimal", "optimal"], "budgets": [2000, 1000, 2000],
         "capacities": {"phone": 50}, "effect": 0.8, "closures": {"COL": 12}, "closure_rates": {"GSD": 0.3},
         "cuts": {"COL": {"5": "84.5", "4": 78}}, "cut_shifts": {"*": 2}, "without": ["KED"], "weights_of": 2029,
         "with": {"DSF": {"star": 3, "weight": 2}}, "weights": {"COL": 3}, "reward_factor": False, "on_top": True,
         "hei_median_share": 0.35}
    )  # fmt: skip
    assert found.strategies == (Strategy.NEAREST_CUT, Strategy.OPTIMAL)
    assert found.budgets == (1000, 2000)
    assert found.cuts == {"COL": {4: Decimal(78), 5: Decimal("84.5")}}
    assert found.added == {"DSF": Added(3, 2)}
    assert found.spends and found.on_top and not found.reward_factor


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ([], "is not a JSON object"),
        ({"bugdet": 5}, "bugdet: is not known here"),
        ({"budget": -1}, "budget: is -1, below 0"),
        ({"budget": float("nan")}, "budget: is nan; it is a finite number"),
        ({"strategies": ["optimal"]}, "budget: is missing"),
        ({"budgets": [5]}, "budget: is missing"),
        ({"budget": 5, "strategies": ["greedy"]}, "strategies: names 'greedy'"),
        ({"budget": 5, "strategies": []}, "strategies: names none"),
        ({"budget": 5, "objective": "fame"}, "objective: is 'fame'"),
        ({"budget": 5, "budgets": list(range(13))}, "budgets: is a list of at most 12"),
        ({"budget": 5, "capacities": {"owl": 3}}, "capacities.owl: is no channel"),
        ({"effect": 4}, "effect: is 4, above 3"),
        ({"closures": {"COL": -1}}, "closures.COL: is -1, below 0"),
        ({"closure_rates": {"COL": 1.2}}, "closure_rates.COL: is 1.2"),
        ({"closures": {"COL": 1}, "closure_rates": {"COL": 0.2}}, "closure_rates.COL: has closures too"),
        ({"cuts": {"COL": {"6": 90}}}, "cuts.COL: is an object of stars and scores"),
        ({"cuts": {"COL": {"4": "many"}}}, "cuts.COL.4: is 'many'; it is a number"),
        ({"cut_shifts": {"COL": "NaN"}}, "cut_shifts.COL: is 'NaN'; it is a finite number"),
        ({"without": "COL"}, "without: is a list of measures"),
        ({"with": {"DSF": {"star": 6}}}, "with.DSF.star: is 6"),
        ({"with": {"DSF": {"star": 3}}, "without": ["DSF"]}, "with.DSF: is among those left out too"),
        ({"weights": {"COL": 9}}, "weights.COL: is 9; a weight is a whole number"),
        ({"weights": {"COL": True}}, "weights.COL: is True"),
        ({"weights_of": 1999}, "weights_of: is 1999"),
        ({"reward_factor": "no"}, "reward_factor: is 'no'; it is true or false"),
        ({"hei_median_share": 0}, "hei_median_share: is 0; it is a share above 0"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked_is_refused_by_field_and_reason(content: Any, words: str) -> None:
    with pytest.raises(ProblemError) as refusal:
        read(content)
    assert words in str(refusal.value)


NAMES = st.sampled_from(["COL", "GSD", "C14"])
POINTS = st.decimals(-9, 9, places=1)
SCENARIOS = st.builds(
    Scenario,
    budget=st.floats(0, 1e6), on_top=st.booleans(),
    strategies=st.lists(st.sampled_from(Strategy), min_size=1, unique=True).map(tuple),
    objective=st.sampled_from(["stars", "weighted_stars", "dollars"]), confidence_z=st.floats(-3, 3),
    capacities=st.dictionaries(st.sampled_from(CHANNELS), st.floats(0, 1e5)), effect=st.floats(0, 3),
    budgets=st.lists(st.floats(0, 1e6), max_size=12, unique=True).map(lambda given: tuple(sorted(given))),
    closures=st.dictionaries(NAMES, st.floats(0, 500)),
    cuts=st.dictionaries(NAMES, st.dictionaries(st.integers(2, 5), POINTS, min_size=1)),
    cut_shifts=st.dictionaries(NAMES, POINTS), without=st.lists(NAMES, unique=True).map(tuple),
    added=st.dictionaries(st.just("DSF"), st.builds(Added, st.integers(1, 5), st.integers(0, 5))),
    weights=st.dictionaries(NAMES, st.integers(0, 5)), weights_of=st.none() | st.integers(2026, 2029),
    reward_factor=st.booleans(), hei_median_share=st.none() | st.decimals("0.01", 1, places=2),
)  # fmt: skip


@given(SCENARIOS)
def test_what_is_kept_of_a_scenario_reads_back_as_the_same(scenario: Scenario) -> None:
    assert read(as_content(scenario)) == scenario


def test_measures_and_numbers_are_read_as_people_type_them() -> None:
    assert scenario_text.parts("COL=2, GSD=-1;KED=0") == ["COL=2", "GSD=-1", "KED=0"]
    assert scenario_text.numbers("closures", ["COL=2", "GSD=1.5"]) == {"COL": 2.0, "GSD": 1.5}
    assert scenario_text.cuts(["COL:4=78", "COL:5=84"]) == {"COL": {"4": "78", "5": "84"}}
    assert scenario_text.added(["DSF=3", "COB=4/1"]) == {"DSF": {"star": 3}, "COB": {"star": 4, "weight": 1}}


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: scenario_text.numbers("closures", ["COL"]), "'COL' is not NAME=NUMBER"),
        (lambda: scenario_text.numbers("closures", ["=2"]), "'=2' is not NAME=NUMBER"),
        (lambda: scenario_text.numbers("closures", ["COL=two"]), "'COL=two' is not"),
        (lambda: scenario_text.numbers("closures", ["COL=1", "COL=2"]), "names COL twice"),
        (lambda: scenario_text.cuts(["COL=78"]), "'COL=78' is not MEASURE:STAR=SCORE"),
        (lambda: scenario_text.cuts(["COL:4="]), "'COL:4=' is not MEASURE:STAR=SCORE"),
        (lambda: scenario_text.added(["DSF=good"]), "'DSF=good' is not NAME=STAR/WEIGHT"),
    ],
)
def test_a_slip_of_the_pen_is_shown_as_it_was_typed(call: Any, words: str) -> None:
    with pytest.raises(ProblemError) as refusal:
        call()
    assert words in str(refusal.value)
