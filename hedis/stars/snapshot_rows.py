"""A snapshot and the change between two, as rows for pages, files and the API. Pure: what was frozen in, rows out."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from hedis.gaps.models import Status
from hedis.stars import years
from hedis.stars.explaining import PART_NAMES

RATING_NAMES = {part.value: name for part, name in PART_NAMES.items()}
STATUS_NAMES = dict(Status.choices)
# More of these is better, of those worse; of everything else a change is only a change.
BETTER = {Status.CLOSED.value, "rate", "low", "high", "expected stars", "expected, erring together",
          "dollars a year, expected"}  # fmt: skip
WORSE = {Status.OPEN.value, Status.PROSPECTIVE.value}
HEADER = ["part", "contract", "subject", "figure", "earlier", "later", "change"]


@dataclass(frozen=True)
class Grid:
    """Figures of one part: a row for each subject, a column for each figure. `columns` are (name, heading)."""

    columns: Sequence[tuple[str, str]]
    rows: Sequence[tuple[tuple[str, ...], Sequence[Any]]]


@dataclass(frozen=True)
class Change:
    """One figure in two snapshots. `change` is None where it is no number or one of them lacks it; `tone`: good or bad
    where it is known which way is better."""

    part: str
    contract: str
    subject: str
    figure: str
    earlier: Any
    later: Any
    change: Decimal | None
    tone: str

    @property
    def moved(self) -> bool:
        return bool(self.earlier != self.later)

    @property
    def arrow(self) -> str:
        """The change with its direction and sign; a dash where it cannot be told."""
        if self.change is None:
            return "–"
        return f"{'▲' if self.change > 0 else '▼'} {self.change:+,}" if self.change else "0"

    @property
    def cells(self) -> list[Any]:
        """The change as a line of a file."""
        change = "" if self.change is None else f"{self.change.normalize():f}"
        return [self.part, self.contract, self.subject, self.figure, self.earlier, self.later, change]


def gap_grid(gaps: Sequence[Mapping[str, Any]]) -> Grid:
    """Gaps of each contract and measure by status."""
    return grid_of([{"key": [row["contract"], row["measure"], row["status"]], "value": row["gaps"]} for row in gaps],
                   STATUS_NAMES)  # fmt: skip


def part_grid(rows: Sequence[Mapping[str, Any]]) -> Grid:
    """A part the rooms above have kept: the last of a key names the column."""
    return grid_of(rows, {})


def grid_of(rows: Sequence[Mapping[str, Any]], names: Mapping[str, str]) -> Grid:
    """Rows of a key and a value as a table, columns in the order of `names`, or as they first come."""
    columns = list(dict.fromkeys(row["key"][-1] for row in rows))
    if names:
        columns.sort(key=[*names].index)
    subjects: dict[tuple[str, ...], dict[str, Any]] = {}
    for row in rows:
        subjects.setdefault(tuple(row["key"][:-1]), {})[row["key"][-1]] = row["value"]
    return Grid(
        [(name, names.get(name, name)) for name in columns],
        [(subject, [figures.get(name) for name in columns]) for subject, figures in sorted(subjects.items())],
    )


def measure_rows(ratings: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Measures with a star, by contract, with the names they have in the year of the method."""
    for rating in ratings:
        known = by_key(rating["method_year"])
        for key, one in sorted(rating["measures"].items(), key=lambda item: item[1]["id"]):
            name = known[key].name if key in known else key
            yield {"contract": rating["contract"], "key": key, "name": name, **one}


def by_key(year: int) -> dict[str, Any]:
    """A Star year's measures by lasting key; empty for a year without reference data."""
    return {one.key: one for one in years.star_year(year).measures.values()} if year in years.years() else {}


def changes_of(compared: Mapping[str, Any], parts: Sequence[str]) -> list[Change]:
    """Every figure of two compared snapshots (see `snapshots.compare`), in the order of the page."""
    found = [change("members", "", "", "active", compared["active_members"])]
    found += [change("members", row["contract"], "", "enrolled", row) for row in compared["enrolled"]]
    found += [change("ratings", row["contract"], "", RATING_NAMES[row["rating"]], row, "good")
              for row in compared["ratings"]]  # fmt: skip
    lower = {key for key, one in by_key(method_year(compared)).items() if one.lower_is_better}
    for row in compared["measures"]:
        for figure in ("star", "score"):
            pair = {side: (row[side] or {}).get(figure) for side in ("earlier", "later")}
            better = "bad" if figure == "score" and row["measure"] in lower else "good"
            found.append(change("measures", row["contract"], row["measure"], figure, pair, better))
    found += [change("gaps", row["contract"], row["measure"], row["status"], row, better_of(row["status"]))
              for row in compared["gaps"]]  # fmt: skip
    for part in parts:
        for row in compared[part]:
            contract, *subject, figure = row["key"]
            found.append(change(part, contract, " ".join(subject), figure, row, better_of(figure)))
    return found


def method_year(compared: Mapping[str, Any]) -> int:
    """The newest year with reference data up to the later snapshot's Star year."""
    return max((year for year in years.years() if year <= compared["later"]["star_year"]), default=0)


def better_of(figure: str) -> str:
    """What more of a figure is."""
    return "good" if figure in BETTER else "bad" if figure in WORSE else ""


def change(part: str, contract: str, subject: str, figure: str, pair: Mapping[str, Any], more: str = "") -> Change:
    """One figure with its change; `more`: what more of it is."""
    earlier, later = pair["earlier"], pair["later"]
    step = difference(earlier, later)
    tone = "" if not step or not more else more if step > 0 else {"good": "bad", "bad": "good"}[more]
    return Change(part, contract, subject, STATUS_NAMES.get(figure, figure), earlier, later, step, tone)


def difference(earlier: Any, later: Any) -> Decimal | None:
    """The later figure less the earlier one; None where one is missing or no number."""
    numbers = [number_of(one) for one in (earlier, later)]
    return None if numbers[0] is None or numbers[1] is None else numbers[1] - numbers[0]


def number_of(value: Any) -> Decimal | None:
    """A figure as a number; the words of a snapshot are none."""
    text = str(value)
    return Decimal(text) if text.replace(".", "", 1).removeprefix("-").isdecimal() else None
