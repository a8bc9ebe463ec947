"""The planning problem: measures with their cut counts, budget, capacities, equity floors, and what stars are worth.

The file format is described in docs/optimiser.md. A problem is read whole or refused: `ProblemError` names the file,
the field (or the row of the candidates) and the reason.
"""

import itertools
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

OBJECTIVES = ("stars", "weighted_stars", "dollars")
# CMS awards one to five stars.
MOST_STARS = 5
# Worths are multiples of some part of one, down to this.
FINEST_WORTH = 1_000
# A bound so much of a grain below a worth that there can be is that worth, rounded in a solver.
ROUNDING = 1e-3


class ProblemError(Exception):
    """The problem cannot be planned. Names file, row (0: no single row), field and reason."""

    def __init__(self, reason: str, *, file: str = "", field: str = "", row: int = 0) -> None:
        place = ", ".join(part for part in (file, f"row {row}" if row else "", field) if part)
        super().__init__(f"{place}: {reason}" if place else reason)
        self.reason, self.file, self.field, self.row = reason, file, field, row


@dataclass(frozen=True)
class Measure:
    """A measure of a contract. Counts are members at year end.

    `firm` is the numerator nobody can take away, `baseline_mean` and `baseline_variance` those of the closures expected
    without any action. `cut_counts[l-1]` is the smallest numerator that earns l stars, None a level nobody can earn.
    """

    code: str
    weight: float
    denominator: float
    firm: float
    baseline_mean: float
    baseline_variance: float
    cut_counts: tuple[float | None, ...]
    contract: str = ""

    @property
    def name(self) -> str:
        """What the measure is called in answers: its code, after its contract where there are contracts."""
        return f"{self.contract}/{self.code}" if self.contract else self.code

    @property
    def base(self) -> float:
        """Expected numerator without any action."""
        return self.firm + self.baseline_mean

    @cached_property
    def held(self) -> int:
        """Stars held without action, at the mean."""
        return max(star for star, cut in self.levels if self.base >= cut)

    @property
    def levels(self) -> list[tuple[int, float]]:
        """(stars, smallest numerator) of the levels there are."""
        return [(star, cut) for star, cut in enumerate(self.cut_counts, 1) if cut is not None]

    def thresholds(self, confidence_z: float) -> list[tuple[int, float]]:
        """(stars, numerator that must be expected) of the levels above the one held: the cut and z deviations more."""
        spread = confidence_z * math.sqrt(self.baseline_variance)
        return [(star, cut + spread) for star, cut in self.levels if star > self.held]


@dataclass(frozen=True)
class Floor:
    """At least so many expected closures of a measure among the members of a group."""

    group: str
    measure: int
    closures: float


@dataclass(frozen=True)
class RatingStep:
    """Dollars earned when a contract's weighted mean of measure stars reaches a value."""

    contract: str
    at_least: float
    value: float


@dataclass(frozen=True)
class Problem:
    """What to plan. `values` gives the worth of every level of every measure under the objective."""

    objective: str
    confidence_z: float
    budget: float
    resources: dict[str, float]
    measures: tuple[Measure, ...]
    floors: tuple[Floor, ...] = ()
    values: tuple[tuple[float, ...], ...] = ()
    steps: tuple[RatingStep, ...] = ()

    @cached_property
    def contracts(self) -> tuple[str, ...]:
        """The contracts, or one without a name."""
        return tuple(dict.fromkeys(measure.contract for measure in self.measures))

    def floor_name(self, floor: Floor) -> str:
        """What a floor is called in answers."""
        return f"{floor.group}/{self.measures[floor.measure].name}"

    def worth(self, stars: Sequence[int]) -> float:
        """What these stars, in the order of the measures, are worth under the objective."""
        earned = math.fsum(values[star - 1] for values, star in zip(self.values, stars, strict=True))
        return earned + math.fsum(step.value for step in self.steps if self.reaches(step, stars))

    @cached_property
    def grain(self) -> float:
        """What every worth is a whole multiple of, beyond the worth of one star everywhere; 0: nothing that is said."""
        steps = [step.value for step in self.steps]
        gains = [after - before for values in self.values for before, after in itertools.pairwise(values)]
        parts = [Fraction(one).limit_denominator(FINEST_WORTH) for one in (*gains, *steps)]
        if any(abs(float(part) - one) > 1e-12 * abs(one) for part, one in zip(parts, (*gains, *steps), strict=True)):
            return 0.0
        below = math.lcm(*(part.denominator for part in parts))
        return math.gcd(*(int(part * below) for part in parts)) / below

    def floor(self, bound: float) -> float:
        """The largest worth there can be that is not above a bound."""
        least = math.fsum(values[0] for values in self.values)
        if not self.grain or not math.isfinite(bound):
            return bound
        return least + math.floor((bound - least) / self.grain + ROUNDING) * self.grain

    def reaches(self, step: RatingStep, stars: Sequence[int]) -> bool:
        """Whether a contract's weighted mean reaches a step."""
        mine = [
            (measure.weight, star)
            for measure, star in zip(self.measures, stars, strict=True)
            if measure.contract == step.contract
        ]
        weights = math.fsum(weight for weight, _ in mine)
        # The mean of stars is a ratio of small numbers: 3.75 reached exactly must count.
        return math.fsum(weight * star for weight, star in mine) >= step.at_least * weights * (1 - 1e-12)


def read_problem(path: Path) -> Problem:
    """Read problem.json. Raises ProblemError."""
    if not path.is_file():
        raise ProblemError("no such file", file=str(path))
    try:
        # Python reads NaN and Infinity as numbers; they are refused where they stand.
        content = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ProblemError(f"is not JSON: {error}", file=path.name) from error
    return problem_of(content, file=path.name)


KEYS = {"objective", "confidence_z", "budget", "resources", "measures", "floors", "values", "ratings"}
MEASURE_KEYS = {
    "code", "contract", "weight", "denominator", "firm", "baseline_mean", "baseline_variance", "cut_counts",
}  # fmt: skip


def problem_of(content: Any, *, file: str = "") -> Problem:
    """The problem a JSON object describes. Raises ProblemError naming the field."""
    fields = Fields(content, file, "", KEYS)
    objective = fields.text("objective")
    if objective not in OBJECTIVES:
        raise fields.error("objective", f"is {objective!r}; it is one of {', '.join(OBJECTIVES)}")
    measures = tuple(measure_of(one) for one in fields.list_of("measures", MEASURE_KEYS))
    check_measures(measures, fields)
    resources = fields.mapping("resources", optional=True)
    return Problem(
        objective=objective,
        confidence_z=fields.number("confidence_z", default=0.0, least=-math.inf),
        budget=fields.number("budget"),
        resources={name: Fields(resources, file, "resources", None).number(name) for name in resources},
        measures=measures,
        floors=tuple(floor_of(one, measures) for one in fields.list_of("floors", FLOOR_KEYS, optional=True)),
        values=values_of(objective, measures, fields),
        steps=steps_of(objective, measures, fields),
    )


def measure_of(fields: "Fields") -> Measure:
    """One entry of `measures`."""
    code, contract = fields.text("code"), fields.text("contract", default="")
    fields.place = f"{fields.place} ({code})"
    cuts = cut_counts_of(fields)
    denominator, firm = fields.number("denominator"), fields.number("firm")
    if firm > denominator:
        raise fields.error("firm", f"is {firm:g}, above the denominator of {denominator:g}")
    return Measure(
        code=code,
        contract=contract,
        weight=fields.number("weight", default=1.0),
        denominator=denominator,
        firm=firm,
        baseline_mean=fields.number("baseline_mean"),
        baseline_variance=fields.number("baseline_variance"),
        cut_counts=cuts,
    )


def cut_counts_of(fields: "Fields") -> tuple[float | None, ...]:
    """Rising from 0; null where a level cannot be earned."""
    given = fields.present("cut_counts")
    if not isinstance(given, list) or not 1 <= len(given) <= MOST_STARS:
        raise fields.error("cut_counts", f"is a list of one to {MOST_STARS} counts, the first 0")
    cuts: list[float | None] = []
    for place, cut in enumerate(given, 1):
        cuts.append(None if cut is None else fields.finite(f"cut_counts[{place - 1}]", cut, 0.0))
    if cuts[0] != 0:
        raise fields.error("cut_counts", f"begins with {given[0]}; one star is earned from 0")
    there = [cut for cut in cuts if cut is not None]
    if any(after <= before for before, after in itertools.pairwise(there)):
        raise fields.error("cut_counts", f"do not rise: {given}; write null for a level nobody can earn")
    return tuple(cuts)


def check_measures(measures: Sequence[Measure], fields: "Fields") -> None:
    """Refuse none, two of one name, and contracts named for some measures only."""
    if not measures:
        raise fields.error("measures", "names no measure")
    names = [measure.name for measure in measures]
    for name in names:
        if names.count(name) > 1:
            raise fields.error("measures", f"names {name} twice")
    if len({bool(measure.contract) for measure in measures}) > 1:
        raise fields.error("measures", "names the contract of some measures and not of others")


FLOOR_KEYS = {"group", "measure", "closures", "contract"}
STEP_KEYS = {"contract", "at_least", "value"}


def floor_of(fields: "Fields", measures: Sequence[Measure]) -> Floor:
    """One entry of `floors`."""
    name = Measure(fields.text("measure"), 0, 0, 0, 0, 0, (), fields.text("contract", default="")).name
    names = [measure.name for measure in measures]
    if name not in names:
        raise fields.error("measure", f"is {name}, which is no measure of the problem")
    return Floor(fields.text("group"), names.index(name), fields.number("closures"))


def values_of(objective: str, measures: Sequence[Measure], fields: "Fields") -> tuple[tuple[float, ...], ...]:
    """Worth of each level of each measure: its stars, its weighted stars, or the dollars of `values`."""
    given = fields.mapping("values", optional=True)
    if objective != "dollars":
        if given:
            raise fields.error("values", "goes with the objective dollars")
        weights = [measure.weight if objective == "weighted_stars" else 1.0 for measure in measures]
        return tuple(
            tuple(weight * star for star in range(1, len(measure.cut_counts) + 1))
            for weight, measure in zip(weights, measures, strict=True)
        )
    names = {measure.name for measure in measures}
    for name in given:
        if name not in names:
            raise fields.error("values", f"names {name}, which is no measure of the problem")
    return tuple(dollars_of(measure, given, fields) for measure in measures)


def dollars_of(measure: Measure, given: dict[str, Any], fields: "Fields") -> tuple[float, ...]:
    """Dollars of each level of a measure, never falling; nothing where the file has no line for it."""
    levels = len(measure.cut_counts)
    if measure.name not in given:
        return (0.0,) * levels
    field, line = f"values.{measure.name}", given[measure.name]
    if not isinstance(line, list) or len(line) != levels:
        raise fields.error(field, f"is a list of {levels} dollar values, one for each cut count")
    dollars = tuple(fields.finite(f"{field}[{place}]", value, -math.inf) for place, value in enumerate(line))
    if any(after < before for before, after in itertools.pairwise(dollars)):
        raise fields.error(field, f"falls: {line}; more stars are never worth less")
    return dollars


def steps_of(objective: str, measures: Sequence[Measure], fields: "Fields") -> tuple[RatingStep, ...]:
    """Entries of `ratings`: what a contract's weighted mean of stars earns beside the measures."""
    steps = []
    for one in fields.list_of("ratings", STEP_KEYS, optional=True):
        if objective != "dollars":
            raise fields.error("ratings", "goes with the objective dollars")
        step = RatingStep(one.text("contract", default=""), one.number("at_least"), one.number("value"))
        weights = [measure.weight for measure in measures if measure.contract == step.contract]
        if not weights:
            raise one.error("contract", f"is {step.contract!r}, of which the problem has no measure")
        if not math.fsum(weights):
            raise one.error("contract", "has no measure with a weight, so no mean of stars")
        steps.append(step)
    return tuple(steps)


class Fields:
    """A JSON object read field by field, with the place of each in its errors."""

    def __init__(self, content: Any, file: str, place: str, known: set[str] | None) -> None:
        self.file, self.place = file, place
        if not isinstance(content, dict):
            raise ProblemError("is not a JSON object", file=file, field=place)
        self.content = content
        if known is not None and (unknown := sorted(set(content) - known)):
            raise self.error(unknown[0], f"is not known here; known are {', '.join(sorted(known))}")

    def error(self, field: str, reason: str) -> ProblemError:
        """An error at a field."""
        return ProblemError(reason, file=self.file, field=f"{self.place}.{field}" if self.place else field)

    def present(self, field: str) -> Any:
        """The value; a missing field is an error."""
        if field not in self.content:
            raise self.error(field, "is missing")
        return self.content[field]

    def text(self, field: str, *, default: str | None = None) -> str:
        """A text that is not empty, or the default."""
        if default is not None and field not in self.content:
            return default
        value = self.present(field)
        if not isinstance(value, str) or not value.strip():
            raise self.error(field, "is a text that is not empty")
        return value

    def number(self, field: str, *, default: float | None = None, least: float = 0.0) -> float:
        """A finite number of at least `least`, or the default."""
        if default is not None and field not in self.content:
            return default
        return self.finite(field, self.present(field), least)

    def finite(self, field: str, value: Any, least: float) -> float:
        """The value as a number, or an error."""
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise self.error(field, f"is {value!r}; it is a finite number")
        if value < least:
            raise self.error(field, f"is {value:g}, below {least:g}")
        return float(value)

    def mapping(self, field: str, *, optional: bool = False) -> dict[str, Any]:
        """An object by name."""
        value = self.content.get(field, {}) if optional else self.present(field)
        if not isinstance(value, dict):
            raise self.error(field, "is not a JSON object")
        return value

    def list_of(self, field: str, known: set[str], *, optional: bool = False) -> "list[Fields]":
        """A list of objects."""
        value = self.content.get(field, []) if optional else self.present(field)
        if not isinstance(value, list):
            raise self.error(field, "is not a list")
        return [Fields(one, self.file, f"{field}[{place}]", known) for place, one in enumerate(value)]
