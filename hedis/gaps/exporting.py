"""Gaps out of the house as CSV: exactly the rows that the ledger says were shown."""

from collections.abc import Iterator, Sequence
from typing import Any

from django.db import transaction
from django.http import StreamingHttpResponse

from audit import ledger
from audit.models import Event
from hedis.gaps.models import Gap, GapQuerySet
from hedis.lib import csvfile

BATCH = 2000
HEADER = ["member", "measure", "year", "contract", "status", "work_status", "reason", "evidence_date",
          "evidence_value", "evidence_route", "closable_until", "assigned_to", "data_as_of",
          "definition_version"]  # fmt: skip


def export_csv(gaps: GapQuerySet, *, filters: dict[str, str], by: Any) -> StreamingHttpResponse:
    """Stream the gaps; one EXPORT event with count, members and filters is committed before the first byte."""
    chosen = list(gaps.order_by("pk").values_list("pk", "member__pseudonym"))
    with transaction.atomic():
        ledger.record(
            Event.Kind.EXPORT,
            "gaps.exported",
            object_type="gap",
            after={"filters": filters},
            members={pseudonym for _, pseudonym in chosen},
            row_count=len(chosen),
            by=by,
        )
    return csvfile.download("gaps-in-care.csv", HEADER, lines([pk for pk, _ in chosen]))


def lines(ids: Sequence[int]) -> Iterator[list[Any]]:
    """The rows of these gaps, read batch by batch: rows found after the event was written are not among them."""
    for start in range(0, len(ids), BATCH):
        for gap in Gap.objects.for_list().filter(pk__in=ids[start : start + BATCH]).order_by("pk"):
            yield line(gap)


def line(gap: Gap) -> list[Any]:
    """One gap as the export tells it."""
    return [
        gap.member.pseudonym, gap.measure.code, gap.year, gap.contract.number if gap.contract else "", gap.status,
        gap.work_status, gap.reason, gap.evidence_date or "", gap.evidence_value, gap.evidence_route,
        gap.closable_until, gap.assigned_to.get_username() if gap.assigned_to else "", gap.data_as_of,
        gap.definition_version,
    ]  # fmt: skip
