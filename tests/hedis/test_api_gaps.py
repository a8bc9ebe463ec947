"""The API's gaps, through HTTP as a program sees them."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from audit import ledger
from audit.models import Event, Subject
from hedis.accounts.models import User
from hedis.gaps import api, workflow
from hedis.gaps.models import Gap, Status, Transition, Work
from hedis.lib import problem
from tests.factories import make_contract, make_gap, make_measure, make_member

LIST = "/api/v1/gaps/"


def signed_in(user: User) -> APIClient:
    client = APIClient()
    client.force_login(user)
    return client


def address(gap: Gap, tail: str = "") -> str:
    return f"{LIST}{gap.pk}/{tail}"


@pytest.fixture
def gap(ana: User) -> Gap:
    """An open COL gap of a member on Ana's panel."""
    member = make_member(care_manager=ana)
    return make_gap(member, make_measure("COL"), contract=make_contract("H1234"))


def patch(client: APIClient, gap: Gap, body: Any, **headers: str) -> Any:
    """PATCH on the version just read, unless the story brings its own If-Match."""
    if "if_match" not in headers:
        headers["if_match"] = client.get(address(gap))["ETag"]
    return client.patch(address(gap), body, format="json", headers={k.replace("_", "-"): v for k, v in headers.items()})


class TestWhoSeesWhat:
    def test_a_care_manager_sees_only_her_panel(self, ana: User, dee: User, gap: Gap) -> None:
        make_gap(make_member(care_manager=dee), gap.measure)
        rows = signed_in(ana).get(LIST).json()["results"]
        assert [row["id"] for row in rows] == [gap.pk]

    def test_another_panels_gap_history_and_member_are_not_there(self, dee: User, gap: Gap) -> None:
        client = signed_in(dee)
        for path in (address(gap), address(gap, "history/"), f"/api/v1/members/{gap.member.pseudonym}/gaps/"):
            answer = client.get(path)
            assert answer.status_code == 404, path
            assert answer["Content-Type"] == "application/problem+json"

    def test_another_panels_gap_cannot_be_changed(self, dee: User, gap: Gap) -> None:
        answer = patch(signed_in(dee), gap, {"work_status": Work.OUTREACH}, if_match='"whatever"')
        assert answer.status_code == 404
        gap.refresh_from_db()
        assert gap.work_status == Work.OPEN

    def test_the_whole_plan_is_seen_by_those_whose_role_says_so(self, ben: User, dee: User, gap: Gap) -> None:
        make_gap(make_member(care_manager=dee), gap.measure)
        assert signed_in(ben).get(LIST).json()["count"] == 2

    def test_a_stranger_gets_401_as_a_problem(self, gap: Gap) -> None:
        answer = APIClient().get(address(gap))
        assert answer.status_code == 401
        assert answer["Content-Type"] == "application/problem+json"
        assert answer["WWW-Authenticate"] == "Bearer"

    def test_a_member_has_its_own_list(self, ana: User, gap: Gap) -> None:
        make_gap(make_member(care_manager=ana), gap.measure)
        rows = signed_in(ana).get(f"/api/v1/members/{gap.member.pseudonym}/gaps/").json()["results"]
        assert [row["id"] for row in rows] == [gap.pk]


class TestLists:
    @pytest.fixture
    def two(self, ana: User, gap: Gap) -> tuple[Gap, Gap]:
        """Beside the COL gap, a closed CBP one of last year in another contract, nobody's."""
        other = make_gap(
            make_member(care_manager=ana), make_measure("CBP"), year=2025, contract=make_contract("H9999"),
            status=Status.CLOSED, work_status=Work.CLOSED_CLAIM, assigned_to=None,
        )  # fmt: skip
        return gap, other

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ({"measure": "COL"}, [0]),
            ({"contract": "H9999"}, [1]),
            ({"year": 2026}, [0]),
            ({"status": "closed-gap"}, [1]),
            ({"status": ["closed-gap", "open-gap"]}, [0, 1]),
            ({"work_status": "open"}, [0]),
            ({"assigned_to": "ana"}, [0]),
            ({"assigned": "false"}, [1]),
            ({"assigned": "true"}, [0]),
            ({"due_before": "2026-01-01"}, [1]),
            ({"due_after": "2025-12-31"}, [0]),
            ({"data_before": "2026-01-01"}, [1]),
            ({"data_after": "2026-01-01"}, [0]),
            ({"changed_since": "2001-01-01T00:00:00Z"}, [0, 1]),
            ({"changed_since": "2100-01-01T00:00:00Z"}, []),
            ({"measure": "COL", "year": 2025}, []),
            ({"ordering": "-closable_until"}, [0, 1]),
            ({"ordering": "closable_until"}, [1, 0]),
            ({"ordering": "measure"}, [1, 0]),
            ({"ordering": "-year,id"}, [0, 1]),
        ],
    )
    def test_filters_and_orders_do_what_they_say(
        self, ana: User, two: tuple[Gap, Gap], query: dict[str, Any], found: list[int]
    ) -> None:
        answer = signed_in(ana).get(LIST, query).json()
        assert [row["id"] for row in answer["results"]] == [two[index].pk for index in found]
        assert answer["count"] == len(found)

    def test_a_member_is_found_by_the_pseudonym_or_its_first_digits(self, ana: User, two: tuple[Gap, Gap]) -> None:
        client, pseudonym = signed_in(ana), two[0].member.pseudonym
        for query in ({"member": pseudonym}, {"search": pseudonym[:16]}):
            assert [row["id"] for row in client.get(LIST, query).json()["results"]] == [two[0].pk]

    @pytest.mark.parametrize(
        ("query", "field"),
        [
            ({"colour": "red"}, "colour"),
            ({"year": ""}, "year"),
            ({"status": ["open-gap", ""]}, "status"),
            ({"page": ""}, "page"),
            ({"year": ["2025", "2026"]}, "year"),
            ({"measure": "XYZ"}, "measure"),
            ({"contract": "H0000"}, "contract"),
            ({"year": "last"}, "year"),
            ({"status": "shut"}, "status"),
            ({"work_status": "shut"}, "work_status"),
            ({"due_before": "31.12.2026"}, "due_before"),
            ({"changed_since": "yesterday"}, "changed_since"),
            ({"member": "W123456789"}, "member"),
            ({"search": "W123456789"}, "search"),
            ({"assigned_to": "a\x00b"}, "assigned_to"),
            ({"ordering": "reason"}, "ordering"),
            ({"ordering": "member__care_manager__password"}, "ordering"),
            ({"page_size": "0"}, "page_size"),
            ({"page_size": "1001"}, "page_size"),
            ({"page_size": "many"}, "page_size"),
            ({"paging": "deep"}, "paging"),
            ({"cursor": "5"}, "paging"),
            ({"paging": "cursor", "cursor": "abc"}, "cursor"),
            ({"paging": "cursor", "page": "2"}, "page"),
            ({"paging": "cursor", "ordering": "year"}, "ordering"),
        ],
    )
    def test_what_cannot_be_used_is_refused_by_name(
        self, ana: User, gap: Gap, query: dict[str, Any], field: str
    ) -> None:
        answer = signed_in(ana).get(LIST, query)
        assert answer.status_code == 400
        assert answer["Content-Type"] == "application/problem+json"
        problem = answer.json()
        assert [error["field"] for error in problem["errors"]] == [field]
        assert problem["instance"] == LIST
        assert "W123456789" not in answer.content.decode()

    def test_pages_carry_totals_and_no_row_twice(self, ana: User, gap: Gap) -> None:
        for _ in range(4):
            make_gap(make_member(care_manager=ana), gap.measure)
        client = signed_in(ana)
        first, second, third = (client.get(LIST, {"page": n, "page_size": 2}).json() for n in (1, 2, 3))
        assert (first["count"], first["count_is_exact"], first["pages"], first["page"]) == (5, True, 3, 1)
        assert first["previous"] is None and "page=2" in first["next"] and third["next"] is None
        seen = [row["id"] for page in (first, second, third) for row in page["results"]]
        assert sorted(seen) == sorted(Gap.objects.values_list("id", flat=True)) and len(seen) == 5

    @pytest.mark.parametrize("page", ["0", "7", "x", "-1"])
    def test_a_page_that_is_not_there_is_404(self, ana: User, gap: Gap, page: str) -> None:
        answer = signed_in(ana).get(LIST, {"page": page})
        assert answer.status_code == 404
        assert answer["Content-Type"] == "application/problem+json"

    def test_counting_stops_at_the_cap_and_says_so(self, ana: User, gap: Gap, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("hedis.lib.paging.COUNT_CAP", 3)
        for _ in range(4):
            make_gap(make_member(care_manager=ana), gap.measure)
        answer = signed_in(ana).get(LIST, {"page_size": 1}).json()
        assert (answer["count"], answer["count_is_exact"]) == (3, False)

    def test_a_cursor_walks_through_everything_while_rows_come(self, ana: User, gap: Gap) -> None:
        for _ in range(4):
            make_gap(make_member(care_manager=ana), gap.measure)
        before = set(Gap.objects.values_list("id", flat=True))
        client, seen = signed_in(ana), []
        next_page = f"{LIST}?paging=cursor&page_size=2&year=2026"
        while next_page:
            answer = client.get(next_page).json()
            seen += [row["id"] for row in answer["results"]]
            next_page = answer["next"]
            if len(seen) == 2:
                late = make_gap(make_member(care_manager=ana), gap.measure)
        assert seen == sorted(before | {late.pk})

    def test_a_row_is_what_the_schema_says(self, ana: User, gap: Gap) -> None:
        row = signed_in(ana).get(LIST).json()["results"][0]
        assert row == api.GapRow(gap).data

    def test_a_hundred_rows_cost_the_queries_of_five(self, ana: User, gap: Gap) -> None:
        client, spent = signed_in(ana), []
        for wanted in (5, 100):
            while Gap.objects.count() < wanted:
                make_gap(make_member(care_manager=ana), gap.measure, contract=gap.contract)
            with CaptureQueriesContext(connection) as queries:
                assert len(client.get(LIST, {"page_size": 100}).json()["results"]) == wanted
            spent.append(len(queries))
        assert spent[0] == spent[1] <= 17


class TestOneGap:
    def test_it_shows_the_steps_that_may_follow(self, ana: User, gap: Gap) -> None:
        answer = signed_in(ana).get(address(gap)).json()
        assert answer["steps"] == [value for value, _ in workflow.steps_from(gap)]
        assert answer["reason"] == gap.reason

    def test_who_holds_the_version_gets_304(self, ana: User, gap: Gap) -> None:
        client = signed_in(ana)
        tag = client.get(address(gap))["ETag"]
        answer = client.get(address(gap), headers={"if-none-match": tag})
        assert (answer.status_code, answer.content, answer["ETag"]) == (304, b"", tag)
        assert client.get(address(gap), headers={"if-none-match": '"other"'}).status_code == 200

    def test_nothing_may_stay_in_a_cache(self, ana: User, gap: Gap) -> None:
        assert signed_in(ana).get(address(gap))["Cache-Control"] == "private, no-store"

    @pytest.mark.parametrize("number", ["0", "999999999999", "9" * 30, "abc", "-1"])
    def test_an_address_that_names_none_is_404(self, ana: User, number: str) -> None:
        for path in (f"{LIST}{number}/", f"{LIST}{number}/history/"):
            assert signed_in(ana).get(path).status_code == 404

    def test_its_history_is_every_step(self, ana: User, gap: Gap) -> None:
        workflow.move(gap, to=Work.OUTREACH, by=ana)
        workflow.move(gap, to=Work.REFUSED, why="not this year", by=ana)
        rows = signed_in(ana).get(address(gap, "history/")).json()["results"]
        assert [(row["from_work_status"], row["to_work_status"], row["why"]) for row in rows] == [
            (Work.OPEN, Work.OUTREACH, ""),
            (Work.OUTREACH, Work.REFUSED, "not this year"),
        ]


class TestAStep:
    def test_it_moves_the_gap_and_gives_the_new_version(self, ana: User, gap: Gap) -> None:
        client = signed_in(ana)
        answer = patch(client, gap, {"work_status": Work.OUTREACH})
        assert answer.status_code == 200
        assert (answer.json()["work_status"], answer.json()["version"]) == (Work.OUTREACH, 2)
        assert client.get(address(gap))["ETag"] == answer["ETag"]
        assert Transition.objects.get(gap=gap).by == "ana"

    def test_it_needs_the_version_it_was_decided_on(self, ana: User, gap: Gap) -> None:
        client = signed_in(ana)
        for missing in ("", "*"):
            answer = patch(client, gap, {"work_status": Work.OUTREACH}, if_match=missing)
            assert (answer.status_code, answer["Content-Type"]) == (428, "application/problem+json")
        gap.refresh_from_db()
        assert gap.work_status == Work.OPEN

    def test_who_decided_on_an_old_version_gets_412(self, ana: User, gap: Gap) -> None:
        client = signed_in(ana)
        old = client.get(address(gap))["ETag"]
        patch(client, gap, {"work_status": Work.OUTREACH})
        answer = patch(client, gap, {"work_status": Work.APPOINTMENT}, if_match=old)
        assert (answer.status_code, answer.json()["code"]) == (412, "version_changed")

    def test_a_weak_tag_is_no_match(self, ana: User, gap: Gap) -> None:
        client = signed_in(ana)
        tag = client.get(address(gap))["ETag"]
        assert patch(client, gap, {"work_status": Work.OUTREACH}, if_match=f"W/{tag}").status_code == 412

    def test_handing_over_makes_old_versions_old(self, lea: User, ana: User, gap: Gap) -> None:
        client = signed_in(ana)
        old = client.get(address(gap))["ETag"]
        workflow.assign([gap], to=None, by=lea)
        assert patch(client, gap, {"work_status": Work.OUTREACH}, if_match=old).status_code == 412

    def test_one_the_workflow_does_not_know_is_a_conflict(self, ana: User, gap: Gap) -> None:
        answer = patch(signed_in(ana), gap, {"work_status": Work.CLOSED_CLAIM})
        assert (answer.status_code, answer.json()["code"]) == (409, "illegal_step")
        gap.refresh_from_db()
        assert (gap.work_status, gap.version) == (Work.OPEN, 1)

    def test_one_taken_by_somebody_faster_is_412(self, ana: User, gap: Gap) -> None:
        stale = Gap.objects.get(pk=gap.pk)
        workflow.move(gap, to=Work.OUTREACH, by=ana)
        with pytest.raises(problem.PreconditionFailed):
            api.move(stale, to=Work.REFUSED, why="not this year", by=ana)

    def test_one_that_means_nothing_without_a_reason_asks_for_it(self, ana: User, gap: Gap) -> None:
        answer = patch(signed_in(ana), gap, {"work_status": Work.REFUSED, "why": "  "})
        assert answer.status_code == 400
        assert [error["field"] for error in answer.json()["errors"]] == ["why"]

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({"status": "closed-gap"}, "status"),
            ({"work_status": "shut"}, "work_status"),
            ({"work_status": "outreach_in_progress", "version": 9}, "version"),
            ({"work_status": "refused", "why": "a\x00b"}, "why"),
            ({"work_status": "refused", "why": "x" * 2001}, "why"),
            ({"work_status": "refused", "assigned_to": None}, "non_field_errors"),
            ({}, "non_field_errors"),
            ({"why": "because"}, "non_field_errors"),
            ({"assigned_to": None, "why": "because"}, "why"),
            (["work_status"], "non_field_errors"),
        ],
    )
    def test_what_cannot_be_changed_is_named(self, ana: User, gap: Gap, body: Any, field: str) -> None:
        answer = patch(signed_in(ana), gap, body)
        assert answer.status_code == 400
        assert [error["field"] for error in answer.json()["errors"]] == [field]
        assert not Transition.objects.exists()

    def test_a_body_that_is_no_json_is_400(self, ana: User, gap: Gap) -> None:
        client = signed_in(ana)
        tag = client.get(address(gap))["ETag"]
        answer = client.patch(address(gap), "{", content_type="application/json", headers={"if-match": tag})
        assert (answer.status_code, answer.json()["code"]) == (400, "parse_error")

    def test_those_who_only_read_may_not(self, cy: User, gap: Gap) -> None:
        assert patch(signed_in(cy), gap, {"work_status": Work.OUTREACH}).status_code == 403

    def test_a_form_of_another_site_may_not(self, ana: User, gap: Gap) -> None:
        client = APIClient(enforce_csrf_checks=True)
        client.force_login(ana)
        tag = client.get(address(gap))["ETag"]
        assert patch(client, gap, {"work_status": Work.OUTREACH}, if_match=tag).status_code == 403


class TestHandingOver:
    def test_a_lead_hands_a_gap_to_the_panels_care_manager(self, lea: User, ana: User, gap: Gap) -> None:
        Gap.objects.update(assigned_to=None)
        answer = patch(signed_in(lea), gap, {"assigned_to": "ana"})
        assert (answer.status_code, answer.json()["assigned_to"]) == (200, "ana")
        gap.refresh_from_db()
        assert gap.assigned_to == ana

    def test_a_gap_can_be_nobodys(self, lea: User, gap: Gap) -> None:
        assert patch(signed_in(lea), gap, {"assigned_to": None}).json()["assigned_to"] is None

    def test_a_care_manager_hands_nothing_over(self, ana: User, gap: Gap) -> None:
        assert patch(signed_in(ana), gap, {"assigned_to": None}).status_code == 403

    def test_nobody_gets_a_gap_that_they_cannot_see_or_work(self, lea: User, dee: User, cy: User, gap: Gap) -> None:
        client = signed_in(lea)
        answers = [patch(client, gap, {"assigned_to": name}) for name in ("dee", "cy", "nobody")]
        assert [answer.status_code for answer in answers] == [400, 400, 400]
        assert len({answer.content for answer in answers}) == 1


class TestTheRecord:
    def events(self, **facts: Any) -> list[Event]:
        return list(Event.objects.filter(kind="api", **facts))

    def shown(self, event: Event) -> set[str]:
        return set(Subject.objects.filter(event_id=event.id).values_list("member_pseudonym", flat=True))

    def test_a_list_is_one_event_with_its_members(self, ana: User, gap: Gap) -> None:
        other = make_gap(make_member(care_manager=ana), gap.measure)
        signed_in(ana).get(LIST)
        [event] = self.events()
        assert (event.action, event.actor, event.row_count) == ("api.gaps.listed", "ana", 2)
        assert self.shown(event) == {gap.member.pseudonym, other.member.pseudonym}

    def test_one_gap_its_history_and_a_members_gaps_are_looks_too(self, ana: User, gap: Gap) -> None:
        client = signed_in(ana)
        tag = client.get(address(gap))["ETag"]
        client.get(address(gap), headers={"if-none-match": tag})
        client.get(address(gap, "history/"))
        client.get(f"/api/v1/members/{gap.member.pseudonym}/gaps/")
        found = sorted(self.events(), key=lambda event: event.occurred_at)
        assert [event.action for event in found] == [
            "api.gaps.shown", "api.gaps.shown", "api.gap_history.listed", "api.member_gaps.listed",
        ]  # fmt: skip
        assert all(self.shown(event) == {gap.member.pseudonym} for event in found)

    def test_a_refused_look_is_recorded_as_denied(self, dee: User, gap: Gap) -> None:
        signed_in(dee).get(address(gap))
        [event] = self.events(outcome="denied")
        assert (event.actor, event.object_type, event.object_id) == ("dee", "gaps", str(gap.pk))
        assert self.shown(event) == set()

    def test_a_refused_step_is_recorded_as_denied(self, cy: User, gap: Gap) -> None:
        patch(signed_in(cy), gap, {"work_status": Work.OUTREACH})
        [event] = self.events(outcome="denied")
        assert (event.actor, event.action) == ("cy", "api.gaps.changed")

    def test_a_page_too_high_is_no_denial(self, ana: User, gap: Gap) -> None:
        signed_in(ana).get(f"/api/v1/members/{gap.member.pseudonym}/gaps/", {"page": 9})
        assert self.events(outcome="denied") == []

    def test_a_plan_id_typed_into_an_address_is_not_kept(self, ana: User, quinn: User) -> None:
        for client in (signed_in(ana), signed_in(quinn)):
            client.get("/api/v1/members/W123456789/gaps/")
        assert not Event.objects.filter(route__contains="W123456789").exists()

    def test_a_step_is_the_workflows_event_and_no_second_look(self, ana: User, gap: Gap) -> None:
        client = signed_in(ana)
        tag = client.get(address(gap))["ETag"]
        looks = len(self.events())
        patch(client, gap, {"work_status": Work.OUTREACH}, if_match=tag)
        [event] = Event.objects.filter(action="gap.moved")
        assert ledger.contents(event)["members"] == [gap.member.pseudonym]
        assert len(self.events()) == looks

    def test_without_a_ledger_nothing_is_shown(self, ana: User, gap: Gap) -> None:
        client = signed_in(ana)
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE audit_pending RENAME TO audit_away")
        for path in (LIST, address(gap), address(gap, "history/"), f"{LIST}999999/"):
            answer = client.get(path)
            assert (answer.status_code, answer["Content-Type"]) == (503, "application/problem+json")
            assert gap.member.pseudonym not in answer.content.decode()

    def test_without_a_ledger_nothing_is_changed(self, ana: User, gap: Gap) -> None:
        client = signed_in(ana)
        client.raise_request_exception = False
        tag = client.get(address(gap))["ETag"]
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE audit_pending RENAME TO audit_away")
        answer = patch(client, gap, {"work_status": Work.OUTREACH}, if_match=tag)
        assert answer.status_code == 500
        assert gap.member.pseudonym not in answer.content.decode()
        gap.refresh_from_db()
        assert (gap.work_status, gap.version) == (Work.OPEN, 1)
