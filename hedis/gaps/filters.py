"""Filters of the gap list. The parameter names are short and stable: pages and bookmarks point here."""

from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.http import HttpRequest

from hedis.gaps.handing import people_for
from hedis.gaps.models import SLIPPING, UNMET, AdherenceClass, FindingRun, Status, Work
from hedis.lib.modeladmin import FormFilter
from hedis.measures.models import Measure
from hedis.members.models import Contract

ALL = "all"


class DefaultingFilter(admin.SimpleListFilter):
    """A filter that narrows without being asked, and offers "All" as a choice of its own."""

    all_words = "All"

    def default(self) -> str:
        """What is chosen when the address says nothing."""
        raise AssertionError("a defaulting filter has a default")

    def value(self) -> str:
        return super().value() or self.default()

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        for value, words in [*self.lookup_choices, (ALL, self.all_words)]:
            yield {
                "selected": self.value() == str(value),
                "query_string": changelist.get_query_string({str(self.parameter_name): value}),
                "display": words,
            }


class YearFilter(DefaultingFilter):
    """The measurement year; the newest found unless asked otherwise."""

    title, parameter_name = "year", "year"
    all_words = "All years"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        years = FindingRun.objects.order_by("-year").values_list("year", flat=True).distinct()
        return [(str(year), str(year)) for year in years] or [(ALL, "No run yet")]

    def default(self) -> str:
        return str(self.lookup_choices[0][0])

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset.for_year(int(self.value())) if self.value().isdecimal() else queryset


class StatusFilter(DefaultingFilter):
    """The exchange layer; what is unmet unless asked otherwise."""

    title, parameter_name = "status", "status"
    groups = {"unmet": UNMET, "denominator": (*UNMET, Status.CLOSED)}

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("unmet", "Not met"), ("denominator", "In the denominator"), *Status.choices]

    def default(self) -> str:
        return "unmet"

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        if self.value() == ALL:
            return queryset
        return queryset.filter(status__in=self.groups.get(self.value(), (self.value(),)))


class MeasureFilter(admin.SimpleListFilter):
    """By the measure's code."""

    title = parameter_name = "measure"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        measures = Measure.objects.filter(kind=Measure.Kind.MEASURE).values_list("code", "name")
        return [(code, f"{code} {name}") for code, name in measures]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        # One value looked up first, and no join: the indexes begin with year and measure.
        chosen = Measure.objects.filter(code=self.value()).values("pk")[:1]
        return queryset.filter(measure=chosen) if self.value() else queryset


class ContractFilter(admin.SimpleListFilter):
    """By the contract's number."""

    title = parameter_name = "contract"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [*((one.number, str(one)) for one in Contract.objects.all()), ("none", "Without contract")]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        if self.value() == "none":
            return queryset.filter(contract=None)
        return queryset.filter(contract__number=self.value()) if self.value() else queryset


class WorkFilter(admin.SimpleListFilter):
    """The work layer."""

    title, parameter_name = "work status", "work"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return list(Work.choices)

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset.filter(work_status=self.value()) if self.value() else queryset


class OwnerFilter(admin.SimpleListFilter):
    """Who holds the gap."""

    title, parameter_name = "assigned to", "owner"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        people = people_for(request.user)  # type: ignore[arg-type]
        return [("me", "Me"), ("nobody", "Nobody"), *((str(person.pk), str(person)) for person in people)]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        owner = self.value() or ""
        if owner == "me":
            return queryset.assigned_to(request.user)
        if owner == "nobody":
            return queryset.filter(assigned_to=None)
        return queryset.filter(assigned_to=int(owner)) if owner.isdecimal() else queryset


class AdherenceFilter(admin.SimpleListFilter):
    """Where a member stands on the days covered; with the status "Closed", who is met today and may still be lost."""

    title = parameter_name = "adherence"
    slipping = "slipping"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(self.slipping, "Needs a refill soon"), *AdherenceClass.choices]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        if self.value() == self.slipping:
            return queryset.filter(adherence__adherence_class__in=SLIPPING)
        return queryset.filter(adherence__adherence_class=self.value()) if self.value() else queryset


class DueFilter(FormFilter):
    """The last useful contact date, from a day to a day, both included."""

    title = "contact by"
    fields = (("due_from", "From", "date"), ("due_to", "To", "date"))

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        start, end = self.day("due_from"), self.day("due_to")
        queryset = queryset.filter(contact_by__gte=start) if start else queryset
        return queryset.filter(contact_by__lte=end) if end else queryset


FILTERS = (YearFilter, StatusFilter, MeasureFilter, ContractFilter, WorkFilter, OwnerFilter, DueFilter,
           AdherenceFilter)  # fmt: skip
