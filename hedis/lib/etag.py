"""Entity tags: "not changed" for readers, "not changed since you looked" for writers (RFC 9110 §8.8.3, §13.1)."""

import hashlib
from typing import Any

from django.utils.http import parse_etags
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request

from hedis.lib.problem import PreconditionFailed, PreconditionRequired


def of(*parts: object) -> str:
    """A strong tag of the values that change whenever the thing does."""
    return '"' + hashlib.sha256("\x1f".join(map(str, parts)).encode()).hexdigest()[:32] + '"'


def of_content(data: Any) -> str:
    """A strong tag of an answer without a version column: of its bytes."""
    return of(JSONRenderer().render(data))


def is_known(request: Request, tag: str) -> bool:
    """Whether the caller already holds this version (If-None-Match, weak comparison)."""
    held = [known.removeprefix("W/") for known in parse_etags(request.headers.get("If-None-Match", ""))]
    return tag in held or held == ["*"]


def require_match(request: Request, tag: str) -> None:
    """Refuse a change not decided on this version (If-Match, strong comparison).

    `*` is refused as well: it would overwrite whatever a colleague did meanwhile. Raises PreconditionRequired (428) or
    PreconditionFailed (412).
    """
    expected = parse_etags(request.headers.get("If-Match", ""))
    if not expected or expected == ["*"]:
        raise PreconditionRequired("Send If-Match with the ETag of the version this change was decided on.")
    if tag not in expected:
        raise PreconditionFailed("It was changed since that version was read: read it again before deciding.")
