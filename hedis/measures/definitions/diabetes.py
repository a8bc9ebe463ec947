"""The diabetes population that GSD, KED, EED and BPD share.

Two diagnoses on different dates, or one diagnosis and one fill of a glucose-lowering drug, in the measurement year or
the year before. Diagnoses of laboratory claims do not count: they are often the ones to rule out.
"""

from __future__ import annotations

from hedis.engine.measure import AllOf, AnyOf, CountDates, Events, Exists, Source
from hedis.engine.period import MEASUREMENT_YEAR_OR_YEAR_BEFORE
from hedis.measures.definitions import common

DIABETES_DIAGNOSIS = Events(
    "diabetes diagnosis",
    ("diabetes",),
    MEASUREMENT_YEAR_OR_YEAR_BEFORE,
    kinds=("diagnosis",),
    not_on_same_claim=common.LABORATORY_CLAIM,
    needs=("icd-10-cm",),
)
DIABETES_MEDICATION = Events(
    "diabetes medication fill",
    ("diabetes-medication",),
    MEASUREMENT_YEAR_OR_YEAR_BEFORE,
    kinds=("dispensing",),
    needs=("ndc", "rxnorm"),
)

DIABETES = AnyOf(
    CountDates(DIABETES_DIAGNOSIS, at_least=2),
    AllOf(Exists(DIABETES_DIAGNOSIS), Exists(DIABETES_MEDICATION)),
)
POPULATION = Source(
    "Blue Cross & Blue Shield of Rhode Island, provider update on KED",
    "who has diabetes: two diagnoses, or one and a fill",
)
