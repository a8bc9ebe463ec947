"""The API's gaps in care: lists, one gap, its history, and the two steps a program may take with one."""

import re
from typing import Any

from django.core.validators import RegexValidator
from django.db import transaction
from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django.urls import path
from django_filters import rest_framework as filters
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiParameter,
    extend_schema,
    extend_schema_serializer,
    extend_schema_view,
)
from rest_framework import serializers
from rest_framework.exceptions import PermissionDenied, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter

from audit.reading import RecordedReads
from hedis.accounts.models import User
from hedis.gaps import workflow
from hedis.gaps.models import AdherenceClass, Gap, GapQuerySet, Status, Transition, Work
from hedis.lib import etag
from hedis.lib.problem import Conflict, PreconditionFailed
from hedis.lib.records import One, Records
from hedis.measures.models import Measure
from hedis.members.models import PSEUDONYM, Contract, Member

GAP_ID = r"^[0-9]{1,18}$"


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "An open gap",
            value={
                "id": 4711,
                "member": "5f0c" * 16,
                "measure": "GSD",
                "year": 2026,
                "contract": "H1234",
                "status": "open-gap",
                "work_status": "outreach_in_progress",
                "reason_code": "",
                "reason": "Last HbA1c 9.4 % on 2026-03-02; a result of at most 9.0 % is needed by 2026-12-31.",
                "evidence_date": "2026-03-02",
                "evidence_value": "9.4",
                "evidence_route": "lab result",
                "exclusion": "",
                "data_as_of": "2026-09-30",
                "closable_until": "2026-12-31",
                "contact_by": "2026-12-12",
                "adherence_class": None,
                "assigned_to": "ana",
                "version": 3,
                "changed_at": "2026-10-05T14:12:09.118273Z",
            },
        )
    ]
)
class GapRow(serializers.Serializer[Any]):
    """One member, one measure, one measurement year: whether care is missing, why, and who is on it."""

    id = serializers.IntegerField()
    member = serializers.CharField(source="member.pseudonym", help_text="Pseudonym.")
    measure = serializers.CharField(source="measure.code")
    year = serializers.IntegerField(help_text="Measurement year.")
    contract = serializers.CharField(source="contract.number", default=None, allow_null=True)
    status = serializers.ChoiceField(Status.choices, help_text="Exchange layer (Da Vinci DEQM).")
    work_status = serializers.ChoiceField(Work.choices, help_text="Work layer.")
    reason_code = serializers.CharField()
    reason = serializers.CharField(help_text="The missing event and its window, in words.")
    evidence_date = serializers.DateField(allow_null=True)
    evidence_value = serializers.CharField()
    evidence_route = serializers.CharField()
    exclusion = serializers.CharField()
    data_as_of = serializers.DateField()
    closable_until = serializers.DateField()
    contact_by = serializers.DateField(
        allow_null=True, help_text="Last day on which a contact can still close it; null where none can, or none need."
    )
    adherence_class = serializers.CharField(
        source="adherence.adherence_class", default=None, allow_null=True, help_text="Of adherence measures (PDC)."
    )
    assigned_to = serializers.CharField(source="assigned_to.username", default=None, allow_null=True)
    version = serializers.IntegerField()
    changed_at = serializers.DateTimeField()


class AdherenceDays(serializers.Serializer[Any]):
    """The days behind a gap of an adherence measure (proportion of days covered)."""

    treatment_start = serializers.DateField(help_text="First fill of the year.")
    treatment_end = serializers.DateField()
    treatment_days = serializers.IntegerField(help_text="Without days in hospital or skilled nursing facility.")
    covered_days = serializers.IntegerField()
    pdc = serializers.DecimalField(max_digits=5, decimal_places=2, allow_null=True, help_text="Percent, to show.")
    missable_days = serializers.IntegerField(help_text="Days that may still be missed; below 0: the goal is lost.")
    refill_due = serializers.DateField(allow_null=True)
    last_chance_date = serializers.DateField(allow_null=True)
    adherence_class = serializers.ChoiceField(AdherenceClass.choices)


class GapDetail(GapRow):
    """A gap with the steps that may follow."""

    adherence = AdherenceDays(default=None, allow_null=True, read_only=True)
    supplemental_only = serializers.BooleanField(help_text="Met by supplemental data alone.")
    exclusion_date = serializers.DateField(allow_null=True)
    definition_version = serializers.CharField()
    found_at = serializers.DateTimeField()
    steps = serializers.SerializerMethodField(help_text="Work statuses that may be set by hand from here.")

    def get_steps(self, gap: Gap) -> list[str]:
        return [value for value, _ in workflow.steps_from(gap)]


class TransitionRow(serializers.Serializer[Any]):
    """One step of a gap, in either layer."""

    from_status = serializers.CharField(help_text="Empty in the first step: the gap was found.")
    to_status = serializers.CharField(help_text="As a gap's `status`.")
    from_work_status = serializers.CharField()
    to_work_status = serializers.CharField(help_text="As a gap's `work_status`.")
    by = serializers.CharField()
    at = serializers.DateTimeField()
    why = serializers.CharField()


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "A step in the work", value={"work_status": "refused", "why": "Wants no colonoscopy this year."}
        ),
        OpenApiExample("Handing it over", value={"assigned_to": "ana"}),
    ]
)
class GapChange(serializers.Serializer[Any]):
    """Either a step in the work layer or a new owner, never both: they are two decisions of two people."""

    work_status = serializers.ChoiceField(Work.choices, required=False)
    why = serializers.CharField(required=False, allow_blank=True, max_length=2000)
    assigned_to = serializers.CharField(required=False, allow_null=True, max_length=150, help_text="User name or null.")

    def to_internal_value(self, data: Any) -> Any:
        """Refuse what cannot be changed here instead of ignoring it: a `status` sent by a program would seem set."""
        unknown = sorted(set(data) - set(self.fields)) if isinstance(data, dict) else []
        if unknown:
            raise ValidationError(dict.fromkeys(unknown, "This cannot be changed here."))
        return super().to_internal_value(data)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("work_status" in attrs) == ("assigned_to" in attrs):
            raise ValidationError("Give either work_status (with why) or assigned_to.")
        if "assigned_to" in attrs and "why" in attrs:
            raise ValidationError({"why": "Handing a gap over takes no reason."})
        return attrs


class GapFilters(filters.FilterSet):
    """Narrow the gaps."""

    measure = filters.ModelChoiceFilter(queryset=Measure.objects.all(), to_field_name="code", label="measure code")
    contract = filters.ModelChoiceFilter(queryset=Contract.objects.all(), to_field_name="number", label="H-number")
    year = filters.NumberFilter(label="measurement year", min_value=1900, max_value=2200, decimal_places=0)
    status = filters.MultipleChoiceFilter(choices=Status.choices)
    work_status = filters.MultipleChoiceFilter(choices=Work.choices)
    assigned_to = filters.CharFilter(field_name="assigned_to__username", label="user name")
    assigned = filters.BooleanFilter(
        field_name="assigned_to", lookup_expr="isnull", exclude=True, label="whether anybody answers for it"
    )
    member = filters.CharFilter(
        field_name="member__pseudonym", validators=[RegexValidator(PSEUDONYM, "This is no pseudonym.")]
    )
    due_before = filters.DateFilter(field_name="closable_until", lookup_expr="lt", label="closable until before")
    due_after = filters.DateFilter(field_name="closable_until", lookup_expr="gt", label="closable until after")
    contact_by_before = filters.DateFilter(field_name="contact_by", lookup_expr="lt", label="contact by before")
    contact_by_after = filters.DateFilter(field_name="contact_by", lookup_expr="gt", label="contact by after")
    adherence_class = filters.MultipleChoiceFilter(
        field_name="adherence__adherence_class", choices=AdherenceClass.choices, label="class of an adherence measure"
    )
    data_before = filters.DateFilter(field_name="data_as_of", lookup_expr="lt", label="data as of before")
    data_after = filters.DateFilter(field_name="data_as_of", lookup_expr="gt", label="data as of after")
    changed_since = filters.IsoDateTimeFilter(field_name="changed_at", lookup_expr="gte", label="changed at or after")
    search = filters.CharFilter(
        field_name="member__pseudonym",
        lookup_expr="startswith",
        label="the first digits of the member's pseudonym",
        validators=[RegexValidator(r"^[0-9a-f]{1,64}$", "Give the first digits (0-9, a-f) of a pseudonym.")],
    )

    class Meta:
        model = Gap
        fields: tuple[str, ...] = ()


class GapRecords(RecordedReads, Records):
    """What the gap lists share."""

    queryset = Gap.objects.all()
    row_class, detail_class = GapRow, GapDetail
    filterset_class = GapFilters
    cursor_key = "id"
    ordering = ()  # by id, whose index gives the first page at once however many gaps there are
    ordering_fields = (
        "id",
        "contact_by",
        "closable_until",
        "year",
        "measure",
        "status",
        "work_status",
        "changed_at",
        "data_as_of",
    )
    ordering_columns = {"measure": "measure__code"}
    member_field = "member"

    def get_queryset(self) -> GapQuerySet:
        return Gap.objects.visible_to(self.request.user)


@extend_schema_view(
    list=extend_schema(summary="Gaps in care you may see"),
    retrieve=extend_schema(summary="One gap"),
    partial_update=extend_schema(
        summary="Move a gap in the work layer, or hand it over",
        description="Closing is not here: a gap closes when a finding run sees the evidence.",
        request=GapChange,
        responses=GapDetail,
    ),
)
class Gaps(One, GapRecords):
    """Gaps of the caller's scope. Every look is recorded."""

    address_key, address_shape = "pk", GAP_ID

    def get_object(self) -> Gap:
        """The gap at this address; `abc` names none, and is no server error."""
        if not re.fullmatch(GAP_ID, str(self.kwargs["pk"])):
            return get_object_or_404(Gap.objects.none())
        return super().get_object()

    def tag(self, thing: Gap, data: Any) -> str:
        # Handing a gap over changes the row without a step in its version; the time tells.
        return etag.of("gap", thing.pk, thing.version, thing.changed_at.isoformat())

    def partial_update(self, request: Request, **kwargs: Any) -> Response:
        """One step, decided on the version that If-Match names."""
        with transaction.atomic():
            gap = self.locked_gap()
            etag.require_match(request, self.tag(gap, None))
            change = GapChange(data=request.data)
            change.is_valid(raise_exception=True)
            wanted = change.validated_data
            if "assigned_to" in wanted:
                self.hand_over(gap, wanted["assigned_to"])
            else:
                move(gap, to=wanted["work_status"], why=wanted.get("why", ""), by=request.user)
            gap = self.get_object()
            # The step itself is the ledger's event and names the member; showing its result is no second look.
            return Response(GapDetail(gap).data, headers={"ETag": self.tag(gap, None)})

    def locked_gap(self) -> Gap:
        """The gap, held until the end of the transaction so that tag and step speak of the same version."""
        gap = self.get_object()
        return Gap.objects.select_related("member", "measure").select_for_update(of=("self",)).get(pk=gap.pk)

    def hand_over(self, gap: Gap, username: str | None) -> None:
        """Give the gap to a person who can see and work it, or to nobody."""
        if not self.request.user.has_perm("gaps.assign_gap"):
            raise PermissionDenied("Handing gaps to another person needs the permission to assign.")
        workflow.assign([gap], to=None if username is None else worker(gap, username), by=self.request.user)


def worker(gap: Gap, username: str) -> User:
    """The account of that name, if it can work this gap. Raises ValidationError."""
    person = User.objects.filter(username=username, is_active=True).first()
    able = person and person.has_perm("gaps.change_gap")
    if not person or not able or not Gap.objects.visible_to(person).filter(pk=gap.pk).exists():
        # One answer for all, so that nobody learns here which accounts exist.
        raise ValidationError({"assigned_to": "No such account works gaps and sees this member."})
    return person


def move(gap: Gap, *, to: str, why: str, by: Any) -> None:
    """The workflow's step, its refusals as the API's problems."""
    try:
        workflow.move(gap, to=to, why=why, by=by)
    except workflow.WhyMissing as refusal:
        raise ValidationError({"why": str(refusal)}) from refusal
    except workflow.IllegalStep as refusal:
        raise Conflict(str(refusal), code="illegal_step") from refusal
    except workflow.ChangedMeanwhile as refusal:
        raise PreconditionFailed("It was changed since that version was read.") from refusal


PSEUDONYM_PARAMETER = OpenApiParameter("pseudonym", OpenApiTypes.STR, OpenApiParameter.PATH, description="The member.")
GAP_PARAMETER = OpenApiParameter("id", OpenApiTypes.INT, OpenApiParameter.PATH, description="The gap's id.")


@extend_schema_view(list=extend_schema(summary="One member's gaps", parameters=[PSEUDONYM_PARAMETER]))
class MemberGaps(GapRecords):
    """Every gap of one member."""

    address_key, address_shape = "pseudonym", PSEUDONYM

    def get_queryset(self) -> GapQuerySet:
        visible = Member.objects.visible_to(self.request.user)
        member = get_object_or_404(visible, pseudonym=self.kwargs["pseudonym"])
        return Gap.objects.visible_to(self.request.user).filter(member=member)


@extend_schema_view(list=extend_schema(summary="Every step a gap took", parameters=[GAP_PARAMETER]))
class GapHistory(RecordedReads, Records):
    """The steps of one gap, first to last."""

    queryset = Transition.objects.all()
    row_class = TransitionRow
    ordering = ("at",)
    ordering_fields = ("at",)
    member_field = "member"
    address_key, address_shape = "pk", GAP_ID

    def get_queryset(self) -> QuerySet[Transition]:
        named = self.thing_named()
        visible = Gap.objects.visible_to(self.request.user).select_related("member")
        self.gap: Gap = get_object_or_404(visible, pk=named) if named else get_object_or_404(Gap.objects.none())
        return Transition.objects.filter(gap=self.gap)

    def members_in(self, rows: Any) -> list[str]:
        return [self.gap.member.pseudonym]


router = SimpleRouter()
router.register("gaps", Gaps, basename="gaps")
urlpatterns = [
    path(
        "members/<str:pseudonym>/gaps/",
        MemberGaps.as_view({"get": "list"}, basename="member_gaps", detail=False),
        name="member-gaps-list",
    ),
    path(
        "gaps/<str:pk>/history/",
        GapHistory.as_view({"get": "list"}, basename="gap_history", detail=False),
        name="gap-history-list",
    ),
    *router.urls,
]
