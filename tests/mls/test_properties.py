"""Hostile bytes into every entry point: PeerError and nothing else; and what is decoded encodes as it came."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chasqui.mls import PeerError, join, join_external, read_key_package, read_message
from chasqui.mls.codec import Reader, decode_all, vl
from chasqui.mls.framing import read_authenticated_content
from chasqui.mls.proposals import read_commit, read_proposal
from chasqui.mls.tree import read_tree
from chasqui.mls.welcome import read_group_info, read_group_secrets, read_welcome
from tests.mls import forge, mutate
from tests.mls.support import Rng

CORPUS = mutate.corpus()
CASES = 6_000
CASES_LONG = 200_000

ENTRIES: dict[str, Callable[[bytes], object]] = {
    "message": read_message,
    "key package": read_key_package,
    "process": lambda data: CORPUS.taker.process(data),
    "decrypt": lambda data: CORPUS.taker.decrypt(data),
    "inspect": lambda data: CORPUS.taker.inspect(data),
    "join": lambda data: join(data, CORPUS.joiner),
    "join with tree": lambda data: join(CORPUS.welcome, CORPUS.joiner, tree=data),
    "join external": lambda data: join_external(data, CORPUS.joiner, Rng(1)),
    "proposal": lambda data: decode_all(data, read_proposal).encode(),
    "commit": lambda data: decode_all(data, read_commit).encode(),
    "welcome": lambda data: decode_all(data, read_welcome).encode(),
    "group info": lambda data: decode_all(data, read_group_info).encode(),
    "group secrets": lambda data: decode_all(data, read_group_secrets).encode(),
    "content": lambda data: decode_all(data, read_authenticated_content).encode(),
    "tree": lambda data: decode_all(data, lambda reader: read_tree(forge.world().crypto, reader)).encode(),
}
CANONICAL = ("proposal", "commit", "welcome", "group info", "group secrets", "content")


@pytest.mark.parametrize("name", list(ENTRIES))
@settings(max_examples=60, deadline=None)
@given(data=st.one_of(st.binary(max_size=400), st.binary(max_size=120).map(lambda tail: b"\0\1\0\1" + tail)))
def test_random_bytes(name: str, data: bytes) -> None:
    try:
        result = ENTRIES[name](data)
    except PeerError:
        return
    if name in CANONICAL:
        assert result == data


@pytest.mark.parametrize("name", list(ENTRIES))
@settings(max_examples=60, deadline=None)
@given(
    source=st.sampled_from([*CORPUS.public, *CORPUS.private, CORPUS.application, CORPUS.welcome, CORPUS.group_info]),
    cut=st.integers(0, 4),
    at=st.integers(0, 1 << 20),
    change=st.binary(max_size=6),
    drop=st.integers(0, 6),
)
def test_changed_messages(name: str, source: bytes, cut: int, at: int, change: bytes, drop: int) -> None:
    data = source[cut:]
    place = at % (len(data) + 1)
    data = data[:place] + change + data[place + drop :]
    try:
        result = ENTRIES[name](data)
    except PeerError:
        return
    if name in CANONICAL:
        assert result == data


@given(st.binary(max_size=200))
def test_vectors_have_one_encoding(data: bytes) -> None:
    assert Reader(vl(data)).vl() == data
    try:
        found = decode_all(data, Reader.vl)
    except PeerError:
        return
    assert vl(found) == data


def run(start: int, count: int) -> Counter[str]:
    """Structure-aware cases; the state that they were offered to is as it was."""
    before = CORPUS.taker.to_bytes()
    outcome: Counter[str] = Counter()
    for number in range(start, start + count):
        try:
            outcome[mutate.attempt(CORPUS, number)] += 1
        except Exception as error:
            raise AssertionError(f"case {number}: run tests.mls.mutate.attempt(corpus(), {number})") from error
    assert CORPUS.taker.to_bytes() == before
    return outcome


def test_structure_aware_mutations() -> None:
    outcome = run(0, CASES)
    assert len(outcome) > 40, "the mutator should reach many different rules"


@pytest.mark.long
def test_many_structure_aware_mutations() -> None:
    outcome = run(CASES, CASES_LONG)
    print(outcome.most_common())
