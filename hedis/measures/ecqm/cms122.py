"""CMS122: Diabetes: Glycemic Status Assessment Greater Than 9 %, the eCQM form of GSD."""

from __future__ import annotations

import datetime as dt

from hedis.engine.measure import (
    AgeBand,
    AllOf,
    Dates,
    Definition,
    Direction,
    Events,
    Exists,
    LatestResult,
    Result,
    Source,
)
from hedis.measures.ecqm import common

VISIT = Exists(
    common.visit("qualifying visit", *common.OFFICE_VISITS, "nutrition-services", "medical-nutrition-therapy")
)
GLYCEMIC_STATUS = Result(
    Events(
        "HbA1c or GMI",
        ("hba1c-laboratory-test", "glucose-management-indicator"),
        kinds=common.OBSERVATIONS,
        statuses=common.RESULTED,
        dates=Dates.END,
    ),
    unit="%",
    decimals=1,
    plausible=(0.0, 1000.0),
    at_most=9.0,
    missing_decides=True,
)

CMS122 = Definition(
    code="CMS122",
    name="Diabetes: Glycemic Status Assessment Greater Than 9 %",
    version="1.0.000",
    steward="NCQA",
    domain="eCQM",
    direction=Direction.LOWER,
    inverse=True,
    reversible=True,
    author=common.AUTHOR,
    checker=common.CHECKER,
    review_date=dt.date(2026, 11, 21),
    sources=(
        Source("CMS122FHIRDiabetesAssessGT9Pct 1.0.000", "initial population, numerator"),
        common.SHARED_LIBRARIES,
    ),
    ages=(AgeBand(2026, 18, 75),),
    enrolment=None,
    denominator_event=AllOf(VISIT, common.diagnosed("diabetes", "diabetes")),
    exclusions=(
        common.HOSPICE,
        common.NURSING_HOME,
        common.frailty_and_advanced_illness(),
        common.PALLIATIVE_CARE,
    ),
    numerator=LatestResult(GLYCEMIC_STATUS),
    notes=(
        "The published numerator is poor control: above 9 %, no value, or no test. This definition counts the rest.",
        "Among results of the last day one without a value comes first.",
    ),
)
