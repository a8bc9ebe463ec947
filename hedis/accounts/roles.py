"""Who may do what, on one page. Synced to Django's Groups after every migrate.

Who may is decided at the door with these permissions; which rows is decided by `visible_to`, through the two scope
permissions of Member; whether it is legal now is decided in the verb.
"""

from dataclasses import dataclass

WHOLE_PLAN = "members.view_whole_plan"
TEAM_PANEL = "members.view_team_panel"

LOOK_AT_MEMBERS = (
    "members.view_member",
    "members.view_enrolment",
    "members.view_attribution",
    "members.view_contactpreference",
    "members.view_contract",
    "members.view_provider",
    "measures.view_measure",
    "measures.view_measureyear",
    "measures.view_valuesetlist",
    "gaps.view_gap",
    "gaps.view_transition",
    "predictions.view_prediction",
    "predictions.view_predictionreview",
)
WORK_GAPS = ("gaps.change_gap", "members.change_contactpreference", "members.add_contactpreference",
             "predictions.add_predictionreview")  # fmt: skip
# One gap or a batch at a time; a whole year is a run of its own.
SCORE_GAPS = ("predictions.add_prediction",)
SEE_STARS = (
    "stars.view_referenceyear",
    "stars.view_starmeasure",
    "stars.view_cutpoint",
    "stars.view_rewardthreshold",
    "stars.view_caivalue",
    "stars.view_caicell",
    "stars.view_minimumcount",
    "stars.view_cahpsstar",
    "stars.view_measurechange",
    "stars.view_release",
    "stars.view_publishedcontract",
    "stars.view_publishedstar",
    "stars.view_enteredscore",
    "stars.view_rating",
    "stars.view_snapshot",
)
SEE_INTERVENTIONS = (
    "interventions.view_intervention",
    "interventions.view_attempt",
    "interventions.view_interventiontransition",
    # Whom plans chose, of the members a role sees: the priority list.
    "interventions.view_planitem",
)
WORK_INTERVENTIONS = (
    *SEE_INTERVENTIONS,
    "interventions.add_intervention",
    "interventions.change_intervention",
    "interventions.add_attempt",
    # Completing and cancelling.
    "interventions.add_interventiontransition",
)
SEE_CAMPAIGNS = ("interventions.view_campaign", "interventions.view_campaigntransition", "interventions.view_plan",
                 "interventions.view_planrun")  # fmt: skip
# Having the optimiser plan.
PLAN = ("interventions.add_planrun",)
# Making campaigns, filling, starting and ending them; approving is another's (`add_campaigntransition`).
RUN_CAMPAIGNS = (*SEE_CAMPAIGNS, "interventions.add_campaign", "interventions.change_campaign")
# Bids are the plan's secret: who sees rates does not therefore see what the plan is paid.
SEE_MONEY = ("interventions.view_countyfigures", "interventions.view_simulation")
ENTER_MONEY = (*SEE_MONEY, "interventions.add_countyfigures", "interventions.add_simulation")
SEE_RATES = ("gaps.view_measurecount", "gaps.view_findingrun", *SEE_STARS)
SEE_MODELS = (
    "predictions.view_modelversion",
    "predictions.view_validationrun",
    "predictions.view_modeltransition",
    "predictions.view_waiver",
    "predictions.view_driftcheck",
    "predictions.view_scoringrun",
    "predictions.view_actioneffect",
)
SEE_IMPORTS = ("evidence.view_importbatch",)


@dataclass(frozen=True)
class Role:
    """One role: its group's name, a sentence for people, its permissions."""

    key: str
    name: str
    sentence: str
    permissions: tuple[str, ...]


CARE_MANAGER = Role(
    "care_manager",
    "Care manager",
    "Works the gaps in care of the members on her own panel.",
    (*LOOK_AT_MEMBERS, *WORK_GAPS, *WORK_INTERVENTIONS),
)
TEAM_LEAD = Role(
    "team_lead",
    "Team lead",
    "Sees every panel of the team and those nobody has, and hands out the work.",
    (
        *LOOK_AT_MEMBERS,
        *WORK_GAPS,
        *SCORE_GAPS,
        *SEE_RATES,
        *WORK_INTERVENTIONS,
        *SEE_CAMPAIGNS,
        TEAM_PANEL,
        "gaps.assign_gap",
        "interventions.assign_intervention",
    ),
)
QUALITY_DIRECTOR = Role(
    "quality_director",
    "Quality director",
    "Reads rates, gaps and ratings of the whole plan and freezes them, enters what they pay, tries what would be, has "
    "gaps scored and outreach planned, approves campaigns.",
    (
        *LOOK_AT_MEMBERS,
        *SEE_RATES,
        *SEE_MODELS,
        *SEE_IMPORTS,
        *SEE_INTERVENTIONS,
        *SEE_CAMPAIGNS,
        *ENTER_MONEY,
        WHOLE_PLAN,
        "predictions.add_scoringrun",
        "stars.add_snapshot",
        *PLAN,
        "interventions.change_campaign",
        "interventions.add_campaigntransition",
    ),
)
ANALYST = Role(
    "analyst",
    "Analyst",
    "Imports files and code lists, finds gaps, enters scores and payments, works with the API over the whole plan.",
    (
        *LOOK_AT_MEMBERS,
        *SEE_RATES,
        *SEE_MODELS,
        *SEE_IMPORTS,
        *SEE_INTERVENTIONS,
        *RUN_CAMPAIGNS,
        *ENTER_MONEY,
        *PLAN,
        WHOLE_PLAN,
        "interventions.add_intervention",
        "evidence.add_importbatch",
        "measures.add_valuesetlist",
        "members.change_contract",
        *SCORE_GAPS,
        "predictions.change_modelversion",
        "predictions.add_scoringrun",
        "stars.add_enteredscore",
        "stars.add_snapshot",
    ),
)
MODEL_STEWARD = Role(
    "model_steward",
    "Model steward",
    "Watches over the prediction models and approves them; sees measures and rates, no member.",
    ("measures.view_measure", "measures.view_measureyear", "measures.view_valuesetlist", *SEE_RATES, *SEE_MODELS,
     "predictions.change_modelversion", "predictions.add_modeltransition", "predictions.add_waiver",
     "predictions.add_driftcheck", "predictions.add_scoringrun"),
)  # fmt: skip
AUDITOR = Role(
    "auditor",
    "Auditor",
    "Reads the ledger and everything it speaks of; changes nothing.",
    (*LOOK_AT_MEMBERS, *SEE_RATES, *SEE_MODELS, *SEE_IMPORTS, *SEE_INTERVENTIONS, *SEE_CAMPAIGNS, *SEE_MONEY,
     WHOLE_PLAN, "audit.view_event", "audit.view_subject", "accounts.view_user", "auditlog.view_logentry"),
)  # fmt: skip
ADMINISTRATOR = Role(
    "administrator",
    "Administrator",
    "Keeps accounts, contracts and providers; sees no member.",
    ("accounts.view_user", "accounts.add_user", "accounts.change_user", "accounts.view_apikey", "accounts.add_apikey",
     "accounts.change_apikey", "members.view_contract", "members.add_contract", "members.change_contract",
     "members.view_provider", "members.add_provider", "members.change_provider", "measures.view_measure",
     "measures.view_measureyear", "measures.view_valuesetlist", *SEE_IMPORTS),
)  # fmt: skip
SERVICE = Role(
    "service",
    "Service",
    "A program that uses the API over the whole plan.",
    (
        *LOOK_AT_MEMBERS,
        *SEE_RATES,
        *SEE_MODELS,
        *SCORE_GAPS,
        *WORK_INTERVENTIONS,
        *RUN_CAMPAIGNS,
        *SEE_MONEY,
        *PLAN,
        WHOLE_PLAN,
        "gaps.change_gap",
        "predictions.add_scoringrun",
    ),
)

ROLES = (CARE_MANAGER, TEAM_LEAD, QUALITY_DIRECTOR, ANALYST, MODEL_STEWARD, AUDITOR, ADMINISTRATOR, SERVICE)
BY_KEY = {role.key: role for role in ROLES}
