"""The API's interventions, campaigns and histories, through HTTP as a program sees them."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from audit.models import Event, Subject
from hedis.accounts.models import User
from hedis.gaps.models import Gap, Work
from hedis.members.models import ContactPreference
from interventions import campaigning, outreach
from interventions.models import Attempt, Campaign, Intervention, State
from tests.factories import make_contract, make_gap, make_measure, make_member
from tests.interventions.plans import CLOSED, make_campaign, make_intervention, make_running

pytestmark = pytest.mark.django_db
LIST, CAMPAIGNS = "/api/v1/interventions/", "/api/v1/campaigns/"


def signed_in(user: User) -> APIClient:
    client = APIClient()
    client.force_login(user)
    return client


def address(row: Intervention, tail: str = "") -> str:
    return f"{LIST}{row.pk}/{tail}"


def send(client: APIClient, row: Intervention, tail: str, body: Any, **headers: str) -> Any:
    """POST a step (PATCH without a tail) on the version just read, unless the story brings its own If-Match."""
    headers = headers or {"If-Match": client.get(address(row))["ETag"]}
    method = client.post if tail else client.patch
    return method(address(row, tail), body, format="json", headers=headers)


def codes(answer: Any) -> Any:
    """Status and code, or status and the fields that cannot be used."""
    told = answer.json()
    return answer.status_code, told.get("code") or [error["field"] for error in told["errors"]]


@pytest.fixture
def gap(ana: User) -> Gap:
    """An open COL gap of a member on Ana's panel."""
    return make_gap(make_member(care_manager=ana), make_measure("COL"))


@pytest.fixture
def row(gap: Gap, ana: User) -> Intervention:
    """A planned call about it."""
    return make_intervention(gap, by=ana)


class TestWhoSeesWhat:
    def test_a_care_manager_sees_only_her_panel(self, ana: User, dee: User, gap: Gap, row: Intervention) -> None:
        make_intervention(make_gap(make_member(care_manager=dee), gap.measure), by=dee)
        assert [each["id"] for each in signed_in(ana).get(LIST).json()["results"]] == [row.pk]
        client = signed_in(dee)
        for tail, body in (("", {}), ("attempts/", {}), ("complete/", {}), ("cancel/", {"why": "Mine."})):
            assert client.get(address(row, tail)).status_code in (404, 405)
            assert send(client, row, tail, body, **{"If-Match": '"any"'}).status_code == 404
        assert client.get(f"/api/v1/members/{gap.member.pseudonym}/history/").status_code == 404

    def test_every_look_is_recorded_with_the_members_it_showed(self, ana: User, gap: Gap, row: Intervention) -> None:
        client = signed_in(ana)
        history = f"/api/v1/members/{gap.member.pseudonym}/history/"
        for path in (LIST, address(row), address(row, "attempts/"), history):
            event = Event.objects.get(request_id=client.get(path)["X-Request-ID"])
            assert event.action.startswith("api."), path
            assert Subject.objects.get(event_id=event.id).member_pseudonym == gap.member.pseudonym

    def test_an_address_that_names_nothing_is_404_and_enters_no_ledger(self, ana: User) -> None:
        for path in (f"{LIST}abc/", f"{LIST}99999999999999999999/", "/api/v1/members/12345/history/"):
            assert signed_in(ana).get(path).status_code == 404
        assert not Event.objects.filter(object_id__in=["abc", "12345"]).exists()


class TestLists:
    @pytest.fixture
    def two(self, ana: User, lea: User, gap: Gap, row: Intervention) -> tuple[Intervention, Intervention]:
        """Beside the call, a kit about CBP for another member: worth more, of 2025, begun, due, Lea's."""
        other = make_gap(make_member(care_manager=ana), make_measure("CBP"), year=2025, assigned_to=lea)
        kit = make_intervention(other, kind="mailed_kit", priority=Decimal(5), by=ana)
        kit = outreach.amend(kit, changes={"due_date": date(2026, 10, 1)}, by=ana)
        return row, outreach.start(kit, by=ana)

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ({}, [1, 0]),
            ({"ordering": "id"}, [0, 1]),
            ({"ordering": "contact_by"}, [0, 1]),
            ({"owner": "lea"}, [1]),
            ({"owned": "false"}, []),
            ({"state": "planned"}, [0]),
            ({"state": ["planned", "in_progress"]}, [1, 0]),
            ({"kind": "mailed_kit"}, [1]),
            ({"measure": "COL"}, [0]),
            ({"year": 2025}, [1]),
            ({"due_before": "2026-10-02"}, [1]),
            ({"due_after": "2026-10-01"}, []),
            ({"contact_by_after": "2026-01-01"}, [0]),
            ({"held_out": "true"}, []),
            ({"changed_since": "2100-01-01T00:00:00Z"}, []),
        ],
    )
    def test_filters_and_orders_do_what_they_say(
        self, ana: User, two: tuple[Intervention, Intervention], query: dict[str, Any], found: list[int]
    ) -> None:
        answer = signed_in(ana).get(LIST, query).json()
        assert [each["id"] for each in answer["results"]] == [two[index].pk for index in found]
        assert answer["count"] == len(found)

    @pytest.mark.parametrize(
        "query", [{"colour": "red"}, {"state": "done"}, {"campaign": "x"}, {"member": "12345"}, {"ordering": "member"}]
    )
    def test_a_filter_it_cannot_use_is_refused_and_named(self, ana: User, query: dict[str, Any]) -> None:
        assert codes(signed_in(ana).get(LIST, query)) == (400, list(query))

    def test_a_row_and_a_detail_say_the_same_and_the_detail_says_more(self, ana: User, row: Intervention) -> None:
        client = signed_in(ana)
        listed, shown = client.get(LIST).json()["results"][0], client.get(address(row)).json()
        assert shown == shown | listed
        assert listed["measures"] == ["COL"] and listed["owner"] == "ana" and listed["estimated_cost"] == 26
        assert [(each["measure"], each["uplift"]) for each in shown["gaps"]] == [("COL", 0.1)]
        assert shown["steps"] == ["in_progress", "cancelled"]
        assert [each["channel"] for each in shown["closed_channels"]] == ["text"], "which needs consent"

    def test_a_list_asks_as_often_with_many_rows_as_with_few(self, ana: User, gap: Gap, row: Intervention) -> None:
        asked = []
        for number in (1, 15):
            for _ in range(number):
                make_intervention(make_gap(make_member(care_manager=ana), gap.measure), by=ana)
            client = signed_in(ana)
            with CaptureQueriesContext(connection) as queries:
                assert client.get(LIST).status_code == 200
            asked.append(len(queries))
        assert asked[0] == asked[1] <= 18

    def test_a_known_version_is_not_sent_again(self, ana: User, row: Intervention) -> None:
        client = signed_in(ana)
        tag = client.get(address(row))["ETag"]
        assert client.get(address(row), headers={"If-None-Match": tag}).status_code == 304
        outreach.start(row, by=ana)
        assert client.get(address(row), headers={"If-None-Match": tag}).status_code == 200


class TestPlanning:
    def body(self, gap: Gap, **overrides: Any) -> dict[str, Any]:
        return {"member": gap.member.pseudonym, "kind": "call", "year": 2026, "uplift": {"COL": None}, **overrides}

    def test_one_is_planned_and_answered_with_its_etag(self, ana: User, gap: Gap) -> None:
        client = signed_in(ana)
        answer = client.post(LIST, self.body(gap, due_date="2026-12-01"), format="json")
        row = Intervention.objects.get()
        assert (answer.status_code, answer.json()["id"], answer["ETag"]) == (
            201,
            row.pk,
            client.get(address(row))["ETag"],
        )
        assert (row.planned_by, row.due_date, row.owner) == ("ana", date(2026, 12, 1), ana)

    def test_sent_twice_with_one_key_it_is_planned_once(self, ana: User, gap: Gap) -> None:
        client, key = signed_in(ana), {"Idempotency-Key": "4f1c2d3e-once"}
        first, second = (client.post(LIST, self.body(gap), format="json", headers=key) for _ in range(2))
        assert (first.status_code, second.status_code, first.json()) == (201, 201, second.json())
        assert second["Idempotency-Replayed"] == "true" and Intervention.objects.count() == 1

    @pytest.mark.parametrize(
        ("overrides", "fields"),
        [
            ({"member": "0" * 64}, ["member"]),
            ({"kind": "pigeon"}, ["kind"]),
            ({"uplift": {"XYZ": 0.1}}, ["uplift.XYZ"]),
            ({"uplift": {"COL": 7}}, ["uplift.COL"]),
            ({"uplift": {}}, ["uplift"]),
            ({"kind": "home_visit"}, ["estimated_cost"]),
            ({"estimated_cost": "-1"}, ["estimated_cost"]),
            ({"state": "completed"}, ["state"]),
            ({"campaign": 1}, ["campaign"]),
        ],
    )
    def test_what_cannot_be_planned_is_refused_and_named(
        self, ana: User, gap: Gap, overrides: dict[str, Any], fields: list[str]
    ) -> None:
        assert codes(signed_in(ana).post(LIST, self.body(gap, **overrides), format="json")) == (400, fields)

    def test_nothing_is_planned_for_another_panel_twice_or_when_all_is_met(
        self, ana: User, dee: User, gap: Gap
    ) -> None:
        assert codes(signed_in(dee).post(LIST, self.body(gap), format="json")) == (400, ["member"])
        assert signed_in(ana).post(LIST, self.body(gap), format="json").status_code == 201
        assert codes(signed_in(ana).post(LIST, self.body(gap), format="json")) == (409, "nothing_to_do")
        Gap.objects.update(**CLOSED)
        kit = self.body(gap, kind="mailed_kit")
        assert codes(signed_in(ana).post(LIST, kit, format="json")) == (409, "nothing_to_do")

    def test_a_campaign_is_filled_by_those_who_run_campaigns(self, ana: User, ben: User, gap: Gap) -> None:
        campaign = make_campaign(by=ben)
        into = self.body(gap, campaign=campaign.pk)
        assert codes(signed_in(ana).post(LIST, into, format="json")) == (403, "permission_denied")
        assert signed_in(ben).post(LIST, into, format="json").json()["campaign"] == campaign.pk


class TestSteps:
    @pytest.mark.parametrize(
        ("tail", "body"),
        [
            ("", {"state": "in_progress"}),
            ("attempts/", {"channel": "phone", "disposition": "busy"}),
            ("complete/", {"outcome": "success"}),
            ("cancel/", {"why": "Moved."}),
        ],
    )
    def test_a_step_needs_the_version_it_was_decided_on(
        self, ana: User, row: Intervention, tail: str, body: dict[str, str]
    ) -> None:
        client = signed_in(ana)
        tag = client.get(address(row))["ETag"]
        assert codes(send(client, row, tail, body, **{"If-Match": "*"})) == (428, "if_match_missing")
        outreach.amend(row, changes={"due_date": date(2026, 12, 1)}, by=ana)
        assert codes(send(client, row, tail, body, **{"If-Match": tag})) == (412, "version_changed")

    def test_an_attempt_is_logged_once_however_often_it_is_sent(self, ana: User, row: Intervention) -> None:
        client, body = signed_in(ana), {"channel": "phone", "disposition": "voicemail"}
        tag = client.get(address(row))["ETag"]
        first = send(client, row, "attempts/", body, **{"If-Match": tag})
        assert first.status_code == 201 and first.json()["by"] == "ana"
        assert send(client, row, "attempts/", body, **{"If-Match": tag}).status_code == 412
        assert Attempt.objects.count() == 1
        shown = client.get(address(row))
        assert (shown["ETag"], shown.json()["state"], shown.json()["attempts_made"]) == (
            first["ETag"],
            "in_progress",
            1,
        )
        assert shown.json()["gaps"][0]["work_status"] == Work.OUTREACH
        assert [each["disposition"] for each in client.get(address(row, "attempts/")).json()["results"]] == [
            "voicemail"
        ]

    def test_what_stands_against_an_attempt_is_named(
        self, ana: User, ben: User, quinn: User, gap: Gap, row: Intervention
    ) -> None:
        client, call = signed_in(ana), {"channel": "phone", "disposition": "busy"}
        assert codes(send(client, row, "attempts/", {**call, "disposition": "sent"})) == (400, ["disposition"])
        refused = {**call, "disposition": "reached_refused"}
        assert codes(send(client, row, "attempts/", refused)) == (400, ["note"])
        text = {"channel": "text", "disposition": "sent"}
        assert codes(send(client, row, "attempts/", text)) == (409, "no_consent")
        for _ in range(3):
            assert send(client, row, "attempts/", call).status_code == 201
        assert codes(send(client, row, "attempts/", call)) == (409, "frequency_cap_reached")
        ContactPreference.objects.create(member=gap.member, do_not_call=True)
        assert codes(send(client, row, "attempts/", call)) == (409, "do_not_call")
        other = make_gap(make_member(care_manager=ana), gap.measure)
        campaign = make_running([other], made_by=ben, approved_by=quinn)
        of_campaign = Intervention.objects.get(campaign=campaign)
        Intervention.objects.filter(pk=of_campaign.pk).update(held_out=True)
        assert codes(send(client, of_campaign, "attempts/", call)) == (409, "held_out")
        Intervention.objects.filter(pk=of_campaign.pk).update(held_out=False)
        Campaign.objects.filter(pk=campaign.pk).update(state="closed")
        assert codes(send(client, of_campaign, "attempts/", call)) == (409, "not_running")

    def test_begun_completed_and_over(self, ana: User, row: Intervention) -> None:
        client = signed_in(ana)
        assert codes(send(client, row, "complete/", {"outcome": "success"})) == (409, "illegal_step")
        assert send(client, row, "", {"state": "in_progress"}).json()["state"] == "in_progress"
        assert codes(send(client, row, "complete/", {"outcome": "partial"})) == (400, ["note"])
        done = send(client, row, "complete/", {"outcome": "success", "actual_cost": "12.50"}).json()
        assert (done["state"], done["actual_cost"], done["steps"]) == ("completed", 12.5, [])
        assert done["gaps"][0]["status"] == "open-gap", "an intervention never closes a gap"
        assert codes(send(client, row, "cancel/", {"why": "Too late."})) == (409, "illegal_step")

    def test_cancelled_with_the_reason(self, ana: User, row: Intervention) -> None:
        client = signed_in(ana)
        assert codes(send(client, row, "cancel/", {})) == (400, ["why"])
        assert send(client, row, "cancel/", {"why": "Moved."}).json()["reason"] == "Moved."

    @pytest.mark.parametrize(
        ("body", "fields"),
        [
            ({}, ["non_field_errors"]),
            ({"state": "in_progress", "due_date": "2026-12-01"}, ["non_field_errors"]),
            ({"state": "completed"}, ["state"]),
            ({"priority": 9}, ["priority"]),
            ({"estimated_cost": -2}, ["estimated_cost"]),
        ],
    )
    def test_a_change_that_is_none_is_refused(
        self, ana: User, row: Intervention, body: dict[str, Any], fields: list[str]
    ) -> None:
        assert codes(send(signed_in(ana), row, "", body)) == (400, fields)

    def test_only_those_who_may_hand_over_do_and_only_to_who_can_work_it(
        self, ana: User, lea: User, dee: User, cy: User, row: Intervention
    ) -> None:
        assert codes(send(signed_in(ana), row, "", {"owner": "lea"})) == (403, "permission_denied")
        client = signed_in(lea)
        for nobody in ("dee", "cy", "stranger"):
            assert codes(send(client, row, "", {"owner": nobody})) == (400, ["owner"])
        assert send(client, row, "", {"owner": "lea"}).json()["owner"] == "lea"
        assert send(client, row, "", {"owner": None}).json()["owner"] is None


class TestCampaigns:
    BODY = {"name": "Autumn calls", "year": 2026, "budget": "100", "start_date": "2026-09-01", "end_date": "2026-12-01"}

    def test_made_by_one_filled_approved_by_another_run_and_closed(self, ben: User, quinn: User, gap: Gap) -> None:
        analyst, director = signed_in(ben), signed_in(quinn)
        made = analyst.post(CAMPAIGNS, {**self.BODY, "holdout_share": "0"}, format="json")
        here = f"{CAMPAIGNS}{made.json()['id']}/"
        assert (made.status_code, made.json()["state"], made.json()["results"]) == (201, "draft", None)
        new = {"member": gap.member.pseudonym, "kind": "call", "year": 2026, "uplift": {"COL": 0.1}}
        assert analyst.post(LIST, {**new, "campaign": made.json()["id"]}, format="json").status_code == 201
        tag = {"If-Match": made["ETag"]}
        go = {"why": "Within the budget."}
        assert codes(analyst.post(f"{here}approve/", go, format="json", headers=tag)) == (403, "permission_denied")
        approved = director.post(f"{here}approve/", go, format="json", headers=tag)
        assert (approved.status_code, approved.json()["approved_by"], approved.json()["planned"]) == (200, "quinn", 1)
        assert approved.json()["results"]["members_treated"] == 1
        assert codes(director.post(f"{here}approve/", go, format="json", headers=tag)) == (412, "version_changed")
        for state in ("running", "closed"):
            step = {"state": state, "why": "In time."}
            now = {"If-Match": analyst.get(here)["ETag"]}
            assert analyst.patch(here, step, format="json", headers=now).json()["state"] == state
        now = {"If-Match": analyst.get(here)["ETag"]}
        again = analyst.patch(here, {"state": "cancelled", "why": "Again."}, format="json", headers=now)
        assert codes(again) == (409, "illegal_step")

    def test_nobody_approves_her_own(self, quinn: User, gap: Gap) -> None:
        campaign = make_campaign(by=quinn)
        here, client = f"{CAMPAIGNS}{campaign.pk}/", signed_in(quinn)
        tag = {"If-Match": client.get(here)["ETag"]}
        answer = client.post(f"{here}approve/", {"why": "Fine."}, format="json", headers=tag)
        assert codes(answer) == (403, "creator_cannot_approve")

    def test_an_empty_campaign_is_not_ready(self, ben: User, quinn: User) -> None:
        here, client = f"{CAMPAIGNS}{make_campaign(by=ben).pk}/", signed_in(quinn)
        tag = {"If-Match": client.get(here)["ETag"]}
        answer = client.post(f"{here}approve/", {"why": "Fine."}, format="json", headers=tag)
        assert codes(answer) == (409, "not_ready")

    @pytest.mark.parametrize(
        ("overrides", "field"),
        [
            ({"holdout_share": "0.51"}, "holdout_share"),
            ({"budget": "-1"}, "budget"),
            ({"end_date": "2026-08-01"}, "end_date"),
            ({"contract": "H0000"}, "contract"),
            ({"name": " "}, "name"),
            ({"state": "running"}, "state"),
        ],
    )
    def test_a_draft_that_cannot_be_is_refused_and_named(
        self, ben: User, overrides: dict[str, Any], field: str
    ) -> None:
        answer = signed_in(ben).post(CAMPAIGNS, {**self.BODY, **overrides}, format="json")
        assert codes(answer) == (400, [field])
        assert not Campaign.objects.exists()

    def test_campaigns_are_filtered(self, ben: User) -> None:
        of_one = make_campaign(by=ben, contract=make_contract("H1234"))
        other = make_campaign(by=ben, name="Winter letters")
        campaigning.cancel(other, why="No stamps.", by=ben)
        client = signed_in(ben)
        for query, found in (({"contract": "H1234"}, of_one), ({"state": "cancelled"}, other)):
            assert [each["id"] for each in client.get(CAMPAIGNS, query).json()["results"]] == [found.pk]
        assert client.get(CAMPAIGNS, {"year": 2025}).json()["count"] == 0


def test_a_members_history_is_one_line_of_time_in_pages(ana: User, gap: Gap, row: Intervention) -> None:
    outreach.log_attempt(row, channel="phone", disposition="voicemail", note="Will try again.", by=ana)
    here = f"/api/v1/members/{gap.member.pseudonym}/history/"
    client = signed_in(ana)
    told = client.get(here).json()
    assert [(each["what"], each["to"]) for each in told["results"]] == [
        ("gap", Work.OUTREACH),
        ("intervention", State.IN_PROGRESS),
        ("contact", "voicemail"),
        ("intervention", State.PLANNED),
    ]
    assert told["results"][2]["why"] == "Will try again."
    second = client.get(here, {"page_size": 3, "page": 2}).json()
    assert (second["count"], second["pages"], len(second["results"])) == (4, 2, 1)
    for query in ({"kind": "contact"}, {"ordering": "at"}, {"paging": "cursor"}):
        assert client.get(here, query).status_code == 400
    assert timezone.now() - timedelta(minutes=5) < Attempt.objects.get().at
