"""The jobs of this room."""

from hedis.lib import jobs
from predictions import portfolio_run
from predictions.models import ScoringRun


@jobs.task(portfolio_run.TASK)
def score_portfolio(run: int) -> None:
    """Go on with a run over the whole plan, in the name of who asked for it."""
    asked = ScoringRun.objects.get(pk=run)
    portfolio_run.carry_on(asked, by=asked.requested_by)
