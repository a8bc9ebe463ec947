"""By whose method one of our contracts is rated in a Star year, and as what: type, kind, adjustment categories.

The measurement year that runs is rated two Star years on, before CMS has published that year. Then the newest
published method stands in, and the notes say so.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from hedis.engine import rating as engine
from hedis.engine.rating_year import Disaster, RatedAs, StarYear, column_type
from hedis.members.models import Contract
from hedis.stars import years
from hedis.stars.models import PublishedContract

LAST_STAR_YEAR = 2199
# Our plan types as CMS's organisation types (TN26 Tables 1 and 3), which decide the ratings and the minimum counts.
ORGANISATION_TYPES: Mapping[str, str] = {
    Contract.PlanType.HMO: "Local CCP",
    Contract.PlanType.HMO_POS: "Local CCP",
    Contract.PlanType.LOCAL_PPO: "Local CCP",
    Contract.PlanType.REGIONAL_PPO: "Regional CCP",
    Contract.PlanType.PFFS: "PFFS",
    Contract.PlanType.MSA: "MSA",
    Contract.PlanType.COST: "1876 Cost",
    Contract.PlanType.PDP: "PDP",
}


@dataclass(frozen=True)
class Standing:
    """How a contract is rated in a Star year: by whose method, as what, and what was assumed.

    `gone`: measures of the method that leave the Star Ratings up to that year, with the year they leave.
    """

    year: StarYear
    rated_as: RatedAs
    kind: str
    cai_categories: Mapping[str, int]
    puerto_rico_only: bool
    disaster_shares: Mapping[Disaster, Decimal]
    gone: Mapping[str, int]
    notes: tuple[str, ...]

    def contract(self, number: str, stars: Mapping[str, int]) -> engine.Contract:
        """The contract as the engine takes it, with these measure stars."""
        return engine.Contract(
            number, self.rated_as, stars, self.kind, self.cai_categories, self.puerto_rico_only, self.disaster_shares
        )


def standing_of(contract: Contract, year: int) -> Standing:
    """By whose method a contract is rated and as what. Raises years.UnknownStarYear."""
    published = last_published(contract.number, year)
    organisation, notes = organisation_of(contract, published)
    snp = bool(contract.snp_kind) or bool(published and published.snp)
    rated_as = rated_as_of(contract, organisation, published)
    method, said = method_for(year, rated_as)
    notes += said
    gone = leaving(method, year)
    if gone:
        method = replace(method, measures={name: one for name, one in method.measures.items() if name not in gone})
        notes.append(f"without {', '.join(sorted(gone))}, announced to leave by {year}")
    categories = published.cai_categories if published else {}
    known = {name: number for name, number in categories.items() if (name, number) in method.cai_values}
    if not known:
        notes.append("without the Categorical Adjustment Index: " + why_no_adjustment(method, categories))
    elif published and published.release.star_year != year:
        notes.append(f"adjustment categories as published for {published.release.star_year}")
    kind = organisation.snp_contract_kind if snp else organisation.contract_kind
    if not kind:
        notes.append("minimum counts are not checked: CMS's organisation type is not known")
    return Standing(
        year=method, rated_as=rated_as, kind=kind,
        cai_categories=known, puerto_rico_only=contract.puerto_rico_only,
        disaster_shares=disaster_shares(published, year), gone=gone, notes=tuple(notes),
    )  # fmt: skip


def last_published(number: str, year: int) -> PublishedContract | None:
    """What CMS last published of a contract, not later than a Star year."""
    rows = PublishedContract.objects.current().filter(number=number, release__star_year__lte=year)
    return rows.select_related("release").order_by("-release__star_year").first()


def organisation_of(
    contract: Contract, published: PublishedContract | None
) -> tuple[years.OrganisationType, list[str]]:
    """CMS's organisation type: as the contract says, else as CMS published it, else by the number's first letter."""
    if contract.plan_type:
        return years.organisation_type(ORGANISATION_TYPES[contract.plan_type]), []
    if published:
        return years.organisation_type(published.organisation_type), []
    name = "PDP" if contract.number.startswith("S") else "Local CCP"
    return years.organisation_type(name), [f"taken for a {name} contract, as no plan type is entered"]


def rated_as_of(
    contract: Contract, organisation: years.OrganisationType, published: PublishedContract | None
) -> RatedAs:
    """The contract type. Medical savings accounts have no drug benefit; of others only CMS's tables tell."""
    if organisation.part_d_only:
        return RatedAs.PDP
    if contract.plan_type == Contract.PlanType.MSA:
        return RatedAs.MA_ONLY
    return RatedAs.MA_ONLY if published and published.rated_as == RatedAs.MA_ONLY else RatedAs.MA_PD


def method_for(year: int, rated_as: RatedAs) -> tuple[StarYear, list[str]]:
    """The Star year's method, else the newest before it that has cut points for the contract's type; and notes.

    Minimum counts a provisional year does not have yet are the newest known: without them three measures would make
    a rating. Raises years.UnknownStarYear.
    """
    before = [years.star_year(one) for one in reversed(years.years()) if one <= year <= LAST_STAR_YEAR]
    method = next((one for one in before if has_cut_points(one, rated_as)), None)
    if method is None:
        raise years.UnknownStarYear(f"no reference data for Star year {year}; there is {years.years()}")
    notes = []
    if method.year != year:
        notes.append(
            f"Star year {year} is not published{'' if year not in years.years() else ' for ' + rated_as.value}: "
            f"measures, weights and cut points of {method.year} ({method.status})"
        )
    elif method.status != "final":
        notes.append(f"measures, weights and cut points of {year} are {method.status}")
    if not method.minimums:
        counted = next(one for one in before if one.minimums)
        method = replace(method, minimums=counted.minimums)
        notes.append(f"minimum counts of {counted.year}")
    return method, notes


def leaving(method: StarYear, year: int) -> dict[str, int]:
    """Measures of the method that CMS announced to remove after its year and up to the rated one."""
    removed = {
        row.text("key"): row.whole("star_year")
        for row in years.rows("changes.csv")
        if row.text("change") == "removed" and method.year < row.whole("star_year") <= year
    }
    return {name: removed[one.key] for name, one in method.measures.items() if one.key in removed}


def has_cut_points(year: StarYear, rated_as: RatedAs) -> bool:
    """Whether a Star year has the cut points of a contract type."""
    wanted = "MA" if rated_as is RatedAs.MA_ONLY else column_type(rated_as)
    return any(contract_type == wanted for _, contract_type in year.cut_points)


def why_no_adjustment(method: StarYear, categories: Mapping[str, int]) -> str:
    """Why no CAI value is added."""
    if not method.cai_values:
        return f"its values of {method.year} are not known"
    return "CMS has published no category of this contract" if not categories else "no value for its categories"


def disaster_shares(published: PublishedContract | None, year: int) -> dict[Disaster, Decimal]:
    """Percent of enrolment in disaster areas, which only the Star year's own tables tell."""
    if published is None or published.release.star_year != year:
        return {}
    return {Disaster.CURRENT: published.disaster_current, Disaster.PREVIOUS: published.disaster_previous}
