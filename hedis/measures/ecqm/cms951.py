"""CMS951: Kidney Health Evaluation, the eCQM form of KED."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

from hedis.engine.measure import (
    AgeBand,
    AgeOn,
    AllOf,
    AnyOf,
    Dates,
    Definition,
    Direction,
    Events,
    Exclusion,
    Exists,
    Source,
    WithinDays,
)
from hedis.measures.ecqm import common

VISIT = Exists(common.visit("outpatient visit", *common.OFFICE_VISITS, "outpatient-consultation"))
KIDNEY_FAILURE = Exclusion(
    "chronic kidney disease stage 5 or end-stage kidney disease",
    common.diagnosed("kidney failure", "chronic-kidney-disease-stage-5", "end-stage-renal-disease"),
)


TEST = Events("", (), kinds=common.OBSERVATIONS, statuses=common.RESULTED, dates=Dates.WITHIN)
EGFR = replace(TEST, name="eGFR", value_sets=("estimated-glomerular-filtration-rate",), has_value=True)
URINE_ALBUMIN = replace(TEST, name="urine albumin", value_sets=("urine-albumin",), has_value=True)
URINE_CREATININE = replace(TEST, name="urine creatinine", value_sets=("urine-creatinine",), has_value=True)
UACR = replace(TEST, name="uACR", value_sets=("urine-albumin-creatinine-ratio",))

CMS951 = Definition(
    code="CMS951",
    name="Kidney Health Evaluation",
    version="1.0.000",
    steward="National Kidney Foundation",
    domain="eCQM",
    direction=Direction.HIGHER,
    author=common.AUTHOR,
    checker=common.CHECKER,
    review_date=dt.date(2026, 11, 21),
    sources=(
        Source("CMS951FHIRKidneyHealthEval 1.0.000", "initial population, exclusions, numerator"),
        common.SHARED_LIBRARIES,
    ),
    ages=(AgeBand(2026, 18, 85),),
    age_on=AgeOn.START,
    enrolment=None,
    denominator_event=AllOf(VISIT, common.diagnosed("diabetes", "diabetes", dates=Dates.OVERLAP_FROM_BEFORE)),
    exclusions=(KIDNEY_FAILURE, common.HOSPICE, common.PALLIATIVE_CARE),
    numerator=AllOf(
        Exists(EGFR),
        AnyOf(
            Exists(replace(UACR, measured=True)),
            Exists(replace(UACR, name="undetectable uACR", with_value=("undetectable-lab-result-value",))),
            WithinDays("urine albumin with urine creatinine", URINE_ALBUMIN, URINE_CREATININE, days=4),
        ),
    ),
)
