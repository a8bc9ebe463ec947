"""What judging costs: every measure over plans of growing size, and one eCQM over thousands of FHIR patients.

Each figure is taken in a process of its own, so that its peak memory is its own; PostgreSQL is not asked. Making the
plans (generator, importer) is not part of the figures; of FHIR, reading the resources is. Nothing is left behind.
"""

import datetime as dt
import json
import resource
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import django
import duckdb
from django.conf import settings
from django.core.management import call_command

from hedis.demo.loading import FORMULARY
from hedis.demo.plan import write_plan
from hedis.engine.backends import DuckDB
from hedis.engine.evaluate import Pass
from hedis.engine.period import measurement_year
from hedis.evidence import generation, warehouse
from hedis.evidence.importing import silent
from hedis.evidence.schema import SCHEMA
from hedis.evidence.sources import layouts, tuva
from hedis.evidence.sources.loading import load, open_all, prepare
from hedis.gaps import finding
from hedis.measures import portfolio
from hedis.measures.definitions import DEFINITIONS
from hedis.measures.importing import as_csv
from hedis.measures.value_set_formats import read_drugs

SIZES = (10_000, 100_000)
# A larger plan is made of copies of one of this size under other pseudonyms: generating a million takes ten minutes.
GENERATED_AT_MOST = 100_000
YEAR, AS_OF, SEED = 2025, dt.date(2026, 6, 30), 7
YEAR_END = dt.date(2026, 12, 31)
DECK = settings.BASE_DIR.parent / "shared" / "data" / "ecqm"
FHIR_PATIENTS, FHIR_MEASURE = 5_500, "CMS122"


def measures(members: tuple[int, ...] = SIZES) -> dict[str, Any]:
    """Seconds, people a second and peak memory of all measures by plan size, and of one eCQM on FHIR patients."""
    figures: dict[str, Any] = {"measures": len(DEFINITIONS)}
    Path(settings.DATA_DIR).mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="bench-", dir=settings.DATA_DIR) as folder:
        for size in members:
            figures[f"{size:,} members of a plan"] = apart(judge_plan, plan(size, Path(folder)))
        name = f"{FHIR_PATIENTS:,} FHIR patients, {FHIR_MEASURE}"
        figures[name] = apart(judge_deck, deck(Path(folder))) if DECK.is_dir() else "not measured: no deck is here"
    return figures


def apart(work: Callable[[Path], int], folder: Path) -> str:
    """The figures of some work on a folder, in a process of its own, as a line to read."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=django.setup) as pool:
        people, seconds, peak = pool.submit(measured, work, folder).result()
    return f"{seconds:.1f} s, {people / seconds:,.0f} people a second, peak {peak:,} MB"


def measured(work: Callable[[Path], int], folder: Path) -> tuple[int, float, int]:
    """How many people the work judged, its seconds, and this process's peak memory in MB."""
    started = time.perf_counter()
    people = work(folder)
    seconds = time.perf_counter() - started
    return people, seconds, peak_memory() >> 20


def peak_memory() -> int:
    """The most memory this process has held, in bytes."""
    status = Path("/proc/self/status")
    if status.exists():
        # Linux's getrusage would tell the parent's peak where that was higher.
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) << 10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def judge_plan(root: Path) -> int:
    """All measures over the warehouse in `root`; the rows are read, not stored."""
    backend = DuckDB()
    stored = warehouse.read(root, backend)
    tables = stored.tables(portfolio.value_sets(YEAR, root.parent / "value_sets"))
    parts = tables.parts(stored.parts())
    judging = [Pass(list(DEFINITIONS.values()), part, measurement_year(YEAR), AS_OF, backend.keep) for part in parts]
    relations = (relation for each in DEFINITIONS.values() for relation in finding.part_by_part(each, judging))
    rows = sum(backend.arrow(relation).num_rows for relation in relations)
    if not rows:
        raise AssertionError("no member is in any eligible population: nothing was measured")
    return int(backend.arrow(stored.member).num_rows)


def plan(members: int, folder: Path) -> Path:
    """The warehouse of a demo plan; one larger than is generated consists of copies."""
    times, generated = max(1, members // GENERATED_AT_MOST), min(members, GENERATED_AT_MOST)
    files = folder / f"files-{generated}"
    if not files.exists():
        write_plan(files, generated, SEED)
        lists = folder / "value_sets"
        lists.mkdir(exist_ok=True)
        (lists / "formulary.csv").write_bytes(as_csv(read_drugs(FORMULARY).rows))
    root = folder / f"generation-{generated}"
    if not root.exists():
        with duckdb.connect(config={"temp_directory": str(folder / "spill")}) as connection:
            prepare(connection)
            load(connection, open_all(connection, files, tuva.TABLES), layouts.TABLES, None, YEAR_END, silent)
            (folder / generation.write(connection, layouts.TABLES, folder, None)).rename(root)
    return root if times == 1 else copied(root, times, folder / f"generation-{members}")


def copied(root: Path, times: int, target: Path) -> Path:
    """The same warehouse with every member `times` times, each under a pseudonym of its own."""
    with duckdb.connect(config={"temp_directory": str(target.parent / "spill")}) as connection:
        for file in (file for table in SCHEMA for file in warehouse.files_of(root, table)):
            for number in range(times):
                copy = (target / file.relative_to(root)).with_name(f"part-{number}.parquet")
                copy.parent.mkdir(parents=True, exist_ok=True)
                # The first digits say which part of the plan a member is judged with: copies spread over all of them.
                connection.execute(
                    f"COPY (FROM read_parquet('{file}', hive_partitioning = false) "
                    f"SELECT * REPLACE (left(member, 8) || '{number:02x}' || substr(member, 11) AS member)) "
                    f"TO '{copy}' (FORMAT parquet, COMPRESSION zstd)"
                )
    return target


def judge_deck(folder: Path) -> int:
    """Reading the FHIR resources of a deck and judging them, as `check_measures` does."""
    call_command("check_measures", folder, measure=FHIR_MEASURE, json=True, stdout=(folder / "answer.json").open("w"))
    answer = json.loads((folder / "answer.json").read_text(encoding="utf-8"))["measures"][FHIR_MEASURE]
    if answer["disagree"]:
        raise AssertionError(f"{len(answer['disagree'])} patients are judged wrongly")
    return int(answer["cases"])


def deck(folder: Path) -> Path:
    """The published patients of one measure, again and again until there are enough."""
    target = folder / "deck"
    (target / "cases").mkdir(parents=True)
    (target / "valuesets").symlink_to(DECK / "valuesets")
    found = [case for file in (DECK / "cases").glob(f"{FHIR_MEASURE}*.json") for case in json.loads(file.read_text())]
    cases = [found[number % len(found)] | {"id": str(number)} for number in range(FHIR_PATIENTS)]
    (target / "cases" / f"{FHIR_MEASURE}.json").write_text(json.dumps(cases), encoding="utf-8")
    return target
