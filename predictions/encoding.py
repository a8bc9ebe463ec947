"""From columns to the matrix a model takes. What was learnt from the training rows is data, kept in the model file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from predictions.tables import Column, Floats, Integers, Kind

# A category needs so many training rows to stand for itself; rarer ones are together the rest.
RAREST = 20
MOST_LEVELS = 30


@dataclass(frozen=True)
class Feature:
    """How one column enters: its kind, the values that stand for themselves, whether missing has a place of its own."""

    name: str
    kind: Kind
    levels: tuple[Any, ...] = ()
    missing: bool = False

    @property
    def width(self) -> int:
        """Columns of the matrix."""
        return len(self.levels) + (int(self.missing) if self.kind is Kind.CATEGORY else 1)

    def matrix(self, column: Column) -> Floats:
        """Rows × width, NaN where a number is missing. A value not seen in training is the rest: no level."""
        if self.kind is not Kind.CATEGORY:
            return np.column_stack([column.values, *(column.values == level for level in self.levels)]).astype(float)
        place = {word: number for number, word in enumerate(column.words)}
        parts = [column.values == place.get(level, -2) for level in self.levels]
        if self.missing:
            parts.append(column.missing())
        return np.column_stack(parts).astype(float) if parts else np.empty((len(column.values), 0))


@dataclass(frozen=True)
class Encoding:
    """All features in order."""

    features: tuple[Feature, ...]

    @property
    def owners(self) -> Integers:
        """For each column of the matrix the index of its feature."""
        return np.repeat(np.arange(len(self.features)), [feature.width for feature in self.features])

    def matrix(self, columns: Mapping[str, Column]) -> Floats:
        """Rows × all widths. Single precision holds every value, because the model file computes with it."""
        parts = [feature.matrix(columns[feature.name]) for feature in self.features]
        return np.column_stack(parts).astype(np.float32).astype(np.float64)


def learn(columns: Mapping[str, Column], names: Sequence[str], *, single_codes: bool) -> Encoding:
    """The encoding of these training rows.

    `single_codes`: values of a coded number stand for themselves beside their order. A straight line needs that; trees
    part any code from its neighbours by two splits, and would only take eight times as long.
    """
    return Encoding(tuple(feature_of(columns[name], single_codes=single_codes) for name in names))


def feature_of(column: Column, *, single_codes: bool) -> Feature:
    """How a column enters, by its kind and the values its training rows have."""
    if column.kind in (Kind.NUMBER, Kind.YES_NO) or (column.kind is Kind.CODED and not single_codes):
        return Feature(column.name, column.kind)
    known = column.values[~column.missing()]
    values, counts = np.unique(known, return_counts=True)
    order = np.argsort(-counts, kind="stable")[:MOST_LEVELS]
    frequent = sorted(int(i) for i in order if counts[i] >= RAREST)
    if column.kind is Kind.CODED:
        return Feature(column.name, column.kind, tuple(float(values[i]) for i in frequent))
    levels = tuple(column.words[int(values[i])] for i in frequent)
    return Feature(column.name, column.kind, levels, bool(column.missing().any()))


@dataclass(frozen=True)
class Scaling:
    """For the logistic model: what fills a missing number, which columns get a missing mark, centre and spread."""

    fill: Floats
    marks: Integers
    center: Floats
    spread: Floats

    def __call__(self, matrix: Floats) -> Floats:
        """Standardised rows without gaps: matrix columns, then the missing marks."""
        return (self.filled(matrix) - self.center) / self.spread

    def filled(self, matrix: Floats) -> Floats:
        """Gaps filled, marks added, not yet standardised."""
        absent = np.isnan(matrix)
        return np.column_stack([np.where(absent, self.fill, matrix), absent[:, self.marks]])

    def owners(self, owners: Integers) -> Integers:
        """For each standardised column the index of its feature."""
        return np.concatenate([owners, owners[self.marks]])


def scale(matrix: Floats) -> Scaling:
    """Centre, spread and filling of these training rows; a column that does not vary gets spread 1."""
    absent = np.isnan(matrix)
    known = np.maximum((~absent).sum(axis=0), 1)
    fill = np.where(absent, 0.0, matrix).sum(axis=0) / known
    marks = np.flatnonzero(absent.any(axis=0))
    first = Scaling(fill, marks, np.zeros(len(fill) + len(marks)), np.ones(len(fill) + len(marks)))
    filled = first.filled(matrix)
    spread = filled.std(axis=0)
    return Scaling(fill, marks, filled.mean(axis=0), np.where(spread > 1e-12, spread, 1.0))
