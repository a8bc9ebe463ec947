"""What is promised: the portfolio's measures, and what holds for each in one measurement year.

Rows come from reviewed files through `manage.py load_measures`; nobody edits them by hand.
"""

from typing import ClassVar

from django.db import models
from django.db.models import Q, TextChoices


class MeasureQuerySet(models.QuerySet["Measure"]):
    """Questions about the portfolio."""

    def computed(self) -> "MeasureQuerySet":
        """Measures whose definition the engine runs."""
        return self.exclude(definition_version="")


class Measure(models.Model):
    """One measure of the portfolio, or a lens over them."""

    class Direction(TextChoices):
        HIGHER = "higher", "Higher is better"
        LOWER = "lower", "Lower is better"

    class Kind(TextChoices):
        MEASURE = "measure", "Measure"
        LENS = "lens", "Lens over the measures"

    code = models.CharField(max_length=12, unique=True)
    name = models.CharField(max_length=120)
    kind = models.CharField(max_length=10, choices=Kind.choices, default=Kind.MEASURE)
    domain = models.CharField(max_length=120, blank=True)
    steward = models.CharField(max_length=40)
    direction = models.CharField(max_length=10, choices=Direction.choices)
    reversible = models.BooleanField(
        default=False, help_text="The last value counts, so a gap closed today can be open at year end."
    )
    purpose = models.TextField(blank=True)
    source = models.TextField()
    evidence_routes = models.JSONField(default=list, help_text="What closes the gap, by route.")
    definition_version = models.CharField(max_length=20, blank=True)

    objects = MeasureQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["code"]

    def __str__(self) -> str:
        return f"{self.code} {self.name}"


class MeasureYear(models.Model):
    """What holds for a measure in one measurement year, which is rated two years on (the Star year)."""

    measure = models.ForeignKey(Measure, on_delete=models.CASCADE, related_name="years")
    measurement_year = models.PositiveSmallIntegerField()
    star_year = models.PositiveSmallIntegerField()
    star_measure = models.CharField(max_length=4, blank=True, help_text="CMS's id that Star year, such as C02.")
    weight = models.PositiveSmallIntegerField(null=True, blank=True, help_text="Empty: not in that year's rating.")
    age_low = models.PositiveSmallIntegerField(null=True, blank=True)
    age_high = models.PositiveSmallIntegerField(null=True, blank=True)
    source = models.TextField()

    class Meta:
        ordering: ClassVar = ["measure", "measurement_year"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["measure", "measurement_year"], name="measure_year_once"),
            models.CheckConstraint(
                condition=Q(star_year=models.F("measurement_year") + 2), name="star_year_two_years_on"
            ),
            models.CheckConstraint(
                condition=Q(age_low=None, age_high=None) | Q(age_high__gte=models.F("age_low")), name="age_band_rises"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.measure.code} MY{self.measurement_year}"


class ValueSetList(models.Model):
    """One list of codes the plan loaded from its own files: what it was, who loaded it, how many codes of what."""

    class Format(TextChoices):
        CSV = "csv", "Our own layout"
        TUVA = "tuva", "Tuva"
        FHIR = "fhir", "FHIR ValueSet"
        PQA = "pqa", "Medication workbook"
        DRUGS = "drugs", "Drug file"

    name = models.CharField(max_length=100, unique=True)
    source_file = models.CharField(max_length=200, help_text="The file's own name, without its path.")
    format = models.CharField(max_length=10, choices=Format.choices)
    version = models.CharField(max_length=60, blank=True)
    measurement_year = models.PositiveSmallIntegerField(
        null=True, blank=True, help_text="The year the list is for; empty where its rows say."
    )
    codes = models.JSONField(help_text="Number of codes by vocabulary.")
    value_sets = models.JSONField(help_text="Number of codes by value set.")
    warnings = models.JSONField(default=list, blank=True)
    content_hash = models.CharField(max_length=64, help_text="SHA-256 of the stored list.")
    imported_by = models.CharField(max_length=150)
    imported_at = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["name"]
        verbose_name = "own code list"
        constraints: ClassVar = [models.CheckConstraint(condition=~Q(name=""), name="value_set_list_has_name")]

    def __str__(self) -> str:
        return self.name

    @property
    def file(self) -> str:
        """Its file in the folder of the plan's own lists."""
        return f"{self.name}.csv"
