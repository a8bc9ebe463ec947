"""API keys: made, checked, revoked."""

import hashlib
import re
import secrets
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from audit import ledger
from audit.models import Event
from hedis.accounts.models import ApiKey, User

KEYWORD = b"bearer"
SECRET = re.compile(r"hk_[0-9a-f]{8}_[A-Za-z0-9_-]{43}")
# A key nobody renews is a key nobody remembers; a year is the longest any of ours lives.
LONGEST_DAYS = 365


class UnfitOwner(Exception):
    """A key acts as its owner: an account that may not sign in, or has no role, can own none."""


class UnusableTerm(Exception):
    """A key lives at least a day and at most LONGEST_DAYS."""


@transaction.atomic
def create(user: User, *, name: str, days: int, read_only: bool, by: object) -> tuple[ApiKey, str]:
    """Make a key; returns it with its secret, which is shown once and never stored.

    Raises UnfitOwner or UnusableTerm.
    """
    if not user.is_active:
        raise UnfitOwner(f"{user.username} is not active")
    if not user.role:
        raise UnfitOwner(f"{user.username} has no role")
    if not 1 <= days <= LONGEST_DAYS:
        raise UnusableTerm(f"a key lives 1 to {LONGEST_DAYS} days, not {days}")
    secret = f"hk_{secrets.token_hex(4)}_{secrets.token_urlsafe(32)}"
    key = ApiKey.objects.create(
        user=user,
        name=name,
        prefix=prefix(secret),
        digest=digest(secret),
        read_only=read_only,
        expires_at=timezone.now() + timedelta(days=days),
    )
    ledger.record(
        Event.Kind.ADMIN,
        "api_key.created",
        object_type="api_key",
        object_id=key.prefix,
        after={"user": user.username, "name": name, "read_only": read_only, "expires_at": key.expires_at},
        by=by,
    )
    return key, secret


@transaction.atomic
def revoke(key: ApiKey, *, by: object) -> None:
    """Make a key useless from now on; doing it twice changes nothing."""
    if ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=timezone.now()):
        ledger.record(Event.Kind.ADMIN, "api_key.revoked", object_type="api_key", object_id=key.prefix, by=by)


def prefix(secret: str) -> str:
    """The part of a key that may be shown."""
    return secret[3:11]


def digest(secret: str) -> str:
    """What is stored of a key."""
    return hashlib.sha256(secret.encode()).hexdigest()


def find(secret: str, now: datetime) -> ApiKey | None:
    """The usable key of this secret, compared in constant time."""
    if not SECRET.fullmatch(secret):
        return None
    key = ApiKey.objects.usable(now).select_related("user").filter(prefix=prefix(secret)).first()
    return key if key and secrets.compare_digest(key.digest, digest(secret)) else None


class ApiKeyAuthentication(BaseAuthentication):
    """`Authorization: Bearer hk_…`. That a read-only key only reads is said by ModelPermissions."""

    def authenticate(self, request: Request) -> tuple[Any, ApiKey] | None:
        parts = get_authorization_header(request).split()
        if not parts or parts[0].lower() != KEYWORD:
            return None
        now = timezone.now()
        key = find(parts[1].decode("latin-1"), now) if len(parts) == 2 else None
        if key is None:
            raise AuthenticationFailed("This API key is unknown, expired or revoked.")
        # At most one write a minute for each key: "last used" must not cost every read a write.
        if key.last_used_at is None or key.last_used_at < now - timedelta(minutes=1):
            ApiKey.objects.filter(pk=key.pk).update(last_used_at=now)
        return key.user, key

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"
