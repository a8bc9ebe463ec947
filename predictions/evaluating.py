"""What a model is worth on rows it never saw: every figure with its interval, by subgroup, and what to be warned of."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from predictions import fairness, measuring, subgroups
from predictions.learning import SUSPICIOUS_AUC, strongest
from predictions.measuring import Sample
from predictions.model_file import Model
from predictions.resampling import FEWEST_GROUPS, LEVEL, REPLICATES, Figure, clusters_of, figures
from predictions.tables import Column, Floats, Integers, Kind, Table

# Shares of the rows a team may be able to work on.
CAPACITIES = (0.05, 0.1, 0.2, 0.3)
THRESHOLDS = (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
# Test groups (regions, years) are a subgroup each while they are so few; households are not.
MOST_GROUPS = 60
# Columns divided by without being asked: each costs as much as the main figures.
MOST_DIVISIONS = 12
QUARTERS = (0.25, 0.5, 0.75)


@threadpool_limits.wrap(limits=1)
def evaluate(
    model: Model,
    table: Table,
    train: Integers,
    test: Integers,
    *,
    by: Sequence[str] = (),
    seed: int = 0,
    capacity: float = fairness.RULES.capacity,
    margins: Floats | None = None,
) -> dict[str, Any]:
    """Figures of the deployed graph on the test rows; of `margins` where other models gave those (`cross_fitting`).

    `by` names the columns for subgroups (default: the model's own with few values, and the test groups where few);
    `capacity` is the share of the rows a team can work on, by which the groups' true-positive rates are compared.
    """
    given = model.margins(table.take(test, model.features)) if margins is None else margins[test]
    sample = Sample(table.labels[test], given)
    clusters, warning = clusters_of(table.groups[test])
    main = figures(sample, clusters, measuring.FIGURES, seed)
    return {
        **{name: figure.as_json() for name, figure in main.items()},
        "n_train": len(train),
        "n_test": len(test),
        "events_train": int(table.labels[train].sum()),
        "events_test": int(sample.labels.sum()),
        "groups_train": len(np.unique(table.groups[train])),
        "groups_test": len(np.unique(table.groups[test])),
        "interval": interval_words(table.groups[test]),
        "capture": captures(sample, clusters, seed),
        "decision_curve": decision_curve(sample, clusters, seed),
        "calibration_table": calibration_table(sample),
        "capacity": capacity,
        "subgroups": subgroups.table(
            divisions(model, table, train, test, by), sample, table.groups[test], seed, capacity=capacity
        ),
        "warnings": [each for each in (warning, "" if by else left_undivided(model, table)) if each],
    }


def interval_words(groups: Integers) -> str:
    """How the intervals were made."""
    drawn = "groups" if len(np.unique(groups)) >= FEWEST_GROUPS else "rows"
    return f"{LEVEL:.0%} percentile bootstrap, {REPLICATES} resamples of {drawn}"


def several(
    make: Mapping[str, Callable[[float], Callable[[Sample, Floats], float]]],
    at: Sequence[float],
    named: str,
    sample: Sample,
    clusters: Integers,
    seed: int,
) -> list[dict[str, Any]]:
    """A table of figures that each depend on one number: one row for each number."""
    wanted = {f"{name} {point}": figure(point) for point in at for name, figure in make.items()}
    found = figures(sample, clusters, wanted, seed)
    return [{named: point, **{name: found[f"{name} {point}"].as_json() for name in make}} for point in at]


def captures(sample: Sample, clusters: Integers, seed: int) -> list[dict[str, Any]]:
    """Share of the events caught, and of events among those taken, at each capacity."""
    make = {"captured": measuring.capture, "precision": measuring.precision}
    return several(make, CAPACITIES, "capacity", sample, clusters, seed)


def decision_curve(sample: Sample, clusters: Integers, seed: int) -> list[dict[str, Any]]:
    """Net benefit of acting by the model and for everyone, at each threshold; for nobody it is 0."""
    make = {"model": measuring.net_benefit, "everyone": measuring.net_benefit_of_all}
    return several(make, THRESHOLDS, "threshold", sample, clusters, seed)


def calibration_table(sample: Sample) -> list[dict[str, Any]]:
    """Tenths of the test rows by probability: rows, mean predicted, observed. Small observed counts are withheld."""
    found = []
    for rows in np.array_split(np.argsort(sample.margins, kind="stable"), 10):
        events = int(sample.labels[rows].sum())
        if len(rows):
            shown = min(events, len(rows) - events) >= subgroups.SMALLEST
            predicted = float(sample.probabilities[rows].mean())
            found.append({"n": len(rows), "predicted": predicted, "observed": events / len(rows) if shown else None})
    return found


def divisions(
    model: Model, table: Table, train: Integers, test: Integers, by: Sequence[str]
) -> dict[str, tuple[Column, list[float]]]:
    """The columns to divide the test rows by, each with the quarters of its training values."""
    found = {}
    for name in by or offered(model, table)[:MOST_DIVISIONS]:
        column = table.columns[name]
        quarters = []
        if column.kind is Kind.NUMBER:
            known = column.values[train][~np.isnan(column.values[train])]
            quarters = [float(edge) for edge in np.quantile(known, QUARTERS)] if len(known) else []
        found[name] = (column.take(test), quarters)
    here = np.unique(table.groups[test])
    if 1 < len(here) <= MOST_GROUPS:
        found["(group)"] = (Column("(group)", Kind.CATEGORY, table.groups[test], table.group_names), [])
    return found


def left_undivided(model: Model, table: Table) -> str:
    """A warning where more columns could divide than are shown."""
    more = offered(model, table)[MOST_DIVISIONS:]
    named = ", ".join(more[:3]) + (", …" if len(more) > 3 else "")
    return f"no subgroup rows for {len(more)} further columns ({named}); name columns by --subgroups." if more else ""


def offered(model: Model, table: Table) -> list[str]:
    """The model's columns with few values, in the order they were named."""
    return [name for name in model.features if has_few_values(table.columns[name])]


def has_few_values(column: Column) -> bool:
    """Whether a column divides people into few parts."""
    return column.kind is not Kind.NUMBER and len(np.unique(column.values)) <= subgroups.MOST_PARTS + 1


def suspicion(auc: Figure | Mapping[str, Any], alone: Mapping[str, float]) -> str:
    """The warning for a model too good to be true, naming the features most predictive alone; else nothing."""
    value = auc["value"] if isinstance(auc, Mapping) else auc.value
    if value is None or value <= SUSPICIOUS_AUC:
        return ""
    named = ", ".join(f"{name} ({single:.2f})" for name, single in strongest(alone).items())
    return (
        f"AUC {value:.2f} is over {SUSPICIOUS_AUC:.2f}: look for leakage before believing it. "
        f"Most predictive alone: {named}."
    )
