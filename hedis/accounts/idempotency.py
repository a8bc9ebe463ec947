"""`Idempotency-Key`: a POST that is repeated has one effect, and the same answer (draft-ietf-httpapi-idempotency-key).

The answer is stored in the transaction of the effect: there is never one without the other, whatever dies when. While
the first request runs its transaction holds a lock, which PostgreSQL lets go however that request ends.
"""

import hashlib
import json
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import wraps
from http import HTTPStatus
from typing import Any

from django.db import connection, transaction
from django.utils import timezone
from rest_framework import exceptions
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from audit import context, ledger
from audit.models import Event, Subject
from hedis.accounts.models import IdempotentAnswer
from hedis.lib.problem import CONTENT_TYPE, Conflict

KEY = re.compile(r"[\x21-\x7e]{1,128}")
KEPT_HEADERS = ("ETag", "Location")
# The ledger is partitioned by month: events of the first request lie within this span of its end.
LONGEST_REQUEST = timedelta(hours=1)

Handler = Callable[..., Response]


class KeyReused(exceptions.APIException):
    """The key belongs to another request."""

    status_code = HTTPStatus.UNPROCESSABLE_ENTITY
    default_code = "idempotency_key_reused"
    default_detail = "This Idempotency-Key was sent with another request: make a new key for each."


def idempotent(handler: Handler) -> Handler:
    """Decorate a view's POST. Without the header nothing changes; with it the handler runs in one transaction.

    Same key and same request: the stored answer with `Idempotency-Replayed: true`, for 24 hours. Same key, other
    request: 422. While the first one runs: 409. An answer of 500 or above is not stored, nor is a 409 of the handler's
    own: what stood in the way may be gone at the next try.
    """

    @wraps(handler)
    def wrapped(view: Any, request: Request, *args: Any, **kwargs: Any) -> Response:
        key = request.headers.get("Idempotency-Key")
        if key is None:
            return handler(view, request, *args, **kwargs)
        if not KEY.fullmatch(key):
            problem = "Send 1 to 128 printable characters without spaces, such as a UUID."
            raise exceptions.ValidationError({"Idempotency-Key": [problem]})
        fingerprint, now = fingerprint_of(request), timezone.now()
        with transaction.atomic():
            stored = claim(request.user, key, now=now)
            if stored:
                return replay(stored, fingerprint, by=request.user)
            try:
                response = handler(view, request, *args, **kwargs)
            except Exception as error:
                response = view.handle_exception(error)  # raises on what is no answer, which undoes everything
            if response.status_code < HTTPStatus.INTERNAL_SERVER_ERROR and response.status_code != HTTPStatus.CONFLICT:
                remember(request.user, key, fingerprint, response, now=now)
        return response

    wrapped.takes_idempotency_key = True  # type: ignore[attr-defined] # read by hedis.lib.schema
    return wrapped


def fingerprint_of(request: Request) -> str:
    """SHA-256 of what makes two requests the same: method, address with its query, body as sent."""
    parts = ((request.method or "").encode(), request.get_full_path().encode(), request._request.body)
    return hashlib.sha256(b"\n".join(parts)).hexdigest()


def claim(user: Any, key: str, *, now: datetime) -> IdempotentAnswer | None:
    """Hold the key until the transaction ends; the answer stored under it, or None for a new or expired key.

    Raises Conflict where another request holds it.
    """
    with connection.cursor() as cursor:
        name = f"idempotency {user.pk} {key}"
        cursor.execute("SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))", [name])
        if not cursor.fetchone()[0]:
            raise Conflict("The first request with this Idempotency-Key still runs.", code="in_progress")
    stored = IdempotentAnswer.objects.filter(user=user, key=key).first()
    if stored and stored.is_expired(now):
        stored.delete()
        return None
    return stored


def remember(user: Any, key: str, fingerprint: str, response: Response, *, now: datetime) -> None:
    """Store an answer in the transaction of its effect."""
    IdempotentAnswer.objects.create(
        user=user,
        key=key,
        fingerprint=fingerprint,
        request_id=context.current().request_id,
        status=response.status_code,
        headers={name: response[name] for name in KEPT_HEADERS if name in response},
        body=JSONRenderer().render(response.data).decode() or "null",
        created_at=now,
    )


def replay(stored: IdempotentAnswer, fingerprint: str, *, by: Any) -> Response:
    """The stored answer again; members it shows were looked at again. Raises KeyReused for another request."""
    if stored.fingerprint != fingerprint:
        raise KeyReused
    shown = members_shown(stored)
    if shown:
        ledger.record(
            Event.Kind.READ, "answer.replayed", object_type="member", members=shown, row_count=len(shown), by=by
        )
    return Response(
        json.loads(stored.body),
        status=stored.status,
        headers={**stored.headers, "Idempotency-Replayed": "true"},
        content_type=CONTENT_TYPE if stored.status >= HTTPStatus.BAD_REQUEST else None,
    )


def members_shown(stored: IdempotentAnswer) -> set[str]:
    """Pseudonyms that the events of the first request name."""
    if not stored.request_id:
        return set()
    span = (stored.created_at, stored.created_at + LONGEST_REQUEST)
    events = Event.objects.between(*span).filter(request_id=stored.request_id).values("id")
    subjects = Subject.objects.filter(event_id__in=events, occurred_at__gte=span[0], occurred_at__lt=span[1])
    return set(subjects.values_list("member_pseudonym", flat=True))
