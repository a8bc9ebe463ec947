"""Invented doctors and practices, and who looks after whom."""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hedis.demo.chance import Columns
from hedis.demo.parameters import Calendar
from hedis.demo.people import DAY, People

MEMBERS_PER_PROVIDER = 60
PROVIDERS_PER_PRACTICE = 4
NPI_RANGE = "1999"
"""All demo NPIs start so: the check digit is right, the range invented."""
UNATTRIBUTED = 0.04  # share of members with no doctor in the plan's books; chosen for the demo
FAMILY = ("Ashdown", "Birchall", "Calder", "Dunmore", "Elsworth", "Farleigh", "Garside", "Hartnell", "Ivory", "Jessop")
GIVEN = ("Avery", "Blake", "Casey", "Devon", "Ellis", "Finley", "Gray", "Harper", "Indigo", "Jules", "Kerry")
PLACES = ("Alder", "Brook", "Cedar", "Dale", "Elm", "Fern", "Grove", "Hill", "Lake", "Mill", "Oak", "Pine", "Rowan")


@dataclass(frozen=True)
class Providers:
    """Invented doctors: NPI, name and practice, a value each; `quality` shifts their members' engagement."""

    npi: np.ndarray
    name: np.ndarray
    practice: np.ndarray
    quality: np.ndarray


def check_digit(first_nine: str) -> int:
    """The NPI's tenth digit: Luhn over 80840 and the first nine (45 CFR 162.406; CMS NPI standard)."""
    digits = [int(character) for character in "80840" + first_nine]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[::-2]]
    return -(sum(doubled) + sum(digits[-2::-2])) % 10


def npi(serial: int) -> str:
    """The demo NPI with a serial number below 100,000."""
    first_nine = f"{NPI_RANGE}{serial:05d}"
    return f"{first_nine}{check_digit(first_nine)}"


def draw_providers(members: int, rng: np.random.Generator) -> Providers:
    """About one provider per sixty members, in practices of four whose quality differs."""
    count = max(3, -(-members // MEMBERS_PER_PROVIDER))
    practice = np.arange(count) // PROVIDERS_PER_PRACTICE
    quality = rng.normal(0, 1, practice[-1] + 1)[practice] * 0.8 + rng.normal(0, 0.6, count)
    names = [f"{GIVEN[index % len(GIVEN)]} {FAMILY[index // len(GIVEN) % len(FAMILY)]}" for index in range(count)]
    places = [f"{PLACES[each % len(PLACES)]} Street Clinic {each // len(PLACES) + 1}" for each in practice]
    return Providers(np.array([npi(index) for index in range(count)]), np.array(names), np.array(places), quality)


def write_providers(path: Path, providers: Providers) -> int:
    """Write provider.csv (npi, name, practice); returns the number of rows."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("npi", "name", "practice"))
        writer.writerows(zip(providers.npi, providers.name, providers.practice, strict=True))
    return len(providers.npi)


def attribution(people: People, calendar: Calendar, rng: np.random.Generator) -> Columns:
    """The doctor the plan holds responsible, a row a member and month of membership up to the as-of day.

    Columns: person, month (YYYYMM), provider (position), contract (index).
    """
    n = len(people)
    first = np.datetime64(f"{calendar.years[0]}-01", "M")
    months = np.arange(first, calendar.drawn.astype("datetime64[M]") + 1)
    person, month = np.repeat(np.arange(n), len(months)), np.tile(months, n)
    opens = month.astype("datetime64[D]")
    closes = (month + 1).astype("datetime64[D]") - DAY
    away = (opens >= people.break_from[person]) & (opens <= people.break_to[person])
    member = (people.joined[person] <= closes) & (people.left[person] >= opens) & ~away
    kept = member & (rng.random(n) >= UNATTRIBUTED)[person]
    return {
        "person": person[kept],
        "month": np.tile(np.char.replace(months.astype("<U7"), "-", ""), n)[kept],
        "provider": people.provider_on(opens, person)[kept],
        "contract": people.contract_on(opens, person)[kept],
    }
