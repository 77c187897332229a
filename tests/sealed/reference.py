"""Sealing once more, from `docs/spec/sealing.md` and the RFCs alone, slow and plain: what the vectors were made with.

Nothing of `chasqui` is imported here. AES-SIV is written out from RFC 5297; Ed25519 is OpenSSL's, where chasqui
uses libsodium's.
"""

from __future__ import annotations

import hashlib
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.cmac import CMAC
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

STEPS = (128, 160, 207, 240, 320, 480, 640, 800, 978, 1280, 1600, 1920, 2560, 3200, 3840, 5120, 6400, 7680, 10240)


def b2b(data: bytes, key: bytes, person: bytes, size: int = 32) -> bytes:
    return hashlib.blake2b(data, key=key, person=person, digest_size=size).digest()


def cmac(key: bytes, data: bytes) -> bytes:
    mac = CMAC(algorithms.AES(key))
    mac.update(data)
    return mac.finalize()


def doubled(block: bytes) -> bytes:
    number = int.from_bytes(block, "big") << 1
    return ((number ^ 0x87 if number >> 128 else number) & (1 << 128) - 1).to_bytes(16, "big")


def xor(a: bytes, b: bytes) -> bytes:
    return bytes(x ^ y for x, y in zip(a, b, strict=True))


def aes_siv(key: bytes, associated: list[bytes], plaintext: bytes) -> bytes:
    """RFC 5297 2.4 and 2.6, for plaintexts of 16 bytes and more."""
    mac_key, ctr_key = key[: len(key) // 2], key[len(key) // 2 :]
    d = cmac(mac_key, bytes(16))
    for data in associated:
        d = xor(doubled(d), cmac(mac_key, data))
    v = cmac(mac_key, plaintext[:-16] + xor(plaintext[-16:], d))
    q = bytearray(v)
    q[8] &= 0x7F
    q[12] &= 0x7F
    encryptor = Cipher(algorithms.AES(ctr_key), modes.CTR(bytes(q))).encryptor()
    return v + encryptor.update(plaintext) + encryptor.finalize()


def length(n: int) -> bytes:
    return bytes((n,)) if n < 128 else (n | 0x8000).to_bytes(2, "big")


def seal(case: dict[str, Any]) -> dict[str, str]:
    """All that the inputs of a vector lead to, as hex."""
    exporter, r, group, epoch, seed = (bytes.fromhex(case[k]) for k in ("exporter", "r", "group", "epoch", "seed"))
    body, receipts = bytes.fromhex(case["body"]), bytes.fromhex(case["receipts"])
    first_day, day, minute, leaf, counter = (case[k] for k in ("first_day", "day", "minute", "leaf", "counter"))
    root = b2b(r, exporter, b"chq1 root")
    mark = b2b(first_day.to_bytes(4, "big"), root, b"chq1 mark")
    head = b2b(first_day.to_bytes(4, "big"), root, b"chq1 head")
    for _ in range(first_day, day):
        mark, head = b2b(b"", mark, b"chq1 mark next"), b2b(b"", head, b"chq1 head next")
    chain = b2b(leaf.to_bytes(2, "big"), root, b"chq1 chain")
    for _ in range(counter):
        chain = b2b(b"", chain, b"chq1 chain next")
    message_key = b2b(counter.to_bytes(2, "big"), chain, b"chq1 message", 64)

    kind_byte = bytes((case["kind"] | (0x20 if receipts else 0),))
    content = length(len(body)) + body + (length(len(receipts)) + receipts if receipts else b"")
    place = epoch + leaf.to_bytes(2, "big") + counter.to_bytes(2, "big")
    seq = case["seq"].to_bytes(3, "big")
    stamp = (day * 1440 + minute).to_bytes(4, "big")
    signed = b"chasqui object 1\0" + group + place + kind_byte + seq + stamp + content
    private = Ed25519PrivateKey.from_private_bytes(seed)
    author = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    signature = private.sign(signed)
    short = kind_byte + seq + minute.to_bytes(2, "big") + content + signature
    whole = bytes((kind_byte[0] | 0x40,)) + author + place + seq + stamp + content + signature

    size = next(step for step in STEPS if step >= len(short) + 30)
    first = bytes((1 << 6 | case["class"] << 4 | (10 if case["class"] == 3 else 12), day % 256))
    clear = leaf.to_bytes(2, "big") + counter.to_bytes(2, "big")
    sealed = aes_siv(message_key, [first, clear], short + bytes(size - 30 - len(short)))
    masked = xor(clear, b2b(sealed[:16], head, b"chq1 head mask", 4))
    unmarked = hashlib.blake2s(first + masked + sealed, person=b"chq1 mrk").digest()
    bundle = first + hashlib.blake2s(unmarked, key=mark, digest_size=8).digest() + masked + sealed
    results = {
        "author": author,
        "mark_key": mark,
        "head_key": head,
        "message_key": message_key,
        "signed": signed,
        "signature": signature,
        "object_id": hashlib.blake2b(author + signed, person=b"chq1 object id", digest_size=16).digest(),
        "short": short,
        "whole": whole,
        "bundle": bundle,
        "bundle_id": hashlib.blake2b(bundle, person=b"chq1 bundle id", digest_size=16).digest(),
    }
    return {key: value.hex() for key, value in results.items()}
