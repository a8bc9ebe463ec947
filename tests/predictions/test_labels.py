"""What became of an open gap, and who has no outcome."""

import datetime as dt

import pytest

from predictions import labels
from tests.engine.plan import Plan
from tests.predictions import warehouse
from tests.predictions.warehouse import FULL

CASES = {
    "nothing": ("", FULL, "", "still open"),
    "care after the score date": ("2025-07-01 hcpcs:G0121", FULL, "", "closed"),
    "received on the settling date": ("2025-12-31 hcpcs:G0121 ^2026-06-30", FULL, "", "closed"),
    "received a day later": ("2025-12-31 hcpcs:G0121 ^2026-07-01", FULL, "", "still open"),
    "care after the year": ("2026-01-01 hcpcs:G0121", FULL, "", "still open"),
    "hospice": ("2025-08-01 hcpcs:G0182", FULL, "", "excluded later: hospice"),
    "death": ("2025-08-01 hcpcs:G0121", FULL, "2025-11-01", "died before the year ended"),
    "gone": ("", "2022-01-01..2025-11-30", "", "left the plan before the year ended"),
    "away": ("", "2022-01-01..2025-07-31, 2025-10-01..2026-12-31", "", "in the eligible population no longer"),
}


def test_the_engine_decides_by_the_settling_date_and_nobody_is_lost() -> None:
    plan = Plan()
    for case, (events, spans, died, _) in CASES.items():
        plan.add(case, "1958-03-01", spans, events, died=died)
    found = warehouse.outcomes(plan, "COL", [*CASES, "unknown"])
    assert found == {case: outcome for case, (*_, outcome) in CASES.items()} | {"unknown": labels.LEFT}


def test_who_dies_in_treatment_keeps_the_outcome_days_covered_give_them() -> None:
    plan = Plan()
    fills = "2025-01-01 rxnorm:301542 *30; 2025-02-05 rxnorm:301542 *30"
    plan.add("m", "1958-03-01", FULL, fills, died="2025-09-01")
    assert warehouse.outcomes(plan, "PDC-STA", ["m"]) == {"m": labels.STILL_OPEN}


def test_a_year_that_still_runs_has_no_outcome() -> None:
    with pytest.raises(ValueError, match="the year still runs"):
        warehouse.outcomes(Plan(), "COL", ["m"], settled=dt.date(2025, 12, 31))


def test_the_settling_date_lies_after_every_possible_score_date() -> None:
    assert labels.settled_on(2025) == dt.date(2026, 6, 30)
