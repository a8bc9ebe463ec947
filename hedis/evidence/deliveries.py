"""How much each source brought of the newest month, so that a missing file shows. One pass over two years' dates."""

from pathlib import Path
from typing import Any

import duckdb

from hedis.evidence.schema import SCHEMA
from hedis.evidence.warehouse import relation

# The month is the last one that was over when anything was received. The months it is compared with are counted as they
# were known then, as long after their end: otherwise every newest month would lack the claims that are on their way.
NEWEST_MONTH = """
WITH fact AS (
    SELECT source, start_date AS day, received_date FROM ({event})
    UNION ALL
    SELECT 'pharmacy', dispensing_date, received_date FROM ({dispensing})
), reach AS (
    SELECT max(received_date) AS known, (date_trunc('month', max(received_date) + INTERVAL 1 DAY)
        - INTERVAL 1 MONTH)::DATE AS first FROM fact
), part AS (
    SELECT source, known, first, back, received_date
    FROM fact, reach, (VALUES (0), (1), (12)) AS months(back)
    WHERE day >= first - to_months(back) AND day < first - to_months(back) + INTERVAL 1 MONTH
)
SELECT source, strftime(first, '%Y-%m') AS month,
    count(*) FILTER (back = 0) AS rows,
    count(*) FILTER (back = 1 AND received_date <= known - INTERVAL 1 MONTH) AS month_before,
    count(*) FILTER (back = 12 AND received_date <= known - INTERVAL 12 MONTH) AS year_before
FROM part GROUP BY source, first ORDER BY source
"""


def newest_month(connection: duckdb.DuckDBPyConnection, root: Path) -> list[dict[str, Any]]:
    """Rows of each source in the newest month that is over, in the month before and in the same month a year before."""
    tables = {name: relation(root, name, SCHEMA[name]) for name in ("event", "dispensing")}
    found = connection.execute(NEWEST_MONTH.format(**tables))
    names = [column[0] for column in found.description]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]
