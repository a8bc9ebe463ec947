"""An import of FHIR resources: facts, quarantine, corrections, idempotence, and nobody's id anywhere."""

import csv
import gzip
import json
from datetime import date
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command

from audit.models import Event
from hedis.evidence import importing, warehouse
from hedis.evidence.models import ImportBatch
from hedis.lib.commands import Refused, WrongUse
from hedis.members.models import Enrolment, Member, Provider
from hedis.members.pseudonyms import pseudonym
from tests.hedis import claims_folder
from tests.hedis.claims_folder import rows_of
from tests.hedis.fhir_folder import (
    SECRETS,
    condition,
    coverage,
    dispense,
    encounter,
    observation,
    patient,
    write,
)

MEMBER = "MBI-1EG4-TE5"
NO_JSON = "is not JSON (cut off, not UTF-8, or nested too deep)"


def bring(folder: Path, *resources: Any, name: str = "mixed.ndjson", **options: str) -> importing.Imported:
    return importing.import_fhir(write(folder, resources, name), by="test", **options)


def refused(done: importing.Imported) -> list[tuple[str, str, str, str]]:
    if done.quarantine is None:
        return []
    with done.quarantine.open(encoding="utf-8", newline="") as handle:
        return [(row["table"], row["row"], row["field"], row["reason"]) for row in csv.DictReader(handle)]


def counts_add_up(done: importing.Imported) -> bool:
    return all(each.read == each.loaded + each.duplicates + each.quarantined for each in done.tables.values())


def events(**wanted: Any) -> list[dict[str, Any]]:
    return rows_of(warehouse.connect().event, **wanted)


def test_a_folder_becomes_members_spans_facts_and_fills(db: None, tmp_path: Path) -> None:
    seen_in = {"encounter": {"reference": "Encounter/e1"}}
    done = bring(
        tmp_path / "in", condition(**seen_in), observation(**seen_in), encounter(), dispense(), coverage(), patient()
    )
    assert {name: each.loaded for name, each in done.tables.items()} == dict.fromkeys(
        ("Condition", "Coverage", "Encounter", "MedicationDispense", "Observation", "Patient"), 1
    )
    assert counts_add_up(done) and refused(done) == []
    her = Member.objects.get(pseudonym=pseudonym(MEMBER))
    assert (her.birth_year, her.sex, her.active, her.first_seen_date) == (1955, "female", True, date(2023, 1, 1))
    span = Enrolment.objects.get(member=her)
    assert (span.contract.number if span.contract else None, span.plan_benefit_package) == ("H1234", "001")
    found = {(row["kind"], row["code"]): row for row in events(member=pseudonym(MEMBER))}
    assert set(found) == {
        ("diagnosis", "E119"), ("lab", "4548-4"), ("visit", "185349003"), ("visit", "AMB"),
    }  # fmt: skip
    record = found["visit", "AMB"]["record"]
    assert {row["encounter"] for row in found.values()} == {record}
    fill = rows_of(warehouse.connect().dispensing)[0]
    assert (fill["ndc"], fill["days_supply"], fill["dispensing_date"]) == ("00093718098", 30, date(2025, 5, 1))


def test_the_same_files_twice_make_no_batch(db: None, tmp_path: Path) -> None:
    folder = write(tmp_path / "in", [patient(), coverage(), condition(), observation(), dispense()])
    first = importing.import_fhir(folder, by="test")
    second = importing.import_fhir(folder, by="test")
    assert first.changed and not second.changed and ImportBatch.objects.count() == 1
    assert {each.loaded for each in second.tables.values()} == {0}
    assert {each.duplicates for each in second.tables.values()} == {1}
    assert Event.objects.filter(action="claims.import_unchanged").count() == 1


def test_a_resource_that_was_taken_back_loses_its_rows(db: None, tmp_path: Path) -> None:
    bring(tmp_path / "1", patient(), observation(), observation("o2"))
    assert len(events(kind="lab")) == 2
    done = bring(tmp_path / "2", patient(), observation(status="entered-in-error"))
    assert [row["code"] for row in events(kind="lab")] == ["4548-4"]
    assert any("Observation: 1 give no row (status entered-in-error)" in message for message in done.messages)


def test_a_corrected_resource_replaces_all_its_rows_whatever_its_year(db: None, tmp_path: Path) -> None:
    bring(tmp_path / "1", patient(), observation())
    bring(tmp_path / "2", patient(), observation(effectiveDateTime="2024-01-02", status="corrected"))
    assert [(row["start_date"], row["status"]) for row in events(kind="lab")] == [(date(2024, 1, 2), "corrected")]


def test_claims_and_fhir_of_one_member_stand_side_by_side(db: None, tmp_path: Path) -> None:
    importing.import_tuva(claims_folder.write(tmp_path / "claims", claims_folder.plan()), by="test")
    before = len(events())
    bring(tmp_path / "fhir", patient(), condition())
    assert len(events()) == before + 1
    assert {row["source"] for row in events(member=pseudonym(MEMBER), kind="diagnosis")} == {"claim", "clinical"}
    assert Member.objects.count() == 2 and len(rows_of(warehouse.connect().enrolment)) == 2
    again = importing.import_tuva(tmp_path / "claims", by="test")
    assert not again.changed


def test_an_export_of_what_changed_need_not_repeat_the_people(db: None, tmp_path: Path) -> None:
    bring(tmp_path / "1", patient(), condition(onsetDateTime="2020-01-01"))
    done = bring(tmp_path / "2", condition("d2", onsetDateTime=None, onsetAge={"value": 60, "code": "a"}))
    assert refused(done) == []
    began = sorted(row["start_date"] for row in events(member=pseudonym(MEMBER)))
    assert began == [date(2015, 3, 2), date(2020, 1, 1)]
    done = bring(tmp_path / "3", condition("d3"), name="other.ndjson", data_source="elsewhere")
    assert [row[2] for row in refused(done)] == ["subject"]
    done = bring(tmp_path / "4", coverage())
    assert [row[2:] for row in refused(done)] == [
        ("beneficiary", "was told of earlier only: send the Patient with the Coverage")
    ]


def test_a_patient_without_coverage_is_a_member_without_enrolment(db: None, tmp_path: Path) -> None:
    done = bring(tmp_path / "in", patient(), condition())
    assert not Member.objects.get(pseudonym=pseudonym(MEMBER)).active
    assert rows_of(warehouse.connect().enrolment) == [] and len(rows_of(warehouse.connect().member)) == 1
    assert any("no measure counts them" in message for message in done.messages)


def test_two_servers_may_use_the_same_ids(db: None, tmp_path: Path) -> None:
    folder = write(tmp_path / "in", [patient(), condition()])
    for server in ("north", "south"):
        importing.import_fhir(folder, data_source=server, by="test")
    assert {row["data_source"] for row in events(kind="diagnosis")} == {"north", "south"}


def test_practitioners_and_organisations_with_an_npi_become_providers(db: None, tmp_path: Path) -> None:
    npi = [{"system": "http://hl7.org/fhir/sid/us-npi", "value": "1234567893"}]
    done = bring(
        tmp_path / "in", patient(),
        {"resourceType": "Practitioner", "id": "a", "identifier": npi, "name": [{"family": "Ito", "given": ["Ken"]}]},
        {"resourceType": "Organization", "id": "b", "name": "No number"},
    )  # fmt: skip
    assert Provider.objects.get(npi="1234567893").name == "Ken Ito"
    assert counts_add_up(done) and done.tables["Organization"].loaded == 1


@pytest.mark.parametrize(
    ("line", "table", "field", "reason"),
    [
        ('{"resourceType": "Spaceship", "id": "1"}', "Resource", "resourceType", "is no resource type of R4"),
        ('{"id": "1"}', "Resource", "resourceType", "is missing"),
        ('{"resourceType": "Condition", "id"', "Resource", "line", NO_JSON),
        ("[" * 100_000, "Resource", "line", NO_JSON),
        ("[1, 2]", "Resource", "line", "is not a JSON object"),
        (json.dumps(condition(note=[{"text": "x" * 1_000_000}])), "Condition", "text",
         "is longer than 100,000 characters"),
        ('{"resourceType": "Condition", "id": "1", "x": ' + '{"x": ' * 400 + "1" + "}" * 401, "Condition", "resource",
         "is nested too deep"),
        (json.dumps(condition(code=["a"])), "Condition", "code", "is not an object"),
        (json.dumps(condition(code={"coding": {"code": "a"}})), "Condition", "coding", "is not a list of objects"),
        (json.dumps(condition(onsetDateTime=20200504)), "Condition", "onsetDateTime", "is not a string"),
        (json.dumps(condition(onsetDateTime="04.05.2020")), "Condition", "onsetDateTime",
         "is not a date (YYYY, YYYY-MM, YYYY-MM-DD or with a time)"),
        (json.dumps(condition(onsetDateTime="2150-01-01")), "Condition", "date", "lies in the future"),
        (json.dumps(condition(subject={"reference": "Patient/nobody"})), "Condition", "subject",
         "refers to a Patient that is not there or was refused"),
        (json.dumps(condition(subject=None)), "Condition", "subject", "is missing"),
        (json.dumps(observation(status="finished")), "Observation", "status", "is no status of Observation in R4"),
        (json.dumps(observation(status=None)), "Observation", "status", "is missing"),
        (json.dumps(patient("p2", birthDate="1955-03")), "Patient", "birthDate",
         "is not complete: ages are counted from the day"),
        (json.dumps(dispense(daysSupply={"value": 4000, "code": "d"})), "MedicationDispense", "daysSupply",
         "is below nothing or more than a year"),
    ],
)  # fmt: skip
def test_a_bad_resource_is_put_aside_with_its_reason_and_the_rest_loads(
    db: None, tmp_path: Path, line: str, table: str, field: str, reason: str
) -> None:
    done = bring(tmp_path / "in", patient(), condition("good"), line)
    assert refused(done) == [(table, "3", field, reason)]
    assert counts_add_up(done)
    assert [row["code"] for row in events()] == ["E119"]


def test_an_id_that_comes_twice_is_settled_by_its_last_update(db: None, tmp_path: Path) -> None:
    def version(day: str, code: str) -> dict[str, Any]:
        return condition(meta={"lastUpdated": day}, code={"coding": [{"system": "http://loinc.org", "code": code}]})

    done = bring(
        tmp_path / "1", patient(), version("2025-02-01T00:00:00Z", "9-9"), version("2025-01-01T00:00:00Z", "8-8")
    )
    assert [row["code"] for row in events()] == ["9-9"] and done.tables["Condition"].duplicates == 1
    done = bring(tmp_path / "2", patient(), condition("d2"), condition("d2"))
    assert done.tables["Condition"].duplicates == 1 and refused(done) == []
    done = bring(tmp_path / "3", patient(), condition("d3"), condition("d3", onsetDateTime="2021-01-01"))
    assert refused(done) == [
        ("Condition", "3", "id", "duplicate id: line 2 of mixed.ndjson has the same type and id and other content")
    ]
    assert counts_add_up(done)


def test_types_that_are_not_used_are_ignored_with_a_count(db: None, tmp_path: Path) -> None:
    done = bring(tmp_path / "in", patient(), {"resourceType": "Location", "id": "l1"})
    assert "not used: 1 Location" in done.messages and "Location" not in done.tables


@pytest.mark.parametrize("form", ["ndjson", "ndjson.gz", "bundle", "list", "byte order mark"])
def test_every_form_of_file_is_read_alike(db: None, tmp_path: Path, form: str) -> None:
    resources, folder = [condition(), patient()], tmp_path / "in"
    folder.mkdir()
    lines = "".join(json.dumps(each) + "\n" for each in resources)
    if form == "ndjson.gz":
        (folder / "a.ndjson.gz").write_bytes(gzip.compress(lines.encode()))
    elif form == "bundle":
        entries = [{"resource": each} for each in resources]
        (folder / "a.json").write_text(json.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries}))
    elif form == "list":
        (folder / "a.json").write_text(json.dumps(resources))
    else:
        (folder / "a.ndjson").write_text(lines, encoding="utf-8-sig" if "mark" in form else "utf-8")
    assert importing.import_fhir(folder, by="test").tables["Condition"].loaded == 1


def test_a_truncated_file_stops_the_import(db: None, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.ndjson.gz").write_bytes(gzip.compress(json.dumps(patient()).encode() * 99)[:-20])
    with pytest.raises(importing.ImportRefused, match=r"a\.ndjson\.gz: cannot be read to its end"):
        importing.import_fhir(folder, by="test")
    assert ImportBatch.objects.count() == 0


def test_nobodys_id_or_name_is_stored_or_said(db: None, tmp_path: Path) -> None:
    bad = condition("d9", subject={"reference": f"Patient/{MEMBER}"}, onsetDateTime="Featherstone")
    done = bring(tmp_path / "in", patient(), coverage(), condition(), observation(valueString="Gwendolyn"), bad)
    written = [path.read_bytes() for path in Path(settings.DATA_DIR).rglob("*") if path.is_file()]
    said = " ".join((*done.messages, *(str(row) for row in refused(done)), str(list(Event.objects.values()))))
    for secret in SECRETS:
        assert secret not in said
        assert not any(secret.encode() in content for content in written)


def command(*arguments: str) -> dict[str, Any]:
    out = StringIO()
    call_command("import_claims", *arguments, "--json", stdout=out, stderr=StringIO())
    answer: dict[str, Any] = json.loads(out.getvalue())
    return answer


def test_the_command_tells_the_format_by_the_files_or_asks(db: None, tmp_path: Path) -> None:
    folder = write(tmp_path / "in", [patient(), condition()])
    assert set(command(str(folder))["tables"]) == {"Condition", "Patient"}
    assert command(str(folder), "--format", "fhir")["changed"] is False
    (folder / "eligibility.csv").write_text("person_id\n")
    with pytest.raises(WrongUse, match="several formats"):
        command(str(folder))


def test_a_folder_without_fhir_files_is_refused(db: None, tmp_path: Path) -> None:
    with pytest.raises(Refused, match="no FHIR file"):
        command(str(tmp_path), "--format", "fhir")


@pytest.mark.published
def test_a_published_bulk_export_loads_whole(db: None, shared: Path) -> None:
    done = importing.import_fhir(shared / "data" / "fhir_bulk10", by="test")
    assert refused(done) == [] and counts_add_up(done)
    assert {name: each.read for name, each in done.tables.items()} == {
        "AllergyIntolerance": 11, "Condition": 555, "Encounter": 1215, "Immunization": 161, "MedicationRequest": 1745,
        "Organization": 43, "Patient": 13, "Practitioner": 43, "Procedure": 2056,
    }  # fmt: skip
    assert Member.objects.count() == 13
    assert len(events(kind="immunization")) == 161 and len(events(kind="procedure")) == 2056
