"""Long work that people watch: how far it is, whether it still lives, how it ended.

A room subclasses `Run` and hands the row's id to a task of hedis.lib.jobs. The verbs are compare-and-set statements:
a worker that was thought dead and wakes up cannot take a run back that another one ended. A run may begin again from
`running` (its worker was killed) and from `failed` (the queue tries again, or a person does), never from `done`; what
it had done by then stays, so a task goes on where the last one stopped.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, ClassVar

from django.db import models, transaction
from django.db.models import F, Q
from django.utils import timezone

from hedis.lib import jobs


class RunState(models.TextChoices):
    """Where a run stands."""

    QUEUED = "queued", "Waiting"
    RUNNING = "running", "Running"
    DONE = "done", "Done"
    FAILED = "failed", "Failed"


OVER = (RunState.DONE, RunState.FAILED)


class NotRunning(Exception):
    """The run ended, or never began: somebody else decided meanwhile, and this worker stops."""


class Run(models.Model):
    """One piece of long work. `done` of `total` are units of the room's own choosing, such as measures or files."""

    # A unit of work may take minutes; a run silent for longer has most likely lost its worker.
    silence: ClassVar[timedelta] = timedelta(minutes=10)

    state = models.CharField(max_length=10, choices=RunState.choices, default=RunState.QUEUED)
    done = models.PositiveIntegerField(default=0)
    total = models.PositiveIntegerField(default=0, help_text="0 until the run begins and counts its units.")
    requested_by = models.CharField(max_length=150)
    requested_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True, blank=True)
    heard_at = models.DateTimeField(null=True, blank=True, help_text="Last sign of life.")
    finished_at = models.DateTimeField(null=True, blank=True)
    error = models.CharField(max_length=500, blank=True, help_text="Why it failed; names no member.")

    class Meta:
        abstract = True
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(state__in=RunState.values), name="%(class)s_state_known"),
            models.CheckConstraint(condition=Q(done__lte=F("total")), name="%(class)s_done_of_total"),
            models.CheckConstraint(
                condition=Q(state=RunState.QUEUED, started_at=None, finished_at=None)
                | Q(state=RunState.RUNNING, started_at__isnull=False, heard_at__isnull=False, finished_at=None)
                | Q(state__in=OVER, started_at__isnull=False, finished_at__isnull=False),
                name="%(class)s_times_fit_state",
            ),
            models.CheckConstraint(
                condition=Q(state=RunState.FAILED) & ~Q(error="") | ~Q(state=RunState.FAILED) & Q(error=""),
                name="%(class)s_failed_says_why",
            ),
        ]

    @property
    def share_done(self) -> float:
        """How far it is, 0 to 1."""
        if self.state == RunState.DONE:
            return 1.0
        return self.done / self.total if self.total else 0.0

    @property
    def is_over(self) -> bool:
        """Whether it ended, well or badly."""
        return self.state in OVER

    def is_stalled(self, now: datetime) -> bool:
        """Whether it should be running but gave no sign of life for `silence`."""
        return self.state == RunState.RUNNING and self.heard_at is not None and self.heard_at < now - self.silence


def begin(run: Run, *, total: int) -> bool:
    """Start or resume; `total` counts all units, those done before too. False where it is done already.

    A task that is told False has nothing left to do: its job ran a second time.
    """
    now = timezone.now()
    run.refresh_from_db()
    return _step(
        run,
        (RunState.QUEUED, RunState.RUNNING, RunState.FAILED),
        state=RunState.RUNNING,
        total=total,
        started_at=run.started_at or now,
        heard_at=now,
        finished_at=None,
        error="",
    )


def advance(run: Run, *, done: int, **fields: Any) -> None:
    """Say that `done` units are done in all, with the room's own `fields`: a sign of life too.

    A count, not a step, so that a unit done twice counts once. Here a worker that is to stop puts the job back.
    Raises NotRunning, or Interrupted, which is not for the task to catch.
    """
    _must(run, done=done, heard_at=timezone.now(), **fields)
    jobs.stop_if_asked()


def finish(run: Run, **fields: Any) -> None:
    """End well, with the room's own `fields`. Raises NotRunning."""
    now = timezone.now()
    _must(run, state=RunState.DONE, done=run.total, heard_at=now, finished_at=now, **fields)


def fail(run: Run, *, error: str) -> None:
    """End badly; `error` is for people's eyes and names no member. Raises NotRunning."""
    now = timezone.now()
    _must(run, state=RunState.FAILED, heard_at=now, finished_at=now, error=error[:500] or "No reason was given")


@contextmanager
def ending(
    run: Run, *, tell: tuple[type[Exception], ...] = (), record: Callable[[], object] = lambda: None
) -> Iterator[dict[str, Any]]:
    """Finish the run at the end of the block; where the block raises, fail it and raise on.

    The block may fill in fields to end with; `record` is called in the transaction that ends it well. Only the words
    of errors named in `tell` are shown: any other may quote a row, so only its kind is.
    """
    fields: dict[str, Any] = {}
    try:
        yield fields
    except (NotRunning, jobs.Interrupted):
        raise
    except Exception as error:
        fail(run, error=str(error) if isinstance(error, tell) else f"{type(error).__name__}: see the worker's log")
        raise
    with transaction.atomic():
        finish(run, **fields)
        record()


def _must(run: Run, **fields: Any) -> None:
    if not _step(run, (RunState.RUNNING,), **fields):
        raise NotRunning(f"{run._meta.verbose_name} {run.pk} is not running")


def _step(run: Run, before: tuple[RunState, ...], **fields: Any) -> bool:
    stepped = type(run)._default_manager.filter(pk=run.pk, state__in=before).update(**fields)
    if stepped:
        for name, value in fields.items():
            setattr(run, name, value)
    return bool(stepped)
