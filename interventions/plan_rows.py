"""What the API shows of planning runs, plans and what they chose, and what it takes."""

from typing import Any

from django.db.models import QuerySet
from django_filters import rest_framework as filters
from drf_spectacular.utils import OpenApiExample, extend_schema_field, extend_schema_serializer
from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from hedis.lib import run_rows
from hedis.lib.runs import RunState
from hedis.measures.models import Measure
from hedis.members.models import Contract
from interventions.api_rows import Exact, amount
from interventions.models import LARGEST_HOLDOUT, Kind, Objective, Plan, PlanItem, PlanRun
from interventions.plan_floors import FloorWanted


@extend_schema_field({"type": "object", "additionalProperties": {}})
class Facts(serializers.JSONField):
    """Figures by name, as docs/optimiser.md describes them."""


@extend_schema_field({"type": "object", "additionalProperties": {"type": "number"}})
class Amounts(serializers.JSONField):
    """Numbers by name."""


@extend_schema_field({"type": "array", "items": {"type": "string"}})
class Texts(serializers.JSONField):
    """A list of names."""


class FloorBody(Exact):
    """Least expected closures of a measure among the members of a group."""

    group = serializers.CharField(max_length=80, help_text="`lis`, `dual`, `disability`, or such as `sex.Female`.")
    measure = serializers.CharField(max_length=20, help_text="Measure code.")
    closures = serializers.FloatField(min_value=0)
    contract = serializers.CharField(max_length=10, required=False, help_text="Where there are several.")


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "Two contracts",
            value={
                "contracts": ["H1001", "H2002"],
                "year": 2026,
                "budget": 15000,
                "objective": "weighted_stars",
                "confidence_z": 1.28,
                "capacities": {"phone": 400},
                "floors": [{"group": "lis", "contract": "H1001", "measure": "COL", "closures": 3}],
            },
        )
    ]
)
class PlanBody(Exact):
    """What to plan."""

    contracts = serializers.ListField(child=serializers.CharField(max_length=10), allow_empty=False)
    year = serializers.IntegerField(min_value=1900, max_value=2200, help_text="Measurement year.")
    budget = amount(12, 2, help_text="Dollars.")
    objective = serializers.ChoiceField(Objective.choices, default=Objective.WEIGHTED_STARS)
    confidence_z = serializers.FloatField(default=0.0, help_text="Standard deviations kept above each cut.")
    capacities = serializers.DictField(
        child=serializers.FloatField(min_value=0), required=False, help_text="Contacts there are, by channel."
    )
    floors = FloorBody(many=True, required=False)

    def validate_contracts(self, numbers: list[str]) -> list[Contract]:
        found = list(Contract.objects.filter(number__in=numbers).order_by("number"))
        if unknown := sorted(set(numbers) - {one.number for one in found}):
            raise ValidationError(f"There is no contract {', '.join(unknown)}.")
        return found

    def validate_floors(self, floors: list[dict[str, Any]]) -> list[FloorWanted]:
        return [FloorWanted(**floor) for floor in floors]


class PlanRunRow(run_rows.RunRow):
    """A plan that was asked for."""

    asked = Facts(help_text="Contracts, budget, objective, confidence_z, capacities, floors.")
    plan = serializers.IntegerField(source="plan_id", allow_null=True, help_text="Id of the plan, once it is decided.")


class PlanRunDetail(run_rows.Watched, PlanRunRow):
    """The same, and whether anybody works on it."""


class PlanRow(serializers.Serializer[Any]):
    """A stored plan."""

    id = serializers.IntegerField()
    contracts = Texts(source="numbers")
    year = serializers.IntegerField(help_text="Measurement year.")
    objective = serializers.ChoiceField(Objective.choices)
    budget = amount(12, 2, help_text="Dollars.")
    spend = amount(12, 2, help_text="Dollars.")
    confidence_z = serializers.FloatField()
    lower_bound = serializers.FloatField(help_text="What the plan reaches, in worth under its objective.")
    upper_bound = serializers.FloatField(help_text="What no plan can pass.")
    chosen = serializers.IntegerField(help_text="Members.")
    candidates = serializers.IntegerField(help_text="Offers there were to choose from.")
    data_as_of = serializers.DateField()
    campaign = serializers.IntegerField(source="campaign_id", allow_null=True, help_text="The campaign it became.")
    digest = serializers.CharField(help_text="SHA-256 of problem, answer and what was chosen.")
    planned_by = serializers.CharField()
    planned_at = serializers.DateTimeField()


class PlanDetail(PlanRow):
    """A plan with stars, prices and what its floors cost."""

    gap = serializers.FloatField(help_text="The part of the bound that is not reached.")
    proof = serializers.CharField(source="answer.proof", help_text="What the bound is proven by: prices, or exact.")
    stars = Facts(source="answer.stars", help_text="By measure: before and after.")
    prices = Facts(source="answer.prices", help_text="Dollars of one closure, of one contact, of the dollar.")
    resources = Facts(source="answer.resources", help_text="By channel: used, and capacity.")
    floors = Facts(source="answer.floors", help_text="By group and measure: closures, and the floor.")
    price_of_equity = Facts(
        source="answer.price_of_equity", default=None, allow_null=True,
        help_text="What is lost by the floors, together and by each; null without floors.",
    )  # fmt: skip
    nearly_chosen = serializers.IntegerField(source="answer.nearly_chosen", default=None, allow_null=True)
    outcomes = serializers.SerializerMethodField(
        help_text="By contract: expected stars and chances without and with the plan, its cost; what it returns, for "
        "who sees money."
    )
    left_out = Facts(help_text="Measures that were not planned for, and why.")

    @extend_schema_field(Facts)
    def get_outcomes(self, plan: Plan) -> dict[str, Any]:
        """What bids would follow from is for those who see money."""
        hidden = () if self.context["request"].user.has_perm("interventions.view_countyfigures") else ("return",)
        return {
            number: {name: value for name, value in one.items() if name not in hidden}
            for number, one in plan.outcomes.items()
        }


class PlanItemRow(serializers.Serializer[Any]):
    """One member and what was chosen for her, or nearly was."""

    id = serializers.IntegerField()
    member = serializers.CharField(source="member.pseudonym", help_text="Pseudonym.")
    contract = serializers.CharField(source="contract.number")
    chosen = serializers.BooleanField()
    kind = serializers.ChoiceField(Kind.choices)
    cost = amount(10, 2, help_text="Dollars.")
    uplift = Amounts(help_text="By measure: added to the chance that the gap closes.")
    worth = serializers.FloatField(help_text="Dollars at the plan's prices.")
    charge = serializers.FloatField(help_text="Dollars at the plan's prices of the contacts it uses.")
    reason = serializers.CharField(help_text="Worth and cost in words; why it was not chosen.")


class PriorityRow(serializers.Serializer[Any]):
    """One member to act on, with the action that the newest plan of her contract chose."""

    plan = serializers.IntegerField(source="plan_id")
    member = serializers.CharField(source="member.pseudonym", help_text="Pseudonym.")
    contract = serializers.CharField(source="contract.number")
    year = serializers.IntegerField(source="plan.year", help_text="Measurement year.")
    kind = serializers.ChoiceField(Kind.choices)
    measures = Texts(help_text="Of the gaps that a contact can still close.")
    worth = serializers.FloatField(help_text="Dollars at the plan's prices: the order of the list.")
    cost = amount(10, 2, help_text="Dollars.")
    contact_by = serializers.DateField(help_text="The first of the gaps' last useful contact dates.")
    owner = serializers.CharField(allow_null=True, help_text="User name; the care manager before there is a campaign.")
    intervention = serializers.IntegerField(allow_null=True, help_text="Its id, once the plan is a campaign.")
    reason = serializers.CharField()


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "A draft",
            value={"name": "Autumn outreach", "start_date": "2026-10-05", "end_date": "2026-12-15"},
        )
    ]
)
class CampaignBody(Exact):
    """The campaign to make of a plan."""

    name = serializers.CharField(max_length=120)
    start_date = serializers.DateField()
    end_date = serializers.DateField()
    holdout_share = amount(4, 3, required=False, max_value=LARGEST_HOLDOUT, help_text="0.05 where it is not given.")


class CampaignMade(serializers.Serializer[Any]):
    """The draft, and what became of the plan's choices."""

    campaign = serializers.IntegerField()
    planned = serializers.IntegerField()
    left_out = Amounts(help_text="How many came too late since, by reason.")


class OfYear(filters.FilterSet):
    """What every list here can be narrowed by."""

    year = filters.NumberFilter(label="measurement year", min_value=1900, max_value=2200, decimal_places=0)


class RunFilters(OfYear):
    """Narrow the runs."""

    state = filters.MultipleChoiceFilter(choices=RunState.choices)

    class Meta:
        model = PlanRun
        fields: tuple[str, ...] = ()


def contract_filter(field: str) -> filters.ModelChoiceFilter:
    """By H-number."""
    return filters.ModelChoiceFilter(
        field_name=field, queryset=Contract.objects.all(), to_field_name="number", label="H-number"
    )


class PlanFilters(OfYear):
    """Narrow the plans."""

    contract = contract_filter("contracts")
    objective = filters.ChoiceFilter(choices=Objective.choices)
    has_campaign = filters.BooleanFilter(
        field_name="campaign", lookup_expr="isnull", exclude=True, label="whether it became a campaign"
    )

    class Meta:
        model = Plan
        fields: tuple[str, ...] = ()


class ItemFilters(filters.FilterSet):
    """Narrow what a plan chose."""

    contract = contract_filter("contract")
    kind = filters.MultipleChoiceFilter(choices=Kind.choices)
    measure = filters.ModelChoiceFilter(
        queryset=Measure.objects.all(), to_field_name="code", method="about", label="measure code"
    )
    chosen = filters.BooleanFilter(label="false: what was nearly chosen; true where it is not given")

    class Meta:
        model = PlanItem
        fields: tuple[str, ...] = ()

    def about(self, queryset: QuerySet[PlanItem], name: str, value: Measure) -> QuerySet[PlanItem]:
        return queryset.filter(uplift__has_key=value.code)


class PriorityFilters(filters.FilterSet):
    """Narrow the priority list."""

    contract = contract_filter("contract")
    year = filters.NumberFilter(
        field_name="plan__year", label="measurement year", min_value=1900, max_value=2200, decimal_places=0
    )
    measure = filters.ModelChoiceFilter(
        queryset=Measure.objects.all(), to_field_name="code", method="about", label="measure code"
    )
    kind = filters.MultipleChoiceFilter(choices=Kind.choices)
    owner = filters.CharFilter(field_name="owner", label="user name")

    class Meta:
        model = PlanItem
        fields: tuple[str, ...] = ()

    def about(self, queryset: QuerySet[Any], name: str, value: Measure) -> QuerySet[Any]:
        return queryset.filter(measures__contains=[value.code])
