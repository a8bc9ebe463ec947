"""The measure definitions: one reviewed file a measure."""

from __future__ import annotations

from hedis.engine.measure import Definition
from hedis.measures.definitions.bcs import BCS
from hedis.measures.definitions.bpd import BPD
from hedis.measures.definitions.cbp import CBP
from hedis.measures.definitions.col import COL
from hedis.measures.definitions.eed import EED
from hedis.measures.definitions.gsd import GSD
from hedis.measures.definitions.ked import KED
from hedis.measures.definitions.pdc import PDC_DR, PDC_RASA, PDC_STA
from hedis.measures.definitions.supd import SUPD

DEFINITIONS: dict[str, Definition] = {
    each.code: each for each in (BCS, COL, GSD, KED, EED, BPD, CBP, SUPD, PDC_DR, PDC_RASA, PDC_STA)
}
"""Every definition by its code."""
