"""Drug classes by ingredient: which class lists a product belongs to, and by which target ingredients. Pure of Django.

A class is the packaged list of its ingredients (medication_lists.csv, RxNorm ingredients); `not_with` in sources.toml
names ingredients whose products are in another class although they hold one of this. A combination belongs by each
target ingredient, because days of supply shift per ingredient.
"""

import re
from collections.abc import Mapping
from functools import cache, lru_cache

from hedis.measures import value_set_names
from hedis.measures.value_sets import packaged

PARTS = re.compile(r"\s*(?:/|\+|;|-|\band\b)\s*")


@cache
def ingredients() -> Mapping[str, frozenset[str]]:
    """The target ingredients of each drug class, lower case."""
    found: dict[str, set[str]] = {}
    for row in packaged():
        if row.ingredient:
            found.setdefault(row.value_set, set()).add(row.ingredient)
    return {name: frozenset(names) for name, names in found.items()}


@lru_cache(maxsize=65_536)
def classes(product: str) -> Mapping[str, tuple[str, ...]]:
    """The class lists a product belongs to, each with its target ingredients; the words of a salt do not matter."""
    found = {}
    for name, targets in ingredients().items():
        barred = value_set_names.sources()[name].get("not_with", ())
        held = _named(product, targets)
        if held and not _named(product, barred):
            found[name] = held
    return found


@lru_cache(maxsize=65_536)
def targets(value_set: str, product: str) -> tuple[str, ...]:
    """The target ingredients of a product somebody else put on the list of a class: those we know by name, else each
    part of a name such as ``A/B`` or ``A-B``; one empty word where no name is given."""
    known = _named(product, ingredients().get(value_set, ()))
    parts = tuple(sorted({part for part in PARTS.split(product.strip().lower()) if part}))
    return known or parts or ("",)


def _named(product: str, names: frozenset[str] | tuple[str, ...]) -> tuple[str, ...]:
    """Those of the names that are whole words of the product's name."""
    text = " ".join(product.lower().split())
    return tuple(sorted(name for name in names if re.search(rf"(?<![a-z]){re.escape(name)}(?![a-z])", text)))
