"""Small makers of rows for the tests: every field has a sensible value, name only what the story is about."""

from datetime import date
from itertools import count
from typing import Any

from django.conf import settings

from hedis.gaps.models import UNMET, Adherence, AdherenceClass, FindingRun, Gap, MeasureCount, Status, Work
from hedis.measures.models import Measure
from hedis.members.models import Attribution, Contract, Enrolment, Member, Provider
from hedis.members.pseudonyms import pseudonym

number = count(1)


def make_contract(contract_number: str = "H1234", **overrides: Any) -> Contract:
    """The contract of that number; made once."""
    facts = {"name": "Evergreen Advantage", "organisation": "Evergreen Health", "plan_type": "hmo", **overrides}
    return Contract.objects.get_or_create(number=contract_number, defaults=facts)[0]


def make_provider(**overrides: Any) -> Provider:
    """A practitioner with an NPI of her own."""
    n = next(number)
    return Provider.objects.create(
        **{"npi": f"{1_000_000_000 + n}", "name": f"Dr. Example {n}", "practice": "Elm Street Clinic", **overrides}
    )


def a_member(plan_id: str = "", **overrides: Any) -> Member:
    """A member not yet stored; the plan's id is drawn when none is given."""
    facts = {
        "pseudonym": pseudonym(plan_id or f"FACTORY-{next(number)}"),
        "key_version": settings.PSEUDONYM_KEY_VERSION,
        "birth_year": 1955,
        "sex": Member.Sex.FEMALE,
        "language": "English",
        "first_seen_date": date(2024, 1, 1),
        **overrides,
    }
    return Member(**facts)


def an_enrolment(member: Member, contract: Contract) -> Enrolment:
    """The open span of a member in a contract, not yet stored."""
    return Enrolment(member=member, contract=contract, plan_benefit_package="001", start_date=date(2024, 1, 1))


def an_attribution(member: Member, provider: Provider) -> Attribution:
    """The provider a member goes to, not yet stored."""
    return Attribution(member=member, provider=provider, start_date=date(2025, 1, 1))


def make_member(
    plan_id: str = "", *, contract: Contract | None = None, provider: Provider | None = None, **overrides: Any
) -> Member:
    """A member; a contract or provider adds the open span."""
    member = a_member(plan_id, **overrides)
    member.save(force_insert=True)
    if contract is not None:
        an_enrolment(member, contract).save(force_insert=True)
    if provider is not None:
        an_attribution(member, provider).save(force_insert=True)
    return member


def make_measure(code: str = "COL", **overrides: Any) -> Measure:
    """The measure of that code; made once."""
    facts = {
        "name": f"{code} as made for a test",
        "steward": "NCQA",
        "direction": Measure.Direction.HIGHER,
        "source": "made for a test",
        "definition_version": "1",
        **overrides,
    }
    return Measure.objects.get_or_create(code=code, defaults=facts)[0]


def make_members(
    how_many: int, contract: Contract, *, provider: Provider | None = None, **overrides: Any
) -> list[Member]:
    """So many members of a contract, in a statement a table."""
    members = Member.objects.bulk_create(a_member(**overrides) for _ in range(how_many))
    Enrolment.objects.bulk_create(an_enrolment(member, contract) for member in members)
    if provider is not None:
        Attribution.objects.bulk_create(an_attribution(member, provider) for member in members)
    return members


def make_gap(member: Member, measure: Measure, **overrides: Any) -> Gap:
    """An open gap of 2026 that can be closed, and its member usefully contacted, until year's end."""
    gap = a_gap(member, measure, **overrides)
    gap.save(force_insert=True)
    return gap


def a_gap(member: Member, measure: Measure, **overrides: Any) -> Gap:
    """That gap, not yet stored."""
    year = overrides.get("year", 2026)
    facts = {
        "year": year,
        "status": Status.OPEN,
        "work_status": Work.OPEN,
        "reason": f"No screening found for {measure.code} in the measurement year.",
        "data_as_of": date(year, 9, 30),
        "closable_until": date(year, 12, 31),
        "definition_version": "1",
        "assigned_to": member.care_manager,
        **overrides,
    }
    if facts["status"] in UNMET:
        facts.setdefault("contact_by", facts["closable_until"])
    if "closable_until" not in overrides and facts.get("contact_by"):
        facts["closable_until"] = max(facts["closable_until"], facts["contact_by"])
    return Gap(member=member, measure=measure, **facts)


def make_adherence(gap: Gap, **overrides: Any) -> Adherence:
    """The days behind an adherence gap: 231 of 300 covered, twelve more may be missed."""
    facts = {
        "treatment_start": date(gap.year, 1, 5),
        "treatment_end": date(gap.year, 10, 31),
        "treatment_days": 300,
        "covered_days": 231,
        "missable_days": 12,
        "refill_due": date(gap.year, 11, 3),
        "last_chance_date": date(gap.year, 11, 22),
        "adherence_class": AdherenceClass.AT_RISK,
        **overrides,
    }
    return Adherence.objects.create(gap=gap, **facts)


def make_count(measure: Measure, contract: Contract | None, **overrides: Any) -> MeasureCount:
    """Counts of one measure in one contract, in the one run of its year."""
    year = overrides.pop("year", 2026)
    run, _ = FindingRun.objects.get_or_create(
        year=year, defaults={"data_as_of": date(year, 9, 30), "generation": "test", "found_by": "system"}
    )
    facts = {
        "eligible": 100,
        "excluded": 10,
        "denominator": 90,
        "numerator": 60,
        "definition_version": "1",
        **overrides,
    }
    return MeasureCount.objects.create(run=run, measure=measure, contract=contract, **facts)
