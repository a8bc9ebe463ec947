"""The equity lens from what is stored: rates and outreach by stratum and practice, of each contract and measure.

One query for the rates and one for the outreach of a characteristic, however many contracts, measures or strata. The
arithmetic and the withholding of small cells are `equity`. Contracts are never added up: a total over contracts beside
the contracts themselves would give a withheld cell away.
"""

import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

from django.db.models import Case, CharField, Count, Exists, F, FilteredRelation, OuterRef, Q, Value, When
from django.db.models.expressions import Expression

from hedis.gaps.models import UNMET, Gap, Status
from hedis.members.models import Member
from interventions.equity import (
    Outreach,
    OutreachShares,
    Split,
    Stratified,
    Stratum,
    outreach_shares,
    split_by_practice,
    stratified,
)
from interventions.models import Attempt, InterventionGap, Outcome

FILE = Path(__file__).resolve().parent / "reference" / "strata.toml"
LIS, DUAL, DISABILITY, SEX, AGE, LANGUAGE = BY = ("lis", "dual", "disability", "sex", "age", "language")
DUAL_CODES = ("01", "02", "03", "04", "05", "06", "08", "1", "2", "3", "4", "5", "6", "8")
NOT_DUAL_CODES = ("NA", "00", "0", "09", "9")
UNKNOWN = "Not known"
# What tells that a person was spoken to.
REACHED = "reached"


@dataclass(frozen=True)
class MeasureStrata:
    """A measure of a contract by one characteristic, as it may be shown.

    `splits`: the gap to the reference within and between practices, of the strata that are shown; None where either
    side is too small. `outreach`: by level, of the members in need; empty where no outreach has begun.
    """

    contract: str
    code: str
    name: str
    found: Stratified
    splits: Mapping[str, Split | None]
    outreach: Mapping[str, OutreachShares]


@cache
def characteristics() -> dict[str, dict[str, Any]]:
    """The characteristics as data: name, reference and source of each."""
    return tomllib.loads(FILE.read_text(encoding="utf-8"))


def level_of(by: str, year: int) -> Expression:
    """The member's level of a characteristic, in SQL; an empty text where it is not known. Raises KeyError."""
    text: dict[str, Any] = {"output_field": CharField(), "default": Value("")}
    return {
        LIS: Case(When(member__low_income_subsidy=True, then=Value("With")),
                  output_field=CharField(), default=Value("Without")),
        DUAL: Case(When(member__dual_status_code__in=DUAL_CODES, then=Value("Dual")),
                   When(member__dual_status_code__in=NOT_DUAL_CODES, then=Value("Not dual")), **text),
        DISABILITY: Case(When(member__original_reason_code__in=("1", "3"), then=Value("Disabled")),
                         When(member__original_reason_code__in=("0", "2"), then=Value("Not disabled")), **text),
        SEX: Case(When(member__sex=Member.Sex.FEMALE, then=Value("Female")),
                  When(member__sex=Member.Sex.MALE, then=Value("Male")), **text),
        AGE: Case(*(When(member__birth_year__lte=year - first, then=Value(words)) for first, words in age_bands()),
                  output_field=CharField(), default=Value(youngest())),
        LANGUAGE: Case(When(member__language="", then=Value("")), default=F("member__language"),
                       output_field=CharField()),
    }[by]  # fmt: skip


def age_bands() -> list[tuple[int, str]]:
    """First age and words of each band but the youngest, oldest first."""
    starts = characteristics()[AGE]["from"]
    ends = [*(f"–{after - 1}" for after in starts[1:]), " and over"]
    return [(first, f"{first}{end}") for first, end in zip(starts, ends, strict=True)][::-1]


def youngest() -> str:
    """The words of the youngest band."""
    return f"Under {characteristics()[AGE]['from'][0]}"


def scope(year: int, contracts: Sequence[str] | None, measure: str | None) -> Any:
    """Gaps the lens looks at: of the contracts and measure, of an age the Star measure counts."""
    gaps = Gap.objects.for_year(year).filter(star_eligible=True, contract__isnull=False)
    if contracts is not None:
        gaps = gaps.filter(contract__number__in=contracts)
    return gaps.filter(measure__code=measure) if measure else gaps


def read(by: str, year: int, *, contracts: Sequence[str] | None = None, measure: str | None = None
         ) -> list[MeasureStrata]:  # fmt: skip
    """The lens over one characteristic, by contract and measure. Two queries."""
    gaps = scope(year, contracts, measure)
    helped = {key: list(rows) for key, rows in groupby(outreach_rows(gaps, by, year), key=itemgetter(0, 1))}
    return [
        strata_of(by, list(rows), helped.get((key[0], key[1]), []))
        for key, rows in groupby(rate_rows(gaps, by, year), key=itemgetter(0, 1, 2))
    ]


def rate_rows(gaps: Any, by: str, year: int) -> Iterable[tuple[Any, ...]]:
    """Contract, code, name, level, practice, numerator and denominator. One query.

    A member without a provider is of no practice, which is one more.
    """
    counted: Iterable[tuple[Any, ...]] = (
        gaps.exclude(status=Status.NOT_APPLICABLE)
        .annotate(
            level=level_of(by, year),
            now=FilteredRelation("member__attributions", condition=Q(member__attributions__end_date=None)),
        )
        .order_by("contract__number", "measure__code", "level", "now__provider__practice")
        .values_list("contract__number", "measure__code", "measure__name", "level", "now__provider__practice")
        .annotate(numerator=Count("pk", filter=Q(status=Status.CLOSED)), denominator=Count("pk"))
    )
    return counted


def outreach_rows(gaps: Any, by: str, year: int) -> Iterable[tuple[Any, ...]]:
    """Contract, code, level, members in need, offered, reached, closed. One query.

    In need: not met, or offered help. Offered: an intervention about the gap was begun or an attempt was made.
    Reached: somebody was spoken to, or the care was given. Closed: reached, and met today.
    """
    of_gap = InterventionGap.objects.filter(gap=OuterRef("pk"))
    tried = Attempt.objects.filter(intervention__links__gap=OuterRef("pk"))
    offered, reached, met = Q(offered=True), Q(reached=True), Q(status=Status.CLOSED)
    counted: Iterable[tuple[Any, ...]] = (
        gaps.exclude(status=Status.NOT_APPLICABLE)
        .annotate(
            level=level_of(by, year),
            offered=Exists(of_gap.filter(intervention__started_at__isnull=False)) | Exists(tried),
            reached=Exists(tried.filter(disposition__startswith=REACHED))
            | Exists(of_gap.filter(intervention__outcome__in=(Outcome.SUCCESS, Outcome.PARTIAL))),
        )
        .filter(Q(status__in=UNMET) | offered)
        .order_by("contract__number", "measure__code", "level")
        .values_list("contract__number", "measure__code", "level")
        .annotate(
            in_need=Count("pk"),
            were_offered=Count("pk", filter=offered),
            were_reached=Count("pk", filter=offered & reached),
            closed=Count("pk", filter=offered & reached & met),
        )
    )
    return counted


def strata_of(by: str, rows: Sequence[tuple[Any, ...]], helped: Sequence[tuple[Any, ...]]) -> MeasureStrata:
    """One measure of one contract from its rows by level and practice."""
    contract, code, name = rows[0][:3]
    practices: dict[str, dict[str, tuple[int, int]]] = {}
    for _, _, _, level, practice, numerator, denominator in rows:
        before = practices.setdefault(level, {}).get(practice or "", (0, 0))
        practices[level][practice or ""] = (before[0] + numerator, before[1] + denominator)
    strata = [
        Stratum(level, *map(sum, zip(*practices[level].values(), strict=True)))
        for level in sorted(practices, key=lambda level: (not level, level != youngest(), level))
    ]
    reference = reference_of(by, strata)
    found = stratified(by, strata, reference)
    splits = {row.level: split_by_practice(practices[row.level], practices[reference]) for row in found.rows if row.gap}
    return MeasureStrata(contract, code, name, found, splits, dict(outreach_of(helped)))


def reference_of(by: str, strata: Sequence[Stratum]) -> str:
    """The level the others are compared with: as the file says, else the largest that is known."""
    named = characteristics()[by]["reference"]
    if named and any(stratum.level == named and stratum.denominator for stratum in strata):
        return str(named)
    return max(strata, key=lambda stratum: (bool(stratum.level), stratum.denominator, stratum.level)).level


def outreach_of(rows: Sequence[tuple[Any, ...]]) -> Iterator[tuple[str, OutreachShares]]:
    """Each level's steps; nothing where no outreach has begun."""
    if any(row[4] for row in rows):
        for found in outreach_shares([Outreach(*row[2:]) for row in rows]):
            yield found.level, found


def words_of(level: str) -> str:
    """A level as people read it."""
    return level or UNKNOWN
