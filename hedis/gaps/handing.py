"""One step for many gaps from a page: the forms, and what is told afterwards."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest

from hedis.accounts import roles
from hedis.accounts.models import User
from hedis.gaps import workflow
from hedis.gaps.models import Gap, Work

# More than this is asked about once more.
ASK_ABOVE = 50
TOLD = 8
# More than this in one request would keep a person waiting, and a form holds no more rows (Django: 1,000 fields).
MOST = 500
BY_HAND = frozenset(step for steps in workflow.BY_HAND.values() for step in steps)
STEPS = [(value, words) for value, words in Work.choices if value in BY_HAND]


class StepForm(forms.Form):
    """Where the gaps go, and why."""

    to = forms.ChoiceField(label="Work status", choices=[("", "Choose a work status"), *STEPS])
    why = forms.CharField(label="Why", required=False, max_length=500)

    def clean(self) -> dict[str, Any]:
        told = super().clean() or {}
        if told.get("to") in workflow.NEEDS_WHY and not told.get("why", "").strip():
            self.add_error("why", f"“{dict(STEPS)[told['to']]}” needs a reason.")
        return told


class HandForm(forms.Form):
    """Into whose hands."""

    person = forms.ModelChoiceField(label="Hand to", queryset=User.objects.none(), empty_label="Nobody", required=False)

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["person"].queryset = people_for(user)  # type: ignore[attr-defined]


def people_for(user: User) -> Any:
    """Whom this person may hand gaps to: those who work gaps, of the own team unless the whole plan is seen."""
    working = [roles.CARE_MANAGER.name, roles.TEAM_LEAD.name]
    people = User.objects.filter(is_active=True, groups__name__in=working).distinct().order_by("username")
    return people if user.has_perm(roles.WHOLE_PLAN) else people.filter(team=user.team)


def few_enough(request: HttpRequest, gaps: Any) -> list[Gap]:
    """The chosen gaps; none, and a word why, when they are too many for one step."""
    chosen = list(gaps[: MOST + 1])
    if len(chosen) > MOST:
        messages.error(request, f"Nothing was changed: choose at most {MOST} gaps at a time.")
        return []
    return chosen


def move_and_tell(request: HttpRequest, gaps: Sequence[Gap], *, to: str, why: str) -> None:
    """Take the step where it is legal, and say which gaps could not take it and why."""
    moved, refused = workflow.move_many(gaps, to=to, why=why, by=request.user)
    if moved:
        messages.success(request, f"{count_in_words(len(moved))} now “{dict(Work.choices)[to]}”.")
    for refusal in refused[:TOLD]:
        gap = refusal.gap
        messages.warning(request, f"{gap.measure.code} of member {gap.member.label} stays as it was: {refusal.why}")
    if len(refused) > TOLD:
        messages.warning(request, f"{count_in_words(len(refused) - TOLD)} more could not take this step either.")


def hand_and_tell(request: HttpRequest, gaps: Sequence[Gap], *, to: User | None) -> None:
    """Hand the gaps over and say how many changed hands."""
    changed = workflow.assign(gaps, to=to, by=request.user)
    messages.success(request, f"{count_in_words(changed)} handed to {to or 'nobody'}.")


def count_in_words(number: int) -> str:
    """1 gap, 2 gaps."""
    return f"{number:,} gap{'' if number == 1 else 's'}"
