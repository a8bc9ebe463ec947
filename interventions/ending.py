"""Interventions that end many at once: their gaps were met, their campaign is over, the member is gone."""

from collections.abc import Iterable
from datetime import date
from typing import Any

from django.db import connection, transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from audit import ledger
from audit.models import Event
from hedis.gaps.models import UNMET, Status
from interventions.models import Intervention, InterventionGap, InterventionQuerySet, Outcome, State
from interventions.workflow import name_of

END = """
WITH ending AS (
    SELECT id, state, member_id FROM interventions_intervention
     WHERE id = ANY(%(ids)s) AND state IN ('planned', 'in_progress') ORDER BY id FOR UPDATE
), ended AS (
    UPDATE interventions_intervention AS i
       SET state = %(to)s, outcome = %(outcome)s, reason = %(why)s, ended_at = %(at)s, changed_at = %(at)s,
           version = i.version + 1
      FROM ending WHERE i.id = ending.id
), noted AS (
    INSERT INTO interventions_interventiontransition (intervention_id, from_state, to_state, by, at, why)
    SELECT id, state, %(to)s, %(by)s, %(at)s, %(why)s FROM ending
)
SELECT m.pseudonym FROM ending JOIN members_member AS m ON m.id = ending.member_id
"""
# The last useful contact date follows the gaps: what is met or too late no longer presses.
REFRESH = """
UPDATE interventions_intervention AS i SET contact_by = now.contact_by
  FROM (SELECT l.intervention_id, min(g.contact_by) FILTER (WHERE g.contact_by >= %(today)s) AS contact_by
          FROM interventions_interventiongap AS l
          JOIN interventions_intervention AS each ON each.id = l.intervention_id
          JOIN gaps_gap AS g ON g.id = l.gap_id
         WHERE each.state IN ('planned', 'in_progress') GROUP BY l.intervention_id) AS now
 WHERE i.id = now.intervention_id AND i.contact_by IS DISTINCT FROM now.contact_by
"""
MET = "Every gap was met meanwhile."
NOT_APPLICABLE = "No gap of it is open any more, and not all were met."


@transaction.atomic
def end(interventions: InterventionQuerySet, *, to: str, why: str, outcome: str = "", by: Any) -> int:
    """End those of the interventions that are live; returns how many. Three statements, however many rows."""
    ids = list(interventions.live().order_by().values_list("pk", flat=True))
    if not ids:
        return 0
    facts: dict[str, Any] = {
        "ids": ids, "to": to, "outcome": outcome, "why": why, "at": timezone.now(), "by": name_of(by)
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(END, facts)
        ended = [pseudonym for (pseudonym,) in cursor.fetchall()]
    if ended:
        record(ended, to, why, outcome, by=by)
    return len(ended)


def record(members: Iterable[str], to: str, why: str, outcome: str, *, by: Any) -> None:
    """One ledger line for all that ended."""
    named = list(members)
    ledger.record(
        Event.Kind.CHANGE, "interventions.ended", object_type="intervention",
        after={"state": to, "why": why, "outcome": outcome}, members=named, row_count=len(named), by=by,
    )  # fmt: skip


@transaction.atomic
def withdraw_met(*, today: date, by: Any) -> int:
    """After a finding run: end every intervention none of whose gaps is open any more; returns how many ended.

    What was only planned is cancelled. What was in progress is completed with success where every gap was met, and
    cancelled where some are not applicable now. Held-out ones stay: they are the comparison. The last useful contact
    date of those that go on is brought up to their gaps.
    """
    links = InterventionGap.objects.filter(intervention=OuterRef("pk"))
    over = Intervention.objects.live().exclude(held_out=True)
    over = over.filter(Exists(links), ~Exists(links.filter(gap__status__in=UNMET)))
    met = over.filter(~Exists(links.exclude(gap__status=Status.CLOSED)))
    ended = end(met.filter(state=State.IN_PROGRESS), to=State.COMPLETED, why=MET, outcome=Outcome.SUCCESS, by=by)
    ended += end(met.filter(state=State.PLANNED), to=State.CANCELLED, why=MET, by=by)
    ended += end(over, to=State.CANCELLED, why=NOT_APPLICABLE, by=by)
    with connection.cursor() as cursor:
        cursor.execute(REFRESH, {"today": today})
    return ended
