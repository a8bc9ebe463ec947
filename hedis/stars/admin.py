"""Reference data by Star year and CMS's published ratings, to read: rows come from files."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from hedis.lib.modeladmin import ReadOnlyAdmin
from hedis.stars import models


class ReadOnlyInline(admin.TabularInline):
    """Rows beside their parent, to read."""

    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(models.ReferenceYear)
class ReferenceYearAdmin(ReadOnlyAdmin):
    list_display = ("star_year", "version", "status", "is_current", "loaded_at", "loaded_by")
    list_filter = ("is_current", "status")


class ReferenceRowAdmin(ReadOnlyAdmin):
    """Rows of the version of each Star year that holds now; older ones stay for the ratings that used them."""

    list_select_related = ("reference",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).filter(reference__is_current=True)


@admin.register(models.StarMeasure)
class StarMeasureAdmin(ReferenceRowAdmin):
    list_display = ("reference", "measure_id", "name", "domain_id", "category", "weight", "lower_is_better", "new")
    list_filter = ("reference__star_year", "category", "new")
    search_fields = ("measure_id", "key", "name")


@admin.register(models.CutPoint)
class CutPointAdmin(ReferenceRowAdmin):
    list_display = ("reference", "measure_id", "contract_type", "two", "three", "four", "five")
    list_filter = ("reference__star_year", "contract_type")
    search_fields = ("measure_id",)


@admin.register(models.RewardThreshold)
class RewardThresholdAdmin(ReferenceRowAdmin):
    list_display = ("reference", "rating", "improvement", "new_measures", "mean_65", "mean_85", "variance_30",
                    "variance_70")  # fmt: skip
    list_filter = ("reference__star_year", "rating")


@admin.register(models.CaiValue)
class CaiValueAdmin(ReferenceRowAdmin):
    list_display = ("reference", "rating", "category", "value")
    list_filter = ("reference__star_year", "rating")


@admin.register(models.CaiCell)
class CaiCellAdmin(ReferenceRowAdmin):
    list_display = ("reference", "rating", "lis_de_group", "lis_de_from", "disability_group", "disability_from",
                    "category")  # fmt: skip
    list_filter = ("reference__star_year", "rating")


@admin.register(models.MinimumCount)
class MinimumCountAdmin(ReferenceRowAdmin):
    list_display = ("reference", "rating", "contract_kind", "minimum", "required")
    list_filter = ("reference__star_year", "contract_kind")


@admin.register(models.CahpsStar)
class CahpsStarAdmin(ReferenceRowAdmin):
    list_display = ("reference", "base_group", "distance", "significance", "low_reliability", "star")
    list_filter = ("reference__star_year", "base_group")


@admin.register(models.MeasureChange)
class MeasureChangeAdmin(ReferenceRowAdmin):
    list_display = ("reference", "key", "change", "note")
    list_filter = ("reference__star_year", "change")
    search_fields = ("key", "note")


@admin.register(models.Release)
class ReleaseAdmin(ReadOnlyAdmin):
    list_display = ("star_year", "name", "is_current", "loaded_at", "contract_count", "star_count")
    list_filter = ("is_current", "star_year")


class PublishedStarInline(ReadOnlyInline):
    model = models.PublishedStar
    fields = readonly_fields = ("measure_id", "score", "star", "message")


@admin.register(models.PublishedContract)
class PublishedContractAdmin(ReadOnlyAdmin):
    list_display = ("number", "release", "name", "parent", "rated_as", "part_c", "part_d", "overall")
    list_filter = ("release__star_year", "release__is_current", "rated_as", "snp")
    list_select_related = ("release",)
    search_fields = ("=number", "name", "marketing_name", "parent")
    inlines = (PublishedStarInline,)
