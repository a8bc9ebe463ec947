"""Code lists from other people's files: each layout, each refusal, stored once and whole."""

import json
import threading
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from openpyxl import Workbook

from audit.models import Event
from hedis.engine.codes import CodeError, ValueSetCode, asked_for
from hedis.measures import importing, loading, value_set_names, value_sets
from hedis.measures.definitions import DEFINITIONS
from hedis.measures.models import ValueSetList

pytestmark = pytest.mark.django_db


ICD = "http://hl7.org/fhir/sid/icd-10-cm"


def take(path: Path, **options: Any) -> importing.Imported:
    return importing.import_value_sets(path, by="ben", **options)


def stored(name: str) -> set[tuple[str, str, str, str]]:
    """What the engine reads of a stored list: value set, code system, code, ingredient."""
    rows = value_sets.of_file(loading.own_lists() / f"{name}.csv")
    return {(row.value_set, row.code_system, row.code, row.ingredient) for row in rows}


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def value_set(title: str, *codes: str, **more: Any) -> dict[str, Any]:
    contains = [{"system": "http://loinc.org", "code": code, "display": f"test {code}"} for code in codes]
    return {"resourceType": "ValueSet", "title": title, "expansion": {"contains": contains}, **more}


def workbook(path: Path, *sheets: tuple[str, list[list[Any]]]) -> Path:
    book = Workbook()
    book.remove(book.worksheets[0])
    for title, rows in sheets:
        sheet = book.create_sheet(title)
        for row in rows:
            sheet.append(row)
    book.save(path)
    return path


COLUMNS = ["value_set_id", "value_set_subgroup", "value_set_item", "code_type", "code", "description", "ingredient",
           "from_date", "thru_date"]  # fmt: skip
MEASURES = [
    ["measure_id", "table_id", "table_name", "value_set_id", "is_med", "is_exclusion"],
    ["PDC-STA", "PDC-STA-A", "Statins", "STATINS", "Y", "N"],
    ["SUPD", "SUPD-B", "Statins", "STATINS", "Y", "N"],
    ["PDC-RASA", "PDC-RASA-A", "RAS antagonists", "RASA", "Y", "N"],
    ["PDC-RASA", "PDC-RASA-B", "ARNI", "ARNI", "Y", "Y"],
    ["PDC-DR", "PDC-DR-A", "Biguanides", "BIGUANIDES", "Y", "N"],
    ["PDC-DR", "PDC-DR-H", "Insulins", "INSULINS", "Y", "Y"],
    ["SUPD", "SUPD-A", "Diabetes medications", "INSULINS", "Y", "N"],
    ["PDC-STA", "PDC-STA-B", "ESRD", "ESRD", "N", "Y"],
    ["SUPD", "SUPD-D", "Rhabdomyolysis and myopathy", "MYOPATHY", "N", "Y"],
]


def drug(key: str, item: str, code: Any, ingredient: str | None = None, *dates: Any) -> list[Any]:
    return [key, key, item, "NDC", code, f"{item} tablet", ingredient, *(dates or ("1900-01-01", "2099-12-31"))]


def test_every_rule_of_the_workbook_names_a_set_a_definition_asks_for() -> None:
    asked = asked_for(tuple(DEFINITIONS.values()))
    assert {rule["value_set"] for rule in value_set_names.words()["pqa"]} <= asked


def test_our_own_layout_is_taken_and_the_list_is_on_record(tmp_path: Path) -> None:
    file = written(
        tmp_path, "CPT codes.csv",
        "Value_Set,code_system,code,display,valid_from_year,valid_to_year\n"
        "Colonoscopy,CPT,99998,Some  words,2024,\nColonoscopy,cpt-cat-ii,9998F,,,2025\n",
    )  # fmt: skip
    done = take(file, measurement_year=2026)
    assert (done.name, done.changed, done.codes) == ("cpt-codes-2026", True, {"cpt": 1, "cpt-ii": 1})
    rows = value_sets.of_file(loading.own_lists() / "cpt-codes-2026.csv")
    assert ValueSetCode("colonoscopy", "hcpcs", "99998", "Some words", 2024, 2026) in rows
    row = ValueSetList.objects.get()
    assert (row.name, row.format, row.value_sets, row.imported_by) == (done.name, "csv", {"colonoscopy": 2}, "ben")
    assert Event.objects.filter(action="measures.value_sets_imported").count() == 1


def test_tuva_names_match_without_case_and_by_oid(tmp_path: Path) -> None:
    file = written(
        tmp_path, "tuva.csv",
        "concept_name,concept_oid,code,code_system\n"
        "ESSENTIAL hypertension,,I10,ICD10CM\n"
        "Sdna Fit Test,2.16.840.1.113883.3.464.1003.108.12.1039,99997,CPT\n"
        "Office Visit,,99996,HCPCS Level II\nOffice Visit,,123,SNOMED-CT\nOffice Visit,,M,AdministrativeGender\n",
    )  # fmt: skip
    done = take(file)
    assert stored("tuva") == {
        ("essential-hypertension", "icd-10-cm", "I10", ""),
        ("fit-dna", "hcpcs", "99997", ""),
        ("office-visit", "hcpcs", "99996", ""),
        ("office-visit", "snomed-ct", "123", ""),
    }
    assert done.unused == ("office-visit",)
    assert done.warnings == ("1 codes of AdministrativeGender left out: no record here is coded in it",)


def test_an_expansion_a_listing_a_bundle_and_plain_codes_are_all_read(tmp_path: Path) -> None:
    listed = {
        "resourceType": "ValueSet", "name": "Listed",
        "compose": {
            "include": [{"system": ICD, "concept": [{"code": "e11.9"}, {"code": "E11.8"}]}],
            "exclude": [{"system": ICD, "concept": [{"code": "E11.8"}]}],
        },
    }  # fmt: skip
    nested = value_set("Nested")
    nested["expansion"]["contains"] = [
        {"abstract": True, "code": "heading", "system": "http://loinc.org",
         "contains": [{"system": "http://loinc.org", "code": "4548-4"}]}
    ]  # fmt: skip
    plain = {"url": "http://x/2.16.840.1.113883.3.464.1003.108.12.1020", "title": "Whatever", "total": 1,
             "version": "20171219",
             "codes": [{"system": "http://www.ama-assn.org/go/cpt", "code": "99995"}]}  # fmt: skip
    folder = tmp_path / "vsac"
    folder.mkdir()
    bundle = {"resourceType": "Bundle", "entry": [{"resource": each} for each in (listed, nested)]}
    written(folder, "bundle.json", json.dumps(bundle))
    written(folder, "plain.json", json.dumps(plain))
    take(folder)
    assert stored("vsac") == {
        ("listed", "icd-10-cm", "E119", ""),
        ("nested", "loinc", "4548-4", ""),
        ("colonoscopy", "hcpcs", "99995", ""),
    }


def test_an_incomplete_expansion_is_taken_with_a_warning(tmp_path: Path) -> None:
    short = value_set("Advanced Illness", "1-1", "1-2")
    short["expansion"]["total"] = 1997
    filtered = value_set("Filtered")
    del filtered["expansion"]
    filtered["compose"] = {"include": [{"valueSet": ["http://x"]}]}
    file = written(tmp_path, "short.json", json.dumps({"resourceType": "Bundle", "entry": [
        {"resource": short}, {"resource": filtered}]}))  # fmt: skip
    done = take(file)
    assert done.warnings[0] == "Advanced Illness: incomplete, 2 of 1997 codes"
    assert "load its expansion" in done.warnings[1]
    assert ValueSetList.objects.get().warnings == list(done.warnings)


def test_the_medication_workbook_gives_the_drug_classes_by_target_ingredient(tmp_path: Path) -> None:
    path = workbook(
        tmp_path / "medications.xlsx",
        ("About", [["Medication lists"], ["not a table"]]),
        ("Measures", MEASURES),
        (
            "Codes",
            [
                ["Value sets of the year"],
                [],
                [name.upper().replace("_", " ") for name in COLUMNS],
                drug("STATINS", "ATORVASTATIN", "00000000011", None),
                drug("STATINS", "AMLODIPINE-ATORVASTATIN", 12, "AMLODIPINE-ATORVASTATIN"),
                drug("RASA", "LOSARTAN", "00000000021", "LOSARTAN POTASSIUM"),
                drug("RASA", "NEWSARTAN-OTHERSARTAN", "00000000022", "NEWSARTAN/OTHERSARTAN"),
                drug("ARNI", "SACUBITRIL-VALSARTAN", "00000000023", "SACUBITRIL/VALSARTAN"),
                drug("BIGUANIDES", "METFORMIN", "00000000031", "GLIPIZIDE/METFORMIN", "2024-05-01", "2025-02-28"),
                drug("INSULINS", "INSULIN GLARGINE", "00000000041", "INSULIN GLARGINE"),
                ["ESRD", "ESRD", "ESRD", "ICD10", "N18.6", "End stage renal disease", None, None, None],
                ["MYOPATHY", "X", "X", "ICD10", "G72.0", "Drug-induced myopathy", None, None, None],
                ["NEW_SET", "X", "X", "ICD10", "G72.1", "Alcoholic myopathy", None, None, None],
            ],
        ),
    )
    done = take(path)
    ndc = {(name, code[-2:], ingredient) for name, system, code, ingredient in stored("medications") if system == "ndc"}
    assert ndc == {
        ("pdc-statin", "11", "atorvastatin"), ("supd-statin", "11", "atorvastatin"),
        ("pdc-statin", "12", "atorvastatin"), ("supd-statin", "12", "atorvastatin"),
        ("pdc-rasa", "21", "losartan"), ("pdc-rasa", "22", "newsartan"), ("pdc-rasa", "22", "othersartan"),
        ("sacubitril-valsartan", "23", "sacubitril"),
        ("pdc-diabetes", "31", "glipizide"), ("pdc-diabetes", "31", "metformin"),
        ("insulin", "41", "insulin glargine"), ("supd-diabetes-medication", "41", "insulin glargine"),
    }  # fmt: skip
    assert ("end-stage-renal-disease", "icd-10-cm", "N186", "") in stored("medications")
    assert ("rhabdomyolysis-or-myopathy", "icd-10-cm", "G720", "") in stored("medications")
    assert done.unused == ("new-set",)
    metformin = next(
        row for row in value_sets.of_file(loading.own_lists() / "medications.csv") if row.code[-2:] == "31"
    )
    assert [metformin.valid_in(year) for year in (2023, 2024, 2025, 2026)] == [False, True, True, False]
    take(path, measurement_year=2026)
    listed = value_sets.of_file(loading.own_lists() / "medications-2026.csv")
    assert {(row.valid_from_year, row.valid_to_year) for row in listed} == {(2026, 2026)}


def test_a_workbook_without_measures_goes_by_the_name_of_its_sheet(tmp_path: Path) -> None:
    codes = [
        COLUMNS,
        drug("STATIN_MEDS", "X", "00000000011", "pravastatin"),
        drug("OTHER", "X", "00000000012", "metformin"),
    ]
    take(workbook(tmp_path / "lists.xlsx", ("SUPD 2026", codes)))
    assert {row[0] for row in stored("lists")} == {"supd-statin", "supd-diabetes-medication"}


def test_a_drug_file_is_sorted_into_the_classes_by_ingredient(tmp_path: Path) -> None:
    file = written(
        tmp_path, "drugs.csv",
        "ndc,ingredient\n00000000001,Amlodipine / Benazepril\n00000000002,sacubitril / valsartan\n"
        "00000000003,omeprazole\n00000000004,metformin hydrochloride / sitagliptin\n",
    )  # fmt: skip
    done = take(file)
    classes = {(name, code[-1], ingredient) for name, _, code, ingredient in stored("drugs")}
    assert classes == {
        ("pdc-rasa", "1", "benazepril"), ("sacubitril-valsartan", "2", "sacubitril"),
        ("pdc-diabetes", "4", "metformin"), ("pdc-diabetes", "4", "sitagliptin"),
        ("supd-diabetes-medication", "4", "metformin"), ("supd-diabetes-medication", "4", "sitagliptin"),
        ("diabetes-medication", "4", "sitagliptin"),
    }  # fmt: skip
    assert done.warnings == ("1 products of no drug class of a measure left out",)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "value_set,code_system,code\nx,loinc,1\nx,lonic,2\n", "a.csv, row 3, code_system: 'lonic' is no"),
        ("a.csv", "value_set,code_system,code\nx,loinc,\n", "a.csv, row 2, code: is empty"),
        ("a.csv", "value_set,code_system,code\n,loinc,1\n", "a.csv, row 2, value_set: is empty"),
        ("a.csv", "value_set,code_system,code\nx,loinc,1,2\n", "a.csv, row 2, row: has more cells than the header"),
        ("a.csv", "value_set,code_system,code\nx,loinc,a b\n", "a.csv, row 2, code: 'A B' is not a code"),
        ("a.csv", "value_set,code_system,code\n", "a.csv, row 1, file: no code that can be used"),
        ("a.csv", "value_set,code_system,code,valid_to_year\nx,loinc,1,25\n", "valid_to_year: '25' is not a year"),
        ("a.csv", "name,system\nx,y\n", "a.csv, row 1, header: no known layout has these columns: name, system"),
        ("a.csv", "concept_name,code,code_system\n,1,loinc\n", "a.csv, row 2, value_set: is empty"),
        ("a.csv", "ndc,ingredient\n0001,atorvastatin\n", "a.csv, row 2, code: an NDC needs eleven digits"),
        ("a.csv", "ndc,ingredient\n00000000001,\n", "a.csv, row 2, ingredient: is empty"),
        ("a.json", "{", "a.json, row 1, file: is not JSON"),
        ("a.json", "[" * 100_000, "a.json, row 1, file: is not JSON"),
        ("a.json", '{"resourceType": "Patient"}', "a.json, row entry 1, resourceType: is no ValueSet"),
        ("a.json", json.dumps(value_set("T", " ")), "a.json, row T, code 1, code: is empty"),
        ("a.json", '{"title": "T", "codes": [1]}', "a.json, row T, code: is no concept"),
        ("a.json", '{"title": "T", "codes": {}}', "a.json, row T, codes: is not a list"),
        ("a.json", json.dumps(value_set("", "1")), "a.json, row entry 1, code 1, value_set: is empty"),
        ("a.xlsx", "not a workbook", "a.xlsx, row 1, file: is not an Excel workbook"),
        ("none.csv", None, "none.csv, row 1, file: does not exist"),
    ],
)  # fmt: skip
def test_a_bad_file_is_refused_by_file_row_field_and_reason_and_leaves_nothing(
    tmp_path: Path, name: str, text: str | None, message: str
) -> None:
    path = written(tmp_path, name, text) if text is not None else tmp_path / name
    with pytest.raises(CodeError, match=message):
        take(path)
    assert not ValueSetList.objects.exists() and not Event.objects.filter(action__startswith="measures").exists()
    assert not loading.own_lists().exists()


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (drug("", "X", "00000000011", "x"), "book.xlsx, sheet Codes, row 2, value_set_id: is empty"),
        (drug("STATINS", "X", "12", "x"), "row 2, code: an NDC needs eleven digits"),
        (drug("STATINS", "X", "00000000011", "x", "soon", None), "row 2, from_date: 'soon' is not a date"),
    ],
)
def test_a_bad_row_of_a_workbook_is_named(tmp_path: Path, row: list[Any], message: str) -> None:
    with pytest.raises(CodeError, match=message):
        take(workbook(tmp_path / "book.xlsx", ("Codes", [COLUMNS, row])))
    assert not ValueSetList.objects.exists()


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"value_set,code_system,code\n\xff\xfe,loinc,1\n")
    with pytest.raises(CodeError, match=r"a\.csv, row"):
        take(tmp_path / "a.csv")


OWN = "value_set,code_system,code\ncolonoscopy,cpt,99998\n"


def test_the_same_file_twice_changes_nothing_and_a_new_one_of_its_name_replaces_it(tmp_path: Path) -> None:
    file = written(tmp_path, "own.csv", OWN)
    assert take(file).changed
    before = ValueSetList.objects.values().get()
    assert not take(file).changed
    assert ValueSetList.objects.values().get() == before
    written(tmp_path, "own.csv", OWN.replace("99998", "99997"))
    again = take(file)
    assert (again.changed, again.replaced) == (True, True)
    assert stored("own") == {("colonoscopy", "hcpcs", "99997", "")}
    assert Event.objects.filter(action="measures.value_sets_imported").count() == 2


def test_a_list_whose_file_was_lost_is_stored_again(tmp_path: Path) -> None:
    file = written(tmp_path, "own.csv", OWN)
    take(file)
    (loading.own_lists() / "own.csv").unlink()
    assert take(file).changed
    assert stored("own")


def test_a_running_process_notices_a_new_list_and_one_that_is_withdrawn(tmp_path: Path) -> None:
    def codes() -> set[str]:
        return {row.code for row in value_sets.known(loading.own_lists()) if row.value_set == "colonoscopy"}

    packaged = codes()
    take(written(tmp_path, "own.csv", OWN))
    assert codes() == packaged | {"99998"}
    importing.withdraw("own", by="ben")
    assert codes() == packaged
    assert not ValueSetList.objects.exists()
    assert Event.objects.filter(action="measures.value_sets_withdrawn", object_id="own").count() == 1
    with pytest.raises(importing.NoSuchList):
        importing.withdraw("own", by="ben")


def test_an_import_that_fails_while_storing_leaves_the_old_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = written(tmp_path, "own.csv", OWN)
    take(file)

    def full(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(importing.os, "replace", full)
    written(tmp_path, "own.csv", OWN.replace("99998", "99997"))
    with pytest.raises(OSError, match="no space"):
        take(file)
    assert stored("own") == {("colonoscopy", "hcpcs", "99998", "")}
    assert [path.name for path in loading.own_lists().iterdir()] == ["own.csv"]
    assert Event.objects.filter(action="measures.value_sets_imported").count() == 1


def test_the_stored_list_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    take(written(tmp_path, "own.csv", OWN))
    assert (loading.own_lists() / "own.csv").stat().st_mode & 0o077 == 0


@pytest.mark.django_db(transaction=True)
def test_two_at_once_store_the_list_once(tmp_path: Path) -> None:
    file = written(tmp_path, "own.csv", OWN)
    changed: list[bool] = []

    def run() -> None:
        try:
            changed.append(take(file).changed)
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(changed) == [False, True]
    assert ValueSetList.objects.count() == 1


@pytest.mark.published
def test_the_published_value_sets_switch_the_licensed_routes_on(shared: Path) -> None:
    done = take(shared / "data" / "ecqm" / "valuesets", measurement_year=2026)
    assert sum(done.codes.values()) > 6000
    assert (done.codes["cpt"], done.codes["snomed-ct"]) == (148, 3156)
    assert done.value_sets["colonoscopy"] == 60
    again = take(shared / "data" / "ecqm" / "valuesets", measurement_year=2026)
    assert not again.changed
