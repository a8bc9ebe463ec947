"""Breast Cancer Screening (BCS)."""

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
)
from hedis.engine.period import EVER, Window
from hedis.measures.definitions import common

FROM_OCTOBER_TWO_YEARS_BEFORE = Window(years_back=2, from_month_day=(10, 1))

MAMMOGRAM = Exists(
    Events("mammogram", ("mammography",), FROM_OCTOBER_TWO_YEARS_BEFORE, needs=("loinc", "hcpcs-ii", "cpt"))
)

MASTECTOMY_ROUTES = ("icd-10-cm", "icd-10-pcs", "cpt", "snomed-ct")
MASTECTOMY = Exclusion(
    "mastectomy on both sides",
    AnyOf(
        Exists(Events("bilateral mastectomy", ("bilateral-mastectomy",), EVER, needs=MASTECTOMY_ROUTES)),
        AllOf(
            Exists(Events("mastectomy on the left side", ("left-mastectomy",), EVER, needs=MASTECTOMY_ROUTES)),
            Exists(Events("mastectomy on the right side", ("right-mastectomy",), EVER, needs=MASTECTOMY_ROUTES)),
        ),
    ),
)

BCS = Definition(
    code="BCS",
    name="Breast Cancer Screening",
    version="2025.1",
    steward="NCQA",
    domain="Staying Healthy: Screenings, Tests and Vaccines",
    direction=Direction.HIGHER,
    author="measure engine team",
    checker="lead engineer",
    review_date=dt.date(2026, 11, 21),
    sources=(
        Source("CMS125FHIR Breast Cancer Screening 1.0.000", "ages 42 to 74, mammogram codes, exclusions"),
        Source("Johns Hopkins Health Plans, provider page on BCS-E", "ages 52 to 74, window, enrolment from October"),
        Source("Pelica, glossary: BCS", "women from 40 in HEDIS from measurement year 2025"),
        Source(
            "CMS CY2026 final rule of April 2025, as told by RISE",
            "women from 40 in Star year 2029, measurement year 2027",
        ),
        Source("CMS 2026 Star Ratings Technical Notes", "C01 Breast Cancer Screening"),
        common.HEDIS_GENERAL_GUIDELINES,
        common.ECQM_EXCLUSIONS,
    ),
    sexes=("female",),
    ages=(AgeBand(2014, 52, 74), AgeBand(2025, 42, 74)),
    star_ages=(AgeBand(2014, 52, 74), AgeBand(2027, 42, 74)),
    enrolment=ContinuousEnrolment(years_before=1, lead_in_from=(10, 1)),
    exclusions=(*common.ALWAYS, common.frailty_and_advanced_illness(), MASTECTOMY),
    numerator=MAMMOGRAM,
    notes=(
        "The measure speaks of women from 40 (before 2025: from 50): at the end of the year they are 42 (52), so that "
        "a mammogram of the whole window was made at that age. HEDIS counts from 42 from measurement year 2025, "
        "the Star measure from measurement year 2027.",
        "One mammogram of any kind counts, of one side or both; ultrasound, magnetic resonance and biopsy do not.",
        "Mastectomy counts whenever it was: on both sides at once, or on the left and on the right.",
        "Claims for mammograms are CPT since 2018: without the plan's own list only imaging results are seen.",
        "Chest surgery for gender dysphoria, an exclusion of HEDIS, shows in CPT alone and is not read here.",
    ),
)
