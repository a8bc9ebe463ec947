"""What was found or done: conditions, allergies, encounters, observations, reports, procedures, immunizations.

Each function takes a resource and what is known of others, and gives its rows; raises Wrong. The rules: docs/fhir.md.
"""

import datetime as dt
from collections.abc import Sequence

from hedis.evidence.sources.fhir.coding import Code, codings, concepts, word, words
from hedis.evidence.sources.fhir.elements import Element, Wrong, needed, part, parts, text
from hedis.evidence.sources.fhir.rows import NO_VALUE, Fact, Lookup, Rows, Value
from hedis.evidence.sources.fhir.statuses import KEPT, LEFT_OUT, NOT_DONE_PROFILES, ONGOING, UNVERIFIED
from hedis.evidence.sources.fhir.times import OPEN_END, Span, choice, first_date, period
from hedis.evidence.sources.fhir.values import values
from hedis.evidence.sources.tuva import IDENTIFYING_LOINC

KIND_OF_CATEGORY = {
    "laboratory": "lab", "survey": "assessment", "exam": "exam", "imaging": "imaging", "vital-signs": "vital-sign",
}  # fmt: skip
SOURCE_OF_KIND = {"lab": "lab"} | dict.fromkeys(
    ("assessment", "exam", "imaging", "vital-sign", "observation"), "observation"
)
NO_CODE, NO_DATE = "no code", "no date"


def standing(resource: Element) -> str:
    """Why the resource is no fact, by its status or profile; empty where it is one. Raises Wrong."""
    kind, status = resource["resourceType"], needed(resource, "status")
    if status not in KEPT[kind]:
        if status not in LEFT_OUT[kind]:
            raise Wrong("status", f"is no status of {kind} in R4")
        return f"status {status}"
    return profiled_not_done(resource)


def profiled_not_done(resource: Element) -> str:
    """Why the resource is no fact, by a profile it claims."""
    profiles = (part(resource, "meta") or {}).get("profile") or ()
    if not isinstance(profiles, list | tuple) or not all(isinstance(each, str) for each in profiles):
        raise Wrong("meta.profile", "is not a list of strings")
    endings = (each.split("|")[0].lower() for each in profiles)
    return "not done" if any(each.endswith(NOT_DONE_PROFILES) for each in endings) else ""


def received(resource: Element, name: str, lookup: Lookup, span: Span) -> dt.date:
    """When it could be known: `name` where it is told, else the day it was over; never before the start."""
    told = first_date(resource, name, lookup.zone) if name else None
    over = span.end if span.end < OPEN_END else span.start
    return max(told.end if told else over, span.start)


def facts(
    kinds: Sequence[str],
    codes: Sequence[Code],
    span: Span,
    received_date: dt.date,
    *,
    results: Sequence[Value] = (NO_VALUE,),
    qualifiers: Sequence[Code] = (),
    status: str | None,
    encounter: str | None = None,
) -> list[Fact]:
    """A row for every kind, code, result and qualifier."""
    narrowed: list[str | None] = [each.written for each in qualifiers] or [None]
    return [
        Fact(
            kind, code.system, code.code, span.start, span.end, *_kept(result, code), qualifier, status, encounter,
            None, 0, SOURCE_OF_KIND.get(kind, "clinical"), received_date,
        )
        for kind in kinds
        for code in codes
        for result in results
        for qualifier in narrowed
    ]  # fmt: skip


def _kept(result: Value, code: Code) -> Value:
    """Without the value where the code says that it identifies a person."""
    return NO_VALUE if code.system == "loinc" and code.code in IDENTIFYING_LOINC else result


def _rows(found: list[Fact]) -> Rows:
    numbered = [fact._replace(line=line) if line else fact for line, fact in enumerate(found)]
    return Rows(facts=numbered, left_out="" if numbered else NO_CODE)


def condition(resource: Element, lookup: Lookup) -> Rows:
    """A diagnosis over its prevalence."""
    return _prevailing(resource, lookup, "diagnosis", "subject", "abatement")


def allergy(resource: Element, lookup: Lookup) -> Rows:
    """An allergy or intolerance over the time it is known."""
    return _prevailing(resource, lookup, "allergy", "patient", "")


def _prevailing(resource: Element, lookup: Lookup, kind: str, subject: str, abatement: str) -> Rows:
    _, person = lookup.patient(resource, subject)
    unverified = words(part(resource, "verificationStatus")) & UNVERIFIED
    if unverified:
        return Rows(left_out=f"verification status {min(unverified)}")
    if out := profiled_not_done(resource):
        return Rows(left_out=out)
    status = word(resource, "clinicalStatus")
    onset = choice(resource, "onset", lookup.zone, person.birth_date)
    onset = onset or first_date(resource, "recordedDate", lookup.zone)
    if onset is None:
        return Rows(left_out=NO_DATE)
    end = choice(resource, abatement, lookup.zone, person.birth_date) if abatement else None
    if end and end.end < onset.start:
        raise Wrong("abatement[x]", "lies before the onset")
    last = end.end if end else OPEN_END if status in ONGOING else onset.start
    span = Span(onset.start, last)
    return _rows(
        facts(
            [kind], codings(part(resource, "code")), span, received(resource, "recordedDate", lookup, onset),
            qualifiers=concepts(resource, "bodySite"), status=status, encounter=lookup.encounter(resource),
        )
    )  # fmt: skip


def encounter(resource: Element, lookup: Lookup) -> Rows:
    """A visit: a row for each type, and one for its class."""
    lookup.patient(resource, "subject")
    if out := standing(resource):
        return Rows(left_out=out)
    told = part(resource, "period")
    status = needed(resource, "status")
    span = period(told, lookup.zone, "period", None if status == "finished" else OPEN_END) if told else None
    if span is None:
        return Rows(left_out=NO_DATE)
    classed = text(part(resource, "class") or {}, "code")
    if classed is None:
        raise Wrong("class", "is missing")
    codes = [*concepts(resource, "type"), Code("encounter-class", classed.upper()[:64])]
    left = codings(part(part(resource, "hospitalization") or {}, "dischargeDisposition"))
    itself = lookup.record(f"Encounter/{resource['id']}")
    return _rows(
        facts(["visit"], codes, span, received(resource, "", lookup, span), qualifiers=left, status=status,
              encounter=itself)
    )  # fmt: skip


def observation(resource: Element, lookup: Lookup) -> Rows:
    """A result: a row for its code and for each component, in each of its categories."""
    lookup.patient(resource, "subject")
    if out := standing(resource):
        return Rows(left_out=out)
    span = choice(resource, "effective", lookup.zone)
    if span is None:
        return Rows(left_out=NO_DATE)
    named = {name for each in parts(resource, "category") for name in words(each)}
    kinds = sorted({KIND_OF_CATEGORY.get(name, "observation") for name in named} or {"observation"})
    known, found = received(resource, "issued", lookup, span), []
    for each in (resource, *parts(resource, "component")):
        found += facts(
            kinds, codings(part(each, "code")), span, known, results=values(each), status=needed(resource, "status"),
            encounter=lookup.encounter(resource),
        )  # fmt: skip
    return _rows(found)


def report(resource: Element, lookup: Lookup) -> Rows:
    """A diagnostic report."""
    lookup.patient(resource, "subject")
    if out := standing(resource):
        return Rows(left_out=out)
    span = choice(resource, "effective", lookup.zone) or first_date(resource, "issued", lookup.zone)
    if span is None:
        return Rows(left_out=NO_DATE)
    return _rows(
        facts(["report"], codings(part(resource, "code")), span, received(resource, "issued", lookup, span),
              status=needed(resource, "status"), encounter=lookup.encounter(resource))
    )  # fmt: skip


def procedure(resource: Element, lookup: Lookup) -> Rows:
    """A procedure that was completed."""
    _, person = lookup.patient(resource, "subject")
    if out := standing(resource):
        return Rows(left_out=out)
    span = choice(resource, "performed", lookup.zone, person.birth_date)
    if span is None:
        return Rows(left_out=NO_DATE)
    return _rows(
        facts(["procedure"], codings(part(resource, "code")), span, received(resource, "", lookup, span),
              qualifiers=concepts(resource, "bodySite"), status=needed(resource, "status"),
              encounter=lookup.encounter(resource))
    )  # fmt: skip


def immunization(resource: Element, lookup: Lookup) -> Rows:
    """A vaccination that was given."""
    lookup.patient(resource, "patient")
    if out := standing(resource):
        return Rows(left_out=out)
    span = choice(resource, "occurrence", lookup.zone)
    if span is None and text(resource, "occurrenceString") is None:
        raise Wrong("occurrence[x]", "is missing")
    if span is None:
        return Rows(left_out=NO_DATE)
    return _rows(
        facts(["immunization"], codings(part(resource, "vaccineCode")), span,
              received(resource, "recorded", lookup, span), status=needed(resource, "status"),
              encounter=lookup.encounter(resource))
    )  # fmt: skip
