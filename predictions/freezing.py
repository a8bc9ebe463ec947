"""What a snapshot keeps of the predictions in force."""

from datetime import date
from typing import Any

from django.db.models import Count

from hedis.gaps.models import UNMET
from predictions.models import Prediction


def gaps_by_tier(year: int, as_of: date) -> list[dict[str, Any]]:
    """Unmet gaps of the year by contract, measure and tier, scored by models in force on data up to that day."""
    rows = (
        Prediction.objects.in_force()
        .for_year(year)
        .filter(gap__status__in=UNMET, as_of__lte=as_of)
        .order_by("gap__contract__number", "measure__code", "tier")
        .values_list("gap__contract__number", "measure__code", "tier")
        .annotate(gaps=Count("pk"))
    )
    return [{"key": [contract or "", code, tier], "value": gaps} for contract, code, tier, gaps in rows]
