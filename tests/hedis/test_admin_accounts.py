"""People, keys, the ledger's pages and the imports."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from audit import ledger
from audit.models import Event
from hedis.accounts import keys, roles
from hedis.accounts.models import ApiKey, User
from hedis.evidence.models import ImportBatch
from hedis.members.models import Contract
from tests.conftest import person
from tests.factories import make_contract, make_measure, make_member

pytestmark = pytest.mark.django_db
PASSWORD = "a-long-enough-passphrase-7"


@pytest.fixture
def max_(db: None) -> User:
    return person("max", roles.ADMINISTRATOR)


def test_an_administrator_makes_an_account_with_its_role_and_both_are_recorded(client: Client, max_: User) -> None:
    client.force_login(max_)
    told = {"username": "new", "chosen_role": "care_manager", "team": "north", "usable_password": "true",
            "password1": PASSWORD, "password2": PASSWORD}  # fmt: skip
    assert client.post(reverse("admin:accounts_user_add"), told).status_code == 302
    made = User.objects.get(username="new")
    assert (made.role, made.is_staff, made.team) == ("care_manager", True, "north")
    actions = set(Event.objects.values_list("action", flat=True))
    assert {"user.added", "account.role_granted"} <= actions
    assert all(PASSWORD.encode() not in bytes(event.payload) for event in Event.objects.all())


def test_changing_a_role_goes_through_its_verb(client: Client, max_: User, ana: User) -> None:
    client.force_login(max_)
    address = reverse("admin:accounts_user_change", args=[ana.pk])
    assert client.get(address).status_code == 200
    told = {"username": "ana", "chosen_role": "team_lead", "team": "north", "is_active": "on"}
    assert client.post(address, told).status_code == 302
    assert User.objects.get(pk=ana.pk).role == "team_lead"
    event = Event.objects.get(action="account.role_granted")
    assert ledger.contents(event)["before"] == {"role": "care_manager"}


def test_setting_a_password_is_recorded_without_it(client: Client, max_: User, ana: User) -> None:
    client.force_login(max_)
    address = reverse("admin:auth_user_password_change", args=[ana.pk])
    told = {"password1": PASSWORD, "password2": PASSWORD, "usable_password": "true"}
    assert client.post(address, told).status_code == 302
    assert Event.objects.get(action="account.password_set").object_id == str(ana.pk)


def test_a_key_is_shown_once_and_only_its_digest_kept(client: Client, max_: User) -> None:
    client.force_login(max_)
    robot = person("robot", roles.SERVICE)
    told = {"user": robot.pk, "name": "nightly", "days": 30, "read_only": "on"}
    answer = client.post(reverse("admin:accounts_apikey_add"), told)
    secret = answer.context["secret"]
    assert secret in answer.content.decode()
    key = ApiKey.objects.get()
    assert keys.find(secret, timezone.now()) == key
    for address in (
        reverse("admin:accounts_apikey_changelist"),
        reverse("admin:accounts_apikey_change", args=[key.pk]),
    ):
        assert secret not in client.get(address).content.decode()


def test_a_key_is_revoked_from_the_list(client: Client, max_: User) -> None:
    key, secret = keys.create(max_, name="old", days=5, read_only=True, by=max_)
    client.force_login(max_)
    told = {"action": "revoke_selected", "_selected_action": [key.pk]}
    client.post(reverse("admin:accounts_apikey_changelist"), told)
    assert keys.find(secret, timezone.now()) is None
    assert Event.objects.filter(action="api_key.revoked").count() == 1


def test_an_edit_by_hand_is_recorded_with_before_and_after(client: Client, max_: User) -> None:
    contract = make_contract("H1234")
    client.force_login(max_)
    told = {"number": "H1234", "name": "New name", "organisation": contract.organisation, "plan_type": "hmo"}
    assert client.post(reverse("admin:members_contract_change", args=[contract.pk]), told).status_code == 302
    assert Contract.objects.get().name == "New name"
    body = ledger.contents(Event.objects.get(action="contract.edited"))
    assert (body["before"], body["after"]) == ({"name": "Evergreen Advantage"}, {"name": "New name"})


def test_looking_into_the_ledger_is_an_event_with_its_filters(client: Client, cy: User) -> None:
    client.force_login(cy)
    client.get(reverse("admin:audit_event_changelist"), {"actor": "ana"})
    event = Event.objects.get(action="ledger.viewed")
    assert ledger.contents(event)["after"] == {"filters": {"actor": "ana"}}


def test_an_auditor_finds_every_look_at_one_member(client: Client, cy: User) -> None:
    member, other = make_member(), make_member()
    for one in (member, other):
        ledger.record_alone(Event.Kind.READ, "member.viewed", members=[one.pseudonym], by="ana")
    client.force_login(cy)
    answer = client.get(reverse("admin:audit_event_changelist"), {"member": member.pseudonym})
    found = list(answer.context["cl"].result_list)
    assert [event.actor for event in found] == ["ana"]
    page = client.get(reverse("admin:audit_event_change", args=[found[0].pk])).content.decode()
    assert member.pseudonym in page
    assert Event.objects.filter(action="ledger.event_viewed").count() == 1


@pytest.mark.parametrize(
    ("filters", "expected"),
    [({"outcome": "not-done"}, {"denied.one"}), ({"action_is": "done.one"}, {"done.one"}),
     ({"kind__exact": "job"}, {"done.one"}),
     ({"from": "2001-01-01", "to": "2001-01-02"}, set())],
)  # fmt: skip
def test_the_ledger_is_narrowed(filters: dict[str, str], expected: set[str], client: Client, cy: User) -> None:
    ledger.record_alone(Event.Kind.JOB, "done.one", by="system")
    ledger.record_alone(Event.Kind.API, "denied.one", outcome="denied", by="system")
    client.force_login(cy)
    answer = client.get(reverse("admin:audit_event_changelist"), filters)
    assert {event.action for event in answer.context["cl"].result_list} == expected


def test_nobody_edits_the_ledger(client: Client, cy: User) -> None:
    event = ledger.record_alone(Event.Kind.JOB, "done.one", by="system")
    client.force_login(cy)
    address = reverse("admin:audit_event_change", args=[event.pk])
    assert client.post(address, {"actor": "nobody"}).status_code == 403
    assert client.post(reverse("admin:audit_event_delete", args=[event.pk]), {"post": "yes"}).status_code == 403


def test_the_home_page_tells_how_fresh_the_data_is(client: Client, quinn: User) -> None:
    old = timezone.localdate() - timedelta(days=90)
    counts = {"eligibility": {"read": 1200, "loaded": 1190, "duplicates": 0, "quarantined": 10}}
    batch = ImportBatch.objects.create(
        source="tuva", folder="october", content_hash="0" * 64, generation="g1", counts=counts,
        latest_service_date=old, imported_by="ben", quarantine="quarantine/g1.csv",
    )  # fmt: skip
    client.force_login(quinn)
    text = client.get(reverse("admin:index")).content.decode()
    assert "1,190" in text and "90 days old" in text
    page = client.get(reverse("admin:evidence_importbatch_change", args=[batch.pk])).content.decode()
    assert "quarantine/g1.csv" in page and "1,200" in page


def test_a_measure_says_which_evidence_routes_rest_and_what_they_need(client: Client, quinn: User) -> None:
    routes = [
        {"part": "numerator", "name": "FIT", "state": "active", "absent": []},
        {"part": "numerator", "name": "colonoscopy", "state": "partly", "absent": ["cpt"]},
    ]
    planned = make_measure("XYZ", evidence_routes=routes)
    client.force_login(quinn)
    text = client.get(reverse("admin:measures_measure_change", args=[planned.pk])).content.decode()
    assert "colonoscopy (numerator) – needs cpt" in text and "FIT (numerator)" in text
    computed = make_measure("COL")
    text = client.get(reverse("admin:measures_measure_change", args=[computed.pk])).content.decode()
    assert "colonoscopy (numerator): 2 hcpcs-ii – needs cpt, snomed-ct" in text


def test_the_home_page_of_an_auditor_shows_what_was_denied(client: Client, cy: User) -> None:
    ledger.record_alone(Event.Kind.AUTH, "sign_in_refused", outcome="denied", by="eve")
    client.force_login(cy)
    assert "1 denied" in client.get(reverse("admin:index")).content.decode()


def test_the_home_page_of_an_administrator_counts_roles_and_expiring_keys(
    client: Client, max_: User, ana: User
) -> None:
    keys.create(ana, name="soon gone", days=3, read_only=True, by=max_)
    client.force_login(max_)
    answer = client.get(reverse("admin:index"))
    panel = next(panel for panel in answer.context["panels"] if "people" in panel["template"])
    assert dict((role.key, number) for role, number in panel["roles"])["care_manager"] == 1
    assert panel["keys"] == {"usable": 1, "expiring": 1}
    assert "soon gone" in answer.content.decode()
