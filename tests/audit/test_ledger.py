"""The ledger: one line a change, in its transaction, never altered."""

import hashlib
import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction

from audit import context, ledger, partitions
from audit.models import Event, Pending, Subject
from hedis.accounts.models import User

PSEUDONYM = "ab" * 32
OTHER = "cd" * 32


def write(by: object, **facts: Any) -> Event:
    """One line of the ledger."""
    with transaction.atomic():
        return ledger.record(Event.Kind.CHANGE, "thing.changed", by=by, **facts)


def test_a_line_names_actor_role_request_object_and_what_changed(ana: User) -> None:
    request = context.RequestContext("req-12345678", "/admin/queue/", "POST", "10.1.2.3")
    with context.serving(request):
        event = write(ana, object_type="gap", object_id=7, before={"a": 1}, after={"a": 2}, members=[PSEUDONYM])
    stored = Event.objects.get(id=event.id)
    assert (stored.actor, stored.actor_type, stored.role) == ("ana", "person", "care_manager")
    assert (stored.request_id, stored.route, stored.method, stored.ip) == (
        "req-12345678",
        "/admin/queue/",
        "POST",
        "10.1.2.3",
    )
    assert ledger.contents(stored)["before"] == {"a": 1}
    assert ledger.contents(stored)["after"] == {"a": 2}
    assert list(Event.objects.about_member(PSEUDONYM)) == [stored]
    assert list(Event.objects.about_member(OTHER)) == []


def test_the_leaf_is_the_rfc_9162_hash_of_the_stored_bytes(ana: User) -> None:
    event = Event.objects.get(id=write(ana, after={"value": Decimal("1.10"), "day": date(2026, 9, 30)}).id)
    commitment = hashlib.sha256(bytes(event.salt) + bytes(event.payload)).digest()
    assert bytes(event.leaf_hash) == hashlib.sha256(b"\x00" + bytes(event.header) + commitment).digest()
    assert bytes(Pending.objects.get(event_id=event.id).leaf_hash) == bytes(event.leaf_hash)
    header = json.loads(bytes(event.header))
    assert header["actor"] == event.actor
    assert header["occurred_at"] == event.occurred_at.isoformat(timespec="microseconds")


def test_outside_a_transaction_nothing_is_written(transactional_db: None) -> None:
    with pytest.raises(ledger.NotInTransaction):
        ledger.record(Event.Kind.CHANGE, "thing.changed", by="somebody")
    assert not Event.objects.exists()


def test_a_rolled_back_change_leaves_no_line(ana: User) -> None:
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        ledger.record(Event.Kind.CHANGE, "thing.changed", by=ana)
        raise ZeroDivisionError
    assert not Event.objects.filter(action="thing.changed").exists()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_event SET actor = 'nobody'",
        "DELETE FROM audit_event",
        "TRUNCATE audit_event",
        "UPDATE audit_subject SET member_pseudonym = repeat('0', 64)",
        "DELETE FROM audit_subject",
        "TRUNCATE audit_subject",
    ],
)
def test_the_database_refuses_to_alter_history(ana: User, statement: str) -> None:
    event = write(ana, members=[PSEUDONYM])
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
    assert Event.objects.get(id=event.id).actor == "ana"
    assert Subject.objects.filter(event_id=event.id).count() == 1


def test_truncating_one_month_alone_is_refused_too(ana: User) -> None:
    write(ana)
    with connection.cursor() as cursor:
        cursor.execute("SELECT tableoid::regclass::text FROM audit_event LIMIT 1")
        partition = cursor.fetchone()[0]
    assert partition != "audit_event_default"
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {partition}")


def test_a_line_without_an_actor_is_refused(db: None) -> None:
    with pytest.raises(DatabaseError), transaction.atomic():
        ledger.record(Event.Kind.CHANGE, "thing.changed", by="")


def test_nul_and_unprintable_numbers_are_refused(ana: User) -> None:
    with pytest.raises(ValueError, match="NUL"):
        write(ana, after={"name": "a\x00b"})
    with pytest.raises(Exception, match=r"(?i)nan|float"):
        write(ana, after={"rate": float("nan")})
    assert not Event.objects.exists()


def test_writing_costs_the_same_for_one_member_and_for_five_hundred(ana: User, django_assert_num_queries: Any) -> None:
    ana.role  # noqa: B018 - read once a request, not once a line
    many = [f"{number:064x}" for number in range(500)]
    for members in ([PSEUDONYM], many):
        with transaction.atomic(), django_assert_num_queries(4):
            ledger.record(Event.Kind.READ, "members.listed", members=members, by=ana)


def test_months_to_come_have_their_partitions_and_nothing_strays(ana: User) -> None:
    write(ana)
    assert partitions.strays() == 0
    assert partitions.ensure_ahead(datetime.now(UTC).date()) == []
    made = partitions.ensure_ahead(date(2031, 11, 30))
    assert [name for name in made if name.startswith("audit_event")] == [
        "audit_event_2031_11",
        "audit_event_2031_12",
        "audit_event_2032_01",
        "audit_event_2032_02",
    ]


def test_ids_rise_with_time() -> None:
    ids = [ledger.time_ordered_id() for _ in range(3)]
    assert all(one.version == 7 for one in ids)
    assert ids[0].int >> 80 <= ids[2].int >> 80
