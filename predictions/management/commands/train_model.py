"""`manage.py train_model MEASURE [--years 2024 2025] [--score-dates 03-31 06-30 09-30] [--json]`: which gaps stay open.
`manage.py train_model --table FILE --label COL --group COL --features a,b,c [--json]`: learn from any labelled table.

Holds out whole groups (members), chooses between logistic regression and boosted trees by cross-validation over groups,
calibrates, and says what the model is worth on the held-out groups, with intervals and by subgroup. `--output DIR`
writes the model; a measure's model is written without it too, under its hash in DATA_DIR/models/MEASURE.
`--register VERSION --by NAME` takes a measure's model in as a draft trained by that user, who cannot approve it later.
Exit 1 where the table cannot be learnt from, 2 for a wrong call (a column or a group that is not there).
"""

import csv
import time
from datetime import date
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from hedis.accounts.models import User
from hedis.evidence.warehouse import NoWarehouse
from hedis.lib.commands import Command as BaseCommand
from hedis.lib.commands import Refused, WrongUse
from hedis.measures.definitions import DEFINITIONS
from predictions import evaluating, learning, model_file, plan_training, registry, reporting, splitting, tables
from predictions.plan_training import NotTrainable

OF_TABLE, OF_TABLE_MAYBE = ("label", "group", "features"), ("test_groups", "time", "subgroups")
OF_PLAN = ("years", "score_dates", "register", "by")


class Command(BaseCommand):
    """Learn from a labelled table and say how well."""

    help = __doc__ or ""

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("measure", nargs="?", default="", metavar="MEASURE", help="learn from the plan's own years")
        parser.add_argument("--years", type=int, nargs="+", default=[], help="completed years (default the last two)")
        parser.add_argument(
            "--score-dates", "--score-date", nargs="+", default=[], metavar="MM-DD",
            help="days of scoring (default the ends of the first three quarters)",
        )  # fmt: skip
        parser.add_argument("--table", type=Path, metavar="FILE", help="learn from this CSV (.gz) or Parquet instead")
        parser.add_argument("--label", default="", metavar="COL", help="the outcome: 0/1, true/false or yes/no")
        parser.add_argument("--group", default="", metavar="COL", help="rows of a group stay on one side of the split")
        parser.add_argument("--features", default="", metavar="A,B", help="columns to learn from")
        parser.add_argument("--test-groups", default="", metavar="X,Y", help="exactly these groups are the test set")
        parser.add_argument("--time", default="", metavar="COL", help="learn from earlier rows, test on later ones")
        parser.add_argument("--subgroups", default="", metavar="A,B", help="columns for the subgroup table only")
        parser.add_argument("--output", type=Path, metavar="DIR", help="folder for model.onnx and model.json")
        parser.add_argument("--register", default="", metavar="VERSION", help="take a measure's model in as a draft")
        parser.add_argument("--by", default="", metavar="NAME", help="the user who trains, with --register")
        parser.add_argument("--seed", type=int, default=0, help="of every random choice (default 0)")

    def run(self, **options: Any) -> dict[str, Any]:
        begun = time.monotonic()
        check_route(options)
        try:
            answer = from_table(options) if options["table"] else from_plan(options)
        except (tables.UnknownColumn, splitting.SplitError) as error:
            raise WrongUse(str(error)) from error
        except tables.TableError as error:
            raise Refused(str(error), file=error.file, row=error.row, field=error.field, reason=error.reason) from error
        except (NotTrainable, NoWarehouse, registry.RegistryError) as error:
            raise Refused(str(error), reason=str(error)) from error
        answer["seconds"] = round(time.monotonic() - begun, 1)
        return answer

    def show(self, answer: dict[str, Any]) -> None:
        self.stdout.write("\n".join(words(answer)))


def from_table(options: dict[str, Any]) -> dict[str, Any]:
    """Learn from a labelled table of anyone's."""
    features, subgroups = names(options["features"]), names(options["subgroups"])
    check_call(options, features)
    table = tables.read(
        options["table"], label=options["label"], group=options["group"], features=features,
        time=options["time"], audit=subgroups,
    )  # fmt: skip
    split = splitting.divide(table, test_groups=names(options["test_groups"]), seed=options["seed"])
    learned = learning.learn(table, split.train, features, seed=options["seed"])
    answer = reporting.answer_of(learned, table, split, subgroups, options["seed"])
    if options["output"]:
        source = {"table": options["table"].name}
        card = reporting.card(answer, label=options["label"], group=options["group"], training=source)
        sha256 = model_file.save(learned.model.with_card(**card), options["output"])
        answer["output"] = {"folder": str(options["output"]), "sha256": sha256}
    return answer


def from_plan(options: dict[str, Any]) -> dict[str, Any]:
    """Learn one measure's model from the plan's own years, and write it."""
    definition, trainer = DEFINITIONS[options["measure"]], trainer_of(options)
    days = sorted({day_of_year(text) for text in options["score_dates"]}) or plan_training.SCORE_DAYS
    trained = plan_training.train(definition, years=options["years"], days=days, seed=options["seed"])
    if options["output"]:
        folder, sha256 = options["output"], model_file.save(trained.model, options["output"])
    else:
        folder, sha256 = plan_training.store(trained.model, definition.code)
    answer = {**trained.answer, "output": {"folder": str(folder), "sha256": sha256}}
    if trainer:
        registered = plan_training.register(trained, version=options["register"], by=trainer)
        answer["registered"] = {"model": registered.pk, "version": registered.version, "state": registered.state}
    return answer


def trainer_of(options: dict[str, Any]) -> User | None:
    """Who trains a model that is to be registered; whoever it is must not approve it, so a name will not do."""
    if bool(options["register"]) != bool(options["by"]):
        raise WrongUse("--register VERSION and --by NAME go together.")
    if not options["register"]:
        return None
    found = User.objects.filter(username=options["by"], is_active=True).first()
    if found is None:
        raise WrongUse(f"--by: there is no user {options['by']!r}.")
    return found


def check_route(options: dict[str, Any]) -> None:
    """Refuse a call that names a measure and a table, or neither, or options of the other route."""
    if bool(options["measure"]) == bool(options["table"]):
        raise WrongUse("Name a MEASURE, or a table with --table.")
    if options["seed"] < 0:
        raise WrongUse(f"--seed is {options['seed']}; it is a whole number from 0.")
    wanted, barred = (OF_TABLE, OF_PLAN) if options["table"] else ((), (*OF_TABLE, *OF_TABLE_MAYBE))
    for name in wanted:
        if not options[name]:
            raise WrongUse(f"--table needs --{name}.")
    for name in barred:
        if options[name]:
            raise WrongUse(f"--{name.replace('_', '-')} goes with {'a MEASURE' if options['table'] else '--table'}.")
    if options["measure"] and options["measure"] not in DEFINITIONS:
        raise WrongUse(f"no measure {options['measure']!r}; the measures are {', '.join(DEFINITIONS)}")


def day_of_year(text: str) -> tuple[int, int]:
    """MM-DD. A day that not every year has, and one that leaves no day to close a gap, are refused."""
    try:
        day = date.fromisoformat(f"2025-{text}")
    except ValueError as error:
        raise WrongUse(f"--score-dates: {text!r}; it is a month and a day such as 06-30.") from error
    if (day.month, day.day) == (12, 31):
        raise WrongUse("--score-dates: 12-31 leaves no day on which a gap could close.")
    return day.month, day.day


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
    for year, counts in answer.get("rows_by_year", {}).items():
        gone = "; ".join(f"{count:,} {reason}" for reason, count in counts["dropped"].items()) or "nobody"
        said.append(f"  {year}: {counts['rows']:,} gaps, {counts['still_open']:,} stayed open; left out: {gone}")
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
