"""Gaps in bulk as NDJSON: one resource a line, however many, in memory that does not grow with them.

The one thing kept is the set of members told of, because the ledger names them.
"""

import json
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import IO, Any

from django.db import transaction

from audit import ledger
from audit.models import Event
from hedis.gaps.fhir import reading, validation
from hedis.gaps.fhir.catalogue import measure
from hedis.gaps.fhir.resources import Frame, GapFacts, PersonFacts, Resource, gap_resources, organization, patient
from hedis.gaps.models import Gap, GapQuerySet
from hedis.measures.models import Measure

BATCH = 2000
ORDER = ("member__pseudonym", "pk")
MANIFEST = "manifest.json"


class AlreadyThere(Exception):
    """The place to write to holds something already; an export never overwrites."""


def line(resource: Resource) -> str:
    """A resource as one line of NDJSON."""
    return json.dumps(resource, ensure_ascii=False, separators=(",", ":")) + "\n"


def resources(
    told: Iterable[tuple[GapFacts, PersonFacts]], measures: Sequence[Measure], frame: Frame
) -> Iterator[Resource]:
    """Measures, then each member once with all that the gaps become, then the organizations that were named.

    `told` is ordered by member.
    """
    chosen = Measure.objects.filter(pk__in=[one.pk for one in measures])
    yield from (measure(facts, frame) for facts in reading.measure_facts(chosen))
    last, contracts = "", set[str]()
    for gap, person in told:
        if person.member != last:
            last = person.member
            yield patient(person, frame.canonical)
        if gap.contract:
            contracts.add(gap.contract)
        yield from gap_resources(gap, frame)
    names = reading.contract_names(contracts)
    yield organization(None, frame.canonical)
    yield from (organization(number, frame.canonical, names.get(number, "")) for number in sorted(contracts))


def stream(
    gaps: GapQuerySet, measures: Sequence[Measure], frame: Frame, *, facts: dict[str, Any], by: Any
) -> Iterator[str]:
    """Lines of these gaps; one EXPORT event with members and count is committed before the first of them."""
    chosen = list(gaps.order_by(*ORDER).values_list("pk", "member__pseudonym"))
    with transaction.atomic():
        record({member for _, member in chosen}, len(chosen), facts, by=by)
    return (line(one) for one in resources(batches([pk for pk, _ in chosen]), measures, frame))


def batches(ids: Sequence[int]) -> Iterator[tuple[GapFacts, PersonFacts]]:
    """Exactly these gaps, batch by batch: what was found after the event was written is not among them."""
    for start in range(0, len(ids), BATCH):
        yield from reading.gaps_and_people(Gap.objects.filter(pk__in=ids[start : start + BATCH]).order_by(*ORDER))


def record(members: set[str], rows: int, facts: dict[str, Any], *, by: Any) -> None:
    """The ledger line of an export."""
    ledger.record(
        Event.Kind.EXPORT, "gaps.exported_as_fhir", object_type="gap", after=facts, members=members, row_count=rows,
        by=by,
    )  # fmt: skip


def export(
    target: Path, gaps: GapQuerySet, measures: Sequence[Measure], frame: Frame, *, validate: bool = False,
    facts: dict[str, Any], by: Any,
) -> dict[str, int]:  # fmt: skip
    """Write one NDJSON file a resource type and a manifest to the folder `target`; returns resources by type.

    The folder appears whole or not at all. Raises AlreadyThere, or validation.Invalid where `validate` is set.
    """
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise AlreadyThere(f"{target} is there already and not empty; nothing was written")
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
    try:
        with transaction.atomic():
            # Closed here: a cursor left to the garbage collector would keep its portal open on the server.
            with closing(reading.gaps_and_people(gaps.order_by(*ORDER))) as told:
                members, counts = write(unfinished, told, measures, frame, validate)
            manifest = describe(counts, frame, facts)
            (unfinished / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
            record(members, counts["DetectedIssue"], facts, by=by)
        os.rename(unfinished, target)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    return dict(counts)


def write(
    folder: Path,
    told: Iterable[tuple[GapFacts, PersonFacts]],
    measures: Sequence[Measure],
    frame: Frame,
    validate: bool,
) -> tuple[set[str], Counter[str]]:
    """Write every resource to the file of its type; returns the members told of and resources by type."""
    members, counts, files = set[str](), Counter[str](), dict[str, IO[str]]()
    with ExitStack() as opened:
        for resource in resources(told, measures, frame):
            kind = resource["resourceType"]
            if validate:
                validation.check(resource)
            if kind not in files:
                files[kind] = opened.enter_context((folder / f"{kind}.ndjson").open("w", encoding="utf-8"))
            files[kind].write(line(resource))
            counts[kind] += 1
            if kind == "Patient":
                members.add(resource["id"])
    return members, counts


def describe(counts: Counter[str], frame: Frame, facts: dict[str, Any]) -> dict[str, Any]:
    """The manifest, as Bulk Data Access writes it; file names instead of addresses."""
    return {
        "transactionTime": frame.moment,
        "request": f"{frame.canonical}/Measure/$care-gaps",
        "requiresAccessToken": False,
        "output": [{"type": kind, "url": f"{kind}.ndjson", "count": counts[kind]} for kind in sorted(counts)],
        "error": [],
        "extension": facts,
    }
