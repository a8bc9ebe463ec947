"""One intervention's page: what it shows, and the one step a person takes there."""

from collections.abc import Callable
from typing import Any

from django import forms as django_forms
from django.utils import timezone

from hedis.gaps.labels import work_chip
from interventions import actions, contacting, forms, labels, outreach
from interventions.models import Intervention, State
from interventions.workflow import STEPS, Unusable, WorkflowError

PERMISSIONS = {
    "attempt": "interventions.add_attempt",
    "start": "interventions.change_intervention",
    "complete": "interventions.add_interventiontransition",
    "cancel": "interventions.add_interventiontransition",
    "hand": "interventions.assign_intervention",
}


class Step:
    """One step asked for: its form, whether the person may take it, and what came of it."""

    def __init__(self, data: Any, row: Intervention, user: Any) -> None:
        self.row, self.user, self.words = row, user, ""
        self.name = data.get("step", "") if data else ""
        read = data.get("version", "") if data else ""
        # A version nobody ever saw is a stale one.
        self.version = int(read) if read.isdecimal() and len(read) < 10 else 0
        codes = [link.gap.measure.code for link in row.links.all()]
        self.forms: dict[str, Any] = {
            "attempt": forms.AttemptForm(self.data_for("attempt", data), initial={"channel": usual_channel(row)}),
            "complete": forms.CompleteForm(self.data_for("complete", data), codes=codes),
            "cancel": forms.CancelForm(self.data_for("cancel", data)),
            "hand": forms.OwnerForm(self.data_for("hand", data), user=user, initial={"person": row.owner_id}),
            "start": django_forms.Form(self.data_for("start", data)),
        }

    def data_for(self, name: str, data: Any) -> Any:
        """Only the form that was sent is filled."""
        return data if self.name == name else None

    @property
    def form(self) -> Any:
        """The form that was sent."""
        return self.forms[self.name]

    @property
    def allowed(self) -> bool:
        """Whether this person's role includes the step."""
        return self.name in PERMISSIONS and bool(self.user.has_perm(PERMISSIONS[self.name]))

    def taken(self) -> bool:
        """Take the step from the version that was on the screen; a refusal is told in the form."""
        if not self.form.is_valid():
            return False
        self.row.version = self.version
        try:
            self.words = self.verbs()[self.name]()
        except Unusable as refusal:
            self.form.add_error(refusal.field if refusal.field in self.form.fields else None, str(refusal))
        except WorkflowError as refusal:
            self.form.add_error(None, str(refusal))
        return bool(self.words)

    def verbs(self) -> dict[str, Callable[[], str]]:
        """What each step does; each answers with what to tell the person."""
        return {
            "attempt": self.log, "start": self.start, "complete": self.complete, "cancel": self.cancel,
            "hand": self.hand,
        }  # fmt: skip

    def log(self) -> str:
        attempt = outreach.log_attempt(self.row, **self.form.cleaned_data, by=self.user)
        return f"Logged: {attempt.get_disposition_display()}."

    def start(self) -> str:
        outreach.start(self.row, by=self.user)
        return "The intervention is in progress."

    def complete(self) -> str:
        done = outreach.complete(self.row, **self.form.facts(), by=self.user)
        return f"Completed: {done.get_outcome_display().lower()}. A gap closes when the next finding run sees the care."

    def cancel(self) -> str:
        outreach.cancel(self.row, why=self.form.cleaned_data["why"], by=self.user)
        return "The intervention is cancelled."

    def hand(self) -> str:
        person = self.form.cleaned_data["person"]
        changed = outreach.hand_over(Intervention.objects.filter(pk=self.row.pk), to=person, by=self.user)
        return f"Handed to {person or 'nobody'}." if changed else "Nothing changed."


def usual_channel(row: Intervention) -> str:
    """How the member wants to be reached, else how this kind usually begins."""
    wish = getattr(row.member, "contact_preference", None)
    return wish.channel if wish else actions.actions()[row.kind].channel


def contents(row: Any, step: Step, user: Any) -> dict[str, Any]:
    """Everything the page says, with the forms this person may send from where the intervention stands."""
    closed = contacting.refusals(row.member, now=timezone.now())
    free = row.may_be_worked
    may = {name: bool(user.has_perm(permission)) for name, permission in PERMISSIONS.items()}
    return {
        "row": row,
        "state": labels.state_chip(row),
        "action": actions.actions()[row.kind],
        "today": timezone.localdate(),
        "gaps": [(link, work_chip(link.gap)) for link in row.links.all()],
        "forms": step.forms,
        "sent": step.form if step.name in step.forms else None,
        "buttons": labels.disposition_buttons(),
        "closed": [(row_channel, refusal) for row_channel, refusal in named(closed)],
        "capped": any(isinstance(refusal, contacting.FrequencyCapReached) for refusal in closed.values()),
        "may_log": may["attempt"] and free,
        "may_start": may["start"] and free and State.IN_PROGRESS in STEPS[row.state],
        "may_complete": may["complete"] and free and State.COMPLETED in STEPS[row.state],
        "may_cancel": may["cancel"] and row.is_live and not row.held_out,
        "may_hand": may["hand"] and row.is_live,
        "attempts": list(row.attempts.all()),
        "history": list(row.transitions.order_by("-at", "-id")),
    }


def named(closed: dict[str, contacting.ContactRefused]) -> list[tuple[str, str]]:
    """The closed channels in words, each with why."""
    words = dict(forms.Channel.choices)
    return [(words[channel], str(refusal)) for channel, refusal in closed.items()]
