"""Conformance: test patients judged as their authors expect. Made ones here, the published deck beside the project."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from hedis.engine.measure import result_value_sets_used, value_sets_used
from hedis.measures import conformance, decision_tables
from hedis.measures.ecqm import ECQM_FORMS
from hedis.measures.ecqm.common import DIRECT_REFERENCE_CODES
from tests.hedis import ecqm_deck

TABLES = Path(__file__).parent / "ecqm_tables"


def checked(folder: Path, *options: str) -> dict[str, Any]:
    """The JSON answer, whether or not the command says yes."""
    out = StringIO()
    try:
        call_command("check_measures", str(folder), "--json", *options, stdout=out, stderr=StringIO())
    except CommandError as refusal:
        assert refusal.returncode == 1, refusal
    answer: dict[str, Any] = json.loads(out.getvalue())
    return answer


def cases_of(measure: str) -> list[dict[str, Any]]:
    table = decision_tables.read(TABLES / f"{measure.lower()}.txt")
    return [ecqm_deck.case(each.case, each.born, each.known, each.expected) for each in table.resolved()]


@pytest.mark.parametrize("measure", list(ECQM_FORMS))
def test_made_patients_are_judged_by_the_rules(measure: str, tmp_path: Path) -> None:
    cases = cases_of(measure)
    answer = checked(ecqm_deck.write(tmp_path, measure, cases))["measures"][measure]
    assert {each["title"]: (each["ours"], each["why"]) for each in answer["disagree"]} == {}
    assert (answer["cases"], answer["agree"], answer["refused_resources"]) == (len(cases), len(cases), 0)


@pytest.mark.published
def test_every_published_patient_is_judged_as_its_author_expects(shared: Path) -> None:
    answer = checked(shared / "data" / "ecqm")["measures"]
    assert set(answer) == set(ECQM_FORMS)
    assert all(found["cases"] for found in answer.values())
    apart = {(code, each["title"]) for code, found in answer.items() for each in found["disagree"]}
    assert apart <= set(conformance.known_drift())
    assert {code: found["refused_resources"] for code, found in answer.items()} == dict.fromkeys(ECQM_FORMS, 0)


# -- the command's contract ------------------------------------------------------------------------------------


def women(*wrong: tuple[str, str]) -> list[dict[str, Any]]:
    """One case for each way to be judged in CMS125; `wrong`: (title, what its author is made to expect)."""
    expecting = dict(wrong)
    visit, mammogram = "Encounter office-visit 2026-03-01", "Observation mammography 2026-05-01 category=imaging"
    told = [
        ("too young", "1990-01-01", visit, "out"),
        ("a man", "1960-01-01 male", visit, "out"),
        ("no visit", "1960-01-01", mammogram, "out"),
        ("in hospice", "1960-01-01", f"{visit}; Condition hospice-diagnosis 2026-02-01", "excluded"),
        ("frail at 65", "1961-06-01", f"{visit}; Condition frailty-diagnosis 2026-02-01; "
         "Condition advanced-illness 2026-02-01", "denominator"),
        ("screened", "1960-01-01", f"{visit}; {mammogram}", "numerator"),
        ("screened too early", "1960-01-01", f"{visit}; Observation mammography 2024-05-01 category=imaging",
         "denominator"),
    ]  # fmt: skip
    return [ecqm_deck.case(title, born, known, expecting.get(title, right)) for title, born, known, right in told]


WRONG = (
    ("too young", "denominator"),
    ("a man", "denominator"),
    ("no visit", "numerator"),
    ("in hospice", "denominator"),
    ("frail at 65", "excluded"),
    ("screened", "denominator"),
    ("screened too early", "numerator"),
)


def test_every_disagreement_is_named_with_what_decided(tmp_path: Path) -> None:
    answer = checked(ecqm_deck.write(tmp_path, "CMS125", women(*WRONG)))
    assert answer["error"].endswith("7 cases disagree")
    found = answer["measures"]["CMS125"]
    assert (found["cases"], found["agree"]) == (7, 0)
    assert found["populations"] == {
        "initial-population": 4, "denominator": 4, "denominator-exclusion": 5, "numerator": 4
    }  # fmt: skip
    why = {each["title"]: each["why"] for each in found["disagree"]}
    assert why["too young"] == "not in the initial population: age 36 on 2026-12-31 is outside 42 to 74"
    assert why["a man"] == "not in the initial population: sex male is not female"
    assert why["no visit"] == "not in the initial population: No outpatient visit in 2026"
    assert why["in hospice"] == "excluded: hospice on 2026-02-01"
    assert why["frail at 65"].startswith("not excluded at age 65: ")
    assert why["screened"].startswith("met: Mammogram ") and why["screened"].endswith("on 2026-05-01")
    assert "Mammogram on 2024-05-01 is before 2024-10-01" in why["screened too early"]
    first = found["disagree"][0]
    assert (first["id"], first["expected"], first["ours"]) == (
        "id-of-too-young", ecqm_deck.expected("denominator"), ecqm_deck.expected("out")
    )  # fmt: skip


def test_why_somebody_is_in_the_population_or_not_excluded_is_told(tmp_path: Path) -> None:
    wrong = (("screened", "out"), ("screened too early", "excluded"))
    disagree = checked(ecqm_deck.write(tmp_path, "CMS125", women(*wrong)))["measures"]["CMS125"]["disagree"]
    why = {each["title"]: each["why"] for each in disagree}
    assert why["screened"].startswith("in the initial population: age 66, Outpatient visit")
    assert why["screened too early"].startswith("not excluded: No discharge to hospice in 2026, no hospice encounter")


def test_people_read_a_table_and_the_cases_that_disagree(tmp_path: Path) -> None:
    folder, out = ecqm_deck.write(tmp_path, "CMS125", women(("screened", "denominator"))), StringIO()
    with pytest.raises(CommandError) as refused:
        call_command("check_measures", str(folder), stdout=out)
    lines = str(refused.value).splitlines()
    assert lines[1].split()[:7] == ["CMS125", "7", "6", "7", "7", "7", "6"]
    assert lines[2] == "CMS125 screened (id-of-screened): expected numerator 0, ours 1"
    assert lines[3].startswith("  ours: met: Mammogram")
    call_command("check_measures", str(ecqm_deck.write(tmp_path, "CMS125", women())), stdout=out)
    assert len(out.getvalue().splitlines()) == 2


def test_a_case_known_to_be_of_another_version_is_said_so_and_does_not_fail_the_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conformance, "known_drift", lambda: {("CMS125", "screened"): "written for another year"})
    out = StringIO()
    call_command("check_measures", str(ecqm_deck.write(tmp_path, "CMS125", women(WRONG[5]))), "--json", stdout=out)
    found = json.loads(out.getvalue())["measures"]["CMS125"]
    assert (found["agree"], found["disagree"][0]["known_drift"]) == (6, "written for another year")


def test_only_the_measure_asked_for_is_checked_and_others_without_definition_are_named(tmp_path: Path) -> None:
    folder = ecqm_deck.write(tmp_path, "CMS125", women()[:1])
    ecqm_deck.write(tmp_path, "CMS130", [ecqm_deck.case("young", "2000-01-01", "Encounter office-visit 2026-03-01",
                                                        "out")])  # fmt: skip
    several_groups = [{"id": "of another shape", "expected": [{"numerator": 1}, {"numerator": 0}]}]
    (folder / "cases" / "cms999Other.json").write_text(json.dumps(several_groups), encoding="utf-8")
    assert list(checked(folder, "--measure", "cms130")["measures"]) == ["CMS130"]
    answer = checked(folder)
    assert list(answer["measures"]) == ["CMS125", "CMS130"]
    assert answer["without_definition"] == {"CMS999": 1}


def test_cases_of_one_measure_may_lie_in_several_files_and_share_resource_ids(tmp_path: Path) -> None:
    folder, cases = ecqm_deck.write(tmp_path, "CMS125", women()), women()
    for each in cases:
        each["id"] += "-again"
    (folder / "cases" / "CMS125Second.json").write_text(json.dumps(cases), encoding="utf-8")
    found = checked(folder)["measures"]["CMS125"]
    assert (found["cases"], found["agree"], found["refused_resources"]) == (14, 14, 0)


def test_a_resource_that_cannot_be_read_is_counted_and_its_patient_named(tmp_path: Path) -> None:
    cases = women()[-2:]
    cases[0]["bundle"]["entry"][0]["resource"]["birthDate"] = "1960"
    found = checked(ecqm_deck.write(tmp_path, "CMS125", cases))["measures"]["CMS125"]
    assert found["refused_resources"] >= 1
    assert [(each["title"], each["why"]) for each in found["disagree"]] == [
        ("screened", "the patient could not be read")
    ]


# -- bad decks -------------------------------------------------------------------------------------------------


def _no_cases(folder: Path) -> None:
    (folder / "cases" / "CMS125Made.json").write_text("[]", encoding="utf-8")


def _bad_json(folder: Path) -> None:
    (folder / "cases" / "CMS125Made.json").write_text("[{]", encoding="utf-8")


def _not_a_list(folder: Path) -> None:
    (folder / "cases" / "CMS125Made.json").write_text("{}", encoding="utf-8")


def _same_id(folder: Path) -> None:
    (folder / "cases" / "CMS125Made.json").write_text(json.dumps(women()[:1] * 2), encoding="utf-8")


def _changed(change: Callable[[dict[str, Any]], Any]) -> Callable[[Path], None]:
    def applied(folder: Path) -> None:
        cases = women()[:2]
        change(cases[1])
        (folder / "cases" / "CMS125Made.json").write_text(json.dumps(cases), encoding="utf-8")

    return applied


def _missing_value_set(folder: Path) -> None:
    (folder / "valuesets" / "mammography.json").unlink()


def _value_set_without_title(folder: Path) -> None:
    (folder / "valuesets" / "mammography.json").write_text('{"codes": []}', encoding="utf-8")


def _value_set_of_text(folder: Path) -> None:
    (folder / "valuesets" / "mammography.json").write_text('["24606-6"]', encoding="utf-8")


def _other_name(folder: Path) -> None:
    (folder / "cases" / "CMS125Made.json").rename(folder / "cases" / "Made.json")


def _other_measure(folder: Path) -> None:
    (folder / "cases" / "CMS125Made.json").rename(folder / "cases" / "CMS999Made.json")


def _no_value_sets(folder: Path) -> None:
    for file in (folder / "valuesets").iterdir():
        file.unlink()
    (folder / "valuesets").rmdir()


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_no_cases, "cases: there is no case in any file"),
        (_bad_json, "cases/CMS125Made.json: is not JSON"),
        (_not_a_list, "cases/CMS125Made.json: is not a list of cases"),
        (_same_id, "CMS125: two cases have the id id-of-too-young"),
        (_changed(lambda case: case.pop("period")), "cases/CMS125Made.json, case 2: 'period' is missing"),
        (
            _changed(lambda case: case["period"].update(start="soon")),
            "cases/CMS125Made.json, case 2: Invalid isoformat",
        ),
        (_changed(lambda case: case.update(expected=[])), "case 2: expected: is not a list of one group"),
        (_changed(lambda case: case["bundle"].update(entry=[])), "case 2: bundle: holds 0 patients instead of one"),
        (_changed(lambda case: case.update(bundle=None)), "cases/CMS125Made.json, case 2: "),
        (_missing_value_set, "valuesets: CMS125 needs mammography, which no file has"),
        (_value_set_without_title, "valuesets/mammography.json: 'title' is missing"),
        (_value_set_of_text, "valuesets/mammography.json: is no value set with title and codes"),
        (_other_name, "cases/Made.json: the name does not say the measure, such as CMS122"),
        (_other_measure, "cases: only of measures without a definition here (CMS999)"),
        (_no_value_sets, "valuesets: there is no such folder in the deck"),
    ],
)
def test_a_deck_that_cannot_be_used_is_refused_with_the_reason(
    spoil: Callable[[Path], None], message: str, tmp_path: Path
) -> None:
    folder = ecqm_deck.write(tmp_path, "CMS125", women()[:2])
    spoil(folder)
    answer = checked(folder)
    assert message in answer["error"] and "measures" not in answer


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "nowhere is not a folder"),
        (["."], "cases: there is no such folder in the deck"),
        ([".", "--measure", "CMS999"], "no measure is called CMS999; there are: CMS122, CMS125"),
    ],
)
def test_wrong_use_is_said_in_words(arguments: list[str], message: str, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=message):
        call_command("check_measures", str(tmp_path / arguments[0]), *arguments[1:], stdout=StringIO())


def test_an_engine_that_is_not_installed_is_refused_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hedis.engine.backends.importlib.util.find_spec", lambda name: None)
    answer = checked(ecqm_deck.write(tmp_path, "CMS125", women()[:1]), "--engine", "spark")
    assert "PySpark is not installed" in answer["error"]


# -- the codes the libraries name ------------------------------------------------------------------------------


def test_every_direct_reference_code_names_its_library_and_is_used() -> None:
    with DIRECT_REFERENCE_CODES.open(encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle))
    used = {name for each in ECQM_FORMS.values() for name in value_sets_used(each) | result_value_sets_used(each)}
    assert {row["value_set"] for row in rows} <= used
    assert all(row["library"] for row in rows)
    assert [row["display"] for row in rows if row["code_system"] == "hcpcs"] == [""] * 5, "CPT texts are licensed"


@pytest.mark.published
def test_every_direct_reference_code_stands_in_the_published_measures(shared: Path) -> None:
    index = json.loads((shared / "data" / "ecqm" / "index.json").read_text(encoding="utf-8"))
    published = {(library, code) for measure in index for library, _, code, _ in measure["direct_reference_codes"]}
    with DIRECT_REFERENCE_CODES.open(encoding="utf-8", newline="") as handle:
        named = {
            (row["library"], row["code"]) for row in csv.DictReader(handle) if row["code_system"] != "encounter-class"
        }
    assert named <= published
