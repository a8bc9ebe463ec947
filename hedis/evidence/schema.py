"""The columns of the warehouse's four tables, with their DuckDB types; what they mean: docs/warehouse.md. Data."""

SCHEMA: dict[str, dict[str, str]] = {
    "member": {
        "member": "VARCHAR", "birth_date": "DATE", "death_date": "DATE", "sex": "VARCHAR", "race": "VARCHAR",
        "ethnicity": "VARCHAR", "language": "VARCHAR",
    },
    "enrolment": {
        "member": "VARCHAR", "start_date": "DATE", "end_date": "DATE", "contract": "VARCHAR",
        "plan_benefit_package": "VARCHAR", "dual_status_code": "VARCHAR",
        "original_reason_entitlement_code": "VARCHAR", "low_income_subsidy": "BOOLEAN", "hospice": "BOOLEAN",
        "long_term_institutional": "BOOLEAN", "institutional_snp": "BOOLEAN", "source": "VARCHAR",
    },
    "event": {
        "member": "VARCHAR", "kind": "VARCHAR", "code_system": "VARCHAR", "code": "VARCHAR", "start_date": "DATE",
        "end_date": "DATE", "value_number": "DOUBLE", "value_text": "VARCHAR", "value_code": "VARCHAR",
        "unit": "VARCHAR", "qualifier": "VARCHAR", "status": "VARCHAR", "encounter": "VARCHAR",
        "claim_type": "VARCHAR", "record": "VARCHAR", "line": "INTEGER", "source": "VARCHAR",
        "data_source": "VARCHAR", "received_date": "DATE",
    },
    "dispensing": {
        "member": "VARCHAR", "dispensing_date": "DATE", "ndc": "VARCHAR", "rxnorm": "VARCHAR", "days_supply": "INTEGER",
        "quantity": "DOUBLE", "record": "VARCHAR", "line": "INTEGER", "source": "VARCHAR",
        "data_source": "VARCHAR", "received_date": "DATE",
    },
}  # fmt: skip
