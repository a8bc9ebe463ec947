"""Which status words mean that something happened. Data; source: HL7 FHIR R4 (4.0.1), the required status bindings.

`KEPT`: the resource is a fact. `LEFT_OUT`: a word of the standard that means it is none. Any other word is refused.
"""

_INTENTS = frozenset(
    ("proposal", "plan", "directive", "order", "original-order", "reflex-order", "filler-order", "instance-order",
     "option")
)  # fmt: skip
# What the eCQM library Status takes for an order.
KEPT_INTENTS = frozenset(("order", "original-order", "reflex-order", "filler-order", "instance-order"))
_REQUEST_KEPT = frozenset(("active", "on-hold", "completed", "ended", "stopped"))
_REQUEST_LEFT_OUT = frozenset(("draft", "revoked", "cancelled", "entered-in-error", "unknown"))
_EVENT_WORDS = frozenset(
    ("preparation", "in-progress", "not-done", "on-hold", "stopped", "completed", "entered-in-error", "unknown")
)
_COMPLETED = frozenset(("completed",))

KEPT: dict[str, frozenset[str]] = {
    "Encounter": frozenset(("finished", "arrived", "triaged", "in-progress", "onleave")),
    "Observation": frozenset(("preliminary", "final", "amended", "corrected")),
    "DiagnosticReport": frozenset(("preliminary", "partial", "final", "amended", "corrected", "appended")),
    "Procedure": _COMPLETED,
    "Immunization": _COMPLETED,
    "MedicationDispense": frozenset(("completed", "in-progress", "on-hold")),
    "ServiceRequest": _REQUEST_KEPT,
    "DeviceRequest": _REQUEST_KEPT,
    "MedicationRequest": _REQUEST_KEPT,
    "Coverage": frozenset(("active",)),
    "ExplanationOfBenefit": frozenset(("active",)),
}
LEFT_OUT: dict[str, frozenset[str]] = {
    "Encounter": frozenset(("planned", "cancelled", "entered-in-error", "unknown")),
    "Observation": frozenset(("registered", "cancelled", "entered-in-error", "unknown")),
    "DiagnosticReport": frozenset(("registered", "cancelled", "entered-in-error", "unknown")),
    "Procedure": _EVENT_WORDS,
    "Immunization": frozenset(("entered-in-error", "not-done")),
    "MedicationDispense": frozenset(("preparation", "cancelled", "entered-in-error", "stopped", "declined", "unknown")),
    "ServiceRequest": _REQUEST_LEFT_OUT,
    "DeviceRequest": _REQUEST_LEFT_OUT,
    "MedicationRequest": _REQUEST_LEFT_OUT,
    "Coverage": frozenset(("cancelled", "draft", "entered-in-error")),
    "ExplanationOfBenefit": frozenset(("cancelled", "draft", "entered-in-error")),
}
INTENTS = {
    "ServiceRequest": _INTENTS,
    "DeviceRequest": _INTENTS,
    "MedicationRequest": _INTENTS,
}
UNVERIFIED = frozenset(("refuted", "entered-in-error"))
ONGOING = frozenset(("active", "recurrence", "relapse"))
# Profiles of QI-Core and US Quality Core for what was decided against; servers forget the modifier element.
NOT_DONE_PROFILES = (
    "notdone", "not-done", "notrequested", "not-requested", "notdispensed", "not-dispensed", "cancelled", "rejected",
)  # fmt: skip
