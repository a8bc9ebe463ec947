"""The names DEQM gives things, for each of its two canonicals. Data, so that a new edition is a new row.

Sources: HL7 Data Exchange for Quality Measures, https://hl7.org/fhir/uv/deqm (1.0.0, STU 1) and its predecessor Da
Vinci DEQM, https://hl7.org/fhir/us/davinci-deqm (5.0.0, STU 5): profiles, extensions and code systems as published.
"""

from dataclasses import dataclass

LOINC = "http://loinc.org"
ACT_CODE = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
POPULATION = "http://terminology.hl7.org/CodeSystem/measure-population"
SCORING = "http://terminology.hl7.org/CodeSystem/measure-scoring"
IMPROVEMENT = "http://terminology.hl7.org/CodeSystem/measure-improvement-notation"
ORGANIZATION_TYPE = "http://terminology.hl7.org/CodeSystem/organization-type"
SECURITY = "http://terminology.hl7.org/CodeSystem/v3-ObservationValue"
USAGE_CONTEXT = "http://terminology.hl7.org/CodeSystem/usage-context-type"
NPI = "http://hl7.org/fhir/sid/us-npi"
CRITERIA_REFERENCE = "http://hl7.org/fhir/StructureDefinition/cqf-criteriaReference"
GROUP_LINK = "http://hl7.org/fhir/5.0/StructureDefinition/extension-MeasureReport.group.linkId"
POPULATION_LINK = "http://hl7.org/fhir/5.0/StructureDefinition/extension-MeasureReport.group.population.linkId"

# The care-gap reason code system of DEQM: what may stand in GuidanceResponse.reasonCode.
REASONS = {
    "NotFound": "Data Element Not Found",
    "Missing": "Missing Data Element",
    "Present": "Data Element is Present",
    "InvalidAttribute": "Attribute is Invalid",
    "DateInRange": "Date is within specified range",
    "DateOutOfRange": "Date is out of specified range",
    "ValueInRange": "Value is within specified range",
    "ValueOutOfRange": "Value is out of specified range",
    "CountInRange": "Count is within specified range",
    "CountOutOfRange": "Count is out of specified range",
}
# Of DEQM's care-gap remarks those that our work layer can say.
REMARKS = {"patient-refused": "Patient refused"}
STATUSES = {
    "open-gap": "Open Gap",
    "closed-gap": "Closed Gap",
    "prospective-gap": "Prospective Gap",
    "not-applicable": "Not Applicable",
}


@dataclass(frozen=True)
class Guide:
    """Canonical URLs of one edition of DEQM."""

    key: str
    bundle: str
    composition: str
    detected_issue: str
    guidance_response: str
    individual_report: str
    summary_report: str
    gap_status: str
    measure_scoring: str
    calculated_date: str
    care_gap_remark: str
    status_system: str
    reason_system: str
    remark_system: str


def _guide(key: str, base: str, names: dict[str, str]) -> Guide:
    """A guide from its base and the last part of each name, a code system's marked by a leading `CodeSystem/`."""
    spelled = {
        field: f"{base}/{name}" if name.startswith("CodeSystem/") else f"{base}/StructureDefinition/{name}"
        for field, name in names.items()
    }
    return Guide(key=key, **spelled)


CURRENT = _guide(
    "uv",
    "http://hl7.org/fhir/uv/deqm",
    {
        "bundle": "deqm-gapsincarebundle",
        "composition": "deqm-gapsincarecomposition",
        "detected_issue": "deqm-gapsincaredetectedissue",
        "guidance_response": "deqm-detailedcaregapguidanceresponse",
        "individual_report": "deqm-individualmeasurereport",
        "summary_report": "deqm-summarymeasurereport",
        "gap_status": "deqm-gapStatus",
        "measure_scoring": "deqm-measureScoring",
        "calculated_date": "deqm-calculatedDate",
        "care_gap_remark": "deqm-careGapRemark",
        "status_system": "CodeSystem/deqm-gaps-status",
        "reason_system": "CodeSystem/deqm-care-gap-reason",
        "remark_system": "CodeSystem/deqm-care-gap-remark",
    },
)
FORMER = _guide(
    "us",
    "http://hl7.org/fhir/us/davinci-deqm",
    {
        "bundle": "gaps-bundle-deqm",
        "composition": "gaps-composition-deqm",
        "detected_issue": "gaps-detectedissue-deqm",
        "guidance_response": "gaps-guidanceresponse-detailedcaregap",
        "individual_report": "indv-measurereport-deqm",
        "summary_report": "summary-measurereport-deqm",
        "gap_status": "extension-gapStatus",
        "measure_scoring": "extension-measureScoring",
        "calculated_date": "extension-calculatedDate",
        "care_gap_remark": "extension-careGapRemark",
        "status_system": "CodeSystem/gaps-status",
        "reason_system": "CodeSystem/care-gap-reason",
        "remark_system": "CodeSystem/care-gap-remark",
    },
)
GUIDES = {guide.key: guide for guide in (CURRENT, FORMER)}
