"""What travels of witnesses: only its canonical form is read."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chasqui.base.errors import PeerError
from chasqui.base.ids import ObjectId
from chasqui.base.limits import BUNDLE_BYTES_MAX, OPERATION_HEADS_MAX, WITNESSES_AT_ONCE_MAX
from chasqui.groups.history import arrange
from chasqui.groups.witnesses import encode_witnesses, had_now, read_witnesses
from tests.groups.makers import add, found, key, remove

ID, OTHER = b"i" * 16, b"j" * 16


heads = st.sets(st.binary(min_size=16, max_size=16), max_size=16)


@given(st.dictionaries(st.binary(min_size=16, max_size=16), heads, min_size=1, max_size=8))
def test_witnesses_come_back(said: dict[bytes, set[bytes]]) -> None:
    made = tuple((ObjectId(removal), tuple(map(ObjectId, sorted(had)))) for removal, had in sorted(said.items()))
    assert read_witnesses(encode_witnesses(made)) == made


BROKEN: dict[str, object] = {
    "none": [],
    "too many": [[bytes((n,)) * 16, []] for n in range(WITNESSES_AT_ONCE_MAX + 1)],
    "twice": [[ID, []], [ID, []]],
    "out of order": [[OTHER, []], [ID, []]],
    "a short id": [[ID[:15], []]],
    "too many heads": [[ID, [bytes((n,)) * 16 for n in range(OPERATION_HEADS_MAX + 1)]]],
    "a short head": [[ID, [ID[:15]]]],
    "a head twice": [[ID, [ID, ID]]],
    "heads out of order": [[ID, [OTHER, ID]]],
    "numbers": [[ID, [[1, 2]]]],
    "something more": [[ID, [], 0]],
    "itself alone at length": [[ID, [ID]]],
    "nothing of it": [[]],
    "heads alone": [[[ID]]],
    "a head for heads": [[ID, ID]],
    "no list": {},
}


@pytest.mark.parametrize("body", BROKEN.values(), ids=list(BROKEN))
@pytest.mark.must("M-WIT-1")
def test_each_rule_of_the_body(body: object) -> None:
    with pytest.raises(PeerError):
        read_witnesses(msgspec.msgpack.encode(body))


@given(st.binary(max_size=80))
def test_other_bytes_are_the_peers_fault(data: bytes) -> None:
    try:
        said = read_witnesses(data)
    except PeerError:
        return
    assert encode_witnesses(said) == data


def test_who_had_nothing_but_the_removal_and_its_past_says_it_in_twenty_bytes() -> None:
    said = ((ObjectId(ID), (ObjectId(ID),)), (ObjectId(OTHER), ()))
    assert read_witnesses(encode_witnesses(said)) == said
    assert len(encode_witnesses(said[:1])) == 20


def test_the_largest_fits_a_bundle() -> None:
    had = tuple(ObjectId(bytes((n,)) * 16) for n in range(OPERATION_HEADS_MAX))
    said = tuple((ObjectId(bytes((n,)) * 16), had) for n in range(WITNESSES_AT_ONCE_MAX))
    assert len(encode_witnesses(said)) + 1024 < BUNDLE_BYTES_MAX


def test_what_is_here_is_named_by_heads() -> None:
    founded = found("ana")
    ben = add("ana", "ben", founded)
    branches = [add("ben", f"m{n}", ben, seq=n + 2) for n in range(3)]
    assert had_now(arrange([founded, ben, *branches]), key("ben")) == tuple(sorted(o.id for o in branches))


def test_of_too_many_heads_those_count_that_the_removed_one_signed() -> None:
    founded = found("ana")
    ben = add("ana", "ben", founded)
    others = [add("ana", f"m{n}", ben, seq=n + 3) for n in range(30)]
    longer = [add("ana", f"n{n}", other, seq=n + 50) for n, other in enumerate(others)]
    his = [remove("ben", "zoe", ben, seq=9), remove("ben", "yan", ben, seq=10)]
    waits = add("ben", "eve", add("ben", "dan", ben, seq=11), seq=12)
    history = arrange([founded, ben, *others, *longer, *his, waits])
    had = had_now(history, key("ben"))
    assert len(had) == OPERATION_HEADS_MAX
    assert {o.id for o in his} <= set(had) <= set(history.heads), "what waits is not named: it may wait for ever"
