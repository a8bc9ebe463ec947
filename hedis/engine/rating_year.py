"""What holds in one Star year: measures, cut points, thresholds, adjustment values. Data only, filled from files.

Measure ids shift from year to year, so a measure also has a `key` that stays. All figures are exact: Decimal or int.
Percentages are 0 to 100.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum


class NotInThisYear(LookupError):
    """The Star year has no such measure, cut point, threshold or adjustment value."""


class Part(StrEnum):
    """What is rated: two summaries, and for contracts with drugs the overall rating."""

    C = "part_c"
    D = "part_d"
    OVERALL = "overall"


class RatedAs(StrEnum):
    """CMS's contract type, which decides the highest rating (TN26 Table 3)."""

    MA_PD = "MA-PD"
    MA_ONLY = "MA-only"
    PDP = "PDP"

    @property
    def highest(self) -> Part:
        """The rating a contract is known by: it alone gets the improvement hold harmless."""
        return {RatedAs.MA_PD: Part.OVERALL, RatedAs.MA_ONLY: Part.C, RatedAs.PDP: Part.D}[self]

    @property
    def parts(self) -> tuple[Part, ...]:
        """The ratings a contract of this type can get."""
        return (Part.C, Part.D, Part.OVERALL) if self is RatedAs.MA_PD else (self.highest,)


class Disaster(StrEnum):
    """Which year's disasters a measure is adjusted for: the measurement year's, the one before, or none."""

    CURRENT = "current"
    PREVIOUS = "previous"
    NEVER = "never"


class Method(StrEnum):
    """How a score becomes a star."""

    CLUSTERING = "clustering"
    CAHPS = "cahps"
    IMPROVEMENT = "improvement"


@dataclass(frozen=True)
class Measure:
    """One measure in one Star year. `precision` is the step the score is rounded to before it meets a cut point."""

    id: str
    key: str
    name: str
    domain_id: str
    domain: str
    category: str
    weight: int
    lower_is_better: bool
    method: Method
    precision: Decimal
    unit: str
    scale_low: Decimal | None
    scale_high: Decimal | None
    new: bool
    disaster: Disaster
    duplicate_of: str
    puerto_rico_zero: bool
    required_of: frozenset[str]

    @property
    def part(self) -> Part:
        return Part.C if self.id.startswith("C") else Part.D


@dataclass(frozen=True)
class CutPoints:
    """The score from which 2, 3, 4 and 5 stars are given, on the better side inclusive."""

    two: Decimal
    three: Decimal
    four: Decimal
    five: Decimal

    def __iter__(self) -> Iterator[Decimal]:
        return iter((self.two, self.three, self.four, self.five))


@dataclass(frozen=True)
class Thresholds:
    """The percentiles of all contracts' weighted means and variances that decide the reward factor."""

    mean_65: Decimal
    mean_85: Decimal
    variance_30: Decimal
    variance_70: Decimal


@dataclass(frozen=True)
class CaiCell:
    """One cell of the CAI grid: from these shares of LIS/DE and disabled beneficiaries, this category."""

    lis_de_from: Decimal
    disability_from: Decimal
    category: int


@dataclass(frozen=True)
class Guardrails:
    """How far a cut point may move in a year: points on a 0-100 scale, else percent of last year's score range."""

    points: Decimal
    range_percent: Decimal
    free: frozenset[str]


@dataclass(frozen=True)
class StarYear:
    """Everything the rating of one Star year needs."""

    year: int
    status: str
    measures: Mapping[str, Measure]
    cut_points: Mapping[tuple[str, str], CutPoints]
    thresholds: Mapping[tuple[str, bool, bool], Thresholds]
    cai_values: Mapping[tuple[str, int], Decimal]
    cai_grid: Mapping[str, tuple[CaiCell, ...]]
    minimums: Mapping[tuple[str, str], int]
    cahps_stars: Mapping[tuple[int, str, str, bool], int]
    cahps_reliability: Mapping[tuple[str, str], Decimal]
    reward: Mapping[tuple[str, str], Decimal]
    disaster_share: Decimal
    hold_harmless_star: Decimal
    highest_star: Decimal
    guardrails: Guardrails

    def measure(self, measure_id: str) -> Measure:
        """Raises NotInThisYear for an id this year does not know."""
        try:
            return self.measures[measure_id]
        except KeyError:
            raise NotInThisYear(f"Star year {self.year} has no measure {measure_id!r}") from None

    def cuts(self, measure_id: str, rated_as: RatedAs) -> CutPoints:
        """The cut points of a measure; Part D has its own for PDP contracts (TN26 p. 9)."""
        contract_type = "MA" if self.measure(measure_id).part is Part.C else column_type(rated_as)
        try:
            return self.cut_points[measure_id, contract_type]
        except KeyError:
            raise NotInThisYear(f"Star year {self.year} has no cut points for {measure_id} {contract_type}") from None

    def cai(self, column: str, category: int) -> Decimal:
        """The CAI value of a final adjustment category (TN26 Tables 12, 15, 18, 21)."""
        try:
            return self.cai_values[column, category]
        except KeyError:
            raise NotInThisYear(f"Star year {self.year} has no CAI value for {column} category {category}") from None

    def reward_thresholds(self, column: str, improvement: bool, new_measures: bool) -> Thresholds:
        """The thresholds of a scenario (TN26 Tables 8, 9). A year without new measures has none without them."""
        try:
            return self.thresholds[column, improvement, new_measures]
        except KeyError:
            raise NotInThisYear(
                f"Star year {self.year} has no reward thresholds for {column}, improvement {improvement}, "
                f"new measures {new_measures}"
            ) from None

    def cai_category(self, column: str, lis_de: Decimal, disability: Decimal) -> int:
        """The final adjustment category from a contract's LIS/DE and disability shares, in percent.

        Bands begin inclusive; the last LIS/DE group of MA contracts is exactly 100 % (TN26 Tables 10 to 21).
        """
        cells = [
            c
            for c in self.cai_grid.get(column, ())
            if c.lis_de_from <= lis_de <= 100 and c.disability_from <= disability <= 100
        ]
        if not cells:
            raise NotInThisYear(f"Star year {self.year} has no CAI grid for {column}, {lis_de} %, {disability} %")
        return max(cells, key=lambda cell: (cell.lis_de_from, cell.disability_from)).category


def column(part: Part, rated_as: RatedAs) -> str:
    """CMS's column of thresholds and CAI values: Part D is split by contract type."""
    return part.value if part is not Part.D else f"part_d_{'pdp' if rated_as is RatedAs.PDP else 'mapd'}"


def column_type(rated_as: RatedAs) -> str:
    """The contract type of Part D cut points."""
    return "PDP" if rated_as is RatedAs.PDP else "MA-PD"
