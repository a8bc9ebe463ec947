"""The candidates: what could be done for whom, what it costs and by how much it raises each measure's expectation.

One row is one action for one member. An action that touches several gaps (a bundle) has an uplift in several measures;
uplifts are of the whole action and are never summed over actions, so a member gets at most one. What cannot be done (no
consent, past its deadline) is not in the table. Rows are counted from 1 at the first row of data, in the order of the
file. A column is read at a time, and zeros are not kept: six million rows take a few hundred megabytes.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pc_csv
import pyarrow.parquet as pq
from scipy import sparse

from interventions.problem import Floats, Integers, Problem, ProblemError

Flags = npt.NDArray[np.bool_]
PARQUET = (".parquet", ".pq")
NAMES = ("member", "action", "contract")


@dataclass(frozen=True)
class Candidates:
    """Rows in the order of the file. `member` and `action` index the names; matrices are rows x measures or resources.

    `uplifts` is the rise of the probability that the member is in a measure's numerator at year end (0 to 1), `cost` is
    dollars, `uses` units of each resource in the order of the problem.
    """

    member: Integers
    member_names: pa.Array
    action: Integers
    action_names: pa.Array
    cost: Floats
    uplifts: sparse.csr_array
    uses: sparse.csr_array
    groups: dict[str, Flags]

    @property
    def rows(self) -> int:
        """How many candidates."""
        return len(self.cost)


def read_candidates(path: Path, problem: Problem) -> Candidates:
    """Read candidates from Parquet or CSV. Raises ProblemError naming file, row, field and reason."""
    if not path.is_file():
        raise ProblemError("no such file", file=str(path))
    try:
        names, column = columns_of(path)
        check_columns(names, problem, path.name)
        return gather(column, problem, path.name)
    except pa.ArrowException as error:
        raise ProblemError(f"cannot be read: {str(error).splitlines()[0]}", file=path.name) from error


def columns_of(path: Path) -> tuple[list[str], Callable[[str], pa.ChunkedArray]]:
    """The names of the columns, and a way to read one."""
    if path.suffix.lower() in PARQUET:
        texts = [name for name in pq.read_schema(path).names if name in NAMES]
        file = pq.ParquetFile(path, read_dictionary=texts)
        return file.schema_arrow.names, lambda name: file.read(columns=[name]).column(0)
    as_text = dict.fromkeys(NAMES, pa.string())
    table = pc_csv.read_csv(path, convert_options=pc_csv.ConvertOptions(column_types=as_text, strings_can_be_null=True))
    return table.column_names, table.column


def check_columns(names: list[str], problem: Problem, file: str) -> None:
    """Refuse a missing column, one column twice, and an uplift or use the problem does not know."""
    uplifts = {f"uplift_{measure.code}" for measure in problem.measures}
    uses = {f"use_{name}" for name in problem.resources}
    wanted = ["member", "action", "cost", *sorted(uplifts), *sorted(uses)]
    wanted += ["contract"] if problem.contracts != ("",) else []
    wanted += [f"group_{floor.group}" for floor in problem.floors]
    for name in names:
        if names.count(name) > 1:
            raise ProblemError("there are two columns of this name", file=file, field=name)
        if name.startswith("uplift_") and name not in uplifts:
            raise ProblemError("the problem has no such measure", file=file, field=name)
        if name.startswith("use_") and name not in uses:
            raise ProblemError("the problem has no such resource", file=file, field=name)
    for name in wanted:
        if name not in names:
            raise ProblemError("the column is missing", file=file, field=name)


def gather(column: Callable[[str], pa.ChunkedArray], problem: Problem, file: str) -> Candidates:
    """All columns, checked."""
    member, member_names = codes_of(column("member"), file, "member")
    action, action_names = codes_of(column("action"), file, "action")
    refuse_twice(member * max(len(action_names), 1) + action, file)
    contract = contracts_of(column, problem, file)
    rows = len(member)
    uplifts = [uplift_of(column, problem, code, contract, file) for code in {m.code: 0 for m in problem.measures}]
    uses = [numbers_of(column(f"use_{name}"), file, f"use_{name}") for name in problem.resources]
    return Candidates(
        member=member,
        member_names=member_names,
        action=action,
        action_names=action_names,
        cost=numbers_of(column("cost"), file, "cost"),
        uplifts=matrix(rows, len(problem.measures), [part for parts in uplifts for part in parts]),
        uses=matrix(rows, len(problem.resources), [nonzero(place, use) for place, use in enumerate(uses)]),
        groups={
            floor.group: flags_of(column(f"group_{floor.group}"), file, f"group_{floor.group}")
            for floor in problem.floors
        },
    )


Part = tuple[int, Integers, Floats]


def nonzero(place: int, values: Floats) -> Part:
    """A column of a matrix: its place, the rows that are not zero, their values."""
    rows = np.flatnonzero(values)
    return place, rows, values[rows]


def matrix(rows: int, width: int, parts: list[Part]) -> sparse.csr_array:
    """A sparse matrix of columns."""
    if not parts:
        return sparse.csr_array((rows, width), dtype=np.float64)
    places = np.concatenate([np.full(len(where), place, dtype=np.int32) for place, where, _ in parts])
    where = np.concatenate([where for _, where, _ in parts])
    values = np.concatenate([values for _, _, values in parts])
    return sparse.csr_array((values, (where, places)), shape=(rows, width))


def uplift_of(
    column: Callable[[str], pa.ChunkedArray], problem: Problem, code: str, contract: Integers, file: str
) -> list[Part]:
    """The uplift of a code, for the measure of that code of each row's own contract."""
    name = f"uplift_{code}"
    values = numbers_of(column(name), file, name)
    refuse_first(values > 1, file, name, "is above 1; an uplift is a difference of probabilities")
    place_of = {m.contract: place for place, m in enumerate(problem.measures) if m.code == code}
    places = np.array([place_of.get(one, -1) for one in problem.contracts])[contract] if len(contract) else contract
    refuse_first((places < 0) & (values > 0), file, name, "is above 0, and the row's contract has no such measure")
    parts = []
    for place in place_of.values():
        rows = np.flatnonzero((places == place) & (values > 0))
        parts.append((place, rows, values[rows]))
    return parts


def contracts_of(column: Callable[[str], pa.ChunkedArray], problem: Problem, file: str) -> Integers:
    """Each row's contract as a place in the problem's contracts."""
    if problem.contracts == ("",):
        return np.zeros(len(column("cost")), dtype=np.int64)
    codes, names = codes_of(column("contract"), file, "contract")
    place_of = {contract: place for place, contract in enumerate(problem.contracts)}
    places = np.array([place_of.get(str(name), -1) for name in names.to_pylist()], dtype=np.int64)[codes]
    refuse_first(places < 0, file, "contract", "is none of the problem's contracts")
    return places


def codes_of(values: pa.ChunkedArray, file: str, field: str) -> tuple[Integers, pa.Array]:
    """Names as indices into the different ones. A row without one is refused."""
    if not pa.types.is_dictionary(values.type):
        values = values.dictionary_encode()
    encoded = values.unify_dictionaries().combine_chunks()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = pa.concat_arrays(encoded.chunks) if encoded.num_chunks else pa.array([], values.type)
    indices = encoded.indices
    refuse_first(np.asarray(pc.is_null(indices)), file, field, "is empty")
    names = encoded.dictionary
    if pa.types.is_string(names.type) or pa.types.is_large_string(names.type):
        blank = np.asarray(pc.equal(pc.utf8_trim_whitespace(names), ""))
        refuse_first(blank[np.asarray(indices)] if len(blank) else blank, file, field, "is empty")
    return np.asarray(indices).astype(np.int64), names


def numbers_of(values: pa.ChunkedArray, file: str, field: str) -> Floats:
    """A column of finite numbers from 0."""
    if pa.types.is_null(values.type) or pa.types.is_boolean(values.type):
        raise ProblemError(f"is of type {values.type}; it is a column of numbers", file=file, field=field)
    try:
        numbers = np.asarray(pc.cast(values, pa.float64()).combine_chunks().to_numpy(zero_copy_only=False))
    except pa.ArrowException as error:
        raise ProblemError(f"is of type {values.type}; it is a column of numbers", file=file, field=field) from error
    refuse_first(~np.isfinite(numbers), file, field, "is missing or not a finite number")
    refuse_first(numbers < 0, file, field, "is below 0")
    return numbers


def flags_of(values: pa.ChunkedArray, file: str, field: str) -> Flags:
    """A column of true and false, or of 1 and 0."""
    if pa.types.is_boolean(values.type):
        values = pc.cast(values, pa.int8())
    numbers = numbers_of(values, file, field)
    refuse_first((numbers != 0) & (numbers != 1), file, field, "is neither true nor false")
    return numbers == 1


def refuse_first(wrong: Any, file: str, field: str, reason: str) -> None:
    """Refuse the first row that is wrong; the row is named, never the member."""
    found = np.flatnonzero(wrong)
    if len(found):
        raise ProblemError(reason, file=file, field=field, row=int(found[0]) + 1)


def refuse_twice(pairs: Integers, file: str) -> None:
    """Refuse one action twice for one member."""
    order = np.argsort(pairs, kind="stable")
    same = np.flatnonzero(np.diff(pairs[order]) == 0)
    if len(same):
        first, second = sorted((int(order[same[0]]), int(order[same[0] + 1])))
        raise ProblemError(
            f"the same action for the same member as in row {first + 1}", file=file, field="action", row=second + 1
        )
