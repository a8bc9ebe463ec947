"""What OpenAPI says beyond what the views show by themselves: problems, preconditions, the API key."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema_serializer
from drf_spectacular.views import SpectacularSwaggerSplitView
from rest_framework import serializers

from hedis.lib.problem import CONTENT_TYPE


class FieldError(serializers.Serializer[Any]):
    """One field that cannot be used, and why."""

    field = serializers.CharField(help_text="Dotted path of the field; a filter's name in a list.")
    code = serializers.CharField()
    detail = serializers.CharField()


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "A filter with a value it cannot use",
            value={
                "type": "about:blank",
                "title": "Bad Request",
                "status": 400,
                "detail": "The request has fields that cannot be used.",
                "errors": [{"field": "year", "code": "invalid", "detail": "Enter a number."}],
                "instance": "/api/v1/gaps/",
            },
        )
    ]
)
class Problem(serializers.Serializer[Any]):
    """Problem details (RFC 9457)."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    code = serializers.CharField(required=False)
    errors = FieldError(many=True, required=False)  # type: ignore[assignment]
    instance = serializers.CharField()


EVERY_ANSWER = {
    "401": "No sign-in, or a key that is unknown, expired or revoked.",
    "403": "This account's role, or this key, may not do this.",
    "429": "Too many requests; Retry-After says when to come back.",
}
LISTS = {"400": "An unknown filter or a value it cannot use.", "404": "No such page, or a parent nobody may see."}
ONE = {"404": "No such thing, or not one this account may see."}
CHANGES = {
    **ONE,
    "400": "Fields that cannot be used.",
    "409": "The thing's state does not allow this step.",
    "412": "It changed since the version that If-Match names.",
    "428": "If-Match is missing.",
}


REPEATABLE = {
    "409": "The first request with this Idempotency-Key still runs, or the thing's state does not allow this step.",
    "422": "This Idempotency-Key was sent with another request.",
}
IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    str,
    OpenApiParameter.HEADER,
    description="A new UUID for each request you mean. Sent again with the same request within 24 hours, the first "
    "answer comes back with `Idempotency-Replayed: true`, and nothing is done twice.",
)


class ApiSchema(AutoSchema):
    """Adds the problems every endpoint can answer with, and the headers of conditional and repeatable requests."""

    def takes_idempotency_key(self) -> bool:
        """Whether this endpoint is decorated with hedis.accounts.idempotency."""
        handler = getattr(self.view, getattr(self.view, "action", None) or self.method.lower(), None)
        return self.method == "POST" and getattr(handler, "takes_idempotency_key", False)

    def get_override_parameters(self) -> list[Any]:
        given: list[Any] = list(super().get_override_parameters())
        if self.takes_idempotency_key():
            given.append(IDEMPOTENCY_KEY)
        name = {"PATCH": "If-Match", "GET": "If-None-Match"}.get(self.method)
        if name and not self._is_list_view():
            words = {"If-Match": "The ETag this change was decided on.", "If-None-Match": "The ETag already held."}
            given.append(
                OpenApiParameter(
                    name, str, OpenApiParameter.HEADER, required=name == "If-Match", description=words[name]
                )
            )
        return given

    def _get_response_bodies(self, direction: Any = "response") -> Any:
        bodies = super()._get_response_bodies(direction)
        repeated = REPEATABLE if self.takes_idempotency_key() else {}
        for status, words in sorted((EVERY_ANSWER | repeated | self.own_problems()).items()):
            answer = OpenApiResponse(Problem, description=words)
            bodies[status] = self._get_response_for_code(answer, status, [CONTENT_TYPE], direction)
        if "200" in bodies and not self._is_list_view():
            bodies["200"]["headers"] = {"ETag": {"schema": {"type": "string"}, "description": "The version shown."}}
            if self.method == "GET":
                bodies["304"] = {"description": "The version that If-None-Match names is still current."}
        return bodies

    def own_problems(self) -> dict[str, str]:
        """Problems by what the endpoint does, and 503 where the answer depends on the ledger."""
        kind = CHANGES if self.method == "PATCH" else LISTS if self._is_list_view() else ONE
        recorded = hasattr(self.view, "member_field")
        return kind | ({"503": "The look could not be recorded, so nothing is shown."} if recorded else {})


class Docs(SpectacularSwaggerSplitView):
    """The browsable docs. OPTIONS has no page: the template that draws the others fails on it."""

    http_method_names = ["get", "head"]


class ApiKeyScheme(OpenApiAuthenticationExtension):
    """`Authorization: Bearer hk_…`."""

    target_class = "hedis.accounts.keys.ApiKeyAuthentication"
    name = "apiKey"
    priority = 1

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, Any]:
        return {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "hk_…",
            "description": "A program's key, made with `manage.py create_api_key`. Read-only unless made with --write.",
        }
