"""A generated plan, imported as anyone's is: the same rows, and the same gaps stored."""

from __future__ import annotations

import json
from datetime import date
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from hedis.demo.loading import load_formulary
from hedis.demo.plan import write_plan
from hedis.engine.backends import Backend
from hedis.engine.facts import Tables
from hedis.engine.period import measurement_year
from hedis.evidence import importing, warehouse
from hedis.gaps.models import Gap, MeasureCount, Transition
from hedis.measures import loading, portfolio
from hedis.measures.definitions import DEFINITIONS
from tests.spark.conftest import OPTIONS
from tests.spark.rows import apart, judged

YEAR, AS_OF, MEMBERS = 2026, date(2026, 9, 30), 500


@pytest.fixture
def plan(db: None, tmp_path: Path, own_data_dir: Path) -> None:
    """The warehouse of a demo plan and its own drug lists."""
    files = tmp_path / "plan"
    files.mkdir()
    write_plan(files, MEMBERS, 1, AS_OF)
    importing.import_tuva(files, by="test")
    loading.load(today=AS_OF, by="test")
    load_formulary()


def test_every_measure_gives_the_same_rows(plan: None, duckdb: Backend, spark: Backend) -> None:
    value_sets = portfolio.value_sets(YEAR, loading.own_lists())
    found = []
    for backend in (duckdb, spark):
        stored = warehouse.connect(backend=backend)
        # Read by each engine from the same files; only the code lists come from this process.
        tables = Tables(stored.member, stored.enrolment, stored.event, stored.dispensing, backend.table(value_sets))
        found.append(judged(backend, list(DEFINITIONS.values()), tables, measurement_year(YEAR), AS_OF))
    first, second = found
    assert all(first[code] for code in DEFINITIONS), "a measure without members compares nothing"
    assert {code: different for code in first if (different := apart(first[code], second[code]))} == {}


def find_gaps(**options: Any) -> Any:
    """The command's JSON answer."""
    out = StringIO()
    call_command("find_gaps", year=YEAR, as_of=AS_OF, **options, json=True, stdout=out, stderr=StringIO())
    return json.loads(out.getvalue())["measures"]


def test_a_run_on_spark_after_one_on_duckdb_changes_nothing(plan: None, spark: Backend, settings: Any) -> None:
    settings.SPARK = {"master": OPTIONS.master, "session": OPTIONS.session}
    counts = find_gaps()
    gaps = {gap["id"]: gap for gap in Gap.objects.values()}
    history = Transition.objects.count()
    assert gaps and find_gaps(engine="spark") == counts
    assert {gap["id"]: gap for gap in Gap.objects.values()} == gaps
    assert Transition.objects.count() == history
    assert MeasureCount.objects.count() == 2 * MeasureCount.objects.filter(run=MeasureCount.objects.last().run).count()
