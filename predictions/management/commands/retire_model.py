"""Takes a model out of use for good; everything about it stays readable."""

from typing import Any

from django.core.management.base import CommandParser

from hedis.lib.commands import Command as BaseCommand
from hedis.lib.commands import Refused
from predictions import registry
from predictions.management import stewarding
from predictions.models import ModelVersion, State


class Command(BaseCommand):
    """The last step of the registry; says what scores the measure from now on."""

    help = __doc__ or ""

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        stewarding.add_arguments(parser)

    def run(self, **options: Any) -> dict[str, Any]:
        model, by = stewarding.model_called(options["model"]), stewarding.steward_called(options["by"])
        before = model.state
        try:
            moved = registry.transition(model, State.RETIRED, why=options["why"], by=by)
        except registry.RegistryError as refusal:
            raise Refused(str(refusal), model=model.pk, state=model.state) from refusal
        left = ModelVersion.objects.competing_with(moved).deployed().first()
        return {
            "model": moved.pk, "name": moved.name, "version": moved.version, "before": before, "state": moved.state,
            "by": options["by"], "in_force": f"{left.name}@{left.version}" if left else None,
        }  # fmt: skip

    def show(self, answer: dict[str, Any]) -> None:
        self.stdout.write(f"{answer['name']} {answer['version']}: {answer['before']} → {answer['state']}")
        self.stdout.write(f"In force: {answer['in_force'] or 'none; nothing is scored until one is deployed'}")
