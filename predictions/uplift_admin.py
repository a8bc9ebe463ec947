"""The list of what actions add, to read."""

from django.contrib import admin

from hedis.lib.modeladmin import ReadOnlyAdmin
from hedis.lib.templatetags import portfolio
from predictions.models import ActionEffect


@admin.register(ActionEffect)
class ActionEffectAdmin(ReadOnlyAdmin):
    """Published effects come from the reviewed file, own ones from hold-outs; nobody types one in."""

    list_display = ("action", "measure_code", "origin", "more_closed", "people", "source")
    list_filter = ("origin", "action")
    list_select_related = ("measure",)
    search_fields = ("action", "source")
    list_title = "Effects of actions"

    @admin.display(description="measure", ordering="measure__code")
    def measure_code(self, effect: ActionEffect) -> str:
        return effect.measure.code if effect.measure else "any"

    @admin.display(description="more closed of 100 offered (95 %)", ordering="uplift")
    def more_closed(self, effect: ActionEffect) -> str:
        low, high = (100 * (effect.uplift + side * 1.96 * effect.standard_error) for side in (-1, 1))
        return f"{100 * effect.uplift:+.1f} ({low:+.1f} to {high:+.1f})"

    @admin.display(description="treated / held out")
    def people(self, effect: ActionEffect) -> str:
        return portfolio.DASH if effect.treated is None else f"{effect.treated:,} / {effect.held_out:,}"
