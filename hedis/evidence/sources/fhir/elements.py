"""Reading elements of a FHIR resource: what is there has the JSON type the standard says, or the resource is refused.

Every function names the element in the error and quotes nothing of it.
"""

import math
from collections.abc import Mapping
from typing import Any

Element = Mapping[str, Any]


class Wrong(Exception):
    """The resource cannot be taken. `field` names the element, `reason` what is wrong with it."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field, self.reason = field, reason


def part(element: Element, name: str) -> Element | None:
    """A complex element; None where it is absent. Raises Wrong."""
    value = element.get(name)
    if value is None or isinstance(value, dict):
        return value
    raise Wrong(name, "is not an object")


def parts(element: Element, name: str) -> list[Element]:
    """A repeating complex element; empty where it is absent. Raises Wrong."""
    value = element.get(name)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise Wrong(name, "is not a list of objects")
    return value


def text(element: Element, name: str) -> str | None:
    """A string; None where it is absent or blank. Raises Wrong."""
    value = element.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        raise Wrong(name, "is not a string")
    if "\x00" in value:
        raise Wrong(name, "contains a NUL character")
    return value.strip() or None


def number(element: Element, name: str) -> float | None:
    """A number; None where it is absent. Raises Wrong."""
    value = element.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise Wrong(name, "is not a number")
    return float(value)


def place(element: Element, name: str) -> int:
    """A positiveInt that says which of several an element is; 0 where it is absent. Raises Wrong."""
    value = number(element, name) or 0.0
    if value != int(value) or not 0 <= value < 1 << 31:
        raise Wrong(name, "is not a positive whole number")
    return int(value)


def flag(element: Element, name: str) -> bool | None:
    """A boolean; None where it is absent. Raises Wrong."""
    value = element.get(name)
    if value is None or isinstance(value, bool):
        return value
    raise Wrong(name, "is not true or false")


def needed(element: Element, name: str) -> str:
    """A string that must be there. Raises Wrong."""
    value = text(element, name)
    if value is None:
        raise Wrong(name, "is missing")
    return value


def reference(element: Element, name: str) -> str | None:
    """The literal reference of a Reference element. Raises Wrong."""
    found = part(element, name)
    return text(found, "reference") if found else None


def extension(element: Element, ending: str) -> Element | None:
    """The extension, or modifier extension, whose URL ends so (whatever its base and case)."""
    for name in ("extension", "modifierExtension"):
        for each in parts(element, name):
            if (text(each, "url") or "").lower().endswith(ending.lower()):
                return each
    return None
