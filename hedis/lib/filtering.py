"""Filters that refuse what they do not know.

A misspelt filter that is silently ignored answers with everybody's rows, and nobody notices.
"""

from collections.abc import Sequence
from typing import Any

from django.db.models import QuerySet
from django_filters.rest_framework import DjangoFilterBackend
from rest_framework.exceptions import ValidationError
from rest_framework.filters import OrderingFilter
from rest_framework.request import Request

from hedis.lib.paging import PageNumber


class KnownFilters(DjangoFilterBackend):
    """django-filter, answering 400 for a parameter that this list does not have."""

    def filter_queryset(self, request: Request, queryset: QuerySet[Any], view: Any) -> QuerySet[Any]:
        filters = self.get_filterset_class(view, queryset)
        names = set(filters.base_filters) if filters else set()
        known = names | PageNumber.own_parameters | {"format", "ordering"}
        unknown = sorted(set(request.query_params) - known)
        if unknown:
            words = f"There is no such filter here; there are: {', '.join(sorted(known - {'format'}))}."
            raise ValidationError(dict.fromkeys(unknown, words))
        filtered: QuerySet[Any] = super().filter_queryset(request, queryset, view)
        return filtered


class KnownOrder(OrderingFilter):
    """Orders by the view's whitelist, refuses anything else, and always ends in a unique column.

    Without a total order PostgreSQL may show one row on two pages and another on none.
    """

    def get_ordering(self, request: Request, queryset: QuerySet[Any], view: Any) -> tuple[str, ...]:
        given = request.query_params.get(self.ordering_param, "")
        allowed: Sequence[str] = getattr(view, "ordering_fields", ())
        wanted = [term.strip() for term in given.split(",") if term.strip()]
        if any(term.removeprefix("-") not in allowed for term in wanted):
            raise ValidationError({self.ordering_param: f"Order by any of: {', '.join(allowed)}; '-' reverses."})
        columns = getattr(view, "ordering_columns", {})
        terms = [
            ("-" if term.startswith("-") else "") + columns.get(term.removeprefix("-"), term.removeprefix("-"))
            for term in wanted or view.ordering
        ]
        return (*terms, "pk")

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        allowed = ", ".join(f"`{name}`" for name in getattr(view, "ordering_fields", ()))
        words = f"Comma-separated columns, `-` reverses: {allowed}."
        return [
            {"name": "ordering", "in": "query", "required": False, "description": words, "schema": {"type": "string"}}
        ]
