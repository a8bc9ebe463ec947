"""Reviewed files into rows: the portfolio's measures and what holds for each by year."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction

from audit import ledger
from audit.models import Event
from hedis.measures import portfolio
from hedis.measures.models import Measure, MeasureYear

COMPARED = ("name", "kind", "domain", "steward", "direction", "reversible", "purpose", "source", "evidence_routes",
            "definition_version")  # fmt: skip
COMPARED_YEAR = ("star_year", "star_measure", "weight", "age_low", "age_high", "source")


@dataclass(frozen=True)
class Loaded:
    """What loading changed; all zero when the rows already said what the files say."""

    measures: int
    years: int
    changed: int


def own_lists() -> Path:
    """Where the plan keeps code lists it has a licence for."""
    return Path(settings.DATA_DIR) / "value_sets"


def wanted_measure(entry: portfolio.Entry, year: int) -> Measure:
    """The row a portfolio entry asks for."""
    facts = entry.facts
    return Measure(
        code=entry.code,
        name=facts["name"],
        kind=facts.get("kind", Measure.Kind.MEASURE),
        domain=facts["domain"],
        steward=facts["steward"],
        direction=facts["direction"],
        reversible=facts["reversible"],
        purpose=facts["purpose"],
        source=facts["source"],
        evidence_routes=portfolio.routes(entry, year, own_lists()),
        definition_version=entry.definition.version if entry.definition else "",
    )


def values(row: Any, fields: tuple[str, ...]) -> dict[str, Any]:
    """The compared fields of a row."""
    return {field: getattr(row, field) for field in fields}


@transaction.atomic
def load(*, today: date, by: object) -> Loaded:
    """Make the rows equal to the files, up to the measurement year of `today`; a second run changes nothing.

    Raises portfolio.PortfolioError or engine.codes.CodeError before anything is written.
    """
    entries = portfolio.read()
    changes: dict[str, Any] = {}
    years = 0
    for entry in entries:
        wanted = wanted_measure(entry, today.year)
        measure = Measure.objects.filter(code=entry.code).first()
        if measure is None or values(measure, COMPARED) != values(wanted, COMPARED):
            measure, _ = Measure.objects.update_or_create(code=entry.code, defaults=values(wanted, COMPARED))
            changes[entry.code] = values(wanted, COMPARED)
        years += load_years(entry, measure, today.year, changes)
    if changes:
        ledger.record(
            Event.Kind.ADMIN, "measures.loaded", object_type="measure", after=changes, row_count=len(changes), by=by
        )
    return Loaded(measures=len(entries), years=years, changed=len(changes))


def load_years(entry: portfolio.Entry, measure: Measure, last: int, changes: dict[str, Any]) -> int:
    """The rows of one measure's years; returns how many there are."""
    stored = {row.measurement_year: row for row in measure.years.all()}
    count = 0
    for year in entry.years(last):
        wanted = MeasureYear(
            measure=measure,
            measurement_year=year.measurement_year,
            star_year=year.measurement_year + 2,
            star_measure=year.star_measure,
            weight=year.weight,
            age_low=year.age_low,
            age_high=year.age_high,
            source=year.source,
        )
        count += 1
        row = stored.get(year.measurement_year)
        if row is None or values(row, COMPARED_YEAR) != values(wanted, COMPARED_YEAR):
            wanted.pk = row.pk if row else None
            wanted.save()
            changes[str(wanted)] = values(wanted, COMPARED_YEAR)
    return count
