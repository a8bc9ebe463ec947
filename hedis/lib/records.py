"""The one kind of endpoint: a filtered, ordered, paged list of flat rows, and one thing with its ETag."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, ClassVar

from rest_framework import serializers
from rest_framework.parsers import JSONParser
from rest_framework.renderers import BaseRenderer, BrowsableAPIRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from hedis.lib import etag, flat
from hedis.lib.filtering import KnownFilters, KnownOrder
from hedis.lib.schema import ApiSchema

# Named here because inside the class `list` is the endpoint.
Renderers = list[BaseRenderer]


class Records(GenericViewSet[Any]):
    """Base of our endpoints. A room names queryset, row class, filters, orders; and `retrieve` where one thing opens.

    `queryset` stays unscoped for permission and schema; `get_queryset` narrows it to what the caller may see.
    """

    schema = ApiSchema()
    filter_backends = (KnownFilters, KnownOrder)
    parser_classes = (JSONParser,)
    row_class: ClassVar[type[serializers.Serializer[Any]]]
    detail_class: ClassVar[type[serializers.Serializer[Any]]]
    ordering: ClassVar[tuple[str, ...]] = ()
    ordering_fields: ClassVar[tuple[str, ...]] = ()
    ordering_columns: ClassVar[dict[str, str]] = {}

    def get_serializer_class(self) -> type[serializers.Serializer[Any]]:
        return self.detail_class if self.detail else self.row_class

    def list(self, request: Request, **kwargs: Any) -> Response:
        """A page of rows. A parameter that is no filter of this list is refused, not ignored."""
        rows = flat.Rows(self.filter_queryset(self.get_queryset()), self.row_class)
        page: Any = self.paginate_queryset(rows)  # type: ignore[arg-type]
        self.before_showing(page)
        return self.get_paginated_response(page)

    def show(self, thing: Any) -> Response:
        """One thing with its ETag; 304 where the caller already holds this version."""
        data = self.get_serializer(thing).data
        self.before_showing([data])
        tag = self.tag(thing, data)
        if self.request.method in ("GET", "HEAD") and etag.is_known(self.request, tag):
            return Response(status=HTTPStatus.NOT_MODIFIED, headers={"ETag": tag})
        return Response(data, headers={"ETag": tag})

    def tag(self, thing: Any, data: Any) -> str:
        """The ETag of one thing: of its content, where it has no version."""
        return etag.of_content(data)

    def before_showing(self, rows: Sequence[Any]) -> None:
        """Called with what is about to be sent, before it is."""

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        """Nothing a member's row was in may be kept by a browser or a proxy on the way."""
        response.setdefault("Cache-Control", "private, no-store")
        return super().finalize_response(request, response, *args, **kwargs)

    def get_renderers(self) -> Renderers:
        """JSON for programs; the browsable pages only for people who signed in."""
        user = getattr(self.request._request, "user", None)  # the schema is made without one
        return [
            each
            for each in super().get_renderers()
            if (user and user.is_authenticated) or not isinstance(each, BrowsableAPIRenderer)
        ]


class One:
    """Mixin: one thing opens at its own address."""

    def retrieve(self: Any, request: Request, **kwargs: Any) -> Response:
        """One thing, with its ETag; with If-None-Match only what the caller does not hold yet."""
        return self.show(self.get_object())
