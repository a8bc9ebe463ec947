"""Value sets: reading files, normalising codes, packaged lists, active routes."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from hedis.engine.codes import (
    CodeError,
    RouteState,
    ValueSetCode,
    as_table,
    asked_for,
    evidence_routes,
    normalise_code,
    read_value_sets,
    vocabulary,
)
from hedis.measures.definitions import DEFINITIONS
from hedis.measures.value_sets import DIRECTORY, packaged

HEADER = "value_set,code_system,code,display,valid_from_year,valid_to_year\n"
FREE = {"icd-10-cm", "icd-10-pcs", "hcpcs", "loinc", "cvx", "ndc", "rxnorm", "place-of-service"}


@pytest.mark.parametrize(
    ("system", "code", "expected"),
    [
        ("icd-10-cm", " e11.9 ", "E119"),
        ("icd-10-pcs", "0dte0zz", "0DTE0ZZ"),
        ("hcpcs", "g0121", "G0121"),
        ("loinc", "4548-4", "4548-4"),
        ("ndc", "0002-8215-01", "00002821501"),
        ("ndc", "50090-539-02", "50090053902"),
        ("ndc", "50090-5396-2", "50090539602"),
        ("ndc", "50090539602", "50090539602"),
    ],
)
def test_codes_are_written_as_the_warehouse_writes_them(system: str, code: str, expected: str) -> None:
    assert normalise_code(system, code) == expected


@pytest.mark.parametrize(("system", "code"), [("ndc", "5009053960"), ("ndc", "5009-ABCD-12"), ("loinc", " ")])
def test_a_code_that_cannot_be_meant_is_refused(system: str, code: str) -> None:
    with pytest.raises(CodeError):
        normalise_code(system, code)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("value_set,code\nx,1\n", "own.csv, row 1, code_system: the column is missing"),
        (HEADER + "x,loinc,1,,,\n,loinc,2,,,\n", "own.csv, row 3, value_set: is empty"),
        (HEADER + "x,ndc,5009053960,,,\n", "own.csv, row 2, code: an NDC needs eleven digits"),
        (HEADER + "x,loinc,1,,20x4,\n", "own.csv, row 2, valid_from_year: '20x4' is not a year"),
    ],
)
def test_a_bad_file_is_refused_with_file_row_field_and_reason(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "own.csv"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(CodeError, match=message):
        read_value_sets([file])


def test_names_match_whatever_their_case_and_codes_count_in_their_years(tmp_path: Path) -> None:
    file = tmp_path / "own.csv"
    file.write_text(HEADER + "Flexible Sigmoidoscopy,HCPCS,g0104,,2020,2025\n", encoding="utf-8")
    rows = read_value_sets([file, file])
    assert rows == (ValueSetCode("flexible-sigmoidoscopy", "hcpcs", "G0104", "", 2020, 2025),)
    assert [as_table(rows, year).count().to_pyarrow().as_py() for year in (2019, 2020, 2025, 2026)] == [0, 1, 1, 0]


def test_only_free_code_systems_are_packaged() -> None:
    for row in packaged():
        assert row.code_system in FREE, row
        assert vocabulary(row.code_system, row.code) not in {"cpt", "cpt-ii"}, row
        assert not (row.code_system == "hcpcs" and row.code.startswith("D")), row


def test_every_packaged_value_set_names_its_source_and_every_set_used_is_known() -> None:
    sources = tomllib.loads((DIRECTORY / "sources.toml").read_text(encoding="utf-8"))["value_set"]
    assert {row.value_set for row in packaged()} <= set(sources)
    assert all(source["documents"] for source in sources.values())
    assert asked_for(tuple(DEFINITIONS.values())) == set(sources)


def test_a_route_without_its_licensed_list_says_so() -> None:
    free = {route.name: route for route in evidence_routes(DEFINITIONS["COL"], packaged(), 2026)}
    assert free["colonoscopy"].state is RouteState.PARTLY
    assert (free["colonoscopy"].loaded, free["colonoscopy"].absent) == ((("hcpcs-ii", 2),), ("cpt", "snomed-ct"))
    assert free["dementia medication fill"].state is RouteState.INACTIVE
    own = (
        *packaged(),
        ValueSetCode("colonoscopy", "hcpcs", "99999"),
        ValueSetCode("dementia-medication", "ndc", "0" * 11),
    )
    loaded = {route.name: route for route in evidence_routes(DEFINITIONS["COL"], own, 2026)}
    assert loaded["colonoscopy"].absent == ("snomed-ct",)
    assert loaded["dementia medication fill"].state is RouteState.ACTIVE


SYSTEMS = {
    "http://hl7.org/fhir/sid/icd-10-cm": "icd-10-cm",
    "http://www.cms.gov/Medicare/Coding/ICD10": "icd-10-pcs",
    "http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets": "hcpcs",
    "http://loinc.org": "loinc",
    "http://www.nlm.nih.gov/research/umls/rxnorm": "rxnorm",
}


@pytest.mark.published
def test_packaged_codes_are_those_of_the_published_value_sets() -> None:
    published = Path(__file__).resolve().parents[3] / "shared" / "data" / "ecqm" / "valuesets"
    sources = tomllib.loads((DIRECTORY / "sources.toml").read_text(encoding="utf-8"))["value_set"]
    for name, source in sources.items():
        expected = set()
        for oid in (text.partition("|")[0] for text in source["oid_versions"]):
            for row in json.loads((published / f"{oid}.json").read_text(encoding="utf-8"))["codes"]:
                if row["system"] in SYSTEMS:
                    expected.add((SYSTEMS[row["system"]], normalise_code(SYSTEMS[row["system"]], row["code"])))
        found = {(row.code_system, row.code) for row in packaged() if row.value_set == name}
        assert expected <= found, name
        added = [document for document in source["documents"] if not document.startswith("eCQM value set")]
        assert found == expected or added, name
