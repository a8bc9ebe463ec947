"""The queue: part of the caller's transaction, one job for a double click, nothing lost with a dead worker."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction
from procrastinate.contrib.django.models import ProcrastinateJob
from procrastinate.exceptions import TaskNotFound
from procrastinate.jobs import Job

from hedis.lib import jobs

pytestmark = pytest.mark.django_db


@jobs.task("tests.nothing")
def nothing(number: int) -> None:
    """A task for jobs that only wait."""


def put(job: int, status: str, *, heard: str | None = None, attempts: int = 0, lock: str | None = None) -> None:
    """Bring a job into a state; `heard`: how long ago its worker was, None for one whose row is gone."""
    with connection.cursor() as cursor:
        worker = None
        if heard:
            cursor.execute(
                "INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now() - %s::interval) RETURNING id", [heard]
            )
            worker = cursor.fetchone()[0]
        cursor.execute(
            "UPDATE procrastinate_jobs SET status = %s, worker_id = %s, attempts = %s, queueing_lock = %s"
            " WHERE id = %s",
            [status, worker, attempts, lock, job],
        )


def state(job: int) -> tuple[str, int]:
    """Status and attempts of a job."""
    row = ProcrastinateJob.objects.get(pk=job)
    return row.status, row.attempts


def test_a_rolled_back_caller_leaves_no_job() -> None:
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        jobs.defer(nothing, number=1)
        assert jobs.waiting() == 1
        raise ZeroDivisionError
    assert jobs.waiting() == 0


def test_a_committed_caller_leaves_one_with_its_arguments() -> None:
    job = ProcrastinateJob.objects.get(pk=jobs.defer("tests.nothing", number=7))
    assert (job.task_name, job.args, job.status) == ("tests.nothing", {"number": 7}, "todo")


def test_a_task_that_nobody_wrote_is_refused_at_once() -> None:
    with pytest.raises(TaskNotFound):
        jobs.defer("tests.not_there", number=1)
    assert jobs.waiting() == 0


@pytest.mark.parametrize("status", ["todo", "doing"])
def test_the_same_work_is_not_queued_twice_while_it_waits_or_runs(status: str) -> None:
    first = jobs.defer(nothing, once="score 2026", number=1)
    put(first, status)
    with pytest.raises(jobs.AlreadyQueued, match="score 2026"):
        jobs.defer(nothing, once="score 2026", number=1)
    assert ProcrastinateJob.objects.get().pk == first, "the refusal leaves the caller's transaction usable"


def test_other_work_and_work_that_ended_may_be_queued() -> None:
    put(jobs.defer(nothing, once="score 2026", number=1), "failed")
    jobs.defer(nothing, once="score 2026", number=1)
    jobs.defer(nothing, once="score 2027", number=1)
    jobs.defer(nothing, number=1)
    assert jobs.waiting() == 3


def test_the_jobs_of_dead_workers_are_recovered_and_those_of_living_ones_left_alone() -> None:
    living, silent, pruned, poison, clock = [jobs.defer(nothing, number=number) for number in range(5)]
    put(living, "doing", heard="59 seconds", attempts=3)
    put(silent, "doing", heard="61 seconds", attempts=3)
    put(pruned, "doing", heard=None)
    put(poison, "doing", heard="1 hour", attempts=jobs.MOST_ATTEMPTS - 1)
    put(clock, "doing", heard="1 hour", lock="of the clock")
    assert jobs.recover() == 2
    assert state(living) == ("doing", 3)
    assert state(silent) == ("todo", 4)
    assert state(pruned) == ("todo", 1)
    assert state(poison) == ("failed", jobs.MOST_ATTEMPTS)
    assert state(clock) == ("failed", 1)
    assert jobs.recover() == 0


def test_the_minutes_task_recovers_and_forgets_failures_of_long_ago() -> None:
    recent, ancient, lost = [jobs.defer(nothing, number=number) for number in range(3)]
    for job in (recent, ancient):
        put(job, "failed")
    put(lost, "doing")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE procrastinate_events SET at = now() - interval '91 days' WHERE job_id = %s", [ancient])
    jobs.keep_house(timestamp=0)
    assert set(ProcrastinateJob.objects.values_list("pk", "status")) == {(recent, "failed"), (lost, "todo")}


@pytest.mark.parametrize(
    ("error", "attempts", "seconds"),
    [
        (OperationalError("deadlock detected"), 0, 5),
        (ConnectionError("the line is down"), 3, 40),
        (TimeoutError(), jobs.MOST_ATTEMPTS - 2, 600),
        (OperationalError("deadlock detected"), jobs.MOST_ATTEMPTS - 1, None),
        (ValueError("no such measure"), 0, None),
        (jobs.Interrupted(), 0, 0),
        (jobs.Interrupted(), 99, 0),
    ],
)
def test_only_what_may_pass_is_tried_again_later_and_later(error: Exception, attempts: int, seconds: Any) -> None:
    job = Job(id=1, queue="default", lock=None, queueing_lock=None, task_name="x", attempts=attempts)
    decision = jobs.Retry().get_retry_decision(exception=error, job=job)
    if seconds is None:
        assert decision is None
    else:
        assert decision is not None and decision.retry_at is not None
        wait = decision.retry_at.timestamp() - jobs.timezone.now().timestamp()
        assert wait == pytest.approx(seconds, abs=2)


def test_a_worker_is_alive_while_it_gives_signs_of_life() -> None:
    assert not jobs.worker_alive()
    put(jobs.defer(nothing, number=1), "todo", heard="61 seconds")
    assert not jobs.worker_alive()
    put(jobs.defer(nothing, number=1), "todo", heard="59 seconds")
    assert jobs.worker_alive()


def test_a_job_whose_next_try_is_not_due_does_not_wait_for_a_worker() -> None:
    job = jobs.defer(nothing, number=1)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE procrastinate_jobs SET scheduled_at = now() + interval '1 minute' WHERE id = %s", [job])
    assert jobs.waiting() == 0


def test_nothing_is_interrupted_outside_a_worker() -> None:
    jobs.stop_if_asked()
    assert timedelta() < jobs.HEARTBEAT < jobs.LOST_AFTER
