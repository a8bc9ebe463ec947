"""The command: its answer, its refusals and their exit codes."""

import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from predictions import model_file
from tests.predictions import people


def run(capsys: pytest.CaptureFixture[str], table: Path, **options: Any) -> dict[str, Any]:
    """The JSON answer."""
    given = {"label": "outcome", "group": "area", "features": ",".join(people.FEATURES), **options}
    call_command("train_model", table=table, json=True, **given)
    return json.loads(capsys.readouterr().out)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return people.write(tmp_path / "people.csv", people.columns(2500))


def test_the_answer_holds_every_promised_figure_with_its_interval(
    table: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = run(capsys, table)
    for name in ("auc", "brier", "slope", "intercept", "oe", "ici"):
        assert answer[name]["low"] <= answer[name]["value"] <= answer[name]["high"], name
    assert answer["n_train"] + answer["n_test"] == 2500
    assert {row["by"] for row in answer["subgroups"]} == {"doctor", "region", "(group)"}
    assert answer["features"]["used"] == people.FEATURES
    assert answer["model"]["kind"] in ("logistic regression", "gradient boosted trees")


def test_named_test_groups_are_the_test_set(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    held = people.columns(2500)
    count = sum(area in ("area-01", "area-02") for area in held["area"])
    answer = run(capsys, table, test_groups="area-01,area-02")
    assert answer["n_test"] == count
    assert any("2 test groups" in warning for warning in answer["warnings"])


def test_a_written_model_is_the_one_that_was_measured(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = run(capsys, table, output=tmp_path / "model")
    model = model_file.load(tmp_path / "model", answer["output"]["sha256"])
    assert model.card["metrics"]["auc"] == answer["auc"]
    assert model.card["versions"]["scikit-learn"]


def test_columns_for_the_audit_divide_and_are_not_learnt_from(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answer = run(capsys, table, features="age,income", subgroups="region,year")
    assert {row["by"] for row in answer["subgroups"]} == {"region", "year", "(group)"}
    assert answer["features"]["used"] == ["age", "income"]


def test_a_time_column_tests_on_later_rows(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answer = run(capsys, table, time="year")
    assert "later groups" in answer["split"]
    assert any("stand aside" in warning for warning in answer["warnings"])


def test_people_get_words(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("train_model", table=table, label="outcome", group="area", features="age,doctor")
    said = capsys.readouterr().out
    assert "auc" in said and "of rows hold" in said and "doctor = 1" in said


@pytest.mark.parametrize(
    "options, said",
    [
        ({"label": "outcom"}, "no column 'outcom'; did you mean outcome"),
        ({"features": "age,agee"}, "no column 'agee'"),
        ({"features": "age,outcome"}, "contains the label 'outcome'"),
        ({"features": "age,area"}, "contains the group 'area'"),
        ({"features": " , "}, "names no column"),
        ({"features": "age,age"}, "names age twice"),
        ({"test_groups": "area-01,elsewhere"}, "no row is of group elsewhere"),
        ({"group": "outcome"}, "cannot be the group"),
        ({"seed": -1}, "--seed is -1"),
    ],
)
def test_a_wrong_call_is_exit_two(table: Path, options: dict[str, Any], said: str) -> None:
    given = {"label": "outcome", "group": "area", "features": "age", **options}
    with pytest.raises(CommandError, match=said) as refused:
        call_command("train_model", table=table, **given)
    assert refused.value.returncode == 2


def test_a_table_that_cannot_be_learnt_from_is_exit_one_and_names_the_row(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    held = people.columns(100)
    held["outcome"][41] = 7
    with pytest.raises(CommandError) as refused:
        run(capsys, people.write(tmp_path / "people.csv", held))
    assert refused.value.returncode == 1
    answer = json.loads(capsys.readouterr().out)
    assert (answer["file"], answer["row"], answer["field"]) == ("people.csv", 42, "outcome")
    assert answer["reason"] == "the label is '7', not 0 or 1"


def test_too_few_events_say_how_many_are_needed(tmp_path: Path) -> None:
    held = people.columns(200)
    held["outcome"] = [1] * 5 + [0] * 195
    table = people.write(tmp_path / "people.csv", held)
    with pytest.raises(CommandError, match="at least 20 of each are needed") as refused:
        call_command("train_model", table=table, label="outcome", group="area", features="age")
    assert refused.value.returncode == 1
