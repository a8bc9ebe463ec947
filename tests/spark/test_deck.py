"""The published test patients: what the eCQM forms say of each, on DuckDB and on Spark."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest

from hedis.engine.backends import Backend, taken_in
from hedis.engine.codes import as_table
from hedis.engine.evaluate import evaluate
from hedis.engine.facts import Tables
from hedis.management.commands.check_measures import Command
from hedis.measures.conformance import EVER_KNOWN, codes_for
from hedis.measures.deck import Deck, read_deck
from hedis.measures.ecqm import ECQM_FORMS
from tests.conftest import SHARED
from tests.spark.rows import apart, by_member

FOLDER = SHARED / "data" / "ecqm"


@pytest.fixture(scope="module")
def deck() -> Deck:
    return read_deck(Path(FOLDER), ECQM_FORMS)


@pytest.mark.published
@pytest.mark.parametrize("code", ECQM_FORMS)
def test_every_case_of_the_deck_has_the_same_row(deck: Deck, code: str, duckdb: Backend, spark: Backend) -> None:
    definition, cases = ECQM_FORMS[code], deck.cases[code]
    codes = codes_for(definition, deck.value_sets)
    warehouse, _ = Command(stderr=StringIO()).loaded(code, cases)
    for period in {case.period for case in cases}:
        tables = Tables(**warehouse, value_set=as_table(codes, period.measurement_year))
        first, second = (
            by_member(
                backend,
                evaluate(definition, taken_in(tables, backend), period, EVER_KNOWN, keep=backend.keep),
            )
            for backend in (duckdb, spark)
        )
        assert first and apart(first, second) == {}
