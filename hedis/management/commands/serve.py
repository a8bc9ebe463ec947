"""`manage.py serve`: bring the database up to date, serve until Ctrl-C, leave no process behind."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from io import StringIO
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import CommandParser
from django.db import connection

from hedis.demo import loading
from hedis.lib import postgres
from hedis.lib.commands import Command as BaseCommand
from hedis.lib.commands import Refused, WrongUse

HOST = "127.0.0.1"
WORKER_RESTARTS = 3
GLANCE = 0.5  # seconds between two looks at the worker
WORKER_PATIENCE = 15.0  # seconds for the running unit of a job; a job that is cut off starts again at its last unit


class Command(BaseCommand):
    """Serve this machine's trial: gunicorn and a worker. Production starts both itself (docs/operations.md)."""

    help = __doc__ or ""
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--port", type=int, default=os.environ.get("PORT", "8000"))
        parser.add_argument("--demo", action="store_true", help="load the demo plan where there are no members yet")

    def run(self, **options: Any) -> dict[str, Any]:
        port = options["port"]
        refuse_taken(port)
        try:
            call_command("migrate", verbosity=0)
            call_command("load_measures", stdout=StringIO())
            call_command("load_star_reference", stdout=StringIO())
            call_command("load_action_effects", stdout=StringIO())
            if options["demo"]:
                call_command("load_demo", if_empty=True, models_later=True, stdout=StringIO())
            self.greet(port)
            code = serve_until_stopped(port, say=self.say)
        finally:
            stop_idle_database()
        if code not in {0, -signal.SIGINT, -signal.SIGTERM}:
            raise Refused(f"gunicorn ended with code {code}")
        return {"served": f"http://{HOST}:{port}/"}

    def greet(self, port: int) -> None:
        """Say where to go and who one can be."""
        self.stdout.write("")
        for sign_in in loading.stored_sign_ins():
            self.stdout.write(f"  {sign_in.username:10} {sign_in.role:18} password {sign_in.password}")
        self.stdout.write(f"\n  http://{HOST}:{port}/   (Ctrl-C stops it and its database)\n")
        self.stdout.flush()

    def show(self, answer: dict[str, Any]) -> None:
        self.stdout.write("Stopped.")


def stop_idle_database() -> None:
    """Stop the private server, unless another command is using it: it will stop when that is asked for."""
    if not settings.PRIVATE_DATABASE:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )
        others = cursor.fetchone()[0]
    connection.close()
    if not others:
        postgres.stop(settings.DATA_DIR / "postgres")


def refuse_taken(port: int) -> None:
    """A clear word before anything is started, not a traceback after."""
    if not 0 < port < 65_536:
        raise WrongUse(f"--port {port} is not a port")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise Refused(
                f"Port {port} cannot be used ({error.strerror}). Choose another: make run PORT={port + 1}"
            ) from error


class Worker:
    """The worker beside the web server: started again where it dies, WORKER_RESTARTS times; pages go on without it."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self.say = say
        self.restarts = 0
        self.stopping = False
        self.process: subprocess.Popen[bytes] | None = self.start()

    def start(self) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            [sys.executable, "manage.py", "work"],
            cwd=settings.BASE_DIR,
            start_new_session=True,
            stdout=subprocess.DEVNULL,
        )

    def look_after(self) -> None:
        """Start it again where it died; after too often say so, once, and leave it."""
        if self.stopping or self.process is None or self.process.poll() is None:
            return
        ended = f"The worker ended with code {self.process.returncode}"
        if self.restarts < WORKER_RESTARTS:
            self.restarts += 1
            self.say(f"{ended}; starting it again.")
            self.process = self.start()
        else:
            self.say(f"{ended} once too often: jobs wait. Start it with: manage.py work")
            self.process = None

    def ask_to_stop(self) -> None:
        """Let it finish the unit it is at."""
        self.stopping = True
        if self.process:
            self.process.terminate()

    def end(self) -> None:
        """Leave no process behind, however long its unit takes."""
        self.ask_to_stop()
        if self.process:
            try:
                self.process.wait(WORKER_PATIENCE)
            except subprocess.TimeoutExpired:
                self.say("The worker is in the middle of a job, which will start again at its last unit.")
                self.process.kill()
                self.process.wait()


def serve_until_stopped(port: int, *, say: Callable[[str], None]) -> int:
    """Run gunicorn and a worker; a Ctrl-C or a TERM ends both in good order. Returns gunicorn's exit code."""
    command = [
        sys.executable, "-m", "gunicorn", "hedis.wsgi", "--bind", f"{HOST}:{port}", "--workers", "2",
        "--worker-class", "gthread", "--threads", "4", "--log-level", "warning",
    ]  # fmt: skip
    server = subprocess.Popen(command, cwd=settings.BASE_DIR, start_new_session=True)  # noqa: S603 - our own words
    worker = Worker(say)

    def pass_on(number: int, frame: object) -> None:
        worker.ask_to_stop()
        server.terminate()

    before = {number: signal.signal(number, pass_on) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        while True:
            try:
                return server.wait(GLANCE)
            except subprocess.TimeoutExpired:
                worker.look_after()
    finally:
        worker.end()
        for number, handler in before.items():
            signal.signal(number, handler)
