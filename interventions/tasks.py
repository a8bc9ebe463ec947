"""The jobs of this room."""

from hedis.lib import jobs
from interventions import plan_runs, simulation_runs
from interventions.models import PlanRun, Simulation


@jobs.task(plan_runs.TASK)
def decide(run: int) -> None:
    """Decide a plan, in the name of who asked for it."""
    asked = PlanRun.objects.get(pk=run)
    plan_runs.carry_on(asked, by=asked.requested_by)


@jobs.task(simulation_runs.TASK)
def simulate(simulation: int) -> None:
    """Do a simulation, looking from the day it was asked for, in the name of who asked."""
    asked = Simulation.objects.select_related("contract").get(pk=simulation)
    simulation_runs.carry_out(asked, today=simulation_runs.today_of(asked), by=asked.requested_by)
