"""The member's page and the search that takes a plan's id."""

from datetime import date

import pytest
from django.test import Client
from django.urls import reverse

from audit import ledger
from audit.models import Event, Subject
from hedis.accounts.models import User
from hedis.gaps.models import Status, Work
from hedis.members.models import ContactPreference, Member
from tests.factories import make_contract, make_gap, make_measure, make_member, make_provider

pytestmark = pytest.mark.django_db
PLAN_ID = "H1A-4471-09"
FIND = "admin:members_member_find"


def page(member: Member) -> str:
    return reverse("admin:members_member_change", args=[member.pk])


def test_a_member_page_says_who_why_until_when_and_what_next(client: Client, ana: User) -> None:
    provider = make_provider(name="Dr. Ortiz", practice="Riverside")
    member = make_member(contract=make_contract(), provider=provider, care_manager=ana, low_income_subsidy=True)
    ContactPreference.objects.create(member=member, do_not_call=True)
    make_gap(member, make_measure("COL"), reason="No colonoscopy since 2017.", closable_until=date(2026, 12, 31))
    client.force_login(ana)
    text = client.get(page(member)).content.decode()
    for words in ("Dr. Ortiz", "Riverside", "H1234", "DO NOT CALL", "LIS yes", "No colonoscopy since 2017.",
                  "2026-12-31", "Outreach in progress", "Log step", member.label):  # fmt: skip
        assert words in text
    assert "None" not in text and "True" not in text and "False" not in text


def test_opening_a_member_page_is_one_event_that_names_the_member(client: Client, ana: User) -> None:
    member = make_member(care_manager=ana)
    client.force_login(ana)
    client.get(page(member))
    seen = Event.objects.get(action="member.viewed")
    assert (seen.actor, seen.kind, seen.object_id) == ("ana", "read", str(member.pk))
    assert Subject.objects.get(event_id=seen.id).member_pseudonym == member.pseudonym


def test_a_list_or_queue_records_whom_it_showed(client: Client, ana: User, dee: User) -> None:
    member, other = make_member(care_manager=ana), make_member(care_manager=dee)
    make_gap(member, make_measure("COL"))
    client.force_login(ana)
    for name in ("admin:members_member_changelist", "admin:gaps_gap_changelist", "admin:my_queue", "admin:index"):
        client.get(reverse(name))
    seen = list(Event.objects.about_member(member.pseudonym).order_by("occurred_at").values_list("action", flat=True))
    assert seen == ["member.listed", "gap.listed", "queue.viewed", "queue.viewed"]
    assert not Event.objects.about_member(other.pseudonym).exists()


def test_a_page_that_cannot_be_recorded_is_not_shown(
    client: Client, ana: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    member = make_member(care_manager=ana)
    client.force_login(ana)

    def full(*args: object, **kwargs: object) -> None:
        raise OSError("the ledger is full")

    monkeypatch.setattr(ledger, "record", full)
    with pytest.raises(OSError, match="ledger is full"):
        client.get(page(member))


def test_a_member_of_another_panel_answers_404_and_the_try_is_recorded(client: Client, dee: User, ana: User) -> None:
    member = make_member(care_manager=ana)
    client.force_login(dee)
    assert client.get(page(member)).status_code == 404
    assert client.get(page(Member(pk=999_999))).status_code == 404
    tried = Event.objects.get(action="member.viewed")
    assert (tried.outcome, tried.actor, tried.object_id) == ("denied", "dee", str(member.pk))
    assert not Subject.objects.exists()


def test_a_reversible_measure_met_before_year_end_is_met_today_and_not_green(client: Client, ana: User) -> None:
    member = make_member(care_manager=ana)
    make_gap(member, make_measure("CBP", reversible=True), status=Status.CLOSED, work_status=Work.CLOSED_CLAIM)
    client.force_login(ana)
    text = client.get(page(member)).content.decode()
    assert '<span class="chip chip-info" title="">Met today</span>' in text


def test_only_an_auditor_sees_who_looked(client: Client, ana: User, cy: User) -> None:
    member = make_member(care_manager=ana)
    client.force_login(ana)
    assert "Who looked at or changed" not in client.get(page(member)).content.decode()
    client.force_login(cy)
    text = client.get(page(member)).content.decode()
    assert "Who looked at or changed" in text and "ana" in text


def test_the_search_takes_a_plan_id_in_any_spelling_and_finds_the_member(client: Client, ana: User) -> None:
    member = make_member(PLAN_ID, care_manager=ana)
    client.force_login(ana)
    for typed in (PLAN_ID, "h1a447109", " H1A 4471 09 "):
        assert client.post(reverse(FIND), {"plan_id": typed})["Location"] == page(member)


def test_the_search_takes_a_label_as_it_is_read_aloud(client: Client, ana: User) -> None:
    member = make_member(care_manager=ana)
    client.force_login(ana)
    assert client.post(reverse(FIND), {"plan_id": member.label.upper()})["Location"] == page(member)


@pytest.mark.parametrize("typed", [PLAN_ID, "NOBODY-HAS-THIS", "with\x00nul", "X" * 70])
def test_a_typed_id_is_in_no_address_page_log_or_event(
    typed: str, client: Client, ana: User, caplog: pytest.LogCaptureFixture
) -> None:
    make_member(PLAN_ID, care_manager=ana)
    client.force_login(ana)
    with caplog.at_level("DEBUG"):
        answer = client.post(reverse(FIND), {"plan_id": typed}, follow=True)
    spoken = typed.replace("\x00", "")
    assert spoken not in answer.content.decode()
    assert all(spoken not in address for address, _ in answer.redirect_chain)
    assert spoken not in caplog.text
    for event in Event.objects.all():
        assert spoken.encode() not in bytes(event.payload) + bytes(event.header)


def test_the_search_does_not_tell_whether_another_panel_has_the_id(client: Client, dee: User, ana: User) -> None:
    make_member(PLAN_ID, care_manager=ana)
    client.force_login(dee)
    known = client.post(reverse(FIND), {"plan_id": PLAN_ID}, follow=True)
    unknown = client.post(reverse(FIND), {"plan_id": "NOBODY"}, follow=True)
    words = "No member with this id or label among those you may see."
    assert words in known.content.decode() and words in unknown.content.decode()
    assert not Subject.objects.exists()


def test_the_list_shows_the_own_panel_with_open_gaps_of_the_newest_year(client: Client, ana: User, dee: User) -> None:
    mine, other = make_member(care_manager=ana), make_member(care_manager=dee)
    make_gap(mine, make_measure("COL"))
    make_gap(mine, make_measure("GSD"), status=Status.CLOSED, work_status=Work.CLOSED_CLAIM)
    client.force_login(ana)
    answer = client.get(reverse("admin:members_member_changelist"))
    assert [row.pk for row in answer.context["cl"].result_list] == [mine.pk]
    assert answer.context["cl"].result_list[0].open_gaps == 1
    assert other.label not in answer.content.decode()


@pytest.mark.parametrize(
    ("group", "facts"),
    [("lis", {"low_income_subsidy": True}), ("dual", {"dual_status_code": "02"}),
     ("disabled", {"original_reason_code": "3"}), ("none", {})],
)  # fmt: skip
def test_the_equity_filter_finds_its_group_alone(
    group: str, facts: dict[str, object], client: Client, ben: User
) -> None:
    every: list[dict[str, object]] = [
        {"low_income_subsidy": True}, {"dual_status_code": "02"}, {"original_reason_code": "3"}, {},
    ]  # fmt: skip
    made = {str(one): make_member(**one) for one in every}  # type: ignore[arg-type]
    client.force_login(ben)
    answer = client.get(reverse("admin:members_member_changelist"), {"group": group})
    assert [row.pk for row in answer.context["cl"].result_list] == [made[str(facts)].pk]


def test_a_contact_preference_is_changed_from_the_page_and_recorded(client: Client, ana: User) -> None:
    member = make_member(care_manager=ana)
    client.force_login(ana)
    add = f"{reverse('admin:members_contactpreference_add')}?member={member.pk}"
    answer = client.post(add, {"channel": "mail", "best_times": "", "do_not_call": "on"})
    assert answer["Location"] == page(member)
    assert ContactPreference.objects.get(member=member).do_not_call
    event = Event.objects.get(action="contactpreference.added")
    assert ledger.contents(event)["after"]["channel"] == "mail"
    assert ledger.contents(event)["members"] == [member.pseudonym]


def test_a_contact_preference_of_another_panel_is_out_of_reach(client: Client, ana: User, dee: User) -> None:
    member = make_member(care_manager=ana)
    client.force_login(dee)
    add = f"{reverse('admin:members_contactpreference_add')}?member={member.pk}"
    assert client.post(add, {"channel": "mail"}).status_code == 404
    wish = ContactPreference.objects.create(member=member)
    assert client.get(reverse("admin:members_contactpreference_change", args=[wish.pk])).status_code == 404
