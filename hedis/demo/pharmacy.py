"""Fills: who takes which medicine since when, and how regularly they collect it."""

from dataclasses import dataclass

import numpy as np

from hedis.demo.chance import Columns, closing, first_of, last_of, sigmoid, stacked
from hedis.demo.conditions import Health
from hedis.demo.parameters import NEVER, Calendar, Drug
from hedis.demo.people import DAY, People

ADHERENCE_MEASURE = {"statin": "PDC-STA", "ras": "PDC-RASA", "diabetes": "PDC-DR"}
FILLS = 16  # most fills a person can make of one medicine in a year
NEW_USERS = 0.10  # share of users who start within the three years; chosen for the demo
REVERSED_FILLS = 0.006
NINETY_DAYS = 0.55


@dataclass(frozen=True)
class Therapy:
    """People on one class of medicine: person, first day, row of the formulary, days' supply, inclination."""

    drug_class: str
    person: np.ndarray
    since: np.ndarray
    drug: np.ndarray
    other_package: np.ndarray
    supply: np.ndarray
    inclination: np.ndarray


def draw_therapies(
    people: People, health: Health, drugs: list[Drug], supd: np.ndarray, calendar: Calendar, rng: np.random.Generator
) -> list[Therapy]:
    """Who is treated with what. `supd` is the target share of treated people with diabetes who also get a statin."""
    n = len(people)
    ever = last_of(calendar.years[2])
    diabetes, pressure = health.has("diabetes", ever), health.has("hypertension", ever)
    lipids, heart = health.has("hyperlipidemia", ever), health.has("heart_failure", ever)
    treated = diabetes & (rng.random(n) < 0.80)
    starts = 1 - NEW_USERS / 3
    statin = rng.random(n) < np.where(treated, supd[people.contract] / starts, np.where(lipids, 0.66, 0.04))
    chance = {
        "statin": statin,
        "ras": rng.random(n) < np.where(pressure, 0.60, np.where(diabetes, 0.25, 0.01)),
        "diabetes": treated,
        "insulin": diabetes & (rng.random(n) < 0.13),
        "arni": heart & (rng.random(n) < 0.08),
        "dementia": health.has("dementia", ever) & (rng.random(n) < 0.5),
        "other": rng.random(n) < np.where(pressure, 0.7, 0.4),
    }
    lasting = 0.5 * people.engagement + 0.55 * rng.normal(size=n)
    return [_therapy(name, takes, lasting, drugs, calendar, rng) for name, takes in chance.items()]


def _therapy(
    name: str, takes: np.ndarray, lasting: np.ndarray, drugs: list[Drug], calendar: Calendar, rng: np.random.Generator
) -> Therapy:
    person = np.flatnonzero(takes)
    count = len(person)
    own = np.array([index for index, drug in enumerate(drugs) if drug.drug_class == name])
    weight = np.array([drugs[index].weight for index in own])
    drug = rng.choice(own, count, p=weight / weight.sum())
    span = (last_of(calendar.years[2]) - calendar.opens).astype(int)
    begins = np.where(rng.random(count) < NEW_USERS, rng.integers(0, span, count), -1).astype("timedelta64[D]")
    return Therapy(
        drug_class=name,
        person=person,
        since=calendar.opens + begins,
        drug=drug,
        other_package=_other_package(drugs)[drug],
        supply=np.where(rng.random(count) < NINETY_DAYS, 90, 30),
        inclination=lasting[person] + 0.6 * rng.normal(size=count),
    )


def _other_package(drugs: list[Drug]) -> np.ndarray:
    """For each package, another of the same ingredient: pharmacies change the maker, not the medicine."""
    same = {drug.ingredient: index for index, drug in enumerate(drugs)}
    return np.array([same[drug.ingredient] for drug in drugs])


def fills(people: People, therapy: Therapy, year: int, target: np.ndarray | None, rng: np.random.Generator) -> Columns:
    """One year's fills of one class: person, day, drug (row of the formulary), supply, reversed (bool).

    Where the class has an adherence measure, the share of regular collectors comes to `target` per contract.
    """
    count, opens, closes = len(therapy.person), first_of(year), last_of(year)
    first = np.maximum(therapy.since, opens) + np.floor(rng.random(count) * therapy.supply * 0.7) * DAY
    regular = _regular(people, therapy, year, first, target, rng)
    left = ((closes - first).astype(int)).clip(1, 365)
    gaps, stops = _habits(regular, therapy.supply, left, rng)
    steps = therapy.supply[:, None] + gaps
    offset = np.concatenate([np.zeros((count, 1)), np.cumsum(steps, axis=1)[:, :-1]], axis=1)
    row, position = np.nonzero((offset <= left[:, None]) & (offset < stops[:, None]) & (first <= closes)[:, None])
    day = first[row] + np.floor(offset[row, position]).astype("timedelta64[D]")
    switched = rng.random(len(row)) < 0.12
    return {
        "person": therapy.person[row],
        "day": day,
        "drug": np.where(switched, therapy.other_package[row], therapy.drug[row]),
        "supply": therapy.supply[row],
        "reversed": rng.random(len(row)) < REVERSED_FILLS,
    }


def _regular(
    people: People, therapy: Therapy, year: int, first: np.ndarray, target: np.ndarray | None, rng: np.random.Generator
) -> np.ndarray:
    """Who collects regularly all year."""
    count, person = len(therapy.person), therapy.person
    score = 1.3 * therapy.inclination + 0.5 * rng.normal(size=count)
    if target is None:
        return rng.random(count) < sigmoid(1.6 + score)
    counted = people.whole_year(year)[person] & (first <= last_of(year) - 91 * DAY)
    group = people.contract_on(last_of(year), person)
    return closing(score, np.zeros(count, dtype=bool), counted, group, target, rng)


def _habits(
    regular: np.ndarray, supply: np.ndarray, left: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Days late at each refill (early: negative), and the day after which there is none.

    Irregular collectors are late from some fill on, or fine until a long hole, or fine until they stop; regular ones
    often have a hole too, too short to matter. What June shows is a hint, not the answer.
    """
    count = len(regular)
    pattern = rng.choice(4, count, p=[0.30, 0.38, 0.26, 0.06])
    gaps = rng.normal(0.0, 0.045, (count, FILLS)) * supply[:, None] + rng.integers(-1, 2, (count, FILLS))
    fills_made = np.maximum(1, np.floor(0.65 * left / supply)).astype(int)
    late = ~regular & (pattern == 0)
    begins = rng.uniform(0.0, 0.5, count)  # share of the year before the first late fill
    uncovered = rng.uniform(0.22, 0.35, count) / (1 - begins)
    after = np.arange(FILLS) >= np.floor(begins * left / supply)[:, None]
    gaps += np.where(late[:, None] & after, (uncovered / (1 - uncovered) * supply)[:, None], 0.0)
    holed = (~regular & (pattern == 1)) | (regular & (rng.random(count) < 0.35))
    length = np.where(regular, rng.uniform(0.06, 0.165, count), rng.uniform(0.24, 0.42, count)) * left
    where = np.floor(rng.random(count) * fills_made).astype(int).clip(0, FILLS - 1)
    gaps[np.flatnonzero(holed), where[holed]] += length[holed]
    stop_by = np.maximum(0.76 * left - supply, 1)
    stops = np.where(~regular & (pattern >= 2), rng.uniform(0.35, 1.0, count) * stop_by, NEVER.astype(int))
    return gaps, stops


def year_of_fills(
    people: People,
    therapies: list[Therapy],
    year: int,
    targets: dict[str, np.ndarray],
    rng: np.random.Generator,
) -> Columns:
    """All fills of a cohort in a year, reversed ones followed by a fill that stood two days later."""
    tables = [
        fills(people, therapy, year, targets.get(ADHERENCE_MEASURE.get(therapy.drug_class, "")), rng)
        for therapy in therapies
    ]
    made = stacked(tables)
    again = {name: column[made["reversed"]] for name, column in made.items()}
    again["day"] = again["day"] + 2 * DAY
    again["reversed"] = np.zeros(len(again["day"]), dtype=bool)
    return stacked([made, again])
