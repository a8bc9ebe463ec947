"""`manage.py train_model --table FILE --label COL --group COL --features a,b,c [--json]`: learn from a labelled table.

Holds out whole groups, chooses between logistic regression and boosted trees by cross-validation over groups,
calibrates, and says what the model is worth on the held-out groups, with intervals and by subgroup. `--output DIR`
writes the model.
Exit 1 where the table cannot be learnt from, 2 for a wrong call (a column or a group that is not there).
"""

import csv
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from hedis.lib.commands import Command as BaseCommand
from hedis.lib.commands import Refused, WrongUse
from predictions import evaluating, learning, model_file, splitting, tables
from predictions.learning import Learned
from predictions.splitting import Split
from predictions.tables import Table

LIBRARIES = ("scikit-learn", "onnx", "numpy")


class Command(BaseCommand):
    """Learn from a labelled table and say how well."""

    help = __doc__ or ""

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--table", type=Path, required=True, metavar="FILE", help="CSV (.gz) or Parquet")
        parser.add_argument("--label", required=True, metavar="COL", help="the outcome: 0/1, true/false or yes/no")
        parser.add_argument(
            "--group", required=True, metavar="COL", help="rows of a group stay on one side of the split"
        )
        parser.add_argument("--features", required=True, metavar="A,B", help="columns to learn from")
        parser.add_argument("--test-groups", default="", metavar="X,Y", help="exactly these groups are the test set")
        parser.add_argument("--time", default="", metavar="COL", help="learn from earlier rows, test on later ones")
        parser.add_argument("--subgroups", default="", metavar="A,B", help="columns for the subgroup table only")
        parser.add_argument("--output", type=Path, metavar="DIR", help="folder for model.onnx and model.json")
        parser.add_argument("--seed", type=int, default=0, help="of every random choice (default 0)")

    def run(self, **options: Any) -> dict[str, Any]:
        begun = time.monotonic()
        features, subgroups = names(options["features"]), names(options["subgroups"])
        check_call(options, features)
        try:
            table = tables.read(
                options["table"], label=options["label"], group=options["group"], features=features,
                time=options["time"], audit=subgroups,
            )  # fmt: skip
            split = splitting.divide(table, test_groups=names(options["test_groups"]), seed=options["seed"])
            learned = learning.learn(table, split.train, features, seed=options["seed"])
        except (tables.UnknownColumn, splitting.SplitError) as error:
            raise WrongUse(str(error)) from error
        except tables.TableError as error:
            raise Refused(str(error), file=error.file, row=error.row, field=error.field, reason=error.reason) from error
        answer = answer_of(learned, table, split, subgroups, options["seed"])
        if options["output"]:
            model = learned.model.with_card(**card(answer, options))
            answer["output"] = {"folder": str(options["output"]), "sha256": model_file.save(model, options["output"])}
        answer["seconds"] = round(time.monotonic() - begun, 1)
        return answer

    def show(self, answer: dict[str, Any]) -> None:
        self.stdout.write("\n".join(words(answer)))


def names(given: str) -> list[str]:
    """A comma-separated list as CSV reads it: a name with a comma stands in quotes."""
    return [name.strip() for name in next(csv.reader([given], skipinitialspace=True), []) if name.strip()]


def check_call(options: dict[str, Any], features: list[str]) -> None:
    """Refuse a call that would leak the answer or cannot be meant."""
    if not features:
        raise WrongUse("--features names no column.")
    twice = sorted({name for name in features if features.count(name) > 1})
    if twice:
        raise WrongUse(f"--features names {', '.join(twice)} twice.")
    for role in ("label", "group"):
        if options[role] in features:
            raise WrongUse(f"--features contains the {role} {options[role]!r}: the model would learn it by heart.")
    if options["label"] in (options["group"], options["time"]):
        raise WrongUse(f"the label {options['label']!r} cannot be the group or the time as well.")
    if options["seed"] < 0:
        raise WrongUse(f"--seed is {options['seed']}; it is a whole number from 0.")


def answer_of(learned: Learned, table: Table, split: Split, by: list[str], seed: int) -> dict[str, Any]:
    """The answer as the command promises it."""
    found = evaluating.evaluate(learned.model, table, split.train, split.test, by=by, seed=seed)
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


def card(answer: dict[str, Any], options: dict[str, Any]) -> dict[str, Any]:
    """What the model file keeps beside the model."""
    return {
        "label": options["label"],
        "group": options["group"],
        "versions": {library: version(library) for library in LIBRARIES},
        "training": {"table": options["table"].name, "split": answer["split"], "seed": answer["seed"]},
        "why": answer["model"]["why"],
        "metrics": {
            name: value for name, value in answer.items() if name not in {"model", "features", "split", "seed"}
        },
        "left_out": answer["features"]["dropped"],
    }


def words(answer: dict[str, Any]) -> list[str]:
    """The answer for people."""
    said = [
        f"{answer['model']['kind']}: {answer['model']['why']}",
        f"Split: {answer['split']}; {answer['n_train']:,} rows to learn from ({answer['events_train']:,} events), "
        f"{answer['n_test']:,} to test on ({answer['events_test']:,} events)",
        f"Intervals: {answer['interval']}",
    ]
    said += [f"  {name:12}{figure(answer[name])}" for name in evaluating.measuring.FIGURES]
    said += [
        f"  {row['capacity']:.0%} of rows hold {figure(row['captured'])} of the events" for row in answer["capture"]
    ]
    for row in answer["subgroups"]:
        shown = (
            "withheld: " + row["reason"] if row["suppressed"] else f"AUC {figure(row['auc'])}, O/E {figure(row['oe'])}"
        )
        said.append(f"  {row['by']} = {row['level']}: {shown}")
    said += [f"Warning: {warning}" for warning in answer["warnings"]]
    if "output" in answer:
        said.append(f"Model: {answer['output']['folder']}, SHA-256 {answer['output']['sha256']}")
    return [*said, f"{answer['seconds']} s"]


def figure(found: dict[str, Any]) -> str:
    """A figure with its interval, or why there is none."""
    if found["value"] is None:
        return f"none ({found['reason']})"
    if found["low"] is None:
        return f"{found['value']:.3f} ({found['reason']})"
    return f"{found['value']:.3f} ({found['low']:.3f} to {found['high']:.3f})"
