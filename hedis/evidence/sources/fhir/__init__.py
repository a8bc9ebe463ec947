"""FHIR R4 into the warehouse (docs/fhir.md): reading files, mapping resources, collecting rows. No Django in here but
`staging`, which hands the rows to an import."""

from hedis.evidence.sources.fhir.tables import Loaded, load_resources

__all__ = ["Loaded", "load_resources"]
