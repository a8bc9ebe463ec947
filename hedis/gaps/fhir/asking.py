"""What a caller of the FHIR operations may ask, read from a query or from a Parameters resource.

DEQM's parameters have had two generations; both are understood. What is not understood is refused, never ignored: a
misspelt `subject` must not answer with the whole plan.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from http import HTTPStatus
from typing import Any

from rest_framework.exceptions import APIException, NotFound

from hedis.gaps.fhir.answers import Issue
from hedis.gaps.fhir.guide import CURRENT, GUIDES, STATUSES, Guide
from hedis.members.models import CONTRACT_NUMBER, NPI, PSEUDONYM

Given = Mapping[str, Sequence[Any]]

MEASURE_PARAMETERS = ("measureUrl", "measureId", "measureIdentifier", "measure")
PERIOD = ("periodStart", "periodEnd")
PAGING = ("_count", "_cursor")
ANSWER = ("_format", "_pretty", "_guide")
CARE_GAPS = frozenset(
    {*MEASURE_PARAMETERS, *PERIOD, *PAGING, *ANSWER, "subject", "subjectGroup", "provider", "practitioner", "reporter",
     "organization", "status", "program", "topic", "isDocument", "_shape"}
)  # fmt: skip
EVALUATE = frozenset({*PERIOD, *ANSWER, "subject", "reportType", "reporter", "organization"})
# Parameters of DEQM that this server cannot honour: answered as what they are, not as a typing error.
NOT_SUPPORTED = frozenset(
    {"location", "parameters", "manifest", "providerResource", "reporterResource", "lastReceivedOn", "practitionerRole"}
)
INDIVIDUAL, POPULATION = ("subject", "individual"), ("population", "summary")
SHAPES = ("parameters", "bundle")
LARGEST_PAGE, PAGE = 200, 50


class Unusable(APIException):
    """The request cannot be used; every issue names its parameter."""

    status_code = HTTPStatus.BAD_REQUEST

    def __init__(self, issues: Sequence[Issue]) -> None:
        super().__init__("; ".join(words for _, words, _ in issues))
        self.issues = issues


class Nowhere(NotFound):
    """What the request names is not there, or not for this caller."""

    def __init__(self, words: str, where: str = "") -> None:
        super().__init__(words)
        self.issues: Sequence[Issue] = [("not-found", words, where)]


@dataclass(frozen=True)
class Asked:
    """One request for gaps, as far as it can be understood without looking into the database."""

    year: int
    statuses: tuple[str, ...]
    measures: tuple[tuple[str, str], ...] = ()
    programs: tuple[str, ...] = ()
    topics: tuple[str, ...] = ()
    subjects: tuple[str, ...] | None = None
    npi: str = ""
    contract: str = ""
    document: bool = True
    shape: str = "parameters"
    guide: Guide = CURRENT
    count: int = PAGE
    cursor: str = ""


@dataclass(frozen=True)
class Evaluation:
    """One request for a MeasureReport: of a member, or of a contract or the plan."""

    year: int
    subject: str = ""
    contract: str = ""
    guide: Guide = CURRENT


def from_parameters(body: Any) -> dict[str, list[Any]]:
    """The parameters of a posted Parameters resource: primitive values as text, resources as they are.

    Raises Unusable.
    """
    if not isinstance(body, dict) or body.get("resourceType") != "Parameters":
        raise Unusable([("structure", "The body must be a Parameters resource.", "")])
    given: dict[str, list[Any]] = {}
    listed = body.get("parameter", [])
    for one in listed if isinstance(listed, list) else [None]:
        if not isinstance(one, dict) or not isinstance(one.get("name"), str):
            raise Unusable([("structure", "Every parameter needs a name and a value.", "Parameters.parameter")])
        given.setdefault(one["name"], []).append(value_of(one))
    return given


def value_of(parameter: Mapping[str, Any]) -> Any:
    """One parameter's value. Raises Unusable where it has none, or several."""
    values = [value for key, value in parameter.items() if key.startswith("value") or key == "resource"]
    if len(values) != 1:
        raise Unusable([("structure", "A parameter has exactly one value.", str(parameter["name"]))])
    value = values[0]
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict) and "resourceType" not in value:
        system, code = value.get("system"), value.get("value", value.get("code"))
        return value.get("reference") or (f"{system}|{code}" if system else code)
    return str(value) if isinstance(value, (int, float)) else value


class Reader:
    """Reads the parameters of one request, gathering everything wrong with it before refusing it."""

    def __init__(self, given: Given, known: frozenset[str]) -> None:
        self.given, self.issues = given, list[Issue]()
        for name in sorted(set(given) - known):
            code = "not-supported" if name in NOT_SUPPORTED else "invalid"
            words = "is not supported here" if name in NOT_SUPPORTED else "is no parameter of this operation"
            self.issues.append((code, f"{name[:40]} {words}.", name[:40]))
        for name in sorted(name for name, values in given.items() if "" in values):
            self.refuse(name[:40], f"{name[:40]} is empty: give it a value, or leave it out.")

    def refuse(self, where: str, words: str, code: str = "value") -> None:
        """Note what is wrong with one parameter. The value is never repeated: it may be a plan's own member id."""
        self.issues.append((code, words, where))

    def texts(self, name: str) -> tuple[str, ...]:
        """Every value of a parameter as text."""
        values = [value for value in self.given.get(name, ()) if value != ""]
        if not all(isinstance(value, str) for value in values):
            self.refuse(name, f"{name} must be text.")
            return ()
        return tuple(dict.fromkeys(values))

    def text(self, name: str) -> str:
        """The one value of a parameter; "" where it is not given."""
        values = self.texts(name)
        if len(values) > 1:
            self.refuse(name, f"{name} may be given once.")
        return values[0] if values else ""

    def one_of(self, name: str, choices: Sequence[str], default: str) -> str:
        """A value out of a short list."""
        value = self.text(name) or default
        if value not in choices:
            self.refuse(name, f"{name} is one of: {', '.join(choices)}.")
        return value

    def year(self) -> int:
        """The measurement year that periodStart and periodEnd name together."""
        start, end = (self.day(name, last=name == "periodEnd") for name in PERIOD)
        if start is None or end is None:
            return 0
        if start.year != end.year or (start.month, start.day) != (1, 1) or (end.month, end.day) != (12, 31):
            self.refuse("periodEnd", "The period must be one measurement year, such as 2026-01-01 to 2026-12-31.")
        return start.year

    def day(self, name: str, *, last: bool) -> date | None:
        """A FHIR date; a year or a month stands for its first or last day."""
        value = self.text(name)
        if not value:
            self.refuse(name, f"{name} is missing.", "required")
            return None
        whole = {4: "-12-31" if last else "-01-01", 7: "-31" if last else "-01"}.get(len(value), "")
        try:
            if re.fullmatch(r"\d{4}(-\d{2}(-\d{2})?)?", value, re.ASCII):
                return date.fromisoformat(value + whole)
        except ValueError:
            pass  # a day that no calendar has is refused like any other word
        self.refuse(name, f"{name} must be a date such as 2026-{'12-31' if last else '01-01'}.")
        return None

    def statuses(self) -> tuple[str, ...]:
        """The gap statuses asked for: at least one, each a code of DEQM's."""
        codes = tuple(value.rsplit("|", 1)[-1] for value in self.texts("status"))
        if not codes:
            self.refuse("status", f"status is missing; give one or more of: {', '.join(STATUSES)}.", "required")
        elif set(codes) - set(STATUSES):
            self.refuse("status", f"status is one of: {', '.join(STATUSES)}.", "code-invalid")
        return codes

    def measures(self) -> tuple[tuple[str, str], ...]:
        """Every measure named, as (name of the parameter, value)."""
        return tuple((name, value) for name in MEASURE_PARAMETERS for value in self.texts(name))

    def member(self, reference: str, where: str) -> str:
        """The pseudonym of a reference to a Patient; "" where it is none."""
        kind, name = split(reference)
        if kind != "Patient":
            self.refuse(where, f"{where} must be a reference such as Patient/….")
        elif not re.fullmatch(PSEUDONYM, name):
            # Not repeated, not looked up: it may be the plan's own id.
            self.refuse(where, f"{where} names no pseudonym (64 digits 0-9, a-f).")
        return name

    def subjects(self) -> tuple[str, ...] | None:
        """The members named; None where none is, which means everybody the caller may see."""
        group, subject = self.given.get("subjectGroup", ()), self.text("subject")
        if subject and group:
            self.refuse("subjectGroup", "Give subject or subjectGroup, not both.")
        if group:
            return self.members_of(group)
        return (self.member(subject, "subject"),) if subject else None

    def members_of(self, groups: Sequence[Any]) -> tuple[str, ...]:
        """The members of a Group resource, at most a page of them."""
        group = groups[0] if len(groups) == 1 else None
        listed = group.get("member") if isinstance(group, dict) and group.get("resourceType") == "Group" else None
        if not isinstance(listed, list) or not 1 <= len(listed) <= LARGEST_PAGE:
            self.refuse("subjectGroup", f"subjectGroup is one Group resource of 1 to {LARGEST_PAGE} members.")
            return ()
        entities = [one.get("entity") if isinstance(one, dict) else None for one in listed]
        references = [entity.get("reference") if isinstance(entity, dict) else None for entity in entities]
        if not all(isinstance(reference, str) for reference in references):
            self.refuse("subjectGroup", "Every member of the group needs a reference to a Patient.")
            return ()
        return tuple(dict.fromkeys(self.member(str(reference), "subjectGroup") for reference in references))

    def reporters(self) -> tuple[str, str]:
        """NPI and contract number that narrow the request; "" where not given. `Organization/plan` narrows nothing."""
        npi = contract = ""
        for name, default in (("practitioner", "Practitioner"), ("organization", "Organization"),
                              ("provider", ""), ("reporter", "")):  # fmt: skip
            reference = self.text(name)
            if not reference:
                continue
            kind, value = split(reference)
            kind = kind or default
            if kind == "Practitioner" and name != "organization" and re.fullmatch(NPI, value):
                npi = value
            elif kind == "Organization" and name != "practitioner" and re.fullmatch(CONTRACT_NUMBER, value):
                contract = value
            elif (kind, value) != ("Organization", "plan"):
                self.refuse(name, f"{name} must be such as Practitioner/1234567890 (NPI) or Organization/H1234.")
        return npi, contract

    def number(self, name: str, *, low: int, high: int, default: int) -> int:
        """A whole number within bounds."""
        value = self.text(name)
        if value and not (value.isascii() and value.isdigit() and low <= int(value[:9]) <= high):
            self.refuse(name, f"{name} is a whole number from {low} to {high}.")
            return default
        return int(value) if value else default

    def count(self) -> int:
        """Members, or resources, a page."""
        return self.number("_count", low=1, high=LARGEST_PAGE, default=PAGE)

    def cursor(self) -> str:
        """Where to go on, as the last answer's next link gave it."""
        value = self.text("_cursor")
        if value and not re.fullmatch(PSEUDONYM, value):
            self.refuse("_cursor", "This is not a cursor of this operation.")
        return value

    def guide(self) -> Guide:
        """The edition of DEQM to answer in."""
        return GUIDES.get(self.one_of("_guide", tuple(GUIDES), CURRENT.key), CURRENT)

    def done(self) -> None:
        """Raise Unusable if anything was wrong."""
        if self.issues:
            raise Unusable(self.issues)


@dataclass(frozen=True)
class Search:
    """One search for measures or summary reports; `wanted` gives the values of the search's own parameters."""

    wanted: Mapping[str, tuple[str, ...]]
    year: int = 0
    contract: str = ""
    guide: Guide = CURRENT
    count: int = PAGE
    offset: int = 0


MEASURE_SEARCH = ("_id", "url", "identifier")
REPORT_SEARCH = ("measure", "period", "reporter")


def search(given: Given, own: Sequence[str]) -> Search:
    """Understand a search by its `own` parameters. Raises Unusable."""
    reader = Reader(given, frozenset({*own, *ANSWER, "_count", "_offset"}))
    contract = reader.reporters()[1] if "reporter" in own else ""
    year = reader.number("period", low=1900, high=2200, default=0) if "period" in own else 0
    asked = Search(
        {name: reader.texts(name) for name in own},
        year=year,
        contract=contract,
        guide=reader.guide(),
        count=reader.count(),
        offset=reader.number("_offset", low=0, high=1_000_000, default=0),
    )
    reader.done()
    return asked


def split(reference: str) -> tuple[str, str]:
    """Type and id of a relative or absolute reference; ("", id) of a bare id."""
    parts = reference.rsplit("/", 2)
    return (parts[-2], parts[-1]) if len(parts) > 1 else ("", reference)


def care_gaps(given: Given) -> Asked:
    """Understand a $care-gaps request. Raises Unusable with everything that is wrong with it."""
    reader = Reader(given, CARE_GAPS)
    npi, contract = reader.reporters()
    asked = Asked(
        year=reader.year(),
        statuses=reader.statuses(),
        measures=reader.measures(),
        programs=reader.texts("program"),
        topics=reader.texts("topic"),
        subjects=reader.subjects(),
        npi=npi,
        contract=contract,
        document=reader.one_of("isDocument", ("true", "false"), "true") == "true",
        shape=reader.one_of("_shape", SHAPES, "parameters"),
        guide=reader.guide(),
        count=reader.count(),
        cursor=reader.cursor(),
    )
    reader.done()
    return asked


def evaluation(given: Given) -> Evaluation:
    """Understand an $evaluate request. Raises Unusable."""
    reader = Reader(given, EVALUATE)
    subject, year = reader.subjects(), reader.year()
    npi, contract = reader.reporters()
    kind = reader.one_of("reportType", (*INDIVIDUAL, *POPULATION), "subject" if subject else "population")
    if kind in INDIVIDUAL and not subject:
        reader.refuse("subject", "A report about a member needs a subject.", "required")
    if kind in POPULATION and subject:
        reader.refuse("reportType", "A report with a subject is of type subject.")
    if npi:
        reader.refuse(
            "reporter", "Reports are kept of contracts and of the plan, not of practitioners.", "not-supported"
        )
    asked = Evaluation(year=year, subject=subject[0] if subject else "", contract=contract, guide=reader.guide())
    reader.done()
    return asked
