"""Rules that several measures share: who is excluded whatever the measure, and which visits count.

Rules follow the exclusion logic of the CMS eCQMs (libraries Hospice, PalliativeCare, AdvancedIllnessandFrailty of
the 2026 period) and NCQA's general guidelines as health plans and CMS describe them publicly; the licensed HEDIS
text was not used. Results are HEDIS-aligned, not NCQA-certified. A claim's facts are dated by their start date.
"""

from __future__ import annotations

from dataclasses import replace

from hedis.engine.measure import (
    AllOf,
    AnyOf,
    CountDates,
    Died,
    EnrolmentFlag,
    Events,
    Exclusion,
    Exists,
    Source,
)
from hedis.engine.period import EVER, MEASUREMENT_YEAR_OR_YEAR_BEFORE

HEDIS_GENERAL_GUIDELINES = Source(
    "NCQA HEDIS MY 2025, Volume 2", "General Guidelines: continuous enrolment, exclusions"
)
ECQM_EXCLUSIONS = Source(
    "dqm-content-cms-2025, libraries Hospice, PalliativeCare, AdvancedIllnessandFrailty", "denominator exclusions"
)

LABORATORY_CLAIM = Events("laboratory claim", ("laboratory-setting",), MEASUREMENT_YEAR_OR_YEAR_BEFORE, ("visit",))
"""Claims of an independent laboratory (place of service 81): a diagnosis there is often the one to rule out."""

LABORATORY_CLAIM_EVER = replace(LABORATORY_CLAIM, window=EVER)

HOSPICE = Exclusion(
    "hospice",
    AnyOf(
        EnrolmentFlag("hospice election", "hospice"),
        Exists(Events("hospice care", ("hospice-care",), needs=("hcpcs-ii", "cpt", "snomed-ct"))),
    ),
)

DEATH = Exclusion("death in the measurement year", Died())

PALLIATIVE_CARE = Exclusion(
    "palliative care",
    AnyOf(
        Exists(
            Events(
                "palliative care diagnosis",
                ("palliative-care-diagnosis",),
                kinds=("diagnosis",),
                not_on_same_claim=LABORATORY_CLAIM,
                needs=("icd-10-cm", "snomed-ct"),
            )
        ),
        Exists(Events("palliative care service", ("palliative-care-service",), needs=("hcpcs-ii", "snomed-ct"))),
    ),
)

INSTITUTIONAL = Exclusion(
    "institutional special needs plan or long-term institutional stay, 66 and older",
    AnyOf(
        EnrolmentFlag("institutional special needs plan", "institutional_snp"),
        EnrolmentFlag("long-term institutional stay", "long_term_institutional"),
    ),
    ages=(66, None),
)

FRAILTY = CountDates(
    Events(
        "sign of frailty",
        ("frailty-diagnosis", "frailty-symptom", "frailty-encounter", "frailty-device"),
        not_on_same_claim=LABORATORY_CLAIM,
        needs=("icd-10-cm", "hcpcs-ii", "cpt", "snomed-ct"),
    ),
    at_least=2,
)

ADVANCED_ILLNESS = AnyOf(
    CountDates(
        Events(
            "advanced illness diagnosis",
            ("advanced-illness",),
            MEASUREMENT_YEAR_OR_YEAR_BEFORE,
            kinds=("diagnosis",),
            not_on_same_claim=LABORATORY_CLAIM,
            needs=("icd-10-cm", "snomed-ct"),
        ),
        at_least=2,
    ),
    Exists(
        Events(
            "dementia medication fill",
            ("dementia-medication",),
            MEASUREMENT_YEAR_OR_YEAR_BEFORE,
            kinds=("dispensing",),
            needs=("ndc",),
        )
    ),
)


def frailty_and_advanced_illness(high: int | None = None) -> Exclusion:
    """Frailty on two dates of the year and advanced illness on two dates of the year or the one before (or one
    fill of a dementia medication), from 66 to `high` years (None: no upper bound)."""
    ages = "66 and older" if high is None else f"66 to {high}"
    return Exclusion(f"frailty and advanced illness, {ages}", AllOf(FRAILTY, ADVANCED_ILLNESS), ages=(66, high))


FRAILTY_ALONE = Exclusion("frailty, 81 and older", FRAILTY, ages=(81, None))

END_STAGE_KIDNEY_DISEASE = Exists(
    Events(
        "end-stage kidney disease",
        ("end-stage-renal-disease",),
        EVER,
        kinds=("diagnosis",),
        not_on_same_claim=LABORATORY_CLAIM_EVER,
        needs=("icd-10-cm", "snomed-ct"),
    )
)

DIALYSIS = Exists(Events("dialysis", ("dialysis",), EVER, needs=("hcpcs-ii", "icd-10-pcs", "cpt", "snomed-ct")))

ALWAYS = (HOSPICE, DEATH, PALLIATIVE_CARE, INSTITUTIONAL)
"""Excluded from every measure here, in the order they are reported."""
