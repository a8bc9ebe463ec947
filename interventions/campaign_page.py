"""What a campaign's page shows: where its interventions stand, what they cost, both arms, and the steps that follow."""

from collections.abc import Callable
from typing import Any

from interventions import campaigning, labels, outcomes, workflow
from interventions.intervals import Interval
from interventions.models import Campaign, CampaignState
from interventions.workflow import name_of

VERBS: dict[str, Callable[..., Campaign]] = {
    CampaignState.APPROVED: campaigning.approve,
    CampaignState.RUNNING: campaigning.start,
    CampaignState.CLOSED: campaigning.close,
    CampaignState.CANCELLED: campaigning.cancel,
}
STATES = dict(CampaignState.choices)
BUTTONS = {
    CampaignState.APPROVED: "Approve",
    CampaignState.RUNNING: "Start",
    CampaignState.CLOSED: "Close",
    CampaignState.CANCELLED: "Cancel it",
}


def may(user: Any, to: str) -> bool:
    """Whether this person's role includes the step; approving is a permission of its own."""
    if to not in VERBS:
        return False
    approving = to == CampaignState.APPROVED
    return bool(user.has_perm("interventions.add_campaigntransition" if approving else "interventions.change_campaign"))


def steps(campaign: Campaign, user: Any) -> list[tuple[str, str]]:
    """The steps this person may take from here, as (state, button); nobody approves her own campaign."""
    own = name_of(user) == campaign.created_by
    return [
        (to, words)
        for to, words in BUTTONS.items()
        if to in workflow.CAMPAIGN_STEPS[campaign.state]
        and may(user, to)
        and not (own and to == CampaignState.APPROVED)
    ]


def contents(campaign: Any, user: Any) -> dict[str, Any]:
    """Everything the page says about a campaign."""
    found = outcomes.results(campaign) if campaign.approved_by else None
    return {
        "campaign": campaign,
        "state": labels.campaign_chip(campaign),
        "steps": steps(campaign, user),
        "is_own": name_of(user) == campaign.created_by and campaign.state == CampaignState.DRAFT,
        "results": found,
        "measures": [measure_line(each) for each in found.measures] if found else [],
        "incremental": interval_words(found.incremental) if found else "",
        "cost_per_closure": cost_words(found.cost_per_closure) if found else "",
        "history": list(campaign.transitions.order_by("-at", "-id")),
        "may_see_members": user.has_perm("interventions.view_intervention"),
    }


def measure_line(found: outcomes.MeasureResult) -> dict[str, Any]:
    """One measure of the table of results, shares in percent."""
    return {
        "measure": found.measure,
        "arms": [(arm, 100 * arm.closed / arm.gaps if arm.gaps else None) for arm in (found.treated, found.held_out)],
        "uplift": points_words(found.uplift),
    }


def points_words(found: Interval | None) -> str:
    """A difference of shares in percentage points with its interval."""
    if found is None:
        return "–"
    return f"{100 * found.value:+.1f} ({100 * found.low:+.1f} to {100 * found.high:+.1f})"


def interval_words(found: Interval | None) -> str:
    """Closures gained with their interval; what is missing where it cannot be told."""
    if found is None:
        return "cannot be told yet: too few members or closures in the arms"
    return f"{found.value:,.1f} ({found.low:,.1f} to {found.high:,.1f})"


def cost_words(found: tuple[float, float | None] | None) -> str:
    """Dollars for one more closure, at best and at worst."""
    if found is None:
        return "no gain is shown yet"
    best, worst = found
    return f"${best:,.0f} at best, " + (f"${worst:,.0f} at worst" if worst is not None else "no limit at worst")
