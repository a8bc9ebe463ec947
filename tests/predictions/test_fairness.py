"""Fairness gates: what they judge, what they leave, and that a small group is never told as passed."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from predictions import fairness, subgroups
from predictions.calibrating import log_odds
from predictions.fairness import Verdict
from predictions.measuring import Sample
from predictions.tables import Column, Kind


def figure(value: float | None, *, reach: float = 0.05) -> dict[str, Any]:
    """A figure with an interval of this reach to both sides."""
    if value is None:
        return {"value": None, "low": None, "high": None, "reason": "the rows hold no event"}
    return {"value": value, "low": value - reach, "high": value + reach}


def group(by: str, level: str, n: int | None = 400, **values: float | None) -> dict[str, Any]:
    """A row of the subgroup table."""
    given = {"oe": 1.0, "tpr": 0.4, "selected": 0.2, **values}
    return {
        "by": by, "level": level, "suppressed": False, "n": n, "events": 90,
        **{name: figure(value) for name, value in given.items()},
    }  # fmt: skip


def found(*rows: dict[str, Any]) -> list[fairness.Finding]:
    """What the gates say of these groups, without the columns that are not there."""
    return [one for one in fairness.judge({"subgroups": list(rows)}) if one.gate]


def verdicts(findings: list[fairness.Finding], gate: str) -> dict[str, str]:
    return {one.level: one.verdict.value for one in findings if one.gate == gate}


def test_the_rules_are_read_from_a_file_with_their_sources() -> None:
    rules = fairness.RULES
    assert (rules.capacity, rules.least_rows) == (0.2, 200)
    assert {gate.figure: gate.limit for gate in rules.gates} == {"oe": 0.10, "tpr": 0.05, "selected": None}
    assert all(gate.source for gate in rules.gates)
    assert set(rules.columns.values()) == {
        "race", "ethnicity", "sex", "low_income_subsidy", "dual", "disabled", "age", "language_not_english", "contract",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("oe", "verdict"),
    [(1.10, "passed"), (0.90, "passed"), (1.11, "missed"), (0.89, "missed"), (1.0, "passed")],
)
def test_observed_over_expected_may_be_a_tenth_off_and_no_more(oe: float, verdict: str) -> None:
    findings = found(group("sex", "F", oe=oe), group("sex", "M"))
    assert verdicts(findings, "oe") == {"F": verdict, "M": "passed"}
    first = findings[0]
    assert (first.value, first.low, first.limit, first.n) == (oe, oe - 0.05, 0.10, 400)
    assert f"Observed / expected {oe:.3f} (" in first.words and "0.90 to 1.10 is allowed" in first.words


@pytest.mark.parametrize(("tpr", "verdict"), [(0.45, "passed"), (0.44, "missed"), (0.50, "passed")])
def test_a_group_may_be_caught_a_little_less_than_the_best_of_its_column(tpr: float, verdict: str) -> None:
    findings = found(group("race", "asian", tpr=tpr), group("race", "white", tpr=0.50), group("sex", "F", tpr=0.9))
    assert verdicts(findings, "tpr") == {"asian": verdict, "white": "passed", "F": "not judged"}


def test_the_difference_of_two_rates_has_the_interval_of_newcombe() -> None:
    # Newcombe 1998, table II: 56/70 against 48/80; Wilson intervals of each; difference 0.2000, 0.0524 to 0.3339.
    best = {"value": 0.8, "low": 0.6917, "high": 0.8769}
    other = {"value": 0.6, "low": 0.4904, "high": 0.7004}
    value, low, high = fairness.behind(best, other)
    assert (value, low, high) == (pytest.approx(0.2), pytest.approx(0.0524, abs=1e-3), pytest.approx(0.3339, abs=1e-3))
    assert fairness.behind(best, {"value": 0.6, "low": None, "high": None})[1:] == (None, None)


def test_the_selection_rate_is_shown_and_stands_in_nobodys_way() -> None:
    findings = found(group("sex", "F", selected=0.05), group("sex", "M", selected=0.6))
    assert verdicts(findings, "selected") == {"F": "shown", "M": "shown"}
    assert fairness.missed(findings) == []


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (group("race", "asian", 199, oe=2.0, tpr=0.0), "fewer than 200 rows"),
        (group("race", "asian", None, oe=2.0, tpr=0.0), "its size is withheld"),
        (group("race", "asian", oe=None, tpr=None, selected=None), "the rows hold no event"),
        (
            {"by": "race", "level": "asian", "suppressed": True, "n": None, "events": None, "oe": None, "tpr": None,
             "reason": "fewer than 11 rows"},
            "withheld, fewer than 11 rows",
        ),
    ],
)  # fmt: skip
def test_a_group_that_is_small_withheld_or_not_measured_is_told_as_not_judged(row: Any, reason: str) -> None:
    findings = found(row, group("race", "white"), group("race", "black"))
    own = [one for one in findings if one.level == "asian"]
    assert {one.verdict for one in own} == {Verdict.NOT_JUDGED}
    assert all(reason in one.words for one in own)
    assert verdicts(findings, "tpr")["white"] == "passed"


def test_a_large_group_whose_exact_size_is_withheld_is_judged_all_the_same() -> None:
    row = {**group("race", "asian", None, oe=1.3), "n_at_least": 200}
    assert verdicts(found(row, group("race", "white")), "oe")["asian"] == "missed"


def test_columns_are_known_by_other_names_and_those_that_are_no_matter_of_fairness_are_left() -> None:
    findings = fairness.judge({"subgroups": [group("RACEETH", "1", oe=1.5), group("visits", "under 2", oe=1.5)]})
    assert [one.by for one in fairness.missed(findings)] == ["RACEETH"]
    absent = {one.by for one in findings if not one.gate}
    assert "sex" in absent and "race" not in absent
    assert all(one.verdict is Verdict.NOT_JUDGED and "has no rows by" in one.words for one in findings if not one.gate)


def test_an_evaluation_of_before_the_gates_is_not_judged_where_it_lacks_a_figure() -> None:
    row = {name: value for name, value in group("sex", "F").items() if name != "tpr"}
    findings = found(row, group("sex", "M"))
    assert verdicts(findings, "tpr") == {"F": "not judged", "M": "not judged"}
    assert verdicts(findings, "oe") == {"F": "passed", "M": "passed"}


def test_other_rules_are_another_file(tmp_path: Path) -> None:
    strict = tmp_path / "strict.toml"
    strict.write_text(
        'capacity = 0.1\nleast_rows = 50\n[columns]\nsex = []\n[[gate]]\nfigure = "oe"\nname = "O/E"\nagainst = "one"\n'
        'limit = 0.01\nsource = "ours"\n',
        encoding="utf-8",
    )
    rules = fairness.read(strict)
    [finding] = fairness.judge({"subgroups": [group("sex", "F", 60, oe=1.02)]}, rules)
    assert (finding.verdict, finding.limit) == (Verdict.MISSED, 0.01)


def test_a_model_that_tells_one_group_wrong_misses_the_gate_on_real_rows() -> None:
    random = np.random.default_rng(3)
    told = random.uniform(0.1, 0.9, 4000)
    place = np.arange(4000) % 2
    true = np.where(place == 1, np.clip(told * 1.3, 0, 1), told)
    labels = (random.random(4000) < true).astype(np.int64)
    column = Column("language", Kind.CATEGORY, place, ("english", "other"))
    rows = subgroups.table(
        {"language": (column, [])}, Sample(labels, log_odds(told)), np.arange(4000), 0, capacity=0.2
    )  # fmt: skip
    findings = fairness.missed(fairness.judge({"subgroups": rows}))
    assert [(one.gate, one.level) for one in findings if one.gate == "oe"] == [("oe", "other")]
