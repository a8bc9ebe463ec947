"""The gap list, the gap's page and the queue: steps, conflicts, bulk, export."""

import csv
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from audit import ledger
from audit.models import Event, Subject
from hedis.accounts.models import User
from hedis.gaps import workflow
from hedis.gaps.models import Gap, Status, Transition, Work
from hedis.lib import csvfile
from tests.factories import make_contract, make_count, make_gap, make_measure, make_member

pytestmark = pytest.mark.django_db
LIST, QUEUE = "admin:gaps_gap_changelist", "admin:my_queue"


def page(gap: Gap) -> str:
    return reverse("admin:gaps_gap_change", args=[gap.pk])


def shown(client: Client, **filters: Any) -> set[int]:
    answer = client.get(reverse(LIST), filters)
    return {gap.pk for gap in answer.context["cl"].result_list}


def a_gap(owner: User, code: str = "COL", **overrides: Any) -> Gap:
    return make_gap(make_member(care_manager=owner), make_measure(code), **overrides)


# --- one step


def test_a_step_from_the_member_page_is_taken_and_leads_back_there(client: Client, ana: User) -> None:
    gap = a_gap(ana)
    client.force_login(ana)
    told = {"to": Work.OUTREACH, "why": "left a voicemail", "version": gap.version, "back": "member"}
    answer = client.post(page(gap), told)
    assert answer["Location"].startswith(reverse("admin:members_member_change", args=[gap.member_id]))
    gap.refresh_from_db()
    assert gap.work_status == Work.OUTREACH
    assert Transition.objects.get(gap=gap).why == "left a voicemail"


def test_who_is_second_is_told_and_loses_nothing_she_typed(client: Client, ana: User) -> None:
    gap = a_gap(ana)
    read = gap.version
    workflow.move(Gap.objects.get(pk=gap.pk), to=Work.APPOINTMENT, why="Tuesday", by=ana)
    client.force_login(ana)
    answer = client.post(page(gap), {"to": Work.OUTREACH, "why": "calls back on Friday", "version": read})
    text = answer.content.decode()
    assert answer.status_code == 409
    assert "changed by somebody else meanwhile" in text and "Appointment made" in text
    assert 'value="calls back on Friday"' in text
    assert f'<option value="{Work.OUTREACH}" selected>' in text
    gap.refresh_from_db()
    assert gap.work_status == Work.APPOINTMENT
    again = client.post(page(gap), {"to": Work.OUTREACH, "why": "calls back on Friday", "version": gap.version})
    assert again.status_code == 302


def test_a_refusal_without_a_reason_is_not_taken(client: Client, ana: User) -> None:
    gap = a_gap(ana)
    client.force_login(ana)
    answer = client.post(page(gap), {"to": Work.REFUSED, "why": " ", "version": gap.version})
    assert answer.status_code == 409 and "needs a reason" in answer.content.decode()
    gap.refresh_from_db()
    assert gap.work_status == Work.OPEN


def test_nobody_closes_a_gap_by_hand(client: Client, ana: User) -> None:
    gap = a_gap(ana)
    client.force_login(ana)
    assert client.post(page(gap), {"to": Work.CLOSED_CLAIM, "why": "", "version": gap.version}).status_code == 409
    gap.refresh_from_db()
    assert gap.work_status == Work.OPEN


def test_who_may_only_look_cannot_take_a_step(client: Client, ana: User, quinn: User) -> None:
    gap = a_gap(ana)
    client.force_login(quinn)
    assert "Log step" not in client.get(page(gap)).content.decode()
    assert client.post(page(gap), {"to": Work.OUTREACH, "version": gap.version}).status_code == 403


def test_a_gap_of_another_panel_answers_404_to_get_and_post(client: Client, ana: User, dee: User) -> None:
    gap = a_gap(ana)
    client.force_login(dee)
    assert client.get(page(gap)).status_code == 404
    assert client.post(page(gap), {"to": Work.OUTREACH, "version": gap.version}).status_code == 404


def test_looking_at_a_gap_is_looking_at_its_member(client: Client, ana: User) -> None:
    gap = a_gap(ana)
    client.force_login(ana)
    client.get(page(gap))
    event = Event.objects.get(action="gap.viewed")
    assert Subject.objects.get(event_id=event.id).member_pseudonym == gap.member.pseudonym


# --- the list


def test_the_list_begins_with_what_is_unmet_and_each_filter_narrows_it(client: Client, ben: User, ana: User) -> None:
    contract = make_contract("H7777")
    make_count(make_measure("COL"), contract)
    soon = timezone.localdate() + timedelta(days=5)
    first = a_gap(ana, contract=contract, closable_until=soon)
    second = a_gap(ana, "GSD", work_status=Work.OUTREACH, assigned_to=None)
    closed = a_gap(ana, "GSD", status=Status.CLOSED, work_status=Work.CLOSED_CLAIM, contract=contract)
    older = a_gap(ana, year=2025)
    client.force_login(ben)
    assert shown(client) == {first.pk, second.pk}
    assert shown(client, status="all") == {first.pk, second.pk, closed.pk}
    assert shown(client, status="denominator", contract="H7777") == {first.pk, closed.pk}
    assert shown(client, year="all") == {first.pk, second.pk, older.pk}
    assert shown(client, measure="GSD") == {second.pk}
    assert shown(client, contract="none") == {second.pk}
    assert shown(client, work=Work.OUTREACH) == {second.pk}
    assert shown(client, owner="nobody") == {second.pk}
    assert shown(client, owner=ana.pk) == {first.pk}
    assert shown(client, due_from=soon.isoformat(), due_to=soon.isoformat()) == {first.pk}
    assert shown(client, q=first.member.label) == {first.pk}
    assert shown(client, q="not hexadecimal") == set()


def test_every_number_of_the_rates_page_leads_to_exactly_its_members(client: Client, quinn: User, ana: User) -> None:
    contract, measure = make_contract(), make_measure("COL")
    for index, status in enumerate([Status.OPEN, Status.PROSPECTIVE, Status.CLOSED, Status.NOT_APPLICABLE]):
        excluded = {"exclusion": "Hospice"} if status == Status.NOT_APPLICABLE else {}
        for _ in range(index + 1):
            make_gap(make_member(), measure, contract=contract, status=status, **excluded)
    make_gap(make_member(), measure, contract=make_contract("H2222"))
    make_count(measure, contract, eligible=10, excluded=4, denominator=6, numerator=3)
    client.force_login(quinn)
    row = client.get(reverse("admin:measure_rates")).context["rows"][0]
    for figure, expected in {"open": 3, "numerator": 3, "denominator": 6, "excluded": 4}.items():
        assert getattr(row.count, figure) == expected
        assert client.get(row.links[figure]).context["cl"].result_count == expected


def test_a_steward_sees_rates_without_a_way_to_members(client: Client) -> None:
    from hedis.accounts import roles
    from tests.conftest import person

    make_count(make_measure("COL"), make_contract())
    client.force_login(person("stew", roles.MODEL_STEWARD))
    answer = client.get(reverse("admin:measure_rates"))
    assert answer.context["rows"][0].links == {}
    assert "/admin/gaps/gap/" not in answer.content.decode()


def test_rates_as_csv_carry_their_date_and_version_and_are_recorded(client: Client, quinn: User) -> None:
    make_count(make_measure("COL"), make_contract())
    client.force_login(quinn)
    answer = client.get(reverse("admin:measure_rates"), {"format": "csv"})
    line = next(csv.DictReader(StringIO(b"".join(answer).decode())))
    assert (line["rate"], line["data_as_of"], line["definition_version"]) == ("66.6667", "2026-09-30", "1")
    assert Event.objects.get(action="rates.exported").row_count == 1


# --- many at once


def test_a_bulk_step_tells_which_gaps_could_not_take_it(client: Client, ana: User) -> None:
    good, stuck = a_gap(ana), a_gap(ana, "GSD", work_status=Work.PENDING)
    client.force_login(ana)
    chosen = {"action": "move_selected", "_selected_action": [good.pk, stuck.pk]}
    asked = client.post(reverse(LIST), chosen)
    assert asked.status_code == 200 and "Move 2 gaps" in asked.content.decode()
    done = client.post(reverse(LIST), {**chosen, "apply": "1", "to": Work.APPOINTMENT, "why": "fair"}, follow=True)
    text = done.content.decode()
    assert "1 gap now “Appointment made”" in text
    assert f"GSD of member {stuck.member.label} stays as it was" in text
    good.refresh_from_db()
    stuck.refresh_from_db()
    assert (good.work_status, stuck.work_status) == (Work.APPOINTMENT, Work.PENDING)


def test_a_bulk_step_reaches_no_gap_of_another_panel(client: Client, ana: User, dee: User) -> None:
    foreign = a_gap(ana)
    client.force_login(dee)
    told = {"action": "move_selected", "_selected_action": [foreign.pk], "apply": "1", "to": Work.OUTREACH, "why": ""}
    client.post(reverse(LIST), told)
    foreign.refresh_from_db()
    assert foreign.work_status == Work.OPEN


def test_only_a_lead_hands_gaps_over_and_only_within_the_team(client: Client, ana: User, lea: User, dee: User) -> None:
    gap = a_gap(lea, assigned_to=None)
    told = {"action": "hand_selected", "_selected_action": [gap.pk], "apply": "1"}
    client.force_login(lea)
    client.post(reverse(LIST), {**told, "person": dee.pk})
    gap.refresh_from_db()
    assert gap.assigned_to is None
    client.post(reverse(LIST), {**told, "person": ana.pk})
    gap.refresh_from_db()
    assert gap.assigned_to == ana
    client.force_login(ana)
    gap.member.care_manager = ana
    gap.member.save()
    client.post(reverse(LIST), {**told, "person": ""})
    gap.refresh_from_db()
    assert gap.assigned_to == ana


def test_an_export_is_recorded_with_its_rows_and_members_before_it_leaves(client: Client, ben: User, ana: User) -> None:
    gap, other = a_gap(ana, reason="=HYPERLINK(1)"), a_gap(ana, "GSD")
    client.force_login(ben)
    link = f"{reverse('admin:gaps_gap_export')}?measure=COL"
    assert f'href="{link}"' in client.get(reverse(LIST), {"measure": "COL"}).content.decode()
    answer = client.get(link)
    event = Event.objects.get(action="gaps.exported")
    assert (event.kind, event.row_count) == ("export", 1)
    assert ledger.contents(event)["members"] == [gap.member.pseudonym]
    assert ledger.contents(event)["after"]["filters"] == {"measure": "COL"}
    lines = list(csv.DictReader(StringIO(b"".join(answer).decode())))
    assert [line["member"] for line in lines] == [gap.member.pseudonym]
    assert lines[0]["reason"] == "'=HYPERLINK(1)"
    assert other.member.pseudonym not in str(lines)


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx"])
def test_text_that_a_spreadsheet_would_run_is_defused(text: str) -> None:
    assert csvfile.safe_cell(text) == f"'{text}"
    assert csvfile.safe_cell("plain") == "plain"
    assert csvfile.safe_cell(-1) == -1


# --- the queue


def queue_rows(client: Client, **filters: Any) -> list[Any]:
    rows: list[Any] = client.get(reverse(QUEUE), filters).context["rows"]
    return rows


def test_the_queue_has_one_row_a_member_and_the_most_urgent_first(client: Client, ana: User) -> None:
    today = timezone.localdate()
    late = make_member(care_manager=ana)
    soon = make_member(care_manager=ana)
    for code in ("COL", "GSD"):
        make_gap(late, make_measure(code), closable_until=today + timedelta(days=40))
    make_gap(soon, make_measure("COL"), closable_until=today + timedelta(days=3))
    client.force_login(ana)
    rows = queue_rows(client)
    assert [row.member for row in rows] == [soon, late]
    assert [row.closable for row in rows] == [1, 2]
    text = client.get(reverse(QUEUE)).content.decode()
    assert "one call closes 2" in text and "3 days left" in text


def test_the_queue_shows_what_is_in_the_own_hands_and_still_missing(client: Client, ana: User, dee: User) -> None:
    mine = a_gap(ana)
    a_gap(ana, status=Status.CLOSED, work_status=Work.CLOSED_CLAIM)
    a_gap(ana, assigned_to=dee)
    a_gap(dee)
    client.force_login(ana)
    assert [row.member for row in queue_rows(client)] == [mine.member]
    assert [row.member for row in queue_rows(client, owner=dee.pk)] == [mine.member]


def test_the_queue_filters_narrow_and_a_bad_one_says_so(client: Client, ana: User) -> None:
    today = timezone.localdate()
    col = a_gap(ana, closable_until=today + timedelta(days=5))
    gsd = a_gap(ana, "GSD", work_status=Work.OUTREACH, closable_until=today + timedelta(days=50))
    gsd.member.language = "Spanish"
    gsd.member.save()
    client.force_login(ana)
    assert [row.member for row in queue_rows(client, measure="GSD")] == [gsd.member]
    assert [row.member for row in queue_rows(client, work=Work.OUTREACH)] == [gsd.member]
    assert [row.member for row in queue_rows(client, due="14")] == [col.member]
    assert [row.member for row in queue_rows(client, language="Spanish")] == [gsd.member]
    assert [row.member for row in queue_rows(client, member=col.member.label)] == [col.member]
    assert "0–9 and a–f" in client.get(reverse(QUEUE), {"member": "Smith"}).content.decode()


def test_a_step_from_the_queue_moves_the_gaps_of_the_ticked_members(client: Client, ana: User) -> None:
    ticked, left = a_gap(ana), a_gap(ana)
    client.force_login(ana)
    told = {"do": "step", "members": [ticked.member_id], "to": Work.OUTREACH, "why": "mail went out"}
    text = client.post(reverse(QUEUE), told, follow=True).content.decode()
    assert "1 gap now “Outreach in progress”" in text
    ticked.refresh_from_db()
    left.refresh_from_db()
    assert (ticked.work_status, left.work_status) == (Work.OUTREACH, Work.OPEN)


def test_more_than_fifty_gaps_are_asked_about_first(client: Client, ana: User) -> None:
    member = make_member(care_manager=ana)
    for number in range(51):
        make_gap(member, make_measure(f"M{number}"))
    client.force_login(ana)
    told = {"do": "step", "members": [member.pk], "to": Work.OUTREACH, "why": ""}
    asked = client.post(reverse(QUEUE), told)
    assert asked.status_code == 200 and "Change 51 gaps?" in asked.content.decode()
    assert not Gap.objects.filter(work_status=Work.OUTREACH).exists()
    client.post(reverse(QUEUE), {**told, "confirmed": "1"})
    assert Gap.objects.filter(work_status=Work.OUTREACH).count() == 51


def test_a_lead_looks_into_the_queues_of_the_team_and_hands_over(
    client: Client, lea: User, ana: User, dee: User
) -> None:
    held, free = a_gap(ana), make_gap(make_member(), make_measure("GSD"), assigned_to=None)
    a_gap(dee)
    client.force_login(lea)
    assert {row.member for row in queue_rows(client)} == {held.member, free.member}
    assert [row.owners for row in queue_rows(client, owner=ana.pk)] == [["ana"]]
    assert [row.member for row in queue_rows(client, owner="nobody")] == [free.member]
    client.post(reverse(QUEUE), {"do": "hand", "members": [free.member_id], "person": ana.pk})
    free.refresh_from_db()
    assert free.assigned_to == ana


def test_a_care_manager_cannot_hand_over(client: Client, ana: User) -> None:
    gap = a_gap(ana)
    client.force_login(ana)
    assert client.post(reverse(QUEUE), {"do": "hand", "members": [gap.member_id], "person": ""}).status_code == 403


def test_the_home_page_counts_what_the_queue_shows(client: Client, ana: User) -> None:
    today = timezone.localdate()
    member = make_member(care_manager=ana)
    make_gap(member, make_measure("COL"), closable_until=today + timedelta(days=10))
    make_gap(member, make_measure("GSD"), closable_until=today + timedelta(days=20), work_status=Work.REOPENED)
    client.force_login(ana)
    panel = client.get(reverse("admin:index")).context["panels"][0]
    assert panel["counts"] == {"members": 1, "gaps": 2, "due_14": 1, "due_30": 2, "reopened": 1, "nobody": 0}


def test_more_gaps_than_one_step_can_take_are_refused_before_anything_is_asked(
    client: Client, ana: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hedis.gaps import handing

    monkeypatch.setattr(handing, "MOST", 1)
    gaps = [a_gap(ana), a_gap(ana)]
    client.force_login(ana)
    told = {"action": "move_selected", "_selected_action": [gap.pk for gap in gaps], "apply": "1", "to": Work.OUTREACH}
    assert "at most 1 gaps" in client.post(reverse(LIST), told, follow=True).content.decode()
    assert not Gap.objects.filter(work_status=Work.OUTREACH).exists()
