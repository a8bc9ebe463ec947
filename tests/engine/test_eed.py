"""EED by decision table (tables/eed.txt): measurement year 2026."""

from __future__ import annotations

import pytest

from tests.engine.plan import decide_table

NEVER = "No retinal exam in the measurement year, no retinal exam without retinopathy in the year before"


@pytest.fixture(scope="module")
def outcome() -> tuple[dict, dict, dict]:
    return decide_table("EED")


def test_the_decision_table_holds(outcome: tuple[dict, dict, dict]) -> None:
    expected, found, _ = outcome
    assert found == expected


@pytest.mark.parametrize(
    ("case", "reason"),
    [
        ("never examined is kept", NEVER),
        (
            "retinopathy the year before",
            "Retinal exam on 2025-05-01 is before 2026-01-01, no retinal exam without retinopathy in the year before",
        ),
        (
            "one eye clear",
            "Graded retinopathy severity on 2025-05-01 is before 2026-01-01, no right eye without retinopathy from "
            "2025-01-01 to 2025-12-31",
        ),
    ],
)
def test_an_open_gap_says_what_is_missing_in_a_line(outcome: tuple[dict, dict, dict], case: str, reason: str) -> None:
    assert outcome[2][case]["reason"] == reason


def test_the_exam_that_closed_the_gap_is_told(outcome: tuple[dict, dict, dict]) -> None:
    told = {case: (row["evidence_date"].isoformat(), row["evidence_route"]) for case, row in outcome[2].items()
            if case in {"diabetic indicator exam", "uncomplicated on the claim"}}  # fmt: skip
    assert told == {
        "diabetic indicator exam": ("2026-05-01", "Retinal exam (claim)"),
        "uncomplicated on the claim": ("2025-05-01", "Retinal exam for diabetes without complications (claim)"),
    }


def test_only_what_supplemental_data_alone_closes_is_marked_so(outcome: tuple[dict, dict, dict]) -> None:
    marked = {case for case, row in outcome[2].items() if row["supplemental_only"]}
    assert marked == {"supplemental exam"}
