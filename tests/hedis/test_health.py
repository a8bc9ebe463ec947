"""Liveness and readiness tell the truth in both directions."""

from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test import Client

from hedis import health
from hedis.lib import jobs


def test_livez_touches_no_database(client: Client, django_assert_num_queries: Any, db: None) -> None:
    with django_assert_num_queries(0):
        answer = client.get("/livez", HTTP_HOST="probe.internal")
    assert answer.status_code == 200


def test_readyz_says_yes_when_everything_answers(db: None, client: Client) -> None:
    answer = client.get("/readyz", HTTP_HOST="probe.internal")
    assert (answer.status_code, answer.json()) == (200, {"ready": True, "failing": [], "warnings": []})


def test_readyz_says_no_and_names_it_when_the_database_is_away(
    db: None, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away() -> bool:
        raise OperationalError("connection refused")

    monkeypatch.setitem(health.CHECKS, "database", away)
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["failing"]) == (503, ["database"])


def test_readyz_says_no_when_a_migration_is_missing(db: None, client: Client) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'gaps'")
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["failing"]) == (503, ["migrations"])


def test_readyz_says_no_when_an_event_fell_outside_the_months(db: None, client: Client) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO audit_event (id, occurred_at, kind, action, actor, actor_type, outcome, header, payload,"
            " salt, leaf_hash) VALUES (gen_random_uuid(), '2001-01-01', 'system', 'old', 'x', 'system', 'done', '', '',"
            " decode(repeat('00', 16), 'hex'), decode(repeat('00', 32), 'hex'))"
        )
    assert client.get("/readyz").json()["failing"] == ["ledger"]


def test_readyz_warns_when_jobs_wait_and_no_worker_lives(db: None, client: Client) -> None:
    jobs.defer(jobs.keep_house, timestamp=0)
    assert client.get("/readyz").json()["warnings"] == [], "the clock's own jobs keep nobody waiting"
    jobs.defer("builtin:procrastinate.builtin_tasks.remove_old_jobs", max_hours=1)
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["warnings"]) == (200, ["worker"])
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO procrastinate_workers DEFAULT VALUES")
    assert client.get("/readyz").json()["warnings"] == []
