"""The last useful contact date: until when contacting a member can still close a gap.

Evidence must come into being while the gap can be closed, and arrive before the plan stops taking it in. So from the
last day of the rule the wait for an appointment and the days to a result are taken off, and no later than a result
can arrive before the supplemental lock. Of adherence the last day of the rule is the last-chance date.
Source: the product's own rule; lead times and lock are the plan's (hedis/measures/portfolio.toml).
"""

from datetime import timedelta

import ibis

from hedis.gaps.models import UNMET
from hedis.measures.portfolio import Calendar, LeadDays


def with_contact_by(relation: ibis.Table, lead: LeadDays, calendar: Calendar) -> ibis.Table:
    """The relation with `contact_by` (date): null where nothing is missing, where nothing can close it any more, and
    where what is on hand meets an adherence goal without a contact.

    Reads status and closable_until, and of an adherence measure last_chance_date and missable_days.
    """
    last = relation.closable_until
    reachable = relation.status.isin(UNMET)
    if "last_chance_date" in relation.columns:
        last = relation.last_chance_date
        reachable &= last.notnull() & (relation.missable_days >= 0)
    contact_by = (last - ibis.interval(days=lead.appointment + lead.result)).cast("date")
    if calendar.supplemental_lock is not None:
        arrives = ibis.literal(calendar.supplemental_lock - timedelta(days=lead.result))
        contact_by = ibis.ifelse(contact_by < arrives, contact_by, arrives)
    return relation.mutate(contact_by=ibis.ifelse(reachable, contact_by, ibis.null("date")))
