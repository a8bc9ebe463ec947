"""Checks every model that scores, deployed or in the shadow: have the people changed, does it still tell the rate?"""

from typing import Any

from django.core.management.base import CommandParser

from hedis.lib.commands import Command as BaseCommand
from hedis.lib.commands import Refused
from predictions import monitoring, registry
from predictions.models import DriftCheck, Level, ModelVersion

RANK = {Level.UNKNOWN: 0, Level.FINE: 0, Level.LOOK: 1, Level.ACT: 2}


class Command(BaseCommand):
    """One check of each model, stored; exit 1 where one cannot be measured, or is as bad as --fail-on."""

    help = __doc__ or ""

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--fail-on", choices=[Level.LOOK.value, Level.ACT.value], help="exit 1 from this level on")
        parser.add_argument("--by", default="monitor_models", metavar="NAME", help="who looks (default: this command)")

    def run(self, **options: Any) -> dict[str, Any]:
        watched = list(ModelVersion.objects.watched().select_related("measure"))
        models = [look(model, by=options["by"]) for model in watched]
        answer = {"models": models, "alarms": sum(len(model["alarms"]) for model in models)}
        broken = [model["name"] for model in models if model["error"]]
        bad = [
            model["name"] for model in models
            if options["fail_on"] and RANK[Level(model["level"])] >= RANK[Level(options["fail_on"])]
        ]  # fmt: skip
        if broken:
            raise Refused(f"cannot be measured: {', '.join(broken)}", **answer)
        if bad:
            raise Refused(f"{', '.join(bad)}: {options['fail_on']} or worse", **answer)
        return answer

    def show(self, answer: dict[str, Any]) -> None:
        for model in answer["models"]:
            self.stdout.write(f"{model['name']} ({model['state']}): {model['level']}")
            for words in [*(alarm["words"] for alarm in model["alarms"]), *model["unknown"]]:
                self.stdout.write(f"  {words}")
        if not answer["models"]:
            self.stdout.write("No model is deployed or in the shadow: nothing to watch.")


def look(model: ModelVersion, *, by: Any) -> dict[str, Any]:
    """One model's entry. A model that has scored nothing is not known yet; a changed file is an error."""
    entry: dict[str, Any] = {
        "model": model.pk, "name": f"{model.name}@{model.version}", "state": model.state,
        "measure": model.measure.code if model.measure else None, "level": Level.UNKNOWN.value, "year": None,
        "as_of": None, "rows": 0, "score_psi": None, "feature_psi": {}, "calibration": {}, "alarms": [],
        "unknown": [], "error": "",
    }  # fmt: skip
    try:
        return {**entry, **told(monitoring.check(model, by=by))}
    except monitoring.NothingToWatch as reason:
        return {**entry, "unknown": [str(reason)]}
    except registry.FileChanged as refusal:
        return {**entry, "error": str(refusal), "unknown": [str(refusal)]}


def told(check: DriftCheck) -> dict[str, Any]:
    """What a check found."""
    return {
        "level": check.level, "year": check.year, "as_of": check.as_of.isoformat(), "rows": check.rows,
        "score_psi": check.score_psi, "feature_psi": check.feature_psi, "calibration": check.calibration,
        "alarms": check.alarms, "unknown": check.unknown,
    }  # fmt: skip
