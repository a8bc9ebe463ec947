"""Resources straight into the warehouse's four tables in memory, without a plan, a key or a database: for conformance
decks and tests. The rules are those of an import (docs/fhir.md)."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import duckdb
import pyarrow as pa

from hedis.evidence.schema import SCHEMA
from hedis.evidence.sources.fhir.collecting import collect, judge, refusals
from hedis.evidence.sources.fhir.people import MemberIds
from hedis.evidence.sources.fhir.reading import Entry, in_bundle


class Refusal(NamedTuple):
    """A resource that was not taken: its type (empty where it has none), its place from 1, field and reason."""

    resource_type: str
    place: int
    field: str
    reason: str


@dataclass(frozen=True)
class Loaded:
    """What became of the resources.

    read, left_out and ignored count by resource type; the keys of left_out are (type, reason).
    """

    read: Mapping[str, int]
    left_out: Mapping[tuple[str, str], int]
    ignored: Mapping[str, int]
    refused: tuple[Refusal, ...]


NOBODY = MemberIds(system="urn:none")  # no identifier has this system: the Patient's own id names the person
QUERIES = {
    "member": """
        FROM fhir_patient JOIN standing USING (place) JOIN naming USING (person)
        SELECT member, first(birth_date ORDER BY place) AS birth_date, max(death_date) AS death_date,
          first(sex ORDER BY place) AS sex, first(race ORDER BY place) AS race,
          first(ethnicity ORDER BY place) AS ethnicity, first(language ORDER BY place) AS language
        GROUP BY member""",
    "enrolment": r"""
        FROM fhir_coverage JOIN standing USING (place)
        JOIN (FROM fhir_judged SELECT DISTINCT 'Patient/' || id AS patient, person
              WHERE resource_type = 'Patient' AND verdict = 'stands') USING (patient)
        JOIN naming USING (person)
        SELECT DISTINCT member, start_date, end_date, nullif(left(plan, 5), '') AS contract,
          nullif(substr(plan, 7, 3), '') AS plan_benefit_package, dual_status_code,
          original_reason_entitlement_code, low_income_subsidy, false AS hospice, false AS long_term_institutional,
          false AS institutional_snp, 'fhir' AS source""",
    "event": """
        FROM fhir_fact JOIN standing USING (place) JOIN naming ON naming.person = standing.owner
        SELECT fhir_fact.* EXCLUDE (place), member, record, 'fhir' AS data_source""",
    "dispensing": """
        FROM fhir_fill JOIN standing USING (place) JOIN naming ON naming.person = standing.owner
        SELECT fhir_fill.* EXCLUDE (place), member, record, 'fhir' AS data_source""",
}


def as_written(text: str) -> str:
    """The name of what needs no other: a test patient keeps its id."""
    return text


def load_resources(
    connection: duckdb.DuckDBPyConnection,
    resources: Iterable[Mapping[str, Any]],
    *,
    name: Callable[[str], str] = as_written,
    time_zone: str = "UTC",
) -> Loaded:
    """Make `member`, `enrolment`, `event` and `dispensing` with the columns of the warehouse from FHIR R4 resources.

    `resources` are resources or entries of Bundles (`{"fullUrl": …, "resource": …}`), of any number of people. `name`
    gives the pseudonym of a Patient.id and the record of a key such as `Encounter/x`. Bad resources are in the answer;
    nothing is raised for them.
    """
    listed = [_entry(place, each) for place, each in enumerate(resources, start=1)]
    collected = collect(connection, lambda only: listed, zone=ZoneInfo(time_zone), ids=NOBODY, record=name)
    judge(connection)
    _name(connection, name)
    for table, query in QUERIES.items():
        columns = ", ".join(f"{column}::{kind} AS {column}" for column, kind in SCHEMA[table].items())
        connection.execute(f"CREATE OR REPLACE TABLE {table} AS FROM ({query}) SELECT {columns}")
    counts = connection.execute("FROM fhir_judged SELECT resource_type, left_out, count(*) GROUP BY ALL").fetchall()
    read: Counter[str] = Counter()
    left_out: Counter[tuple[str, str]] = Counter()
    for kind, reason, number in counts:
        read[kind or ""] += number
        if reason:
            left_out[kind, reason] += number
    refused = tuple(Refusal(kind, line, field, reason) for kind, _, line, field, reason in refusals(connection))
    return Loaded(read, left_out, collected.ignored, refused)


def _entry(place: int, found: Mapping[str, Any]) -> Entry:
    if "resource" in found and "resourceType" not in found:
        return in_bundle("", place, found["resource"], found.get("fullUrl"))
    return in_bundle("", place, found, None)


def _name(connection: duckdb.DuckDBPyConnection, name: Callable[[str], str]) -> None:
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE standing AS FROM fhir_judged SELECT place, record, person AS owner "
        "WHERE verdict = 'stands'"
    )
    people = [person for (person,) in connection.execute("FROM fhir_patient SELECT DISTINCT person").fetchall()]
    named = pa.table({"person": pa.array(people, pa.string()),
                      "member": pa.array([name(person) for person in people], pa.string())})  # fmt: skip
    connection.register("appended", named)
    connection.execute("CREATE OR REPLACE TEMP TABLE naming AS FROM appended")
    connection.unregister("appended")
