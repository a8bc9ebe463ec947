"""A published contract rated once more by the engine: what its pages show, and where CMS's figure is another one."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from hedis.engine.rating import Contract, ContractRating, rate
from hedis.engine.rating_scores import DATA_INTEGRITY_STAR, MeasureStar, measure_star
from hedis.engine.rating_year import Disaster, Measure, Method, Part, RatedAs, StarYear
from hedis.stars import years
from hedis.stars.explaining import explain, star_text
from hedis.stars.models import PublishedContract, PublishedStar
from hedis.stars.published import plain
from hedis.stars.verification import INTEGRITY_MESSAGE

ONLY_ISNP = "ccp_only_isnp"


def recompute(published: PublishedContract) -> dict[str, Any]:
    """The explanation of a published contract (see `explaining.explain`) with CMS's figures beside ours.

    Each rating gets `published`, `published_message` and `differs`; each measure CMS's `message` where there is no
    score. Needs the contract's `stars` and `release`. Raises years.UnknownStarYear where there is no reference data.
    """
    year = years.star_year(published.release.star_year)
    rows = {row.measure_id: row for row in published.stars.all() if row.measure_id in year.measures}
    contract, rating = rated(published, rows.values(), year)
    scores = {
        name: found for name, row in rows.items() if (found := score_of(row, year.measures[name], published, year))
    }
    told = explain(rating, contract, year, scores=scores)
    for part, one in told["ratings"].items():
        cms = getattr(published, part)
        one["published"] = star_text(cms)
        one["published_message"] = published.messages.get(part, "")
        one["differs"] = cms != rating.ratings[Part(part)].star
    for measure in told["measures"]:
        row = rows.get(measure["id"])
        measure["message"] = row.message if row else ""
    told["differs"] = any(one["differs"] for one in told["ratings"].values())
    return told


def rated(
    published: PublishedContract, rows: Iterable[PublishedStar], year: StarYear
) -> tuple[Contract, ContractRating]:
    """The contract as the engine takes it, and its rating.

    CMS's tables do not tell which special needs contracts are institutional only, and those need fewer measures. Such
    a contract is taken for one where CMS rated it although it has too few measures for the other kind.
    """
    contract = engine_contract(published, rows, kind_of(published))
    found = rate(contract, year)
    unrated = [part for part, one in found.ratings.items() if one.star is None]
    if published.snp and any(getattr(published, part.value) is not None for part in unrated):
        contract = engine_contract(published, rows, ONLY_ISNP)
        found = rate(contract, year)
    return contract, found


def kind_of(published: PublishedContract) -> str | None:
    """The row of the minimum counts; None for an organisation type without one."""
    kinds = years.organisation_type(published.organisation_type)
    return (kinds.snp_contract_kind if published.snp else kinds.contract_kind) or None


def engine_contract(published: PublishedContract, rows: Iterable[PublishedStar], kind: str | None) -> Contract:
    """A stored contract with its published measure stars."""
    return Contract(
        number=published.number,
        rated_as=RatedAs(published.rated_as),
        stars={row.measure_id: row.star for row in rows if row.star is not None},
        kind=kind,
        cai_categories=published.cai_categories,
        puerto_rico_only=published.puerto_rico_only,
        disaster_shares=shares_of(published),
    )


def shares_of(published: PublishedContract) -> dict[Disaster, Decimal]:
    """Percent of enrolment hit by disasters of the measurement year and of the year before."""
    return {Disaster.CURRENT: published.disaster_current, Disaster.PREVIOUS: published.disaster_previous}


def score_of(row: PublishedStar, measure: Measure, published: PublishedContract, year: StarYear) -> MeasureStar | None:
    """The published score and the rule that leads from it to the published star; None without a score or a flag."""
    if row.score is None:
        flagged = row.star == DATA_INTEGRITY_STAR and plain(row.message).startswith(INTEGRITY_MESSAGE)
        return MeasureStar(row.measure_id, row.star, "data_integrity", None, None, None) if flagged else None
    if measure.method is Method.IMPROVEMENT:
        return MeasureStar(row.measure_id, row.star, "improvement", row.score, row.score, None)
    found = measure_star(year, row.measure_id, RatedAs(published.rated_as), row.score)
    rule = rule_of(row, found, measure, published, year)
    return MeasureStar(row.measure_id, row.star, rule, found.score, found.displayed, found.by_cut_points)


def rule_of(
    row: PublishedStar, found: MeasureStar, measure: Measure, published: PublishedContract, year: StarYear
) -> str:
    """Which rule gave the published star, as far as public data tells (see `verify_stars` for the proof)."""
    if measure.method is Method.CAHPS:
        return "cahps"
    if row.star is None or row.star == found.by_cut_points:
        return "cut_points"
    hit = shares_of(published).get(measure.disaster, Decimal(0)) >= year.disaster_share
    return "prior_year_disaster" if hit else "unexplained"
