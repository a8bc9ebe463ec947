"""The reward thresholds a release's own contracts give, for a year that CMS recalculated without publishing new ones.

The 2024 ratings were recalculated by order of a court: the thresholds of the Technical Notes hold for the first run
only, and contracts kept the better of the two.
"""

from collections.abc import Collection, Iterable
from dataclasses import replace
from decimal import ROUND_HALF_UP, Decimal

from hedis.engine import rating
from hedis.engine.rating_cuts import percentile
from hedis.engine.rating_year import Part, StarYear, Thresholds, column
from hedis.stars import years

SIX_PLACES = Decimal("0.000001")


def is_recalculated(year: int) -> bool:
    """Whether CMS published ratings of two runs for a Star year."""
    return bool(years.rules()[str(year)].get("recalculated", False))


def second_run(contracts: Iterable[tuple[rating.Contract, Collection[Part]]], year: StarYear) -> StarYear:
    """The year with the thresholds that contracts' own means and variances give; each with the ratings it has, as
    CMS's percentiles are of rated contracts."""
    means: dict[tuple[str, bool, bool], list[Decimal]] = {}
    variances: dict[tuple[str, bool, bool], list[Decimal]] = {}
    for contract, parts in contracts:
        for part in parts:
            counted, _ = rating.counted_measures(contract, part, year)
            for key in scenarios_of(part, contract, year):
                found = rating.scenario(contract, part, counted, None, key[1], key[2], year)
                if found and found.variance is not None:
                    means.setdefault(key, []).append(found.mean)
                    variances.setdefault(key, []).append(found.variance)
    derived = {key: thresholds(sorted(means[key]), sorted(variances[key])) for key in means}
    return replace(year, thresholds={**year.thresholds, **derived})


def scenarios_of(part: Part, contract: rating.Contract, year: StarYear) -> list[tuple[str, bool, bool]]:
    """The scenarios of a rating that the year has thresholds for."""
    return [key for key in year.thresholds if key[0] == column(part, contract.rated_as)]


def thresholds(means: list[Decimal], variances: list[Decimal]) -> Thresholds:
    """The four percentiles, to six places."""
    shares = ((means, 65), (means, 85), (variances, 30), (variances, 70))
    return Thresholds(*(percentile(values, share).quantize(SIX_PLACES, ROUND_HALF_UP) for values, share in shares))
