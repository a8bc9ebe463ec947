"""What the home page says of the models in force: how well they do, whether they have moved, how old the scores are."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.db.models import OuterRef, Subquery
from django.http import HttpRequest
from django.utils import timezone

from predictions.model_page import LEVEL_TONES, Shown, figure
from predictions.models import DriftCheck, Level, ModelVersion, Prediction, ValidationRun

# Gaps are found anew each month: scores older than that, or than two of them, are of another list.
FRESH_DAYS, STALE_DAYS = 31, 62


@dataclass(frozen=True)
class Health:
    """One model in force."""

    model: ModelVersion
    auc: Shown
    oe: Shown
    oe_of: str
    level: Level
    tone: str
    alarm: str
    checked_at: datetime | None
    as_of: date | None
    age: str
    age_tone: str


def models_panel(request: HttpRequest) -> dict[str, Any] | None:
    """Every deployed model, the one that needs most attention first."""
    if not request.user.has_perm("predictions.view_driftcheck"):
        return None
    # By year alone, which is one step down an index; the rows of a year were scored on one day, or nearly.
    newest = Prediction.objects.filter(model=OuterRef("pk")).order_by("-year").values("as_of")[:1]
    models = list(ModelVersion.objects.deployed().annotate(scored_on=Subquery(newest)))
    checks = {check.model_id: check for check in DriftCheck.objects.newest().filter(model__in=models)}
    runs = ValidationRun.objects.filter(model__in=models).order_by("model_id", "-run_at", "-id").distinct("model_id")
    measured = {run.model_id: run.metrics for run in runs}
    today = timezone.localdate()
    rows = [health(model, checks.get(model.pk), measured.get(model.pk, model.metrics), today) for model in models]
    order = [Level.ACT, Level.LOOK, Level.UNKNOWN, Level.FINE]
    return {
        "template": "admin/panels/models.html",
        "rows": sorted(rows, key=lambda row: (order.index(row.level), str(row.model))),
        "never": any(row.checked_at is None for row in rows),
    }


def health(model: ModelVersion, check: DriftCheck | None, approved: dict[str, Any], today: date) -> Health:
    """One row. O/E is of settled gaps where there are some, else of the validation."""
    settled = (check.calibration if check else {}).get("oe")
    level = Level(check.level) if check else Level.UNKNOWN
    as_of = model.scored_on  # type: ignore[attr-defined]
    days = (today - as_of).days if as_of else 0
    return Health(
        model=model,
        auc=figure(approved.get("auc")),
        oe=figure(settled or approved.get("oe")),
        oe_of=f"MY{check.calibration['year']}" if check and settled else "",
        level=level,
        tone=LEVEL_TONES[level],
        alarm=check.alarms[0]["words"] if check and check.alarms else "",
        checked_at=check.checked_at if check else None,
        as_of=as_of,
        age=f"{days} day{'' if days == 1 else 's'} old",
        age_tone="plain" if days <= FRESH_DAYS else "warn" if days <= STALE_DAYS else "bad",
    )
