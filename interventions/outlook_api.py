"""The API's figures of the portfolio: where each contract stands, its gaps counted, and equity. No member in them."""

from collections.abc import Sequence
from typing import Any

from django.db.models import Case, CharField, Count, FilteredRelation, Q, Value, When
from django.urls import path
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from hedis.gaps.models import Gap, MeasureCount, Status
from hedis.lib.filtering import KnownFilters, unusable
from hedis.lib.records import Records
from hedis.measures.models import Measure
from hedis.members.models import Contract
from interventions import equity_lens, outlook
from interventions.equity import Split, StratumRate
from interventions.equity_lens import MeasureStrata
from interventions.outlook import Missing, Outlook
from predictions.models import ModelVersion, Tier

NOT_SCORED = ""


class Figure(serializers.Serializer[Any]):
    """A figure with its 95 % interval."""

    value = serializers.FloatField()
    low = serializers.FloatField()
    high = serializers.FloatField()


class Chance(serializers.Serializer[Any]):
    """A rating and its chance, 0 to 1: where the measures err apart, and where they err together."""

    stars = serializers.DecimalField(max_digits=2, decimal_places=1)
    apart = serializers.FloatField()
    together = serializers.FloatField()


class PastProjections(serializers.Serializer[Any]):
    """How projections of past years did: each made at this time of its year, from the years before it alone."""

    years = serializers.ListField(child=serializers.IntegerField(), help_text="The years it rests on.")
    enough = serializers.BooleanField(help_text="Whether the years are enough to judge an interval by.")
    by_method = serializers.DictField(
        child=serializers.FloatField(),
        source="errors",
        help_text="Root mean squared error of each method, as a share of 1.",
    )
    error = serializers.FloatField(allow_null=True, help_text="Of the blend.")
    loss = serializers.FloatField(allow_null=True, help_text="Mean pinball loss of the 10 % and 90 % quantiles.")
    covered = serializers.FloatField(allow_null=True, help_text="Share of the years that ended within the interval.")


class MeasureProjection(serializers.Serializer[Any]):
    """A measure today and at year's end. Rates are percent as CMS publishes them."""

    id = serializers.CharField(help_text="Of the Star measure, in the method's year.")
    measure = serializers.CharField(source="code")
    name = serializers.CharField()
    weight = serializers.IntegerField()
    numerator = serializers.IntegerField(source="met")
    denominator = serializers.IntegerField()
    rate_today = serializers.FloatField()
    rate = serializers.FloatField(help_text="Expected at year's end.")
    low = serializers.FloatField(help_text="Lower end of the 80 % interval.")
    high = serializers.FloatField()
    star_today = serializers.IntegerField()
    chances = serializers.ListField(source="odds", child=serializers.FloatField(), help_text="Of 1 to 5 stars.")
    expected_stars = serializers.FloatField()
    next_star = serializers.IntegerField(allow_null=True)
    closures = serializers.IntegerField(allow_null=True, help_text="Still to close for the next star.")
    closable = serializers.IntegerField(help_text="Members a contact can still close.")
    methods = serializers.DictField(child=serializers.FloatField(), help_text="Share of each forecast in the blend.")
    notes = serializers.ListField(child=serializers.CharField())
    past = PastProjections(source="verdict")


class SummaryRow(serializers.Serializer[Any]):
    """A contract: today, at year's end, and the measure nearest to its next star."""

    contract = serializers.CharField()
    year = serializers.IntegerField(help_text="Measurement year; the Star year is two later.")
    data_as_of = serializers.DateField(allow_null=True)
    method_year = serializers.IntegerField(allow_null=True, help_text="The Star year whose method was used.")
    rating = serializers.CharField(help_text="The rating the contract is known by.")
    today = serializers.DecimalField(max_digits=2, decimal_places=1, allow_null=True)
    expected = serializers.FloatField(allow_null=True, help_text="Expected stars, where the measures err apart.")
    expected_together = serializers.FloatField(allow_null=True)
    chances = Chance(many=True)
    nearest = MeasureProjection(allow_null=True, help_text="Fewest closures to its next star.")
    measures = MeasureProjection(many=True)
    left_out = serializers.DictField(child=serializers.CharField(), help_text="Measures not projected, and why.")
    not_rated = serializers.CharField(allow_blank=True, help_text="Why there is no rating or no outlook.")


class GapCountRow(serializers.Serializer[Any]):
    """How many gaps of a contract and measure have a status and a tier."""

    contract = serializers.CharField(allow_null=True)
    measure = serializers.CharField()
    year = serializers.IntegerField()
    status = serializers.ChoiceField(Status.choices)
    tier = serializers.ChoiceField(
        [*Tier.choices, (NOT_SCORED, "Not scored by a model in force")], allow_blank=True
    )  # fmt: skip
    gaps = serializers.IntegerField()


class OutreachSteps(serializers.Serializer[Any]):
    """Members in need, and each step as a share of the one before."""

    in_need = serializers.IntegerField(allow_null=True)
    offered = Figure(allow_null=True)
    reached = Figure(allow_null=True)
    closed = Figure(allow_null=True)
    withheld = serializers.CharField(allow_blank=True)


class EquityRow(serializers.Serializer[Any]):
    """A stratum of a measure in one contract; shares of 1. What is withheld is null and says why."""

    contract = serializers.CharField()
    year = serializers.IntegerField()
    measure = serializers.CharField()
    by = serializers.ChoiceField(equity_lens.BY)
    level = serializers.CharField(allow_blank=True, help_text="Empty: not known.")
    reference = serializers.CharField(allow_blank=True, help_text="The stratum compared with.")
    numerator = serializers.IntegerField(allow_null=True)
    denominator = serializers.IntegerField(allow_null=True)
    rate = Figure(allow_null=True)
    gap = Figure(allow_null=True, help_text="Rate less the reference's.")
    ratio = serializers.FloatField(allow_null=True)
    closures = serializers.IntegerField(allow_null=True, help_text="To reach the reference's rate.")
    gap_within_practices = serializers.FloatField(allow_null=True)
    gap_between_practices = serializers.FloatField(allow_null=True)
    outreach = OutreachSteps(allow_null=True)
    withheld = serializers.CharField(allow_blank=True)


class PortfolioFilters(filters.FilterSet):
    """What every list of figures can be narrowed by."""

    contract = filters.ModelChoiceFilter(queryset=Contract.objects.all(), to_field_name="number", label="H-number")
    year = filters.NumberFilter(
        label="measurement year; the newest when not given", min_value=1900, max_value=2200, decimal_places=0
    )

    class Meta:
        model = MeasureCount
        fields: tuple[str, ...] = ()


class GapCountFilters(PortfolioFilters):
    """Narrow the counts."""

    measure = filters.ModelChoiceFilter(queryset=Measure.objects.all(), to_field_name="code", label="measure code")
    status = filters.ChoiceFilter(choices=Status.choices)
    tier = filters.ChoiceFilter(choices=Tier.choices, label="tier of the prediction in force")


class EquityFilters(PortfolioFilters):
    """Narrow the strata."""

    measure = filters.ModelChoiceFilter(queryset=Measure.objects.all(), to_field_name="code", label="measure code")
    by = filters.ChoiceFilter(choices=[(name, name) for name in equity_lens.BY], label="characteristic")


class Figures(Records):
    """A paged list of computed rows. Opened by the permission that opens the rates; no member is in it."""

    queryset = MeasureCount.objects.all()
    filter_backends = (KnownFilters,)  # type: ignore[assignment]
    filterset_class: type[filters.FilterSet]

    def list(self, request: Request, **kwargs: Any) -> Response:
        """A page of rows. A parameter that is no filter of this list is refused, not ignored."""
        page = self.paginate_queryset(self.rows_of(self.asked(request)))
        return self.get_paginated_response(self.shown(page or []))

    def asked(self, request: Request) -> dict[str, Any]:
        """The filters' values, None where not given; the year is the newest by default. Raises ValidationError."""
        told = self.filterset_class(request.query_params, queryset=MeasureCount.objects.none())
        errors: dict[str, Any] = unusable(request, told.base_filters)
        if "ordering" in request.query_params:
            errors["ordering"] = "This list has one order."
        if errors or not told.is_valid():
            raise ValidationError(errors or told.errors)
        values = {name: value or None for name, value in told.form.cleaned_data.items()}
        year = values["year"]
        return {**values, "year": int(year) if year else outlook.newest_year()}

    def rows_of(self, asked: dict[str, Any]) -> Sequence[Any]:
        """Every row; only a page of them is shown."""
        raise AssertionError("a list of figures has rows")

    def shown(self, rows: Sequence[Any]) -> Sequence[dict[str, Any]]:
        """A page's rows as the row class has them."""
        return [dict(row) for row in self.row_class(rows, many=True).data]


@extend_schema_view(list=extend_schema(summary="Where each contract stands and where it will end the year"))
class Summary(Figures):
    """Contracts of a measurement year with their projection, chances of each rating, and next star."""

    row_class = SummaryRow
    filterset_class = PortfolioFilters

    def rows_of(self, asked: dict[str, Any]) -> Sequence[Any]:
        """The contracts; only those of the page are projected."""
        self.year = asked["year"]
        contracts = outlook.stamped(self.year or 0)
        return list(contracts.filter(pk=asked["contract"].pk) if asked["contract"] else contracts)

    def shown(self, rows: Sequence[Any]) -> Sequence[dict[str, Any]]:
        return super().shown([summary_of(one) for one in outlook.of_contracts(rows, self.year)])


def summary_of(found: Outlook | Missing) -> dict[str, Any]:
    """A contract's outlook as the row has it; of one without an outlook the reason alone."""
    told = {"contract": found.contract, "year": found.year}
    if isinstance(found, Missing):
        return {**told, "data_as_of": None, "method_year": None, "rating": "", "today": None, "expected": None,
                "expected_together": None, "chances": [], "nearest": None, "measures": [], "left_out": {},
                "not_rated": found.why}  # fmt: skip
    stars = sorted({*found.independent, *found.shared})
    return {
        **told, "data_as_of": found.data_as_of, "method_year": found.method_year, "rating": found.part,
        "today": found.today, "expected": found.expected, "expected_together": found.expected_shared,
        "chances": [{"stars": star, "apart": found.independent.get(star, 0.0), "together": found.shared.get(star, 0.0)}
                    for star in stars],
        "nearest": found.nearest, "measures": found.measures, "left_out": found.left_out,
        "not_rated": found.not_rated,
    }  # fmt: skip


@extend_schema_view(list=extend_schema(summary="Gaps counted by contract, measure, status and tier"))
class GapCounts(Figures):
    """Counts of the gaps as they are now, with the tier of the model in force."""

    row_class = GapCountRow
    filterset_class = GapCountFilters

    def rows_of(self, asked: dict[str, Any]) -> Sequence[Any]:
        models = list(ModelVersion.objects.deployed().values_list("pk", flat=True))
        scored = FilteredRelation("predictions", condition=Q(predictions__model__in=models))
        gaps = Gap.objects.for_year(asked["year"] or 0).annotate(
            scored=scored,
            tier_now=Case(
                When(scored__tier__isnull=False, then="scored__tier"),
                default=Value(NOT_SCORED), output_field=CharField(),
            ),
        )  # fmt: skip
        names = {"contract": "contract", "measure": "measure", "status": "status", "tier": "tier_now"}
        gaps = gaps.filter(**{column: asked[name] for name, column in names.items() if asked[name]})
        columns = ("contract__number", "measure__code", "year", "status", "tier_now")
        return list(gaps.order_by(*columns).values_list(*columns).annotate(gaps=Count("pk", distinct=True)))

    def shown(self, rows: Sequence[Any]) -> Sequence[dict[str, Any]]:
        return [dict(zip(("contract", "measure", "year", "status", "tier", "gaps"), row, strict=True)) for row in rows]


@extend_schema_view(
    list=extend_schema(
        summary="Rates and outreach by stratum, small cells withheld",
        description="Contracts are never added up: a total beside its parts would give withheld cells away.",
    )
)
class Equity(Figures):
    """Strata of each contract and measure against a reference stratum."""

    row_class = EquityRow
    filterset_class = EquityFilters

    def rows_of(self, asked: dict[str, Any]) -> Sequence[Any]:
        measure = asked["measure"].code if asked["measure"] else None
        contracts = [asked["contract"].number] if asked["contract"] else None
        year = asked["year"] or 0
        kinds = (asked["by"],) if asked["by"] else equity_lens.BY
        return [
            equity_row(one, row, by, year)
            for by in kinds
            for one in equity_lens.read(by, year, contracts=contracts, measure=measure)
            for row in one.found.rows
        ]


def equity_row(one: MeasureStrata, row: StratumRate, by: str, year: int) -> dict[str, Any]:
    """One stratum as the row has it."""
    split: Split | None = one.splits.get(row.level)
    return {
        "contract": one.contract, "year": year, "measure": one.code, "by": by, "level": row.level,
        "reference": one.found.reference, "numerator": row.numerator, "denominator": row.denominator,
        "rate": row.rate, "gap": row.gap, "ratio": row.ratio, "closures": row.closures,
        "gap_within_practices": float(split.within) if split else None,
        "gap_between_practices": float(split.between) if split else None,
        "outreach": one.outreach.get(row.level), "withheld": row.withheld,
    }  # fmt: skip


urlpatterns = [
    path(
        "portfolio/summary/",
        Summary.as_view({"get": "list"}, basename="portfolio_summary", detail=False),
        name="portfolio-summary",
    ),
    path(
        "portfolio/gaps/",
        GapCounts.as_view({"get": "list"}, basename="portfolio_gaps", detail=False),
        name="portfolio-gaps",
    ),
    path("equity/", Equity.as_view({"get": "list"}, basename="equity", detail=False), name="equity-list"),
]
