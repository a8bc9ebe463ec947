"""Cancer screening and eye examinations: procedures whose effect lasts for years."""

from dataclasses import dataclass, field

import numpy as np

from hedis.demo.chance import Columns, closing, day_in, first_of, last_of, stacked
from hedis.demo.conditions import Health, single
from hedis.demo.parameters import LOOK_BACK_YEARS, Calendar
from hedis.demo.people import DAY, People
from hedis.demo.visits import claims_of

PERSISTENT = 1.9  # how strongly last year's inclination tells this year's; chosen for an honest AUC


@dataclass(frozen=True)
class Way:
    """A way to screen the colon: where it shows, for how many calendar years it counts, how common it is."""

    name: str
    hcpcs: str
    loinc: str
    years: int
    share: float


COLON = (
    Way("colonoscopy", "G0121", "", 10, 0.42),
    Way("fit", "G0328", "29771-3", 1, 0.46),
    Way("fit_dna", "", "77353-1", 3, 0.10),
    Way("sigmoidoscopy", "G0104", "", 5, 0.02),
)
"""Years as in the measure (measurement year included); shares of new screenings chosen for the demo."""
FIRST_COVERED = 0.46  # share of people with a colonoscopy in the nine years before; chosen for the demo


@dataclass
class Screened:
    """What is already done in a cohort, carried from year to year: last dates and until when they count."""

    colon_until: np.ndarray
    breast_last: np.ndarray
    eye_until: np.ndarray
    inclination: dict[str, np.ndarray]
    preferred: np.ndarray
    history: list[Columns] = field(default_factory=list)


def draw_history(people: People, health: Health, calendar: Calendar, rng: np.random.Generator) -> Screened:
    """Screenings before the files' first year, as far as the plan could see them, and each person's habits."""
    n, first = len(people), calendar.look_back
    inclination = {
        name: PERSISTENT * (0.8 * people.engagement + 0.6 * rng.normal(size=n)) for name in ("colon", "breast", "eye")
    }
    scoped = rng.random(n) < FIRST_COVERED * np.clip(1 + 0.2 * inclination["colon"], 0.2, 1.8)
    when = day_in(first - rng.integers(1, LOOK_BACK_YEARS + 1, n), rng.random(n))
    seen = np.flatnonzero(scoped & people.enrolled(np.arange(n), when, when) & (people.age(first) >= 46))
    colon_until = np.full(n, first_of(1990))
    colon_until[seen] = _counts_until(when[seen], COLON[0].years)
    return Screened(
        colon_until=colon_until,
        breast_last=np.full(n, first_of(1990)),
        eye_until=np.full(n, first_of(1990)),
        inclination=inclination,
        preferred=rng.choice(len(COLON), n, p=[way.share for way in COLON]),
        history=[_colonoscopies(seen, when[seen], rng)],
    )


def _counts_until(day: np.ndarray, years: int | np.ndarray) -> np.ndarray:
    """Last day of the last calendar year in which a screening counts."""
    return ((day.astype("datetime64[Y]") + years).astype("datetime64[D]")) - DAY


def _colonoscopies(person: np.ndarray, day: np.ndarray, rng: np.random.Generator) -> Columns:
    code = np.where(rng.random(len(person)) < 0.2, "G0105", "G0121")
    return claims_of(
        person, day, place="22", hcpcs=code, codes=single(np.full(len(person), "Z1211")),
        paid=rng.lognormal(6.6, 0.3, len(person)),
    )  # fmt: skip


def results_of(person: np.ndarray, day: np.ndarray, loinc: np.ndarray | str, text: np.ndarray | str) -> Columns:
    """Results that are words, one a row."""
    n = len(person)
    return {
        "person": person,
        "day": day,
        "loinc": np.broadcast_to(np.asarray(loinc, dtype="<U10"), n),
        "result": np.broadcast_to(np.asarray(text, dtype="<U12"), n),
        "unit": np.full(n, "", dtype="<U16"),
    }


def colon_screening(
    people: People, health: Health, done: Screened, year: int, target: np.ndarray, rng: np.random.Generator
) -> tuple[Columns, Columns]:
    """This year's screenings (claims, laboratory results), and `done` brought forward."""
    everyone = np.arange(len(people))
    age, closes = people.age(year), last_of(year)
    already = done.colon_until >= closes
    eligible = (age >= 45) & (age <= 75) & ~health.has("colorectal_cancer", closes) & people.whole_year(year, 2)
    score = done.inclination["colon"] - 2.0 * (age > 78) - 9.0 * (age < 45)
    screened = closing(score, already, eligible, people.contract_on(closes), target, rng)
    # Someone screened from another plan's days may be screened again: the plan cannot see it, nor can we.
    person = everyone[screened]
    day = day_in(year, rng.beta(1.3, 1.0, len(person)))
    changes = rng.random(len(person)) < 0.25
    way = np.where(changes, rng.choice(len(COLON), len(person), p=[w.share for w in COLON]), done.preferred[person])
    visible = people.enrolled(person, day, day)
    years = np.array([w.years for w in COLON])[way]
    done.colon_until[person[visible]] = _counts_until(day, years)[visible]
    scoped = way == 0
    claims = [_colonoscopies(person[scoped], day[scoped], rng)]
    for index, each in enumerate(COLON[1:], start=1):
        own = way == index
        if each.hcpcs:
            claims.append(_stool_or_scope(person[own], day[own], each.hcpcs, rng))
    codes = np.array([w.loinc for w in COLON])[way]
    told = (codes != "") & (rng.random(len(person)) < np.where(way == 1, 0.8, 1.0))
    positive = np.where(rng.random(len(person)) < 0.07, "Positive", "Negative")
    return stacked(claims), results_of(person[told], day[told], codes[told], positive[told])


def _stool_or_scope(person: np.ndarray, day: np.ndarray, hcpcs: str, rng: np.random.Generator) -> Columns:
    return claims_of(
        person, day, place="81" if hcpcs == "G0328" else "22", hcpcs=hcpcs,
        codes=single(np.full(len(person), "Z1211")), paid=rng.lognormal(3.2, 0.3, len(person)),
    )  # fmt: skip


def breast_screening(
    people: People, health: Health, done: Screened, year: int, target: np.ndarray, rng: np.random.Generator
) -> Columns:
    """Mammograms as imaging observations (LOINC): current mammography claims exist in CPT only."""
    age, closes = people.age(year), last_of(year)
    opens = np.datetime64(f"{year - 2}-10-01", "D")
    already = done.breast_last >= opens
    eligible = people.female & (age >= 50) & (age <= 74) & ~health.has("mastectomy_both", closes)
    score = done.inclination["breast"] - 9.0 * ~people.female - 1.5 * (age > 76)
    counted = eligible & people.whole_year(year, 2)
    new = closing(score, already, counted, people.contract_on(closes), target, rng)
    repeats = already & people.female & (rng.random(len(people)) < 0.35)
    person = np.flatnonzero(new | repeats)
    day = day_in(year, rng.beta(1.2, 1.1, len(person)))
    visible = people.enrolled(person, day, day)
    done.breast_last[person[visible]] = day[visible]
    return results_of(person, day, "24606-6", "Completed")


def eye_exams(
    people: People, health: Health, done: Screened, year: int, target: np.ndarray, rng: np.random.Generator
) -> Columns:
    """Retinal examinations of people with diabetes; one without retinopathy counts next year too."""
    age, closes = people.age(year), last_of(year)
    diabetic = health.has("diabetes", closes)
    already = done.eye_until >= closes
    score = done.inclination["eye"] - 9.0 * ~diabetic
    counted = diabetic & (age >= 18) & (age <= 75) & people.whole_year(year)
    new = closing(score, already, counted, people.contract_on(closes), target, rng)
    person = np.flatnonzero(new | (already & (rng.random(len(people)) < 0.4)))
    day = day_in(year, rng.beta(1.3, 1.1, len(person)))
    retinopathy = rng.random(len(person)) < 0.15
    visible = people.enrolled(person, day, day)
    until = np.where(retinopathy, closes, last_of(year + 1))
    done.eye_until[person[visible]] = until[visible]
    code = rng.choice(np.array(["S3000", "S0620", "S0621"]), len(person), p=[0.5, 0.15, 0.35])
    finding = np.where(retinopathy, "E113299", "E119")
    return claims_of(
        person, day, place="11", hcpcs=code, codes=single(finding), paid=rng.lognormal(4.7, 0.2, len(person))
    )
