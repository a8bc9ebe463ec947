"""What a campaign did: closures of those worked against those held out by lot, and what one more closure cost.

Everyone counts in the arm drawn at approval, whatever happened later (intention to treat): who was never reached, and
whose gap closed before anyone called, too. Gaps found not applicable since are in neither count. Closed is what the
newest finding run said. Closures that would have come anyway are in both arms, so the difference never counts them.
"""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from math import sqrt

from django.db import connection
from django.db.models import Count, F, Max, Q, Sum
from django.db.models.functions import Coalesce

from hedis.gaps.models import Status
from interventions.intervals import Interval, difference, quantile_of, wilson
from interventions.models import Campaign, Intervention, InterventionGap

# Fewer members in an arm tell no spread.
FEWEST = 2
BY_MEMBER = """
SELECT held_out, count(*), sum(closed), sum(closed * closed)
  FROM (SELECT i.held_out, i.member_id, count(DISTINCT g.id) FILTER (WHERE g.status = 'closed-gap') AS closed
          FROM interventions_intervention AS i
          JOIN interventions_interventiongap AS l ON l.intervention_id = i.id
          JOIN gaps_gap AS g ON g.id = l.gap_id
         WHERE i.campaign_id = %s AND i.held_out IS NOT NULL
         GROUP BY i.held_out, i.member_id) AS of_member
 GROUP BY held_out
"""


@dataclass(frozen=True)
class ArmCount:
    """Gaps of one arm that could close, and those that did."""

    gaps: int = 0
    closed: int = 0

    @property
    def share(self) -> Interval | None:
        """Share closed with Wilson's interval; None without a gap."""
        return wilson(self.closed, self.gaps) if self.gaps else None


@dataclass(frozen=True)
class MeasureResult:
    """One measure: both arms, and the difference of their shares with its 95 % interval."""

    measure: str
    treated: ArmCount
    held_out: ArmCount

    @property
    def uplift(self) -> Interval | None:
        """Share closed of the treated less that of the held-out; None where an arm has no gap."""
        treated, held_out = self.treated.share, self.held_out.share
        return difference(treated, held_out) if treated and held_out else None


@dataclass(frozen=True)
class Arm:
    """Members of one arm, the closures among them, and the sum of their squares."""

    members: int = 0
    closed: int = 0
    squares: int = 0

    @property
    def mean(self) -> float:
        """Closures a member."""
        return self.closed / self.members

    @property
    def variance_of_mean(self) -> float:
        """Of the closures a member, whose gaps close together more often than not."""
        spread = (self.squares - self.members * self.mean**2) / (self.members - 1)
        return max(spread, 0.0) / self.members


@dataclass(frozen=True)
class Results:
    """A campaign so far. `spent`: dollars known; `estimated`: of what was begun and has no actual cost yet."""

    measures: list[MeasureResult]
    treated: Arm
    held_out: Arm
    spent: Decimal
    estimated: Decimal
    data_as_of: date | None

    @property
    def cost(self) -> Decimal:
        """Dollars, actual where known and else estimated."""
        return self.spent + self.estimated

    @property
    def incremental(self) -> Interval | None:
        """Closures that would not have come by themselves; None while it cannot be told."""
        return incremental_closures(self.treated, self.held_out)

    @property
    def cost_per_closure(self) -> tuple[float, float | None] | None:
        """Dollars for one more closure, at best and at worst (None: no limit); None where no gain can be."""
        gained = self.incremental
        if gained is None or gained.high <= 0:
            return None
        return float(self.cost) / gained.high, float(self.cost) / gained.low if gained.low > 0 else None


def incremental_closures(treated: Arm, held_out: Arm) -> Interval | None:
    """Closures gained among the treated: their mean less the held-out mean, times their number, with 95 % interval.

    The normal interval of the difference of two means over members, who were drawn one by one. None where an arm has
    fewer than two members, or no member differs from another of the same arm.
    """
    if min(treated.members, held_out.members) < FEWEST:
        return None
    variance = treated.variance_of_mean + held_out.variance_of_mean
    if not variance:  # before the first closure: an interval without width would claim to know
        return None
    gain = treated.mean - held_out.mean
    reach = quantile_of(0.95) * sqrt(variance)
    return Interval(gain * treated.members, (gain - reach) * treated.members, (gain + reach) * treated.members)


def results(campaign: Campaign) -> Results:
    """Both arms of a campaign as they stand. Four queries, however many interventions."""
    drawn = InterventionGap.objects.filter(intervention__campaign=campaign, intervention__held_out__isnull=False)
    as_of: date | None = drawn.aggregate(day=Max("gap__data_as_of"))["day"]
    arms = by_member(campaign)
    spent, estimated = costs(campaign)
    return Results(by_measure(campaign), arms.get(False, Arm()), arms.get(True, Arm()), spent, estimated, as_of)


def by_measure(campaign: Campaign) -> list[MeasureResult]:
    """Each measure's gaps in both arms; a gap counts once, however many interventions are about it."""
    counted = (
        InterventionGap.objects.filter(intervention__campaign=campaign, intervention__held_out__isnull=False)
        .exclude(gap__status=Status.NOT_APPLICABLE)
        .values(code=F("gap__measure__code"), arm=F("intervention__held_out"))
        .annotate(
            gaps=Count("gap", distinct=True),
            closed=Count("gap", distinct=True, filter=Q(gap__status=Status.CLOSED)),
        )
        .order_by("code", "arm")
    )
    found: dict[str, dict[bool, ArmCount]] = {}
    for row in counted:
        found.setdefault(row["code"], {})[row["arm"]] = ArmCount(row["gaps"], row["closed"])
    return [
        MeasureResult(code, arms.get(False, ArmCount()), arms.get(True, ArmCount())) for code, arms in found.items()
    ]


def by_member(campaign: Campaign) -> dict[bool, Arm]:
    """Members, closures and their squares of each arm; True is the held-out one."""
    with connection.cursor() as cursor:
        cursor.execute(BY_MEMBER, [campaign.pk])
        return {held_out: Arm(int(members), int(closed), int(squares)) for held_out, members, closed, squares in cursor}


def costs(campaign: Campaign) -> tuple[Decimal, Decimal]:
    """Dollars known, and estimated of what was begun without an actual cost."""
    begun = Intervention.objects.filter(campaign=campaign, started_at__isnull=False)
    found = begun.aggregate(
        spent=Coalesce(Sum("actual_cost"), Decimal(0)),
        estimated=Coalesce(Sum("estimated_cost", filter=Q(actual_cost=None)), Decimal(0)),
    )
    return found["spent"], found["estimated"]
