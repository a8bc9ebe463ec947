"""Small FHIR resources for the tests: one person, one change at a time, and the folder they are written to."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

Resource = dict[str, Any]

SNOMED, LOINC, RXNORM = "http://snomed.info/sct", "http://loinc.org", "http://www.nlm.nih.gov/research/umls/rxnorm"
ICD, NDC, CVX = "http://hl7.org/fhir/sid/icd-10-cm", "http://hl7.org/fhir/sid/ndc", "http://hl7.org/fhir/sid/cvx"
HCPCS = "http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets"
TERMINOLOGY = "http://terminology.hl7.org/CodeSystem"
SECRETS = ("MBI-1EG4-TE5", "1EG4", "Gwendolyn", "Featherstone", "078-05-1120", "Sycamore")


def concept(system: str, *codes: str) -> Resource:
    """A CodeableConcept with one system."""
    return {"coding": [{"system": system, "code": code} for code in codes]}


def patient(identifier: str = "p1", **more: Any) -> Resource:
    """A woman born in March 1955 whose member id is of type MB."""
    return {
        "resourceType": "Patient", "id": identifier, "birthDate": "1955-03-02", "gender": "female",
        "identifier": [
            {"system": "http://hl7.org/fhir/sid/us-ssn", "value": "078-05-1120"},
            {"type": concept(f"{TERMINOLOGY}/v2-0203", "MB"), "value": "MBI-1EG4-TE5"},
        ],
        "name": [{"family": "Featherstone", "given": ["Gwendolyn"]}], "address": [{"line": ["12 Sycamore Lane"]}],
    } | more  # fmt: skip


def coverage(identifier: str = "c1", person: str = "p1", **more: Any) -> Resource:
    """Enrolled in contract H1234, package 001, since 2023."""
    return {
        "resourceType": "Coverage", "id": identifier, "status": "active", "period": {"start": "2023-01-01"},
        "beneficiary": {"reference": f"Patient/{person}"}, "payor": [{"display": "Plan"}],
        "class": [{"type": concept(f"{TERMINOLOGY}/coverage-class", "plan"), "value": "H1234-001"}],
    } | more  # fmt: skip


def about(kind: str, identifier: str, person: str = "p1", **more: Any) -> Resource:
    """A resource about the person, in the way its type refers to a Patient."""
    name = "patient" if kind in ("AllergyIntolerance", "Immunization", "ExplanationOfBenefit") else "subject"
    return {"resourceType": kind, "id": identifier, name: {"reference": f"Patient/{person}"}} | more


def condition(identifier: str = "d1", **more: Any) -> Resource:
    """Active diabetes since 2020."""
    given = {"code": concept(ICD, "E11.9"), "clinicalStatus": concept(f"{TERMINOLOGY}/condition-clinical", "active"),
             "onsetDateTime": "2020-05-04"}  # fmt: skip
    return about("Condition", identifier) | given | more


def observation(identifier: str = "o1", **more: Any) -> Resource:
    """A final HbA1c of 7.4 %."""
    given = {
        "status": "final", "category": [concept(f"{TERMINOLOGY}/observation-category", "laboratory")],
        "code": concept(LOINC, "4548-4"), "effectiveDateTime": "2025-04-10",
        "valueQuantity": {"value": 7.4, "unit": "%", "system": "http://unitsofmeasure.org", "code": "%"},
    }  # fmt: skip
    return about("Observation", identifier) | given | more


def encounter(identifier: str = "e1", **more: Any) -> Resource:
    """A finished office visit."""
    given = {
        "status": "finished", "class": {"system": f"{TERMINOLOGY}/v3-ActCode", "code": "AMB"},
        "type": [concept(SNOMED, "185349003")],
        "period": {"start": "2025-04-10T09:00:00Z", "end": "2025-04-10T09:30:00Z"},
    }  # fmt: skip
    return about("Encounter", identifier) | given | more


def request(kind: str = "ServiceRequest", identifier: str = "r1", **more: Any) -> Resource:
    """An active order."""
    named = {"DeviceRequest": "codeCodeableConcept", "MedicationRequest": "medicationCodeableConcept"}.get(kind, "code")
    system = RXNORM if kind == "MedicationRequest" else SNOMED
    given = {"status": "active", "intent": "order", named: concept(system, "860975"), "authoredOn": "2025-04-10"}
    if kind == "MedicationRequest":
        given["dispenseRequest"] = {"expectedSupplyDuration": {"value": 90, "code": "d"}}  # type: ignore[assignment]
    return about(kind, identifier) | given | more


def dispense(identifier: str = "m1", **more: Any) -> Resource:
    """Thirty days of metformin, handed over."""
    given = {
        "status": "completed", "medicationCodeableConcept": concept(NDC, "00093-7180-98"),
        "whenHandedOver": "2025-05-01", "daysSupply": {"value": 30, "code": "d"}, "quantity": {"value": 60},
    }  # fmt: skip
    return about("MedicationDispense", identifier) | given | more


def explanation(identifier: str = "x1", kind: str = "professional", **more: Any) -> Resource:
    """A paid claim of one office visit with a colonoscopy."""
    given = {
        "status": "active", "use": "claim", "outcome": "complete", "created": "2025-04-20",
        "type": concept(f"{TERMINOLOGY}/claim-type", kind),
        "billablePeriod": {"start": "2025-04-10", "end": "2025-04-10"},
        "diagnosis": [{"sequence": 1, "diagnosisCodeableConcept": concept(ICD, "E11.9")}],
        "item": [{
            "sequence": 1, "productOrService": concept(HCPCS, "G0105"), "servicedDate": "2025-04-10",
            "locationCodeableConcept": concept(
                "https://www.cms.gov/Medicare/Coding/place-of-service-codes/Place_of_Service_Code_Set", "11"
            ),
        }],
    }  # fmt: skip
    return about("ExplanationOfBenefit", identifier) | given | more


def write(folder: Path, resources: Iterable[Mapping[str, Any] | str], name: str = "mixed.ndjson") -> Path:
    """The resources (or lines as they stand) as NDJSON in a folder of their own."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [each if isinstance(each, str) else json.dumps(each) for each in resources]
    (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder
