"""A private PostgreSQL server for those who give no DATABASE_URL.

Knows nothing of Django, so that anything may call it. Everything of one server lies in one directory::

    <data_dir>/cluster/        the PostgreSQL data directory; it exists only once it is complete
    <data_dir>/run/            the socket, and server.log
    <data_dir>/pg_hba.conf     who may connect, with pg_ident.conf; written at every start
    <data_dir>.lock            held while one command starts or stops the server

Why it is built so, and what was tried: docs/decisions/0003-private-postgres.md.
"""

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from . import server
from .accounts import DatabaseUnavailable
from .programs import Programs, cluster_version, programs_for

__all__ = ["DatabaseUnavailable", "Programs", "Status", "ensure", "programs_for", "status", "stop", "temporary"]


@dataclass(frozen=True)
class Status:
    """What is known of a private server without starting it; `version` is the cluster's major version."""

    data_dir: Path
    running: bool
    pid: int | None
    version: str | None
    url: str | None


def ensure(data_dir: Path, *, ephemeral: bool = False) -> str:
    """Return the URL of the private server in `data_dir`, creating and starting it where needed.

    Idempotent, and quick (a few milliseconds) when it runs; callers at the same time are serialised.
    `ephemeral` starts it without durability. Raises DatabaseUnavailable.
    """
    running = server.find(data_dir)
    if running is None or not running.answers():
        with _lock(data_dir):
            running = server.find(data_dir)  # another command may have started it while this one waited
            if running and running.lost:
                server.end(data_dir, running)
                running = None
            if running:  # it may be starting still, its first caller killed; or dying
                running = server.wait_until_ready(data_dir, running.pid)
            running = running or server.start(data_dir, ephemeral=ephemeral)
    return running.url


def stop(data_dir: Path) -> bool:
    """Stop the private server in `data_dir`, ending its connections; False if none ran.

    Raises DatabaseUnavailable if it does not end in time.
    """
    if not data_dir.exists():
        return False
    with _lock(data_dir):
        running = server.find(data_dir)
        if running:
            server.end(data_dir, running)
        return running is not None


def status(data_dir: Path) -> Status:
    """Look at the private server in `data_dir` without changing anything. Raises DatabaseUnavailable if not ours."""
    found = server.find(data_dir)
    running = found is not None and found.answers()
    return Status(
        data_dir=data_dir,
        running=running,
        pid=found.pid if found else None,
        version=cluster_version(data_dir),
        url=found.url if found and running else None,
    )


@contextmanager
def temporary() -> Iterator[str]:
    """Yield the URL of a throw-away server, for tests; it is stopped and deleted however this process ends.

    A watchdog (`python -m hedis.lib.postgres`) reads from a pipe that only this process holds open: the pipe closes
    at the end of the block, and after `kill -9` as well.
    """
    directory = Path(tempfile.mkdtemp(prefix="hedis-postgres-"))
    directory.chmod(0o711)  # the server's account must pass through
    with subprocess.Popen(  # noqa: S603 - our own module
        [sys.executable, "-m", __name__, str(directory)],
        stdin=subprocess.PIPE,
        cwd=Path(__file__).resolve().parents[3],
        start_new_session=True,  # Ctrl-C is for the tests, not for the one who cleans up after them
    ) as watchdog:
        yield ensure(directory / "postgres", ephemeral=True)
    if watchdog.returncode:
        raise DatabaseUnavailable(f"could not remove the throw-away database in {directory}")


def remove_temporary(directory: Path) -> None:
    """Stop the throw-away server in `directory` and delete everything of it."""
    data_dir = directory / "postgres"
    stop(data_dir)
    if data_dir.is_symlink():
        shutil.rmtree(data_dir.resolve())
    shutil.rmtree(directory)


@contextmanager
def _lock(data_dir: Path) -> Iterator[None]:
    data_dir.parent.mkdir(parents=True, exist_ok=True)
    path = data_dir.with_name(f"{data_dir.name}.lock")
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except PermissionError as error:
        raise DatabaseUnavailable(f"{path} belongs to another user: run as that user or as root") from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
