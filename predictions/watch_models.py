"""Watching models: waivers of the fairness gates, and what every look at a model in use found."""

from typing import ClassVar

from django.db import models
from django.db.models import Q

from predictions.registry_models import SHA256, ModelVersion, ValidationRun


class Waiver(models.Model):
    """Somebody takes responsibility for a model that misses a fairness gate. Append-only; of one validation only."""

    validation = models.ForeignKey(ValidationRun, on_delete=models.CASCADE, related_name="waivers")
    findings = models.JSONField(help_text="The gates that were missed, as `fairness.judge` found them.")
    findings_sha256 = models.CharField(max_length=64)
    why = models.TextField()
    by = models.CharField(max_length=150)
    at = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["-at", "-id"]
        constraints: ClassVar = [
            models.CheckConstraint(condition=~Q(why=""), name="waiver_says_why"),
            models.CheckConstraint(condition=Q(findings_sha256__regex=SHA256), name="waiver_names_its_findings"),
        ]

    def __str__(self) -> str:
        return f"Waiver by {self.by}, {self.at:%Y-%m-%d}"


class Level(models.TextChoices):
    """How far a model in use has moved from what it was approved at."""

    FINE = "fine", "Fine"
    LOOK = "look", "Look"
    ACT = "act", "Act"
    UNKNOWN = "unknown", "Not known yet"


class DriftCheckQuerySet(models.QuerySet["DriftCheck"]):
    """Questions about checks."""

    def newest(self) -> "DriftCheckQuerySet":
        """The last check of each model."""
        return self.order_by("model_id", "-checked_at", "-id").distinct("model_id")


class DriftCheck(models.Model):
    """One look at a model in use: have the people changed (PSI), does it still tell the rate (calibration)?
    Append-only."""

    model = models.ForeignKey(ModelVersion, on_delete=models.CASCADE, related_name="drift_checks")
    year = models.PositiveSmallIntegerField("measurement year")
    as_of = models.DateField("score date")
    generation = models.CharField(max_length=40)
    rows = models.PositiveIntegerField(help_text="Predictions looked at.")
    score_psi = models.FloatField(null=True)
    feature_psi = models.JSONField(default=dict, help_text="Feature: population stability index.")
    calibration = models.JSONField(
        default=dict,
        help_text="Year, rows and who was left out; auc, oe, slope, intercept, brier with intervals where "
        "enough gaps are settled; empty: none.",
    )
    alarms = models.JSONField(default=list, help_text="Calibration first: figure, level, value, limits, in words.")
    unknown = models.JSONField(default=list, help_text="What could not be measured, and why.")
    level = models.CharField(max_length=10, choices=Level.choices)
    checked_by = models.CharField(max_length=150)
    checked_at = models.DateTimeField()

    objects = DriftCheckQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["-checked_at", "-id"]
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(level__in=Level.values), name="drift_level_known"),
        ]

    def __str__(self) -> str:
        return f"{self.model}, {self.checked_at:%Y-%m-%d}: {self.get_level_display()}"
