"""The two counties of docs/money.md's worked example, as rows, as a file, and stored."""

from decimal import Decimal
from typing import Any

from hedis.members.models import Contract
from interventions import counties
from interventions.money import County

D = Decimal
ADAMS = County("Adams", D("1050"), D("1000"), D("900"), D("120000"), D("1.10"))
BELL = County("Bell", D("1075"), D("1000"), D("1000"), D("60000"), D("0.95"), double_county=True)
HEAD = "name,base,fee_for_service,bid,member_months,risk_score,double_county,cap\n"
FILE = HEAD + "Adams,1050,1000,900,120000,1.10,N,\nBell,1075,1000,1000,60000,0.95,Y,\n"


def keep(contract: Contract, *rows: County, payment_year: int = 2029, by: Any = "ben", source: str = "the bid") -> Any:
    """Keep the rows given, or both counties, as the whole of a payment year."""
    return counties.keep(rows or (ADAMS, BELL), contract, payment_year, source=source, by=by)
