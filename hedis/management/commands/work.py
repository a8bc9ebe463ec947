"""`manage.py work`: do the jobs that wait, until told to stop or, with --once, until none is left."""

from datetime import timedelta
from typing import Any

from django.core.management.base import CommandParser

from hedis.lib import jobs, working
from hedis.lib.commands import Command as BaseCommand
from hedis.lib.commands import Refused, WrongUse


class Command(BaseCommand):
    """A worker. Several may run; a job goes to one. Exit code 1 of --once: a job failed, see the log."""

    help = __doc__ or ""

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--once", action="store_true", help="end when no job is due")
        parser.add_argument(
            "--heartbeat",
            type=float,
            default=jobs.HEARTBEAT.total_seconds(),
            help="seconds between two signs of life of this worker",
        )
        parser.add_argument(
            "--lost-after",
            type=float,
            default=jobs.LOST_AFTER.total_seconds(),
            help="seconds of silence after which another worker's jobs start again",
        )

    def run(self, **options: Any) -> dict[str, Any]:
        beat, lost = timedelta(seconds=options["heartbeat"]), timedelta(seconds=options["lost_after"])
        if not timedelta() < beat < lost:
            raise WrongUse(
                "--heartbeat must be above 0 and below --lost-after: a living worker would be taken for dead"
            )
        if not options["once"]:
            self.say("Waiting for jobs. Ctrl-C stops.")
            working.work(heartbeat=beat, lost_after=lost)
            return {"stopped": True}
        outcome = working.drain(heartbeat=beat, lost_after=lost)
        if outcome["failed"]:
            raise Refused(f"{outcome['failed']} jobs failed; the log says why", **outcome)
        return outcome
