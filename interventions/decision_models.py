"""What was decided to do for a contract: the plan with its bound and prices, and what it chose."""

from typing import ClassVar

from django.db import models
from django.db.models import Q

from hedis.members.models import Contract, Member
from interventions.campaign_models import Campaign
from interventions.states import Kind


class Objective(models.TextChoices):
    """What a plan makes the most of."""

    STARS = "stars", "Stars of measures"
    WEIGHTED_STARS = "weighted_stars", "Weighted stars of measures"
    DOLLARS = "dollars", "Dollars of the rating"


class Plan(models.Model):
    """One run of the optimiser over a contract's members. Never changed: other inputs are another plan.

    `problem`, `answer` and `certificate` are as docs/optimiser.md has them, so that `check_plan` and anybody else can
    recompute the bound.
    """

    contract = models.ForeignKey(Contract, on_delete=models.PROTECT, related_name="plans")
    year = models.PositiveSmallIntegerField("measurement year")
    objective = models.CharField(max_length=20, choices=Objective.choices)
    budget = models.DecimalField(max_digits=12, decimal_places=2, help_text="Dollars.")
    spend = models.DecimalField(max_digits=12, decimal_places=2, help_text="Dollars.")
    confidence_z = models.FloatField(help_text="Standard deviations kept above each cut; 0 plans at the mean.")
    lower_bound = models.FloatField(help_text="What the plan reaches.")
    upper_bound = models.FloatField(help_text="What no plan can pass.")
    chosen = models.PositiveIntegerField()
    candidates = models.PositiveIntegerField(help_text="Offers there were to choose from.")
    data_as_of = models.DateField()
    problem = models.JSONField()
    answer = models.JSONField()
    certificate = models.JSONField()
    digest = models.CharField(max_length=64, help_text="SHA-256 of problem, answer and what was chosen.")
    left_out = models.JSONField(default=dict, help_text="Measure: why it was not planned.")
    campaign = models.OneToOneField(Campaign, on_delete=models.SET_NULL, null=True, blank=True, related_name="plan")
    planned_by = models.CharField(max_length=150)
    planned_at = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(objective__in=Objective.values), name="plan_objective_known"),
            models.CheckConstraint(
                condition=Q(spend__gte=0, spend__lte=models.F("budget")), name="plan_spends_within_its_budget"
            ),
            models.CheckConstraint(condition=Q(lower_bound__lte=models.F("upper_bound")), name="plan_within_its_bound"),
        ]

    def __str__(self) -> str:
        return f"{self.contract.number} {self.year}, ${self.budget:,.0f}"

    @property
    def gap(self) -> float:
        """The part of the bound the plan does not reach, 0 to 1."""
        return (self.upper_bound - self.lower_bound) / self.upper_bound if self.upper_bound else 0.0


class PlanItem(models.Model):
    """One member and what was chosen for her, with what it is worth at the plan's prices."""

    plan = models.ForeignKey(Plan, on_delete=models.CASCADE, related_name="items")
    member = models.ForeignKey(Member, on_delete=models.CASCADE, related_name="plan_items")
    kind = models.CharField(max_length=20, choices=Kind.choices)
    cost = models.DecimalField(max_digits=10, decimal_places=2, help_text="Dollars.")
    uplift = models.JSONField(help_text="Measure: added to the chance that the gap closes.")
    worth = models.FloatField(help_text="Dollars at the plan's prices: uplift times price, summed.")

    class Meta:
        ordering: ClassVar = ["-worth", "id"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["plan", "member"], name="plan_item_once_a_member"),
            models.CheckConstraint(condition=Q(kind__in=Kind.values), name="plan_item_kind_known"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} for member {self.member.label}"
