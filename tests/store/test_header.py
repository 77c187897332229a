"""The header: torn, altered, hostile; four slots that look alike."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path

import pytest

from chasqui.base.errors import DamagedVaultError, PeerError, UsageError, VaultError, WrongPassphraseError
from chasqui.base.secret import Secret
from chasqui.store import KdfCost, change_passphrase, header, normalise
from chasqui.store import passphrase as phrase
from chasqui.store.header import Grant, decode_header, new_header
from chasqui.store.passphrase import COST_LEAST, COST_SMALL, COST_TINY, COST_USUAL, cost_for, stretch
from tests.store.homes import PASSPHRASE, new_home, snapshot, template, unlock


def reseal(data: bytes) -> bytes:
    """The header with a checksum that fits, as somebody who knows the format would write it."""
    return data[:496] + blake2b(data[:496], digest_size=16).digest()


@pytest.mark.must("M-VLT-1")
def test_the_layout_of_the_header() -> None:
    data = (template() / "vault").read_bytes()
    assert len(data) == 512
    assert data[:8] == bytes((1, 1, 0, 1, 0, 0, 0x20, 0))  # format 1, one lane, one pass, 8192 KiB
    assert reseal(data) == data
    parts = decode_header(data)
    assert parts.cost == COST_LEAST
    assert parts.salt == data[8:24]
    assert parts.key_slots == (data[24:142], data[142:260], data[260:378], data[378:496])
    assert parts.encode() == data


@pytest.mark.must("M-VLT-2")
def test_a_header_torn_at_any_length_is_damaged(tmp_path: Path) -> None:
    home = new_home(tmp_path)
    data = (home / "vault").read_bytes()
    for length in [*range(512), 513, 1024, 10**6]:
        (home / "vault").write_bytes((data + os.urandom(10**6))[:length])
        before = snapshot(home) if length % 100 == 0 else None
        with pytest.raises(DamagedVaultError) as caught:
            unlock(home)
        assert caught.value.what
        assert caught.value.safety
        assert caught.value.todo
        assert before is None or snapshot(home) == before
    (home / "vault").write_bytes(data)
    unlock(home).close()


@pytest.mark.must("M-VLT-2")
def test_every_byte_of_the_header_is_covered(tmp_path: Path) -> None:
    home = new_home(tmp_path)
    data = (home / "vault").read_bytes()
    for at in range(512):
        for flip in (1, 0x80):
            altered = data[:at] + bytes((data[at] ^ flip,)) + data[at + 1 :]
            with pytest.raises(DamagedVaultError):
                decode_header(altered)
        (home / "vault").write_bytes(altered)
        with pytest.raises(DamagedVaultError):
            unlock(home)


def test_a_forged_header_opens_nothing() -> None:
    data = (template() / "vault").read_bytes()
    outcomes = set()
    mine = decode_header(data).unlock(PASSPHRASE).key_slot
    for at in [*range(24), *range(24 + mine * 118, 24 + mine * 118 + 118, 7)]:
        forged = reseal(data[:at] + bytes((data[at] ^ 1,)) + data[at + 1 :])
        with pytest.raises(VaultError) as caught:
            decode_header(forged).unlock(PASSPHRASE)
        outcomes.add(type(caught.value))
    assert outcomes == {WrongPassphraseError, DamagedVaultError}


@pytest.mark.must("M-VLT-3")
@pytest.mark.parametrize(
    "cost",
    [
        KdfCost(2**32 - 1, 3, 4),
        KdfCost(100 * 2**20, 1, 1),
        KdfCost(2**20 + 1, 1, 1),
        KdfCost(2**20, 5, 4),
        KdfCost(65536, 65, 4),
        KdfCost(65536, 65535, 4),
        KdfCost(65536, 0, 4),
        KdfCost(65536, 3, 0),
        KdfCost(65536, 3, 17),
        KdfCost(0, 3, 1),
        KdfCost(8191, 3, 1),
    ],
)
def test_a_hostile_cost_is_refused_before_any_work(cost: KdfCost, monkeypatch: pytest.MonkeyPatch) -> None:
    data = decode_header((template() / "vault").read_bytes())._replace(cost=cost).encode()

    class Forbidden:
        def __init__(self, **_: object) -> None:
            raise AssertionError("memory was asked for")

    monkeypatch.setattr("cryptography.hazmat.primitives.kdf.argon2.Argon2id", Forbidden)
    with pytest.raises(DamagedVaultError):
        decode_header(data).unlock(PASSPHRASE)


@pytest.mark.must("M-VLT-4")
@pytest.mark.parametrize("slot", range(4))
def test_every_unlock_tries_all_four_slots_with_one_stretching(slot: int, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = new_header(COST_LEAST, os.urandom)
    grant = Grant(Secret(bytes(range(32))), 3)
    parts = parts.with_grant(slot, stretch(b"pass", parts.salt, COST_LEAST), grant, os.urandom)
    tried: list[bytes] = []
    stretched: list[bytes] = []
    real_open, real_stretch = header._open, stretch

    def watch_open(kek: Secret, sealed: bytes, prefix: bytes) -> Grant | None:
        tried.append(sealed)
        return real_open(kek, sealed, prefix)

    def watch_stretch(passphrase: bytes, salt: bytes, cost: KdfCost) -> Secret:
        stretched.append(salt)
        return real_stretch(passphrase, salt, cost)

    monkeypatch.setattr(header, "_open", watch_open)
    monkeypatch.setattr(header, "stretch", watch_stretch)
    assert parts.unlock(b"pass").grant == grant
    assert tried == list(parts.key_slots)
    assert len(stretched) == 1
    with pytest.raises(WrongPassphraseError):
        parts.unlock(b"other")
    assert len(tried) == 8


def test_two_profiles_share_one_salt_and_open_apart() -> None:
    parts = new_header(COST_LEAST, os.urandom)
    for slot, word in ((2, b"one"), (0, b"two")):
        kek = stretch(word, parts.salt, COST_LEAST)
        parts = parts.with_grant(slot, kek, Grant(Secret(word.ljust(32)), slot), os.urandom)
    assert parts.unlock(b"one").grant.file_index == 2
    assert parts.unlock(b"two").grant.file_index == 0


def test_a_key_slot_that_names_a_fifth_file_is_damaged() -> None:
    parts = new_header(COST_LEAST, os.urandom)
    kek = stretch(b"x", parts.salt, COST_LEAST)
    with pytest.raises(DamagedVaultError):
        parts.with_grant(0, kek, Grant(Secret(bytes(32)), 4), os.urandom).unlock(b"x")


@pytest.mark.must("M-VLT-5")
def test_a_new_passphrase_changes_one_slot_and_nothing_else(tmp_path: Path) -> None:
    home = new_home(tmp_path)
    old = decode_header((home / "vault").read_bytes())
    grant = old.unlock(PASSPHRASE)
    change_passphrase(home, PASSPHRASE, b"another", os.urandom)
    new = decode_header((home / "vault").read_bytes())
    assert new.unlock(b"another").grant == grant.grant
    assert (new.salt, new.cost) == (old.salt, old.cost)
    changed = [i for i in range(4) if new.key_slots[i] != old.key_slots[i]]
    assert changed == [grant.key_slot]
    a, b = old.key_slots[changed[0]], new.key_slots[changed[0]]
    assert sum(x == y for x, y in zip(a, b, strict=True)) < 10  # nonce, ciphertext and tag are all fresh


def test_the_bytes_of_used_and_unused_slots_look_alike() -> None:
    """No byte of a slot is fixed or leans, used or not: over 400 headers each value is about as frequent."""
    used, unused = [0] * 256, [0] * 256
    kek = Secret(os.urandom(32))
    for _ in range(400):
        parts = new_header(COST_LEAST, os.urandom)
        parts = parts.with_grant(1, kek, Grant(Secret(bytes(32)), 0), os.urandom)
        for counts, slot in ((used, 1), (unused, 2)):
            for byte in parts.key_slots[slot]:
                counts[byte] += 1
    for counts in (used, unused):
        mean = sum(counts) / 256
        assert 120 < sum((c - mean) ** 2 / mean for c in counts) < 420


def test_the_cost_follows_the_memory() -> None:
    assert cost_for(None) == cost_for(8 * 2**30) == COST_USUAL == KdfCost(65536, 3, 4)
    assert cost_for(512 * 2**20) == COST_SMALL
    assert cost_for(256 * 2**20) == COST_TINY
    for cost in (COST_USUAL, COST_SMALL, COST_TINY):
        assert cost.within_bounds()
        assert cost.memory_kib * cost.passes == COST_USUAL.memory_kib * COST_USUAL.passes


def test_argon2id_is_that_of_rfc_9106() -> None:
    """The reference implementation's own vector: argon2id v=19, 65536 KiB, 2 passes, 1 lane (`src/test.c`)."""
    want = "09316115d5cf24ed5a15a31a3ba326e5cf32edc24702987c02b6566f61913cf7"
    assert stretch(b"password", b"somesalt", KdfCost(65536, 2, 1)).hex() == want


def test_typed_passphrases_agree_between_keyboards() -> None:
    composed, decomposed = "contraseña é", unicodedata.normalize("NFD", "contraseña é")
    assert composed != decomposed
    assert normalise(composed) == normalise(decomposed) == composed.encode()


@pytest.mark.parametrize("check", [lambda: normalise(""), lambda: normalise("x" * 1025), lambda: normalise("\ud800")])
def test_unusable_passphrases_are_the_users_to_change(check: Callable[[], bytes]) -> None:
    with pytest.raises(UsageError) as caught:
        check()
    assert not isinstance(caught.value, PeerError)
    assert caught.value.exit_code == 2
    assert phrase.PASSPHRASE_BYTES_MAX == 1024
