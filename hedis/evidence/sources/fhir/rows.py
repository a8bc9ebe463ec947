"""What a resource gives, before people and records have their names: plain rows, typed as the warehouse is."""

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple
from zoneinfo import ZoneInfo

from hedis.evidence.sources.fhir.coding import Code, codings
from hedis.evidence.sources.fhir.elements import Element, Wrong, part, reference


class Value(NamedTuple):
    """A result: at most one of number (with unit), text and coded value is set."""

    number: float | None = None
    text: str | None = None
    code: str | None = None
    unit: str | None = None


NO_VALUE = Value()


class Fact(NamedTuple):
    """One row of the warehouse's `event` table; member and record are the resource's."""

    kind: str
    code_system: str
    code: str
    start_date: dt.date
    end_date: dt.date
    value_number: float | None = None
    value_text: str | None = None
    value_code: str | None = None
    unit: str | None = None
    qualifier: str | None = None
    status: str | None = None
    encounter: str | None = None
    claim_type: str | None = None
    line: int = 0
    source: str = "clinical"
    received_date: dt.date | None = None


class Fill(NamedTuple):
    """One row of the warehouse's `dispensing` table."""

    dispensing_date: dt.date
    ndc: str | None
    rxnorm: str | None
    days_supply: int | None
    quantity: float | None
    line: int = 0
    source: str = "clinical"
    received_date: dt.date | None = None


@dataclass(frozen=True)
class Rows:
    """What one resource gives. `left_out` says why a valid resource gives nothing."""

    facts: list[Fact] = field(default_factory=list)
    fills: list[Fill] = field(default_factory=list)
    left_out: str = ""


class Patient(NamedTuple):
    """One row about a person; `person` is the plan's own id, which goes no further than the door of pseudonyms."""

    person: str
    birth_date: dt.date
    death_date: dt.date | None
    sex: str
    race: str | None
    ethnicity: str | None
    language: str | None


class Coverage(NamedTuple):
    """One span of enrolment of the Patient with this key."""

    patient: str
    start_date: dt.date
    end_date: dt.date
    plan: str | None
    dual_status_code: str | None
    original_reason_entitlement_code: str | None
    low_income_subsidy: bool


class Provider(NamedTuple):
    """A practitioner or organisation with an NPI."""

    npi: str
    name: str


def nobody_known(key: str) -> None:
    """No Patient was ever stored."""


@dataclass(frozen=True)
class Lookup:
    """What mapping a resource needs to know of others.

    patients      key ("Patient/x") -> what is known of the person
    medications   key ("Medication/x") -> codings
    aliases       fullUrl of a Bundle entry -> key
    record        key -> `record`, the name under which the resource's rows stand
    read_patient  reads a Patient as those of `patients` were
    known         key -> a person an earlier import told of, so that an export of what changed need not repeat everybody
    """

    zone: ZoneInfo
    patients: Mapping[str, Patient]
    medications: Mapping[str, list[Code]]
    aliases: Mapping[str, str]
    record: Callable[[str], str]
    read_patient: Callable[[Element], Patient]
    known: Callable[[str], Patient | None] = nobody_known

    def key(self, written: str, resource_type: str) -> str:
        """`Type/id` for a reference however it is written; the type is assumed where it does not say."""
        known = self.aliases.get(written)
        if known:
            return known
        if written.startswith("urn:uuid:"):
            return f"{resource_type}/{written.removeprefix('urn:uuid:')}"
        pieces = written.split("/_history/")[0].rsplit("/", 2)
        return "/".join(pieces[-2:]) if len(pieces) > 1 else f"{resource_type}/{written}"

    def patient(self, resource: Element, name: str) -> tuple[str, Patient]:
        """Key and person of the Patient a resource is about. Raises Wrong."""
        written = reference(resource, name)
        if written is None:
            raise Wrong(name, "is missing")
        key = self.key(written, "Patient")
        found = self.patients.get(key) or self.known(key)
        if found is None:
            raise Wrong(name, "refers to a Patient that is not there or was refused")
        return key, found

    def encounter(self, resource: Element) -> str | None:
        """`record` of the encounter a resource refers to. Raises Wrong."""
        written = reference(resource, "encounter")
        return self.record(self.key(written, "Encounter")) if written else None

    def medication(self, resource: Element) -> list[Code]:
        """Codings of medication[x]: its own, of a contained Medication, or of one referred to. Raises Wrong."""
        concept = part(resource, "medicationCodeableConcept")
        if concept:
            return codings(concept)
        written = reference(resource, "medicationReference")
        if written is None:
            raise Wrong("medication[x]", "is missing")
        if written.startswith("#"):
            return codings(contained(resource, written[1:], "medicationReference"))
        key = self.key(written, "Medication")
        if key not in self.medications:
            raise Wrong("medicationReference", "refers to a Medication that is not there or was refused")
        return self.medications[key]


def contained(resource: Element, wanted: str, field_name: str) -> Element | None:
    """The code of a contained resource. Raises Wrong."""
    inside = resource.get("contained")
    for each in inside if isinstance(inside, list) else ():
        if isinstance(each, dict) and each.get("id") == wanted:
            return part(each, "code")
    raise Wrong(field_name, "refers to a contained resource that is not there")
