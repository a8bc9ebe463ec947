"""What a model steward fills in: the next step, a waiver, the 31 source attributes with the card."""

from typing import Any

from django import forms

from predictions.models import ModelVersion, State
from predictions.source_attributes import ATTRIBUTES, GROUPS

LONGEST = 5000
LONGEST_CARD = 50_000


class StepForm(forms.Form):
    """The next state and the reason for it, decided on the revision that was on the screen."""

    to = forms.ChoiceField(label="Next step", choices=State.choices)
    why = forms.CharField(label="Why", max_length=2000)
    revision = forms.IntegerField(widget=forms.HiddenInput, min_value=1)


class WaiverForm(forms.Form):
    """Why a fairness gate may be missed, decided on the revision that was on the screen."""

    waive_why = forms.CharField(label="Why", max_length=2000)
    revision = forms.IntegerField(widget=forms.HiddenInput, min_value=1)


class DescriptionForm(forms.Form):
    """The 31 attributes and the card. Any of them may stay empty for now: what is filled in is kept."""

    revision = forms.IntegerField(widget=forms.HiddenInput, min_value=1)
    card = forms.CharField(
        label="Model card", required=False, max_length=LONGEST_CARD, widget=forms.Textarea(attrs={"rows": 6})
    )

    def __init__(self, model: ModelVersion, data: Any = None) -> None:
        super().__init__(data, auto_id="describe_%s")
        self.model = model
        for one in ATTRIBUTES:
            self.fields[one.key] = forms.CharField(
                label=f"{one.number}. {one.label}", required=False, max_length=LONGEST,
                widget=forms.Textarea(attrs={"rows": 2}), initial=model.attributes.get(one.key, ""),
            )  # fmt: skip
        self.fields["card"].initial = model.card
        self.fields["revision"].initial = model.revision

    def groups(self) -> list[dict[str, Any]]:
        """The fields group by group, and how many of each are filled in."""
        return [
            {
                "name": name,
                "fields": [self[one.key] for one in ATTRIBUTES if first <= one.number <= last],
                "filled": sum(self.is_filled(one.key) for one in ATTRIBUTES if first <= one.number <= last),
            }
            for name, first, last in GROUPS
        ]

    def is_filled(self, key: str) -> bool:
        """Whether something stands in a field now."""
        return bool(str(self[key].value() or "").strip())

    @property
    def filled(self) -> int:
        """How many of the 31 are filled in."""
        return sum(self.is_filled(one.key) for one in ATTRIBUTES)

    def changed_attributes(self) -> dict[str, str]:
        """The attributes that differ from the stored ones. Line ends come back from a browser as two characters."""
        given = {one.key: str(self.cleaned_data[one.key]).replace("\r\n", "\n") for one in ATTRIBUTES}
        return {key: text for key, text in given.items() if text != self.model.attributes.get(key, "")}

    def changed_card(self) -> str | None:
        """The card, where it differs from the stored one."""
        card = str(self.cleaned_data["card"]).replace("\r\n", "\n")
        return card if card != self.model.card else None
