"""The list of stored plans, and one plan: what it reaches, what no plan can, what it pays for what."""

from typing import Any

from django.contrib import admin
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from hedis.lib.modeladmin import ReadOnlyAdmin
from hedis.lib.templatetags import portfolio
from interventions.models import Plan


@admin.register(Plan)
class PlanAdmin(ReadOnlyAdmin):
    """Plans come from the optimiser; nobody types one in."""

    list_display = ("numbered", "contracts_cell", "year", "objective", "dollars", "chosen", "reached", "campaign",
                    "planned_by", "planned_at")  # fmt: skip
    list_filter = ("year", "objective", "contracts")
    list_select_related = ("campaign",)
    fields = readonly_fields = (
        "year", "data_as_of", "objective", "dollars", "chosen", "candidates", "reached", "confidence_z",
        "stars", "resources", "not_planned", "campaign", "digest", "planned_by", "planned_at",
    )  # fmt: skip

    @admin.display(description="plan", ordering="id")
    def numbered(self, plan: Plan) -> str:
        return f"Plan {plan.pk}"

    @admin.display(description="contracts")
    def contracts_cell(self, plan: Plan) -> str:
        return ", ".join(one.number for one in plan.contracts.all())

    @admin.display(description="spends of its budget", ordering="budget")
    def dollars(self, plan: Plan) -> str:
        return f"${plan.spend:,.2f} of ${plan.budget:,.2f}"

    @admin.display(description="reaches; no plan passes")
    def reached(self, plan: Plan) -> str:
        return f"{plan.lower_bound:,.2f}; {plan.upper_bound:,.2f} (gap {plan.gap:.2%})"

    @admin.display(description="stars without and with the plan")
    def stars(self, plan: Plan) -> SafeString:
        prices = plan.answer["prices"]["measures"]
        rows = (
            (code, one["before"], one["after"], f"${prices[code]:,.2f}") for code, one in plan.answer["stars"].items()
        )
        return table(("Measure", "Without", "With", "Worth of one closure"), rows)

    @admin.display(description="contacts used")
    def resources(self, plan: Plan) -> SafeString | str:
        held = plan.answer["resources"]
        if not held:
            return "No channel was limited."
        return table(
            ("Channel", "Used", "There are"),
            ((name, f"{one['used']:,.0f}", f"{one['capacity']:,.0f}") for name, one in held.items()),
        )

    @admin.display(description="not planned for")
    def not_planned(self, plan: Plan) -> str:
        return "; ".join(f"{code}: {reason}" for code, reason in plan.left_out.items()) or portfolio.DASH


def table(heads: tuple[str, ...], rows: Any) -> SafeString:
    """A small table."""
    head = format_html_join("", "<th scope='col'>{}</th>", ((one,) for one in heads))
    body = format_html_join(
        "", "<tr>{}</tr>", ((format_html_join("", "<td>{}</td>", ((c,) for c in r)),) for r in rows)
    )
    return format_html("<table><thead><tr>{}</tr></thead><tbody>{}</tbody></table>", head, body)
