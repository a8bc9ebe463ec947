"""The jobs of this room."""

from django.utils import timezone

from hedis.gaps.models import FindingRun
from hedis.lib import jobs
from hedis.stars import snapshots
from hedis.stars.models import Snapshot

WEEKLY = "stars.weekly_snapshot"


@jobs.by_clock(WEEKLY, cron="30 3 * * 1")
def weekly_snapshot(timestamp: int) -> None:
    """Every Monday early: freeze the totals, where gaps were found since the last snapshot."""
    found = FindingRun.objects.order_by("-found_at").first()
    last = Snapshot.objects.order_by("-taken_at").first()
    if found and (last is None or last.taken_at < found.found_at):
        snapshots.take(as_of=timezone.localdate(), by=WEEKLY)
