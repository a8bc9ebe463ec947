"""`import_value_sets` and `value_sets`: what a person and a program read about the code lists."""

import io
import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from hedis.demo.loading import FORMULARY, load_formulary
from hedis.measures import coverage, loading
from hedis.measures.models import Measure

pytestmark = pytest.mark.django_db
OWN = "value_set,code_system,code,valid_to_year\ncolonoscopy,cpt,99998,2024\nnobody-asks,loinc,1-1,\n"


def answer(*command: str) -> dict[str, Any]:
    out = io.StringIO()
    call_command(*command, "--json", stdout=out)
    found: dict[str, Any] = json.loads(out.getvalue())
    return found


def words(*command: str) -> str:
    out = io.StringIO()
    call_command(*command, stdout=out)
    return out.getvalue()


def colonoscopy(year: int) -> dict[str, Any]:
    routes = answer("value_sets", "--measure", "col", "--year", str(year))["measures"]["COL"]["routes"]
    found: dict[str, Any] = next(route for route in routes if route["name"] == "colonoscopy")
    return found


@pytest.fixture
def own_list(tmp_path: Path) -> Path:
    path = tmp_path / "own.csv"
    path.write_text(OWN, encoding="utf-8")
    return path


def test_a_route_is_active_only_in_the_years_of_its_codes(own_list: Path) -> None:
    before = colonoscopy(2024)
    assert (before["state"], before["absent"]) == ("partly active", ["cpt", "snomed-ct"])
    call_command("import_value_sets", str(own_list), "--json", stdout=io.StringIO())
    assert colonoscopy(2024)["loaded"]["cpt"] == 1
    assert colonoscopy(2024)["absent"] == ["snomed-ct"]
    assert "cpt" not in colonoscopy(2025)["loaded"]


def test_the_answer_says_where_codes_come_from_what_is_missing_and_what_nobody_uses(own_list: Path) -> None:
    done = answer("import_value_sets", str(own_list))
    assert (done["name"], done["unused"], done["changed"]) == ("own", ["nobody-asks"], True)
    found = answer("value_sets", "--year", "2024")
    assert set(found["measures"]) >= {"COL", "GSD", "CBP"}
    assert found["value_sets"]["colonoscopy"]["packaged"] == ["colorectal.csv"]
    assert found["value_sets"]["colonoscopy"]["own"] == ["own.csv"]
    assert "COL" in found["value_sets"]["colonoscopy"]["measures"]
    assert found["unused"] == ["nobody-asks"]
    assert "hba1c-above-9" in found["measures"]["GSD"]["missing"]
    dementia = next(r for r in found["measures"]["COL"]["routes"] if r["name"] == "dementia medication fill")
    assert (dementia["state"], dementia["absent"]) == ("inactive", ["ndc"])


def test_people_read_the_same(own_list: Path) -> None:
    assert "List own loaded: 2 value sets, 1 cpt, 1 loinc" in words("import_value_sets", str(own_list))
    assert "No definition asks for: nobody-asks" in words("import_value_sets", str(own_list))
    text = words("value_sets", "--year", "2024")
    assert "inactive       exclusion: frailty and advanced illness" in text
    assert "colonoscopy: 3 codes, colorectal.csv, own: own.csv" in text
    assert "Loaded, and no definition asks for it: nobody-asks" in text
    assert words("import_value_sets", "--withdraw", "own") == "List own is taken away.\n"


def test_a_refusal_names_file_row_field_and_reason(tmp_path: Path) -> None:
    bad = tmp_path / "bad.csv"
    bad.write_text("value_set,code_system,code\nx,loinc,1\nx,loinc,\n", encoding="utf-8")
    out = io.StringIO()
    with pytest.raises(CommandError) as refusal:
        call_command("import_value_sets", str(bad), "--json", stdout=out)
    assert refusal.value.returncode == 1
    said = json.loads(out.getvalue())
    assert (said["file"], said["row"], said["field"], said["reason"]) == ("bad.csv", 3, "code", "is empty")


@pytest.mark.parametrize(
    "command",
    [
        ("import_value_sets",),
        ("import_value_sets", "x.csv", "--withdraw", "x"),
        ("import_value_sets", "x.csv", "--measurement-year", "26"),
        ("value_sets", "--measure", "NONE"),
    ],
)
def test_wrong_use_is_told_apart(command: tuple[str, ...]) -> None:
    with pytest.raises(CommandError) as refusal:
        call_command(*command)
    assert refusal.value.returncode == 2


def test_loading_a_list_brings_the_measures_routes_up_to_date(own_list: Path) -> None:
    def waits_for() -> list[str]:
        routes = Measure.objects.get(code="COL").evidence_routes
        return next(route["absent"] for route in routes if route["name"] == "colonoscopy")  # type: ignore[no-any-return]

    loading.load(today=date(2026, 6, 1), by="test")
    assert waits_for() == ["cpt", "snomed-ct"]
    own_list.write_text(OWN.replace(",2024", ","), encoding="utf-8")
    call_command("import_value_sets", str(own_list), "--json", stdout=io.StringIO())
    assert waits_for() == ["snomed-ct"]


def test_the_demo_formulary_reaches_every_drug_class() -> None:
    load_formulary()
    sets = {each.name: each for each in coverage.sets(2026, loading.own_lists())}
    wanted = ("pdc-diabetes", "pdc-rasa", "pdc-statin", "insulin", "sacubitril-valsartan", "supd-statin",
              "supd-diabetes-medication", "diabetes-medication", "dementia-medication")  # fmt: skip
    assert all(sets[name].codes["ndc"] for name in wanted)
    assert (
        sum(line.count("statin") for line in FORMULARY.read_text().splitlines()) // 2 == sets["pdc-statin"].codes["ndc"]
    )
