"""What a plan is paid by county: figures entered or imported, which supersede and never change (triggers see to it)."""

from typing import ClassVar

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Lower

from hedis.members.models import Contract
from interventions.county_file import LONGEST_NAME, PLACES
from interventions.money import HIGHEST_MONTHLY, HIGHEST_RISK_SCORE, County


def monthly(name: str, **options: object) -> models.DecimalField:
    """Dollars per member and month at risk score 1."""
    return models.DecimalField(name, max_digits=9, decimal_places=PLACES["bid"], **options)  # type: ignore[arg-type]


def possible(name: str) -> Q:
    """An amount above 0 that is not beyond the highest."""
    return Q(**{f"{name}__gt": 0, f"{name}__lte": HIGHEST_MONTHLY})


class CountyFiguresQuerySet(models.QuerySet["CountyFigures"]):
    """Questions about counties' figures."""

    def standing(self) -> "CountyFiguresQuerySet":
        """Figures that nothing has superseded and nobody withdrew."""
        return self.filter(superseded_at=None)

    def of(self, contract: Contract, payment_year: int) -> "CountyFiguresQuerySet":
        """The figures of a contract for a payment year, those that stand and those before them."""
        return self.filter(contract=contract, payment_year=payment_year)


class CountyFigures(models.Model):
    """One county's figures of a contract and payment year, as `money.County` has them.

    A correction supersedes: `superseded_at` is set and another row stands. Withdrawn is superseded without another.
    """

    contract = models.ForeignKey(Contract, on_delete=models.PROTECT, related_name="county_figures")
    payment_year = models.PositiveSmallIntegerField()
    name = models.CharField("county", max_length=LONGEST_NAME)
    base = monthly("base benchmark", help_text="Dollars a month without a quality bonus.")
    fee_for_service = monthly("fee-for-service cost", help_text="Dollars a month in original Medicare.")
    bid = monthly("bid", help_text="Dollars a month.")
    member_months = models.DecimalField(
        max_digits=12, decimal_places=PLACES["member_months"], help_text="Of the payment year."
    )
    risk_score = models.DecimalField(
        max_digits=8, decimal_places=PLACES["risk_score"], help_text="Mean of the county's members."
    )
    double_county = models.BooleanField("double bonus", default=False, help_text="A qualifying county.")
    cap = monthly(
        "cap", null=True, blank=True, help_text="Amount before the Affordable Care Act; empty: it does not bind."
    )
    source = models.CharField(max_length=200, help_text="Where the figures come from, such as the bid's worksheet.")
    entered_at = models.DateTimeField()
    entered_by = models.CharField(max_length=150)
    superseded_at = models.DateTimeField(null=True)

    objects = CountyFiguresQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["contract", "-payment_year", "name", "-entered_at", "-id"]
        verbose_name = "county’s figures"
        verbose_name_plural = "counties’ figures"
        constraints: ClassVar = [
            models.UniqueConstraint(
                "contract", "payment_year", Lower("name"), condition=Q(superseded_at=None), name="county_one_stands"
            ),
            models.CheckConstraint(
                condition=possible("base") & possible("fee_for_service") & possible("bid"),
                name="county_amounts_possible",
            ),
            models.CheckConstraint(
                condition=Q(cap=None) | possible("cap") & Q(cap__gte=F("base")), name="county_cap_not_below_base"
            ),
            models.CheckConstraint(
                condition=Q(risk_score__gt=0, risk_score__lte=HIGHEST_RISK_SCORE), name="county_risk_score_possible"
            ),
            models.CheckConstraint(condition=Q(member_months__gte=0), name="county_months_not_negative"),
            models.CheckConstraint(condition=~Q(name="") & ~Q(source=""), name="county_has_name_and_source"),
        ]

    def __str__(self) -> str:
        return f"{self.name}, {self.contract.number} {self.payment_year}"

    def as_county(self) -> County:
        """The figures as the arithmetic takes them."""
        return County(
            self.name, self.base, self.fee_for_service, self.bid, self.member_months, self.risk_score,
            double_county=self.double_county, cap=self.cap,
        )  # fmt: skip
