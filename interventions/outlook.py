"""Where a contract stands and where it will end the year, as plain figures for pages, home panel and API. Reads only.

A projection is computed once for what it hangs on (`stamped`) and kept in the cache under exactly that.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.core.cache import cache
from django.db.models import Exists, OuterRef, QuerySet, Subquery

from hedis.engine import rating as engine
from hedis.engine.rating_year import Measure
from hedis.gaps.models import FindingRun, MeasureCount, MeasureReading
from hedis.members.models import Contract
from hedis.stars import rating, years
from hedis.stars.explaining import PART_NAMES, REASONS
from hedis.stars.models import EnteredScore, Release
from interventions.anomalies import Anomaly
from interventions.back_testing import NOT_TRIED, Verdict
from interventions.buying import Bought, bought
from interventions.models import CampaignTransition, CountyFigures
from interventions.movements import unusual
from interventions.projecting import Projection
from interventions.projection import ContractProjection, NothingToProject, projected
from predictions.models import ModelVersion, ScoringRun

# What the key does not name (single interventions that end, reference files of a new release) is right after an hour.
KEPT_SECONDS = 3600
# Another shape of these figures takes another key.
SHAPE = 3


@dataclass(frozen=True)
class MeasureOutlook:
    """One Star measure of a contract, today and at year's end.

    Rates are percent as CMS publishes them, `low` to `high` the 80 % interval of the year's end; counts are members.
    `odds`: chance of 1 to 5 stars. `closures`: members still to be met for `next_star`; None at five stars. `closable`:
    unmet members whom a contact can still close. `methods`: share of each forecast in the blend; `error`: what the
    blend missed, in points. `verdict`: how projections of past years did, in shares of 1.
    """

    id: str
    code: str
    name: str
    weight: int
    lower_is_better: bool
    cuts: tuple[Decimal, ...]
    scale: tuple[Decimal | None, Decimal | None]
    met: int
    denominator: int
    rate_today: float
    rate: float
    low: float
    high: float
    star_today: int
    odds: tuple[float, ...]
    expected_stars: float
    next_star: int | None
    closures: int | None
    closable: int
    end_numerator: float
    end_denominator: int
    methods: Mapping[str, float]
    error: float | None
    notes: tuple[str, ...]
    verdict: Verdict = NOT_TRIED

    @property
    def unmet(self) -> int:
        """Members of today's denominator whose care is missing."""
        return self.denominator - self.met

    @property
    def keeps(self) -> float:
        """The chance to end with today's star or a better one."""
        return min(sum(self.odds[self.star_today - 1 :]), 1.0)

    @property
    def rises(self) -> float | None:
        """The chance to end with the next star or a better one; None at five stars."""
        return None if self.next_star is None else sum(self.odds[self.next_star - 1 :])

    @property
    def in_reach(self) -> bool:
        """Whether there is a next star, and enough members who can still close."""
        return self.closures is not None and 0 < self.closures <= self.closable


@dataclass(frozen=True)
class FixedStar:
    """A measure that is not projected and counts with the star it has today."""

    id: str
    name: str
    weight: int
    star: int


@dataclass(frozen=True)
class Outlook:
    """A contract in a measurement year. Chances are of each half star of `part`, the rating it is known by.

    `independent`: the measures err apart; `shared`: all in the same direction. The truth lies between. Where there is
    no rating, `not_rated` says why, and stars, chances and expected stars are empty. `left_out`: measures without a
    projection by code, with the reason. `anomalies`: what moved unusually between the two newest finding runs.
    `bought`: what the outreach under way adds, which is in none of the other figures.
    """

    contract: str
    name: str
    year: int
    data_as_of: date
    method_year: int
    method: tuple[str, ...]
    part: str
    today: Decimal | None
    not_rated: str
    independent: Mapping[Decimal, float]
    shared: Mapping[Decimal, float]
    expected: float | None
    expected_shared: float | None
    measures: tuple[MeasureOutlook, ...]
    fixed: tuple[FixedStar, ...]
    left_out: Mapping[str, str]
    anomalies: tuple[Anomaly, ...] = ()
    bought: Bought | None = None

    @property
    def change(self) -> float | None:
        """Expected stars at year's end less today's."""
        return None if self.expected is None or self.today is None else self.expected - float(self.today)

    @property
    def nearest(self) -> MeasureOutlook | None:
        """The measure that fewest closures carry to its next star, among those where enough can still close."""
        near = [one for one in self.measures if one.in_reach]
        return min(near, key=lambda one: (one.closures or 0, -one.weight, one.id), default=None)


@dataclass(frozen=True)
class Missing:
    """A contract that has no outlook, and why."""

    contract: str
    name: str
    year: int
    why: str


def newest_year() -> int | None:
    """The newest measurement year that gaps were found of."""
    return FindingRun.objects.order_by("-year").values_list("year", flat=True).first()


def stamped(year: int) -> QuerySet[Contract]:
    """Contracts with counts of a year, each with what its projection hangs on. One query.

    Newest finding run, newest reading of a past day, newest scoring run and how far it is, models in force, newest
    entered score, newest release of CMS's tables, newest step of a campaign, newest county figures and withdrawal.
    """
    newest = FindingRun.objects.filter(year=year).order_by("-id").values("id")[:1]
    counted = MeasureCount.objects.filter(run_id__in=newest, contract=OuterRef("pk"))
    scoring = ScoringRun.objects.order_by("-id")
    return Contract.objects.filter(Exists(counted)).annotate(
        finding_run=Subquery(FindingRun.objects.order_by("-id").values("id")[:1]),
        reading=Subquery(MeasureReading.objects.order_by("-id").values("id")[:1]),
        scoring_run=Subquery(scoring.values("id")[:1]),
        scored=Subquery(scoring.values("scored")[:1]),
        models_in_force=ArraySubquery(ModelVersion.objects.deployed().order_by("id").values("id")),
        entered_score=Subquery(EnteredScore.objects.order_by("-id").values("id")[:1]),
        release=Subquery(Release.objects.order_by("-id").values("id")[:1]),
        campaign_step=Subquery(CampaignTransition.objects.order_by("-id").values("id")[:1]),
        newest_figures=Subquery(CountyFigures.objects.order_by("-id").values("id")[:1]),
        figures_ended=Subquery(
            CountyFigures.objects.filter(superseded_at__isnull=False)
            .order_by("-superseded_at")
            .values("superseded_at")[:1]
        ),
    )


def key_of(contract: Any, year: int) -> str:
    """The cache key of a stamped contract's outlook: it names the contract, the year, and all that it hangs on."""
    hangs_on = [contract.finding_run, contract.reading, contract.scoring_run, contract.scored,
                *contract.models_in_force, contract.entered_score, contract.release, contract.campaign_step,
                contract.newest_figures, contract.figures_ended, contract.plan_type, contract.snp_kind,
                contract.puerto_rico_only, contract.name]  # fmt: skip
    digest = hashlib.sha256(repr(hangs_on).encode()).hexdigest()[:32]
    return f"interventions.outlook.{SHAPE}:{contract.number}:{year}:{digest}"


def of_contracts(contracts: Sequence[Any], year: int) -> list[Outlook | Missing]:
    """The outlook of stamped contracts, in their order; from the cache where it is there."""
    keys = {contract.number: key_of(contract, year) for contract in contracts}
    known = cache.get_many(keys.values())
    found: list[Outlook | Missing] = []
    for contract in contracts:
        key = keys[contract.number]
        if key not in known:
            known[key] = computed(contract, year)
            cache.set(key, known[key], KEPT_SECONDS)
        found.append(known[key])
    return found


def known(contracts: Sequence[Any], year: int) -> list[Outlook | Missing] | None:
    """The outlook of stamped contracts where every one is in the cache; None where one would have to be computed."""
    keys = [key_of(contract, year) for contract in contracts]
    held = cache.get_many(keys)
    return [held[key] for key in keys] if len(held) == len(keys) else None


def of_contract(number: str, year: int) -> Outlook | Missing | None:
    """The outlook of one contract; None where it has no counts of the year."""
    contracts = list(stamped(year).filter(number=number))
    return of_contracts(contracts, year)[0] if contracts else None


def computed(contract: Contract, year: int) -> Outlook | Missing:
    """The outlook from the projection, or why there is none."""
    try:
        found = projected(contract, year)
    except (NothingToProject, years.UnknownStarYear) as reason:
        return Missing(contract.number, contract.name, year, str(reason))
    method = found.method.year
    stars = {**found.fixed, **{name: one.star_today for name, one in found.measures.items()}}
    today = engine.rate(found.method.contract(contract.number, stars), method).ratings[found.part]
    unrated = found.independent.not_rated or today.reason
    return Outlook(
        contract.number, contract.name, year, found.data_as_of, method.year, found.method.notes,
        PART_NAMES[found.part], today.star, REASONS[unrated] if unrated else "",
        dict(found.independent.chances), dict(found.shared.chances),
        found.independent.expected, found.shared.expected,
        tuple(measures_of(contract, found)),
        tuple(fixed_of(found)), dict(found.left_out), unusual(contract, year), bought(contract, found),
    )  # fmt: skip


def measures_of(contract: Contract, found: ContractProjection) -> Iterator[MeasureOutlook]:
    """The projected measures in CMS's order, with today's counts. One query."""
    rows = {name: row for row, name in rating.counted(contract, found.year + 2, found.method)}
    for name in sorted(found.measures):
        row, one, measure = rows[name], found.measures[name], found.method.year.measure(name)
        low, high = sorted(published(rate, measure) for rate in (one.low, one.high))
        yield MeasureOutlook(
            name, one.measure, measure.name, engine.weight_of(measure, found.method.contract(contract.number, {})),
            measure.lower_is_better, tuple(found.method.year.cuts(name, found.method.rated_as)),
            (measure.scale_low, measure.scale_high), row["numerator"], row["denominator"],
            published(one.rate_today, measure), published(one.rate, measure), low, high,
            one.star_today, one.odds, one.expected_stars, one.next_star, one.closures, one.closable,
            one.numerator, one.denominator, dict(one.blend.weights), points_of(one), one.notes,
            found.verdicts.get(name, NOT_TRIED),
        )  # fmt: skip


def published(rate: float, measure: Measure) -> float:
    """A share of good outcomes as the percentage CMS publishes: of an inverse measure, the others."""
    return 100 * (1 - rate) if measure.lower_is_better else 100 * rate


def points_of(one: Projection) -> float | None:
    """The blend's error in points."""
    return None if one.blend.error is None else 100 * one.blend.error


def fixed_of(found: ContractProjection) -> Iterator[FixedStar]:
    """The measures that count with the star they have."""
    contract = found.method.contract(found.contract, {})
    for name in sorted(found.fixed):
        measure = found.method.year.measure(name)
        yield FixedStar(name, measure.name, engine.weight_of(measure, contract), found.fixed[name])
