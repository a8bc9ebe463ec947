"""CMS125: Breast Cancer Screening, the eCQM form of BCS."""

from __future__ import annotations

import datetime as dt

from hedis.engine.measure import (
    AgeBand,
    AllOf,
    AnyOf,
    Condition,
    Dates,
    Definition,
    Direction,
    Events,
    Exclusion,
    Exists,
    Source,
)
from hedis.engine.period import EVER, Window
from hedis.measures.ecqm import common

SINCE_OCTOBER = Window(years_back=2, from_month_day=(10, 1))


def _lost_breast(side: str) -> Condition:
    """Mastectomy of one side, told by its own code or by the side of an unspecific one."""
    return AnyOf(
        common.diagnosed(f"{side} mastectomy", f"status-post-{side}-mastectomy", window=EVER, dates=Dates.START),
        Exists(
            Events(
                f"mastectomy, {side} side",
                ("unilateral-mastectomy-unspecified-laterality",),
                EVER,
                kinds=("diagnosis",),
                qualified_by=(f"{side}-side",),
            )
        ),
        common.treated(f"{side} mastectomy done", f"unilateral-mastectomy-{side}", window=EVER),
    )


BILATERAL_MASTECTOMY = Exclusion(
    "bilateral mastectomy",
    AnyOf(
        common.diagnosed(
            "history of bilateral mastectomy", "history-of-bilateral-mastectomy", window=EVER, dates=Dates.START
        ),
        common.treated("bilateral mastectomy", "bilateral-mastectomy", window=EVER),
        AllOf(_lost_breast("right"), _lost_breast("left")),
    ),
)

MAMMOGRAM = AnyOf(
    common.observed("mammogram", "mammography", window=SINCE_OCTOBER, dates=Dates.END, kinds=("imaging",)),
    common.observed(
        "mammogram report",
        "mammography",
        window=SINCE_OCTOBER,
        dates=Dates.END,
        kinds=("report",),
        statuses=(*common.RESULTED, "appended"),
    ),
)

CMS125 = Definition(
    code="CMS125",
    name="Breast Cancer Screening",
    version="1.0.000",
    steward="NCQA",
    domain="eCQM",
    direction=Direction.HIGHER,
    author=common.AUTHOR,
    checker=common.CHECKER,
    review_date=dt.date(2026, 11, 21),
    sources=(
        Source("CMS125FHIRBreastCancerScreen 1.0.000", "initial population, exclusions, numerator"),
        Source("AdultOutpatientEncounters 4.19.000", "visits"),
        common.SHARED_LIBRARIES,
    ),
    ages=(AgeBand(2026, 42, 74),),
    sexes=("female",),
    enrolment=None,
    denominator_event=common.OUTPATIENT_VISIT,
    exclusions=(
        common.HOSPICE,
        BILATERAL_MASTECTOMY,
        common.frailty_and_advanced_illness(),
        common.NURSING_HOME,
        common.PALLIATIVE_CARE,
    ),
    numerator=MAMMOGRAM,
    notes=("Diagnostic reports count from version 1.1.000 of the measure on; the observation counts in both.",),
)
