"""The `hedis.lib.database` backend, used when no DATABASE_URL is given.

Starting at the first connection, not when settings are read, means that `--help`, type checking or collecting static
files start no server.
"""

from typing import Any

import dj_database_url
from django.conf import settings
from django.db.backends.postgresql import base

from hedis.lib import postgres


def private_server() -> dict[str, Any]:
    """Connection parameters of the private server, started if it was down (a millisecond or two when it runs)."""
    parsed: dict[str, Any] = dict(dj_database_url.parse(postgres.ensure(settings.DATA_DIR / "postgres")))
    given = {"HOST": "host", "PORT": "port", "USER": "user", "PASSWORD": "password"}
    return {**parsed.get("OPTIONS", {}), **{ours: parsed[name] for name, ours in given.items() if parsed[name]}}


class DatabaseWrapper(base.DatabaseWrapper):
    """PostgreSQL, wherever the launcher put it."""

    def get_connection_params(self) -> dict[str, Any]:
        return {**super().get_connection_params(), **private_server()}
