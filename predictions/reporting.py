"""What training answers, for a labelled table of anyone's and for the plan's own: one shape for both."""

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

from predictions import evaluating, learning
from predictions.learning import Learned
from predictions.splitting import Split
from predictions.tables import Floats, Table

LIBRARIES = ("scikit-learn", "onnx", "numpy")
NO_METRIC = {"model", "features", "split", "seed"}


def answer_of(
    learned: Learned, table: Table, split: Split, by: Sequence[str], seed: int, margins: Floats | None = None
) -> dict[str, Any]:
    """The answer as the command promises it. `margins`: of every row, where the split is crossed."""
    found = evaluating.evaluate(learned.model, table, split.train, split.test, by=by, seed=seed, margins=margins)
    suspicion = evaluating.suspicion(found["auc"], learned.alone)
    found["warnings"] = [*filter(None, [suspicion]), *split.warnings, *found["warnings"], *learned.warnings]
    return {
        **found,
        "model": {
            "kind": learned.model.kind.value,
            "why": learned.choice.why,
            "tried": learning.trial_facts(learned.choice),
            "calibration": dict(zip("ab", learned.model.calibration, strict=True)),
        },
        "features": {
            "used": learned.used,
            "kinds": {each.name: each.kind.value for each in learned.model.encoding.features},
            "dropped": learned.dropped,
            "alone": learning.strongest(learned.alone, most=10),
        },
        "split": split.how,
        "seed": seed,
    }


def card(answer: Mapping[str, Any], *, label: str, group: str, training: Mapping[str, Any]) -> dict[str, Any]:
    """What the model file keeps beside the model. `training`: where the rows came from."""
    return {
        "label": label,
        "group": group,
        "versions": {library: version(library) for library in LIBRARIES},
        "training": {**training, "split": answer["split"], "seed": answer["seed"]},
        "why": answer["model"]["why"],
        "metrics": {name: value for name, value in answer.items() if name not in NO_METRIC},
        "left_out": answer["features"]["dropped"],
    }
