"""One contract in one Star year, as CMS published it or as our own stored rating has it, ready for its pages."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse

from hedis.engine.rating_year import CutPoints
from hedis.members.models import Contract
from hedis.stars.closing import NextStar, next_star
from hedis.stars.models import PublishedContract, Rating
from hedis.stars.recomputing import recompute

PUBLISHED, OWN = "published", "own"


@dataclass(frozen=True)
class Shown:
    """What a page shows: the explanation, and the row it comes from, one of the two."""

    number: str
    star_year: int
    told: dict[str, Any]
    published: PublishedContract | None = None
    own: Rating | None = None

    @property
    def name(self) -> str:
        """The contract as people call it."""
        if self.published:
            return self.published.marketing_name or self.published.name
        return self.own.contract.name if self.own else ""

    @property
    def source(self) -> str:
        return PUBLISHED if self.published else OWN

    @property
    def label(self) -> str:
        """Number and year, as a heading of a column."""
        return f"{self.number} {self.star_year}" + (" own data" if self.own else "")


@dataclass(frozen=True)
class Entry:
    """One Star year of a contract's history."""

    star_year: int
    source: str


@dataclass(frozen=True)
class MeasureRow:
    """A measure on the contract's page: what is explained, and for our own counts what closes the next star.

    `links` lead to the gap lists behind the numbers.
    """

    told: dict[str, Any]
    counts: dict[str, Any] | None
    next: NextStar | None
    links: dict[str, str]


def find(number: str, star_year: int, *, with_own: bool, source: str = "") -> Shown | None:
    """A contract in a Star year: as published, else our own newest rating where `with_own`. `source` asks for one."""
    if source != OWN:
        row = PublishedContract.objects.for_year(star_year).filter(number=number).select_related("release").first()
        if row:
            return Shown(number, star_year, recompute(row), published=row)
    if with_own and source != PUBLISHED:
        rating = Rating.objects.filter(contract__number=number, star_year=star_year).select_related("contract").first()
        if rating:
            return Shown(number, star_year, rating.explanation, own=rating)
    return None


def history(number: str, *, with_own: bool) -> list[Entry]:
    """The Star years there is something to show of a contract, newest first."""
    published = PublishedContract.objects.current().filter(number=number)
    found = [Entry(year, PUBLISHED) for year in published.values_list("release__star_year", flat=True)]
    if with_own:
        ours = Rating.objects.filter(contract__number=number).order_by("star_year")
        found += [Entry(year, OWN) for year in ours.values_list("star_year", flat=True).distinct()]
    return sorted(found, key=lambda entry: (-entry.star_year, entry.source))


def own_rows(star_year: int, *, with_own: bool) -> tuple[list[PublishedContract], list[Rating]]:
    """Our own contracts: as published in a Star year, and the newest stored rating of each contract and year."""
    published = PublishedContract.objects.for_year(star_year).filter(number__in=Contract.objects.values("number"))
    if not with_own:
        return list(published), []
    newest = Rating.objects.order_by("contract__number", "-star_year", "-rated_at", "-id")
    newest = newest.distinct("contract__number", "star_year").select_related("contract").defer("inputs", "explanation")
    return list(published.order_by("number")), list(newest)


def measure_rows(shown: Shown, *, linked: bool) -> Iterator[tuple[dict[str, Any], list[MeasureRow]]]:
    """Domains in CMS's order, each with its measures; `linked` for those who may open the gap lists."""
    measures = {one["id"]: one for one in shown.told["measures"]}
    counted = counts_of(shown)
    for domain in shown.told["domains"]:
        told = [measures[name] for name in domain["measures"]]
        yield domain, [measure_row(one, counted.get(one["id"]), shown, linked=linked) for one in told]


def counts_of(shown: Shown) -> dict[str, dict[str, Any]]:
    """Numerator and denominator by measure id, of the measures our gaps give."""
    inputs = shown.own.inputs["measures"] if shown.own else {}
    return {name: one for name, one in inputs.items() if one["from"] == "gaps"}


def measure_row(told: dict[str, Any], counts: dict[str, Any] | None, shown: Shown, *, linked: bool) -> MeasureRow:
    """One measure with what it takes to the next star."""
    if counts is None or not told["cut_points"]:
        return MeasureRow(told, counts, None, {})
    cuts = CutPoints(*(Decimal(told["cut_points"][name]) for name in ("two", "three", "four", "five")))
    step = next_star(
        counts["numerator"], counts["denominator"], cuts,
        precision=Decimal(told["precision"]), lower_is_better=told["direction"] == "lower",
    )  # fmt: skip
    return MeasureRow(told, counts, step, gap_links(counts["measure"], shown) if linked else {})


def gap_links(measure: str, shown: Shown) -> dict[str, str]:
    """The gap lists that hold exactly the counted members: those of an age the Star measure counts."""
    kept = {"year": shown.star_year - 2, "measure": measure, "contract": shown.number, "star_eligible__exact": 1}
    statuses = {"numerator": "closed-gap", "denominator": "denominator", "open": "unmet"}
    address = reverse("admin:gaps_gap_changelist")
    return {name: f"{address}?{urlencode({**kept, 'status': status})}" for name, status in statuses.items()}


def csv_rows(domains: Iterable[tuple[dict[str, Any], list[MeasureRow]]]) -> Iterator[list[Any]]:
    """The measure table as lines of a file."""
    for domain, rows in domains:
        for row in rows:
            one, cuts, counts = row.told, row.told["cut_points"] or {}, row.counts or {}
            yield [
                one["id"], one["name"], domain["id"], domain["name"], one["shown_score"] or one.get("message", ""),
                one["unit"], one["star"], one["weight"], one["direction"], cuts.get("two"), cuts.get("three"),
                cuts.get("four"), cuts.get("five"), one["rule"], counts.get("numerator"), counts.get("denominator"),
                row.next.star if row.next else None, row.next.closures if row.next else None,
            ]  # fmt: skip


CSV_HEADER = ["measure", "name", "domain", "domain_name", "score", "unit", "star", "weight", "direction", "cut_2",
              "cut_3", "cut_4", "cut_5", "rule", "numerator", "denominator", "next_star",
              "closures_to_next_star"]  # fmt: skip
