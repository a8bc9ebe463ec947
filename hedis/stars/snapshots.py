"""The portfolio's totals, frozen: members, gaps by measure and status, the stars of every contract, and what the rooms
above add (gaps by tier, the projected year's end).

A snapshot says what was known on a day. Two of them, a year apart or a week, compare measure by measure.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Count, Q
from django.utils import timezone
from django.utils.module_loading import import_string

from audit import ledger
from audit.models import Event
from hedis.gaps.models import FindingRun, Gap
from hedis.members.models import Contract, Enrolment, Member
from hedis.stars import rating
from hedis.stars.models import Rating, Snapshot

RATINGS = ("part_c", "part_d", "overall")


class NothingToFreeze(Exception):
    """No finding run was made on data up to that day."""


def take(*, as_of: date, by: object) -> Snapshot:
    """Freeze the totals of the newest measurement year found; the stored snapshot where nothing changed since.

    Every contract is rated as its data stand, so the stars belong to the same day as the gaps. Raises NothingToFreeze
    before the first finding run, rating.DataIsNewer where the gaps are as of a later day than `as_of`.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        # The gaps, the ratings and the members must be of one moment.
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('find gaps'))")
        run = FindingRun.objects.filter(data_as_of__lte=as_of).order_by("-year", "-id").first()
        if run is None:
            raise NothingToFreeze(f"no gaps were found on data up to {as_of}")
        star_year = run.year + 2
        totals = {
            "members": members(as_of),
            "gaps": gaps(run.year),
            **stars(star_year, as_of, by),
            **more(run.year, as_of),
        }
        digest = digest_of([run.year, str(as_of), totals])
        known = Snapshot.objects.filter(digest=digest).first()
        return known or store(run.year, as_of, totals, digest, by=by)


def more(year: int, as_of: date) -> dict[str, list[dict[str, Any]]]:
    """What rooms above keep, wired by name in the settings: rows of a key and a value, compared like by like."""
    return {name: import_string(path)(year, as_of) for name, path in settings.SNAPSHOT_PARTS.items()}


def parts_for(user: Any) -> list[str]:
    """The parts of the rooms above that a person may see."""
    opened_by = settings.SNAPSHOT_PERMISSIONS
    return [part for part in settings.SNAPSHOT_PARTS if part not in opened_by or user.has_perm(opened_by[part])]


def totals_for(snapshot: Snapshot, user: Any) -> dict[str, Any]:
    """A snapshot's totals without the parts a person may not see."""
    hidden = set(settings.SNAPSHOT_PARTS) - set(parts_for(user))
    return {name: rows for name, rows in snapshot.totals.items() if name not in hidden}


def members(as_of: date) -> dict[str, Any]:
    """Active members, and members enrolled on the day by contract."""
    on_the_day = Enrolment.objects.filter(Q(end_date=None) | Q(end_date__gte=as_of), start_date__lte=as_of)
    rows = on_the_day.values("contract__number").annotate(members=Count("member", distinct=True))
    return {
        "active": Member.objects.active().count(),
        "enrolled": {row["contract__number"] or "": row["members"] for row in rows.order_by("contract__number")},
    }


def gaps(year: int) -> list[dict[str, Any]]:
    """Gaps of a measurement year by contract, measure and status; `star` counts those of an age the rating counts."""
    rows = (
        Gap.objects.for_year(year)
        .values("contract__number", "measure__code", "status")
        .annotate(gaps=Count("id"), star=Count("id", filter=Q(star_eligible=True)))
        .order_by("contract__number", "measure__code", "status")
    )
    return [
        {"contract": row["contract__number"] or "", "measure": row["measure__code"], "status": row["status"],
         "gaps": row["gaps"], "star_eligible": row["star"]}
        for row in rows
    ]  # fmt: skip


def stars(star_year: int, as_of: date, by: object) -> dict[str, Any]:
    """The rating of every contract, and why there is none where it cannot be rated."""
    rated, not_rated = [], {}
    for contract in Contract.objects.order_by("number"):
        try:
            rated.append(summary(rating.rate(contract, star_year, as_of=as_of, by=by)))
        except rating.DataIsNewer:
            raise
        except rating.NotRatable as reason:
            not_rated[contract.number] = str(reason)
    return {"ratings": rated, "not_rated": not_rated}


def summary(one: Rating) -> dict[str, Any]:
    """What a snapshot keeps of a rating: its stars and its measures' under their lasting keys."""
    return {
        "contract": one.contract.number,
        "rating": one.pk,
        "method_year": one.method_year,
        **{name: one.explanation["ratings"].get(name, {}).get("star") for name in RATINGS},
        "measures": {
            each["key"]: {"id": each["id"], "star": each["star"], "score": each["shown_score"]} for each in one.measures
        },
    }


def digest_of(facts: list[Any]) -> str:
    """SHA-256 over totals, the same for the same content."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def store(year: int, as_of: date, totals: Mapping[str, Any], digest: str, *, by: object) -> Snapshot:
    """Keep a snapshot and say so in the ledger."""
    snapshot = Snapshot.objects.create(
        measurement_year=year, star_year=year + 2, as_of=as_of, totals=totals, digest=digest, taken_at=timezone.now(),
        taken_by=ledger.describe(by)[0],
    )  # fmt: skip
    ledger.record(
        Event.Kind.CHANGE, "snapshot.taken", object_type="stars.snapshot", object_id=snapshot.pk,
        after={"measurement_year": year, "as_of": as_of, "digest": digest}, by=by,
    )  # fmt: skip
    return snapshot


def one_before(snapshot: Snapshot) -> Snapshot | None:
    """The snapshot before it in the order of their days."""
    same_day = Q(as_of=snapshot.as_of, pk__lt=snapshot.pk)
    return Snapshot.objects.filter(Q(as_of__lt=snapshot.as_of) | same_day).first()


def year_before(snapshot: Snapshot) -> Snapshot | None:
    """The newest snapshot of the measurement year before, taken no later in that year."""
    earlier = Snapshot.objects.filter(measurement_year=snapshot.measurement_year - 1)
    return earlier.filter(as_of__lte=same_day_before(snapshot.as_of)).first()


def same_day_before(day: date) -> date:
    """The same day a year earlier; 28 February for a leap day."""
    return day.replace(year=day.year - 1, day=28) if (day.month, day.day) == (2, 29) else day.replace(year=day.year - 1)


def compare(earlier: Snapshot, later: Snapshot) -> dict[str, Any]:
    """What changed between two snapshots: members, gaps by contract, measure and status, stars. Measures are matched
    by their lasting keys, as CMS's ids shift from year to year. A figure one of them lacks is None."""
    return {
        "earlier": {"as_of": earlier.as_of.isoformat(), "star_year": earlier.star_year},
        "later": {"as_of": later.as_of.isoformat(), "star_year": later.star_year},
        "active_members": pair(earlier.totals["members"]["active"], later.totals["members"]["active"]),
        "enrolled": [{"contract": key[0], **change} for key, change in changes(earlier, later, enrolled).items()],
        "gaps": [
            {"contract": key[0], "measure": key[1], "status": key[2], **change}
            for key, change in changes(earlier, later, gap_counts).items()
        ],
        "ratings": [
            {"contract": key[0], "rating": key[1], **change} for key, change in changes(earlier, later, ratings).items()
        ],
        "measures": [
            {"contract": key[0], "measure": key[1], **change}
            for key, change in changes(earlier, later, measure_stars).items()
        ],
        **{name: compared(earlier, later, name) for name in settings.SNAPSHOT_PARTS},
    }


def compared(earlier: Snapshot, later: Snapshot, part: str) -> list[dict[str, Any]]:
    """A part of the rooms above in both snapshots; one taken before the part was thought of has no figure."""

    def figures(snapshot: Snapshot) -> dict[tuple[str, ...], Any]:
        return {tuple(row["key"]): row["value"] for row in snapshot.totals.get(part, [])}

    return [{"key": list(key), **change} for key, change in changes(earlier, later, figures).items()]


def changes(
    earlier: Snapshot, later: Snapshot, figures: Callable[[Snapshot], dict[tuple[str, ...], Any]]
) -> dict[tuple[str, ...], dict[str, Any]]:
    """Earlier and later figure under every key either snapshot has."""
    old, new = figures(earlier), figures(later)
    return {key: pair(old.get(key), new.get(key)) for key in sorted({*old, *new})}


def pair(earlier: Any, later: Any) -> dict[str, Any]:
    return {"earlier": earlier, "later": later}


def enrolled(snapshot: Snapshot) -> dict[tuple[str, ...], Any]:
    return {(contract,): members for contract, members in snapshot.totals["members"]["enrolled"].items()}


def gap_counts(snapshot: Snapshot) -> dict[tuple[str, ...], Any]:
    return {(row["contract"], row["measure"], row["status"]): row["gaps"] for row in snapshot.totals["gaps"]}


def ratings(snapshot: Snapshot) -> dict[tuple[str, ...], Any]:
    return {(row["contract"], name): row[name] for row in snapshot.totals["ratings"] for name in RATINGS}


def measure_stars(snapshot: Snapshot) -> dict[tuple[str, ...], Any]:
    return {
        (row["contract"], key): {"star": one["star"], "score": one["score"]}
        for row in snapshot.totals["ratings"]
        for key, one in row["measures"].items()
    }
