"""The list of members and a member's page; contracts, providers and contact preferences."""

from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.module_loading import import_string
from django.utils.safestring import SafeString

from audit import ledger
from audit.hand_edits import RecordedEdits, record_refusal
from audit.models import Event
from hedis.lib.modeladmin import Column, PlanModelAdmin, ReadOnlyAdmin
from hedis.lib.templatetags import portfolio
from hedis.members.models import ContactPreference, Contract, Enrolment, Member, Provider
from hedis.members.pseudonyms import UnusableId, pseudonym

HEX = frozenset("0123456789abcdef")
SHORTEST_LABEL = 8
DUAL_CODES = ("01", "02", "03", "04", "05", "06", "08", "1", "2", "3", "4", "5", "6", "8")


class ContractFilter(admin.SimpleListFilter):
    """By the contract of the newest enrolment span."""

    title = parameter_name = "contract"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(contract.number, str(contract)) for contract in Contract.objects.all()]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        if not self.value():
            return queryset
        # The newest span is looked up per row: first leave out those who never were in this contract.
        ever = Enrolment.objects.filter(contract__number=self.value()).values("member")
        return queryset.filter(pk__in=ever, current_contract=self.value())


class EquityFilter(admin.SimpleListFilter):
    """The groups the Health Equity Index looks at."""

    title, parameter_name = "equity group", "group"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("lis", "Low-income subsidy"), ("dual", "Dual"), ("disabled", "Disabled"), ("none", "None of them")]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        lis, dual = Q(low_income_subsidy=True), Q(dual_status_code__in=DUAL_CODES)
        disabled = Q(original_reason_code__in=("1", "3"))
        groups = {"lis": lis, "dual": dual, "disabled": disabled, "none": ~(lis | dual | disabled)}
        return queryset.filter(groups[self.value()]) if self.value() in groups else queryset  # type: ignore[index]


def flags(member: Member) -> list[str]:
    """What a caller should know of a member's entitlement."""
    told = ((member.low_income_subsidy, "LIS"), (member.is_dual, "Dual"), (member.is_disabled, "Disabled"))
    return [words for holds, words in told if holds]


def contact_edit(request: HttpRequest, member: Member, wish: ContactPreference | None) -> str:
    """Where this person may change how the member is reached; "" where she may not."""
    if wish is not None and request.user.has_perm("members.change_contactpreference"):
        return reverse("admin:members_contactpreference_change", args=[wish.pk])
    if wish is None and request.user.has_perm("members.add_contactpreference"):
        return f"{reverse('admin:members_contactpreference_add')}?member={member.pk}"
    return ""


def shown_column(column: Column) -> Any:
    """A list column that shows what was annotated under the column's name."""

    @admin.display(description=column.label, ordering=column.name)
    def cell(member: Any) -> Any:
        return getattr(member, column.name) or portfolio.DASH

    return cell


@admin.register(Member)
class MemberAdmin(ReadOnlyAdmin):
    """Members come from enrolment files; here they are found and read."""

    list_display = ["label", "age", "sex", "language", "contract_cell", "flags_cell", "contact_cell", "care_manager",
                    "active_cell"]  # fmt: skip
    list_filter = ("active", ContractFilter, EquityFilter, ("care_manager", admin.RelatedOnlyFieldListFilter))
    change_list_template = "admin/members/member/list.html"
    page_template = "admin/members/member/page.html"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.columns: list[Column] = [import_string(name) for name in settings.MEMBER_COLUMNS]
        for column in self.columns:
            setattr(self, column.name, shown_column(column))
        self.list_display = [*self.list_display, *(column.name for column in self.columns)]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Member]:
        now = (
            Enrolment.objects.filter(member=OuterRef("pk"), contract__isnull=False)
            .order_by("-start_date", "-id")
            .values("contract__number")[:1]
        )
        return (
            Member.objects.visible_to(request.user)
            .select_related("care_manager", "contact_preference")
            .annotate(current_contract=Subquery(now))
            .annotate(**{column.name: column.annotation() for column in self.columns})
        )

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """A page of the list shows members: the ledger knows which, before the page leaves."""
        response = super().changelist_view(request, extra_context)
        shown = getattr(response, "context_data", None) or {}
        if "cl" in shown and shown["cl"].result_list:
            seen = [member.pseudonym for member in shown["cl"].result_list]
            facts = {"object_type": "member", "members": seen, "row_count": len(seen)}
            ledger.record_alone(Event.Kind.READ, "member.listed", **facts, by=request.user)
        return response

    def get_urls(self) -> list[Any]:
        find = path("find/", self.admin_site.admin_view(self.find_view), name="members_member_find")
        return [find, *super().get_urls()]

    @admin.display(description="member", ordering="pseudonym")
    def label(self, member: Member) -> str:
        return member.label

    @admin.display(description="age", ordering="-birth_year")
    def age(self, member: Member) -> int:
        return member.age_on(timezone.localdate())

    @admin.display(description="contract")
    def contract_cell(self, member: Any) -> str:
        return member.current_contract or portfolio.DASH

    @admin.display(description="flags")
    def flags_cell(self, member: Member) -> str:
        return ", ".join(flags(member)) or portfolio.DASH

    @admin.display(description="contact")
    def contact_cell(self, member: Member) -> SafeString | str:
        wish = getattr(member, "contact_preference", None)
        if wish is None:
            return portfolio.DASH
        return portfolio.chip("Do not call", "bad") if wish.do_not_call else str(wish)

    @admin.display(description="membership")
    def active_cell(self, member: Member) -> SafeString | str:
        if member.deceased_date:
            return portfolio.chip("Deceased", "plain")
        return "Active" if member.active else portfolio.chip("Left", "warn")

    def find_view(self, request: HttpRequest) -> HttpResponse:
        """From a plan's id, or a label, to the member's page. The id comes in a POST body and goes nowhere else."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        to_list = HttpResponseRedirect(reverse("admin:members_member_changelist"))
        if request.method != "POST":
            return to_list
        typed = request.POST.get("plan_id", "").strip()
        try:
            found = self.find(request, typed)
        except UnusableId as refusal:
            messages.error(request, f"This cannot be a member id: it {refusal}.")
            return to_list
        ledger.record_alone(
            Event.Kind.READ,
            "member.searched",
            object_type="member",
            object_id=found.pk if found else "",
            members=[found.pseudonym] if found else [],
            row_count=1 if found else 0,
            by=request.user,
        )
        if found is None:
            messages.warning(request, "No member with this id or label among those you may see.")
            return to_list
        return HttpResponseRedirect(reverse("admin:members_member_change", args=[found.pk]))

    def find(self, request: HttpRequest, typed: str) -> Member | None:
        """The one visible member of this plan id; else of this label, if it is one and leaves no doubt."""
        visible = Member.objects.visible_to(request.user)
        by_id = visible.filter(pseudonym=pseudonym(typed)).first()
        label = typed.replace(" ", "").lower()
        if by_id or len(label) < SHORTEST_LABEL or not set(label) <= HEX:
            return by_id
        like = list(visible.filter(pseudonym__startswith=label)[:2])
        return like[0] if len(like) == 1 else None

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The member's page. The ledger line and the rows it tells of are one transaction, ended before the body."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        member = self.get_object(request, object_id)
        if not isinstance(member, Member):
            record_refusal("member.viewed", Member, object_id, by=request.user)
            raise Http404("No member here.")
        with transaction.atomic():
            ledger.record(
                Event.Kind.READ,
                "member.viewed",
                object_type="member",
                object_id=member.pk,
                members=[member.pseudonym],
                by=request.user,
            )
            return TemplateResponse(request, self.page_template, self.page_context(request, member)).render()

    def page_context(self, request: HttpRequest, member: Member) -> dict[str, Any]:
        """Everything about the member that this room knows, and the panels of the others."""
        panels = (import_string(name)(request, member) for name in settings.MEMBER_PANELS)
        wish = getattr(member, "contact_preference", None)
        return {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": member,
            "title": f"Member {member.label}",
            "member": member,
            "age": member.age_on(timezone.localdate()),
            "flags": flags(member),
            "contact_preference": wish,
            "contact_edit": contact_edit(request, member, wish),
            "enrolments": member.enrolments.select_related("contract").order_by("-start_date", "-id"),
            "provider_now": member.attributions.filter(end_date=None).select_related("provider").first(),
            "panels": [panel for panel in panels if panel is not None],
        }


@admin.register(ContactPreference)
class ContactPreferenceAdmin(RecordedEdits, PlanModelAdmin):
    """How a member wants to be reached; opened from the member's page."""

    list_display = ("member", "channel", "best_times", "do_not_call")
    list_filter = ("channel", "do_not_call")
    fields = ("channel", "best_times", "do_not_call")

    def get_queryset(self, request: HttpRequest) -> QuerySet[ContactPreference]:
        visible = Member.objects.visible_to(request.user)
        return ContactPreference.objects.filter(member__in=visible).select_related("member").order_by("id")

    def heading(self, obj: ContactPreference) -> str:
        return f"How to reach member {obj.member.label}"

    def members_of(self, obj: ContactPreference) -> list[str]:
        return [obj.member.pseudonym]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: ContactPreference, form: Any, change: bool) -> None:
        """A new one belongs to the member named in the address, if she may be seen."""
        if not change:
            obj.member = self.member_without(request)
        super().save_model(request, obj, form, change)

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if self.has_add_permission(request):
            extra_context = {**(extra_context or {}), "subtitle": f"Member {self.member_without(request).label}"}
        return super().add_view(request, form_url, extra_context)

    def member_without(self, request: HttpRequest) -> Member:
        """The visible member of the address who has no preference yet; 404 otherwise."""
        chosen = request.GET.get("member", "")
        has_one = Exists(ContactPreference.objects.filter(member=OuterRef("pk")))
        visible = Member.objects.visible_to(request.user).filter(~has_one)
        member = visible.filter(pk=int(chosen)).first() if chosen.isdecimal() else None
        if member is None:
            raise Http404("Open this from the page of a member without a contact preference.")
        return member

    def response_post_save_change(self, request: HttpRequest, obj: Any) -> HttpResponseRedirect:
        return HttpResponseRedirect(reverse("admin:members_member_change", args=[obj.member_id]))

    response_post_save_add = response_post_save_change


@admin.register(Contract)
class ContractAdmin(RecordedEdits, PlanModelAdmin):
    """Contracts with CMS."""

    list_display = ("number", "name", "organisation", "plan_type", "snp_kind")
    list_filter = ("plan_type", "snp_kind")
    search_fields = ("number", "name", "organisation")

    def name_of(self, obj: Contract) -> str:
        return obj.number


@admin.register(Provider)
class ProviderAdmin(RecordedEdits, PlanModelAdmin):
    """Practitioners members are attributed to."""

    list_display = ("name_cell", "practice", "npi")
    search_fields = ("npi__startswith", "name__icontains", "practice__icontains")
    list_display_links = ("name_cell",)

    @admin.display(description="name", ordering="name")
    def name_cell(self, provider: Provider) -> str:
        return str(provider)

    def name_of(self, obj: Provider) -> str:
        return obj.npi
