"""Patient, Coverage, Practitioner and Organization. The rules: docs/fhir.md, People."""

import re
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from hedis.evidence.sources.fhir.clinical import standing
from hedis.evidence.sources.fhir.coding import words
from hedis.evidence.sources.fhir.elements import Element, Wrong, extension, flag, needed, part, parts, text
from hedis.evidence.sources.fhir.rows import Coverage, Lookup, Patient, Provider
from hedis.evidence.sources.fhir.times import OPEN_END, days, period

SEXES = {"female": "female", "male": "male", "other": "unknown", "unknown": "unknown"}
SEX_CODES = {"248152002": "female", "248153007": "male"}  # the two of US Core's sex extension that say one
MEMBER_NUMBER = "mb"  # HL7 table 0203
NPI = "http://hl7.org/fhir/sid/us-npi"
CONTRACT = re.compile(r"[HRSE][0-9]{4}(-[0-9]{3}){0,2}")
SEVERAL_RACES = "two or more races"
COST_SHARES = tuple(f"{group:02}" for group in range(1, 9))  # CMS: deemed eligible or subsidised


@dataclass(frozen=True)
class MemberIds:
    """Where the plan's member id stands. `system`: the identifier system that holds it, empty for any of type `MB`."""

    system: str = ""

    def choose(self, resource: Element) -> str | None:
        """The member id among a resource's identifiers; None where none of them is one. Raises Wrong."""
        for each in parts(resource, "identifier"):
            typed = MEMBER_NUMBER in words(part(each, "type"))
            if (text(each, "system") == self.system) if self.system else typed:
                return text(each, "value")
        return None


def patient(resource: Element, zone: ZoneInfo, ids: MemberIds) -> Patient:
    """A person; `person` is empty where no identifier is the plan's. Raises Wrong."""
    written = needed(resource, "birthDate")
    born = days(written, zone, "birthDate")
    if born.start != born.end:
        raise Wrong("birthDate", "is not complete: ages are counted from the day")
    died = text(resource, "deceasedDateTime")
    dead = days(died, zone, "deceasedDateTime").end if died else None
    flag(resource, "deceasedBoolean")
    if dead and dead < born.start:
        raise Wrong("deceasedDateTime", "lies before birthDate")
    race = _us_core(resource, "us-core-race")
    return Patient(
        person=ids.choose(resource) or "",
        birth_date=born.start,
        death_date=dead,
        sex=_sex(resource),
        race=SEVERAL_RACES if len(race) > 1 else next(iter(race), None),
        ethnicity=next(iter(_us_core(resource, "us-core-ethnicity")), None),
        language=_language(resource),
    )


def _sex(resource: Element) -> str:
    told = extension(resource, "/us-core-sex")
    code = text(told, "valueCode") if told else None
    if code in SEX_CODES:
        return SEX_CODES[code]
    gender = text(resource, "gender") or "unknown"
    if gender not in SEXES:
        raise Wrong("gender", "is no gender of R4")
    return SEXES[gender]


def _us_core(resource: Element, name: str) -> list[str]:
    """The displays of the OMB categories, lower case."""
    found = extension(resource, f"/{name}")
    categories = [
        part(each, "valueCoding") or {}
        for each in (parts(found, "extension") if found else ())
        if text(each, "url") == "ombCategory"
    ]
    return list(dict.fromkeys(shown.lower()[:60] for each in categories if (shown := text(each, "display"))))


def _language(resource: Element) -> str | None:
    told = sorted(parts(resource, "communication"), key=lambda each: not flag(each, "preferred"))
    for each in told:
        language = part(each, "language") or {}
        shown = text(language, "text") or next(
            (text(coding, "display") or text(coding, "code") for coding in parts(language, "coding")), None
        )
        if shown:
            return shown[:40]
    return None


def coverage(resource: Element, lookup: Lookup) -> Coverage | str:
    """A span of enrolment, or why it is none. Raises Wrong."""
    key, _ = lookup.patient(resource, "beneficiary")
    if key not in lookup.patients:
        raise Wrong("beneficiary", "was told of earlier only: send the Patient with the Coverage")
    if out := standing(resource):
        return out
    told = part(resource, "period")
    span = period(told, lookup.zone, "period", OPEN_END) if told else None
    if told is None or span is None or text(told, "start") is None:
        return "no start of the period"
    return Coverage(
        key, span.start, span.end, _plan(resource), _extended_code(resource, "dual", r"[0-9]{1,2}"),
        _extended_code(resource, "orec", r"[0-9]"), _low_income(resource),
    )  # fmt: skip


def _plan(resource: Element) -> str | None:
    """Contract and plan benefit package where a class or identifier looks like one."""
    groups = [each for each in parts(resource, "class") if words(part(each, "type")) & {"plan", "group", "subplan"}]
    written = [text(each, "value") for each in (*groups, *parts(resource, "identifier"))]
    found = [each.upper() for each in written if each and CONTRACT.fullmatch(each.upper())]
    return max(found, key=len, default=None)


def _extended_code(resource: Element, name: str, pattern: str) -> str | None:
    """The code of an extension whose URL's last part begins so (CMS Blue Button: `dual_01` … `dual_12`, `orec`); of the
    monthly ones the last."""
    found = None
    for each in sorted(parts(resource, "extension"), key=lambda each: text(each, "url") or ""):
        if (text(each, "url") or "").rsplit("/", 1)[-1].lower().startswith(name):
            code = text(part(each, "valueCoding") or {}, "code") or text(each, "valueCode") or text(each, "valueString")
            found = code if code and re.fullmatch(pattern, code) else found
    return found.zfill(2) if found and name == "dual" else found


def _low_income(resource: Element) -> bool:
    """The low-income subsidy, where an extension says so: true, or a cost-share group of 01 to 08 (CMS Blue Button
    `cst_shr_grp_cd`)."""
    for each in parts(resource, "extension"):
        name = (text(each, "url") or "").rsplit("/", 1)[-1].lower()
        if "low-income" in name or name == "lis":
            return bool(flag(each, "valueBoolean"))
        if name.startswith("cst_shr_grp_cd") and (text(part(each, "valueCoding") or {}, "code") or "") in COST_SHARES:
            return True
    return False


def provider(resource: Element) -> Provider | str:
    """A provider with an NPI, or why it is none. Raises Wrong."""
    npi = next((text(each, "value") for each in parts(resource, "identifier") if text(each, "system") == NPI), None)
    if npi is None:
        return "no NPI"
    if not re.fullmatch("[0-9]{10}", npi):
        raise Wrong("identifier", "is not an NPI of ten digits")
    return Provider(npi, _name(resource)[:120])


def _name(resource: Element) -> str:
    if resource["resourceType"] == "Organization":
        return text(resource, "name") or ""
    first = next(iter(parts(resource, "name")), {})
    if whole := text(first, "text"):
        return whole
    given = first.get("given")
    names = [each for each in given if isinstance(each, str)] if isinstance(given, list) else []
    return " ".join([*names, text(first, "family") or ""]).strip()
