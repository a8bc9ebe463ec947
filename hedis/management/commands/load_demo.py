"""`manage.py load_demo --members N --seed S [--without-models] [--out DIR]`: a believable Medicare Advantage plan."""

from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from hedis.demo import loading
from hedis.demo.loading import Models
from hedis.demo.plan import write_plan
from hedis.lib.commands import Command as BaseCommand
from hedis.lib.commands import Refused, WrongUse


class Command(BaseCommand):
    """Generate a demo plan and load it through the same importer as anyone's data; --out only writes the files."""

    help = __doc__ or ""

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--members", type=int, default=5000)
        parser.add_argument("--seed", type=int, default=1)
        parser.add_argument("--as-of", type=date.fromisoformat, default=loading.AS_OF, help="the demo's today")
        parser.add_argument("--out", type=Path, help="write the files here and load nothing")
        models = parser.add_mutually_exclusive_group()
        models.add_argument("--without-models", action="store_true", help="learn and score nothing")
        models.add_argument("--models-later", action="store_true", help="let a worker learn and score afterwards")
        parser.add_argument("--if-empty", action="store_true", help="do nothing where there are members already")

    def run(self, **options: Any) -> dict[str, Any]:
        if options["members"] < 1:
            raise WrongUse("--members must be at least 1")
        if options["out"]:
            options["out"].mkdir(parents=True, exist_ok=True)
            written = write_plan(options["out"], options["members"], options["seed"], options["as_of"])
            return {"out": str(options["out"]), "files": asdict(written)}
        models = Models.NEVER if options["without_models"] else Models.LATER if options["models_later"] else Models.NOW
        try:
            return loading.load(
                members=options["members"], seed=options["seed"], as_of=options["as_of"], models=models, say=self.say
            )
        except loading.AlreadyLoaded as reason:
            if options["if_empty"]:
                return {"loaded": False, "reason": str(reason)}
            raise Refused(str(reason)) from reason

    def show(self, answer: dict[str, Any]) -> None:
        if answer.get("people"):
            self.stdout.write(f"Loaded in {answer['seconds']} s. Sign in as:")
            for person in answer["people"]:
                self.stdout.write(f"  {person['username']:10} {person['role']:18} password {person['password']}")
        else:
            super().show(answer)
