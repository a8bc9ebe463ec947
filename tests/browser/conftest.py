"""A real Chromium against a live server. Skipped by name where none is installed."""

import os
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from hedis.accounts.models import User
from tests.conftest import PASSWORD

ARGUMENTS = [
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
DESK = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 844}


def chromium_path() -> str | None:
    """Where Chromium is, under the names distributions give it."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """One browser for a module."""
    path = chromium_path()
    if path is None:
        pytest.skip("needs Chromium (chromium, chromium-browser or google-chrome on the PATH)")
    from playwright.sync_api import sync_playwright

    # Playwright runs its loop in this thread; Django then refuses the ORM unless told that this is known.
    before = os.environ.get("DJANGO_ALLOW_ASYNC_UNSAFE")
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()
    if before is None:
        del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture
def open_page(chromium: Any, live_server: Any) -> Iterator[Callable[..., Any]]:
    """Opens a page, signed in when a user is given; whatever the console complains about is on `page.complaints`."""
    contexts = []

    def opened(user: User | None = None, *, viewport: dict[str, int] = DESK, scheme: str = "light") -> Any:
        context = chromium.new_context(viewport=viewport, color_scheme=scheme, base_url=live_server.url)
        contexts.append(context)
        page = context.new_page()
        page.complaints = []
        page.on("console", lambda told: page.complaints.append(told.text) if told.type == "error" else None)
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        if user is not None:
            page.goto("/admin/login/?next=/admin/")
            page.get_by_label("User name").fill(user.get_username())
            page.get_by_label("Password").fill(PASSWORD)
            page.get_by_role("button", name="Sign in").click()
            page.wait_for_url("**/admin/")
        return page

    yield opened
    for context in contexts:
        context.close()
