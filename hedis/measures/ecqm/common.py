"""Rules the eCQM forms share: who is excluded whatever the measure, which visits count, what "performed" means.

Facts of the CQL libraries Status 1.15.000, Hospice 6.18.000, PalliativeCare 1.18.000, AdvancedIllnessandFrailty
1.27.000 and AdultOutpatientEncounters 4.19.000 for the 2026 period, in our own words. Days are compared in UTC.
Value sets are named by the titles the measures give them; codes a library names itself stand in
`direct_reference_codes.csv`. Refuted and erroneous conditions, cancelled and not-done acts never reach the warehouse.
"""

from __future__ import annotations

from pathlib import Path

from hedis.engine.measure import AllOf, AnyOf, Condition, Dates, Events, Exclusion, Exists, LatestValue, Source
from hedis.engine.period import EVER, MEASUREMENT_YEAR, MEASUREMENT_YEAR_OR_YEAR_BEFORE, Window

DIRECT_REFERENCE_CODES = Path(__file__).parent / "direct_reference_codes.csv"

FINISHED = ("finished",)
RESULTED = ("final", "amended", "corrected")
ORDERED = ("active", "completed")
OBSERVATIONS = ("lab", "observation", "assessment", "exam", "vital-sign", "imaging")
"""Every kind of observation: the libraries ask for a category only of exams and imaging."""

AUTHOR, CHECKER = "measure engine team", "lead engineer"
SHARED_LIBRARIES = Source(
    "dqm-content-cms-2025, libraries Status, Hospice, PalliativeCare, AdvancedIllnessandFrailty",
    "denominator exclusions",
)


def visit(name: str, *value_sets: str, window: Window = MEASUREMENT_YEAR, dates: Dates = Dates.WITHIN) -> Events:
    """Encounters that took place."""
    return Events(name, value_sets, window, kinds=("visit",), statuses=FINISHED, dates=dates)


def diagnosed(name: str, *value_sets: str, window: Window = MEASUREMENT_YEAR, dates: Dates = Dates.OVERLAP) -> Exists:
    """A condition whose prevalence meets the window."""
    return Exists(Events(name, value_sets, window, kinds=("diagnosis",), dates=dates))


def treated(name: str, *value_sets: str, window: Window = MEASUREMENT_YEAR, dates: Dates = Dates.END) -> Exists:
    """A procedure that was completed."""
    return Exists(Events(name, value_sets, window, kinds=("procedure",), dates=dates))


def observed(
    name: str,
    *value_sets: str,
    window: Window = MEASUREMENT_YEAR,
    dates: Dates = Dates.OVERLAP,
    kinds: tuple[str, ...] = OBSERVATIONS,
    statuses: tuple[str, ...] = RESULTED,
    has_value: bool = False,
    with_value: tuple[str, ...] = (),
) -> Exists:
    """An observation with a final result."""
    return Exists(
        Events(
            name, value_sets, window, kinds=kinds, dates=dates, statuses=statuses,
            has_value=has_value, with_value=with_value,
        )
    )  # fmt: skip


OFFICE_VISITS = (
    "office-visit",
    "annual-wellness-visit",
    "preventive-care-services-established-office-visit-18-and-up",
    "preventive-care-services-initial-office-visit-18-and-up",
    "home-healthcare-services",
    "telephone-visits",
)
"""Visits all six measures accept."""

OUTPATIENT_VISIT = Exists(visit("outpatient visit", *OFFICE_VISITS, "virtual-encounter"))

HOSPICE = Exclusion(
    "hospice",
    AnyOf(
        Exists(
            Events(
                "discharge to hospice",
                ("encounter-inpatient",),
                kinds=("visit",),
                statuses=FINISHED,
                dates=Dates.END,
                qualified_by=("discharge-to-hospice",),
            )
        ),
        Exists(visit("hospice encounter", "hospice-encounter", dates=Dates.OVERLAP)),
        observed("assessment of hospice care", "hospice-care-assessment", with_value=("yes",)),
        Exists(Events("order of hospice care", ("hospice-care-ambulatory",), kinds=("order",), statuses=ORDERED)),
        treated("hospice care", "hospice-care-ambulatory", dates=Dates.OVERLAP),
        diagnosed("hospice diagnosis", "hospice-diagnosis"),
    ),
)

PALLIATIVE_CARE = Exclusion(
    "palliative care",
    AnyOf(
        observed("palliative care assessment", "palliative-care-assessment"),
        diagnosed("palliative care diagnosis", "palliative-care-diagnosis"),
        Exists(visit("palliative care encounter", "palliative-care-encounter", dates=Dates.OVERLAP)),
        treated("palliative care intervention", "palliative-care-intervention", dates=Dates.OVERLAP),
    ),
)

NURSING_HOME = Exclusion(
    "long-term stay in a nursing home, 66 and older",
    LatestValue(
        Events("housing status", ("housing-status",), EVER, kinds=OBSERVATIONS, statuses=RESULTED, dates=Dates.END),
        ("lives-in-nursing-home",),
    ),
    ages=(66, None),
)

FRAILTY: Condition = AnyOf(
    Exists(Events("order of a frailty device", ("frailty-device",), kinds=("device-order",), statuses=ORDERED)),
    observed("medical equipment used", "medical-equipment-used", dates=Dates.END, with_value=("frailty-device",)),
    diagnosed("frailty diagnosis", "frailty-diagnosis"),
    Exists(visit("frailty encounter", "frailty-encounter", dates=Dates.OVERLAP)),
    observed("sign of frailty", "frailty-symptom", statuses=("preliminary", *RESULTED)),
)

ADVANCED_ILLNESS: Condition = AnyOf(
    diagnosed("advanced illness", "advanced-illness", window=MEASUREMENT_YEAR_OR_YEAR_BEFORE, dates=Dates.START),
    Exists(
        Events(
            "dementia medication",
            ("dementia-medications",),
            MEASUREMENT_YEAR_OR_YEAR_BEFORE,
            kinds=("medication-order",),
            statuses=("active",),
            dates=Dates.OVERLAP,
        )
    ),
)


def frailty_and_advanced_illness(high: int | None = None) -> Exclusion:
    """One sign of frailty in the year and advanced illness in the year or the one before, from 66 to `high` years
    (None: no upper bound)."""
    ages = "66 and older" if high is None else f"66 to {high}"
    return Exclusion(f"frailty and advanced illness, {ages}", AllOf(FRAILTY, ADVANCED_ILLNESS), ages=(66, high))
