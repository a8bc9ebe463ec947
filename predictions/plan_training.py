"""Trains measures' models on the plan's own warehouse: which gaps that are open on a score date stay open."""

import datetime as dt
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ibis
from django.conf import settings

from hedis.engine.measure import Definition
from hedis.engine.period import measurement_year
from hedis.evidence import warehouse
from hedis.evidence.warehouse import Warehouse
from hedis.measures import loading, portfolio
from hedis.measures.definitions import DEFINITIONS
from hedis.measures.models import Measure
from predictions import cross_fitting, exposures, features, labels, learning, model_file, registry, reporting, training
from predictions.model_file import Model
from predictions.models import ModelVersion
from predictions.tables import TableError
from predictions.training import Asked, Engine, Gathered, MonthDay, Training

# The quarter ends: a model asked in between knows by the days left how late in the year it is.
SCORE_DAYS: tuple[MonthDay, ...] = ((3, 31), (6, 30), (9, 30))
YEARS = 2
# Measures whose year before is a feature of every model: those most members are in. Each more costs a second a year.
WIDE = ("BCS", "COL", "CBP", "PDC-STA")
SUBGROUPS = (
    training.SCORE_DATE,
    "sex",
    "low_income_subsidy",
    "dual",
    "disabled",
    "language_not_english",
    "age",
    *features.AUDIT,
)
# A model of those who stayed says little of the plan where so many had no outcome.
MUCH_DROPPED = 0.10


class NotTrainable(Exception):
    """The plan's data cannot train this model; the message says what is missing."""


@dataclass(frozen=True)
class Trained:
    """The model with its card, and the answer of `train_model`."""

    model: Model
    answer: dict[str, Any]


def train(
    definition: Definition, *, years: Sequence[int] = (), days: Sequence[MonthDay] = SCORE_DAYS, seed: int = 0
) -> Trained:
    """Learn from these completed years, by default of the last two those with a year before in the warehouse; test on
    the last of them, members apart. `days`: months and days of scoring.

    Raises NotTrainable for a year that is not completed or not of the measure, warehouse.NoWarehouse before the first
    import, tables.TableError where the rows are too few.
    """
    found = train_all([definition], years=years, days=days, seed=seed)[definition.code]
    if isinstance(found, Trained):
        return found
    raise found


def train_all(
    definitions: Sequence[Definition],
    *,
    years: Sequence[int] = (),
    days: Sequence[MonthDay] = SCORE_DAYS,
    seed: int = 0,
    watch: Callable[[str], None] = lambda code: None,
) -> dict[str, Trained | NotTrainable | TableError]:
    """`train` for several measures, what they share computed once: by code the model, or why there is none.

    `watch` is told the code of each measure done. Raises warehouse.NoWarehouse, and NotTrainable for an empty one.
    """
    stored = warehouse.connect()
    known_until = last_received(stored)
    found: dict[str, Trained | NotTrainable | TableError] = {}
    chosen = {}
    for definition in definitions:
        try:
            chosen[definition.code] = sorted(set(years)) or completed(definition, known_until)
            refuse_years(definition, chosen[definition.code], known_until)
        except NotTrainable as reason:
            found[definition.code] = reason
    trainable = [each for each in definitions if each.code not in found]
    for year in sorted({year for each in trainable for year in chosen[each.code]}):
        exposures.from_outreach(year, by="train_model")
    asked = Asked(chosen, days, [DEFINITIONS[code] for code in WIDE], not years, exposures.treated)
    source = Source(stored.generation, known_until, asked, seed)
    gathered = training.gather(trainable, engine_of(stored, len(days)), asked)
    for definition in trainable:
        try:
            found[definition.code] = learnt(definition, gathered[definition.code], source)
        except TableError as reason:
            found[definition.code] = reason
        watch(definition.code)
    return found


@dataclass(frozen=True)
class Source:
    """Where a training's rows come from, and the seed of its choices."""

    generation: str
    known_until: dt.date
    asked: Asked
    seed: int


def learnt(definition: Definition, gathered: Gathered, source: Source) -> Trained:
    """The model of one measure from its rows. Raises tables.TableError where they are too few."""
    rows = training.assembled(definition, gathered, source.asked)
    split = training.divide(rows.table, source.seed)
    several = len(source.asked.days) > 1
    by_day = training.SCORE_DATE if several else ""
    margins = None
    if split.crossed:
        learned, margins = cross_fitting.learn(rows.table, rows.features, seed=source.seed, by_day=by_day)
    else:
        learned = learning.learn(rows.table, split.train, rows.features, seed=source.seed, by_day=by_day)
    by = SUBGROUPS if several else SUBGROUPS[1:]
    answer = reporting.answer_of(learned, rows.table, split, by, source.seed, margins)
    answer["warnings"] = [*filter(None, [without_history(rows), without_outcome(rows)]), *answer["warnings"]]
    others = others_of(definition)
    words = {each.name: each.words for each in features.features_of(definition, others)}
    answer["features"] |= {"version": features.FEATURE_VERSION, "words": {name: words[name] for name in learned.used}}
    answer |= told(definition, rows, source.asked.days)
    held = {
        "measure": definition.code, "definition_version": definition.version, "generation": source.generation,
        "feature_version": features.FEATURE_VERSION, "words": answer["features"]["words"],
        "known_until": source.known_until.isoformat(),
        "score_days": [list(day) for day in source.asked.days], "years": list(rows.counts),
        "others": [each.code for each in others],
    } | {name: answer[name] for name in ("rows_by_year", "dropped")}  # fmt: skip
    card = reporting.card(answer, label=answer["label"], group="member", training=held)
    return Trained(learned.model.with_card(**card), answer)


def others_of(definition: Definition) -> tuple[Definition, ...]:
    """The measures whose year before the model of this one looks at."""
    return tuple(DEFINITIONS[code] for code in WIDE if code != definition.code)


def engine_of(stored: Warehouse, days: int = 1) -> Engine:
    """The warehouse as training reads it, in parts that fit the memory when each is known on so many days."""

    def codes(year: int) -> ibis.Table:
        return portfolio.value_sets(year, loading.own_lists())

    return Engine(
        tables=lambda year: stored.tables(codes(year)).parts(stored.parts(days)),
        codes=lambda year: stored.backend.table(codes(year)),
        keep=stored.backend.keep,
        arrow=stored.backend.arrow,
    )


def last_received(stored: Warehouse) -> dt.date:
    """The last day anything was received: up to then the warehouse can tell what became of a gap."""
    received = ibis.union(stored.event.select("received_date"), stored.dispensing.select("received_date"))
    last = stored.backend.arrow(received.aggregate(last=received.received_date.max()))["last"][0].as_py()
    if last is None:
        raise NotTrainable("the warehouse holds no event and no fill: run `manage.py import_claims DIR`")
    return dt.date.fromisoformat(str(last))


def completed(definition: Definition, known_until: dt.date) -> list[int]:
    """The last years of the measure whose outcome is settled."""
    newest = [known_until.year - back for back in range(1, YEARS + 2)]
    settled = [year for year in newest if labels.settled_on(year) <= known_until]
    return sorted(year for year in settled[:YEARS] if definition.in_force(measurement_year(year)))


def refuse_years(definition: Definition, years: Sequence[int], known_until: dt.date) -> None:
    """Refuse a year whose outcome nobody knows yet, or in which the measure was none."""
    if not years:
        raise NotTrainable(f"{definition.code}: no completed year; data was received until {known_until}")
    for year in years:
        if labels.settled_on(year) > known_until:
            raise NotTrainable(
                f"{definition.code}: {year} is not completed: what became of its gaps is read on "
                f"{labels.settled_on(year)}, data was received until {known_until}"
            )
        if not definition.in_force(measurement_year(year)):
            raise NotTrainable(f"{definition.code}: the measure was not in force in {year}")


def told(definition: Definition, rows: Training, days: Sequence[MonthDay]) -> dict[str, Any]:
    """What the answer says about the rows: label, rows by year, who was left out and why."""
    return {
        "measure": definition.code,
        "label": (
            f"{definition.code} gap open on {said(days)} is still open at the year's end, as known on 30 June after"
        ),
        "rows_by_year": {
            str(year): {
                "open": counts.open, "rows": counts.rows, "still_open": counts.events,
                "scored_on": [dt.date(year, *day).isoformat() for day in days],
                "settled_on": labels.settled_on(year).isoformat(), "dropped": counts.dropped,
            }
            for year, counts in rows.counts.items()
        },
        "dropped": rows.dropped,
    }  # fmt: skip


def said(days: Sequence[MonthDay]) -> str:
    """The score dates in words, as in 03-31, 06-30 or 09-30."""
    *first, last = (f"{month:02d}-{day:02d}" for month, day in days)
    return f"{', '.join(first)} or {last}" if first else last


def without_history(rows: Training) -> str:
    """A warning where the warehouse does not reach back to the year before a training year."""
    if not rows.without_history:
        return ""
    named = ", ".join(str(year) for year in rows.without_history)
    taken = "learnt from all the same" if rows.without_history[0] in rows.counts else "left out"
    return f"{named}: few met the measure in the year before, the warehouse does not reach back so far; {taken}."


def without_outcome(rows: Training) -> str:
    """A warning where many members have no outcome: the figures are of those who stayed."""
    gone = sum(count for reason, count in rows.dropped.items() if reason != labels.OUT_OF_REACH)
    every = gone + sum(counts.rows for counts in rows.counts.values())
    if gone <= MUCH_DROPPED * every:
        return ""
    return f"{gone:,} of {every:,} open gaps have no outcome (see dropped): the figures are of the others."


def register(
    trained: Trained, *, version: str, attributes: Mapping[str, str] | None = None, card: str = "", by: Any
) -> ModelVersion:
    """Write a measure's model and take it in as a draft trained by `by`. Raises registry.NotRegistrable."""
    code, years = trained.model.card["training"]["measure"], trained.model.card["training"]["years"]
    folder, _ = store(trained.model, code)
    return registry.register(
        folder, name=f"{code} stays open", version=version, measure=Measure.objects.get(code=code),
        window=(dt.date(years[0], 1, 1), dt.date(years[-1], 12, 31)), attributes=attributes, card=card, by=by,
    )  # fmt: skip


def store(model: Model, measure: str) -> tuple[Path, str]:
    """Write the model below DATA_DIR/models/MEASURE in a folder named by its hash; returns folder and SHA-256.

    A model once written is never overwritten: its folder appears complete or not at all.
    """
    parent = Path(settings.DATA_DIR) / "models" / measure
    parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=parent, prefix=".writing-") as writing:
        made = Path(writing) / "model"
        sha256 = model_file.save(model, made)
        folder = parent / sha256
        if not folder.exists():
            made.rename(folder)
    return folder, sha256
