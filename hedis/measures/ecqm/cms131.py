"""CMS131: Diabetes: Eye Exam, the eCQM form of EED."""

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
    Exclusion,
    Exists,
    Not,
    Source,
)
from hedis.engine.period import EVER, MEASUREMENT_YEAR, MEASUREMENT_YEAR_OR_YEAR_BEFORE, Window
from hedis.measures.ecqm import common

YEAR_BEFORE = Window(years_back=1, until_years_back=1)

VISIT = Exists(common.visit("qualifying visit", *common.OFFICE_VISITS, "ophthalmological-services"))
RETINOPATHY = common.diagnosed("diabetic retinopathy", "diabetic-retinopathy")


def _exam(name: str, value_set: str, window: Window = MEASUREMENT_YEAR, with_value: tuple[str, ...] = ()) -> Exists:
    return common.observed(name, value_set, window=window, dates=Dates.WITHIN, kinds=("exam",), with_value=with_value)


def _graded(side: str) -> Condition:
    return _exam(
        f"severity of retinopathy, {side} eye",
        f"retinopathy-severity-{side}-eye",
        with_value=("diabetic-retinopathy-severity-level",),
    )


def _clear_before(side: str) -> Condition:
    return _exam(
        f"no apparent retinopathy, {side} eye",
        f"retinopathy-severity-{side}-eye",
        YEAR_BEFORE,
        with_value=("no-apparent-retinopathy",),
    )


EYE_EXAM = AnyOf(
    AllOf(RETINOPATHY, _exam("retinal or dilated eye exam", "retinal-or-dilated-eye-exam")),
    AllOf(
        Not("diabetic retinopathy", RETINOPATHY),
        _exam("retinal or dilated eye exam", "retinal-or-dilated-eye-exam", MEASUREMENT_YEAR_OR_YEAR_BEFORE),
    ),
    _exam(
        "eye exam by autonomous software",
        "autonomous-eye-exam",
        with_value=("autonomous-eye-exam-result-or-finding",),
    ),
    AllOf(AnyOf(_graded("left"), _clear_before("left")), AnyOf(_graded("right"), _clear_before("right"))),
)

BOTH_EYES_ABSENT = Exclusion(
    "both eyes absent",
    common.diagnosed("both eyes absent", "anophthalmos-of-both-eyes", window=EVER, dates=Dates.START),
)

CMS131 = Definition(
    code="CMS131",
    name="Diabetes: Eye Exam",
    version="1.0.000",
    steward="NCQA",
    domain="eCQM",
    direction=Direction.HIGHER,
    author=common.AUTHOR,
    checker=common.CHECKER,
    review_date=dt.date(2026, 11, 21),
    sources=(
        Source("CMS131FHIRDiabetesEyeExam 1.0.000", "initial population, exclusions, numerator"),
        common.SHARED_LIBRARIES,
    ),
    ages=(AgeBand(2026, 18, 75),),
    enrolment=None,
    denominator_event=AllOf(VISIT, common.diagnosed("diabetes", "diabetes")),
    exclusions=(
        common.HOSPICE,
        common.frailty_and_advanced_illness(),
        common.NURSING_HOME,
        common.PALLIATIVE_CARE,
        BOTH_EYES_ABSENT,
    ),
    numerator=EYE_EXAM,
    notes=(
        "With retinopathy in the year the exam must be of the year; without, the year before counts too.",
        "A grade for each eye: of the year, or no apparent retinopathy the year before.",
    ),
)
