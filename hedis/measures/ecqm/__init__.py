"""The eCQM forms of six measures: what the published test patients are judged by (`manage.py check_measures`).

They are for conformance, not for a plan's rates: nobody asks for enrolment, and the value sets come with the deck.
"""

from __future__ import annotations

from hedis.engine.measure import Definition
from hedis.measures.ecqm.cms122 import CMS122
from hedis.measures.ecqm.cms125 import CMS125
from hedis.measures.ecqm.cms130 import CMS130
from hedis.measures.ecqm.cms131 import CMS131
from hedis.measures.ecqm.cms165 import CMS165
from hedis.measures.ecqm.cms951 import CMS951

ECQM_FORMS: dict[str, Definition] = {each.code: each for each in (CMS122, CMS125, CMS130, CMS131, CMS165, CMS951)}
"""Every eCQM form by the number CMS gives the measure."""
