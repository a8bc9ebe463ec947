"""Gaps and rates as FHIR R4: the Da Vinci DEQM profiles, for programs that exchange them."""
