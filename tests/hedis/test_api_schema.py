"""OpenAPI says what the API does, without a warning."""

from io import StringIO
from typing import Any

import pytest
import yaml
from django.core.management import call_command
from rest_framework.test import APIClient


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    """The schema as the command writes it; a warning or an invalid schema is an error."""
    out = StringIO()
    call_command("spectacular", "--validate", "--fail-on-warn", stdout=out)
    loaded: dict[str, Any] = yaml.safe_load(out.getvalue())
    return loaded


def operations(schema: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (path, method, operation) for path, methods in schema["paths"].items() for method, operation in methods.items()
    ]


def test_it_is_openapi_3_1(schema: dict[str, Any]) -> None:
    assert schema["openapi"] == "3.1.1"


def test_every_operation_has_a_summary_and_both_ways_to_sign_in(schema: dict[str, Any]) -> None:
    for path, method, operation in operations(schema):
        assert operation.get("summary"), (path, method)
        assert {"apiKey": []} in operation["security"] and {"cookieAuth": []} in operation["security"], path


def test_every_refusal_is_described_as_a_problem(schema: dict[str, Any]) -> None:
    for path, method, operation in operations(schema):
        wanted = {"401", "403", "404", "429"} | ({"409", "412", "428"} if method == "patch" else set())
        assert wanted <= set(operation["responses"]), (path, method)
        for status, answer in operation["responses"].items():
            if status[0] in "45":
                assert list(answer["content"]) == ["application/problem+json"], (path, status)


def test_the_ledgers_silence_is_described_where_members_are_shown(schema: dict[str, Any]) -> None:
    described = {path for path, _, operation in operations(schema) if "503" in operation["responses"]}
    assert described == {
        "/api/v1/gaps/", "/api/v1/gaps/{id}/", "/api/v1/gaps/{id}/history/", "/api/v1/members/",
        "/api/v1/members/{pseudonym}/", "/api/v1/members/{pseudonym}/gaps/",
        "/api/v1/interventions/", "/api/v1/interventions/{id}/", "/api/v1/interventions/{id}/attempts/",
        "/api/v1/interventions/{id}/complete/", "/api/v1/interventions/{id}/cancel/",
        "/api/v1/members/{pseudonym}/history/", "/api/v1/plans/{id}/items/", "/api/v1/portfolio/priority-list/",
        "/api/v1/predictions/", "/api/v1/predictions/{id}/", "/api/v1/predictions/{id}/reviews/",
        "/api/v1/predictions/{id}/review/", "/api/v1/predictions/batch/", "/api/v1/predictions/portfolio/",
    }  # fmt: skip


def test_a_change_needs_if_match(schema: dict[str, Any]) -> None:
    parameters = schema["paths"]["/api/v1/gaps/{id}/"]["patch"]["parameters"]
    assert [each["required"] for each in parameters if each["name"] == "If-Match"] == [True]


def test_filters_stand_in_the_schema(schema: dict[str, Any]) -> None:
    names = {each["name"] for each in schema["paths"]["/api/v1/gaps/"]["get"]["parameters"]}
    assert {"measure", "contract", "year", "status", "work_status", "assigned_to", "member", "due_before"} <= names
    assert {"page", "page_size", "paging", "cursor", "ordering", "search", "changed_since"} <= names


@pytest.mark.django_db
def test_schema_and_docs_are_served_without_a_foreign_or_inline_script() -> None:
    client = APIClient()
    assert client.get("/api/schema/").status_code == 200
    page = client.get("/api/docs/")
    words = page.content.decode()
    assert page.status_code == 200 and "script-src 'self'" in page["Content-Security-Policy"]
    scripts = [tag.split(">")[0] for tag in words.split("<script")[1:]]
    assert scripts and all('src="/' in tag for tag in scripts), scripts
    assert "://" not in words.split("<body")[1]
