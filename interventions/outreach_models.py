"""What is done for one member: interventions, every attempt to reach the member, every step."""

from datetime import date
from decimal import Decimal
from typing import Any, ClassVar

from django.conf import settings
from django.contrib.postgres.expressions import ArraySubquery
from django.db import models
from django.db.models import Count, F, OuterRef, Prefetch, Q, Subquery
from django.db.models.functions import Coalesce

from hedis.accounts import roles
from hedis.gaps.models import UNMET, Gap
from hedis.members.models import Member
from interventions.campaign_models import Campaign
from interventions.states import LIVE, CampaignState, Channel, Disposition, Kind, Outcome, State


def attempts_of_each() -> Coalesce:
    """How many attempts each intervention of a query has."""
    made = Attempt.objects.filter(intervention=OuterRef("pk")).order_by().values("intervention")
    return Coalesce(Subquery(made.annotate(made=Count("pk")).values("made")), 0, output_field=models.IntegerField())


def workable(prefix: str = "") -> Q:
    """Live, not held out, and of a running campaign or of none; `prefix` leads to the intervention."""
    running = Q(**{f"{prefix}campaign": None}) | Q(**{f"{prefix}campaign__state": CampaignState.RUNNING})
    free = Q(**{f"{prefix}held_out": None}) | Q(**{f"{prefix}held_out": False})
    return running & free & Q(**{f"{prefix}state__in": LIVE})


class InterventionQuerySet(models.QuerySet["Intervention"]):
    """Questions about interventions."""

    def visible_to(self, user: Any) -> "InterventionQuerySet":
        """Interventions for the members this user may see."""
        if user.has_perm(roles.WHOLE_PLAN):
            return self
        return self.filter(member__in=Member.objects.visible_to(user))

    def live(self) -> "InterventionQuerySet":
        """Planned or in progress, held out or not."""
        return self.filter(state__in=LIVE)

    def workable(self) -> "InterventionQuerySet":
        """Live, not held out, and of a running campaign or of none."""
        return self.filter(workable())

    def due(self, today: date) -> "InterventionQuerySet":
        """Live, with a next step agreed for this day or an earlier one."""
        return self.live().filter(due_date__lte=today)

    def in_plan_order(self) -> "InterventionQuerySet":
        """The plan's price first, then the last day a contact counts."""
        return self.order_by("-priority", "contact_by", "id")

    def with_measures(self) -> "InterventionQuerySet":
        """With the codes of the measures each is about, and the number of its attempts, in the same query."""
        of_this = InterventionGap.objects.filter(intervention=OuterRef("pk")).order_by("gap__measure__code")
        return self.annotate(
            measures=ArraySubquery(of_this.values("gap__measure__code")), attempts_made=attempts_of_each()
        )

    def for_list(self) -> "InterventionQuerySet":
        """With everything a list row shows: two queries, however many rows."""
        of_this = Attempt.objects.filter(intervention=OuterRef("pk"))
        links = InterventionGap.objects.select_related("gap__measure").order_by("gap__measure__code")
        return (
            self.select_related("member", "member__contact_preference", "campaign", "owner")
            .prefetch_related(Prefetch("links", links))
            .annotate(
                attempts_made=attempts_of_each(),
                last_disposition=Subquery(of_this.order_by("-at", "-id").values("disposition")[:1]),
            )
        )


class Intervention(models.Model):
    """One thing done for one member about one or more gaps. It brings evidence; only a finding run closes a gap."""

    campaign = models.ForeignKey(
        Campaign, on_delete=models.PROTECT, null=True, blank=True, related_name="interventions"
    )
    member = models.ForeignKey(Member, on_delete=models.CASCADE, related_name="interventions")
    year = models.PositiveSmallIntegerField("measurement year")
    gaps = models.ManyToManyField(Gap, through="InterventionGap", related_name="interventions")
    kind = models.CharField(max_length=20, choices=Kind.choices)
    state = models.CharField(max_length=12, choices=State.choices, default=State.PLANNED)
    held_out = models.BooleanField(
        "held out", null=True, blank=True,
        help_text="Left alone by chance, to compare with. Empty until the campaign is approved, and without one.",
    )  # fmt: skip
    priority = models.DecimalField(
        max_digits=14, decimal_places=4, default=Decimal(0), help_text="Worth of its closures at the plan's prices."
    )
    expected_value = models.DecimalField(
        max_digits=14, decimal_places=4, default=Decimal(0), help_text="What the plan expects of it, in its own unit."
    )
    estimated_cost = models.DecimalField(max_digits=10, decimal_places=2, help_text="Dollars.")
    actual_cost = models.DecimalField(max_digits=10, decimal_places=2, null=True, blank=True, help_text="Dollars.")
    contact_by = models.DateField(
        null=True, blank=True, help_text="The earliest last useful contact date of its gaps; none where none is ahead."
    )
    due_date = models.DateField("next step due", null=True, blank=True)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="interventions"
    )
    outcome = models.CharField(max_length=10, choices=Outcome.choices, blank=True)
    reason = models.CharField(max_length=500, blank=True, help_text="Why it was cancelled, or a word on the outcome.")
    planned_by = models.CharField(max_length=150)
    planned_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    version = models.PositiveIntegerField(default=1)
    changed_at = models.DateTimeField()

    objects = InterventionQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["-priority", "contact_by", "id"]
        permissions: ClassVar = [("assign_intervention", "Can hand interventions to another person")]
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(state__in=State.values), name="intervention_state_known"),
            models.CheckConstraint(condition=Q(kind__in=Kind.values), name="intervention_kind_known"),
            models.CheckConstraint(
                condition=Q(state=State.COMPLETED, outcome__in=Outcome.values)
                | ~Q(state=State.COMPLETED) & Q(outcome=""),
                name="intervention_completed_has_outcome",
            ),
            models.CheckConstraint(
                condition=Q(state=State.PLANNED, started_at=None, ended_at=None)
                | Q(state=State.IN_PROGRESS, started_at__isnull=False, ended_at=None)
                | Q(state=State.COMPLETED, started_at__isnull=False, ended_at__isnull=False)
                | Q(state=State.CANCELLED, ended_at__isnull=False),
                name="intervention_times_fit_state",
            ),
            models.CheckConstraint(
                condition=~Q(state=State.CANCELLED) | ~Q(reason=""), name="intervention_cancelled_says_why"
            ),
            # Whoever is worked is no comparison any more.
            models.CheckConstraint(
                condition=~Q(held_out=True)
                | Q(state__in=[State.PLANNED, State.CANCELLED], started_at=None, actual_cost=None),
                name="intervention_held_out_never_worked",
            ),
            models.CheckConstraint(
                condition=Q(held_out=None) | Q(campaign__isnull=False), name="intervention_arm_needs_campaign"
            ),
            models.CheckConstraint(
                condition=Q(estimated_cost__gte=0) & (Q(actual_cost=None) | Q(actual_cost__gte=0)),
                name="intervention_cost_not_negative",
            ),
            models.UniqueConstraint(
                fields=["member", "kind", "campaign"], condition=Q(state__in=LIVE), nulls_distinct=False,
                name="intervention_one_live_of_a_kind",
            ),
        ]  # fmt: skip
        indexes: ClassVar = [
            models.Index(
                F("priority").desc(), F("contact_by").asc(), F("id").asc(), condition=Q(state__in=LIVE),
                name="intervention_plan_order",
            ),
            models.Index(fields=["owner", "due_date"], condition=Q(state__in=LIVE), name="intervention_due"),
            models.Index(fields=["campaign", "held_out", "state"], name="intervention_counts"),
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"{self.get_kind_display()} for member {self.member.label}"

    @property
    def is_live(self) -> bool:
        """Planned or in progress."""
        return self.state in LIVE

    @property
    def may_be_worked(self) -> bool:
        """Live, not held out, and its campaign, if it has one, runs."""
        running = self.campaign is None or self.campaign.state == CampaignState.RUNNING
        return self.is_live and not self.held_out and running


class InterventionGap(models.Model):
    """A gap an intervention is about, with what the plan expects it to add."""

    intervention = models.ForeignKey(Intervention, on_delete=models.CASCADE, related_name="links")
    gap = models.ForeignKey(Gap, on_delete=models.CASCADE, related_name="intervention_links")
    uplift = models.FloatField(
        null=True, blank=True, help_text="Expected gain in the probability that the gap closes, 0 to 1."
    )

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["intervention", "gap"], name="intervention_gap_once"),
            models.CheckConstraint(
                condition=Q(uplift=None) | Q(uplift__gte=0, uplift__lte=1), name="intervention_gap_uplift_possible"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.gap.measure.code} {self.gap.year}"

    @property
    def is_unmet(self) -> bool:
        """Care is still missing."""
        return self.gap.status in UNMET


class AttemptQuerySet(models.QuerySet["Attempt"]):
    """Questions about attempts."""

    def outgoing_to(self, member: Member) -> "AttemptQuerySet":
        """Our own attempts to reach a member, of every team and campaign; the member's own calls do not count."""
        return self.filter(intervention__member=member, inbound=False)


class Attempt(models.Model):
    """One try to reach a member, or one call the member made. Append-only."""

    intervention = models.ForeignKey(Intervention, on_delete=models.CASCADE, related_name="attempts")
    at = models.DateTimeField()
    channel = models.CharField(max_length=10, choices=Channel.choices)
    disposition = models.CharField("outcome", max_length=24, choices=Disposition.choices)
    inbound = models.BooleanField("the member called", default=False)
    note = models.CharField(max_length=1000, blank=True)
    follow_up_date = models.DateField(null=True, blank=True)
    over_cap_reason = models.CharField(
        max_length=500, blank=True, help_text="Why the member was contacted more often than the plan allows."
    )
    by = models.CharField(max_length=150)

    objects = AttemptQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["-at", "-id"]
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(channel__in=Channel.values), name="attempt_channel_known"),
            models.CheckConstraint(condition=Q(disposition__in=Disposition.values), name="attempt_disposition_known"),
            models.CheckConstraint(
                condition=~Q(disposition=Disposition.CALL_BACK) | Q(follow_up_date__isnull=False),
                name="attempt_call_back_says_when",
            ),
            models.CheckConstraint(
                condition=~Q(disposition=Disposition.REFUSED) | ~Q(note=""), name="attempt_refused_says_why"
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["intervention", "at"], name="attempt_order")]

    def __str__(self) -> str:
        return f"{self.get_channel_display()}: {self.get_disposition_display()}"


class InterventionTransition(models.Model):
    """One step of an intervention. Append-only."""

    intervention = models.ForeignKey(Intervention, on_delete=models.CASCADE, related_name="transitions")
    from_state = models.CharField(max_length=12, blank=True, help_text="Empty in the first: it was planned.")
    to_state = models.CharField(max_length=12, choices=State.choices)
    by = models.CharField(max_length=150)
    at = models.DateTimeField()
    why = models.CharField(max_length=500, blank=True)

    class Meta:
        ordering: ClassVar = ["at", "id"]
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(to_state__in=State.values), name="intervention_step_state_known"),
        ]

    def __str__(self) -> str:
        return f"{self.from_state or 'new'} → {self.to_state}"
