"""Controlling High Blood Pressure (CBP): Star measure Controlling Blood Pressure."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

from hedis.engine.measure import (
    AgeBand,
    AnyOf,
    CodedResult,
    ContinuousEnrolment,
    CountDates,
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
from hedis.measures.definitions import common

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

BLOOD_PRESSURE = Events(
    "blood pressure",
    (),
    not_during=Events(
        "acute stay or emergency visit", ("acute-setting",), kinds=("visit",), needs=("place-of-service",)
    ),
    from_denominator_event=True,
)
SYSTOLIC = Result(
    replace(BLOOD_PRESSURE, name="systolic", value_sets=("systolic-blood-pressure",), needs=("loinc",)),
    unit="mmHg",
    decimals=0,
    plausible=(40.0, 300.0),
    below=140.0,
    coded=(CodedResult("systolic-below-140", 139.0, "<140"), CodedResult("systolic-140-or-above", 140.0, "≥140")),
)
DIASTOLIC = Result(
    replace(BLOOD_PRESSURE, name="diastolic", value_sets=("diastolic-blood-pressure",), needs=("loinc",)),
    unit="mmHg",
    decimals=0,
    plausible=(20.0, 200.0),
    below=90.0,
    coded=(CodedResult("diastolic-below-90", 89.0, "<90"), CodedResult("diastolic-90-or-above", 90.0, "≥90")),
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
                not_on_same_claim=Events("laboratory claim", ("laboratory-setting",), EVER, ("visit",)),
                needs=("icd-10-cm", "snomed-ct"),
            )
        ),
        Exists(Events("dialysis", ("dialysis",), EVER, needs=("hcpcs-ii", "icd-10-pcs", "cpt", "snomed-ct"))),
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
FRAILTY_ALONE = Exclusion("frailty, 81 and older", common.FRAILTY, ages=(81, None))

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
        FRAILTY_ALONE,
        KIDNEY_FAILURE,
        PREGNANCY,
    ),
    numerator=LatestReading("blood pressure", SYSTOLIC, DIASTOLIC, unit="mmHg"),
    notes=(
        "The last day with a reading on or after the second hypertension date decides, by the lowest systolic and "
        "the lowest diastolic of that day; a day with one of the two only is an incomplete reading.",
        "Readings on a day of an acute stay or an emergency visit (place of service 21, 23, 51) do not count.",
        "Hospital outpatient claims carry a bill type and no place of service: they count as visits once the plan "
        "loads its bill-type list into the set outpatient-visit.",
        "Outside 40–300 systolic or 20–200 diastolic a value is treated as missing (our own choice).",
    ),
)
