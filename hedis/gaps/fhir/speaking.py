"""How FHIR is spoken over HTTP: media types, negotiation, errors as OperationOutcome."""

import re
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, JsonResponse
from rest_framework import exceptions
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.parsers import JSONParser
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView, exception_handler

from hedis.gaps.fhir.answers import outcome
from hedis.lib.problem import field_errors

FHIR_JSON, NDJSON = "application/fhir+json", "application/fhir+ndjson"
# What `_format` may say, and the media type it means.
FORMATS = {"json": FHIR_JSON, "ndjson": NDJSON, "application/ndjson": NDJSON, "application/json": FHIR_JSON}
# Issue types of OperationOutcome by HTTP status.
ISSUES = {
    HTTPStatus.BAD_REQUEST: "invalid",
    HTTPStatus.UNAUTHORIZED: "login",
    HTTPStatus.FORBIDDEN: "forbidden",
    HTTPStatus.NOT_FOUND: "not-found",
    HTTPStatus.METHOD_NOT_ALLOWED: "not-supported",
    HTTPStatus.NOT_ACCEPTABLE: "not-supported",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "too-long",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "not-supported",
    HTTPStatus.TOO_MANY_REQUESTS: "throttled",
    HTTPStatus.SERVICE_UNAVAILABLE: "transient",
}
DEEPEST = 40


class FhirRenderer(JSONRenderer):
    """`application/fhir+json`."""

    media_type, format = FHIR_JSON, "json"


class PlainRenderer(JSONRenderer):
    """The same for those who ask for `application/json`."""

    format = "json"


class NdjsonRenderer(BaseRenderer):
    """`application/fhir+ndjson`: chosen by negotiation, written by a streaming answer."""

    media_type, format, charset = NDJSON, "ndjson", "utf-8"

    def render(self, data: Any, accepted_media_type: Any = None, renderer_context: Any = None) -> Any:
        return data


class FhirParser(JSONParser):
    """A FHIR body of bounded depth; Django bounds its size."""

    media_type = FHIR_JSON

    def parse(self, stream: Any, media_type: Any = None, parser_context: Any = None) -> Any:
        """The body as JSON. Raises ParseError."""
        try:
            body = super().parse(stream, media_type, parser_context)
        except RecursionError as error:
            raise exceptions.ParseError("The body is nested too deeply.") from error
        if deeper(body, DEEPEST):
            raise exceptions.ParseError("The body is nested too deeply.")
        return body


class PlainParser(FhirParser):
    """The same for those who send `application/json`."""

    media_type = "application/json"


def deeper(value: Any, limit: int) -> bool:
    """Whether JSON is nested deeper than `limit`; walks level by level, so the stack stays flat."""
    level = [value]
    for _ in range(limit):
        level = [
            inner
            for one in level
            if isinstance(one, (dict, list))
            for inner in (one.values() if isinstance(one, dict) else one)
        ]
        if not level:
            return False
    return True


class Negotiation(DefaultContentNegotiation):
    """`_format` before Accept, as FHIR has it."""

    def get_accept_list(self, request: Request) -> list[str]:
        wanted = request.query_params.get("_format")
        if wanted is None:
            accepted: list[str] = super().get_accept_list(request)
            return accepted
        # A plus sign that was not escaped in the query arrives as a blank.
        wanted = wanted.split(";")[0].strip().replace(" ", "+")
        return [FORMATS.get(wanted, wanted if re.fullmatch(r"[\w.+-]+/[\w.+-]+", wanted) else "application/unknown")]


class FhirView(APIView):
    """Base of the FHIR endpoints. Outside OpenAPI: the CapabilityStatement describes them."""

    schema = None
    renderer_classes = [FhirRenderer, PlainRenderer]
    parser_classes = [FhirParser, PlainParser]
    content_negotiation_class = Negotiation
    http_method_names = ["get", "head"]

    def get_exception_handler(self) -> Any:
        return as_outcome

    def handle_exception(self, exc: Exception) -> Response:
        """An error is FHIR JSON, whatever was asked for."""
        self.request.accepted_renderer, self.request.accepted_media_type = FhirRenderer(), FHIR_JSON
        return super().handle_exception(exc)

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        """Nothing a member's row was in may be kept by a browser or a proxy on the way."""
        response.setdefault("Cache-Control", "private, no-store")
        return super().finalize_response(request, response, *args, **kwargs)


class TooLarge(exceptions.APIException):
    """The body is larger than Django is told to read."""

    status_code = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    default_detail = f"The body is larger than {settings.DATA_UPLOAD_MAX_MEMORY_SIZE:,} bytes."


def as_outcome(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's exception handler, answering with an OperationOutcome; unknown errors stay 500s and are logged."""
    if isinstance(error, RequestDataTooBig):
        error = TooLarge()
    response = exception_handler(error, context)
    if response is None:
        return None
    code = ISSUES.get(HTTPStatus(response.status_code), "processing")
    issues = getattr(error, "issues", None)
    if issues is None and isinstance(error, exceptions.ValidationError):
        issues = [("invalid", one["detail"], one["field"]) for one in field_errors(error.get_full_details())]
    if issues is None:
        issues = [(code, str(getattr(error, "detail", None) or HTTPStatus(response.status_code).phrase), "")]
    response.data = outcome(issues)
    return response


def unknown_address(request: HttpRequest) -> JsonResponse:
    """The last address below `fhir/`."""
    words = "There is nothing at this address; /fhir/metadata says what there is."
    return JsonResponse(outcome([("not-found", words, "")]), status=HTTPStatus.NOT_FOUND, content_type=FHIR_JSON)
