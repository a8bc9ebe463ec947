"""Which chronic conditions the members have, since when, and which codes their claims carry."""

from dataclasses import dataclass

import numpy as np

from hedis.demo.parameters import AGE_BANDS, NEVER, Calendar, Condition
from hedis.demo.people import People

SLOTS = 6  # diagnosis positions a claim of the demo fills
WITHOUT_CONDITION = np.array(["Z0000", "R5383", "M5450", "J069", "R0789", "K219"])
WITH_DIABETES = {"hypertension": 0.22, "hyperlipidemia": 0.25, "kidney_disease": 0.12, "cardiovascular": 0.08}
"""Added to the prevalence among people with diabetes; chosen for the demo."""


@dataclass(frozen=True)
class Health:
    """Conditions of one cohort: a row a person, a column a condition (in the order of `catalogue`)."""

    catalogue: list[Condition]
    since: np.ndarray
    code: np.ndarray

    def column(self, name: str) -> int:
        """Position of a condition by name."""
        return next(index for index, condition in enumerate(self.catalogue) if condition.name == name)

    def has(self, name: str, by: np.datetime64) -> np.ndarray:
        """Whether each person has the condition by a day."""
        return self.since[:, self.column(name)] <= by

    def burden(self, by: np.datetime64) -> np.ndarray:
        """Number of conditions each person has by a day."""
        return (self.since <= by).sum(axis=1)


def draw_health(
    people: People, catalogue: list[Condition], special_needs: np.ndarray, calendar: Calendar, rng: np.random.Generator
) -> Health:
    """Draw conditions with onset before the files begin, or within them for the newly diagnosed."""
    n = len(people)
    band = np.digitize(people.age(calendar.years[1]), AGE_BANDS[1:-1])
    since = np.full((n, len(catalogue)), NEVER)
    code = np.empty((n, len(catalogue)), dtype="<U7")
    diabetic = np.zeros(n, dtype=bool)
    for index, condition in enumerate(catalogue):
        chance = np.array(condition.prevalence)[band] * np.where(special_needs, condition.snp_factor, 1.0)
        chance = chance + WITH_DIABETES.get(condition.name, 0.0) * diabetic
        has = (rng.random(n) < chance) & _possible(condition.name, people, calendar)
        recent = rng.random(n) < 3 * condition.yearly_incidence
        onset = calendar.opens + np.where(recent, rng.integers(0, 1000, n), -800).astype("timedelta64[D]")
        since[has, index] = onset[has]
        code[:, index] = np.array(condition.codes)[rng.integers(0, len(condition.codes), n)]
        if condition.name == "diabetes":
            diabetic = has
    return Health(catalogue, since, code)


def _possible(name: str, people: People, calendar: Calendar) -> np.ndarray:
    if name == "pregnancy":
        return people.female & (people.age(calendar.years[2]) < 46)
    if name == "mastectomy_both":
        return people.female
    return np.ones(len(people), dtype=bool)


def diagnoses(health: Health, person: np.ndarray, day: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Codes of visits: an array of visits by SLOTS, filled from the left, "" where no more.

    Not every condition is coded at every visit, as in life; a visit without any gets a general code.
    """
    often = np.array([condition.coded_at_visit for condition in health.catalogue])
    coded = (health.since[person] <= day[:, None]) & (rng.random((len(person), len(often))) < often)
    slot = np.cumsum(coded, axis=1) - 1
    written = np.full((len(person), SLOTS), "", dtype="<U7")
    visit, condition = np.nonzero(coded & (slot < SLOTS))
    written[visit, slot[visit, condition]] = health.code[person[visit], condition]
    empty = written[:, 0] == ""
    written[empty, 0] = WITHOUT_CONDITION[rng.integers(0, len(WITHOUT_CONDITION), int(empty.sum()))]
    return written


def single(code: np.ndarray) -> np.ndarray:
    """Diagnosis slots holding one given code a claim."""
    written = np.full((len(code), SLOTS), "", dtype="<U7")
    written[:, 0] = code
    return written
