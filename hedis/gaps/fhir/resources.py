"""FHIR R4 resources of gaps and rates: plain facts in, plain JSON mappings out. Nothing is read here.

Profiles: Data Exchange for Quality Measures (see `guide`). Populations are counted as FHIR counts them: the
denominator before its exclusions, the score over what is left of it.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from hedis.gaps.fhir import guide as deqm
from hedis.gaps.fhir.guide import Guide

Resource = dict[str, Any]
NAMESPACE = uuid.UUID("6f0c7b52-3f0e-5d0e-9a5c-0d5f9b6c2a11")
DISCLAIMER = "HEDIS-aligned, not NCQA-certified."
SOFTWARE = "HEDIS Star Rating Portfolio Optimizer"
PLAN = "plan"
NOT_ELIGIBLE = "Not in the initial population."


@dataclass(frozen=True, slots=True)
class GapFacts:
    """One member and one measure in one year, as the last finding run left it."""

    gap: int
    member: str
    measure: str
    measure_name: str
    direction: str
    version: str
    year: int
    contract: str | None
    status: str
    gone: bool
    reason_code: str
    reason: str
    evidence_date: date | None
    evidence_value: str
    evidence_route: str
    exclusion: str
    exclusion_date: date | None
    data_as_of: date
    edition: int = 1
    remark: str = ""

    @property
    def name(self) -> str:
        """The logical id of every resource made of this gap."""
        return f"gap-{self.gap}" if self.gap else f"none-{self.measure}-{self.year}-{self.member[:40]}"

    @property
    def eligible(self) -> bool:
        """In the initial population. Only a row without exclusion can be "not applicable" by not being in it."""
        return not self.gone and (self.status != "not-applicable" or bool(self.exclusion))

    @property
    def excluded(self) -> bool:
        """In the denominator and taken out of it again."""
        return self.eligible and bool(self.exclusion)

    @property
    def met(self) -> bool:
        """In the numerator."""
        return self.status == "closed-gap"

    @property
    def unmet(self) -> bool:
        """Care is missing, for good or until the period ends."""
        return self.status in ("open-gap", "prospective-gap")


@dataclass(frozen=True, slots=True)
class PersonFacts:
    """A member as far as one may leave the house: pseudonym, year of birth, sex."""

    member: str
    birth_year: int
    sex: str


@dataclass(frozen=True, slots=True)
class CountFacts:
    """Numerator and denominator of a measure in one contract; `contract` None is what no contract names."""

    measure: str
    direction: str
    version: str
    year: int
    contract: str | None
    eligible: int
    excluded: int
    numerator: int
    data_as_of: date


@dataclass(frozen=True, slots=True)
class Frame:
    """What every resource of one answer shares: edition of DEQM, base of canonical URLs, when it was made."""

    guide: Guide
    canonical: str
    issued: datetime

    @property
    def moment(self) -> str:
        """The time of issue as a FHIR dateTime."""
        return self.issued.isoformat(timespec="seconds")

    def measure_url(self, code: str, version: str = "") -> str:
        """Canonical of a measure, with its version where one is given."""
        return f"{self.canonical}/Measure/{code}" + (f"|{version}" if version else "")


def concept(system: str, code: str, display: str = "", text: str = "") -> Resource:
    """A CodeableConcept of one coding."""
    coding = {"system": system, "code": code} | ({"display": display} if display else {})
    return {"coding": [coding]} | ({"text": text} if text else {})


def improvement(direction: str) -> Resource:
    """Which way is better."""
    return concept(deqm.IMPROVEMENT, "decrease" if direction == "lower" else "increase")


def period(year: int) -> dict[str, str]:
    """The measurement year."""
    return {"start": f"{year}-01-01", "end": f"{year}-12-31"}


def organization(contract: str | None, canonical: str, name: str = "") -> Resource:
    """The reporting contract; the plan itself where no contract is named."""
    if contract is None:
        return {
            "resourceType": "Organization", "id": PLAN, "active": True, "name": "Health plan",
            "type": [concept(deqm.ORGANIZATION_TYPE, "pay", "Payer")],
        }  # fmt: skip
    return {
        "resourceType": "Organization",
        "id": contract,
        "identifier": [{"system": f"{canonical}/NamingSystem/cms-contract", "value": contract}],
        "active": True,
        "type": [concept(deqm.ORGANIZATION_TYPE, "pay", "Payer")],
        "name": name or contract,
        "partOf": {"reference": f"Organization/{PLAN}"},
    }


def patient(person: PersonFacts, canonical: str) -> Resource:
    """A pseudonym, a year and a gender: nothing here names a person."""
    return {
        "resourceType": "Patient",
        "id": person.member,
        "meta": {"security": [{"system": deqm.SECURITY, "code": "PSEUDED", "display": "pseudonymized"}]},
        "identifier": [{"system": f"{canonical}/NamingSystem/pseudonym", "value": person.member}],
        "gender": person.sex,
        "birthDate": f"{person.birth_year:04d}",
    }


def populations(eligible: int, excluded: int, numerator: int) -> list[Resource]:
    """The four populations of a proportion measure with their counts."""
    counts = {
        "initial-population": ("Initial Population", eligible),
        "denominator": ("Denominator", eligible),
        "denominator-exclusion": ("Denominator Exclusion", excluded),
        "numerator": ("Numerator", numerator),
    }
    return [
        {
            "extension": [{"url": deqm.POPULATION_LINK, "valueString": code}],
            "code": concept(deqm.POPULATION, code, display),
            "count": count,
        }
        for code, (display, count) in counts.items()
    ]


def group(measure: str, data_as_of: date, counts: tuple[int, int, int], guide: Guide) -> Resource:
    """A report's one group; no score where nobody is left in the denominator."""
    eligible, excluded, numerator = counts
    left = eligible - excluded
    made: Resource = {
        "id": measure,
        "extension": [
            {"url": deqm.GROUP_LINK, "valueString": measure},
            {"url": guide.calculated_date, "valueDateTime": data_as_of.isoformat()},
        ],
        "population": populations(eligible, excluded, numerator),
    }
    return made | ({"measureScore": {"value": round(numerator / left, 6)}} if left else {})


def report(kind: str, facts: GapFacts | CountFacts, counts: tuple[int, int, int], frame: Frame) -> Resource:
    """What individual and summary reports share."""
    guide = frame.guide
    return {
        "resourceType": "MeasureReport",
        "id": "",
        "meta": {"profile": [guide.individual_report if kind == "individual" else guide.summary_report]},
        "extension": [{"url": guide.measure_scoring, "valueCodeableConcept": concept(deqm.SCORING, "proportion")}],
        "status": "complete",
        "type": kind,
        "measure": frame.measure_url(facts.measure, facts.version),
        "date": frame.moment,
        "reporter": {"reference": f"Organization/{facts.contract or PLAN}"},
        "period": period(facts.year),
        "improvementNotation": improvement(facts.direction),
        "group": [group(facts.measure, facts.data_as_of, counts, guide)],
    }


def individual_report(gap: GapFacts, frame: Frame) -> Resource:
    """One member's MeasureReport; its group's calculated date is the data's as-of day."""
    made = report("individual", gap, (int(gap.eligible), int(gap.excluded), int(gap.met)), frame)
    subject = {"reference": f"Patient/{gap.member}"}
    evaluated = [{"extension": [criterion("initial-population")], **subject}] if gap.eligible else []
    # What was found stays in the warehouse under a keyed hash: the evidence is told, not linked.
    if gap.met and evidence(gap):
        evaluated.append({"extension": [criterion("numerator")], "display": evidence(gap)})
    if gap.excluded:
        evaluated.append({"extension": [criterion("denominator-exclusion")], "display": exclusion(gap)})
    if gap.remark and gap.unmet:
        made["group"][0]["extension"].append(remark(gap, frame.guide))
    made |= {"id": gap.name, "subject": subject}
    return made | ({"evaluatedResource": evaluated} if evaluated else {})


def remark(gap: GapFacts, guide: Guide) -> Resource:
    """What the care team says about a gap, in DEQM's words."""
    said = concept(guide.remark_system, gap.remark, deqm.REMARKS[gap.remark])
    return {
        "url": guide.care_gap_remark,
        "extension": [
            {"url": "authorSoftware", "valueString": SOFTWARE},
            {"url": "code", "valueCodeableConcept": said},
        ],
    }


def criterion(population: str) -> Resource:
    """Which population a piece of evidence counts for."""
    return {"url": deqm.CRITERIA_REFERENCE, "valueString": population}


def evidence(gap: GapFacts) -> str:
    """What was found last, in words: `9.4 on 2026-03-02 (lab result)`; empty where nothing was."""
    parts = (gap.evidence_value, f"on {gap.evidence_date}" if gap.evidence_date else "",
             f"({gap.evidence_route})" if gap.evidence_route else "")  # fmt: skip
    return " ".join(part for part in parts if part)


def exclusion(gap: GapFacts) -> str:
    """Why somebody does not count, and since when."""
    return f"{gap.exclusion} on {gap.exclusion_date}" if gap.exclusion_date else gap.exclusion


def detected_issue(gap: GapFacts, frame: Frame) -> Resource:
    """The gap: its status as modifier extension, its report (and why it is open) as evidence."""
    guide = frame.guide
    status = concept(guide.status_system, gap.status, deqm.STATUSES[gap.status])
    proof = [f"MeasureReport/{gap.name}"] + ([f"GuidanceResponse/{gap.name}"] if gap.unmet else [])
    told = gap.reason if gap.unmet else exclusion(gap) if gap.excluded else evidence(gap) if gap.met else NOT_ELIGIBLE
    return {
        "resourceType": "DetectedIssue",
        "id": gap.name,
        "meta": {"profile": [guide.detected_issue]},
        "modifierExtension": [{"url": guide.gap_status, "valueCodeableConcept": status}],
        "status": "final",
        "code": concept(deqm.ACT_CODE, "CAREGAP", "Caregap"),
        "patient": {"reference": f"Patient/{gap.member}"},
        "identifiedDateTime": gap.data_as_of.isoformat(),
        "evidence": [{"detail": [{"reference": reference}]} for reference in proof],
    } | ({"detail": told} if told else {})


def guidance_response(gap: GapFacts, frame: Frame) -> Resource:
    """Why an unmet gap is unmet: DEQM's reason code, and the missing event with its window in words."""
    guide = frame.guide
    code = gap.reason_code
    why = concept(guide.reason_system, code, deqm.REASONS.get(code, ""), gap.reason) if code else {"text": gap.reason}
    said = [gap.reason] + ([f"Last known: {evidence(gap)}."] if evidence(gap) else [])
    return {
        "resourceType": "GuidanceResponse",
        "id": gap.name,
        "meta": {"profile": [guide.guidance_response]},
        "moduleCanonical": frame.measure_url(gap.measure, gap.version),
        "status": "data-required",
        "subject": {"reference": f"Patient/{gap.member}"},
        "occurrenceDateTime": gap.data_as_of.isoformat(),
        "reasonCode": [why],
        "note": [{"text": words} for words in said if words],
    }


def gap_resources(gap: GapFacts, frame: Frame) -> list[Resource]:
    """Everything one gap becomes, in the order a reader wants it."""
    made = [detected_issue(gap, frame), individual_report(gap, frame)]
    return [*made, guidance_response(gap, frame)] if gap.unmet else made


def composition(person: PersonFacts, gaps: Sequence[GapFacts], frame: Frame, name: str) -> Resource:
    """The gaps document's first entry: one section a measure."""
    plan = {"reference": f"Organization/{PLAN}"}
    return {
        "resourceType": "Composition",
        "id": name,
        "meta": {"profile": [frame.guide.composition]},
        "status": "final",
        "type": concept(deqm.LOINC, "96315-7", "Gaps in care report"),
        "subject": {"reference": f"Patient/{person.member}"},
        "date": frame.moment,
        "author": [plan],
        "title": f"Gaps in care. {DISCLAIMER}",
        "custodian": plan,
        "section": [
            {
                "title": gap.measure_name,
                "focus": {"reference": f"MeasureReport/{gap.name}"},
                "entry": [{"reference": f"DetectedIssue/{gap.name}"}],
            }
            for gap in gaps
        ],
    }


def gaps_bundle(
    person: PersonFacts,
    gaps: Sequence[GapFacts],
    frame: Frame,
    *,
    base: str,
    contracts: Mapping[str, str],
    document: bool = True,
) -> Resource:
    """One member's gaps: a document with its Composition, or a plain collection. `gaps` is not empty.

    `contracts` gives the names of contracts by number; `base` is the address that full URLs start with.
    """
    told = "|".join(f"{gap.name}:{gap.edition}:{gap.status}:{gap.data_as_of}" for gap in gaps)
    name = str(uuid.uuid5(NAMESPACE, f"{person.member}|{told}|{frame.guide.key}|{frame.moment}"))
    content = [composition(person, gaps, frame, name)] if document else []
    content += [resource for gap in gaps for resource in gap_resources(gap, frame)]
    content += [patient(person, frame.canonical), organization(None, frame.canonical)]
    reporters = sorted({gap.contract for gap in gaps if gap.contract})
    content += [organization(number, frame.canonical, contracts.get(number, "")) for number in reporters]
    return {
        "resourceType": "Bundle",
        "id": name,
        "meta": {"profile": [frame.guide.bundle]},
        "identifier": {"system": "urn:ietf:rfc:3986", "value": f"urn:uuid:{name}"},
        "type": "document" if document else "collection",
        "timestamp": frame.moment,
        "entry": [entry(resource, base) for resource in content],
    }


def entry(resource: Resource, base: str) -> Resource:
    """A bundle's entry under its full URL, so that references inside the bundle resolve."""
    return {"fullUrl": f"{base}/{resource['resourceType']}/{resource['id']}", "resource": resource}


def summary_report(counts: CountFacts, frame: Frame) -> Resource:
    """A measure's MeasureReport over one contract, or over the whole plan."""
    made = report("summary", counts, (counts.eligible, counts.excluded, counts.numerator), frame)
    return made | {"id": f"{counts.measure}-{counts.year}-{counts.contract or PLAN}"}
