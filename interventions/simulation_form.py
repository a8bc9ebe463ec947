"""What people fill in to try something: the scenario in the director's words."""

from collections.abc import Callable, Mapping
from typing import Any

from django import forms

from hedis.gaps.models import FindingRun
from hedis.members.models import Contract
from interventions import scenario_text
from interventions.deciding import CHANNELS
from interventions.models import Objective
from interventions.problem import ProblemError
from interventions.scenario import EVERY, scenario_of
from interventions.simulation_runs import LONGEST_NAME
from interventions.strategies import Strategy

# Text fields: how what is typed becomes a part of the scenario.
READ: dict[str, Callable[[list[str]], Any]] = {
    "budgets": lambda given: [float(one) for one in given],
    "capacities": lambda given: scenario_text.numbers("capacities", given),
    "closures": lambda given: scenario_text.numbers("closures", given),
    "closure_rates": lambda given: scenario_text.numbers("closure_rates", given),
    "cut_shifts": lambda given: scenario_text.numbers("cut_shifts", given, str),
    "cuts": scenario_text.cuts,
    "without": list,
    "with": scenario_text.added,
    "weights": lambda given: scenario_text.numbers("weights", given, int),
}


def typed(label: str, example: str, help_text: str = "") -> forms.CharField:
    """A line of names and numbers."""
    look = forms.TextInput(attrs={"placeholder": example, "autocomplete": "off"})
    return forms.CharField(label=label, required=False, max_length=500, widget=look, help_text=help_text)


class SimulationForm(forms.Form):
    """A scenario under a name. Fields that are left empty change nothing."""

    name = forms.CharField(label="Name", max_length=LONGEST_NAME, widget=forms.TextInput(attrs={"autocomplete": "off"}))
    contract = forms.ModelChoiceField(label="Contract", queryset=Contract.objects.all(), to_field_name="number")
    year = forms.TypedChoiceField(label="Measurement year", coerce=int)
    budget = forms.FloatField(label="Budget for outreach, dollars", required=False, min_value=0)
    on_top = forms.BooleanField(label="On top of the outreach under way", required=False)
    strategies = forms.MultipleChoiceField(
        label="Ways to spend it", required=False, choices=[(one.value, one.label) for one in Strategy],
        widget=forms.CheckboxSelectMultiple, initial=[one.value for one in Strategy],
    )  # fmt: skip
    objective = forms.ChoiceField(label="Make the most of", required=False, choices=Objective.choices,
                                  initial=Objective.WEIGHTED_STARS)  # fmt: skip
    confidence_z = forms.FloatField(
        label="Standard deviations kept above each cut", required=False, min_value=-5, max_value=5, initial=0
    )
    capacities = typed("Contacts there are", "phone=500, mail=2000", f"Of {', '.join(CHANNELS)}; not named: no limit.")
    effect = forms.FloatField(
        label="Effect of outreach, times what is expected", required=False, min_value=0, max_value=3, initial=1
    )
    budgets = typed("Budgets to compare", "1000, 2000, 4000", "The best plan of each: the frontier.")
    closures = typed("More closures", "COL=40, GSD=15", "Beyond those that come anyway.")
    closure_rates = typed("Closure rates", "COL=0.3", "Of those who can still close, the share met by year’s end.")
    cut_shift = forms.DecimalField(label="All cut points harder by, points", required=False, max_digits=5,
                                   decimal_places=2)  # fmt: skip
    cut_shifts = typed("Cut points harder by, points", "COL=2, GSD=-1")
    cuts = typed("Cut points set to", "COL:4=78, COL:5=84")
    without = typed("Without measures", "KED, SUPD")
    added = typed("With measures", "DSF=3/1", "Star and weight of a measure the contract would have.")
    weights = typed("Weights", "COL=3")
    weights_of = forms.TypedChoiceField(
        label="Weights and removals of Star year", required=False, coerce=int, empty_value=None,
        choices=[("", "as rated"), *((str(year), str(year)) for year in range(2026, 2030))],
    )  # fmt: skip
    reward_factor = forms.BooleanField(label="With the reward factor", required=False, initial=True)
    hei_median_share = forms.DecimalField(
        label="Health Equity Index in its place: median share of members at risk", required=False, min_value=0,
        max_value=1, max_digits=4, decimal_places=3,
    )  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"auto_id": "simulate_%s", **kwargs})
        years = FindingRun.objects.order_by("-year").values_list("year", flat=True).distinct()
        self.fields["year"].choices = [(str(year), str(year)) for year in years]  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        told = super().clean() or {}
        if self.errors:
            return told
        try:
            told["content"] = content_of(told)
            scenario_of(told["content"], channels=CHANNELS)
        except ProblemError as error:
            field = error.field.split(".")[0]
            place = "added" if field == "with" else field
            self.add_error(place if place in self.fields else None, f"{error.field}: {error.reason}")
        return told


def content_of(told: Mapping[str, Any]) -> dict[str, Any]:
    """The scenario as JSON has it. Raises ProblemError."""
    content: dict[str, Any] = {}
    for field, read in READ.items():
        if given := scenario_text.parts(told["added" if field == "with" else field]):
            try:
                content[field] = read(given)
            except ValueError as error:
                raise ProblemError(f"{' '.join(given)!r} are no numbers", field=field) from error
    if told["cut_shift"]:
        content["cut_shifts"] = {EVERY: str(told["cut_shift"]), **content.get("cut_shifts", {})}
    if told["weights_of"]:
        content["weights_of"] = told["weights_of"]
    if not told["reward_factor"]:
        content["reward_factor"] = False
    if told["hei_median_share"] is not None:
        content["hei_median_share"] = str(told["hei_median_share"])
    if told["on_top"]:
        content["on_top"] = True
    return content | spending(told)


def spending(told: Mapping[str, Any]) -> dict[str, Any]:
    """What of the scenario only matters where something is spent."""
    if told["budget"] is None:
        return {}
    return {
        "budget": told["budget"], "strategies": told["strategies"] or [Strategy.OPTIMAL.value],
        "objective": told["objective"] or Objective.WEIGHTED_STARS.value, "confidence_z": told["confidence_z"] or 0.0,
        "effect": 1.0 if told["effect"] is None else told["effect"],
    }  # fmt: skip
