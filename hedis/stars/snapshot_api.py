"""The API's snapshots: the list, one with its totals, what changed between two, and the next one."""

from datetime import date
from http import HTTPStatus
from typing import Any

from django.db.models import QuerySet
from django.urls import path, reverse
from django.utils import timezone
from django_filters import rest_framework as filters
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_field, extend_schema_view
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from hedis.accounts.idempotency import idempotent
from hedis.lib.filtering import KnownFilters, unusable
from hedis.lib.problem import Conflict
from hedis.lib.records import One, Records
from hedis.lib.schema import ApiSchema
from hedis.members.models import Contract
from hedis.stars import rating, snapshot_rows, snapshots
from hedis.stars.models import Snapshot


@extend_schema_field({"type": "object", "additionalProperties": True})
class Totals(serializers.JSONField):
    """Members, gaps, ratings, and rows of a key and a value of every other part."""


class SnapshotRow(serializers.ModelSerializer[Snapshot]):
    """When it was taken, and of which year."""

    class Meta:
        model = Snapshot
        fields = ("id", "measurement_year", "star_year", "as_of", "taken_at", "taken_by", "digest")


class SnapshotDetail(SnapshotRow):
    """A snapshot with its frozen totals."""

    totals = serializers.SerializerMethodField(
        help_text="Members, gaps by status, ratings, gaps by tier, the projected year's end; for who sees money, value."
    )

    class Meta(SnapshotRow.Meta):
        fields = (*SnapshotRow.Meta.fields, "totals")  # type: ignore[assignment]

    @extend_schema_field(Totals)
    def get_totals(self, snapshot: Snapshot) -> dict[str, Any]:
        return snapshots.totals_for(snapshot, self.context["request"].user)


@extend_schema_field({"type": ["number", "integer", "string", "null"]})
class Figure(serializers.JSONField):
    """A number, words, or null."""


class ChangeRow(serializers.Serializer[Any]):
    """One figure in both snapshots. Null where one lacks it."""

    part = serializers.CharField(help_text="members, ratings, measures, gaps, or another part of the totals.")
    contract = serializers.CharField(allow_blank=True, help_text="Empty: the whole plan, or no contract.")
    subject = serializers.CharField(allow_blank=True, help_text="The measure, where the figure is of one.")
    figure = serializers.CharField()
    earlier = Figure(allow_null=True)
    later = Figure(allow_null=True)
    change = serializers.FloatField(allow_null=True, help_text="Later less earlier.")
    tone = serializers.CharField(allow_blank=True, help_text="good or bad where it is known which way is better.")


class TakeBody(serializers.Serializer[Any]):
    """The day the snapshot speaks of, today or an earlier one."""

    as_of = serializers.DateField()

    def validate_as_of(self, value: date) -> date:
        if value > timezone.localdate():
            raise ValidationError("This day lies in the future.")
        return value


class SnapshotFilters(filters.FilterSet):
    """Narrow the snapshots."""

    measurement_year = filters.NumberFilter(min_value=1900, max_value=2200, decimal_places=0)
    as_of_from = filters.DateFilter(field_name="as_of", lookup_expr="gte", label="as of, from this day")
    as_of_to = filters.DateFilter(field_name="as_of", lookup_expr="lte", label="as of, to this day")

    class Meta:
        model = Snapshot
        fields: tuple[str, ...] = ()


class ChangeFilters(filters.FilterSet):
    """Which two, and which figures."""

    earlier = extend_schema_field(OpenApiTypes.INT)(
        filters.ModelChoiceFilter(
            queryset=Snapshot.objects.all(), label="id of a snapshot; the one before `later` when not given"
        )
    )
    later = extend_schema_field(OpenApiTypes.INT)(
        filters.ModelChoiceFilter(queryset=Snapshot.objects.all(), label="id of a snapshot; the newest when not given")
    )
    contract = extend_schema_field(OpenApiTypes.STR)(
        filters.ModelChoiceFilter(queryset=Contract.objects.all(), to_field_name="number", label="H-number")
    )
    part = filters.CharFilter(label="part of the totals")
    moved = filters.BooleanFilter(label="only figures that differ, or only those that do not")

    class Meta:
        model = Snapshot
        fields: tuple[str, ...] = ()


class SnapshotSchema(ApiSchema):
    """Adds what can keep a snapshot from being taken."""

    def own_problems(self) -> dict[str, str]:
        if self.method != "POST":
            return super().own_problems()
        return super().own_problems() | {"409": "Nothing to freeze yet, or the gaps are newer than the day."}


@extend_schema_view(
    list=extend_schema(summary="Snapshots, newest first"),
    retrieve=extend_schema(summary="One snapshot with its frozen totals"),
    create=extend_schema(
        summary="Take a snapshot",
        description="201 with the new one; 200 with the stored one where nothing has changed since.",
        request=TakeBody,
        responses={201: SnapshotDetail, 200: SnapshotDetail},
    ),
)
class Snapshots(One, Records):
    """Frozen totals. They never change, and no member is in them."""

    schema = SnapshotSchema()
    queryset = Snapshot.objects.all()
    row_class, detail_class = SnapshotRow, SnapshotDetail
    filterset_class = SnapshotFilters
    ordering = ("-as_of", "-id")
    ordering_fields = ("id", "measurement_year", "as_of", "taken_at")

    def get_queryset(self) -> QuerySet[Snapshot]:
        return Snapshot.objects.all() if self.detail else Snapshot.objects.defer("totals")

    @idempotent
    def create(self, request: Request, **kwargs: Any) -> Response:
        """Take one; the same totals again are the same snapshot."""
        asked = TakeBody(data=request.data)
        asked.is_valid(raise_exception=True)
        began = timezone.now()
        try:
            taken = snapshots.take(as_of=asked.validated_data["as_of"], by=request.user)
        except snapshots.NothingToFreeze as nothing:
            raise Conflict(str(nothing), code="nothing_to_freeze") from nothing
        except rating.DataIsNewer as newer:
            raise Conflict(str(newer), code="data_is_newer") from newer
        status = HTTPStatus.OK if taken.taken_at < began else HTTPStatus.CREATED
        address = reverse("snapshots-detail", args=[taken.pk])
        told = SnapshotDetail(taken, context=self.get_serializer_context()).data
        return Response(told, status=status, headers={"Location": address})


@extend_schema_view(list=extend_schema(summary="What changed between two snapshots"))
class Changes(Records):
    """Every figure of two snapshots side by side, measures matched by their lasting keys."""

    queryset = Snapshot.objects.all()
    row_class = ChangeRow
    filter_backends = (KnownFilters,)  # type: ignore[assignment]
    filterset_class = ChangeFilters

    def list(self, request: Request, **kwargs: Any) -> Response:
        """A page of figures."""
        told = ChangeFilters(request.query_params, queryset=Snapshot.objects.none())
        errors: dict[str, Any] = unusable(request, told.base_filters)
        if "ordering" in request.query_params:
            errors["ordering"] = "This list has one order."
        if errors or not told.is_valid():
            raise ValidationError(errors or told.errors)
        page = self.paginate_queryset(chosen(told.form.cleaned_data, snapshots.parts_for(request.user)))
        return self.get_paginated_response([dict(row) for row in ChangeRow(page or [], many=True).data])


def chosen(asked: dict[str, Any], parts: list[str]) -> list[snapshot_rows.Change]:
    """The figures that were asked for; none where there are not two snapshots yet."""
    later = asked["later"] or Snapshot.objects.first()
    earlier = asked["earlier"] or (later and snapshots.one_before(later))
    if earlier is None or later is None:
        return []
    compared = snapshots.compare(earlier, later)
    return [
        one
        for one in snapshot_rows.changes_of(compared, parts)
        if (not asked["contract"] or one.contract == asked["contract"].number)
        and (not asked["part"] or one.part == asked["part"])
        and (asked["moved"] is None or one.moved == asked["moved"])
    ]


urlpatterns = [
    path(
        "snapshots/",
        Snapshots.as_view({"get": "list", "post": "create"}, basename="snapshots", detail=False),
        name="snapshots-list",
    ),
    path(
        "snapshots/compare/",
        Changes.as_view({"get": "list"}, basename="snapshot_changes", detail=False),
        name="snapshots-compare",
    ),
    path(
        "snapshots/<int:pk>/",
        Snapshots.as_view({"get": "retrieve"}, basename="snapshots", detail=True),
        name="snapshots-detail",
    ),
]
