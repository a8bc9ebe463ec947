"""Reviewed reference files and CMS's published tables into rows: read whole, checked, then one transaction."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.db import connection, transaction
from django.db.models import Model
from django.utils import timezone

from audit import ledger
from audit.models import Event
from hedis.engine.rating_year import Disaster
from hedis.stars import models, published, years
from hedis.stars.verification import Release, disaster_shares, rated_as, read_release

LOCK = "SELECT pg_advisory_xact_lock(hashtext('stars.loading'))"


@dataclass(frozen=True)
class Loaded:
    """What loading changed."""

    years: tuple[int, ...]
    changed: tuple[int, ...]


@dataclass(frozen=True)
class LoadedRelease:
    """The release now current, and whether it was new."""

    release: models.Release
    created: bool


def load_reference(*, by: str) -> Loaded:
    """Make the reference rows say what the files say; a Star year whose rows changed becomes a new version.

    Raises years.ReferenceError before anything is written.
    """
    for year in years.years():
        years.star_year(year)
    wanted = {year: reference_rows(year) for year in known_years()}
    changed = []
    with transaction.atomic():
        one_at_a_time()
        for year, rows in wanted.items():
            if store_reference(year, rows, by):
                changed.append(year)
        if changed:
            ledger.record(
                Event.Kind.CHANGE, "load star reference", object_type="stars.referenceyear",
                after={"star_years": changed}, row_count=len(changed), by=by,
            )  # fmt: skip
    return Loaded(tuple(wanted), tuple(changed))


def known_years() -> tuple[int, ...]:
    """Star years with rules, and later ones with announced changes."""
    return tuple(sorted({*years.years(), *(row.whole("star_year") for row in years.rows("changes.csv"))}))


def reference_rows(year: int) -> list[Model]:
    """The unsaved rows of a Star year, still without their version."""
    found: list[Model] = [star_measure(row) for row in years.rows("measures.csv", year)]
    for name, model, fields in PLAIN_FILES:
        found += [model(source=row.text("source"), **fields(row)) for row in years.rows(name, year)]
    return found


def star_measure(row: years.Row) -> models.StarMeasure:
    """The row of a measure."""
    one = years.measure(row)
    return models.StarMeasure(
        source=row.text("source"), measure_id=one.id, key=one.key, name=one.name, domain_id=one.domain_id,
        domain=one.domain, category=one.category, weight=one.weight, lower_is_better=one.lower_is_better,
        method=one.method.value, precision=one.precision, unit=one.unit, new=one.new, disaster=one.disaster.value,
        duplicate_of=one.duplicate_of, puerto_rico_zero=one.puerto_rico_zero,
        in_improvement=row.yes("improvement") if row.text("improvement") else None,
        correlation=row.maybe("correlation"), required_of=sorted(one.required_of),
    )  # fmt: skip


def cut_point(row: years.Row) -> dict[str, Any]:
    return {
        "measure_id": row.text("measure_id"),
        "contract_type": row.text("contract_type"),
        **vars(years.cut_points(row)),
    }


def reward_threshold(row: years.Row) -> dict[str, Any]:
    return {
        "rating": row.text("rating"),
        "improvement": row.yes("improvement"),
        "new_measures": row.yes("new_measures"),
        **vars(years.thresholds(row)),
    }


def cai_value(row: years.Row) -> dict[str, Any]:
    return {"rating": row.text("rating"), "category": row.whole("category"), "value": row.number("value")}


def cai_cell(row: years.Row) -> dict[str, Any]:
    whole = ("lis_de_group", "disability_group", "category")
    return {
        "rating": row.text("rating"),
        "lis_de_from": row.number("lis_de_from"),
        "disability_from": row.number("disability_from"),
        **{name: row.whole(name) for name in whole},
    }


def minimum_count(row: years.Row) -> dict[str, Any]:
    return {
        "rating": row.text("rating"),
        "contract_kind": row.text("contract_kind"),
        "minimum": row.whole("minimum"),
        "required": row.whole("required"),
    }


def cahps_star(row: years.Row) -> dict[str, Any]:
    return {
        "base_group": row.whole("base_group"),
        "distance": row.text("distance"),
        "significance": row.text("significance"),
        "low_reliability": row.yes("low_reliability"),
        "star": row.whole("star"),
    }


def measure_change(row: years.Row) -> dict[str, Any]:
    return {name: row.text(name) for name in ("key", "change", "note")}


PLAIN_FILES: tuple[tuple[str, Any, Any], ...] = (
    ("cut_points.csv", models.CutPoint, cut_point),
    ("thresholds.csv", models.RewardThreshold, reward_threshold),
    ("cai_values.csv", models.CaiValue, cai_value),
    ("cai_grid.csv", models.CaiCell, cai_cell),
    ("minimum_measures.csv", models.MinimumCount, minimum_count),
    ("cahps_stars.csv", models.CahpsStar, cahps_star),
    ("changes.csv", models.MeasureChange, measure_change),
)


def store_reference(year: int, rows: list[Model], by: str) -> bool:
    """A new version of a Star year, unless the current one says the same."""
    rules = years.rules().get(str(year), {})
    status = rules.get("status", models.ReferenceYear.Status.ANNOUNCED)
    digest = digest_of(rules, rows)
    current = models.ReferenceYear.objects.filter(star_year=year, is_current=True).first()
    if current and current.digest == digest:
        return False
    models.ReferenceYear.objects.filter(star_year=year, is_current=True).update(is_current=False)
    reference = models.ReferenceYear.objects.create(
        star_year=year, version=current.version + 1 if current else 1, status=status, is_current=True, digest=digest,
        loaded_at=timezone.now(), loaded_by=by, rules=rules, source=rules.get("source", ""), note=rules.get("note", ""),
    )  # fmt: skip
    by_model: dict[type[Model], list[Any]] = {}
    for row in rows:
        row.reference = reference  # type: ignore[attr-defined]
        by_model.setdefault(type(row), []).append(row)
    for model, batch in by_model.items():
        model._default_manager.bulk_create(batch)
    return True


def digest_of(rules: dict[str, Any], rows: Iterable[Model]) -> str:
    """SHA-256 over a Star year's rules and rows, the same for the same content."""
    content = [rules] + [
        [type(row).__name__, *(str(getattr(row, one.attname)) for one in row._meta.concrete_fields[2:])] for row in rows
    ]
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()


def one_at_a_time() -> None:
    """Two loads at once would both make version n + 1; the second waits."""
    with connection.cursor() as cursor:
        cursor.execute(LOCK)


def load_release(folder: Path, star_year: int, *, name: str, by: str) -> LoadedRelease:
    """A folder of CMS's tables as contracts' rating history. The same tables again change nothing.

    Raises published.PublishedError or years.UnknownStarYear before anything is written.
    """
    tables = read_release(folder, star_year)
    digest = tables_digest(folder, star_year)
    with transaction.atomic():
        one_at_a_time()
        known = models.Release.objects.filter(star_year=star_year, digest=digest).first()
        if known and known.is_current:
            return LoadedRelease(known, False)
        models.Release.objects.filter(star_year=star_year, is_current=True).update(is_current=False)
        release = known or store_release(tables, name, digest, by)
        release.is_current = True
        release.save(update_fields=["is_current"])
        ledger.record(
            Event.Kind.CHANGE, "load star tables", object_type="stars.release", object_id=release.pk,
            after={"star_year": star_year, "name": release.name, "digest": digest},
            row_count=release.contract_count, by=by,
        )  # fmt: skip
    return LoadedRelease(release, known is None)


def tables_digest(folder: Path, star_year: int) -> str:
    """SHA-256 over the tables of a folder, whatever their file names."""
    found = published.tables(folder, star_year)
    content = hashlib.sha256()
    for kind in sorted(found):
        content.update(kind.encode() + b"\0" + found[kind].path.read_bytes() + b"\0")
    return content.hexdigest()


def store_release(tables: Release, name: str, digest: str, by: str) -> models.Release:
    """The rows of a release."""
    release = models.Release.objects.create(
        star_year=tables.year.year, name=name, is_current=False, digest=digest, loaded_at=timezone.now(), loaded_by=by,
        contract_count=len(tables.contracts), star_count=0,
    )  # fmt: skip
    contracts = models.PublishedContract.objects.bulk_create(
        published_contract(release, tables, number) for number in sorted(tables.contracts)
    )
    stars = models.PublishedStar.objects.bulk_create(
        (star for contract in contracts for star in published_stars(contract, tables)), batch_size=5000
    )
    release.star_count = sum(star.star is not None for star in stars)
    release.save(update_fields=["star_count"])
    return release


def published_contract(release: models.Release, tables: Release, number: str) -> models.PublishedContract:
    """The row of a contract."""
    one = tables.contracts[number]
    adjustment = tables.adjustments.get(number)
    shares = disaster_shares(one, tables.year.year)
    return models.PublishedContract(
        release=release, number=number, organisation_type=one.type, name=one.name, marketing_name=one.marketing_name,
        parent=one.parent, rated_as=rated_as(one).value, snp=one.snp,
        puerto_rico_only=bool(adjustment and adjustment.puerto_rico_only),
        disaster_current=shares[Disaster.CURRENT], disaster_previous=shares[Disaster.PREVIOUS],
        cai_categories=dict(adjustment.categories) if adjustment else {},
        messages={part: cell.text for part, cell in one.ratings.items() if cell.number is None},
        **{part: cell.number for part, cell in one.ratings.items()},
    )  # fmt: skip


def published_stars(contract: models.PublishedContract, tables: Release) -> Iterable[models.PublishedStar]:
    """The rows of a contract's measures."""
    stars, scores = tables.stars.cells.get(contract.number, {}), tables.scores.cells.get(contract.number, {})
    for measure_id, star in stars.items():
        score = scores[measure_id]
        yield models.PublishedStar(
            contract=contract,
            measure_id=measure_id,
            star=None if star.number is None else int(star.number),
            score=score.number,
            message=score.text if score.number is None else "",
        )
