"""The worker: takes jobs from the queue until it is told to stop, or until there are none."""

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from procrastinate import App, PsycopgConnector
from procrastinate.contrib.django.models import ProcrastinateJob
from procrastinate.contrib.django.utils import connector_params
from procrastinate.job_context import JobContext
from procrastinate.periodic import PeriodicRegistry
from procrastinate.worker import Worker

from hedis.lib import jobs


@dataclass
class Tally:
    """The jobs one worker ran; those of the clock, which a standing worker may have left, not counted."""

    ids: set[int] = field(default_factory=set)

    async def note(self, call_next: Callable[[], Awaitable[Any]], context: JobContext, worker: Worker) -> Any:
        """Middleware of the worker: remember the job, run it."""
        if context.job.id is not None and context.job.queueing_lock is None:
            self.ids.add(context.job.id)
        return await call_next()

    def outcome(self) -> dict[str, int]:
        """How many were done, failed, or will be tried again. A job that is done has left the queue."""
        left = Counter(ProcrastinateJob.objects.filter(id__in=self.ids).values_list("status", flat=True))
        again = left["todo"] + left["doing"]
        return {"done": len(self.ids) - left.total(), "failed": left.total() - again, "tried_again_later": again}


def work(*, heartbeat: timedelta, lost_after: timedelta) -> None:
    """Work until SIGTERM or SIGINT; a running task is asked to stop at its next unit, and its job waits for another."""
    _run(_app(lost_after), heartbeat, lost_after, wait=True)


def drain(*, heartbeat: timedelta, lost_after: timedelta) -> dict[str, int]:
    """Work until no job is due; returns how many were done, failed, or will be tried again later.

    It starts none of the clock's jobs and does what they would do itself.
    """
    tally = Tally()
    jobs.forget_old_failures()
    worker = _app(lost_after)
    worker.periodic_registry = PeriodicRegistry()
    _run(worker, heartbeat, lost_after, wait=False, listen_notify=False, worker_middleware=[tally.note])
    return tally.outcome()


def _app(lost_after: timedelta) -> App:
    """The queue with connections for a worker, the jobs of dead ones put back into it."""
    jobs.recover(lost_after)
    # The parameters come from Django's connection, which starts the private server where there is no other.
    return jobs.app.with_connector(PsycopgConnector(kwargs=connector_params(), min_size=1, max_size=4))


def _run(worker: App, heartbeat: timedelta, lost_after: timedelta, **options: Any) -> None:
    worker.run_worker(
        update_heartbeat_interval=heartbeat.total_seconds(),
        stalled_worker_timeout=lost_after.total_seconds(),
        shutdown_graceful_timeout=0,
        delete_jobs="successful",
        **options,
    )
