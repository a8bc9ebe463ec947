"""What is said of a score's input, and for how long a score is good."""

import datetime as dt
from typing import Any

import numpy as np
import pytest

from predictions import quality
from predictions.tables import Column, Kind

JUNE = dt.date(2026, 6, 30)
CARD: dict[str, Any] = {
    "training": {"score_days": [[3, 31], [6, 30]]},
    "reference": {
        "features": {
            "age": {"missing": 0.0, "range": [50, 90]},
            "last_systolic": {"missing": 0.4, "range": [80, 220]},
            "sex": {"missing": 0.0, "levels": ["female", "male"], "shares": [0.6, 0.4]},
            "region": {"missing": 0.0, "levels": ["north"], "shares": [0.7]},
        }
    },
}


def column(name: str, *values: float | None) -> Column:
    return Column(name, Kind.NUMBER, np.array([np.nan if value is None else value for value in values]))


def flags(*columns: Column, card: dict[str, Any] = CARD, as_of: dt.date = JUNE, **more: bool) -> list[tuple[str, ...]]:
    facts = {"intervals": True, "drifted": False, **more}
    return quality.flags({each.name: each for each in columns}, card, as_of, **facts)


def test_nothing_is_said_of_usual_input() -> None:
    assert flags(column("age", 70), column("last_systolic", None), column("months_enrolled", 12)) == [()]


def test_each_row_gets_its_own_flags() -> None:
    found = flags(
        column("age", 70, 49, None, 90), column("months_enrolled", 24, 11, 24, 24),
        column("met_last_year", None, None, 1, None), column("others_met_last_year", 0.5, None, None, None),
    )  # fmt: skip
    assert found == [(), ("outside_range", "no_history", "enrolled_briefly"), ("unusually_missing",), ("no_history",)]


def test_a_word_the_model_never_saw_is_outside_its_range() -> None:
    words = Column("sex", Kind.CATEGORY, np.array([0, 1, -1]), ("female", "other"))
    assert flags(words) == [(), ("outside_range",), ("unusually_missing",)]
    assert flags(Column("region", Kind.CATEGORY, np.array([0]), ("south",))) == [()], "rare ones are not kept"


@pytest.mark.parametrize("day, far", [(dt.date(2026, 5, 1), False), (dt.date(2026, 8, 1), True)])
def test_a_score_date_over_a_month_from_all_that_was_learnt_from_is_far(day: dt.date, far: bool) -> None:
    assert ("far_from_score_day" in flags(column("age", 70), as_of=day)[0]) is far


def test_a_card_that_says_nothing_raises_no_flag_and_no_error() -> None:
    assert flags(column("age", 170), card={}) == [()]


def test_what_holds_for_all_rows_is_said_of_each() -> None:
    assert flags(column("age", 70, 80), intervals=False, drifted=True) == [("no_interval", "model_drift")] * 2


def test_every_flag_has_words() -> None:
    assert all(words.endswith(".") for words in quality.FLAGS.values()) and len(quality.FLAGS) == 7


@pytest.mark.parametrize(
    "as_of, last", [(dt.date(2026, 9, 30), dt.date(2026, 12, 1)), (dt.date(2026, 12, 15), dt.date(2026, 12, 31))]
)
def test_a_score_is_good_for_two_months_and_not_beyond_its_year(as_of: dt.date, last: dt.date) -> None:
    assert quality.expiry(as_of, 2026) == last
