"""People with their role, and API keys. Groups are written by the roles page and edited by nobody."""

from datetime import timedelta
from http import HTTPStatus
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.forms import AdminUserCreationForm, UserChangeForm
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.safestring import SafeString

from audit import ledger
from audit.hand_edits import RecordedEdits
from audit.models import Event
from hedis.accounts import keys, people, roles
from hedis.accounts.models import ApiKey, User
from hedis.lib.modeladmin import PlanModelAdmin
from hedis.lib.templatetags import portfolio

admin.site.unregister(Group)

ROLE_CHOICES = [("", "No role yet"), *((role.key, f"{role.name}: {role.sentence}") for role in roles.ROLES)]


class RoleFieldMixin(forms.Form):
    """The one role a person holds."""

    chosen_role = forms.ChoiceField(label="Role", choices=ROLE_CHOICES, required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        person = getattr(self, "instance", None)
        if person is not None and person.pk:
            self.initial["chosen_role"] = person.role


class NewPersonForm(RoleFieldMixin, AdminUserCreationForm):
    """A new account with its role."""

    class Meta(AdminUserCreationForm.Meta):
        model = User
        fields = ("username",)


class PersonForm(RoleFieldMixin, UserChangeForm):
    """An account as it stands."""


class RoleFilter(admin.SimpleListFilter):
    """By role."""

    title = parameter_name = "role"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [*((role.key, role.name) for role in roles.ROLES), ("none", "No role")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[User]) -> QuerySet[User]:
        if self.value() == "none":
            return queryset.filter(groups=None)
        role = roles.BY_KEY.get(self.value() or "")
        return queryset.filter(groups__name=role.name) if role else queryset


@admin.register(User)
class PersonAdmin(RecordedEdits, PlanModelAdmin, DjangoUserAdmin):
    """Accounts. A role is granted by its verb; permissions one by one do not exist here."""

    form, add_form = PersonForm, NewPersonForm
    list_title = "People"
    ledger_kind = Event.Kind.ADMIN
    list_display = ("username", "full_name", "role_cell", "team", "last_login", "active_cell")
    list_filter = ("is_active", RoleFilter, "team")
    search_fields = ("username", "first_name", "last_name", "email")
    filter_horizontal = ()
    fieldsets = (
        (None, {"fields": ("username", "password")}),
        ("Person", {"fields": ("first_name", "last_name", "email", "team")}),
        ("Access", {"fields": ("chosen_role", "is_active", "last_login", "date_joined")}),
    )
    add_fieldsets = (
        (None, {"fields": ("username", "chosen_role", "team", "usable_password", "password1", "password2")}),
    )
    readonly_fields = ("last_login", "date_joined")

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        return super().get_queryset(request).prefetch_related("groups")

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """To somebody who may only look, the role is words, not a field of the form."""
        if obj is not None and not self.has_change_permission(request, obj):
            kwargs["fields"] = []
        return super().get_form(request, obj, change=change, **kwargs)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        shown = super().get_fieldsets(request, obj)
        if obj is None or self.has_change_permission(request, obj):
            return shown
        person = ("username", "full_name", "email", "team", "role_cell", "active_cell", "last_login", "date_joined")
        return ((None, {"fields": person}),)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None or self.has_change_permission(request, obj):
            return self.readonly_fields
        return ("full_name", "role_cell", "active_cell", *self.readonly_fields)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """An account is closed, not deleted: the ledger names it for ten years."""
        return False

    @admin.display(description="name", ordering="last_name")
    def full_name(self, user: User) -> str:
        return user.get_full_name() or portfolio.DASH

    @admin.display(description="role")
    def role_cell(self, user: User) -> str:
        held = {group.name for group in user.groups.all()}
        return next((role.name for role in roles.ROLES if role.name in held), "No role")

    @admin.display(description="sign-in", ordering="is_active")
    def active_cell(self, user: User) -> SafeString | str:
        return "May sign in" if user.is_active else portfolio.chip("Closed", "warn")

    def name_of(self, obj: User) -> str:
        return obj.username

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:
        """Setting somebody's password is an event; the password itself is nowhere in it."""
        response = super().user_change_password(request, id, form_url)
        if request.method == "POST" and response.status_code == HTTPStatus.FOUND:
            ledger.record_alone(
                Event.Kind.ADMIN, "account.password_set", object_type="user", object_id=id, by=request.user
            )
        return response

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """The role last: the account must exist, and granting is a ledger event of its own."""
        super().save_related(request, form, formsets, change)
        role, user = form.cleaned_data.get("chosen_role", ""), form.instance
        if role and role != user.role:
            people.grant_role(user, role=role, by=request.user)


class KeyForm(forms.ModelForm):
    """A new key: for whom, what for, how long, whether it may change anything."""

    days = forms.IntegerField(label="Valid for days", min_value=1, max_value=365, initial=90)

    class Meta:
        model = ApiKey
        fields = ("user", "name", "read_only")


@admin.register(ApiKey)
class ApiKeyAdmin(PlanModelAdmin):
    """Keys of programs: the secret is shown once, when the key is made."""

    list_display = ("name", "prefix", "user", "rights", "state", "last_used_at")
    list_filter = ("read_only",)
    search_fields = ("name", "prefix", "user__username")
    list_select_related = ("user",)
    actions = ("revoke_selected",)
    add_fields = ("user", "name", "days", "read_only")
    shown_fields = ("name", "user", "prefix", "rights", "state", "created_at", "expires_at", "last_used_at")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A key is made and revoked; what it may do never changes under its holder's hands."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("accounts.change_apikey"))

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        return KeyForm if obj is None else super().get_form(request, obj, change, **kwargs)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.add_fields if obj is None else self.shown_fields

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return () if obj is None else self.shown_fields

    @admin.display(description="rights")
    def rights(self, key: ApiKey) -> str:
        return "Read only" if key.read_only else "Read and change"

    @admin.display(description="state")
    def state(self, key: ApiKey) -> SafeString:
        now = timezone.now()
        if key.revoked_at:
            return portfolio.chip("Revoked", "plain")
        if key.expires_at <= now:
            return portfolio.chip("Expired", "plain")
        soon = key.expires_at < now + timedelta(days=30)
        return portfolio.chip(f"Until {timezone.localtime(key.expires_at):%Y-%m-%d}", "warn" if soon else "good")

    @admin.action(description="Revoke", permissions=["revoke"])
    def revoke_selected(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        for key in queryset:
            keys.revoke(key, by=request.user)
        messages.success(request, f"Revoked: {', '.join(str(key) for key in queryset)}.")

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Making a key answers with the page that shows its secret, this once."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = KeyForm(request.POST or None)
        if request.method != "POST" or not form.is_valid():
            return super().add_view(request, form_url, extra_context)
        told = form.cleaned_data
        with transaction.atomic():
            key, secret = keys.create(
                told["user"], name=told["name"], days=told["days"], read_only=told["read_only"], by=request.user
            )
        context = {**self.admin_site.each_context(request), "title": "New API key", "key": key, "secret": secret}
        response = TemplateResponse(request, "admin/accounts/apikey/made.html", context)
        response["Cache-Control"] = "no-store"
        return response
