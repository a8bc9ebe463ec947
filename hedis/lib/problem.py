"""API errors as problem details (RFC 9457), naming item and field."""

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import exception_handler

CONTENT_TYPE = "application/problem+json"


class Conflict(exceptions.APIException):
    """The state of the thing does not allow this, or changed meanwhile."""

    status_code = HTTPStatus.CONFLICT
    default_code = "conflict"


class PreconditionFailed(exceptions.APIException):
    """If-Match names a version that is no longer the current one."""

    status_code = HTTPStatus.PRECONDITION_FAILED
    default_code = "version_changed"


class PreconditionRequired(exceptions.APIException):
    """A change must say, by If-Match, which version it was decided on."""

    status_code = HTTPStatus.PRECONDITION_REQUIRED
    default_code = "if_match_missing"


def handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's exception handler, answering with problem details; unknown errors stay 500s and are logged by Django."""
    if isinstance(error, Http404):
        error = exceptions.NotFound()
    elif isinstance(error, PermissionDenied):
        error = exceptions.PermissionDenied()
    response = exception_handler(error, context)
    if response is None or not isinstance(error, exceptions.APIException):
        return response
    status = HTTPStatus(response.status_code)
    problem: dict[str, Any] = {"type": "about:blank", "title": status.phrase, "status": status.value}
    if isinstance(error, exceptions.ValidationError):
        problem["detail"] = "The request has fields that cannot be used."
        problem["errors"] = list(field_errors(error.get_full_details()))
    else:
        problem["detail"], problem["code"] = str(error.detail), error.get_codes()
    problem["instance"] = context["request"].path
    response.data = problem
    renderer = getattr(context["request"], "accepted_renderer", None)
    # The browsable pages render the same problem as HTML and must say so.
    if renderer is None or renderer.format == "json":
        response.content_type = CONTENT_TYPE
    return response


def unknown_address(request: HttpRequest) -> HttpResponse:
    """The last address below `api/`: what no endpoint answers is a problem too, not a page."""
    problem = {
        "type": "about:blank",
        "title": HTTPStatus.NOT_FOUND.phrase,
        "status": HTTPStatus.NOT_FOUND.value,
        "detail": "There is nothing at this address; /api/docs/ lists what there is.",
        "instance": request.path,
    }
    return JsonResponse(problem, status=HTTPStatus.NOT_FOUND, content_type=CONTENT_TYPE)


def field_errors(details: Any, field: str = "") -> Iterator[dict[str, str]]:
    """Flatten DRF's nested details into one entry an error: field (dotted path), code, detail."""
    if isinstance(details, dict) and set(details) == {"message", "code"}:
        yield {"field": field, "code": details["code"], "detail": str(details["message"])}
    elif isinstance(details, dict):
        for name, inner in details.items():
            yield from field_errors(inner, f"{field}.{name}" if field else str(name))
    elif isinstance(details, list):
        many = len(details) > 1 and all(isinstance(inner, (dict, list)) and "message" not in inner for inner in details)
        for index, inner in enumerate(details):
            yield from field_errors(inner, f"{field}.{index}" if many else field)
