"""Which colour goes with which state of a gap. The words always stand beside it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from hedis.gaps.models import Adherence, AdherenceClass, Gap, Status, Work
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
ADHERENCE_TONE = {
    AdherenceClass.LOCKED_IN: "good",
    AdherenceClass.SAFE: "good",
    AdherenceClass.AT_RISK: "warn",
    AdherenceClass.LAST_CHANCE: "bad",
    AdherenceClass.LATE_REFILL: "bad",
    AdherenceClass.UNSALVAGEABLE: "plain",
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


def measure_chip(gap: Gap, today: date) -> Chip:
    """The measure with its work status, whether it is too late for it, and why the gap is open when pointed at."""
    text = gap.measure.code
    if gap.work_status != Work.OPEN:
        text = f"{text} · {gap.get_work_status_display()}"
    if too_late_words(gap, today):
        text = f"{text} · too late to count"
    return Chip(text, WORK_TONE.get(Work(gap.work_status), "plain"), f"{gap.measure.name}: {gap.reason}")


def can_be_worked(gap: Gap, today: date) -> bool:
    """Care is missing, nobody found that it cannot be closed, and a contact now can still close it."""
    return gap.is_unmet and gap.work_status != Work.UNCLOSABLE and gap.can_be_reached(today)


def needs_no_contact(gap: Gap) -> bool:
    """Unmet so far, but what the member has on hand will meet the goal by itself."""
    days: Adherence | None = getattr(gap, "adherence", None)
    return gap.is_unmet and days is not None and days.adherence_class == AdherenceClass.LOCKED_IN


def too_late_words(gap: Gap, today: date) -> str:
    """Said of an unmet gap that no contact can close any more; nothing where one can, or where none is needed."""
    if not gap.is_unmet or gap.can_be_reached(today) or needs_no_contact(gap):
        return ""
    since = f" since {gap.contact_by.isoformat()}" if gap.contact_by else ""
    return f"Too late to count for {gap.year}{since}; still worth doing."


def contact_chip(gap: Gap, today: date) -> Chip | None:
    """What stands in the place of the last useful contact date where an unmet gap has none ahead."""
    if needs_no_contact(gap):
        return Chip("No contact needed", "good", "What is on hand meets the goal by the end of the year.")
    words = too_late_words(gap, today)
    return Chip("Too late to count", "plain", words) if words else None


@dataclass(frozen=True)
class Cover:
    """An adherence gap's class, and its days in words, part by part."""

    chip: Chip
    parts: tuple[str, ...]

    @property
    def words(self) -> str:
        return "; ".join(self.parts)


def cover(gap: Gap, today: date) -> Cover | None:
    """What is said of the days behind an adherence gap, as the data stood; None for other measures."""
    days: Adherence | None = getattr(gap, "adherence", None)
    if days is None:
        return None
    chip = Chip(days.get_adherence_class_display(), ADHERENCE_TONE.get(AdherenceClass(days.adherence_class), "plain"))
    if days.last_chance_date and days.last_chance_date < today:
        chip = Chip("Last chance has passed", "plain", f"Unless a fill came after {gap.data_as_of.isoformat()}.")
    return Cover(chip, tuple(cover_parts(days)))


def cover_parts(days: Adherence) -> Iterator[str]:
    """What was covered, what may still be missed, when the next refill is due, and until when one saves the year. The
    percent is cut, not rounded: 79.9 must not read as the goal met."""
    percent = f", {100 * days.covered_days // days.treatment_days} %" if days.treatment_days else ""
    yield f"Covered {days.covered_days} of {days.treatment_days} days{percent}"
    if days.missable_days < 0:
        yield f"{days_in_words(-days.missable_days)} short of the goal"
    else:
        yield f"may miss {days_in_words(days.missable_days, more=True)}"
    if days.refill_due:
        yield f"refill due {days.refill_due.isoformat()}"
    if days.last_chance_date:
        yield f"last chance {days.last_chance_date.isoformat()}"


def days_in_words(number: int, *, more: bool = False) -> str:
    """1 day, 2 days, 2 more days."""
    return f"{number} {'more ' if more else ''}day{'' if number == 1 else 's'}"
