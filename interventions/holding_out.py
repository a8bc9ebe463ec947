"""Who is left alone: by lot, a member at a time, the same whenever it is asked.

A member is held out where the first 52 bits of SHA-256(seed ‖ pseudonym), read as a fraction of 1, lie below the
campaign's share. The seed is drawn when the campaign is made, before anyone is proposed, so nobody chooses; it is
stored, so anybody can check. All of a member's interventions in a campaign share one lot. In a small campaign the
share held out may differ from the one asked for: each member's lot is her own.
"""

import hashlib
import secrets
from decimal import Decimal

BITS = 52

# Both lots must be the same one: tests/interventions/test_campaigning.py compares them member by member.
ASSIGN = """
UPDATE interventions_intervention AS i
   SET held_out = ('x' || left(encode(sha256(convert_to(%(seed)s || m.pseudonym, 'UTF8')), 'hex'), 13))::bit(52)::bigint
                  < %(limit)s
  FROM members_member AS m
 WHERE m.id = i.member_id AND i.campaign_id = %(campaign)s AND i.state = 'planned'
"""


def new_seed() -> str:
    """A seed nobody could have known before: 128 random bits as 32 hex digits."""
    return secrets.token_hex(16)


def limit(share: Decimal) -> int:
    """Lots below this are held out; `share` between 0 and 1."""
    return int(share * 2**BITS)


def is_held_out(seed: str, pseudonym: str, share: Decimal) -> bool:
    """Whether this member is left alone in the campaign of this seed."""
    digest = hashlib.sha256((seed + pseudonym).encode()).hexdigest()
    return int(digest[: BITS // 4], 16) < limit(share)
