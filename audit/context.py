"""What is known of the request that is being served: read by the ledger, set by the middleware."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True)
class RequestContext:
    """Facts of one HTTP request; empty outside one."""

    request_id: str = ""
    route: str = ""
    method: str = ""
    ip: str | None = None


_current: ContextVar[RequestContext] = ContextVar("audit_request", default=RequestContext())  # noqa: B039


def current() -> RequestContext:
    """The request being served by this thread, or an empty context."""
    return _current.get()


@contextmanager
def serving(context: RequestContext) -> Iterator[None]:
    """Everything recorded inside carries this request's facts."""
    token = _current.set(context)
    try:
        yield
    finally:
        _current.reset(token)
