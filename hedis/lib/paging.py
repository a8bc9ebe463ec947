"""Pages with totals for people, a cursor for programs that keep up; one parameter chooses.

Counting stops at a cap and says so: a list of millions opens as fast as a short one. What lies beyond is reached by
the cursor, whose last page costs what the first one does.
"""

from typing import Any
from urllib.parse import urlencode

from django.core.exceptions import ValidationError as NotOfThisColumn
from django.core.paginator import InvalidPage, Paginator
from django.utils.functional import cached_property
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.pagination import PageNumberPagination
from rest_framework.request import Request
from rest_framework.response import Response

from hedis.lib import flat

COUNT_CAP = 10_001


class NoSuchPage(NotFound):
    """The page number lies outside the list."""


class CappedPaginator(Paginator):
    """Counts up to a cap; takes a query, `flat.Rows` or a list."""

    @cached_property
    def count(self) -> int:
        rows: Any = self.object_list
        if isinstance(rows, flat.Rows):
            return rows.count(COUNT_CAP)
        return int(rows.order_by()[:COUNT_CAP].count()) if hasattr(rows, "order_by") else len(rows)


class PageNumber(PageNumberPagination):
    """`?page=2&page_size=100`: count, pages, links. `?paging=cursor&cursor=…`: no count, no depth limit.

    A cursor walks a view's `cursor_key`, a unique column that never changes, so that a row is neither skipped nor
    shown twice while others come and go.
    """

    django_paginator_class = CappedPaginator
    page_size_query_param = "page_size"
    max_page_size = 1000
    own_parameters = frozenset({"page", "page_size", "paging", "cursor"})

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any] | None:
        self.request = request
        self.cursor_mode = wants_cursor(request, view)
        if self.cursor_mode:
            return self.rows_after(queryset, request, view.cursor_key)
        paginator = self.django_paginator_class(queryset, self.get_page_size(request) or COUNT_CAP)
        try:
            self.page = paginator.page(self.get_page_number(request, paginator))
        except InvalidPage as error:
            raise NoSuchPage(
                f"There is no such page: pages run from 1 to {paginator.num_pages}. "
                f"Rows past the first {COUNT_CAP - 1:,} are reached with paging=cursor."
            ) from error
        self.display_page_controls = paginator.num_pages > 1
        return list(self.page)

    def rows_after(self, rows: flat.Rows, request: Request, key: str) -> list[Any]:
        """The page after the cursor; one row more is read to know whether another page follows."""
        size = self.get_page_size(request) or COUNT_CAP
        position = request.query_params.get("cursor")
        field = rows.queryset.model._meta.get_field(key)
        try:
            start = None if position is None else field.clean(position, None)
        except NotOfThisColumn as error:
            raise ValidationError({"cursor": "This is not a cursor of this list."}) from error
        found = rows.after(key, start)[0 : size + 1]
        self.next_cursor = str(found[size - 1][key]) if len(found) > size else None
        return found[:size]

    def get_page_size(self, request: Request) -> int | None:
        given = request.query_params.get("page_size")
        if given is None:
            return self.page_size
        if not given.isascii() or not given.isdigit() or not 1 <= int(given[:9]) <= self.max_page_size:
            raise ValidationError({"page_size": f"Give a whole number from 1 to {self.max_page_size}."})
        return int(given)

    def get_paginated_response(self, data: Any) -> Response:
        if self.cursor_mode:
            return Response({"next": self.next_by_cursor(), "results": data})
        page = self.page
        if page is None:
            raise RuntimeError("a page's answer was asked for before the page")
        count = page.paginator.count
        return Response(
            {
                "count": count,
                "count_is_exact": count < COUNT_CAP,
                "pages": page.paginator.num_pages,
                "page": page.number,
                "next": self.get_next_link(),
                "previous": self.get_previous_link(),
                "results": data,
            }
        )

    def next_by_cursor(self) -> str | None:
        """The address of the next page, with every other parameter kept."""
        request: Any = self.request
        if self.next_cursor is None:
            return None
        kept = [(name, value) for name, values in request.query_params.lists() for value in values if name != "cursor"]
        return str(request.build_absolute_uri(f"{request.path}?{urlencode([*kept, ('cursor', self.next_cursor)])}"))

    def to_html(self) -> str:
        return "" if self.cursor_mode else super().to_html()

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        texts = {
            "page": ("integer", "Page, from 1; `last` is understood too."),
            "page_size": ("integer", f"Rows a page, 1 to {self.max_page_size}; {self.page_size} when not given."),
        }
        if hasattr(view, "cursor_key"):
            texts["paging"] = ("string", "`cursor` for a stable walk through everything, without totals.")
            texts["cursor"] = ("string", "Where to go on, as the last answer's `next` gave it.")
        return [
            {"name": name, "in": "query", "required": False, "description": words, "schema": {"type": kind}}
            for name, (kind, words) in texts.items()
        ]

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        def link(page: int) -> dict[str, Any]:
            example = f"https://plan.example/api/v1/gaps/?page={page}"
            return {"type": ["string", "null"], "format": "uri", "example": example}

        return {
            "type": "object",
            "required": ["next", "results"],
            "description": "With `paging=cursor` only `next` and `results` are there.",
            "properties": {
                "count": {"type": "integer", "example": 123, "description": f"Rows in all, counted to {COUNT_CAP}."},
                "count_is_exact": {"type": "boolean", "example": True, "description": "False where counting stopped."},
                "pages": {"type": "integer", "example": 3},
                "page": {"type": "integer", "example": 1},
                "next": link(2),
                "previous": link(1),
                "results": schema,
            },
        }


def wants_cursor(request: Request, view: Any) -> bool:
    """Whether the caller walks by cursor. Raises ValidationError for a mixture of both ways."""
    way = request.query_params.get("paging")
    if way is None and "cursor" not in request.query_params:
        return False
    if way != "cursor" or not hasattr(view, "cursor_key"):
        raise ValidationError({"paging": "Give paging=cursor (where the list has one), or leave it out for pages."})
    for other in ("page", "ordering"):
        if other in request.query_params:
            raise ValidationError({other: "A cursor has an order of its own and no page numbers."})
    return True
