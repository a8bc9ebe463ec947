"""Whose members a person sees."""

from datetime import date
from typing import Any

import pytest

from hedis.accounts import people
from hedis.accounts.models import User
from hedis.gaps.models import Gap
from hedis.gaps.queueing import ME, by_member, in_hands_of
from hedis.members import panels
from hedis.members.models import Member
from tests.factories import make_gap, make_measure, make_member


@pytest.fixture
def plan(ana: User, dee: User) -> dict[str, Member]:
    """One member on Ana's panel (north), one on Dee's (south), one on nobody's."""
    members = {
        "ana's": make_member(care_manager=ana),
        "dee's": make_member(care_manager=dee),
        "nobody's": make_member(),
    }
    for member in members.values():
        make_gap(member, make_measure("COL"))
    return members


def seen(user: User, plan: dict[str, Member]) -> set[str]:
    """Names of the members this user sees, the same by members as by gaps."""
    by_member = {name for name, member in plan.items() if member in Member.objects.visible_to(user)}
    by_gap = {name for name, member in plan.items() if Gap.objects.visible_to(user).filter(member=member).exists()}
    assert by_member == by_gap
    return by_member


@pytest.mark.parametrize(
    ("username", "expected"),
    [
        ("ana", {"ana's"}),
        ("dee", {"dee's"}),
        ("lea", {"ana's", "nobody's"}),
        ("quinn", {"ana's", "dee's", "nobody's"}),
        ("ben", {"ana's", "dee's", "nobody's"}),
        ("cy", {"ana's", "dee's", "nobody's"}),
    ],
)
def test_each_role_sees_its_own_part_of_the_plan(
    request: Any, plan: dict[str, Member], username: str, expected: set[str]
) -> None:
    assert seen(request.getfixturevalue(username), plan) == expected


def test_a_lead_without_a_team_sees_only_members_nobody_has(plan: dict[str, Member], lea: User, dee: User) -> None:
    User.objects.filter(pk__in=[lea.pk, dee.pk]).update(team="")
    assert seen(User.objects.get(pk=lea.pk), plan) == {"nobody's"}


def test_handing_over_a_panel_moves_sight_of_it_and_is_one_ledger_line(
    plan: dict[str, Member], ana: User, dee: User, lea: User
) -> None:
    assert panels.hand_over(Member.objects.filter(care_manager=ana), to=dee, by=lea) == 1
    assert panels.hand_over(Member.objects.filter(care_manager=dee), to=dee, by=lea) == 0
    assert seen(User.objects.get(pk=ana.pk), plan) == set()
    assert seen(dee, plan) == {"ana's", "dee's"}


def test_a_role_is_exactly_one_group_and_changing_it_is_on_record(ana: User, cy: User) -> None:
    people.grant_role(ana, role="auditor", by=cy)
    again = User.objects.get(pk=ana.pk)
    assert (again.role, list(again.groups.values_list("name", flat=True))) == ("auditor", ["Auditor"])
    with pytest.raises(people.UnknownRole):
        people.grant_role(ana, role="emperor", by=cy)


def test_the_queue_has_one_row_a_member_most_urgent_first(ana: User) -> None:
    col, gsd = make_measure("COL"), make_measure("GSD")
    relaxed, urgent, busy = (make_member(care_manager=ana) for _ in range(3))
    make_gap(relaxed, col)
    make_gap(urgent, col, contact_by=date(2026, 10, 15))
    make_gap(busy, col)
    make_gap(busy, gsd)
    rows = list(by_member(in_hands_of(ME, seen_by=ana), date(2026, 9, 30)))
    assert [row["member"] for row in rows] == [urgent.pk, busy.pk, relaxed.pk]
    assert [row["open_gaps"] for row in rows] == [1, 2, 1]
