"""Panels: which care manager answers for which members."""

from typing import Any

from django.db import transaction

from audit import ledger
from audit.models import Event
from hedis.members.models import MemberQuerySet


@transaction.atomic
def hand_over(members: MemberQuerySet, *, to: Any, by: Any) -> int:
    """Put members on one person's panel (or on nobody's: None); returns how many changed hands.

    One statement and one ledger line, however many members.
    """
    changing = members.exclude(care_manager=to) if to else members.exclude(care_manager=None)
    pseudonyms = list(changing.values_list("pseudonym", flat=True))
    if not pseudonyms:
        return 0
    changed = changing.order_by().update(care_manager=to)
    ledger.record(
        Event.Kind.CHANGE,
        "panel.handed_over",
        object_type="user",
        object_id=to.get_username() if to else "",
        after={"care_manager": to.get_username() if to else None},
        members=pseudonyms,
        row_count=changed,
        by=by,
    )
    return changed
