"""What a model said of a gap: the prediction, what people thought of it, and the run that made it."""

from datetime import date
from typing import Any, ClassVar

from django.db import models
from django.db.models import F, Q

from hedis.accounts import roles
from hedis.gaps.models import Gap
from hedis.lib.runs import Run
from hedis.measures.models import Measure
from hedis.members.models import Contract, Member
from predictions.registry_models import SHA256, ModelVersion, State


class Tier(models.TextChoices):
    """How likely a gap is to stay open, among the gaps the model learnt from; the edges are the model's thresholds."""

    HIGH = "high", "High"
    MEDIUM = "medium", "Medium"
    LOW = "low", "Low"


class Recommendation(models.TextChoices):
    """What to do about it, decided by tier and by whether a contact still counts (`applying.recommendation`)."""

    CONTACT_FIRST = "contact_first", "Contact first: it will hardly close by itself"
    REMIND = "remind", "Remind: a letter or an automated call may do"
    WAIT = "wait", "Wait: it will likely close by itself; look again next month"
    TOO_LATE = "too_late", "No contact closes it this year any more"


class PredictionQuerySet(models.QuerySet["Prediction"]):
    """Questions about predictions."""

    def visible_to(self, user: Any) -> "PredictionQuerySet":
        """Those of the members this user may see."""
        if user.has_perm(roles.WHOLE_PLAN):
            return self
        return self.filter(member__in=Member.objects.visible_to(user))

    def in_force(self) -> "PredictionQuerySet":
        """Of the models that are deployed now: what people act on. A shadow model's are not."""
        return self.filter(model__state=State.DEPLOYED)

    def for_year(self, year: int) -> "PredictionQuerySet":
        """Of one measurement year."""
        return self.filter(year=year)

    def for_list(self) -> "PredictionQuerySet":
        """With everything a row shows, in one query."""
        return self.select_related("member", "measure", "model", "gap", "gap__contract", "run")


class Prediction(models.Model):
    """The probability that a gap which was open on a day is still open at the year's end, by one model.

    Member, measure and year are the gap's, written here too so that lists and filters are one index read. Foreign
    keys have no index of their own where one of those below begins with them: each makes scoring a plan slower.
    """

    gap = models.ForeignKey(Gap, on_delete=models.CASCADE, related_name="predictions", db_index=False)
    member = models.ForeignKey(Member, on_delete=models.CASCADE, related_name="predictions", db_index=False)
    measure = models.ForeignKey(Measure, on_delete=models.PROTECT, related_name="predictions", db_index=False)
    year = models.PositiveSmallIntegerField("measurement year")
    model = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, related_name="predictions", db_index=False)
    probability = models.FloatField(help_text="That the gap stays open without outreach, 0 to 1.")
    low = models.FloatField(null=True, help_text="95 % interval of the rate among members scored alike.")
    high = models.FloatField(null=True)
    tier = models.CharField(max_length=10, choices=Tier.choices)
    recommendation = models.CharField(max_length=20, choices=Recommendation.choices)
    reasons = models.JSONField(
        default=list, help_text="Features that moved the score most: feature, value, words, contribution (log-odds)."
    )
    quality = models.JSONField(default=list, help_text="What to know of the input: codes of `quality.FLAGS`.")
    feature_version = models.CharField(max_length=10)
    feature_sha256 = models.CharField(max_length=64, help_text="Of the row of features that was scored.")
    as_of = models.DateField("score date", help_text="What was known on this day was scored.")
    generation = models.CharField(max_length=40, help_text="Of the warehouse.")
    scored_at = models.DateTimeField()
    expires_on = models.DateField(help_text="The last day it should be acted on.")
    run = models.ForeignKey(
        "predictions.ScoringRun", on_delete=models.SET_NULL, null=True, blank=True, related_name="predictions"
    )

    objects = PredictionQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["-probability", "id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["member", "measure", "year", "model"], name="prediction_once_a_member_measure_year_model"
            ),
            models.CheckConstraint(
                condition=Q(probability__gte=0, probability__lte=1), name="prediction_is_a_probability"
            ),
            models.CheckConstraint(
                condition=Q(low=None, high=None)
                | Q(low__gte=0, high__lte=1, low__lte=F("probability"), high__gte=F("probability")),
                name="prediction_within_its_interval",
            ),
            models.CheckConstraint(condition=Q(tier__in=Tier.values), name="prediction_tier_known"),
            models.CheckConstraint(
                condition=Q(recommendation__in=Recommendation.values), name="prediction_recommendation_known"
            ),
            models.CheckConstraint(condition=Q(feature_sha256__regex=SHA256), name="prediction_names_its_features"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["year", "measure", "-probability", "id"], name="prediction_list"),
            models.Index(fields=["year", "-probability", "id"], name="prediction_likeliest"),
            models.Index(fields=["gap", "model"], name="prediction_of_gap"),
            models.Index(fields=["model", "year"], name="prediction_by_model"),
        ]

    def __str__(self) -> str:
        return f"{self.probability:.0%} {self.measure.code} {self.year} of member {self.member.label}"

    def is_expired(self, today: date) -> bool:
        """Whether it is too old to act on."""
        return self.expires_on < today


class Verdict(models.TextChoices):
    """What a person who knows the member says of a prediction."""

    AGREE = "agree", "Agrees"
    TOO_HIGH = "too_high", "Too high: it will close"
    TOO_LOW = "too_low", "Too low: it will stay open"
    WRONG_INPUT = "wrong_input", "Rests on wrong data"


class PredictionReview(models.Model):
    """A person's word on a prediction as it stood then. Append-only; it changes no score."""

    prediction = models.ForeignKey(Prediction, on_delete=models.CASCADE, related_name="reviews")
    verdict = models.CharField(max_length=20, choices=Verdict.choices)
    note = models.TextField(blank=True, max_length=2000)
    probability = models.FloatField(help_text="As it was when it was reviewed.")
    scored_at = models.DateTimeField()
    by = models.CharField(max_length=150)
    at = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["-at", "-id"]
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(verdict__in=Verdict.values), name="review_verdict_known"),
            models.CheckConstraint(
                condition=Q(verdict=Verdict.AGREE) | ~Q(note=""), name="review_that_disagrees_says_why"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_verdict_display()} ({self.by})"


class ScoringRun(Run):
    """The whole portfolio of a year scored: resumable unit by unit, each committed with its predictions."""

    year = models.PositiveSmallIntegerField("measurement year")
    contract = models.ForeignKey(Contract, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    model_ids = models.JSONField(default=dict, help_text="Measure code: id of the model version that scores it.")
    shadow_ids = models.JSONField(
        default=list, help_text="Model versions in shadow: they score too, and nobody acts on it."
    )
    as_of = models.DateField("score date")
    generation = models.CharField(max_length=40)
    units_done = models.JSONField(default=list, help_text="Measure and part, as in BCS/0: what need not be done again.")
    scored = models.PositiveIntegerField(default=0)
    skipped = models.JSONField(default=dict, help_text="Reason: how many.")
    seconds = models.FloatField(default=0)

    class Meta(Run.Meta):
        ordering: ClassVar = ["-id"]

    def __str__(self) -> str:
        return f"MY{self.year} as of {self.as_of}"
