"""Reads a measurement year as it stood on a past day: counts alone, for projections. Gaps stay as they are.

A plan that starts with us has its claims of past years, but no finding runs of them. As of a day, what was received
by then is known and nothing else, so the counts are those that a run on that day would have left. Enrolment and deaths
carry no day of receipt: later corrections of them are known.
"""

from collections.abc import Iterable
from datetime import date
from typing import Any

import ibis
from django.db import connection, transaction

from audit import ledger
from audit.models import Event
from hedis.engine.backends import Backend
from hedis.engine.closing import CLOSING
from hedis.engine.evaluate import Pass
from hedis.engine.measure import Definition
from hedis.engine.period import measurement_year
from hedis.evidence import warehouse
from hedis.gaps import counting, finding
from hedis.gaps.counting import Counts, Tally
from hedis.gaps.finding import Scope, Watch, nobody_watches
from hedis.gaps.models import MeasureReading
from hedis.measures.definitions import DEFINITIONS
from hedis.measures.models import Measure


@transaction.atomic
def read(
    year: int,
    *,
    as_of: date,
    definitions: Iterable[Definition] | None = None,
    watch: Watch = nobody_watches,
    backend: Backend | None = None,
    by: Any,
) -> dict[str, Counts]:
    """Count `year` as known on `as_of`, every measure there was; by measure code. A day read again is replaced.

    Raises warehouse.NoWarehouse before the first import, ValueError where `as_of` lies before the year.
    """
    # A finding run of the year keeps closures by month in the same rows.
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('find gaps'))")
    stored = warehouse.connect(backend=backend)
    period = measurement_year(year)
    wanted = [each for each in definitions or DEFINITIONS.values() if each.in_force(period)]
    parts = finding.parts_of(stored, year, Scope())
    judging = [Pass(wanted, part, period, as_of, stored.backend.keep) for part in parts]
    found = {}
    for done, definition in enumerate(wanted, start=1):
        tallies = tallied(definition, judging, stored)
        store(definition, tallies, year, as_of, stored.generation, finding.name_of(by))
        found[definition.code] = counting.counts_of(tallies)
        watch(definition.code, found[definition.code], done, len(wanted))
    ledger.record(
        Event.Kind.JOB, "gaps.read", object_type="measurement_year", object_id=year,
        after={"as_of": as_of, "generation": stored.generation},
        row_count=sum(counts.eligible for counts in found.values()), by=by,
    )  # fmt: skip
    return found


def tallied(definition: Definition, judging: Iterable[Pass], stored: warehouse.Warehouse) -> list[Tally]:
    """How many members stand where, one pass over each part of the plan; nobody's row leaves the engine."""
    tallies = []
    for part in judging:
        relation = finding.with_months(definition, part)
        for name in CLOSING:
            if name not in relation.columns:
                relation = relation.mutate(**{name: ibis.null("int64")})
        groups = relation.group_by("contract", "status", "star_eligible", *CLOSING).agg(members=relation.count())
        tallies += [Tally(**row) for row in stored.backend.arrow(groups).to_pylist()]
        part.release()
    return tallies


def store(definition: Definition, tallies: list[Tally], year: int, as_of: date, generation: str, read_by: str) -> None:
    """Keep the counts of one measure by contract, and its closures by month."""
    measure, contracts = Measure.objects.get(code=definition.code), counting.contracts_of(tallies)
    MeasureReading.objects.filter(year=year, data_as_of=as_of, measure=measure).delete()
    MeasureReading.objects.bulk_create(
        MeasureReading(year=year, data_as_of=as_of, measure=measure, contract=contracts[contract],
                       generation=generation, read_by=read_by, definition_version=definition.version, **counts)
        for contract, counts in counting.by_contract(tallies).items()
    )  # fmt: skip
    counting.store_months(tallies, measure, year, as_of, contracts)
