"""What outreach does to a gap: who was contacted or held out, and the effect of each action with its origin."""

from typing import ClassVar

from django.db import models
from django.db.models import Q

from hedis.measures.models import Measure
from hedis.members.models import Member


class Arm(models.TextChoices):
    """Which side of the comparison a member is on."""

    TREATED = "treated", "Treated"
    HELD_OUT = "held_out", "Held out"


class Exposure(models.Model):
    """A member was offered an action for a measure, or kept from it by lot so that its effect can be measured.

    Without it no model could tell what would have happened without outreach: past campaigns went to those at risk.
    """

    member = models.ForeignKey(Member, on_delete=models.CASCADE, related_name="exposures")
    measure = models.ForeignKey(Measure, on_delete=models.PROTECT, related_name="exposures")
    year = models.PositiveSmallIntegerField("measurement year")
    action = models.CharField(max_length=40, help_text="A key of the catalogue of actions.")
    campaign = models.CharField(max_length=80, blank=True, help_text="Empty: outreach outside any campaign.")
    arm = models.CharField(max_length=10, choices=Arm.choices)
    randomised = models.BooleanField(help_text="Whether lot decided the arm: only those tell an effect.")
    from_day = models.DateField(help_text="The day of the first contact, or of the lot.")
    recorded_by = models.CharField(max_length=150)
    recorded_at = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["-from_day", "-id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["member", "measure", "year", "action", "campaign"], name="exposure_once_a_campaign"
            ),
            models.CheckConstraint(condition=Q(arm__in=Arm.values), name="exposure_arm_known"),
            models.CheckConstraint(
                condition=~Q(arm=Arm.HELD_OUT) | Q(randomised=True), name="exposure_held_out_by_lot"
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["measure", "year", "from_day"], name="exposure_of_measure")]

    def __str__(self) -> str:
        return f"{self.get_arm_display()}: {self.action}, {self.measure.code} {self.year}"


class Origin(models.TextChoices):
    """Where an effect comes from, best first."""

    OWN = "own", "Own hold-out"
    TRIAL = "trial", "Published trial"
    PRIOR = "prior", "Expert prior"


class ActionEffect(models.Model):
    """How many more gaps in a hundred an action closes (uplift, -1 to 1), how surely, and who says so."""

    action = models.CharField(max_length=40)
    measure = models.ForeignKey(
        Measure, on_delete=models.PROTECT, null=True, blank=True, related_name="action_effects",
        help_text="None: whatever the measure.",
    )  # fmt: skip
    origin = models.CharField(max_length=10, choices=Origin.choices)
    uplift = models.FloatField()
    standard_error = models.FloatField()
    treated = models.PositiveIntegerField(null=True, help_text="People, where it was counted.")
    held_out = models.PositiveIntegerField(null=True)
    source = models.TextField()
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering: ClassVar = ["action", "measure", "origin"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["action", "measure", "origin"], name="action_effect_once", nulls_distinct=False
            ),
            models.CheckConstraint(condition=Q(origin__in=Origin.values), name="action_effect_origin_known"),
            models.CheckConstraint(
                condition=Q(uplift__gte=-1, uplift__lte=1, standard_error__gt=0), name="action_effect_is_a_share"
            ),
            models.CheckConstraint(condition=~Q(source=""), name="action_effect_has_a_source"),
        ]

    def __str__(self) -> str:
        return f"{self.action}: {self.uplift:+.3f} ± {self.standard_error:.3f} ({self.get_origin_display()})"
