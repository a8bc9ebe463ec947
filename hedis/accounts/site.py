"""The admin site: navigation by the person's work, and a home page made of panels."""

from collections.abc import Iterator
from functools import update_wrapper
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.contrib.admin import AdminSite
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import NoReverseMatch, path, reverse
from django.utils.module_loading import import_string

from audit import ledger
from audit.models import Event
from hedis.accounts.models import User


class PlanAdminSite(AdminSite):
    """Django's admin, arranged by what people do instead of by table."""

    site_header = site_title = "Star Rating Portfolio"
    index_title = "Home"
    enable_nav_sidebar = False
    index_template = "admin/home.html"

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:
        """Every page: a NUL in the address, which no column can hold, is a bad request and not a failing query."""

        def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            if any("\x00" in value for values in request.GET.lists() for value in values[1]):
                raise BadRequest("The address has a NUL character.")
            return view(request, *args, **kwargs)

        return super().admin_view(update_wrapper(checked, view), cacheable)

    def get_urls(self) -> list[Any]:
        pages = [
            path(address, self.admin_view(import_string(view)), name=name)
            for address, view, name in settings.ADMIN_PAGES
        ]
        return [*pages, *super().get_urls()]

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        return {**super().each_context(request), "navigation": list(navigation(request))}

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        """The home page: each panel decides by the person's permissions whether it has something to say."""
        shown = [panel for path in settings.HOME_PANELS if (panel := import_string(path)(request)) is not None]
        return super().index(request, {**(extra_context or {}), "panels": shown, "title": "Home"})

    def app_index(self, request: HttpRequest, app_label: str, extra_context: dict[str, Any] | None = None) -> Any:
        """Work is arranged by what people do, not by the app a table belongs to."""
        return HttpResponseRedirect(reverse("admin:index"))

    def password_change(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """Change the own password, as an event."""
        response = super().password_change(request, extra_context)
        if request.method == "POST" and response.status_code == HTTPStatus.FOUND:
            ledger.record_alone(Event.Kind.AUTH, "password_changed", by=request.user)
        return response

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Sign in; every try, good or bad, is an event (45 CFR 164.308(a)(5)(ii)(C))."""
        response = super().login(request, extra_context)
        if request.method == "POST":
            signed_in = isinstance(request.user, User)
            ledger.record_alone(
                Event.Kind.AUTH,
                "signed_in" if signed_in else "sign_in_refused",
                object_type="user",
                object_id=request.POST.get("username", "")[:150].replace("\x00", ""),
                outcome="done" if signed_in else "denied",
                by=request.user,
            )
        return response

    def logout(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """Sign out, as an event."""
        ledger.record_alone(Event.Kind.AUTH, "signed_out", by=request.user)
        return super().logout(request, extra_context)


def navigation(request: HttpRequest) -> Iterator[dict[str, Any]]:
    """Sections of links this person may follow; the current one is marked."""
    for section, links in settings.NAVIGATION:
        shown = []
        for label, url_name, permission in links:
            if request.user.has_perm(permission):
                address = address_of(url_name)
                shown.append({"label": label, "url": address, "current": request.path == address})
        if shown:
            yield {"section": section, "links": shown}


def address_of(url_name: str) -> str:
    """The page's address; a misspelt name is a programming error and says so."""
    try:
        return reverse(url_name)
    except NoReverseMatch as error:
        raise LookupError(f"settings.NAVIGATION names no page: {url_name}") from error
