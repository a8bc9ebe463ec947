"""Who asked from where: only as much as can be trusted."""

from typing import Any

import pytest
from django.test import Client, RequestFactory

from audit.middleware import client_ip


@pytest.mark.parametrize(
    ("proxies", "forwarded", "expected"),
    [
        (0, "203.0.113.99", "10.0.0.5"),  # nobody in front: the header is the caller's own invention
        (1, "203.0.113.99", "203.0.113.99"),
        (1, "198.51.100.1, 203.0.113.99", "203.0.113.99"),  # the leftmost is never believed
        (2, "198.51.100.1, 203.0.113.99", "198.51.100.1"),
        (2, "203.0.113.99", "10.0.0.5"),  # fewer hops than proxies: not through ours
        (1, "junk", None),
        (1, "", "10.0.0.5"),
    ],
)
def test_the_address_is_believed_only_as_far_as_there_are_trusted_proxies(
    settings: Any, proxies: int, forwarded: str, expected: str | None
) -> None:
    settings.TRUSTED_PROXIES = proxies
    request = RequestFactory().get("/", REMOTE_ADDR="10.0.0.5", HTTP_X_FORWARDED_FOR=forwarded)
    assert client_ip(request) == expected


def test_a_request_id_is_echoed_when_it_is_one_and_made_when_it_is_not(db: None, client: Client) -> None:
    good = client.get("/admin/login/", HTTP_X_REQUEST_ID="trace-0123456789")
    assert good["X-Request-ID"] == "trace-0123456789"
    bad = client.get("/admin/login/", HTTP_X_REQUEST_ID="<script>alert(1)</script>")
    assert len(bad["X-Request-ID"]) == 32
