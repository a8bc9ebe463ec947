"""Laboratory results and blood pressures: values that move with the person from year to year."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from hedis.demo.chance import Columns, closing, day_in, last_of, last_per_person, sigmoid, stacked
from hedis.demo.conditions import Health
from hedis.demo.people import People

A1C_LIMIT, SYSTOLIC_LIMIT, DIASTOLIC_LIMIT = 9.0, 140, 90  # GSD: at most; CBP: below (published measure names)
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
        systolic=128 + rng.normal(0, 8.0, n) - 2.0 * people.engagement,
        filtration=np.where(ill, rng.normal(44, 12, n), rng.normal(82, 13, n)).clip(6, 125),
        albumin=np.exp(rng.normal(2.6, 0.9, n) + 1.0 * ill),
        weight=rng.normal(82, 15, n).clip(45, 160),
        kidney_inclination=0.6 * people.engagement + 0.8 * rng.normal(size=n),
    )


def _measured(person: np.ndarray, day: np.ndarray, loinc: str, value: np.ndarray, digits: int) -> Columns:
    text = np.char.mod(f"%.{digits}f", value) if len(value) else np.empty(0, dtype="<U12")
    return {
        "person": person,
        "day": day,
        "loinc": np.full(len(person), loinc, dtype="<U10"),
        "result": text.astype("<U12"),
        "unit": np.full(len(person), UNITS[loinc], dtype="<U16"),
    }


def a1c_results(
    people: People, health: Health, levels: Levels, seen: np.ndarray, year: int, target: np.ndarray,
    rng: np.random.Generator,
) -> Columns:  # fmt: skip
    """Glycated haemoglobin: people with diabetes up to five times a year, a fifth of the others once.

    `seen` counts each person's visits in the year: nobody unseen enters the rate. The values are shifted per
    contract so that the last of the year is at most 9 % for the target share of people with diabetes.
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
    last = last_per_person(person, day + 0, n)
    final = np.where(last >= 0, value[last] if len(value) else 99.0, 99.0)
    group = people.contract_on(closes)
    shift = np.zeros(n)
    for index, rate in enumerate(target):
        own = counted & (group == index)
        if own.any():
            shift[group == index] = A1C_LIMIT - np.quantile(final[own], rate)
    value = np.where(diabetic[person], value + shift[person], 5.6 + 0.25 * (value - 7.2))
    return _measured(person, day, "4548-4", value.clip(4.4, 16.0), 1)


def kidney_results(
    people: People, health: Health, levels: Levels, year: int, target: np.ndarray, rng: np.random.Generator
) -> Columns:
    """eGFR and urine albumin-creatinine ratio; many with diabetes get the first alone."""
    n, closes = len(people), last_of(year)
    diabetic = health.has("diabetes", closes)
    score = 1.1 * levels.kidney_inclination + 0.5 * rng.normal(size=n) - 3.0 * ~diabetic
    counted = diabetic & (people.age(year) >= 18) & (people.age(year) <= 85) & people.whole_year(year)
    both = closing(score, np.zeros(n, dtype=bool), counted, people.contract_on(closes), target, rng)
    blood = np.flatnonzero(both | (rng.random(n) < np.where(diabetic, 0.75, 0.5)))
    drawn = day_in(year, rng.random(len(blood)))
    urine = np.flatnonzero(both)
    given = day_in(year, rng.random(len(urine)))
    lipids = np.flatnonzero(rng.random(n) < sigmoid(0.4 + 0.5 * people.engagement))
    egfr = (levels.filtration[blood] + rng.normal(0, 5, len(blood))).clip(4, 130)
    ratio = levels.albumin[urine] * np.exp(rng.normal(0, 0.35, len(urine)))
    ldl = rng.normal(96, 30, len(lipids)).clip(25, 240)
    return stacked(
        [
            _measured(blood, drawn, "98979-8", egfr, 0),
            _measured(urine, given, "9318-7", ratio, 1),
            _measured(lipids, day_in(year, rng.random(len(lipids))), "13457-7", ldl, 0),
        ]
    )


def blood_pressures(
    people: People, health: Health, levels: Levels, visits: Columns, year: int, target: np.ndarray,
    rng: np.random.Generator,
) -> Columns:  # fmt: skip
    """Readings at visits, taken again the same day where the first was high; shifted per contract to the target.

    The measure takes the last day's lowest systolic and lowest diastolic, so the shift is solved on those.
    """
    n, closes = len(people), last_of(year)
    recorded = (visits["place"] == "11") | (visits["place"] == "22")
    recorded &= rng.random(len(recorded)) < 0.88
    person, day = visits["person"][recorded], visits["start"][recorded]
    count = len(person)
    hypertensive = health.has("hypertension", closes)
    ill = 3.0 * hypertensive + 3.0 * health.has("diabetes", closes)
    systolic = (levels.systolic + ill + rng.normal(0, 5, n))[person] + rng.normal(0, 8, count)
    diastolic = 76 + 0.35 * (systolic - 130) + rng.normal(0, 6, count) - 0.12 * (people.age(year)[person] - 70)
    drop, again = np.abs(rng.normal(6, 6, count)), rng.random(count) < 0.6
    group = people.contract_on(closes)
    visited = np.bincount(visits["person"], minlength=n)
    counted = hypertensive & (people.age(year) <= 85) & people.whole_year(year) & (visited >= 2)
    last = last_per_person(person, day + 0, n)

    def controlled(rows: np.ndarray, shift: float) -> np.ndarray:
        first = systolic[rows] + shift
        lowest = first - np.where((first >= SYSTOLIC_LIMIT) & again[rows], drop[rows], 0)
        return (np.floor(lowest) < SYSTOLIC_LIMIT) & (np.floor(diastolic[rows] + 0.4 * shift) < DIASTOLIC_LIMIT)

    shift = np.zeros(n)
    for index, rate in enumerate(target):
        own = counted & (group == index)
        shift[group == index] = _pressure_shift(last[own], controlled, float(rate))
    high = np.floor(systolic + shift[person])
    low = np.floor(diastolic + 0.4 * shift[person])
    twice = again & (high >= SYSTOLIC_LIMIT)
    second = np.maximum(np.floor(high[twice] - drop[twice]), 90)
    return stacked(
        [
            _measured(person, day, "8480-6", high, 0),
            _measured(person, day, "8462-4", low, 0),
            _measured(person[twice], day[twice], "8480-6", second, 0),
            _measured(person[twice], day[twice], "8462-4", np.floor(low[twice] - drop[twice] / 4), 0),
        ]
    )


def _pressure_shift(last: np.ndarray, controlled: Callable[[np.ndarray, float], np.ndarray], rate: float) -> float:
    """The shift in mmHg at which the target share of people (those without a reading count as not) is controlled."""
    if not (last >= 0).any():
        return 0.0
    low, high = -40.0, 40.0
    for _ in range(30):
        middle = (low + high) / 2
        share = controlled(last[last >= 0], middle).sum() / len(last)
        low, high = (middle, high) if share > rate else (low, middle)
    return (low + high) / 2


def weights(people: People, levels: Levels, visits: Columns, rng: np.random.Generator) -> Columns:
    """Weight and body mass index at wellness visits."""
    wellness = np.isin(visits["hcpcs"], ["G0438", "G0439"])
    person, day = visits["person"][wellness], visits["start"][wellness]
    weight = levels.weight[person] + rng.normal(0, 1.5, len(person))
    height = np.where(people.female[person], 1.61, 1.75)
    return stacked(
        [_measured(person, day, "29463-7", weight, 1), _measured(person, day, "39156-5", weight / height**2, 1)]
    )
