"""The pages of plans: having one made, reading it, whom it chose, its files, its campaign; the queue in its order."""

import io
import zipfile
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from audit.models import Event, Subject
from hedis.accounts.models import User
from hedis.gaps import queueing
from hedis.gaps.models import Gap
from interventions import campaigning, deciding, plan_runs
from interventions.deciding import Wish
from interventions.models import Campaign, Plan, PlanRun
from tests.factories import make_contract, make_gap, make_measure, make_member
from tests.interventions.plannable import make_plannable
from tests.interventions.plans import add_item, make_plan

pytestmark = pytest.mark.django_db
NEW = "admin:interventions_plan_new"
FLOORS = {"floors-TOTAL_FORMS": "1", "floors-INITIAL_FORMS": "0"}
WISH: dict[str, Any] = {"contracts": ["H1234"], "year": "2026", "budget": "1500", "objective": "weighted_stars",
                        "confidence_z": "0.0", **FLOORS}  # fmt: skip


def page(plan: Plan, name: str = "change") -> str:
    return reverse(f"admin:interventions_plan_{name}", args=[plan.pk])


class TestANewPlan:
    def test_a_director_asks_for_one_and_reads_it(self, client: Client, quinn: User) -> None:
        make_plannable()
        client.force_login(quinn)
        assert "H1234" in client.get(reverse(NEW)).content.decode()
        answer = client.post(reverse(NEW), WISH)
        run = PlanRun.objects.get()
        assert answer["Location"] == reverse("admin:interventions_planrun_change", args=[run.pk])
        assert client.post(reverse(NEW), WISH)["Location"] == answer["Location"], "a double click asks once"
        assert "Waiting for a worker" in client.get(answer["Location"]).content.decode()
        plan_runs.carry_on(run, by="quinn")
        plan = Plan.objects.get()
        assert page(plan) in client.get(answer["Location"]).content.decode()
        text = client.get(page(plan)).content.decode()
        assert "there is no better one" in text and "check_plan --candidates" in text and "a closure" in text

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            ({"contracts": []}, "required"),
            ({"budget": "-5"}, "greater than or equal to 0"),
            ({"objective": "dollars"}, "dollars need the county figures of H1234"),
            ({"floors-0-group": "lis"}, "needs members, a measure and a number"),
        ],
    )
    def test_what_cannot_be_is_said_on_the_same_form(
        self, client: Client, ben: User, change: dict[str, Any], words: str
    ) -> None:
        make_plannable()
        client.force_login(ben)
        answer = client.post(reverse(NEW), {**WISH, **change})
        assert answer.status_code == 409 and words in answer.content.decode()
        assert not PlanRun.objects.exists()

    def test_a_run_that_failed_leads_back_to_the_form_as_it_was_filled(self, client: Client, ben: User) -> None:
        contract = make_plannable()
        client.force_login(ben)
        floor = {"floors-0-group": "sex.Female", "floors-0-measure": "COL", "floors-0-closures": "900"}
        client.post(reverse(NEW), {**WISH, **floor})
        run = PlanRun.objects.get()
        with pytest.raises(Exception, match="900 closures"):
            plan_runs.carry_on(run, by="ben")
        shown = client.get(reverse("admin:interventions_planrun_change", args=[run.pk])).content.decode()
        assert "900 closures are asked for" in shown and f"?run={run.pk}" in shown
        filled = client.get(reverse(NEW), {"run": run.pk}).content.decode()
        assert 'value="900.0"' in filled and 'value="1500.00"' in filled and contract.number in filled

    def test_a_team_lead_and_an_auditor_only_look(self, client: Client, lea: User, cy: User) -> None:
        for user in (lea, cy):
            client.force_login(user)
            assert client.get(reverse(NEW)).status_code == client.post(reverse(NEW), WISH).status_code == 403
            assert "New plan" not in client.get(reverse("admin:interventions_plan_changelist")).content.decode()


@pytest.fixture
def gaps(ana: User, dee: User) -> list[Gap]:
    """Open COL gaps of two members of Ana's and one of Dee's."""
    contract, measure = make_contract("H1234"), make_measure("COL")
    late = timezone.localdate() + timedelta(days=30)
    return [
        make_gap(make_member(care_manager=one, contract=contract), measure, contract=contract, contact_by=late,
                 year=late.year)
        for one in (ana, ana, dee)
    ]  # fmt: skip


@pytest.fixture
def plan(gaps: list[Gap]) -> Plan:
    """A call for each, the last worth most."""
    return make_plan(*reversed(gaps), year=gaps[0].year)


class TestOnePlan:
    def test_whom_it_chose_is_shown_page_by_page_and_recorded(
        self, client: Client, ben: User, plan: Plan, gaps: list[Gap]
    ) -> None:
        add_item(plan, gaps[0], chosen=False, kind="mailed_kit", reason="It takes $2.00 more than it is worth.")
        client.force_login(ben)
        text = client.get(page(plan, "members")).content.decode()
        assert all(gap.member.label in text for gap in gaps) and "Worth $60.00" in text
        event = Event.objects.get(action="plan.members_listed")
        assert Subject.objects.filter(event_id=event.id).count() == 3
        near = client.get(page(plan, "members"), {"shown": "near"}).content.decode()
        assert "$2.00 more than it is worth" in near and gaps[1].member.label not in near

    def test_its_files_leave_the_house_with_a_ledger_line(self, client: Client, ben: User, lea: User) -> None:
        decided = deciding.decide([make_plannable()], 2026, Wish(Decimal(1500)), today=date(2026, 9, 30), by="ben")
        client.force_login(lea)
        assert client.get(page(decided, "files")).status_code == 403
        client.force_login(ben)
        answer = client.get(page(decided, "files"))
        packed = zipfile.ZipFile(io.BytesIO(b"".join(answer.streaming_content)))  # type: ignore[attr-defined]
        assert {name.split("/")[1] for name in packed.namelist()} == {
            "problem.json", "candidates.parquet", "plan.parquet", "plan.near.parquet", "plan.certificate.json",
        }  # fmt: skip
        event = Event.objects.get(action="plan.exported")
        assert event.row_count == Subject.objects.filter(event_id=event.id).count() > 0

    def test_files_that_are_gone_are_said_to_be(self, client: Client, ben: User, plan: Plan) -> None:
        client.force_login(ben)
        assert "not under the data directory" in client.get(page(plan, "files"), follow=True).content.decode()

    def test_it_becomes_a_campaign_with_one_button_once(self, client: Client, ben: User, plan: Plan) -> None:
        client.force_login(ben)
        facts = {"name": "Autumn", "start_date": "2026-10-05", "end_date": "2026-12-15", "holdout_share": "0.05"}
        wrong = client.post(page(plan, "campaign"), {**facts, "end_date": "2026-01-01"})
        assert wrong.status_code == 409 and "ends before it starts" in wrong.content.decode()
        first, second = (client.post(page(plan, "campaign"), facts) for _ in range(2))
        campaign = Campaign.objects.get()
        address = reverse("admin:interventions_campaign_change", args=[campaign.pk])
        assert first["Location"] == second["Location"] == address
        assert address in client.get(page(plan)).content.decode()

    def test_who_does_not_run_campaigns_makes_none(self, client: Client, quinn: User, plan: Plan) -> None:
        client.force_login(quinn)
        assert "Make a campaign" not in client.get(page(plan)).content.decode()
        assert client.post(page(plan, "campaign"), {}).status_code == 403


def test_the_owners_queue_is_in_plan_order_once_the_campaign_runs(
    client: Client, ana: User, ben: User, quinn: User, plan: Plan, gaps: list[Gap]
) -> None:
    today = timezone.localdate()
    soon = make_gap(
        make_member(care_manager=ana), gaps[0].measure, contract=gaps[0].contract, year=plan.year,
        contact_by=today + timedelta(days=2),
    )  # fmt: skip

    def queue() -> list[int]:
        return [row["member"] for row in queueing.by_member(queueing.in_hands_of("me", seen_by=ana), today)]

    assert queue()[0] == soon.member_id, "by date while nothing is planned"
    campaign, _ = deciding.make_campaign(
        plan, "Autumn", start_date=today, end_date=today + timedelta(days=30), holdout_share=Decimal(0), today=today,
        by=ben,
    )  # fmt: skip
    assert queue()[0] == soon.member_id, "a draft is no work yet"
    approved = campaigning.approve(campaign, why="Good.", by=quinn)
    campaigning.start(approved, why="Ready.", by=ben)
    assert queue() == [gaps[1].member_id, gaps[0].member_id, soon.member_id]
    client.force_login(ana)
    assert "at the plan’s prices" in client.get(reverse("admin:my_queue")).content.decode()
