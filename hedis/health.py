"""Whether the process lives and whether it can do its work.

`/livez` touches nothing: a database outage must not make an orchestrator kill healthy processes. `/readyz` asks
everything the work needs and answers 503 with the names of what fails; details go to the log, not to strangers. What
does not keep this process from answering requests is only a warning: `worker`, jobs wait and no worker lives.
"""

import logging
from collections.abc import Callable

from django.db import Error, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse

from audit import partitions
from hedis.lib import jobs

log = logging.getLogger(__name__)


def database_answers() -> bool:
    """A round trip to PostgreSQL."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        return bool(cursor.fetchone() == (1,))


def migrations_applied() -> bool:
    """No migration of this code is missing in the database."""
    executor = MigrationExecutor(connection)
    return not executor.migration_plan(executor.loader.graph.leaf_nodes())


def ledger_has_room() -> bool:
    """No event fell outside the monthly partitions."""
    return partitions.strays() == 0


def jobs_are_done() -> bool:
    """No job waits in vain."""
    return not jobs.waiting() or jobs.worker_alive()


CHECKS: dict[str, Callable[[], bool]] = {
    "database": database_answers,
    "migrations": migrations_applied,
    "ledger": ledger_has_room,
}
WARNINGS: dict[str, Callable[[], bool]] = {"worker": jobs_are_done}


def failing(checks: dict[str, Callable[[], bool]]) -> list[str]:
    """Names of the checks that say no or cannot be asked."""
    names = []
    for name, check in checks.items():
        try:
            if not check():
                names.append(name)
        except Error:
            log.exception("readiness check %s could not be asked", name)
            names.append(name)
    return names


class HealthMiddleware:
    """Answers before everything else, so that a probe with any Host header is heard."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path == "/livez":
            return HttpResponse("alive\n", content_type="text/plain")
        if request.path == "/readyz":
            names = failing(CHECKS)
            answer = {"ready": not names, "failing": names, "warnings": failing(WARNINGS)}
            return JsonResponse(answer, status=503 if names else 200)
        return self.get_response(request)
