"""`Idempotency-Key`: one effect, one answer, whoever clicks how often and whatever goes wrong."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.urls import path
from django.utils import timezone
from drf_spectacular.generators import SchemaGenerator
from rest_framework import serializers
from rest_framework.exceptions import APIException, ValidationError
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.test import APIClient

from audit import ledger
from audit.models import Event, Subject
from hedis.accounts import roles, tasks
from hedis.accounts.idempotency import idempotent
from hedis.accounts.models import IdempotentAnswer, User
from hedis.lib.problem import Conflict
from hedis.lib.records import Records
from hedis.members.models import Contract
from tests.conftest import person

MEMBER = "a" * 64
PATIENCE = 30
started, may_end = threading.Event(), threading.Event()


class Unavailable(APIException):
    status_code = 503


class NumberSerializer(serializers.Serializer[Any]):
    number = serializers.CharField()


class Contracts(Records):
    """Makes a contract and shows a member, or fails as the number says."""

    queryset = Contract.objects.all()
    detail_class = NumberSerializer
    permission_classes = (IsAuthenticated,)

    @idempotent
    def create(self, request: Request) -> Response:
        """Make a contract."""
        number = request.data["number"]
        if number == "SLOW":
            started.set()
            assert may_end.wait(PATIENCE)
            number = "H0009"
        contract = Contract.objects.create(number=number if number.startswith("H") else "H0001", name="Evergreen")
        if number == "BAD":
            raise ValidationError({"number": ["No such number."]})
        if number == "TAKEN" and Contract.objects.count() > 1:
            raise Conflict("Another one stands in the way.")
        if number == "AWAY":
            raise Unavailable("The model is away.")
        if number == "BROKEN":
            raise RuntimeError(number)
        ledger.record_alone(Event.Kind.READ, "shown", object_type="member", members=[MEMBER], by=request.user)
        answer = {"id": contract.pk, "member": MEMBER, "probability": 0.1234567890123, "z": 1, "a": None}
        return Response(answer, status=201, headers={"Location": f"/contracts/{number}/", "ETag": '"1"'})


urlpatterns = [
    path("contracts/", Contracts.as_view({"post": "create"}, detail=True)),
    path("others/", Contracts.as_view({"post": "create"}, detail=True)),
]
pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]


@pytest.fixture
def api(quinn: User) -> APIClient:
    client = APIClient(raise_request_exception=False)
    client.force_login(quinn)
    return client


def post(api: APIClient, number: str, key: str | None = "k-1", address: str = "/contracts/") -> Any:
    headers = {} if key is None else {"Idempotency-Key": key}
    return api.post(address, {"number": number}, format="json", headers=headers)


def made() -> set[str]:
    return set(Contract.objects.values_list("number", flat=True))


def test_a_repeated_request_has_one_effect_and_the_same_answer(api: APIClient) -> None:
    first, second = post(api, "H0002"), post(api, "H0002")
    assert (first.status_code, second.status_code, made()) == (201, 201, {"H0002"})
    assert second.content == first.content, "the same bytes, in the same order"
    assert (second["Location"], second["ETag"]) == ("/contracts/H0002/", '"1"')
    assert "Idempotency-Replayed" not in first and second["Idempotency-Replayed"] == "true"
    assert second["Cache-Control"] == "private, no-store"


def test_without_the_header_nothing_is_stored(api: APIClient) -> None:
    assert [post(api, number, key=None).status_code for number in ("H0002", "H0003")] == [201, 201]
    assert not IdempotentAnswer.objects.exists()


def test_a_member_shown_again_is_an_event_again(api: APIClient) -> None:
    post(api, "H0002")
    again = post(api, "H0002")
    event = Event.objects.get(request_id=again["X-Request-ID"])
    assert (event.action, event.actor) == ("answer.replayed", "quinn")
    assert Subject.objects.get(event_id=event.id).member_pseudonym == MEMBER


@pytest.mark.parametrize(("number", "address"), [("H0003", "/contracts/"), ("H0002", "/others/"),
                                                 ("H0002", "/contracts/?x=1")])  # fmt: skip
def test_a_key_sent_with_another_request_is_refused(api: APIClient, number: str, address: str) -> None:
    post(api, "H0002")
    answer = post(api, number, address=address)
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")
    assert answer["Content-Type"] == "application/problem+json"
    assert made() == {"H0002"}


def test_a_key_belongs_to_one_user(api: APIClient) -> None:
    post(api, "H0002")
    other = APIClient()
    other.force_login(person("otto", roles.QUALITY_DIRECTOR))
    answer = post(other, "H0003")
    assert (answer.status_code, "Idempotency-Replayed" in answer, made()) == (201, False, {"H0002", "H0003"})


@pytest.mark.parametrize("key", ["", " ", "a b", "x" * 129, "schlüssel", "tab\tbed"])
def test_an_unusable_key_is_named_and_nothing_is_done(api: APIClient, key: str) -> None:
    answer = post(api, "H0002", key=key)
    assert answer.status_code == 400
    assert [error["field"] for error in answer.json()["errors"]] == ["Idempotency-Key"]
    assert made() == set()


def test_a_refusal_is_an_answer_too(api: APIClient) -> None:
    first, second = post(api, "BAD"), post(api, "BAD")
    assert (first.status_code, second.status_code) == (400, 400)
    assert second.json() == first.json() and second["Content-Type"] == "application/problem+json"
    assert second["Idempotency-Replayed"] == "true"


def test_an_error_of_ours_is_not_stored_and_leaves_no_effect(api: APIClient) -> None:
    assert post(api, "BROKEN").status_code == 500
    assert (made(), IdempotentAnswer.objects.count()) == (set(), 0)
    assert post(api, "AWAY").status_code == 503
    assert not IdempotentAnswer.objects.exists()
    Contract.objects.all().delete()
    assert post(api, "H0002").status_code == 201, "the key is free for another try"


def test_what_stood_in_the_way_may_be_gone_at_the_next_try(api: APIClient) -> None:
    post(api, "H0002", key="k-0")
    assert post(api, "TAKEN").status_code == 409
    Contract.objects.all().delete()
    assert post(api, "TAKEN").status_code == 201


def test_an_answer_is_forgotten_after_a_day(api: APIClient) -> None:
    post(api, "H0002")
    IdempotentAnswer.objects.update(created_at=timezone.now() - timedelta(hours=23, minutes=59))
    assert post(api, "H0002")["Idempotency-Replayed"] == "true"
    tasks.forget_answers(timestamp=0)
    assert IdempotentAnswer.objects.count() == 1
    IdempotentAnswer.objects.update(created_at=timezone.now() - timedelta(hours=24))
    assert post(api, "H0003").status_code == 201, "the same key may be used for something new"
    IdempotentAnswer.objects.update(created_at=timezone.now() - timedelta(hours=24))
    tasks.forget_answers(timestamp=0)
    assert not IdempotentAnswer.objects.exists()


def test_what_an_answer_said_shows_in_no_log(api: APIClient, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", logger="hedis")
    post(api, "H0002")
    post(api, "H0002")
    assert MEMBER not in caplog.text


def test_the_database_keeps_one_answer_a_user_and_key(api: APIClient, quinn: User) -> None:
    post(api, "H0002")
    stored = IdempotentAnswer.objects.get()
    stored.pk = None
    with pytest.raises(IntegrityError), transaction.atomic():
        stored.save()


@pytest.mark.django_db(transaction=True)
def test_of_two_requests_at_the_same_time_one_runs_and_the_other_is_told(api: APIClient, quinn: User) -> None:
    started.clear()
    may_end.clear()

    def send() -> tuple[int, str]:
        client = APIClient()
        client.force_authenticate(quinn)
        try:
            answer = post(client, "SLOW")
            return answer.status_code, answer.json().get("code", "")
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as someone:
        first = someone.submit(send)
        assert started.wait(PATIENCE)
        second = post(api, "SLOW")
        may_end.set()
        assert first.result() == (201, "")
    assert (second.status_code, second.json()["code"]) == (409, "in_progress")
    assert made() == {"H0009"}
    assert post(api, "SLOW")["Idempotency-Replayed"] == "true", "the client that was told to wait gets the answer"


def test_the_schema_describes_the_header_and_its_refusals() -> None:
    operation = SchemaGenerator(patterns=urlpatterns).get_schema(public=True)["paths"]["/contracts/"]["post"]
    assert "Idempotency-Key" in {each["name"] for each in operation["parameters"]}
    assert {"409", "422"} <= set(operation["responses"])
