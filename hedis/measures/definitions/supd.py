"""Statin Use in Persons with Diabetes (SUPD)."""

from __future__ import annotations

import datetime as dt

from hedis.engine.measure import (
    AgeBand,
    AgeOn,
    CountDates,
    Definition,
    Direction,
    Events,
    Exclusion,
    Exists,
    Source,
)
from hedis.measures.definitions import common
from hedis.measures.definitions.pdc import AGE_AT_START, END_STAGE_RENAL_DISEASE, TECHNICAL_NOTES, fills


def _diagnosed(name: str, *value_sets: str) -> Exclusion:
    """Excluded by a diagnosis in the measurement year."""
    return Exclusion(name, Exists(Events(name, value_sets, kinds=("diagnosis",), needs=("icd-10-cm",))))


SUPD = Definition(
    code="SUPD",
    name="Statin Use in Persons with Diabetes",
    version="2026.1",
    steward="PQA",
    domain="Drug Safety and Accuracy of Drug Pricing",
    direction=Direction.HIGHER,
    author="measure engine team",
    checker="lead engineer",
    review_date=dt.date(2026, 11, 21),
    sources=(
        Source(TECHNICAL_NOTES, "D12 Statin Use in Persons with Diabetes (SUPD)"),
        Source("Pharmacy Quality Alliance, public overview of SUPD", "denominator, exclusions, numerator"),
        Source("Premera Blue Cross, 2024 pharmacy Star measurement changes", "75 on the first day stays in all year"),
        AGE_AT_START,
    ),
    ages=(AgeBand(2014, 40, 75),),
    age_on=AgeOn.START,
    enrolment=None,
    denominator_event=CountDates(fills("diabetes medication fill", "supd-diabetes-medication"), at_least=2),
    exclusions=(
        common.HOSPICE,
        END_STAGE_RENAL_DISEASE,
        _diagnosed("rhabdomyolysis or myopathy", "rhabdomyolysis-or-myopathy"),
        _diagnosed("pregnancy, lactation or fertility", "pregnancy", "lactation", "fertility"),
        _diagnosed("cirrhosis", "cirrhosis"),
        _diagnosed("pre-diabetes", "prediabetes"),
        _diagnosed("polycystic ovary syndrome", "polycystic-ovary-syndrome"),
    ),
    numerator=Exists(fills("statin fill", "supd-statin")),
    notes=(
        "From measurement year 2024 on CMS asks for enrolment without a break of more than one day in the treatment "
        "period; here everybody with two fills counts, since the plan pays for no fill outside enrolment.",
        "A fertility drug's fill does not exclude: no free list says which fills are for fertility.",
    ),
)
