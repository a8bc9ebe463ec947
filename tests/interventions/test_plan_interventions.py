"""The commands: what they answer and write, what the checker catches, and that bad input writes nothing."""

import json
import math
import shutil
from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest
from django.core.management import CommandError, call_command

from hedis.lib.commands import Refused, WrongUse
from tests.interventions import small_problems
from tests.interventions.problem_files import COLUMNS, content, write, write_case

Capture = pytest.CaptureFixture[str]
NAN = math.nan


def plan(capsys: Capture, files: dict[str, Path], **options: Any) -> dict[str, Any]:
    """The JSON answer of plan_interventions."""
    call_command("plan_interventions", **files, json=True, **options)
    return json.loads(capsys.readouterr().out)


def checked(capsys: Capture, files: dict[str, Path], **options: Any) -> dict[str, Any]:
    """The JSON answer of check_plan."""
    call_command("check_plan", **files, json=True, **options)
    return json.loads(capsys.readouterr().out)


def test_the_answer_keeps_the_promised_form(tmp_path: Path, capsys: Capture) -> None:
    answer = plan(capsys, write(tmp_path), output=tmp_path / "plan.parquet")
    assert answer["objective"] == answer["lower_bound"] == answer["upper_bound"] == 3 * 3 + 1
    assert answer["gap"] == 0
    assert answer["budget"] == 60
    assert answer["spend"] == 34.0 or answer["spend"] == 50.0
    assert answer["resources"] == {"call": {"used": answer["resources"]["call"]["used"], "capacity": 1}}
    assert answer["stars"] == {"GSD": {"before": 1, "after": 3}, "COL": {"before": 1, "after": 1}}
    assert answer["chosen"] == pq.read_table(answer["plan"]).num_rows
    assert set(answer["prices"]) == {"measures", "floors", "resources", "budget"}
    assert answer["seconds"] >= 0


def test_the_plan_lists_members_and_actions_with_their_reasons(tmp_path: Path, capsys: Capture) -> None:
    answer = plan(capsys, write(tmp_path), output=tmp_path / "plan.parquet")
    lines = pq.read_table(answer["plan"]).to_pylist()
    prices = answer["prices"]
    given = {(m, a): place for place, (m, a) in enumerate(zip(COLUMNS["member"], COLUMNS["action"], strict=True))}
    assert len({line["member"] for line in lines}) == len(lines)
    for line in lines:
        place = given[line["member"], line["action"]]
        assert line["worth_GSD"] == pytest.approx(COLUMNS["uplift_GSD"][place] * prices["measures"]["GSD"])
        assert line["charge_call"] == pytest.approx(COLUMNS["use_call"][place] * prices["resources"]["call"])
        assert line["reduced_value"] == pytest.approx(line["worth"] - line["charge"] - line["cost"])


def test_nearly_chosen_are_not_chosen(tmp_path: Path, capsys: Capture) -> None:
    files = write_case(tmp_path, small_problems.middling(2, members=60))
    answer = plan(capsys, files, output=tmp_path / "plan.csv")
    chosen, near = pa_csv.read_csv(answer["plan"]).to_pylist(), pa_csv.read_csv(answer["near"]).to_pylist()
    assert chosen and near
    assert not {(one["member"], one["action"]) for one in chosen} & {(one["member"], one["action"]) for one in near}
    assert all(one["reduced_value"] >= -0.1 * (one["cost"] + one["charge"]) - 1e-9 for one in near)


def test_csv_candidates_give_the_same_plan(tmp_path: Path, capsys: Capture) -> None:
    files = write(tmp_path)
    pa_csv.write_csv(pa.table(COLUMNS), tmp_path / "candidates.csv")
    from_csv = {**files, "candidates": tmp_path / "candidates.csv"}
    first = plan(capsys, files, output=tmp_path / "a.csv")
    assert plan(capsys, from_csv, output=tmp_path / "b.csv")["objective"] == first["objective"]
    assert (tmp_path / "a.csv").read_text() == (tmp_path / "b.csv").read_text()


def test_without_an_output_the_plan_lies_in_the_data_directory(
    tmp_path: Path, capsys: Capture, own_data_dir: Path
) -> None:
    answer = plan(capsys, write(tmp_path))
    assert Path(answer["plan"]) == own_data_dir / "plans" / "candidates.plan.parquet"
    assert Path(answer["certificate"]).is_file()


def test_people_are_told_what_a_closure_is_worth(tmp_path: Path, capsys: Capture) -> None:
    call_command("plan_interventions", **write(tmp_path), output=tmp_path / "plan.csv")
    assert "GSD: 1 to 3 stars; a closure is worth $" in capsys.readouterr().out


def test_the_checker_agrees_with_plans_by_prices_and_by_exact_search(tmp_path: Path, capsys: Capture) -> None:
    proofs = set()
    for members in (8, 400):
        files = write_case(tmp_path, small_problems.middling(0, members=members))
        answer = plan(capsys, files, output=tmp_path / "plan.parquet")
        proofs.add(answer["proof"])
        found = checked(capsys, files, plan=tmp_path / "plan.parquet")
        assert (found["valid"], found["upper_bound"]) == (True, pytest.approx(answer["upper_bound"]))
    assert proofs == {"prices", "exact"}


@pytest.fixture(scope="module")
def planned(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Path], dict[str, Any]]:
    """Folder, files and answer of a plan of sixty members; not to be changed."""
    folder, out = tmp_path_factory.mktemp("planned"), StringIO()
    files = write_case(folder, small_problems.middling(2, members=60))
    call_command("plan_interventions", **files, output=folder / "plan.parquet", json=True, stdout=out)
    return folder, files, json.loads(out.getvalue())


@pytest.fixture
def made(planned: tuple[Path, dict[str, Path], dict[str, Any]], tmp_path: Path) -> dict[str, Any]:
    """The test's own copy of that plan."""
    folder, files, answer = planned
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    own = {name: str(tmp_path / Path(answer[name]).name) for name in ("plan", "certificate")}
    return {"files": {name: tmp_path / path.name for name, path in files.items()}, "answer": {**answer, **own}}


def rewrite(path: str, lines: list[dict[str, Any]]) -> None:
    pq.write_table(pa.Table.from_pylist(lines), path)


def test_the_checker_catches_two_actions_for_a_member(made: dict[str, Any], capsys: Capture) -> None:
    lines = pq.read_table(made["answer"]["plan"]).to_pylist()
    everything = pq.read_table(made["files"]["candidates"]).to_pylist()
    other = next(o for o in everything if o["member"] == lines[0]["member"] and o["action"] != lines[0]["action"])
    rewrite(made["answer"]["plan"], [*lines, {**lines[0], "action": other["action"]}])
    with pytest.raises(Refused, match="more than one action"):
        checked(capsys, made["files"], plan=Path(made["answer"]["plan"]))


def test_the_checker_catches_a_plan_beyond_the_limits(made: dict[str, Any], capsys: Capture) -> None:
    everything = {one["member"]: one for one in pq.read_table(made["files"]["candidates"]).to_pylist()}
    rewrite(made["answer"]["plan"], list(everything.values()))
    with pytest.raises(Refused, match="above the budget"):
        checked(capsys, made["files"], plan=Path(made["answer"]["plan"]))


def test_the_checker_catches_a_plan_that_earns_less_than_it_says(made: dict[str, Any], capsys: Capture) -> None:
    rewrite(made["answer"]["plan"], pq.read_table(made["answer"]["plan"]).to_pylist()[:1])
    with pytest.raises(Refused, match="the certificate says"):
        checked(capsys, made["files"], plan=Path(made["answer"]["plan"]))


def test_the_checker_names_a_line_that_is_no_candidate(made: dict[str, Any], capsys: Capture) -> None:
    rewrite(made["answer"]["plan"], [{"member": "nobody", "action": "a0"}])
    with pytest.raises(Refused, match=r"row 1, action: is no candidate"):
        checked(capsys, made["files"], plan=Path(made["answer"]["plan"]))


@pytest.mark.parametrize(
    ("change", "finding"),
    [
        (lambda found: found["cuts"][0].update(constant=found["cuts"][0]["constant"] * 0.9), "the constant of cut 0"),
        (lambda found: found["cuts"][0]["measures"].update(M0=-1.0), "below 0"),
        (lambda found: found.update(cuts=found["cuts"][:1], ladders=[], proof="prices"), "the bound is"),
        (lambda found: found.update(upper_bound=found["upper_bound"] - 1), "the bound is"),
        (lambda found: found.update(lower_bound=found["lower_bound"] + 1), "the plan is worth"),
    ],
)
def test_the_checker_catches_a_certificate_that_was_tampered_with(
    made: dict[str, Any], capsys: Capture, change: Any, finding: str
) -> None:
    path = Path(made["answer"]["certificate"])
    found = json.loads(path.read_text())
    change(found)
    path.write_text(json.dumps(found))
    with pytest.raises(Refused, match=finding):
        checked(capsys, made["files"], plan=Path(made["answer"]["plan"]))


def test_a_certificate_of_an_older_form_is_refused_by_name(made: dict[str, Any], capsys: Capture) -> None:
    path = Path(made["answer"]["certificate"])
    found = json.loads(path.read_text())
    del found["ladders"]
    path.write_text(json.dumps({**found, "version": 1}))
    with pytest.raises(Refused, match=r"version: is written in form 1 of a certificate; this version reads form 2"):
        checked(capsys, made["files"], plan=Path(made["answer"]["plan"]))


LADDERS: list[tuple[Any, str]] = [
    (lambda ladder: ladder["weights"].update(M0=0.0), "proves nothing"),
    (lambda ladder: ladder["shifts"]["M0"].update({star: -1e9 for star in ladder["shifts"]["M0"]}), "proves nothing"),
    (lambda ladder: ladder.update(constant=ladder["constant"] * 0.9), "the constant of ladder 0"),
]


@pytest.mark.parametrize(("change", "finding"), LADDERS)
def test_the_checker_catches_a_ladder_that_was_tampered_with(
    tmp_path: Path, capsys: Capture, change: Any, finding: str
) -> None:
    files = write_case(tmp_path, small_problems.middling(0, members=400))
    answer = plan(capsys, files, output=tmp_path / "plan.parquet")
    path = Path(answer["certificate"])
    found = json.loads(path.read_text())
    assert found["proof"] == "prices"
    change(found["ladders"][0])
    path.write_text(json.dumps(found))
    with pytest.raises(Refused, match=finding):
        checked(capsys, files, plan=Path(answer["plan"]))


STORED: dict[str, dict[str, Any]] = {
    "members as numbers": {"member": pa.array([1, 2, 1, 3])},
    "single precision": {"uplift_GSD": pa.array([0.25, 0.25, 0.5, 0.5], pa.float32())},
    "decimals": {"cost": pa.array([Decimal(9), Decimal(9), Decimal(25), Decimal(25)], pa.decimal128(8, 2))},
    "texts by number": {"action": pa.array(COLUMNS["action"]).dictionary_encode()},
    "whole numbers": {"uplift_COL": pa.array([0, 0, 0, 0], pa.int8())},
    "flags as numbers": {"group_lis": pa.array([1, 0, 1, 0], pa.int8())},
}


@pytest.mark.parametrize("name", STORED)
def test_columns_may_be_stored_in_any_way_that_says_the_same(tmp_path: Path, capsys: Capture, name: str) -> None:
    files = write(tmp_path, STORED[name], floors=[{"group": "lis", "measure": "GSD", "closures": 0.25}])
    answer = plan(capsys, files, output=tmp_path / "plan.parquet")
    assert answer["stars"]["GSD"] == {"before": 1, "after": 3}
    assert checked(capsys, files, plan=Path(answer["plan"]))["valid"]


def test_candidates_without_a_row_give_the_empty_plan(tmp_path: Path, capsys: Capture) -> None:
    files = write(tmp_path)
    pq.write_table(pq.read_table(files["candidates"]).slice(0, 0), files["candidates"])
    answer = plan(capsys, files, output=tmp_path / "plan.parquet")
    assert (answer["chosen"], answer["objective"], answer["gap"]) == (0, 4, 0)
    assert checked(capsys, files, plan=Path(answer["plan"]))["valid"]


def test_a_clock_that_has_run_out_leaves_a_plan(tmp_path: Path, capsys: Capture) -> None:
    files = write_case(tmp_path, small_problems.middling(0, members=400))
    answer = plan(capsys, files, output=tmp_path / "plan.parquet", seconds=0.0)
    assert answer["lower_bound"] <= answer["upper_bound"]
    assert checked(capsys, files, plan=Path(answer["plan"]))["valid"]


def test_the_checker_refuses_a_certificate_of_another_problem(made: dict[str, Any], capsys: Capture) -> None:
    path = Path(made["answer"]["certificate"])
    found = json.loads(path.read_text())
    path.write_text(json.dumps({**found, "prices": {**found["prices"], "measures": {"XYZ": 1}}}))
    with pytest.raises(Refused, match="of another problem"):
        checked(capsys, made["files"], plan=Path(made["answer"]["plan"]))


BAD_COLUMNS: list[tuple[dict[str, Any], str]] = [
    ({"uplift_XYZ": [0.1] * 4}, r"candidates.parquet, uplift_XYZ: the problem has no such measure"),
    ({"use_xyz": [1] * 4}, r"use_xyz: the problem has no such resource"),
    ({"cost": [9.0, -1.0, 5.0, 5.0]}, r"candidates.parquet, row 2, cost: is below 0"),
    ({"cost": ["a", "b", "c", "d"]}, r"cost: is of type string"),
    ({"uplift_GSD": [0.1, 0.1, NAN, 0.1]}, r"row 3, uplift_GSD: is missing or not a finite number"),
    ({"uplift_GSD": [0.1, 0.1, 0.1, None]}, r"row 4, uplift_GSD: is missing"),
    ({"uplift_GSD": [0.1, 1.5, 0.1, 0.1]}, r"row 2, uplift_GSD: is above 1"),
    ({"uplift_GSD": [0.1, -0.5, 0.1, 0.1]}, r"row 2, uplift_GSD: is below 0"),
    ({"use_call": [1, 1, math.inf, 0]}, r"row 3, use_call: is missing or not a finite number"),
    ({"uplift_COL": None}, r"uplift_COL: the column is missing"),
    ({"use_call": None}, r"use_call: the column is missing"),
    ({"member": None}, r"member: the column is missing"),
    ({"member": ["p-1", None, "p-2", "p-3"]}, r"row 2, member: is empty"),
    ({"member": ["p-1", "p-2", "p-3", " "]}, r"row 4, member: is empty"),
    ({"action": ["call", "call", "call", "kit"]}, r"row 3, action: the same action .* as in row 1"),
]


@pytest.mark.parametrize(("columns", "message"), BAD_COLUMNS, ids=[message for _, message in BAD_COLUMNS])
def test_bad_candidates_are_refused_with_their_row(
    tmp_path: Path, capsys: Capture, columns: dict[str, Any], message: str
) -> None:
    refused(tmp_path, capsys, write(tmp_path, columns), message)


def measures(**given: Any) -> list[dict[str, Any]]:
    """The measures of the problem, the second one changed."""
    first, second = content()["measures"]
    changed = {name: value for name, value in {**second, **given}.items() if value != "gone"}
    return [first, changed]


BAD_FIELDS: list[tuple[dict[str, Any], str]] = [
    ({"measures": measures(code="GSD")}, r"problem.json, measures: names GSD twice"),
    ({"measures": measures(cut_counts=[0, 30, 20])}, r"measures\[1\] \(COL\).cut_counts: do not rise"),
    ({"measures": measures(cut_counts=[0, 20, 20])}, r"cut_counts: do not rise"),
    ({"measures": measures(cut_counts=[5, 20])}, r"cut_counts: begins with 5"),
    ({"measures": measures(cut_counts=[])}, r"cut_counts: is a list of one to 5"),
    ({"measures": measures(cut_counts=[0, "many"])}, r"cut_counts\[1\]: is 'many'"),
    ({"measures": measures(baseline_variance=-1)}, r"baseline_variance: is -1, below 0"),
    ({"measures": measures(firm=101)}, r"firm: is 101, above the denominator"),
    ({"measures": measures(firm="gone")}, r"firm: is missing"),
    ({"measures": measures(weigth=3)}, r"weigth: is not known here"),
    ({"measures": measures(contract="H1")}, r"measures: names the contract of some measures"),
    ({"measures": []}, r"measures: names no measure"),
    ({"objective": "happiness"}, r"objective: is 'happiness'; it is one of"),
    ({"confidence_z": NAN}, r"confidence_z: is nan; it is a finite number"),
    ({"budget": -5}, r"budget: is -5, below 0"),
    ({"budget": True}, r"budget: is True; it is a finite number"),
    ({"resources": {"call": -1}}, r"resources.call: is -1, below 0"),
    ({"capacity": 5}, r"problem.json, capacity: is not known here"),
    ({"values": {"GSD": [1, 2, 3]}}, r"values: goes with the objective dollars"),
    ({"objective": "dollars", "values": {"GSD": [1, 2]}}, r"values.GSD: is a list of 3 dollar values"),
    ({"objective": "dollars", "values": {"GSD": [3, 2, 1]}}, r"values.GSD: falls"),
    ({"objective": "dollars", "values": {"XYZ": [1]}}, r"values: names XYZ"),
    ({"objective": "dollars", "ratings": [{"contract": "H9", "at_least": 3, "value": 1}]}, r"ratings\[0\].contract"),
    ({"floors": [{"group": "lis", "measure": "XYZ", "closures": 1}]}, r"floors\[0\].measure: is XYZ"),
    ({"floors": [{"group": "none", "measure": "GSD", "closures": 1}]}, r"group_none: the column is missing"),
    ({"floors": [{"group": "lis", "measure": "GSD", "closures": 50}]}, r"floors: no plan .* reaches lis/GSD"),
]


@pytest.mark.parametrize(("given", "message"), BAD_FIELDS, ids=[message for _, message in BAD_FIELDS])
def test_bad_problems_are_refused_with_their_field(
    tmp_path: Path, capsys: Capture, given: dict[str, Any], message: str
) -> None:
    refused(tmp_path, capsys, write(tmp_path, **given), message)


def test_a_file_that_is_none_is_refused(tmp_path: Path, capsys: Capture) -> None:
    files = write(tmp_path)
    (tmp_path / "problem.json").write_text("{", encoding="utf-8")
    refused(tmp_path, capsys, files, r"problem.json: is not JSON")
    refused(tmp_path, capsys, {**files, "problem": tmp_path / "none.json"}, r"none.json: no such file")
    (tmp_path / "candidates.parquet").write_bytes(b"PAR1 no table PAR1")
    refused(tmp_path, capsys, write(tmp_path) | {"candidates": broken(tmp_path)}, r"broken.parquet: cannot be read")


def broken(folder: Path) -> Path:
    """A file that only ends like a table."""
    (folder / "broken.parquet").write_bytes(b"no table")
    return folder / "broken.parquet"


def refused(folder: Path, capsys: Capture, files: dict[str, Path], message: str) -> None:
    """The command says no with exit code 1, names the place also in JSON, never a member, and writes nothing."""
    with pytest.raises(Refused, match=message) as refusal:
        call_command("plan_interventions", **files, output=folder / "out" / "plan.parquet", json=True)
    said = json.loads(capsys.readouterr().out)
    assert refusal.value.returncode == 1
    assert said["file"] and said["reason"]
    assert not any(name in said["error"] for name in ("p-1", "p-2", "p-3"))
    assert not (folder / "out").exists()


def test_a_wrong_call_ends_with_two(tmp_path: Path) -> None:
    files = write(tmp_path)
    wrong: list[dict[str, Any]] = [
        {"problem": files["problem"]},
        {"candidates": files["candidates"]},
        {**files, "output": tmp_path / "plan.xlsx"},
        {**files, "seed": -1},
        {**files, "seconds": -1.0},
        {**files, "seconds": NAN},
    ]
    for call in wrong:
        with pytest.raises(WrongUse) as refusal:
            call_command("plan_interventions", **call)
        assert refusal.value.returncode == 2


def test_an_output_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    files = write(tmp_path)
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(CommandError, match="cannot be written"):
        call_command("plan_interventions", **files, output=tmp_path / "file" / "plan.parquet")
