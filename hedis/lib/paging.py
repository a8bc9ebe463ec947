"""Pages with totals for people, cursors for programs that keep up."""

from collections import OrderedDict
from typing import Any

from django.core.paginator import Paginator
from django.utils.functional import cached_property
from rest_framework.pagination import CursorPagination, PageNumberPagination
from rest_framework.response import Response

COUNT_CAP = 10_001


class CappedPaginator(Paginator):  # type: ignore[type-arg]
    """Counts up to a cap, so that a list of millions opens as fast as a short one."""

    @cached_property
    def count(self) -> int:  # type: ignore[override]
        rows: Any = self.object_list
        return int(rows.order_by()[:COUNT_CAP].count()) if hasattr(rows, "order_by") else len(rows)


class PageNumber(PageNumberPagination):
    """`?page=2&page_size=100`, with `count`, `pages` and links."""

    page_size_query_param = "page_size"
    max_page_size = 1000

    def get_paginated_response(self, data: Any) -> Response:
        page = self.page
        if page is None:
            raise RuntimeError("a page's answer was asked for before the page")
        return Response(
            OrderedDict(
                count=page.paginator.count,
                pages=page.paginator.num_pages,
                page=page.number,
                next=self.get_next_link(),
                previous=self.get_previous_link(),
                results=data,
            )
        )

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        described = super().get_paginated_response_schema(schema)
        described["properties"]["pages"] = {"type": "integer", "example": 3}
        described["properties"]["page"] = {"type": "integer", "example": 1}
        return described


class Cursor(CursorPagination):
    """Stable under inserts and as fast on the last page as on the first."""

    page_size_query_param = "page_size"
    max_page_size = 1000
    ordering = "id"
