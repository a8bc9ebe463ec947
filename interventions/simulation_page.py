"""What a simulation's page shows, and several side by side: figures in words, pictures, rows of a file."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from interventions import outlook_charts, simulation_charts
from interventions.models import Simulation
from interventions.outlook_charts import percent

HEADER = [
    "simulation", "contract", "measurement_year", "data_as_of", "way", "cost", "members", "closures",
    "cost_per_closure", "expected_stars", "gained_stars", "chance_in_play", "gain_dollars", "gain_low_80",
    "gain_high_80", "net_dollars", "pays", "break_even_share",
]  # fmt: skip
NOTHING = "Nothing done"
NEARLY_CERTAIN = 0.9
UNITS = {True: "net dollars", False: "expected stars gained"}


def dollars(amount: float | None) -> str:
    """Whole dollars, a minus before the sign."""
    if amount is None:
        return ""
    return f"{'−' if amount < 0 else ''}${abs(amount):,.0f}"


def range_words(figure: Mapping[str, float] | None) -> str:
    """From where to where four outcomes in five lie."""
    return f"{dollars(figure['low'])} to {dollars(figure['high'])}" if figure else ""


def in_play(odds: Mapping[str, Any]) -> Decimal | None:
    """The lowest rating that is not all but certain if nothing is done: the one to ask the chance of."""
    reached = 1.0
    for star in sorted(odds["chances"], key=Decimal):
        if reached < NEARLY_CERTAIN:
            return Decimal(star)
        reached -= odds["chances"][star]
    likeliest = max(odds["chances"], key=Decimal, default=None)
    return None if likeliest is None else min(Decimal(likeliest) + Decimal("0.5"), Decimal(5))


def chance_of(odds: Mapping[str, Any], star: Decimal | None) -> float | None:
    """The chance of at least so many stars; None where there is no rating."""
    if star is None or not odds["chances"]:
        return None
    return min(sum(chance for one, chance in odds["chances"].items() if Decimal(one) >= star), 1.0)


def odds_words(odds: Mapping[str, Any]) -> str:
    """The chances in a sentence."""
    return outlook_charts.odds_words({Decimal(star): chance for star, chance in odds["chances"].items()})


def way_line(way: Mapping[str, Any], star: Decimal | None) -> dict[str, Any]:
    """One way of the table."""
    returned = way["return"] if way["closures"] else None
    return {
        "way": way, "reaches": chance_words(way, star), "odds": odds_words(way),
        "gained": "" if not way["gained"] else f"{way['gained']:+.2f}",
        "cost": dollars(way["cost"]), "each": dollars(way["cost_per_closure"]),
        "gain": dollars(returned["gain"]["value"]) if returned else "",
        "range": range_words(returned["gain"]) if returned else "",
        "net": dollars(returned["net"]) if returned else "",
        "pays": percent(returned["pays"]) if returned else "",
        "share": "" if way["break_even_share"] is None else percent(way["break_even_share"]),
    }  # fmt: skip


def best_of(ways: Sequence[Mapping[str, Any]], *, by_money: bool) -> Mapping[str, Any] | None:
    """The way that nets most, or gains most stars where there is no money."""

    def worth(way: Mapping[str, Any]) -> tuple[float, float]:
        net = way["return"]["net"] if by_money and way["return"] else 0.0
        return net, way["expected"] or 0.0

    return max(ways, key=worth, default=None)


def contents(shown: Simulation) -> dict[str, Any]:
    """Everything the page of a finished simulation says; empty before."""
    result = shown.result
    if not result:
        return {}
    star = in_play(result["nothing_done"])
    money = result["money"] is not None
    best = best_of(result["ways"], by_money=money)
    return {
        "result": result, "money": result["money"], "star": star, "best": best,
        "best_line": way_line(best, star) if best else None,
        "as_it_stands": odds_words(result["as_it_stands"]), "nothing": odds_words(result["nothing_done"]),
        "nothing_reaches": chance_words(result["nothing_done"], star),
        "ways": [way_line(way, star) for way in result["ways"]],
        "measures": list(measure_lines(result)),
        "swings": swing_lines(best["sensitivity"], money=money) if best else [], "swing_unit": UNITS[money],
        "frontier": [point_line(point, star) for point in result["frontier"]],
        "frontier_chart": simulation_charts.frontier_chart(result["frontier"]),
    }  # fmt: skip


def chance_words(odds: Mapping[str, Any], star: Decimal | None) -> str:
    """The chance of at least so many stars in words."""
    chance = chance_of(odds, star)
    return "" if chance is None else percent(chance)


def measure_lines(result: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """A measure: what it would end with if nothing were done, and what each way makes of it."""
    for name, one in sorted(result["nothing_done"]["measures"].items()):
        yield {
            "id": name, "measure": one["measure"], "weight": one["weight"], "rate": one["rate"][0],
            "expected": one["expected_stars"][0], "ways": [way["measures"][name] for way in result["ways"]],
        }  # fmt: skip


def swing_lines(swings: Sequence[Mapping[str, Any]], *, money: bool) -> list[dict[str, Any]]:
    """What the answer hangs on, widest first; inputs it does not hang on are left out."""
    moving = [one for one in swings if one["at_low"] != one["at_high"]]
    if not moving:
        return []
    ends = [one[end] for one in moving for end in ("at_low", "at_high")]
    low, high = min(0.0, *ends), max(0.0, *ends)
    words = dollars if money else lambda stars: f"{stars:+.2f}"
    return [
        {"one": one, "at_low": words(one["at_low"]), "at_high": words(one["at_high"]),
         "bar": simulation_charts.swing_bar(one, low, high)}
        for one in moving
    ]  # fmt: skip


def point_line(point: Mapping[str, Any], star: Decimal | None) -> dict[str, Any]:
    """One budget of the frontier."""
    return {"point": point, "budget": dollars(point["budget"]), "spend": dollars(point["spend"]),
            "reaches": chance_words(point, star), "net": dollars(point["net"])}  # fmt: skip


def file_rows(shown: Iterable[Simulation]) -> Iterator[list[Any]]:
    """The ways of simulations as lines of a file, nothing done first."""
    for one in shown:
        result = one.result or {}
        star = in_play(result["nothing_done"])
        about = [one.name, one.contract.number, one.year, result["data_as_of"]]
        nothing = result["nothing_done"]
        yield [*about, NOTHING, 0, 0, 0, "", number(nothing["expected"]), 0, number(chance_of(nothing, star)),
               *[""] * 6]  # fmt: skip
        for way in result["ways"]:
            returned = way["return"] or {}
            gain = returned.get("gain", {})
            yield [
                *about, way["words"], f"{way['cost']:.2f}", way["chosen"], number(way["closures"]),
                number(way["cost_per_closure"]), number(way["expected"]), number(way["gained"]),
                number(chance_of(way, star)), *(number(gain.get(end)) for end in ("value", "low", "high")),
                number(returned.get("net")), number(returned.get("pays")), number(way["break_even_share"]),
            ]  # fmt: skip


def number(value: float | None) -> str:
    """A figure with four places; empty where there is none."""
    return "" if value is None else f"{value:.4f}"


def side_by_side(shown: Sequence[Simulation]) -> list[dict[str, Any]]:
    """Simulations for comparison: each with its changes, nothing done, and its best way."""
    found = []
    for one in shown:
        told = contents(one)
        found.append({"simulation": one, **told})
    return found
