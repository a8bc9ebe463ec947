"""Blood pressures taken at visits, shifted so that control comes to each contract's target."""

from dataclasses import dataclass

import numpy as np

from hedis.demo.chance import Columns, last_of, last_per_person, stacked
from hedis.demo.conditions import Health
from hedis.demo.people import People
from hedis.demo.results import Levels, measured

SYSTOLIC_LIMIT, DIASTOLIC_LIMIT = 140, 90  # mmHg; CBP counts below both (published measure definition)
RECORDED, TAKEN_AGAIN = 0.88, 0.6  # visits with a reading; high readings taken again that day; chosen for the demo
DIASTOLIC_SHARE = 0.4  # how far the diastolic pressure follows a shift of the systolic; chosen for the demo


@dataclass(frozen=True)
class Readings:
    """First readings of visits in mmHg before the shift; `drop` is what a second one the same day is lower by."""

    person: np.ndarray
    day: np.ndarray
    systolic: np.ndarray
    diastolic: np.ndarray
    drop: np.ndarray
    again: np.ndarray

    def controlled(self, rows: np.ndarray, shift: float) -> np.ndarray:
        """Whether the lowest of the day is below both limits once all readings are shifted."""
        first = self.systolic[rows] + shift
        lowest = first - np.where((first >= SYSTOLIC_LIMIT) & self.again[rows], self.drop[rows], 0)
        low = np.floor(self.diastolic[rows] + DIASTOLIC_SHARE * shift)
        return (np.floor(lowest) < SYSTOLIC_LIMIT) & (low < DIASTOLIC_LIMIT)


def blood_pressures(
    people: People, health: Health, levels: Levels, visits: Columns, seen: np.ndarray, year: int,
    target: np.ndarray, rng: np.random.Generator,
) -> Columns:  # fmt: skip
    """Readings at visits, taken again the same day where the first was high; shifted per contract to `target`.

    The measure takes the last day's lowest systolic and lowest diastolic, so the shift is solved on those. `seen`
    counts each person's visits in this year and the last: who was hardly seen is in no rate.
    """
    n, closes = len(people), last_of(year)
    readings = _draw_readings(people, health, levels, visits, year, rng)
    hypertensive = health.has("hypertension", closes)
    counted = hypertensive & (people.age(year) <= 85) & people.whole_year(year) & (seen >= 3)
    last, group = last_per_person(readings.person, readings.day, n), people.contract_on(closes)
    shift = np.zeros(n)
    for index, rate in enumerate(target):
        shift[group == index] = _shift_for(readings, last[counted & (group == index)], float(rate))
    return _written(readings, shift[readings.person])


def _draw_readings(
    people: People, health: Health, levels: Levels, visits: Columns, year: int, rng: np.random.Generator
) -> Readings:
    recorded = np.isin(visits["place"], ["11", "22"]) & (rng.random(len(visits["place"])) < RECORDED)
    person, closes = visits["person"][recorded], last_of(year)
    count = len(person)
    ill = 3.0 * health.has("hypertension", closes) + 3.0 * health.has("diabetes", closes)
    this_year = levels.systolic + ill + rng.normal(0, 5, len(people))
    systolic = this_year[person] + rng.normal(0, 7, count)
    stiffness = 0.12 * (people.age(year)[person] - 70)  # with age the diastolic pressure falls
    diastolic = 76 + 0.35 * (systolic - 130) + rng.normal(0, 6, count) - stiffness
    drop = np.abs(rng.normal(6, 6, count))
    return Readings(person, visits["start"][recorded], systolic, diastolic, drop, rng.random(count) < TAKEN_AGAIN)


def _shift_for(readings: Readings, last: np.ndarray, rate: float) -> float:
    """The shift in mmHg at which the target share of people (those without a reading count as not) is controlled."""
    rows = last[last >= 0]
    if not len(rows):
        return 0.0
    low, high = -40.0, 40.0
    for _ in range(30):
        middle = (low + high) / 2
        share = readings.controlled(rows, middle).sum() / len(last)
        low, high = (middle, high) if share > rate else (low, middle)
    return (low + high) / 2


def _written(readings: Readings, shift: np.ndarray) -> Columns:
    high = np.floor(readings.systolic + shift)
    low = np.floor(readings.diastolic + DIASTOLIC_SHARE * shift)
    twice = readings.again & (high >= SYSTOLIC_LIMIT)
    person, day, drop = readings.person[twice], readings.day[twice], readings.drop[twice]
    return stacked(
        [
            measured(readings.person, readings.day, "8480-6", high, 0),
            measured(readings.person, readings.day, "8462-4", low, 0),
            measured(person, day, "8480-6", np.maximum(np.floor(high[twice] - drop), 90), 0),
            measured(person, day, "8462-4", np.floor(low[twice] - drop / 4), 0),
        ]
    )
