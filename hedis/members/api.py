"""The API's members, contracts and providers."""

from typing import Any

from django.core.validators import RegexValidator
from django.db.models import OuterRef, Prefetch, Q, QuerySet, Subquery
from django_filters import rest_framework as filters
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_serializer, extend_schema_view
from rest_framework import serializers
from rest_framework.routers import SimpleRouter

from audit.reading import RecordedReads
from hedis.lib.records import One, Records
from hedis.members.models import (
    PSEUDONYM,
    Attribution,
    ContactPreference,
    Contract,
    Enrolment,
    Member,
    MemberQuerySet,
    Provider,
)

# CMS dual status codes of people entitled to both programmes; Member.is_dual is the same rule for one member.
DUAL = ("1", "2", "3", "4", "5", "6", "8", "01", "02", "03", "04", "05", "06", "08")
DISABLED = ("1", "3")


def last_contract() -> Subquery:
    """The contract of a member's latest enrolment: files lag, so "covering today" would say nothing in January."""
    latest = Enrolment.objects.filter(member=OuterRef("pk")).order_by("-start_date", "-id")
    return Subquery(latest.values("contract__number")[:1])


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "A member",
            value={
                "pseudonym": "5f0c" * 16,
                "birth_year": 1951,
                "sex": "female",
                "low_income_subsidy": True,
                "dual_status_code": "02",
                "original_reason_code": "0",
                "language": "Spanish",
                "active": True,
                "first_seen_date": "2024-01-01",
                "deceased_date": None,
                "contract": "H1234",
                "care_manager": "ana",
            },
        )
    ]
)
class MemberRow(serializers.Serializer[Any]):
    """A member as a pseudonym."""

    pseudonym = serializers.CharField()
    birth_year = serializers.IntegerField()
    sex = serializers.ChoiceField(Member.Sex.choices)
    low_income_subsidy = serializers.BooleanField()
    dual_status_code = serializers.CharField(help_text="CMS dual status code; empty where none is known.")
    original_reason_code = serializers.CharField(help_text="CMS original reason for entitlement (OREC).")
    language = serializers.CharField()
    active = serializers.BooleanField()
    first_seen_date = serializers.DateField()
    deceased_date = serializers.DateField(allow_null=True)
    contract = serializers.CharField(source="last_contract", allow_null=True, help_text="Of the latest enrolment.")
    care_manager = serializers.CharField(source="care_manager.username", default=None, allow_null=True)


class EnrolmentRow(serializers.ModelSerializer[Enrolment]):
    """A span of membership, both days inclusive; no end means it goes on."""

    contract = serializers.CharField(source="contract.number", default=None, allow_null=True)

    class Meta:
        model = Enrolment
        fields = ("contract", "plan_benefit_package", "start_date", "end_date")


class AttributionRow(serializers.ModelSerializer[Attribution]):
    """The provider who answers for a member, from when to when."""

    npi = serializers.CharField(source="provider.npi")

    class Meta:
        model = Attribution
        fields = ("npi", "start_date", "end_date")


class PreferenceRow(serializers.ModelSerializer[ContactPreference]):
    """How and when a member wants to be reached."""

    class Meta:
        model = ContactPreference
        fields = ("channel", "best_times", "do_not_call")


class MemberDetail(MemberRow):
    """A member with enrolment, attribution and contact preference."""

    label = serializers.CharField(help_text="The pseudonym's first digits, grouped for reading aloud.")  # type: ignore[assignment]
    dual = serializers.BooleanField(source="is_dual")
    disabled = serializers.BooleanField(source="is_disabled")
    enrolments = EnrolmentRow(many=True)
    attributions = AttributionRow(many=True)
    contact_preference = PreferenceRow(default=None, allow_null=True)


def pseudonym_digits(shape: str, words: str) -> RegexValidator:
    """Refuses what is no pseudonym without quoting it: it may be a plan's own id."""
    return RegexValidator(shape, words)


class MemberFilters(filters.FilterSet):
    """Narrow the members."""

    contract = filters.CharFilter(field_name="last_contract", label="H-number of the latest enrolment")
    active = filters.BooleanFilter()
    lis = filters.BooleanFilter(field_name="low_income_subsidy", label="low-income subsidy")
    dual = filters.BooleanFilter(method="by_dual", label="entitled to Medicare and Medicaid")
    disabled = filters.BooleanFilter(method="by_disabled", label="originally entitled by disability (OREC 1 or 3)")
    care_manager = filters.CharFilter(field_name="care_manager__username", label="user name")
    search = filters.CharFilter(
        field_name="pseudonym",
        lookup_expr="startswith",
        label="the pseudonym's first digits",
        validators=[pseudonym_digits(r"^[0-9a-f]{1,64}$", "Give the first digits (0-9, a-f) of a pseudonym.")],
    )

    class Meta:
        model = Member
        fields: tuple[str, ...] = ()

    def by_dual(self, queryset: QuerySet[Member], name: str, value: bool) -> QuerySet[Member]:
        dual = Q(dual_status_code__in=DUAL)
        return queryset.filter(dual if value else ~dual)

    def by_disabled(self, queryset: QuerySet[Member], name: str, value: bool) -> QuerySet[Member]:
        disabled = Q(original_reason_code__in=DISABLED)
        return queryset.filter(disabled if value else ~disabled)


@extend_schema_view(
    list=extend_schema(summary="Members you may see"), retrieve=extend_schema(summary="One member, by pseudonym")
)
class Members(RecordedReads, One, Records):
    """Members of the caller's scope. Every look is recorded."""

    queryset = Member.objects.all()
    row_class, detail_class = MemberRow, MemberDetail
    filterset_class = MemberFilters
    lookup_field = "pseudonym"
    cursor_key = "pseudonym"
    ordering = ("pseudonym",)
    ordering_fields = ("pseudonym", "birth_year", "first_seen_date")
    member_field = address_key = "pseudonym"
    address_shape = PSEUDONYM

    def get_queryset(self) -> MemberQuerySet:
        visible = Member.objects.visible_to(self.request.user).annotate(last_contract=last_contract())
        if not self.detail:
            return visible
        return visible.select_related("care_manager", "contact_preference").prefetch_related(
            Prefetch("enrolments", Enrolment.objects.select_related("contract")),
            Prefetch("attributions", Attribution.objects.select_related("provider")),
        )


class ContractRow(serializers.ModelSerializer[Contract]):
    """A contract with CMS."""

    class Meta:
        model = Contract
        fields = ("number", "name", "organisation", "parent_organisation", "plan_type", "snp_kind", "puerto_rico_only")


class ContractFilters(filters.FilterSet):
    """Narrow the contracts."""

    search = filters.CharFilter(method="by_words", label="part of number, name or organisation")

    class Meta:
        model = Contract
        fields = ("plan_type", "snp_kind", "puerto_rico_only")

    def by_words(self, queryset: QuerySet[Contract], name: str, value: str) -> QuerySet[Contract]:
        return queryset.filter(Q(number__icontains=value) | Q(name__icontains=value) | Q(organisation__icontains=value))


@extend_schema_view(list=extend_schema(summary="Contracts"), retrieve=extend_schema(summary="One contract, by number"))
class Contracts(One, Records):
    """Contracts with CMS."""

    queryset = Contract.objects.all()
    row_class = detail_class = ContractRow
    filterset_class = ContractFilters
    lookup_field = "number"
    ordering = ("number",)
    ordering_fields = ("number", "name")


class ProviderRow(serializers.ModelSerializer[Provider]):
    """A practitioner members are attributed to."""

    class Meta:
        model = Provider
        fields = ("npi", "name", "practice")


class ProviderFilters(filters.FilterSet):
    """Narrow the providers."""

    practice = filters.CharFilter()
    search = filters.CharFilter(method="by_words", label="NPI, or part of a name or practice")

    class Meta:
        model = Provider
        fields: tuple[str, ...] = ()

    def by_words(self, queryset: QuerySet[Provider], name: str, value: str) -> QuerySet[Provider]:
        return queryset.filter(Q(npi=value) | Q(name__icontains=value) | Q(practice__icontains=value))


@extend_schema_view(list=extend_schema(summary="Providers"), retrieve=extend_schema(summary="One provider, by NPI"))
class Providers(One, Records):
    """Practitioners and their practices."""

    queryset = Provider.objects.all()
    row_class = detail_class = ProviderRow
    filterset_class = ProviderFilters
    lookup_field = "npi"
    cursor_key = "npi"
    ordering = ("npi",)
    ordering_fields = ("npi", "name", "practice")


router = SimpleRouter()
router.register("members", Members, basename="members")
router.register("contracts", Contracts, basename="contracts")
router.register("providers", Providers, basename="providers")
urlpatterns = router.urls
