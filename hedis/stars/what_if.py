"""The rating of given scores or stars: a contract that need not exist, nothing stored. Pure of the database."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from hedis.engine import rating as engine
from hedis.engine.rating_scores import MeasureStar, ScoreOutOfRange, measure_star
from hedis.engine.rating_year import Method, NotInThisYear, Part, RatedAs, StarYear, column
from hedis.stars import years
from hedis.stars.explaining import explain


class Unusable(ValueError):
    """What was given cannot be rated. `problems`: by field, the reason, or reasons by measure id."""

    def __init__(self, problems: dict[str, Any]) -> None:
        super().__init__(str(problems))
        self.problems = problems


@dataclass(frozen=True)
class Given:
    """What is rated. Percent scores are 0 to 100; categories are final adjustment categories by rating."""

    scores: Mapping[str, Decimal] = field(default_factory=dict)
    stars: Mapping[str, int] = field(default_factory=dict)
    cai_categories: Mapping[str, int] = field(default_factory=dict)
    kind: str | None = None
    puerto_rico_only: bool = False


def compute(star_year: int, rated_as: RatedAs, given: Given) -> dict[str, Any]:
    """The explanation of what the given would be rated. Raises Unusable, naming field and measure id."""
    try:
        year = years.star_year(star_year)
    except years.UnknownStarYear as error:
        raise Unusable({"star_year": str(error)}) from error
    problems: dict[str, Any] = {}
    found = stars_of_scores(year, rated_as, given, problems)
    check_stars(year, rated_as, given, problems)
    categories = categories_by_column(year, rated_as, given, problems)
    check_kind(year, given.kind, problems)
    if not problems and not (given.scores or given.stars):
        problems["scores"] = "Give at least one score or star."
    if problems:
        raise Unusable(problems)
    stars = {**given.stars, **{name: one.star for name, one in found.items() if one.star}}
    contract = engine.Contract("", rated_as, stars, given.kind, categories, puerto_rico_only=given.puerto_rico_only)
    return explain(engine.rate(contract, year), contract, year, scores=found)


def stars_of_scores(
    year: StarYear, rated_as: RatedAs, given: Given, problems: dict[str, Any]
) -> dict[str, MeasureStar]:
    """The star of each score by the year's cut points; a survey measure's is its base group."""
    found, wrong = {}, {}
    for measure_id, score in given.scores.items():
        try:
            check_belongs(year, rated_as, measure_id)
            one = measure_star(year, measure_id, rated_as, score)
        except (NotInThisYear, ScoreOutOfRange) as error:
            wrong[measure_id] = str(error)
            continue
        survey = year.measures[measure_id].method is Method.CAHPS
        found[measure_id] = replace(one, rule="cahps") if survey else one
    if wrong:
        problems["scores"] = wrong
    return found


def check_stars(year: StarYear, rated_as: RatedAs, given: Given, problems: dict[str, Any]) -> None:
    """Given stars are of measures of the year, and of none that has a score too."""
    wrong = {}
    for measure_id in given.stars:
        try:
            check_belongs(year, rated_as, measure_id)
        except NotInThisYear as error:
            wrong[measure_id] = str(error)
        if measure_id in given.scores:
            wrong[measure_id] = f"{measure_id} has a score too: give one of them"
    if wrong:
        problems["stars"] = wrong


def check_belongs(year: StarYear, rated_as: RatedAs, measure_id: str) -> None:
    """Raises NotInThisYear for a measure the year, or a contract of this type, does not have."""
    if year.measure(measure_id).part not in rated_as.parts:
        raise NotInThisYear(f"{measure_id} is no measure of {rated_as.value} contracts")


def categories_by_column(year: StarYear, rated_as: RatedAs, given: Given, problems: dict[str, Any]) -> dict[str, int]:
    """Adjustment categories by CMS's column. The year must have a value for each."""
    columns, wrong = {}, {}
    for name, category in given.cai_categories.items():
        if name not in {part.value for part in rated_as.parts}:
            wrong[name] = f"{rated_as.value} contracts have no such rating"
            continue
        which = column(Part(name), rated_as)
        if (which, category) not in year.cai_values:
            wrong[name] = f"Star year {year.year} has no CAI value for {which} category {category}"
        columns[which] = category
    if wrong:
        problems["cai_categories"] = wrong
    return columns


def check_kind(year: StarYear, kind: str | None, problems: dict[str, Any]) -> None:
    """The kind is a row of the year's minimum counts."""
    kinds = sorted({one for _, one in year.minimums})
    if kind is not None and kind not in kinds:
        problems["contract_kind"] = f"Star year {year.year} has minimum counts for: {', '.join(kinds) or 'none'}"
