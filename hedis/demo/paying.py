"""What the demo's contracts are paid: invented counties, called so, and kept like anybody's figures.

The plan has bid for the coming year; the year that the running measurement year pays in comes later, so its figures
stand in for it, as they do for any plan.
"""

from collections.abc import Iterator
from decimal import ROUND_HALF_UP, Decimal

from django.db.models import Count, Q

from hedis.members.models import Contract
from interventions import counties
from interventions.money import County

SOURCE = "invented for the demo plan"
MONTHS = 12
# By contract: name, share of its members, base benchmark, fee-for-service cost, bid, risk score, double bonus, cap.
COUNTIES = {
    "H1001": (
        ("Harbor County", "0.45", "1085.40", "1061.20", "948.75", "1.082", False, None),
        ("Mill County", "0.35", "1132.10", "986.35", "991.30", "1.046", True, None),
        ("Pine County", "0.20", "1049.85", "1038.90", "1012.60", "0.994", False, "1088.20"),
    ),
    "H2002": (
        ("Harbor County", "0.60", "1085.40", "1061.20", "1006.15", "1.031", False, None),
        ("Lake County", "0.40", "1118.75", "1094.50", "1027.40", "0.987", False, None),
    ),
    "H3003": (
        ("Harbor County", "0.70", "1085.40", "1061.20", "902.60", "1.412", False, None),
        ("Mill County", "0.30", "1132.10", "986.35", "939.85", "1.365", True, None),
    ),
}


def enter_counties(*, payment_year: int, by: str) -> None:
    """Keep the counties of each of the demo's contracts for a payment year."""
    enrolled = Count("enrolments", filter=Q(enrolments__end_date=None))
    for contract in Contract.objects.filter(number__in=COUNTIES).annotate(enrolled=enrolled).order_by("number"):
        rows = list(invented(contract.number, contract.enrolled))
        counties.keep(rows, contract, payment_year, source=SOURCE, by=by)


def invented(contract: str, members: int) -> Iterator[County]:
    """The counties of a contract with so many members."""
    for name, share, base, cost, bid, risk, double, cap in COUNTIES[contract]:
        months = (members * MONTHS * Decimal(share)).quantize(Decimal(1), ROUND_HALF_UP)
        yield County(
            name, Decimal(base), Decimal(cost), Decimal(bid), months, Decimal(risk), double_county=double,
            cap=None if cap is None else Decimal(cap),
        )  # fmt: skip
