"""CMS165: Controlling High Blood Pressure, the eCQM form of CBP."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

from hedis.engine.measure import (
    AgeBand,
    AllOf,
    AnyOf,
    Dates,
    Definition,
    Direction,
    Events,
    Exclusion,
    Exists,
    LatestReading,
    Result,
    Source,
)
from hedis.engine.period import EVER, Window
from hedis.measures.ecqm import common

FIRST_HALF = Window(until_month_day=(6, 30))

PREGNANCY = Exclusion("pregnancy", common.diagnosed("pregnancy", "pregnancy"))
KIDNEY_FAILURE = Exclusion(
    "end-stage kidney disease, dialysis or kidney transplant",
    AnyOf(
        common.diagnosed(
            "kidney failure",
            "end-stage-renal-disease",
            "kidney-transplant-recipient",
            "chronic-kidney-disease-stage-5",
        ),
        common.treated("dialysis or kidney transplant", "kidney-transplant", "dialysis-services", window=EVER),
        Exists(
            common.visit("monthly dialysis visit", "esrd-monthly-outpatient-services", window=EVER, dates=Dates.START)
        ),
    ),
)
FRAILTY_ALONE = Exclusion("frailty, 81 and older", common.FRAILTY, ages=(81, None))

READING = Events(
    "blood pressure",
    (),
    kinds=common.OBSERVATIONS,
    statuses=common.RESULTED,
    dates=Dates.END,
    not_during=common.visit(
        "hospital stay or emergency visit",
        "encounter-inpatient",
        "emergency-department-evaluation-and-management-visit",
        dates=Dates.OVERLAP,
    ),
    kept_in_encounter=Events(
        "encounter outside a hospital", ("encounter-class-outside-hospital",), EVER, kinds=("visit",)
    ),
)
SYSTOLIC = Result(
    replace(READING, name="systolic", value_sets=("systolic-blood-pressure",)),
    unit="mmHg",
    decimals=0,
    plausible=(0.0, 1000.0),
    below=140.0,
    missing_decides=True,
)
DIASTOLIC = replace(
    SYSTOLIC,
    events=replace(READING, name="diastolic", value_sets=("diastolic-blood-pressure",)),
    below=90.0,
)

CMS165 = Definition(
    code="CMS165",
    name="Controlling High Blood Pressure",
    version="1.0.000",
    steward="NCQA",
    domain="eCQM",
    direction=Direction.HIGHER,
    reversible=True,
    author=common.AUTHOR,
    checker=common.CHECKER,
    review_date=dt.date(2026, 11, 21),
    sources=(
        Source("CMS165FHIRControllingHighBP 1.0.000", "initial population, exclusions, numerator"),
        Source("AdultOutpatientEncounters 4.19.000", "visits"),
        common.SHARED_LIBRARIES,
    ),
    ages=(AgeBand(2026, 18, 85),),
    enrolment=None,
    denominator_event=AllOf(
        common.OUTPATIENT_VISIT,
        common.diagnosed("essential hypertension", "essential-hypertension", window=FIRST_HALF),
    ),
    exclusions=(
        common.HOSPICE,
        PREGNANCY,
        KIDNEY_FAILURE,
        common.frailty_and_advanced_illness(high=80),
        FRAILTY_ALONE,
        common.NURSING_HOME,
        common.PALLIATIVE_CARE,
    ),
    numerator=LatestReading("blood pressure", SYSTOLIC, DIASTOLIC, unit="mmHg"),
    notes=(
        "A reading on a day of a hospital stay or emergency visit counts only when it was recorded in an encounter of "
        "another class than emergency, inpatient, pre-admission or short stay.",
    ),
)
