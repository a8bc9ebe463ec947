"""Both arms of a campaign, as exposures: what the plan's own effects are measured by, and what no model of the gaps
that stay open without outreach may learn from."""

from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from audit import ledger
from audit.models import Event
from interventions.models import Campaign
from interventions.workflow import name_of

RECORD = """
INSERT INTO predictions_exposure
    (member_id, measure_id, year, action, campaign, arm, randomised, from_day, recorded_by, recorded_at)
SELECT i.member_id, g.measure_id, i.year, i.kind, %(name)s, CASE WHEN i.held_out THEN 'held_out' ELSE 'treated' END,
       true, %(day)s, %(by)s, %(at)s
  FROM interventions_intervention AS i
  JOIN interventions_interventiongap AS l ON l.intervention_id = i.id
  JOIN gaps_gap AS g ON g.id = l.gap_id
 WHERE i.campaign_id = %(campaign)s AND i.state = 'planned' AND i.held_out IS NOT NULL
ON CONFLICT DO NOTHING
RETURNING (SELECT pseudonym FROM members_member AS m WHERE m.id = member_id)
"""


@transaction.atomic
def record(campaign: Campaign, *, by: Any) -> int:
    """Store who is offered what and who is held out, as the campaign starts; returns how many rows are new.

    Everybody as drawn, reached later or not: who could not be reached is part of what the action does.
    """
    now = timezone.now()
    facts: dict[str, Any] = {
        "campaign": campaign.pk,
        "name": f"{campaign.pk} {campaign.name}"[:80],
        "day": timezone.localdate(now),
        "by": name_of(by),
        "at": now,
    }
    with connection.cursor() as cursor:
        cursor.execute(RECORD, facts)
        stored = [pseudonym for (pseudonym,) in cursor.fetchall()]
    if stored:
        ledger.record(
            Event.Kind.CHANGE, "exposure.recorded", object_type="campaign", object_id=campaign.pk,
            members=set(stored), row_count=len(stored), by=by,
        )  # fmt: skip
    return len(stored)
