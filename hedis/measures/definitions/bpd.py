"""Blood Pressure Control for Patients With Diabetes (BPD): a display measure, not in the Star Ratings."""

from __future__ import annotations

import datetime as dt

from hedis.engine.measure import AgeBand, ContinuousEnrolment, Definition, Direction, Source
from hedis.measures.definitions import common
from hedis.measures.definitions.blood_pressure import READING_NOTES, below_140_over_90
from hedis.measures.definitions.diabetes import DIABETES, POPULATION

BPD = Definition(
    code="BPD",
    name="Blood Pressure Control for Patients With Diabetes",
    version="2025.1",
    steward="NCQA",
    domain="Managing Chronic (Long Term) Conditions",
    direction=Direction.HIGHER,
    reversible=True,
    author="measure engine team",
    checker="lead engineer",
    review_date=dt.date(2026, 11, 21),
    sources=(
        Source("NCQA, public page of the HEDIS measure BPD", "ages, threshold"),
        Source("Johns Hopkins Health Plans, provider page on BPD", "last reading of the year, enrolment, exclusions"),
        Source("CMS165FHIR Controlling High Blood Pressure 1.0.000", "numerator: which readings count"),
        POPULATION,
        common.HEDIS_GENERAL_GUIDELINES,
        common.ECQM_EXCLUSIONS,
    ),
    ages=(AgeBand(2009, 18, 75),),
    enrolment=ContinuousEnrolment(),
    denominator_event=DIABETES,
    exclusions=(*common.ALWAYS, common.frailty_and_advanced_illness()),
    numerator=below_140_over_90(),
    notes=(
        "The last day of the year with a reading decides, by the lowest systolic and the lowest diastolic of that day; "
        "a day with one of the two only is an incomplete reading. No reading in the year counts as not controlled.",
        "Unlike in CBP a reading before the second diagnosis counts: the whole year does.",
        *READING_NOTES,
    ),
)
