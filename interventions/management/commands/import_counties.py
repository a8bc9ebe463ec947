"""`manage.py import_counties FILE --contract H1234 --payment-year Y --source TEXT [--json]`: what counties are paid.

CSV: name, base, fee_for_service, bid, member_months, risk_score, double_county (Y or N), and where it binds cap. The
file is the whole of the contract's payment year: what changed supersedes, what is not in it is withdrawn. Anything
wrong in the file stores nothing.
"""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from hedis.lib.commands import Command as BaseCommand
from hedis.lib.commands import Refused, WrongUse
from hedis.members.models import Contract
from interventions import counties, county_file


class Command(BaseCommand):
    """Import a contract's payment figures by county."""

    help = __doc__ or ""

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("file", type=Path, metavar="FILE", help=f"CSV: {', '.join(county_file.COLUMNS)}, cap")
        parser.add_argument("--contract", required=True, help="such as H1234")
        parser.add_argument("--payment-year", type=int, required=True, help="the year the figures are paid in")
        parser.add_argument("--source", required=True, help="where they come from, such as the bid's worksheet")

    def run(self, **options: Any) -> dict[str, Any]:
        file: Path = options["file"]
        if not file.is_file():
            raise WrongUse(f"{file} is not a file")
        contract = Contract.objects.filter(number=options["contract"]).first()
        if contract is None:
            raise WrongUse(f"{options['contract']} is no contract of this plan")
        try:
            rows = county_file.read(file.read_bytes(), file.name)
            kept = counties.keep(
                rows, contract, options["payment_year"], source=options["source"], by="import_counties"
            )
        except county_file.UnusableFile as error:
            raise Refused(str(error), errors=error.errors) from error
        except counties.UnusableFigures as error:
            raise Refused(f"{file.name}: {error}", field=error.field, reason=error.reason) from error
        return {"contract": contract.number, "payment_year": options["payment_year"], **asdict(kept)}
