"""What a way of spending returns, when it breaks even, and which of its inputs the answer hangs on. Pure but for files.

Expected figures, not draws: the same rater is asked again and again with other odds (`rating_odds.Rater`).
"""

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from hedis.engine.rating_year import Measure
from interventions import swinging
from interventions.altering import Altered, shifted
from interventions.crossing import raised
from interventions.intervals import Interval
from interventions.money import present_value, value
from interventions.projecting import StarRule
from interventions.rating_odds import Rater, RatingOdds
from interventions.returns import Return, Swing, break_even_chance, break_even_share, sensitivity
from interventions.simulating import Outcome, Worth
from interventions.swinging import DISCOUNT

FILE = Path(__file__).resolve().parent / "reference" / "ways.toml"
EFFECT, CUTS, COST = "effect", "cut_points", "cost"
# A break-even share is told to the percent: seven halvings are finer.
HALVINGS = 7
HALF = Decimal("0.5")


@dataclass(frozen=True)
class Range:
    """An input's range: the two ends, the unit they are in, and why these."""

    name: str
    low: float
    high: float
    unit: str
    why: str = ""


@cache
def ranges() -> dict[str, Range]:
    """The ranges as data; the discount rate's is that of every figure in dollars. Raises TypeError for one that is not
    whole."""
    own = {key: Range(**facts) for key, facts in tomllib.loads(FILE.read_text(encoding="utf-8")).items()}
    rate = swinging.ranges()[DISCOUNT]
    return own | {DISCOUNT: Range(rate["name"], float(rate["low"]), float(rate["high"]), "a year")}


@dataclass(frozen=True)
class Weighed:
    """What a way returns, in present dollars; without money only what its stars hang on.

    `share`: the smallest share of the planned effect that covers the cost, None where not even the whole does.
    `step`: what the next half star is worth, and the chance of it at which the cost is covered. `swings`: of the net
    dollars, or of the expected stars gained where there is no money.
    """

    returned: Return | None
    share: float | None
    step: Mapping[str, Any] | None
    swings: tuple[Swing, ...]

    def facts(self) -> dict[str, Any]:
        """As the answer has them."""
        known = ranges()
        return {
            "return": return_facts(self.returned) if self.returned else None,
            "break_even_share": self.share,
            "next_half_star": dict(self.step) if self.step else None,
            "sensitivity": [{**asdict(one), "of": known[one.name].name, "from": known[one.name].low,
                             "to": known[one.name].high, "unit": known[one.name].unit} for one in self.swings],
        }  # fmt: skip


def weighed(
    altered: Altered, rater: Rater, added: Mapping[str, float], cost: float, found: Outcome, worth: Worth | None
) -> Weighed:
    """Weigh a way whose outcome is known already. Nothing to weigh where it adds nothing or there is no rating."""
    if rater.not_rated or not any(added.values()):
        return Weighed(found.returned, None, None, ())
    best = {EFFECT: 1.0, CUTS: 0.0}
    if worth is None:
        answer = in_stars(altered, rater, added)
        return Weighed(None, None, None, tuple(swung(answer, best)))
    best |= {COST: 1.0, DISCOUNT: float(worth.discount_rate)}
    answer = in_dollars(altered, rater, added, cost, worth)
    share = break_even_share(cost, lambda part: answer({**best, EFFECT: part}) + cost, steps=HALVINGS) if cost else None
    return Weighed(found.returned, share, next_half_star(found.before, cost, worth), tuple(swung(answer, best)))


def swung(answer: Callable[[Mapping[str, float]], float], best: Mapping[str, float]) -> list[Swing]:
    """Each input over its range."""
    return list(sensitivity(answer, best, {name: (ranges()[name].low, ranges()[name].high) for name in best}))


def in_stars(altered: Altered, rater: Rater, added: Mapping[str, float]) -> Callable[[Mapping[str, float]], float]:
    """Expected stars gained, as a function of the inputs."""

    def answer(inputs: Mapping[str, float]) -> float:
        with_plan, without = both(altered, rater, added, inputs)
        return mean_of(with_plan) - mean_of(without)

    return answer


def in_dollars(
    altered: Altered, rater: Rater, added: Mapping[str, float], cost: float, worth: Worth
) -> Callable[[Mapping[str, float]], float]:
    """Expected present dollars gained less the cost, as a function of the inputs."""
    dollars = {star: value(worth.counties, star, worth.rules) for star in HALF_STARS}
    ahead = worth.rules.years_to_payment

    def answer(inputs: Mapping[str, float]) -> float:
        with_plan, without = both(altered, rater, added, inputs)
        discount = Decimal(str(inputs[DISCOUNT]))
        gain = expected(with_plan, dollars) - expected(without, dollars)
        return float(present_value(gain, discount, ahead)) - cost * inputs[COST]

    return answer


HALF_STARS = tuple(Decimal(half) / 2 for half in range(2, 11))


def both(
    altered: Altered, rater: Rater, added: Mapping[str, float], inputs: Mapping[str, float]
) -> tuple[dict[Decimal, float], dict[Decimal, float]]:
    """The chances of each rating with and without the closures, at other inputs."""
    points = Decimal(str(inputs[CUTS]))
    rules = {
        name: moved(rule, points, altered.year.measure(name)) for name, rule in altered.rules.items()
    }  # fmt: skip
    return (
        rater.chances(odds_with(altered, rules, added, inputs[EFFECT])),
        rater.chances(odds_with(altered, rules, {}, 1.0)),
    )


def moved(rule: StarRule, points: Decimal, measure: Measure) -> StarRule:
    """A rule whose cut points are harder by so many points."""
    return replace(rule, cuts=shifted(rule.cuts, points, measure)) if points else rule


def odds_with(
    altered: Altered, rules: Mapping[str, StarRule], added: Mapping[str, float], effect: float
) -> dict[str, tuple[float, ...]]:
    """The chances of the measures' stars with so many times the closures added."""
    found = {}
    for name, one in altered.outlook.measures.items():
        shown = effect * added.get(name, 0.0) * one.reported / one.denominator
        found[name] = raised(one.count, shown).odds(rules[name].counts(one.reported))
    return found


def mean_of(chances: Mapping[Decimal, float]) -> float:
    """Expected stars."""
    return sum(float(star) * chance for star, chance in chances.items()) / sum(chances.values())


def expected(chances: Mapping[Decimal, float], dollars: Mapping[Decimal, Decimal]) -> Decimal:
    """Expected dollars of a year."""
    whole = sum(chances.values())
    return sum((Decimal(chance / whole) * dollars[star] for star, chance in chances.items()), Decimal(0))


def next_half_star(before: RatingOdds, cost: float, worth: Worth) -> dict[str, Any] | None:
    """What half a star above the likeliest rating is worth today; None at five stars."""
    likeliest = max(before.chances, key=lambda star: before.chances[star])
    if likeliest >= HALF_STARS[-1]:
        return None
    gain = value(worth.counties, likeliest + HALF, worth.rules) - value(worth.counties, likeliest, worth.rules)
    today = float(present_value(gain, worth.discount_rate, worth.rules.years_to_payment))
    return {
        "from": float(likeliest), "to": float(likeliest + HALF), "worth": today,
        "break_even_chance": break_even_chance(cost, today),
    }  # fmt: skip


def return_facts(found: Return) -> dict[str, Any]:
    """A return as the answer has it: present dollars, intervals of four outcomes in five."""
    return {
        "cost": found.cost, "gain": interval(found.gain), "net": found.net, "pays": found.pays,
        "ratio": interval(found.ratio) if found.ratio else None, "sampling": found.sampling,
    }  # fmt: skip


def interval(found: Interval) -> dict[str, float]:
    """A figure and where it may lie."""
    return asdict(found)


def odds_facts(odds: RatingOdds) -> dict[str, Any]:
    """The chance of each rating, or why there is none."""
    return {
        "chances": {f"{star:.1f}": chance for star, chance in odds.chances.items()},
        "expected": odds.expected,
        "not_rated": odds.not_rated.value if odds.not_rated else "",
    }
