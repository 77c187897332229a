"""The bytes between a command and the daemon (`docs/spec/socket.md`): a header, a JSON document, and bytes beside it.

off len
0   4   length of the document, big-endian
4   4   length of the bytes beside it, big-endian
8   n   the document: one request, or one answer
8+n m   bytes of a file, or none

Both ends belong to one user; still, whatever comes is only ever typed or refused.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final, NamedTuple

import msgspec

from chasqui.app import requests
from chasqui.app.results import ErrorDocument, Result
from chasqui.base.errors import PeerError
from chasqui.base.limits import FILE_BYTES_MAX

HEADER_BYTES: Final = 8
REQUEST_BYTES_MAX: Final = 256 * 1024  # the longest text, every character escaped, and names
ANSWER_BYTES_MAX: Final = 512 * 2**20  # a conversation of years with all its receipts
BESIDE_BYTES_MAX: Final = FILE_BYTES_MAX


class Lengths(NamedTuple):
    """What a header announces."""

    document: int
    beside: int


class Succeeded(msgspec.Struct, frozen=True, tag_field="is", tag="done", forbid_unknown_fields=True):
    """An answer with the result of the command."""

    result: msgspec.Raw


class Failed(msgspec.Struct, frozen=True, tag_field="is", tag="failed", forbid_unknown_fields=True):
    """An answer that says why not."""

    error: ErrorDocument
    exit_code: int


_encoder = msgspec.json.Encoder()
_requests: msgspec.json.Decoder[requests.AnyRequest] = msgspec.json.Decoder(requests.AnyRequest)
_answers: msgspec.json.Decoder[Succeeded | Failed] = msgspec.json.Decoder(Succeeded | Failed)


def parse_header(data: bytes, *, document_max: int) -> Lengths:
    """The lengths that follow. Raises `PeerError` for a header cut short or beyond the bounds."""
    if len(data) != HEADER_BYTES:
        raise PeerError("The header is cut short.")
    lengths = Lengths(int.from_bytes(data[:4], "big"), int.from_bytes(data[4:], "big"))
    if not 0 < lengths.document <= document_max or lengths.beside > BESIDE_BYTES_MAX:
        raise PeerError("What comes over the socket is too long, or nothing.")
    return lengths


def parse_request(document: bytes) -> requests.AnyRequest:
    """The request of a document. Raises `PeerError` for anything else."""
    try:
        return _requests.decode(document)
    except (msgspec.MsgspecError, RecursionError, UnicodeError, OverflowError) as error:
        raise PeerError("What comes over the socket is no request of this version.") from error


def parse_answer(document: bytes) -> Succeeded | Failed:
    """The answer of a document. Raises `PeerError` for anything else."""
    try:
        return _answers.decode(document)
    except (msgspec.MsgspecError, RecursionError, UnicodeError, OverflowError) as error:
        raise PeerError("What the daemon says is no answer of this version.") from error


def parse_result(data: msgspec.Raw, kind: type[Result]) -> Result:
    """The result inside an answer. Raises `PeerError` for anything else."""
    try:
        result: Result = _result_decoder(kind).decode(data)
    except (msgspec.MsgspecError, RecursionError, UnicodeError, OverflowError) as error:
        raise PeerError("What the daemon says is no answer to this request.") from error
    return result


def parse_stream(data: bytes) -> list[tuple[requests.AnyRequest, bytes]]:
    """Every request in a run of bytes, as the daemon would read them. Raises `PeerError` at the first that is none."""
    found = []
    at = 0
    while at < len(data):
        lengths = parse_header(data[at : at + HEADER_BYTES], document_max=REQUEST_BYTES_MAX)
        at += HEADER_BYTES
        end = at + lengths.document
        if end + lengths.beside > len(data):
            raise PeerError("A request is cut short.")
        found.append((parse_request(data[at:end]), data[end : end + lengths.beside]))
        at = end + lengths.beside
    return found


def frame(document: msgspec.Struct, beside: bytes = b"") -> bytes:
    """The bytes of a request or an answer."""
    data = _encoder.encode(document)
    return len(data).to_bytes(4, "big") + len(beside).to_bytes(4, "big") + data + beside


def succeeded(result: Result) -> Succeeded:
    """The answer that carries a result."""
    return Succeeded(msgspec.Raw(_encoder.encode(result)))


@cache
def _result_decoder(kind: type[Result]) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind)
