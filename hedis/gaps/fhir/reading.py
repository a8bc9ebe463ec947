"""Reads what the FHIR answers tell: facts straight from SELECT, in a number of queries that rows do not change."""

from collections.abc import Generator, Iterable, Mapping, Sequence
from typing import Any

from django.db.models import Exists, OuterRef, Q, Sum

from hedis.gaps.fhir.asking import Asked, Nowhere
from hedis.gaps.fhir.catalogue import PROGRAM, MeasureFacts
from hedis.gaps.fhir.resources import CountFacts, GapFacts, PersonFacts
from hedis.gaps.models import FindingRun, Gap, GapQuerySet, MeasureCount, Work
from hedis.measures.models import Measure, MeasureYear
from hedis.members.models import Attribution, Contract, Member, MemberQuerySet, Provider

GAP_COLUMNS = (
    "pk", "member__pseudonym", "measure__code", "measure__name", "measure__direction", "definition_version", "year",
    "contract__number", "status", "work_status", "reason_code", "reason", "evidence_date", "evidence_value",
    "evidence_route", "exclusion", "exclusion_date", "data_as_of", "version",
)  # fmt: skip
WORK_COLUMN = GAP_COLUMNS.index("work_status")
# What a work status says in DEQM's care-gap remarks; most say nothing that stands there.
REMARKS: dict[str, str] = {Work.REFUSED: "patient-refused"}
PERSON_COLUMNS = ("pseudonym", "birth_year", "sex")
CHUNK = 2000


def gaps_and_people(gaps: GapQuerySet) -> Generator[tuple[GapFacts, PersonFacts]]:
    """The facts of these gaps with their member's, streamed by a server-side cursor."""
    columns = (*GAP_COLUMNS, *(f"member__{name}" for name in PERSON_COLUMNS))
    for row in gaps.values_list(*columns).iterator(chunk_size=CHUNK):
        gap, person = row[: len(GAP_COLUMNS)], row[len(GAP_COLUMNS) :]
        work = gap[WORK_COLUMN]
        facts = (*gap[:WORK_COLUMN], work == Work.GONE, *gap[WORK_COLUMN + 1 :], REMARKS.get(work, ""))
        yield GapFacts(*facts), PersonFacts(*person)


def person_facts(members: MemberQuerySet) -> list[PersonFacts]:
    """The facts of these members."""
    return [PersonFacts(*row) for row in members.values_list(*PERSON_COLUMNS)]


def years() -> list[int]:
    """Measurement years that have been found, newest first."""
    return sorted(set(FindingRun.objects.values_list("year", flat=True)), reverse=True)


def require_year(year: int) -> None:
    """Raise Nowhere where no gaps of this year were ever found."""
    if not (FindingRun.objects.filter(year=year).exists() or Gap.objects.for_year(year).exists()):
        known = ", ".join(map(str, years())) or "none yet"
        raise Nowhere(f"No gaps have been found for {year}; measurement years found: {known}.", "periodStart")


def contract_names(numbers: Iterable[str | None]) -> dict[str, str]:
    """Names of contracts by number."""
    wanted = {number for number in numbers if number}
    return {one.number: one.name or one.organisation for one in Contract.objects.filter(number__in=wanted)}


def require_contract(number: str) -> None:
    """Raise Nowhere for a contract nobody knows."""
    if number and not Contract.objects.filter(number=number).exists():
        raise Nowhere(f"There is no contract {number}.", "organization")


# --- measures


def measure_facts(measures: Any) -> list[MeasureFacts]:
    """The facts of these measures; rated where any year gives a weight."""
    rated = MeasureYear.objects.filter(measure=OuterRef("pk"), weight__isnull=False)
    columns = ("code", "name", "domain", "steward", "direction", "purpose", "source", "definition_version")
    return [MeasureFacts(*row) for row in measures.values_list(*columns, Exists(rated)).order_by("code")]


def computed() -> dict[str, Measure]:
    """The measures the engine computes, by code."""
    return {one.code: one for one in Measure.objects.computed()}


def measure_named(kind: str, value: str, canonical: str, known: Mapping[str, Measure]) -> Measure:
    """The measure of `known` that a canonical, an id or an identifier names. Raises Nowhere."""
    address, _, version = value.partition("|") if kind != "measureIdentifier" else ("", "", "")
    code = value.rsplit("|", 1)[-1] if kind == "measureIdentifier" else address.rsplit("/", 1)[-1]
    foreign = "/" in address and address not in (f"{canonical}/Measure/{code}", f"Measure/{code}")
    found = None if foreign else known.get(code)
    if found is None:
        raise Nowhere(f"There is no such measure; measures computed here: {', '.join(known) or 'none'}.", kind)
    if version and version != found.definition_version:
        raise Nowhere(f"{code} is computed by version {found.definition_version} of its definition.", kind)
    return found


def measures_asked(asked: Asked, canonical: str) -> list[Measure]:
    """The measures of a request: those named, and of these the ones in the programs and topics named.

    Raises Nowhere for a measure, program or topic nobody knows.
    """
    known = computed()
    named = {measure_named(kind, value, canonical, known).code for kind, value in asked.measures} or set(known)
    if set(asked.programs) - {PROGRAM}:
        raise Nowhere(f"The one program known here is {PROGRAM}.", "program")
    if asked.programs:
        weighted = MeasureYear.objects.filter(measurement_year=asked.year, weight__isnull=False)
        named &= set(weighted.values_list("measure__code", flat=True))
    domains = {one.domain for one in known.values() if one.domain}
    if set(asked.topics) - domains:
        raise Nowhere(f"Topics are the measures' domains: {'; '.join(sorted(domains))}.", "topic")
    if asked.topics:
        named &= {one.code for one in known.values() if one.domain in asked.topics}
    return [known[code] for code in sorted(named)]


# --- gaps of a request


def gaps_asked(asked: Asked, measures: Sequence[Measure], user: Any) -> GapQuerySet:
    """The gaps a request asks for, of the members this user may see."""
    gaps = Gap.objects.visible_to(user).for_year(asked.year).filter(status__in=asked.statuses, measure__in=measures)
    gaps = gaps.filter(contract__number=asked.contract) if asked.contract else gaps
    if asked.subjects is not None:
        gaps = gaps.filter(member__pseudonym__in=asked.subjects)
    return gaps.filter(Exists(attributed(asked.npi, "member_id"))) if asked.npi else gaps


def attributed(npi: str, member: str) -> Any:
    """Attributions to this practitioner now, of the outer query's member."""
    return Attribution.objects.filter(member=OuterRef(member), provider__npi=npi, end_date=None)


def require_reporters(asked: Asked) -> None:
    """Raise Nowhere for a contract or practitioner nobody knows."""
    require_contract(asked.contract)
    if asked.npi and not Provider.objects.filter(npi=asked.npi).exists():
        raise Nowhere("There is no such practitioner.", "practitioner")


def subjects_named(asked: Asked, user: Any) -> list[PersonFacts]:
    """The members a request names. Raises Nowhere if one is not there, or not for this user: one answer for both."""
    named = asked.subjects or ()
    found = person_facts(Member.objects.visible_to(user).filter(pseudonym__in=named).order_by("pseudonym"))
    if len(found) < len(named):
        raise Nowhere("There is no such member, or not one this account may see.", "subject")
    return found


def subjects_after(asked: Asked, gaps: GapQuerySet, user: Any) -> list[PersonFacts]:
    """A page of the members who have such gaps, and one more where another page follows."""
    theirs = gaps.filter(member=OuterRef("pk"))
    members = Member.objects.visible_to(user).filter(Q(pseudonym__gt=asked.cursor), Exists(theirs))
    return person_facts(members.order_by("pseudonym")[: asked.count + 1])


def never_eligible(
    asked: Asked, measures: Sequence[Measure], people: Sequence[PersonFacts], contract: str = ""
) -> list[GapFacts]:
    """Measures these members were looked at for and are not in the initial population of.

    Only the newest run over the whole plan can say so: a measure it did not count was not looked at.
    """
    runs = MeasureCount.objects.latest(asked.year)
    counted = {
        one.measure_id: (one.run.data_as_of, one.definition_version) for one in runs.filter(measure__in=measures)
    }
    pairs = Gap.objects.for_year(asked.year).filter(member__pseudonym__in=[person.member for person in people])
    known = set(pairs.values_list("member__pseudonym", "measure_id"))
    return [
        GapFacts(
            0, person.member, one.code, one.name, one.direction, counted[one.pk][1], asked.year, contract or None,
            "not-applicable", True, "", "", None, "", "", "", None, counted[one.pk][0],
        )
        for person in people
        for one in measures
        if one.pk in counted and (person.member, one.pk) not in known
    ]  # fmt: skip


# --- counts


def count_facts(counts: Any) -> list[CountFacts]:
    """Counts per measure and contract of the newest run."""
    columns = ("measure__code", "measure__direction", "definition_version", "run__year", "contract__number",
               "eligible", "excluded", "numerator", "run__data_as_of")  # fmt: skip
    return [CountFacts(*row) for row in counts.values_list(*columns)]


def plan_count(measure: Measure, year: int) -> CountFacts | None:
    """A measure's counts over the whole plan; None where the newest run did not count it."""
    rows = MeasureCount.objects.latest(year).filter(measure=measure).order_by()
    totals = rows.values("definition_version", "run__data_as_of").annotate(
        all_eligible=Sum("eligible"), all_excluded=Sum("excluded"), met=Sum("numerator")
    )
    row = next(iter(totals), None)
    if row is None:
        return None
    return CountFacts(
        measure.code, measure.direction, row["definition_version"], year, None,
        row["all_eligible"], row["all_excluded"], row["met"], row["run__data_as_of"],
    )  # fmt: skip
