"""What rating every published contract costs: the engine alone, on tables that are loaded."""

import time
from typing import Any

from hedis.engine.rating import Contract, rate
from hedis.engine.rating_year import Disaster, RatedAs
from hedis.lib.commands import Refused
from hedis.stars import years
from hedis.stars.models import PublishedContract, PublishedStar, Release


def stars() -> dict[str, Any]:
    """All contracts of the newest loaded release rated from their measure stars: CPU seconds, contracts a second."""
    release = Release.objects.current().order_by("-star_year").first()
    if release is None:
        raise Refused("no published tables are loaded: run `manage.py load_star_tables --year Y DIR` first")
    year, contracts = years.star_year(release.star_year), engine_contracts(release)
    started = time.process_time()
    results = [rate(contract, year) for contract in contracts]
    seconds = time.process_time() - started
    return {
        "Star year": release.star_year,
        "contracts": len(contracts),
        "ratings computed": sum(len(one.ratings) for one in results),
        "CPU seconds, engine only": round(seconds, 3),
        "contracts per second": round(len(contracts) / seconds),
    }


def engine_contracts(release: Release) -> list[Contract]:
    """The release's contracts as the engine takes them; two queries."""
    stars: dict[int, dict[str, int]] = {}
    rows = PublishedStar.objects.filter(contract__release=release).exclude(star=None)
    for contract, measure_id, star in rows.values_list("contract_id", "measure_id", "star"):
        stars.setdefault(contract, {})[measure_id] = star or 0
    return [
        Contract(
            row.number,
            RatedAs(row.rated_as),
            stars.get(row.pk, {}),
            cai_categories=row.cai_categories,
            puerto_rico_only=row.puerto_rico_only,
            disaster_shares={Disaster.CURRENT: row.disaster_current, Disaster.PREVIOUS: row.disaster_previous},
        )
        for row in PublishedContract.objects.filter(release=release)
    ]
