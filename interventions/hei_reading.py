"""The Health Equity Index of a contract as it would have been, from its gaps and CMS's published scores. Reads only.

National thirds of members with social risk factors were never published. In their place stand the published scores of
every contract's whole membership, and the indices those would give: a what-if of a what-if, and it says so.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

from django.db.models import Count, Q

from hedis.engine.rating_year import RatedAs
from hedis.gaps.models import Gap, Status
from hedis.members.models import Contract, Member
from hedis.stars import years
from hedis.stars.models import PublishedStar, Release
from interventions import hei
from interventions.equity_lens import DUAL_CODES
from interventions.hei import Index, SubsetRate
from interventions.problem import ProblemError
from interventions.projection import ContractProjection

DISABLED_CODES = ("1", "3")
FIELD = "hei_median_share"
# Thirds of fewer contracts mean nothing.
FEWEST = 3


def at_risk(prefix: str = "") -> Q:
    """Members with a low-income subsidy, dual eligibility, or entitled by disability; `prefix` leads to the member."""
    return (
        Q(**{f"{prefix}low_income_subsidy": True})
        | Q(**{f"{prefix}dual_status_code__in": DUAL_CODES})
        | Q(**{f"{prefix}original_reason_code__in": DISABLED_CODES})
    )


def index_of(contract: Contract, outlook: ContractProjection, median_share: Decimal) -> Index:
    """The index over the measures that gaps give, of this year and the one before together.

    Raises ProblemError where CMS's tables were not loaded: there is nothing to rank against.
    """
    year = outlook.method.year
    measures = {one.measure: year.measure(name) for name, one in outlook.measures.items()}
    scores = published_scores([measure.key for measure in measures.values()])
    rates = []
    for code, (numerator, denominator) in subset(contract, outlook.year, list(measures)).items():
        measure = measures[code]
        others = list(scores.get(measure.key, {}).values())
        if denominator and len(others) >= FEWEST:
            rate = Decimal(100 * numerator) / denominator
            score = 100 - rate if measure.lower_is_better else rate
            rates.append(SubsetRate(measure.key, measure.weight, score, others, measure.lower_is_better))
    everyone, risky = enrolled(contract)
    return hei.index(
        rates, measures=len(measures), enrollees=risky, risk_share=Decimal(risky) / max(everyone, 1),
        median_share=median_share, indices=list(indices_of(rates, scores)),
    )  # fmt: skip


def indices_of(rates: Sequence[SubsetRate], scores: Mapping[str, Mapping[str, Decimal]]) -> Iterator[Fraction]:
    """The index every published contract would have by its scores of these measures, where it has half of them."""
    points: dict[tuple[str, Decimal], int] = {}
    for one in rates:
        for score in set(scores[one.measure].values()):
            points[one.measure, score] = hei.points_of(replace(one, rate=score))
    for number in sorted({number for one in rates for number in scores[one.measure]}):
        held = [(one.weight, points[one.measure, scores[one.measure][number]])
                for one in rates if number in scores[one.measure]]  # fmt: skip
        weight = sum(weight for weight, _ in held)
        if weight and 2 * len(held) >= len(rates):
            yield Fraction(sum(weight * point for weight, point in held), weight)


def subset(contract: Contract, year: int, codes: Sequence[str]) -> dict[str, tuple[int, int]]:
    """Numerator and denominator of each measure among members at risk, of two years together. One query."""
    rows = (
        Gap.objects.filter(
            at_risk("member__"), contract=contract, year__in=(year - 1, year), star_eligible=True,
            measure__code__in=codes,
        )
        .values_list("measure__code")
        .annotate(
            numerator=Count("id", filter=Q(status=Status.CLOSED)),
            denominator=Count("id", filter=~Q(status=Status.NOT_APPLICABLE)),
        )
        .order_by("measure__code")
    )  # fmt: skip
    return {code: (numerator, denominator) for code, numerator, denominator in rows}


def enrolled(contract: Contract) -> tuple[int, int]:
    """Members enrolled in the contract now, and those of them at risk. One query."""
    found = Member.objects.active().filter(enrolments__contract=contract, enrolments__end_date=None)
    counts = found.aggregate(everyone=Count("id", distinct=True), risky=Count("id", filter=at_risk(), distinct=True))
    return counts["everyone"], counts["risky"]


def published_scores(keys: Sequence[str]) -> dict[str, dict[str, Decimal]]:
    """Scores of the newest tables loaded, by lasting key and contract. Raises ProblemError where there are none."""
    release = Release.objects.current().order_by("-star_year").first()
    if release is None:
        raise ProblemError(
            "asks to rank against all contracts, and no published tables are loaded (manage.py load_star_tables)",
            field=FIELD,
        )  # fmt: skip
    ids = {one.id: one.key for one in years.star_year(release.star_year).measures.values() if one.key in keys}
    rows = PublishedStar.objects.filter(
        contract__release=release, measure_id__in=ids
    ).exclude(contract__rated_as=RatedAs.PDP)  # fmt: skip
    found: dict[str, dict[str, Decimal]] = {}
    for measure_id, number, score in rows.values_list("measure_id", "contract__number", "score"):
        if score is not None:
            found.setdefault(ids[measure_id], {})[number] = score
    return found
