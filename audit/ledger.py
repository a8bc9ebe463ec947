"""The only way into the ledger: one event in the transaction of the change it tells of.

Leaf = SHA-256(0x00 ‖ header ‖ SHA-256(salt ‖ payload)), RFC 9162 §2.1.1 leaf prefix. The salted commitment lets a
later proof show who, when and what kind without revealing the payload, which may hold PHI.
"""

import hashlib
import json
import secrets
import time
import uuid
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import rfc8785
from django.db import connection, transaction

from audit import context
from audit.models import Event, Pending

SYSTEM = "system"
INSERT_SUBJECTS = """
INSERT INTO audit_subject (event_id, occurred_at, member_pseudonym) SELECT %s, %s, unnest(%s::text[])
"""


class NotInTransaction(Exception):
    """A ledger line outside the transaction of its change could survive a rollback, or be lost by one."""


def record(
    kind: Event.Kind,
    action: str,
    *,
    object_type: str = "",
    object_id: object = "",
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    members: Iterable[str] = (),
    row_count: int = 1,
    outcome: str = "done",
    purpose: str = "",
    by: object,
) -> Event:
    """Write one event, its subjects and its leaf.

    `by` is a user (anything with `get_username`) or a name such as "system"; an empty actor is refused by the
    database. `members` are pseudonyms. Raises NotInTransaction outside `transaction.atomic()`.
    """
    if not connection.in_atomic_block:
        raise NotInTransaction(action)
    here = context.current()
    event_id, now = time_ordered_id(), datetime.now(UTC)
    shown = sorted(set(members))
    actor, actor_type, role = describe(by)
    header: dict[str, Any] = {
        "v": 1, "id": str(event_id), "occurred_at": now.isoformat(timespec="microseconds"), "kind": kind.value,
        "action": action, "actor": actor, "actor_type": actor_type, "role": role, "request_id": here.request_id,
        "outcome": outcome, "object_type": object_type, "row_count": row_count,
    }  # fmt: skip
    body: dict[str, Any] = {
        "object_id": str(object_id), "before": plain(before), "after": plain(after), "members": shown,
        "purpose": purpose, "route": here.route, "method": here.method, "ip": here.ip,
    }  # fmt: skip
    header_bytes, body_bytes, salt = rfc8785.dumps(header), rfc8785.dumps(body), secrets.token_bytes(16)
    event = Event(
        id=event_id, occurred_at=now, kind=kind, action=action, actor=actor, actor_type=actor_type, role=role,
        request_id=here.request_id, route=here.route, method=here.method, ip=here.ip, outcome=outcome,
        purpose=purpose, object_type=object_type, object_id=str(object_id), row_count=row_count,
        header=header_bytes, payload=body_bytes, salt=salt, leaf_hash=leaf_hash(header_bytes, body_bytes, salt),
    )  # fmt: skip
    store(event, shown)
    return event


def store(event: Event, members: list[str]) -> None:
    """Insert the event, its subjects and its pending leaf in three statements, however many members."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_current_xact_id()::text::bigint")
        event.txid = cursor.fetchone()[0]
    event.save(force_insert=True)
    with connection.cursor() as cursor:
        # One array: a model instance for every member of a plan would take hundreds of megabytes.
        cursor.execute(INSERT_SUBJECTS, [event.id, event.occurred_at, members])
    Pending.objects.create(event_id=event.id, leaf_hash=event.leaf_hash)


def record_alone(kind: Event.Kind, action: str, **facts: Any) -> Event:
    """Write an event in a transaction of its own: for denied and failed attempts, which change nothing else."""
    with transaction.atomic():
        return record(kind, action, **facts)


def describe(by: object) -> tuple[str, str, str]:
    """Actor, actor type and role as text, from a user or a plain name."""
    if isinstance(by, str):
        return by, SYSTEM if by else "anonymous", ""
    name = by.get_username()  # type: ignore[attr-defined]
    if not name:
        return "anonymous", "anonymous", ""
    role = getattr(by, "role", "")
    return name, "service" if role == "service" else "person", role


def leaf_hash(header: bytes, payload: bytes, salt: bytes) -> bytes:
    """The Merkle leaf of one event."""
    return hashlib.sha256(b"\x00" + header + hashlib.sha256(salt + payload).digest()).digest()


def plain(value: Any) -> Any:
    """JSON with one spelling: dates as ISO text, decimals and large integers as text, NaN and NUL refused.

    RFC 8785 knows no integer beyond 2^53 and no decimal; a float that prints differently elsewhere would break a
    proof that is otherwise sound.
    """
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in (sorted(value) if isinstance(value, (set, frozenset)) else value)]
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    if isinstance(value, (Decimal, uuid.UUID)) or (isinstance(value, int) and abs(value) >= 2**53):
        return str(value)
    if isinstance(value, str) and "\x00" in value:
        raise ValueError("NUL in an audit payload")
    return value


def contents(event: Event) -> dict[str, Any]:
    """The payload of an event as a mapping, read from the bytes that were hashed."""
    loaded: dict[str, Any] = json.loads(bytes(event.payload))
    return loaded


def time_ordered_id() -> uuid.UUID:
    """A UUID version 7 (RFC 9562 §5.7): new rows land together in the index."""
    stamp = time.time_ns() // 1_000_000
    value = (stamp & (2**48 - 1)) << 80 | 0x7 << 76 | secrets.randbits(12) << 64 | 0b10 << 62 | secrets.randbits(62)
    return uuid.UUID(int=value)
