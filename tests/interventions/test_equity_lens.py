"""The equity lens over stored gaps: strata, practices, outreach, what is withheld, and the page that shows it."""

import csv
import io
from datetime import date
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from audit.models import Event
from hedis.accounts import roles
from hedis.accounts.models import User
from hedis.gaps.models import Gap, Status
from hedis.members.models import Attribution, Contract, Member, Provider
from interventions import equity_lens
from interventions.equity_lens import MeasureStrata
from interventions.models import Attempt
from tests.conftest import person
from tests.factories import make_contract, make_count, make_gap, make_measure, make_member, make_provider
from tests.interventions.plans import make_intervention

pytestmark = pytest.mark.django_db
MET: dict[str, Any] = {"status": Status.CLOSED, "reason": "", "contact_by": None}


@pytest.fixture
def contract() -> Contract:
    """H1234, in whose Star year COL was counted."""
    contract = make_contract()
    make_count(make_measure("COL"), contract)
    return contract


def gaps(contract: Contract, met: int, unmet: int, provider: Provider | None = None, **facts: Any) -> list[Gap]:
    """COL of so many members alike; the unmet gaps come back."""
    attributed: dict[str, Any] = {"provider": provider} if provider else {}
    members = [make_member(**attributed, **facts) for _ in range(met + unmet)]
    return [
        make_gap(member, make_measure("COL"), contract=contract, **(MET if number < met else {}))
        for number, member in enumerate(members)
    ][met:]


def lens(by: str, **narrowed: Any) -> MeasureStrata:
    (found,) = equity_lens.read(by, 2026, **narrowed)
    return found


def counts(found: MeasureStrata) -> dict[str, tuple[int | None, int | None]]:
    return {row.level: (row.numerator, row.denominator) for row in found.found.rows}


def test_strata_stand_against_the_reference_with_gap_ratio_and_closures(contract: Contract) -> None:
    gaps(contract, 15, 15, low_income_subsidy=True)
    gaps(contract, 30, 20, low_income_subsidy=False)
    found = lens("lis")
    assert counts(found) == {"With": (15, 30), "Without": (30, 50)}
    assert found.found.reference == "Without"
    row = next(row for row in found.found.rows if row.level == "With")
    assert row.gap is not None and row.rate is not None
    # 50 % against 60 %: three more of 30 make 18 of 30.
    assert (round(row.rate.value, 3), round(row.gap.value, 3), row.closures) == (0.5, -0.1, 3)
    assert row.ratio == pytest.approx(5 / 6)


def test_a_small_cell_is_withheld_and_so_is_what_would_give_it_away(contract: Contract) -> None:
    gaps(contract, 15, 10, low_income_subsidy=True)
    gaps(contract, 30, 20, low_income_subsidy=False)
    found = lens("lis")
    assert counts(found) == {"With": (None, None), "Without": (None, None)}
    assert all(row.withheld for row in found.found.rows)


@pytest.mark.parametrize(
    ("by", "facts", "levels"),
    [
        ("dual", [{"dual_status_code": code} for code in ("02", "8", "NA", "09", "99", "")],
         {"Dual": 24, "Not dual": 24, "": 24}),
        ("disability", [{"original_reason_code": code} for code in ("1", "3", "0", "2", "")],
         {"Disabled": 24, "Not disabled": 24, "": 12}),
        ("sex", [{"sex": sex} for sex in Member.Sex.values], {"Female": 12, "Male": 12, "": 12}),
        ("age", [{"birth_year": 2026 - age} for age in (40, 64, 65, 74, 75, 84, 85, 99)],
         {"Under 65": 24, "65–74": 24, "75–84": 24, "85 and over": 24}),
        ("language", [{"language": one} for one in ("English", "Spanish", "")], {"English": 12, "Spanish": 12, "": 12}),
    ],
    ids=["dual", "disability", "sex", "age", "language"],
)  # fmt: skip
def test_each_member_is_in_the_stratum_of_the_characteristic(
    contract: Contract, by: str, facts: list[dict[str, Any]], levels: dict[str, int]
) -> None:
    for each in facts:
        gaps(contract, 0, 12, **each)
    found = {level: denominator for level, (_, denominator) in counts(lens(by)).items()}
    assert list(found.items()) == list(levels.items()), "in order, the youngest first and what is not known last"


def test_the_largest_known_stratum_is_the_reference_where_none_is_named(contract: Contract) -> None:
    gaps(contract, 0, 12, language="English")
    gaps(contract, 0, 13, language="Spanish")
    gaps(contract, 0, 30, language="")
    found = lens("language").found
    assert found.reference == "Spanish"
    assert found.missing == pytest.approx(30 / 55)


def test_who_does_not_count_in_the_star_measure_is_in_no_stratum(contract: Contract) -> None:
    left = gaps(contract, 11, 14, low_income_subsidy=True)
    Gap.objects.filter(pk=left[0].pk).update(star_eligible=False)
    Gap.objects.filter(pk=left[1].pk).update(
        status=Status.NOT_APPLICABLE, exclusion="Hospice", contact_by=None
    )  # fmt: skip
    Gap.objects.filter(pk=left[2].pk).update(contract=None)
    assert counts(lens("lis")) == {"With": (11, 22)}


def test_the_gap_is_split_within_and_between_the_practices_members_go_to_now(contract: Contract) -> None:
    elm, oak = make_provider(practice="Elm"), make_provider(practice="Oak")
    # Both groups fare alike in each practice; those with a subsidy go to the worse one.
    gaps(contract, 12, 12, elm, low_income_subsidy=True)
    gaps(contract, 12, 12, elm, low_income_subsidy=False)
    gaps(contract, 30, 10, oak, low_income_subsidy=False)
    before = gaps(contract, 0, 0, oak)
    assert before == []
    moved = Member.objects.filter(low_income_subsidy=True).first()
    assert moved is not None
    Attribution.objects.filter(member=moved).update(end_date=date(2026, 3, 1))
    Attribution.objects.create(member=moved, provider=make_provider(practice="Elm"), start_date=date(2026, 3, 2))
    found = lens("lis")
    split = found.splits["With"]
    assert counts(found)["With"] == (12, 24), "who changed practice is counted once"
    assert split is not None and split.within == 0
    assert float(split.between) == pytest.approx(12 / 24 - 42 / 64)


def test_outreach_is_told_from_need_to_closure(contract: Contract, ana: User) -> None:
    members = gaps(contract, 11, 59, low_income_subsidy=True)
    told = [make_intervention(gap, by=ana) for gap in members[:36]]
    for number, row in enumerate(told[:24]):
        disposition = "reached_agreed" if number < 12 else "voicemail"
        Attempt.objects.create(
            intervention=row, at=timezone.now(), channel="phone", disposition=disposition, by="ana"
        )  # fmt: skip
    found = lens("lis").outreach["With"]
    # 59 in need, 24 offered: an intervention that is only planned is not.
    assert (found.in_need, found.withheld) == (59, "")
    assert found.offered is not None and found.offered.value == pytest.approx(24 / 59)
    assert found.reached is not None and found.reached.value == pytest.approx(12 / 24)
    assert found.closed is not None and found.closed.value == 0
    Gap.objects.filter(pk__in=[gap.pk for gap in members[:12]]).update(**MET)
    after = lens("lis").outreach["With"]
    assert after.in_need == 59, "who was helped and closed is still of those who were in need"
    assert after.closed is not None and after.closed.value == 1


def test_contracts_are_told_apart_and_never_added_up(contract: Contract) -> None:
    other = make_contract("H9999")
    gaps(contract, 11, 11, low_income_subsidy=True)
    gaps(other, 12, 12, low_income_subsidy=True)
    found = equity_lens.read("lis", 2026)
    assert [(one.contract, counts(one)["With"]) for one in found] == [("H1234", (11, 22)), ("H9999", (12, 24))]
    assert counts(lens("lis", contracts=["H9999"]))["With"] == (12, 24)
    assert equity_lens.read("lis", 2026, measure="GSD") == []


@pytest.mark.parametrize("by", equity_lens.BY)
def test_a_characteristic_takes_two_queries_however_many_strata(
    contract: Contract, by: str, django_assert_num_queries: Any
) -> None:
    for language in ("English", "Spanish", ""):
        gaps(contract, 1, 2, make_provider(practice=language), language=language)
    with django_assert_num_queries(2):
        equity_lens.read(by, 2026)


class TestPage:
    @pytest.fixture
    def told(self, contract: Contract) -> Contract:
        """One stratum that may be shown and one that may not, beside a third that keeps the first's company."""
        gaps(contract, 20, 20, language="English", low_income_subsidy=True)
        gaps(contract, 30, 20, language="Spanish")
        gaps(contract, 3, 20, language="Tagalog")
        gaps(contract, 12, 14, language="")
        return contract

    def test_withheld_cells_are_said_and_their_counts_stand_nowhere(
        self, told: Contract, client: Client, quinn: User
    ) -> None:
        client.force_login(quinn)
        text = client.get("/admin/equity/", {"by": "language"}).content.decode()
        assert "Not shown: fewer than 11 members in one of its counts." in text
        assert "Not shown: withheld so that a small count elsewhere cannot be found by subtraction." in text
        assert "3 / 23" not in text and "30 / 50" in text and "No outreach has begun" in text
        chart = text.split('<svg class="bar"')[1].split("</svg>")[0]
        assert "COL, " in chart and "percent, interval" in chart and " style=" not in text

    def test_the_file_leaves_withheld_cells_empty_and_the_ledger_says_it_went_out(
        self, told: Contract, client: Client, quinn: User
    ) -> None:
        client.force_login(quinn)
        answer = client.get("/admin/equity/", {"by": "language", "format": "csv"})
        lines = list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode())))  # type: ignore[attr-defined]
        rows = {line["stratum"]: line for line in lines}
        assert set(rows) == {"English", "Spanish", "Tagalog", "Not known"}
        assert (rows["Tagalog"]["numerator"], rows["Tagalog"]["rate"], rows["Tagalog"]["gap"]) == ("", "", "")
        assert rows["Tagalog"]["withheld"] and rows["Spanish"]["numerator"] == "30"
        assert Event.objects.get(action="equity.exported").row_count == 4

    def test_a_role_without_members_gets_no_way_to_them(self, told: Contract, client: Client) -> None:
        client.force_login(person("stu", roles.MODEL_STEWARD))
        answer = client.get("/admin/equity/")
        assert answer.status_code == 200 and "/admin/gaps/gap/" not in answer.content.decode()

    def test_the_number_of_queries_does_not_grow(
        self, told: Contract, client: Client, quinn: User, django_assert_max_num_queries: Any
    ) -> None:
        client.force_login(quinn)
        client.get("/admin/equity/")
        with django_assert_max_num_queries(13):
            client.get("/admin/equity/", {"by": "language"})
        for number in range(5):
            make_count(make_measure(f"M{number}"), told)
            make_gap(make_member(), make_measure(f"M{number}"), contract=told)
        with django_assert_max_num_queries(13):
            client.get("/admin/equity/", {"by": "language"})
