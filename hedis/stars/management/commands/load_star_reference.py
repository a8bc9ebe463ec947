"""`manage.py load_star_reference [--json]`: the reviewed reference files of every Star year into versioned rows."""

from typing import Any

from hedis.lib.commands import Command as BaseCommand
from hedis.lib.commands import Refused
from hedis.stars import loading, years


class Command(BaseCommand):
    """Load measures, weights, cut points, thresholds and adjustment values by Star year."""

    help = __doc__ or ""

    def run(self, **options: Any) -> dict[str, Any]:
        try:
            loaded = loading.load_reference(by="load_star_reference")
        except years.ReferenceError as error:
            raise Refused(str(error)) from error
        return {"star_years": list(loaded.years), "changed": list(loaded.changed)}
