"""Monthly partitions of the ledger, made ahead of time.

A DEFAULT partition stands behind them so that clinical work never stops for want of a month; readiness reports when
anything lies in it, because rows there block the partition that should have held them.
"""

from datetime import date
from itertools import pairwise

from django.db import connection, transaction

PARTITIONED = ("audit_event", "audit_subject")
MONTHS_AHEAD = 3


def month_starts(first: date, count: int) -> list[date]:
    """The first days of `count` months, beginning with the month of `first`."""
    months = [first.year * 12 + first.month - 1 + step for step in range(count)]
    return [date(month // 12, month % 12 + 1, 1) for month in months]


def ensure_ahead(today: date) -> list[str]:
    """Make the partitions of this month and the next ones where they are missing; returns the names made."""
    bounds = month_starts(today, MONTHS_AHEAD + 2)
    made = []
    with transaction.atomic(), connection.cursor() as cursor:
        # Two starters at once would both find the month missing.
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('audit partitions'))")
        for table in PARTITIONED:
            for start, end in pairwise(bounds):
                name = f"{table}_{start:%Y_%m}"
                cursor.execute("SELECT to_regclass(%s)", [name])
                if cursor.fetchone()[0] is None:
                    cursor.execute(
                        f"CREATE TABLE {name} PARTITION OF {table} FOR VALUES FROM ('{start}') TO ('{end}');"
                        f"CREATE TRIGGER {name}_no_truncate BEFORE TRUNCATE ON {name} EXECUTE FUNCTION audit_refuse()"
                    )
                    made.append(name)
    return made


def strays() -> int:
    """Events that fell into the DEFAULT partition: each one is a missing month."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM (SELECT 1 FROM audit_event_default LIMIT 1000) AS strays")
        return int(cursor.fetchone()[0])
