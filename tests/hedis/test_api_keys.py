"""API keys: made once, checked at every request, useless when expired, revoked or their owner gone."""

import json
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from rest_framework.test import APIClient

from audit.models import Event
from hedis.accounts import keys, roles
from hedis.accounts.models import ApiKey, User
from hedis.gaps.models import Gap, Work
from tests.conftest import person
from tests.factories import make_gap, make_measure, make_member

LIST = "/api/v1/gaps/"


@pytest.fixture
def robot(db: None) -> User:
    """A program's account."""
    return person("robot", roles.SERVICE)


@pytest.fixture
def gap(db: None) -> Gap:
    return make_gap(make_member(), make_measure("COL"))


def holding(secret: str) -> APIClient:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {secret}")
    return client


def made(owner: User, *, read_only: bool = True) -> tuple[ApiKey, str]:
    return keys.create(owner, name="nightly", days=30, read_only=read_only, by="system")


class TestAtTheDoor:
    def test_a_key_acts_as_its_owner_and_the_look_is_recorded(self, robot: User, gap: Gap) -> None:
        key, secret = made(robot)
        assert holding(secret).get(LIST).json()["count"] == 1
        event = Event.objects.get(action="api.gaps.listed")
        assert (event.actor, event.actor_type, event.role) == ("robot", "service", "service")
        key.refresh_from_db()
        assert key.last_used_at is not None

    def test_a_key_sees_no_more_than_its_owner(self, ana: User, gap: Gap) -> None:
        assert holding(made(ana)[1]).get(LIST).json()["count"] == 0

    def test_a_read_only_key_changes_nothing(self, robot: User, gap: Gap) -> None:
        client = holding(made(robot)[1])
        tag = client.get(f"{LIST}{gap.pk}/")["ETag"]
        answer = client.patch(f"{LIST}{gap.pk}/", {"work_status": Work.OUTREACH}, headers={"if-match": tag})
        assert (answer.status_code, answer.json()["detail"]) == (403, "This API key may only read.")
        assert Event.objects.get(outcome="denied").actor == "robot"

    def test_a_key_made_for_writing_writes(self, robot: User, gap: Gap) -> None:
        client = holding(made(robot, read_only=False)[1])
        tag = client.get(f"{LIST}{gap.pk}/")["ETag"]
        answer = client.patch(f"{LIST}{gap.pk}/", {"work_status": Work.OUTREACH}, headers={"if-match": tag})
        assert answer.status_code == 200

    @pytest.mark.parametrize(
        "spoil",
        [
            lambda key: keys.revoke(key, by="system"),
            lambda key: ApiKey.objects.update(expires_at=timezone.now() - timedelta(seconds=1)),
            lambda key: User.objects.filter(pk=key.user_id).update(is_active=False),
            lambda key: ApiKey.objects.update(digest="0" * 64),
        ],
        ids=["revoked", "expired", "owner gone", "another secret"],
    )
    def test_a_key_that_is_no_longer_good_is_401(self, robot: User, gap: Gap, spoil: Any) -> None:
        key, secret = made(robot)
        spoil(key)
        answer = holding(secret).get(LIST)
        assert (answer.status_code, answer["Content-Type"]) == (401, "application/problem+json")
        assert secret not in answer.content.decode()

    @pytest.mark.parametrize("secret", ["", "x", "hk_", "hk_00000000_" + "a" * 43, "hk_\x00", "a b", "hk_é"])
    def test_what_is_no_key_is_401(self, gap: Gap, secret: str) -> None:
        assert holding(secret).get(LIST).status_code == 401

    def test_an_owner_without_a_role_any_more_may_nothing(self, robot: User, gap: Gap) -> None:
        secret = made(robot)[1]
        robot.groups.clear()
        assert holding(secret).get(LIST).status_code == 403

    def test_a_key_gets_json_even_where_pages_are_asked_for(self, robot: User, gap: Gap) -> None:
        answer = holding(made(robot)[1]).get(LIST, headers={"accept": "text/html, */*;q=0.1"})
        assert answer["Content-Type"] == "application/json"

    def test_a_key_used_twice_a_minute_writes_once(self, robot: User, gap: Gap) -> None:
        key, secret = made(robot)
        holding(secret).get(LIST)
        key.refresh_from_db()
        first = key.last_used_at
        holding(secret).get(LIST)
        key.refresh_from_db()
        assert key.last_used_at == first


def run(*words: str) -> dict[str, Any]:
    out = StringIO()
    call_command("create_api_key", *words, "--json", stdout=out)
    answer: dict[str, Any] = json.loads(out.getvalue())
    return answer


class TestTheCommand:
    def test_it_prints_a_key_that_works_and_keeps_only_its_digest(self, robot: User, gap: Gap) -> None:
        answer = run("robot", "--name", "nightly sync", "--days", "7")
        assert holding(answer["key"]).get(LIST).status_code == 200
        key = ApiKey.objects.get(prefix=answer["prefix"])
        assert (key.read_only, answer["read_only"], key.name) == (True, True, "nightly sync")
        assert timedelta(days=6) < key.expires_at - timezone.now() <= timedelta(days=7)
        assert answer["key"] not in str(ApiKey.objects.values().get())
        [event] = Event.objects.filter(action="api_key.created")
        assert answer["key"].encode() not in bytes(event.payload)

    def test_a_writing_key_must_be_asked_for(self, robot: User) -> None:
        assert run("robot", "--name", "x", "--write")["read_only"] is False

    def test_people_are_told_that_it_is_shown_once(self, robot: User) -> None:
        out, err = StringIO(), StringIO()
        call_command("create_api_key", "robot", "--name", "x", stdout=out, stderr=err)
        assert "key: hk_" in out.getvalue() and "cannot be shown again" in err.getvalue()

    @pytest.mark.parametrize(
        ("words", "code"),
        [
            (["nobody", "--name", "x"], 1),
            (["robot", "--name", "x", "--days", "0"], 2),
            (["robot", "--name", "x", "--days", "366"], 2),
            (["robot", "--name", " "], 2),
            (["robot", "--name", "x" * 81], 2),
        ],
    )
    def test_wrong_use_and_unknown_accounts_exit_with_their_code(
        self, robot: User, words: list[str], code: int
    ) -> None:
        with pytest.raises(CommandError) as refusal:
            run(*words)
        assert refusal.value.returncode == code
        assert not ApiKey.objects.exists()

    def test_an_inactive_owner_or_one_without_a_role_is_refused(self, robot: User) -> None:
        User.objects.create_superuser("root", password="correct-horse-battery")
        User.objects.filter(pk=robot.pk).update(is_active=False)
        for name in ("robot", "root"):
            with pytest.raises(CommandError) as refusal:
                run(name, "--name", "x")
            assert refusal.value.returncode == 1
        assert not ApiKey.objects.exists()
