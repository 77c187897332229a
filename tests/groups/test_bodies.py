"""Bodies of each kind: what they may hold, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from chasqui.base.errors import PeerError
from chasqui.base.limits import (
    BUNDLE_BYTES_MAX,
    FILE_BYTES_MAX,
    FILE_NAME_BYTES_MAX,
    FILE_PART_BYTES,
    FILE_PARTS_MAX,
    SPARE_KEY_PACKAGES,
)
from chasqui.base.schema import Body, encode
from chasqui.groups.bodies import (
    CommitBody,
    KeyPackagesBody,
    ManifestBody,
    PartBody,
    WelcomeBody,
    parts_of,
    read_commit,
    read_key_packages,
    read_manifest,
    read_part,
    read_welcome,
)
from chasqui.sealed.bundle import step_for
from chasqui.sealed.kinds import BundleClass, Kind
from tests.sealed.makers import epoch

ID, KEY = b"i" * 16, b"k" * 32
READERS: dict[str, tuple[Callable[[bytes], Body], Body]] = {
    "commit": (read_commit, CommitBody((ID,), ID, 20_000, b"message")),
    "key packages": (read_key_packages, KeyPackagesBody((b"package",))),
    "manifest": (read_manifest, ManifestBody(Kind.MANIFEST, KEY, 5, "route.gpx")),
    "part": (read_part, PartBody(KEY, 0, b"data")),
}


def broken(body: Any, **changes: Any) -> bytes:
    return encode(msgspec.structs.replace(body, **changes))


@pytest.mark.parametrize("name", READERS)
def test_bodies_come_back(name: str) -> None:
    read, body = READERS[name]
    assert read(encode(body)) == body


def test_a_welcome_comes_back() -> None:
    """Its fields are the node's business; whatever its reader takes, it takes canonically."""
    fields = {f.name: f for f in msgspec.structs.fields(WelcomeBody)}
    assert {"group", "operations", "r", "first_day", "message"} <= fields.keys()
    for data in (b"", b"\x90", b"\x96\xc0\xc0\xc0\xc0\xc0\xc0", b"\x91" * 9000):
        with pytest.raises(PeerError):
            read_welcome(data)


@pytest.mark.must("M-COM-17")
def test_what_a_welcome_tells_of_the_way_before_it() -> None:
    plain = WelcomeBody(ID, bytes(32), (b"o",), ID, 1, (), b"m", (), (), (), ())
    ids = tuple(n.to_bytes(16, "big") for n in range(3))
    keys = tuple(2 * each for each in ids)
    told = structs.replace(plain, gone=keys, rejoined=ids, lifted=ids)
    assert read_welcome(encode(told)) == told
    twice = (ids[0], ids[0])
    for changes in ({"gone": ids}, {"rejoined": keys}, {"lifted": keys}, {"gone": keys[::-1]}, {"rejoined": twice}):
        with pytest.raises(PeerError):
            read_welcome(encode(structs.replace(plain, **changes)))


COMMIT, PACKAGES, MANIFEST, PART = (body for _, body in READERS.values())
BROKEN: dict[str, tuple[str, bytes]] = {
    "short r": ("commit", broken(COMMIT, r=b"r" * 15)),
    "day before the first": ("commit", broken(COMMIT, first_day=-1)),
    "day beyond three bytes": ("commit", broken(COMMIT, first_day=2**24)),
    "no message": ("commit", broken(COMMIT, message=b"")),
    "an operation twice": ("commit", broken(COMMIT, operations=(ID, ID))),
    "a short operation": ("commit", broken(COMMIT, operations=(ID[:15],))),
    "too many operations": ("commit", broken(COMMIT, operations=tuple(n.to_bytes(16, "big") for n in range(4097)))),
    "no key packages": ("key packages", broken(PACKAGES, key_packages=())),
    "too many key packages": ("key packages", broken(PACKAGES, key_packages=(b"p",) * (SPARE_KEY_PACKAGES + 1))),
    "proofs of other key packages": ("key packages", broken(PACKAGES, proofs=(b"s", b"t"))),
    "a kind that is never large": ("manifest", broken(MANIFEST, kind=Kind.TEXT)),
    "an unknown kind": ("manifest", broken(MANIFEST, kind=99)),
    "short digest": ("manifest", broken(MANIFEST, digest=b"d" * 31)),
    "negative size": ("manifest", broken(MANIFEST, size=-1)),
    "size beyond the bound": ("manifest", broken(MANIFEST, size=FILE_BYTES_MAX + 1)),
    "long name": ("manifest", broken(MANIFEST, name="n" * (FILE_NAME_BYTES_MAX + 1))),
    "name of two lines": ("manifest", broken(MANIFEST, name="a\nb")),
    "name that turns around": ("manifest", broken(MANIFEST, name="gpj\u202eexe.")),
    "name with a folder": ("manifest", broken(MANIFEST, name="../x")),
    "name with a folder of Windows": ("manifest", broken(MANIFEST, name="a\\b")),
    "name of a folder": ("manifest", broken(MANIFEST, name="..")),
    "short digest of a part": ("part", broken(PART, digest=b"")),
    "negative index": ("part", broken(PART, index=-1)),
    "index beyond the last": ("part", broken(PART, index=FILE_PARTS_MAX)),
    "too much data": ("part", broken(PART, data=bytes(FILE_PART_BYTES + 1))),
}


@pytest.mark.parametrize("what", BROKEN)
def test_each_rule_of_the_schema(what: str) -> None:
    name, data = BROKEN[what]
    with pytest.raises(PeerError):
        READERS[name][0](data)


@pytest.mark.parametrize("name", READERS)
@given(data=st.data())
def test_changed_bytes_are_refused_or_canonical(name: str, data: st.DataObject) -> None:
    read, body = READERS[name]
    raw = bytearray(encode(body))
    at = data.draw(st.integers(0, len(raw)))
    raw[at : at + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=4))
    try:
        changed = read(bytes(raw))
    except PeerError:
        return
    assert encode(changed) == bytes(raw)


def test_a_full_part_fills_the_largest_bundle() -> None:
    body = encode(PartBody(KEY, FILE_PARTS_MAX - 1, bytes(FILE_PART_BYTES)))
    some = epoch(4)
    made = some.text(body=body, kind=Kind.PART)
    sealed = some.seal(made, bundle_class=BundleClass.FILE)
    assert len(sealed.data) == BUNDLE_BYTES_MAX == step_for(len(made.to_short()))


@given(st.integers(0, FILE_BYTES_MAX))
def test_parts_of(size: int) -> None:
    count = parts_of(size)
    assert count * FILE_PART_BYTES >= size
    assert count == 1 or (count - 1) * FILE_PART_BYTES < size
    assert count <= FILE_PARTS_MAX
