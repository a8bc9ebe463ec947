"""What is decided together: campaigns, and every step they took."""

from decimal import Decimal
from typing import ClassVar

from django.db import models
from django.db.models import Count, F, Q, Sum

from hedis.members.models import Contract
from interventions.states import CampaignState, State

LARGEST_HOLDOUT = Decimal("0.5")


class CampaignQuerySet(models.QuerySet["Campaign"]):
    """Questions about campaigns."""

    def with_counts(self) -> "CampaignQuerySet":
        """How many interventions stand where, how many are held out, and what they cost, in one query."""
        worked = Q(interventions__held_out=False) | Q(interventions__held_out=None)
        begun = ~Q(interventions__state=State.PLANNED) & Q(interventions__started_at__isnull=False)
        states = {
            state: Count("interventions", filter=worked & Q(interventions__state=state)) for state in State.values
        }
        return self.select_related("contract").annotate(
            **states,
            held_out=Count("interventions", filter=Q(interventions__held_out=True)),
            estimated=Sum("interventions__estimated_cost", filter=worked, default=Decimal(0)),
            spent=Sum("interventions__actual_cost", default=Decimal(0)),
            without_cost=Count("interventions", filter=begun & Q(interventions__actual_cost=None)),
        )


class Campaign(models.Model):
    """Interventions decided on together, with a budget and a random part left alone to compare with."""

    name = models.CharField(max_length=120)
    contract = models.ForeignKey(
        Contract, on_delete=models.PROTECT, null=True, blank=True, related_name="campaigns",
        help_text="None: every contract.",
    )  # fmt: skip
    year = models.PositiveSmallIntegerField("measurement year")
    state = models.CharField(max_length=10, choices=CampaignState.choices, default=CampaignState.DRAFT)
    holdout_share = models.DecimalField(
        "hold-out share", max_digits=4, decimal_places=3, default=Decimal("0.05"),
        help_text="Share of the members left alone by chance, 0 to 0.5: without them nobody knows what outreach did.",
    )  # fmt: skip
    seed = models.CharField(max_length=32, help_text="Drawn when the campaign was made; decides who is held out.")
    budget = models.DecimalField(max_digits=12, decimal_places=2, help_text="Dollars.")
    start_date = models.DateField()
    end_date = models.DateField()
    notes = models.TextField(blank=True)
    created_by = models.CharField(max_length=150)
    approved_by = models.CharField(max_length=150, blank=True)
    approved_at = models.DateTimeField(null=True, blank=True)
    version = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField(auto_now_add=True)
    changed_at = models.DateTimeField(auto_now=True)

    objects = CampaignQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["name", "year"], name="campaign_name_once_a_year"),
            models.CheckConstraint(condition=Q(state__in=CampaignState.values), name="campaign_state_known"),
            models.CheckConstraint(
                condition=Q(holdout_share__gte=0, holdout_share__lte=LARGEST_HOLDOUT),
                name="campaign_holdout_at_most_half",
            ),
            models.CheckConstraint(condition=Q(budget__gte=0), name="campaign_budget_not_negative"),
            models.CheckConstraint(condition=Q(end_date__gte=F("start_date")), name="campaign_window_runs_forward"),
            models.CheckConstraint(condition=~Q(approved_by=F("created_by")), name="campaign_creator_never_approves"),
            models.CheckConstraint(
                condition=~Q(state__in=[CampaignState.APPROVED, CampaignState.RUNNING, CampaignState.CLOSED])
                | ~Q(approved_by="") & Q(approved_at__isnull=False),
                name="campaign_approved_by_somebody",
            ),
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"{self.name} {self.year}"


class CampaignTransition(models.Model):
    """One step of a campaign. Append-only."""

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="transitions")
    from_state = models.CharField(max_length=10, blank=True, help_text="Empty in the first: it was made.")
    to_state = models.CharField(max_length=10, choices=CampaignState.choices)
    by = models.CharField(max_length=150)
    at = models.DateTimeField()
    why = models.CharField(max_length=500, blank=True)

    class Meta:
        ordering: ClassVar = ["at", "id"]
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(to_state__in=CampaignState.values), name="campaign_step_state_known"),
        ]

    def __str__(self) -> str:
        return f"{self.from_state or 'new'} → {self.to_state}"
