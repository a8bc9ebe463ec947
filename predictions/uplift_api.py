"""The API's effects of actions: what each adds, how surely, and who says so."""

from typing import Any

from django.db.models import QuerySet
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.routers import SimpleRouter

from hedis.lib.records import Records
from hedis.measures.models import Measure
from predictions.models import ActionEffect, Origin


class ActionEffectRow(serializers.Serializer[Any]):
    """How many more gaps in one an action closes."""

    action = serializers.CharField()
    measure = serializers.CharField(source="measure.code", default=None, allow_null=True, help_text="None: any.")
    origin = serializers.ChoiceField(Origin.choices, help_text="Own hold-out before trial before prior.")
    uplift = serializers.FloatField(help_text="More gaps closed of one offered, -1 to 1.")
    standard_error = serializers.FloatField()
    treated = serializers.IntegerField(allow_null=True, help_text="People, where they were counted.")
    held_out = serializers.IntegerField(allow_null=True)
    source = serializers.CharField()  # type: ignore[assignment]
    changed_at = serializers.DateTimeField()


class ActionEffectFilters(filters.FilterSet):
    """Narrow the effects."""

    measure = filters.ModelChoiceFilter(queryset=Measure.objects.all(), to_field_name="code", label="measure code")
    origin = filters.MultipleChoiceFilter(choices=Origin.choices)
    action = filters.CharFilter(lookup_expr="exact", label="key of the action")

    class Meta:
        model = ActionEffect
        fields: tuple[str, ...] = ()


@extend_schema_view(list=extend_schema(summary="What actions add: published, assumed and measured by hold-outs"))
class ActionEffects(Records):
    """Effects of actions, with their sources."""

    queryset = ActionEffect.objects.all()
    row_class = ActionEffectRow
    filterset_class = ActionEffectFilters
    ordering = ("action", "measure__code", "origin")
    ordering_fields = ("action", "uplift", "changed_at")

    def get_queryset(self) -> QuerySet[ActionEffect]:
        return ActionEffect.objects.select_related("measure")


router = SimpleRouter()
router.register("action-effects", ActionEffects, basename="action-effects")
urlpatterns = router.urls
