"""The one door of member ids: one person, one pseudonym; and nothing can be guessed back without the key."""

import hashlib
import hmac
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedis.members.pseudonyms import UnusableId, normalise, pseudonym, record_key

SPELLINGS = ["1EG4-TE5-MK73", "1eg4te5mk73", " 1EG4 TE5 MK73 ", "1EG4–TE5–MK73", "1EG4—TE5MK73", "１ＥＧ４-TE5-MK73"]
PLAIN = st.text(
    st.characters(min_codepoint=48, max_codepoint=90, whitelist_categories=("Lu", "Nd")), min_size=1, max_size=20
)


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_all_spellings_of_one_id_are_one_person(spelling: str) -> None:
    assert normalise(spelling) == "1EG4TE5MK73"
    assert pseudonym(spelling) == pseudonym(SPELLINGS[0])


def test_it_is_hmac_sha_256_of_version_tenant_purpose_and_id(settings: Any) -> None:
    message = "\x1f".join([str(settings.PSEUDONYM_KEY_VERSION), settings.PSEUDONYM_TENANT, "member", "A1"])
    wanted = hmac.new(settings.PSEUDONYM_KEY.encode(), message.encode(), hashlib.sha256).hexdigest()
    assert pseudonym("a-1") == wanted
    assert re.fullmatch("[0-9a-f]{64}", wanted)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PSEUDONYM_KEY", "another-key-another-key-another-key"),
        ("PSEUDONYM_TENANT", "other"),
        ("PSEUDONYM_KEY_VERSION", 2),
    ],
)
def test_another_key_tenant_or_version_gives_other_pseudonyms(settings: Any, name: str, value: object) -> None:
    before = pseudonym("A1")
    setattr(settings, name, value)
    assert pseudonym("A1") != before


@pytest.mark.parametrize(
    ("plan_id", "reason"),
    [
        ("a\x00b", "contains a NUL character"),
        ("x" * 65, "is longer than 64 characters"),
        ("", "is empty"),
        (" -– ", "is empty"),
        ("a\x07b", "contains a control character"),
    ],
)
def test_an_unusable_id_is_refused_without_being_quoted(plan_id: str, reason: str) -> None:
    with pytest.raises(UnusableId) as refusal:
        pseudonym(plan_id)
    assert str(refusal.value) == reason


def test_an_id_of_exactly_sixty_four_characters_is_taken() -> None:
    assert len(pseudonym("x" * 64)) == 64


@given(PLAIN, PLAIN)
def test_two_ids_share_a_pseudonym_only_when_they_are_one_id(first: str, second: str) -> None:
    assert (pseudonym(first) == pseudonym(second)) == (normalise(first) == normalise(second))


def test_a_record_key_keeps_its_parts_apart_and_is_no_pseudonym() -> None:
    assert record_key("s", "a", "bc") != record_key("s", "ab", "c")
    assert record_key("s", "A1") != pseudonym("A1")[:32]
    assert re.fullmatch("[0-9a-f]{32}", record_key("s", "A1"))
