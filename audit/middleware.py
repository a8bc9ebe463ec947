"""Gives every request an id and lets the ledger know who asked from where."""

import ipaddress
import re
import uuid
from collections.abc import Callable

from auditlog.context import set_actor
from django.conf import settings
from django.http import HttpRequest, HttpResponse

from audit import context

REQUEST_ID = re.compile(r"[A-Za-z0-9_.-]{8,64}")


class AuditMiddleware:
    """Stands after authentication: sets the request context and django-auditlog's actor, echoes X-Request-ID."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        given = request.headers.get("X-Request-ID", "")
        request_id = given if REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
        facts = context.RequestContext(request_id, request.path, request.method or "", client_ip(request))
        with context.serving(facts), set_actor(actor=request.user, remote_addr=facts.ip):
            response = self.get_response(request)
        response["X-Request-ID"] = request_id
        return response


def client_ip(request: HttpRequest) -> str | None:
    """The caller's address: X-Forwarded-For is believed only as far as there are trusted proxies.

    The leftmost entry is whatever the caller wrote, so it is never used; an unreadable address becomes None, not an
    error that would stop the write it belongs to.
    """
    chain = [part.strip() for part in request.headers.get("X-Forwarded-For", "").split(",") if part.strip()]
    trusted = settings.TRUSTED_PROXIES
    candidate = chain[-trusted] if trusted and len(chain) >= trusted else request.META.get("REMOTE_ADDR", "")
    try:
        return str(ipaddress.ip_address(candidate))
    except ValueError:
        return None
