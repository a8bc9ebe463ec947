"""One PostgreSQL server process: finding it, starting it, stopping it."""

import os
import shlex
import signal
import socket
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from .accounts import Account, DatabaseUnavailable, account_for, private_directory, run
from .cluster import NAME, create_cluster, prepare_home, write_access_rules
from .programs import Programs, reachable_programs

PORT = 5432  # only part of the socket's file name: nothing listens on the network
SOCKET = f".s.PGSQL.{PORT}"
SSL_REQUEST = (8).to_bytes(4, "big") + (80877103).to_bytes(4, "big")  # the protocol's smallest question
SOCKET_PATH_BYTES = 103  # sun_path holds 104 bytes with its NUL on macOS, 108 on Linux
SPARE_SOCKETS = Path("/tmp")  # noqa: S108 - only by mkdtemp: a name nobody can guess, in mode 0700
PATIENCE = 60.0  # seconds for one start (crash recovery is part of it) or one stop
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
# May lose the last commits when killed, and everything when the machine crashes: for data that nobody would miss.
EPHEMERAL = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


@dataclass(frozen=True)
class Server:
    """A living postmaster, as its postmaster.pid describes it; `socket_dir` is None while it starts."""

    pid: int
    socket_dir: Path | None
    ready: bool

    @property
    def url(self) -> str:
        return f"postgresql://{NAME}@/{NAME}?host={quote(str(self.socket_dir), safe='')}&port={PORT}"

    @property
    def lost(self) -> bool:
        """Whether it runs but can be reached no more: its socket was swept away."""
        return self.ready and not (self.socket_dir and (self.socket_dir / SOCKET).exists())

    def answers(self) -> bool:
        """Whether it takes connections. The socket alone proves little: it opens while its owner dies."""
        if not self.ready or self.socket_dir is None:
            return False
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(5)
            try:
                connection.connect(str(self.socket_dir / SOCKET))
                connection.sendall(SSL_REQUEST)
                return connection.recv(1) != b""
            except TimeoutError:
                return True  # slow is not dead
            except OSError:
                return False


def find(data_dir: Path) -> Server | None:
    """Return the living server of this very cluster; None for a stale pid file, also if its pid is another's now."""
    cluster = data_dir.resolve() / "cluster"
    lines = _pid_file(cluster)
    if not lines or not lines[0].isdigit() or _cluster_served_by(int(lines[0])) != cluster:
        return None
    return Server(int(lines[0]), _socket_of(lines), ready=len(lines) > 7 and lines[7].strip() == "ready")


def start(data_dir: Path, *, ephemeral: bool) -> Server:
    """Start the server, creating its cluster the first time; nobody else may start or stop it meanwhile.

    Raises DatabaseUnavailable with the end of the server's log.
    """
    account = account_for(data_dir / "cluster")
    home = prepare_home(data_dir, account)
    programs = reachable_programs(home, account)
    if not (home / "cluster").exists():
        create_cluster(home, programs, account, ephemeral=ephemeral)
    write_access_rules(home, account)
    retry_until = time.monotonic() + 10
    while True:
        _clear_traces(home, account)
        pid = _launch(home, programs, account, ephemeral=ephemeral)
        server = wait_until_ready(home, pid)
        if server:
            return server
        log = _end_of_log(home)
        # After `kill -9` of the postmaster its children take a moment to notice and to let go of the memory.
        if "pre-existing shared memory block" not in log or time.monotonic() > retry_until:
            raise DatabaseUnavailable(f"PostgreSQL did not start in {home}; its log ends:\n{log}")
        time.sleep(0.25)


def wait_until_ready(data_dir: Path, pid: int) -> Server | None:
    """Return the server once it takes connections; None if process `pid` has ended. Raises DatabaseUnavailable."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        server = find(data_dir)
        if server and server.answers():
            return server
        if not _command_line(pid):
            return None
        time.sleep(0.02)
    raise DatabaseUnavailable(
        f"PostgreSQL in {data_dir} was not ready after {PATIENCE:.0f} seconds; its log ends:\n{_end_of_log(data_dir)}"
    )


def end(data_dir: Path, server: Server) -> None:
    """Shut the server down, ending its connections; at last without a checkpoint, which its next start makes up for.

    Signals go out as the server's account, so that a wrong pid could hit nothing else. Raises DatabaseUnavailable.
    """
    account = account_for(data_dir / "cluster")
    cluster = data_dir.resolve() / "cluster"
    for number, seconds in ((signal.SIGINT, PATIENCE), (signal.SIGQUIT, 10.0)):
        run(["/bin/sh", "-c", 'kill -"$1" "$2"', "sh", str(number.value), str(server.pid)], account)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if _cluster_served_by(server.pid) != cluster:
                return _discard_spare(server.socket_dir, account)
            time.sleep(0.02)
    raise DatabaseUnavailable(f"PostgreSQL (process {server.pid}) in {data_dir} does not stop")


def _pid_file(cluster: Path) -> list[str]:
    """The lines of postmaster.pid: pid, data directory, start, port, socket directory, address, memory, state."""
    try:
        return (cluster / "postmaster.pid").read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    except PermissionError as error:
        raise DatabaseUnavailable(f"{cluster} belongs to another user: run as that user or as root") from error


def _socket_of(lines: list[str]) -> Path | None:
    return Path(lines[4]) if len(lines) > 4 and lines[4] else None


def _command_line(pid: int) -> str:
    """The command of a living process with its arguments; empty for none and for a zombie."""
    if sys.platform == "linux":  # readable for everyone, unlike the links in /proc, and needs no `ps`
        try:
            return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").replace("\0", " ")
        except (FileNotFoundError, ProcessLookupError):
            return ""
    listing = run(["/bin/ps", "-ww", "-o", "command=", "-p", str(pid)]).stdout.strip()
    return "" if listing.startswith("(") else f"{listing} "


def _cluster_served_by(pid: int) -> Path | None:
    """The cluster that a living postmaster serves, as its command line names it; None for any other process."""
    program, _, arguments = _command_line(pid).partition(" -D ")
    return Path(arguments.partition(" -c ")[0]) if Path(program).name == "postgres" and arguments else None


def _clear_traces(home: Path, account: Account) -> None:
    """Remove what a killed server left behind.

    The pid file must go: PostgreSQL trusts its pid as long as any process has it, be it a stranger's by now or a
    zombie that nobody reaps, as in containers. Its other guard, shared memory keyed by the cluster's inode, remains.
    Raises DatabaseUnavailable where the directory was moved under a server that still runs.
    """
    lines = _pid_file(home / "cluster")
    elsewhere = _cluster_served_by(int(lines[0])) if lines and lines[0].isdigit() else None
    if elsewhere and not elsewhere.exists():
        raise DatabaseUnavailable(f"process {lines[0]} still serves {home} as {elsewhere}: kill -INT {lines[0]}")
    traces = [home / "run" / SOCKET, home / "run" / f"{SOCKET}.lock", home / "cluster" / "postmaster.pid"]
    run(["/bin/rm", "-f", "--", *map(str, traces)], account)
    _discard_spare(_socket_of(lines), account)


def _socket_dir(home: Path, account: Account) -> Path:
    """`run`; or, where its path is too long for a socket, a short directory that nobody else can enter."""
    directory = home / "run"
    if len(os.fsencode(directory / SOCKET)) > SOCKET_PATH_BYTES:
        directory = Path(tempfile.mkdtemp(prefix="hedis-socket-", dir=SPARE_SOCKETS))
        private_directory(directory, account)
    return directory


def _discard_spare(socket_dir: Path | None, account: Account) -> None:
    if socket_dir and socket_dir.parent == SPARE_SOCKETS and socket_dir.name.startswith("hedis-socket-"):
        run(["/bin/rm", "-rf", "--", str(socket_dir)], account)


def _launch(home: Path, programs: Programs, account: Account, *, ephemeral: bool) -> int:
    """Start the postmaster as nobody's child, in its own session, and return its pid."""
    socket_dir = str(_socket_dir(home, account)).replace('"', '""')
    settings = SETTINGS | (EPHEMERAL if ephemeral else {})
    settings["unix_socket_directories"] = f'"{socket_dir}"'  # a list: a comma in the path must not make two of it
    settings["hba_file"] = str(home / "pg_hba.conf")
    settings["ident_file"] = str(home / "pg_ident.conf")
    command = [str(programs.bin / "postgres"), "-D", str(home / "cluster")]
    for name, value in settings.items():
        command += ["-c", f"{name}={value}"]
    script = 'log=$1; shift; "$@" </dev/null >>"$log" 2>&1 & echo $!'
    result = run(["/bin/sh", "-c", script, "sh", str(home / "run" / "server.log"), *command], account)
    if result.returncode or not result.stdout.strip().isdigit():
        raise DatabaseUnavailable(f"could not launch {shlex.join(command)}: {result.stderr.strip()}")
    return int(result.stdout)


def _end_of_log(home: Path, lines: int = 8) -> str:
    log = (home / "run" / "server.log").read_text(encoding="utf-8", errors="replace")
    return "\n".join(log.splitlines()[-lines:])
