"""Intervals by the bootstrap: whole groups are drawn, because rows of one group are alike."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from predictions.calibrating import NoEstimate
from predictions.measuring import Sample
from predictions.tables import Floats, Integers

REPLICATES = 200
LEVEL = 0.95
# Below so many groups their resampling says nothing reliable (intervals come out too narrow).
FEWEST_GROUPS = 10
# An interval stands on at least this share of replicates in which the figure exists.
ENOUGH = 0.9


@dataclass(frozen=True)
class Figure:
    """A figure with its 95 % interval; None with the reason where it does not exist."""

    value: float | None
    low: float | None
    high: float | None
    reason: str = ""

    def as_json(self) -> dict[str, Any]:
        """value, low, high, and the reason where there is one."""
        return {name: value for name, value in asdict(self).items() if name != "reason" or value}


def clusters_of(groups: Integers) -> tuple[Integers, str]:
    """What is drawn: groups, or single rows with a warning where there are too few groups."""
    names, members = np.unique(groups, return_inverse=True)
    if len(names) >= FEWEST_GROUPS:
        return members, ""
    warning = (
        f"{len(names)} test group{'s' if len(names) > 1 else ''}: intervals draw rows, not groups "
        f"(that needs {FEWEST_GROUPS}), and do not hold the spread between groups."
    )
    return np.arange(len(groups)), warning


def figures(
    sample: Sample, clusters: Integers, wanted: Mapping[str, Callable[[Sample, Floats], float]], seed: int
) -> dict[str, Figure]:
    """Each wanted figure with a percentile interval from resampled clusters. Deterministic for a seed."""
    whole = np.ones(len(sample.labels))
    found, absent = {}, {}
    for name, figure in wanted.items():
        try:
            found[name] = figure(sample, whole)
        except NoEstimate as reason:
            absent[name] = Figure(None, None, None, str(reason))
    draws = replicates(sample, clusters, {name: wanted[name] for name in found}, seed)
    return {name: with_interval(found[name], draws[name]) if name in found else absent[name] for name in wanted}


def replicates(
    sample: Sample, clusters: Integers, wanted: Mapping[str, Callable[[Sample, Floats], float]], seed: int
) -> dict[str, list[float]]:
    """Values of each figure over the replicates in which it exists."""
    random = np.random.default_rng(seed)
    _, members = np.unique(clusters, return_inverse=True)
    count = int(members.max(initial=-1)) + 1
    values: dict[str, list[float]] = {name: [] for name in wanted}
    for _ in range(REPLICATES if wanted and count > 1 else 0):
        drawn = np.bincount(random.integers(count, size=count), minlength=count).astype(float)[members]
        for name, figure in wanted.items():
            try:
                values[name].append(figure(sample, drawn))
            except NoEstimate:
                continue  # a draw without this figure is counted by being absent: with_interval asks for enough
    return values


def with_interval(value: float, draws: list[float]) -> Figure:
    """The middle 95 % of the draws; without enough of them a figure without interval, and why."""
    if len(draws) < ENOUGH * REPLICATES:
        return Figure(value, None, None, f"the figure exists in {len(draws)} of {REPLICATES} resamples: no interval")
    low, high = np.quantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Figure(value, float(low), float(high))
