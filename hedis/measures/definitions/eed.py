"""Eye Exam for Patients With Diabetes (EED): Star measure Diabetes Care – Eye Exam."""

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
from hedis.measures.definitions.diabetes import DIABETES, POPULATION

YEAR_BEFORE = Window(years_back=1, until_years_back=1)

EXAM_IN_YEAR = AnyOf(
    Exists(
        Events(
            "retinal exam",
            ("retinal-exam", "retinal-exam-without-retinopathy", "autonomous-eye-exam"),
            needs=("hcpcs-ii", "loinc", "cpt", "cpt-ii", "snomed-ct"),
        )
    ),
    Exists(
        Events(
            "graded retinopathy severity",
            ("retinopathy-severity-left-eye", "retinopathy-severity-right-eye"),
            has_value=True,
            needs=("loinc",),
        )
    ),
    name="retinal exam in the measurement year",
)

NO_COMPLICATION = Events(
    "diagnosis of diabetes without complications",
    ("diabetes-without-complications",),
    YEAR_BEFORE,
    kinds=("diagnosis",),
    needs=("icd-10-cm",),
)
RETINOPATHY = Events(
    "diagnosis of diabetic retinopathy",
    ("diabetic-retinopathy",),
    YEAR_BEFORE,
    kinds=("diagnosis",),
    needs=("icd-10-cm", "snomed-ct"),
)


def _clear(eye: str) -> Exists:
    return Exists(
        Events(
            f"{eye} eye without retinopathy",
            (f"retinopathy-severity-{eye}-eye",),
            YEAR_BEFORE,
            with_value=("no-apparent-retinopathy",),
            needs=("loinc",),
        )
    )


NEGATIVE_EXAM_IN_YEAR_BEFORE = AnyOf(
    Exists(
        Events(
            "retinal exam for diabetes without complications",
            ("retinal-exam",),
            YEAR_BEFORE,
            on_same_claim=NO_COMPLICATION,
            not_on_same_claim=RETINOPATHY,
            needs=("hcpcs-ii", "cpt"),
        )
    ),
    Exists(
        Events(
            "retinal exam without retinopathy", ("retinal-exam-without-retinopathy",), YEAR_BEFORE, needs=("cpt-ii",)
        )
    ),
    AllOf(_clear("left"), _clear("right")),
    Exists(
        Events("statement of no retinopathy the year before", ("no-retinopathy-in-year-before",), needs=("cpt-ii",))
    ),
    name="retinal exam without retinopathy in the year before",
)

EYES_REMOVED = Exclusion(
    "removal of both eyes",
    AnyOf(
        Exists(Events("removal of both eyes", ("bilateral-eye-removal",), EVER, needs=("cpt", "snomed-ct"))),
        AllOf(
            Exists(Events("removal of the left eye", ("left-eye-removal",), EVER, needs=("icd-10-pcs", "cpt"))),
            Exists(Events("removal of the right eye", ("right-eye-removal",), EVER, needs=("icd-10-pcs", "cpt"))),
        ),
    ),
)

EED = Definition(
    code="EED",
    name="Eye Exam for Patients With Diabetes",
    version="2025.1",
    steward="NCQA",
    domain="Managing Chronic (Long Term) Conditions",
    direction=Direction.HIGHER,
    author="measure engine team",
    checker="lead engineer",
    review_date=dt.date(2026, 11, 21),
    sources=(
        Source("CMS131FHIR Diabetes: Eye Exam 1.0.000", "graded and autonomous exams, exclusions"),
        Source("Horizon Blue Cross Blue Shield of New Jersey, HEDIS provider tips on EED", "numerator"),
        Source(
            "Versant Health, diabetic eye exams: documentation and claim coding", "negative exam of the year before"
        ),
        Source("Pelica, glossary: EED", "removal of both eyes as an exclusion"),
        Source("CMS 2026 Star Ratings Technical Notes", "C11 Diabetes Care – Eye Exam"),
        POPULATION,
        common.HEDIS_GENERAL_GUIDELINES,
        common.ECQM_EXCLUSIONS,
    ),
    ages=(AgeBand(2009, 18, 75),),
    enrolment=ContinuousEnrolment(),
    denominator_event=DIABETES,
    exclusions=(*common.ALWAYS, common.frailty_and_advanced_illness(), EYES_REMOVED),
    numerator=AnyOf(EXAM_IN_YEAR, NEGATIVE_EXAM_IN_YEAR_BEFORE),
    notes=(
        "An exam in the year counts whatever it found; one of the year before only where it found no retinopathy: its "
        "claim names diabetes without complications (E10.9, E11.9, E13.9) and no retinopathy, a result code says so, "
        "or both eyes were graded without apparent retinopathy.",
        "The exam is one by an eye-care professional. The free codes say so by themselves (S0620, S0621, S3000); a "
        "list a plan loads must hold codes only eye care bills, because claims are not matched with specialties.",
        "An autonomous exam counts in the year it was made, not in the one after.",
    ),
)
