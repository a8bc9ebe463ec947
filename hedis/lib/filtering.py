"""Filters that refuse what they do not know.

A misspelt or empty filter that is silently ignored answers with everybody's rows, and nobody notices.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db.models import QuerySet
from django_filters.rest_framework import DjangoFilterBackend, Filter, MultipleChoiceFilter
from rest_framework.exceptions import ValidationError
from rest_framework.filters import OrderingFilter
from rest_framework.renderers import BrowsableAPIRenderer
from rest_framework.request import Request

from hedis.lib.paging import PageNumber


class KnownFilters(DjangoFilterBackend):
    """django-filter, answering 400 for a parameter this list does not have, an empty one, or one given twice."""

    def filter_queryset(self, request: Request, queryset: QuerySet[Any], view: Any) -> QuerySet[Any]:
        filters = self.get_filterset_class(view, queryset)
        errors = unusable(request, filters.base_filters if filters else {})
        if errors:
            raise ValidationError(errors)
        filtered: QuerySet[Any] = super().filter_queryset(request, queryset, view)
        return filtered


def unusable(request: Request, filters: Mapping[str, Filter]) -> dict[str, str]:
    """What is wrong with each parameter before its value is looked at."""
    known = set(filters) | PageNumber.own_parameters | {"format", "ordering"}
    # The browsable page's form sends every filter, filled in or not.
    by_form = isinstance(request.accepted_renderer, BrowsableAPIRenderer)
    errors = {}
    for name, values in request.query_params.lists():
        if name not in known:
            errors[name] = f"There is no such filter here; there are: {', '.join(sorted(known - {'format'}))}."
        elif "" in values and not by_form:
            errors[name] = "Give it a value, or leave it out."
        elif len(values) > 1 and not isinstance(filters.get(name), MultipleChoiceFilter):
            errors[name] = "Give it once."
    return errors


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
