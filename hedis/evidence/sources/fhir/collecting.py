"""Resources into rows, in two passes over the same entries: first those that others refer to, then everything.

Afterwards the connection holds, per place (a number for file and line), `fhir_resource` with what became of it, and the
rows of `TABLES`; `judge` says which of several with one id stands. No Django here: how people and records are named is
the caller's.
"""

import datetime as dt
import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import orjson
import pyarrow as pa

from hedis.evidence.sources.fhir import claims, clinical, people, requests
from hedis.evidence.sources.fhir.coding import Code, codings
from hedis.evidence.sources.fhir.elements import Element, Wrong, part, text
from hedis.evidence.sources.fhir.people import MemberIds
from hedis.evidence.sources.fhir.reading import Entry
from hedis.evidence.sources.fhir.resource_types import KNOWN
from hedis.evidence.sources.fhir.rows import Lookup, Patient, Rows, nobody_known

MAPPERS: dict[str, Callable[[Element, Lookup], Rows]] = {
    "Condition": clinical.condition,
    "AllergyIntolerance": clinical.allergy,
    "Encounter": clinical.encounter,
    "Observation": clinical.observation,
    "DiagnosticReport": clinical.report,
    "Procedure": clinical.procedure,
    "Immunization": clinical.immunization,
    "ServiceRequest": requests.service_request,
    "DeviceRequest": requests.device_request,
    "MedicationRequest": requests.medication_request,
    "MedicationDispense": requests.medication_dispense,
    "ExplanationOfBenefit": claims.explanation,
}
PROVIDERS = ("Practitioner", "Organization")
USED = frozenset((*MAPPERS, *PROVIDERS, "Patient", "Coverage", "Medication"))
REFERRED_TO = (b'"Patient"', b'"Coverage"', b'"Medication"')
SUBJECT = {"AllergyIntolerance": "patient", "Immunization": "patient", "ExplanationOfBenefit": "patient"}
LONGEST_STRING = 100_000  # FHIR allows 1,048,576; nothing a measure reads is that long
UNREAD = frozenset(("data", "div"))  # attachments and narrative
BATCH = 20_000

TABLES: dict[str, dict[str, pa.DataType]] = {
    "fhir_resource": {
        "place": pa.int64(), "file": pa.string(), "line": pa.int64(), "resource_type": pa.string(), "id": pa.string(),
        "record": pa.string(), "person": pa.string(), "updated": pa.timestamp("us"), "digest": pa.string(),
        "left_out": pa.string(), "field": pa.string(), "reason": pa.string(),
    },
    "fhir_fact": {
        "place": pa.int64(), "kind": pa.string(), "code_system": pa.string(), "code": pa.string(),
        "start_date": pa.date32(), "end_date": pa.date32(), "value_number": pa.float64(), "value_text": pa.string(),
        "value_code": pa.string(), "unit": pa.string(), "qualifier": pa.string(), "status": pa.string(),
        "encounter": pa.string(), "claim_type": pa.string(), "line": pa.int32(), "source": pa.string(),
        "received_date": pa.date32(),
    },
    "fhir_fill": {
        "place": pa.int64(), "dispensing_date": pa.date32(), "ndc": pa.string(), "rxnorm": pa.string(),
        "days_supply": pa.int32(), "quantity": pa.float64(), "line": pa.int32(), "source": pa.string(),
        "received_date": pa.date32(),
    },
    "fhir_patient": {
        "place": pa.int64(), "person": pa.string(), "birth_date": pa.date32(), "death_date": pa.date32(),
        "sex": pa.string(), "race": pa.string(), "ethnicity": pa.string(), "language": pa.string(),
    },
    "fhir_coverage": {
        "place": pa.int64(), "patient": pa.string(), "start_date": pa.date32(), "end_date": pa.date32(),
        "plan": pa.string(), "dual_status_code": pa.string(), "original_reason_entitlement_code": pa.string(),
        "low_income_subsidy": pa.bool_(),
    },
    "fhir_provider": {"place": pa.int64(), "npi": pa.string(), "name": pa.string()},
}  # fmt: skip


@dataclass
class Sink:
    """Rows on their way into the connection's tables, a batch at a time."""

    connection: duckdb.DuckDBPyConnection
    waiting: dict[str, list[tuple[Any, ...]]] = field(default_factory=lambda: {name: [] for name in TABLES})

    def open(self) -> None:
        """Make the tables, empty."""
        for name, columns in TABLES.items():
            self.connection.register("appended", pa.schema(list(columns.items())).empty_table())
            self.connection.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS FROM appended")
            self.connection.unregister("appended")

    def add(self, table: str, row: tuple[Any, ...]) -> None:
        """One row, in the order of the table's columns."""
        rows = self.waiting[table]
        rows.append(row)
        if len(rows) >= BATCH:
            self._flush(table)

    def close(self) -> None:
        """Write what still waits."""
        for table in TABLES:
            self._flush(table)

    def _flush(self, table: str) -> None:
        rows = self.waiting[table]
        if rows:
            columns = zip(TABLES[table].items(), zip(*rows, strict=True), strict=True)
            arrow = pa.table({name: pa.array(values, kind) for (name, kind), values in columns})
            self.connection.register("appended", arrow)
            self.connection.execute(f"INSERT INTO {table} FROM appended")
            self.connection.unregister("appended")
            rows.clear()


@dataclass
class Index:
    """What others refer to. Several versions of one resource: the one updated last counts, else the first."""

    zone: ZoneInfo
    ids: MemberIds
    patients: dict[str, Patient] = field(default_factory=dict)
    medications: dict[str, list[Code]] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)
    updated: dict[str, dt.datetime] = field(default_factory=dict)
    covered: dict[str, str] = field(default_factory=dict)  # reference to a Patient -> member id of a Coverage

    def take(self, entry: Entry) -> None:
        """Remember the resource if others may refer to it. What is wrong with it the second pass says."""
        resource = entry.resource or {}
        kind, identifier = resource.get("resourceType"), resource.get("id")
        if not (isinstance(kind, str) and isinstance(identifier, str)):
            return
        key = f"{kind}/{identifier}"
        if entry.alias:
            self.aliases[entry.alias] = key
        try:
            if kind == "Coverage":
                self._cover(resource)
            elif kind in ("Patient", "Medication") and self._newer(key, resource):
                self._remember(key, resource)
        except Wrong:
            return

    def _newer(self, key: str, resource: Element) -> bool:
        stamp, known = last_updated(resource), self.updated.get(key)
        seen = key in self.patients or key in self.medications
        if seen and (stamp is None or (known is not None and stamp <= known)):
            return False
        if stamp is not None:
            self.updated[key] = stamp
        return True

    def _remember(self, key: str, resource: Element) -> None:
        if resource["resourceType"] == "Patient":
            self.patients[key] = people.patient(resource, self.zone, self.ids)
        else:
            self.medications[key] = codings(part(resource, "code"))

    def _cover(self, resource: Element) -> None:
        member = self.ids.choose(resource)
        beneficiary = text(part(resource, "beneficiary") or {}, "reference")
        if member and beneficiary:
            self.covered.setdefault(beneficiary, member)

    def lookup(self, record: Callable[[str], str], known: Callable[[str], Patient | None] = nobody_known) -> Lookup:
        """The finished index: everybody has the member id, or the Patient's own id where none is told."""
        read = partial(people.patient, zone=self.zone, ids=self.ids)
        found = Lookup(self.zone, self.patients, self.medications, self.aliases, record, read, known)
        covered = {found.key(written, "Patient"): member for written, member in self.covered.items()}
        for key, person in self.patients.items():
            if not person.person:
                self.patients[key] = person._replace(person=covered.get(key) or key.split("/", 1)[1])
        return found


@dataclass
class Collected:
    """What the passes saw beside rows: types that exist and are not used, with their number."""

    ignored: Counter[str] = field(default_factory=Counter)
    read: int = 0


def last_updated(resource: Element) -> dt.datetime | None:
    """meta.lastUpdated in UTC. Raises Wrong."""
    written = text(part(resource, "meta") or {}, "lastUpdated")
    if written is None:
        return None
    try:
        moment = dt.datetime.fromisoformat(written)
    except ValueError as error:
        raise Wrong("meta.lastUpdated", "is not an instant") from error
    return (moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)).astimezone(dt.UTC).replace(tzinfo=None)


def collect(
    connection: duckdb.DuckDBPyConnection,
    entries: Callable[[tuple[bytes, ...]], Iterable[Entry]],
    *,
    zone: ZoneInfo,
    ids: MemberIds,
    record: Callable[[str], str],
    known: Callable[[str], Patient | None] = nobody_known,
    watch: Callable[[int], None] = lambda done: None,
) -> Collected:
    """Fill the tables from the entries; `entries` is called once a pass, with bytes that its lines of interest hold.

    `record` names a key such as `Condition/x`, `known` a Patient of an earlier import. What is wrong with a single
    resource is a row of `fhir_resource`.
    """
    index = Index(zone, ids)
    for entry in entries(REFERRED_TO):
        index.take(entry)
    lookup, sink, collected = index.lookup(record, known), Sink(connection), Collected()
    sink.open()
    for place, entry in enumerate(entries(()), start=1):
        _collect_one(place, entry, lookup, sink, collected)
        if place % BATCH == 0:
            watch(place)
        collected.read = place
    sink.close()
    return collected


def _collect_one(place: int, entry: Entry, lookup: Lookup, sink: Sink, collected: Collected) -> None:
    resource = entry.resource
    kind = resource.get("resourceType") if resource else None
    if isinstance(kind, str) and kind in KNOWN and kind not in USED:
        collected.ignored[kind] += 1
        return
    kept: dict[str, Any] = {}
    wrong = Wrong(*entry.problem) if entry.problem else None
    left_out = ""
    if resource is not None:
        try:
            kept = _identity(resource, lookup)
            left_out = _map(place, resource, lookup, sink, kept)
        except Wrong as found:
            wrong = found
    known_kind = kind if isinstance(kind, str) and kind in USED else None
    sink.add(
        "fhir_resource",
        (
            place, entry.file, entry.line, known_kind, kept.get("id"), kept.get("record"), kept.get("person"),
            kept.get("updated"), kept.get("digest"), left_out, wrong.field if wrong else None,
            wrong.reason if wrong else None,
        ),
    )  # fmt: skip


def _identity(resource: Element, lookup: Lookup) -> dict[str, Any]:
    """Type, id, content and time of a resource. Raises Wrong."""
    kind, identifier = text(resource, "resourceType"), text(resource, "id")
    if kind is None or kind not in KNOWN:
        raise Wrong("resourceType", "is missing" if kind is None else "is no resource type of R4")
    if identifier is None:
        raise Wrong("id", "is missing")
    if len(identifier) > 64:
        raise Wrong("id", "is longer than 64 characters")
    try:
        written = orjson.dumps(resource, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError as error:
        raise Wrong("resource", "is nested too deep") from error
    if len(written) > LONGEST_STRING:
        _refuse_long_strings(resource)
    return {
        "id": identifier,
        "record": lookup.record(f"{kind}/{identifier}"),
        "updated": last_updated(resource),
        "digest": hashlib.blake2b(written, digest_size=16).hexdigest(),
    }


def _refuse_long_strings(resource: Element) -> None:
    waiting: list[tuple[str, object]] = list(resource.items())
    while waiting:
        name, value = waiting.pop()
        if isinstance(value, dict):
            waiting.extend(value.items())
        elif isinstance(value, list):
            waiting.extend((name, each) for each in value)
        elif isinstance(value, str) and len(value) > LONGEST_STRING and name not in UNREAD:
            raise Wrong(name if len(name) <= 64 else "resource", f"is longer than {LONGEST_STRING:,} characters")


def _map(place: int, resource: Element, lookup: Lookup, sink: Sink, kept: dict[str, Any]) -> str:
    """Send the resource's rows on their way; why there are none, if so. Raises Wrong before anything is sent."""
    kind = resource["resourceType"]
    if kind == "Patient":
        lookup.read_patient(resource)
        found = lookup.patients[f"Patient/{resource['id']}"]
        kept["person"] = found.person
        sink.add("fhir_patient", (place, *found))
    elif kind == "Medication":
        codings(part(resource, "code"))
    elif kind in PROVIDERS or kind == "Coverage":
        row = people.coverage(resource, lookup) if kind == "Coverage" else people.provider(resource)
        if isinstance(row, str):
            return row
        sink.add("fhir_coverage" if kind == "Coverage" else "fhir_provider", (place, *row))
    else:
        rows = MAPPERS[kind](resource, lookup)
        kept["person"] = lookup.patient(resource, SUBJECT.get(kind, "subject"))[1].person
        _send(place, rows, sink)
        return rows.left_out
    return ""


def _send(place: int, rows: Rows, sink: Sink) -> None:
    for fact in rows.facts:
        sink.add("fhir_fact", (place, *fact))
    for fill in rows.fills:
        sink.add("fhir_fill", (place, *fill))


CONFLICT = "duplicate id: line ' || first_line || ' of ' || first_file || ' has the same type and id and other content"
JUDGE = f"""
CREATE OR REPLACE TEMP TABLE fhir_judged AS FROM (
  FROM (
    FROM fhir_resource SELECT *,
      first_value(place) OVER same AS first_place, first_value(digest) OVER same AS first_digest,
      first_value(updated) OVER same AS first_updated, first_value(line) OVER same AS first_line,
      first_value(file) OVER same AS first_file
    WINDOW same AS (PARTITION BY resource_type, id, reason IS NULL ORDER BY updated DESC NULLS LAST, place)
  )
  SELECT *, CASE WHEN reason IS NOT NULL THEN 'refused' WHEN place = first_place THEN 'stands'
    WHEN digest = first_digest OR coalesce(updated < first_updated, false) THEN 'duplicate'
    ELSE 'refused' END AS verdict
)
SELECT place, file, line, resource_type, id, record, person, left_out, verdict,
  if(reason IS NULL AND verdict = 'refused', 'id', field) AS field,
  if(reason IS NULL AND verdict = 'refused', '{CONFLICT}', reason) AS reason
"""


def judge(connection: duckdb.DuckDBPyConnection) -> None:
    """Make `fhir_judged`: each place with its verdict, `stands`, `duplicate` (also an older version) or `refused`."""
    connection.execute(JUDGE)


def refusals(connection: duckdb.DuckDBPyConnection) -> Iterator[tuple[str, str, int, str, str]]:
    """resource type (or ''), file, line, field and reason of what was refused, in the order read."""
    found = connection.execute(
        "FROM fhir_judged SELECT coalesce(resource_type, ''), file, line, field, reason WHERE verdict = 'refused' "
        "ORDER BY place"
    )
    while batch := found.fetchmany(10_000):
        yield from batch
