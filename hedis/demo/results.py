"""Laboratory results and weights: values that move with the person from year to year."""

from dataclasses import dataclass

import numpy as np

from hedis.demo.chance import Columns, closing, day_in, last_of, last_per_person, sigmoid, stacked, written
from hedis.demo.conditions import Health
from hedis.demo.people import People

A1C_LIMIT = 9.0  # per cent; GSD counts at most this (published measure name)
LOST_RESULTS = 0.03  # results a laboratory never sends; chosen for the demo
UNITS = {
    "4548-4": "%", "98979-8": "mL/min/{1.73_m2}", "9318-7": "mg/g", "13457-7": "mg/dL",
    "8480-6": "mm[Hg]", "8462-4": "mm[Hg]", "29463-7": "kg", "39156-5": "kg/m2",
}  # fmt: skip


@dataclass(frozen=True)
class Levels:
    """Each person's lasting level, in the unit of the result, before the plan-wide shift."""

    a1c: np.ndarray
    systolic: np.ndarray
    filtration: np.ndarray
    albumin: np.ndarray
    weight: np.ndarray
    kidney_inclination: np.ndarray


def draw_levels(people: People, health: Health, rng: np.random.Generator) -> Levels:
    """Draw lasting levels; the less engaged run a little higher."""
    n = len(people)
    ill = health.has("kidney_disease", last_of(2100))
    return Levels(
        a1c=5.9 + rng.gamma(2.2, 0.62, n) - 0.22 * people.engagement,
        systolic=128 + rng.normal(0, 9.5, n) - 2.5 * people.engagement,
        filtration=np.where(ill, rng.normal(44, 12, n), rng.normal(82, 13, n)).clip(6, 125),
        albumin=np.exp(rng.normal(2.6, 0.9, n) + 1.0 * ill),
        weight=rng.normal(82, 15, n).clip(45, 160),
        kidney_inclination=0.8 * people.engagement + 0.6 * rng.normal(size=n),
    )


def measured(person: np.ndarray, day: np.ndarray, loinc: str, value: np.ndarray, digits: int) -> Columns:
    """Results that are numbers, one a row, written with `digits` decimals and the unit of UNITS."""
    return {
        "person": person,
        "day": day,
        "loinc": np.full(len(person), loinc, dtype="<U10"),
        "result": written(f"%.{digits}f", value).astype("<U12"),
        "unit": np.full(len(person), UNITS[loinc], dtype="<U16"),
    }


def a1c_results(
    people: People, health: Health, levels: Levels, seen: np.ndarray, year: int, target: np.ndarray,
    rng: np.random.Generator,
) -> Columns:  # fmt: skip
    """Glycated haemoglobin: people with diabetes up to five times a year, a fifth of the others once.

    `seen` counts each person's visits in this year and the last: who was not seen is in no rate. The values are
    shifted per contract so that the year's last is at most 9 % for the target share of people with diabetes.
    """
    n, closes = len(people), last_of(year)
    diabetic = health.has("diabetes", closes)
    tested = rng.random(n) < np.where(diabetic, sigmoid(3.0 + 0.9 * people.engagement), 0.2)
    times = np.where(tested, 1 + diabetic * rng.binomial(4, sigmoid(0.3 * people.engagement), n), 0)
    person = np.repeat(np.arange(n), times)
    person = person[rng.random(len(person)) >= LOST_RESULTS]
    day = day_in(year, rng.random(len(person)))
    this_year = levels.a1c + rng.normal(0, 0.45, n)
    value = this_year[person] + rng.normal(0, 0.40, len(person))
    counted = diabetic & (people.age(year) >= 18) & (people.age(year) <= 75) & people.whole_year(year) & (seen > 1)
    last = last_per_person(person, day, n)
    final = np.where(last >= 0, value[last] if len(value) else 99.0, 99.0)
    group = people.contract_on(closes)
    shift = np.zeros(n)
    for index, rate in enumerate(target):
        own = counted & (group == index)
        if own.any():
            shift[group == index] = A1C_LIMIT - np.quantile(final[own], rate)
    value = np.where(diabetic[person], value + shift[person], 5.6 + 0.25 * (value - 7.2))
    return measured(person, day, "4548-4", value.clip(4.4, 16.0), 1)


def kidney_results(
    people: People, health: Health, levels: Levels, year: int, target: np.ndarray, rng: np.random.Generator
) -> Columns:
    """eGFR and urine albumin-creatinine ratio; many with diabetes get the first alone."""
    n, closes = len(people), last_of(year)
    diabetic = health.has("diabetes", closes)
    score = 1.6 * levels.kidney_inclination - 3.0 * ~diabetic
    counted = diabetic & (people.age(year) >= 18) & (people.age(year) <= 85) & people.whole_year(year)
    both = closing(score, np.zeros(n, dtype=bool), counted, people.contract_on(closes), target, rng)
    blood = np.flatnonzero(both | (rng.random(n) < np.where(diabetic, 0.75, 0.5)))
    drawn = day_in(year, rng.random(len(blood)))
    urine = np.flatnonzero(both)
    given = day_in(year, rng.random(len(urine)))
    lipids = np.flatnonzero(rng.random(n) < sigmoid(0.4 + 0.9 * people.engagement))
    egfr = (levels.filtration[blood] + rng.normal(0, 5, len(blood))).clip(4, 130)
    ratio = levels.albumin[urine] * np.exp(rng.normal(0, 0.35, len(urine)))
    ldl = rng.normal(96, 30, len(lipids)).clip(25, 240)
    return stacked(
        [
            measured(blood, drawn, "98979-8", egfr, 0),
            measured(urine, given, "9318-7", ratio, 1),
            measured(lipids, day_in(year, rng.random(len(lipids))), "13457-7", ldl, 0),
        ]
    )


def weights(people: People, levels: Levels, visits: Columns, rng: np.random.Generator) -> Columns:
    """Weight and body mass index at wellness visits."""
    wellness = np.isin(visits["hcpcs"], ["G0438", "G0439"])
    person, day = visits["person"][wellness], visits["start"][wellness]
    weight = levels.weight[person] + rng.normal(0, 1.5, len(person))
    height = np.where(people.female[person], 1.61, 1.75)
    return stacked(
        [measured(person, day, "29463-7", weight, 1), measured(person, day, "39156-5", weight / height**2, 1)]
    )
