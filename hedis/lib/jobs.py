"""Background jobs: a queue in our own PostgreSQL (procrastinate), so that a job is part of the transaction that asks.

A room writes its tasks in `tasks.py`, which is found by itself, and asks for one by name: a job that waits keeps its
name while the code moves. Arguments are ids, never what a row holds: they are stored and logged. A task runs at least
once, so it must be harmless to run it twice. Why it is built so: docs/decisions/0012-jobs.md.
"""

from collections.abc import Callable
from contextvars import ContextVar
from datetime import timedelta
from typing import Any

from django.db import InterfaceError, OperationalError, connection, models, transaction
from django.utils import timezone
from procrastinate import App, BaseRetryStrategy, RetryDecision
from procrastinate.contrib.django import app as django_app
from procrastinate.exceptions import JobAborted
from procrastinate.job_context import JobContext
from procrastinate.jobs import Job
from procrastinate.tasks import Task
from procrastinate.worker import Worker

app: App = django_app

# A worker says every HEARTBEAT that it lives; one silent for LOST_AFTER is taken for dead and its jobs start again.
HEARTBEAT = timedelta(seconds=10)
LOST_AFTER = timedelta(seconds=60)
# Tries of one job, lost workers counted: a job that kills its worker every time must not go round for ever.
MOST_ATTEMPTS = 10
LONGEST_WAIT = timedelta(minutes=10)
# What may be gone at the next try. Everything else would fail again.
TRANSIENT: tuple[type[Exception], ...] = (OperationalError, InterfaceError, ConnectionError, TimeoutError)
FAILED_KEPT = timedelta(days=90)

Interrupted = JobAborted
_current: ContextVar[JobContext | None] = ContextVar("current_job", default=None)


class AlreadyQueued(Exception):
    """The same work waits or runs already."""


class Retry(BaseRetryStrategy):
    """Again at once after a worker's shutdown; later and later, MOST_ATTEMPTS in all, after a transient error."""

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision | None:
        if isinstance(exception, Interrupted):
            return RetryDecision(retry_in={"seconds": 0})
        if not isinstance(exception, TRANSIENT) or job.attempts + 1 >= MOST_ATTEMPTS:
            return None
        wait = min(5 * 2**job.attempts, int(LONGEST_WAIT.total_seconds()))
        return RetryDecision(retry_in={"seconds": wait})


def task(name: str) -> Callable[[Callable[..., None]], Task[..., None, ...]]:
    """Make a function a task of this name, such as "predictions.score_portfolio"; it takes keyword arguments only."""

    def register(function: Callable[..., None]) -> Task[..., None, ...]:
        return app.task(name=name, retry=Retry(), task_middleware=[_interruptible])(function)

    return register


def defer(task: str | Task[Any, Any, Any], *, once: str = "", **arguments: Any) -> int:
    """Ask for a job, in the caller's transaction: rolled back with it. Returns the job's id.

    With `once`, such as "score 2026", raises AlreadyQueued while another job of that name waits or runs. Raises
    procrastinate's TaskNotFound for a task nobody wrote.
    """
    name = task if isinstance(task, str) else task.name
    with transaction.atomic():
        if once:
            _be_the_only_one(once)
        return app.configure_task(name, allow_unknown=False, lock=once or None).defer(**arguments)


def _be_the_only_one(once: str) -> None:
    """Hold this name until the transaction ends; the second of a double click waits here, then sees the first's job.

    Our own lock and not procrastinate's queueing lock, which lets the second in as soon as the first one runs.
    """
    from procrastinate.contrib.django.models import ProcrastinateJob

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"job {once}"])
    if ProcrastinateJob.objects.filter(lock=once, status__in=("todo", "doing")).exists():
        raise AlreadyQueued(f"“{once}” waits or runs already")


def stop_if_asked() -> None:
    """Between two units of work: raise Interrupted where the worker is to stop; the job goes back to the queue."""
    context = _current.get()
    if context is not None and context.should_abort():
        raise Interrupted


def _interruptible(call_next: Callable[[], Any], context: JobContext, worker: Worker) -> Any:
    token = _current.set(context)
    try:
        return call_next()
    finally:
        _current.reset(token)


RECOVER = """
    UPDATE procrastinate_jobs AS job
    SET attempts = job.attempts + 1,
        scheduled_at = now(),
        status = CASE WHEN job.attempts + 1 >= %(most)s OR job.abort_requested OR job.queueing_lock IS NOT NULL
                      THEN 'failed' ELSE 'todo' END::procrastinate_job_status
    WHERE job.status = 'doing'
      AND NOT EXISTS (
        SELECT FROM procrastinate_workers AS worker
        WHERE worker.id = job.worker_id AND worker.last_heartbeat >= now() - make_interval(secs => %(lost_after)s)
      )
    RETURNING job.status
"""
FORGET = """
    DELETE FROM procrastinate_jobs AS job
    WHERE job.status IN ('failed', 'cancelled', 'aborted')
      AND NOT EXISTS (
        SELECT FROM procrastinate_events AS event
        WHERE event.job_id = job.id AND event.at > now() - make_interval(secs => %s)
      )
"""


def recover(lost_after: timedelta = LOST_AFTER) -> int:
    """Put the jobs of dead workers back into the queue; returns how many.

    One statement, so workers that sweep at the same time do not take a job twice. A job that has used up its attempts
    fails; so does one that the clock started (it has a queueing lock), for the clock starts another.
    """
    with connection.cursor() as cursor:
        cursor.execute(RECOVER, {"lost_after": lost_after.total_seconds(), "most": MOST_ATTEMPTS})
        return sum(status == "todo" for (status,) in cursor.fetchall())


def by_clock(name: str, cron: str) -> Callable[[Callable[[int], None]], Any]:
    """Make a function a task that the workers' clock starts, told the second it is due; `cron` in UTC.

    Its queueing lock keeps it from piling up behind a long job.
    """

    def register(function: Callable[[int], None]) -> Any:
        return app.periodic(cron=cron)(app.task(name=name, queueing_lock=name)(function))

    return register


@by_clock("jobs.keep_house", cron="* * * * *")
def keep_house(timestamp: int) -> None:
    """Every minute: recover the jobs of dead workers, forget failed ones of long ago."""
    recover()
    forget_old_failures()


def forget_old_failures() -> None:
    """Delete failed jobs after FAILED_KEPT; what a room must remember stands in its runs and in the ledger."""
    with connection.cursor() as cursor:
        cursor.execute(FORGET, [FAILED_KEPT.total_seconds()])


def worker_alive() -> bool:
    """Whether a worker gave a sign of life lately."""
    from procrastinate.contrib.django.models import ProcrastinateWorker

    return ProcrastinateWorker.objects.filter(last_heartbeat__gte=timezone.now() - LOST_AFTER).exists()


def waiting() -> int:
    """How many jobs could start now and have not; those of the clock not counted."""
    from procrastinate.contrib.django.models import ProcrastinateJob

    due = models.Q(scheduled_at=None) | models.Q(scheduled_at__lte=timezone.now())
    return ProcrastinateJob.objects.filter(due, status="todo", queueing_lock=None).count()
