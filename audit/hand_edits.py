"""Edits made in the admin's forms: each one is a ledger event in the transaction of the change."""

from typing import Any

from django.db.models import Model
from django.http import HttpRequest

from audit import ledger
from audit.models import Event

SECRET_FIELDS = frozenset({"password", "password1", "password2", "usable_password"})


class RecordedEdits:
    """Mixed into a ModelAdmin: what a form changed is recorded with before and after, secrets by name only."""

    ledger_kind = Event.Kind.CHANGE

    def members_of(self, obj: Any) -> list[str]:
        """Pseudonyms of the members an edit concerns."""
        return []

    def name_of(self, obj: Any) -> object:
        """How the ledger names the object."""
        return obj.pk

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Save and record; the admin's form view is one transaction."""
        super().save_model(request, obj, form, change)  # type: ignore[misc]
        changed = [name for name in form.changed_data if name not in SECRET_FIELDS and name in form.cleaned_data]
        secret = sorted(SECRET_FIELDS.intersection(form.changed_data))
        before = {name: shown(form.initial.get(name)) for name in changed} if change else None
        after: dict[str, Any] = {name: shown(form.cleaned_data[name]) for name in changed}
        kind = obj._meta.model_name or ""
        ledger.record(
            self.ledger_kind,
            f"{kind}.{'edited' if change else 'added'}",
            object_type=kind,
            object_id=self.name_of(obj),
            before=before,
            after={**after, "secrets_changed": secret} if secret else after,
            members=self.members_of(obj),
            by=request.user,
        )


def record_refusal(action: str, model: type[Model], key: str, *, by: Any) -> None:
    """Somebody asked for a row that is there but not hers: an event, if the row exists.

    A key of nothing is not written down: what stands in a mistyped address may be a plan's own member id.
    """
    if key.isdecimal() and len(key) < 19 and model._default_manager.filter(pk=int(key)).exists():
        kind = model._meta.model_name or ""
        ledger.record_alone(
            Event.Kind.READ, action, object_type=kind, object_id=key, outcome="denied", row_count=0, by=by
        )


def shown(value: Any) -> Any:
    """A form's value as the ledger writes it down."""
    return value if value is None or isinstance(value, (str, int, float, bool)) else str(value)
