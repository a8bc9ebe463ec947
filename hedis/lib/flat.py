"""List rows straight from SELECT to JSON.

A serializer run over model instances is most of what a list request costs; a list therefore asks the database for the
serializer's columns and never builds an instance. The serializer stays the one description of a row: names, order and
sources are read from it, and the schema shows it.
"""

from collections.abc import Callable, Sequence
from typing import Any

from django.db.models import QuerySet
from rest_framework import serializers


class Rows:
    """A query whose rows come out as plain dictionaries, named and ordered as a serializer declares them.

    Every field's `source` is a column or a path to one (`member.pseudonym`). Knows `count()` and slices, which is what
    Django's paginator asks for.
    """

    def __init__(self, queryset: QuerySet[Any], row_class: type[serializers.Serializer]) -> None:
        fields = row_class().fields
        self.queryset = queryset
        self.paths = {name: str(field.source).replace(".", "__") for name, field in fields.items()}
        # The JSON encoder cuts a datetime to milliseconds; the field keeps what If-Match and `changed_since` need.
        self.spell: dict[str, Callable[[Any], Any]] = {
            name: field.to_representation
            for name, field in fields.items()
            if isinstance(field, serializers.DateTimeField)
        }

    def count(self, limit: int) -> int:
        """How many rows there are, at most `limit`; asked of the table alone, without the columns' joins."""
        return int(self.queryset.order_by().values("pk")[:limit].count())

    def after(self, key: str, position: Any) -> "Rows":
        """The rows past a position of a unique key, in its order."""
        queryset = self.queryset.order_by(key)
        return self.over(queryset if position is None else queryset.filter(**{f"{key}__gt": position}))

    def over(self, queryset: QuerySet[Any]) -> "Rows":
        """The same columns of another query."""
        rows = object.__new__(Rows)
        rows.queryset, rows.paths, rows.spell = queryset, self.paths, self.spell
        return rows

    def __getitem__(self, part: slice) -> list[dict[str, Any]]:
        return [self.named(row) for row in self.queryset.values_list(*self.paths.values())[part]]

    def named(self, values: Sequence[Any]) -> dict[str, Any]:
        """One row as the API shows it."""
        row = dict(zip(self.paths, values, strict=True))
        for name, spell in self.spell.items():
            row[name] = None if row[name] is None else spell(row[name])
        return row
