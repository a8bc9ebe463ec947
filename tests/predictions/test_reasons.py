"""Reasons in words: what moved the score most, told as a fact with its value."""

import numpy as np
import pytest

from hedis.measures.definitions import DEFINITIONS
from predictions import features, reasons
from predictions.reasons import About

WORDS = {"visit_days": "days with an outpatient visit", "shoe_size": "size of the shoes"}
BCS = About("BCS", WORDS)


@pytest.mark.parametrize(
    "feature, value, said",
    [
        ("days_since_evidence", None, "no mammogram in the data"),
        ("days_since_evidence", 310.0, "last mammogram 310 days ago"),
        ("days_since_evidence", 1.0, "last mammogram 1 day ago"),
        ("days_since_evidence", 4380.0, "last mammogram about 12 years ago"),
        ("days_since_visit", 0.0, "last outpatient visit on the score date"),
        ("days_since_visit", None, "no outpatient visit in the data"),
        ("visit_days", 0.0, "no outpatient visit in the last 12 months"),
        ("visit_days", 1.0, "outpatient visits on 1 day in the last 12 months"),
        ("visit_days", 7.0, "outpatient visits on 7 days in the last 12 months"),
        ("met_last_year", 1.0, "met this measure last year"),
        ("met_last_year", 0.0, "did not meet this measure last year"),
        ("met_last_year", None, "not counted in this measure last year"),
        ("met_last_year_pdc_sta", 0.0, "did not meet Medication Adherence for Cholesterol (Statins) last year"),
        ("met_last_year_col", None, "not counted in Colorectal Cancer Screening last year"),
        ("language_not_english", 1.0, "speaks another language than English"),
        ("months_enrolled", 1.0, "enrolled 1 of the last 24 months"),
        ("last_hba1c_or_gmi", 8.4, "last HbA1c or GMI 8.4 %"),
        ("pdc_to_date", 71.26, "71.3 % of days covered so far this year"),
        ("missable_days", 0.0, "no further day may be missed this year"),
        ("sex", "female", "female"),
        ("sex", None, "sex not stated"),
        ("shoe_size", 43.0, "size of the shoes: 43"),
        ("shoe_size", None, "size of the shoes: not known"),
        ("no_words_at_all", "wide", "no words at all: wide"),
    ],
)
def test_a_feature_is_told_in_words_with_its_value(feature: str, value: float | str | None, said: str) -> None:
    assert reasons.phrase(feature, {feature: value}, BCS) == said


def test_of_the_other_measures_it_is_told_how_many_were_met() -> None:
    row = {
        "others_met_last_year": 2 / 3, "met_last_year_col": 1.0, "met_last_year_cbp": 0.0, "met_last_year_bcs": 1.0,
        "met_last_year_pdc_sta": None,
    }  # fmt: skip
    assert reasons.phrase("others_met_last_year", row, BCS) == "met 2 of 3 other measures last year"
    assert reasons.phrase("others_met_last_year", {"others_met_last_year": 0.5}, BCS).startswith("met 50%")
    nothing = reasons.phrase("others_met_last_year", {"others_met_last_year": None}, BCS)
    assert nothing == "not counted in the other measures last year"


@pytest.mark.parametrize("code", DEFINITIONS)
def test_every_feature_of_every_measure_is_worded_known_or_not(code: str) -> None:
    definition = DEFINITIONS[code]
    others = [each for each in DEFINITIONS.values() if each.code != code]
    about = About(code, {})
    for feature in features.features_of(definition, others):
        worded = reasons.wording()["feature"].get(feature.name) or {}
        for value in (None,) if feature.name == "sex" else (None, 0.0, 1.0, *([37.5] if "words" in worded else [])):
            words = reasons.phrase(feature.name, {feature.name: value}, about)
            assert words and ":" not in words and "{" not in words, (feature.name, value)
    assert "evidence" not in reasons.phrase("days_since_evidence", {"days_since_evidence": None}, about)


def test_the_three_that_push_most_toward_staying_open_are_told_of_a_low_score_those_toward_closing() -> None:
    contributions = np.array([[0.5, -0.9, 0.1, 0.3, 0.2], [0.5, -0.9, 0.1, -0.3, 0.0], [0.001, -1.0, 0.0, 0.0, 0.0]])
    chosen = reasons.strongest(contributions, np.array([False, True, False]))
    assert chosen.tolist() == [[0, 3, 4], [1, 3, -1], [-1, -1, -1]]


def test_a_model_of_one_feature_has_one_reason_at_most() -> None:
    assert reasons.strongest(np.array([[0.4], [-0.4]]), np.array([False, False])).tolist() == [
        [0, -1, -1],
        [-1, -1, -1],
    ]


def test_a_reason_is_stored_with_feature_value_words_and_contribution() -> None:
    row = {"age": 71.0, "met_last_year": None}
    found = reasons.told(["age", "met_last_year"], row, np.array([0.25, 0.5]), np.array([1, 0, -1]), BCS)
    assert found == [
        {"feature": "met_last_year", "value": None, "words": "not counted in this measure last year",
         "contribution": 0.5},
        {"feature": "age", "value": 71.0, "words": "age 71", "contribution": 0.25},
    ]  # fmt: skip
