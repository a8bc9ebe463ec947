"""Results: value[x] of an Observation or component as number, text or code (docs/fhir.md, Values)."""

import re

from hedis.evidence.sources.fhir.coding import codings
from hedis.evidence.sources.fhir.elements import Element, flag, number, part, text
from hedis.evidence.sources.fhir.rows import NO_VALUE, Value
from hedis.evidence.sources.tuva import RESULT_SHAPE, RESULT_WORDS

NOT_KEPT = "text not kept"
STATED = "stated"
_SHAPE = re.compile(RESULT_SHAPE)


def values(element: Element) -> list[Value]:
    """The result an element tells, one for each coding of a coded one, `[NO_VALUE]` for none. Raises Wrong."""
    if quantity := part(element, "valueQuantity"):
        return [_quantity(quantity)]
    if concept := part(element, "valueCodeableConcept"):
        coded = [Value(code=code.written) for code in codings(concept)]
        return coded or [_words(text(concept, "text"))]
    if (truth := flag(element, "valueBoolean")) is not None:
        return [Value(text=str(truth).lower())]
    if (whole := number(element, "valueInteger")) is not None:
        return [Value(number=whole)]
    if "valueString" in element:
        return [_words(text(element, "valueString"))]
    return [_stated(element)]


def _quantity(quantity: Element) -> Value:
    amount, sign = number(quantity, "value"), text(quantity, "comparator")
    unit = (text(quantity, "code") or text(quantity, "unit") or "")[:40] or None
    if amount is None:
        return NO_VALUE
    if sign:
        # "<5" is a result, and no number: five would be read as what was measured.
        return Value(text=f"{sign[:2]}{amount:g} {unit or ''}".strip())
    return Value(number=amount, unit=unit)


def _words(written: str | None) -> Value:
    """Words are kept where they are a known result: free text holds names and addresses."""
    if written is None:
        return NO_VALUE
    known = written.lower() in RESULT_WORDS or _SHAPE.fullmatch(written)
    return Value(text=written if known else NOT_KEPT)


def _stated(element: Element) -> Value:
    if bounds := part(element, "valueRange"):
        ends = [_amount(part(bounds, name)) for name in ("low", "high")]
        return Value(text="-".join(ends))
    if ratio := part(element, "valueRatio"):
        return Value(text=":".join(_amount(part(ratio, name)) for name in ("numerator", "denominator")))
    for name in ("valueDateTime", "valueTime"):
        if text(element, name):
            return Value(text=STATED)
    return Value(text=STATED) if part(element, "valuePeriod") or part(element, "valueSampledData") else NO_VALUE


def _amount(quantity: Element | None) -> str:
    amount = number(quantity, "value") if quantity else None
    return "" if amount is None else f"{amount:g}"
