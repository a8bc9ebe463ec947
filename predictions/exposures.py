"""Who was offered an action and who was kept from it by lot: what no model of risk can be trusted without."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from audit import ledger
from audit.models import Event
from hedis.gaps.models import Work
from hedis.measures.models import Measure
from predictions.models import Arm, Exposure

OUTREACH = "outreach"
# Steps of the gap workflow that tell of a contact, tried or made.
CONTACTED = (Work.OUTREACH, Work.APPOINTMENT, Work.REPORTED, Work.REFUSED, Work.UNREACHABLE)

INSERT = """
INSERT INTO predictions_exposure
    (member_id, measure_id, year, action, campaign, arm, randomised, from_day, recorded_by, recorded_at)
SELECT member.id, measure.id, given.year, given.action, given.campaign, given.arm, given.randomised, given.from_day,
       %s, %s
FROM unnest(%s::text[], %s::text[], %s::int[], %s::text[], %s::text[], %s::text[], %s::bool[], %s::date[])
     AS given (pseudonym, code, year, action, campaign, arm, randomised, from_day)
JOIN members_member member USING (pseudonym)
JOIN measures_measure measure USING (code)
ON CONFLICT DO NOTHING
RETURNING (SELECT pseudonym FROM members_member WHERE id = member_id)
"""
FROM_OUTREACH = """
INSERT INTO predictions_exposure
    (member_id, measure_id, year, action, campaign, arm, randomised, from_day, recorded_by, recorded_at)
SELECT gap.member_id, gap.measure_id, gap.year, %s, '', 'treated', false, min(step.at AT TIME ZONE %s)::date, %s, %s
FROM gaps_transition step JOIN gaps_gap gap ON gap.id = step.gap_id
WHERE gap.year = %s AND step.to_work_status = ANY(%s) AND step.from_work_status <> step.to_work_status
GROUP BY gap.member_id, gap.measure_id, gap.year
ON CONFLICT DO NOTHING
RETURNING (SELECT pseudonym FROM members_member WHERE id = member_id)
"""


class ExposureError(Exception):
    """An exposure cannot be recorded; the message says which row, field and why."""


@dataclass(frozen=True)
class Offer:
    """One member offered an action for a measure, or kept from it. `member` is the pseudonym, `measure` the code."""

    member: str
    measure: str
    year: int
    action: str
    arm: Arm
    from_day: date
    campaign: str = ""
    randomised: bool = False


@transaction.atomic
def record(offers: Sequence[Offer], *, by: str) -> int:
    """Store offers; those stored before stay as they are. Returns how many are new.

    Raises ExposureError for a held-out member not drawn by lot, an unknown measure or member (by row); nothing is
    stored then.
    """
    refuse(offers)
    columns = zip(
        *((o.member, o.measure, o.year, o.action, o.campaign, o.arm.value, o.randomised, o.from_day) for o in offers),
        strict=True,
    )
    given = [list(column) for column in columns] or [[] for _ in range(8)]
    with connection.cursor() as cursor:
        cursor.execute(INSERT, [by, timezone.now(), *given])
        stored = [row[0] for row in cursor.fetchall()]
    note(stored, "exposure.recorded", by=by)
    return len(stored)


def refuse(offers: Sequence[Offer]) -> None:
    """Refuse what cannot be stored, naming the row."""
    measures = set(Measure.objects.values_list("code", flat=True))
    known = pseudonyms({offer.member for offer in offers})
    for row, offer in enumerate(offers, start=1):
        if offer.arm is Arm.HELD_OUT and not offer.randomised:
            raise ExposureError(f"row {row}, arm: who is held out was drawn by lot, or the comparison is worth nothing")
        if offer.measure not in measures:
            raise ExposureError(f"row {row}, measure: there is no measure {offer.measure!r}")
        if offer.member not in known:
            raise ExposureError(f"row {row}, member: no such member")
        if not offer.action.strip():
            raise ExposureError(f"row {row}, action: it is empty")


def pseudonyms(asked: set[str]) -> set[str]:
    """Those of the pseudonyms that are members."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pseudonym FROM members_member WHERE pseudonym = ANY(%s)", [sorted(asked)])
        return {row[0] for row in cursor.fetchall()}


@transaction.atomic
def from_outreach(year: int, *, by: str) -> int:
    """Outreach that people logged on the gaps of a year, as exposures of the action "outreach": who was contacted was
    chosen, not drawn, so it tells no effect; but it is no year without outreach either. Returns how many are new."""
    statuses = [str(status.value) for status in CONTACTED]
    with connection.cursor() as cursor:
        cursor.execute(FROM_OUTREACH, [OUTREACH, settings.TIME_ZONE, by, timezone.now(), year, statuses])
        stored = [row[0] for row in cursor.fetchall()]
    note(stored, "exposure.taken_from_outreach", by=by)
    return len(stored)


def note(stored: Sequence[str], action: str, *, by: str) -> None:
    """One ledger line for all rows; none where nothing was new."""
    if stored:
        ledger.record(
            Event.Kind.CHANGE, action, object_type="exposure", members=set(stored), row_count=len(stored), by=by
        )


def treated(measure: str, year: int) -> dict[str, date]:
    """Pseudonym and first day of the members contacted for a measure in a year. Members only held out are not in it:
    their outcome is one without outreach."""
    rows = Exposure.objects.filter(measure__code=measure, year=year, arm=Arm.TREATED)
    return dict(rows.order_by("member", "-from_day").values_list("member__pseudonym", "from_day"))
