"""CBP by decision table (tables/cbp.txt): measurement year 2026."""

from __future__ import annotations

import pytest

from tests.engine.plan import decide_table


@pytest.fixture(scope="module")
def outcome() -> tuple[dict, dict, dict]:
    return decide_table("CBP")


def test_the_decision_table_holds(outcome: tuple[dict, dict, dict]) -> None:
    expected, found, _ = outcome
    assert found == expected


@pytest.mark.parametrize(
    ("case", "reason", "value"),
    [
        ("never measured is kept", "No blood pressure in 2026", None),
        (
            "the last day decides",
            "Last blood pressure 148/92 mmHg on 2026-09-01 is not below 140/90 mmHg",
            "148/92 mmHg",
        ),
        ("incomplete last day", "Last blood pressure 120/? mmHg on 2026-09-01 is incomplete", "120/? mmHg"),
        (
            "before the second diagnosis",
            "Last blood pressure 120/70 mmHg on 2026-01-31 is before 2026-02-01",
            "120/70 mmHg",
        ),
        ("lowest of each on that day", None, "138/80 mmHg"),
        ("coded reading in control", None, "<140/<90 mmHg"),
    ],
)
def test_the_reason_and_the_last_reading_are_told(
    outcome: tuple[dict, dict, dict], case: str, reason: str | None, value: str | None
) -> None:
    row = outcome[2][case]
    assert (row["reason"], row["evidence_value"]) == (reason, value)
