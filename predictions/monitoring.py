"""Looking after models in use: one check compares what a model scores now with what it learnt from and promised."""

from collections.abc import Mapping
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from django.db import transaction
from django.db.models import Exists, Max, OuterRef
from django.utils import timezone

from audit import ledger
from audit.models import Event
from hedis.gaps.models import UNMET, FindingRun, Status
from hedis.measures.definitions import DEFINITIONS
from predictions import drifting, labels, registry, tables
from predictions.drifting import RULES, Shift
from predictions.feature_store import ScoreDay, open_store
from predictions.models import Arm, DriftCheck, Exposure, Level, ModelVersion, Prediction
from predictions.tables import Column, Kind

NO_REFERENCE = "Score and features: the model file holds no reference to compare with; train a new version."
NO_ROWS = "Features: the rows of the score date are not kept; score the whole year."
MIXED = "Score and features: the model file mixes its score dates, so an index is looked at and not acted on."
NOTHING_SETTLED = "Calibration: no scored year is settled, on 30 June after it, and judged again since."


class NothingToWatch(Exception):
    """The model has scored nothing yet."""


def check(model: ModelVersion, *, rows: pa.Table | None = None, today: date | None = None, by: Any) -> DriftCheck:
    """Look at a model's newest scores and at the newest year whose outcome is settled, and store what was found.

    `rows`: the features that were scored, a column each (default: those the feature store keeps); `today` decides
    which years are settled. Raises NothingToWatch, registry.FileChanged.
    """
    newest = Prediction.objects.filter(model=model).order_by("-year", "-as_of").first()
    if newest is None:
        raise NothingToWatch(f"{model} has scored nothing yet.")
    reference = reference_of(model, newest.as_of, by=by)
    held = stored_rows(model, newest) if rows is None else rows
    scores = Prediction.objects.filter(model=model, year=newest.year).values_list("probability", flat=True)
    told = np.array(scores, dtype=float)
    score = score_shift(told, reference)
    moved = feature_shifts(held, reference)
    found = settled(model, today or timezone.localdate())
    approved = (model.measured().get("auc") or {}).get("value")
    raised = drifting.alarms(score, moved, found, approved, mixed=bool(reference.get("mixed")))
    nothing = score is None and "oe" not in found
    result = DriftCheck(
        model=model, year=newest.year, as_of=newest.as_of, generation=newest.generation, rows=len(told),
        score_psi=score.psi if score else None, feature_psi={name: each.psi for name, each in moved.items()},
        calibration=found, alarms=[each.as_json() for each in raised],
        unknown=unknowns(reference, len(told), held, found),
        level=drifting.highest(raised) or (Level.UNKNOWN if nothing else Level.FINE),
        checked_by=registry.name_of(by), checked_at=timezone.now(),
    )  # fmt: skip
    return store(result, by=by)


@transaction.atomic
def store(result: DriftCheck, *, by: Any) -> DriftCheck:
    """Keep a check, with its ledger line. Figures only: no member is looked at."""
    result.save(force_insert=True)
    after = {"check": result.pk, "level": result.level, "alarms": [each["words"] for each in result.alarms]}
    ledger.record(
        Event.Kind.CHANGE, "model.checked", object_type="model", object_id=result.model_id, after=after, by=by
    )
    return result


def reference_of(model: ModelVersion, on: date, *, by: Any) -> dict[str, Any]:
    """What the model file says of the rows it learnt from on the score day nearest to `on`, with their number; of all
    its score days together (`mixed`) where it does not tell them apart; empty where it says nothing.

    Raises registry.FileChanged: what a changed file says is no reference.
    """
    card = registry.load(model, by=by).card
    whole = card.get("reference", {})
    days = {drifting.day_of_year(day): each for day, each in whole.get("by_day", {}).items()}
    if days:
        nearest = min(days, key=lambda day: abs(day - on.timetuple().tm_yday))
        return {"mixed": False, **days[nearest]}
    rows = card.get("metrics", {}).get("n_train")
    mixed = len(card.get("training", {}).get("score_days", [])) > 1
    return {**whole, "rows": int(rows), "mixed": mixed} if whole and rows else {}


def score_shift(scores: tables.Floats, reference: Mapping[str, Any]) -> Shift | None:
    """How far the scores have moved; None without a reference or with few rows."""
    if "score" not in reference or len(scores) < RULES.least_rows:
        return None
    return drifting.shift(Column("score", Kind.NUMBER, scores), reference["score"], reference["rows"])


def feature_shifts(rows: pa.Table | None, reference: Mapping[str, Any]) -> dict[str, Shift]:
    """How far each feature has moved, those of the calendar apart; empty without a reference or with few rows."""
    if rows is None or rows.num_rows < RULES.least_rows:
        return {}
    return {
        name: drifting.shift(tables.typed(name, rows[name], "features"), before, reference["rows"])
        for name, before in reference.get("features", {}).items()
        if name in rows.column_names and name not in RULES.of_the_calendar
    }


def stored_rows(model: ModelVersion, newest: Prediction) -> pa.Table | None:
    """The feature rows of the newest score date, of gaps that could be scored; None where they are not kept."""
    code = model.measure.code if model.measure else ""
    if code not in DEFINITIONS:
        return None
    with open_store(ScoreDay(newest.generation, newest.year, newest.as_of)) as kept:
        files = kept.complete(DEFINITIONS[code])
        if not files:
            return None
        rows = pa.concat_tables([pq.read_table(file) for file in files])
    return rows.filter(pc.invert(rows["out_of_reach"])) if "out_of_reach" in rows.column_names else rows


def settled(model: ModelVersion, today: date) -> dict[str, Any]:
    """Calibration on the newest scored year that is settled: its gaps judged again on or after 30 June of the next.

    The model foresees what happens without outreach, so members who were contacted are left out, and counted; so are
    those who are in no rate any more. Empty where no year is settled; without figures where too few gaps are.
    """
    year = settled_year(model, today)
    if year is None:
        return {}
    contacted = Exposure.objects.filter(
        member=OuterRef("member"), measure=OuterRef("measure"), year=OuterRef("year"), arm=Arm.TREATED
    )
    rows = list(
        Prediction.objects.filter(model=model, year=year)
        .annotate(contacted=Exists(contacted))
        .order_by("pk")
        .values_list("probability", "gap__status", "member_id", "contacted")
    )
    kept = [row for row in rows if not row[3] and row[1] != Status.NOT_APPLICABLE]
    told = np.array([row[0] for row in kept], dtype=float)
    outcome = np.array([row[1] in UNMET for row in kept], dtype=np.int64)
    members = np.array([row[2] for row in kept], dtype=np.int64)
    facts = {
        "year": year, "rows": len(kept), "events": int(outcome.sum()),
        "contacted": sum(row[3] for row in rows),
        "without_outcome": sum(not row[3] and row[1] == Status.NOT_APPLICABLE for row in rows),
    }  # fmt: skip
    return {**facts, **drifting.calibration(outcome, told, members)} if drifting.enough(outcome) else facts


def settled_year(model: ModelVersion, today: date) -> int | None:
    """The newest year this model scored whose gaps were found again once it was settled."""
    scored = Prediction.objects.filter(model=model).values("year")
    known = FindingRun.objects.filter(year__in=scored).order_by("-year").values_list("year").annotate(Max("data_as_of"))
    return next((year for year, until in known if labels.settled_on(year) <= min(until, today)), None)


def unknowns(reference: Mapping[str, Any], scored: int, rows: pa.Table | None, found: Mapping[str, Any]) -> list[str]:
    """What could not be measured, and why."""
    said = [MIXED] if reference.get("mixed") else []
    if not reference:
        said.append(NO_REFERENCE)
    elif scored < RULES.least_rows:
        said.append(f"Score: {scored:,} predictions, {RULES.least_rows} are needed.")
    if reference and rows is None:
        said.append(NO_ROWS)
    if not found:
        said.append(NOTHING_SETTLED)
    elif "oe" not in found:
        said.append(
            f"Calibration: {found['rows']:,} settled gaps, {found['events']:,} still open; at least "
            f"{RULES.least_settled} are needed and {RULES.least_events} of either outcome."
        )
    return said
