"""Looking at members through the API: recorded before the answer leaves, or not shown at all.

45 CFR 164.312(b) asks for a record of activity in systems that hold PHI. A look that could not be recorded is refused
(503): the other way round, switching the ledger off would be the way to look unseen.
"""

import re
from collections.abc import Sequence
from typing import Any, ClassVar

from django.core.exceptions import PermissionDenied
from django.db import Error
from django.http import Http404
from rest_framework import exceptions
from rest_framework.response import Response

from audit import ledger
from audit.models import Event
from hedis.lib.paging import NoSuchPage

FORBIDDEN = (PermissionDenied, exceptions.PermissionDenied)
MISSING = (Http404, exceptions.NotFound)
PAST = {"list": "listed", "retrieve": "shown", "partial_update": "changed"}


class LedgerUnavailable(exceptions.APIException):
    """The look could not be recorded."""

    status_code = 503
    default_code = "ledger_unavailable"
    default_detail = "The audit ledger cannot be written now, so nothing is shown. Try again later."


def record(action: str, *, by: Any, **facts: Any) -> None:
    """One event of kind API, committed when this returns. Raises LedgerUnavailable."""
    try:
        ledger.record_alone(Event.Kind.API, action, by=by, **facts)
    except Error as error:
        raise LedgerUnavailable from error


class RecordedReads:
    """Mixin for endpoints whose rows are about members; stands before the endpoint's base.

    `member_field` names the pseudonym in a row; `address_key` and `address_shape` say which part of the address names
    one thing and how such a name looks. Every page or thing shown is one event with the members on it; every refusal
    (403, and 404 of one thing) is one with outcome "denied".
    """

    member_field: ClassVar[str]
    address_key: ClassVar[str]
    address_shape: ClassVar[str]
    request: Any
    kwargs: dict[str, Any]
    basename: str
    action: str

    def before_showing(self, rows: Sequence[Any]) -> None:
        """Record what is about to be sent."""
        record(
            self.event_name(),
            object_type=self.basename,
            object_id=self.thing_named(),
            members=self.members_in(rows),
            row_count=len(rows),
            by=self.request.user,
        )

    def members_in(self, rows: Sequence[Any]) -> list[str]:
        """Pseudonyms of the members these rows tell of."""
        return [row[self.member_field] for row in rows]

    def handle_exception(self, exc: Exception) -> Response:
        """Record a refusal before answering it."""
        try:
            self.record_refusal(exc)
        except LedgerUnavailable as unavailable:
            exc = unavailable
        response: Response = super().handle_exception(exc)  # type: ignore[misc]
        return response

    def record_refusal(self, exc: Exception) -> None:
        """A 403, or a 404 at an address that names one thing. A page number too high tells nobody anything."""
        thing = self.thing_named()
        missed = isinstance(exc, MISSING) and not isinstance(exc, NoSuchPage) and thing
        # An address that cannot name a thing of ours may hold a plan's own member id: it must not enter the ledger.
        harmless = thing or self.address_key not in self.kwargs
        if (missed or isinstance(exc, FORBIDDEN)) and harmless:
            record(
                self.event_name(),
                object_type=self.basename,
                object_id=thing,
                row_count=0,
                outcome="denied",
                by=self.request.user,
            )

    def event_name(self) -> str:
        """Such as `api.members.listed`."""
        return f"api.{self.basename}.{PAST.get(self.action, self.action or 'refused')}"

    def thing_named(self) -> str:
        """What the address names; "" where it names nothing, or nothing that could be ours."""
        name = str(self.kwargs.get(self.address_key, ""))
        return name if re.fullmatch(self.address_shape, name) else ""
