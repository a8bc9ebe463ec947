"""What the words of other people's files mean here: code systems, value sets by OID or title. Pure of Django."""

import re
import tomllib
from collections.abc import Mapping
from functools import cache
from typing import Any

from hedis.engine import code_systems
from hedis.engine.codes import normalise_name
from hedis.measures.value_sets import DIRECTORY

OID = re.compile(r"[0-2](\.[0-9]+){3,}")


@cache
def sources() -> Mapping[str, Mapping[str, Any]]:
    """Every packaged value set by name, as sources.toml describes it."""
    found: dict[str, dict[str, Any]] = tomllib.loads((DIRECTORY / "sources.toml").read_text(encoding="utf-8"))[
        "value_set"
    ]
    return found


@cache
def words() -> Mapping[str, Any]:
    """names.toml: code systems, systems of no use, tables of the medication workbook."""
    return tomllib.loads((DIRECTORY / "names.toml").read_text(encoding="utf-8"))


def code_system(word: str) -> str | None:
    """The warehouse's name of a code system, however a file writes it; None where no row is coded in it.

    Raises KeyError for a word nobody here has heard of: a misspelt one would be a list that never matches.
    """
    spelling = " ".join(word.split()).lower()
    if "/" in spelling or OID.search(spelling):
        named = code_systems.code_system(spelling)
        return named if named in code_systems.WORDS.values() else None
    return None if spelling in words()["unused_code_systems"]["words"] else str(words()["code_systems"][spelling])


@cache
def _by_oid() -> Mapping[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for name, source in sources().items():
        for oid in source["oid_versions"]:
            found.setdefault(oid.partition("|")[0], []).append(name)
    return {oid: tuple(sorted(names)) for oid, names in found.items()}


def value_sets(title: str, reference: str = "") -> tuple[str, ...]:
    """Our names of a published value set: by the OID within `reference` (a URL, an OID) where sources.toml knows it,
    else its title as a key. Empty where there is neither title nor known OID."""
    oid = OID.search(reference)
    known = _by_oid().get(oid[0], ()) if oid else ()
    named = normalise_name(title)
    return known or ((named,) if named else ())
