"""Workers that are stopped, killed, or meet errors: no job is lost and none is done by halves."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.db import connection, transaction
from procrastinate.contrib.django.models import ProcrastinateJob, ProcrastinateWorker

from hedis.lib import jobs, working
from tests.journeys.counting import CountingRun

PROJECT = Path(__file__).resolve().parents[2]
BEAT, LOST = timedelta(seconds=0.3), timedelta(seconds=1)
PATIENCE = 60


@pytest.fixture
def queue(transactional_db: None) -> Iterator[None]:
    """An empty queue and the table of counting runs; the flush after the test knows neither."""
    with connection.schema_editor() as editor:
        editor.create_model(CountingRun)
    yield
    with connection.schema_editor() as editor:
        editor.delete_model(CountingRun)
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE procrastinate_jobs, procrastinate_workers CASCADE")


@contextmanager
def worker() -> Iterator[subprocess.Popen[str]]:
    """`manage.py work` on the test's database, with signs of life in quick succession."""
    database = urlsplit(os.environ["TEST_DATABASE_URL"])._replace(path=f"/{connection.settings_dict['NAME']}").geturl()
    process = subprocess.Popen(
        [sys.executable, "manage.py", "work", "--heartbeat", "0.3", "--lost-after", "1"],
        cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env=os.environ | {"DATABASE_URL": database, "DJANGO_SETTINGS_MODULE": "tests.journeys.worker_settings"},
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def the_jobs() -> set[tuple[str, str]]:
    """Name and status of the jobs in the queue, but for those of the clock."""
    return set(ProcrastinateJob.objects.filter(queueing_lock=None).values_list("task_name", "status"))


def counted_to(number: int, run: CountingRun, process: subprocess.Popen[str]) -> int:
    """Wait until the run has counted so far; returns how far it is."""
    deadline = time.monotonic() + PATIENCE
    while (done := CountingRun.objects.get(pk=run.pk).done) < number:
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline, "the worker does not count"
        time.sleep(0.02)
    return done


def test_a_run_outlives_a_stopped_and_a_killed_worker_and_no_unit_is_done_twice(queue: None) -> None:
    run = CountingRun.objects.create(requested_by="ben", pause=0.1)
    jobs.defer("tests.count", run_id=run.pk, upto=90)

    with worker() as first:
        counted_to(2, run, first)
        assert jobs.worker_alive()
        first.send_signal(signal.SIGTERM)
        said, _ = first.communicate(timeout=PATIENCE)
        assert (first.returncode, the_jobs()) == (0, {("tests.count", "todo")}), said
        assert not jobs.worker_alive()
    run.refresh_from_db()
    stopped_at = run.done
    assert (run.state, stopped_at < 90) == ("running", True)

    with worker() as second:
        counted_to(stopped_at + 2, run, second)
        second.kill()
        second.wait()
    killed_at = CountingRun.objects.get(pk=run.pk).done
    assert (the_jobs(), ProcrastinateWorker.objects.count()) == ({("tests.count", "doing")}, 1)

    CountingRun.objects.update(pause=0)
    assert working.drain(heartbeat=BEAT, lost_after=timedelta(seconds=PATIENCE))["done"] == 0, "it may live still"
    time.sleep(LOST.total_seconds())
    assert working.drain(heartbeat=BEAT, lost_after=LOST) == {"done": 1, "failed": 0, "tried_again_later": 0}
    run.refresh_from_db()
    assert (run.state, run.done, run.share_done) == ("done", 90, 1.0)
    assert [unit for unit, _ in run.counted] == list(range(90))
    workers = [process for _, process in run.counted]
    assert workers == [first.pid] * stopped_at + [second.pid] * (killed_at - stopped_at) + [os.getpid()] * (
        90 - killed_at
    )


def test_a_failing_task_is_told_and_kept_and_one_that_may_pass_is_tried_again(
    queue: None, caplog: pytest.LogCaptureFixture
) -> None:
    good, bad = [CountingRun.objects.create(requested_by="ben") for _ in range(2)]
    jobs.defer("tests.count", run_id=good.pk, upto=3)
    jobs.defer("tests.count", run_id=good.pk, upto=3)
    jobs.defer("tests.count", run_id=bad.pk, upto=101)
    jobs.defer("tests.lose_connection")
    assert working.drain(heartbeat=BEAT, lost_after=LOST) == {"done": 2, "failed": 1, "tried_again_later": 1}
    good.refresh_from_db()
    bad.refresh_from_db()
    assert [unit for unit, _ in good.counted] == [0, 1, 2], "the second job found it done"
    assert (bad.state, bad.error) == ("failed", "101 units are too many")
    assert "101 units are too many" in caplog.text
    assert the_jobs() == {("tests.count", "failed"), ("tests.lose_connection", "todo")}
    assert jobs.waiting() == 0, "the next try is not due yet"


def test_of_two_clicks_at_the_same_time_one_makes_a_job(queue: None) -> None:
    ready = threading.Barrier(2)

    def click() -> str:
        try:
            with transaction.atomic():
                ready.wait(timeout=PATIENCE)
                jobs.defer("tests.lose_connection", once="score 2026")
                time.sleep(0.1)  # the caller has more to do before it commits
            return "queued"
        except jobs.AlreadyQueued:
            return "refused"
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as people:
        answers = [people.submit(click) for _ in range(2)]
        assert sorted(answer.result() for answer in answers) == ["queued", "refused"]
    assert the_jobs() == {("tests.lose_connection", "todo")}
