"""From files to resources: Bulk Data NDJSON line by line, Bundles and lists of resources.

What is no JSON is a problem of its line; what cannot be read to its end stops the import.
"""

import gzip
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

import orjson

from hedis.evidence.sources.reading import Unreadable

LINES, DOCUMENTS = (".ndjson", ".ndjson.gz", ".jsonl", ".jsonl.gz"), (".json", ".json.gz")
EXPORT_LOG = "log.ndjson"  # the Bulk Data specification's log of an export beside its files
LONGEST_LINE = 1 << 26
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
NO_JSON = ("line", "is not JSON (cut off, not UTF-8, or nested too deep)")


class Entry(NamedTuple):
    """One resource and where it stood; or, without one, the problem as (field, reason)."""

    file: str
    line: int
    resource: Mapping[str, Any] | None
    alias: str | None = None
    problem: tuple[str, str] | None = None


def find(directory: Path) -> tuple[list[Path], list[str]]:
    """The folder's FHIR files in the order of their names, and the names of the others. Raises Unreadable."""
    every = sorted(path for path in directory.iterdir() if path.is_file())
    found = [path for path in every if path.name.endswith((*LINES, *DOCUMENTS)) and path.name != EXPORT_LOG]
    if not found:
        raise Unreadable("the folder has no FHIR file", file="*.ndjson, *.ndjson.gz or *.json")
    return found, [path.name for path in every if path not in found]


def entries(paths: Iterable[Path], only: tuple[bytes, ...] = ()) -> Iterator[Entry]:
    """The resources of the files. `only`: skip NDJSON lines that hold none of these bytes. Raises Unreadable."""
    for path in paths:
        try:
            with _opened(path) as handle:
                yield from (_lines if path.name.endswith(LINES) else _document)(path.name, handle, only)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise Unreadable("cannot be read to its end (truncated or damaged)", file=path.name) from error


def _opened(path: Path) -> IO[bytes]:
    return cast(IO[bytes], gzip.open(path)) if path.suffix == ".gz" else path.open("rb")


def _lines(name: str, handle: IO[bytes], only: tuple[bytes, ...]) -> Iterator[Entry]:
    number = 0
    while line := handle.readline(LONGEST_LINE):
        number += 1
        if len(line) == LONGEST_LINE and not line.endswith(b"\n"):
            while line and not line.endswith(b"\n"):
                line = handle.readline(LONGEST_LINE)
            yield Entry(name, number, None, problem=("line", "is longer than 64 MB"))
            continue
        if only and not any(each in line for each in only):
            continue
        if number == 1:
            line = line.removeprefix(BYTE_ORDER_MARK)
        if not line.isspace():
            yield _parsed(name, number, line)


def _parsed(name: str, number: int, line: bytes) -> Entry:
    try:
        return _entry(name, number, orjson.loads(line))
    except orjson.JSONDecodeError:
        return Entry(name, number, None, problem=NO_JSON)


def _entry(name: str, number: int, found: object, alias: str | None = None) -> Entry:
    if isinstance(found, dict):
        return Entry(name, number, found, alias)
    return Entry(name, number, None, problem=("line", "is not a JSON object"))


def _document(name: str, handle: IO[bytes], only: tuple[bytes, ...]) -> Iterator[Entry]:
    written = handle.read().removeprefix(BYTE_ORDER_MARK)
    try:
        found = orjson.loads(written)
    except orjson.JSONDecodeError:
        rows = [(number, line) for number, line in enumerate(written.splitlines(), start=1) if not line.isspace()]
        # One resource a line under another name; else the file as a whole is no JSON.
        if len(rows) > 1 and all(line.startswith(b"{") for _, line in rows):
            yield from (_parsed(name, number, line) for number, line in rows)
        else:
            yield Entry(name, 1, None, problem=NO_JSON)
        return
    if isinstance(found, list):
        yield from (_entry(name, number, each) for number, each in enumerate(found, start=1))
    elif isinstance(found, dict) and found.get("resourceType") == "Bundle":
        yield from _bundle(name, found.get("entry"))
    elif not (isinstance(found, dict) and "transactionTime" in found and "output" in found):  # an export's manifest
        yield _entry(name, 1, found)


def _bundle(name: str, listed: object) -> Iterator[Entry]:
    if listed is not None and not isinstance(listed, list):
        yield Entry(name, 1, None, problem=("entry", "is not a list"))
        return
    for number, each in enumerate(listed or (), start=1):
        if not isinstance(each, dict):
            yield Entry(name, number, None, problem=("entry", "is not an object"))
        elif "resource" in each:
            yield in_bundle(name, number, each["resource"], each.get("fullUrl"))


def in_bundle(name: str, number: int, resource: object, full_url: object) -> Entry:
    """A Bundle's entry. A resource without an id takes it from the entry's `urn:uuid:`, by which others refer to it."""
    alias = full_url if isinstance(full_url, str) else None
    if isinstance(resource, dict) and alias and alias.startswith("urn:uuid:") and "id" not in resource:
        resource = {**resource, "id": alias.removeprefix("urn:uuid:")}
    return _entry(name, number, resource, alias)
