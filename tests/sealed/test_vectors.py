"""Bytes of sealed objects that do not change without a new version."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from nacl.bindings import crypto_sign_seed_keypair

from chasqui.base.ids import EpochId, GroupId, MemberKey, bundle_id
from chasqui.base.limits import MINUTES_PER_DAY
from chasqui.base.secret import Secret
from chasqui.sealed.bundle import parse_bundle, seal, unmask, unseal
from chasqui.sealed.chain import advance
from chasqui.sealed.epoch_keys import derive_epoch
from chasqui.sealed.kinds import BundleClass, Kind
from chasqui.sealed.object import Origin, make_object, read_short, read_whole
from tests.sealed import reference

CASES: list[dict[str, Any]] = json.loads((Path(__file__).parent / "vectors" / "sealing.json").read_text())["cases"]


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_the_vectors_are_what_the_spec_says(case: dict[str, Any]) -> None:
    assert reference.seal(case) == case["expected"]


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_chasqui_makes_and_reads_the_vectors(case: dict[str, Any]) -> None:
    expected = {key: bytes.fromhex(value) for key, value in case["expected"].items()}
    group, epoch = GroupId(bytes.fromhex(case["group"])), EpochId(bytes.fromhex(case["epoch"]))
    leaf, counter, day = case["leaf"], case["counter"], case["day"]
    secrets = derive_epoch(bytes.fromhex(case["exporter"]), bytes.fromhex(case["r"]), case["first_day"], (leaf,))
    keys = secrets.days.at(day).keys
    message_key = advance(secrets.chains[0], counter).message_key
    assert (keys.mark, keys.head) == (expected["mark_key"], expected["head_key"])
    assert message_key == expected["message_key"]

    public, private = crypto_sign_seed_keypair(bytes.fromhex(case["seed"]))
    author = MemberKey(public)
    assert author == expected["author"]
    origin = Origin(epoch, leaf, counter)
    made = make_object(
        group=group,
        author=author,
        key=Secret(private),
        seq=case["seq"],
        minute=day * MINUTES_PER_DAY + case["minute"],
        kind=Kind(case["kind"]),
        body=bytes.fromhex(case["body"]),
        receipts=bytes.fromhex(case["receipts"]),
        origin=origin,
    )
    assert made.signed_bytes() == expected["signed"]
    assert made.signature == expected["signature"]
    assert made.id == expected["object_id"]
    assert made.to_short() == expected["short"]
    assert made.to_whole() == expected["whole"]
    bundle = seal(
        made.to_short(),
        message_key=message_key,
        keys=keys,
        leaf=leaf,
        counter=counter,
        bundle_class=BundleClass(case["class"]),
        day=day,
    )
    assert bundle.data == expected["bundle"]
    assert bundle.id == bundle_id(bundle.data) == expected["bundle_id"]

    parsed = parse_bundle(expected["bundle"], day)
    assert (parsed.bundle_class, parsed.day) == (case["class"], day)
    assert unmask(parsed, keys) == (leaf, counter)
    plaintext = unseal(parsed, message_key, leaf, counter)
    assert read_short(plaintext, group=group, author=author, day=day, origin=origin) == made
    assert read_whole(expected["whole"], group) == made


def test_the_siv_of_the_reference_is_that_of_the_rfc() -> None:
    """RFC 5297 A.2 uses three strings; here the library that chasqui uses is compared with the written-out one."""
    key = bytes(range(64))
    for size in (16, 17, 31, 32, 177):
        plaintext = bytes(range(size))
        assert reference.aes_siv(key, [b"ab", b"cdef"], plaintext) == AESSIV(key).encrypt(plaintext, [b"ab", b"cdef"])


def test_the_siv_of_the_reference_gives_the_rfcs_own_vector() -> None:
    """RFC 5297 A.2, 'nonce-based authenticated encryption'."""
    key = bytes.fromhex("7f7e7d7c7b7a79787776757473727170404142434445464748494a4b4c4d4e4f")
    associated = [
        bytes.fromhex("00112233445566778899aabbccddeeffdeaddadadeaddadaffeeddccbbaa99887766554433221100"),
        bytes.fromhex("102030405060708090a0"),
        bytes.fromhex("09f911029d74e35bd84156c5635688c0"),
    ]
    plaintext = b"this is some plaintext to encrypt using SIV-AES"
    expected = (
        "7bdb6e3b432667eb06f4d14bff2fbd0fcb900f2fddbe404326601965c889bf17"
        "dba77ceb094fa663b7a3f748ba8af829ea64ad544a272e9c485b62a3fd5c0d"
    )
    assert reference.aes_siv(key, associated, plaintext).hex() == expected


def test_a_text_of_100_bytes_is_the_first_vector() -> None:
    assert len(CASES[0]["body"]) == 200
    assert len(bytes.fromhex(CASES[0]["expected"]["bundle"])) == 207
