"""The measure definitions: one reviewed file a measure."""

from __future__ import annotations

from hedis.engine.measure import Definition
from hedis.measures.definitions.cbp import CBP
from hedis.measures.definitions.col import COL
from hedis.measures.definitions.gsd import GSD

DEFINITIONS: dict[str, Definition] = {each.code: each for each in (COL, GSD, CBP)}
"""Every definition by its code."""
