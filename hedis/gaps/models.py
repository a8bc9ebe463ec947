"""What is missing: gaps in care, every step they took, and the counts each finding run left."""

from datetime import date, timedelta
from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Cast, NullIf

from hedis.accounts import roles
from hedis.measures.models import Measure
from hedis.members.models import Contract, Member


class Status(models.TextChoices):
    """The exchange layer: what a payer and a provider tell each other (Da Vinci DEQM gap status codes)."""

    OPEN = "open-gap", "Open"
    CLOSED = "closed-gap", "Closed"
    PROSPECTIVE = "prospective-gap", "Prospective"
    NOT_APPLICABLE = "not-applicable", "Not applicable"


class Work(models.TextChoices):
    """The work layer: what the care team is doing about it."""

    OPEN = "open", "To do"
    OUTREACH = "outreach_in_progress", "Outreach in progress"
    APPOINTMENT = "appointment_made", "Appointment made"
    REPORTED = "service_reported", "Service reported by member"
    PENDING = "evidence_pending", "Evidence in review"
    REJECTED = "evidence_rejected", "Evidence rejected"
    REFUSED = "refused", "Refused"
    UNREACHABLE = "unable_to_reach", "Unable to reach"
    REOPENED = "reopened", "Reopened"
    CLOSED_CLAIM = "closed_by_claim", "Closed by claim"
    CLOSED_STANDARD = "closed_by_standard_supplemental", "Closed by standard supplemental data"
    CLOSED_NON_STANDARD = "closed_by_non_standard_supplemental", "Closed by non-standard supplemental data"
    EXCLUDED = "excluded", "Excluded"
    GONE = "deceased_or_disenrolled", "Deceased or disenrolled"
    UNCLOSABLE = "unclosable", "Cannot be closed this year"


UNMET = (Status.OPEN, Status.PROSPECTIVE)
# A result can be a report of many pages; a gap shows its beginning.
LONGEST_VALUE = 80


class AdherenceClass(models.TextChoices):
    """Where a member stands on the proportion of days covered, as a care manager should hear it."""

    NOT_YET_IN = "not_yet_in", "One fill so far: not counted yet"
    LOCKED_IN = "locked_in", "Covered for the year by what is on hand"
    SAFE = "safe", "On track"
    AT_RISK = "at_risk", "At risk"
    LAST_CHANCE = "last_chance", "Last chance to refill"
    LATE_REFILL = "late_refill", "Refill is late"
    UNSALVAGEABLE = "unsalvageable", "Can no longer reach the goal this year"
    EXCLUDED = "excluded", "Excluded"


# Who may still be met at year's end, but not without a refill soon.
SLIPPING = (AdherenceClass.AT_RISK, AdherenceClass.LAST_CHANCE, AdherenceClass.LATE_REFILL)


class GapQuerySet(models.QuerySet["Gap"]):
    """Questions about gaps."""

    def visible_to(self, user: Any) -> "GapQuerySet":
        """Gaps of the members this user may see."""
        if user.has_perm(roles.WHOLE_PLAN):
            return self
        return self.filter(member__in=Member.objects.visible_to(user))

    def for_year(self, year: int) -> "GapQuerySet":
        """Gaps of one measurement year."""
        return self.filter(year=year)

    def open(self) -> "GapQuerySet":
        """Not met: open, or prospective while the year still runs."""
        return self.filter(status__in=UNMET)

    def assigned_to(self, user: Any) -> "GapQuerySet":
        """Gaps one person answers for."""
        return self.filter(assigned_to=user.pk)

    def for_list(self) -> "GapQuerySet":
        """With everything a list row shows, in one query."""
        return self.select_related(
            "member", "member__contact_preference", "measure", "contract", "assigned_to", "adherence"
        )

    def contact_within(self, today: date, days: int) -> "GapQuerySet":
        """A contact still counts, and must be made in so many days."""
        return self.filter(contact_by__range=(today, today + timedelta(days=days)))

    def too_late(self, today: date) -> "GapQuerySet":
        """Unmet, and no contact can close it any more. Not those whose supply on hand will do it without one."""
        passed = self.open().filter(Q(contact_by=None) | Q(contact_by__lt=today))
        return passed.exclude(adherence__adherence_class=AdherenceClass.LOCKED_IN)


class Gap(models.Model):
    """One member, one measure, one measurement year: whether care is missing, why, and who is on it."""

    member = models.ForeignKey(Member, on_delete=models.CASCADE, related_name="gaps")
    measure = models.ForeignKey(Measure, on_delete=models.PROTECT, related_name="gaps")
    year = models.PositiveSmallIntegerField("measurement year")
    contract = models.ForeignKey(Contract, on_delete=models.PROTECT, null=True, blank=True, related_name="gaps")
    status = models.CharField(max_length=20, choices=Status.choices)
    work_status = models.CharField(max_length=40, choices=Work.choices, default=Work.OPEN)
    reason_code = models.CharField(max_length=40, blank=True, help_text="Da Vinci DEQM reason code.")
    reason = models.TextField(blank=True, help_text="The missing event and its window, in words.")
    evidence_date = models.DateField(null=True, blank=True)
    evidence_value = models.CharField(max_length=LONGEST_VALUE, blank=True)
    evidence_route = models.CharField(max_length=120, blank=True)
    supplemental_only = models.BooleanField(default=False)
    star_eligible = models.BooleanField(
        default=True, help_text="Of an age the Star measure counts; CMS adopts new ages later than the steward."
    )
    exclusion = models.CharField(max_length=160, blank=True)
    exclusion_date = models.DateField(null=True, blank=True)
    data_as_of = models.DateField("data as of")
    closable_until = models.DateField()
    contact_by = models.DateField(
        "contact by",
        null=True,
        blank=True,
        help_text="The last day on which contacting the member can still close the gap: until then an appointment can "
        "be had and its result arrives, or a refill keeps the goal in reach. None where nothing is missing, where "
        "nothing can close it any more, or where what is on hand meets the goal without a contact.",
    )
    definition_version = models.CharField(max_length=20)
    assigned_to = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="assigned_gaps"
    )
    version = models.PositiveIntegerField(default=1)
    found_at = models.DateTimeField(auto_now_add=True)
    changed_at = models.DateTimeField(auto_now=True)

    objects = GapQuerySet.as_manager()

    class Meta:
        verbose_name = "gap in care"
        verbose_name_plural = "gaps in care"
        ordering: ClassVar = ["contact_by", "id"]
        permissions: ClassVar = [("assign_gap", "Can hand gaps to another person")]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["member", "measure", "year"], name="gap_once_a_year"),
            models.CheckConstraint(condition=Q(status__in=Status.values), name="gap_status_known"),
            models.CheckConstraint(condition=Q(work_status__in=Work.values), name="gap_work_status_known"),
            # An excluded member is never an open gap.
            models.CheckConstraint(
                condition=Q(exclusion="") | Q(status=Status.NOT_APPLICABLE), name="gap_excluded_never_open"
            ),
            models.CheckConstraint(condition=~Q(status__in=UNMET) | ~Q(reason=""), name="gap_unmet_says_why"),
            models.CheckConstraint(
                condition=Q(contact_by=None) | Q(status__in=UNMET, contact_by__lte=F("closable_until")),
                name="gap_contact_while_unmet_and_closable",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["assigned_to", "contact_by", "id"], condition=Q(status__in=UNMET), name="gap_queue"),
            models.Index(fields=["year", "measure", "contract", "status"], name="gap_counts"),
            models.Index(fields=["year", "status", "contact_by", "id"], name="gap_list"),
            models.Index(fields=["contact_by", "id"], name="gap_due"),
            models.Index(fields=["changed_at"], name="gap_sync"),
            models.Index(fields=["year", "contact_by", "id"], condition=Q(status__in=UNMET), name="gap_unmet"),
        ]

    def __str__(self) -> str:
        return f"{self.measure.code} {self.year} of member {self.member.label}"

    @property
    def is_unmet(self) -> bool:
        """Care is still missing."""
        return self.status in UNMET

    @property
    def status_words(self) -> str:
        """The status as people should read it: a reversible measure is never "closed" before the year ends."""
        if self.status == Status.CLOSED and self.measure.reversible and self.data_as_of < date(self.year, 12, 31):
            return "Met today"
        return self.get_status_display()

    def can_be_reached(self, today: date) -> bool:
        """Whether a contact on this day can still close the gap."""
        return self.contact_by is not None and self.contact_by >= today


class Adherence(models.Model):
    """How many days of the treatment period a member of a PDC measure was covered, and what can still be done.

    `treatment_days` and `covered_days` are counted from the first fill of the year to the day the data stands at;
    `missable_days` and `last_chance_date` look ahead to `treatment_end`. How: docs/pdc.md.
    """

    gap = models.OneToOneField(Gap, on_delete=models.CASCADE, primary_key=True, related_name="adherence")
    treatment_start = models.DateField()
    treatment_end = models.DateField(help_text="The last day of the year that counts for this member.")
    treatment_days = models.PositiveSmallIntegerField(
        help_text="So far, without days in hospital or skilled nursing facility."
    )
    covered_days = models.PositiveSmallIntegerField()
    pdc = models.GeneratedField(
        expression=Cast("covered_days", models.DecimalField(max_digits=9, decimal_places=2))
        * 100
        / NullIf("treatment_days", 0),
        output_field=models.DecimalField(max_digits=5, decimal_places=2),
        db_persist=True,
        help_text="Proportion of days covered, in percent, rounded to show; the goal is judged on the days.",
    )
    missable_days = models.SmallIntegerField(help_text="Days that may still be missed; below 0: the goal is lost.")
    refill_due = models.DateField(null=True, help_text="The first day without medication on hand.")
    last_chance_date = models.DateField(
        null=True,
        help_text="A fill after this day is too late for the goal; none where none is needed or none helps.",
    )
    adherence_class = models.CharField("class", max_length=20, choices=AdherenceClass.choices)

    class Meta:
        verbose_name_plural = "adherence"
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(adherence_class__in=AdherenceClass.values), name="adherence_class_known"
            ),
            models.CheckConstraint(
                condition=Q(covered_days__lte=F("treatment_days"), treatment_end__gte=F("treatment_start")),
                name="adherence_days_add_up",
            ),
            models.CheckConstraint(
                condition=(Q(missable_days__gte=0) & ~Q(adherence_class=AdherenceClass.UNSALVAGEABLE))
                | Q(missable_days__lt=0, last_chance_date=None),
                name="adherence_lost_has_no_chance_left",
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["adherence_class"], name="adherence_by_class")]

    def __str__(self) -> str:
        return f"{self.covered_days} of {self.treatment_days} days"


class Transition(models.Model):
    """One step of a gap, in either layer. Append-only."""

    gap = models.ForeignKey(Gap, on_delete=models.CASCADE, related_name="transitions")
    from_status = models.CharField(max_length=20, blank=True)
    to_status = models.CharField(max_length=20, choices=Status.choices)
    from_work_status = models.CharField(max_length=40, blank=True)
    to_work_status = models.CharField(max_length=40, choices=Work.choices)
    by = models.CharField(max_length=150)
    at = models.DateTimeField()
    why = models.TextField(blank=True)

    class Meta:
        ordering: ClassVar = ["at", "id"]
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(to_status__in=Status.values), name="transition_status_known"),
            models.CheckConstraint(condition=Q(to_work_status__in=Work.values), name="transition_work_status_known"),
        ]

    def __str__(self) -> str:
        return f"{self.from_work_status or 'found'} → {self.to_work_status}"


class FindingRun(models.Model):
    """One run over a measurement year: from which data, as of when, by whom."""

    year = models.PositiveSmallIntegerField()
    data_as_of = models.DateField()
    generation = models.CharField(max_length=40)
    found_by = models.CharField(max_length=150)
    found_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering: ClassVar = ["-id"]

    def __str__(self) -> str:
        return f"MY{self.year} as of {self.data_as_of}"


class MeasureCountQuerySet(models.QuerySet["MeasureCount"]):
    """Questions about rates. Counts are stored at finding time; pages never group live gaps."""

    def latest(self, year: int | None = None) -> "MeasureCountQuerySet":  # type: ignore[override]
        """Counts of the newest run of a year; of the newest year when none is given."""
        runs = FindingRun.objects.filter(year=year) if year else FindingRun.objects.all()
        newest = runs.order_by("-year", "-id").values("id")[:1]
        return self.filter(run_id__in=newest).select_related("run", "measure", "contract")


class Counted(models.Model):
    """Counts of a measure: its eligible population, its numerator, and both of the ages that the Star measure counts.

    The last two are unknown only of runs made before they were kept.
    """

    eligible = models.PositiveIntegerField()
    excluded = models.PositiveIntegerField()
    denominator = models.PositiveIntegerField()
    numerator = models.PositiveIntegerField()
    star_denominator = models.PositiveIntegerField(null=True)
    star_numerator = models.PositiveIntegerField(null=True)
    definition_version = models.CharField(max_length=20)

    class Meta:
        abstract = True

    @property
    def open(self) -> int:
        """Members of the denominator whose care is missing."""
        return self.denominator - self.numerator

    @property
    def rate(self) -> float | None:
        """Percent, unrounded; None where the denominator is empty."""
        return 100 * self.numerator / self.denominator if self.denominator else None


# What every row of counts keeps.
ADDS_UP = Q(eligible=F("denominator") + F("excluded"), numerator__lte=F("denominator"))
STARS_WITHIN = Q(
    star_denominator__lte=F("denominator"), star_numerator__lte=F("star_denominator"),
) & Q(star_numerator__lte=F("numerator"))  # fmt: skip


class MeasureCount(Counted):
    """Numerator and denominator of a measure in a contract, as one run found them."""

    run = models.ForeignKey(FindingRun, on_delete=models.CASCADE, related_name="counts")
    measure = models.ForeignKey(Measure, on_delete=models.PROTECT, related_name="counts")
    contract = models.ForeignKey(Contract, on_delete=models.PROTECT, null=True, blank=True, related_name="counts")

    objects = MeasureCountQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["measure__code", "contract__number"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["run", "measure", "contract"], name="measure_count_once", nulls_distinct=False
            ),
            models.CheckConstraint(condition=ADDS_UP, name="measure_count_adds_up"),
            models.CheckConstraint(condition=STARS_WITHIN, name="measure_count_stars_within"),
        ]

    def __str__(self) -> str:
        return f"{self.measure.code} {self.contract or ''} {self.numerator}/{self.denominator}"


class MeasureReading(Counted):
    """What the counts were on a past day, as known then, read from today's warehouse. No gap is touched by it.

    Of a day read twice the newest stands.
    """

    year = models.PositiveSmallIntegerField("measurement year")
    data_as_of = models.DateField()
    measure = models.ForeignKey(Measure, on_delete=models.PROTECT, related_name="readings")
    contract = models.ForeignKey(Contract, on_delete=models.PROTECT, null=True, blank=True, related_name="readings")
    generation = models.CharField(max_length=40)
    read_by = models.CharField(max_length=150)
    read_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering: ClassVar = ["year", "data_as_of", "measure__code", "contract__number"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["year", "data_as_of", "measure", "contract"], name="measure_reading_once", nulls_distinct=False
            ),
            models.CheckConstraint(condition=ADDS_UP, name="measure_reading_adds_up"),
            models.CheckConstraint(condition=STARS_WITHIN, name="measure_reading_stars_within"),
        ]

    def __str__(self) -> str:
        return f"{self.measure.code} {self.contract or ''} {self.data_as_of} {self.numerator}/{self.denominator}"


class ClosureMonth(models.Model):
    """How many members of a Star measure were met by care of one month, known so many months later. No member is named.

    Each member of the numerator counts once, with the care by which the measure was first known to be met.
    `service_month` 0: care of before the year, its lag counted from January. Of each year and measure the newest
    data's counts alone are kept; a measure whose last value decides has none.
    """

    year = models.PositiveSmallIntegerField("measurement year")
    data_as_of = models.DateField()
    measure = models.ForeignKey(Measure, on_delete=models.PROTECT, related_name="closure_months")
    contract = models.ForeignKey(Contract, on_delete=models.PROTECT, null=True, related_name="closure_months")
    service_month = models.PositiveSmallIntegerField()
    lag = models.PositiveSmallIntegerField(help_text="Months from the service to its receipt.")
    members = models.PositiveIntegerField()

    class Meta:
        ordering: ClassVar = ["year", "measure__code", "contract__number", "service_month", "lag"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["year", "measure", "contract", "service_month", "lag"], name="closure_month_once",
                nulls_distinct=False,
            ),
            models.CheckConstraint(condition=Q(service_month__lte=12, members__gt=0), name="closure_month_is_one"),
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"{self.measure.code} {self.year}-{self.service_month:02d} after {self.lag} months: {self.members}"
