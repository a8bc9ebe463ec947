"""What is known: which import made the warehouse as it stands."""

from typing import Any, ClassVar

from django.db import models
from django.db.models import Q


class ImportBatchQuerySet(models.QuerySet["ImportBatch"]):
    """Questions about imports."""

    def current(self) -> "ImportBatch | None":
        """The batch whose generation of the warehouse is in force; None before the first import."""
        return self.exclude(generation="").order_by("-id").first()


class ImportBatch(models.Model):
    """One run of an importer. Its row, committed last, is what makes its warehouse generation the current one."""

    class Source(models.TextChoices):
        TUVA = "tuva", "Tuva input layer"
        FHIR = "fhir", "FHIR R4 resources"
        SUPPLEMENTAL = "supplemental", "Supplemental data files"

    source = models.CharField(max_length=20, choices=Source.choices)
    folder = models.CharField(max_length=200, help_text="The folder's own name, without its path.")
    content_hash = models.CharField(max_length=64)
    generation = models.CharField(max_length=40)
    counts = models.JSONField(default=dict, help_text="Per table: read, loaded, duplicates, quarantined.")
    quarantine = models.CharField(max_length=400, blank=True, help_text="File of refused rows, under DATA_DIR.")
    latest_service_date = models.DateField(null=True, blank=True)
    deliveries = models.JSONField(
        default=list,
        help_text="Per source: rows of the newest month that is over, and of the same month a year before and of the "
        "month before when those were as new. Over the whole generation.",
    )
    imported_by = models.CharField(max_length=150)
    imported_at = models.DateTimeField(auto_now_add=True)

    objects = ImportBatchQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["-id"]
        verbose_name_plural = "import batches"
        constraints: ClassVar = [models.CheckConstraint(condition=~Q(generation=""), name="batch_has_generation")]

    def __str__(self) -> str:
        return f"{self.get_source_display()} {self.folder} {self.imported_at:%Y-%m-%d %H:%M}"

    def total(self, what: str) -> int:
        """Rows of all tables that were "read", "loaded", "duplicates" or "quarantined"."""
        counts: dict[str, dict[str, Any]] = self.counts
        return sum(int(table[what]) for table in counts.values())
