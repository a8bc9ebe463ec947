"""The ledger and the field-by-field changes, to read. Looking into the ledger is itself an event."""

import json
from datetime import UTC, datetime, time, timedelta
from typing import Any

from auditlog.models import LogEntry
from django.contrib import admin
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from audit import ledger
from audit.models import Event
from hedis.lib.modeladmin import FormFilter, ReadOnlyAdmin
from hedis.lib.templatetags import portfolio

OUTCOME_TONE = {"denied": "bad", "failed": "bad", "done": "plain"}

admin.site.unregister(LogEntry)


class WhenFilter(FormFilter):
    """From a day to a day, both included, in the pages' time zone."""

    title = "day"
    fields = (("from", "From", "date"), ("to", "To", "date"))

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        first, last = self.day("from"), self.day("to")
        if first:
            queryset = queryset.filter(occurred_at__gte=day_start(first))
        return queryset.filter(occurred_at__lt=day_start(last + timedelta(days=1))) if last else queryset


def day_start(day: Any) -> datetime:
    """Midnight of a day where the plan is."""
    return datetime.combine(day, time.min, tzinfo=timezone.get_current_timezone()).astimezone(UTC)


class WordsFilter(FormFilter):
    """Exact words of one text column."""

    column = ""

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        words = self.value(self.fields[0][0]).replace("\x00", "")
        return queryset.filter(**{self.column: words}) if words else queryset


class ActorFilter(WordsFilter):
    """Who did it."""

    title = column = "actor"
    fields = (("actor", "User name", "text"),)


class ActionFilter(WordsFilter):
    """What was done."""

    title = column = "action"
    fields = (("action_is", "Action, such as member.viewed", "text"),)


class MemberFilter(FormFilter):
    """Whom it was about: the accounting of disclosures of one member."""

    title = "member"
    fields = (("member", "Pseudonym (64 digits)", "text"),)

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        wanted = self.value("member").replace(" ", "").lower()
        return queryset.about_member(wanted) if wanted else queryset


class OutcomeFilter(admin.SimpleListFilter):
    """How it ended."""

    title = parameter_name = "outcome"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("done", "Done"), ("denied", "Denied"), ("failed", "Failed"), ("not-done", "Denied or failed")]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        if self.value() == "not-done":
            return queryset.filter(outcome__in=("denied", "failed"))
        return queryset.filter(outcome=self.value()) if self.value() else queryset


@admin.register(Event)
class EventAdmin(ReadOnlyAdmin):
    """What was done and seen, by whom, from where."""

    list_title = "Audit ledger"
    list_display = ("occurred_at", "actor", "role_cell", "kind", "action_cell", "outcome_cell", "object_cell",
                    "row_count", "ip")  # fmt: skip
    list_filter = ("kind", OutcomeFilter, WhenFilter, ActorFilter, ActionFilter, MemberFilter)
    sortable_by = ()
    fieldsets = (
        (None, {"fields": ("occurred_at", "actor", "actor_type", "role_cell", "action", "kind", "outcome_cell")}),
        ("What", {"fields": ("object_cell", "row_count", "payload_cell")}),
        ("Request", {"fields": ("method", "route", "ip", "request_id", "txid")}),
        ("Proof", {"fields": ("id", "leaf_cell")}),
    )
    readonly_fields = ("role_cell", "outcome_cell", "object_cell", "payload_cell", "leaf_cell")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Event]:
        return super().get_queryset(request).defer("header", "payload", "salt", "leaf_hash")

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        with transaction.atomic():
            ledger.record(
                Event.Kind.READ, "ledger.viewed", object_type="event", after={"filters": request.GET.dict()},
                by=request.user,
            )  # fmt: skip
        return super().changelist_view(request, extra_context)

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any) -> Any:
        with transaction.atomic():
            seen = kwargs["obj"]
            ledger.record(
                Event.Kind.READ, "ledger.event_viewed", object_type="event", object_id=seen.pk,
                members=ledger.contents(seen)["members"], by=request.user,
            )  # fmt: skip
        return super().render_change_form(request, context, *args, **kwargs)

    @admin.display(description="role")
    def role_cell(self, event: Event) -> str:
        return portfolio.in_words(event.role) or portfolio.DASH

    @admin.display(description="action")
    def action_cell(self, event: Event) -> str:
        return portfolio.in_words(event.action)

    @admin.display(description="outcome")
    def outcome_cell(self, event: Event) -> SafeString:
        return portfolio.chip(event.outcome, OUTCOME_TONE[event.outcome])

    @admin.display(description="object")
    def object_cell(self, event: Event) -> str:
        return f"{event.object_type} {event.object_id}".strip() or portfolio.DASH

    @admin.display(description="payload")
    def payload_cell(self, event: Event) -> SafeString:
        """The bytes that were hashed, laid out for reading."""
        return format_html("<pre>{}</pre>", json.dumps(ledger.contents(event), indent=2, ensure_ascii=False))

    @admin.display(description="leaf hash")
    def leaf_cell(self, event: Event) -> SafeString:
        return format_html("<code>{}</code>", bytes(event.leaf_hash).hex())


@admin.register(LogEntry)
class FieldChangeAdmin(ReadOnlyAdmin):
    """The readable difference of edits made by hand; the ledger is the record."""

    list_title = "Field changes"
    list_display = ("timestamp", "actor", "object_cell", "what", "differences")
    list_filter = ("action", ("content_type", admin.RelatedOnlyFieldListFilter))
    list_select_related = ("actor", "content_type")
    search_fields = ("actor__username", "object_repr")
    fieldsets = ((None, {"fields": ("timestamp", "actor", "object_cell", "what", "differences", "remote_addr")}),)
    readonly_fields = ("object_cell", "what", "differences")
    sortable_by = ()

    @admin.display(description="object")
    def object_cell(self, entry: LogEntry) -> str:
        return f"{entry.content_type.name if entry.content_type else ''} {entry.object_repr}".strip()

    @admin.display(description="action")
    def what(self, entry: LogEntry) -> str:
        return str(entry.get_action_display())

    @admin.display(description="changes")
    def differences(self, entry: LogEntry) -> SafeString | str:
        lines = [(field, *(portfolio.or_dash(side) for side in sides)) for field, sides in difference(entry)]
        shown = format_html_join("", "<li><b>{}</b> {} → {}</li>", lines)
        return format_html('<ul class="plain">{}</ul>', shown) if lines else portfolio.DASH


def difference(entry: LogEntry) -> list[tuple[str, list[Any]]]:
    """Field and [before, after]; changes of many-to-many fields as what was done."""
    changes: dict[str, Any] = entry.changes or {}
    return [
        (field, sides if isinstance(sides, list) and len(sides) == 2 else ["", json.dumps(sides, default=str)])
        for field, sides in changes.items()
    ]
