"""What could be done for the members of contracts today: one candidate a member and kind of intervention.

Reads only. A candidate that cannot be done (asked not to be called, too late for the kind's lead time, worked on or
held out already) does not exist. How likely a gap stays open without outreach is the prediction in force; where nobody
predicted it, what the measure's projection expects of its unmet members.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from django.db.models import BooleanField, Exists, F, OuterRef, Subquery, Value
from django.db.models.functions import Coalesce
from scipy import sparse

from hedis.gaps.models import Gap
from hedis.members.models import Contract
from interventions.actions import REFERENCE, Action, ActionFileError, actions, rows
from interventions.candidates import Candidates
from interventions.models import InterventionGap
from interventions.problem import Problem
from interventions.states import LIVE, Channel
from predictions import effects, uplift
from predictions.models import ActionEffect, Prediction
from predictions.uplift import Effect

SPOKEN = (Channel.PHONE, Channel.TEXT)


@dataclass(frozen=True)
class OpenGap:
    """A gap a contact can still close. `stays_open`: probability without outreach, None where nobody predicted it."""

    measure: str
    stays_open: float | None
    closable_until: date


@dataclass(frozen=True)
class Person:
    """A member with gaps to close, under the pseudonym, and the contract they count for."""

    member: str
    no_calls: bool
    gaps: tuple[OpenGap, ...]
    contract: str = ""


@dataclass(frozen=True)
class Offer:
    """One kind of intervention for one member: what it adds to the chance of each measure's gap to close."""

    member: str
    action: Action
    uplift: Mapping[str, float]
    contract: str = ""


@cache
def reach(file: Path = REFERENCE / "reach.csv") -> dict[str, list[str]]:
    """Kind to the codes of the measures whose gaps it can close. Raises ActionFileError."""
    found: dict[str, list[str]] = defaultdict(list)
    for row in rows(file):
        kind = row.text("kind")
        if kind not in actions():
            raise ActionFileError(f"{row.place}, kind: {kind!r} has no price in actions.csv")
        found[kind].append(row.text("measure"))
    return dict(found)


def people(contracts: Sequence[Contract], year: int, today: date, *, anew: bool = False) -> Iterator[Person]:
    """Members whose gaps a contact can still close and nobody works on, in a fixed order; `anew`: whoever works on
    them. One query.

    One whose gaps count for several of the contracts is planned for the one with most of them.
    """
    busy = InterventionGap.objects.filter(gap=OuterRef("pk"), intervention__state__in=LIVE)
    said = Subquery(Prediction.objects.in_force().filter(gap=OuterRef("pk")).values("probability")[:1])
    no_calls = Coalesce(F("member__contact_preference__do_not_call"), Value(False), output_field=BooleanField())
    unmet = Gap.objects.filter(contract__in=contracts, year=year, star_eligible=True, contact_by__gte=today).open()
    gaps = (
        (unmet if anew else unmet.exclude(Exists(busy)))
        .order_by("member__pseudonym", "contract__number", "measure__code")
        .values_list("member__pseudonym", no_calls, "contract__number", "measure__code", said, "closable_until")
    )
    for (member, silent), rows_of in groupby(gaps.iterator(chunk_size=20_000), key=itemgetter(0, 1)):
        yield person_of(member, silent, rows_of)


def person_of(member: str, no_calls: bool, rows_of: Iterable[tuple[Any, ...]]) -> Person:
    """One member from the rows of her gaps, in the order of their contracts."""
    held: dict[str, list[OpenGap]] = defaultdict(list)
    for _, _, contract, code, probability, until in rows_of:
        held[contract].append(OpenGap(code, probability, until))
    most = max(held, key=lambda contract: len(held[contract]))
    return Person(member, no_calls, tuple(held[most]), most)


def offers(person: Person, baseline: Mapping[str, float], known: Mapping[tuple[str, str], Effect], today: date
           ) -> Iterator[Offer]:  # fmt: skip
    """What can be done for a member. `baseline`: of each measure to plan the share of unmet gaps that stay open."""
    for kind, action in actions().items():
        if action.cost is None or (person.no_calls and action.channel in SPOKEN):
            continue
        ready = today + timedelta(days=action.lead_days)
        added = {}
        for gap in person.gaps:
            effect = known.get((kind, gap.measure))
            if effect is None or gap.measure not in baseline or gap.closable_until < ready:
                continue
            stays_open = baseline[gap.measure] if gap.stays_open is None else gap.stays_open
            gain = uplift.bounded(stays_open, effect).uplift
            if gain > 0:
                added[gap.measure] = gain
        if added:
            yield Offer(person.member, action, added, person.contract)


def effects_known() -> dict[tuple[str, str], Effect]:
    """The effect to believe of each kind on each measure it reaches; kinds without one cannot be planned. One query."""
    stored = list(ActionEffect.objects.select_related("measure"))
    found = {}
    for kind, measures in reach().items():
        for code in measures:
            row = effects.best(stored, kind, code)
            if row is not None:
                found[kind, code] = effects.effect_of(row)
    return found


def gathered(
    contracts: Sequence[Contract],
    year: int,
    problem: Problem,
    baselines: Mapping[str, Mapping[str, float]],
    today: date,
    *,
    anew: bool = False,
) -> Candidates:
    """Every offer to the contracts' members as the optimiser takes them; `baselines` by contract number, then measure;
    `anew`: also to those somebody works on.

    A resource is a channel: an offer uses one of it.
    """
    known = effects_known()
    found = [
        offer
        for person in people(contracts, year, today, anew=anew)
        for offer in offers(person, baselines[person.contract], known, today)
    ]
    return as_candidates(found, problem)


def as_candidates(found: list[Offer], problem: Problem) -> Candidates:
    """Offers as columns, in their order. Where measures name no contract, every offer counts for them."""
    named = problem.contracts != ("",)
    places = {(measure.contract, measure.code): place for place, measure in enumerate(problem.measures)}
    kinds, members = list(actions()), list(dict.fromkeys(offer.member for offer in found))
    member_of = {member: place for place, member in enumerate(members)}
    cells = [
        (row, places[offer.contract if named else "", code], gain)
        for row, offer in enumerate(found)
        for code, gain in offer.uplift.items()
    ]
    uses = [
        (row, place, 1.0)
        for row, offer in enumerate(found)
        for place, channel in enumerate(problem.resources)
        if offer.action.channel == channel
    ]
    return Candidates(
        member=np.array([member_of[offer.member] for offer in found], dtype=np.int64),
        member_names=pa.array(members, pa.string()),
        action=np.array([kinds.index(offer.action.kind) for offer in found], dtype=np.int64),
        action_names=pa.array(kinds),
        cost=np.array([float(offer.action.cost or 0) for offer in found]),
        uplifts=matrix(cells, (len(found), len(places))),
        uses=matrix(uses, (len(found), len(problem.resources))),
        groups={},
    )


def matrix(cells: list[tuple[int, int, float]], shape: tuple[int, int]) -> sparse.csr_array:
    """A sparse matrix of (row, column, value)."""
    if not cells:
        return sparse.csr_array(shape, dtype=np.float64)
    rows_of, columns, values = zip(*cells, strict=True)
    return sparse.csr_array((np.array(values), (np.array(rows_of), np.array(columns))), shape=shape)


def contracts_of(candidates: Candidates, problem: Problem) -> list[str]:
    """The contract of each candidate; an empty text where the measures name none."""
    numbers = np.array([measure.contract for measure in problem.measures], dtype=object)
    found: list[str] = numbers[candidates.uplifts.indices[candidates.uplifts.indptr[:-1]]].tolist()
    return found


def as_table(candidates: Candidates, problem: Problem) -> pa.Table:
    """Candidates as the file `plan_interventions --candidates` reads."""
    columns: dict[str, Any] = {
        "member": candidates.member_names.take(pa.array(candidates.member)),
        "action": candidates.action_names.take(pa.array(candidates.action)),
        "cost": candidates.cost,
    }
    if problem.contracts != ("",):
        columns["contract"] = contracts_of(candidates, problem)
    for code in dict.fromkeys(measure.code for measure in problem.measures):
        of_code = [place for place, measure in enumerate(problem.measures) if measure.code == code]
        columns[f"uplift_{code}"] = candidates.uplifts[:, of_code].sum(axis=1)
    for place, name in enumerate(problem.resources):
        columns[f"use_{name}"] = candidates.uses[:, [place]].toarray().ravel()
    for name, inside in candidates.groups.items():
        columns[f"group_{name}"] = inside
    return pa.table(columns)
