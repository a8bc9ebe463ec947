"""What the API of interventions shows and takes: rows, bodies, filters."""

from decimal import Decimal
from typing import Any

from django.core.validators import RegexValidator
from django.db.models import QuerySet
from django.utils import timezone
from django_filters import rest_framework as filters
from drf_spectacular.utils import OpenApiExample, extend_schema_field, extend_schema_serializer
from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from hedis.gaps.models import Status, Work
from hedis.measures.models import Measure
from hedis.members.models import PSEUDONYM
from interventions import contacting, workflow
from interventions.models import (
    Attempt,
    Campaign,
    Channel,
    Disposition,
    Intervention,
    InterventionGap,
    Kind,
    Outcome,
    State,
)


class Exact(serializers.Serializer[Any]):
    """Base of what is sent: a field that is not taken is refused, as it would seem set."""

    def to_internal_value(self, data: Any) -> Any:
        unknown = sorted(set(data) - set(self.fields)) if isinstance(data, dict) else []
        if unknown:
            raise ValidationError(dict.fromkeys(unknown, "This cannot be set here."))
        return super().to_internal_value(data)


def amount(digits: int, places: int, **options: Any) -> serializers.DecimalField:
    """An exact amount of at least 0, shown as a number: list rows come from the database as they are."""
    return serializers.DecimalField(digits, places, coerce_to_string=False, min_value=Decimal(0), **options)


def dollars(**options: Any) -> serializers.DecimalField:
    """An amount of dollars of at least 0."""
    return amount(10, 2, **options)


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "A call about two gaps",
            value={
                "id": 815,
                "member": "5f0c" * 16,
                "year": 2026,
                "measures": ["COL", "GSD"],
                "campaign": 12,
                "kind": "call",
                "state": "in_progress",
                "held_out": False,
                "priority": 184.2,
                "expected_value": 0.0021,
                "estimated_cost": 26.0,
                "actual_cost": None,
                "contact_by": "2026-12-01",
                "due_date": "2026-10-09",
                "owner": "ana",
                "outcome": "",
                "reason": "",
                "attempts_made": 2,
                "planned_at": "2026-09-30T08:00:00Z",
                "started_at": "2026-10-02T14:12:09.118273Z",
                "ended_at": None,
                "version": 3,
                "changed_at": "2026-10-05T14:12:09.118273Z",
            },
        )
    ]
)
class InterventionRow(serializers.Serializer[Any]):
    """One thing done for one member about one or more gaps."""

    id = serializers.IntegerField()
    member = serializers.CharField(source="member.pseudonym", help_text="Pseudonym.")
    year = serializers.IntegerField(help_text="Measurement year.")
    measures = serializers.ListField(child=serializers.CharField())
    campaign = serializers.IntegerField(source="campaign_id", allow_null=True, help_text="The campaign's id.")
    kind = serializers.ChoiceField(Kind.choices)
    state = serializers.ChoiceField(State.choices)
    held_out = serializers.BooleanField(
        allow_null=True, help_text="Left alone by chance, to compare with; null until the campaign is approved."
    )
    priority = amount(14, 4, help_text="Worth of its closures at the plan's prices.")
    expected_value = amount(14, 4, help_text="What the plan expects of it, in its own unit.")
    estimated_cost = dollars(help_text="Dollars.")
    actual_cost = dollars(allow_null=True, help_text="Dollars; null until known.")
    contact_by = serializers.DateField(allow_null=True, help_text="Last day on which a contact counts for a gap.")
    due_date = serializers.DateField(allow_null=True, help_text="The next step agreed.")
    owner = serializers.CharField(source="owner.username", default=None, allow_null=True)
    outcome = serializers.ChoiceField(Outcome.choices, allow_blank=True)
    reason = serializers.CharField(help_text="Why it was cancelled, or a word on the outcome.")
    attempts_made = serializers.IntegerField()
    planned_at = serializers.DateTimeField()
    started_at = serializers.DateTimeField(allow_null=True)
    ended_at = serializers.DateTimeField(allow_null=True)
    version = serializers.IntegerField()
    changed_at = serializers.DateTimeField()


class LinkedGap(serializers.Serializer[InterventionGap]):
    """A gap an intervention is about."""

    id = serializers.IntegerField(source="gap_id")
    measure = serializers.CharField(source="gap.measure.code")
    status = serializers.ChoiceField(Status.choices, source="gap.status")
    work_status = serializers.ChoiceField(Work.choices, source="gap.work_status")
    contact_by = serializers.DateField(source="gap.contact_by", allow_null=True)
    uplift = serializers.FloatField(allow_null=True, help_text="Expected gain in the probability that it closes.")


class ClosedChannel(serializers.Serializer[Any]):
    """A channel by which the member may not be contacted now."""

    channel = serializers.ChoiceField(Channel.choices)
    why = serializers.CharField()


class InterventionDetail(InterventionRow):
    """An intervention with its gaps, what may follow, and how the member may not be contacted now."""

    gaps = LinkedGap(source="links", many=True)
    steps = serializers.SerializerMethodField(help_text="States that may follow.")
    closed_channels = serializers.SerializerMethodField()

    def get_steps(self, row: Intervention) -> list[str]:
        free = row.may_be_worked
        return [each for each in State.values if each in workflow.STEPS[row.state] and (free or not row.held_out)]

    @extend_schema_field(ClosedChannel(many=True))
    def get_closed_channels(self, row: Intervention) -> list[dict[str, str]]:
        closed = contacting.refusals(row.member, now=timezone.now())
        return [{"channel": channel, "why": str(refusal)} for channel, refusal in closed.items()]


class AttemptRow(serializers.Serializer[Attempt]):
    """One try to reach the member, or a call the member made."""

    id = serializers.IntegerField()
    at = serializers.DateTimeField()
    channel = serializers.ChoiceField(Channel.choices)
    disposition = serializers.ChoiceField(Disposition.choices)
    inbound = serializers.BooleanField(help_text="The member called.")
    note = serializers.CharField()
    follow_up_date = serializers.DateField(allow_null=True)
    over_cap_reason = serializers.CharField()
    by = serializers.CharField()


class HappeningRow(serializers.Serializer[Any]):
    """One line of a member's history."""

    at = serializers.DateTimeField()
    what = serializers.ChoiceField([("contact", "Contact"), ("gap", "Gap"), ("intervention", "Intervention")])
    about = serializers.CharField()
    to = serializers.CharField(help_text="Disposition, work status or state.")
    words = serializers.CharField(help_text="The same for people.")
    why = serializers.CharField()
    by = serializers.CharField()
    thing = serializers.IntegerField(help_text="The gap's id, or the intervention's.")


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "A call", value={"member": "5f0c" * 16, "kind": "call", "year": 2026, "uplift": {"COL": 0.06, "GSD": None}}
        )
    ]
)
class NewIntervention(Exact):
    """One intervention to plan: in a draft campaign, or outside of any."""

    member = serializers.CharField(max_length=64, help_text="Pseudonym.")
    kind = serializers.ChoiceField(Kind.choices)
    year = serializers.IntegerField(min_value=1900, max_value=2200, help_text="Measurement year.")
    uplift = serializers.DictField(
        child=serializers.FloatField(allow_null=True, min_value=0, max_value=1),
        help_text="Measure code to the expected gain in the probability that the gap closes, or null.",
    )
    campaign = serializers.PrimaryKeyRelatedField(queryset=Campaign.objects.all(), required=False)
    estimated_cost = dollars(required=False, help_text="Dollars; the price list's where it is not given.")
    priority = amount(14, 4, required=False)
    expected_value = amount(14, 4, required=False)
    due_date = serializers.DateField(required=False)


@extend_schema_serializer(
    examples=[
        OpenApiExample("Beginning", value={"state": "in_progress"}),
        OpenApiExample("The next step", value={"due_date": "2026-10-09"}),
        OpenApiExample("Handing it over", value={"owner": "ana"}),
    ]
)
class InterventionChange(Exact):
    """One decision: begin it, hand it over, or change its date and estimate."""

    state = serializers.ChoiceField(State.choices, required=False, help_text="`in_progress`, to begin it.")
    owner = serializers.CharField(required=False, allow_null=True, max_length=150, help_text="User name or null.")
    due_date = serializers.DateField(required=False, allow_null=True)
    estimated_cost = dollars(required=False)

    def validate_state(self, state: str) -> str:
        if state != State.IN_PROGRESS:
            raise ValidationError("Here it is begun (in_progress); completing and cancelling have their own addresses.")
        return state

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        decisions = [name for name in ("state", "owner") if name in attrs]
        if not attrs or (decisions and len(attrs) > 1):
            raise ValidationError("Give state, or owner, or due_date and estimated_cost.")
        return attrs


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "A call",
            value={"channel": "phone", "disposition": "reached_call_back", "follow_up_date": "2026-10-09"},
        )
    ]
)
class NewAttempt(Exact):
    """One attempt, as it ended."""

    channel = serializers.ChoiceField(Channel.choices)
    disposition = serializers.ChoiceField(Disposition.choices)
    note = serializers.CharField(required=False, allow_blank=True, max_length=1000)
    follow_up_date = serializers.DateField(required=False, allow_null=True)
    inbound = serializers.BooleanField(required=False, help_text="The member called; no limit counts it.")
    over_cap_reason = serializers.CharField(
        required=False, allow_blank=True, max_length=500, help_text="Overrules the frequency limit, and only that."
    )
    at = serializers.DateTimeField(required=False, help_text="When it was; now where it is not given.")


class Completion(Exact):
    """How an intervention ended."""

    outcome = serializers.ChoiceField(Outcome.choices)
    actual_cost = dollars(required=False, allow_null=True)
    note = serializers.CharField(required=False, allow_blank=True, max_length=500)
    served = serializers.ListField(
        child=serializers.CharField(max_length=20), required=False, help_text="Measures whose care was given (partial)."
    )


class Why(Exact):
    """The reason for a step."""

    why = serializers.CharField(max_length=500)


class InterventionFilters(filters.FilterSet):
    """Narrow the interventions."""

    member = filters.CharFilter(
        field_name="member__pseudonym", validators=[RegexValidator(PSEUDONYM, "This is no pseudonym.")]
    )
    owner = filters.CharFilter(field_name="owner__username", label="user name")
    owned = filters.BooleanFilter(
        field_name="owner", lookup_expr="isnull", exclude=True, label="whether anybody answers for it"
    )
    state = filters.MultipleChoiceFilter(choices=State.choices)
    kind = filters.MultipleChoiceFilter(choices=Kind.choices)
    outcome = filters.MultipleChoiceFilter(choices=Outcome.choices)
    campaign = filters.ModelChoiceFilter(queryset=Campaign.objects.all(), label="the campaign's id")
    held_out = filters.BooleanFilter()
    measure = filters.ModelChoiceFilter(
        queryset=Measure.objects.all(), to_field_name="code", method="about_measure", label="measure code"
    )
    year = filters.NumberFilter(label="measurement year", min_value=1900, max_value=2200, decimal_places=0)
    due_before = filters.DateFilter(field_name="due_date", lookup_expr="lt", label="next step due before")
    due_after = filters.DateFilter(field_name="due_date", lookup_expr="gt", label="next step due after")
    contact_by_before = filters.DateFilter(field_name="contact_by", lookup_expr="lt", label="contact by before")
    contact_by_after = filters.DateFilter(field_name="contact_by", lookup_expr="gt", label="contact by after")
    changed_since = filters.IsoDateTimeFilter(field_name="changed_at", lookup_expr="gte", label="changed at or after")

    class Meta:
        model = Intervention
        fields: tuple[str, ...] = ()

    def about_measure(self, queryset: QuerySet[Intervention], name: str, value: Measure) -> QuerySet[Intervention]:
        about = InterventionGap.objects.filter(gap__measure=value)
        return queryset.filter(pk__in=about.values("intervention"))
