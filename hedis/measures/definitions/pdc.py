"""Medication Adherence for Diabetes Medications, Hypertension (RAS Antagonists) and Cholesterol (Statins): the share
of members with medication on hand on at least 80 % of the days of treatment (PDC-DR, PDC-RASA, PDC-STA)."""

from __future__ import annotations

import datetime as dt

from hedis.engine.measure import (
    AgeBand,
    AgeOn,
    AnyOf,
    Dates,
    DaysCovered,
    Definition,
    Direction,
    Events,
    Exclusion,
    Exists,
    InTreatment,
    Source,
)
from hedis.measures.definitions import common

TECHNICAL_NOTES = "CMS 2026 Star Ratings Technical Notes"
CALCULATION = Source(TECHNICAL_NOTES, "attachment on medication adherence calculations: overlap, stays, period")
AGE_AT_START = Source(
    "Tuva Project, quality measures mart (Apache-2.0)", "ages on the first day, first fill, two dates"
)

END_STAGE_RENAL_DISEASE = Exclusion(
    "end-stage renal disease or dialysis",
    AnyOf(
        Exists(
            Events("end-stage renal disease", ("end-stage-renal-disease",), kinds=("diagnosis",), needs=("icd-10-cm",))
        ),
        Exists(Events("dialysis", ("dialysis",), needs=("hcpcs-ii", "icd-10-pcs", "cpt"))),
    ),
)

STAYS = Events(
    "inpatient or skilled nursing facility stay",
    ("inpatient-or-snf-stay",),
    dates=Dates.OVERLAP,
    kinds=("visit",),
    claims_only=True,
    needs=("place-of-service", "bill-type"),
)


def fills(name: str, value_set: str) -> Events:
    """Fills of a drug class in the measurement year."""
    return Events(name, (value_set,), kinds=("dispensing",), claims_only=True, needs=("ndc", "rxnorm"))


def _adherence(
    *, code: str, name: str, drug: str, value_set: str, star: str, barred: tuple[Exclusion, ...]
) -> Definition:
    covered = DaysCovered(drug, fills(f"{drug} fill", value_set), STAYS, percent=80, stays_until_year=2025)
    return Definition(
        code=code,
        name=name,
        version="2026.1",
        steward="PQA",
        domain="Drug Safety and Accuracy of Drug Pricing",
        direction=Direction.HIGHER,
        reversible=True,
        author="measure engine team",
        checker="lead engineer",
        review_date=dt.date(2026, 11, 21),
        sources=(Source(TECHNICAL_NOTES, star), CALCULATION, AGE_AT_START),
        ages=(AgeBand(2008, 18, 120),),
        age_on=AgeOn.START,
        enrolment=None,
        denominator_event=InTreatment(covered, fill_dates=2, days=91),
        exclusions=(common.HOSPICE, END_STAGE_RENAL_DISEASE, *barred),
        numerator=covered,
        closable_until="last-chance date",
        notes=(
            "The treatment period runs from the first fill of the year to the last enrolled day, death or the end of "
            "the year. While the year runs, days are judged up to the as-of date.",
            "Days of a break in enrolment within the period count as days without medication unless supply covers "
            "them. CMS measures each enrolment episode by itself and weighs it by its share of the year.",
            "Stays are adjusted for up to measurement year 2025 (2027 Stars); CMS has finalised that they no longer "
            "are from measurement year 2026 on (2028 Stars).",
            "Only the plan's own claims count: a fill that only supplemental data knows covers no day.",
        ),
    )


PDC_DR = _adherence(
    code="PDC-DR",
    name="Medication Adherence for Diabetes Medications",
    drug="diabetes medication",
    value_set="pdc-diabetes",
    star="D08 Medication Adherence for Diabetes Medications",
    barred=(Exclusion("insulin", Exists(fills("insulin fill", "insulin"))),),
)

PDC_RASA = _adherence(
    code="PDC-RASA",
    name="Medication Adherence for Hypertension (RAS Antagonists)",
    drug="RAS antagonist",
    value_set="pdc-rasa",
    star="D09 Medication Adherence for Hypertension (RAS antagonists)",
    barred=(
        Exclusion("sacubitril and valsartan", Exists(fills("sacubitril and valsartan fill", "sacubitril-valsartan"))),
    ),
)

PDC_STA = _adherence(
    code="PDC-STA",
    name="Medication Adherence for Cholesterol (Statins)",
    drug="statin",
    value_set="pdc-statin",
    star="D10 Medication Adherence for Cholesterol (Statins)",
    barred=(),
)
