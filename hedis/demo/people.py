"""Who the members are: demography, enrolment, deaths, and how inclined each is to close a gap."""

from dataclasses import dataclass

import numpy as np

from hedis.demo.chance import Columns, first_of, last_of
from hedis.demo.parameters import AGE_BANDS, AGES_65_UP, NEVER, YEARLY_MORTALITY, Calendar, Contract

DAY = np.timedelta64(1, "D")
SHORT_BREAK, LONG_BREAK = 0.025, 0.02  # shares of members; chosen for the demo
SWITCHES = 0.04
MOVES = 0.06  # change their doctor once within the three years
NEW_EACH_YEAR, LEAVES_EACH_YEAR = 0.08, 0.045
TENURE_YEARS = (0.30, 14), (0.25, 8), (0.45, 4)  # (share, joined at most so many years before the first year)
LANGUAGES = np.array(["Spanish", "Chinese", "Vietnamese", "Russian"])


@dataclass(frozen=True)
class People:
    """One cohort of members, a value each; dates are datetime64[D], `NEVER` where nothing happens."""

    serial: np.ndarray
    contract: np.ndarray
    later_contract: np.ndarray
    switched: np.ndarray
    package: np.ndarray
    birth: np.ndarray
    death: np.ndarray
    female: np.ndarray
    race: np.ndarray
    hispanic: np.ndarray
    language: np.ndarray
    dual_status: np.ndarray
    low_income: np.ndarray
    entitlement: np.ndarray
    institutional: np.ndarray
    joined: np.ndarray
    left: np.ndarray
    break_from: np.ndarray
    break_to: np.ndarray
    hospice: np.ndarray
    miles: np.ndarray
    provider: np.ndarray
    later_provider: np.ndarray
    moved: np.ndarray
    engagement: np.ndarray

    def __len__(self) -> int:
        return len(self.serial)

    def age(self, year: int) -> np.ndarray:
        """Whole years on 31 December of `year`."""
        return year - (self.birth.astype("datetime64[Y]").astype(int) + 1970)

    def contract_on(self, day: np.ndarray | np.datetime64, person: np.ndarray | slice = slice(None)) -> np.ndarray:
        """Index of the contract in force on a day."""
        return np.where(day >= self.switched[person], self.later_contract[person], self.contract[person])

    def provider_on(self, day: np.ndarray, person: np.ndarray) -> np.ndarray:
        """Position of the doctor who looks after the person on a day."""
        return np.where(day >= self.moved[person], self.later_provider[person], self.provider[person])

    def enrolled(self, person: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
        """Whether the person was enrolled and alive from `start` to `end`, both inclusive."""
        broken = (end >= self.break_from[person]) & (start <= self.break_to[person])
        return (start >= self.joined[person]) & (end <= self.left[person]) & ~broken

    def whole_year(self, year: int, years: int = 1) -> np.ndarray:
        """Enrolled for `years` calendar years ending with `year`, but for a break of 45 days at most."""
        opens, closes = first_of(year - years + 1), last_of(year)
        long = (self.break_to - self.break_from >= 45 * DAY) & (self.break_to >= opens) & (self.break_from <= closes)
        return (self.joined <= opens) & (self.left >= closes) & ~long


def draw_people(
    serial: np.ndarray,
    plan: list[Contract],
    practice_quality: np.ndarray,
    calendar: Calendar,
    rng: np.random.Generator,
) -> People:
    """Draw one cohort. `practice_quality` has a value per provider and shifts its members' engagement."""
    n = len(serial)
    contract = rng.choice(len(plan), n, p=[each.share for each in plan])
    disabled = rng.random(n) < _share(plan, "under_65")[contract]
    age = _ages(disabled, rng)
    birth = _birthdays(age, calendar, rng)
    dual, low_income = _help_with_costs(rng.random(n) < _share(plan, "dual")[contract], plan, contract, rng)
    hispanic = rng.random(n) < _share(plan, "hispanic")[contract]
    non_english = rng.random(n) < _share(plan, "non_english")[contract] * np.where(hispanic, 2.5, 0.8)
    miles = np.round(rng.gamma(1.6, 5.0, n), 1)
    provider = rng.integers(0, len(practice_quality), n)
    return People(
        serial=serial,
        contract=contract,
        package=rng.integers(0, 1000, n),
        birth=birth,
        female=rng.random(n) < 0.56,
        race=_race(plan, contract, rng),
        hispanic=hispanic,
        language=np.where(non_english, np.where(hispanic, "Spanish", rng.choice(LANGUAGES, n)), "English"),
        dual_status=dual,
        low_income=low_income,
        entitlement=_entitlement(disabled, rng),
        institutional=rng.random(n) < np.where(age >= 85, 0.06, 0.008),
        miles=miles,
        provider=provider,
        later_provider=rng.integers(0, len(practice_quality), n),
        moved=_moves(n, calendar, rng),
        engagement=_engagement(contract, low_income, non_english, miles, practice_quality[provider], rng),
        **_membership(contract, age, birth, disabled, calendar, rng),
    )


def _membership(
    contract: np.ndarray,
    age: np.ndarray,
    birth: np.ndarray,
    disabled: np.ndarray,
    calendar: Calendar,
    rng: np.random.Generator,
) -> Columns:
    """When each person joins, changes contract, is away, elects hospice, dies or leaves."""
    n = len(contract)
    joined = _joined(birth, disabled, calendar, rng)
    later, switched = _switches(contract, calendar, rng)
    death = _deaths(age, calendar, rng)
    death = np.where(death > joined + 40 * DAY, death, NEVER)  # nobody joins dying
    left = np.maximum(_left(n, calendar, rng), joined + 30 * DAY)
    death = np.where(death <= left, death, NEVER)  # a death after leaving is not this plan's to know
    left = np.minimum(left, death)
    break_from, break_to = _breaks(joined, left, calendar, rng)
    hospice = np.where((death < NEVER) & (rng.random(n) < 0.5), death - rng.integers(5, 120, n) * DAY, NEVER)
    return {
        "joined": joined,
        "left": left,
        "death": death,
        "later_contract": later,
        "switched": np.where(joined < switched, switched, NEVER),
        "break_from": break_from,
        "break_to": break_to,
        "hospice": np.where(hospice > joined, hospice, NEVER),
    }


def _share(plan: list[Contract], name: str) -> np.ndarray:
    return np.array([getattr(contract, name) for contract in plan])


def _ages(disabled: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    band = rng.choice(len(AGES_65_UP), len(disabled), p=[share for _, _, share in AGES_65_UP])
    edges = np.array([(low, high) for low, high, _ in AGES_65_UP])
    older = rng.integers(edges[band, 0], edges[band, 1])
    younger = np.floor(64 - 34 * rng.beta(1.1, 2.4, len(disabled))).astype(int)
    return np.where(disabled, younger, older)


def _birthdays(age: np.ndarray, calendar: Calendar, rng: np.random.Generator) -> np.ndarray:
    born = (calendar.years[1] - age - 1970).astype("datetime64[Y]").astype("datetime64[D]")
    return born + rng.integers(0, 365, len(age)) * DAY


def _deaths(age: np.ndarray, calendar: Calendar, rng: np.random.Generator) -> np.ndarray:
    yearly = np.array(YEARLY_MORTALITY)[np.digitize(age, AGE_BANDS[1:-1])]
    days_left = np.floor(rng.exponential(1, len(age)) / yearly * 365)
    horizon = (calendar.drawn - calendar.opens).astype(int)
    return np.where(days_left < horizon, calendar.opens + days_left.astype("timedelta64[D]"), NEVER)


def _switches(contract: np.ndarray, calendar: Calendar, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Open enrolment: a few change contract on 1 January of the second or third year."""
    n = len(contract)
    year = rng.choice(np.array([first_of(year) for year in calendar.years[1:]]), n)
    switches = rng.random(n) < SWITCHES
    other = np.where(contract == 0, 1, 0)
    return np.where(switches, other, contract), np.where(switches, year, NEVER)


def _joined(birth: np.ndarray, disabled: np.ndarray, calendar: Calendar, rng: np.random.Generator) -> np.ndarray:
    """Most join on 1 January, some mid-year; nobody before the month they turn 65 unless disabled."""
    n, first = len(birth), calendar.years[0]
    reach = rng.choice([years for _, years in TENURE_YEARS], n, p=[share for share, _ in TENURE_YEARS])
    year = first - np.floor(rng.random(n) * reach).astype(int)
    newcomer = rng.random(n) < 2 * NEW_EACH_YEAR
    year = np.where(newcomer, first + 1 + rng.integers(0, 2, n), year)
    month = np.where(rng.random(n) < 0.15, rng.integers(1, 8, n), 0)
    joined = (year - 1970).astype("datetime64[Y]").astype("datetime64[M]") + month.astype("timedelta64[M]")
    turns_65 = birth.astype("datetime64[M]") + np.timedelta64(65 * 12, "M")
    started = np.where(disabled, joined, np.maximum(joined, turns_65))
    return np.minimum(started, (calendar.drawn - 60 * DAY).astype("datetime64[M]")).astype("datetime64[D]")


def _left(n: int, calendar: Calendar, rng: np.random.Generator) -> np.ndarray:
    """Most who leave do so at a year's end, some at a month's."""
    left = np.full(n, NEVER)
    for year in calendar.years[:2]:
        leaves = (rng.random(n) < LEAVES_EACH_YEAR) & (left == NEVER)
        months = np.where(rng.random(n) < 0.7, 12, rng.integers(3, 12, n)).astype("timedelta64[M]")
        end = (np.datetime64(f"{year}-01", "M") + months).astype("datetime64[D]") - DAY
        left = np.where(leaves, end, left)
    return left


def _breaks(
    joined: np.ndarray, left: np.ndarray, calendar: Calendar, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Breaks of whole months: one month (at most 31 days, allowed) or several (not allowed)."""
    n = len(joined)
    draw = rng.random(n)
    length = np.where(draw < SHORT_BREAK, 1, rng.integers(2, 6, n)).astype("timedelta64[M]")
    month = np.datetime64(f"{calendar.years[0]}-02", "M") + rng.integers(0, 26, n).astype("timedelta64[M]")
    start, end = month.astype("datetime64[D]"), (month + length).astype("datetime64[D]") - DAY
    happens = (
        (draw < SHORT_BREAK + LONG_BREAK)
        & (start > joined + 30 * DAY)
        & (end < np.minimum(left, calendar.drawn) - 30 * DAY)
    )
    return np.where(happens, start, NEVER), np.where(happens, end, NEVER)


def _moves(n: int, calendar: Calendar, rng: np.random.Generator) -> np.ndarray:
    """First day with another doctor: a month's first."""
    month = calendar.opens.astype("datetime64[M]") + rng.integers(1, 34, n).astype("timedelta64[M]")
    return np.where(rng.random(n) < MOVES, month.astype("datetime64[D]"), NEVER)


def _help_with_costs(
    dual: np.ndarray, plan: list[Contract], contract: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """CMS dual status code ("NA" for none), and whether the low-income subsidy is paid."""
    n = len(dual)
    special_needs = np.array([contract.snp_type != "" for contract in plan])[contract]
    full = rng.choice(np.array(["02", "04", "08"]), n, p=[0.7, 0.1, 0.2])
    partial = rng.choice(np.array(["01", "03", "06"]), n, p=[0.4, 0.4, 0.2])
    status = np.where(dual, np.where(special_needs, full, partial), "NA")
    return status, dual | (rng.random(n) < 0.07)


def _race(plan: list[Contract], contract: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    black, asian, draw = _share(plan, "black")[contract], _share(plan, "asian")[contract], rng.random(len(contract))
    names = np.array(["black or african american", "asian", "unknown", "other race", "white"])
    edges = np.stack([black, black + asian, black + asian + 0.04, black + asian + 0.07])
    return names[(draw >= edges).sum(axis=0)]


def _entitlement(disabled: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Original reason for entitlement: 0 age, 1 disability, 2 end-stage renal disease (CMS codes)."""
    n = len(disabled)
    once_disabled = disabled | (rng.random(n) < 0.09)
    return np.where(once_disabled, np.where(rng.random(n) < 0.02, "2", "1"), "0")


def _engagement(
    contract: np.ndarray,
    low_income: np.ndarray,
    non_english: np.ndarray,
    miles: np.ndarray,
    quality: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """How readily a person takes up care: mean 0, deviation 1 within each contract, so that targets stay met."""
    raw = rng.normal(0, 0.7, len(contract)) - 0.45 * low_income - 0.45 * non_english - 0.03 * miles + 0.35 * quality
    score = np.empty(len(contract))
    for index in np.unique(contract):
        own = contract == index
        score[own] = (raw[own] - raw[own].mean()) / max(raw[own].std(), 1e-9)
    return score


def enrolment_spans(people: People) -> Columns:
    """Split each membership at a break, a switch and the start of hospice: one row a span.

    Columns: person (position), start, end (`NEVER` when open), contract (index), hospice (bool).
    """
    cuts = np.stack(
        [people.joined, people.break_from, people.break_to + DAY, people.switched, people.hospice, people.left + DAY]
    ).T
    cuts = np.sort(np.clip(cuts, people.joined[:, None], (people.left + DAY)[:, None]), axis=1)
    start, end = cuts[:, :-1], cuts[:, 1:] - DAY
    away = (start >= people.break_from[:, None]) & (start <= people.break_to[:, None])
    person, position = np.nonzero((end >= start) & (start < NEVER) & ~away)
    begins = start[person, position]
    return {
        "person": person,
        "start": begins,
        "end": end[person, position],
        "contract": people.contract_on(begins, person),
        "hospice": begins >= people.hospice[person],
    }
