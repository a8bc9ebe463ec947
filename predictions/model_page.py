"""What a model's page shows, ready for the template: figures with intervals, calibration, subgroups, attributes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from predictions import charts, drifting, fairness
from predictions.fairness import EVERYONE, Finding, Verdict
from predictions.models import DriftCheck, Level, ModelVersion, State, ValidationRun, Waiver
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
LEVEL_TONES = {Level.FINE: "good", Level.LOOK: "warn", Level.ACT: "bad", Level.UNKNOWN: "plain"}
VERDICT_TONES = {Verdict.PASSED: "good", Verdict.MISSED: "bad", Verdict.NOT_JUDGED: "plain", Verdict.SHOWN: "info"}
CHECKS_SHOWN = 12
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


@dataclass(frozen=True)
class GateCell:
    """What one gate found in one group: the value, under it its interval or why there is none, the verdict."""

    value: str
    under: str
    verdict: Verdict
    tone: str


@dataclass(frozen=True)
class GateRow:
    """One group: its rows, and a cell for each gate."""

    by: str
    level: str
    n: int | None
    cells: list[GateCell]

    @property
    def alike(self) -> str:
        """Why no gate judges the group, where all give the same reason."""
        reasons = {cell.under if cell.verdict is Verdict.NOT_JUDGED else "" for cell in self.cells}
        return reasons.pop() if len(reasons) == 1 else ""


def gate_cell(one: Finding) -> GateCell:
    """A finding as the table shows it."""
    tone = VERDICT_TONES[one.verdict]
    if one.verdict is Verdict.NOT_JUDGED or one.value is None:
        return GateCell("", one.words.removeprefix(fairness.NOT_JUDGED), one.verdict, tone)
    interval = f"{one.low:.3f} to {one.high:.3f}" if one.low is not None and one.high is not None else ""
    return GateCell(f"{one.value:.3f}", interval, one.verdict, tone)


def fairness_part(latest: ValidationRun | None) -> dict[str, Any]:
    """Every group with what each gate found, what is missed, the columns nothing is known of, and who waived."""
    if latest is None:
        return {"gates": [], "gate_names": [], "ungated": [], "missed": [], "passed": 0, "waiver": None, "waivers": []}
    findings = latest.gates()
    groups: dict[tuple[str, str], list[Finding]] = {}
    for one in findings:
        if one.gate:
            groups.setdefault((one.by, one.level), []).append(one)
    missed = fairness.missed(findings)
    return {
        "gates": [GateRow(*names, found[0].n, [gate_cell(one) for one in found]) for names, found in groups.items()],
        "gate_names": [gate.name for gate in fairness.RULES.gates],
        "ungated": [one.by for one in findings if not one.gate],
        "missed": missed,
        # Right on the whole says nothing of fairness: only groups count.
        "passed": sum(one.verdict is Verdict.PASSED and one.by != EVERYONE for one in findings),
        "waiver": latest.waiver() if missed else None,
        "waivers": list(Waiver.objects.filter(validation__model=latest.model_id)),
    }


@dataclass(frozen=True)
class PsiRow:
    """How far the score or a feature has moved, with its bar and level."""

    name: str
    psi: float
    bar: str
    level: Level
    tone: str


def psi_rows(check: DriftCheck) -> list[PsiRow]:
    """The score, then the features, the one that moved most first."""
    raised = {(alarm["figure"], alarm["about"]): Level(alarm["level"]) for alarm in check.alarms}
    held = [("feature_psi", name, psi) for name, psi in sorted(check.feature_psi.items(), key=lambda pair: -pair[1])]
    if check.score_psi is not None:
        held.insert(0, ("score_psi", "", check.score_psi))
    rows = []
    for figure_name, about, psi in held:
        level = raised.get((figure_name, about), Level.FINE)
        limits = drifting.RULES.alarms[figure_name]
        bar = charts.index_bar(psi, about or "the score", limits.look.above, limits.act.above if limits.act else None)
        rows.append(PsiRow(about or "score", psi, bar, level, LEVEL_TONES[level]))
    return rows


def drift_part(model: ModelVersion) -> dict[str, Any]:
    """The newest check in full, those before it in a line each."""
    checks = list(model.drift_checks.all()[:CHECKS_SHOWN])
    newest = checks[0] if checks else None
    settled = newest.calibration if newest else {}
    return {
        "check": newest,
        # Features that moved say so in the table; the list above it is of what the model itself does.
        "alarms": [alarm for alarm in newest.alarms if not alarm["about"]] if newest else [],
        "check_tone": LEVEL_TONES[Level(newest.level)] if newest else "plain",
        "psi": psi_rows(newest) if newest else [],
        "settled": settled,
        "settled_figures": [figure(settled.get(key), name, hint) for key, name, hint in FIGURES if key in settled],
        "checks": [(check, LEVEL_TONES[Level(check.level)]) for check in checks],
    }


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
        "approvals": (State.VALIDATED, State.DEPLOYED),
        **fairness_part(latest),
        **drift_part(model),
    }
