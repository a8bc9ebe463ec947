"""CMS130: Colorectal Cancer Screening, the eCQM form of COL."""

from __future__ import annotations

import datetime as dt

from hedis.engine.measure import AgeBand, AnyOf, Dates, Definition, Direction, Exclusion, Source
from hedis.engine.period import EVER, Window
from hedis.measures.ecqm import common

COLORECTAL_CANCER = Exclusion(
    "colorectal cancer",
    common.diagnosed("colorectal cancer", "malignant-neoplasm-of-colon", window=EVER, dates=Dates.START),
)
TOTAL_COLECTOMY = Exclusion("total colectomy", common.treated("total colectomy", "total-colectomy", window=EVER))

SCREENED = AnyOf(
    common.treated("colonoscopy", "colonoscopy", window=Window(years_back=9)),
    common.treated("flexible sigmoidoscopy", "flexible-sigmoidoscopy", window=Window(years_back=4)),
    common.observed(
        "CT colonography", "ct-colonography", window=Window(years_back=4), dates=Dates.END, kinds=("imaging",)
    ),
    common.observed(
        "stool DNA with FIT", "sdna-fit-test", window=Window(years_back=2), dates=Dates.END, has_value=True
    ),
    common.observed("FOBT", "fecal-occult-blood-test-fobt", dates=Dates.END, has_value=True),
)

CMS130 = Definition(
    code="CMS130",
    name="Colorectal Cancer Screening",
    version="1.0.000",
    steward="NCQA",
    domain="eCQM",
    direction=Direction.HIGHER,
    author=common.AUTHOR,
    checker=common.CHECKER,
    review_date=dt.date(2026, 11, 21),
    sources=(
        Source("CMS130FHIRColorectalCancerScrn 1.0.000", "initial population, exclusions, numerator"),
        Source("AdultOutpatientEncounters 4.19.000", "visits"),
        common.SHARED_LIBRARIES,
    ),
    ages=(AgeBand(2026, 46, 75),),
    enrolment=None,
    denominator_event=common.OUTPATIENT_VISIT,
    exclusions=(
        common.HOSPICE,
        COLORECTAL_CANCER,
        TOTAL_COLECTOMY,
        common.frailty_and_advanced_illness(),
        common.NURSING_HOME,
        common.PALLIATIVE_CARE,
    ),
    numerator=SCREENED,
)
