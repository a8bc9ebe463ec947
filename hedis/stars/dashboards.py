"""Pages of the ratings: every published contract, one contract's stars and why, two side by side. All read-only."""

from decimal import Decimal
from functools import wraps
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Case, F, Q, QuerySet, When
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import register_converter

from audit import ledger
from audit.models import Event
from hedis.lib import csvfile
from hedis.lib.paging import CappedPaginator
from hedis.stars import comparing, histories
from hedis.stars.models import PublishedContract, Release

SEE_PUBLISHED, SEE_OWN = "stars.view_publishedcontract", "stars.view_rating"
PAGE_SIZE = 50
HALF_STARS = [f"{half / 2:.1f}" for half in range(10, 1, -1)]
ORDERS = {"number": "number", "name": "marketing_name", "parent": "parent", "part_c": "part_c", "part_d": "part_d",
          "rating": "rating"}  # fmt: skip
# What a contract is known by: the highest rating of its type (TN26 Table 3).
HIGHEST = Case(When(rated_as="MA-PD", then=F("overall")), When(rated_as="PDP", then=F("part_d")), default=F("part_c"))


class ContractNumber:
    """CMS's contract numbers in addresses: a letter and four digits."""

    regex = "[A-Za-z][0-9]{4}"

    def to_python(self, value: str) -> str:
        return value.upper()

    def to_url(self, value: str) -> str:
        return value


class StarYearNumber:
    """A Star year in addresses."""

    regex = "20[0-9]{2}"

    def to_python(self, value: str) -> int:
        return int(value)

    def to_url(self, value: int) -> str:
        return str(value)


# The addresses of the pages are in settings.ADMIN_PAGES, read after this module.
register_converter(ContractNumber, "contract_number")
register_converter(StarYearNumber, "star_year")


def for_those_who_see_stars(view: Any) -> Any:
    """The stars are for the roles that see rates."""

    @wraps(view)
    def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not request.user.has_perm(SEE_PUBLISHED):
            raise PermissionDenied
        answer: HttpResponse = view(request, *args, **kwargs)
        return answer

    return checked


class ListFilter(forms.Form):
    """What narrows the list of published contracts; all of it stands in the address."""

    year = forms.TypedChoiceField(label="Star year", coerce=int, required=False)
    q = forms.CharField(
        label="Search",
        max_length=80,
        required=False,
        widget=forms.TextInput(attrs={"type": "search", "placeholder": "Number, name or parent organisation"}),
    )
    star = forms.ChoiceField(label="Rating", required=False)
    type = forms.ChoiceField(label="Type", required=False)
    o = forms.ChoiceField(required=False, widget=forms.HiddenInput)

    types: ClassVar = [("", "Any type"), ("MA-PD", "MA-PD"), ("MA-only", "MA-only"), ("PDP", "PDP")]

    def __init__(self, data: Any, *, star_years: list[int]) -> None:
        super().__init__(data, auto_id="filter_%s")
        choices = {
            "year": [(str(year), str(year)) for year in star_years],
            "star": [("", "Any rating"), *((star, f"{star} stars") for star in HALF_STARS), ("none", "Not rated")],
            "type": self.types,
            "o": [(sign + name, name) for name in ORDERS for sign in ("", "-")],
        }
        for name, offered in choices.items():
            self.fields[name].choices = offered  # type: ignore[attr-defined]
        self.newest = star_years[0] if star_years else 0
        self.is_valid()

    @property
    def year_chosen(self) -> int:
        """The Star year asked for; the newest when none, or one that is not there."""
        return self.cleaned_data.get("year") or self.newest

    @property
    def narrowed(self) -> bool:
        return any(self.cleaned_data.get(name) for name in ("q", "star", "type"))

    @property
    def order(self) -> str:
        return self.cleaned_data.get("o") or "number"

    def contracts(self) -> QuerySet[PublishedContract]:
        """The contracts that fit, in order. What cannot be read narrows nothing and its field says so."""
        told = self.cleaned_data
        rows = PublishedContract.objects.for_year(self.year_chosen).annotate(rating=HIGHEST)
        if words := told.get("q"):
            named = Q(name__icontains=words) | Q(marketing_name__icontains=words) | Q(parent__icontains=words)
            rows = rows.filter(Q(number__istartswith=words) | named)
        if star := told.get("star"):
            rows = rows.filter(rating=None) if star == "none" else rows.filter(rating=Decimal(star))
        if kind := told.get("type"):
            rows = rows.filter(rated_as=kind)
        column = F(ORDERS[self.order.removeprefix("-")])
        down = self.order.startswith("-")
        return rows.order_by(column.desc(nulls_last=True) if down else column.asc(nulls_last=True), "number")


@for_those_who_see_stars
def star_ratings(request: HttpRequest) -> HttpResponse:
    """Every published contract of a Star year, our own on top."""
    star_years = list(Release.objects.current().values_list("star_year", flat=True))
    chosen = ListFilter(request.GET, star_years=star_years)
    page = CappedPaginator(chosen.contracts(), PAGE_SIZE).get_page(request.GET.get("page"))
    published, ratings = histories.own_rows(chosen.year_chosen, with_own=request.user.has_perm(SEE_OWN))
    context = {
        **admin.site.each_context(request),
        "title": "Star ratings",
        "filters": chosen,
        "page": page,
        "loaded": bool(star_years),
        "own_published": published,
        "own_ratings": ratings,
        "heads": heads(chosen.order),
    }
    return TemplateResponse(request, "admin/stars/list.html", context)


def heads(order: str) -> list[dict[str, Any]]:
    """The heads of the list's columns, each with the order a click asks for."""
    named = [("number", "Contract", ""), ("name", "Name", ""), ("parent", "Parent organisation", ""),
             ("", "Type", ""), ("part_c", "Part C", "number"), ("part_d", "Part D", "number"),
             ("rating", "Rating", "")]  # fmt: skip
    stars = ("part_c", "part_d", "rating")
    return [
        {
            "label": label,
            "tone": tone,
            "ask": "" if not name else turned(name, order, name in stars),
            "sort": {name: "ascending", f"-{name}": "descending"}.get(order, "") if name else "",
        }
        for name, label, tone in named
    ]


def turned(name: str, order: str, best_first: bool) -> str:
    """The order a click on a column asks for: stars begin with the best, names with A; the second click turns it."""
    first, second = (f"-{name}", name) if best_first else (name, f"-{name}")
    return second if order == first else first


def shown_or_404(request: HttpRequest, number: str, star_year: int) -> histories.Shown:
    """The contract of the address."""
    found = histories.find(
        number, star_year, with_own=request.user.has_perm(SEE_OWN), source=request.GET.get("source", "")
    )
    if found is None:
        raise Http404(f"There is no rating of {number} for Star year {star_year}.")
    return found


def contract_context(request: HttpRequest, shown: histories.Shown, title: str) -> dict[str, Any]:
    """What the pages of one contract share."""
    return {
        **admin.site.each_context(request),
        "title": title,
        "shown": shown,
        "told": shown.told,
        "history": histories.history(shown.number, with_own=request.user.has_perm(SEE_OWN)),
        "ratings": [
            {"key": name, **shown.told["ratings"][name]}
            for name in ("overall", "part_c", "part_d")
            if name in shown.told["ratings"]
        ],
    }


@for_those_who_see_stars
def contract_stars(request: HttpRequest, number: str, star_year: int) -> HttpResponse:
    """One contract's stars and measures; with `?format=csv` the measures as a file."""
    shown = shown_or_404(request, number, star_year)
    domains = list(histories.measure_rows(shown, linked=request.user.has_perm("gaps.view_gap")))
    if request.GET.get("format") == "csv":
        return export(request, shown, domains)
    context = {
        **contract_context(request, shown, f"{number} {star_year}"),
        "domains": domains,
        "counted": bool(histories.counts_of(shown)),
    }
    context["before"] = next((one for one in context["history"] if one.star_year < star_year), None)
    return TemplateResponse(request, "admin/stars/contract.html", context)


def export(request: HttpRequest, shown: histories.Shown, domains: list[Any]) -> HttpResponse:
    """The measure table as CSV: figures of a contract and no member."""
    lines = list(histories.csv_rows(domains))
    with transaction.atomic():
        ledger.record(
            Event.Kind.EXPORT, "star_measures.exported", object_type="stars.contract",
            object_id=f"{shown.number}:{shown.star_year}", row_count=len(lines), by=request.user,
        )  # fmt: skip
    name = f"star-measures-{shown.number}-{shown.star_year}-{shown.source}.csv"
    return csvfile.download(name, histories.CSV_HEADER, lines)  # type: ignore[return-value]


@for_those_who_see_stars
def why(request: HttpRequest, number: str, star_year: int) -> HttpResponse:
    """Every figure of the rating and the rule that chose it, laid out as CMS's plan preview is."""
    shown = shown_or_404(request, number, star_year)
    context = contract_context(request, shown, f"Why {number} {star_year} is rated so")
    measures = {one["id"]: one for one in shown.told["measures"]}
    for one in context["ratings"]:
        one["counted"] = [measures[name] for name in used_measures(one)]
        one["next_final"], one["missing"] = to_next_half_star(one)
    return TemplateResponse(request, "admin/stars/why.html", context)


def used_measures(rating: dict[str, Any]) -> list[str]:
    """The measures of the scenario that counts."""
    return next((one["measures"] for one in rating["scenarios"] if one["used"]), [])


def to_next_half_star(rating: dict[str, Any]) -> tuple[Decimal | None, Decimal | None]:
    """The result from which the next half star is given, a quarter above the star, and how much is missing."""
    if rating["star"] is None or Decimal(rating["star"]) >= 5:
        return None, None
    wanted = Decimal(rating["star"]) + Decimal("0.25")
    return wanted, wanted - Decimal(rating["final"])


class CompareForm(forms.Form):
    """Two contracts and years, each as H1234:2026."""

    error = "Write a contract number and a Star year: H1234:2026."
    a = forms.RegexField(
        label="First", regex=r"^[A-Za-z]\d{4}:20\d\d$", required=False, error_messages={"invalid": error}
    )
    b = forms.RegexField(
        label="Second", regex=r"^[A-Za-z]\d{4}:20\d\d$", required=False, error_messages={"invalid": error}
    )

    def __init__(self, data: Any, *, with_own: bool) -> None:
        super().__init__(data, auto_id="compare_%s")
        self.with_own = with_own
        for name in ("a", "b"):
            self.fields[name].widget.attrs |= {"placeholder": "H1234:2026", "size": 12, "autocomplete": "off"}

    def clean_side(self, name: str) -> histories.Shown | None:
        """The contract a field names, or its error."""
        if not (text := self.cleaned_data[name]):
            return None
        number, _, year = text.upper().partition(":")
        shown = histories.find(number, int(year), with_own=self.with_own)
        if shown is None:
            raise forms.ValidationError(f"There is no rating of {number} for Star year {year}.")
        return shown

    def clean_a(self) -> histories.Shown | None:
        return self.clean_side("a")

    def clean_b(self) -> histories.Shown | None:
        return self.clean_side("b")


@for_those_who_see_stars
def compare(request: HttpRequest) -> HttpResponse:
    """Any two contracts or years side by side."""
    form = CompareForm(request.GET, with_own=request.user.has_perm(SEE_OWN))
    form.is_valid()
    a, b = form.cleaned_data.get("a"), form.cleaned_data.get("b")
    context = {**admin.site.each_context(request), "title": "Compare ratings", "form": form, "a": a, "b": b}
    if a and b:
        context["sides"] = [a, b]
        context["ratings"] = comparing.compare_ratings(a.told, b.told)
        context["pairs"] = comparing.compare_measures(a.told, b.told)
    return TemplateResponse(request, "admin/stars/compare.html", context)


def stars_panel(request: HttpRequest) -> dict[str, Any] | None:
    """The home page's panel: the stars of our own contracts, and the way to everyone's."""
    if not request.user.has_perm(SEE_PUBLISHED):
        return None
    release = Release.objects.current().order_by("-star_year").first()
    star_year = release.star_year if release else 0
    published, ratings = histories.own_rows(star_year, with_own=request.user.has_perm(SEE_OWN))
    return {"template": "admin/stars/panel.html", "release": release, "published": published, "ratings": ratings}
