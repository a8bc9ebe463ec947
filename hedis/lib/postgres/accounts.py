"""The operating-system account the server runs as, and commands run in its name."""

import os
import pwd
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

UNPRIVILEGED = ("postgres", "nobody")  # PostgreSQL refuses to run as root; the first that exists serves
# Nothing else of our environment reaches the server: it holds the application's secrets.
ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}


class DatabaseUnavailable(Exception):
    """The private server cannot be had; the message says why and what to do."""


@dataclass(frozen=True)
class Account:
    """An account of the operating system."""

    name: str
    uid: int
    gid: int


def account_for(cluster: Path) -> Account:
    """Return who runs the server: ourselves; for root the owner of the cluster, else an unprivileged account.

    Raises DatabaseUnavailable where the cluster is another user's, or no account will do.
    """
    me = os.geteuid()
    owner = cluster.stat().st_uid if cluster.exists() else None
    if me and owner not in (None, me):
        raise DatabaseUnavailable(f"{cluster} belongs to user id {owner}: run as that user or as root")
    uid = me or owner or 0
    try:
        entry = pwd.getpwuid(uid) if uid else _unprivileged()
    except KeyError as error:
        raise DatabaseUnavailable(
            f"PostgreSQL needs an account that has a name and is not root: user id {uid} has no name here, "
            f"or there is neither {' nor '.join(UNPRIVILEGED)}. Run as a user with a name, or set DATABASE_URL"
        ) from error
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


def _unprivileged() -> pwd.struct_passwd:
    for name in UNPRIVILEGED[:-1]:
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    return pwd.getpwnam(UNPRIVILEGED[-1])


def run(
    command: Sequence[str], account: Account | None = None, stdin: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command with a clean environment; if we are root, as `account` with nothing of root's left to it."""
    drop = account is not None and os.geteuid() == 0
    return subprocess.run(  # noqa: S603 - our own commands; paths travel as arguments, never in shell text
        command,
        env=ENVIRONMENT,
        cwd="/",  # the caller's directory may be closed to the account
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        capture_output=True,
        text=True,
        umask=0o077,
        start_new_session=True,  # Ctrl-C in the terminal must not break the server
        user=account.uid if account and drop else None,
        group=account.gid if account and drop else None,
        extra_groups=[] if drop else None,
    )


def reaches(account: Account, directory: Path) -> bool:
    """Whether `account` can enter `directory`, through all of its parents."""
    return run(["/bin/sh", "-c", 'cd -- "$1"', "sh", str(directory)], account).returncode == 0


def private_directory(directory: Path, account: Account) -> None:
    """Make `directory` (in a parent that is ours) and give it to `account` alone."""
    directory.mkdir(mode=0o700, exist_ok=True)
    if os.geteuid() == 0:
        os.chown(directory, account.uid, account.gid, follow_symlinks=False)


def open_directory(directory: Path) -> None:
    """Make `directory`, which others may pass through but not list, whatever our umask."""
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(0o711)
