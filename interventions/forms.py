"""What people fill in on an intervention's or a campaign's page."""

from typing import Any

from django import forms

from hedis.accounts.models import User
from hedis.gaps.handing import people_for
from interventions import campaigning
from interventions.models import Campaign, Channel, Disposition, Outcome
from interventions.workflow import Unusable


class AttemptForm(forms.Form):
    """How an attempt ended: the button that is pressed says it."""

    channel = forms.ChoiceField(label="Channel", choices=Channel.choices)
    disposition = forms.ChoiceField(label="Outcome", choices=Disposition.choices)
    note = forms.CharField(label="Note", required=False, max_length=1000)
    follow_up_date = forms.DateField(
        label="Next step on", required=False, widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    )
    inbound = forms.BooleanField(label="The member called", required=False)
    over_cap_reason = forms.CharField(label="Why contact again", required=False, max_length=500)


class CompleteForm(forms.Form):
    """How it ended and what it cost."""

    outcome = forms.ChoiceField(label="Result", choices=[("", "Choose"), *Outcome.choices])
    served = forms.MultipleChoiceField(
        label="Care given for", required=False, widget=forms.CheckboxSelectMultiple, help_text="With partial success."
    )
    actual_cost = forms.DecimalField(label="Cost in dollars", required=False, min_value=0, decimal_places=2)
    note = forms.CharField(label="Note", required=False, max_length=500)

    def __init__(self, *args: Any, codes: list[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["served"].choices = [(code, code) for code in codes]  # type: ignore[attr-defined]

    def facts(self) -> dict[str, Any]:
        """What the verb takes: nothing ticked is nothing said."""
        return {**self.cleaned_data, "served": self.cleaned_data["served"] or None}


class CancelForm(forms.Form):
    """Why it is given up."""

    why = forms.CharField(label="Why", max_length=500)


class OwnerForm(forms.Form):
    """Into whose hands."""

    person = forms.ModelChoiceField(label="Hand to", queryset=User.objects.none(), empty_label="Nobody", required=False)

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["person"].queryset = people_for(user)  # type: ignore[attr-defined]


class CampaignStepForm(forms.Form):
    """The next step of a campaign and the reason for it."""

    to = forms.CharField(max_length=10)
    why = forms.CharField(label="Why", max_length=500)
    version = forms.IntegerField(min_value=1, max_value=10**9)


class CampaignForm(forms.ModelForm):
    """A new draft."""

    class Meta:
        model = Campaign
        fields = ("name", "contract", "year", "budget", "holdout_share", "start_date", "end_date", "notes")

    def clean(self) -> dict[str, Any]:
        told = super().clean() or {}
        wanted: list[Any] = [
            told.get(name) for name in ("name", "year", "budget", "start_date", "end_date", "holdout_share")
        ]
        if None not in wanted:
            try:
                campaigning.check_facts(*wanted)
            except Unusable as refusal:
                self.add_error(refusal.field, str(refusal))
        return told
