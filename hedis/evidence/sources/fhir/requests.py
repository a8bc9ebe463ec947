"""What was asked for and handed out: ServiceRequest, DeviceRequest, MedicationRequest, MedicationDispense.

Each function takes a resource and what is known of others, and gives its rows; raises Wrong. The rules: docs/fhir.md.
"""

import datetime as dt
import math

from hedis.evidence.sources.fhir.clinical import NO_CODE, NO_DATE, facts, received, standing
from hedis.evidence.sources.fhir.coding import Code, codings
from hedis.evidence.sources.fhir.elements import Element, Wrong, extension, flag, needed, number, part, parts, text
from hedis.evidence.sources.fhir.rows import Fill, Lookup, Rows
from hedis.evidence.sources.fhir.statuses import INTENTS, KEPT_INTENTS
from hedis.evidence.sources.fhir.times import Span, choice, days, duration_in_days, first_date

NO_PERIOD = "no period can be told"
LAST_YEAR = 9900  # a supply begun later would run past the calendar
LONGEST_SUPPLY = 3660  # days; a longer one is a slip of the pen, and would run past the calendar


def asked(resource: Element) -> str:
    """Why a request is no fact; empty where it is one. Raises Wrong."""
    kind, intent = resource["resourceType"], needed(resource, "intent")
    if intent not in INTENTS[kind]:
        raise Wrong("intent", f"is no intent of {kind} in R4")
    marked = extension(resource, "doNotPerform")
    if flag(resource, "doNotPerform") or (marked and flag(marked, "valueBoolean")):
        return "do not perform"
    return standing(resource) or ("" if intent in KEPT_INTENTS else f"intent {intent}")


def service_request(resource: Element, lookup: Lookup) -> Rows:
    """An order."""
    return _order(resource, lookup, "order", "code")


def device_request(resource: Element, lookup: Lookup) -> Rows:
    """An order of a device."""
    return _order(resource, lookup, "device-order", "codeCodeableConcept")


def _order(resource: Element, lookup: Lookup, kind: str, code: str) -> Rows:
    lookup.patient(resource, "subject")
    if out := asked(resource):
        return Rows(left_out=out)
    span = first_date(resource, "authoredOn", lookup.zone) or choice(resource, "occurrence", lookup.zone)
    if span is None:
        return Rows(left_out=NO_DATE)
    return _rows(resource, lookup, kind, codings(part(resource, code)), span)


def _rows(resource: Element, lookup: Lookup, kind: str, codes: list[Code], span: Span) -> Rows:
    known = received(resource, "", lookup, Span(span.start, span.start))
    found = facts([kind], codes, span, known, status=needed(resource, "status"), encounter=lookup.encounter(resource))
    numbered = [fact._replace(line=line) for line, fact in enumerate(found)]
    return Rows(facts=numbered, left_out="" if numbered else NO_CODE)


def medication_request(resource: Element, lookup: Lookup) -> Rows:
    """A prescription over the days it covers."""
    lookup.patient(resource, "subject")
    if out := asked(resource):
        return Rows(left_out=out)
    codes, span = lookup.medication(resource), covered(resource, lookup)
    return _rows(resource, lookup, "medication-order", codes, span) if span else Rows(left_out=NO_PERIOD)


def covered(resource: Element, lookup: Lookup) -> Span | None:
    """The days a prescription covers, as CQL's CumulativeMedicationDuration counts them; None where nothing tells.
    Raises Wrong."""
    dosage = next(iter(parts(resource, "dosageInstruction")), {})
    repeat = part(part(dosage, "timing") or {}, "repeat") or {}
    bounds = part(repeat, "boundsPeriod") or {}
    dispense = part(resource, "dispenseRequest") or {}
    written = text(bounds, "start") or text(resource, "authoredOn")
    written = written or text(part(dispense, "validityPeriod") or {}, "start")
    if written is None:
        return None
    start = days(written, lookup.zone, "authoredOn").start
    length = _length(dispense, dosage, repeat)
    if length is not None and start.year < LAST_YEAR:
        end = start + dt.timedelta(days=max(math.ceil(length), 1) - 1)
    elif last := text(bounds, "end"):
        end = days(last, lookup.zone, "boundsPeriod.end").end
    else:
        return None
    if end < start:
        raise Wrong("boundsPeriod", "ends before it starts")
    return Span(start, end)


def _length(dispense: Element, dosage: Element, repeat: Element) -> float | None:
    """Days of all fills together."""
    once = duration_in_days(part(dispense, "expectedSupplyDuration"))
    quantity = number(part(dispense, "quantity") or {}, "value")
    if once is None and quantity is not None:
        each = next(iter(parts(dosage, "doseAndRate")), {})
        high = part(part(each, "doseRange") or {}, "high") or part(each, "doseQuantity") or {}
        daily = (number(high, "value") or 0) * doses_per_day(repeat)
        once = quantity / daily if daily > 0 else None
    if once is None:
        return None
    total = once * (1 + (number(dispense, "numberOfRepeatsAllowed") or 0))
    if not 0 <= total <= LONGEST_SUPPLY:
        raise Wrong("dispenseRequest", "supplies less than nothing or more than ten years")
    return total


def doses_per_day(repeat: Element) -> float:
    """Frequency per period, else the times of day named, else one."""
    frequency = number(repeat, "frequencyMax") or number(repeat, "frequency")
    length = number(repeat, "period")
    unit = duration_in_days({"value": length, "code": text(repeat, "periodUnit")}) if length else None
    if frequency and unit:
        return frequency / unit
    times = repeat.get("timeOfDay")
    return float(len(times)) if isinstance(times, list) and times else 1.0


def medication_dispense(resource: Element, lookup: Lookup) -> Rows:
    """A fill."""
    lookup.patient(resource, "subject")
    if out := standing(resource):
        return Rows(left_out=out)
    day = first_date(resource, "whenHandedOver", lookup.zone) or first_date(resource, "whenPrepared", lookup.zone)
    if day is None:
        return Rows(left_out=NO_DATE)
    supply = duration_in_days(part(resource, "daysSupply"))
    return fill(lookup.medication(resource), day.start, supply, number(part(resource, "quantity") or {}, "value"))


def fill(
    codes: list[Code], day: dt.date, supply: float | None, quantity: float | None, *, source: str = "clinical",
    known: dt.date | None = None, line: int = 0,
) -> Rows:  # fmt: skip
    """One fill by its first NDC and first RxNorm code. Raises Wrong."""
    ndc, rxnorm = (next((code.code for code in codes if code.system == wanted), None) for wanted in ("ndc", "rxnorm"))
    if ndc is None and rxnorm is None:
        return Rows(left_out=NO_CODE)
    if supply is not None and not 0 <= supply <= 366:
        raise Wrong("daysSupply", "is below nothing or more than a year")
    days_supply = None if supply is None else round(supply)
    received_date = max(known or day, day)
    return Rows(fills=[Fill(day, ndc, rxnorm, days_supply, quantity, line, source, received_date)])
