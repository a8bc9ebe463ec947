"""What it is worth: CMS's reference data by Star year, and the ratings CMS published for every contract.

Rows come from reviewed files (`load_star_reference`) and from CMS's tables (`load_star_tables`); nobody edits them.
A changed file or a new release becomes a new version beside the old one, so a rating computed last year can be
explained with last year's figures.
"""

from typing import ClassVar

from django.db import models
from django.db.models import Q

from hedis.stars.own_models import EnteredScore as EnteredScore
from hedis.stars.own_models import Rating as Rating
from hedis.stars.own_models import Snapshot as Snapshot

STAR = [1, 2, 3, 4, 5]


class Column(models.TextChoices):
    """CMS's columns of thresholds and adjustment values."""

    PART_C = "part_c", "Part C"
    PART_D_MAPD = "part_d_mapd", "Part D, MA-PD"
    PART_D_PDP = "part_d_pdp", "Part D, PDP"
    OVERALL = "overall", "Overall"


class ReferenceYearQuerySet(models.QuerySet["ReferenceYear"]):
    """Questions about the reference data."""

    def current(self) -> "ReferenceYearQuerySet":
        """The version of each Star year that holds now."""
        return self.filter(is_current=True)


class ReferenceYear(models.Model):
    """One version of one Star year's reference data. `digest` is the SHA-256 over the year's rows."""

    class Status(models.TextChoices):
        FINAL = "final", "Final"
        PROVISIONAL = "provisional", "Provisional"
        ANNOUNCED = "announced", "Announced changes only"

    star_year = models.PositiveSmallIntegerField("Star year")
    version = models.PositiveSmallIntegerField()
    status = models.CharField(max_length=12, choices=Status.choices)
    is_current = models.BooleanField("current")
    digest = models.CharField(max_length=64)
    loaded_at = models.DateTimeField()
    loaded_by = models.CharField(max_length=150)
    rules = models.JSONField(default=dict, help_text="Reward factor, disaster share, guardrails and other rules.")
    source = models.TextField(blank=True)
    note = models.TextField(blank=True)

    objects = ReferenceYearQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["-star_year", "-version"]
        verbose_name = "Star year"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["star_year", "version"], name="reference_version_once"),
            models.UniqueConstraint(
                fields=["star_year"], condition=Q(is_current=True), name="reference_one_current_a_year"
            ),
            models.CheckConstraint(
                condition=Q(status__in=["final", "provisional", "announced"]), name="reference_status_known"
            ),
        ]

    def __str__(self) -> str:
        return f"Star year {self.star_year}, version {self.version}"


class ReferenceRow(models.Model):
    """What every reference row has: its Star year's version, and its source."""

    reference = models.ForeignKey(
        ReferenceYear, on_delete=models.CASCADE, related_name="%(class)ss", verbose_name="Star year"
    )
    source = models.TextField()

    class Meta:
        abstract = True


class StarMeasure(ReferenceRow):
    """A measure in a Star year: weight, direction, rounding, rules that concern it."""

    measure_id = models.CharField("CMS id", max_length=4)
    key = models.CharField(max_length=12, help_text="Stays the same when CMS's id shifts.")
    name = models.CharField(max_length=120)
    domain_id = models.CharField(max_length=4)
    domain = models.CharField(max_length=120)
    category = models.CharField(max_length=24)
    weight = models.PositiveSmallIntegerField()
    lower_is_better = models.BooleanField()
    method = models.CharField(max_length=12)
    precision = models.DecimalField(
        max_digits=7, decimal_places=6, help_text="Scores are rounded half up to this step."
    )
    unit = models.CharField(max_length=40, blank=True)
    new = models.BooleanField(help_text="New or re-specified: weight 1, hold harmless in a disaster.")
    disaster = models.CharField(max_length=10, help_text="Which year's disasters it is adjusted for.")
    duplicate_of = models.CharField(max_length=4, blank=True, help_text="Counted once in the overall rating.")
    puerto_rico_zero = models.BooleanField("no weight in Puerto Rico")
    in_improvement = models.BooleanField(null=True)
    correlation = models.DecimalField(max_digits=7, decimal_places=6, null=True)
    required_of = models.JSONField(default=list)

    class Meta:
        ordering: ClassVar = ["reference", "measure_id"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["reference", "measure_id"], name="star_measure_once"),
            models.UniqueConstraint(fields=["reference", "key"], name="star_measure_key_once"),
        ]

    def __str__(self) -> str:
        return f"{self.measure_id} {self.name}"


class CutPoint(ReferenceRow):
    """The scores from which 2 to 5 stars are given."""

    measure_id = models.CharField("CMS id", max_length=4)
    contract_type = models.CharField(max_length=5)
    two = models.DecimalField("2 stars", max_digits=10, decimal_places=6)
    three = models.DecimalField("3 stars", max_digits=10, decimal_places=6)
    four = models.DecimalField("4 stars", max_digits=10, decimal_places=6)
    five = models.DecimalField("5 stars", max_digits=10, decimal_places=6)

    class Meta:
        ordering: ClassVar = ["reference", "measure_id", "contract_type"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["reference", "measure_id", "contract_type"], name="cut_point_once"),
        ]

    def __str__(self) -> str:
        return f"{self.measure_id} {self.contract_type}"


class RewardThreshold(ReferenceRow):
    """The percentiles of means and variances that decide the reward factor in one scenario."""

    rating = models.CharField(max_length=12, choices=Column.choices)
    improvement = models.BooleanField()
    new_measures = models.BooleanField()
    mean_65 = models.DecimalField("mean, 65th", max_digits=7, decimal_places=6)
    mean_85 = models.DecimalField("mean, 85th", max_digits=7, decimal_places=6)
    variance_30 = models.DecimalField("variance, 30th", max_digits=7, decimal_places=6)
    variance_70 = models.DecimalField("variance, 70th", max_digits=7, decimal_places=6)

    class Meta:
        ordering: ClassVar = ["reference", "rating", "-improvement", "-new_measures"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["reference", "rating", "improvement", "new_measures"], name="reward_threshold_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.rating}, improvement {self.improvement}, new measures {self.new_measures}"


class CaiValue(ReferenceRow):
    """The Categorical Adjustment Index of a final adjustment category."""

    rating = models.CharField(max_length=12, choices=Column.choices)
    category = models.PositiveSmallIntegerField()
    value = models.DecimalField(max_digits=7, decimal_places=6)

    class Meta:
        ordering: ClassVar = ["reference", "rating", "category"]
        verbose_name = "CAI value"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["reference", "rating", "category"], name="cai_value_once"),
        ]

    def __str__(self) -> str:
        return f"{self.rating} category {self.category}"


class CaiCell(ReferenceRow):
    """From which shares of LIS/DE and disabled beneficiaries a contract is in which category."""

    rating = models.CharField(max_length=12, choices=Column.choices)
    lis_de_group = models.PositiveSmallIntegerField("LIS/DE group")
    lis_de_from = models.DecimalField("LIS/DE from %", max_digits=9, decimal_places=6)
    disability_group = models.PositiveSmallIntegerField()
    disability_from = models.DecimalField("disability from %", max_digits=9, decimal_places=6)
    category = models.PositiveSmallIntegerField()

    class Meta:
        ordering: ClassVar = ["reference", "rating", "lis_de_group", "disability_group"]
        verbose_name = "CAI cell"
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["reference", "rating", "lis_de_group", "disability_group"], name="cai_cell_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.rating} L{self.lis_de_group} D{self.disability_group}"


class MinimumCount(ReferenceRow):
    """How many rated measures a contract of a kind needs for a rating, domain or improvement measure."""

    rating = models.CharField(max_length=16)
    contract_kind = models.CharField(max_length=16)
    minimum = models.PositiveSmallIntegerField()
    required = models.PositiveSmallIntegerField()

    class Meta:
        ordering: ClassVar = ["reference", "rating", "contract_kind"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["reference", "rating", "contract_kind"], name="minimum_count_once"),
        ]

    def __str__(self) -> str:
        return f"{self.rating} {self.contract_kind}: {self.minimum} of {self.required}"


class CahpsStar(ReferenceRow):
    """CMS's matrix: base group, distance from its edge, significance and reliability to the CAHPS star."""

    base_group = models.PositiveSmallIntegerField()
    distance = models.CharField(max_length=8)
    significance = models.CharField(max_length=8)
    low_reliability = models.BooleanField()
    star = models.PositiveSmallIntegerField()

    class Meta:
        ordering: ClassVar = ["reference", "base_group", "distance", "significance", "low_reliability"]
        verbose_name = "CAHPS star"
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["reference", "base_group", "distance", "significance", "low_reliability"],
                name="cahps_star_once",
            ),
            models.CheckConstraint(condition=Q(star__in=STAR, base_group__in=STAR), name="cahps_star_range"),
        ]

    def __str__(self) -> str:
        return f"group {self.base_group}: {self.star} stars"


class MeasureChange(ReferenceRow):
    """What changes in a Star year: measures added, removed, re-specified."""

    key = models.CharField(max_length=12)
    change = models.CharField(max_length=12)
    note = models.TextField()

    class Meta:
        ordering: ClassVar = ["reference", "change", "key"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["reference", "key", "change"], name="measure_change_once"),
        ]

    def __str__(self) -> str:
        return f"{self.key} {self.change}"


class ReleaseQuerySet(models.QuerySet["Release"]):
    """Questions about published tables."""

    def current(self) -> "ReleaseQuerySet":
        """The release of each Star year loaded last."""
        return self.filter(is_current=True)


class Release(models.Model):
    """One release of CMS's tables: a Star year may have several. `digest` is the SHA-256 over the tables read."""

    star_year = models.PositiveSmallIntegerField("Star year")
    name = models.CharField(max_length=80)
    is_current = models.BooleanField("current")
    digest = models.CharField(max_length=64)
    loaded_at = models.DateTimeField()
    loaded_by = models.CharField(max_length=150)
    contract_count = models.PositiveIntegerField("contracts")
    star_count = models.PositiveIntegerField("measure stars")

    objects = ReleaseQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["-star_year", "-loaded_at"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["star_year", "digest"], name="release_once"),
            models.UniqueConstraint(
                fields=["star_year"], condition=Q(is_current=True), name="release_one_current_a_year"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.star_year} {self.name}"


class PublishedContractQuerySet(models.QuerySet["PublishedContract"]):
    """Questions about published contracts."""

    def current(self) -> "PublishedContractQuerySet":
        """Contracts as the current release of each Star year has them."""
        return self.filter(release__is_current=True)

    def for_year(self, star_year: int) -> "PublishedContractQuerySet":
        """The current release's contracts of a Star year."""
        return self.current().filter(release__star_year=star_year)


class PublishedContract(models.Model):
    """A contract as CMS published it in one release: any plan's, not only our own."""

    release = models.ForeignKey(Release, on_delete=models.CASCADE, related_name="contracts")
    number = models.CharField(max_length=5)
    organisation_type = models.CharField(max_length=60)
    name = models.CharField(max_length=160)
    marketing_name = models.CharField(max_length=160)
    parent = models.CharField("parent organisation", max_length=160)
    rated_as = models.CharField(max_length=8)
    snp = models.BooleanField("SNP")
    puerto_rico_only = models.BooleanField()
    disaster_current = models.DecimalField("disaster %, measurement year", max_digits=5, decimal_places=2)
    disaster_previous = models.DecimalField("disaster %, year before", max_digits=5, decimal_places=2)
    cai_categories = models.JSONField("CAI categories", default=dict)
    part_c = models.DecimalField("Part C", max_digits=2, decimal_places=1, null=True)
    part_d = models.DecimalField("Part D", max_digits=2, decimal_places=1, null=True)
    overall = models.DecimalField(max_digits=2, decimal_places=1, null=True)
    messages = models.JSONField(default=dict, help_text="CMS's words where there is no rating.")

    objects = PublishedContractQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["number", "-release"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["release", "number"], name="published_contract_once"),
            models.CheckConstraint(
                condition=Q(rated_as__in=["MA-PD", "MA-only", "PDP"]), name="published_contract_type_known"
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["number"], name="published_contract_number")]

    def __str__(self) -> str:
        return f"{self.number} {self.name}"


class PublishedStar(models.Model):
    """A contract's published score and star of one measure, or CMS's words where there is none."""

    contract = models.ForeignKey(PublishedContract, on_delete=models.CASCADE, related_name="stars")
    measure_id = models.CharField("CMS id", max_length=4)
    star = models.PositiveSmallIntegerField(null=True)
    score = models.DecimalField(max_digits=10, decimal_places=6, null=True)
    message = models.CharField(max_length=80, blank=True)

    class Meta:
        ordering: ClassVar = ["contract", "measure_id"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["contract", "measure_id"], name="published_star_once"),
            models.CheckConstraint(condition=Q(star=None) | Q(star__in=STAR), name="published_star_range"),
        ]

    def __str__(self) -> str:
        return f"{self.measure_id}: {self.star or self.message}"
