"""What a model's page shows, ready for the template: figures with intervals, calibration, subgroups, attributes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from predictions import charts
from predictions.models import ModelVersion, State
from predictions.source_attributes import ATTRIBUTES

TONES = {
    State.DRAFT: "plain",
    State.IN_VALIDATION: "info",
    State.VALIDATED: "info",
    State.SHADOW: "info",
    State.DEPLOYED: "good",
    State.SUSPENDED: "warn",
    State.RETIRED: "plain",
}
# Key, name, what a reader should know.
FIGURES = (
    ("auc", "AUC", "0.5 is chance; over 0.9 look for leakage"),
    ("brier", "Brier", "mean squared error; lower is better"),
    ("brier_skill", "Brier skill", "share below that of one rate for everyone"),
    ("slope", "Calibration slope", "1 is right"),
    ("intercept", "Calibration intercept", "0 is right"),
    ("oe", "Observed / expected", "1 is right"),
    ("ici", "ICI", "mean distance of probability and observed share"),
)


@dataclass(frozen=True)
class Shown:
    """One figure as people read it: value, interval or reason, and what is good."""

    name: str
    value: str
    interval: str
    hint: str


def figure(found: Mapping[str, Any] | None, name: str = "", hint: str = "") -> Shown:
    """A figure with its interval, or why there is none."""
    if not found or found.get("value") is None:
        return Shown(name, "–", (found or {}).get("reason") or "not measured", hint)
    low, high = found.get("low"), found.get("high")
    interval = f"{low:.3f} to {high:.3f}" if low is not None and high is not None else found.get("reason") or ""
    return Shown(name, f"{found['value']:.3f}", interval, hint)


def figures(found: Mapping[str, Any]) -> list[Shown]:
    """The main figures in their order."""
    return [figure(found.get(key), name, hint) for key, name, hint in FIGURES]


def subgroup_rows(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Each part of the test rows; a withheld one shows words instead of figures."""
    return [
        {
            "by": row["by"], "level": row["level"], "suppressed": row["suppressed"], "reason": row.get("reason", ""),
            "n": row["n"], "events": row["events"],
            "figures": [] if row["suppressed"] else [figure(row.get(key)) for key in ("auc", "brier", "oe")],
        }
        for row in found.get("subgroups", [])
    ]  # fmt: skip


def contents(model: ModelVersion) -> dict[str, Any]:
    """Everything the page says about a model, apart from what its reader may do."""
    latest = model.latest_validation()
    found = latest.found() if latest else model.metrics
    table = found.get("calibration_table", [])
    attributes = [(one, model.attributes.get(one.key, "")) for one in ATTRIBUTES]
    return {
        "model": model,
        "tone": TONES[State(model.state)],
        "latest": latest,
        "figures": figures(found) if found else [],
        "interval": found.get("interval", ""),
        "warnings": found.get("warnings", []),
        "plot": charts.calibration_plot(table),
        "calibration": table,
        "subgroups": subgroup_rows(found),
        "attributes": attributes,
        "filled": len(attributes) - len(model.missing_attributes()),
        "validations": list(model.validations.all()),
        "history": list(model.transitions.order_by("-at", "-id")),
    }
