"""The crosswalk: the plan's own ids beside their pseudonyms, in a file for the plan's side of the house only.

Whoever holds the file can name every member, so it is written for its owner alone, never over another file, and the
ledger says who asked for it.
"""

import csv
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from django.db import transaction

from audit import ledger
from audit.models import Event
from hedis.members.pseudonyms import UnusableId, pseudonym


class CrosswalkRefused(Exception):
    """The file cannot be read as a list of ids, or the target exists. Names file, row and reason; quotes no id."""


@dataclass(frozen=True)
class Crosswalk:
    """What was written: distinct ids, and (row, reason) of those that cannot be a member's id."""

    file: Path
    ids: int
    unusable: tuple[tuple[int, str], ...]


def write_crosswalk(source: Path, target: Path, *, column: str = "person_id", by: object) -> Crosswalk:
    """Read the ids in `column` of a CSV file and write `target`: id, pseudonym; each id once, in file order.

    The file gets mode 0600; one ledger line (export). Raises CrosswalkRefused.
    """
    known: dict[str, str] = {}
    unusable: list[tuple[int, str]] = []
    for row, plan_id in _ids(source, column):
        if plan_id in known:
            continue
        try:
            known[plan_id] = pseudonym(plan_id)
        except UnusableId as refusal:
            unusable.append((row, str(refusal)))
    try:
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise CrosswalkRefused(f"{target.name} exists already; a crosswalk is never written over a file") from error
    try:
        with transaction.atomic(), os.fdopen(descriptor, "w", encoding="utf-8", newline="") as handle:
            writer = csv.writer(handle)
            writer.writerow([column, "pseudonym"])
            writer.writerows(known.items())
            ledger.record(
                Event.Kind.EXPORT, "members.crosswalk", object_type="members.member", row_count=len(known), by=by
            )
    except BaseException:
        target.unlink()
        raise
    return Crosswalk(target, len(known), tuple(unusable))


def _ids(source: Path, column: str) -> Iterator[tuple[int, str]]:
    """Row number (the header is row 1) and id."""
    try:
        with source.open(encoding="utf-8-sig", newline="") as handle:
            reader = csv.DictReader(handle)
            if column not in (reader.fieldnames or ()):
                raise CrosswalkRefused(f"{source.name}, row 1, {column}: the column is missing")
            for row, record in enumerate(reader, start=2):
                yield row, record[column] or ""
    except UnicodeDecodeError as error:
        raise CrosswalkRefused(f"{source.name}: is not UTF-8 text") from error
