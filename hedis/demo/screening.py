"""Cancer screening and eye examinations: procedures whose effect lasts for years.

Each person has a lasting yearly chance of each, and what the years before the files left behind comes of the same
chance: a plan whose habits change with every year could not be foreseen by anybody, and its figures would say so.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from hedis.demo.chance import Columns, day_in, first_of, last_of, shift_for, sigmoid, stacked
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
KEEPS_WAY = 0.75  # who is screened again the same way; chosen for the demo
BREAST_YEARS, EYE_YEARS = 2, 1  # years before the files of which a mammogram or an eye examination still counts
LATE = 0.26  # share of mammograms from October on, which count two years longer: beta(1.2, 1.1) of the year
RETINOPATHY = 0.15  # of those examined: the others' examination counts next year too; chosen for the demo


@dataclass
class Screened:
    """What is already done in a cohort, and how readily each person does it.

    `colon_until`: the last day on which the last screening counts. `shift`: by measure and contract the log-odds added
    to each person's inclination so that the rate comes to its target. `claims`, `results`, `imaging`: of the years
    before the files, as far as the plan could see them.
    """

    inclination: dict[str, np.ndarray]
    preferred: np.ndarray
    colon_until: np.ndarray
    shift: dict[str, np.ndarray] = field(default_factory=dict)
    claims: list[Columns] = field(default_factory=list)
    results: list[Columns] = field(default_factory=list)
    imaging: list[Columns] = field(default_factory=list)

    def chance(self, measure: str, score: np.ndarray, contract: np.ndarray) -> np.ndarray:
        """Each person's chance in a year, 0 to 1."""
        return sigmoid(score + self.shift[measure][contract])


def draw_history(
    people: People, health: Health, calendar: Calendar, targets: dict[str, np.ndarray], rng: np.random.Generator
) -> Screened:
    """Each person's habits, set so that the rates of the last full year come to their targets, and what was done before
    the files' first year."""
    n, first = len(people), calendar.look_back
    inclination = {
        name: PERSISTENT * (0.8 * people.engagement + 0.6 * rng.normal(size=n)) for name in ("colon", "breast", "eye")
    }
    preferred = rng.choice(len(COLON), n, p=[way.share for way in COLON])
    done = Screened(inclination, preferred, np.full(n, first_of(1990)))
    set_shifts(people, health, done, calendar, targets)
    for year in range(first - LOOK_BACK_YEARS, first):
        claims, results = colon_screening(people, health, done, year, rng)
        done.claims.append(claims)
        done.results.append(results)
        if year >= first - BREAST_YEARS:
            done.imaging.append(breast_screening(people, done, year, rng))
        if year >= first - EYE_YEARS:
            done.claims.append(eye_exams(people, health, done, year, rng))
    return done


def set_shifts(
    people: People, health: Health, done: Screened, calendar: Calendar, targets: dict[str, np.ndarray]
) -> None:
    """Solve the shifts on the people counted in the last full year, by the chance that each is met at its end."""
    year, group = calendar.years[1], people.contract_on(last_of(calendar.years[1]))
    age, closes = people.age(year), last_of(year)
    diabetic, stayed = health.has("diabetes", closes), people.whole_year(year)
    counted = {
        "COL": (age >= 45) & (age <= 75) & ~health.has("colorectal_cancer", closes) & people.whole_year(year, 2),
        "BCS": people.female & (age >= 50) & (age <= 74) & people.whole_year(year, 2)
        & ~health.has("mastectomy_both", closes),
        "EED": diabetic & (age >= 18) & (age <= 75) & stayed,
    }  # fmt: skip
    covered: dict[str, Callable[[np.ndarray, float], float]] = {
        "COL": lambda rows, shift: colon_covered(people, done, rows, range(calendar.look_back - 9, year + 1), shift),
        "BCS": lambda rows, shift: breast_covered(sigmoid(breast_score(people, done, year)[rows] + shift)),
        "EED": lambda rows, shift: eye_covered(sigmoid(eye_score(health, done, year)[rows] + shift)),
    }
    for measure, basis in counted.items():
        own = [np.flatnonzero(basis & (group == index)) for index in range(len(targets[measure]))]
        done.shift[measure] = np.array(
            [
                shift_for(partial(covered[measure], rows), float(target)) if len(rows) else 0.0
                for rows, target in zip(own, targets[measure], strict=True)
            ]
        )


def breast_covered(chance: np.ndarray) -> float:
    """Share with a mammogram in this year, the last, or from October of the year before that."""
    return float((1 - (1 - chance) ** 2 * (1 - LATE * chance)).mean())


def eye_covered(chance: np.ndarray) -> float:
    """Share with an examination in this year, or without retinopathy in the last."""
    return float((1 - (1 - chance) * (1 - (1 - RETINOPATHY) * chance)).mean())


def colon_covered(people: People, done: Screened, rows: np.ndarray, years: range, shift: float) -> float:
    """Share whose screening the plan sees and counts at the end of the last year: who is covered is not screened, each
    way counts for its own years, and what was before a person joined nobody sees."""
    mixed = np.array([way.share for way in COLON])[:, None] * (1 - KEEPS_WAY)
    shares = mixed + KEEPS_WAY * (done.preferred[rows] == np.arange(len(COLON))[:, None])
    so_far = np.zeros((len(years) + 1, len(rows)))

    def counting(end: int, back: int) -> np.ndarray:
        return shares[back] * (so_far[end] - so_far[max(0, end - COLON[back].years)])

    for place, year in enumerate(years):
        # Of this year's start: the year itself, the last that a screening counts for, adds nothing yet.
        so_far[place + 1] = so_far[place]
        already = np.sum([counting(place + 1, back) for back in range(len(COLON))], axis=0)
        chance = sigmoid(colon_score(people, done, year)[rows] + shift) * (people.joined[rows] <= first_of(year))
        so_far[place + 1] = so_far[place] + chance * (1 - already)
    return float(np.sum([counting(len(years), back) for back in range(len(COLON))], axis=0).mean())


def colon_score(people: People, done: Screened, year: int) -> np.ndarray:
    """Log-odds of a screening this year, before the shift."""
    age = people.age(year)
    return done.inclination["colon"] - 2.0 * (age > 78) - 9.0 * (age < 45)


def breast_score(people: People, done: Screened, year: int) -> np.ndarray:
    """Log-odds of a mammogram this year, before the shift."""
    return done.inclination["breast"] - 9.0 * ~people.female - 1.5 * (people.age(year) > 76)


def eye_score(health: Health, done: Screened, year: int) -> np.ndarray:
    """Log-odds of an eye examination this year, before the shift."""
    return done.inclination["eye"] - 9.0 * ~health.has("diabetes", last_of(year))


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
    people: People, health: Health, done: Screened, year: int, rng: np.random.Generator
) -> tuple[Columns, Columns]:
    """This year's screenings (claims, laboratory results), and `done` brought forward."""
    closes = last_of(year)
    chance = done.chance("COL", colon_score(people, done, year), people.contract_on(closes))
    wanted = (done.colon_until < closes) & ~health.has("colorectal_cancer", closes)
    # Someone screened from another plan's days may be screened again: the plan cannot see it, nor can we.
    person = np.flatnonzero(wanted & (rng.random(len(people)) < chance))
    day = day_in(year, rng.beta(1.3, 1.0, len(person)))
    changes = rng.random(len(person)) >= KEEPS_WAY
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


def breast_screening(people: People, done: Screened, year: int, rng: np.random.Generator) -> Columns:
    """Mammograms as imaging observations (LOINC): current mammography claims exist in CPT only."""
    chance = done.chance("BCS", breast_score(people, done, year), people.contract_on(last_of(year)))
    person = np.flatnonzero(rng.random(len(people)) < chance)
    day = day_in(year, rng.beta(1.2, 1.1, len(person)))
    return results_of(person, day, "24606-6", "Completed")


def eye_exams(people: People, health: Health, done: Screened, year: int, rng: np.random.Generator) -> Columns:
    """Retinal examinations of people with diabetes; one without retinopathy counts next year too."""
    chance = done.chance("EED", eye_score(health, done, year), people.contract_on(last_of(year)))
    person = np.flatnonzero(rng.random(len(people)) < chance)
    day = day_in(year, rng.beta(1.3, 1.1, len(person)))
    code = rng.choice(np.array(["S3000", "S0620", "S0621"]), len(person), p=[0.5, 0.15, 0.35])
    finding = np.where(rng.random(len(person)) < RETINOPATHY, "E113299", "E119")
    return claims_of(
        person, day, place="11", hcpcs=code, codes=single(finding), paid=rng.lognormal(4.7, 0.2, len(person))
    )
