"""Whom: contracts, providers, members as pseudonyms, their enrolment and attribution."""

from datetime import date
from typing import Any, ClassVar

from django.conf import settings
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import F, Q

from hedis.accounts import roles

CONTRACT_NUMBER = r"^[A-Z][0-9]{4}$"
PSEUDONYM = r"^[0-9a-f]{64}$"
NPI = r"^[0-9]{10}$"


class Contract(models.Model):
    """A contract with CMS: the thing that is rated."""

    class PlanType(models.TextChoices):
        HMO = "hmo", "HMO"
        HMO_POS = "hmo_pos", "HMO-POS"
        LOCAL_PPO = "local_ppo", "Local PPO"
        REGIONAL_PPO = "regional_ppo", "Regional PPO"
        PFFS = "pffs", "PFFS"
        MSA = "msa", "MSA"
        COST = "cost", "1876 Cost"
        PDP = "pdp", "PDP"
        UNKNOWN = "", "Not stated"

    class SnpKind(models.TextChoices):
        NONE = "", "No SNP"
        DUAL = "dual", "D-SNP"
        CHRONIC = "chronic", "C-SNP"
        INSTITUTIONAL = "institutional", "I-SNP"

    number = models.CharField(max_length=5, unique=True, validators=[RegexValidator(CONTRACT_NUMBER)])
    name = models.CharField(max_length=120, blank=True)
    organisation = models.CharField(max_length=120, blank=True)
    parent_organisation = models.CharField(max_length=120, blank=True)
    plan_type = models.CharField(max_length=20, choices=PlanType.choices, blank=True)
    snp_kind = models.CharField("SNP kind", max_length=20, choices=SnpKind.choices, blank=True)
    puerto_rico_only = models.BooleanField(default=False)

    class Meta:
        ordering: ClassVar = ["number"]
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(number__regex=CONTRACT_NUMBER), name="contract_number_shape"),
        ]

    def __str__(self) -> str:
        return f"{self.number} {self.name}".strip()


class Provider(models.Model):
    """A practitioner members are attributed to."""

    npi = models.CharField("NPI", max_length=10, unique=True, validators=[RegexValidator(NPI)])
    name = models.CharField(max_length=120, blank=True)
    practice = models.CharField(max_length=120, blank=True, db_index=True)

    class Meta:
        ordering: ClassVar = ["practice", "name", "npi"]
        constraints: ClassVar = [models.CheckConstraint(condition=Q(npi__regex=NPI), name="provider_npi_shape")]

    def __str__(self) -> str:
        return self.name or f"NPI {self.npi}"


class MemberQuerySet(models.QuerySet["Member"]):
    """Questions about members."""

    def visible_to(self, user: Any) -> "MemberQuerySet":
        """The members this user may see: the whole plan, the team's panels, or the own panel."""
        if user.has_perm(roles.WHOLE_PLAN):
            return self
        if user.has_perm(roles.TEAM_PANEL):
            # An empty team is no team: it must not match everybody else who has none.
            in_team = Q(care_manager__team=user.team) & ~Q(care_manager__team="")
            return self.filter(Q(care_manager=None) | in_team)
        return self.filter(care_manager=user.pk)

    def active(self) -> "MemberQuerySet":
        """Members enrolled now, as the last import told."""
        return self.filter(active=True)


class Member(models.Model):
    """A person, as a pseudonym. The plan's id is never here: `members.pseudonyms` turns it into this one."""

    class Sex(models.TextChoices):
        FEMALE = "female", "Female"
        MALE = "male", "Male"
        UNKNOWN = "unknown", "Not stated"

    pseudonym = models.CharField(max_length=64, unique=True, validators=[RegexValidator(PSEUDONYM)])
    key_version = models.PositiveSmallIntegerField()
    birth_year = models.PositiveSmallIntegerField()
    sex = models.CharField(max_length=10, choices=Sex.choices, default=Sex.UNKNOWN)
    low_income_subsidy = models.BooleanField("low-income subsidy (LIS)", default=False)
    dual_status_code = models.CharField(max_length=2, blank=True, help_text="CMS dual status code.")
    original_reason_code = models.CharField(
        "original reason for entitlement (OREC)",
        max_length=1,
        blank=True,
        help_text="CMS: 0 age, 1 disability, 2 ESRD, 3 disability and ESRD.",
    )
    language = models.CharField(max_length=40, blank=True)
    active = models.BooleanField(default=True)
    first_seen_date = models.DateField()
    deceased_date = models.DateField(null=True, blank=True)
    care_manager = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="panel"
    )

    objects = MemberQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["id"]
        permissions: ClassVar = [
            ("view_whole_plan", "Can see the members of every panel"),
            ("view_team_panel", "Can see the panels of the own team"),
        ]
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(pseudonym__regex=PSEUDONYM), name="member_pseudonym_shape"),
            models.CheckConstraint(condition=Q(birth_year__gte=1880), name="member_birth_year_possible"),
        ]

    def __str__(self) -> str:
        return self.label

    @property
    def label(self) -> str:
        """The first twelve digits, grouped for reading aloud: enough to tell members of one plan apart."""
        return " ".join(self.pseudonym[start : start + 4] for start in (0, 4, 8))

    @property
    def is_dual(self) -> bool:
        """Entitled to Medicare and Medicaid: CMS dual status 01–06 and 08."""
        return self.dual_status_code.zfill(2) in {"01", "02", "03", "04", "05", "06", "08"}

    @property
    def is_disabled(self) -> bool:
        """Originally entitled by disability (OREC 1 or 3)."""
        return self.original_reason_code in {"1", "3"}

    def age_on(self, day: date) -> int:
        """Age reached in the year of `day`: only the birth year is kept here."""
        return day.year - self.birth_year


class Enrolment(models.Model):
    """A span of membership, both days inclusive; no end means it goes on."""

    member = models.ForeignKey(Member, on_delete=models.CASCADE, related_name="enrolments")
    contract = models.ForeignKey(Contract, on_delete=models.PROTECT, null=True, blank=True, related_name="enrolments")
    plan_benefit_package = models.CharField("plan benefit package (PBP)", max_length=3, blank=True)
    start_date = models.DateField()
    end_date = models.DateField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["start_date", "id"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(end_date=None) | Q(end_date__gte=F("start_date")), name="enrolment_ends_after_start"
            ),
            models.UniqueConstraint(
                fields=["member", "contract", "plan_benefit_package", "start_date"],
                name="enrolment_once",
                nulls_distinct=False,
            ),
        ]

    def __str__(self) -> str:
        return f"{self.contract or 'No contract'} {self.start_date} – {self.end_date or 'open'}"


class Attribution(models.Model):
    """Which provider answers for a member, from when to when."""

    member = models.ForeignKey(Member, on_delete=models.CASCADE, related_name="attributions")
    provider = models.ForeignKey(Provider, on_delete=models.PROTECT, related_name="attributions")
    start_date = models.DateField()
    end_date = models.DateField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["start_date", "id"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(end_date=None) | Q(end_date__gte=F("start_date")), name="attribution_ends_after_start"
            ),
            models.UniqueConstraint(fields=["member"], condition=Q(end_date=None), name="attribution_one_now"),
        ]

    def __str__(self) -> str:
        return f"{self.provider} since {self.start_date}"


class ContactPreference(models.Model):
    """How and when a member wants to be reached."""

    class Channel(models.TextChoices):
        PHONE = "phone", "Telephone"
        TEXT = "text", "Text message"
        MAIL = "mail", "Letter"
        PORTAL = "portal", "Member portal"

    member = models.OneToOneField(Member, on_delete=models.CASCADE, related_name="contact_preference")
    channel = models.CharField(max_length=10, choices=Channel.choices, default=Channel.PHONE)
    best_times = models.CharField(max_length=120, blank=True, help_text="In words: weekday mornings, not Fridays.")
    do_not_call = models.BooleanField(default=False)

    def __str__(self) -> str:
        return "Do not call" if self.do_not_call else self.get_channel_display()
