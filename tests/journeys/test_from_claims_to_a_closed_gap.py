"""One member's story from the plan's file to the numerator, through the doors people use."""

from datetime import date
from pathlib import Path

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from audit.models import Event
from hedis.accounts.models import User
from hedis.evidence import importing
from hedis.gaps.models import Gap, MeasureCount, Status, Work
from hedis.members import panels
from hedis.members.models import Member
from hedis.members.pseudonyms import pseudonym
from tests.hedis.claims_folder import ELIGIBILITY, MEDICAL, write

YEAR = 2025
BEFORE, AFTER = "2025-06-30", "2025-09-30"
PERSON = ELIGIBILITY["person_id"]
CLAIM_DATES = ("claim_start_date", "claim_end_date", "claim_line_start_date", "claim_line_end_date")
# A visit that screens for nothing; then the colonoscopy, in a later file.
VISIT = {**MEDICAL, "hcpcs_code": "G0439", "diagnosis_code_1": "Z0000", "diagnosis_code_2": ""}
SCREENING = {
    **VISIT, "claim_id": f"{PERSON}-9002", "hcpcs_code": "G0121", "paid_date": "2025-08-20",
    **dict.fromkeys(CLAIM_DATES, "2025-08-11"),
}  # fmt: skip


@pytest.mark.django_db
def test_found_worked_evidenced_closed_counted_and_on_record(
    client: Client, tmp_path: Path, ana: User, ben: User, lea: User, cy: User
) -> None:
    # The analyst imports the plan's files and measures the year so far: the screening is missing.
    importing.import_tuva(write(tmp_path / "june", {"eligibility": [ELIGIBILITY], "medical_claim": [VISIT]}), by=ben)
    member = Member.objects.get(pseudonym=pseudonym(PERSON))
    panels.hand_over(Member.objects.filter(pk=member.pk), to=ana, by=lea)
    find(BEFORE)
    gap = colorectal()
    assert (gap.status, gap.assigned_to) == (Status.PROSPECTIVE, ana)

    # The care manager finds it in her queue, reads why, and calls.
    client.force_login(ana)
    assert member.label in client.get(reverse("admin:my_queue")).content.decode()
    shown = client.get(reverse("admin:members_member_change", args=[member.pk]), {"year": YEAR}).content.decode()
    assert "No colonoscopy since 2016-01-01" in shown
    answer = client.post(
        reverse("admin:gaps_gap_change", args=[gap.pk]),
        {"to": Work.APPOINTMENT, "why": "Booked for 11 August.", "version": gap.version},
    )
    assert answer.status_code == 302
    assert colorectal().work_status == Work.APPOINTMENT

    # The claim comes with the next file. Nobody closes anything: the engine does, and says by what.
    importing.import_tuva(
        write(tmp_path / "september", {"eligibility": [ELIGIBILITY], "medical_claim": [VISIT, SCREENING]}), by=ben
    )
    find(AFTER)
    closed = colorectal()
    assert (closed.status, closed.work_status, closed.evidence_date) == (
        Status.CLOSED,
        Work.CLOSED_CLAIM,
        date(2025, 8, 11),
    )
    assert [step.by for step in closed.transitions.all()] == ["find_gaps", "ana", "find_gaps"]
    count = MeasureCount.objects.latest(YEAR).get(measure__code="COL")
    assert (count.denominator, count.numerator) == (1, 1)
    assert member.label not in client.get(reverse("admin:my_queue"), {"measure": "COL"}).content.decode()

    # The auditor can tell who touched and who saw this member, and the plan's id is nowhere in it.
    told = list(Event.objects.about_member(member.pseudonym).order_by("occurred_at").values_list("action", "actor"))
    assert ("panel.handed_over", "lea") in told
    assert told.index(("member.viewed", "ana")) < told.index(("gap.moved", "ana"))
    everything = b"".join(bytes(event.header) + bytes(event.payload) for event in Event.objects.all())
    assert PERSON.encode() not in everything


def find(as_of: str) -> None:
    """The operator's command."""
    call_command("find_gaps", year=YEAR, as_of=date.fromisoformat(as_of))


def colorectal() -> Gap:
    """The story's gap as stored now."""
    return Gap.objects.get(measure__code="COL", year=YEAR)
