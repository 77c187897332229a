"""HPKE and X-Wing against the vectors of their specifications, and keys that must be refused."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from chasqui.mls import Check, PeerError, ed25519, x25519
from chasqui.mls.hpke import AES_128_GCM, CHACHA20_POLY1305, Hpke, hkdf_expand
from chasqui.mls.x25519 import DhkemX25519
from chasqui.mls.xwing import XWing, _combine, _expand
from tests.mls.support import Rng, h

# RFC 9180, A.1.1: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-128-GCM, base mode.
INFO = h("4f6465206f6e2061204772656369616e2055726e")
IKM_E = h("7268600d403fce431561aef583ee1613527cff655c1343f29812e66706df3234")
ENC = h("37fda3567bdbd628e88668c3c8d7e97d1d1253b6d4ea6d44c150f741f1bf4431")
IKM_R = h("6db9df30aa07dd42ee5e8181afdb977e538f5e1fec8a06223f33f7013e525037")
SK_R = h("4612c550263fc8ad58375df3f557aac531d26850903e55a9f23f21d8534e8ac8")
PK_R = h("3948cfe0ad1ddb695d780e59077195da6c56506b027329794ab02bca80815c4d")
SHARED = h("fe0e18c9f024ce43799ae393c7e8fe8fce9d218875e8227b0187c04e7d2ea1fc")
EXPORTER = h("45ff1c2e220db587171952c0592d5f5ebe103f1561a2614e38f2ffd47e99e3f8")
CIPHERTEXT = h(
    "f938558b5d72f1a23810b4be2ab4f84331acc02fc97babc53a52ae8218a355a96d8770ac83d07bea87e13c512a"
)


def test_rfc_9180_a_1_1() -> None:
    kem = DhkemX25519()
    hpke = Hpke(kem, AES_128_GCM)
    assert kem.derive_key_pair(IKM_R) == (SK_R, PK_R)
    assert kem.encapsulate(PK_R, IKM_E) == (SHARED, ENC)
    assert kem.decapsulate(ENC, SK_R) == SHARED
    plaintext, aad = b"Beauty is truth, truth beauty", b"Count-0"
    assert hpke.seal(PK_R, INFO, aad, plaintext, IKM_E) == (ENC, CIPHERTEXT)
    assert hpke.open(ENC, SK_R, INFO, aad, CIPHERTEXT) == plaintext
    enc, sender = hpke.setup_sender(PK_R, INFO, IKM_E)
    receiver = hpke.setup_receiver(enc, SK_R, INFO, PK_R)
    assert sender.exporter_secret == EXPORTER
    assert sender.export(b"TestContext", 32) == receiver.export(b"TestContext", 32)
    assert receiver.open(aad, sender.seal(aad, plaintext)) == plaintext


def test_hkdf_is_that_of_rfc_5869() -> None:
    prk = h("077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5")
    okm = h("3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865")
    assert hkdf_expand(prk, h("f0f1f2f3f4f5f6f7f8f9"), 42) == okm


def test_a_ciphertext_opens_for_its_key_its_info_and_its_data_only() -> None:
    for kem in (DhkemX25519(), XWing()):
        hpke = Hpke(kem, CHACHA20_POLY1305)
        private, public = kem.derive_key_pair(bytes(32))
        other, _ = kem.derive_key_pair(bytes(31) + b"\1")
        enc, sealed = hpke.seal(public, b"info", b"aad", b"text", Rng(1)(32))
        assert hpke.open(enc, private, b"info", b"aad", sealed, public) == b"text"
        empty = hpke.seal(public, b"info", b"aad", b"", Rng(1)(32))
        assert hpke.open(empty[0], private, b"info", b"aad", empty[1], public) == b""
        for bad in (
            (enc, other, b"info", b"aad", sealed),
            (enc, private, b"inf", b"aad", sealed),
            (enc, private, b"info", b"aa", sealed),
            (enc, private, b"info", b"aad", sealed[:-1]),
            (enc, private, b"info", b"aad", b""),
            (enc[:-1] + bytes((enc[-1] ^ 1,)), private, b"info", b"aad", sealed),
        ):
            with pytest.raises(PeerError):
                hpke.open(*bad)


# The vectors of draft-connolly-cfrg-xwing-kem-10, appendix C (spec/test-vectors.json of its public repository).
XWING = json.loads((Path(__file__).parent / "xwing_vectors.json").read_text())
SEED = h(XWING[0]["seed"])


@pytest.mark.parametrize("case", XWING)
def test_x_wing_draft_10_appendix_c(case: dict[str, str]) -> None:
    kem = XWing()
    public = kem.public_key(h(case["sk"]))
    assert public == h(case["pk"])
    assert kem.decapsulate(h(case["ct"]), h(case["sk"])) == h(case["ss"])
    # The X25519 half of the output follows from the seed; that of ML-KEM is the operating system's.
    _, output = kem.encapsulate(public, h(case["eseed"])[32:])
    assert output[1088:] == h(case["ct"])[1088:]


def test_x_wing_keys_follow_from_the_seed() -> None:
    kem = XWing()
    public = kem.public_key(SEED)
    assert len(public) == kem.public_bytes == 1216
    private_m, private_x = _expand(SEED)
    assert private_m.public_key().public_bytes_raw() == public[:1184]
    assert x25519.public_key(private_x) == public[1184:]
    shared, output = kem.encapsulate(public, Rng(1)(32))
    assert kem.decapsulate(output, SEED) == kem.decapsulate(output, SEED, public) == shared
    assert len(output) == kem.output_bytes == 1120


def test_x_wing_takes_both_halves() -> None:
    secrets = [_combine(bytes((a,)) * 32, bytes((b,)) * 32, bytes(32), bytes(32)) for a in (0, 1) for b in (0, 1)]
    assert len(set(secrets)) == 4
    label = rb"\./" + rb"/^" + b"\\"
    assert _combine(b"", b"", b"", b"") == hashlib.sha3_256(label).digest()


@pytest.mark.parametrize(
    ("key", "check"),
    [
        (bytes(1215), Check.KEY_LENGTH),
        (b"\xff" * 1184 + b"\x09" + bytes(31), Check.KEY_NOT_CANONICAL),
        (bytes(1184) + bytes(32), Check.KEY_SMALL_ORDER),
    ],
)
def test_x_wing_refuses_bad_keys(key: bytes, check: Check) -> None:
    with pytest.raises(PeerError) as caught:
        XWing().check_public(key)
    assert caught.value.check is check
    with pytest.raises(PeerError):
        XWing().decapsulate(bytes(len(key) - 200), SEED)


def test_every_point_of_small_order_is_refused() -> None:
    for point in x25519._SMALL_ORDER:
        with pytest.raises(PeerError):
            x25519.check_public(point)
        with pytest.raises(PeerError):
            x25519.exchange(bytes(range(32)), point)
    for value in (2**255 - 19, 2**255 - 18, 2**255 - 1, 2**256 - 1, 2**255 + 9):
        with pytest.raises(PeerError):
            x25519.check_public(value.to_bytes(32, "little"))


def test_ed25519_refuses_what_is_not_canonical() -> None:
    seed = bytes(range(32))
    public = ed25519.public_key(seed)
    signature = ed25519.sign(seed, b"text", public)
    assert ed25519.verify(public, b"text", signature)
    order = 2**252 + 27742317777372353535851937790883648493
    scalar = int.from_bytes(signature[32:], "little") + order
    assert not ed25519.verify(public, b"text", signature[:32] + scalar.to_bytes(32, "little"))
    identity = b"\1" + bytes(31)
    for key in (identity, bytes(32), b"\xee" + b"\xff" * 30 + b"\x7f", public[:31]):
        assert not ed25519.verify(key, b"text", identity + bytes(32))
    # Lengths are checked before the bytes are joined: neither may borrow from its neighbour.
    assert not ed25519.verify(public, b"text", signature[:63])
    assert not ed25519.verify(public, signature[63:] + b"text", signature[:63])
    assert not ed25519.verify(public + b"\0", b"text", signature)
