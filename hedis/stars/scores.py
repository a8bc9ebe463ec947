"""Scores our product does not compute, entered by hand or from a file: checked, kept, superseded, never overwritten."""

import csv
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from django.db import transaction
from django.utils import timezone

from audit import ledger
from audit.models import Event
from hedis.engine.rating_scores import ScoreOutOfRange, check_scale
from hedis.engine.rating_year import NotInThisYear
from hedis.members.models import CONTRACT_NUMBER, Contract
from hedis.stars import years
from hedis.stars.models import EnteredScore
from hedis.stars.standing import Standing, standing_of

COLUMNS = ("contract", "measure", "score", "source")
MEASURE_ID = re.compile(r"[CD][0-9]{2}")
NUMBER = re.compile(r"-?[0-9]{1,4}(\.[0-9]{1,6})?")
LONGEST_SOURCE = 200
MOST_ERRORS = 100


class UnusableScore(ValueError):
    """A score that cannot be kept. `field` names which of COLUMNS, or `star_year`, is wrong."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field, self.reason = field, reason


class UnusableFile(Exception):
    """A file of scores that cannot be used; `errors` name file, row, field and reason. Nothing was stored."""

    def __init__(self, errors: list[str]) -> None:
        super().__init__("\n".join(errors))
        self.errors = errors


@dataclass(frozen=True)
class Score:
    """One checked score, under the measure's id and lasting key."""

    contract: Contract
    measure_id: str
    key: str
    score: Decimal
    source: str


@dataclass(frozen=True)
class Imported:
    """What an import changed."""

    read: int
    added: int
    superseded: int
    unchanged: int


@transaction.atomic
def enter(contract: Contract, star_year: int, measure_id: str, score: str, *, source: str, by: object) -> EnteredScore:
    """Keep one score; the one that stood is superseded. The same score and source again changes nothing.

    Raises UnusableScore.
    """
    checked = check(standing(contract, star_year), contract, measure_id, score, source)
    keep([checked], star_year, by=by)
    return EnteredScore.objects.standing().get(contract=contract, star_year=star_year, key=checked.key)


def import_file(path: Path, star_year: int, *, by: object) -> Imported:
    """Keep the scores of a CSV file with the columns contract, measure, score, source. Raises UnusableFile."""
    errors: list[str] = []
    try:
        found = list(read(path, star_year, errors))
    except csv.Error as error:
        raise UnusableFile([f"{path.name}: {error}"]) from error
    if not found and not errors:
        errors.append(f"{path.name}: no scores in it")
    if errors:
        raise UnusableFile(errors[:MOST_ERRORS])
    return keep(found, star_year, by=by)


@transaction.atomic
def keep(found: list[Score], star_year: int, *, by: object) -> Imported:
    """Store checked scores, superseding those that stood with another value or source."""
    now, name = timezone.now(), ledger.describe(by)[0]
    # Contracts in one order, locked: two imports at once would both add the score that stands.
    numbers = sorted({one.contract.pk for one in found})
    list(Contract.objects.select_for_update().filter(pk__in=numbers).order_by("pk"))
    stood = {
        (row.contract_id, row.key): row
        for row in EnteredScore.objects.standing().filter(contract__in=numbers, star_year=star_year)
    }
    changed = []
    for one in found:
        row = stood.get((one.contract.pk, one.key))
        if row is None or (row.score, row.source) != (one.score, one.source):
            changed.append((one, row))
    old = [row.pk for _, row in changed if row]
    EnteredScore.objects.filter(pk__in=old).update(superseded_at=now)
    EnteredScore.objects.bulk_create(
        EnteredScore(contract=one.contract, star_year=star_year, measure_id=one.measure_id, key=one.key,
                     score=one.score, source=one.source, entered_at=now, entered_by=name)
        for one, _ in changed
    )  # fmt: skip
    if changed:
        ledger.record(
            Event.Kind.CHANGE, "scores.entered", object_type="stars.enteredscore", object_id=star_year,
            after={"scores": {f"{one.contract.number} {one.measure_id}": one.score for one, _ in changed}},
            row_count=len(changed), by=by,
        )  # fmt: skip
    return Imported(len(found), len(changed) - len(old), len(old), len(found) - len(changed))


def standing(contract: Contract, star_year: int) -> Standing:
    """How the contract is rated that year. Raises UnusableScore for a Star year nobody can rate."""
    try:
        return standing_of(contract, star_year)
    except years.UnknownStarYear as error:
        raise UnusableScore("star_year", str(error)) from error


def check(rated: Standing, contract: Contract, measure_id: str, score: str, source: str) -> Score:
    """One score against the measures and scales of the method the contract is rated by. Raises UnusableScore.

    What has not the shape of an id or a number is not quoted: a wrong file may hold anything, a member's id too.
    """
    if not MEASURE_ID.fullmatch(measure_id):
        raise UnusableScore("measure", "not a measure id of CMS's, such as C01")
    if measure_id in rated.gone:
        raise UnusableScore("measure", f"{measure_id} leaves the Star Ratings in {rated.gone[measure_id]}")
    try:
        measure = rated.year.measure(measure_id)
    except NotInThisYear as error:
        raise UnusableScore("measure", str(error)) from error
    if measure.part not in rated.rated_as.parts:
        raise UnusableScore("measure", f"{measure_id} is no measure of {rated.rated_as.value} contracts")
    text = score.strip().removesuffix("%").strip() if measure.unit == "%" else score.strip()
    if not NUMBER.fullmatch(text):
        raise UnusableScore("score", "not a number below 10,000 with at most six decimals")
    try:
        check_scale(Decimal(text), measure)
    except ScoreOutOfRange as error:
        raise UnusableScore("score", str(error)) from error
    if not source.strip() or len(source.strip()) > LONGEST_SOURCE or "\x00" in source:
        raise UnusableScore("source", f"say in 1 to {LONGEST_SOURCE} characters where the score comes from")
    return Score(contract, measure.id, measure.key, Decimal(text), source.strip())


def read(path: Path, star_year: int, errors: list[str]) -> Iterator[Score]:
    """The checked scores of a file; what is wrong goes to `errors`, each naming file, row and field."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnusableFile([f"{path.name}: not UTF-8 text, at byte {error.start}"]) from error
    rows = csv.DictReader(text.splitlines(), restkey="")
    missing = [name for name in COLUMNS if name not in (rows.fieldnames or ())]
    if missing:
        raise UnusableFile([f"{path.name}, row 1: the column {name} is missing" for name in missing])
    contracts = {contract.number: contract for contract in Contract.objects.all()}
    known: dict[str, Standing] = {}
    seen: dict[tuple[str, str], int] = {}
    for row in rows:
        try:
            one = score_of(row, star_year, contracts, known)
            first = seen.setdefault((one.contract.number, one.key), rows.line_num)
            if first != rows.line_num:
                raise UnusableScore("measure", f"{one.contract.number} {one.measure_id} stands in row {first} already")
            yield one
        except UnusableScore as error:
            errors.append(f"{path.name}, row {rows.line_num}, {error}")


def score_of(
    row: Mapping[str, str | None], star_year: int, contracts: Mapping[str, Contract], known: dict[str, Standing]
) -> Score:
    """One row's score. `known` keeps each contract's standing. Raises UnusableScore."""
    number, measure_id, score, source = (str(row[name] or "").strip() for name in COLUMNS)
    contract = contracts.get(number)
    if contract is None:
        named = f"{number} is" if re.fullmatch(CONTRACT_NUMBER, number) else "this is"
        raise UnusableScore("contract", f"{named} no contract of this plan")
    if number not in known:
        known[number] = standing(contract, star_year)
    return check(known[number], contract, measure_id, score, source)
