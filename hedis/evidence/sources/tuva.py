"""The Tuva input layer as data: https://thetuvaproject.com/connectors/input-layer (0.18), with the column names of
0.12 and before as aliases. Codes and words follow its terminology pages.

Only what the warehouse keeps is listed. Names, addresses, telephone numbers, social security numbers and e-mail are
left in the file: a column that is not here is never read.
"""

from hedis.evidence.sources.layout import Column, Kind, Rule, Table

SLOTS = range(1, 26)  # diagnosis and procedure positions of a claim

# X12 837 carries nothing but diagnosis codes in these fields, so icd-10-pcs there is a mislabel met in the wild
# (Tuva's own synthetic data), not another vocabulary.
DIAGNOSIS_SYSTEMS = {"icd-10-cm": "icd-10-cm", "icd-9-cm": "icd-9-cm", "icd-10-pcs": "icd-10-cm"}
PROCEDURE_SYSTEMS = {"icd-10-pcs": "icd-10-pcs", "icd-9-pcs": "icd-9-pcs"}
CODE_SYSTEMS = {
    name: name
    for name in (
        "loinc", "snomed-ct", "hcpcs", "icd-10-cm", "icd-9-cm", "icd-10-pcs", "icd-9-pcs", "rxnorm", "ndc", "cvx",
    )
} | {"cpt": "hcpcs", "snomed": "snomed-ct"}  # fmt: skip
SEXES = {"female": "female", "f": "female", "male": "male", "m": "male"} | dict.fromkeys(
    ("unknown", "u", "other", "o"), "unknown"
)
CLAIM_TYPES = {name: name for name in ("professional", "institutional", "dental", "vision", "other", "undetermined")}

PERSON = Column("person_id", Kind.PERSON, needed=True, filled=True, aliases=("patient_id", "member_id"))
DATA_SOURCE = Column("data_source", Kind.TEXT)
CLAIM = (
    Column("claim_id", Kind.IDENTIFIER, needed=True, filled=True),
    Column("claim_line_number", Kind.INTEGER, needed=True, filled=True),
    PERSON,
    Column("paid_date", Kind.DATE, past=True),
    Column("paid_amount", Kind.NUMBER),
    Column("allowed_amount", Kind.NUMBER),
    Column("charge_amount", Kind.NUMBER),
    Column("file_date", Kind.DATE, past=True),
    DATA_SOURCE,
)
LINE_RULE = Rule("claim_line_number", "claim_line_number < 0", "is negative")
# A charge below nothing takes back; a paid amount alone may be below nothing on a line that stands (a recoupment).
AMOUNT = "coalesce(charge_amount, allowed_amount, paid_amount)"
BEFORE_ICD_10 = "claim_start_date < DATE '2015-10-01'"  # 45 CFR 162.1002
# Billing systems write type of bill 0111 or 111.
BILL_TYPE = "if(length(bill_type_code) = 4, ltrim(bill_type_code, '0'), bill_type_code)"
# An admission date is the start of a stay only on inpatient bill types; on home health it is the start of care.
INPATIENT_BILLS = ("11", "12", "18", "21", "28", "41")
STAY = f"claim_type = 'institutional' AND (bill_type_code IS NULL OR left({BILL_TYPE}, 2) IN {INPATIENT_BILLS})"

ELIGIBILITY = Table(
    name="eligibility",
    required=True,
    columns=(
        PERSON,
        Column("gender", Kind.CHOICE, needed=True, choices=SEXES),
        Column("birth_date", Kind.DATE, needed=True, filled=True, past=True),
        Column("death_date", Kind.DATE, past=True),
        Column("enrollment_start_date", Kind.DATE, needed=True, filled=True),
        Column("enrollment_end_date", Kind.DATE, needed=True),
        Column("payer", Kind.TEXT),
        Column("plan", Kind.TEXT),
        Column("race", Kind.TEXT),
        Column("ethnicity", Kind.TEXT),
        Column("x_spoken_language", Kind.TEXT),
        Column("original_reason_entitlement_code", Kind.CODE),
        Column("dual_status_code", Kind.CODE, pad=2),
        Column("low_income_subsidy_indicator", Kind.FLAG),
        Column("hospice_flag", Kind.FLAG),
        Column("long_term_institutional_flag", Kind.FLAG),
        Column("institutional_snp_flag", Kind.FLAG),
        Column("snp_type", Kind.TEXT),
        DATA_SOURCE,
    ),
    key=("person_id", "enrollment_start_date", "enrollment_end_date", "payer", "plan", "data_source"),
    rules=(
        Rule("enrollment_end_date", "enrollment_end_date < enrollment_start_date", "lies before enrollment_start_date"),
        Rule("enrollment_start_date", "enrollment_start_date > today + 366", "lies more than a year ahead"),
        Rule("enrollment_start_date", "enrollment_start_date < birth_date", "lies before birth_date"),
        Rule("death_date", "death_date < birth_date", "lies before birth_date"),
        Rule("birth_date", "birth_date < DATE '1880-01-01'", "lies before 1880"),
        Rule("original_reason_entitlement_code", "length(original_reason_entitlement_code) > 1", "is not one digit"),
        Rule("dual_status_code", "length(dual_status_code) > 2", "is not two digits"),
    ),
    stored=(
        "birth_date",
        "death_date",
        "coalesce(gender, 'unknown') AS sex",
        "lower(race) AS race",
        "lower(ethnicity) AS ethnicity",
        "left(x_spoken_language, 40) AS language",
        "enrollment_start_date AS start_date",
        # 2099 and 9999 are both written for "no end in sight".
        "if(coalesce(enrollment_end_date, DATE '9999-12-31') >= DATE '2099-01-01', DATE '9999-12-31', enrollment_end_date) AS end_date",  # noqa: E501
        "nullif(regexp_extract(upper(plan), '^([HRSE][0-9]{4})(-[0-9]{3}){0,2}$', 1), '') AS contract",
        "nullif(regexp_extract(upper(plan), '^[HRSE][0-9]{4}-([0-9]{3})(-[0-9]{3})?$', 1), '') AS plan_benefit_package",
        "dual_status_code",
        "original_reason_entitlement_code",
        "coalesce(low_income_subsidy_indicator, false) AS low_income_subsidy",
        "coalesce(hospice_flag, false) AS hospice",
        "coalesce(long_term_institutional_flag, false) AS long_term_institutional",
        "coalesce(institutional_snp_flag, false) OR coalesce(upper(replace(snp_type, '-', '')) = 'ISNP', false) AS institutional_snp",  # noqa: E501
        "coalesce(data_source, '') AS source",
    ),
)

MEDICAL_CLAIM = Table(
    name="medical_claim",
    required=True,
    columns=(
        *CLAIM,
        Column("claim_type", Kind.CHOICE, needed=True, filled=True, choices=CLAIM_TYPES),
        Column("claim_start_date", Kind.DATE, needed=True, filled=True, past=True),
        Column("claim_end_date", Kind.DATE, past=True),
        Column("claim_line_start_date", Kind.DATE, past=True),
        Column("claim_line_end_date", Kind.DATE, past=True),
        Column("admission_date", Kind.DATE, past=True),
        Column("discharge_date", Kind.DATE, past=True),
        Column("place_of_service_code", Kind.CODE, pad=2),
        Column("bill_type_code", Kind.CODE),
        Column("revenue_center_code", Kind.CODE, pad=4),
        Column("service_unit_quantity", Kind.NUMBER),
        Column("hcpcs_code", Kind.CODE),
        Column("diagnosis_code_type", Kind.CHOICE, choices=DIAGNOSIS_SYSTEMS),
        Column("procedure_code_type", Kind.CHOICE, choices=PROCEDURE_SYSTEMS),
        *(Column(f"diagnosis_code_{slot}", Kind.ICD) for slot in SLOTS),
        *(Column(f"procedure_code_{slot}", Kind.ICD) for slot in SLOTS),
        *(Column(f"procedure_date_{slot}", Kind.DATE, past=True) for slot in SLOTS),
    ),
    identifier="claim_id",
    line="claim_line_number",
    year="year(claim_start_date)",
    reversal=f"coalesce(service_unit_quantity < 0, false) OR coalesce({AMOUNT} < 0, false)",
    rules=(
        LINE_RULE,
        Rule("claim_end_date", "claim_end_date < claim_start_date", "lies before claim_start_date"),
        Rule("claim_line_end_date", "claim_line_end_date < claim_line_start_date", "lies before claim_line_start_date"),
        Rule("discharge_date", "discharge_date < admission_date", "lies before admission_date"),
    ),
    stored=(
        "claim_type",
        f"if({STAY}, coalesce(admission_date, claim_start_date), claim_start_date) AS start_date",
        f"greatest(claim_start_date, if({STAY}, coalesce(discharge_date, claim_end_date), claim_end_date)) AS end_date",
        "coalesce(claim_line_start_date, claim_start_date) AS line_start_date",
        "greatest(coalesce(claim_line_end_date, claim_line_start_date, claim_end_date, claim_start_date), coalesce(claim_line_start_date, claim_start_date)) AS line_end_date",  # noqa: E501
        "place_of_service_code",
        f"{BILL_TYPE} AS bill_type_code",
        "revenue_center_code",
        "hcpcs_code",
        "service_unit_quantity AS quantity",
        f"{AMOUNT} AS amount",
        f"coalesce(diagnosis_code_type, if({BEFORE_ICD_10}, 'icd-9-cm', 'icd-10-cm')) AS diagnosis_system",
        f"coalesce(procedure_code_type, if({BEFORE_ICD_10}, 'icd-9-pcs', 'icd-10-pcs')) AS procedure_system",
        "list_filter(["
        + ", ".join(f"diagnosis_code_{slot}" for slot in SLOTS)
        + "], lambda x: x IS NOT NULL) AS diagnoses",
        "list_filter(["
        + ", ".join(f"{{'code': procedure_code_{slot}, 'day': procedure_date_{slot}}}" for slot in SLOTS)
        + "], lambda x: x.code IS NOT NULL) AS procedures",
        "greatest(coalesce(paid_date, file_date, claim_end_date, claim_start_date), claim_start_date) AS received_date",
        "coalesce(data_source, '') AS data_source",
    ),
)

PHARMACY_CLAIM = Table(
    name="pharmacy_claim",
    columns=(
        *CLAIM,
        Column("dispensing_date", Kind.DATE, needed=True, filled=True, past=True),
        Column("ndc_code", Kind.NDC, needed=True, filled=True),
        Column("quantity", Kind.NUMBER),
        Column("days_supply", Kind.INTEGER, needed=True),
    ),
    identifier="claim_id",
    line="claim_line_number",
    year="year(dispensing_date)",
    reversal=f"coalesce(quantity < 0, false) OR coalesce({AMOUNT} < 0, false)",
    rules=(
        LINE_RULE,
        Rule("days_supply", "days_supply < 0 AND NOT reversal", "is negative on a fill that is not a reversal"),
        Rule("days_supply", "abs(days_supply) > 366", "is more than a year"),
    ),
    stored=(
        "dispensing_date",
        "ndc_code AS ndc",
        "days_supply",
        "quantity",
        f"{AMOUNT} AS amount",
        "greatest(coalesce(paid_date, file_date, dispensing_date), dispensing_date) AS received_date",
        "coalesce(data_source, '') AS data_source",
    ),
)

# A result counts once it is one: not while it is awaited, not after it was taken back (HL7 table 0123, FHIR).
NO_RESULT = "('x', 'd', 'w', 'i', 'o', 'p', 'r', 's', 'cancelled', 'entered-in-error', 'registered', 'preliminary')"
# A result's words are kept only where they are one of these, a number with a sign, a titre or a blood pressure:
# free text holds addresses and names (LOINC 56799-0 in Tuva's own synthetic data).
RESULT_WORDS = (
    "positive", "negative", "detected", "not detected", "abnormal", "normal", "reactive", "non-reactive",
    "nonreactive", "present", "absent", "high", "low", "trace", "indeterminate", "inconclusive", "equivocal",
    "invalid", "yes", "no", "none", "pos", "neg",
)  # fmt: skip
RESULT_SHAPE = r"[<>]=?\s*[0-9]+(\.[0-9]+)?|1:[0-9]+|[0-9]{2,3}/[0-9]{2,3}"
# LOINC codes whose number or words identify a person; the code is kept, the value is not. Source: loinc.org.
IDENTIFYING_LOINC = {
    "56799-0": "address",
    "45401-7": "postal code",
    "42077-8": "telephone number",
    "21112-8": "birth date",
    "45396-9": "social security number",
    "45397-7": "Medicare number",
    "45400-9": "Medicaid number",
    "54125-0": "name",
}

RESULT_CODES = (
    ("normalized_component_type", "normalized_component_code"),
    ("source_component_type", "source_component_code"),
    ("normalized_order_type", "normalized_order_code"),
    ("source_order_type", "source_order_code"),
)
OBSERVATION_CODES = (("normalized_code_type", "normalized_code"), ("source_code_type", "source_code"))


def _first_standard(pairs: tuple[tuple[str, str], ...], wanted: int) -> str:
    """SQL for the type (0) or code (1) of the first pair that has a code of a known system, else null.

    A laboratory's own code is welcome beside a standard one; alone it is a code of no known system.
    """
    systems = tuple(CODE_SYSTEMS)
    cases = (f"WHEN {pair[0]} IN {systems} AND {pair[1]} IS NOT NULL THEN {pair[wanted]}" for pair in pairs)
    return f"CASE {' '.join(cases)} END"


def _result(pairs: tuple[tuple[str, str], ...]) -> tuple[str, ...]:
    """What is stored of a result: code system, code, and the value where it names nobody."""
    spellings = ", ".join(f"'{spelling}': '{name}'" for spelling, name in CODE_SYSTEMS.items())
    system, code = f"(MAP {{{spellings}}})[{_first_standard(pairs, 0)}]", _first_standard(pairs, 1)
    identifying = f"coalesce({system} = 'loinc' AND {code} IN {tuple(IDENTIFYING_LOINC)}, false)"
    number = "if(isfinite(try_cast(result AS DOUBLE)), try_cast(result AS DOUBLE), NULL)"
    words = f"lower(result) IN {RESULT_WORDS} OR regexp_full_match(result, '{RESULT_SHAPE}')"
    return (
        f"{system} AS code_system",
        f"{code} AS code",
        f"if({identifying}, NULL, {number}) AS value_number",
        f"CASE WHEN {identifying} OR {number} IS NOT NULL THEN NULL WHEN {words} THEN result END AS value_text",
        "left(coalesce(normalized_units, source_units), 40) AS unit",
        "coalesce(data_source, '') AS data_source",
    )


LAB_RESULT = Table(
    name="lab_result",
    columns=(
        Column("lab_result_id", Kind.IDENTIFIER, needed=True, filled=True),
        PERSON,
        Column("normalized_component_type", Kind.WORD, aliases=("normalized_code_type",)),
        Column("normalized_component_code", Kind.CODE, aliases=("normalized_code",)),
        Column("source_component_type", Kind.WORD, aliases=("source_code_type",)),
        Column("source_component_code", Kind.CODE, aliases=("source_code",)),
        Column("normalized_order_type", Kind.WORD),
        Column("normalized_order_code", Kind.CODE),
        Column("source_order_type", Kind.WORD),
        Column("source_order_code", Kind.CODE),
        Column("status", Kind.WORD),
        Column("result", Kind.TEXT, needed=True),
        Column("result_datetime", Kind.DATE, past=True, aliases=("result_date",)),
        Column("collection_datetime", Kind.DATE, past=True, aliases=("collection_date",)),
        Column("normalized_units", Kind.TEXT),
        Column("source_units", Kind.TEXT),
        DATA_SOURCE,
    ),
    any_of=(
        ("result_datetime", "collection_datetime"),
        tuple(code for _, code in RESULT_CODES),
        tuple(system for system, _ in RESULT_CODES),
    ),
    identifier="lab_result_id",
    year="year(coalesce(collection_datetime, result_datetime))",
    rules=(
        Rule("result_datetime", "coalesce(collection_datetime, result_datetime) IS NULL", "is missing"),
        Rule(
            "source_component_type",
            f"{_first_standard(RESULT_CODES, 1)} IS NULL",
            "no code column holds a code of a known code system",
        ),
    ),
    stored=(
        *_result(RESULT_CODES),
        # The day of the specimen is the day of service; the result follows.
        "coalesce(collection_datetime, result_datetime) AS start_date",
        f"coalesce(status IN {NO_RESULT}, false) AS withdrawn",
        "greatest(result_datetime, collection_datetime) AS received_date",
    ),
)

OBSERVATION = Table(
    name="observation",
    columns=(
        Column("observation_id", Kind.IDENTIFIER, needed=True, filled=True),
        PERSON,
        Column("observation_date", Kind.DATE, needed=True, filled=True, past=True),
        Column("normalized_code_type", Kind.WORD),
        Column("normalized_code", Kind.CODE),
        Column("source_code_type", Kind.WORD),
        Column("source_code", Kind.CODE),
        Column("result", Kind.TEXT, needed=True),
        Column("normalized_units", Kind.TEXT),
        Column("source_units", Kind.TEXT),
        DATA_SOURCE,
    ),
    any_of=(("source_code", "normalized_code"), ("source_code_type", "normalized_code_type")),
    identifier="observation_id",
    year="year(observation_date)",
    rules=(
        Rule(
            "source_code_type",
            f"{_first_standard(OBSERVATION_CODES, 1)} IS NULL",
            "no code column holds a code of a known code system",
        ),
    ),
    stored=(
        *_result(OBSERVATION_CODES),
        "observation_date AS start_date",
        "false AS withdrawn",
        "observation_date AS received_date",
    ),
)

PROVIDER = Table(
    name="provider",
    columns=(
        Column("npi", Kind.NPI, needed=True, filled=True),
        Column("name", Kind.TEXT),
        Column("practice", Kind.TEXT),
    ),
    key=("npi",),
    stored=("npi", "left(coalesce(name, ''), 120) AS name", "left(coalesce(practice, ''), 120) AS practice"),
)

PROVIDER_ATTRIBUTION = Table(
    name="provider_attribution",
    columns=(
        PERSON,
        Column("year_month", Kind.MONTH, needed=True, filled=True),
        Column("payer_attributed_provider", Kind.NPI, needed=True),
        Column("payer_attributed_provider_practice", Kind.TEXT),
    ),
    key=("person_id", "year_month"),
    stored=(
        "year_month AS month",
        "payer_attributed_provider AS npi",
        "left(coalesce(payer_attributed_provider_practice, ''), 120) AS practice",
    ),
)

TABLES = (ELIGIBILITY, MEDICAL_CLAIM, PHARMACY_CLAIM, LAB_RESULT, OBSERVATION, PROVIDER, PROVIDER_ATTRIBUTION)
