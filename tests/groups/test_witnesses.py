"""What travels of witnesses: only its canonical form is read."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chasqui.base.errors import PeerError
from chasqui.base.ids import ObjectId
from chasqui.base.limits import BUNDLE_BYTES_MAX, SEQUENCE_MAX, WITNESS_SPANS_MAX, WITNESSES_AT_ONCE_MAX
from chasqui.base.ranges import Ranges
from chasqui.groups.witnesses import encode_witnesses, read_witnesses

ID, OTHER = b"i" * 16, b"j" * 16


@given(st.dictionaries(st.binary(min_size=16, max_size=16), st.sets(st.integers(1, 300)), min_size=1, max_size=8))
def test_witnesses_come_back(said: dict[bytes, set[int]]) -> None:
    made = []
    for removal, numbers in sorted(said.items()):
        spans = Ranges()
        for number in numbers:
            spans = spans.add(number)
        made.append((ObjectId(removal), spans))
    assert read_witnesses(encode_witnesses(tuple(made))) == tuple(made)


BROKEN: dict[str, object] = {
    "none": [],
    "too many": [[bytes((n,)) * 16, []] for n in range(WITNESSES_AT_ONCE_MAX + 1)],
    "twice": [[ID, []], [ID, []]],
    "out of order": [[OTHER, []], [ID, []]],
    "a short id": [[ID[:15], []]],
    "too many runs": [[ID, [[3 * n + 1, 3 * n + 1] for n in range(WITNESS_SPANS_MAX + 1)]]],
    "number 0": [[ID, [[0, 1]]]],
    "backwards": [[ID, [[3, 2]]]],
    "runs that touch": [[ID, [[1, 2], [3, 4]]]],
    "runs out of order": [[ID, [[5, 6], [1, 2]]]],
    "beyond the last number": [[ID, [[1, SEQUENCE_MAX + 1]]]],
    "something more": [[ID, [], 0]],
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


def test_one_of_the_largest_fits_a_bundle() -> None:
    spans = Ranges(tuple((SEQUENCE_MAX - 3 * n, SEQUENCE_MAX - 3 * n) for n in reversed(range(WITNESS_SPANS_MAX))))
    assert len(encode_witnesses(((ObjectId(ID), spans),))) * 8 < BUNDLE_BYTES_MAX
