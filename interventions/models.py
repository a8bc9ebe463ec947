"""What we do about it: campaigns, interventions, attempts; each part has a module, Django finds all of them here."""

from interventions.campaign_models import LARGEST_HOLDOUT, Campaign, CampaignQuerySet, CampaignTransition
from interventions.decision_models import (
    Objective,
    Plan,
    PlanContract,
    PlanItem,
    PlanItemQuerySet,
    PlanQuerySet,
    PlanRun,
)
from interventions.money_models import CountyFigures, CountyFiguresQuerySet
from interventions.outreach_models import (
    Attempt,
    AttemptQuerySet,
    Intervention,
    InterventionGap,
    InterventionQuerySet,
    InterventionTransition,
)
from interventions.simulation_models import Simulation, SimulationQuerySet
from interventions.states import LIVE, CampaignState, Channel, Disposition, Kind, Outcome, State

__all__ = [
    "LARGEST_HOLDOUT",
    "LIVE",
    "Attempt",
    "AttemptQuerySet",
    "Campaign",
    "CampaignQuerySet",
    "CampaignState",
    "CampaignTransition",
    "Channel",
    "CountyFigures",
    "CountyFiguresQuerySet",
    "Disposition",
    "Intervention",
    "InterventionGap",
    "InterventionQuerySet",
    "InterventionTransition",
    "Kind",
    "Objective",
    "Outcome",
    "Plan",
    "PlanContract",
    "PlanItem",
    "PlanItemQuerySet",
    "PlanQuerySet",
    "PlanRun",
    "Simulation",
    "SimulationQuerySet",
    "State",
]
