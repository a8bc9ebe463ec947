"""The effects of actions: published ones from the reviewed file, the plan's own from its hold-outs."""

import csv
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from django.db import transaction
from django.db.models import Count, Exists, OuterRef, Q

from audit import ledger
from audit.models import Event
from hedis.gaps.models import UNMET, Gap, Status
from hedis.measures.models import Measure
from predictions import uplift
from predictions.models import ActionEffect, Arm, Exposure, Origin
from predictions.uplift import Arms, Effect

FILE = Path(__file__).parent / "reference" / "action_effects.csv"
RANK = {origin: place for place, origin in enumerate((Origin.OWN, Origin.TRIAL, Origin.PRIOR))}


class EffectsError(Exception):
    """The file of effects cannot be read; the message names row, field and reason."""


@dataclass(frozen=True)
class Measured:
    """What `estimate` found: own effects by (action, measure), and why others could not be told."""

    stored: dict[tuple[str, str], Effect]
    skipped: dict[tuple[str, str], str]


@transaction.atomic
def load(file: Path = FILE, *, by: str) -> int:
    """Put the published effects and priors of the file in place of the former ones; own effects stay.

    Raises EffectsError; nothing is changed then.
    """
    codes = {measure.code: measure for measure in Measure.objects.all()}
    rows = [read(row, line, codes) for line, row in enumerate(rows_of(file), start=2)]
    kept = ActionEffect.objects.exclude(origin=Origin.OWN)
    before = {(row.action, row.measure_id, row.origin, row.uplift, row.standard_error, row.source) for row in kept}
    if before != {(row.action, row.measure_id, row.origin, row.uplift, row.standard_error, row.source) for row in rows}:
        kept.delete()
        ActionEffect.objects.bulk_create(rows)
        ledger.record(Event.Kind.CHANGE, "effects.loaded", object_type="action_effect", row_count=len(rows), by=by)
    return len(rows)


def rows_of(file: Path) -> list[dict[str, str]]:
    """The file's rows by column."""
    with file.open(encoding="utf-8", newline="") as text:
        return list(csv.DictReader(text))


def read(row: dict[str, str], line: int, measures: dict[str, Measure]) -> ActionEffect:
    """One row of the file."""
    origin, code = row["origin"], row["measure"]
    if origin not in (Origin.TRIAL, Origin.PRIOR):
        raise EffectsError(f"{FILE.name}, row {line}, origin: {origin!r} is neither trial nor prior")
    if code and code not in measures:
        raise EffectsError(f"{FILE.name}, row {line}, measure: there is no measure {code!r}")
    try:
        size, error = float(row["uplift"]), float(row["standard_error"])
    except ValueError as reason:
        raise EffectsError(f"{FILE.name}, row {line}, uplift or standard_error: {reason}") from reason
    if not -1 <= size <= 1 or not 0 < error < 1:
        raise EffectsError(f"{FILE.name}, row {line}: {size} ± {error} is no share with an error")
    return ActionEffect(
        action=row["action"], measure=measures.get(code), origin=origin, uplift=size, standard_error=error,
        source=row["source"],
    )  # fmt: skip


@transaction.atomic
def estimate(year: int, *, by: str) -> Measured:
    """The plan's own effects by the lots of a year: closed so far among those offered the action and those held out,
    drawn to what is published. Each estimate replaces the one before. Effects under `uplift.FEWEST` people an arm are
    skipped, with the reason.
    """
    lots = lots_of(year)
    measured: dict[tuple[str, str], Effect] = {}
    skipped: dict[tuple[str, str], str] = {}
    for key, arms in lots.items():
        try:
            measured[key] = uplift.difference(arms)
        except uplift.NoEffect as reason:
            skipped[key] = str(reason)
    found = drawn(measured)
    measures = {measure.code: measure for measure in Measure.objects.filter(code__in={code for _, code in found})}
    for (action, code), effect in found.items():
        raw = measured[action, code]
        ActionEffect.objects.update_or_create(
            action=action, measure=measures[code], origin=Origin.OWN,
            defaults={
                "uplift": effect.uplift, "standard_error": effect.standard_error, "treated": effect.treated,
                "held_out": effect.held_out,
                "source": f"Own hold-outs of {year}: {raw.uplift:+.3f} ± {raw.standard_error:.3f} before shrinkage.",
            },
        )  # fmt: skip
    if found:
        ledger.record(
            Event.Kind.CHANGE, "effects.estimated", object_type="action_effect", object_id=year, row_count=len(found),
            after={f"{action} {code}": round(effect.uplift, 6) for (action, code), effect in found.items()}, by=by,
        )  # fmt: skip
    return Measured(found, skipped)


def lots_of(year: int) -> dict[tuple[str, str], list[Arms]]:
    """Counts by action and measure, a lot for each campaign; gaps that turned out not to apply are in neither arm."""
    gaps = Gap.objects.filter(member=OuterRef("member"), measure=OuterRef("measure"), year=OuterRef("year"))
    rows = (
        Exposure.objects.filter(year=year, randomised=True)
        .filter(Exists(gaps.filter(status__in=(*UNMET, Status.CLOSED))))
        .annotate(closed=Exists(gaps.filter(status=Status.CLOSED)))
        .order_by()
        .values_list("action", "measure__code", "campaign", "arm")
        .annotate(people=Count("pk"), met=Count("pk", filter=Q(closed=True)))
    )
    counts: dict[tuple[str, str], dict[str, dict[str, tuple[int, int]]]] = defaultdict(lambda: defaultdict(dict))
    for action, code, campaign, arm, people, met in rows:
        counts[action, code][campaign][arm] = (people, met)
    nobody = (0, 0)
    return {
        key: [Arms(*arms.get(Arm.TREATED, nobody), *arms.get(Arm.HELD_OUT, nobody)) for arms in campaigns.values()]
        for key, campaigns in counts.items()
    }


def drawn(measured: dict[tuple[str, str], Effect]) -> dict[tuple[str, str], Effect]:
    """Own effects drawn to the published one of the action, where there is any."""
    published = list(ActionEffect.objects.exclude(origin=Origin.OWN).select_related("measure"))
    found = {}
    for action in {action for action, _ in measured}:
        own = {key: effect for key, effect in measured.items() if key[0] == action}
        for key, effect in own.items():
            known = best(published, action, key[1])
            # All own effects of the action say how far effects differ; each is drawn to what is known of its measure.
            others = [effect, *(each for other, each in own.items() if other != key)]
            found[key] = uplift.shrunk(others, effect_of(known))[0] if known else effect
    return found


def best(effects: Iterable[ActionEffect], action: str, measure: str) -> ActionEffect | None:
    """The effect to believe: own before published before prior; of one origin the measure's own before any's."""
    fitting = [
        each for each in effects if each.action == action and (each.measure is None or each.measure.code == measure)
    ]
    return min(fitting, key=lambda each: (RANK[Origin(each.origin)], each.measure is None), default=None)


def effect_of(row: ActionEffect) -> Effect:
    """A stored effect as the arithmetic takes it."""
    return Effect(row.uplift, row.standard_error, row.treated or 0, row.held_out or 0)
