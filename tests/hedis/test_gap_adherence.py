"""The days behind an adherence gap: stored by the finding run, shown where a care manager looks, asked for by class."""

from datetime import date, timedelta
from typing import Any

import ibis
import pytest
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from rest_framework.test import APIClient

from hedis.accounts.models import User
from hedis.gaps import finding, labels
from hedis.gaps.models import Adherence, AdherenceClass, FindingRun, Gap, Status, Work
from hedis.measures.definitions import DEFINITIONS
from hedis.members.models import Member
from tests.factories import make_adherence, make_gap, make_measure, make_member

pytestmark = pytest.mark.django_db
AS_OF = date(2026, 10, 31)
WORDS = "Covered 231 of 300 days, 77 %; may miss 12 more days; refill due 2026-11-03; last chance 2026-11-22"
# The statements do not look into the definition: any that is there lends its version.
STATIN = DEFINITIONS["PDC-STA"]

RESULT: dict[str, tuple[str, Any]] = {
    "member": ("string", None), "contract": ("string", None), "star_eligible": ("boolean", True),
    "status": ("string", "prospective-gap"), "reason_code": ("string", "ValueOutOfRange"),
    "reason": ("string", "77 % of days covered"), "evidence_date": ("date", date(2026, 10, 4)),
    "evidence_value": ("string", "77 %"), "evidence_route": ("string", "Part D fills (claim)"),
    "supplemental_only": ("boolean", False), "exclusion": ("string", None), "exclusion_date": ("date", None),
    "closable_until": ("date", date(2026, 12, 31)), "definition_version": ("string", "1"),
    "treatment_start": ("date", date(2026, 1, 5)), "treatment_end": ("date", AS_OF), "treatment_days": ("int64", 300),
    "covered_days": ("int64", 231), "missable_days": ("int64", 12), "refill_due": ("date", date(2026, 11, 3)),
    "last_chance_date": ("date", date(2026, 11, 22)), "adherence_class": ("string", "at_risk"),
}  # fmt: skip


def judged(*members: tuple[Member, dict[str, Any]]) -> ibis.Table:
    """What the engine says of these members, in the columns it says it."""
    plain = {name: value for name, (_, value) in RESULT.items()}
    rows = [{**plain, "member": member.pseudonym, **said} for member, said in members]
    return ibis.memtable(rows, schema=ibis.schema({name: kind for name, (kind, _) in RESULT.items()}))


def store(*members: tuple[Member, dict[str, Any]]) -> dict[str, int]:
    """One measure's part of a finding run."""
    run = FindingRun(year=2026, data_as_of=AS_OF, generation="test", found_by="test")
    return finding.store(STATIN, [judged(*members)], run, finding.Scope())


@pytest.fixture
def statin() -> Any:
    return make_measure("PDC-STA")


def test_the_run_stores_the_days_and_the_last_chance_as_the_day_to_contact_by(statin: Any) -> None:
    store((make_member(), {}))
    gap = Gap.objects.get()
    assert (gap.status, gap.contact_by, gap.closable_until) == (
        Status.PROSPECTIVE, date(2026, 11, 22), date(2026, 12, 31),
    )  # fmt: skip
    days = gap.adherence
    assert (days.covered_days, days.treatment_days, str(days.pdc), days.missable_days) == (231, 300, "77.00", 12)
    assert (days.refill_due, days.last_chance_date) == (date(2026, 11, 3), date(2026, 11, 22))
    assert days.adherence_class == AdherenceClass.AT_RISK


def test_a_goal_out_of_reach_stays_unmet_and_has_no_day_to_contact_by(statin: Any) -> None:
    lost = {"missable_days": -9, "adherence_class": "unsalvageable", "covered_days": 200, "last_chance_date": None}
    store((make_member(), lost))
    gap = Gap.objects.get()
    assert (gap.status, gap.contact_by) == (Status.PROSPECTIVE, None)
    assert labels.too_late_words(gap, AS_OF) == "Too late to count for 2026; still worth doing."


def test_who_is_met_today_keeps_the_days_so_that_the_year_is_not_lost_unseen(statin: Any) -> None:
    met = {"status": "closed-gap", "reason": None, "reason_code": None, "covered_days": 260, "missable_days": 20}
    store((make_member(), met))
    gap = Gap.objects.get()
    assert (gap.status, gap.contact_by, gap.adherence.adherence_class) == (Status.CLOSED, None, "at_risk")


def test_a_second_run_changes_nothing_and_new_days_make_the_gap_new_to_programs(statin: Any) -> None:
    member = make_member()
    store((member, {}))
    before = Gap.objects.values().get(), Adherence.objects.values().get()
    store((member, {}))
    assert (Gap.objects.values().get(), Adherence.objects.values().get()) == before
    store((member, {"missable_days": 11}))
    gap = Gap.objects.get()
    assert gap.adherence.missable_days == 11
    assert (gap.version, gap.changed_at > before[0]["changed_at"]) == (1, True)


def test_who_left_the_measure_or_has_no_fill_any_more_keeps_no_days(statin: Any) -> None:
    stays, gone, reversed_fill = make_member(), make_member(), make_member()
    store((stays, {}), (gone, {}), (reversed_fill, {}))
    none = {name: None for name in finding.ADHERENCE}
    store((stays, {}), (reversed_fill, none))
    assert set(Adherence.objects.values_list("gap__member", flat=True)) == {stays.pk}
    assert Gap.objects.get(member=gone).work_status == Work.GONE
    assert Gap.objects.get(member=gone).contact_by is None


def test_the_number_of_queries_does_not_grow_with_members(statin: Any) -> None:
    asked = []
    for number in (1, 60):
        members: list[tuple[Member, dict[str, Any]]] = [(make_member(), {}) for _ in range(number)]
        with CaptureQueriesContext(connection) as queries:
            store(*members)
        asked.append(len(queries))
    assert asked[0] == asked[1]
    assert Adherence.objects.count() == 60


def test_a_long_result_is_kept_by_its_beginning(statin: Any) -> None:
    store((make_member(), {"evidence_value": "x" * 500}))
    assert Gap.objects.get().evidence_value == "x" * 79 + "…"


@pytest.mark.parametrize(
    "broken",
    [
        {"adherence_class": "so_so"},
        {"covered_days": 301},
        {"treatment_end": date(2025, 12, 31)},
        {"adherence_class": "unsalvageable", "missable_days": 3},
        {"missable_days": -1},
        {"treatment_days": -1, "covered_days": -1},
    ],
)
def test_the_database_refuses_days_that_make_no_sense(statin: Any, broken: dict[str, Any]) -> None:
    gap = make_gap(make_member(), statin)
    with pytest.raises(IntegrityError), transaction.atomic():
        make_adherence(gap, **broken)


# --- in words


def test_the_days_are_said_in_one_line(statin: Any) -> None:
    gap = make_gap(make_member(), statin)
    make_adherence(gap)
    found = labels.cover(gap, AS_OF)
    assert found is not None
    assert (found.words, found.chip.text, found.chip.tone) == (WORDS, "At risk", "warn")


def test_a_goal_missed_by_a_hair_does_not_read_as_met(statin: Any) -> None:
    gap = make_gap(make_member(), statin)
    lost = {"missable_days": -1, "last_chance_date": None, "adherence_class": "unsalvageable"}
    make_adherence(gap, treatment_days=364, covered_days=291, **lost)
    found = labels.cover(gap, AS_OF)
    assert found is not None
    assert found.words == "Covered 291 of 364 days, 79 %; 1 day short of the goal; refill due 2026-11-03"


def test_a_last_chance_that_has_passed_since_is_not_called_one(statin: Any) -> None:
    gap = make_gap(make_member(), statin)
    make_adherence(gap, adherence_class="last_chance")
    on_the_day, after = (labels.cover(gap, date(2026, 11, day)) for day in (22, 23))
    assert on_the_day is not None and on_the_day.chip.text == "Last chance to refill"
    assert after is not None and after.chip.text == "Last chance has passed"
    assert after.chip.title == "Unless a fill came after 2026-09-30."


def test_what_is_on_hand_for_the_year_needs_no_contact_and_is_not_too_late(client: Client, ana: User) -> None:
    gap = make_gap(make_member(care_manager=ana), make_measure("PDC-STA"), contact_by=None)
    make_adherence(gap, adherence_class="locked_in", refill_due=None, last_chance_date=None)
    assert labels.too_late_words(gap, AS_OF) == ""
    assert list(Gap.objects.too_late(AS_OF)) == []
    client.force_login(ana)
    for address in (
        reverse("admin:gaps_gap_change", args=[gap.pk]),
        reverse("admin:members_member_change", args=[gap.member_id]),
        reverse("admin:gaps_gap_changelist"),
        reverse("admin:my_queue"),
    ):
        text = client.get(address, {"year": 2026}).content.decode()
        assert "No contact needed" in text and "Too late to count</span>" not in text


def test_every_class_is_said_in_words_a_care_manager_uses() -> None:
    for value, words in AdherenceClass.choices:
        assert words and "_" not in words and words != value


# --- on the pages


def a_gap(owner: User, statin: Any, **days: Any) -> Gap:
    """A gap whose last chance lies a week ahead, whenever the test runs."""
    soon = timezone.localdate() + timedelta(days=7)
    gap = make_gap(make_member(care_manager=owner), statin, contact_by=soon)
    make_adherence(gap, **{"last_chance_date": soon, **days})
    return gap


def test_gap_page_member_page_and_queue_show_class_and_days(client: Client, ana: User, statin: Any) -> None:
    gap = a_gap(ana, statin)
    said = labels.cover(gap, timezone.localdate())
    assert said is not None and said.words.startswith("Covered 231 of 300 days, 77 %; may miss 12 more days; refill")
    client.force_login(ana)
    for address in (
        reverse("admin:gaps_gap_change", args=[gap.pk]),
        reverse("admin:members_member_change", args=[gap.member_id]),
        reverse("admin:my_queue"),
    ):
        text = client.get(address).content.decode()
        assert all(part in text for part in (*said.parts, "At risk"))


def test_queue_and_list_narrow_to_a_class(client: Client, ana: User, statin: Any) -> None:
    at_risk = a_gap(ana, statin)
    late = a_gap(ana, statin, adherence_class="late_refill")
    make_gap(make_member(care_manager=ana), make_measure("COL"))
    client.force_login(ana)
    rows = client.get(reverse("admin:my_queue"), {"adherence": "late_refill"}).context["rows"]
    assert [row.member for row in rows] == [late.member]
    told = {"adherence": "at_risk", "year": "all"}
    listed = client.get(reverse("admin:gaps_gap_changelist"), told).context["cl"].result_list
    assert [gap.pk for gap in listed] == [at_risk.pk]


def test_who_is_met_today_and_at_risk_is_found_in_the_list(client: Client, ana: User, statin: Any) -> None:
    met = make_gap(make_member(care_manager=ana), statin, status=Status.CLOSED, work_status=Work.CLOSED_CLAIM)
    soon = timezone.localdate() + timedelta(days=7)
    make_adherence(met, covered_days=270, last_chance_date=soon, adherence_class="last_chance")
    client.force_login(ana)
    told = {"adherence": "last_chance", "status": "closed-gap", "year": "all"}
    listed = client.get(reverse("admin:gaps_gap_changelist"), told).context["cl"].result_list
    assert [gap.pk for gap in listed] == [met.pk]
    text = client.get(reverse("admin:members_member_change", args=[met.member_id])).content.decode()
    assert "Last chance to refill" in text


def test_the_home_page_counts_who_is_met_today_and_needs_a_refill_soon(
    client: Client, ana: User, dee: User, statin: Any
) -> None:
    make_gap(make_member(care_manager=ana), make_measure("COL"))
    met = {"status": Status.CLOSED, "work_status": Work.CLOSED_CLAIM}
    for owner, standing in ((ana, "late_refill"), (ana, "at_risk"), (ana, "safe"), (dee, "last_chance")):
        gap = make_gap(make_member(care_manager=owner), statin, **met)
        make_adherence(gap, adherence_class=standing)
    client.force_login(ana)
    answer = client.get(reverse("admin:index"))
    assert answer.context["panels"][0]["slipping"] == 2
    link = f"{reverse('admin:gaps_gap_changelist')}?adherence=slipping&amp;status=closed-gap&amp;year=2026&amp;owner=me"
    assert link in answer.content.decode()
    assert client.get(link.replace("&amp;", "&")).context["cl"].result_count == 2


# --- in the API


def test_the_api_shows_the_days_and_filters_by_class_and_contact_date(ana: User, statin: Any) -> None:
    gap = make_gap(make_member(care_manager=ana), statin, contact_by=date(2026, 12, 31))
    make_adherence(gap)
    other = make_gap(make_member(care_manager=ana), make_measure("COL"), contact_by=date(2026, 11, 30))
    client = APIClient()
    client.force_login(ana)
    detail = client.get(f"/api/v1/gaps/{gap.pk}/").json()
    assert detail["adherence_class"] == "at_risk"
    assert detail["adherence"] == {
        "treatment_start": "2026-01-05", "treatment_end": "2026-10-31", "treatment_days": 300, "covered_days": 231,
        "pdc": "77.00", "missable_days": 12, "refill_due": "2026-11-03", "last_chance_date": "2026-11-22",
        "adherence_class": "at_risk",
    }  # fmt: skip
    assert client.get(f"/api/v1/gaps/{other.pk}/").json()["adherence"] is None

    def found(**query: Any) -> list[int]:
        return [row["id"] for row in client.get("/api/v1/gaps/", query).json()["results"]]

    assert found(adherence_class="at_risk") == [gap.pk]
    assert found(adherence_class=["at_risk", "safe"]) == [gap.pk]
    assert found(contact_by_before="2026-12-01") == [other.pk]
    assert found(contact_by_after="2026-11-30") == [gap.pk]
    assert found(ordering="contact_by") == [other.pk, gap.pk]
    assert client.get("/api/v1/gaps/", {"adherence_class": "so-so"}).status_code == 400


def test_days_that_change_make_an_old_copy_old(ana: User, statin: Any) -> None:
    member = make_member(care_manager=ana)
    store((member, {}))
    client = APIClient()
    client.force_login(ana)
    address = f"/api/v1/gaps/{Gap.objects.get().pk}/"
    tag = client.get(address)["ETag"]
    assert client.get(address, headers={"if-none-match": tag}).status_code == 304
    store((member, {"missable_days": 11}))
    answer = client.get(address, headers={"if-none-match": tag})
    assert (answer.status_code, answer.json()["adherence"]["missable_days"]) == (200, 11)
