"""The demo's models: trained by its analyst, approved by its model steward, through the registry's own verbs.

Nothing is shortened for the demo: the 31 attributes are filled in with what is true, the gates are asked, and a model
that misses one by more than chance stays where it is.
"""

import tomllib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from statistics import NormalDist
from typing import Any

from django.db import transaction

from hedis.accounts.models import User
from hedis.engine.measure import Definition
from hedis.measures.definitions import DEFINITIONS
from predictions import plan_training, portfolio_run, registry, waiving
from predictions.fairness import Finding, Verdict
from predictions.judging import NoDeployedModel
from predictions.models import ModelVersion, ScoringRun, State
from predictions.plan_training import Trained
from predictions.training import MonthDay

WORDS = tomllib.loads((Path(__file__).parent / "model_words.toml").read_text(encoding="utf-8"))
TRAINER, APPROVER = "ben", "mara"
VERSION = "demo-1"
SURE = 1.959964  # standard errors to each side of a 95 % interval
LAST_DAY: MonthDay = (12, 31)
Say = Callable[[str], None]


@dataclass(frozen=True)
class Made:
    """What became of a measure's model: the state it reached, or no state and why there is none."""

    measure: str
    state: str
    said: str


def train_models(*, as_of: date, say: Say) -> list[Made]:
    """Train, register, describe, measure and approve a model for every measure that has events enough.

    A measure that has the demo's model already is passed over, so that a job that was cut off goes on.
    """
    there = set(ModelVersion.objects.filter(version=VERSION).values_list("measure__code", flat=True))
    left = [definition for code, definition in DEFINITIONS.items() if code not in there]
    trained = plan_training.train_all(left, days=score_days(as_of)) if left else {}
    made = []
    for code, result in trained.items():
        if isinstance(result, Trained):
            made.append(brought_in(DEFINITIONS[code], result))
        else:
            made.append(Made(code, "", f"no model: {result}"))
        say(f"{code}: {made[-1].said}")
    return made


def score_days(as_of: date) -> tuple[MonthDay, ...]:
    """The usual score dates and the demo's own, so that a model knows the season it is asked in."""
    own = (as_of.month, as_of.day)
    return tuple(sorted({*plan_training.SCORE_DAYS, *([] if own == LAST_DAY else [own])}))


@transaction.atomic
def brought_in(definition: Definition, trained: Trained) -> Made:
    """Register the model of a measure as the analyst and take it as far as the steward may."""
    trainer, approver = (User.objects.get(username=name) for name in (TRAINER, APPROVER))
    facts = facts_of(definition, trained.answer)
    model = plan_training.register(
        trained,
        version=VERSION,
        attributes=attributes_of(facts),
        card=WORDS["card"].format(**facts).strip(),
        by=trainer,
    )
    model = registry.transition(model, State.IN_VALIDATION, why="Trained, described, ready to be measured.", by=trainer)
    found = trained.model.card["metrics"]
    data = f"{facts['n_test']:,} rows of {facts['groups_test']:,} members of the demo plan ({facts['split']})"
    run = registry.validate(model, found, data=data, by=approver)
    model.refresh_from_db()
    missed = run.missed_gates()
    if missed:
        gates = run.gates()
        if beyond := [one for one in missed if not excuse(one, gates)]:
            return Made(definition.code, model.state, f"stays in validation: {in_words(beyond)}")
        waiving.waive(run, why=why_waived(missed, gates), by=approver)
        model.refresh_from_db()
    return deployed(definition, model, missed, approver)


def deployed(definition: Definition, model: ModelVersion, missed: list[Finding], approver: User) -> Made:
    """Approve a model and take it through shadow to use."""
    steps = {
        State.VALIDATED: "Figures, attributes and groups looked at; good enough for a demonstration.",
        State.SHADOW: "Nobody acts on a demonstration's scores; shadow is passed through.",
        State.DEPLOYED: "So that the demo shows real scores of a real model.",
    }
    for state, why in steps.items():
        model = registry.transition(model, state, why=why, by=approver)
    waived = f"; {len(missed)} fairness gate{'s' * (len(missed) > 1)} waived in writing" if missed else ""
    return Made(definition.code, model.state, f"deployed{waived}")


def excuse(one: Finding, gates: list[Finding]) -> str:
    """Why a demonstration may go on with this gate missed; empty: it may not."""
    if may_be_chance(one, gates):
        return (
            "The interval, allowing for the number of groups looked at, reaches into what is allowed: chance alone may "
            "have missed the gate."
        )
    column = [each for each in gates if each.by == one.by and each.gate == "oe"]
    missed = [each for each in column if each.verdict is Verdict.MISSED and not may_be_chance(each, gates)]
    if one.gate == "tpr" and column and not missed:
        return (
            "Observed over expected is right in every group of the column: fewer of this one are reached because lower "
            "probabilities are true of it, not because the model misjudges it."
        )
    return ""


def may_be_chance(one: Finding, gates: list[Finding]) -> bool:
    """Whether a missed gate may be missed by chance alone: its interval, widened for as many looks as there were
    (Bonferroni), reaches into what is allowed."""
    if one.value is None or one.low is None or one.high is None or one.limit is None:
        return False
    looks = sum(each.verdict in (Verdict.PASSED, Verdict.MISSED) for each in gates)
    wider = NormalDist().inv_cdf(1 - 0.025 / max(looks, 1)) / SURE
    low, high = one.value - wider * (one.value - one.low), one.value + wider * (one.high - one.value)
    target = 1.0 if one.gate == "oe" else 0.0
    return low <= target + one.limit and high >= target - one.limit


def why_waived(missed: list[Finding], gates: list[Finding]) -> str:
    """The waiver, in words."""
    each = " ".join(f"{in_words([one])} {excuse(one, gates)}" for one in missed)
    return (
        f"The people of this plan are invented. {each} Enough for a demonstration; for real members more years would "
        "be learnt from first, and who is reached would be looked at by group."
    )


def in_words(missed: list[Finding]) -> str:
    """Missed gates one after the other."""
    return " ".join(f"{one.by} = {one.level}: {one.words}" for one in missed)


def attributes_of(facts: Mapping[str, Any]) -> dict[str, str]:
    """The 31 source attributes with the facts of this training."""
    return {key: text.format(**facts) for key, text in WORDS["attributes"].items()}


def facts_of(definition: Definition, answer: Mapping[str, Any]) -> dict[str, Any]:
    """What the words name, from the answer of the training."""
    years, label = answer["rows_by_year"], answer["label"]
    dropped: Counter[str] = Counter(answer["dropped"])
    judged = [row for row in answer["subgroups"] if not row["suppressed"] and row["oe"]["value"] is not None]
    furthest = max(judged, key=lambda row: abs(row["oe"]["value"] - 1), default=None)
    return {
        "code": definition.code,
        "name": definition.name,
        "kind": answer["model"]["kind"],
        "years": " and ".join(years),
        "days": label.split(" open on ")[1].split(" is still ")[0],
        "n_rows": sum(counts["rows"] for counts in years.values()),
        "dropped": ", ".join(f"{count:,} {reason}" for reason, count in dropped.items()) or "nobody",
        "split": answer["split"],
        "groups_judged": len(judged),
        "furthest": f"{furthest['by']} = {furthest['level']}, O/E {figure(furthest['oe'])}" if furthest else "none",
        "demographics": " ".join(shares(answer, name) for name in ("sex", "race", "dual")).strip(),
        **{name: answer[name] for name in ("n_train", "n_test", "groups_train", "groups_test")},
        **{name: figure(answer[name]) for name in ("auc", "oe", "slope", "ici")},
    }


def shares(answer: Mapping[str, Any], column: str) -> str:
    """The parts of the test rows by one column, as far as they are shown."""
    rows = [row for row in answer["subgroups"] if row["by"] == column and row["n"]]
    parts = ", ".join(f"{row['level']} {row['n'] / answer['n_test']:.0%}" for row in rows)
    return f"By {column.replace('_', ' ')}: {parts}." if parts else ""


def figure(found: Mapping[str, Any]) -> str:
    """A figure with its interval."""
    if found["value"] is None:
        return f"none ({found['reason']})"
    interval = "" if found["low"] is None else f" ({found['low']:.2f} to {found['high']:.2f})"
    return f"{found['value']:.2f}{interval}"


def score_year(*, year: int, by: Any) -> ScoringRun | None:
    """Score the open gaps of the running year by the models in use; None where there is none."""
    try:
        run = portfolio_run.take_up(year=year, by=by)
    except NoDeployedModel:
        return None
    return portfolio_run.carry_on(run, by=by)
