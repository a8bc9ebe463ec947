"""Kidney Health Evaluation for Patients With Diabetes (KED): Star measure from Star year 2026."""

from __future__ import annotations

import datetime as dt

from hedis.engine.measure import (
    AgeBand,
    AllOf,
    AnyOf,
    ContinuousEnrolment,
    Definition,
    Direction,
    Events,
    Exclusion,
    Exists,
    Source,
    WithinDays,
)
from hedis.measures.definitions import common
from hedis.measures.definitions.diabetes import DIABETES, POPULATION

EGFR = Exists(Events("estimated GFR", ("egfr",), needs=("loinc", "cpt")))
UACR = AnyOf(
    Exists(Events("urine albumin-creatinine ratio", ("urine-albumin-creatinine-ratio",), needs=("loinc",))),
    WithinDays(
        "urine albumin and urine creatinine",
        Events("quantitative urine albumin", ("urine-albumin",), needs=("loinc", "cpt")),
        Events("urine creatinine", ("urine-creatinine",), needs=("loinc", "cpt")),
        days=4,
    ),
)

KIDNEY_FAILURE = Exclusion(
    "end-stage kidney disease or dialysis", AnyOf(common.END_STAGE_KIDNEY_DISEASE, common.DIALYSIS)
)

KED = Definition(
    code="KED",
    name="Kidney Health Evaluation for Patients With Diabetes",
    version="2025.1",
    steward="NCQA",
    domain="Managing Chronic (Long Term) Conditions",
    direction=Direction.HIGHER,
    author="measure engine team",
    checker="lead engineer",
    review_date=dt.date(2026, 11, 21),
    sources=(
        Source("CMS951FHIR Kidney Health Evaluation 1.0.000", "which tests count"),
        Source("Blue Cross Blue Shield of North Dakota, HEDIS tip sheet on KED", "four days, exclusions"),
        Source("Johns Hopkins Health Plans, provider page on KED", "ages, enrolment"),
        Source("CMS 2026 Star Ratings Technical Notes", "C13 Kidney Health Evaluation for Patients with Diabetes"),
        POPULATION,
        common.HEDIS_GENERAL_GUIDELINES,
        common.ECQM_EXCLUSIONS,
    ),
    ages=(AgeBand(2020, 18, 85),),
    enrolment=ContinuousEnrolment(),
    denominator_event=DIABETES,
    exclusions=(
        *common.ALWAYS,
        common.frailty_and_advanced_illness(high=80),
        common.FRAILTY_ALONE,
        KIDNEY_FAILURE,
    ),
    numerator=AllOf(EGFR, UACR),
    notes=(
        "Both tests are needed in the year, on the same day or on different ones; the results do not matter.",
        "Albumin and creatinine in urine make a ratio when taken at most four days apart, whichever came first; both "
        "days lie in the year.",
    ),
)
