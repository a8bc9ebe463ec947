"""Visits, stays and hospice: the claims a person makes whatever the measures ask."""

import numpy as np

from hedis.demo.chance import Columns, chosen, day_in, first_of, last_of, sigmoid, stacked
from hedis.demo.conditions import Health, diagnoses, single
from hedis.demo.parameters import NEVER
from hedis.demo.people import DAY, People

OFFICE = (("11", "T1015", 0.62), ("22", "G0463", 0.30), ("02", "G2025", 0.04), ("10", "G2025", 0.04))
"""(place of service, HCPCS, share). CPT visit codes are licensed: these stand where they would."""
ADDED = np.array(["", "G0008", "G0444", "G0108", "G0442", "E0143"])
ADDED_SHARE = np.array([0.84, 0.06, 0.05, 0.02, 0.02, 0.01])
STAY_REASONS = np.array(["A419", "J189", "I5033", "N390", "I639", "S72001A"])
HOSPICE_CODES = np.array(["Q5001", "Q5003", "Q5004", "Q5006"])


def claims_of(
    person: np.ndarray,
    start: np.ndarray,
    *,
    end: np.ndarray | None = None,
    place: np.ndarray | str = "",
    bill: np.ndarray | str = "",
    revenue: np.ndarray | str = "",
    hcpcs: np.ndarray | str = "",
    added: np.ndarray | str = "",
    codes: np.ndarray,
    paid: np.ndarray | float = 120.0,
    inpatient: bool = False,
) -> Columns:
    """One row a claim; `hcpcs` goes to line 1, `added` (where not "") to line 2. Amounts in dollars."""
    n = len(person)
    return {
        "person": person,
        "start": start,
        "end": start if end is None else end,
        "place": np.broadcast_to(np.asarray(place, dtype="<U2"), n),
        "bill": np.broadcast_to(np.asarray(bill, dtype="<U3"), n),
        "revenue": np.broadcast_to(np.asarray(revenue, dtype="<U4"), n),
        "hcpcs": np.broadcast_to(np.asarray(hcpcs, dtype="<U5"), n),
        "added": np.broadcast_to(np.asarray(added, dtype="<U5"), n),
        "codes": codes,
        "paid": np.broadcast_to(np.asarray(paid, dtype=float), n),
        "inpatient": np.full(n, inpatient),
    }


def office_visits(people: People, health: Health, year: int, rng: np.random.Generator) -> Columns:
    """Visits at the office, the outpatient clinic and by telehealth; the ill and the engaged come more often."""
    often = np.exp(0.95 + 0.10 * health.burden(last_of(year)) + 0.42 * people.engagement)
    person = np.repeat(np.arange(len(people)), np.minimum(rng.poisson(often), 14))
    day = day_in(year, rng.random(len(person)))
    kind = rng.choice(len(OFFICE), len(person), p=[share for _, _, share in OFFICE])
    return claims_of(
        person,
        day,
        place=np.array([place for place, _, _ in OFFICE])[kind],
        hcpcs=np.array([code for _, code, _ in OFFICE])[kind],
        added=rng.choice(ADDED, len(person), p=ADDED_SHARE),
        codes=diagnoses(health, person, day, rng),
        paid=rng.lognormal(4.6, 0.35, len(person)),
    )


def wellness_visits(people: People, health: Health, year: int, rng: np.random.Generator) -> Columns:
    """At most one annual wellness visit a year, G0438 in the first year of membership, else G0439."""
    person = np.flatnonzero(rng.random(len(people)) < sigmoid(0.3 + 1.4 * people.engagement))
    day = day_in(year, rng.beta(1.6, 1.9, len(person)))
    first = people.joined[person] >= first_of(year) - 365 * DAY
    return claims_of(
        person,
        day,
        place="11",
        hcpcs=np.where(first, "G0438", "G0439"),
        codes=diagnoses(health, person, day, rng),
        paid=rng.lognormal(4.9, 0.2, len(person)),
    )


def stays(people: People, health: Health, year: int, rng: np.random.Generator) -> Columns:
    """Inpatient stays (bill type 111), some followed by a skilled nursing stay (211)."""
    often = 0.035 * np.exp(0.30 * health.burden(last_of(year)))
    person = np.repeat(np.arange(len(people)), np.minimum(rng.poisson(often), 4))
    start = first_of(year) + rng.integers(0, 365, len(person)) * DAY
    end = start + np.minimum(1 + rng.geometric(0.22, len(person)), 30) * DAY
    codes = diagnoses(health, person, start, rng)
    codes[:, 1:] = codes[:, :-1].copy()
    codes[:, 0] = STAY_REASONS[rng.integers(0, len(STAY_REASONS), len(person))]
    hospital = claims_of(
        person, start, end=end, bill="111", revenue="0120", codes=codes,
        paid=rng.lognormal(9.3, 0.5, len(person)), inpatient=True,
    )  # fmt: skip
    moved = chosen(hospital, rng.random(len(person)) < 0.18)
    length = rng.integers(8, 40, len(moved["person"])) * DAY
    nursing = claims_of(
        moved["person"], moved["end"], end=moved["end"] + length, bill="211", revenue="0191",
        codes=moved["codes"], paid=rng.lognormal(9.0, 0.4, len(length)), inpatient=True,
    )  # fmt: skip
    return stacked([hospital, nursing])


def emergencies(people: People, health: Health, year: int, rng: np.random.Generator) -> Columns:
    """Emergency visits, on any day of the week."""
    often = 0.15 * np.exp(0.18 * health.burden(last_of(year)) - 0.15 * people.engagement)
    person = np.repeat(np.arange(len(people)), np.minimum(rng.poisson(often), 6))
    day = first_of(year) + rng.integers(0, 365, len(person)) * DAY
    return claims_of(
        person, day, bill="131", revenue="0450", hcpcs="G0382", codes=diagnoses(health, person, day, rng),
        paid=rng.lognormal(6.4, 0.5, len(person)),
    )  # fmt: skip


def hospice_care(people: People, year: int, rng: np.random.Generator) -> Columns:
    """A hospice claim (bill type 811) every thirty days from election to death."""
    person = np.repeat(np.flatnonzero(people.hospice < NEVER), 5)
    day = people.hospice[person] + np.tile(np.arange(5), len(person) // 5) * 30 * DAY
    within = (day.astype("datetime64[Y]").astype(int) + 1970 == year) & (day <= people.death[person])
    person, day = person[within], day[within]
    return claims_of(
        person, day, end=np.minimum(day + 29 * DAY, people.death[person]), bill="811", revenue="0651",
        hcpcs=rng.choice(HOSPICE_CODES, len(person)), codes=single(np.full(len(person), "C3490")), paid=4200.0,
    )  # fmt: skip


def dialysis(people: People, health: Health, year: int, rng: np.random.Generator) -> Columns:
    """A dialysis claim (bill type 721) each month for people with kidney failure."""
    failing = np.flatnonzero(health.has("kidney_failure", last_of(year)))
    person = np.repeat(failing, 12)
    month = np.tile(np.arange(12), len(failing))
    day = day_in(year, (month + rng.random(len(person)) * 0.5) / 12)
    codes = single(np.full(len(person), "N186"))
    codes[:, 1] = "Z992"
    claims = claims_of(
        person, day, bill="721", revenue="0821", hcpcs="A4657", codes=codes,
        paid=rng.lognormal(7.8, 0.1, len(person)),
    )  # fmt: skip
    return chosen(claims, day >= health.since[person, health.column("kidney_failure")])
