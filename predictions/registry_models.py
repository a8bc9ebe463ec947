"""What a model is, what it was measured at, and every step it took from draft to retired."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import rfc8785
from django.db import models
from django.db.models import F, Q

from hedis.measures.models import Measure
from predictions import fairness
from predictions.fairness import Finding
from predictions.source_attributes import ATTRIBUTES

if TYPE_CHECKING:
    from predictions.watch_models import Waiver

SHA256 = r"^[0-9a-f]{64}$"
LONGEST_ID = 18


def digest_of(content: Mapping[str, Any] | Sequence[Any]) -> str:
    """SHA-256 of JSON in its canonical form (RFC 8785)."""
    plain: Any = dict(content) if isinstance(content, Mapping) else list(content)
    return hashlib.sha256(rfc8785.dumps(plain)).hexdigest()


def digest_of_findings(findings: Sequence[Finding]) -> str:
    """SHA-256 of what gates found: groups, values and limits. The words may be put better without undoing a waiver."""
    facts = [{name: value for name, value in one.as_json().items() if name != "words"} for one in findings]
    return digest_of(facts)


class State(models.TextChoices):
    """Where a version stands. What may follow what: `registry.STEPS`."""

    DRAFT = "draft", "Draft"
    IN_VALIDATION = "in_validation", "In validation"
    VALIDATED = "validated", "Validated"
    SHADOW = "shadow", "Shadow"
    DEPLOYED = "deployed", "Deployed"
    SUSPENDED = "suspended", "Suspended"
    RETIRED = "retired", "Retired"


# States nobody reaches without an approval by somebody else than the trainer.
APPROVED = (State.VALIDATED, State.SHADOW, State.DEPLOYED, State.SUSPENDED)


class ModelVersionQuerySet(models.QuerySet["ModelVersion"]):
    """Questions about models."""

    def deployed(self) -> "ModelVersionQuerySet":
        """Those that score now."""
        return self.filter(state=State.DEPLOYED)

    def watched(self) -> "ModelVersionQuerySet":
        """Those whose scores are looked after: in force, or scoring in the shadow."""
        return self.filter(state__in=(State.DEPLOYED, State.SHADOW))

    def called(self, name: str) -> "ModelVersionQuerySet":
        """Those a person may mean: by id, by name@version, or by a measure's code (retired ones only by the first
        two)."""
        if name.isascii() and name.isdecimal() and len(name) <= LONGEST_ID:
            return self.filter(pk=int(name))
        title, _, version = name.rpartition("@")
        if title:
            return self.filter(name=title, version=version)
        return self.filter(measure__code=name).exclude(state=State.RETIRED)

    def competing_with(self, model: "ModelVersion") -> "ModelVersionQuerySet":
        """Every version of the same job, itself included: of them one may be deployed."""
        same = {"measure": model.measure_id} if model.measure_id else {"measure": None, "name": model.name}
        return self.filter(line_of_business=model.line_of_business, **same)


class ModelVersion(models.Model):
    """One trained model. Its files never change: other files are another version."""

    name = models.CharField(max_length=80)
    version = models.CharField(max_length=40)
    measure = models.ForeignKey(
        Measure, on_delete=models.PROTECT, null=True, blank=True, related_name="models",
        help_text="None for a model of a table that is no measure of the portfolio.",
    )  # fmt: skip
    line_of_business = models.CharField(max_length=40, blank=True, help_text="Empty: every line.")
    state = models.CharField(max_length=20, choices=State.choices, default=State.DRAFT)
    folder = models.CharField(max_length=120, help_text="Below the data directory.")
    sha256 = models.CharField("file hash (SHA-256)", max_length=64)
    kind = models.CharField(max_length=40)
    framework = models.JSONField(default=dict, help_text="Library: version.")
    features = models.JSONField(default=list, help_text="Name and kind of each column it asks for.")
    training = models.JSONField(default=dict, help_text="Table, split and seed it was learnt by.")
    training_start = models.DateField(null=True, blank=True)
    training_end = models.DateField(null=True, blank=True)
    metrics = models.JSONField(default=dict, help_text="On the test groups put away in training.")
    thresholds = models.JSONField(default=dict, help_text="Tier: lowest probability, 0 to 1.")
    attributes = models.JSONField(default=dict, help_text="The 31 source attributes, by key.")
    card = models.TextField("model card", blank=True)
    trained_by = models.CharField(max_length=150)
    approved_by = models.CharField(max_length=150, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    changed_at = models.DateTimeField(auto_now=True)
    revision = models.PositiveIntegerField(default=1, help_text="Counts the changes: a decision names the one it saw.")

    objects = ModelVersionQuerySet.as_manager()

    class Meta:
        verbose_name = "prediction model"
        ordering: ClassVar = ["name", "-id"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["name", "version"], name="model_version_once"),
            models.UniqueConstraint(
                fields=["measure", "line_of_business"],
                condition=Q(state=State.DEPLOYED, measure__isnull=False),
                name="model_one_deployed_of_a_measure",
            ),
            models.UniqueConstraint(
                fields=["name", "line_of_business"],
                condition=Q(state=State.DEPLOYED, measure=None),
                name="model_one_deployed_of_a_name",
            ),
            models.CheckConstraint(condition=Q(state__in=State.values), name="model_state_known"),
            models.CheckConstraint(condition=Q(sha256__regex=SHA256), name="model_has_a_file_hash"),
            models.CheckConstraint(condition=~Q(trained_by=""), name="model_says_who_trained"),
            models.CheckConstraint(
                condition=~Q(state__in=APPROVED) | ~Q(approved_by=""), name="model_approved_by_somebody"
            ),
            models.CheckConstraint(condition=~Q(approved_by=F("trained_by")), name="model_trainer_never_approves"),
            models.CheckConstraint(
                condition=Q(training_start=None) | Q(training_end=None) | Q(training_start__lte=F("training_end")),
                name="model_training_window_runs_forward",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.version}"

    def missing_attributes(self) -> list[str]:
        """Labels of the source attributes that are not filled in."""
        return [one.label for one in ATTRIBUTES if not str(self.attributes.get(one.key, "")).strip()]

    def latest_validation(self) -> "ValidationRun | None":
        """The newest measurement on rows it was not trained on."""
        return self.validations.order_by("-run_at", "-id").first()

    def measured(self) -> dict[str, Any]:
        """The figures to show: of the newest validation, or of training where there is none yet."""
        latest = self.latest_validation()
        return latest.found() if latest else self.metrics


class ValidationRun(models.Model):
    """One measurement of a model on data described in words. Append-only."""

    model = models.ForeignKey(ModelVersion, on_delete=models.CASCADE, related_name="validations")
    data = models.TextField(help_text="Which rows: source, period, how many, how they were kept apart from training.")
    sha256 = models.CharField("file hash (SHA-256)", max_length=64, help_text="Of the model that was measured.")
    metrics = models.JSONField()
    subgroups = models.JSONField(default=list)
    run_by = models.CharField(max_length=150)
    run_at = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["-run_at", "-id"]
        constraints: ClassVar = [
            models.CheckConstraint(condition=~Q(data=""), name="validation_says_on_what"),
            models.CheckConstraint(condition=Q(sha256__regex=SHA256), name="validation_names_the_file"),
        ]

    def __str__(self) -> str:
        return f"{self.model}, {self.run_at:%Y-%m-%d}"

    def found(self) -> dict[str, Any]:
        """Figures and subgroups together, as the evaluation gave them."""
        return {**self.metrics, "subgroups": self.subgroups}

    def gates(self) -> list[Finding]:
        """What the fairness gates of today say of it, group by group."""
        return fairness.judge(self.found())

    def missed_gates(self) -> list[Finding]:
        """The gates that stand in the way of an approval."""
        return fairness.missed(self.gates())

    def waiver(self) -> "Waiver | None":
        """The newest waiver of exactly the gates it misses; one of other findings does not count."""
        return self.waivers.filter(findings_sha256=digest_of_findings(self.missed_gates())).first()

    def is_waived(self) -> bool:
        """Whether somebody has taken responsibility for every gate it misses."""
        return self.waiver() is not None


class ModelTransition(models.Model):
    """One step of a model. Append-only."""

    model = models.ForeignKey(ModelVersion, on_delete=models.CASCADE, related_name="transitions")
    from_state = models.CharField(max_length=20, blank=True, help_text="Empty in the first: it was registered.")
    to_state = models.CharField(max_length=20, choices=State.choices)
    by = models.CharField(max_length=150)
    at = models.DateTimeField()
    why = models.TextField()
    evidence_sha256 = models.CharField(
        max_length=64, help_text="Of what the decision rested on: file hash, attributes, card, figures, validations."
    )

    class Meta:
        ordering: ClassVar = ["at", "id"]
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(to_state__in=State.values), name="model_transition_state_known"),
            models.CheckConstraint(condition=~Q(why=""), name="model_transition_says_why"),
        ]

    def __str__(self) -> str:
        return f"{self.from_state or 'registered'} → {self.to_state}"
