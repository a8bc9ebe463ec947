"""Rates our own contracts: counts from the gaps, entered scores for the rest, CMS's method over both.

A rating says where the contract would stand with today's data, by whose method; it is no forecast.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Any

from django.db import connection, transaction
from django.db.models import Count, Max, Q
from django.utils import timezone

from audit import ledger
from audit.models import Event
from hedis.engine import rating as engine
from hedis.engine.rating_scores import MeasureStar, better_of_two_years, measure_star
from hedis.engine.rating_year import Method
from hedis.gaps.models import FindingRun, Gap, Status
from hedis.measures.models import MeasureYear
from hedis.members.models import Contract
from hedis.stars import loading, years
from hedis.stars.explaining import explain
from hedis.stars.models import EnteredScore, PublishedContract, PublishedStar, Rating
from hedis.stars.standing import Standing, standing_of

ONE_PLACE = Decimal("0.1")


class NotRatable(Exception):
    """The contract cannot be rated; the message says why. Nothing was stored."""


class DataIsNewer(NotRatable):
    """The gaps were found on later data than the day the rating is asked for."""


@dataclass(frozen=True)
class Input:
    """One measure's score and where it comes from. `said` goes into the stored rating."""

    measure_id: str
    score: Decimal
    said: Mapping[str, Any]
    entered_on: date | None = None


@dataclass(frozen=True)
class Inputs:
    """Everything measured of a contract, the measures that could not be used with why, and how new the data is.

    `gaps_as_of`: None where no gap counts; `entered_on`: the day of the newest entered score that counts.
    """

    scores: Mapping[str, Input]
    left_out: Mapping[str, str]
    gaps_as_of: date | None
    entered_on: date | None

    def data_as_of(self, as_of: date) -> date:
        """The day of the gaps' data; of entered scores alone the day they were entered, or the day asked for."""
        return self.gaps_as_of or min(self.entered_on or as_of, as_of)


def rate(contract: Contract, year: int, *, as_of: date, by: object) -> Rating:
    """The rating of a contract in Star year `year` as its data stand, stored; the stored one where nothing changed.

    Gaps count where the Star measure counts their members' age. Raises NotRatable where there is nothing to rate or
    the data are newer than `as_of`, years.UnknownStarYear for a year before the first that is known.
    """
    with transaction.atomic():
        one_at_a_time()
        standing = standing_of(contract, year)
        inputs = gathered(contract, year, standing)
        if not inputs.scores:
            raise NotRatable(
                f"contract {contract.number} has neither gaps of measurement year {year - 2} nor entered scores of "
                f"Star year {year}"
            )
        if inputs.gaps_as_of and inputs.gaps_as_of > as_of:
            raise DataIsNewer(f"contract {contract.number}: the gaps are as of {inputs.gaps_as_of}, later than {as_of}")
        rating = computed(contract, year, standing, inputs, as_of)
        stored = Rating.objects.filter(digest=rating.digest).first()
        return stored or store(rating, by=by)


def one_at_a_time() -> None:
    """Two ratings of the same inputs at once would both be the first; the second waits."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('stars.rating'))")


def gathered(contract: Contract, year: int, standing: Standing) -> Inputs:
    """Scores from the gaps, then entered ones for the measures the gaps do not give."""
    left_out: dict[str, str] = {}
    scores, newest = {}, None
    for row, measure_id in counted(contract, year, standing):
        newest = max(filter(None, (newest, row["newest"])), default=None)
        if not row["denominator"]:
            left_out[measure_id] = "nobody in the denominator"
            continue
        score = Decimal(100 * row["numerator"]) / row["denominator"]
        said = {"from": "gaps", "measure": row["measure__code"], "numerator": row["numerator"],
                "denominator": row["denominator"], "score": f"{score:.6f}"}  # fmt: skip
        scores[measure_id] = Input(measure_id, score, said)
    for one in entered(contract, year, standing, left_out):
        if one.measure_id in scores:
            left_out[f"{one.measure_id} entered"] = "the gaps give this measure's score"
        else:
            scores[one.measure_id] = one
            left_out.pop(one.measure_id, None)
    days = [one.entered_on for one in scores.values() if one.entered_on]
    return Inputs(scores, left_out, newest, max(days, default=None))


def counted(contract: Contract, year: int, standing: Standing) -> Iterator[tuple[dict[str, Any], str]]:
    """Numerators and denominators of the contract's Star measures, one query, with the id they have in the method.

    Only members of an age the Star measure counts; the stored counts of a finding run are of everyone.
    """
    in_denominator = ~Q(status=Status.NOT_APPLICABLE)
    rows = (
        Gap.objects.filter(contract=contract, year=year - 2, star_eligible=True)
        .values("measure__code")
        .annotate(
            denominator=Count("id", filter=in_denominator),
            numerator=Count("id", filter=Q(status=Status.CLOSED)),
            newest=Max("data_as_of"),
        )
        .order_by("measure__code")
    )
    ids = dict(
        MeasureYear.objects.filter(star_year=standing.year.year)
        .exclude(star_measure="")
        .values_list("measure__code", "star_measure")
    )
    for row in rows:
        measure = standing.year.measures.get(ids.get(row["measure__code"], ""))
        if measure and measure.part in standing.rated_as.parts:
            yield dict(row), measure.id


def entered(contract: Contract, year: int, standing: Standing, left_out: dict[str, str]) -> Iterator[Input]:
    """Entered scores under the ids of the method; what the method does not know goes to `left_out`."""
    ids = {measure.key: measure_id for measure_id, measure in standing.year.measures.items()}
    for row in EnteredScore.objects.standing().filter(contract=contract, star_year=year).order_by("key"):
        measure_id = ids.get(row.key)
        if measure_id is None:
            left_out[f"{row.key} entered"] = f"no measure of Star year {standing.year.year}"
            continue
        said = {"from": "entered", "source": row.source, "score": f"{row.score:f}"}
        yield Input(measure_id, row.score, said, timezone.localdate(row.entered_at))


def computed(contract: Contract, year: int, standing: Standing, inputs: Inputs, as_of: date) -> Rating:
    """The unsaved rating: stars of the scores, the engine's result and why."""
    before = stars_of_the_year_before(contract, year, standing)
    found = {name: star_of(standing, name, one.score, before.get(name)) for name, one in sorted(inputs.scores.items())}
    rated = standing.contract(contract.number, {name: one.star for name, one in found.items() if one.star})
    result = engine.rate(rated, standing.year)
    run = FindingRun.objects.filter(year=year - 2).order_by("-id").first() if inputs.gaps_as_of else None
    facts: dict[str, Any] = {
        "measures": {name: dict(inputs.scores[name].said) for name in sorted(inputs.scores)},
        "left_out": dict(inputs.left_out),
        "rated_as": standing.rated_as.value,
        "contract_kind": standing.kind,
        "cai_categories": dict(standing.cai_categories),
        "puerto_rico_only": standing.puerto_rico_only,
        "disaster_shares": {key.value: f"{share:f}" for key, share in standing.disaster_shares.items()},
    }
    stars = {part.value: one.star and one.star.quantize(ONE_PLACE) for part, one in result.ratings.items()}
    rating = Rating(
        contract=contract, star_year=year, method_year=standing.year.year, method="; ".join(standing.notes),
        data_as_of=inputs.data_as_of(as_of), finding_run=run, generation=run.generation if run else "",
        reference_digest=reference_digest(standing.year.year), inputs=facts,
        explanation=explain(result, rated, standing.year, scores=found), **stars,
    )  # fmt: skip
    rating.digest = digest(rating)
    return rating


def star_of(standing: Standing, measure_id: str, score: Decimal, before: MeasureStar | None) -> MeasureStar:
    """The star of a score; after a disaster that of the year before where it was better. A survey measure stands at
    its base group: how CMS moves it is not known in advance."""
    measure = standing.year.measures[measure_id]
    found = measure_star(standing.year, measure_id, standing.rated_as, score)
    found = replace(found, rule="cahps") if measure.method is Method.CAHPS else found
    share = standing.disaster_shares.get(measure.disaster, Decimal(0))
    return better_of_two_years(found, before, measure, share, standing.year)


def stars_of_the_year_before(contract: Contract, year: int, standing: Standing) -> dict[str, MeasureStar]:
    """What CMS published of the contract's measures a year earlier, under the ids of the method; asked for only where
    a disaster can matter. A measure is the same where its lasting key is."""
    hit = max(standing.disaster_shares.values(), default=Decimal(0)) >= standing.year.disaster_share
    if not hit or year - 1 not in years.years():
        return {}
    ids = {measure.key: name for name, measure in standing.year.measures.items()}
    keys = {name: measure.key for name, measure in years.star_year(year - 1).measures.items()}
    rows = PublishedStar.objects.filter(
        contract__in=PublishedContract.objects.current().filter(number=contract.number, release__star_year=year - 1)
    )
    return {
        ids[keys[row.measure_id]]: MeasureStar(row.measure_id, row.star, "cut_points", row.score, row.score, row.star)
        for row in rows
        if keys.get(row.measure_id) in ids
    }


def reference_digest(year: int) -> str:
    """The SHA-256 of a Star year's reference data, as its loaded version has it."""
    return loading.digest_of(years.rules()[str(year)], loading.reference_rows(year))


def digest(rating: Rating) -> str:
    """SHA-256 over everything that went into a rating: the same inputs give the same rating again."""
    facts = [
        rating.contract.number, rating.star_year, rating.method_year, rating.method, str(rating.data_as_of),
        rating.generation, rating.reference_digest, rating.inputs,
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def store(rating: Rating, *, by: object) -> Rating:
    """Keep a rating and say so in the ledger."""
    rating.rated_at = timezone.now()
    rating.rated_by = ledger.describe(by)[0]
    rating.save(force_insert=True)
    ledger.record(
        Event.Kind.CHANGE, "rating.computed", object_type="stars.rating", object_id=rating.pk,
        after={"contract": rating.contract.number, "star_year": rating.star_year, "digest": rating.digest,
               "part_c": rating.part_c, "part_d": rating.part_d, "overall": rating.overall},
        by=by,
    )  # fmt: skip
    return rating
