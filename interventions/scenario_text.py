"""A scenario's parts as people type them, on a command line or in a form: `COL=2, GSD=-1`. Pure.

Raises ProblemError naming the field and what it should look like.
"""

import re
from collections.abc import Callable, Iterable
from typing import Any

from interventions.problem import ProblemError

BETWEEN = re.compile(r"[,;\s]+")


def parts(text: str) -> list[str]:
    """What stands between commas or blanks."""
    return [one for one in BETWEEN.split(text) if one]


def numbers(field: str, given: Iterable[str], read: Callable[[str], Any] = float) -> dict[str, Any]:
    """NAME=NUMBER, each name once."""
    found: dict[str, Any] = {}
    for text in given:
        name, value = pair(field, text, read, "NAME=NUMBER, as in COL=2")
        if name in found:
            raise ProblemError(f"names {name} twice", field=field)
        found[name] = value
    return found


def pair(field: str, text: str, read: Callable[[str], Any], look: str) -> tuple[str, Any]:
    """One NAME=NUMBER."""
    name, _, number = text.partition("=")
    try:
        if not name:
            raise ValueError
        return name, read(number)
    except ValueError:
        raise ProblemError(f"{text!r} is not {look}", field=field) from None


def cuts(given: Iterable[str]) -> dict[str, dict[str, str]]:
    """MEASURE:STAR=SCORE."""
    found: dict[str, dict[str, str]] = {}
    for text in given:
        place, score = pair("cuts", text, filled, look := "MEASURE:STAR=SCORE, as in COL:4=78")
        name, _, star = place.partition(":")
        if not star:
            raise ProblemError(f"{text!r} is not {look}", field="cuts")
        found.setdefault(name, {})[star] = score
    return found


def filled(text: str) -> str:
    """A text that is not empty. Raises ValueError."""
    if not text:
        raise ValueError
    return text


def added(given: Iterable[str]) -> dict[str, dict[str, int]]:
    """NAME=STAR, or NAME=STAR/WEIGHT."""
    found = {}
    for text in given:
        name, facts = pair("with", text, filled, look := "NAME=STAR/WEIGHT, as in DSF=3/1")
        star, slash, weight = facts.partition("/")
        try:
            found[name] = {"star": int(star), **({"weight": int(weight)} if slash else {})}
        except ValueError:
            raise ProblemError(f"{text!r} is not {look}", field="with") from None
    return found
