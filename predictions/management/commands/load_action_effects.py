"""`manage.py load_action_effects [--json]`: published effects of actions and priors, from the reviewed file."""

from typing import Any

from hedis.lib.commands import Command as BaseCommand
from hedis.lib.commands import Refused
from predictions import effects


class Command(BaseCommand):
    """Load what trials say an action adds, each with its source."""

    help = __doc__ or ""

    def run(self, **options: Any) -> dict[str, Any]:
        try:
            return {"effects": effects.load(by="load_action_effects")}
        except effects.EffectsError as error:
            raise Refused(str(error)) from error
