"""`manage.py export_patient_level --year Y FILE`: one row a member, a pair of columns a measure, CSV or Parquet."""

from typing import Any

from hedis.gaps import extracting
from hedis.management.commands._export import FileCommand


class Command(FileCommand):
    """Write the patient-level file."""

    help = __doc__ or ""

    def extract(self, options: dict[str, Any]) -> extracting.Extract:
        narrowed, measures = self.checked(options)
        return extracting.patient_level(extracting.chosen(options["year"], **narrowed), measures)
