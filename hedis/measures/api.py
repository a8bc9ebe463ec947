"""The API's portfolio of measures."""

from django.db.models import Q, QuerySet
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema, extend_schema_field, extend_schema_view
from rest_framework import serializers
from rest_framework.routers import SimpleRouter

from hedis.lib.records import One, Records
from hedis.measures.models import Measure, MeasureYear, ValueSetList


class MeasureYearRow(serializers.ModelSerializer[MeasureYear]):
    """What holds for a measure in one measurement year."""

    class Meta:
        model = MeasureYear
        fields = ("measurement_year", "star_year", "star_measure", "weight", "age_low", "age_high", "source")


class MeasureRow(serializers.ModelSerializer[Measure]):
    """One measure of the portfolio, or a lens over them."""

    class Meta:
        model = Measure
        fields = ("code", "name", "kind", "domain", "steward", "direction", "reversible", "definition_version")


@extend_schema_field({"type": "array", "items": {}})
class Routes(serializers.JSONField):
    """What closes a gap, by route, as the measure's file lists it."""


@extend_schema_field({"type": "object", "additionalProperties": {"type": "integer"}})
class Counts(serializers.JSONField):
    """How many codes, by name."""


class MeasureDetail(MeasureRow):
    """A measure with its purpose, source, evidence routes and years."""

    evidence_routes = Routes()
    years = MeasureYearRow(many=True)

    class Meta(MeasureRow.Meta):
        fields = (*MeasureRow.Meta.fields, "purpose", "source", "evidence_routes", "years")  # type: ignore[assignment]


class MeasureFilters(filters.FilterSet):
    """Narrow the measures."""

    computed = filters.BooleanFilter(method="by_computed", label="the engine runs a definition of it")
    search = filters.CharFilter(method="by_words", label="part of code, name or domain")

    class Meta:
        model = Measure
        fields = ("kind", "direction", "reversible")

    def by_computed(self, queryset: QuerySet[Measure], name: str, value: bool) -> QuerySet[Measure]:
        return queryset.exclude(definition_version="") if value else queryset.filter(definition_version="")

    def by_words(self, queryset: QuerySet[Measure], name: str, value: str) -> QuerySet[Measure]:
        return queryset.filter(Q(code__icontains=value) | Q(name__icontains=value) | Q(domain__icontains=value))


@extend_schema_view(list=extend_schema(summary="Measures"), retrieve=extend_schema(summary="One measure, by code"))
class Measures(One, Records):
    """The portfolio."""

    queryset = Measure.objects.all()
    row_class, detail_class = MeasureRow, MeasureDetail
    filterset_class = MeasureFilters
    lookup_field = "code"
    ordering = ("code",)
    ordering_fields = ("code", "name", "domain")

    def get_queryset(self) -> QuerySet[Measure]:
        return Measure.objects.prefetch_related("years") if self.detail else Measure.objects.all()


class MeasureYearFilters(filters.FilterSet):
    """Narrow the years."""

    class Meta:
        model = MeasureYear
        fields = ("measurement_year", "star_year")


class MeasureYearListRow(MeasureYearRow):
    """A year's row with its measure's code."""

    measure = serializers.CharField(source="measure.code")

    class Meta(MeasureYearRow.Meta):
        fields = ("measure", *MeasureYearRow.Meta.fields)  # type: ignore[assignment]


@extend_schema_view(list=extend_schema(summary="Every measure's years: weight and age band"))
class MeasureYears(Records):
    """What holds for every measure in each year."""

    queryset = MeasureYear.objects.all()
    row_class = MeasureYearListRow
    filterset_class = MeasureYearFilters
    ordering = ("measure__code", "measurement_year")
    ordering_fields = ("measurement_year", "star_year", "weight")

    def get_queryset(self) -> QuerySet[MeasureYear]:
        return MeasureYear.objects.all()


class ValueSetListRow(serializers.ModelSerializer[ValueSetList]):
    """One list of codes the plan loaded from its own files."""

    codes = Counts()
    value_sets = Counts()
    warnings = serializers.ListField(child=serializers.CharField())

    class Meta:
        model = ValueSetList
        fields = ("name", "source_file", "format", "version", "measurement_year", "codes", "value_sets", "warnings",
                  "content_hash", "imported_by", "imported_at")  # fmt: skip


class ValueSetListFilters(filters.FilterSet):
    """Narrow the lists."""

    class Meta:
        model = ValueSetList
        fields = ("measurement_year",)


@extend_schema_view(list=extend_schema(summary="The plan's own code lists: what was loaded, when, by whom"))
class CodeLists(Records):
    """The plan's own code lists; counts, never the licensed codes themselves."""

    queryset = ValueSetList.objects.all()
    row_class = ValueSetListRow
    filterset_class = ValueSetListFilters
    ordering = ("name",)
    ordering_fields = ("name", "imported_at")


router = SimpleRouter()
router.register("measures", Measures, basename="measures")
router.register("measure-years", MeasureYears, basename="measure-years")
router.register("code-lists", CodeLists, basename="code-lists")
urlpatterns = router.urls
