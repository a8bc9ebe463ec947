"""Two explanations side by side: any two contracts, or one contract in two years. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any


@dataclass(frozen=True)
class Pair:
    """One measure of both sides; a side is None where its contract type or Star year does not have the measure.

    `score_difference` and `star_difference` are the second less the first; None where a side has no figure. `better`
    is which side has the better score: a, b, or empty.
    """

    name: str
    domain: str
    first_of_domain: bool
    a: dict[str, Any] | None
    b: dict[str, Any] | None
    score_difference: Decimal | None
    star_difference: int | None
    better: str

    @property
    def sides(self) -> tuple[tuple[str, dict[str, Any] | None], ...]:
        """Both sides with their names."""
        return ("a", self.a), ("b", self.b)

    @property
    def ids(self) -> str:
        """CMS's id; both where the years number the measure differently."""
        return " / ".join(dict.fromkeys(side["id"] for side in (self.a, self.b) if side))

    @property
    def lower_is_better(self) -> bool:
        return any(side["direction"] == "lower" for side in (self.a, self.b) if side)


@dataclass(frozen=True)
class RatingPair:
    """One rating of both sides; a side is None where the contract type does not have it."""

    name: str
    a: dict[str, Any] | None
    b: dict[str, Any] | None
    difference: Decimal | None

    @property
    def sides(self) -> tuple[dict[str, Any] | None, ...]:
        """Both sides in order."""
        return self.a, self.b


def compare_measures(a: dict[str, Any], b: dict[str, Any]) -> list[Pair]:
    """Measures of both explanations in the first one's order, then those only the second has, by domain.

    A measure is known by its lasting key, since CMS's ids shift from year to year. Measures neither side has a star
    or score for are left out.
    """
    first, second = by_key(a), by_key(b)
    keys = [*first, *(key for key in second if key not in first)]
    paired = [(first.get(key), second.get(key)) for key in keys]
    shown = [pair for pair in paired if any(has_figure(side) for side in pair)]
    return list(pairs(sorted(shown, key=place)))


def by_key(told: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """An explanation's measures by lasting key."""
    return {measure["key"]: measure for measure in told["measures"]}


def has_figure(measure: dict[str, Any] | None) -> bool:
    return measure is not None and (measure["star"] is not None or measure["score"] is not None)


def place(pair: tuple[dict[str, Any] | None, dict[str, Any] | None]) -> tuple[str, str, str]:
    """Part, domain, id: as CMS orders its tables."""
    measure = pair[0] or pair[1] or {}
    return measure["part"], measure["domain_id"], measure["id"]


def pairs(paired: list[tuple[dict[str, Any] | None, dict[str, Any] | None]]) -> Iterator[Pair]:
    """The rows, the first of each domain marked."""
    before = None
    for a, b in paired:
        measure = a or b or {}
        yield Pair(
            name=measure["name"],
            domain=measure["domain"],
            first_of_domain=measure["domain"] != before,
            a=a,
            b=b,
            score_difference=difference(a, b),
            star_difference=star_difference(a, b),
            better=better(difference(a, b), measure["direction"]),
        )
        before = measure["domain"]


def difference(a: dict[str, Any] | None, b: dict[str, Any] | None) -> Decimal | None:
    """The second's displayed score less the first's."""
    if a is None or b is None or a["shown_score"] is None or b["shown_score"] is None:
        return None
    return Decimal(b["shown_score"]) - Decimal(a["shown_score"])


def star_difference(a: dict[str, Any] | None, b: dict[str, Any] | None) -> int | None:
    """The second's star less the first's."""
    if a is None or b is None or a["star"] is None or b["star"] is None:
        return None
    return int(b["star"]) - int(a["star"])


def better(score_difference: Decimal | None, direction: str) -> str:
    """Which side has the better score."""
    if not score_difference:
        return ""
    return "b" if (score_difference > 0) == (direction == "higher") else "a"


def compare_ratings(a: dict[str, Any], b: dict[str, Any]) -> list[RatingPair]:
    """Part C, Part D and overall of both explanations."""
    names = [name for name in ("overall", "part_c", "part_d") if name in a["ratings"] or name in b["ratings"]]
    found = []
    for name in names:
        one, other = a["ratings"].get(name), b["ratings"].get(name)
        known = one and other and one["star"] is not None and other["star"] is not None
        step = Decimal(other["star"]) - Decimal(one["star"]) if known else None
        found.append(RatingPair((one or other)["name"], one, other, step))
    return found
