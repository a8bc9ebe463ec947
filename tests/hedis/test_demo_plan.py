"""The demo plan: deterministic, in Tuva's columns, with free codes only, and believable."""

# ruff: noqa: S608 — the queries are put together from the constants of this file

import csv
import hashlib
import re
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import duckdb
import pytest

from hedis.demo.parameters import contracts, formulary, target_rates
from hedis.demo.plan import AS_OF, PlanSummary, write_plan
from hedis.demo.providers import check_digit, npi

MEMBERS = 5000
TABLES = ("eligibility", "medical_claim", "pharmacy_claim", "lab_result", "observation", "provider_attribution")
DAY_OF = {
    "medical_claim": "claim_start_date",
    "pharmacy_claim": "dispensing_date",
    "lab_result": "CAST(collection_datetime AS DATE)",
    "observation": "observation_date",
}
KEYS = {"lab_result": "lab_result_id", "observation": "observation_id"}


PREPARED = """
CREATE TABLE diagnosis AS SELECT person_id, claim_start_date AS day, unnest([diagnosis_code_1, diagnosis_code_2,
    diagnosis_code_3, diagnosis_code_4, diagnosis_code_5, diagnosis_code_6]) AS code FROM medical_claim;
CREATE TABLE coded AS
  SELECT person_id, claim_start_date AS day, hcpcs_code AS code, NULL::DOUBLE AS value FROM medical_claim
  UNION ALL SELECT person_id, collection_datetime::DATE, normalized_component_code, TRY_CAST(result AS DOUBLE)
  FROM lab_result
  UNION ALL SELECT person_id, observation_date, normalized_code, TRY_CAST(result AS DOUBLE) FROM observation;
CREATE MACRO days_of(opens, closes, year) AS
  greatest(0, least(coalesce(closes, DATE '9999-12-31'), make_date(year, 12, 31))
    - greatest(opens, make_date(year, 1, 1)) + 1);
CREATE TABLE counted AS SELECT person_id, any_value(2025 - year(birth_date)) AS age, any_value(gender) AS gender,
    sum(days_of(enrollment_start_date, enrollment_end_date, 2024)) AS days_before
  FROM eligibility WHERE enrollment_start_date <= '2025-12-31' GROUP BY person_id
  HAVING sum(days_of(enrollment_start_date, enrollment_end_date, 2025)) >= 320 AND max(hospice_flag) = 0
    AND max(coalesce(enrollment_end_date, DATE '9999-12-31')) >= '2025-12-31';
"""


def digests(directory: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(directory.iterdir())}


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> PlanSummary:
    return write_plan(tmp_path_factory.mktemp("demo"), MEMBERS, 1)


@pytest.fixture(scope="module")
def sql(plan: PlanSummary) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute("SET threads = 2")
        for table in TABLES:
            connection.execute(f"CREATE VIEW {table} AS FROM '{plan.directory}/{table}.parquet'")
        connection.execute(PREPARED)
        yield connection


def one(sql: duckdb.DuckDBPyConnection, query: str, values: list[list[str]] | None = None) -> object:
    row = sql.execute(query, values).fetchone()
    assert row is not None
    return row[0]


def test_the_same_seed_writes_the_same_bytes(tmp_path: Path) -> None:
    write_plan(tmp_path / "first", 300, 7)
    write_plan(tmp_path / "second", 300, 7)
    assert digests(tmp_path / "first") == digests(tmp_path / "second")


def test_another_seed_and_another_day_write_other_bytes(tmp_path: Path) -> None:
    write_plan(tmp_path / "first", 300, 7)
    write_plan(tmp_path / "seed", 300, 8)
    write_plan(tmp_path / "day", 300, 7, date(2025, 6, 30))
    first = digests(tmp_path / "first")
    for other in ("seed", "day"):
        changed = digests(tmp_path / other)
        assert all(first[name] != changed[name] for name in first if name != "provider.csv")


def test_a_plan_of_one_member_and_one_drawn_in_january_can_be_written(tmp_path: Path) -> None:
    assert write_plan(tmp_path / "one", 1, 3).members == 1
    assert write_plan(tmp_path / "january", 200, 3, date(2026, 1, 15)).rows["eligibility"] >= 200


def test_a_plan_without_members_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least one member"):
        write_plan(tmp_path, 0, 1)


def test_csv_holds_the_same_rows_and_never_stands_beside_parquet(tmp_path: Path) -> None:
    as_parquet = write_plan(tmp_path / "parquet", 60, 2)
    as_csv = write_plan(tmp_path / "csv", 60, 2, file_format="csv")
    assert as_csv.rows == as_parquet.rows
    with (tmp_path / "csv" / "pharmacy_claim.csv").open(encoding="utf-8", newline="") as file:
        assert len(list(csv.DictReader(file))) == as_csv.rows["pharmacy_claim"]
    with pytest.raises(FileExistsError, match=r"eligibility\.csv is there already"):
        write_plan(tmp_path / "csv", 60, 2)


def test_the_summary_counts_what_is_in_the_files(plan: PlanSummary, sql: duckdb.DuckDBPyConnection) -> None:
    for table in TABLES:
        assert plan.rows[table] == one(sql, f"SELECT count(*) FROM {table}")
    assert one(sql, "SELECT count(DISTINCT person_id) FROM eligibility") == MEMBERS


@pytest.mark.published
@pytest.mark.parametrize("table", ["eligibility", "medical_claim", "pharmacy_claim", "lab_result", "observation"])
def test_columns_are_those_of_the_tuva_input_layer(table: str, sql: duckdb.DuckDBPyConnection, shared: Path) -> None:
    with (shared / "data" / "tuva" / "ci10" / f"{table}.csv").open(encoding="utf-8", newline="") as file:
        published = next(csv.reader(file))
    written = [row[0] for row in sql.execute(f"DESCRIBE {table}").fetchall()]
    newer = {"institutional_snp_flag", "payer"}  # in the 0.18 tables, not in the older sample
    assert [name for name in written if name in published] == published
    assert {name for name in written if name not in published and not name.startswith("x_")} <= newer


def test_medical_claims_have_twenty_five_diagnosis_and_procedure_slots(sql: duckdb.DuckDBPyConnection) -> None:
    written = [row[0] for row in sql.execute("DESCRIBE medical_claim").fetchall()]
    assert len(written) == 148
    assert {"diagnosis_code_25", "diagnosis_poa_25", "procedure_code_25", "procedure_date_25"} <= set(written)


def test_no_code_of_a_licensed_system_is_written(sql: duckdb.DuckDBPyConnection) -> None:
    shapes = {
        "SELECT DISTINCT hcpcs_code FROM medical_claim WHERE hcpcs_code IS NOT NULL": r"[ACEGHJKLMPQRSTV]\d{4}",
        "SELECT DISTINCT code FROM diagnosis WHERE code IS NOT NULL": r"[A-TV-Z]\d[0-9A-Z]{1,5}",
        "SELECT DISTINCT normalized_component_code FROM lab_result": r"\d{1,5}-\d",
        "SELECT DISTINCT normalized_code FROM observation": r"\d{1,5}-\d",
        "SELECT DISTINCT ndc_code FROM pharmacy_claim": r"9999[89]\d{6}",
    }
    for query, shape in shapes.items():
        codes = [row[0] for row in sql.execute(query).fetchall()]
        assert codes
        assert [code for code in codes if not re.fullmatch(shape, code)] == []


@pytest.mark.parametrize("table", sorted(KEYS))
def test_result_keys_are_unique(table: str, sql: duckdb.DuckDBPyConnection) -> None:
    assert one(sql, f"SELECT count(*) - count(DISTINCT {KEYS[table]}) FROM {table}") == 0


@pytest.mark.parametrize("table", ["medical_claim", "pharmacy_claim"])
def test_the_few_repeated_claim_lines_are_exact_copies(table: str, sql: duckdb.DuckDBPyConnection) -> None:
    rows = one(sql, f"SELECT count(*) FROM {table}")
    keys = one(sql, f"SELECT count(*) FROM (SELECT DISTINCT claim_id, claim_line_number FROM {table})")
    lines = one(sql, f"SELECT count(*) FROM (SELECT DISTINCT * FROM {table})")
    assert isinstance(rows, int)
    assert isinstance(keys, int)
    assert keys == lines
    assert 0.001 < (rows - keys) / rows < 0.006


def test_enrolment_spans_have_unique_keys_and_never_overlap(sql: duckdb.DuckDBPyConnection) -> None:
    overlapping = """
        SELECT count(*) FROM (
          SELECT enrollment_start_date AS opens,
            lag(coalesce(enrollment_end_date, DATE '9999-12-31')) OVER
              (PARTITION BY person_id ORDER BY enrollment_start_date) AS closed
          FROM eligibility) WHERE opens <= closed"""
    assert one(sql, overlapping) == 0
    assert one(sql, "SELECT count(*) FROM eligibility WHERE enrollment_end_date < enrollment_start_date") == 0


@pytest.mark.parametrize("table", sorted(DAY_OF))
def test_nothing_happens_outside_enrolment_or_after_the_plan_was_drawn(
    table: str, sql: duckdb.DuckDBPyConnection
) -> None:
    day = DAY_OF[table]
    strangers = f"""
        SELECT count(*) FROM {table} fact WHERE NOT EXISTS (
          FROM eligibility span WHERE span.person_id = fact.person_id
            AND {day} BETWEEN span.enrollment_start_date AND coalesce(span.enrollment_end_date, DATE '{AS_OF}')
            AND {day} <= coalesce(span.death_date, DATE '{AS_OF}'))"""
    assert one(sql, strangers) == 0
    assert one(sql, f"SELECT max({day}) <= DATE '{AS_OF}' FROM {table}") is True


@pytest.mark.parametrize(("table", "end"), [("medical_claim", "claim_end_date"), ("pharmacy_claim", "dispensing_date")])
def test_claims_are_paid_after_the_service_and_known_by_the_day(
    table: str, end: str, sql: duckdb.DuckDBPyConnection
) -> None:
    assert one(sql, f"SELECT count(*) FROM {table} WHERE paid_date < {end} OR paid_date > DATE '{AS_OF}'") == 0
    september, may = (
        one(sql, f"SELECT count(*) FROM {table} WHERE date_trunc('month', {end}) = DATE '2026-{month}-01'")
        for month in ("09", "05")
    )
    assert isinstance(september, int)
    assert isinstance(may, int)
    assert september < may  # the last month is incomplete, as claims lag


def test_a_reversal_takes_back_an_earlier_line_of_the_same_claim(sql: duckdb.DuckDBPyConnection) -> None:
    for table, measure in (("medical_claim", "service_unit_quantity"), ("pharmacy_claim", "quantity")):
        sums = sql.execute(
            f"""SELECT sum({measure}), round(sum(paid_amount), 2), max(paid_date) > min(paid_date)
            FROM (SELECT DISTINCT * FROM {table})
            WHERE claim_id IN (SELECT claim_id FROM {table} WHERE {measure} < 0) GROUP BY claim_id"""
        ).fetchall()
        assert len(sums) > 20
        assert set(sums) == {(0.0, 0.0, True)}


def test_offices_are_closed_at_weekends(sql: duckdb.DuckDBPyConnection) -> None:
    office = "SELECT count(*) FROM medical_claim WHERE bill_type_code IS NULL AND isodow(claim_start_date) > 5"
    assert one(sql, office) == 0


def test_colonoscopies_reach_nine_years_back(sql: duckdb.DuckDBPyConnection) -> None:
    years = {row[0] for row in sql.execute(
        "SELECT DISTINCT year(claim_start_date) FROM medical_claim WHERE hcpcs_code IN ('G0105', 'G0121')"
    ).fetchall()}  # fmt: skip
    assert set(range(2016, 2027)) <= years


def test_the_members_look_like_a_medicare_advantage_plan(sql: duckdb.DuckDBPyConnection) -> None:
    under_65, female, dead, hospice, dual, institutional, switched, split = sql.execute(
        """SELECT avg((age < 65)::INT), avg((gender = 'female')::INT), avg(dead), avg(hospice),
          avg((dual <> 'NA')::INT), avg(institutional), avg((contracts > 1)::INT), avg((spans > 1)::INT)
        FROM (SELECT any_value(gender) AS gender, max(death_flag) AS dead, max(hospice_flag) AS hospice,
            any_value(dual_status_code) AS dual, max(long_term_institutional_flag) AS institutional,
            any_value(2025 - year(birth_date)) AS age, count(DISTINCT substr(plan, 1, 5)) AS contracts,
            count(*) AS spans
          FROM eligibility GROUP BY person_id)"""
    ).fetchall()[0]
    assert 0.09 < under_65 < 0.16
    assert 0.53 < female < 0.59
    assert 0.06 < dead < 0.12
    assert 0.02 < hospice < 0.06
    assert 0.20 < dual < 0.30
    assert 0.005 < institutional < 0.03
    assert 0.01 < switched < 0.05
    assert 0.04 < split < 0.15
    plans = {row[0] for row in sql.execute("SELECT DISTINCT plan FROM eligibility").fetchall()}
    assert plans == {f"{each.number}-{package}" for each in contracts() for package in each.packages}


def test_npis_have_a_right_check_digit_and_an_invented_range(plan: PlanSummary, sql: duckdb.DuckDBPyConnection) -> None:
    assert check_digit("123456789") == 3  # the worked example of the CMS NPI check digit standard: 1234567893
    assert npi(0).startswith("1999")
    with (plan.directory / "provider.csv").open(encoding="utf-8", newline="") as file:
        listed = {row["npi"] for row in csv.DictReader(file)}
    assert all(int(number[-1]) == check_digit(number[:-1]) for number in listed)
    attributed = sql.execute("SELECT DISTINCT payer_attributed_provider FROM provider_attribution").fetchall()
    rendering = sql.execute(
        "SELECT DISTINCT rendering_npi FROM medical_claim WHERE rendering_npi IS NOT NULL"
    ).fetchall()
    assert {row[0] for row in attributed} == listed
    assert {row[0] for row in rendering} <= listed
    keys = "SELECT count(*) - count(DISTINCT (person_id, year_month)) FROM provider_attribution"
    assert one(sql, keys) == 0


# Simplified measures, on purpose written apart from the engine: they judge the generator, not the rules.
DIABETES = """SELECT person_id FROM diagnosis WHERE code LIKE 'E1%' AND year(day) IN (2024, 2025)
    GROUP BY person_id HAVING count(DISTINCT day) >= 2"""
HYPERTENSION = """SELECT person_id FROM diagnosis WHERE code = 'I10' AND day BETWEEN '2024-01-01' AND '2025-06-30'
    GROUP BY person_id HAVING count(DISTINCT day) >= 2"""
SCREENED = """SELECT person_id FROM coded WHERE year(day) <= 2025 AND (
    (code IN ('G0105', 'G0121') AND year(day) >= 2016) OR (code = 'G0104' AND year(day) >= 2021)
    OR (code = '77353-1' AND year(day) >= 2023) OR (code IN ('G0328', '29771-3') AND year(day) = 2025))"""
SUGAR_CONTROLLED = """SELECT person_id FROM coded WHERE code = '4548-4' AND year(day) = 2025
    GROUP BY person_id HAVING max_by(value, day) <= 9"""
PRESSURE_CONTROLLED = """SELECT person_id FROM (
      SELECT person_id, day, min(value) FILTER (code = '8480-6') AS systolic,
        min(value) FILTER (code = '8462-4') AS diastolic
      FROM coded WHERE code IN ('8480-6', '8462-4') AND year(day) = 2025 GROUP BY person_id, day)
    GROUP BY person_id HAVING max_by(systolic, day) < 140 AND max_by(diastolic, day) < 90"""
KIDNEYS_CHECKED = """SELECT person_id FROM coded WHERE code IN ('98979-8', '9318-7') AND year(day) = 2025
    GROUP BY person_id HAVING count(DISTINCT code) = 2"""
IMAGED = "SELECT person_id FROM coded WHERE code = '24606-6' AND day BETWEEN '2023-10-01' AND '2025-12-31'"


@pytest.mark.parametrize(
    ("measure", "eligible", "met"),
    [
        ("COL", "age BETWEEN 45 AND 75 AND days_before >= 320", SCREENED),
        ("GSD", f"age BETWEEN 18 AND 75 AND person_id IN ({DIABETES})", SUGAR_CONTROLLED),
        ("CBP", f"age BETWEEN 18 AND 85 AND person_id IN ({HYPERTENSION})", PRESSURE_CONTROLLED),
        ("KED", f"age BETWEEN 18 AND 85 AND person_id IN ({DIABETES})", KIDNEYS_CHECKED),
        ("BCS", "gender = 'female' AND age BETWEEN 52 AND 74 AND days_before >= 320", IMAGED),
    ],
)
def test_the_rate_of_the_last_full_year_lies_within_four_points_of_its_target(
    measure: str, eligible: str, met: str, sql: duckdb.DuckDBPyConnection
) -> None:
    number, rate = sql.execute(
        f"SELECT count(*), avg((person_id IN ({met}))::INT) FROM counted WHERE {eligible}"
    ).fetchall()[0]
    target = sum(each.share * rate for each, rate in zip(contracts(), target_rates()[measure], strict=True))
    assert number > 400
    assert rate == pytest.approx(target, abs=0.04)


def test_who_came_for_wellness_last_year_closes_more_often_but_not_always(sql: duckdb.DuckDBPyConnection) -> None:
    rates = dict(
        sql.execute(
            f"""SELECT person_id IN (SELECT person_id FROM medical_claim
                  WHERE hcpcs_code IN ('G0438', 'G0439') AND year(claim_start_date) = 2024) AS came,
                avg((person_id IN ({KIDNEYS_CHECKED}))::INT)
            FROM counted WHERE person_id IN ({DIABETES}) GROUP BY came"""
        ).fetchall()
    )
    assert 0.10 < rates[True] - rates[False] < 0.45
    assert rates[True] < 0.9
    assert rates[False] > 0.2


def test_last_years_blood_sugar_tells_this_years(sql: duckdb.DuckDBPyConnection) -> None:
    correlation = one(
        sql,
        """SELECT corr(now, before) FROM (
          SELECT avg(value) FILTER (year(day) = 2025) AS now, avg(value) FILTER (year(day) = 2024) AS before
          FROM coded WHERE code = '4548-4' GROUP BY person_id)""",
    )
    assert isinstance(correlation, float)
    assert 0.6 < correlation < 0.97


def test_most_statin_users_collect_enough_but_about_a_tenth_do_not(sql: duckdb.DuckDBPyConnection) -> None:
    # Rough share of days: supply from the first fill on, without shifting overlaps; the engine's own PDC is stricter.
    regular = one(
        sql,
        """SELECT avg((supply >= 0.8 * days)::INT) FROM (
          SELECT sum(days_supply) AS supply, DATE '2025-12-31' - min(dispensing_date) + 1 AS days
          FROM (SELECT DISTINCT * FROM pharmacy_claim)
          WHERE year(dispensing_date) = 2025
            AND claim_id NOT IN (SELECT claim_id FROM pharmacy_claim WHERE quantity < 0)
            AND list_contains(?, ndc_code)
            AND person_id IN (SELECT person_id FROM counted)
          GROUP BY person_id HAVING count(*) > 1 AND days > 90)""",
        [[drug.ndc for drug in formulary() if drug.drug_class == "statin"]],
    )
    assert isinstance(regular, float)
    assert 0.82 < regular < 0.95


def test_a_thousand_members_are_written_within_seconds(tmp_path: Path) -> None:
    started = time.process_time()
    write_plan(tmp_path, 1000, 5)
    assert time.process_time() - started < 6
