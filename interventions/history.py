"""Everything that happened between the plan and one member, newest first: contacts, gap steps, interventions."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from hedis.gaps.models import Transition
from hedis.members.models import Member
from interventions.models import Attempt, InterventionTransition


@dataclass(frozen=True)
class Happening:
    """One line of the history. `what`: contact, gap or intervention; `to` in code and `words` for people; `thing` is
    the gap's or intervention's id."""

    at: datetime
    what: str
    about: str
    to: str
    words: str
    why: str
    by: str
    thing: int


def of_member(member: Member) -> list[Happening]:
    """The history of every team, newest first. Three queries, however long it is."""
    told = [*contacts(member), *gap_steps(member), *intervention_steps(member)]
    return sorted(told, key=lambda each: (each.at, each.what), reverse=True)


def contacts(member: Member) -> Iterator[Happening]:
    """Attempts to reach the member, and the member's own calls."""
    for each in Attempt.objects.filter(intervention__member=member).select_related("intervention"):
        direction = "The member called" if each.inbound else each.get_channel_display()
        about = f"{each.intervention.get_kind_display()}, {direction.lower()}"
        words = each.get_disposition_display()
        yield Happening(each.at, "contact", about, each.disposition, words, each.note, each.by, each.intervention_id)


def gap_steps(member: Member) -> Iterator[Happening]:
    """Steps of the member's gaps, in either layer."""
    for each in Transition.objects.filter(gap__member=member).select_related("gap__measure"):
        about, words = f"{each.gap.measure.code} {each.gap.year}", each.get_to_work_status_display()
        yield Happening(each.at, "gap", about, each.to_work_status, words, each.why, each.by, each.gap_id)


def intervention_steps(member: Member) -> Iterator[Happening]:
    """Steps of the member's interventions."""
    steps = InterventionTransition.objects.filter(intervention__member=member).select_related("intervention")
    for each in steps:
        about, words = each.intervention.get_kind_display(), each.get_to_state_display()
        yield Happening(each.at, "intervention", about, each.to_state, words, each.why, each.by, each.intervention_id)
