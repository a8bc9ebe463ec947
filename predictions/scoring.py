"""Scores gaps: one, a batch, or the whole plan (portfolio_run), by the same steps.

Feature rows → the model's margins → probability, interval, tier → exact contributions → reasons → upsert. A score says
how likely a gap that is open on the score date stays open to the year's end without outreach. Without a deployed model
there is no score.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from audit import ledger
from audit.models import Event
from hedis.evidence.warehouse import NoWarehouse
from hedis.gaps.models import FindingRun, Gap
from hedis.measures.definitions import DEFINITIONS
from hedis.measures.models import Measure
from hedis.members.models import Member
from predictions import in_use, judging, storing
from predictions.applying import Scored
from predictions.feature_store import ScoreDay, open_store
from predictions.in_use import InUse, NotUsable
from predictions.judging import NO_OPEN_GAP, NOT_DEPLOYED, OUT_OF_REACH
from predictions.judging import NoDeployedModel as NoDeployedModel
from predictions.judging import NothingToScore as NothingToScore
from predictions.judging import ScoringError as ScoringError
from predictions.models import Prediction
from predictions.portfolio_run import carry_on as carry_on
from predictions.portfolio_run import start as start
from predictions.quality import FLAGS as FLAGS
from predictions.storing import Key, OpenGap, Stamp

MOST_ITEMS = 1000


class WrongNumber(ScoringError):
    """A batch holds 1 to 1,000 items."""


@dataclass(frozen=True)
class Item:
    """What is to be scored: a member by pseudonym, a measure by code, a measurement year."""

    member: str
    measure: str
    year: int


@dataclass(frozen=True)
class Problem:
    """Why an item has no score: `code` for programs, the `field` of the item it is about, the message for people."""

    code: str
    field: str
    message: str


@dataclass(frozen=True)
class Outcome:
    """What became of an item: a prediction or a problem."""

    item: Item
    prediction: Prediction | None
    problem: Problem | None


@dataclass(frozen=True)
class Asked:
    """What the database knows about some items, read in a fixed number of queries.

    Measures by code, the pseudonyms the caller may see, the newest finding run of each year, the models that may
    score by measure code and why others may not, the open gaps.
    """

    measures: Mapping[str, int]
    members: frozenset[str]
    runs: Mapping[int, FindingRun]
    models: Mapping[str, InUse]
    refused: Mapping[str, NotUsable]
    gaps: Mapping[Key, OpenGap]

    def gap(self, item: Item) -> OpenGap | None:
        """The item's open gap."""
        return self.gaps.get((item.member, self.measures.get(item.measure, 0), item.year))


def score(items: Sequence[Item], *, by: Any) -> list[Outcome]:
    """Score 1 to 1,000 gaps and store the predictions; an outcome for each item, in the order asked.

    An item that cannot be scored says why and keeps no other from its score. Raises WrongNumber, NoDeployedModel where
    no asked measure has a model that may score, NothingToScore where the data of a year is gone.
    """
    if not 1 <= len(items) <= MOST_ITEMS:
        raise WrongNumber(f"{len(items):,} items: 1 to {MOST_ITEMS:,} can be scored at once.")
    asked = look_up(items, by=by)
    problems = {item: problem for item in set(items) if (problem := problem_of(item, asked))}
    wanted = sorted(set(items) - problems.keys(), key=lambda item: (item.year, item.measure, item.member))
    scores: list[tuple[InUse, Stamp, list[tuple[OpenGap, Scored]]]] = []
    for year in sorted({item.year for item in wanted}):
        for model, stamp, found, missing in year_scores(asked, [each for each in wanted if each.year == year]):
            problems |= missing
            if found:
                scores.append((model, stamp, found))
    made = keep(scores, by=by) if scores else {}
    return [Outcome(item, made.get(item), problems.get(item)) for item in items]


def look_up(items: Iterable[Item], *, by: Any) -> Asked:
    """Everything the database knows about these items. Raises NoDeployedModel."""
    members, years = {item.member for item in items}, {item.year for item in items}
    codes = {item.measure for item in items} & DEFINITIONS.keys()
    measures = dict(Measure.objects.filter(code__in=codes).values_list("code", "pk"))
    visible = Member.objects.all() if isinstance(by, str) else Member.objects.visible_to(by)
    seen = visible.filter(pseudonym__in=members).values_list("pseudonym", flat=True)
    models, refused = judging.models_of(in_use.deployed(measures.values()), by=by)
    if measures and not models and not refused:
        raise NoDeployedModel(judging.no_model_words(measures))
    gaps = Gap.objects.filter(measure__in=measures.values(), year__in=years, member__pseudonym__in=members)
    return Asked(measures, frozenset(seen), judging.newest_runs(years), models, refused, storing.open_gaps(gaps))


def problem_of(item: Item, asked: Asked) -> Problem | None:
    """What keeps an item from a score, as far as the database knows. A member the caller may not see is unknown."""
    if item.measure not in asked.measures:
        return Problem("unknown_measure", "measure", f"There is no measure {item.measure!r}.")
    if item.member not in asked.members:
        return Problem("unknown_member", "member", "There is no such member.")
    if refusal := asked.refused.get(item.measure):
        return Problem(refusal.code, "measure", str(refusal))
    if item.measure not in asked.models:
        return Problem(NOT_DEPLOYED, "measure", judging.no_model_words([item.measure]))
    run = asked.runs.get(item.year)
    if run is None:
        return Problem("wrong_year", "year", f"No gaps were found for {item.year}: run `manage.py find_gaps`.")
    if judging.is_over(run):
        return Problem("wrong_year", "year", f"{item.year} has ended: nothing is left to foresee.")
    if asked.gap(item) is None:
        return Problem(NO_OPEN_GAP, "measure", f"The member has no open gap of {item.measure} in {item.year}.")
    return None


def year_scores(
    asked: Asked, items: Sequence[Item]
) -> Iterator[tuple[InUse, Stamp, list[tuple[OpenGap, Scored]], dict[Item, Problem]]]:
    """The scores of items of one year, measure by measure, and why some have none. Raises NothingToScore."""
    year = items[0].year
    found_in = asked.runs[year]
    stamp = judging.stamp_of(ScoreDay(found_in.generation, year, found_in.data_as_of))
    by_measure: dict[str, dict[str, Item]] = defaultdict(dict)
    for item in items:
        by_measure[item.measure][item.member] = item
    with open_store(stamp.day) as store:
        try:
            for code, rows in store.of_members({code: sorted(wanted) for code, wanted in by_measure.items()}):
                wanted = by_measure[code]
                gaps = {member: gap for member, item in wanted.items() if (gap := asked.gap(item))}
                found, skipped = judging.judged(rows, gaps, asked.models[code], stamp)
                problems = {wanted[member]: unforeseeable(reason, wanted[member]) for member, reason in skipped.items()}
                yield asked.models[code], stamp, list(found), problems
        except NoWarehouse as gone:
            raise NothingToScore(f"{gone} Then find the gaps of {year} again.") from gone


def unforeseeable(reason: str, item: Item) -> Problem:
    """Why the data has no score for an open gap of the database."""
    if reason == OUT_OF_REACH:
        words = f"No fill of this year can close the gap of {item.measure} any more: nothing is left to foresee."
    else:
        words = f"The data on the score date shows no open gap of {item.measure}: find the gaps again."
    return Problem(reason, "measure", words)


@transaction.atomic
def keep(scores: Sequence[tuple[InUse, Stamp, Sequence[tuple[OpenGap, Scored]]]], *, by: Any) -> dict[Item, Prediction]:
    """Store the scores of a batch with one ledger line that names its members; the predictions by item."""
    storing.store(line for model, stamp, found in scores for line in storing.lines(model, found, stamp))
    gaps = [gap for _, _, found in scores for gap, _ in found]
    models = {used.version.pk: used.version for used, _, _ in scores}
    rows = Prediction.objects.filter(gap__in=[gap.pk for gap in gaps], model__in=models)
    made = {}
    for row in rows.select_related("member", "gap__contract"):
        # Hundreds of rows share a few models and measures: read once, not once a row.
        row.model = models[row.model_id]
        row.measure = row.model.measure  # type: ignore[assignment]
        made[Item(row.member.pseudonym, row.measure.code, row.year)] = row
    ledger.record(
        Event.Kind.CHANGE, "prediction.scored", object_type="prediction",
        after={"models": sorted(models), "gaps": len(gaps)}, members={gap.member for gap in gaps},
        row_count=len(gaps), by=by,
    )  # fmt: skip
    return made
