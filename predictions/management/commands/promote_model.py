"""Takes a model a step towards being deployed, or says what is missing before it can."""

from typing import Any

from django.core.management.base import CommandParser

from hedis.lib.commands import Command as BaseCommand
from hedis.lib.commands import Refused
from predictions import registry
from predictions.management import stewarding
from predictions.models import State


class Command(BaseCommand):
    """One step of the registry; without --to the next one on the way to deployed."""

    help = __doc__ or ""

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        stewarding.add_arguments(parser)
        parser.add_argument("--to", default="", choices=["", *State.values], help="the state to reach in one step")

    def run(self, **options: Any) -> dict[str, Any]:
        model, by = stewarding.model_called(options["model"]), stewarding.steward_called(options["by"])
        before, to = model.state, options["to"] or registry.NEXT.get(model.state, "")
        if not to:
            reason = f"{model} is {model.get_state_display().lower()}: no step leads further on from there."
            raise Refused(reason, model=model.pk, state=model.state, missing=[])
        try:
            moved = registry.transition(model, to, why=options["why"], by=by)
        except registry.RegistryError as refusal:
            missing = registry.lacking(model, to, by=by)
            raise Refused(str(refusal), model=model.pk, state=model.state, to=to, missing=missing) from refusal
        return {
            "model": moved.pk, "name": moved.name, "version": moved.version, "before": before, "state": moved.state,
            "by": options["by"], "next": registry.NEXT.get(moved.state),
        }  # fmt: skip

    def show(self, answer: dict[str, Any]) -> None:
        self.stdout.write(f"{answer['name']} {answer['version']}: {answer['before']} → {answer['state']}")
        if answer["next"]:
            self.stdout.write(f"Next: {answer['next']}")
