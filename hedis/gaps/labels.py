"""Which colour goes with which state of a gap. The words always stand beside it."""

from dataclasses import dataclass
from datetime import date

from hedis.gaps.models import Gap, Status, Work
from hedis.gaps.workflow import SETTLED

STATUS_TONE = {Status.OPEN: "warn", Status.PROSPECTIVE: "info", Status.CLOSED: "good", Status.NOT_APPLICABLE: "plain"}
WORK_TONE = {
    Work.REOPENED: "bad",
    Work.REJECTED: "bad",
    Work.REFUSED: "warn",
    Work.UNREACHABLE: "warn",
    Work.OUTREACH: "info",
    Work.APPOINTMENT: "info",
    Work.REPORTED: "info",
    Work.PENDING: "info",
    **dict.fromkeys(SETTLED, "good"),
    Work.EXCLUDED: "plain",
    Work.GONE: "plain",
}


@dataclass(frozen=True)
class Chip:
    """A small label: its words, its tone, what it says when pointed at."""

    text: str
    tone: str = "plain"
    title: str = ""


def status_chip(gap: Gap) -> Chip:
    """The exchange layer. A reversible measure met before year's end is never green."""
    tone = STATUS_TONE.get(Status(gap.status), "plain")
    return Chip(gap.status_words, "info" if gap.status_words == "Met today" else tone)


def work_chip(gap: Gap) -> Chip:
    """The work layer."""
    return Chip(gap.get_work_status_display(), WORK_TONE.get(Work(gap.work_status), "plain"))


def measure_chip(gap: Gap) -> Chip:
    """The measure with its work status, and why the gap is open when pointed at."""
    text = gap.measure.code
    if gap.work_status != Work.OPEN:
        text = f"{text} · {gap.get_work_status_display()}"
    return Chip(text, WORK_TONE.get(Work(gap.work_status), "plain"), f"{gap.measure.name}: {gap.reason}")


def can_be_worked(gap: Gap, today: date) -> bool:
    """Care is missing, nobody found that it cannot be closed, and there is still time."""
    return gap.is_unmet and gap.work_status != Work.UNCLOSABLE and gap.closable_until >= today
