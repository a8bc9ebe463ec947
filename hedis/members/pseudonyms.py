"""The one door through which a plan's member id passes, and comes out as a pseudonym.

HMAC-SHA-256 over key version, tenant and the normalised id. A plain hash of a nine-digit id is reversed in minutes by
trying all of them; with a key kept outside the database it is not. The id itself is never stored, logged, put in a URL
or in an error.
"""

import hashlib
import hmac
import unicodedata

from django.conf import settings

MAX_LENGTH = 64
DASHES = dict.fromkeys(map(ord, "-‐‑‒–—−﹣－ \t"))


class UnusableId(ValueError):
    """The id cannot be a member's id. The message says why and never quotes it."""


def normalise(plan_id: str) -> str:
    """One spelling of an id: Unicode NFKC, upper case, no blanks or dashes.

    Plans write one person's id in several ways (full-width digits, dashes, lower case) in different files; without
    this they become different people. Raises UnusableId.
    """
    if "\x00" in plan_id:
        raise UnusableId("contains a NUL character")
    if len(plan_id) > MAX_LENGTH:
        raise UnusableId(f"is longer than {MAX_LENGTH} characters")
    plain = unicodedata.normalize("NFKC", plan_id).casefold().upper().translate(DASHES)
    if not plain:
        raise UnusableId("is empty")
    if any(unicodedata.category(character).startswith("C") for character in plain):
        raise UnusableId("contains a control character")
    return plain


def pseudonym(plan_id: str) -> str:
    """The member's pseudonym, 64 hex digits. Raises UnusableId."""
    return keyed_hash("member", normalise(plan_id))


def record_key(source: str, *identifiers: object) -> str:
    """A keyed hash of a claim's or result's identifiers, which often contain the person's own."""
    return keyed_hash("record", "\x1f".join([source, *map(str, identifiers)]))[:32]


def keyed_hash(purpose: str, text: str) -> str:
    """HMAC-SHA-256 with the plan's key; `purpose` keeps one purpose's values from matching another's."""
    message = "\x1f".join([str(settings.PSEUDONYM_KEY_VERSION), settings.PSEUDONYM_TENANT, purpose, text])
    return hmac.new(settings.PSEUDONYM_KEY.encode(), message.encode(), hashlib.sha256).hexdigest()
