"""The feature rows of a score date: made once by the portfolio run, kept beside the warehouse, read by every score.

A folder belongs to one warehouse generation, and within it to everything else a row depends on: year, score date,
feature version, measure and definition version, the measures looked back at, code lists. So a row is never out of
date, only not there yet. Files hold pseudonyms and are protected like the warehouse's.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from django.conf import settings

from hedis.engine.backends import Backend, opened
from hedis.engine.facts import Tables
from hedis.engine.measure import Definition
from hedis.engine.period import measurement_year
from hedis.evidence import warehouse
from hedis.measures import loading, portfolio, value_sets
from hedis.measures.definitions import DEFINITIONS
from predictions import features, lookback, plan_training
from predictions.features import FEATURE_VERSION, Feed
from predictions.training import Engine

PART = re.compile(r"(\d+)-of-(\d+)\.parquet")


@dataclass(frozen=True)
class ScoreDay:
    """What is scored: a generation of the warehouse, a measurement year, and the day up to which things are known."""

    generation: str
    year: int
    day: dt.date

    @property
    def folder(self) -> Path:
        """Where its rows lie."""
        return root() / self.generation / f"{self.year}-{self.day:%m-%d}-v{FEATURE_VERSION}"


def root() -> Path:
    """Where the generations lie."""
    return Path(settings.DATA_DIR) / "features"


def remove_others(keep: set[str]) -> None:
    """Remove the rows of generations that nothing is scored by any more."""
    for path in root().iterdir() if root().is_dir() else ():
        if path.is_dir() and path.name not in keep:
            shutil.rmtree(path)


class Store:
    """The rows of one score date. The warehouse is opened when a row has to be made, and not before."""

    def __init__(self, day: ScoreDay, open_backend: Callable[[], Backend]) -> None:
        self.day, self._open_backend = day, open_backend
        self._feeding: tuple[int, Feed] | None = None

    @cached_property
    def warehouse(self) -> warehouse.Warehouse:
        """The generation. Raises warehouse.NoWarehouse where its files are gone."""
        return warehouse.connect(self.day.generation, self._open_backend())

    @cached_property
    def engine(self) -> Engine:
        """The generation as the features read it."""
        return plan_training.engine_of(self.warehouse)

    @cached_property
    def parts(self) -> list[Tables]:
        """The plan in parts that fit the engine's memory."""
        return list(self.engine.tables(self.day.year))

    def members(self, number: int) -> tuple[str, str]:
        """The first and the last pseudonym of a part of the plan; parts are ranges of them."""
        member = self.parts[number].member.member
        (found,) = self.engine.arrow(
            self.parts[number].member.aggregate(low=member.min(), high=member.max())
        ).to_pylist()
        return found["low"] or "", found["high"] or ""

    @cached_property
    def lists(self) -> str:
        """SHA-256 of the code lists."""
        found = hashlib.sha256()
        for file in value_sets.files(loading.own_lists()):
            found.update(hashlib.sha256(file.read_bytes()).digest())
        return found.hexdigest()

    def folder(self, definition: Definition) -> Path:
        """Where the rows of a measure lie."""
        looked_at = [definition, *plan_training.others_of(definition)]
        text = "\n".join([*(f"{each.code} {each.version}" for each in looked_at), self.lists])
        return self.day.folder / f"{definition.code}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"

    def part(self, definition: Definition, number: int, definitions: Sequence[Definition]) -> pa.Table:
        """The rows of one part of the plan: read, or made and kept. `definitions`: all that will be asked of it."""
        file = self.folder(definition) / f"{number}-of-{len(self.parts)}.parquet"
        if not file.exists():
            if self._feeding is None or self._feeding[0] != number:
                self._feeding = (number, self.feed(self.parts[number], definitions))
            write(self.made(definition, self._feeding[1]), file)
        return pq.read_table(file)

    def of_members(self, wanted: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, pa.Table]]:
        """The rows of some members of each measure (code: pseudonyms): read where the whole plan's are there, else made
        for these members alone, which takes seconds; rows of members another measure asked for may be among them."""
        files = {code: self.complete(DEFINITIONS[code]) for code in wanted}
        for code, found in files.items():
            if found:
                chosen = pc.field("member").isin(wanted[code])
                yield code, pa.concat_tables([pq.read_table(file, filters=chosen) for file in found])
        absent = [code for code, found in files.items() if not found]
        if absent:
            members = sorted({member for code in absent for member in wanted[code]})
            whole = self.warehouse.tables(portfolio.value_sets(self.day.year, loading.own_lists()))
            feed = self.feed(cut(whole, members), [DEFINITIONS[code] for code in absent])
            yield from ((code, self.made(DEFINITIONS[code], feed)) for code in absent)

    def feed(self, tables: Tables, definitions: Sequence[Definition]) -> Feed:
        """What measures of some members share, computed once."""
        year, engine = self.day.year, self.engine
        return Feed(
            definitions, tables, measurement_year(year), self.day.day, codes_before=engine.codes(year - 1),
            keep=engine.keep, others=[DEFINITIONS[code] for code in plan_training.WIDE],
        )  # fmt: skip

    def made(self, definition: Definition, feed: Feed) -> pa.Table:
        """The rows of a measure, sorted by member; what divides people but is never learnt from stays behind."""
        return self.engine.arrow(feed.rows(definition).drop(*features.AUDIT).order_by("member"))

    def complete(self, definition: Definition) -> list[Path]:
        """The files of a measure where every part is there, else none."""
        found = {file: PART.fullmatch(file.name) for file in sorted(self.folder(definition).glob("*.parquet"))}
        counts = {int(name[2]) for name in found.values() if name}
        for count in sorted(counts):
            files = [file for file, name in found.items() if name and int(name[2]) == count]
            if len(files) == count:
                return files
        return []


def cut(tables: Tables, members: Sequence[str]) -> Tables:
    """The tables of these members only; the filter reaches the files, which are sorted by member."""
    parts = {name: getattr(tables, name) for name in lookback.PARTS}
    return replace(tables, **{name: table.filter(table.member.isin(members)) for name, table in parts.items()})


@contextmanager
def open_store(day: ScoreDay) -> Iterator[Store]:
    """The rows of a score date for the time of a score; the engine is let go of at its end."""
    with ExitStack() as engines:
        yield Store(day, lambda: engines.enter_context(opened()))


def write(rows: pa.Table, file: Path) -> None:
    """Write a file that is there whole or not at all, also after a power cut."""
    file.parent.mkdir(parents=True, exist_ok=True)
    writing = file.with_name(f".{secrets.token_hex(6)}.writing")
    try:
        with writing.open("wb") as target:
            pq.write_table(rows, target, compression="zstd")
            target.flush()
            os.fsync(target.fileno())
        writing.rename(file)
    finally:
        writing.unlink(missing_ok=True)
