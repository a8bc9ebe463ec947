"""The directory of one server: its place on disk, the cluster in it, and who may connect."""

import os
import pwd
import secrets
import shutil
import sys
from pathlib import Path

from .accounts import Account, DatabaseUnavailable, open_directory, private_directory, reaches, run
from .programs import Programs

NAME = "hedis"  # the role and the database
ELSEWHERE = Path("/var/lib/hedis-postgres")  # for root, where the unprivileged account cannot reach the clone


def prepare_home(data_dir: Path, account: Account) -> Path:
    """Make the server's directory and return its real path, which `account` can reach.

    Parents keep their permissions. Where they shut `account` out (root's home, say), `data_dir` becomes a link
    into ELSEWHERE. The directory itself stays ours: root never writes where the account could plant a link.
    Raises DatabaseUnavailable where it exists but cannot be used.
    """
    if data_dir.is_symlink() and not data_dir.exists():
        raise DatabaseUnavailable(
            f"{data_dir} points to {data_dir.readlink()}, which is gone: restore it, "
            f"or remove {data_dir} to begin with an empty database"
        )
    if not data_dir.exists():
        open_directory(data_dir)
        if not reaches(account, data_dir):
            target = ELSEWHERE / secrets.token_hex(8)
            open_directory(ELSEWHERE)
            open_directory(target)
            data_dir.rmdir()
            data_dir.symlink_to(target)
    home = data_dir.resolve()
    if not reaches(account, home):
        raise DatabaseUnavailable(f"the account {account.name} cannot enter {home}: see the permissions on the way")
    private_directory(home / "run", account)
    return home


def create_cluster(home: Path, programs: Programs, account: Account, *, ephemeral: bool) -> None:
    """Create `cluster` with its role and database; a run killed half-way leaves nothing that looks whole.

    Raises DatabaseUnavailable with PostgreSQL's own words.
    """
    partial = home / "cluster.partial"
    if partial.exists():
        shutil.rmtree(partial)
    private_directory(partial, account)
    command = [str(programs.bin / "initdb"), "--pgdata", str(partial), "--username=postgres", "--encoding=UTF8"]
    command += ["--data-checksums", "--auth-local=peer", "--auth-host=reject", "--locale=C"]
    if programs.major >= 17:  # sorts by code point, knows the case of every letter, the same on every system
        command += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    else:
        command += ["--lc-ctype=UTF-8" if sys.platform == "darwin" else "--lc-ctype=C.UTF-8"]
    result = run([*command, "--no-sync"] if ephemeral else command, account)
    if result.returncode:
        raise DatabaseUnavailable(f"initdb failed in {partial}: {result.stderr.strip()}")
    # No superuser: what works here works on a server that somebody else administers.
    statements = f"CREATE ROLE {NAME} LOGIN CREATEDB;\nCREATE DATABASE {NAME} OWNER {NAME};\n"
    result = run([str(programs.bin / "postgres"), "--single", "-D", str(partial), "postgres"], account, statements)
    if result.returncode or "ERROR:" in result.stderr:  # single-user mode goes on, and ends well, after an error
        raise DatabaseUnavailable(f"could not create the database {NAME}: {result.stderr.strip()}")
    partial.rename(home / "cluster")


def write_access_rules(home: Path, account: Account) -> None:
    """Let in, by the socket, only the server's account, ourselves and root, whoever else may find the socket."""
    people = dict.fromkeys([account.name, pwd.getpwuid(os.geteuid()).pw_name, "root"])
    allowed = [f'private "{person}" {role}\n' for person in people for role in (NAME, "postgres")]
    for name, text in {
        "pg_hba.conf": "local all all peer map=private\n",
        "pg_ident.conf": "".join(allowed),
    }.items():
        fresh = home / f"{name}.new"
        fresh.unlink(missing_ok=True)
        with fresh.open("x", encoding="utf-8") as file:
            file.write(text)
        fresh.chmod(0o644)  # no secret, and the server's account must read it
        fresh.rename(home / name)
