"""Glycemic Status Assessment for Patients With Diabetes (GSD): Star measure Diabetes Care – Blood Sugar Controlled."""

from __future__ import annotations

import datetime as dt

from hedis.engine.measure import (
    AgeBand,
    CodedResult,
    ContinuousEnrolment,
    Definition,
    Direction,
    Events,
    LatestResult,
    Result,
    Source,
)
from hedis.measures.definitions import common
from hedis.measures.definitions.diabetes import DIABETES, POPULATION

GLYCEMIC_STATUS = Result(
    Events("HbA1c or GMI", ("hba1c", "glucose-management-indicator"), needs=("loinc",)),
    unit="%",
    decimals=1,
    plausible=(2.0, 25.0),
    at_most=9.0,
    coded=(CodedResult("hba1c-at-most-9", 9.0, "at most 9"), CodedResult("hba1c-above-9", 9.1, "above 9")),
)

GSD = Definition(
    code="GSD",
    name="Glycemic Status Assessment for Patients With Diabetes",
    version="2025.1",
    steward="NCQA",
    domain="Managing Chronic (Long Term) Conditions",
    direction=Direction.HIGHER,
    inverse=True,
    reversible=True,
    author="measure engine team",
    checker="lead engineer",
    review_date=dt.date(2026, 11, 21),
    sources=(
        Source("CMS122FHIR Diabetes: Glycemic Status Assessment Greater Than 9% 1.0.000", "numerator, exclusions"),
        Source("CMS 2026 Star Ratings Technical Notes", "C12 Diabetes Care – Blood Sugar Controlled"),
        POPULATION,
        common.HEDIS_GENERAL_GUIDELINES,
        common.ECQM_EXCLUSIONS,
    ),
    ages=(AgeBand(2006, 18, 75),),
    enrolment=ContinuousEnrolment(),
    denominator_event=DIABETES,
    exclusions=(*common.ALWAYS, common.frailty_and_advanced_illness()),
    numerator=LatestResult(GLYCEMIC_STATUS),
    notes=(
        "No result in the year counts as not controlled. Several results on the last day: the lowest counts.",
        "A result outside 2 to 25 % is treated as missing (our own choice).",
    ),
)
