"""Names: one printable line in one form."""

from __future__ import annotations

import contextlib
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chasqui.base.errors import PeerError, UsageError
from chasqui.base.limits import NAME_BYTES_MAX
from chasqui.base.names import own_name, peer_name

DECEIVING = [
    "a\nb",
    "a\x00b",
    "a\x1b[31mb",  # colours of a terminal
    "a\x7f",
    "a\x9b31m",  # the same in one byte
    "abc\u202edef",  # right-to-left override
    "abc\u2066def",
    "abc\u200fdef",
    "a\u200bb",  # zero width
    "a\u200db",
    "a\ufeffb",
    "a\u00a0b",  # another space
    "a\u2028b",
    "a\u00adb",  # soft hyphen
    "\ue000",  # private use
    "\U000e0041",  # tag
    "\u3164",  # Hangul filler: a letter that shows nothing
    "Ana\u115f",
    "Ana\uffa0",
    "A\u034fna",
    "\u2800",
]
GOOD = ["Ana", "Ana María", "Анна", "安娜", "آنا", "ana-2 (tent)", "a" * 64, "🦙"]


@pytest.mark.parametrize("name", DECEIVING)
def test_what_deceives_the_eye_is_refused(name: str) -> None:
    with pytest.raises(PeerError):
        peer_name(name.encode())
    with pytest.raises(UsageError):
        own_name(name)


@pytest.mark.parametrize("name", GOOD)
def test_names_of_people_pass(name: str) -> None:
    assert own_name(name) == name
    assert peer_name(name.encode()) == name


def test_bounds() -> None:
    assert peer_name(b"") == ""
    for name in ("", " ", "a" * 65, "é" * 33, "\ud800"):
        with pytest.raises(UsageError):
            own_name(name)
    for data in (b" ", b"Ana ", b" Ana", b"a" * 65, b"\xff", b"\xed\xa0\x80", b"\xc0\x80"):
        with pytest.raises(PeerError):
            peer_name(data)


def test_one_form() -> None:
    """Two encodings of one look are one name: ours is composed, a peer's has to be."""
    decomposed = unicodedata.normalize("NFD", "José")
    assert own_name(decomposed) == "José"
    with pytest.raises(PeerError):
        peer_name(decomposed.encode())


@given(st.text(max_size=80))
def test_a_name_of_ours_is_a_name_to_others(text: str) -> None:
    try:
        name = own_name(text)
    except UsageError:
        return
    assert peer_name(name.encode()) == name
    assert own_name(name) == name
    assert 0 < len(name.encode()) <= NAME_BYTES_MAX
    assert not any(unicodedata.category(char) in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp") for char in name)


@given(st.binary(max_size=80))
def test_only_the_peer_is_to_blame(data: bytes) -> None:
    with contextlib.suppress(PeerError):
        assert peer_name(data).encode() == data
