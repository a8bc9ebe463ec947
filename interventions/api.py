"""The API's interventions: lists, one of them, its attempts, completing and cancelling; a member's history."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, ClassVar

from django.db import transaction
from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django.urls import path
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework.exceptions import PermissionDenied, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter
from rest_framework.serializers import Serializer

from audit.reading import RecordedReads
from hedis.accounts.idempotency import idempotent
from hedis.accounts.models import User
from hedis.lib import etag
from hedis.lib.filtering import unusable
from hedis.lib.problem import Conflict, PreconditionFailed
from hedis.lib.records import One, Records
from hedis.lib.schema import CHANGES, ApiSchema
from hedis.members.models import PSEUDONYM, Member
from interventions import api_rows as rows
from interventions import contacting, history, outreach, planning, workflow
from interventions.models import Attempt, Intervention, InterventionQuerySet, InterventionTransition

INTERVENTION_ID = r"^[0-9]{1,18}$"
CODES: dict[type[Exception], str] = {
    workflow.IllegalStep: "illegal_step",
    workflow.HeldOut: "held_out",
    workflow.NotRunning: "not_running",
    contacting.DoNotCall: "do_not_call",
    contacting.NoConsent: "no_consent",
    contacting.FrequencyCapReached: "frequency_cap_reached",
    planning.NothingToDo: "nothing_to_do",
}


@contextmanager
def as_problems() -> Iterator[None]:
    """The verbs' refusals as the API's problems."""
    try:
        yield
    except workflow.Unusable as refusal:
        raise ValidationError({refusal.field: str(refusal)}) from refusal
    except planning.UnusableProposals as refusal:
        raise ValidationError(dict(in_one_proposal(each) for each in refusal.problems)) from refusal
    except workflow.ChangedMeanwhile as refusal:
        raise PreconditionFailed("It was changed since that version was read.") from refusal
    except tuple(CODES) as refusal:
        raise Conflict(str(refusal), code=CODES[type(refusal)]) from refusal


def in_one_proposal(problem: str) -> tuple[str, str]:
    """Field and reason of a problem, whose row is the only one."""
    field, reason = problem.removeprefix("row 1, ").split(": ", 1)
    return field, reason


def tag_of(row: Intervention) -> str:
    """The ETag of an intervention: every change is a version."""
    return etag.of("intervention", row.pk, row.version)


class StepSchema(ApiSchema):
    """A POST that takes a step: decided on the version that If-Match names."""

    def get_override_parameters(self) -> list[Any]:
        given = super().get_override_parameters()
        if self.method != "POST":
            return given
        words = "The ETag this step was decided on."
        return [*given, OpenApiParameter("If-Match", str, OpenApiParameter.HEADER, required=True, description=words)]

    def own_problems(self) -> dict[str, str]:
        return (CHANGES if self.method == "POST" else {}) | super().own_problems()


class PlanningSchema(ApiSchema):
    """A POST that makes something new."""

    def own_problems(self) -> dict[str, str]:
        words = "Nothing is open any more, it is planned already, or the campaign is no draft."
        made = {"409": words} if self.method == "POST" else {}
        return super().own_problems() | made


class OfMembers(RecordedReads, Records):
    """What the endpoints about interventions share: the caller's rows, and one of them at an address."""

    queryset: QuerySet[Any] = Intervention.objects.all()
    row_class: ClassVar[type[Serializer[Any]]] = rows.InterventionRow
    detail_class: ClassVar[type[Serializer[Any]]] = rows.InterventionDetail
    member_field = "member"
    address_key, address_shape = "pk", INTERVENTION_ID

    def visible(self) -> InterventionQuerySet:
        """Interventions for members the caller may see."""
        return Intervention.objects.visible_to(self.request.user)

    def named(self) -> Intervention:
        """The intervention at this address; `abc` names none, and is no server error."""
        if not re.fullmatch(INTERVENTION_ID, str(self.kwargs["pk"])):
            return get_object_or_404(Intervention.objects.none())
        shown = self.visible().with_measures().select_related("member", "owner", "campaign")
        return get_object_or_404(shown.prefetch_related("links__gap__measure"), pk=self.kwargs["pk"])

    def answer(self, status: int = HTTPStatus.OK) -> Response:
        """The intervention as it stands now. The step's own event names the member; this is no second look."""
        row = self.named()
        return Response(rows.InterventionDetail(row).data, status=status, headers={"ETag": tag_of(row)})


@extend_schema_view(
    list=extend_schema(summary="Interventions you may see, in plan order"),
    retrieve=extend_schema(summary="One intervention"),
    create=extend_schema(
        summary="Plan one intervention", request=rows.NewIntervention, responses={201: rows.InterventionDetail}
    ),
    partial_update=extend_schema(
        summary="Begin an intervention, hand it over, or change its date and estimate",
        description="Completing and cancelling have addresses of their own. No intervention closes a gap.",
        request=rows.InterventionChange,
        responses=rows.InterventionDetail,
    ),
)
class Interventions(One, OfMembers):
    """Interventions of the caller's scope. Every look is recorded."""

    schema = PlanningSchema()
    filterset_class = rows.InterventionFilters
    cursor_key = "id"
    ordering = ("-priority", "contact_by")
    ordering_fields = ("id", "priority", "contact_by", "due_date", "state", "kind", "year", "changed_at", "planned_at")

    def get_queryset(self) -> InterventionQuerySet:
        return self.visible().with_measures()

    def get_object(self) -> Intervention:
        return self.named()

    def tag(self, thing: Intervention, data: Any) -> str:
        return tag_of(thing)

    @idempotent
    def create(self, request: Request, **kwargs: Any) -> Response:
        """Plan one. A member the caller may not see is answered like one that is not there."""
        sent = rows.NewIntervention(data=request.data)
        sent.is_valid(raise_exception=True)
        wanted = dict(sent.validated_data)
        if not Member.objects.visible_to(request.user).filter(pseudonym=wanted["member"]).exists():
            raise ValidationError({"member": "there is no such member"})
        year, campaign = wanted.pop("year"), wanted.pop("campaign", None)
        if campaign and not request.user.has_perm("interventions.change_campaign"):
            raise PermissionDenied("Adding to a campaign needs the permission to change it.")
        with as_problems():
            planned = planning.plan_one(
                planning.Proposal(**wanted), year=year, campaign=campaign, today=timezone.localdate(), by=request.user
            )
        self.kwargs["pk"] = str(planned.pk)
        return self.answer(HTTPStatus.CREATED)

    def partial_update(self, request: Request, **kwargs: Any) -> Response:
        """One decision, taken on the version that If-Match names."""
        row = self.named()
        etag.require_match(request, tag_of(row))
        sent = rows.InterventionChange(data=request.data)
        sent.is_valid(raise_exception=True)
        wanted = sent.validated_data
        with as_problems(), transaction.atomic():
            if "state" in wanted:
                outreach.start(row, by=request.user)
            elif "owner" in wanted:
                self.hand_over(row, wanted["owner"])
            else:
                outreach.amend(row, changes=wanted, by=request.user)
        return self.answer()

    def hand_over(self, row: Intervention, username: str | None) -> None:
        """Give it to a person who can work it and sees the member, or to nobody."""
        if not self.request.user.has_perm("interventions.assign_intervention"):
            raise PermissionDenied("Handing interventions to another person needs the permission to assign.")
        workflow.locked(row)
        if not row.is_live:
            raise workflow.IllegalStep(f"This intervention is “{row.get_state_display()}”: nobody works it any more.")
        to = None if username is None else worker(row, username)
        outreach.hand_over(Intervention.objects.filter(pk=row.pk), to=to, by=self.request.user)


def worker(row: Intervention, username: str) -> User:
    """The account of that name, if it can work this intervention. Raises ValidationError."""
    person = User.objects.filter(username=username, is_active=True).first()
    able = person and person.has_perm("interventions.change_intervention")
    if not person or not able or not Intervention.objects.visible_to(person).filter(pk=row.pk).exists():
        # One answer for all, so that nobody learns here which accounts exist.
        raise ValidationError({"owner": "No such account works interventions and sees this member."})
    return person


NAMED = OpenApiParameter("id", OpenApiTypes.INT, OpenApiParameter.PATH, description="The intervention's id.")


@extend_schema_view(
    list=extend_schema(summary="Attempts of one intervention", parameters=[NAMED]),
    create=extend_schema(
        summary="Log an attempt",
        description="The first attempt begins the intervention; the gaps' work status moves forward. 409 names what "
        "stands against it in `code`: `do_not_call`, `no_consent`, `frequency_cap_reached`, `held_out`, `not_running` "
        "or `illegal_step`. The answer's ETag is the intervention's.",
        parameters=[NAMED],
        request=rows.NewAttempt,
        responses={201: rows.AttemptRow},
    ),
)
class Attempts(OfMembers):
    """The attempts of one intervention, newest first, and the next one."""

    schema = StepSchema()
    queryset = Attempt.objects.all()
    row_class = detail_class = rows.AttemptRow
    ordering = ("-at",)
    ordering_fields = ("at",)

    def get_queryset(self) -> QuerySet[Attempt]:
        self.row = self.named()
        return Attempt.objects.filter(intervention=self.row)

    def members_in(self, shown: Any) -> list[str]:
        return [self.row.member.pseudonym]

    def create(self, request: Request, **kwargs: Any) -> Response:
        """One attempt, decided on the version that If-Match names: sent twice, it is logged once."""
        row = self.named()
        sent = rows.NewAttempt(data=request.data)
        sent.is_valid(raise_exception=True)
        etag.require_match(request, tag_of(row))
        with as_problems():
            attempt = outreach.log_attempt(row, **sent.validated_data, by=request.user)
        headers = {"ETag": tag_of(attempt.intervention)}
        return Response(rows.AttemptRow(attempt).data, status=HTTPStatus.CREATED, headers=headers)


class Step(OfMembers):
    """A step at an address of its own."""

    schema = StepSchema()
    queryset = InterventionTransition.objects.all()
    pagination_class = None

    def taken(self, request: Request, body: type[rows.Exact]) -> tuple[Intervention, dict[str, Any]]:
        """The intervention at this address and what was sent, decided on the version that If-Match names."""
        row = self.named()
        sent = body(data=request.data)
        sent.is_valid(raise_exception=True)
        etag.require_match(request, tag_of(row))
        return row, sent.validated_data


@extend_schema_view(
    create=extend_schema(
        summary="Complete an intervention",
        description="The gaps become “service reported” at most: a finding run closes them.",
        parameters=[NAMED], request=rows.Completion, responses={200: rows.InterventionDetail},
    )
)  # fmt: skip
class Complete(Step):
    """Ends an intervention in progress with its outcome."""

    def create(self, request: Request, **kwargs: Any) -> Response:
        """Complete it."""
        row, sent = self.taken(request, rows.Completion)
        with as_problems():
            outreach.complete(row, **sent, by=request.user)
        return self.answer()


@extend_schema_view(
    create=extend_schema(
        summary="Cancel an intervention", parameters=[NAMED], request=rows.Why,
        responses={200: rows.InterventionDetail},
    )
)  # fmt: skip
class Cancel(Step):
    """Gives a live intervention up, with the reason."""

    def create(self, request: Request, **kwargs: Any) -> Response:
        """Cancel it."""
        row, sent = self.taken(request, rows.Why)
        with as_problems():
            outreach.cancel(row, **sent, by=request.user)
        return self.answer()


PSEUDONYM_PARAMETER = OpenApiParameter("pseudonym", OpenApiTypes.STR, OpenApiParameter.PATH, description="The member.")


@extend_schema_view(
    list=extend_schema(
        summary="What happened with one member, newest first",
        description="Contacts of every team, steps of the gaps and of the interventions, in one line of time.",
        parameters=[PSEUDONYM_PARAMETER],
    )
)
class MemberHistory(RecordedReads, Records):
    """The history of one member."""

    queryset = Attempt.objects.all()
    row_class = detail_class = rows.HappeningRow
    filter_backends = ()  # type: ignore[assignment]
    member_field = "member"
    address_key, address_shape = "pseudonym", PSEUDONYM

    def list(self, request: Request, **kwargs: Any) -> Response:
        """A page of the history, which is one member's and therefore short."""
        visible = Member.objects.visible_to(request.user)
        self.member = get_object_or_404(visible, pseudonym=self.kwargs["pseudonym"])
        if errors := unusable(request, {}) | ({"ordering": "It has one order."} if "ordering" in request.GET else {}):
            raise ValidationError(errors)
        page: Any = self.paginate_queryset(history.of_member(self.member))
        self.before_showing(page)
        return self.get_paginated_response(rows.HappeningRow(page, many=True).data)

    def members_in(self, shown: Any) -> Any:
        return [self.member.pseudonym]


router = SimpleRouter()
router.register("interventions", Interventions, basename="interventions")
urlpatterns = [
    path(
        "interventions/<str:pk>/attempts/",
        Attempts.as_view({"get": "list", "post": "create"}, basename="attempts", detail=False),
        name="intervention-attempts-list",
    ),
    path(
        "interventions/<str:pk>/complete/",
        Complete.as_view({"post": "create"}, basename="intervention_completion", detail=False),
        name="intervention-complete",
    ),
    path(
        "interventions/<str:pk>/cancel/",
        Cancel.as_view({"post": "create"}, basename="intervention_cancellation", detail=False),
        name="intervention-cancel",
    ),
    path(
        "members/<str:pseudonym>/history/",
        MemberHistory.as_view({"get": "list"}, basename="member_history", detail=False),
        name="member-history-list",
    ),
    *router.urls,
]
