"""`manage.py serve`: up from nothing, down without a trace."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hedis.lib import postgres

PROJECT = Path(__file__).resolve().parents[2]
PATIENCE = 90


def free_port() -> int:
    """A port nobody holds right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serving(port: int, data_dir: Path) -> Iterator[subprocess.Popen[str]]:
    """The command as `make run` starts it, with a private database of its own."""
    environment = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    environment |= {"DATABASE_URL": "", "DATA_DIR": str(data_dir), "BEHIND_TLS": "false"}
    process = subprocess.Popen(
        [sys.executable, "manage.py", "serve", "--port", str(port)],
        cwd=PROJECT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        start_new_session=True,
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.poll() is None:  # the test failed: nothing of it may stay, and hold the pipe open
            for pid in [*children(process.pid, "gunicorn"), *children(process.pid, "work"), process.pid]:
                os.killpg(pid, signal.SIGKILL)
        process.communicate()
        postgres.stop(data_dir / "postgres")


def ready(port: int) -> bool:
    """Whether /readyz says yes."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:  # refused, cut off, or too slow on a busy machine
        return False


def alive(pid: int) -> bool:
    """Whether a process runs; one that ended but was not yet collected by init does not."""
    done = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return bool(done.stdout.strip()) and not done.stdout.startswith("Z")


def children(pid: int, word: str) -> list[int]:
    """The children of a process whose command has this word."""
    done = subprocess.run(["ps", "-o", "pid=,args=", "--ppid", str(pid)], capture_output=True, text=True, check=False)
    return [int(line.split()[0]) for line in done.stdout.splitlines() if word in line.split()]


def test_it_serves_and_ctrl_c_leaves_no_process_behind(tmp_path: Path) -> None:
    port, data_dir = free_port(), tmp_path / "data"
    with serving(port, data_dir) as process:
        deadline = time.monotonic() + PATIENCE
        while not ready(port):
            assert process.poll() is None, process.communicate()[0]
            assert time.monotonic() < deadline, "not ready in time"
            time.sleep(0.3)
        server = postgres.status(data_dir / "postgres").pid
        assert server
        (worker,) = children(process.pid, "work")
        os.kill(worker, signal.SIGKILL)
        while not (again := [pid for pid in children(process.pid, "work") if pid != worker]):
            assert time.monotonic() < deadline, "the worker was not started again"
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=60)
        assert process.returncode == 0, said
        assert f"http://127.0.0.1:{port}/" in said
        assert "The worker ended with code -9; starting it again." in said
    assert not postgres.status(data_dir / "postgres").running
    assert not alive(server)
    assert not alive(again[0])
    assert not ready(port)


def test_a_taken_port_is_told_before_anything_starts(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with serving(port, tmp_path / "data") as process:
            said, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert f"Port {port} cannot be used" in said
    assert f"PORT={port + 1}" in said
    assert not (tmp_path / "data" / "postgres").exists()
