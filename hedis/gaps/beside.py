"""What rooms higher up the line say beside a gap: named in the settings, so that this room imports none of them."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from django.conf import settings
from django.db.models import Aggregate
from django.http import HttpRequest
from django.utils.module_loading import import_string

from hedis.gaps.labels import Chip
from hedis.gaps.models import Gap
from hedis.lib.modeladmin import Column


def columns() -> list[Column]:
    """Columns of the list of gaps."""
    return [import_string(name) for name in settings.GAP_COLUMNS]


def filters() -> list[Any]:
    """Filters of the list of gaps."""
    return [import_string(name) for name in settings.GAP_FILTERS]


def chips(gaps: Sequence[Gap]) -> dict[int, list[Chip]]:
    """Chips that stand by a gap's own in the queue, by the gap's id; each giver asks once for all gaps."""
    return collected(import_string(name)(gaps) for name in settings.GAP_CHIPS)


def queue_rank() -> Aggregate:
    """By what the queue orders members before their dates: an aggregate of a member's gaps, the highest first."""
    rank: Aggregate = import_string(settings.QUEUE_RANK)()
    return rank


def parts(request: HttpRequest, gaps: Sequence[Gap]) -> dict[int, list[dict[str, Any]]]:
    """Parts of a gap's card and page, by the gap's id: each a template's name and what it shows."""
    return collected(import_string(name)(request, gaps) for name in settings.GAP_PARTS)


def collected(given: Iterable[dict[int, Any]]) -> dict[int, list[Any]]:
    """What all of them say of each gap, in the order of the settings."""
    found: dict[int, list[Any]] = defaultdict(list)
    for of_gaps in given:
        for pk, said in of_gaps.items():
            found[pk].append(said)
    return found
