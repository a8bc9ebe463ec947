"""Days covered: the engine against a person who walks through the year day by day, and against CMS's rules by hand."""

from __future__ import annotations

import dataclasses
import datetime as dt
import random
from typing import Any

import ibis
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hedis.engine.codes import ValueSetCode
from hedis.engine.days_covered import queued
from hedis.engine.evaluate import KeptInMemory
from hedis.engine.measure import Definition
from hedis.engine.pdc import Bands, adherence
from hedis.engine.period import measurement_year
from hedis.measures.definitions import DEFINITIONS
from tests.engine.plan import Plan
from tests.engine.slow_pdc import DAY, Answer, Fill, History, answer

YEAR = 2025
RASA = DEFINITIONS["PDC-RASA"]
PRODUCTS = {
    ("a",): "00001000101",
    ("b",): "00001000102",
    ("c",): "00001000103",
    ("a", "b"): "00001000104",
    ("b", "c"): "00001000105",
}
CODES = tuple(
    ValueSetCode("pdc-rasa", "ndc", code, ingredient=ingredient)
    for ingredients, code in PRODUCTS.items()
    for ingredient in ingredients
)
FIRST, LAST = dt.date(YEAR, 1, 1), dt.date(YEAR, 12, 31)


def plan_of(histories: dict[str, History]) -> Plan:
    plan = Plan()
    for member, history in histories.items():
        fills = [f"{fill.date} ndc:{PRODUCTS[fill.ingredients]} *{fill.days}" for fill in history.fills]
        stays = [f"{first} place-of-service:21 >{last}" for first, last in history.stays]
        spans = ",".join(f"{first}..{last}" for first, last in history.enrolled)
        plan.add(member, "1950-06-01", spans, ";".join(fills + stays), died=str(history.died or ""))
    return plan


def stand(
    plan: Plan,
    as_of: dt.date,
    *,
    definition: Definition = RASA,
    codes: tuple[ValueSetCode, ...] = CODES,
    **options: Any,
) -> dict[str, dict[str, Any]]:
    """Adherence rows by member."""
    connection = ibis.duckdb.connect()
    tables, keep = plan.tables(YEAR, codes), KeptInMemory(connection)
    table = adherence(definition, tables, measurement_year(YEAR), as_of, keep=keep, **options)
    rows = connection.to_pyarrow(table)
    connection.disconnect()
    found = {row["member"]: row for row in rows.to_pylist()}
    assert len(found) == rows.num_rows, "a member has more than one row"
    return found


def as_answer(row: dict[str, Any] | None, result: dict[str, Any] | None) -> Answer | None:
    if row is None:
        assert result is None
        return None
    met = row["covered_days"] * 5 >= row["treatment_days"] * 4 > 0
    if result is not None:
        assert result["numerator"] == met
    return Answer(
        row["treatment_start"], row["treatment_end"], row["fill_dates"], result is not None, met,
        row["treatment_days"], row["covered_days"], row["missable_days"], row["refill_due"], row["last_chance_date"],
        row["adherence_class"],
    )  # fmt: skip


def disagreements(histories: dict[str, History], as_of: dt.date) -> dict[str, tuple[History, Any, Any]]:
    plan = plan_of(histories)
    rows = stand(plan, as_of)
    results = plan.result(RASA, YEAR, str(as_of), codes=CODES)
    ours = {member: as_answer(rows.get(member), results.get(member)) for member in histories}
    theirs = {member: answer(history, YEAR, as_of) for member, history in histories.items()}
    return {
        member: (histories[member], ours[member], theirs[member])
        for member in histories
        if ours[member] != theirs[member]
    }


# -- random histories --------------------------------------------------------------------------------------------


def random_fills(rng: random.Random) -> tuple[Fill, ...]:
    """Mostly refills about when the supply ends; early, late, doubled, switched and combined ones among them."""
    used = rng.sample(list(PRODUCTS), rng.choice((1, 1, 1, 2, 3)))
    day, found = FIRST + rng.randint(-40, 270) * DAY if rng.random() < 0.8 else FIRST, []
    while day < LAST + 20 * DAY and len(found) < 14:
        days = rng.choice((0, 7, 30, 30, 30, 60, 90, 90, 100))
        found.append(Fill(day, days, rng.choice(used)))
        if rng.random() < 0.08:
            found.append(Fill(day, days, rng.choice(used)))
        day += max(0, days + rng.choice((-20, -5, -2, 0, 0, 1, 3, 10, 25, 60))) * DAY
        if rng.random() < 0.05:
            break
    return tuple(found)


def random_stays(rng: random.Random) -> tuple[tuple[dt.date, dt.date], ...]:
    if rng.random() < 0.01:
        return ((FIRST - 10 * DAY, dt.date(9999, 12, 31)),)
    starts = [FIRST + rng.randint(-30, 364) * DAY for _ in range(rng.choice((0, 0, 0, 1, 1, 2, 4)))]
    return tuple((start, start + rng.choice((0, 1, 4, 10, 40)) * DAY) for start in starts)


def random_history(rng: random.Random) -> History:
    enrolled: tuple[tuple[dt.date, dt.date], ...] = ((dt.date(2024, 1, 1), LAST),)
    chance = rng.random()
    if chance < 0.15:
        enrolled = ((dt.date(2024, 1, 1), FIRST + rng.randint(-20, 364) * DAY),)
    elif chance < 0.25:
        end = FIRST + rng.randint(0, 200) * DAY
        enrolled = ((FIRST, end), (end + rng.randint(1, 60) * DAY, dt.date(9999, 12, 31)))
    died = FIRST + rng.randint(0, 400) * DAY if rng.random() < 0.1 else None
    return History(random_fills(rng), random_stays(rng), enrolled, died)


@pytest.mark.parametrize(("as_of", "members"), [(dt.date(2025, 9, 1), 10_000), (dt.date(2026, 6, 30), 3_000)])
def test_ten_thousand_random_histories_agree_with_the_walk_through_the_year(as_of: dt.date, members: int) -> None:
    rng = random.Random(20261121)
    histories = {f"m{number}": random_history(rng) for number in range(members)}
    different = disagreements(histories, as_of)
    assert not different, f"{len(different)} differ, one of them: {next(iter(different.values()))}"


def test_a_fill_on_the_last_chance_date_reaches_the_goal_and_a_day_later_never() -> None:
    as_of, rng = dt.date(YEAR, 9, 1), random.Random(4)
    histories = {f"m{number}": random_history(rng) for number in range(1_500)}
    rows = stand(plan_of(histories), as_of)
    looked_at = [(histories[member], row) for member, row in rows.items() if row["last_chance_date"]]
    assert len(looked_at) > 150
    for history, row in looked_at:
        known = projected(history, row, as_of)
        for late, reached in ((0, True), (1, False)):
            fill = Fill(row["last_chance_date"] + late * DAY, 400, ("c",))
            final = answer(known.with_fill(fill), YEAR, dt.date(YEAR + 1, 6, 30))
            assert final is not None and final.met is reached, (history, row, late)
    for member, row in rows.items():
        assert row["missable_days"] >= 0 or row["covered_days"] * 5 < row["treatment_days"] * 4
        if row["missable_days"] < 0 or row["adherence_class"] == "locked_in":
            final = answer(projected(histories[member], row, as_of), YEAR, dt.date(YEAR + 1, 6, 30))
            assert final is not None and final.met == (row["adherence_class"] == "locked_in")


def projected(history: History, row: dict[str, Any], as_of: dt.date) -> History:
    """The year as it is known on the as-of date, played to its end."""
    return History(
        tuple(fill for fill in history.fills if FIRST <= fill.date <= as_of),
        tuple(stay for stay in history.stays if stay[0] <= as_of),
        ((FIRST, row["treatment_end"]),),
    )


def dates_from(number: int) -> dt.date:
    return FIRST + number * DAY


FILLS = st.lists(
    st.builds(
        Fill,
        st.integers(-30, 380).map(dates_from),
        st.sampled_from((0, 1, 30, 90, 100)),
        st.sampled_from(list(PRODUCTS)),
    ),
    max_size=8,
).map(tuple)
STAYS = st.lists(
    st.tuples(st.integers(-20, 370), st.integers(0, 60)).map(lambda stay: (dates_from(stay[0]), dates_from(sum(stay)))),
    max_size=4,
).map(tuple)
ENROLLED = st.integers(60, 500).map(lambda end: ((FIRST, dates_from(end)),))
HISTORIES = st.builds(History, FILLS, STAYS, ENROLLED, st.none() | st.integers(60, 380).map(dates_from))


@settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(HISTORIES, min_size=1, max_size=40), st.integers(0, 400).map(dates_from))
def test_histories_nobody_thought_of_agree_too(histories: list[History], as_of: dt.date) -> None:
    assert disagreements({f"m{number}": history for number, history in enumerate(histories)}, as_of) == {}


def test_equal_supplies_of_one_day_wait_for_each_other() -> None:
    rows = {"member": ["m"] * 60 + ["n"], "arrives": [5] * 60 + [7], "days": [2] * 60 + [3]}
    found = queued(ibis.memtable(pa.table(rows)), "member").to_pyarrow().to_pylist()
    starts = sorted(row["starts"] for row in found if row["member"] == "m")
    assert starts == [5 + 2 * number for number in range(60)]
    assert [(row["starts"], row["ends"]) for row in found if row["member"] == "n"] == [(7, 10)]


# -- by hand -----------------------------------------------------------------------------------------------------


def one(history: History, as_of: dt.date, **options: Any) -> dict[str, Any]:
    return stand(plan_of({"m": history}), as_of, **options)["m"]


def fill(text: str, *ingredients: str) -> Fill:
    """``01-10 *90``: month and day, days' supply."""
    date, days = text.split(" *")
    return Fill(dt.date.fromisoformat(f"{YEAR}-{date}"), int(days), ingredients or ("a",))


FORTY_MISSED = (fill("01-10 *90"), fill("05-20 *90"), fill("08-18 *34"))


def test_the_worked_example_of_the_documentation() -> None:
    row = one(History(FORTY_MISSED), dt.date(YEAR, 9, 1))
    assert row == {
        "member": "m", "treatment_start": dt.date(YEAR, 1, 10), "treatment_end": LAST,
        "treatment_days": 235, "covered_days": 195, "pdc": 82.97, "fill_dates": 3, "missable_days": 31,
        "refill_due": dt.date(YEAR, 9, 21), "last_chance_date": dt.date(YEAR, 10, 22), "adherence_class": "safe",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("as_of", "fills", "expected"),
    [
        ("02-01", [fill("01-10 *90")], "not_yet_in"),
        ("12-01", [fill("01-10 *100"), fill("04-20 *100"), fill("07-29 *100")], "locked_in"),
        ("09-01", FORTY_MISSED, "safe"),
        ("09-01", [*FORTY_MISSED[:2], fill("08-19 *33")], "at_risk"),
        ("10-07", FORTY_MISSED, "late_refill"),
        ("10-08", FORTY_MISSED, "last_chance"),
        ("10-22", FORTY_MISSED, "last_chance"),
        ("10-23", FORTY_MISSED, "unsalvageable"),
        ("12-31", FORTY_MISSED, "unsalvageable"),
    ],
)
def test_each_class_begins_where_the_documentation_says(as_of: str, fills: list[Fill], expected: str) -> None:
    row = one(History(tuple(fills)), dt.date.fromisoformat(f"{YEAR}-{as_of}"))
    assert row["adherence_class"] == expected


def test_a_plan_may_draw_the_bands_elsewhere() -> None:
    row = one(History(FORTY_MISSED), dt.date(YEAR, 9, 1), bands=Bands(safe_above=31, last_chance_within=14))
    assert row["adherence_class"] == "at_risk"
    row = one(History(FORTY_MISSED), dt.date(YEAR, 9, 1), bands=Bands(safe_above=30, last_chance_within=51))
    assert row["adherence_class"] == "last_chance"


def day_of(number: int) -> dt.date:
    return FIRST + (number - 1) * DAY


STAYS_BY_HAND = [
    # fifteen days: fills (day, days' supply, drug), stay, treatment days, covered days
    ("no stay", [(1, 8, "a"), (12, 4, "a")], None, 15, 12),
    ("supply moves behind the stay", [(1, 8, "a"), (12, 4, "a")], (5, 6), 13, 12),
    ("no day is left behind the stay", [(1, 7, "a"), (12, 4, "a")], (12, 13), 13, 9),
    ("only as many days as are uncovered", [(1, 4, "a"), (7, 4, "a"), (12, 4, "a")], (7, 9), 12, 10),
    ("an uncovered stay moves nothing", [(1, 4, "a"), (12, 4, "a")], (6, 9), 11, 8),
    ("another drug's days are not lost behind a stay", [(1, 6, "a"), (7, 4, "b")], (3, 5), 12, 10),
    ("a fill within the stay waits for its end", [(1, 2, "a"), (4, 3, "a")], (3, 6), 11, 5),
    ("a fill on the first day of the stay begins treatment", [(1, 10, "a")], (1, 3), 12, 10),
]


def test_a_stay_leaves_both_sides_and_its_supply_goes_to_later_uncovered_days() -> None:
    histories = {}
    for case, fills, stay, _, _ in STAYS_BY_HAND:
        stays = ((day_of(stay[0]), day_of(stay[1])),) if stay else ()
        histories[case] = History(tuple(Fill(day_of(day), supply, (drug,)) for day, supply, drug in fills), stays)
    rows = stand(plan_of(histories), day_of(15))
    found = {case: (row["treatment_days"], row["covered_days"]) for case, row in rows.items()}
    assert found == {case: (days, covered) for case, _, _, days, covered in STAYS_BY_HAND}


def test_stays_count_as_other_days_from_the_year_on_that_drops_the_adjustment() -> None:
    covered = dataclasses.replace(RASA.numerator, stays_until_year=YEAR - 1)
    event = dataclasses.replace(RASA.denominator_event, covered=covered)
    without = dataclasses.replace(RASA, numerator=covered, denominator_event=event)
    plan = plan_of({"m": History((fill("01-01 *8"), fill("01-12 *4")), ((day_of(5), day_of(6)),))})
    assert stand(plan, day_of(15), definition=without)["m"]["treatment_days"] == 15
    assert stand(plan, day_of(15))["m"]["treatment_days"] == 13


def test_supply_of_the_year_before_and_fills_not_yet_received_are_not_known() -> None:
    plan = Plan()
    drug = f"ndc:{PRODUCTS[('a',)]}"
    plan.add(
        "m", "1950-06-01", events=f"2024-12-20 {drug} *90; 2025-01-10 {drug} *30; 2025-02-20 {drug} *30 ^2025-03-05"
    )
    row = stand(plan, dt.date(YEAR, 3, 1))["m"]
    assert (row["treatment_start"], row["covered_days"], row["fill_dates"]) == (dt.date(YEAR, 1, 10), 30, 1)
    assert stand(plan, dt.date(YEAR, 3, 5))["m"]["fill_dates"] == 2


def test_a_drug_list_without_ingredients_never_carries_supply_from_one_code_to_another() -> None:
    plan = plan_of({"m": History((fill("01-01 *30", "a"), fill("01-11 *30", "b")))})
    nameless = tuple(dataclasses.replace(code, ingredient="") for code in CODES)
    one_drug = tuple(dataclasses.replace(code, ingredient="same") for code in CODES)
    as_of = dt.date(YEAR, 4, 1)
    assert stand(plan, as_of, codes=nameless)["m"]["covered_days"] == 40
    assert stand(plan, as_of, codes=one_drug)["m"]["covered_days"] == 60


def test_one_member_alone_gives_the_row_of_the_full_run() -> None:
    rng = random.Random(7)
    plan = plan_of({f"m{number}": random_history(rng) for number in range(30)})
    everybody = stand(plan, dt.date(YEAR, 9, 1))
    member = max(everybody, key=lambda each: everybody[each]["fill_dates"])
    assert stand(plan, dt.date(YEAR, 9, 1), member=member) == {member: everybody[member]}


def test_excluded_members_are_told_apart_whatever_their_days() -> None:
    plan = Plan()
    fills = f"2025-01-10 ndc:{PRODUCTS[('a',)]} *90; 2025-05-20 ndc:{PRODUCTS[('a',)]} *30"
    plan.add("kidneys", "1950-06-01", events=f"{fills}; 2025-06-01 icd-10-cm:N186")
    plan.add("hospice", "1950-06-01", "2025-01-01..2025-12-31 +hospice", fills)
    plan.add("neither", "1950-06-01", events=fills)
    classes = {member: row["adherence_class"] for member, row in stand(plan, dt.date(YEAR, 9, 1)).items()}
    assert classes == {"kidneys": "excluded", "hospice": "excluded", "neither": "unsalvageable"}


def test_a_measure_of_another_kind_has_no_adherence() -> None:
    with pytest.raises(ValueError, match="SUPD: is not a measure of days covered"):
        stand(Plan(), dt.date(YEAR, 9, 1), definition=DEFINITIONS["SUPD"])


def test_an_open_gap_says_how_many_days_were_covered_and_never_rounds_up_to_the_goal() -> None:
    history = History((fill("01-01 *100"), fill("04-11 *100"), fill("07-20 *91")))
    row = plan_of({"m": history}).result(RASA, YEAR, codes=CODES)["m"]
    assert row["reason"] == ("RAS antagonist on hand on 291 of 365 days (79.7 %), below 80 %, last fill on 2025-07-20")
    assert (row["evidence_value"], row["evidence_date"]) == ("79.7 %", dt.date(YEAR, 7, 20))
    assert row["closable_until"] == LAST
