"""Plans through HTTP: asked for, watched, read, made a campaign; and whom to act on first."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob
from rest_framework.test import APIClient

from audit.models import Event, Subject
from hedis.accounts.models import User
from hedis.gaps.models import Gap
from hedis.lib import runs
from hedis.members.models import ContactPreference
from interventions import campaigning, deciding, outreach, plan_runs
from interventions.models import Campaign, Intervention, Plan, PlanItem, PlanRun
from interventions.problem import ProblemError
from tests.factories import make_contract, make_gap, make_measure, make_member
from tests.interventions.plannable import make_plannable
from tests.interventions.plans import CLOSED, add_item, make_plan

pytestmark = pytest.mark.django_db
OPTIMISE, PLANS, FIRST = "/api/v1/portfolio/optimize/", "/api/v1/plans/", "/api/v1/portfolio/priority-list/"
WISH: dict[str, Any] = {"contracts": ["H1234"], "year": 2026, "budget": 1500}


def signed_in(user: User) -> APIClient:
    client = APIClient()
    client.force_login(user)
    return client


def fields(answer: Any) -> list[str]:
    return [error["field"] for error in answer.json()["errors"]]


class TestAskingForAPlan:
    def test_it_is_answered_at_once_and_decided_by_a_worker(self, quinn: User) -> None:
        make_plannable()
        client = signed_in(quinn)
        answer = client.post(OPTIMISE, WISH, format="json")
        assert (answer.status_code, answer.json()["state"], answer.json()["plan"]) == (202, "queued", None)
        assert answer.json()["waiting_for_worker"] is True
        job = ProcrastinateJob.objects.get()
        assert (job.task_name, job.args) == (plan_runs.TASK, {"run": answer.json()["id"]})
        plan_runs.carry_on(PlanRun.objects.get(), by="quinn")
        shown = client.get(answer["Location"]).json()
        plan = Plan.objects.get()
        assert (shown["state"], shown["plan"], shown["done"]) == ("done", plan.pk, shown["total"])
        told = client.get(f"{PLANS}{plan.pk}/").json()
        assert told["contracts"] == ["H1234"] and told["gap"] == 0 and told["digest"] == plan.digest
        assert told["stars"]["COL"]["after"] >= told["stars"]["COL"]["before"] and told["price_of_equity"] is None

    def test_asked_twice_there_is_one_run_until_it_is_decided(self, ben: User) -> None:
        make_plannable()
        client = signed_in(ben)
        first, second = (client.post(OPTIMISE, WISH, format="json").json()["id"] for _ in range(2))
        assert first == second and PlanRun.objects.count() == ProcrastinateJob.objects.count() == 1
        key = {"Idempotency-Key": "c1a2"}
        again = [client.post(OPTIMISE, {**WISH, "budget": 9}, format="json", headers=key) for _ in range(2)]
        assert again[0].json() == again[1].json() and again[1]["Idempotency-Replayed"] == "true"

    def test_a_floor_that_cannot_be_reached_fails_the_run_in_words_and_stores_no_plan(self, ben: User) -> None:
        make_plannable()
        floor = {"group": "sex.Female", "measure": "COL", "closures": 900}
        client = signed_in(ben)
        address = client.post(OPTIMISE, {**WISH, "floors": [floor]}, format="json")["Location"]
        with pytest.raises(ProblemError):
            plan_runs.carry_on(PlanRun.objects.get(), by="ben")
        shown = client.get(address).json()
        assert shown["state"] == "failed" and "900 closures are asked for" in shown["error"]
        assert not Plan.objects.exists()

    def test_a_run_that_was_cut_off_after_storing_stores_no_second_plan(self, ben: User) -> None:
        contract = make_plannable()
        run = plan_runs.start([contract], 2026, deciding.Wish(Decimal(1500)), by=ben)
        assert runs.begin(run, total=4)
        PlanRun.objects.filter(pk=run.pk).update(plan=make_plan())
        plan_runs.carry_on(PlanRun.objects.get(), by="ben")
        assert Plan.objects.count() == 1 and PlanRun.objects.get().state == "done"

    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"contracts": []}, "contracts"),
            ({"contracts": ["H9999"]}, "contracts"),
            ({"budget": -1}, "budget"),
            ({"objective": "fame"}, "objective"),
            ({"objective": "dollars"}, "objective"),
            ({"confidence_z": "nan"}, "confidence_z"),
            ({"capacities": {"owl": 3}}, "capacities"),
            ({"floors": [{"group": "rich", "measure": "COL", "closures": 1}]}, "floors"),
            ({"seed": 3}, "seed"),
        ],
    )
    def test_what_cannot_be_is_refused_and_named(self, ben: User, change: dict[str, Any], field: str) -> None:
        make_contract("H1234")
        answer = signed_in(ben).post(OPTIMISE, {**WISH, **change}, format="json")
        assert answer.status_code == 400 and field in fields(answer)
        assert not PlanRun.objects.exists()


@pytest.fixture
def gaps(ana: User, dee: User) -> list[Gap]:
    """Open COL gaps of two members of Ana's and one of Dee's."""
    contract, measure = make_contract("H1234"), make_measure("COL")
    late = timezone.localdate() + timedelta(days=30)
    return [
        make_gap(
            make_member(care_manager=manager, contract=contract), measure, contract=contract, contact_by=late,
            year=late.year,
        )
        for manager in (ana, ana, dee)
    ]  # fmt: skip


@pytest.fixture
def plan(gaps: list[Gap]) -> Plan:
    """A call for each, the first worth most."""
    return make_plan(*gaps, year=gaps[0].year)


class TestPlans:
    def test_the_list_is_narrowed_by_contract_year_and_campaign(self, ben: User, plan: Plan) -> None:
        other = make_plan(
            make_gap(make_member(), make_measure("COL"), contract=make_contract("H2222"), year=2025), year=2025
        )
        client = signed_in(ben)

        def found(**query: Any) -> list[int]:
            return [row["id"] for row in client.get(PLANS, query).json()["results"]]

        assert found() == [other.pk, plan.pk]
        assert found(contract="H1234") == found(year=plan.year) == [plan.pk]
        assert found(has_campaign="true") == [] and client.get(PLANS, {"colour": "red"}).status_code == 400

    def test_items_are_those_of_the_callers_members_and_every_look_is_recorded(
        self, ana: User, ben: User, plan: Plan, gaps: list[Gap]
    ) -> None:
        add_item(plan, gaps[1], chosen=False, kind="mailed_kit", worth=1.0)
        path = f"{PLANS}{plan.pk}/items/"
        mine = signed_in(ana).get(path)
        assert [row["member"] for row in mine.json()["results"]] == [gap.member.pseudonym for gap in gaps[:2]]
        event = Event.objects.get(request_id=mine["X-Request-ID"])
        assert Subject.objects.filter(event_id=event.id).count() == 2
        client = signed_in(ben)
        assert client.get(path).json()["count"] == 3
        assert [row["kind"] for row in client.get(path, {"chosen": "false"}).json()["results"]] == ["mailed_kit"]
        assert client.get(path, {"measure": "GSD"}).status_code == 400, "there is no such measure"
        make_measure("GSD")
        assert client.get(path, {"measure": "GSD"}).json()["count"] == 0
        assert client.get(f"{PLANS}abc/items/").status_code == 404

    def test_it_becomes_a_campaign_once(self, ben: User, plan: Plan) -> None:
        client = signed_in(ben)
        body = {"name": "Autumn", "start_date": "2026-10-05", "end_date": "2026-12-15"}
        made = client.post(f"{PLANS}{plan.pk}/campaign/", body, format="json")
        campaign = Campaign.objects.get()
        assert (made.status_code, made["Location"]) == (201, f"/api/v1/campaigns/{campaign.pk}/")
        assert made.json() == {"campaign": campaign.pk, "planned": 3, "left_out": {}}
        again = client.post(f"{PLANS}{plan.pk}/campaign/", {**body, "name": "Other"}, format="json")
        assert (again.status_code, again.json()["code"]) == (409, "already_a_campaign")
        wrong = client.post(f"{PLANS}{plan.pk}/campaign/", {**body, "end_date": "2026-01-01"}, format="json")
        assert wrong.status_code in (400, 409) and Campaign.objects.count() == 1


class TestWhomToActOnFirst:
    def shown(self, user: User, **query: Any) -> list[str]:
        return [row["member"] for row in signed_in(user).get(FIRST, query).json()["results"]]

    def test_it_is_in_price_order_within_the_callers_scope(
        self, ana: User, quinn: User, plan: Plan, gaps: list[Gap]
    ) -> None:
        names = [gap.member.pseudonym for gap in gaps]
        assert self.shown(quinn) == names and self.shown(ana) == names[:2]
        row = signed_in(ana).get(FIRST).json()["results"][0]
        assert (row["measures"], row["owner"], row["plan"]) == (["COL"], "ana", plan.pk)
        assert row["contact_by"] == gaps[0].contact_by.isoformat() and row["reason"].startswith("Worth $60.00")
        assert self.shown(quinn, owner="dee") == names[2:] and self.shown(quinn, kind="mailed_kit") == []
        assert self.shown(quinn, measure="COL", contract="H1234", year=plan.year) == names

    def test_who_needs_no_contact_any_more_is_not_on_it(
        self, quinn: User, ben: User, plan: Plan, gaps: list[Gap]
    ) -> None:
        first, second, third = gaps
        Gap.objects.filter(pk=first.pk).update(**CLOSED)
        ContactPreference.objects.create(member=second.member, do_not_call=True)
        assert self.shown(quinn) == [third.member.pseudonym]
        Gap.objects.filter(pk=third.pk).update(contact_by=timezone.localdate() - timedelta(days=1))
        assert self.shown(quinn) == []

    def test_who_was_contacted_or_is_held_out_is_not_on_it(
        self, ben: User, quinn: User, plan: Plan, gaps: list[Gap]
    ) -> None:
        today = timezone.localdate()
        campaign, _ = deciding.make_campaign(
            plan, "Autumn", start_date=today, end_date=today + timedelta(days=30), holdout_share=Decimal(0),
            today=today, by=ben,
        )  # fmt: skip
        approved = campaigning.approve(campaign, why="Good.", by=quinn)
        campaigning.start(approved, why="Ready.", by=ben)
        called, held, left = (Intervention.objects.get(member=gap.member) for gap in gaps)
        assert self.shown(quinn) == [gap.member.pseudonym for gap in gaps]
        outreach.log_attempt(called, channel="phone", disposition="voicemail", by=ben)
        Intervention.objects.filter(pk=held.pk).update(held_out=True)
        assert self.shown(quinn) == [left.member.pseudonym]

    def test_the_newest_plan_of_a_contract_counts(self, quinn: User, plan: Plan, gaps: list[Gap]) -> None:
        make_plan(gaps[2], year=plan.year)
        assert self.shown(quinn) == [gaps[2].member.pseudonym]

    def test_it_asks_as_often_with_many_rows_as_with_few(self, quinn: User, plan: Plan, gaps: list[Gap]) -> None:
        asked = []
        for number in (1, 12):
            for _ in range(number):
                gap = make_gap(
                    make_member(), gaps[0].measure, contract=gaps[0].contract, year=plan.year,
                    contact_by=gaps[0].contact_by,
                )  # fmt: skip
                add_item(plan, gap)
            client = signed_in(quinn)
            with CaptureQueriesContext(connection) as queries:
                assert client.get(FIRST).status_code == 200
            asked.append(len(queries))
        assert asked[0] == asked[1] <= 18 and PlanItem.objects.count() == 16
