"""`manage.py export_fhir --year Y DIR`: every gap in care as FHIR NDJSON, one file a resource type, and a manifest."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandParser
from django.utils import timezone

from hedis.gaps import extracting
from hedis.gaps.fhir import bulk, validation
from hedis.gaps.fhir.guide import CURRENT, GUIDES
from hedis.gaps.fhir.resources import Frame
from hedis.gaps.models import Gap
from hedis.lib.commands import Refused
from hedis.management.commands._export import ExportCommand


class Command(ExportCommand):
    """Write Measure, Patient, MeasureReport, DetectedIssue, GuidanceResponse and Organization as NDJSON."""

    help = __doc__ or ""

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("directory", type=Path, metavar="DIR", help="folder to make; it must not hold anything")
        parser.add_argument("--guide", choices=sorted(GUIDES), default=CURRENT.key, help="which canonicals of DEQM")
        parser.add_argument("--validate", action="store_true", help="check every resource with the FHIR library")

    def run(self, **options: Any) -> dict[str, Any]:
        narrowed, measures = self.checked(options)
        frame = Frame(GUIDES[options["guide"]], settings.FHIR_BASE_URL, timezone.now())
        gaps = extracting.narrowed(Gap.objects.for_year(options["year"]), **narrowed)
        try:
            counts = bulk.export(
                options["directory"], gaps, measures, frame, validate=options["validate"],
                facts=self.facts(options), by="export_fhir",
            )  # fmt: skip
        except (bulk.AlreadyThere, validation.Invalid) as error:
            raise Refused(str(error)) from error
        except OSError as error:
            raise Refused(f"{options['directory']} cannot be written: {error.strerror}") from error
        return {"directory": str(options["directory"]), "resources": counts}

    def show(self, answer: dict[str, Any]) -> None:
        for kind, count in sorted(answer["resources"].items()):
            self.stdout.write(f"{kind:20}{count:12,}")
        self.stdout.write(f"written to {answer['directory']}")
