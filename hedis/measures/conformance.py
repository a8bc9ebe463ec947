"""Do our definitions put published test patients where their authors expect them? Pure comparing and explaining.

The published engines' conventions: a patient outside the denominator, or excluded from it, has numerator 0. An
inverse measure's published numerator is the poor outcome, which our definition counts the complement of.
"""

from __future__ import annotations

import csv
import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import ibis

from hedis.engine.backends import Backend, taken_in
from hedis.engine.codes import ValueSetCode, as_table, read_value_sets
from hedis.engine.evaluate import evaluate
from hedis.engine.facts import Tables
from hedis.engine.measure import AgeBand, AgeOn, AnyOf, Condition, Definition, result_value_sets_used, value_sets_used
from hedis.engine.period import Period
from hedis.measures.deck import Case, DeckError
from hedis.measures.ecqm.common import DIRECT_REFERENCE_CODES

POPULATIONS = ("initial-population", "denominator", "denominator-exclusion", "numerator")
KNOWN_DRIFT = Path(__file__).parent / "ecqm" / "known_drift.csv"
EVER_KNOWN = dt.date(9999, 12, 31)
"""As-of date of a deck: nothing in it may count as not known yet."""

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Disagreement:
    """A case we judge otherwise. `why`: what decided, in words; `known_drift`: why it is expected to differ."""

    id: str
    title: str
    expected: Mapping[str, int]
    ours: Mapping[str, int]
    why: str
    known_drift: str = ""


@dataclass(frozen=True)
class Agreement:
    """How one measure fared. `populations`: cases that agree, by population."""

    measure: str
    cases: int
    populations: Mapping[str, int]
    disagree: tuple[Disagreement, ...] = field(default=())

    @property
    def agree(self) -> int:
        """Cases right in every population."""
        return self.cases - len(self.disagree)

    @property
    def unexplained(self) -> tuple[Disagreement, ...]:
        """Disagreements nobody expects."""
        return tuple(each for each in self.disagree if not each.known_drift)


def codes_for(definition: Definition, deck: Sequence[ValueSetCode]) -> tuple[ValueSetCode, ...]:
    """The codes a definition needs: the deck's value sets and the codes its libraries name themselves.

    Raises DeckError where a list the definition names is in neither.
    """
    names = value_sets_used(definition) | result_value_sets_used(definition)
    rows = tuple(row for row in (*deck, *read_value_sets([DIRECT_REFERENCE_CODES])) if row.value_set in names)
    if absent := sorted(names - {row.value_set for row in rows}):
        raise DeckError(f"valuesets: {definition.code} needs {', '.join(absent)}, which no file has")
    return rows


def check(
    definition: Definition, cases: Sequence[Case], codes: Sequence[ValueSetCode], warehouse: Mapping[str, ibis.Table],
    backend: Backend,
) -> Agreement:  # fmt: skip
    """Judges all cases of a measure, in one run a period. `warehouse`: the tables member, enrolment, event and
    dispensing, holding every case's resources; `Case.member` says which member a case is."""
    disagree: list[Disagreement] = []
    right = dict.fromkeys(POPULATIONS, 0)
    for period in dict.fromkeys(case.period for case in cases):
        tables = Tables(**warehouse, value_set=as_table(codes, period.measurement_year))
        run = _Run(definition, taken_in(tables, backend), period, backend)
        found = run.rows(definition)
        judged = [(case, populations(definition, found.get(case.member))) for case in cases if case.period == period]
        for case, ours in judged:
            for name in POPULATIONS:
                right[name] += ours[name] == case.expected.get(name, 0)
        wrong = [(case, ours) for case, ours in judged if differing(case.expected, ours)]
        disagree += [run.explained(case, ours, found.get(case.member)) for case, ours in wrong]
    return Agreement(definition.code, len(cases), right, tuple(disagree))


def differing(expected: Mapping[str, int], ours: Mapping[str, int]) -> list[str]:
    """Populations the two do not agree on; one that is not named counts as 0."""
    names = dict.fromkeys((*POPULATIONS, *expected))
    return [name for name in names if expected.get(name, 0) != ours.get(name, 0)]


def populations(definition: Definition, row: Row | None) -> dict[str, int]:
    """A result row (None: not in the eligible population) as the populations a deck expects."""
    if row is None:
        return dict.fromkeys(POPULATIONS, 0)
    published = bool(row["numerator"]) is not definition.inverse
    return {
        "initial-population": 1,
        "denominator": 1,
        "denominator-exclusion": int(row["excluded"]),
        "numerator": int(not row["excluded"] and published),
    }


def known_drift() -> dict[tuple[str, str], str]:
    """Cases known to be written for another version of the measure: (measure, title) -> reason."""
    with KNOWN_DRIFT.open(encoding="utf-8", newline="") as handle:
        return {(row["measure"], row["title"]): row["reason"] for row in csv.DictReader(handle)}


# -- why -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Run:
    """One period's evaluation. What only a disagreement needs to know is asked when one turns up."""

    definition: Definition
    tables: Tables
    period: Period
    backend: Backend

    def rows(self, definition: Definition) -> dict[str, Row]:
        """Result rows by member."""
        result = evaluate(definition, self.tables, self.period, EVER_KNOWN, keep=self.backend.keep)
        return {row["member"]: row for row in self.backend.arrow(result).to_pylist()}

    def explained(self, case: Case, ours: Mapping[str, int], row: Row | None) -> Disagreement:
        """A case judged otherwise, with what decided: of the populations that differ, the first."""
        first = differing(case.expected, ours)[0]
        if case.member not in self.sexes:
            why = "the patient could not be read"
        elif row is None or first in POPULATIONS[:2]:
            why = self._entry(case.member)
        else:
            why = _exclusion(row, self.exclusions[case.member]) if first == POPULATIONS[2] else _numerator(row)
        known = known_drift().get((self.definition.code, case.title), "")
        return Disagreement(case.id, case.title, case.expected, ours, why, known)

    @cached_property
    def sexes(self) -> dict[str, str]:
        """Everybody's sex."""
        people = self.backend.arrow(self.tables.member.select("member", "sex")).to_pylist()
        return {row["member"]: row["sex"] for row in people}

    @cached_property
    def entries(self) -> dict[str, Row]:
        """Everybody, of any age and sex, asked about the denominator event."""
        if self.definition.denominator_event is None:
            raise ValueError(
                f"{self.definition.code}: an eCQM form without a denominator event has no entry to explain"
            )
        return self._asked(self.definition.denominator_event)

    @cached_property
    def exclusions(self) -> dict[str, Row]:
        """Everybody, of any age and sex, asked whether any exclusion's condition is met."""
        return self._asked(AnyOf(*(each.condition for each in self.definition.exclusions)))

    def _asked(self, condition: Condition) -> dict[str, Row]:
        anybody = (AgeBand(0, 0, 200),)
        return self.rows(
            replace(
                self.definition, ages=anybody, star_ages=(), sexes=(), denominator_event=None, exclusions=(),
                numerator=condition,
            )
        )  # fmt: skip

    def _entry(self, member: str) -> str:
        """Why in or out of the initial population."""
        entry, sex = self.entries[member], self.sexes[member]
        band, out = self.definition.band(self.period), []
        if not band.low <= entry["age"] <= band.high:
            day = self.period.start if self.definition.age_on is AgeOn.START else self.period.end
            out.append(f"age {entry['age']} on {day} is outside {band.low} to {band.high}")
        if self.definition.sexes and sex not in self.definition.sexes:
            out.append(f"sex {sex} is not {' or '.join(self.definition.sexes)}")
        if not entry["numerator"]:
            out.append(entry["reason"])
        if out:
            return f"not in the initial population: {', '.join(out)}"
        return f"in the initial population: age {entry['age']}, {_evidence(entry)}"


def _exclusion(row: Row, probed: Row) -> str:
    """Why excluded or not. `probed`: the exclusions asked without their ages."""
    if row["excluded"]:
        return f"excluded: {row['exclusion']} on {row['exclusion_date']}"
    if probed["numerator"]:
        return f"not excluded at age {row['age']}: {_evidence(probed)}"
    return f"not excluded: {probed['reason']}"


def _numerator(row: Row) -> str:
    """What decided the numerator of our definition, which counts the good outcome."""
    return f"met: {_evidence(row)}" if row["numerator"] else f"not met: {row['reason']}"


def _evidence(row: Row) -> str:
    shown = f"{row['evidence_route']} on {row['evidence_date']}"
    return f"{shown}: {row['evidence_value']}" if row["evidence_value"] else shown
