"""The CapabilityStatement: what this server does, and nothing it does not. Pure."""

from datetime import date

from hedis.gaps.fhir.guide import CURRENT, FORMER
from hedis.gaps.fhir.resources import DISCLAIMER, SOFTWARE, Resource

# The day this statement last changed.
CHANGED = date(2026, 11, 21)
DEQM_OPERATION = "http://hl7.org/fhir/uv/deqm/OperationDefinition/care-gaps"
EVALUATE = "http://hl7.org/fhir/OperationDefinition/Measure-evaluate-measure"


def statement(base: str) -> Resource:
    """What stands below `base`."""
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": CHANGED.isoformat(),
        "kind": "instance",
        "software": {"name": SOFTWARE},
        "implementation": {"description": f"Gaps in care and measure rates of a plan. {DISCLAIMER}", "url": base},
        "fhirVersion": "4.0.1",
        "format": ["application/fhir+json", "json"],
        "rest": [
            {
                "mode": "server",
                "documentation": "Reads only. Members are pseudonyms. Every look at a member is recorded.",
                "security": {
                    "cors": False,
                    "description": "An API key as bearer token, or a session. Roles and panels decide what is seen.",
                },
                "resource": [measures(), reports()],
            }
        ],
    }


def measures() -> Resource:
    """The Measure endpoint with its operations."""
    return {
        "type": "Measure",
        "interaction": [{"code": "read"}, {"code": "search-type"}],
        "searchParam": [
            {"name": "_id", "type": "token"},
            {"name": "url", "type": "uri"},
            {"name": "identifier", "type": "token"},
        ],
        "operation": [
            {
                "name": "care-gaps",
                "definition": DEQM_OPERATION,
                "documentation": "GET or POST, on the type: Parameters with one gaps bundle a member, by pages.",
            },
            {
                "name": "evaluate-measure",
                "definition": EVALUATE,
                "documentation": "GET or POST, on one measure; also as $evaluate. Told from stored results, "
                "nothing is computed anew: the group's calculated date is the day the data is as of.",
            },
        ],
    }


def reports() -> Resource:
    """The MeasureReport endpoint: summaries only."""
    return {
        "type": "MeasureReport",
        "supportedProfile": [CURRENT.summary_report, FORMER.summary_report],
        "interaction": [{"code": "search-type"}],
        "documentation": "Summary reports of the newest run, one a measure and contract.",
        "searchParam": [
            {"name": "measure", "type": "reference"},
            {"name": "period", "type": "date"},
            {"name": "reporter", "type": "reference"},
        ],
    }
