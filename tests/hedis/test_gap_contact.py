"""The last useful contact date: until when a call can still close a gap, and what is said once it has passed."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import ibis
import pytest
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from hedis.accounts.models import User
from hedis.gaps import contacting, labels
from hedis.gaps.models import Gap, Status, Work
from hedis.measures import portfolio
from hedis.measures.portfolio import Calendar, LeadDays
from tests.factories import make_gap, make_measure, make_member

YEAR_END = date(2026, 12, 31)
NO_LOCK = Calendar(None, "made for a test")
TOO_LATE = "Too late to count for 2026"


def contact_by(row: dict[str, Any], lead: LeadDays, calendar: Calendar = NO_LOCK) -> date | None:
    """The date the rule gives one row; an adherence row has last_chance_date and missable_days too."""
    kinds = {"status": "string", "closable_until": "date", "last_chance_date": "date", "missable_days": "int64"}
    complete = {"status": "prospective-gap", "closable_until": YEAR_END, **row}
    table = ibis.memtable([complete], schema=ibis.schema({name: kinds[name] for name in complete}))
    found: date | None = contacting.with_contact_by(table, lead, calendar).contact_by.to_pyarrow()[0].as_py()
    return found


# --- the rule


def test_the_wait_for_an_appointment_and_the_days_to_a_result_are_taken_off() -> None:
    assert contact_by({}, LeadDays(21, 10)) == date(2026, 11, 30)
    assert contact_by({"closable_until": date(2026, 6, 30)}, LeadDays(7, 0)) == date(2026, 6, 23)


def test_evidence_must_also_arrive_before_the_supplemental_lock() -> None:
    early = Calendar(date(2026, 12, 1), "made for a test")
    assert contact_by({}, LeadDays(0, 10), early) == date(2026, 11, 21)
    assert contact_by({}, LeadDays(30, 10), early) == date(2026, 11, 21)
    late = Calendar(date(2027, 3, 1), "made for a test")
    assert contact_by({}, LeadDays(30, 10), late) == date(2026, 11, 21)
    assert contact_by({}, LeadDays(0, 0), late) == YEAR_END


@pytest.mark.parametrize("status", ["closed-gap", "not-applicable"])
def test_where_nothing_is_missing_there_is_no_such_date(status: str) -> None:
    assert contact_by({"status": status}, LeadDays(0, 0)) is None


@pytest.mark.parametrize("status", ["open-gap", "prospective-gap"])
def test_an_open_gap_has_one_as_well_as_a_prospective_one(status: str) -> None:
    assert contact_by({"status": status}, LeadDays(1, 0)) == date(2026, 12, 30)


def test_of_adherence_it_is_the_last_chance_date() -> None:
    last = date(2026, 11, 22)
    assert contact_by({"last_chance_date": last, "missable_days": 12}, LeadDays(0, 0)) == last
    assert contact_by({"last_chance_date": last, "missable_days": 0}, LeadDays(3, 0)) == date(2026, 11, 19)


@pytest.mark.parametrize("lost", [{"last_chance_date": date(2026, 5, 5), "missable_days": -1},
                                  {"last_chance_date": None, "missable_days": 4},
                                  {"last_chance_date": None, "missable_days": None}])  # fmt: skip
def test_adherence_that_can_no_longer_be_reached_has_none(lost: dict[str, Any]) -> None:
    assert contact_by(lost, LeadDays(0, 0)) is None


# --- the plan's lead times and dates


def test_every_measure_of_the_portfolio_has_lead_times_and_every_recent_year_a_lock() -> None:
    measures = [entry.code for entry in portfolio.read() if entry.facts.get("kind") != "lens"]
    leads = {code: portfolio.lead_days(code) for code in measures}
    assert len(leads) == 11
    assert all(lead.appointment >= 0 and lead.result >= 0 for lead in leads.values())
    for year in (2024, 2025, 2026):
        lock = portfolio.calendar(year).supplemental_lock
        assert lock is not None and date(year, 12, 31) < lock < date(year + 1, 6, 15)
    assert portfolio.calendar(2099).supplemental_lock is None


def test_a_measure_without_lead_times_is_told_by_name(tmp_path: Path) -> None:
    text = portfolio.FILE.read_text(encoding="utf-8")
    broken = tmp_path / "portfolio.toml"
    broken.write_text(text.replace("appointment_days = 21\nresult_days = 7\n", "", 1), encoding="utf-8")
    with pytest.raises(portfolio.PortfolioError, match="BCS: appointment_days"):
        portfolio.read(broken)
    with pytest.raises(portfolio.PortfolioError, match="BCS"):
        portfolio.lead_days("BCS", broken)
    with pytest.raises(portfolio.PortfolioError, match="XYZ"):
        portfolio.lead_days("XYZ")


# --- what is stored and said


def a_gap(owner: User, code: str = "COL", **overrides: Any) -> Gap:
    return make_gap(make_member(care_manager=owner), make_measure(code), **overrides)


@pytest.mark.parametrize(
    "broken",
    [
        {"status": Status.CLOSED, "work_status": Work.CLOSED_CLAIM, "contact_by": YEAR_END},
        {"status": Status.NOT_APPLICABLE, "work_status": Work.EXCLUDED, "contact_by": YEAR_END},
        {"closable_until": YEAR_END, "contact_by": YEAR_END + timedelta(days=1)},
    ],
)
def test_the_database_refuses_a_contact_date_that_makes_no_sense(ana: User, broken: dict[str, Any]) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        a_gap(ana, **broken)


def test_what_is_said_once_it_is_too_late(ana: User) -> None:
    gap = a_gap(ana, contact_by=date(2026, 11, 30))
    assert labels.too_late_words(gap, date(2026, 11, 30)) == ""
    assert labels.too_late_words(gap, date(2026, 12, 1)) == f"{TOO_LATE} since 2026-11-30; still worth doing."
    gap.contact_by = None
    assert labels.too_late_words(gap, date(2026, 3, 1)) == f"{TOO_LATE}; still worth doing."
    gap.status = Status.CLOSED
    assert labels.too_late_words(gap, date(2026, 12, 1)) == ""


@pytest.mark.parametrize("as_of", [date(2026, 12, 30), date(2026, 12, 31)])
def test_a_gap_past_its_date_is_still_unmet_but_no_call_closes_it(ana: User, as_of: date) -> None:
    gap = a_gap(ana, status=Status.PROSPECTIVE, contact_by=date(2026, 11, 30))
    assert gap.is_unmet and not labels.can_be_worked(gap, as_of)
    assert labels.can_be_worked(gap, date(2026, 11, 30))


def test_the_pages_say_plainly_that_it_is_too_late(client: Client, ana: User) -> None:
    gap = a_gap(ana, contact_by=timezone.localdate() - timedelta(days=1))
    client.force_login(ana)
    for address in (
        reverse("admin:gaps_gap_change", args=[gap.pk]),
        reverse("admin:members_member_change", args=[gap.member_id]),
    ):
        text = client.get(address).content.decode()
        assert TOO_LATE in text and "still worth doing" in text
        assert "days left" not in text
    assert "Too late to count" in client.get(reverse("admin:gaps_gap_changelist")).content.decode()
    assert "Too late to count" in client.get(reverse("admin:my_queue")).content.decode()


def test_the_pages_show_the_last_known_value_of_an_open_gap(client: Client, ana: User) -> None:
    known = {"evidence_value": "9.4 %", "evidence_date": date(2026, 3, 2), "evidence_route": "HbA1c (lab result)"}
    gap = a_gap(ana, "GSD", **known)
    client.force_login(ana)
    text = client.get(reverse("admin:gaps_gap_change", args=[gap.pk])).content.decode()
    assert "Last known value" in text and "9.4 %" in text and "2026-03-02" in text
    text = client.get(reverse("admin:members_member_change", args=[gap.member_id])).content.decode()
    assert "Last known: <b>9.4 %</b>, HbA1c (lab result) on 2026-03-02" in text


# --- the queue


def queue(client: Client, **filters: Any) -> list[Any]:
    members = [row.member for row in client.get(reverse("admin:my_queue"), filters).context["rows"]]
    return members


def test_the_queue_is_in_the_order_of_the_contact_date_and_what_is_too_late_comes_last(
    client: Client, ana: User
) -> None:
    today = timezone.localdate()
    lost = a_gap(ana, contact_by=None).member
    passed = a_gap(ana, contact_by=today - timedelta(days=20)).member
    last_day = a_gap(ana, contact_by=today).member
    later = a_gap(ana, contact_by=today + timedelta(days=9)).member
    both = a_gap(ana, contact_by=today - timedelta(days=3)).member
    make_gap(both, make_measure("GSD"), contact_by=today + timedelta(days=4))
    client.force_login(ana)
    assert queue(client)[:3] == [last_day, both, later]
    assert set(queue(client)[3:]) == {lost, passed}
    rows = client.get(reverse("admin:my_queue")).context["rows"]
    assert [chip.text for of_gap in rows[1].chips for chip in of_gap] == ["GSD", "COL · too late to count"]
    assert "COL · too late to count" in client.get(reverse("admin:my_queue")).content.decode()


def test_the_queue_narrows_to_a_range_of_contact_dates(client: Client, ana: User) -> None:
    today = timezone.localdate()
    lost = a_gap(ana, contact_by=None).member
    passed = a_gap(ana, contact_by=today - timedelta(days=1)).member
    week = a_gap(ana, contact_by=today + timedelta(days=7)).member
    month = a_gap(ana, contact_by=today + timedelta(days=30)).member
    client.force_login(ana)
    assert queue(client, due="7") == [week]
    assert queue(client, due="30") == [week, month]
    assert set(queue(client, due="late")) == {lost, passed}


def test_the_list_narrows_to_a_range_of_contact_dates(client: Client, ana: User) -> None:
    inside = a_gap(ana, contact_by=date(2026, 11, 30))
    a_gap(ana, contact_by=date(2026, 12, 1))
    a_gap(ana, contact_by=None)
    client.force_login(ana)
    told = {"due_from": "2026-11-30", "due_to": "2026-11-30", "year": "all"}
    rows = client.get(reverse("admin:gaps_gap_changelist"), told).context["cl"].result_list
    assert [gap.pk for gap in rows] == [inside.pk]
