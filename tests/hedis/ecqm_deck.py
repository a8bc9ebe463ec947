"""A small conformance deck written as text: lines of patients with their FHIR resources become cases and value sets.

Every value set a definition names holds one invented code, its name in capitals, so that no licensed code is needed;
codes the libraries name themselves are the real ones. Resources are separated by ``;``:

    Encounter office-visit 2026-03-01..2026-03-02 status=finished class=AMB left=428361000124107 id=e1
    Condition diabetes 2020-01-01..2025-05-05 clinical=active verified=refuted site=7771000
    Observation hba1c-laboratory-test 2026-05-01 category=laboratory status=final value=8.5 | coded=LOINC|LA18643-9
    BP 2026-05-01 130/80 encounter=e1        Procedure colonoscopy 2026-05-01
    ServiceRequest | DeviceRequest frailty-device 2026-05-01 status=active intent=order not=true
    MedicationRequest dementia-medications 2026-05-01 days=30
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from hedis.engine.codes import read_value_sets
from hedis.engine.measure import Definition, result_value_sets_used, value_sets_used
from hedis.measures.ecqm import ECQM_FORMS
from hedis.measures.ecqm.common import DIRECT_REFERENCE_CODES

INVENTED = "http://example.org/invented"
SYSTEMS = {
    "loinc": "http://loinc.org",
    "snomed-ct": "http://snomed.info/sct",
    "hcpcs": "http://www.ama-assn.org/go/cpt",
}
DIRECT = {row.value_set: row for row in read_value_sets([DIRECT_REFERENCE_CODES])}
SEX = {"female": "248152002", "male": "248153007"}
OUTCOMES = {
    "out": (0, 0, 0, 0), "denominator": (1, 1, 0, 0), "excluded": (1, 1, 1, 0), "numerator": (1, 1, 0, 1)
}  # fmt: skip
POPULATIONS = ("initial-population", "denominator", "denominator-exclusion", "numerator")


def expected(outcome: str) -> dict[str, int]:
    """``excluded`` -> the populations it stands for."""
    return dict(zip(POPULATIONS, OUTCOMES[outcome], strict=True))


def coding(name: str) -> dict[str, str]:
    """``office-visit`` (a value set), ``LOINC|LA18643-9`` or a bare SNOMED number as a coding."""
    if "|" in name:
        system, code = name.split("|")
        return {"system": SYSTEMS.get(system.lower(), system), "code": code}
    if name.isdigit():
        return {"system": SYSTEMS["snomed-ct"], "code": name}
    if name in DIRECT:
        return {"system": SYSTEMS[DIRECT[name].code_system], "code": DIRECT[name].code}
    return {"system": INVENTED, "code": name.upper()}


def concept(name: str) -> dict[str, Any]:
    return {"coding": [coding(name)]}


def resource(text: str, patient: str, number: int) -> dict[str, Any]:
    """One resource from its line."""
    kind, *words = text.split()
    given = dict(word.split("=", 1) for word in words if "=" in word)
    plain = [word for word in words if "=" not in word]
    made: dict[str, Any] = {"resourceType": kind, "id": given.get("id", f"r{number}"),
                            "subject": {"reference": f"Patient/{patient}"}}  # fmt: skip
    if "encounter" in given:
        made["encounter"] = {"reference": f"Encounter/{given['encounter']}"}
    if kind == "BP":
        return {**made, **_blood_pressure(plain, given)}
    name, days = plain
    start, _, end = days.partition("..")
    return {**made, **_BUILDERS[kind](name, start, end, given)}


def _encounter(name: str, start: str, end: str, given: dict[str, str]) -> dict[str, Any]:
    left = {"hospitalization": {"dischargeDisposition": concept(given["left"])}} if "left" in given else {}
    return {
        "status": given.get("status", "finished"), "class": {"code": given.get("class", "AMB")},
        "type": [concept(name)], "period": {"start": start, "end": end or start}, **left,
    }  # fmt: skip


def _condition(name: str, start: str, end: str, given: dict[str, str]) -> dict[str, Any]:
    status = "http://terminology.hl7.org/CodeSystem/condition-"
    made = {
        "clinicalStatus": {"coding": [{"system": f"{status}clinical", "code": given.get("clinical", "active")}]},
        "code": concept(name), "onsetDateTime": start,
    }  # fmt: skip
    if "verified" in given:
        made["verificationStatus"] = {"coding": [{"system": f"{status}ver-status", "code": given["verified"]}]}
    if "site" in given:
        made["bodySite"] = [concept(given["site"])]
    return {**made, **({"abatementDateTime": end} if end else {})}


def _observed(start: str, end: str, given: dict[str, str], category: str) -> dict[str, Any]:
    when = {"effectivePeriod": {"start": start, "end": end}} if end else {"effectiveDateTime": start}
    return {
        "status": given.get("status", "final"),
        "category": [{"coding": [{"code": given.get("category", category)}]}], **when,
    }  # fmt: skip


def _observation(name: str, start: str, end: str, given: dict[str, str]) -> dict[str, Any]:
    made = {**_observed(start, end, given, "laboratory"), "code": concept(name)}
    if "value" in given:
        made["valueQuantity"] = {"value": float(given["value"]), "unit": "%", "code": "%"}
    if "below" in given:
        made["valueQuantity"] = {"comparator": "<", "value": float(given["below"]), "unit": "mg/g"}
    if "coded" in given:
        made["valueCodeableConcept"] = concept(given["coded"])
    return made


def _blood_pressure(plain: list[str], given: dict[str, str]) -> dict[str, Any]:
    when, reading = plain
    components = [
        {"code": concept(f"LOINC|{code}"), "valueQuantity": {"value": float(part), "code": "mm[Hg]"}}
        for code, part in zip(("8480-6", "8462-4"), reading.split("/"), strict=True)
        if part
    ]
    panel = {"resourceType": "Observation", "code": concept("LOINC|85354-9"), "component": components}
    return {**_observed(when, "", given, "vital-signs"), **panel}


def _procedure(name: str, start: str, end: str, given: dict[str, str]) -> dict[str, Any]:
    return {
        "status": given.get("status", "completed"), "code": concept(name),
        "performedPeriod": {"start": start, "end": end or start},
    }  # fmt: skip


def _request(name: str, start: str, end: str, given: dict[str, str]) -> dict[str, Any]:
    return {
        "status": given.get("status", "active"), "intent": given.get("intent", "order"), "code": concept(name),
        "codeCodeableConcept": concept(name), "authoredOn": start,
        **({"doNotPerform": True} if "not" in given else {}),
    }  # fmt: skip


def _device_request(name: str, start: str, end: str, given: dict[str, str]) -> dict[str, Any]:
    made = _request(name, start, end, given)
    if made.pop("doNotPerform", None):
        address = "http://hl7.org/fhir/5.0/StructureDefinition/extension-DeviceRequest.doNotPerform"
        made["modifierExtension"] = [{"url": address, "valueBoolean": True}]
    return made


def _medication_request(name: str, start: str, end: str, given: dict[str, str]) -> dict[str, Any]:
    supply = {"expectedSupplyDuration": {"value": float(given.get("days", "30")), "code": "d"}}
    return {**_request(name, start, end, given), "medicationCodeableConcept": concept(name), "dispenseRequest": supply}


def _report(name: str, start: str, end: str, given: dict[str, str]) -> dict[str, Any]:
    return {"status": given.get("status", "final"), "code": concept(name), "effectiveDateTime": start}


_BUILDERS = {
    "Encounter": _encounter, "Condition": _condition, "Observation": _observation, "Procedure": _procedure,
    "ServiceRequest": _request, "DeviceRequest": _device_request, "MedicationRequest": _medication_request,
    "DiagnosticReport": _report,
}  # fmt: skip


def case(title: str, born: str, resources: str, outcome: str) -> dict[str, Any]:
    """One case of a deck; `born` may carry the sex: ``1960-01-01 male``."""
    day, _, sex = born.partition(" ")
    extension = {"url": "http://hl7.org/fhir/us/core/StructureDefinition/us-core-sex",
                 "valueCode": SEX[sex or "female"]}  # fmt: skip
    patient = {"resourceType": "Patient", "id": title.replace(" ", "-"), "birthDate": day,
               "gender": sex or "female", "extension": [extension]}  # fmt: skip
    texts = [text.strip() for text in resources.split(";") if text.strip()]
    made = [resource(text, patient["id"], number) for number, text in enumerate(texts)]
    return {
        "id": f"id-of-{patient['id']}", "series": "made", "title": title, "description": "",
        "period": {"start": "2026-01-01", "end": "2026-12-31"}, "expected": [expected(outcome)],
        "bundle": {"resourceType": "Bundle", "type": "collection",
                   "entry": [{"resource": each} for each in (patient, *made)]},
    }  # fmt: skip


def value_sets(definitions: Iterable[Definition]) -> dict[str, dict[str, Any]]:
    """Every value set of the definitions, by name, with its one invented code."""
    names = {name for each in definitions for name in value_sets_used(each) | result_value_sets_used(each)}
    return {
        name: {"title": name.replace("-", " "), "codes": [{"system": INVENTED, "code": name.upper()}]}
        for name in sorted(names - set(DIRECT))
    }


def write(folder: Path, measure: str, cases: list[dict[str, Any]]) -> Path:
    """A deck of one measure's cases, with the value sets its definition needs."""
    for name in ("cases", "valuesets"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "cases" / f"{measure}Made.json").write_text(json.dumps(cases), encoding="utf-8")
    for name, made in value_sets([ECQM_FORMS[measure]]).items():
        (folder / "valuesets" / f"{name}.json").write_text(json.dumps(made), encoding="utf-8")
    return folder
