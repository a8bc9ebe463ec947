"""What was decided to do for one or several contracts: the run that decided, the plan with its bound and prices, and
what it chose or nearly chose."""

from functools import reduce
from operator import or_
from typing import Any, ClassVar

from django.contrib.postgres.expressions import ArraySubquery
from django.db import models
from django.db.models import F, OuterRef, Q

from hedis.accounts import roles
from hedis.lib.runs import Run
from hedis.members.models import Contract, Member
from interventions.campaign_models import Campaign
from interventions.states import Kind


class Objective(models.TextChoices):
    """What a plan makes the most of."""

    STARS = "stars", "Stars of measures"
    WEIGHTED_STARS = "weighted_stars", "Weighted stars of measures"
    DOLLARS = "dollars", "Dollars of the rating"


class PlanQuerySet(models.QuerySet["Plan"]):
    """Questions about plans."""

    def with_numbers(self) -> "PlanQuerySet":
        """With the H-numbers of each plan's contracts, in the same query."""
        of_this = PlanContract.objects.filter(plan=OuterRef("pk")).order_by("contract__number")
        return self.annotate(numbers=ArraySubquery(of_this.values("contract__number")))


class Plan(models.Model):
    """One run of the optimiser over the members of its contracts. Never changed: other inputs are another plan.

    `problem`, `answer` and `certificate` are as docs/optimiser.md has them, so that `check_plan` and anybody else can
    recompute the bound. `outcomes`: each contract's expected stars without and with the plan.
    """

    contracts = models.ManyToManyField(Contract, through="PlanContract", related_name="plans")
    year = models.PositiveSmallIntegerField("measurement year")
    objective = models.CharField(max_length=20, choices=Objective.choices)
    budget = models.DecimalField(max_digits=12, decimal_places=2, help_text="Dollars.")
    spend = models.DecimalField(max_digits=12, decimal_places=2, help_text="Dollars.")
    confidence_z = models.FloatField(help_text="Standard deviations kept above each cut; 0 plans at the mean.")
    lower_bound = models.FloatField(help_text="What the plan reaches.")
    upper_bound = models.FloatField(help_text="What no plan can pass.")
    chosen = models.PositiveIntegerField()
    candidates = models.PositiveIntegerField(help_text="Offers there were to choose from.")
    data_as_of = models.DateField(help_text="Of several contracts the oldest.")
    problem = models.JSONField()
    answer = models.JSONField()
    certificate = models.JSONField()
    outcomes = models.JSONField(default=dict, help_text="Contract: expected stars and chances without and with it.")
    digest = models.CharField(max_length=64, help_text="SHA-256 of problem, answer and what was chosen.")
    left_out = models.JSONField(default=dict, help_text="Measure: why it was not planned.")
    campaign = models.OneToOneField(Campaign, on_delete=models.SET_NULL, null=True, blank=True, related_name="plan")
    planned_by = models.CharField(max_length=150)
    planned_at = models.DateTimeField()

    objects = PlanQuerySet.as_manager()

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
        return f"Plan {self.pk}"

    @property
    def gap(self) -> float:
        """The part of the bound the plan does not reach, 0 to 1."""
        return (self.upper_bound - self.lower_bound) / self.upper_bound if self.upper_bound else 0.0


class PlanContract(models.Model):
    """A contract that a plan was made for."""

    plan = models.ForeignKey(Plan, on_delete=models.CASCADE, related_name="contract_links")
    contract = models.ForeignKey(Contract, on_delete=models.PROTECT, related_name="plan_links")

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["plan", "contract"], name="plan_contract_once")]

    def __str__(self) -> str:
        return f"{self.contract.number} in plan {self.plan_id}"


class PlanItemQuerySet(models.QuerySet["PlanItem"]):
    """Questions about what plans chose."""

    def visible_to(self, user: Any) -> "PlanItemQuerySet":
        """What was chosen for the members this user may see."""
        if user.has_perm(roles.WHOLE_PLAN):
            return self
        return self.filter(member__in=Member.objects.visible_to(user))

    def chosen(self) -> "PlanItemQuerySet":
        """What the plans chose, without what they nearly chose."""
        return self.filter(chosen=True)

    def of_newest_plans(self) -> "PlanItemQuerySet":
        """Of each contract and year those of its newest plan. One query more, however many plans."""
        newest = (
            PlanContract.objects.order_by("contract_id", "plan__year", "-plan_id")
            .distinct("contract_id", "plan__year")
            .values_list("plan_id", "contract_id")
        )
        pairs = [Q(plan=plan, contract=contract) for plan, contract in newest]
        return self.filter(reduce(or_, pairs)) if pairs else self.none()


class PlanItem(models.Model):
    """One member and what was chosen for her, or nearly was, with what it is worth at the plan's prices and why."""

    plan = models.ForeignKey(Plan, on_delete=models.CASCADE, related_name="items")
    member = models.ForeignKey(Member, on_delete=models.CASCADE, related_name="plan_items")
    contract = models.ForeignKey(Contract, on_delete=models.PROTECT, related_name="plan_items")
    chosen = models.BooleanField(default=True)
    kind = models.CharField(max_length=20, choices=Kind.choices)
    cost = models.DecimalField(max_digits=10, decimal_places=2, help_text="Dollars.")
    uplift = models.JSONField(help_text="Measure: added to the chance that the gap closes.")
    worth = models.FloatField(help_text="Dollars at the plan's prices: uplift times price, summed.")
    charge = models.FloatField(default=0, help_text="Dollars at the plan's prices of the contacts it uses.")
    reason = models.CharField(max_length=1000, blank=True, help_text="Worth and cost in words; why it was not chosen.")

    objects = PlanItemQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["-worth", "id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["plan", "member"], condition=Q(chosen=True), name="plan_item_once_a_member"
            ),
            models.UniqueConstraint(fields=["plan", "member", "kind"], name="plan_item_kind_once_a_member"),
            models.CheckConstraint(condition=Q(kind__in=Kind.values), name="plan_item_kind_known"),
        ]
        indexes: ClassVar = [
            models.Index(F("plan"), F("chosen"), F("worth").desc(), F("id"), name="plan_item_order"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} for member {self.member.label}"

    @property
    def leaves(self) -> float:
        """What it is worth beyond what it takes, in dollars at the plan's prices."""
        return self.worth - self.charge - float(self.cost)

    @property
    def gains(self) -> list[tuple[str, float]]:
        """Points that the action adds to the chance of each measure's gap to close."""
        return [(code, 100 * gain) for code, gain in sorted(self.uplift.items())]


class PlanRun(Run):
    """A plan that was asked for: a worker decides it. `asked` is the wish as `plan_runs` reads it."""

    year = models.PositiveSmallIntegerField("measurement year")
    asked = models.JSONField(help_text="Contracts, budget, objective, confidence, capacities and floors.")
    plan = models.OneToOneField(Plan, on_delete=models.SET_NULL, null=True, blank=True, related_name="run")

    class Meta(Run.Meta):
        ordering: ClassVar = ["-id"]

    def __str__(self) -> str:
        return f"Planning run {self.pk}"
