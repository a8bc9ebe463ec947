"""The application refuses to start half-protected."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
STRONG = "k3J-x9_PqL7vR2mZ8wT5yB1nC4dF6gH0aSeUiOoXhY"


def start(**environment: str) -> subprocess.CompletedProcess[str]:
    """Read the settings in a process of their own, with nothing but these variables."""
    clean = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG"}}
    code = (
        "import environs; environs.Env.read_env = lambda *a, **k: None\n"  # a developer's .env must not help
        "from django.conf import settings; settings.SECRET_KEY; print(settings.DATABASES['default']['ENGINE'])"
    )
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=PROJECT,
        env={**clean, "DJANGO_SETTINGS_MODULE": "hedis.settings", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("weak", ["", "short", "a" * 64, "change-me-" * 8])
@pytest.mark.parametrize("name", ["SECRET_KEY", "PSEUDONYM_KEY"])
def test_a_missing_or_weak_secret_stops_the_start_and_names_it(name: str, weak: str) -> None:
    done = start(**{"SECRET_KEY": STRONG, "PSEUDONYM_KEY": STRONG, name: weak})
    assert done.returncode != 0
    assert f"{name} is missing or weak" in done.stderr


def test_debug_starts_with_stand_in_secrets() -> None:
    assert start(DEBUG="true").returncode == 0


def test_strong_secrets_start_and_a_secret_may_come_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(STRONG + "\n", encoding="utf-8")
    done = start(SECRET_KEY=STRONG, PSEUDONYM_KEY_FILE=str(tmp_path / "key"))
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "hedis.lib.database"


def test_a_database_that_is_not_postgresql_is_refused() -> None:
    done = start(SECRET_KEY=STRONG, PSEUDONYM_KEY=STRONG, DATABASE_URL="sqlite:///x.db")
    assert done.returncode != 0
    assert "PostgreSQL" in done.stderr
