"""A contract's outlook under other rules: cut points, weights, measures, reward. Reads reference files alone."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import pairwise

from hedis.engine import rating as engine
from hedis.engine.rating_year import CutPoints, Disaster, Measure, Method, Part, StarYear
from hedis.stars import standing, years
from interventions.crossing import raised
from interventions.problem import ProblemError
from interventions.projecting import StarRule
from interventions.projection import ContractProjection
from interventions.scenario import EVERY, Added, Scenario
from interventions.simulating import reweighted, without_reward

STARS = (2, 3, 4, 5)
MEAN_CLASSES, VARIANCE_CLASSES = ("other", "relatively_high", "high"), ("low", "medium", "high", "undefined")
NAMED = "no measure of the Star year goes by that id, key or code"


@dataclass(frozen=True)
class Altered:
    """An outlook with its rules changed: what each measure needs, the measures' rules, and what changed in words."""

    outlook: ContractProjection
    rules: Mapping[str, StarRule]
    changes: tuple[str, ...]

    @property
    def contract(self) -> engine.Contract:
        """The contract with the stars of the measures that are not projected."""
        return self.outlook.method.contract(self.outlook.contract, self.outlook.fixed)

    @property
    def year(self) -> StarYear:
        return self.outlook.method.year


def rules_of(outlook: ContractProjection) -> dict[str, StarRule]:
    """How each projected measure's rate becomes stars."""
    year = outlook.method.year
    return {
        name: StarRule(
            year.cuts(name, outlook.method.rated_as), year.measure(name).precision, year.measure(name).lower_is_better
        )
        for name in outlook.measures
    }


def names_of(outlook: ContractProjection) -> dict[str, str]:
    """Every name a measure goes by: its id in the Star year, its lasting key, our measure's code."""
    found = {name: name for name in outlook.method.year.measures}
    found |= {one.key: name for name, one in outlook.method.year.measures.items()}
    return found | {one.measure: name for name, one in outlook.measures.items()}


def unaltered(outlook: ContractProjection) -> Altered:
    """The outlook by the rules it was made with."""
    return Altered(outlook, rules_of(outlook), ())


def altered(outlook: ContractProjection, scenario: Scenario) -> Altered:
    """The outlook under the scenario's rules; the Health Equity Index is `with_reward`. Raises ProblemError naming the
    field."""
    names = names_of(outlook)
    found, changes = outlook, []
    if scenario.weights_of:
        found, said = by_weights_of(found, scenario.weights_of)
        changes.append(said)
    if scenario.weights:
        weights = {id_of(names, name, "weights"): weight for name, weight in scenario.weights.items()}
        found = with_year(found, reweighted(found.method.year, present(found, weights, "weights")))
        changes.append("weights: " + ", ".join(f"{name} {weight}" for name, weight in scenario.weights.items()))
    if scenario.without:
        found = without(found, {id_of(names, name, "without") for name in scenario.without})
        changes.append(f"without {', '.join(scenario.without)}")
    for name, one in scenario.added.items():
        found = with_measure(found, name, one, names.get(name))
        changes.append(f"with {name} at {one.star} stars, weight {one.weight}")
    if not scenario.reward_factor:
        found = with_year(found, without_reward(found.method.year))
        changes.append("no reward factor")
    rules = moved_rules(found, scenario, names)
    changes += list(words_of_cuts(scenario))
    return Altered(needing(found, rules), rules, tuple(changes))


def id_of(names: Mapping[str, str], name: str, field: str) -> str:
    """The id a measure has in the Star year. Raises ProblemError."""
    if name not in names:
        raise ProblemError(NAMED, field=f"{field}.{name}")
    return names[name]


def present(outlook: ContractProjection, weights: Mapping[str, int], field: str) -> Mapping[str, int]:
    """Weights of measures that are still there: what another change of the scenario took out has none. Raises
    ProblemError."""
    for name in weights:
        if name not in outlook.method.year.measures:
            raise ProblemError("is left out by another change of the scenario", field=f"{field}.{name}")
    return weights


def with_year(outlook: ContractProjection, year: StarYear) -> ContractProjection:
    """The outlook rated by another Star year."""
    return replace(outlook, method=replace(outlook.method, year=year))


def without(outlook: ContractProjection, gone: set[str]) -> ContractProjection:
    """The outlook without some measures of the Star year."""
    measures = {name: one for name, one in outlook.method.year.measures.items() if name not in gone}
    return replace(
        with_year(outlook, replace(outlook.method.year, measures=measures)),
        measures={name: one for name, one in outlook.measures.items() if name not in gone},
        fixed={name: star for name, star in outlook.fixed.items() if name not in gone},
    )


def by_weights_of(outlook: ContractProjection, star_year: int) -> tuple[ContractProjection, str]:
    """The outlook with the weights of another Star year, and without the measures that leave up to it.

    Of a year that is not published the newest before it gives the weights, CMS's announcements the removals. What
    comes new has no score here yet: `with` gives it a star.
    """
    published = max((one for one in years.years() if one <= star_year), default=None)
    if published is None:
        raise ProblemError(f"is {star_year}, before the first Star year there is reference data for",
                           field="weights_of")  # fmt: skip
    gone = set(standing.leaving(outlook.method.year, star_year))
    left = without(outlook, gone)
    by_key = {one.key: one.weight for one in years.star_year(published).measures.values()}
    known = left.method.year.measures
    weights = {name: by_key[one.key] for name, one in known.items() if one.key in by_key}
    new = sorted(set(by_key) - {one.key for one in known.values()})
    said = f"weights of {published}" + (f", the newest known for {star_year}" if published != star_year else "")
    said += f"; {', '.join(sorted(gone))} leave" if gone else ""
    said += (
        f"; {', '.join(new)} would come and have no star here" if new and published > outlook.method.year.year else ""
    )
    return with_year(left, reweighted(left.method.year, weights)), said


def with_measure(outlook: ContractProjection, name: str, one: Added, known: str | None) -> ContractProjection:
    """The outlook with a measure more at a star: one of the Star year that the contract has no star of, or one that
    is not in it yet. Raises ProblemError."""
    year = outlook.method.year
    if known in outlook.measures:
        raise ProblemError("is projected already; use closures or closure_rates", field=f"with.{name}")
    if known is not None and known in year.measures:
        if year.measures[known].part not in outlook.method.rated_as.parts:
            raise ProblemError(f"is no measure of {outlook.method.rated_as.value} contracts", field=f"with.{name}")
        changed = replace(year.measures[known], weight=one.weight)
    else:
        known = f"{'D' if outlook.method.rated_as.highest is Part.D else 'C'}:{name}"
        changed = invented(known, name, one)
    measured = replace(year, measures={**year.measures, known: changed})
    return replace(with_year(outlook, measured), fixed={**outlook.fixed, known: one.star})


def invented(measure_id: str, name: str, one: Added) -> Measure:
    """A measure that no Star year has yet: nothing of it but star and weight takes part in a rating."""
    return Measure(
        id=measure_id, key=name, name=name, domain_id="", domain="", category="process", weight=one.weight,
        lower_is_better=False, method=Method.CLUSTERING, precision=Decimal(1), unit="", scale_low=None,
        scale_high=None, new=False, disaster=Disaster.NEVER, duplicate_of="", puerto_rico_zero=False,
        required_of=frozenset(),
    )  # fmt: skip


def with_reward(one: Altered, reward: Decimal, said: str) -> Altered:
    """The same with one reward whatever the stars' mean and variance: how the Health Equity Index would have paid."""
    every = {(mean, variance): reward for mean in MEAN_CLASSES for variance in VARIANCE_CLASSES}
    return replace(one, outlook=with_year(one.outlook, replace(one.year, reward=every)), changes=(*one.changes, said))


def with_closures(one: Altered, added: Mapping[str, float], said: str) -> Altered:
    """The same with closures, by measure id, that come whatever is simulated."""
    measures = dict(one.outlook.measures)
    for name, more in added.items():
        each = measures[name]
        numerator = min(each.numerator + more, each.denominator)
        measures[name] = replace(
            each, numerator=numerator, rate=numerator / each.denominator,
            count=raised(each.count, more * each.reported / each.denominator),
        )  # fmt: skip
    return replace(one, outlook=replace(one.outlook, measures=measures), changes=(*one.changes, said))


def moved_rules(outlook: ContractProjection, scenario: Scenario, names: Mapping[str, str]) -> dict[str, StarRule]:
    """The rules of the projected measures with their cut points moved. Raises ProblemError."""
    set_to = {id_of(names, name, "cuts"): (name, cuts) for name, cuts in scenario.cuts.items()}
    shifts = {
        (EVERY if name == EVERY else id_of(names, name, "cut_shifts")): points
        for name, points in scenario.cut_shifts.items()
    }
    for field, given in (("cuts", set_to), ("cut_shifts", shifts)):
        for name in given:
            if name != EVERY and name not in outlook.measures:
                raise ProblemError("is not projected for this contract: its star is fixed", field=f"{field}.{name}")
    found = {}
    for name, rule in rules_of(outlook).items():
        measure = outlook.method.year.measure(name)
        cuts = shifted(rule.cuts, shifts.get(name, shifts.get(EVERY, Decimal(0))), measure)
        said, wanted = set_to.get(name, (name, {}))
        found[name] = replace(rule, cuts=replaced(cuts, wanted, measure, said))
    return found


def shifted(cuts: CutPoints, points: Decimal, measure: Measure) -> CutPoints:
    """Cut points that are harder to reach by so many points, within the measure's scale."""
    step = -points if measure.lower_is_better else points
    low = measure.scale_low if measure.scale_low is not None else Decimal("-Infinity")
    high = measure.scale_high if measure.scale_high is not None else Decimal("Infinity")
    return CutPoints(*(min(max(cut + step, low), high) for cut in cuts))


def replaced(cuts: CutPoints, wanted: Mapping[int, Decimal], measure: Measure, said: str) -> CutPoints:
    """Cut points with some set. Raises ProblemError where they do not get harder star by star."""
    found = CutPoints(*(wanted.get(star, cut) for star, cut in zip(STARS, cuts, strict=True)))
    harder = [-cut if measure.lower_is_better else cut for cut in found]
    if wanted and any(after <= before for before, after in pairwise(harder)):
        raise ProblemError(
            f"cut points {', '.join(str(cut) for cut in found)} do not get harder star by star", field=f"cuts.{said}"
        )
    return found


def needing(outlook: ContractProjection, rules: Mapping[str, StarRule]) -> ContractProjection:
    """The outlook with the counts that the rules ask for, and the odds of the stars they make."""
    measures = {}
    for name, one in outlook.measures.items():
        odds = one.count.odds(rules[name].counts(one.reported))
        measures[name] = replace(one, needed=rules[name].counts(one.denominator), odds=odds)
    return replace(outlook, measures=measures)


def words_of_cuts(scenario: Scenario) -> Iterator[str]:
    """Moved cut points in words."""
    for name, points in scenario.cut_shifts.items():
        whose = "every measure" if name == EVERY else name
        yield f"cut points of {whose} {abs(points)} point{'' if abs(points) == 1 else 's'} " + (
            "harder" if points >= 0 else "easier"
        )
    for name, cuts in scenario.cuts.items():
        yield f"{name}: " + ", ".join(f"{star} stars from {cut}" for star, cut in cuts.items())
