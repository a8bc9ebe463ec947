"""Stores what a model was measured at on the rows put away in its training, as the validation an approval rests on."""

from typing import Any

from django.core.management.base import CommandParser

from hedis.accounts.models import User
from hedis.lib.commands import Command as BaseCommand
from hedis.lib.commands import Refused, WrongUse
from predictions import fairness, registry
from predictions.management import stewarding
from predictions.models import ModelVersion


class Command(BaseCommand):
    """The figures are those in the model file, which the registry checks by its hash; says which gates they miss."""

    help = __doc__ or ""

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("model", metavar="MODEL", help=stewarding.MODEL_WORDS)
        parser.add_argument("--by", required=True, metavar="USER", help="who stores it; may be who trained")

    def run(self, **options: Any) -> dict[str, Any]:
        model = stewarding.model_called(options["model"])
        by = User.objects.filter(username=options["by"], is_active=True).first()
        if by is None:
            raise WrongUse(f"--by: there is no user {options['by']!r}.")
        try:
            found = registry.load(model, by=by).card.get("metrics", {})
            run = registry.validate(model, found, data=put_away(model, found), by=by)
        except registry.RegistryError as refusal:
            raise Refused(str(refusal), model=model.pk, state=model.state) from refusal
        missed = [one.as_json() for one in fairness.missed(run.gates())]
        return {
            "model": model.pk, "validation": run.pk, "data": run.data, "auc": found["auc"], "oe": found.get("oe"),
            "missed": missed,
        }  # fmt: skip

    def show(self, answer: dict[str, Any]) -> None:
        self.stdout.write(f"Validation {answer['validation']}: {answer['data']}")
        for one in answer["missed"]:
            self.stdout.write(f"Misses a fairness gate: {one['by']} = {one['level']}: {one['words']}")


def put_away(model: ModelVersion, found: dict[str, Any]) -> str:
    """Which rows the figures in the file were made on, in words."""
    split = model.training.get("split", "by groups")
    return f"The {found.get('n_test', 0):,} test rows put away in training: {split}."
