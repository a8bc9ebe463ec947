"""Code systems: the address FHIR and VSAC write, and the word the warehouse and the value sets use. Data.

Sources: https://terminology.hl7.org/external_terminologies.html, the object identifiers of the HL7 registry, and the
CARIN Blue Button guide for claim codes.
"""

_ADDRESSES: dict[str, tuple[str, ...]] = {
    "snomed-ct": ("snomed.info/sct", "2.16.840.1.113883.6.96"),
    "loinc": ("loinc.org", "2.16.840.1.113883.6.1"),
    "icd-10-cm": ("hl7.org/fhir/sid/icd-10-cm", "2.16.840.1.113883.6.90"),
    "icd-9-cm": ("hl7.org/fhir/sid/icd-9-cm", "hl7.org/fhir/sid/icd-9-cm/diagnosis", "2.16.840.1.113883.6.103"),
    "icd-10-pcs": (
        "www.cms.gov/medicare/coding/icd10", "hl7.org/fhir/sid/icd-10-pcs", "2.16.840.1.113883.6.4",
    ),
    "icd-9-pcs": ("hl7.org/fhir/sid/icd-9-cm/procedure", "2.16.840.1.113883.6.104"),
    # CPT stands in HCPCS columns of claims, so both are one system here.
    "hcpcs": (
        "www.ama-assn.org/go/cpt", "2.16.840.1.113883.6.12", "2.16.840.1.113883.6.285",
        "www.cms.gov/medicare/coding/hcpcsreleasecodesets", "www.nlm.nih.gov/research/umls/hcpcs",
    ),
    "rxnorm": ("www.nlm.nih.gov/research/umls/rxnorm", "2.16.840.1.113883.6.88"),
    "ndc": ("hl7.org/fhir/sid/ndc", "2.16.840.1.113883.6.69"),
    "cvx": ("hl7.org/fhir/sid/cvx", "2.16.840.1.113883.12.292"),
    "place-of-service": (
        "www.cms.gov/medicare/coding/place-of-service-codes/place_of_service_code_set",
        "www.cms.gov/medicare/coding/place-of-service-codes",
    ),
    "bill-type": ("www.nubc.org/codesystem/typeofbill",),
    "revenue-center": ("www.nubc.org/codesystem/revenuecodes",),
    "discharge-status": ("www.nubc.org/codesystem/patdischargestatus",),
    "discharge-disposition": ("terminology.hl7.org/codesystem/discharge-disposition",),
    "encounter-class": ("terminology.hl7.org/codesystem/v3-actcode", "2.16.840.1.113883.5.4"),
    "source-of-payment": ("nahdo.org/sopt", "2.16.840.1.113883.3.221.5"),
    "race-ethnicity": ("2.16.840.1.113883.6.238",),
}  # fmt: skip
WORDS = {address: word for word, addresses in _ADDRESSES.items() for address in addresses}


def code_system(address: str) -> str:
    """The word for a code system's URL or OID (`http://loinc.org` -> `loinc`), whatever its case, scheme or version.

    A system without a word of its own keeps its address, lower-cased and without the scheme: shortened further, two
    systems could become one.
    """
    plain = address.strip().lower().split("|", 1)[0].rstrip("/")
    for scheme in ("http://", "https://", "urn:oid:"):
        plain = plain.removeprefix(scheme)
    return WORDS.get(plain, plain)
