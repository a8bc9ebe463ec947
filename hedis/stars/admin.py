"""Reference data by Star year and CMS's published ratings, to read: rows come from files."""

import json
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from hedis.lib.modeladmin import ReadOnlyAdmin
from hedis.members.models import Contract
from hedis.stars import models, scores
from hedis.stars import snapshot_admin as snapshot_admin


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


# --- Our own plan ---------------------------------------------------------------------------------------------------


class ScoreForm(forms.ModelForm):
    """One score, checked as an imported one is."""

    contract = forms.ModelChoiceField(Contract.objects.all())
    score = forms.CharField(max_length=20)

    class Meta:
        model = models.EnteredScore
        fields = ("contract", "star_year", "measure_id", "score", "source")

    def clean(self) -> dict[str, Any]:
        """What `scores.check` refuses is said at the field it concerns."""
        cleaned = super().clean() or {}
        if not self.errors:
            try:
                rated = scores.standing(cleaned["contract"], cleaned["star_year"])
                scores.check(rated, cleaned["contract"], cleaned["measure_id"], cleaned["score"], cleaned["source"])
            except scores.UnusableScore as refusal:
                self.add_error({"measure": "measure_id"}.get(refusal.field, refusal.field), refusal.reason)
        return cleaned

    def _post_clean(self) -> None:
        """The row is made by the verb, which also supersedes; the model's own uniqueness would refuse a correction."""


@admin.register(models.EnteredScore)
class EnteredScoreAdmin(ReadOnlyAdmin):
    """Scores are added; a correction supersedes, and nothing is changed or deleted."""

    form = ScoreForm
    list_display = ("contract", "star_year", "measure_id", "score", "source", "entered_at", "entered_by",
                    "superseded_at")  # fmt: skip
    list_filter = ("star_year", "contract__number", ("superseded_at", admin.EmptyFieldListFilter))
    list_select_related = ("contract",)
    search_fields = ("=measure_id", "key", "source")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("stars.add_enteredscore")

    def save_form(self, request: HttpRequest, form: Any, change: bool) -> Any:
        """The stored row: entering is a verb with its own history."""
        given = form.cleaned_data
        return scores.enter(
            given["contract"], given["star_year"], given["measure_id"], given["score"], source=given["source"],
            by=request.user,
        )  # fmt: skip

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Nothing left to save."""

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """A score has nothing that hangs on it."""


def spread(value: Any) -> SafeString:
    """JSON a person can read: indented, in the order it was stored with sorted keys."""
    return format_html("<pre>{}</pre>", json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True))


@admin.register(models.Rating)
class RatingAdmin(ReadOnlyAdmin):
    list_title = "Stored ratings"
    list_display = ("contract", "star_year", "method_year", "part_c", "part_d", "overall", "data_as_of", "rated_at",
                    "rated_by")  # fmt: skip
    list_filter = ("star_year", "contract__number")
    list_select_related = ("contract",)
    fields = ("contract", "star_year", "method_year", "method", "part_c", "part_d", "overall", "data_as_of",
              "finding_run", "generation", "reference_digest", "digest", "rated_at", "rated_by", "all_inputs",
              "why")  # fmt: skip
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[models.Rating]:
        # A list of explanations would be megabytes; the page of one reads its own.
        return super().get_queryset(request).defer("inputs", "explanation")

    @admin.display(description="inputs")
    def all_inputs(self, rating: models.Rating) -> SafeString:
        return spread(rating.inputs)

    @admin.display(description="why")
    def why(self, rating: models.Rating) -> SafeString:
        return spread(rating.explanation)
