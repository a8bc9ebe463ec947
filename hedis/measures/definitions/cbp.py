"""Controlling High Blood Pressure (CBP): Star measure Controlling Blood Pressure."""

from __future__ import annotations

import datetime as dt

from hedis.engine.measure import (
    AgeBand,
    AnyOf,
    ContinuousEnrolment,
    CountDates,
    Definition,
    Direction,
    Events,
    Exclusion,
    Exists,
    Source,
)
from hedis.engine.period import EVER, Window
from hedis.measures.definitions import common
from hedis.measures.definitions.blood_pressure import READING_NOTES, below_140_over_90

YEAR_BEFORE_TO_MIDYEAR = Window(years_back=1, until_month_day=(6, 30))

HYPERTENSION_VISIT = Events(
    "hypertension diagnosis at a visit",
    ("essential-hypertension",),
    YEAR_BEFORE_TO_MIDYEAR,
    kinds=("diagnosis",),
    on_same_claim=Events(
        "outpatient visit",
        ("outpatient-visit",),
        YEAR_BEFORE_TO_MIDYEAR,
        needs=("place-of-service", "hcpcs-ii", "cpt", "bill-type"),
    ),
    not_on_same_claim=common.LABORATORY_CLAIM,
    needs=("icd-10-cm",),
)

KIDNEY_FAILURE = Exclusion(
    "end-stage kidney disease, dialysis, kidney transplant or nephrectomy",
    AnyOf(
        Exists(
            Events(
                "end-stage kidney disease",
                ("end-stage-renal-disease", "kidney-transplant-recipient"),
                EVER,
                kinds=("diagnosis",),
                not_on_same_claim=common.LABORATORY_CLAIM_EVER,
                needs=("icd-10-cm", "snomed-ct"),
            )
        ),
        common.DIALYSIS,
        Exists(
            Events(
                "kidney transplant", ("kidney-transplant",), EVER, needs=("hcpcs-ii", "icd-10-pcs", "cpt", "snomed-ct")
            )
        ),
        Exists(Events("nephrectomy", ("nephrectomy",), EVER, needs=("icd-10-pcs", "cpt"))),
    ),
)
PREGNANCY = Exclusion(
    "pregnancy",
    Exists(
        Events(
            "pregnancy diagnosis",
            ("pregnancy",),
            kinds=("diagnosis",),
            not_on_same_claim=common.LABORATORY_CLAIM,
            needs=("icd-10-cm", "snomed-ct"),
        )
    ),
)
CBP = Definition(
    code="CBP",
    name="Controlling High Blood Pressure",
    version="2025.1",
    steward="NCQA",
    domain="Managing Chronic (Long Term) Conditions",
    direction=Direction.HIGHER,
    reversible=True,
    author="measure engine team",
    checker="lead engineer",
    review_date=dt.date(2026, 11, 21),
    sources=(
        Source("CMS165FHIR Controlling High Blood Pressure 1.0.000", "numerator, exclusions"),
        Source("CMS 2026 Star Ratings Technical Notes", "C14 Controlling Blood Pressure"),
        common.HEDIS_GENERAL_GUIDELINES,
        common.ECQM_EXCLUSIONS,
    ),
    ages=(AgeBand(2006, 18, 85),),
    enrolment=ContinuousEnrolment(),
    denominator_event=CountDates(HYPERTENSION_VISIT, at_least=2),
    exclusions=(
        *common.ALWAYS,
        common.frailty_and_advanced_illness(high=80),
        common.FRAILTY_ALONE,
        KIDNEY_FAILURE,
        PREGNANCY,
    ),
    numerator=below_140_over_90(from_denominator_event=True),
    notes=(
        "The last day with a reading on or after the second hypertension date decides, by the lowest systolic and "
        "the lowest diastolic of that day; a day with one of the two only is an incomplete reading.",
        *READING_NOTES,
        "Hospital outpatient claims carry a bill type and no place of service: they count as visits once the plan "
        "loads its bill-type list into the set outpatient-visit.",
    ),
)
