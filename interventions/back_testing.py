"""How past projections did: each past year projected at the same time of year, from the years before it alone. Pure.

What is judged is the method as it stands today: chances of members count where predictions of that year were made then.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from interventions.blending import coverage, error_of, pinball
from interventions.completing import Course, Trial
from interventions.projecting import HIGH, LOW, MEMBERS, Past, Standing, trials_of, year_end

# An interval that holds four times in five says nothing of itself in one or two years.
FEWEST_YEARS = 3


@dataclass(frozen=True)
class PastProjection:
    """What would have been said of a past year, and what came. Rates are shares of 1, of good outcomes."""

    year: int
    rate: float
    low: float
    high: float
    actual: float

    @property
    def loss(self) -> float:
        """Mean pinball loss of both ends of the interval."""
        return (pinball(self.low, LOW, self.actual) + pinball(self.high, HIGH, self.actual)) / 2


@dataclass(frozen=True)
class Verdict:
    """How a measure's past projections did.

    `errors`: root mean squared error of each method, as a share of 1, over the years it could be tried on; `error`: of
    the blend; `loss`: mean pinball loss of the interval's ends; `covered`: share of the years whose end lay within.
    The last three are None where no year could be projected.
    """

    past: tuple[PastProjection, ...]
    errors: Mapping[str, float]
    error: float | None
    loss: float | None
    covered: float | None

    @property
    def years(self) -> tuple[int, ...]:
        """The years it rests on."""
        return tuple(one.year for one in self.past)

    @property
    def enough(self) -> bool:
        """Whether the years are enough to judge an interval by."""
        return len(self.past) >= FEWEST_YEARS


NOT_TRIED = Verdict((), {}, None, None, None)


def judged(standing: Standing, past: Past) -> Verdict:
    """The past years of a measure projected at the day its standing is of."""
    found = tuple(past_projections(standing, past))
    trials = trials_of(standing, past)
    errors = {
        method: error
        for method in dict.fromkeys(trial.method for trial in trials)
        if (error := error_of(method, trials)) is not None
    }
    if not found:
        return replace(NOT_TRIED, errors=errors)
    actuals = [one.actual for one in found]
    return Verdict(
        found, errors,
        error_of("blend", [Trial("blend", one.year, one.rate, one.actual) for one in found]),
        sum(one.loss for one in found) / len(found),
        coverage([(one.low, one.high) for one in found], actuals),
    )  # fmt: skip


@dataclass(frozen=True)
class Together:
    """All measures of a contract: how many past projections there were, and how many ended within their interval."""

    years: tuple[int, ...]
    projections: int
    held: int
    loss: float

    @property
    def enough(self) -> bool:
        """Whether the years are enough to judge an interval by."""
        return len(self.years) >= FEWEST_YEARS


def together(verdicts: Iterable[Verdict]) -> Together | None:
    """The measures' past projections counted together; None where there are none. One year's errors go together, so
    many measures are not as many trials."""
    every = [one for verdict in verdicts for one in verdict.past]
    if not every:
        return None
    held = sum(one.low <= one.actual <= one.high for one in every)
    return Together(
        tuple(sorted({one.year for one in every})), len(every), held, sum(one.loss for one in every) / len(every)
    )


def past_projections(standing: Standing, past: Past) -> Iterator[PastProjection]:
    """Every past year that was read by this day and that something could be said of then."""
    for course in past.courses:
        then = standing_then(standing, course)
        if then is None:
            continue
        known = known_then(course.year, past)
        said = {trial.method: trial.forecast for trial in past.trials if trial.year == course.year}
        try:
            end = year_end(then, known, {MEMBERS: said[MEMBERS]} if MEMBERS in said else None)
        except ValueError:  # no method has anything to go by in the first year
            continue
        yield PastProjection(course.year, end.count.mean / end.denominator, end.low, end.high, course.final.rate)


def standing_then(standing: Standing, course: Course) -> Standing | None:
    """Where the measure stood on this day of a past year; None where it was not read by then."""
    read = course.on(standing.day)
    if read is None:
        return None
    rate, denominator = read
    people = max(round(denominator), 1)
    met = round(rate * people)
    firm = met if standing.firm or not standing.met else 0
    return Standing(standing.measure, standing.day, people, met, firm)


def known_then(year: int, past: Past) -> Past:
    """What was known of a measure in a past year: the years before, and its own claims so far."""
    months = past.current_claims.months if past.current_claims else 0
    own = next((one for one in past.claims if one.year == year), None)
    return Past(
        courses=[one for one in past.courses if one.year < year],
        claims=[one for one in past.claims if one.year < year],
        current_claims=own.as_known_after(months) if own and months else None,
        trials=[one for one in past.trials if one.year < year],
    )
