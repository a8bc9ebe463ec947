"""What people fill in to have a plan made, and to make a plan a campaign."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from django import forms
from django.forms import formset_factory

from hedis.gaps.models import FindingRun
from hedis.measures.models import MeasureYear
from hedis.members.models import Contract, Member
from interventions import deciding, equity_lens, plan_storing
from interventions.deciding import Wish
from interventions.models import LARGEST_HOLDOUT, Channel, Objective
from interventions.plan_floors import FloorWanted

# How surely each cut above today's star shall be passed, as standard deviations of what chance alone does.
SURE = [
    ("0.0", "As likely as not"),
    ("0.84", "Four times in five"),
    ("1.28", "Nine times in ten"),
    ("1.64", "19 times in 20"),
]
CAPACITY = "capacity_"


class NewPlanForm(forms.Form):
    """Contracts, year, budget, what to make the most of, how surely, and how many contacts there are."""

    contracts = forms.ModelMultipleChoiceField(
        label="Contracts", queryset=Contract.objects.order_by("number"), widget=forms.CheckboxSelectMultiple,
        to_field_name="number",
    )  # fmt: skip
    year = forms.TypedChoiceField(label="Measurement year", coerce=int)
    budget = forms.DecimalField(label="Budget in dollars", min_value=0, max_digits=12, decimal_places=2)
    objective = forms.ChoiceField(label="Make the most of", choices=Objective.choices, initial="weighted_stars")
    confidence_z = forms.TypedChoiceField(label="Each cut is passed", choices=SURE, coerce=float, initial="0.0")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"auto_id": "plan_%s", **kwargs})
        years = FindingRun.objects.order_by("-year").values_list("year", flat=True).distinct()
        self.fields["year"].choices = [(str(year), str(year)) for year in years]  # type: ignore[attr-defined]
        z = str(self.initial.get("confidence_z", "0.0"))
        if z not in dict(SURE):
            self.fields["confidence_z"].choices = [*SURE, (z, f"{z} standard deviations")]  # type: ignore[attr-defined]
        for channel in deciding.CHANNELS:
            self.fields[f"{CAPACITY}{channel}"] = forms.FloatField(
                label=Channel(channel).label, min_value=0, required=False
            )

    def capacities(self) -> Iterator[Any]:
        """The fields of the channels, for the page."""
        return (self[f"{CAPACITY}{channel}"] for channel in deciding.CHANNELS)

    def wish(self, floors: list[FloorWanted]) -> Wish:
        """What was filled in."""
        told = self.cleaned_data
        given = {channel: told[f"{CAPACITY}{channel}"] for channel in deciding.CHANNELS}
        capacities = {channel: most for channel, most in given.items() if most is not None}
        return Wish(told["budget"], told["objective"], told["confidence_z"], capacities, floors=floors)


class FloorForm(forms.Form):
    """One equity floor: left empty, it is none."""

    group = forms.ChoiceField(label="Members", required=False)
    contract = forms.ChoiceField(label="Contract", required=False)
    measure = forms.ChoiceField(label="Measure", required=False)
    closures = forms.FloatField(label="Closures at least", min_value=0, required=False)

    def __init__(self, *args: Any, choices: dict[str, list[tuple[str, str]]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, found in choices.items():
            self.fields[name].choices = found  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        told = super().clean() or {}
        whole = told.get("group") and told.get("measure") and told.get("closures") is not None
        if any(value not in ("", None) for value in told.values()) and not whole:
            raise forms.ValidationError("A floor needs members, a measure and a number of closures.")
        return told

    def floor(self) -> FloorWanted | None:
        """What was filled in."""
        told = self.cleaned_data
        if not told.get("group"):
            return None
        return FloorWanted(told["group"], told["measure"], told["closures"], told["contract"])


FloorForms = formset_factory(FloorForm, extra=2, max_num=plan_storing.limits()["most_floors"], validate_max=True)


def floor_choices() -> dict[str, list[tuple[str, str]]]:
    """Groups, contracts and measures that a floor can be about. Three queries."""
    codes = MeasureYear.objects.exclude(star_measure="").order_by("measure__code")
    measures = list(codes.values_list("measure__code", flat=True).distinct())
    numbers = list(Contract.objects.order_by("number").values_list("number", flat=True))
    return {
        "group": [("", "Choose"), *groups()],
        "contract": [("", "The only one"), *((number, number) for number in numbers)],
        "measure": [("", "Choose"), *((code, code) for code in measures)],
    }


def groups() -> Iterator[tuple[str, str]]:
    """Every group with its words."""
    kinds = equity_lens.characteristics()
    for by, kind in kinds.items():
        if "floor" in kind:
            yield by, f"{kind['name']}: {kind['floor']}"
    levels = {
        equity_lens.SEX: list(Member.Sex.labels[:2]),
        equity_lens.AGE: [words for _, words in reversed(equity_lens.age_bands())],
        equity_lens.LANGUAGE: Member.objects.exclude(language="").order_by("language").values_list(
            "language", flat=True
        ).distinct(),
    }  # fmt: skip
    for by, found in levels.items():
        for level in found:
            yield f"{by}.{level}", f"{kinds[by]['name']}: {level}"


def floors_of(forms_given: Any) -> list[FloorWanted]:
    """The floors that were filled in."""
    found = (form.floor() for form in forms_given)
    return [floor for floor in found if floor]


def filled(asked: dict[str, Any], year: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """What a run asked for as the forms begin with it: the plan's fields, and the floors'."""
    of_plan = {name: asked[name] for name in ("contracts", "budget", "objective", "confidence_z")}
    of_plan |= {f"{CAPACITY}{channel}": most for channel, most in asked["capacities"].items()}
    floors = [FloorWanted.from_text(text) for text in asked["floors"]]
    return {**of_plan, "year": str(year)}, [vars(floor) for floor in floors]


class PlanCampaignForm(forms.Form):
    """The campaign to make of a plan."""

    name = forms.CharField(label="Name", max_length=120)
    start_date = forms.DateField(label="From", widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"))
    end_date = forms.DateField(label="To", widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"))
    holdout_share = forms.DecimalField(
        label="Hold-out share", min_value=0, max_value=LARGEST_HOLDOUT, decimal_places=3, initial=Decimal("0.05")
    )
