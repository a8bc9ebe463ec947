"""What the data says on the home page: which import is in force and how fresh it is."""

from typing import Any

from django.http import HttpRequest
from django.utils import timezone

from hedis.evidence.models import ImportBatch

# A monthly file with two weeks of lag; older than that, a gap list is mostly out of date (reference §1.5).
FRESH_DAYS, STALE_DAYS = 31, 62


def data_panel(request: HttpRequest) -> dict[str, Any] | None:
    """The last import: when, who, how many rows in and refused, how old the newest service is."""
    if not request.user.has_perm("evidence.view_importbatch"):
        return None
    batch = ImportBatch.objects.current()
    panel: dict[str, Any] = {"template": "admin/panels/data.html", "batch": batch}
    if batch is None:
        return panel
    day = batch.latest_service_date
    age = (timezone.localdate() - day).days if day else None
    return {
        **panel,
        "loaded": batch.total("loaded"),
        "quarantined": batch.total("quarantined"),
        "age": age,
        "tone": "plain" if age is None or age <= FRESH_DAYS else "warn" if age <= STALE_DAYS else "bad",
        "tables": sorted(batch.counts.items()),
    }
