"""Recomputes everything in a folder of CMS's published tables and says what matched, what a rule explains, and what
nothing explains."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path

from hedis.engine import rating
from hedis.engine.rating_scores import (
    DATA_INTEGRITY_STAR,
    ScoreOutOfRange,
    cahps_moves,
    displayed,
    domain_star,
    measure_star,
    star_by_cut_points,
)
from hedis.engine.rating_year import Disaster, Measure, Method, Part, RatedAs, StarYear
from hedis.stars import published, recalculation, years
from hedis.stars.published import Cell, Grid, Organisation
from hedis.stars.published_cuts import read_cut_points
from hedis.stars.years import Adjustment

INTEGRITY_MESSAGE = "cmsidentifiedissues"
NOT_APPLICABLE = "notapplicable"
DISASTER, RECALCULATION = "disaster", "recalculation"


@dataclass(frozen=True)
class Release:
    """The tables of one folder, read and checked. `adjustments` are CMS's, or our own for a folder without them."""

    year: StarYear
    contracts: Mapping[str, Organisation]
    stars: Grid
    scores: Grid
    adjustments: Mapping[str, Adjustment]
    domains: Grid | None
    high_performing: frozenset[str] | None


@dataclass(frozen=True)
class Prior:
    """Last year's published stars, and scores where the folder has them, by contract and this year's measure id."""

    stars: Mapping[tuple[str, str], Cell]
    scores: Mapping[tuple[str, str], Cell]


@dataclass(frozen=True)
class Difference:
    """One published figure that is not the computed one. `explanation` is empty where no rule explains it."""

    figure: str
    contract: str
    item: str
    score: str
    published: str
    computed: str
    explanation: str


@dataclass
class Matches:
    """Published figures of one kind, and how many were computed alike."""

    published: int = 0
    matched: int = 0


@dataclass
class Findings:
    """What a verification found."""

    year: int
    ratings: dict[Part, Matches] = field(default_factory=lambda: {part: Matches() for part in Part})
    direct: int = 0
    explained: Counter[str] = field(default_factory=Counter)
    unexplained: int = 0
    cahps: Matches = field(default_factory=Matches)
    domains: Matches | None = None
    differences: list[Difference] = field(default_factory=list)

    @property
    def measure_stars(self) -> int:
        return self.direct + self.explained.total() + self.unexplained

    @property
    def all_explained(self) -> bool:
        """Whether every difference has a rule."""
        return all(difference.explanation for difference in self.differences)


def read_release(folder: Path, year: int) -> Release:
    """The tables of a folder. The star, data and summary tables must be there. Raises PublishedError."""
    found = published.tables(folder, year)
    reference = years.star_year(year)
    need = {kind: published.required(found, kind, folder) for kind in ("stars", "scores", "summary")}
    stars = published.read_stars(need["stars"], reference.measures)
    scores = published.read_measures(need["scores"], reference.measures)
    check_scales(scores, reference)
    contracts = published.read_summary(need["summary"])
    same_contracts(stars, scores, contracts)
    cuts = dict(reference.cut_points)
    for kind in ("part_c_cuts", "part_d_cuts"):
        if kind in found:
            cuts.update(read_cut_points(found[kind], reference.measures))
    domains = published.read_domains(found["domains"]) if "domains" in found else None
    if domains:
        published.check_whole_stars(domains)
    high = published.read_high_performing(found["high_performing"]) if "high_performing" in found else None
    return Release(
        replace(reference, cut_points=cuts),
        contracts,
        stars,
        scores,
        published.read_cai(found["cai"]) if "cai" in found else years.adjustments(year),
        domains,
        None if high is None else frozenset(high),
    )


def check_scales(scores: Grid, year: StarYear) -> None:
    """Raises PublishedError for a score its measure cannot have, such as a rate above 100, or shares for percent."""
    for measure_id in scores.heads:
        check_percent(scores, year.measures[measure_id])
    for contract, cells in scores.cells.items():
        for measure_id, cell in cells.items():
            if cell.number is not None:
                try:
                    displayed(cell.number, year.measures[measure_id])
                except ScoreOutOfRange as error:
                    place = published.Line(scores.rows[contract], ())
                    raise scores.table.error(place, f"{contract} {measure_id}", str(error)) from None


def check_percent(scores: Grid, measure: Measure) -> None:
    """Raises PublishedError where a column of percent holds shares of one: a spreadsheet saved as CSV without its
    formats. A single such score could be a rate below one percent; a whole column could not."""
    numbers = [cells[measure.id].number for cells in scores.cells.values()]
    found = [number for number in numbers if number is not None]
    if measure.unit == "%" and any(number % 1 for number in found) and max(found) <= 1:
        raise scores.table.error(None, measure.id, f"scores of 0 to 1, such as {found[0]}, where CMS publishes percent")


def same_contracts(stars: Grid, scores: Grid, contracts: Mapping[str, Organisation]) -> None:
    """Raises PublishedError where a contract is in one table and not in another."""
    for grid, others in ((stars, (scores.cells, contracts)), (scores, (stars.cells,))):
        for contract in grid.cells:
            if any(contract not in other for other in others):
                place = published.Line(grid.rows[contract], ())
                raise grid.table.error(place, contract, "the contract is missing in another table of the folder")


def read_prior(folder: Path, year: int) -> Prior:
    """The stars and scores of the year before, under this year's measure ids. Raises PublishedError."""
    found = published.tables(folder, year - 1)
    ours = years.star_year(year).measures
    table = published.required(found, "stars", folder)
    stars = published.read_stars(table, None)
    ids = same_measures(stars.heads, ours, year - 1)
    scores = published.read_measures(found["scores"], None) if "scores" in found else None
    return Prior(renamed(stars, ids), renamed(scores, ids) if scores else {})


def same_measures(heads: Mapping[str, str], ours: Mapping[str, Measure], prior_year: int) -> dict[str, str]:
    """Last year's id to this year's: by the measures' lasting keys, else by CMS's name and part."""
    now = {measure.key: measure_id for measure_id, measure in ours.items()}
    if prior_year in years.years():
        before = years.star_year(prior_year).measures
        return {old: now[before[old].key] for old in heads if old in before and before[old].key in now}
    named = {(measure_id[0], published.plain(measure.name)): measure_id for measure_id, measure in ours.items()}
    found = ((old, named.get((old[0], published.plain(name)))) for old, name in heads.items())
    return {old: new for old, new in found if new}


def renamed(grid: Grid, ids: Mapping[str, str]) -> dict[tuple[str, str], Cell]:
    """Cells by contract and this year's measure id."""
    return {
        (contract, ids[old]): cell
        for contract, cells in grid.cells.items()
        for old, cell in cells.items()
        if old in ids
    }


def verify(release: Release, prior: Prior | None) -> Findings:
    """Recompute every rating, measure star and domain star of a release and compare."""
    found = Findings(release.year.year)
    runs = [release.year]
    if recalculation.is_recalculated(release.year.year):
        runs.append(recalculation.second_run(rated_contracts(release), release.year))
    for number, organisation in release.contracts.items():
        compare_ratings(engine_contract(release, organisation), organisation, runs, found)
        for measure_id, cell in release.stars.cells.get(number, {}).items():
            if cell.number is not None:
                compare_measure(
                    release, prior, organisation, release.year.measures[measure_id], int(cell.number), found
                )
    if release.domains:
        found.domains = Matches()
        for number, cells in release.domains.cells.items():
            compare_domains(release, number, cells, found.domains, found)
    return found


def engine_contract(release: Release, organisation: Organisation, kind: str | None = None) -> rating.Contract:
    """A contract as the engine takes it, with its published measure stars."""
    cells = release.stars.cells.get(organisation.number, {})
    adjustment = release.adjustments.get(organisation.number)
    return rating.Contract(
        number=organisation.number,
        rated_as=rated_as(organisation),
        stars={name: int(cell.number) for name, cell in cells.items() if cell.number is not None},
        kind=kind,
        cai_categories=adjustment.categories if adjustment else {},
        puerto_rico_only=bool(adjustment and adjustment.puerto_rico_only),
        disaster_shares=disaster_shares(organisation, release.year.year),
    )


def rated_as(organisation: Organisation) -> RatedAs:
    """The contract type: PDP by organisation type; without drug benefit, Part D is not applicable."""
    if years.organisation_type(organisation.type).part_d_only:
        return RatedAs.PDP
    without_drugs = published.plain(organisation.ratings["part_d"].text) == NOT_APPLICABLE
    return RatedAs.MA_ONLY if without_drugs else RatedAs.MA_PD


def disaster_shares(organisation: Organisation, star_year: int) -> dict[Disaster, Decimal]:
    """Percent of enrolment hit by disasters of the measurement year (Star year - 2) and of the year before it."""
    shares = organisation.disaster_shares
    return {
        Disaster.CURRENT: shares.get(star_year - 2, Decimal(0)),
        Disaster.PREVIOUS: shares.get(star_year - 3, Decimal(0)),
    }


def rated_contracts(release: Release) -> Iterator[tuple[rating.Contract, list[Part]]]:
    """The contracts with the ratings CMS gave them."""
    for organisation in release.contracts.values():
        contract = engine_contract(release, organisation)
        yield contract, [part for part in contract.rated_as.parts if organisation.ratings[part].number is not None]


def compare_ratings(
    contract: rating.Contract, organisation: Organisation, runs: list[StarYear], found: Findings
) -> None:
    """The contract's ratings against the published ones; `runs`: the year, and the second run of a recalculated one.

    Of a year that was recalculated each contract kept the better of two ratings, so the second run explains.
    """
    others = [rating.rate(contract, other).ratings for other in runs[1:]]
    for part, one in rating.rate(contract, runs[0]).ratings.items():
        cell = organisation.ratings[part.value]
        if cell.number is None:
            continue
        found.ratings[part].published += 1
        if one.star == cell.number:
            found.ratings[part].matched += 1
            continue
        score = f"final {one.used.final}" if one.used else ""
        star = str(one.star) if one.star is not None else f"not rated: {one.reason}"
        explanation = RECALCULATION if any(other[part].star == cell.number for other in others) else ""
        found.differences.append(Difference("rating", contract.number, part.value, score, cell.text, star, explanation))


def compare_measure(
    release: Release, prior: Prior | None, organisation: Organisation, measure: Measure, star: int, found: Findings
) -> None:
    """One published measure star against its published score.

    Improvement measures publish no score; a flagged contract's words stand where the score would be.
    """
    cell = release.scores.cells[organisation.number][measure.id]
    if cell.number is None:
        flagged = published.plain(cell.text).startswith(INTEGRITY_MESSAGE)
        if measure.method is Method.IMPROVEMENT or (flagged and star == DATA_INTEGRITY_STAR):
            return
        computed = str(DATA_INTEGRITY_STAR) if flagged else "none"
        explanation = ""
    else:
        by_cuts = measure_star(release.year, measure.id, rated_as(organisation), cell.number).by_cut_points
        if measure.method is Method.CAHPS:
            compare_cahps(release, prior, organisation, measure, cell, by_cuts or 0, star, found)
            return
        if by_cuts == star:
            found.direct += 1
            return
        computed = str(by_cuts)
        explanation = DISASTER if is_reversion(release, prior, organisation, measure, cell, star) else ""
    if explanation:
        found.explained[explanation] += 1
    else:
        found.unexplained += 1
    found.differences.append(
        Difference("measure_star", organisation.number, measure.id, cell.text, str(star), computed, explanation)
    )


def compare_cahps(
    release: Release,
    prior: Prior | None,
    organisation: Organisation,
    measure: Measure,
    cell: Cell,
    base_group: int,
    star: int,
    found: Findings,
) -> None:
    """A CAHPS star can be checked only against the moves CMS allows from the base group: the survey's standard error
    and reliability, which decide among them, are not public."""
    found.cahps.published += 1
    explanation = ""
    if star in cahps_moves(release.year, base_group):
        explanation = "significance_and_reliability"
    elif is_reversion(release, prior, organisation, measure, cell, star):
        explanation = DISASTER
    found.cahps.matched += bool(explanation)
    if star != base_group:
        found.differences.append(
            Difference("cahps", organisation.number, measure.id, cell.text, str(star), str(base_group), explanation)
        )


def is_reversion(
    release: Release, prior: Prior | None, organisation: Organisation, measure: Measure, cell: Cell, star: int
) -> bool:
    """Whether the disaster rule explains the star: the contract is affected, and star and score are last year's.

    Without last year's tables the score shown must earn the star by last year's cut points: an affected contract
    that keeps last year's star shows last year's score with it.
    """
    if measure.disaster is Disaster.NEVER:
        return False
    share = disaster_shares(organisation, release.year.year)[measure.disaster]
    if share < release.year.disaster_share:
        return False
    if prior is None:
        return cell.number is not None and star in stars_last_year(release, organisation, measure, cell.number)
    key = organisation.number, measure.id
    before, score = prior.stars.get(key), prior.scores.get(key)
    same_score = score is None or score.number == cell.number
    return before is not None and before.number == star and same_score


def stars_last_year(release: Release, organisation: Organisation, measure: Measure, score: Decimal) -> frozenset[int]:
    """The stars a score could earn by last year's cut points in our own reference data; none where there are none."""
    if release.year.year - 1 not in years.years():
        return frozenset()
    before = years.star_year(release.year.year - 1)
    old = next((one for one in before.measures.values() if one.key == measure.key), None)
    if old is None:
        return frozenset()
    star = star_by_cut_points(score, before.cuts(old.id, rated_as(organisation)), old.lower_is_better)
    return cahps_moves(before, star) if old.method is Method.CAHPS else frozenset({star})


def compare_domains(
    release: Release, number: str, cells: Mapping[str, Cell], matches: Matches, found: Findings
) -> None:
    """Domain stars of a contract from its measure stars."""
    stars = release.stars.cells.get(number, {})
    for domain_id, cell in cells.items():
        if cell.number is None:
            continue
        inside = [
            int(one.number)
            for measure_id, one in stars.items()
            if one.number is not None and release.year.measures[measure_id].domain_id == domain_id
        ]
        computed = domain_star(inside)
        matches.published += 1
        if computed == cell.number:
            matches.matched += 1
        else:
            found.differences.append(Difference("domain_star", number, domain_id, "", cell.text, str(computed), ""))
