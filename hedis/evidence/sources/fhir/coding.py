"""Codings as the warehouse writes them."""

import re
from functools import lru_cache
from typing import NamedTuple

from hedis.engine.code_systems import code_system
from hedis.engine.codes import CodeError, normalise_code
from hedis.evidence.sources.fhir.elements import Element, part, parts, text

USABLE = re.compile(r"[A-Z0-9][A-Z0-9.\-]{0,63}")


class Code(NamedTuple):
    """A code and the word of its system."""

    system: str
    code: str

    @property
    def written(self) -> str:
        """As value_code and qualifier hold it."""
        return f"{self.system}|{self.code}"


@lru_cache(maxsize=100_000)
def usable(system: str, code: str) -> Code | None:
    """The coding in the warehouse's spelling; None for what no code looks like."""
    word = code_system(system)
    try:
        plain = normalise_code(word, code)
    except CodeError:
        return None
    return Code(word, plain) if len(word) <= 200 and USABLE.fullmatch(plain) else None


def codings(concept: Element | None) -> list[Code]:
    """The usable codings of a CodeableConcept, each once, in the order written. Raises Wrong."""
    found: list[Code] = []
    for each in parts(concept, "coding") if concept else ():
        system, code = text(each, "system"), text(each, "code")
        known = usable(system, code) if system and code else None
        if known and known not in found:
            found.append(known)
    return found


def concepts(element: Element, name: str) -> list[Code]:
    """The usable codings of a repeating CodeableConcept. Raises Wrong."""
    return list(dict.fromkeys(code for each in parts(element, name) for code in codings(each)))


def words(concept: Element | None) -> set[str]:
    """The bare codes of a concept in lower case, whatever their system: categories, types, statuses. Raises Wrong."""
    return {code.lower() for each in parts(concept, "coding") if (code := text(each, "code"))} if concept else set()


def word(element: Element, name: str) -> str | None:
    """The first code of a CodeableConcept in lower case. Raises Wrong."""
    concept = part(element, name)
    first = next((text(each, "code") for each in parts(concept, "coding")), None) if concept else None
    return first.lower() if first else None
