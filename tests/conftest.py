"""What all tests share: the cast, the published data, a data directory of their own."""

import gc
import os
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import connection

from audit import partitions
from hedis.accounts import roles
from hedis.accounts.models import User

PROJECT = Path(__file__).resolve().parent.parent
SHARED = PROJECT.parent / "shared"
PASSWORD = "correct-horse-battery-staple"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Without the folder of published data its tests are skipped by name; under CI that is an error, said loudly."""
    if SHARED.is_dir():
        return
    for item in items:
        if item.get_closest_marker("published"):
            if os.environ.get("CI"):
                item.add_marker(pytest.mark.usefixtures("published_data_is_missing"))
            else:
                item.add_marker(pytest.mark.skip(reason="needs the published data in ../shared"))


def pytest_collection_finish() -> None:
    """What is imported by now stays to the end: the garbage collector need not walk through it time and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def pytest_unconfigure() -> None:
    """Libraries that look for what was left behind look at everything."""
    gc.unfreeze()


@pytest.fixture
def published_data_is_missing() -> None:
    pytest.fail("../shared is missing: the tests against published data did not run")


@pytest.fixture
def shared() -> Path:
    """The folder of published data."""
    return SHARED


@pytest.fixture(autouse=True)
def own_data_dir(settings: Any, tmp_path: Path) -> Path:
    """No test sees another's warehouse."""
    settings.DATA_DIR = tmp_path / "data"
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    settings.STORAGES = {
        "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    }
    return tmp_path / "data"


@pytest.fixture(autouse=True)
def nothing_committed_is_left_in_the_ledger(request: pytest.FixtureRequest, django_db_blocker: Any) -> Iterator[None]:
    """A test that commits leaves its ledger lines behind: Django's flush cannot empty an append-only table.

    Only the tables' owner can lift the triggers, as here.
    """
    yield
    marker = request.node.get_closest_marker("django_db")
    if "transactional_db" in request.fixturenames or (marker and marker.kwargs.get("transaction")):
        with django_db_blocker.unblock(), connection.cursor() as cursor:
            cursor.execute(
                "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent IN (%s::regclass, %s::regclass)",
                partitions.PARTITIONED,
            )
            tables = [*partitions.PARTITIONED, *(row[0] for row in cursor.fetchall())]
            lift = "".join(f"ALTER TABLE {table} DISABLE TRIGGER USER;" for table in tables)
            back = "".join(f"ALTER TABLE {table} ENABLE TRIGGER USER;" for table in tables)
            cursor.execute(f"{lift} TRUNCATE audit_event, audit_subject, audit_pending; {back}")


def person(username: str, role: roles.Role, *, team: str = "") -> User:
    """An account that holds one role."""
    user = User.objects.create_user(username, password=PASSWORD, team=team, is_staff=role.key != "service")
    user.groups.add(Group.objects.get(name=role.name))
    return user


@pytest.fixture
def ana(db: None) -> User:
    """Care manager of the north team."""
    return person("ana", roles.CARE_MANAGER, team="north")


@pytest.fixture
def ben(db: None) -> User:
    """Analyst: sees the whole plan, imports."""
    return person("ben", roles.ANALYST)


@pytest.fixture
def cy(db: None) -> User:
    """Auditor: reads everything, changes nothing."""
    return person("cy", roles.AUDITOR)


@pytest.fixture
def dee(db: None) -> User:
    """Care manager of another team: a stranger to Ana's members."""
    return person("dee", roles.CARE_MANAGER, team="south")


@pytest.fixture
def lea(db: None) -> User:
    """Lead of the north team."""
    return person("lea", roles.TEAM_LEAD, team="north")


@pytest.fixture
def quinn(db: None) -> User:
    """Quality director."""
    return person("quinn", roles.QUALITY_DIRECTOR)


@pytest.fixture
def today() -> date:
    """The day the tests' stories are told."""
    return date(2026, 9, 30)
