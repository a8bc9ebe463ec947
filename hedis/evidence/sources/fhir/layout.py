"""FHIR's own tables of the warehouse's `received` side, in the words every layout is written in. Coverage and
Practitioner go into Tuva's `eligibility` and `provider`: a member's spans are one history, whatever source tells them.
"""

from hedis.evidence.sources.layout import Column, Kind, Rule, Table
from hedis.evidence.sources.tuva import SEXES

FACT = (
    "STRUCT(kind VARCHAR, code_system VARCHAR, code VARCHAR, start_date DATE, end_date DATE, value_number DOUBLE, "
    "value_text VARCHAR, value_code VARCHAR, unit VARCHAR, qualifier VARCHAR, status VARCHAR, encounter VARCHAR, "
    "claim_type VARCHAR, line INTEGER, source VARCHAR, received_date DATE)"
)
FILL = (
    "STRUCT(dispensing_date DATE, ndc VARCHAR, rxnorm VARCHAR, days_supply INTEGER, quantity DOUBLE, line INTEGER, "
    "source VARCHAR, received_date DATE)"
)
RESOURCE_ID = Column("resource_id", Kind.IDENTIFIER, needed=True, filled=True)
DATA_SOURCE = Column("data_source", Kind.TEXT)
# A prescription may say when it starts; nothing else that happened can lie ahead.
FUTURE = (
    "len(list_filter(facts, lambda f: f.start_date > today + if(f.kind = 'medication-order', 366, 0))) > 0 "
    "OR len(list_filter(fills, lambda f: f.dispensing_date > today)) > 0"
)

PATIENT = Table(
    name="patient",
    columns=(
        Column("person_id", Kind.PERSON, needed=True, filled=True),
        RESOURCE_ID,
        Column("birth_date", Kind.DATE, needed=True, filled=True, past=True),
        Column("death_date", Kind.DATE, past=True),
        Column("gender", Kind.CHOICE, choices=SEXES),
        Column("race", Kind.TEXT),
        Column("ethnicity", Kind.TEXT),
        Column("language", Kind.TEXT),
        DATA_SOURCE,
    ),
    identifier="resource_id",
    rules=(Rule("birth_date", "birth_date < DATE '1880-01-01'", "lies before 1880"),),
    stored=("birth_date", "death_date", "coalesce(gender, 'unknown') AS sex", "race", "ethnicity", "language"),
)
RESOURCE = Table(
    name="resource",
    columns=(
        Column("person_id", Kind.PERSON, needed=True),
        RESOURCE_ID,
        Column("resource_type", Kind.TEXT, needed=True, filled=True),
        Column("facts", Kind.LIST, type=f"{FACT}[]"),
        Column("fills", Kind.LIST, type=f"{FILL}[]"),
        DATA_SOURCE,
    ),
    identifier="resource_id",
    year="coalesce(year(facts[1].start_date), year(fills[1].dispensing_date), 0)",
    rules=(Rule("date", FUTURE, "lies in the future"),),
    stored=("resource_type", "facts", "fills", "coalesce(data_source, '') AS data_source"),
)
TABLES = (PATIENT, RESOURCE)
