"""Supplemental data files as a layout: facts from charts and registries that no claim carries.

Standard files come from a system in a fixed form; non-standard ones were read out of charts, so every row names the
proof of service that an auditor will ask for. Either feeds numerators and exclusions only, never a denominator event:
the engine sees to that by the rows' source (NCQA, General Guideline on supplemental data, in our words).
"""

from hedis.evidence.sources.layout import Column, Kind, Rule, Table
from hedis.evidence.sources.tuva import CODE_SYSTEMS, DATA_SOURCE, PERSON, RESULT_SHAPE, RESULT_WORDS

# What a fact is by the system of its code; a result of a LOINC code counts as an observation.
KINDS = {
    "icd-10-cm": "diagnosis", "icd-9-cm": "diagnosis", "icd-10-pcs": "procedure", "icd-9-pcs": "procedure",
    "hcpcs": "procedure", "snomed-ct": "procedure", "cvx": "immunization", "loinc": "observation",
}  # fmt: skip
CHOICES = {spelling: word for spelling, word in CODE_SYSTEMS.items() if word in KINDS}
_KIND = "(MAP {" + ", ".join(f"'{system}': '{kind}'" for system, kind in KINDS.items()) + "})[code_type]"
_NUMBER = "if(isfinite(try_cast(result AS DOUBLE)), try_cast(result AS DOUBLE), NULL)"
_WORDS = f"lower(result) IN {RESULT_WORDS} OR regexp_full_match(result, '{RESULT_SHAPE}')"


def _table(name: str, *, proven: bool) -> Table:
    rules = [
        Rule("received_date", "received_date < service_date", "lies before service_date"),
        Rule("result", f"result IS NOT NULL AND {_NUMBER} IS NULL AND NOT ({_WORDS})",
             "is neither a number nor a known result word"),
    ]  # fmt: skip
    if proven:
        rules.append(Rule("proof_of_service", "NOT proof_of_service", "is no: a non-standard row needs the proof"))
    return Table(
        name=name,
        columns=(
            PERSON,
            Column("service_date", Kind.DATE, needed=True, filled=True, past=True),
            Column("code_type", Kind.CHOICE, needed=True, filled=True, choices=CHOICES),
            Column("code", Kind.CODE, needed=True, filled=True),
            Column("result", Kind.TEXT, needed=True),
            Column("units", Kind.TEXT),
            Column("provider_npi", Kind.NPI, needed=True, filled=proven),
            Column("reference", Kind.IDENTIFIER, needed=True, filled=True, aliases=("source_document",)),
            Column("received_date", Kind.DATE, needed=True, filled=True, past=True),
            Column("proof_of_service", Kind.FLAG, needed=proven, filled=proven),
            DATA_SOURCE,
        ),
        # One document tells several facts, so the document alone does not tell one row from another.
        key=("person_id", "reference", "service_date", "code_type", "code", "data_source"),
        year="year(service_date)",
        rules=tuple(rules),
        stored=(
            f"{_KIND} AS kind",
            "code_type AS code_system",
            "if(code_type LIKE 'icd-%', replace(code, '.', ''), code) AS code",
            "service_date AS start_date",
            f"{_NUMBER} AS value_number",
            f"if({_NUMBER} IS NULL, result, NULL) AS value_text",
            "left(units, 40) AS unit",
            "provider_npi",
            "received_date",
            "coalesce(data_source, '') AS data_source",
        ),
    )


STANDARD = _table("supplemental_standard", proven=False)
NON_STANDARD = _table("supplemental_non_standard", proven=True)
TABLES = (STANDARD, NON_STANDARD)
