"""Counties' figures: kept whole or not at all, superseded, withdrawn, never changed; read for the year that pays."""

import io
import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import Error, IntegrityError, transaction

from audit.models import Event
from hedis.lib.commands import Refused, WrongUse
from hedis.members.models import Contract
from interventions import counties, money, simulating
from interventions.counties import Kept, NotStanding, UnusableFigures
from interventions.models import CountyFigures
from tests.factories import make_contract
from tests.interventions.counties_of_a_contract import ADAMS, BELL, FILE, HEAD, keep

pytestmark = pytest.mark.django_db
D = Decimal


@pytest.fixture
def contract() -> Contract:
    return make_contract("H1234")


# --- verbs


def test_counties_stand_with_source_and_name_and_one_ledger_line(contract: Contract) -> None:
    assert keep(contract) == Kept(read=2, added=2, superseded=0, withdrawn=0, unchanged=0)
    one = CountyFigures.objects.get(name="Bell")
    assert (one.as_county(), one.source, one.entered_by, one.superseded_at) == (BELL, "the bid", "ben", None)
    event = Event.objects.get(action="counties.entered")
    assert (event.row_count, event.object_id) == (2, "H1234:2029")


def test_the_same_again_changes_nothing_and_is_not_told(contract: Contract) -> None:
    keep(contract)
    assert keep(contract) == Kept(2, 0, 0, 0, unchanged=2)
    assert CountyFigures.objects.count() == 2 and Event.objects.filter(action="counties.entered").count() == 1


def test_a_correction_supersedes_and_what_is_missing_is_withdrawn(contract: Contract) -> None:
    keep(contract)
    assert keep(contract, replace(ADAMS, bid=D("905"))) == Kept(read=1, added=0, superseded=1, withdrawn=1, unchanged=0)
    stands = CountyFigures.objects.standing().get()
    assert (stands.name, stands.bid) == ("Adams", 905)
    old = CountyFigures.objects.get(name="Adams", bid=900)
    assert old.superseded_at == stands.entered_at
    assert CountyFigures.objects.get(name="Bell").superseded_at == stands.entered_at
    assert Event.objects.filter(action="counties.entered").count() == 2


def test_another_payment_year_or_contract_is_left_alone(contract: Contract) -> None:
    keep(contract, payment_year=2028)
    keep(make_contract("H9999"))
    keep(contract, ADAMS)
    assert CountyFigures.objects.standing().count() == 5


def test_one_county_is_entered_beside_the_others_whatever_its_spelling(contract: Contract) -> None:
    keep(contract)
    made = counties.enter(replace(ADAMS, name="ADAMS"), contract, 2029, source="letter", by="ben")
    assert (made.name, made.source) == ("ADAMS", "letter")
    assert sorted(CountyFigures.objects.standing().values_list("name", flat=True)) == ["ADAMS", "Bell"]


def test_withdrawn_figures_stay_to_be_read_and_count_no_more(contract: Contract) -> None:
    keep(contract)
    bell = CountyFigures.objects.get(name="Bell")
    counties.withdraw(bell, by="ben")
    assert counties.stored(contract, 2026) == (ADAMS,)
    assert CountyFigures.objects.filter(name="Bell").exists()
    assert Event.objects.get(action="counties.withdrawn").object_id == str(bell.pk)
    with pytest.raises(NotStanding, match="Bell, H1234 2029"):
        counties.withdraw(bell, by="ben")


@pytest.mark.parametrize(
    ("rows", "facts", "field"),
    [
        ([ADAMS, replace(BELL, name="adams")], {}, "name: adams stands there 2 times"),
        ([replace(ADAMS, name="")], {}, "county: name: not 1 to 100"),
        ([replace(ADAMS, name="A\x00")], {}, "county: name: not 1 to 100"),
        ([replace(ADAMS, name="x" * 101)], {}, "county: name: not 1 to 100"),
        ([replace(ADAMS, bid=D("900.00001"))], {}, "county: Adams, bid: more than 4 digits"),
        ([replace(ADAMS, risk_score=D("1.1234567"))], {}, "county: Adams, risk_score: more than 6"),
        ([replace(ADAMS, member_months=D("1.001"))], {}, "county: Adams, member_months: more than 2"),
        ([ADAMS], {"source": "  "}, "source: say in 1 to 200"),
        ([ADAMS], {"source": "x" * 201}, "source: say in 1 to 200"),
        ([ADAMS], {"payment_year": 2013}, "payment_year: .*2013"),
        ([ADAMS], {"payment_year": 2200}, "payment_year: 2200"),
    ],
)
def test_what_could_not_be_kept_as_it_is_is_refused_whole(
    contract: Contract, rows: list[money.County], facts: dict[str, Any], field: str
) -> None:
    with pytest.raises(UnusableFigures, match=field):
        keep(contract, *rows, **facts)
    assert not CountyFigures.objects.exists() and not Event.objects.filter(action="counties.entered").exists()


def test_trailing_zeros_are_no_more_digits(contract: Contract) -> None:
    keep(contract, replace(ADAMS, bid=D("900.000000000")))
    assert counties.stored(contract, 2026) == (ADAMS,)


def refused(change: Any) -> None:
    with pytest.raises(Error), transaction.atomic():
        change()


def test_the_database_lets_nothing_be_changed_or_deleted(contract: Contract) -> None:
    keep(contract)
    row = CountyFigures.objects.filter(name="Adams")
    refused(lambda: row.update(bid=1))
    refused(row.delete)
    keep(contract, BELL)
    refused(lambda: row.update(superseded_at=None))


@pytest.mark.parametrize(
    ("wrong", "constraint"),
    [
        ({"base": 0}, "county_amounts_possible"), ({"bid": 20_001}, "county_amounts_possible"),
        ({"cap": 1000}, "county_cap_not_below_base"), ({"risk_score": 11}, "county_risk_score_possible"),
        ({"member_months": -1}, "county_months_not_negative"), ({"source": ""}, "county_has_name_and_source"),
        ({"name": "ADAMS"}, "county_one_stands"),
    ],
)  # fmt: skip
def test_the_database_refuses_impossible_figures(contract: Contract, wrong: dict[str, Any], constraint: str) -> None:
    keep(contract, ADAMS)
    row = CountyFigures.objects.get()
    row.pk, row.name = None, "Other"
    for field, value in wrong.items():
        setattr(row, field, value)
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        row.save(force_insert=True)


# --- reads


def test_the_newest_figures_up_to_the_year_that_pays_stand_in(contract: Contract) -> None:
    other = make_contract("H9999")
    assert counties.stored(contract, 2026) == () and counties.worth(contract, 2026, D(5)) is None
    keep(contract, ADAMS, payment_year=2027)
    keep(contract, replace(ADAMS, bid=D("910")), BELL, payment_year=2028)
    keep(contract, replace(ADAMS, bid=D("990")), payment_year=2030)
    found = counties.figures_of([contract, other], 2026)
    assert set(found) == {contract.pk}
    figures = found[contract.pk]
    assert (figures.payment_year, figures.of_year, figures.stands_in) == (2029, 2028, True)
    assert [one.bid for one in figures.counties] == [910, 1000] == [one.bid for one in counties.stored(contract, 2026)]
    assert [one.bid for one in counties.stored(contract, 2027)] == [990]
    assert counties.stored(contract, 2023) == () and counties.stored(contract, 1950) == ()


def test_the_worth_of_a_plan_takes_the_rules_and_the_house_s_rate(contract: Contract) -> None:
    keep(contract)
    worth = counties.worth(contract, 2026, D("1500"))
    assert worth is not None
    assert (worth.counties, worth.cost, worth.discount_rate) == ((ADAMS, BELL), 1500, D("0.08"))
    # The worked example: 199,443,750 less 191,448,750, in three years at 8 %.
    gain = simulating.dollars_at(D("4.0"), worth) - simulating.dollars_at(D("3.5"), worth)
    assert gain == pytest.approx(6_346_688.77, abs=0.01)
    assert "house" in worth.rules.discount_reason


def test_reading_many_contracts_is_one_query(contract: Contract, django_assert_num_queries: Any) -> None:
    keep(contract)
    keep(make_contract("H9999"))
    contracts = list(Contract.objects.all())
    with django_assert_num_queries(1):
        assert len(counties.figures_of(contracts, 2026)) == 2
    with django_assert_num_queries(1):
        counties.worth(contract, 2026, D(1))


# --- the command


def imported(file: Path, text: str, **options: Any) -> dict[str, Any]:
    file.write_text(text, encoding="utf-8-sig")
    out = io.StringIO()
    told = {"contract": "H1234", "payment_year": 2029, "source": "the bid", **options}
    call_command("import_counties", file, **told, json=True, stdout=out)
    found: dict[str, Any] = json.loads(out.getvalue())
    return found


def test_a_file_is_the_whole_of_a_contract_s_payment_year(contract: Contract, tmp_path: Path) -> None:
    file = tmp_path / "counties.csv"
    assert imported(file, FILE) == {
        "contract": "H1234", "payment_year": 2029, "read": 2, "added": 2, "superseded": 0, "withdrawn": 0,
        "unchanged": 0,
    }  # fmt: skip
    assert counties.stored(contract, 2026) == (ADAMS, BELL)
    again = imported(file, HEAD + "Adams,1050,1000,900,120000,1.10,N,1100\n")
    assert (again["superseded"], again["withdrawn"]) == (1, 1)
    assert counties.stored(contract, 2026) == (replace(ADAMS, cap=D(1100)),)


GOOD = "Adams,1050,1000,900,120000,1.10,N,\n"


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("Bell,-5,1000,1000,1,1,N,", "row 3: Bell, base: -5 is not above 0 and at most 20000"),
        ("Bell,1e3,1000,1000,1,1,N,", "row 3: Bell, base: not a plain number"),
        ("Bell,1_000,1000,1000,1,1,N,", "row 3: Bell, base: not a plain number"),
        ("Bell,NaN,1000,1000,1,1,N,", "row 3: Bell, base: not a plain number"),
        ("Bell,1000,,1000,1,1,N,", "row 3: Bell, fee_for_service: not a plain number"),
        ("Bell,1000,1000,99999,1,1,N,", "row 3: Bell, bid: 99999 is not above 0 and at most 20000"),
        ("Bell,1000,1000,1000,-1,1,N,", "row 3: Bell, member_months: -1 is not within 0 to 1000000000"),
        ("Bell,1000,1000,1000,1,12,N,", "row 3: Bell, risk_score: 12 is not above 0 and at most 10"),
        ("Bell,1000,1000,1000,1,1,yes,", "row 3: Bell, double_county: neither Y nor N"),
        ("Bell,1000,1000,1000,1,1,N,none", "row 3: Bell, cap: not a plain number"),
        ("Bell,1000,1000,1000,1,1,N,900", "row 3: Bell, cap: 900 is below the base of 1000"),
        ("adams,1000,1000,1000,1,1,N,", "row 3: adams, name: stands in row 2 already"),
        (",1000,1000,1000,1,1,N,", "row 3: name: not 1 to 100 printable characters"),
        ("Bell,1000,1000,1000,1,1,N,,7", "row 3: more cells than columns"),
        ("Bell", "row 3: Bell, base: not a plain number"),
        ("Bell,1000.12345,1000,1000,1,1,N,", "row 3: Bell, base: more than 4 digits after the point"),
        ("Bell,1EG4-TE5-MK73,1000,1000,1,1,N,", "row 3: Bell, base: not a plain number"),
    ],
)
def test_one_wrong_row_is_named_and_nothing_of_the_file_is_kept(
    contract: Contract, tmp_path: Path, row: str, said: str
) -> None:
    with pytest.raises(Refused) as refusal:
        imported(tmp_path / "counties.csv", HEAD + GOOD + row + "\n")
    assert refusal.value.returncode == 1 and said in str(refusal.value) and "counties.csv" in str(refusal.value)
    assert "1EG4" not in str(refusal.value), "what is no number is never quoted"
    assert not CountyFigures.objects.exists()


def test_every_wrong_row_is_named_at_once(contract: Contract, tmp_path: Path, capsys: Any) -> None:
    with pytest.raises(Refused) as refusal:
        imported(tmp_path / "counties.csv", HEAD + "Adams,x,1,1,1,1,N,\nBell,1,x,1,1,1,N,\n")
    assert [line.split(":")[0] for line in refusal.value.facts["errors"]] == [
        "counties.csv, row 2", "counties.csv, row 3",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "row 1: the column name is missing"),
        (HEAD, "counties.csv: names no county"),
        (HEAD.replace("bid", "Bid"), "row 1: the column bid is missing"),
        (HEAD.replace("cap", "caps") + GOOD, "row 1: column 8: not one of name, base"),
        (HEAD + f"Adams,1050,1000,900,1,1,N,{'x' * 140_000}\n", "field larger than field limit"),
    ],
)
def test_a_file_of_another_shape_is_refused(contract: Contract, tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(Refused, match=said):
        imported(tmp_path / "counties.csv", text)


def test_a_wrong_call_ends_with_two_and_no_text_is_refused(contract: Contract, tmp_path: Path) -> None:
    file = tmp_path / "counties.csv"
    with pytest.raises(WrongUse, match="H0000 is no contract"):
        imported(file, FILE, contract="H0000")
    with pytest.raises(Refused, match=r"payment_year: .*2013"):
        imported(file, FILE, payment_year=2013)
    with pytest.raises(WrongUse, match="is not a file"):
        call_command("import_counties", tmp_path / "none.csv", contract="H1234", payment_year=2029, source="x")
    file.write_bytes(b"name\nCaf\xe9\n")
    with pytest.raises(Refused, match="not UTF-8 text, at byte 8"):
        call_command("import_counties", file, contract="H1234", payment_year=2029, source="x")
