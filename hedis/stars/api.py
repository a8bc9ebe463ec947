"""The API's ratings: our own as stored, any contract's as published, the Star years, and what-if."""

import re
from typing import Any

from django.db.models import Prefetch, QuerySet
from django.http import Http404
from django.urls import path
from django_filters import rest_framework as filters
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiParameter,
    extend_schema,
    extend_schema_field,
    extend_schema_serializer,
    extend_schema_view,
)
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter

from hedis.engine.rating_year import RatedAs
from hedis.lib import etag
from hedis.lib.records import One, Records
from hedis.lib.schema import ApiSchema
from hedis.members.models import CONTRACT_NUMBER, Contract
from hedis.stars import what_if
from hedis.stars.models import CutPoint, PublishedContract, Rating, ReferenceYear, StarMeasure


@extend_schema_field({"type": "object", "additionalProperties": True})
class Explanation(serializers.JSONField):
    """A rating and why: measures with score, cut points and star; domains; each rating with every scenario."""


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "A rating of our own",
            value={
                "id": 17, "contract": "H1234", "star_year": 2028, "method_year": 2027, "data_as_of": "2026-09-30",
                "part_c": "3.5", "part_d": "4.0", "overall": "4.0", "rated_at": "2026-10-05T14:12:09.118273Z",
                "rated_by": "rate_contracts",
            },
        )
    ]
)  # fmt: skip
class RatingRow(serializers.Serializer[Any]):
    """A stored rating of one of our contracts. A star is null where there is none; the detail says why."""

    id = serializers.IntegerField()
    contract = serializers.CharField(source="contract.number")
    star_year = serializers.IntegerField()
    method_year = serializers.IntegerField(help_text="The Star year whose cut points and weights were used.")
    data_as_of = serializers.DateField()
    part_c = serializers.DecimalField(max_digits=2, decimal_places=1, allow_null=True)
    part_d = serializers.DecimalField(max_digits=2, decimal_places=1, allow_null=True)
    overall = serializers.DecimalField(max_digits=2, decimal_places=1, allow_null=True)
    rated_at = serializers.DateTimeField()
    rated_by = serializers.CharField()


class RatingDetail(RatingRow):
    """A rating with its method, inputs and explanation."""

    method = serializers.CharField(help_text="Whose method was used and what is missing, in words.")
    generation = serializers.CharField(help_text="Of the claims the gaps were found in; empty without gaps.")
    reference_digest = serializers.CharField()
    digest = serializers.CharField(help_text="SHA-256 over everything that went in.")
    inputs = Explanation(help_text="Scores with numerator and denominator or their source, type, adjustments.")
    explanation = Explanation()


class RatingFilters(filters.FilterSet):
    """Narrow the ratings."""

    contract = filters.ModelChoiceFilter(queryset=Contract.objects.all(), to_field_name="number", label="H-number")
    star_year = filters.NumberFilter(label="Star year", min_value=2000, max_value=2200, decimal_places=0)
    method_year = filters.NumberFilter(label="Star year of the method", min_value=2000, max_value=2200,
                                       decimal_places=0)  # fmt: skip
    data_before = filters.DateFilter(field_name="data_as_of", lookup_expr="lt", label="data as of before")
    data_after = filters.DateFilter(field_name="data_as_of", lookup_expr="gt", label="data as of after")
    rated_since = filters.IsoDateTimeFilter(field_name="rated_at", lookup_expr="gte", label="rated at or after")

    class Meta:
        model = Rating
        fields: tuple[str, ...] = ()


@extend_schema_view(
    list=extend_schema(summary="Stored ratings of our contracts, newest first"),
    retrieve=extend_schema(summary="One stored rating: inputs, every intermediate, and why"),
)
class Ratings(One, Records):
    """Ratings of our own contracts as they stood. They never change."""

    queryset = Rating.objects.all()
    row_class, detail_class = RatingRow, RatingDetail
    filterset_class = RatingFilters
    ordering = ("-rated_at",)
    ordering_fields = ("id", "contract", "star_year", "data_as_of", "rated_at", "overall")
    ordering_columns = {"contract": "contract__number"}
    cursor_key = "id"
    lookup_value_regex = "[0-9]{1,18}"

    def get_queryset(self) -> QuerySet[Rating]:
        return Rating.objects.select_related("contract") if self.detail else Rating.objects.all()


class PublishedRow(serializers.Serializer[Any]):
    """A contract's ratings as CMS published them for one Star year, in the release loaded last."""

    star_year = serializers.IntegerField(source="release.star_year")
    release = serializers.CharField(source="release.name")
    name = serializers.CharField()
    parent_organisation = serializers.CharField(source="parent")
    rated_as = serializers.CharField(help_text="MA-PD, MA-only or PDP.")
    part_c = serializers.DecimalField(max_digits=2, decimal_places=1, allow_null=True)
    part_d = serializers.DecimalField(max_digits=2, decimal_places=1, allow_null=True)
    overall = serializers.DecimalField(max_digits=2, decimal_places=1, allow_null=True)
    messages = serializers.DictField(child=serializers.CharField(), help_text="CMS's words where there is no rating.")


class ContractHistory(serializers.Serializer[Any]):
    """A contract's ratings: our own as stored, and CMS's as published."""

    contract = serializers.CharField()
    own = RatingRow(many=True)
    published = PublishedRow(many=True)


NUMBER = OpenApiParameter("number", OpenApiTypes.STR, OpenApiParameter.PATH, description="The contract, as H1234.")


@extend_schema_view(retrieve=extend_schema(summary="One contract's ratings, own and published", parameters=[NUMBER]))
class ContractRatings(One, Records):
    """Ratings of any contract we have or CMS published."""

    queryset = Rating.objects.all()
    detail_class = ContractHistory

    def get_object(self) -> dict[str, Any]:
        """What there is of the contract; 404 for one that is neither ours nor published."""
        number = str(self.kwargs["number"])
        if not re.fullmatch(CONTRACT_NUMBER, number):
            raise Http404
        own = Rating.objects.filter(contract__number=number)
        published = PublishedContract.objects.current().filter(number=number).select_related("release")
        found = {
            "contract": number,
            "own": list(own.select_related("contract").defer("inputs", "explanation")),
            "published": list(published.order_by("-release__star_year")),
        }
        if not (found["published"] or Contract.objects.filter(number=number).exists()):
            raise Http404
        return found


class StarYearRow(serializers.ModelSerializer[ReferenceYear]):
    """A Star year's reference data, in the version that holds now."""

    status = serializers.CharField(help_text="final, provisional, or announced: changes only.")

    class Meta:
        model = ReferenceYear
        fields = ("star_year", "version", "status", "digest", "loaded_at", "source", "note")


class CutPointRow(serializers.ModelSerializer[CutPoint]):
    """The scores from which 2 to 5 stars are given."""

    class Meta:
        model = CutPoint
        fields = ("measure_id", "contract_type", "two", "three", "four", "five", "source")


class StarMeasureRow(serializers.ModelSerializer[StarMeasure]):
    """A measure's place in a Star year."""

    class Meta:
        model = StarMeasure
        fields = ("measure_id", "key", "name", "domain_id", "domain", "category", "weight", "lower_is_better", "method",
                  "unit", "precision", "new", "duplicate_of", "source")  # fmt: skip


class StarYearDetail(StarYearRow):
    """A Star year with its measures, weights and cut points."""

    measures = StarMeasureRow(source="starmeasures", many=True)
    cut_points = CutPointRow(source="cutpoints", many=True)

    class Meta(StarYearRow.Meta):
        fields = (*StarYearRow.Meta.fields, "measures", "cut_points")  # type: ignore[assignment]


class StarYearFilters(filters.FilterSet):
    """Narrow the Star years."""

    class Meta:
        model = ReferenceYear
        fields = ("status",)


@extend_schema_view(
    list=extend_schema(summary="Star years there is reference data for"),
    retrieve=extend_schema(summary="One Star year: measures, weights, cut points"),
)
class StarYears(One, Records):
    """CMS's reference data by Star year."""

    queryset = ReferenceYear.objects.all()
    row_class, detail_class = StarYearRow, StarYearDetail
    filterset_class = StarYearFilters
    lookup_field = "star_year"
    lookup_value_regex = "[0-9]{4}"
    ordering = ("-star_year",)
    ordering_fields = ("star_year", "status", "loaded_at")

    def get_queryset(self) -> QuerySet[ReferenceYear]:
        current = ReferenceYear.objects.current()
        rows = [Prefetch("starmeasures", StarMeasure.objects.order_by("measure_id")),
                Prefetch("cutpoints", CutPoint.objects.order_by("measure_id", "contract_type"))]  # fmt: skip
        return current.prefetch_related(*rows) if self.detail else current


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "Three scores",
            value={
                "star_year": 2026, "contract_type": "MA-PD", "scores": {"C01": "74", "C02": "71.4", "D08": "88"},
                "stars": {"C22": 4}, "cai_categories": {"overall": 3},
            },
        )
    ]
)  # fmt: skip
class WhatIf(serializers.Serializer[Any]):
    """Scores, or stars where they are known, of a contract that need not exist."""

    star_year = serializers.IntegerField(min_value=2000, max_value=2199)
    contract_type = serializers.ChoiceField([one.value for one in RatedAs])
    scores = serializers.DictField(
        child=serializers.DecimalField(max_digits=10, decimal_places=6), required=False, help_text="By CMS's id."
    )
    stars = serializers.DictField(
        child=serializers.IntegerField(min_value=1, max_value=5),
        required=False,
        help_text="By CMS's id: for survey and improvement measures, whose star a score alone does not give.",
    )
    cai_categories = serializers.DictField(
        child=serializers.IntegerField(min_value=1, max_value=99),
        required=False,
        help_text="Final adjustment category of `part_c`, `part_d`, `overall`; left out: no adjustment.",
    )
    contract_kind = serializers.CharField(
        required=False, max_length=16, help_text="Row of the minimum counts, such as `ccp_no_snp`; left out: unchecked."
    )
    puerto_rico_only = serializers.BooleanField(required=False, default=False)

    def to_internal_value(self, data: Any) -> Any:
        """Refuse a field there is none of: a misspelt `cai_categories` would be a rating without the adjustment."""
        unknown = sorted(set(data) - set(self.fields)) if isinstance(data, dict) else []
        if unknown:
            raise ValidationError(dict.fromkeys(unknown, "There is no such field here."))
        return super().to_internal_value(data)


class WhatIfAnswer(serializers.Serializer[Any]):
    """What the contract would be rated, and why. Nothing is stored."""

    part_c = serializers.CharField(allow_null=True, required=False)
    part_d = serializers.CharField(allow_null=True, required=False)
    overall = serializers.CharField(allow_null=True, required=False)
    explanation = Explanation()


class ComputeSchema(ApiSchema):
    """A POST that computes can be given fields it cannot use."""

    def own_problems(self) -> dict[str, str]:
        return super().own_problems() | {"400": "A measure, score or Star year that cannot be used, named."}


class Compute(Records):
    """What-if ratings. A POST because scores do not fit an address; it stores nothing, so who may read may ask."""

    queryset = Rating.objects.all()
    detail_class = WhatIf
    schema = ComputeSchema()
    stores_nothing = True

    @extend_schema(summary="What if: the rating of given scores", request=WhatIf, responses=WhatIfAnswer)
    def compute(self, request: Request) -> Response:
        """The rating of what was given, with every intermediate."""
        asked = WhatIf(data=request.data)
        asked.is_valid(raise_exception=True)
        given = asked.validated_data
        try:
            explanation = what_if.compute(
                given["star_year"],
                RatedAs(given["contract_type"]),
                what_if.Given(
                    scores=given.get("scores", {}),
                    stars=given.get("stars", {}),
                    cai_categories=given.get("cai_categories", {}),
                    kind=given.get("contract_kind"),
                    puerto_rico_only=given["puerto_rico_only"],
                ),
            )
        except what_if.Unusable as refusal:
            raise ValidationError(refusal.problems) from refusal
        answer = {name: one["star"] for name, one in explanation["ratings"].items()} | {"explanation": explanation}
        return Response(answer, headers={"ETag": etag.of_content(answer)})


router = SimpleRouter()
router.register("ratings", Ratings, basename="ratings")
router.register("star-years", StarYears, basename="star-years")
urlpatterns = [
    path(
        "contracts/<str:number>/ratings/",
        ContractRatings.as_view({"get": "retrieve"}, basename="contract_ratings", detail=True),
        name="contract-ratings",
    ),
    path(
        "ratings/compute/",
        Compute.as_view({"post": "compute"}, basename="ratings_compute", detail=True),
        name="ratings-compute",
    ),
    *router.urls,
]
