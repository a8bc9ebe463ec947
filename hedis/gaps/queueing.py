"""The queue: unmet gaps in somebody's hands, one row a member, planned work first, then the most urgent."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from django.db.models import Count, F, Max, Min, Q, QuerySet

from audit import ledger
from audit.models import Event
from hedis.accounts import roles
from hedis.accounts.models import User
from hedis.gaps import beside
from hedis.gaps.labels import Chip, Cover, can_be_worked, contact_chip, cover, measure_chip
from hedis.gaps.models import SLIPPING, Gap, GapQuerySet, Status, Transition
from hedis.members.models import Attribution, Member

ME, TEAM, NOBODY = "me", "team", "nobody"


@dataclass
class QueueRow:
    """One member of the queue: gaps that one call can close, and what a caller must know first."""

    member: Member
    due: date | None
    gaps: list[Gap] = field(default_factory=list)
    provider: Any = None
    last_step: Transition | None = None
    today: date = date.min
    beside: dict[int, list[Chip]] = field(default_factory=dict)

    @property
    def chips(self) -> list[list[Chip]]:
        """Of each gap its own chip, and what other rooms say beside it."""
        return [[measure_chip(gap, self.today), *self.beside.get(gap.pk, [])] for gap in self.gaps]

    @property
    def closable(self) -> int:
        """How many of these gaps one call can close."""
        return sum(can_be_worked(gap, self.today) for gap in self.gaps)

    @property
    def covers(self) -> list[tuple[str, Cover]]:
        """Of each adherence gap the measure, and its class and days in words. Where one call can still close
        something, what is too late for a call takes no room."""
        worth = [gap for gap in self.gaps if self.due is None or can_be_worked(gap, self.today)]
        found = [(gap.measure.code, cover(gap, self.today)) for gap in worth]
        return [(code, each) for code, each in found if each]

    @property
    def instead_of_due(self) -> Chip | None:
        """What is said where no date is ahead: too late for one of the gaps, or no contact needed for any."""
        said = [chip for gap in self.gaps if (chip := contact_chip(gap, self.today))]
        return min(said, key=lambda chip: chip.tone == "good", default=None)

    @property
    def age(self) -> int:
        return self.member.age_on(self.today)

    @property
    def owners(self) -> list[str]:
        """Who holds these gaps; "Nobody" for those not handed out."""
        return sorted({str(gap.assigned_to) if gap.assigned_to else "Nobody" for gap in self.gaps})

    @property
    def contact_preference(self) -> Any:
        return getattr(self.member, "contact_preference", None)


def may_see_others(user: User) -> bool:
    """Whether this person may look into queues other than her own."""
    return user.has_perm(roles.TEAM_PANEL) or user.has_perm(roles.WHOLE_PLAN)


def in_hands_of(owner: str, *, seen_by: User) -> GapQuerySet:
    """Unmet gaps held by "me", the "team", "nobody" or the person of that id, as far as `seen_by` may see them."""
    return held(Gap.objects.visible_to(seen_by).open(), owner, seen_by=seen_by)


def slipping(year: int, *, seen_by: User) -> GapQuerySet:
    """Met so far, but without a refill soon the year is lost: no gap is open, so the queue does not name them."""
    met = Gap.objects.visible_to(seen_by).for_year(year).filter(status=Status.CLOSED)
    return held(met.filter(adherence__adherence_class__in=SLIPPING), TEAM, seen_by=seen_by)


def held(gaps: GapQuerySet, owner: str, *, seen_by: User) -> GapQuerySet:
    """Those of the gaps that are in somebody's hands; a care manager has only her own."""
    if not may_see_others(seen_by) or owner == ME:
        return gaps.assigned_to(seen_by)
    if owner == NOBODY:
        return gaps.filter(assigned_to=None)
    if owner.isdecimal():
        return gaps.filter(assigned_to=int(owner))
    return gaps


def newest_year(gaps: GapQuerySet) -> int | None:
    """The latest measurement year there is something to do for."""
    year: int | None = gaps.aggregate(newest=Max("year"))["newest"]
    return year


def by_member(gaps: GapQuerySet, today: date) -> QuerySet[Gap, Any]:
    """One line a member: who is planned for first, in plan order; then earliest last useful contact date still ahead,
    then most gaps for one call. Members for whom every date has passed come last: no call to them counts any more."""
    rows: QuerySet[Gap, Any] = (
        gaps.order_by()
        .values("member")
        .annotate(
            due=Min("contact_by", filter=Q(contact_by__gte=today)),
            open_gaps=Count("pk", distinct=True),
            rank=beside.queue_rank(),
        )
        .order_by(F("rank").desc(nulls_last=True), F("due").asc(nulls_last=True), "-open_gaps", "member")
    )
    return rows


def filled(lines: Iterable[dict[str, Any]], gaps: GapQuerySet, today: date) -> list[QueueRow]:
    """The lines with everything a row shows: four queries and those of other rooms, however many lines."""
    due = {line["member"]: line["due"] for line in lines}
    members = Member.objects.select_related("contact_preference").in_bulk(list(due))
    rows = {pk: QueueRow(members[pk], day, today=today) for pk, day in due.items()}
    of_rows = gaps.filter(member__in=due).select_related("measure", "assigned_to", "adherence")
    in_time_first = sorted(of_rows.order_by("contact_by", "pk"), key=lambda gap: not gap.can_be_reached(today))
    said = beside.chips(in_time_first)
    for gap in in_time_first:
        row = rows[gap.member_id]
        row.gaps.append(gap)
        row.beside = said
    for attribution in Attribution.objects.filter(member__in=due, end_date=None).select_related("provider"):
        rows[attribution.member_id].provider = attribution.provider
    for member, step in last_steps(list(due)).items():
        rows[member].last_step = step
    return list(rows.values())


def last_steps(members: list[int]) -> dict[int, Transition]:
    """The newest step a person took, per member: a finding run changes the status, a person only the work status."""
    steps = (
        Transition.objects.filter(gap__member__in=members, from_status=F("to_status"))
        .select_related("gap__measure")
        .order_by("gap__member_id", "-at", "-id")
        .distinct("gap__member_id")
    )
    return {step.gap.member_id: step for step in steps}


def record_look(action: str, members: Iterable[Member], *, by: Any) -> None:
    """One event for a list: which members it showed, so that "who saw this member" leaves none out."""
    seen = {member.pseudonym for member in members}
    if seen:
        ledger.record_alone(Event.Kind.READ, action, object_type="member", members=seen, row_count=len(seen), by=by)


def languages(gaps: GapQuerySet) -> list[str]:
    """Languages of the members behind these gaps."""
    found = gaps.order_by().values_list("member__language", flat=True).distinct()
    return sorted(language for language in found if language)


def grouped_by_gap(steps: Iterable[Transition]) -> dict[int, list[Transition]]:
    """Steps of each gap, in the order given."""
    groups: dict[int, list[Transition]] = defaultdict(list)
    for step in steps:
        groups[step.gap_id].append(step)
    return groups
