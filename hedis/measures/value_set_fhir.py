"""Reader of FHIR ValueSets as JSON: VSAC's expansions, listed codes, bundles of them, and plain lists of codes."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hedis.engine.codes import CodeError
from hedis.measures import value_set_names
from hedis.measures.value_set_formats import Reading

Concept = tuple[str, str, str]
"""System, code, display."""


def read_fhir(path: Path) -> Reading:
    """A JSON file, or every JSON file of a folder: ValueSet, Bundle of them, or {url, version, title, total, codes}.

    An expansion that holds fewer codes than its total is taken, with a warning: the set is incomplete.
    """
    files = sorted(path.glob("*.json")) if path.is_dir() else [path]
    found, versions = Reading(), set()
    for file in files:
        for place, value_set in _value_sets(file):
            try:
                _read(found, file.name, place, value_set)
            except CodeError as error:
                raise error if error.file else error.at(file.name, place) from error
            versions.add(str(value_set.get("version") or ""))
    found.version = next(iter(versions)) if len(versions) == 1 else f"{len(versions)} versions" if versions else ""
    return found.finish(path.name)


def _value_sets(file: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    try:
        content = json.loads(file.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise CodeError(f"is not JSON: {str(error)[:100]}", file=file.name, row=1, field="file") from error
    if isinstance(content, dict) and content.get("resourceType") == "Bundle":
        entries = [entry.get("resource") if isinstance(entry, dict) else entry for entry in _list(content, "entry")]
    else:
        entries = [content]
    for number, each in enumerate(entries, start=1):
        if not isinstance(each, dict) or not (each.get("resourceType") == "ValueSet" or "codes" in each):
            raise CodeError("is no ValueSet", file=file.name, row=f"entry {number}", field="resourceType")
        yield str(each.get("title") or each.get("name") or each.get("id") or f"entry {number}"), each


def _read(found: Reading, file: str, title: str, value_set: dict[str, Any]) -> None:
    """Adds the codes of one value set under our names of it."""
    address = " ".join(str(value_set.get(key) or "") for key in ("url", "id", "oid"))
    names = value_set_names.value_sets(str(value_set.get("title") or value_set.get("name") or ""), address)
    concepts = _concepts(value_set)
    for number, (system, code, display) in enumerate(concepts, start=1):
        try:
            found.add(names, system, code, display=display)
        except CodeError as error:
            raise error.at(file, f"{title}, code {number}") from error
    expansion = value_set.get("expansion")
    total = (expansion if isinstance(expansion, dict) else value_set).get("total")
    if isinstance(total, int) and total > len(concepts):
        found.warnings.append(f"{title}: incomplete, {len(concepts)} of {total} codes")
    if not concepts or (not isinstance(expansion, dict) and _leans_on_others(value_set)):
        found.warnings.append(f"{title}: defined by other sets or filters, not by codes: load its expansion")


def _concepts(value_set: dict[str, Any]) -> list[Concept]:
    """The codes of a value set: of its expansion where there is one, else those listed; each once."""
    if isinstance(value_set.get("expansion"), dict):
        return list(dict.fromkeys(_expanded(_list(value_set["expansion"], "contains"))))
    if "codes" in value_set:
        return list(dict.fromkeys(_concept(each, "") for each in _list(value_set, "codes")))
    compose = value_set.get("compose") or {}
    excluded = {concept[:2] for concept in _listed(compose, "exclude")}
    return [concept for concept in dict.fromkeys(_listed(compose, "include")) if concept[:2] not in excluded]


def _expanded(contains: list[Any]) -> Iterator[Concept]:
    """Codes of an expansion, those within others too; headings that are not codes are passed over."""
    waiting = list(reversed(contains))
    while waiting:
        each = waiting.pop()
        if not isinstance(each, dict):
            raise CodeError("is no concept", field="contains")
        waiting += reversed(_list(each, "contains"))
        if each.get("code") and not each.get("abstract"):
            yield _concept(each, "")


def _listed(compose: Any, part: str) -> Iterator[Concept]:
    for include in _list(compose, part):
        for each in _list(include, "concept"):
            yield _concept(each, str(include.get("system") or ""))


def _leans_on_others(value_set: dict[str, Any]) -> bool:
    includes = _list(value_set.get("compose") or {}, "include")
    return any(_list(include, "valueSet") or _list(include, "filter") for include in includes)


def _concept(each: Any, system: str) -> Concept:
    if not isinstance(each, dict):
        raise CodeError("is no concept")
    return str(each.get("system") or system), str(each.get("code") or ""), str(each.get("display") or "")


def _list(holder: Any, key: str) -> list[Any]:
    """A list field; absent is empty, anything else than a list is refused."""
    found = holder.get(key) if isinstance(holder, dict) else holder
    if found is None:
        return []
    if not isinstance(found, list):
        raise CodeError("is not a list", field=key)
    return found
