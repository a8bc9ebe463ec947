"""Reads CMS's published cut point tables into cut points.

A cell is a band such as `>= 58 % to < 71 %` or `> 10 % to <= 12 %`, or one value such as `100%`.
"""

import re
from collections.abc import Mapping
from decimal import Decimal

from hedis.engine.rating_year import CutPoints, Measure
from hedis.stars.published import MEASURE_HEAD, Line, PublishedError, Table, find_heads

STAR_LABEL = re.compile(r"([1-5])\s*stars?", re.IGNORECASE)
BOUND = re.compile(r"(>=|<=|>|<|)\s*(-?(?:[0-9]+\.?[0-9]*|\.[0-9]+))\s*%?")


def read_cut_points(table: Table, measures: Mapping[str, Measure]) -> dict[tuple[str, str], CutPoints]:
    """Cut points by (measure id, contract type), which is `MA` for Part C, `MA-PD` or `PDP` for Part D."""
    heads_line, columns = find_heads(table, MEASURE_HEAD)
    for measure_id, _ in columns.values():
        if measure_id not in measures:
            raise table.error(heads_line, measure_id, f"Star year {table.year} has no such measure")
    cuts: dict[tuple[str, str], dict[int, Decimal | None]] = {}
    last: Line | None = None
    contract_type = "MA" if table.kind == "part_c_cuts" else ""
    for line in table.lines:
        label = next((match for cell in line.cells[:2] if (match := STAR_LABEL.fullmatch(cell))), None)
        if not label:
            continue
        contract_type, last = named_type(table, line, contract_type), line
        for index, (measure_id, _) in columns.items():
            bound = inner_bound(table, line, index, measures[measure_id])
            cuts.setdefault((measure_id, contract_type), {})[int(label[1])] = bound
    if last is None:
        raise table.error(None, "Number of Stars", "no row is labelled 1star to 5star")
    return {key: complete(table, last, key, found, measures[key[0]]) for key, found in cuts.items()}


def named_type(table: Table, line: Line, contract_type: str) -> str:
    """The contract type of a row; a blank one is that of the row above."""
    if table.kind == "part_c_cuts":
        return "MA"
    named = line.cell(0).upper() or contract_type
    if named not in ("MA-PD", "PDP"):
        raise table.error(line, "Org Type", f"{line.cell(0)!r} is neither MA-PD nor PDP")
    return named


def inner_bound(table: Table, line: Line, index: int, measure: Measure) -> Decimal | None:
    """The worst score that still gets the row's star; None where CMS gives no such star."""
    text = line.cell(index).replace("≥", ">=").replace("≤", "<=")
    bounds = BOUND.findall(text)
    rest = BOUND.sub("", text).replace("to", "").strip()
    if rest or not bounds:
        if re.search(r"[0-9]", text) or not text:
            raise table.error(line, measure.id, f"{text!r} is not a band of scores")
        return None
    wanted = "<=" if measure.lower_is_better else ">="
    values = [Decimal(value) for sign, value in bounds if sign in (wanted, "")]
    return values[0] if values else None


def complete(
    table: Table, line: Line, key: tuple[str, str], found: Mapping[int, Decimal | None], measure: Measure
) -> CutPoints:
    """Four cut points that rise (or fall). A star that CMS does not give begins where the next better one does."""
    values: list[Decimal] = []
    following: Decimal | None = None
    for star in (5, 4, 3, 2):
        following = found.get(star) if found.get(star) is not None else following
        if following is None:
            raise table.error(line, " ".join(key), f"no cut point for {star} stars")
        values.insert(0, following)
    if values != sorted(values, reverse=measure.lower_is_better):
        raise PublishedError(
            f"{table.path.name}, {' '.join(key)}: cut points {', '.join(map(str, values))} do not rise"
        )
    return CutPoints(*values)
