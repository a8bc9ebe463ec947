"""What the loaded code lists cover: per measure its evidence routes, per value set its codes and where they come from.
Pure of Django."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from hedis.engine import codes
from hedis.engine.codes import Route, RouteState
from hedis.measures import value_set_names, value_sets
from hedis.measures.definitions import DEFINITIONS


@dataclass(frozen=True)
class MeasureCoverage:
    """The evidence routes of a measure in a measurement year, and how its numerator stands by them."""

    code: str
    numerator: RouteState
    routes: tuple[Route, ...]

    @property
    def missing(self) -> tuple[str, ...]:
        """The value sets its routes ask for that hold no code of the year."""
        return tuple(sorted({name for route in self.routes for name in route.empty}))


@dataclass(frozen=True)
class SetCoverage:
    """One value set in a measurement year: codes by vocabulary, its files (own ones apart), who asks for it.

    `years`: first and last measurement year its rows are bound to, None where a row has no bound; `source`: the
    documents and notes of a packaged set, empty for a set only the plan's own lists hold.
    """

    name: str
    codes: Mapping[str, int]
    packaged: tuple[str, ...]
    own: tuple[str, ...]
    measures: tuple[str, ...]
    years: tuple[int | None, int | None]
    source: str

    @property
    def total(self) -> int:
        """How many codes count in the year."""
        return sum(self.codes.values())


def measures(year: int, own_lists: Path | None, only: Iterable[str] = ()) -> list[MeasureCoverage]:
    """Every computed measure, or `only` those, with the state of its routes. Raises KeyError for an unknown code."""
    rows = value_sets.known(own_lists)
    found = []
    for code in sorted(only or DEFINITIONS):
        routes = codes.evidence_routes(DEFINITIONS[code], rows, year)
        states = {route.state for route in routes if route.part == "numerator"}
        found.append(MeasureCoverage(code, states.pop() if len(states) == 1 else RouteState.PARTLY, routes))
    return found


def sets(year: int, own_lists: Path | None) -> list[SetCoverage]:
    """Every value set that a file holds or a definition asks for, by name."""
    held = _files_by_set(own_lists)
    counts = codes.counted(value_sets.known(own_lists), year)
    users = _users()
    return [
        SetCoverage(
            name,
            counts.get(name, {}),
            tuple(file.name for file in held.get(name, ()) if file.parent == value_sets.DIRECTORY),
            tuple(file.name for file in held.get(name, ()) if file.parent != value_sets.DIRECTORY),
            users.get(name, ()),
            _years(name, held.get(name, ())),
            _source(name),
        )
        for name in sorted({*held, *users})
    ]


def _files_by_set(own_lists: Path | None) -> dict[str, tuple[Path, ...]]:
    found: dict[str, tuple[Path, ...]] = {}
    for file in value_sets.files(own_lists):
        for name in {row.value_set for row in value_sets.of_file(file)}:
            found[name] = (*found.get(name, ()), file)
    return found


def _users() -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for code, definition in sorted(DEFINITIONS.items()):
        for name in codes.asked_for(definition):
            found[name] = (*found.get(name, ()), code)
    return found


def _years(name: str, files: Iterable[Path]) -> tuple[int | None, int | None]:
    rows = [row for file in files for row in value_sets.of_file(file) if row.value_set == name]
    first, last = [row.valid_from_year for row in rows], [row.valid_to_year for row in rows]
    return (
        None if not first or None in first else min(year for year in first if year is not None),
        None if not last or None in last else max(year for year in last if year is not None),
    )


def _source(name: str) -> str:
    source = value_set_names.sources().get(name)
    return ". ".join(filter(None, ["; ".join(source["documents"]), source.get("note", "")])) if source else ""
