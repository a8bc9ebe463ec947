"""`manage.py database start|stop|status|shell`: the private PostgreSQL server, and the way into the database."""

import json
import os
from pathlib import Path
from typing import Any

import psycopg
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection

from hedis.lib import postgres


class Command(BaseCommand):
    """Exit code 0: done; 1: not running, or it cannot be had; 2: wrong use."""

    help = "Start, stop or look at the project's private PostgreSQL server, or open psql on the database."
    requires_system_checks = []  # it must work while the database is down

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("action", choices=["start", "stop", "status", "shell"])
        parser.add_argument("--json", action="store_true", help="one JSON object on stdout, nothing else")

    def handle(self, *args: Any, **options: Any) -> None:
        action, as_json = options["action"], options["json"]
        if action == "shell":
            if as_json:
                raise CommandError("shell talks to a person: --json makes no sense with it", returncode=2)
            self.open_shell()
            return
        try:
            answer = self.private(action) if settings.PRIVATE_DATABASE else self.given(action)
        except postgres.DatabaseUnavailable as error:
            raise CommandError(str(error), returncode=1) from error
        if as_json:
            self.stdout.write(json.dumps(answer))
        else:
            self.stdout.write("\n".join(f"{name}: {value}" for name, value in answer.items() if value is not None))
        if action == "status" and not answer["running"]:
            raise SystemExit(1)

    def private(self, action: str) -> dict[str, Any]:
        """Start, stop or look; then say how the server stands."""
        if action == "start":
            postgres.ensure(data_dir())
        elif action == "stop":
            postgres.stop(data_dir())
        status = postgres.status(data_dir())
        return {
            "private": True,
            "running": status.running,
            "pid": status.pid,
            "version": status.version,
            "url": status.url,
            "directory": str(status.data_dir),
        }

    def given(self, action: str) -> dict[str, Any]:
        """Whether the server of DATABASE_URL answers; its password is not shown."""
        if action != "status":
            raise CommandError("DATABASE_URL is set: the server is yours to manage", returncode=2)
        parameters = connection.get_connection_params()
        try:
            with psycopg.connect(**{**parameters, "connect_timeout": 5}) as session:
                info = session.info
                return {"private": False, "running": True, "version": info.parameter_status("server_version")}
        except psycopg.OperationalError as error:
            self.stderr.write(str(error).strip())
            return {"private": False, "running": False, "version": None}

    def open_shell(self) -> None:
        """Become psql, so that Ctrl-C and the terminal are its own."""
        if not settings.PRIVATE_DATABASE:
            call_command("dbshell")
            return
        try:
            url = postgres.ensure(data_dir())
            psql = postgres.programs_for(data_dir()).bin / "psql"
        except postgres.DatabaseUnavailable as error:
            raise CommandError(str(error), returncode=1) from error
        if not psql.exists():
            raise CommandError(f"there is no psql in {psql.parent}: install it and open {url}", returncode=1)
        os.execv(psql, [str(psql), url])  # noqa: S606 - our own program, no shell


def data_dir() -> Path:
    """Where the private server lives."""
    return Path(settings.DATA_DIR) / "postgres"
