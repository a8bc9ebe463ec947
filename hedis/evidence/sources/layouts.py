"""All tables that `received` may hold, of every layout: an import of one leaves what the others brought as it is."""

from hedis.evidence.sources import supplemental, tuva
from hedis.evidence.sources.fhir import layout as fhir

TABLES = (*tuva.TABLES, *fhir.TABLES, *supplemental.TABLES)
