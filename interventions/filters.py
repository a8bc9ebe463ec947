"""Filters of the list of interventions. The parameter names are short and stable: pages and bookmarks point here."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from hedis.gaps.filters import ALL, DefaultingFilter
from hedis.gaps.handing import people_for
from hedis.lib.modeladmin import FormFilter
from hedis.measures.models import Measure
from interventions.models import Campaign, InterventionGap, Kind, State


class StateFilter(DefaultingFilter):
    """Where it stands; what can be worked now unless asked otherwise."""

    title, parameter_name = "state", "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("work", "To work now"), ("live", "Planned or in progress"), *State.choices, ("held", "Held out")]

    def default(self) -> str:
        return "work"

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        chosen = self.value()
        if chosen in (ALL, "work", "live", "held"):
            return {
                ALL: queryset,
                "work": queryset.workable(),
                "live": queryset.live(),
                "held": queryset.filter(held_out=True),
            }[chosen]
        return queryset.filter(state=chosen)


class KindFilter(admin.SimpleListFilter):
    """What is done."""

    title = parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return list(Kind.choices)

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset.filter(kind=self.value()) if self.value() else queryset


class CampaignFilter(admin.SimpleListFilter):
    """The campaign it belongs to."""

    title = parameter_name = "campaign"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [*((str(one.pk), str(one)) for one in Campaign.objects.all()), ("none", "Without campaign")]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        chosen = self.value() or ""
        if chosen == "none":
            return queryset.filter(campaign=None)
        return queryset.filter(campaign=int(chosen)) if is_id(chosen) else queryset


class OwnerFilter(admin.SimpleListFilter):
    """Who answers for it."""

    title, parameter_name = "owner", "owner"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        people = people_for(request.user)  # type: ignore[arg-type]
        return [("me", "Me"), ("nobody", "Nobody"), *((str(person.pk), str(person)) for person in people)]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        owner = self.value() or ""
        if owner == "me":
            return queryset.filter(owner=request.user)
        if owner == "nobody":
            return queryset.filter(owner=None)
        return queryset.filter(owner=int(owner)) if is_id(owner) else queryset


class MeasureFilter(admin.SimpleListFilter):
    """By the code of a measure it is about."""

    title = parameter_name = "measure"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        measures = Measure.objects.filter(kind=Measure.Kind.MEASURE).values_list("code", "name")
        return [(code, f"{code} {name}") for code, name in measures]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        if not self.value():
            return queryset
        about = InterventionGap.objects.filter(gap__measure__code=self.value())
        return queryset.filter(pk__in=about.values("intervention"))


class DueFilter(FormFilter):
    """The day the next step is due, from a day to a day, both included."""

    title = "next step due"
    fields = (("due_from", "From", "date"), ("due_to", "To", "date"))

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        start, end = self.day("due_from"), self.day("due_to")
        queryset = queryset.filter(due_date__gte=start) if start else queryset
        return queryset.filter(due_date__lte=end) if end else queryset


def is_id(text: str) -> bool:
    """Whether a parameter can name a row; an endless number names none."""
    return text.isascii() and text.isdecimal() and len(text) < 19


FILTERS = (StateFilter, KindFilter, CampaignFilter, OwnerFilter, MeasureFilter, DueFilter)
