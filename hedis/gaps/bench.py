"""What finding gaps and listing them costs, beside the same work without us. Reads the plan that is loaded."""

import time
from collections.abc import Callable
from statistics import median
from typing import Any

from django.db import connection, transaction
from django.test import Client

from hedis.accounts.models import User
from hedis.accounts.roles import QUALITY_DIRECTOR
from hedis.gaps import finding
from hedis.gaps.models import FindingRun, Gap
from hedis.lib.commands import Refused

ROUNDS = 15
PAGE = """
SELECT g.id, g.status, g.work_status, g.reason, g.contact_by, m.pseudonym, e.code
FROM gaps_gap g JOIN members_member m ON m.id = g.member_id JOIN measures_measure e ON e.id = g.measure_id
WHERE g.year = %s ORDER BY g.id LIMIT 50
"""


def milliseconds(work: Callable[[], object], rounds: int = ROUNDS) -> float:
    """The median of several rounds, after one that warms up."""
    work()
    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        work()
        times.append(1000 * (time.perf_counter() - started))
    return round(median(times), 2)


def newest_run() -> FindingRun:
    """The run the benches repeat or read."""
    run = FindingRun.objects.order_by("-year", "-id").first()
    if run is None:
        raise Refused("there are no gaps to measure with: run `make demo` first")
    return run


def gap_list() -> dict[str, Any]:
    """A page of 50 gaps with its total: our API with session, permissions and ledger, against the bare query."""
    year = newest_run().year
    director = User.objects.filter(groups__name=QUALITY_DIRECTOR.name, is_active=True).first()
    if director is None:
        raise Refused("there is no quality director to ask as: run `make demo` first")
    client = Client(HTTP_HOST="localhost")

    def ask() -> None:
        answer = client.get("/api/v1/gaps/", {"year": year, "page_size": 50}, secure=True)
        if answer.status_code != 200:
            raise Refused(f"the gap list answered {answer.status_code}")

    def bare() -> None:
        with connection.cursor() as cursor:
            cursor.execute(PAGE, [year])
            cursor.fetchall()
            cursor.execute("SELECT count(*) FROM (SELECT 1 FROM gaps_gap WHERE year = %s LIMIT 10001) AS rows", [year])
            cursor.fetchone()

    # Rolled back: the ledger must not say that the director looked.
    with transaction.atomic():
        client.force_login(director)
        ours, raw = milliseconds(ask), milliseconds(bare)
        transaction.set_rollback(True)
    return {
        "gaps in the plan": Gap.objects.count(),
        "page of 50 with total through the API, ms": ours,
        "the same two queries alone, ms": raw,
        "ratio": round(ours / raw, 1),
    }


def find_gaps() -> dict[str, Any]:
    """A finding run over the loaded plan, rolled back: members per second."""
    run = newest_run()
    started = time.perf_counter()
    with transaction.atomic():
        found = finding.find(run.year, as_of=run.data_as_of, by="bench")
        transaction.set_rollback(True)
    seconds = time.perf_counter() - started
    members = sum(counts.eligible for counts in found.values())
    return {
        "measures": len(found),
        "members judged": members,
        "seconds": round(seconds, 2),
        "members per second": round(members / seconds),
    }
