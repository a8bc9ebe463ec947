"""The jobs of this room."""

from hedis.lib import jobs
from interventions import plan_runs
from interventions.models import PlanRun


@jobs.task(plan_runs.TASK)
def decide(run: int) -> None:
    """Decide a plan, in the name of who asked for it."""
    asked = PlanRun.objects.get(pk=run)
    plan_runs.carry_on(asked, by=asked.requested_by)
