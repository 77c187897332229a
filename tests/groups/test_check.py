"""The words of a group check: the same for the same epoch and question, others for all else."""

from __future__ import annotations

from hashlib import blake2b

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chasqui.base.ids import GroupId
from chasqui.groups.check import answer_to, draw_challenge

GROUP = GroupId(bytes(range(16)))
KEY = bytes(range(32))
WORD = st.integers(0, 2047)


def by_the_spec(challenge: tuple[int, int], key: bytes, group: bytes) -> tuple[int, ...]:
    """docs/spec/groups.md, read anew."""
    asked = group + challenge[0].to_bytes(2, "big") + challenge[1].to_bytes(2, "big")
    number = blake2b(asked, key=key, digest_size=8, person=b"chq1 group check").digest()
    bits = f"{int.from_bytes(number, 'big'):064b}"[::-1]
    return tuple(int(bits[11 * i : 11 * i + 11][::-1], 2) for i in range(4))


@pytest.mark.must("M-CHK-2")
@given(WORD, WORD, st.binary(min_size=32, max_size=32), st.binary(min_size=16, max_size=16))
def test_as_the_spec_says(first: int, second: int, key: bytes, group: bytes) -> None:
    assert answer_to((first, second), key, GroupId(group)) == by_the_spec((first, second), key, group)


def test_whatever_differs_gives_other_words() -> None:
    base = answer_to((1, 2), KEY, GROUP)
    assert base == answer_to((1, 2), KEY, GROUP)
    assert len(base) == 4
    others = {
        answer_to((2, 1), KEY, GROUP),
        answer_to((1, 3), KEY, GROUP),
        answer_to((1, 2), KEY[::-1], GROUP),
        answer_to((1, 2), KEY, GroupId(GROUP[::-1])),
    }
    assert len(others | {base}) == 5


@pytest.mark.parametrize("challenge", [(), (1,), (1, 2, 3), (1, 2048), (-1, 2)])
def test_a_question_is_two_words(challenge: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="two"):
        answer_to(challenge, KEY, GROUP)


@pytest.mark.must("M-CHK-1")
def test_a_question_is_made_of_fresh_entropy_alone() -> None:
    asked: list[int] = []

    def entropy(n: int, /) -> bytes:
        asked.append(n)
        return b"\xff\xff\x08\x01"[:n]

    assert draw_challenge(entropy) == (2047, 1)
    assert asked == [4]
