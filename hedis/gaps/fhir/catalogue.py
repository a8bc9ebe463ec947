"""The portfolio's measures as FHIR Measure resources. Pure."""

from dataclasses import dataclass

from hedis.gaps.fhir import guide as deqm
from hedis.gaps.fhir.resources import DISCLAIMER, Frame, Resource, concept, improvement

PROGRAM = "medicare-star-ratings"


@dataclass(frozen=True, slots=True)
class MeasureFacts:
    """A measure of the portfolio."""

    code: str
    name: str
    domain: str
    steward: str
    direction: str
    purpose: str
    source: str
    version: str
    rated: bool


def measure(facts: MeasureFacts, frame: Frame) -> Resource:
    """A measure of the portfolio. Its logic is in the measure's own page, not here: no Library is claimed."""
    made: Resource = {
        "resourceType": "Measure",
        "id": facts.code,
        "url": frame.measure_url(facts.code),
        "identifier": [{"system": f"{frame.canonical}/NamingSystem/measure", "value": facts.code}],
        "version": facts.version,
        "name": facts.code.replace("-", "_"),
        "title": facts.name,
        "status": "active",
        "experimental": False,
        "publisher": facts.steward,
        "description": f"{facts.purpose or facts.name} {DISCLAIMER}",
        "disclaimer": DISCLAIMER,
        "scoring": concept(deqm.SCORING, "proportion", "Proportion"),
        "improvementNotation": improvement(facts.direction),
        "group": [{"id": facts.code, "population": criteria(facts)}],
    }
    made |= {"topic": [{"text": facts.domain}]} if facts.domain else {}
    made |= {"relatedArtifact": [{"type": "documentation", "display": facts.source}]} if facts.source else {}
    return made | ({"useContext": [program_context()]} if facts.rated else {})


def criteria(facts: MeasureFacts) -> list[Resource]:
    """The four populations, each in words."""
    words = {
        "initial-population": ("Initial Population", "The eligible population of the measure."),
        "denominator": ("Denominator", "The initial population."),
        "denominator-exclusion": ("Denominator Exclusion", "The required exclusions of the measure."),
        "numerator": ("Numerator", facts.purpose or facts.name),
    }
    return [
        {
            "id": code,
            "code": concept(deqm.POPULATION, code, display),
            "criteria": {"language": "text/plain", "expression": sentence},
        }
        for code, (display, sentence) in words.items()
    ]


def program_context() -> Resource:
    """The program a rated measure belongs to, as `program` of $care-gaps names it."""
    return {
        "code": {"system": deqm.USAGE_CONTEXT, "code": "program"},
        "valueCodeableConcept": {"coding": [{"code": PROGRAM}], "text": "Medicare Part C and D Star Ratings"},
    }
