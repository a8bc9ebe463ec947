"""Our own plan: scores people entered, ratings computed from them and from the gaps, and frozen totals.

None of these rows ever changes: a rating that was reported must be found again as it was. Triggers see to it
(migration 0002); a corrected score supersedes the old one, which stays.
"""

from decimal import Decimal
from typing import Any, ClassVar

from django.db import models
from django.db.models import Q

from hedis.gaps.models import FindingRun
from hedis.members.models import Contract

HALF_STARS = [Decimal(half) / 2 for half in range(2, 11)]


class EnteredScoreQuerySet(models.QuerySet["EnteredScore"]):
    """Questions about entered scores."""

    def standing(self) -> "EnteredScoreQuerySet":
        """Scores that nothing has superseded."""
        return self.filter(superseded_at=None)


class EnteredScore(models.Model):
    """A measure score our product does not compute: CAHPS, HOS, call centre, complaints and others.

    `key` is the measure's lasting key: CMS's ids shift when the Star year's list is published.
    """

    contract = models.ForeignKey(Contract, on_delete=models.PROTECT, related_name="entered_scores")
    star_year = models.PositiveSmallIntegerField("Star year")
    measure_id = models.CharField("CMS id", max_length=4)
    key = models.CharField("lasting key", max_length=12)
    score = models.DecimalField(max_digits=10, decimal_places=6)
    source = models.CharField(max_length=200, help_text="Where the score comes from, such as the vendor's report.")
    entered_at = models.DateTimeField()
    entered_by = models.CharField(max_length=150)
    superseded_at = models.DateTimeField(null=True)

    objects = EnteredScoreQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["contract", "-star_year", "measure_id", "-entered_at"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["contract", "star_year", "key"],
                condition=Q(superseded_at=None),
                name="entered_score_one_stands",
            ),
            models.CheckConstraint(condition=~Q(source=""), name="entered_score_has_source"),
        ]

    def __str__(self) -> str:
        return f"{self.contract.number} {self.star_year} {self.measure_id}"


def half_star_or_none(name: str) -> Q:
    """A star of 1 to 5 in halves, or none."""
    return Q(**{name: None}) | Q(**{f"{name}__in": HALF_STARS})


class Rating(models.Model):
    """A rating of one of our contracts as it stood: what went in, how it was computed, what came out and why.

    Where CMS has not published the Star year, `method_year` is the one whose cut points and weights were used, and
    `method` says so in words. `digest` is the SHA-256 over everything that went in.
    """

    contract = models.ForeignKey(Contract, on_delete=models.PROTECT, related_name="ratings")
    star_year = models.PositiveSmallIntegerField("Star year")
    method_year = models.PositiveSmallIntegerField("method of Star year")
    method = models.TextField(help_text="Whose measures, cut points, weights and adjustments were used, in words.")
    data_as_of = models.DateField("data as of")
    finding_run = models.ForeignKey(FindingRun, on_delete=models.PROTECT, null=True, related_name="ratings")
    generation = models.CharField(max_length=40, blank=True, help_text="Of the claims the gaps were found in.")
    reference_digest = models.CharField(max_length=64, help_text="Of the reference data of the method's Star year.")
    part_c = models.DecimalField("Part C", max_digits=2, decimal_places=1, null=True)
    part_d = models.DecimalField("Part D", max_digits=2, decimal_places=1, null=True)
    overall = models.DecimalField(max_digits=2, decimal_places=1, null=True)
    inputs = models.JSONField()
    explanation = models.JSONField()
    digest = models.CharField(max_length=64, unique=True)
    rated_at = models.DateTimeField()
    rated_by = models.CharField(max_length=150)

    class Meta:
        ordering: ClassVar = ["-rated_at", "-id"]
        constraints: ClassVar = [
            models.CheckConstraint(condition=half_star_or_none(name), name=f"rating_{name}_in_halves")
            for name in ("part_c", "part_d", "overall")
        ]
        indexes: ClassVar = [models.Index(fields=["contract", "star_year", "-rated_at"], name="rating_newest")]

    def __str__(self) -> str:
        return f"{self.contract.number} Star year {self.star_year}, data as of {self.data_as_of}"

    @property
    def measures(self) -> list[dict[str, Any]]:
        """The measures that have a star, as the explanation has them."""
        return [one for one in self.explanation["measures"] if one["star"] is not None]


class Snapshot(models.Model):
    """The portfolio's totals on one day: members, gaps by measure and status, ratings."""

    measurement_year = models.PositiveSmallIntegerField()
    star_year = models.PositiveSmallIntegerField("Star year")
    as_of = models.DateField()
    totals = models.JSONField()
    digest = models.CharField(max_length=64, unique=True)
    taken_at = models.DateTimeField()
    taken_by = models.CharField(max_length=150)

    class Meta:
        ordering: ClassVar = ["-as_of", "-id"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(star_year=models.F("measurement_year") + 2), name="snapshot_star_year_two_years_on"
            ),
        ]

    def __str__(self) -> str:
        return f"MY{self.measurement_year} as of {self.as_of}"
