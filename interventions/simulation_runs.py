"""Simulations asked for, done by a worker or at once, and kept."""

import time
from datetime import date
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from audit import ledger
from audit.models import Event
from hedis.lib import jobs, runs
from hedis.members.models import Contract
from hedis.stars import years
from interventions import simulation
from interventions.deciding import CHANNELS
from interventions.models import Simulation
from interventions.problem import ProblemError
from interventions.projection import NothingToProject
from interventions.scenario import Scenario, as_content, scenario_of
from interventions.workflow import WorkflowError, name_of

TASK = "interventions.simulate"
LONGEST_NAME = 120
# What a simulation may fail by that people can mend, in words that name no member.
TOLD = (ProblemError, NothingToProject, years.UnknownStarYear)


class NameTaken(WorkflowError):
    """Another simulation of the contract and year has this name."""


class NoName(WorkflowError):
    """A simulation is kept under a name."""


def ask(name: str, *, contract: Contract, year: int, content: Any, later: bool = True, by: Any) -> Simulation:
    """Keep what is asked; a worker does it, unless the caller does (`later` False).

    A second click with the same name and the same scenario gets the first one's. Raises NoName, NameTaken,
    ProblemError for a scenario that is none.
    """
    name = name.strip()
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise NoName(f"a simulation needs a name of 1 to {LONGEST_NAME} printable characters")
    scenario = as_content(scenario_of(content, channels=CHANNELS))
    try:
        with transaction.atomic():
            made = Simulation.objects.create(
                name=name, contract=contract, year=year, scenario=scenario, requested_by=name_of(by),
            )  # fmt: skip
            ledger.record(
                Event.Kind.JOB, "simulation.asked", object_type="simulation", object_id=made.pk,
                after={"contract": contract.number, "year": year, "name": name, "scenario": scenario}, by=by,
            )  # fmt: skip
            if later:
                jobs.defer(TASK, once=f"simulate {made.pk}", simulation=made.pk)
    except IntegrityError:
        stood = Simulation.objects.get(contract=contract, year=year, name=name)
        if stood.scenario == scenario:
            return stood
        raise NameTaken(f"{contract.number} has a simulation {name!r} of {year} already, and it asks something else"
                        ) from None  # fmt: skip
    return made


def carry_out(asked: Simulation, *, today: date, by: Any) -> Simulation:
    """Do a simulation and keep its result; done before, it is returned as it is.

    Raises ProblemError, projection.NothingToProject, years.UnknownStarYear; the run then says why.
    """
    scenario = scenario_asked(asked)
    if not runs.begin(asked, total=simulation.units_of(scenario)):
        return asked
    begun = time.monotonic()
    with runs.ending(asked, tell=TOLD, record=lambda: record_done(asked, by=by)) as ended:
        found = simulation.simulated(
            asked.contract, asked.year, scenario, today=today, advance=lambda done: runs.advance(asked, done=done)
        )
        ended["result"], ended["data_as_of"] = found, date.fromisoformat(found["data_as_of"])
        ended["seconds"] = round(time.monotonic() - begun, 2)
    return asked


def record_done(done: Simulation, *, by: Any) -> None:
    """The ledger line of a result."""
    ledger.record(
        Event.Kind.JOB, "simulation.done", object_type="simulation", object_id=done.pk,
        after={"contract": done.contract.number, "year": done.year, "data_as_of": done.data_as_of}, by=by,
    )  # fmt: skip


def scenario_asked(asked: Simulation) -> Scenario:
    """The scenario of a stored simulation."""
    return scenario_of(asked.scenario, channels=CHANNELS)


def today_of(asked: Simulation) -> date:
    """The day a simulation looks from: the day it was asked for."""
    return timezone.localdate(asked.requested_at)
