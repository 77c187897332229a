"""Words that people say to each other: the English list of BIP 39, in which four letters tell a word."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from functools import cache

from chasqui.base.errors import UsageError


def words_of(numbers: Iterable[int]) -> tuple[str, ...]:
    """The words for their numbers."""
    words = _word_list()
    return tuple(words[number] for number in numbers)


def numbers_of(said: Iterable[str]) -> tuple[int, ...]:
    """The numbers of words that somebody typed. Raises `UsageError` for what is none, with those that are close."""
    return tuple(_number_of(word.strip().lower()) for word in said)


def _number_of(word: str) -> int:
    words = _word_list()
    if word in words:
        return words.index(word)
    alike = list(dict.fromkeys([*_beginning_as(word), *get_close_matches(word, words, n=3, cutoff=0.7)]))[:3]
    close = " or ".join(f"'{found}'" for found in alike)
    shown = "".join(c if c.isprintable() else "?" for c in word[:20])
    raise UsageError(
        f"'{shown}' is none of the 2048 words.",
        todo=f"Did the caller say {close}? Ask again." if close else "Ask the caller to say both words again.",
    )


def _beginning_as(word: str) -> list[str]:
    return [found for found in _word_list() if found.startswith(word[:4])] if len(word) >= 3 else []


@cache
def _word_list() -> list[str]:
    from mnemonic import Mnemonic  # reads its list from a file

    return list(Mnemonic("english").wordlist)
