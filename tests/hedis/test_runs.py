"""Runs: what the verbs allow, what the database refuses, what a page can ask."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from hedis.lib import runs
from tests.journeys.counting import CountingRun

pytestmark = pytest.mark.django_db


@pytest.fixture
def run(db: None) -> CountingRun:
    """A run that waits; its table goes with the test's transaction."""
    with connection.schema_editor() as editor:
        editor.create_model(CountingRun)
    return CountingRun.objects.create(requested_by="ben")


def stored(run: CountingRun) -> CountingRun:
    """The run as the database has it."""
    return CountingRun.objects.get(pk=run.pk)


def test_a_run_begins_advances_and_ends_well(run: CountingRun) -> None:
    assert (run.state, run.share_done, run.is_over) == ("queued", 0.0, False)
    assert runs.begin(run, total=4)
    runs.advance(run, done=1, counted=["BCS"])
    assert (stored(run).state, stored(run).share_done, stored(run).counted) == ("running", 0.25, ["BCS"])
    runs.finish(run, counted=["BCS", "COL"])
    assert (stored(run).state, stored(run).done, stored(run).share_done) == ("done", 4, 1.0)
    assert stored(run).is_over and stored(run).finished_at and stored(run).counted == ["BCS", "COL"]
    assert not runs.begin(run, total=4), "a job that runs a second time finds nothing to do"


def test_a_run_goes_on_where_a_killed_worker_stopped(run: CountingRun) -> None:
    runs.begin(run, total=4)
    runs.advance(run, done=3)
    started = stored(run).started_at
    assert runs.begin(second := stored(run), total=4)
    assert (second.done, second.started_at) == (3, started)


def test_a_failed_run_says_why_and_may_begin_again(run: CountingRun) -> None:
    runs.begin(run, total=4)
    runs.advance(run, done=2)
    runs.fail(run, error="No model is deployed for BCS.")
    assert (stored(run).state, stored(run).error) == ("failed", "No model is deployed for BCS.")
    assert runs.begin(run, total=4)
    assert (stored(run).state, stored(run).error, stored(run).finished_at, stored(run).done) == ("running", "", None, 2)


@pytest.mark.parametrize(
    "verb",
    [
        lambda run: runs.advance(run, done=1),
        lambda run: runs.finish(run),
        lambda run: runs.fail(run, error="late"),
    ],
    ids=["advance", "finish", "fail"],
)
def test_a_worker_thought_dead_cannot_touch_a_run_that_another_one_ended(run: CountingRun, verb: Any) -> None:
    runs.begin(run, total=1)
    runs.finish(stored(run))
    with pytest.raises(runs.NotRunning):
        verb(run)
    assert (stored(run).state, stored(run).error) == ("done", "")


def test_only_the_words_of_named_errors_are_shown(run: CountingRun) -> None:
    runs.begin(run, total=1)
    with pytest.raises(LookupError), runs.ending(run, tell=(LookupError,)):
        raise LookupError("BCS has no model")
    assert stored(run).error == "BCS has no model"
    runs.begin(run, total=1)
    with pytest.raises(ValueError), runs.ending(run, tell=(LookupError,)):
        raise ValueError("row 7 of member 3f9c…")
    assert stored(run).error == "ValueError: see the worker's log"


def test_the_end_of_the_block_is_the_end_of_the_run(run: CountingRun) -> None:
    runs.begin(run, total=2)
    with runs.ending(run):
        runs.advance(run, done=2)
    assert stored(run).state == "done"


def test_a_run_is_stalled_when_it_is_silent_for_long_and_only_while_it_runs(run: CountingRun) -> None:
    now = timezone.now()
    assert not run.is_stalled(now + timedelta(days=1)), "it waits"
    runs.begin(run, total=2)
    assert not run.is_stalled(now + CountingRun.silence - timedelta(seconds=1))
    assert run.is_stalled(now + CountingRun.silence + timedelta(seconds=5))
    runs.finish(run)
    assert not run.is_stalled(now + timedelta(days=1)), "it ended"


@pytest.mark.parametrize(
    "wrong",
    [
        {"state": "paused"},
        {"done": 1},
        {"state": "running"},
        {"state": "done", "started_at": timezone.now()},
        {"started_at": timezone.now()},
        {"error": "but it waits"},
        {"state": "failed", "started_at": timezone.now(), "finished_at": timezone.now()},
    ],
    ids=["unknown_state", "more_done_than_total", "running_since_never", "done_at_no_time", "waiting_but_started",
         "error_without_failure", "failed_without_error"],
)  # fmt: skip
def test_the_database_refuses_a_run_that_contradicts_itself(run: CountingRun, wrong: dict[str, Any]) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        CountingRun.objects.filter(pk=run.pk).update(**wrong)
