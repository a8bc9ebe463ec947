"""A task slow enough to be stopped or killed, and its run, in a table that only the tests make."""

import os
import time

from django.db import models

from hedis.lib import jobs, runs


class CountingRun(runs.Run):
    """Counts its units, one every `pause` seconds, and notes which process counted which."""

    pause = models.FloatField(default=0)
    counted = models.JSONField(default=list)

    class Meta(runs.Run.Meta):
        abstract = False
        app_label = "counting"


class TooMany(Exception):
    """An error whose words people may see."""


@jobs.task("tests.count")
def count(run_id: int, upto: int) -> None:
    """Count up to `upto`, going on where the last worker stopped."""
    run = CountingRun.objects.get(pk=run_id)
    if not runs.begin(run, total=upto):
        return
    with runs.ending(run, tell=(TooMany,)):
        if upto > 100:
            raise TooMany(f"{upto} units are too many")
        for unit in range(run.done, upto):
            time.sleep(CountingRun.objects.get(pk=run_id).pause)
            runs.advance(run, done=unit + 1, counted=[*run.counted, [unit, os.getpid()]])


@jobs.task("tests.lose_connection")
def lose_connection() -> None:
    """Fail in a way that may pass."""
    raise ConnectionError("the line is down")
