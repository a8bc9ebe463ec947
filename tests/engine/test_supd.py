"""SUPD by decision table (tables/supd.txt): measurement year 2026."""

from __future__ import annotations

import pytest

from tests.engine.plan import decide_table


@pytest.fixture(scope="module")
def outcome() -> tuple[dict, dict, dict]:
    return decide_table("SUPD")


def test_the_decision_table_holds(outcome: tuple[dict, dict, dict]) -> None:
    expected, found, _ = outcome
    assert found == expected


@pytest.mark.parametrize(
    ("case", "reason"),
    [
        ("40 on the first day", "No statin fill in 2026"),
        ("in the year before", "Statin fill on 2025-12-31 is before 2026-01-01"),
        ("bought for cash", "No statin fill in 2026"),
        ("a statin", None),
    ],
)
def test_the_reason_is_told(outcome: tuple[dict, dict, dict], case: str, reason: str | None) -> None:
    assert outcome[2][case]["reason"] == reason


def test_no_gap_is_closed_by_supplemental_data(outcome: tuple[dict, dict, dict]) -> None:
    assert not any(row["supplemental_only"] for row in outcome[2].values())
