"""The bytes on the socket: what is written is read, what is hostile is refused, and nothing else happens."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chasqui.app import requests, results, wire
from chasqui.app.answers import ANSWER_OF
from chasqui.app.results import ErrorDocument
from chasqui.app.service import is_quick
from chasqui.base.errors import PeerError

TEXT = st.text(max_size=50)
REQUESTS = st.one_of(
    st.builds(requests.ShowStatus),
    st.builds(requests.Accept, st.none() | TEXT, st.booleans()),
    st.builds(requests.CreateGroup, TEXT, st.integers(0, 2**31)),
    st.builds(requests.AddMember, TEXT, TEXT, st.sampled_from(["member", "admin"])),
    st.builds(requests.AddGuest, TEXT, TEXT, st.lists(TEXT).map(tuple)),
    st.builds(requests.SendText, TEXT, TEXT, st.booleans()),
    st.builds(requests.Read, TEXT, st.integers(0, 2**31)),
    st.builds(requests.AddLink, st.sampled_from(["folder", "lan"]), st.lists(st.tuples(TEXT, TEXT)).map(tuple)),
)


@given(st.lists(st.tuples(REQUESTS, st.binary(max_size=100)), max_size=4))
def test_what_is_written_is_read(pairs: list[tuple[requests.AnyRequest, bytes]]) -> None:
    stream = b"".join(wire.frame(request, beside) for request, beside in pairs)
    assert wire.parse_stream(stream) == pairs


@given(st.binary(max_size=300))
def test_hostile_streams_are_refused(data: bytes) -> None:
    with contextlib.suppress(PeerError):
        wire.parse_stream(data)


@given(st.binary(max_size=300))
def test_hostile_documents_are_refused(data: bytes) -> None:
    for parse in (wire.parse_request, wire.parse_answer):
        with contextlib.suppress(PeerError):
            parse(data)


@given(REQUESTS, st.data())
def test_a_flipped_byte_is_a_request_or_refused(request: requests.AnyRequest, data: st.DataObject) -> None:
    stream = bytearray(wire.frame(request))
    at = data.draw(st.integers(0, len(stream) - 1))
    stream[at] ^= data.draw(st.integers(1, 255))
    with contextlib.suppress(PeerError):
        wire.parse_stream(bytes(stream))


@pytest.mark.parametrize(
    "document",
    [
        b"[" * 100_000,
        b'{"do":"Read","group":"x","since":"1"}',
        b'{"do":"Read","group":"x"}',
        b'{"do":"Read","group":"x","since":1,"more":2}',
        b'{"do":"Nothing"}',
        b'{"do":"AddMember","group":"g","contact":"c","role":"guest"}',
        b'{"do":"SendText","group":"\\ud800","text":"x","urgent":false}',
        b"\xff\xfe",
        b"null",
    ],
)
def test_these_are_refused(document: bytes) -> None:
    with pytest.raises(PeerError):
        wire.parse_request(document)


def test_bounds() -> None:
    with pytest.raises(PeerError):
        wire.parse_header(
            (wire.REQUEST_BYTES_MAX + 1).to_bytes(4, "big") + bytes(4), document_max=wire.REQUEST_BYTES_MAX
        )
    with pytest.raises(PeerError):
        wire.parse_header(bytes((0, 0, 0, 1)) + b"\xff" * 4, document_max=wire.REQUEST_BYTES_MAX)
    longest = wire.frame(requests.SendText("g" * 200, "\x01" * 15_000, True))
    assert len(longest) < wire.REQUEST_BYTES_MAX


def test_answers() -> None:
    answer = wire.parse_answer(wire.frame(wire.succeeded(results.Synced(1, 2)))[8:])
    assert isinstance(answer, wire.Succeeded)
    result = wire.parse_result(answer.result, results.Synced)
    assert result == results.Synced(1, 2)
    assert result.document() == {"in": 1, "out": 2}
    failed = wire.Failed(ErrorDocument("a", "b", "c", "d"), 4)
    assert wire.parse_answer(wire.frame(failed)[8:]) == failed
    with pytest.raises(PeerError):
        wire.parse_result(answer.result, results.Status)


def test_every_request_has_an_answer() -> None:
    kinds = set(requests.Request.__subclasses__())
    assert kinds == set(ANSWER_OF)
    assert {kind for kind in kinds if not is_quick(kind)} == {
        requests.Stop,
        requests.Sync,
        requests.TestLink,
    }
