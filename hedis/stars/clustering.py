"""Cut points derived from published scores, compared with the ones CMS published: the tolerance is the result."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from hedis.engine import rating_cuts
from hedis.engine.rating_cuts import Fences, TooFewScores
from hedis.engine.rating_scores import star_by_cut_points
from hedis.engine.rating_year import CutPoints, Disaster, Measure, Method, Part, RatedAs, StarYear, column_type
from hedis.stars import years
from hedis.stars.verification import Prior, Release, disaster_shares, is_reversion, rated_as


@dataclass(frozen=True)
class Derived:
    """Cut points of one measure and contract type. `problem` says why there are none.

    `resampled` before, `guarded` after the guardrail `cap`; `published` are CMS's final ones of the same year.
    """

    measure: Measure
    contract_type: str
    contracts: int
    outliers: int
    fences: Fences | None
    resampled: CutPoints | None
    cap: Decimal | None
    guarded: CutPoints | None
    published: CutPoints | None
    problem: str = ""

    def steps_off(self) -> list[int]:
        """How many display steps each derived cut point is from the published one; empty without either."""
        if self.guarded is None or self.published is None:
            return []
        pairs = zip(self.guarded, self.published, strict=True)
        return [int(abs(ours - theirs) / self.measure.precision) for ours, theirs in pairs]


def derive(release: Release, prior: Prior | None, *, seed: int, forecast: bool = False) -> Iterator[Derived]:
    """Cut points of every clustered measure whose scores are public.

    The guardrail holds against last year's final cut points; with `forecast`, when the scores stand for next year's,
    against this year's. Improvement and CAHPS measures are not clustered on public data: the first publish no score,
    the second no unrounded mean.
    """
    for measure in release.year.measures.values():
        if measure.method is not Method.CLUSTERING:
            continue
        for contract_type in ("MA",) if measure.part is Part.C else ("MA-PD", "PDP"):
            yield derive_one(release, prior, measure, contract_type, seed=seed, forecast=forecast)


def derive_one(
    release: Release, prior: Prior | None, measure: Measure, contract_type: str, *, seed: int, forecast: bool
) -> Derived:
    """Cut points of one measure for one contract type."""
    year = release.year
    scores = list(eligible_scores(release, prior, measure, contract_type))
    published = year.cut_points.get((measure.id, contract_type))
    try:
        fences = rating_cuts.outer_fences(scores, measure)
        inside = [score for score in scores if fences.lower <= score <= fences.upper]
        resampled = rating_cuts.resampled(inside, measure, seed=seed)
    except TooFewScores as error:
        return Derived(measure, contract_type, len(scores), 0, None, None, None, None, published, str(error))
    if forecast:
        before, reach = published, max(inside) - min(inside)
        cap = rating_cuts.guardrail(measure, year.guardrails, reach)
    else:
        before = final_cuts_before(year, measure, contract_type)
        cap = rating_cuts.guardrail(measure, year.guardrails, None) or known_cap(year, measure, contract_type)
    return Derived(
        measure, contract_type, len(scores), len(scores) - len(inside), fences, resampled, cap,
        rating_cuts.guarded(resampled, before, cap), published,
    )  # fmt: skip


def eligible_scores(release: Release, prior: Prior | None, measure: Measure, contract_type: str) -> Iterator[Decimal]:
    """Displayed scores that CMS clusters: of contracts of the type that must report, not last year's kept after a
    disaster, and in years with that rule not of contracts mostly in a disaster area."""
    share_limit = years.rules()[str(release.year.year)].get("cut_points_exclude_disaster_share")
    for number, cells in release.scores.cells.items():
        organisation, cell = release.contracts[number], cells[measure.id]
        kind = rated_as(organisation)
        if cell.number is None or (contract_type != "MA" and contract_type != column_type(kind)):
            continue
        share = disaster_shares(organisation, release.year.year).get(measure.disaster, Decimal(0))
        if share_limit is not None and measure.disaster is not Disaster.NEVER and share >= share_limit:
            continue
        star = release.stars.cells[number][measure.id].number
        if star is not None and reverted(release, prior, number, measure, cell.number, int(star), kind):
            continue
        yield cell.number


def reverted(
    release: Release, prior: Prior | None, number: str, measure: Measure, score: Decimal, star: int, kind: RatedAs
) -> bool:
    """Whether the score shown is last year's, kept after a disaster."""
    by_cuts = star_by_cuts(release.year, measure, score, kind)
    if by_cuts == star:
        return False
    return is_reversion(
        release, prior, release.contracts[number], measure, release.scores.cells[number][measure.id], star
    )


def star_by_cuts(year: StarYear, measure: Measure, score: Decimal, kind: RatedAs) -> int | None:
    """The star by the year's cut points, or None where the year has none for the contract type."""
    cuts = year.cut_points.get((measure.id, "MA" if measure.part is Part.C else column_type(kind)))
    return None if cuts is None else star_by_cut_points(score, cuts, measure.lower_is_better)


def final_cuts_before(year: StarYear, measure: Measure, contract_type: str) -> CutPoints | None:
    """Last year's final cut points of the same measure, whatever its id was; None for a measure or year unknown."""
    if year.year - 1 not in years.years():
        return None
    before = years.star_year(year.year - 1)
    old = next((one.id for one in before.measures.values() if one.key == measure.key), "")
    return before.cut_points.get((old, contract_type))


def known_cap(year: StarYear, measure: Measure, contract_type: str) -> Decimal | None:
    """CMS's cap for a measure that has no 0 to 100 scale, where it is in the reference data."""
    caps = {
        (row.text("measure_id"), row.text("contract_type")): row.number("cap")
        for row in years.rows("guardrail_caps.csv", year.year)
    }
    return caps.get((measure.id, contract_type))
