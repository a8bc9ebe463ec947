"""The API of money: what ratings are worth, and counties' figures to read and to enter. No member in them."""

from collections.abc import Sequence
from decimal import Decimal
from http import HTTPStatus
from typing import Any

from django.urls import path
from django_filters import rest_framework as filters
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_serializer, extend_schema_view
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter

from hedis.accounts.idempotency import idempotent
from hedis.lib.records import Records
from hedis.members.models import Contract
from interventions import counties, outlook, valuing
from interventions.api_rows import Exact, amount
from interventions.models import CountyFigures
from interventions.money import ImpossibleInput, cents
from interventions.outlook_api import Figures, PortfolioFilters
from interventions.valuing import Money, NoFigures, Step


def money(**options: Any) -> serializers.DecimalField:
    """Dollars of a year to the cent; below 0 where a rating falls."""
    return serializers.DecimalField(16, 2, coerce_to_string=False, **options)


class RatingWorth(serializers.Serializer[Any]):
    """A year's payment at a rating."""

    stars = serializers.DecimalField(max_digits=2, decimal_places=1)
    payment = money()


class StepWorth(serializers.Serializer[Any]):
    """Half a star more: what it changes in the year it pays, and what of that is worth today."""

    before = serializers.DecimalField(max_digits=2, decimal_places=1)
    after = serializers.DecimalField(max_digits=2, decimal_places=1)
    change = money(help_text="A year.")
    by_bonus = money()
    by_rebate_share = money()
    whole_bonus = money(help_text="What a calculator books that forgets the rebate share.")
    present = money(help_text="The change, discounted.")
    chance = serializers.FloatField(allow_null=True, help_text="Of that rating or better, erring apart.")
    chance_together = serializers.FloatField(allow_null=True)
    to_win = money(allow_null=True, help_text="Of `present`, what is not expected anyway.")


class MoneyRow(serializers.Serializer[Any]):
    """A contract in dollars of the year its measurement year pays in; null where no county or rating is known."""

    contract = serializers.CharField()
    year = serializers.IntegerField(help_text="Measurement year.")
    data_as_of = serializers.DateField(allow_null=True)
    payment_year = serializers.IntegerField(allow_null=True, help_text="The year that pays.")
    figures_of = serializers.IntegerField(
        allow_null=True, help_text="The payment year the counties' figures are of; an earlier one stands in."
    )
    counties = serializers.IntegerField()
    discount_rate = serializers.DecimalField(max_digits=5, decimal_places=4, allow_null=True)
    rating = serializers.DecimalField(max_digits=2, decimal_places=1, allow_null=True, help_text="Today's.")
    today = money(allow_null=True, help_text="A year at today's rating.")
    expected = money(allow_null=True, help_text="A year over the projected chances, erring apart.")
    expected_together = money(allow_null=True)
    present = money(allow_null=True, help_text="`expected`, discounted.")
    at_risk = money(allow_null=True, help_text="A year: what ending below today's rating costs, times its chance.")
    ratings = RatingWorth(many=True)
    steps = StepWorth(many=True)
    missing = serializers.CharField(allow_blank=True, help_text="Why figures are missing.")


class MoneyFilters(PortfolioFilters):
    """Narrow the contracts."""

    class Meta(PortfolioFilters.Meta):
        model = CountyFigures  # type: ignore[assignment]


@extend_schema_view(list=extend_schema(summary="What each rating of a contract is worth"))
class PortfolioMoney(Figures):
    """Contracts of a measurement year in dollars: each rating, each half star, the expected payment."""

    queryset = CountyFigures.objects.all()  # type: ignore[assignment]
    row_class = MoneyRow
    filterset_class = MoneyFilters

    def rows_of(self, asked: dict[str, Any]) -> Sequence[Any]:
        """The contracts; only those of the page are projected."""
        self.year = asked["year"] or 0
        contracts = outlook.stamped(self.year)
        return list(contracts.filter(pk=asked["contract"].pk) if asked["contract"] else contracts)

    def shown(self, rows: Sequence[Any]) -> Sequence[dict[str, Any]]:
        return super().shown([row_of(one) for one in valuing.of_contracts(rows, self.year)])


def row_of(found: Money | NoFigures) -> dict[str, Any]:
    """A contract as the row has it."""
    row: dict[str, Any] = dict.fromkeys(MoneyRow().fields) | {"contract": found.contract, "year": found.year}
    if isinstance(found, NoFigures):
        return row | {"counties": 0, "ratings": [], "steps": [], "missing": "No county's figures are stored."}
    figures = found.figures
    return row | {
        "data_as_of": found.outlook.data_as_of if found.outlook else None, "payment_year": figures.payment_year,
        "figures_of": figures.of_year, "counties": len(figures.counties), "discount_rate": figures.rules.discount_rate,
        "rating": found.rating, "today": exact(found.today), "expected": exact(found.expected),
        "expected_together": exact(found.expected_shared), "present": exact(found.present(found.expected)),
        "at_risk": exact(found.at_risk),
        "ratings": [{"stars": star, "payment": cents(paid)} for star, paid in found.values.items()],
        "steps": [step_row(one) for one in found.steps], "missing": found.why,
    }  # fmt: skip


def step_row(one: Step) -> dict[str, Any]:
    """A step as the row has it."""
    moved = one.moved
    return {
        "before": moved.before, "after": moved.after, "change": cents(moved.change), "by_bonus": cents(moved.by_bonus),
        "by_rebate_share": cents(moved.by_rebate_share), "whole_bonus": cents(moved.whole_bonus),
        "present": cents(one.present), "chance": one.chance, "chance_together": one.shared, "to_win": exact(one.to_win),
    }  # fmt: skip


def exact(dollars: Decimal | None) -> Decimal | None:
    """To the cent."""
    return None if dollars is None else cents(dollars)


EXAMPLE = {
    "contract": "H1234", "payment_year": 2029, "name": "Adams", "base": 1050, "fee_for_service": 1000, "bid": 900,
    "member_months": 120000, "risk_score": 1.1, "double_county": False, "cap": None, "source": "bid of June 2028",
}  # fmt: skip


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "A county",
            value={
                "id": 41, **EXAMPLE, "entered_at": "2028-06-05T09:00:00Z", "entered_by": "ben", "superseded_at": None,
            },
        )
    ]
)  # fmt: skip
class CountyRow(serializers.Serializer[Any]):
    """One county's figures of a contract and payment year, in dollars a member and month at risk score 1."""

    id = serializers.IntegerField()
    contract = serializers.CharField(source="contract.number")
    payment_year = serializers.IntegerField()
    name = serializers.CharField()
    base = amount(9, 4, help_text="Benchmark without a quality bonus.")
    fee_for_service = amount(9, 4, help_text="Cost in original Medicare.")
    bid = amount(9, 4)
    member_months = amount(12, 2)
    risk_score = amount(8, 6)
    double_county = serializers.BooleanField()
    cap = amount(9, 4, allow_null=True, help_text="null: it does not bind.")
    source = serializers.CharField()  # type: ignore[assignment]
    entered_at = serializers.DateTimeField()
    entered_by = serializers.CharField()
    superseded_at = serializers.DateTimeField(allow_null=True, help_text="null: these figures count.")


@extend_schema_serializer(examples=[OpenApiExample("A county", value=EXAMPLE)])
class NewCounty(Exact):
    """One county's figures; those that stood for it are superseded, other counties stay."""

    contract = serializers.SlugRelatedField("number", queryset=Contract.objects.all())
    payment_year = serializers.IntegerField(min_value=2000, max_value=counties.LAST_YEAR)
    name = serializers.CharField(max_length=100)
    base = amount(9, 4)
    fee_for_service = amount(9, 4)
    bid = amount(9, 4)
    member_months = amount(12, 2)
    risk_score = amount(8, 6)
    double_county = serializers.BooleanField()
    cap = amount(9, 4, required=False, allow_null=True)
    source = serializers.CharField(max_length=counties.LONGEST_SOURCE)  # type: ignore[assignment]


class CountyFilters(filters.FilterSet):
    """Narrow the counties."""

    contract = filters.ModelChoiceFilter(queryset=Contract.objects.all(), to_field_name="number", label="H-number")
    payment_year = filters.NumberFilter(min_value=1900, max_value=2200, decimal_places=0)
    standing = filters.BooleanFilter(
        field_name="superseded_at", lookup_expr="isnull", label="whether the figures count, not superseded or withdrawn"
    )

    class Meta:
        model = CountyFigures
        fields: tuple[str, ...] = ()


@extend_schema_view(
    list=extend_schema(summary="Counties' payment figures, also those superseded"),
    create=extend_schema(summary="Enter a county's figures", request=NewCounty, responses={201: CountyRow}),
)
class Counties(Records):
    """What a contract is paid by county. Figures never change: a correction supersedes."""

    queryset = CountyFigures.objects.all()
    row_class = detail_class = CountyRow
    filterset_class = CountyFilters
    ordering = ("-id",)
    ordering_fields = ("id", "name", "payment_year", "entered_at")

    @idempotent
    def create(self, request: Request, **kwargs: Any) -> Response:
        """Keep the figures; the same again changes nothing."""
        sent = NewCounty(data=request.data)
        sent.is_valid(raise_exception=True)
        given = sent.validated_data
        try:
            kept = counties.enter(
                counties.county_of(given), given["contract"], given["payment_year"], source=given["source"],
                by=request.user,
            )  # fmt: skip
        except ImpossibleInput as refusal:
            raise ValidationError({"county": str(refusal)}) from refusal
        except counties.UnusableFigures as refusal:
            raise ValidationError({refusal.field: refusal.reason}) from refusal
        return Response(CountyRow(kept).data, status=HTTPStatus.CREATED)


router = SimpleRouter()
router.register("counties", Counties, basename="counties")
urlpatterns = [
    path(
        "portfolio/money/",
        PortfolioMoney.as_view({"get": "list"}, basename="portfolio_money", detail=False),
        name="portfolio-money",
    ),
    *router.urls,
]
