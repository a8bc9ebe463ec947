"""Registered models for the tests: a real, tiny model file, and the way to any state."""

import functools
from pathlib import Path
from typing import Any

import numpy as np

from hedis.accounts.models import User
from hedis.measures.models import Measure
from predictions import exporting, fitting, model_file, registry
from predictions.encoding import Encoding, Feature
from predictions.fitting import ModelKind
from predictions.models import ModelVersion, State
from predictions.source_attributes import ATTRIBUTES
from predictions.tables import Kind

FILLED = {one.key: f"What holds for {one.key}." for one in ATTRIBUTES}
# The way to each state.
WAY = (State.IN_VALIDATION, State.VALIDATED, State.SHADOW, State.DEPLOYED, State.SUSPENDED)


def one(value: float) -> dict[str, float]:
    """A figure with an interval around it."""
    return {"value": value, "low": value - 0.02, "high": value + 0.02}


FOUND: dict[str, Any] = {
    "auc": one(0.71), "brier": one(0.19), "brier_skill": one(0.12), "slope": one(0.98), "intercept": one(0.01),
    "oe": one(1.02), "ici": one(0.01), "n_train": 2000, "n_test": 900,
    "interval": "95% percentile bootstrap, 200 resamples of groups", "warnings": [],
    "calibration_table": [
        {"n": 90, "predicted": 0.05 + 0.1 * tenth, "observed": None if tenth == 0 else 0.04 + 0.1 * tenth}
        for tenth in range(10)
    ],
    "subgroups": [
        {"by": "sex", "level": "F", "suppressed": False, "n": 500, "events": 210, "auc": one(0.70), "brier": one(0.19),
         "oe": one(1.01), "tpr": one(0.33), "selected": one(0.2)},
        {"by": "sex", "level": "unknown", "suppressed": True, "n": None, "events": None, "auc": None, "brier": None,
         "oe": None, "tpr": None, "selected": None, "reason": "fewer than 11 rows, events or non-events"},
    ],
}  # fmt: skip
# Another measurement, in which the people of one language are told a third too few.
UNFAIR: dict[str, Any] = {
    **FOUND,
    "subgroups": [
        *FOUND["subgroups"],
        {"by": "language_not_english", "level": "1", "suppressed": False, "n": 240, "events": 100, "auc": one(0.70),
         "brier": one(0.2), "oe": one(1.33), "tpr": one(0.31), "selected": one(0.18)},
    ],
}  # fmt: skip


@functools.cache
def graph_of(seed: int) -> bytes:
    """What trees learn from one feature and chance; learnt once."""
    random = np.random.default_rng(seed)
    values = random.normal(0, 1, (200, 1))
    labels = (values[:, 0] + random.normal(0, 1, 200) > 0).astype(int)
    return exporting.to_onnx(fitting.fit(ModelKind.TREES, 5, Encoding(()), values, labels, 0), 1)


def write_model(folder: Path, *, seed: int = 0, **more: Any) -> str:
    """The files of a model with one feature, and `more` in its card; returns their hash."""
    card = {
        "versions": {"scikit-learn": "1.7"}, "metrics": FOUND, "thresholds": {"high": 0.6, "medium": 0.3},
        "training": {"table": "people.csv", "split": "a quarter of the groups", "seed": seed}, **more,
    }  # fmt: skip
    encoding = Encoding((Feature("days_since_last_visit", Kind.NUMBER),))
    model = model_file.Model(ModelKind.TREES, encoding, None, (1.0, 0.0), graph_of(seed), card)
    return model_file.save(model, folder)


def make_model(
    folder: Path,
    *,
    by: User,
    version: str = "1",
    measure: Measure | None = None,
    known: dict[str, Any] | None = None,
    **more: Any,
) -> ModelVersion:
    """A draft with every attribute filled in; `known` is what its file says beside the usual."""
    write_model(folder / version, seed=len(version) + sum(map(ord, version)), **(known or {}))
    facts = {"name": "open-gap", "attributes": FILLED, "card": "For the tests.", **more}
    return registry.register(folder / version, version=version, measure=measure, by=by, **facts)


def brought_to(state: str, model: ModelVersion, *, by: User) -> ModelVersion:
    """The model moved along the shortest way by somebody who may, validated on it; it meets the fairness gates."""
    if state == State.RETIRED:
        return registry.transition(model, state, why="not needed", by=by)
    for step in WAY:
        if model.state == state:
            break
        if step == State.VALIDATED:
            registry.validate(model, FOUND, data="900 rows of 2025, other members", by=by)
            model.refresh_from_db()
        model = registry.transition(model, step, why=f"to {step}", by=by)
    return model
