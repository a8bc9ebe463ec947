"""Whether a member may be contacted now: do-not-call, consent, and how often every team together has tried.

Do-not-call closes telephone and text. A text needs the member's own choice of that channel, which is the consent on
file. The frequency limits are data: `reference/frequency_caps.csv`.
"""

from datetime import datetime, timedelta

from hedis.members.models import ContactPreference, Member
from interventions import actions
from interventions.models import Attempt, Channel
from interventions.workflow import WorkflowError

RINGS = frozenset({Channel.PHONE, Channel.TEXT})


class ContactRefused(WorkflowError):
    """The member may not be contacted this way now."""


class DoNotCall(ContactRefused):
    """The member asked not to be called."""


class NoConsent(ContactRefused):
    """The member did not choose this channel, and it needs that."""


class FrequencyCapReached(ContactRefused):
    """Every team together has tried as often as the plan allows. A stated reason overrules it."""


def check(member: Member, channel: str, *, over_cap_reason: str = "", now: datetime) -> None:
    """Raise DoNotCall, NoConsent or FrequencyCapReached where an attempt by this channel may not be made."""
    refusal = refusals(member, now=now).get(channel)
    if refusal and not (isinstance(refusal, FrequencyCapReached) and over_cap_reason.strip()):
        raise refusal


def refusals(member: Member, *, now: datetime) -> dict[str, ContactRefused]:
    """What stands against each channel that is closed now. Two queries."""
    wish = ContactPreference.objects.filter(member=member).first()
    tried = tries(member, now=now)
    found: dict[str, ContactRefused] = {}
    for channel in Channel.values:
        if wish and wish.do_not_call and channel in RINGS:
            found[channel] = DoNotCall("This member asked not to be called or texted.")
        elif channel == Channel.TEXT and not (wish and wish.channel == ContactPreference.Channel.TEXT):
            found[channel] = NoConsent("A text needs the member’s consent: this member did not choose text messages.")
        elif cap := actions.cap_reached(channel, tried, actions.caps()):
            found[channel] = FrequencyCapReached(words(cap))
    return found


def tries(member: Member, *, now: datetime) -> list[tuple[str, float]]:
    """Channel and age in days of each outgoing attempt of any team, as far back as the longest limit looks."""
    longest = max((cap.days for cap in actions.caps()), default=0)
    made = Attempt.objects.outgoing_to(member).filter(at__gt=now - timedelta(days=longest))
    return [(channel, (now - at) / timedelta(days=1)) for channel, at in made.values_list("channel", "at")]


def words(cap: actions.Cap) -> str:
    """A limit as people say it."""
    channels = " and ".join(label.lower() for value, label in Channel.choices if value in cap.channels)
    times = "1 attempt" if cap.attempts == 1 else f"{cap.attempts} attempts"
    days = "1 day" if cap.days == 1 else f"{cap.days} days"
    return f"The limit of {times} in {days} by {channels} is reached, counting every team."
