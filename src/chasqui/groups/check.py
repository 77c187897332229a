"""Group check: two fresh words asked aloud, four words answered aloud. Whoever sees another group answers others.

Spec: `docs/spec/groups.md`, "Group check".
"""

from __future__ import annotations

from typing import Final

from chasqui.base import labels
from chasqui.base.hashing import kdf
from chasqui.base.ids import GroupId
from chasqui.base.ports import Entropy

CHALLENGE_WORDS: Final = 2
ANSWER_WORDS: Final = 4  # 44 bits: who does not hold the keys of the epoch guesses right once in 2^44
_WORD_BITS: Final = 11  # a list of 2,048 words
_WORD_MASK: Final = (1 << _WORD_BITS) - 1


def draw_challenge(entropy: Entropy) -> tuple[int, ...]:
    """The numbers of two fresh words. A call of its own for every check: an answer heard before must not fit."""
    drawn = entropy(2 * CHALLENGE_WORDS)
    return tuple(int.from_bytes(drawn[at : at + 2], "big") & _WORD_MASK for at in range(0, len(drawn), 2))


def answer_to(challenge: tuple[int, ...], authenticator: bytes, group: GroupId) -> tuple[int, ...]:
    """The numbers of the four words that all answer who are in the same epoch (its authenticator: RFC 9420, 8.7)."""
    if len(challenge) != CHALLENGE_WORDS or not all(0 <= number <= _WORD_MASK for number in challenge):
        raise ValueError("a challenge is two numbers of words")
    asked = b"".join(number.to_bytes(2, "big") for number in challenge)
    number = int.from_bytes(kdf(authenticator, labels.KDF_GROUP_CHECK, group + asked, 8), "big")
    return tuple(number >> (_WORD_BITS * i) & _WORD_MASK for i in range(ANSWER_WORDS))
