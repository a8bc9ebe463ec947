"""From accepted rows to the warehouse's facts: which lines stand, and what each says.

What a FHIR resource says was settled when it was mapped (`sources.fhir`); here its rows are only laid out.

A line that takes an earlier one back (units or charge below nothing) cancels the service, not just itself: of the
lines of one claim for the same service on the same day, nothing is left when their units, or their charges, add up to
nothing or less. A claim whose bill type has frequency code 8 (void) is cancelled whole. A reversal that finds nothing
to cancel is no service either.
"""

STANDING_LINES = """
CREATE OR REPLACE TEMP TABLE standing AS
FROM (
  FROM lines_medical_claim SELECT *,
    bool_or(reversal) OVER service AND (
      coalesce(sum(quantity) OVER service <= 0, false) OR coalesce(sum(amount) OVER service <= 0, false)
    ) AS undone,
    bool_or(coalesce(length(bill_type_code) = 3 AND right(bill_type_code, 1) = '8', false)) OVER claim AS void
  WINDOW
    claim AS (PARTITION BY member, record),
    service AS (PARTITION BY member, record, hcpcs_code, revenue_center_code, place_of_service_code, line_start_date)
)
SELECT * EXCLUDE (undone, void) WHERE NOT reversal AND NOT undone AND NOT void
"""

# Header facts span the whole claim, whatever single lines say.
CLAIMS = """
CREATE OR REPLACE TEMP TABLE standing_claim AS FROM standing
SELECT member, record, min(start_date) AS start_date,
  max(greatest(start_date, coalesce(end_date, line_end_date))) AS end_date,
  min(claim_type) AS claim_type, min(received_date) AS received_date, min(data_source) AS data_source
GROUP BY member, record
"""

COLUMNS = (
    "member, kind, code_system, code, start_date, end_date, value_number, value_text, unit, claim_type, record, line, "
    "source, data_source, received_date"
)
_NO_VALUE = "NULL::DOUBLE AS value_number, NULL::VARCHAR AS value_text, NULL::VARCHAR AS unit"


def _header_fact(kind: str, codes: str, start: str = "claim.start_date", end: str = "claim.end_date") -> str:
    """SQL for facts of a claim's header: `codes` gives member, record, code_system, code (and dates) once each."""
    return (
        f"FROM ({codes}) AS fact JOIN standing_claim AS claim USING (member, record) "
        f"SELECT member, '{kind}' AS kind, fact.code_system, fact.code, {start} AS start_date, {end} AS end_date, "
        f"{_NO_VALUE}, claim.claim_type, record, 0 AS line, 'claim' AS source, claim.data_source, claim.received_date"
    )


DIAGNOSES = _header_fact(
    "diagnosis",
    "FROM standing, unnest(diagnoses) AS each(code) "
    "SELECT DISTINCT member, record, diagnosis_system AS code_system, code",
)
HOSPITAL_PROCEDURES = _header_fact(
    "procedure",
    "FROM standing, unnest(procedures) AS each(entry) "
    "SELECT member, record, procedure_system AS code_system, entry.code AS code, min(entry.day) AS day "
    "GROUP BY member, record, procedure_system, entry.code",
    "coalesce(fact.day, claim.start_date)",
    "coalesce(fact.day, claim.end_date)",
)
LINE_PROCEDURES = (
    "FROM standing SELECT member, 'procedure' AS kind, 'hcpcs' AS code_system, hcpcs_code AS code, "
    f"line_start_date AS start_date, line_end_date AS end_date, {_NO_VALUE}, claim_type, record, line, "
    "'claim' AS source, data_source, received_date WHERE hcpcs_code IS NOT NULL"
)
PLACES = _header_fact(
    "visit",
    "FROM standing SELECT member, record, 'place-of-service' AS code_system, place_of_service_code AS code, "
    "min(line_start_date) AS first_date, max(line_end_date) AS last_date "
    "WHERE claim_type = 'professional' AND place_of_service_code IS NOT NULL GROUP BY ALL",
    "fact.first_date",
    "fact.last_date",
)
BILLS = _header_fact(
    "visit",
    "FROM standing SELECT DISTINCT member, record, 'bill-type' AS code_system, bill_type_code AS code "
    "WHERE claim_type = 'institutional' AND bill_type_code IS NOT NULL",
)
REVENUE_CENTERS = _header_fact(
    "visit",
    "FROM standing SELECT DISTINCT member, record, 'revenue-center' AS code_system, revenue_center_code AS code "
    "WHERE claim_type = 'institutional' AND revenue_center_code IS NOT NULL",
)


def _results(table: str, kind: str) -> str:
    return (
        f"FROM lines_{table} SELECT member, '{kind}' AS kind, code_system, code, start_date, start_date AS end_date, "
        f"value_number, value_text, unit, NULL::VARCHAR AS claim_type, record, line, '{kind}' AS source, data_source, "
        "received_date WHERE NOT withdrawn"
    )


def _supplemental(table: str, source: str) -> str:
    return (
        f"FROM lines_{table} SELECT member, kind, code_system, code, start_date, start_date AS end_date, value_number, "
        f"value_text, unit, NULL::VARCHAR AS claim_type, record, line, '{source}' AS source, data_source, received_date"
    )


def _unfolded(column: str) -> str:
    """The rows of a resource's list `column`, each with the resource's member and record."""
    return (
        f"FROM (FROM lines_resource SELECT member, record, data_source, unnest({column}) AS each) "
        "SELECT member, record, data_source, each.*"
    )


EVENTS = {
    "medical_claim": (DIAGNOSES, HOSPITAL_PROCEDURES, LINE_PROCEDURES, PLACES, BILLS, REVENUE_CENTERS),
    "lab_result": (_results("lab_result", "lab"),),
    "observation": (_results("observation", "observation"),),
    "resource": (_unfolded("facts"),),
    "supplemental_standard": (_supplemental("supplemental_standard", "supplemental-standard"),),
    "supplemental_non_standard": (_supplemental("supplemental_non_standard", "supplemental-non-standard"),),
}
PREPARATION = {"medical_claim": (STANDING_LINES, CLAIMS)}

DISPENSING = """
FROM (
  FROM lines_pharmacy_claim SELECT *,
    bool_or(reversal) OVER fill
      AND (coalesce(sum(quantity) OVER fill <= 0, false) OR coalesce(sum(amount) OVER fill <= 0, false)) AS undone
  WINDOW fill AS (PARTITION BY member, record, ndc, dispensing_date)
)
SELECT member, dispensing_date, ndc, NULL::VARCHAR AS rxnorm, days_supply, quantity,
  record, line, 'claim' AS source, data_source, received_date
WHERE NOT reversal AND NOT undone
"""
FILLS = {"pharmacy_claim": DISPENSING, "resource": _unfolded("fills")}

# A member's particulars are those of the latest span; a FHIR Patient adds who has none, and what the spans leave open.
_SPANS = """
FROM next_eligibility SELECT member,
  last(birth_date ORDER BY start_date, end_date, record) AS birth_date,
  max(death_date) AS death_date,
  last(sex ORDER BY start_date, end_date, record) AS sex,
  last(race ORDER BY start_date, end_date, record) AS race,
  last(ethnicity ORDER BY start_date, end_date, record) AS ethnicity,
  last(language ORDER BY start_date, end_date, record) AS language
GROUP BY member
"""
_PATIENTS = """
FROM next_patient SELECT member, first(birth_date ORDER BY record) AS birth_date, max(death_date) AS death_date,
  first(sex ORDER BY record) AS sex, first(race ORDER BY record) AS race, first(ethnicity ORDER BY record) AS ethnicity,
  first(language ORDER BY record) AS language
GROUP BY member
"""
MEMBERS = f"""
FROM ({_SPANS}) AS span FULL JOIN ({_PATIENTS}) AS patient USING (member)
SELECT member, coalesce(span.birth_date, patient.birth_date) AS birth_date,
  greatest(span.death_date, patient.death_date) AS death_date, coalesce(span.sex, patient.sex) AS sex,
  coalesce(span.race, patient.race) AS race, coalesce(span.ethnicity, patient.ethnicity) AS ethnicity,
  coalesce(span.language, patient.language) AS language
"""
ENROLMENT = """
FROM next_eligibility SELECT DISTINCT member, start_date, end_date, contract, plan_benefit_package, dual_status_code,
  original_reason_entitlement_code, low_income_subsidy, hospice, long_term_institutional, institutional_snp, source
"""

# What the database keeps of the members a file tells something new of. Who has no span was first seen today.
_TOUCHED = "(FROM touched_eligibility SELECT member UNION FROM touched_patient SELECT member)"
ROSTER_MEMBERS = f"""
FROM ({MEMBERS}) AS told SEMI JOIN {_TOUCHED} AS touched USING (member) LEFT JOIN (
  FROM next_eligibility SELECT member,
    last(low_income_subsidy ORDER BY start_date, end_date, record) AS low_income_subsidy,
    last(dual_status_code ORDER BY start_date, end_date, record) AS dual_status_code,
    last(original_reason_entitlement_code ORDER BY start_date, end_date, record) AS original_reason_code,
    min(start_date) AS first_seen_date
  GROUP BY member) AS spans USING (member)
SELECT member, year(birth_date) AS birth_year, sex, coalesce(low_income_subsidy, false) AS low_income_subsidy,
  coalesce(dual_status_code, '') AS dual_status_code, coalesce(original_reason_code, '') AS original_reason_code,
  coalesce(language, '') AS language, coalesce(first_seen_date, $today) AS first_seen_date, death_date AS deceased_date
ORDER BY member
"""
ROSTER_SPANS = f"""
FROM next_eligibility SEMI JOIN {_TOUCHED} AS touched USING (member)
SELECT member, coalesce(contract, '') AS contract,
  coalesce(plan_benefit_package, '') AS plan_benefit_package, start_date,
  if(max(end_date) = DATE '9999-12-31', NULL, max(end_date)) AS end_date
GROUP BY member, contract, plan_benefit_package, start_date ORDER BY member, start_date
"""
ROSTER_PROVIDERS = """
FROM (
  FROM next_provider SELECT npi, name, practice, 0 AS rank, DATE '9999-12-31' AS month
  UNION ALL BY NAME
  FROM next_provider_attribution SELECT npi, '' AS name, practice, 1 AS rank, month WHERE npi IS NOT NULL
)
SELECT npi, max(name) AS name,
  coalesce(first(practice ORDER BY rank, month DESC) FILTER (practice <> ''), '') AS practice
GROUP BY npi ORDER BY npi
"""
# Months in a row with one provider are one span; the last goes on until a file says otherwise.
ROSTER_ATTRIBUTIONS = """
FROM (
  FROM (
    FROM next_provider_attribution SEMI JOIN touched_provider_attribution USING (member)
    SELECT member, npi, month,
      month - to_months((row_number() OVER (PARTITION BY member, npi ORDER BY month))::INTEGER) AS island
  )
  SELECT member, npi, min(month) AS start_date, last_day(max(month)) AS end_date,
    max(max(month)) OVER (PARTITION BY member) = max(month) AS last_span
  WHERE npi IS NOT NULL GROUP BY member, npi, island
)
SELECT member, npi, start_date, if(last_span, NULL, end_date) AS end_date ORDER BY member, start_date
"""
