"""A plan's own code lists into the product: read, checked, stored as files of our layout, told in the ledger.

The list counts once its file stands in the folder of own lists (loading.own_lists). The file is put there by renaming,
as the last step of the transaction, so a refused or interrupted import leaves the list as it was.
"""

import csv
import hashlib
import io
import os
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import astuple, dataclass, replace
from pathlib import Path

from django.db import connection, transaction
from django.utils import timezone

from audit import ledger
from audit.models import Event
from hedis.engine.codes import COLUMNS, CodeError, ValueSetCode, asked_for, normalise_name, sort_key, vocabulary
from hedis.measures import loading
from hedis.measures.definitions import DEFINITIONS
from hedis.measures.models import ValueSetList
from hedis.measures.value_set_fhir import read_fhir
from hedis.measures.value_set_formats import Reading, header, read_drugs, read_own, read_tuva
from hedis.measures.value_set_workbook import read_workbook

Format = ValueSetList.Format
READERS: Mapping[str, Callable[[Path], Reading]] = {
    Format.CSV: read_own,
    Format.TUVA: read_tuva,
    Format.FHIR: read_fhir,
    Format.PQA: read_workbook,
    Format.DRUGS: read_drugs,
}
# A year named by the caller is the year of the whole list, except where rows are dated by those who wrote them for us.
DATES_ITS_ROWS = (Format.CSV,)
LARGEST = 200_000_000
"""Bytes: the largest public list (the medication workbook) is a tenth of it."""


class NoSuchList(Exception):
    """There is no list of that name to take away."""


@dataclass(frozen=True)
class Imported:
    """What an import did; `changed` is false where the list was already stored with the same codes.

    `codes` counts by vocabulary, `value_sets` by set; `unused` are sets of the list no definition asks for.
    """

    name: str
    format: str
    version: str
    changed: bool
    replaced: bool
    codes: dict[str, int]
    value_sets: dict[str, int]
    unused: tuple[str, ...]
    warnings: tuple[str, ...]


def import_value_sets(
    path: Path, *, format: str = "auto", measurement_year: int | None = None, name: str = "", by: object
) -> Imported:
    """Take a file of code lists (docs/value-sets.md); a list of the same name is replaced. One ledger line.

    `name`: what the list is called, from the file's name and year where empty. Raises CodeError naming file, row,
    field and reason; nothing is stored then.
    """
    kind = Format(format if format != "auto" else detect(path))
    _check_size(path)
    reading = READERS[kind](path)
    rows = sorted(_dated(reading.rows, kind, measurement_year), key=sort_key)
    called = normalise_name(name or f"{path.stem} {measurement_year or ''}")[:100]
    if not called:
        raise CodeError("gives the list no name", file=path.name, row=1, field="name")
    stored = ValueSetList(
        name=called, source_file=path.name[:200], format=kind, version=reading.version[:60],
        measurement_year=measurement_year, codes=counts(vocabulary(row.code_system, row.code) for row in once(rows)),
        value_sets=counts(row.value_set for row in once(rows)), warnings=reading.warnings,
        imported_by=ledger.describe(by)[0], imported_at=timezone.now(),
    )  # fmt: skip
    changed, replaced = _store(stored, as_csv(rows), by=by)
    if changed:
        loading.load(today=timezone.localdate(), by=by)
    return Imported(
        called, kind.value, reading.version, changed, replaced, stored.codes, stored.value_sets,
        tuple(sorted(set(stored.value_sets) - asked_for(tuple(DEFINITIONS.values())))), tuple(reading.warnings),
    )  # fmt: skip


def withdraw(name: str, *, by: object) -> None:
    """Take a list away again: its file and its row. One ledger line. Raises NoSuchList."""
    with transaction.atomic():
        _lock()
        row = ValueSetList.objects.filter(name=name).first()
        if row is None:
            raise NoSuchList(f"There is no list {name!r}.")
        before = {"value_sets": row.value_sets, "content_hash": row.content_hash}
        ledger.record(
            Event.Kind.ADMIN, "measures.value_sets_withdrawn", object_type="measures.valuesetlist", object_id=name,
            before=before, row_count=sum(row.value_sets.values()), by=by,
        )  # fmt: skip
        row.delete()
        (loading.own_lists() / row.file).unlink(missing_ok=True)
    loading.load(today=timezone.localdate(), by=by)


def detect(path: Path) -> Format:
    """The format of a file, by its ending and columns. Raises CodeError where it is none of ours."""
    if not path.exists():
        raise CodeError("does not exist", file=path.name, row=1, field="file")
    if path.is_dir() or path.suffix.lower() == ".json":
        return Format.FHIR
    if path.suffix.lower() in (".xlsx", ".xlsm"):
        return Format.PQA
    columns = set(header(path))
    if {"value_set", "code_system", "code"} <= columns:
        return Format.CSV
    if {"concept_name", "code", "code_system"} <= columns:
        return Format.TUVA
    if columns & {"ingredient", "rxnorm_ingredient"} and columns & {"ndc", "ndc_code", "rxnorm"}:
        return Format.DRUGS
    named = ", ".join(sorted(columns))[:200] or "none"
    raise CodeError(f"no known layout has these columns: {named}", file=path.name, row=1, field="header")


def once(rows: Iterable[ValueSetCode]) -> set[ValueSetCode]:
    """The codes of the sets, each once whatever its years, label and ingredients."""
    return {ValueSetCode(row.value_set, row.code_system, row.code) for row in rows}


def counts(words: Iterable[str]) -> dict[str, int]:
    """How often each word occurs, in their order."""
    return dict(sorted(Counter(words).items()))


def as_csv(rows: Iterable[ValueSetCode]) -> bytes:
    """The list as a file of our layout."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(["" if cell is None else cell for cell in astuple(row)] for row in rows)
    return text.getvalue().encode()


def _dated(rows: Iterable[ValueSetCode], kind: Format, year: int | None) -> set[ValueSetCode]:
    if year is None:
        return set(rows)
    if kind in DATES_ITS_ROWS:
        return {
            replace(row, valid_from_year=row.valid_from_year or year, valid_to_year=row.valid_to_year or year)
            for row in rows
        }
    return {replace(row, valid_from_year=year, valid_to_year=year) for row in rows}


def _check_size(path: Path) -> None:
    files = path.glob("*.json") if path.is_dir() else [path]
    if sum(file.stat().st_size for file in files) > LARGEST:
        raise CodeError(f"is larger than {LARGEST:,} bytes", file=path.name, row=1, field="file")


def _lock() -> None:
    """One import at a time: the second waits and then finds the list stored."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('measures.importing'))")


@transaction.atomic
def _store(wanted: ValueSetList, content: bytes, *, by: object) -> tuple[bool, bool]:
    """Row, ledger line, file. Returns whether anything changed and whether a list was replaced."""
    _lock()
    wanted.content_hash = hashlib.sha256(content).hexdigest()
    target = loading.own_lists() / wanted.file
    old = ValueSetList.objects.filter(name=wanted.name).first()
    if old and old.content_hash == wanted.content_hash and target.exists() and target.read_bytes() == content:
        return False, False
    wanted.pk = old.pk if old else None
    wanted.save()
    ledger.record(
        Event.Kind.ADMIN, "measures.value_sets_imported", object_type="measures.valuesetlist", object_id=wanted.name,
        before={"content_hash": old.content_hash} if old else None, row_count=sum(wanted.value_sets.values()),
        after={"source_file": wanted.source_file, "format": wanted.format, "value_sets": wanted.value_sets,
               "content_hash": wanted.content_hash}, by=by,
    )  # fmt: skip
    _put(target, content)
    return True, old is not None


def _put(target: Path, content: bytes) -> None:
    """The file whole or not at all, readable by the owner only: licensed lists are not everybody's."""
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=".", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
