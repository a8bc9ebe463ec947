"""Colorectal Cancer Screening (COL)."""

from __future__ import annotations

import datetime as dt

from hedis.engine.measure import (
    AgeBand,
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

COLONOSCOPY = Exists(
    Events("colonoscopy", ("colonoscopy",), Window(years_back=9), needs=("hcpcs-ii", "cpt", "snomed-ct"))
)
FLEXIBLE_SIGMOIDOSCOPY = Exists(
    Events(
        "flexible sigmoidoscopy",
        ("flexible-sigmoidoscopy",),
        Window(years_back=4),
        needs=("hcpcs-ii", "cpt", "snomed-ct"),
    )
)
CT_COLONOGRAPHY = Exists(Events("CT colonography", ("ct-colonography",), Window(years_back=4), needs=("loinc", "cpt")))
FIT_DNA = Exists(Events("FIT-DNA", ("fit-dna",), Window(years_back=2), needs=("loinc", "cpt")))
FOBT = Exists(Events("FOBT", ("fobt",), needs=("loinc", "hcpcs-ii", "cpt")))

COLORECTAL_CANCER = Exclusion(
    "colorectal cancer",
    Exists(
        Events(
            "colorectal cancer",
            ("colorectal-cancer",),
            EVER,
            kinds=("diagnosis",),
            not_on_same_claim=common.LABORATORY_CLAIM_EVER,
            needs=("icd-10-cm", "snomed-ct"),
        )
    ),
)
TOTAL_COLECTOMY = Exclusion(
    "total colectomy",
    Exists(Events("total colectomy", ("total-colectomy",), EVER, needs=("icd-10-pcs", "cpt", "snomed-ct"))),
)

COL = Definition(
    code="COL",
    name="Colorectal Cancer Screening",
    version="2025.1",
    steward="NCQA",
    domain="Staying Healthy: Screenings, Tests and Vaccines",
    direction=Direction.HIGHER,
    author="measure engine team",
    checker="lead engineer",
    review_date=dt.date(2026, 11, 21),
    sources=(
        Source("CMS130FHIR Colorectal Cancer Screening 1.0.000", "initial population, exclusions, numerator"),
        Source("CMS 2026 Star Ratings Technical Notes", "C02 Colorectal Cancer Screening"),
        common.HEDIS_GENERAL_GUIDELINES,
        common.ECQM_EXCLUSIONS,
    ),
    ages=(AgeBand(2006, 50, 75), AgeBand(2022, 45, 75)),
    star_ages=(AgeBand(2006, 50, 75), AgeBand(2025, 45, 75)),
    enrolment=ContinuousEnrolment(years_before=1),
    exclusions=(*common.ALWAYS, common.frailty_and_advanced_illness(), COLORECTAL_CANCER, TOTAL_COLECTOMY),
    numerator=AnyOf(COLONOSCOPY, FLEXIBLE_SIGMOIDOSCOPY, CT_COLONOGRAPHY, FIT_DNA, FOBT),
    notes=(
        "Ages 45 to 49 count in HEDIS from measurement year 2022, in the Star measure from measurement year 2025.",
        "Procedures of claims are mostly CPT: without the plan's own list only screening HCPCS codes are seen.",
    ),
)
