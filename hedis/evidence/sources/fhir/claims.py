"""ExplanationOfBenefit (CARIN Blue Button) as the facts a claim gives (docs/warehouse.md): diagnoses, procedures,
visits over the claim's days, and fills."""

import datetime as dt
from collections.abc import Iterator
from typing import NamedTuple

from hedis.evidence.sources.fhir.clinical import NO_CODE, NO_DATE, standing
from hedis.evidence.sources.fhir.coding import Code, codings, words
from hedis.evidence.sources.fhir.elements import Element, Wrong, needed, number, part, parts, place, text
from hedis.evidence.sources.fhir.requests import fill
from hedis.evidence.sources.fhir.rows import Fact, Fill, Lookup, Rows
from hedis.evidence.sources.fhir.times import Span, choice, duration_in_days, first_date, period
from hedis.evidence.sources.tuva import INPATIENT_BILLS

TYPES = ("institutional", "professional", "pharmacy", "oral", "vision")
OUTCOMES = {"complete": True, "partial": True, "queued": False, "error": False}
USES = {"claim": True, "preauthorization": False, "predetermination": False}
LINE_CODES = ("hcpcs",)


class Claim(NamedTuple):
    """What all facts of one claim share."""

    claim_type: str
    span: Span
    received_date: dt.date

    def fact(self, kind: str, code: Code, span: Span, line: int = 0) -> Fact:
        """A fact of the claim."""
        return Fact(
            kind, code.system, code.code, span.start, span.end, claim_type=self.claim_type, line=line, source="claim",
            received_date=self.received_date,
        )  # fmt: skip


def explanation(resource: Element, lookup: Lookup) -> Rows:
    """The facts or fills of a claim that stands. Raises Wrong."""
    lookup.patient(resource, "patient")
    if out := standing(resource):
        return Rows(left_out=out)
    for name, known in (("use", USES), ("outcome", OUTCOMES)):
        word = needed(resource, name)
        if word not in known:
            raise Wrong(name, "is no word of R4")
        if not known[word]:
            return Rows(left_out=f"{name} {word}")
    claim_type = next((each for each in TYPES if each in words(part(resource, "type"))), None)
    if claim_type is None:
        raise Wrong("type", f"is none of {', '.join(TYPES)}")
    claim = _claim(resource, lookup, claim_type)
    if claim is None:
        return Rows(left_out=NO_DATE)
    rows = _pharmacy(resource, lookup, claim) if claim_type == "pharmacy" else _medical(resource, lookup, claim)
    return rows if rows.facts or rows.fills else Rows(left_out=NO_CODE)


def _claim(resource: Element, lookup: Lookup, claim_type: str) -> Claim | None:
    told = part(resource, "billablePeriod")
    span = period(told, lookup.zone, "billablePeriod") if told else None
    lines = [day for item in parts(resource, "item") if (day := choice(item, "serviced", lookup.zone))]
    if span is None and lines:
        span = Span(min(day.start for day in lines), max(day.end for day in lines))
    if span is None:
        return None
    stay = _information(resource, "admissionperiod")
    if stay and _inpatient(resource, claim_type):
        admitted = choice(stay, "timing", lookup.zone)
        span = Span(admitted.start, max(span.end, admitted.end)) if admitted else span
    paid = first_date(part(resource, "payment") or {}, "date", lookup.zone)
    paid = paid or first_date(resource, "created", lookup.zone)
    return Claim(claim_type, span, max(paid.end if paid else span.end, span.start))


def _information(resource: Element, category: str) -> Element | None:
    found = (each for each in parts(resource, "supportingInfo") if category in words(part(each, "category")))
    return next(found, None)


def _bill_type(resource: Element) -> Code | None:
    found = _information(resource, "typeofbill")
    code = next(iter(codings(part(found, "code"))), None) if found else None
    # Billing systems write type of bill 0111 or 111.
    return Code("bill-type", code.code.lstrip("0") if len(code.code) == 4 else code.code) if code else None


def _inpatient(resource: Element, claim_type: str) -> bool:
    bill = _bill_type(resource)
    return claim_type == "institutional" and (bill is None or bill.code[:2] in INPATIENT_BILLS)


def _medical(resource: Element, lookup: Lookup, claim: Claim) -> Rows:
    bill = _bill_type(resource)
    if bill and len(bill.code) == 3 and bill.code.endswith("8"):
        return Rows(left_out="void bill type")
    found = list(dict.fromkeys(_header(resource, lookup, claim)))
    places: dict[Code, Span] = {}
    for item in _standing_items(resource):
        day = choice(item, "serviced", lookup.zone) or claim.span
        line = place(item, "sequence")
        found += [
            claim.fact("procedure", code, day, line)
            for code in codings(part(item, "productOrService"))
            if code.system in LINE_CODES
        ]
        for code in _visits(item, claim.claim_type):
            before = places.get(code, day)
            places[code] = Span(min(before.start, day.start), max(before.end, day.end))
    professional = claim.claim_type == "professional"
    found += [claim.fact("visit", code, span if professional else claim.span) for code, span in places.items()]
    if bill and claim.claim_type == "institutional":
        found.append(claim.fact("visit", bill, claim.span))
    return Rows(facts=found)


def _header(resource: Element, lookup: Lookup, claim: Claim) -> Iterator[Fact]:
    for each in parts(resource, "diagnosis"):
        for code in codings(part(each, "diagnosisCodeableConcept")):
            yield claim.fact("diagnosis", code, claim.span)
    for each in parts(resource, "procedure"):
        day = first_date(each, "date", lookup.zone) or claim.span
        for code in codings(part(each, "procedureCodeableConcept")):
            yield claim.fact("procedure", code, day)


def _visits(item: Element, claim_type: str) -> list[Code]:
    if claim_type == "professional":
        found = codings(part(item, "locationCodeableConcept"))
        return [Code("place-of-service", code.code.zfill(2)) for code in found if code.system == "place-of-service"]
    if claim_type == "institutional":
        found = codings(part(item, "revenue"))
        return [Code("revenue-center", code.code.zfill(4)) for code in found if code.system == "revenue-center"]
    return []


def _standing_items(resource: Element) -> list[Element]:
    """The lines that no line with a quantity below nothing takes back: the same code, revenue code and day."""
    units: dict[tuple[object, ...], list[float]] = {}
    keyed = []
    for item in parts(resource, "item"):
        quantity = number(part(item, "quantity") or {}, "value")
        key = (
            tuple(codings(part(item, "productOrService"))), tuple(codings(part(item, "revenue"))),
            text(item, "servicedDate"), text(part(item, "servicedPeriod") or {}, "start"),
        )  # fmt: skip
        units.setdefault(key, []).append(1.0 if quantity is None else quantity)
        keyed.append((key, item, quantity))
    undone = {key for key, told in units.items() if min(told) < 0 and sum(told) <= 0}
    return [item for key, item, quantity in keyed if key not in undone and (quantity is None or quantity >= 0)]


def _pharmacy(resource: Element, lookup: Lookup, claim: Claim) -> Rows:
    supply = _information(resource, "dayssupply")
    days = duration_in_days(part(supply, "valueQuantity")) if supply else None
    fills: list[Fill] = []
    for item in _standing_items(resource):
        day = choice(item, "serviced", lookup.zone) or claim.span
        codes = codings(part(item, "productOrService"))
        for detail in parts(item, "detail"):
            codes += codings(part(detail, "productOrService"))
        quantity = number(part(item, "quantity") or {}, "value")
        line = place(item, "sequence")
        told = fill(codes, day.start, days, quantity, source="claim", known=claim.received_date, line=line)
        fills += told.fills
    return Rows(fills=fills)
