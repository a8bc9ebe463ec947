"""Which colour goes with which state. The words always stand beside it."""

from hedis.gaps.labels import Chip
from interventions.models import Campaign, CampaignState, Disposition, Intervention, Outcome, State
from interventions.workflow import SPOKEN

STATE_TONE = {State.PLANNED: "plain", State.IN_PROGRESS: "info", State.COMPLETED: "good", State.CANCELLED: "plain"}
OUTCOME_TONE = {Outcome.SUCCESS: "good", Outcome.PARTIAL: "info", Outcome.FAILED: "warn"}
CAMPAIGN_TONE = {
    CampaignState.DRAFT: "plain",
    CampaignState.APPROVED: "info",
    CampaignState.RUNNING: "good",
    CampaignState.CLOSED: "plain",
    CampaignState.CANCELLED: "warn",
}


def state_chip(row: Intervention) -> Chip:
    """Where it stands: held out before anything else, a completed one by its outcome."""
    if row.held_out:
        return Chip("Held out", "warn", "Left alone by chance, to compare with.")
    if row.outcome:
        return Chip(row.get_outcome_display(), OUTCOME_TONE[Outcome(row.outcome)], row.reason)
    return Chip(row.get_state_display(), STATE_TONE[State(row.state)], row.reason)


def planned_chip(row: Intervention) -> Chip:
    """What is planned about a gap; its campaign and what it is worth when pointed at."""
    said = [str(row.campaign)] if row.campaign else []
    said += [f"${row.priority:,.2f} at the plan’s prices"] if row.priority else []
    return Chip(row.get_kind_display(), STATE_TONE[State(row.state)], "; ".join(said))


def campaign_chip(campaign: Campaign) -> Chip:
    """Where a campaign stands."""
    return Chip(campaign.get_state_display(), CAMPAIGN_TONE[CampaignState(campaign.state)])


def disposition_buttons() -> list[tuple[str, list[tuple[str, str]]]]:
    """Every way an attempt can end, under the heading a caller looks for it."""
    groups: dict[str, list[tuple[str, str]]] = {
        "Reached": [],
        "Not reached": [],
        "Sent": [],
        "Do not contact again": [],
    }
    last = {Disposition.DO_NOT_CALL, Disposition.DECEASED, Disposition.MOVED}
    for value, words in Disposition.choices:
        if value in last:
            groups["Do not contact again"].append((value, words))
        elif value not in SPOKEN:
            groups["Sent"].append((value, words))
        elif value.startswith("reached"):
            groups["Reached"].append((value, words.removeprefix("Reached: ").capitalize()))
        else:
            groups["Not reached"].append((value, words))
    return list(groups.items())
