"""`manage.py export_summary_long --year Y FILE`: one row a member and measure in Tuva's columns, CSV or Parquet."""

from typing import Any

from hedis.gaps import extracting
from hedis.management.commands._export import FileCommand


class Command(FileCommand):
    """Write Tuva's summary_long."""

    help = __doc__ or ""

    def extract(self, options: dict[str, Any]) -> extracting.Extract:
        narrowed, _ = self.checked(options)
        return extracting.summary_long(extracting.chosen(options["year"], **narrowed), options["year"])
