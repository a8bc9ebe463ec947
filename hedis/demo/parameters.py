"""What the demo plan is made of: the data tables beside this module, and the settings of the simulation."""

import csv
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
NEVER = np.datetime64("2199-12-31", "D")
"""Stands for "does not happen"; later than every date the generator compares it with."""

COHORT_SIZE = 20_000
"""Members simulated together: bounds the memory of a large plan (chosen by measurement)."""

AGE_BANDS = (0, 65, 75, 85, 200)
"""Edges of the age bands of conditions.csv: under 65, 65-74, 75-84, 85 and over."""

YEARLY_MORTALITY = (0.016, 0.016, 0.040, 0.115)
"""By the same age bands; about the Medicare population's, chosen for the demo."""

AGES_65_UP = ((65, 70, 0.27), (70, 75, 0.28), (75, 80, 0.21), (80, 85, 0.13), (85, 90, 0.07), (90, 99, 0.04))
"""(from, below, share) of members who are 65 and over; chosen for the demo after published MA enrolment."""

LOOK_BACK_YEARS = 9
"""The longest look-back of a measure (colonoscopy): how far the oldest screening claims reach."""


@dataclass(frozen=True)
class Contract:
    """One invented contract; shares are fractions of its members."""

    number: str
    packages: tuple[str, ...]
    snp_type: str
    share: float
    under_65: float
    dual: float
    hispanic: float
    black: float
    asian: float
    non_english: float


@dataclass(frozen=True)
class Condition:
    """A chronic condition: ICD-10-CM codes (no dot), prevalence by AGE_BANDS, and how it shows in claims."""

    name: str
    codes: tuple[str, ...]
    prevalence: tuple[float, float, float, float]
    snp_factor: float
    coded_at_visit: float
    yearly_incidence: float


@dataclass(frozen=True)
class Drug:
    """A package of the invented formulary; the labelers 99998 and 99999 belong to nobody."""

    ndc: str
    ingredient: str
    drug_class: str
    weight: float


@dataclass(frozen=True)
class Calendar:
    """The three years the plan has files for, and the day they were drawn."""

    as_of: date

    @property
    def years(self) -> tuple[int, int, int]:
        """The calendar years simulated, the last one part-way."""
        return (self.as_of.year - 2, self.as_of.year - 1, self.as_of.year)

    @property
    def look_back(self) -> int:
        """The year before the first, of which only visits and screenings are filed: measures look back on it."""
        return self.as_of.year - 3

    @property
    def opens(self) -> np.datetime64:
        """First day of the first year."""
        return np.datetime64(f"{self.years[0]}-01-01", "D")

    @property
    def drawn(self) -> np.datetime64:
        """The as-of day in numpy's form."""
        return np.datetime64(self.as_of, "D")


def _rows(name: str) -> list[dict[str, str]]:
    with (HERE / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def contracts() -> list[Contract]:
    """The contracts of contracts.csv, in file order."""
    return [
        Contract(
            row["contract"],
            tuple(row["packages"].split("|")),
            row["snp_type"],
            *(float(row[name]) for name in ("share", "under_65", "dual", "hispanic", "black", "asian", "non_english")),
        )
        for row in _rows("contracts.csv")
    ]


def conditions() -> list[Condition]:
    """The conditions of conditions.csv, in file order."""
    return [
        Condition(
            row["condition"],
            tuple(row["codes"].split("|")),
            (float(row["under_65"]), float(row["age_65_74"]), float(row["age_75_84"]), float(row["age_85"])),
            float(row["snp_factor"]),
            float(row["coded_at_visit"]),
            float(row["yearly_incidence"]),
        )
        for row in _rows("conditions.csv")
    ]


def formulary() -> list[Drug]:
    """The packages of formulary.csv, in file order."""
    return [
        Drug(row["ndc"], row["rxnorm_ingredient"], row["drug_class"], float(row["weight"]))
        for row in _rows("formulary.csv")
    ]


def target_rates() -> dict[str, np.ndarray]:
    """Measure -> the rate aimed at, as a fraction, one per contract in the order of `contracts()`."""
    numbers = [contract.number for contract in contracts()]
    return {
        row["measure"]: np.array([float(row[number]) for number in numbers]) / 100
        for row in _rows("national_rates.csv")
    }
