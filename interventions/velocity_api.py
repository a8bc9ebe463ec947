"""The API's gap velocity: how fast each contract's gaps close. No member in it."""

from collections.abc import Sequence
from typing import Any

from django.urls import path
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers

from hedis.members.models import Contract
from interventions import velocity
from interventions.outlook_api import Figures, PortfolioFilters
from interventions.velocity import Velocity


class ReadingRow(serializers.Serializer[Any]):
    """What a finding run knew."""

    day = serializers.DateField(help_text="Data as of.")
    met = serializers.IntegerField()
    denominator = serializers.IntegerField()


class WeekRow(serializers.Serializer[Any]):
    """Gaps closed by care of one week."""

    monday = serializers.DateField()
    closed = serializers.IntegerField()


class MeasureVelocity(serializers.Serializer[Any]):
    """How fast the gaps of a measure close, and whether that is enough for the next star."""

    measure = serializers.CharField(source="code")
    name = serializers.CharField()
    data_as_of = serializers.DateField(source="as_of")
    closures_a_week = serializers.FloatField(source="pace", allow_null=True)
    pace_from = serializers.CharField(source="basis", allow_blank=True, help_text="Empty: no pace yet.")
    closed_by_year_end = serializers.IntegerField(source="by_year_end", allow_null=True)
    next_star = serializers.IntegerField(source="need.next_star", allow_null=True, default=None)
    closures_to_next_star = serializers.IntegerField(source="need.closures", allow_null=True, default=None)
    fast_enough = serializers.BooleanField(source="reaches", allow_null=True)
    unmet = serializers.IntegerField(allow_null=True)
    found = serializers.IntegerField(source="steps.found")
    closed = serializers.IntegerField(source="steps.closed", help_text="Found unmet, then closed by a later run.")
    reopened = serializers.IntegerField(source="steps.reopened")
    mean_days_to_close = serializers.FloatField(source="steps.days_to_close", allow_null=True)
    readings = ReadingRow(many=True)
    weeks = serializers.SerializerMethodField()

    def get_weeks(self, one: Velocity) -> WeekRow(many=True):  # type: ignore[valid-type]
        """By the week of the care."""
        return WeekRow([{"monday": monday, "closed": closed} for monday, closed in one.weeks], many=True).data


class VelocityRow(serializers.Serializer[Any]):
    """A contract with its measures."""

    contract = serializers.CharField()
    year = serializers.IntegerField()
    measures = MeasureVelocity(many=True)


@extend_schema_view(list=extend_schema(summary="How fast gaps close, by contract and measure"))
class GapVelocity(Figures):
    """Contracts of a measurement year, each measure with its pace. Only those of the page are read."""

    row_class = VelocityRow
    filterset_class = PortfolioFilters

    def rows_of(self, asked: dict[str, Any]) -> Sequence[Contract]:
        self.year = asked["year"] or 0
        return velocity.counted_contracts(self.year, **({"pk": asked["contract"].pk} if asked["contract"] else {}))

    def shown(self, rows: Sequence[Contract]) -> Sequence[dict[str, Any]]:
        told = [
            {"contract": one.number, "year": self.year, "measures": velocity.of_contract(one, self.year)}
            for one in rows
        ]
        return super().shown(told)


urlpatterns = [
    path(
        "portfolio/velocity/",
        GapVelocity.as_view({"get": "list"}, basename="portfolio_velocity", detail=False),
        name="portfolio-velocity",
    ),
]
