"""Secrets, hashes, ids, labels and errors."""

from __future__ import annotations

import traceback
from hashlib import blake2b
from itertools import pairwise

import pytest

from chasqui.base import errors, labels, limits
from chasqui.base.errors import ChasquiError, PeerError
from chasqui.base.hashing import kdf, labelled_hash
from chasqui.base.ids import bundle_id
from chasqui.base.secret import Secret


def test_a_secret_shows_nothing() -> None:
    secret = Secret(b"hush hush hush!!")
    for shown in (
        repr(secret),
        str(secret),
        f"{secret}",
        f"{secret!r}",
        repr([secret]),
        repr({1: secret}),
    ):
        assert "hush" not in shown
        assert secret.hex() not in shown
    assert secret == b"hush hush hush!!"


def test_a_secret_does_not_show_in_a_traceback() -> None:
    def fail(key: Secret) -> None:
        raise ValueError(key)

    try:
        fail(Secret(b"hush hush"))
    except ValueError as error:
        lines = traceback.TracebackException.from_exception(error, capture_locals=True).format()
        assert "hush hush" not in "".join(line for line in lines if "fail(Secret" not in line)


def test_kdf_is_keyed_blake2b_with_the_label_as_person() -> None:
    expected = blake2b(b"context", key=b"k" * 32, person=labels.KDF_ROOT, digest_size=32).digest()
    assert kdf(b"k" * 32, labels.KDF_ROOT, b"context") == expected
    assert isinstance(kdf(b"k", labels.KDF_ROOT), Secret)
    assert kdf(b"k", labels.KDF_ROOT) != kdf(b"k", labels.KDF_CHAIN)
    assert kdf(b"k", labels.KDF_ROOT, size=64)[:32] != kdf(b"k", labels.KDF_ROOT)


def test_hashes_are_labelled() -> None:
    assert labelled_hash(labels.HASH_FILE, b"ab") == labelled_hash(labels.HASH_FILE, b"a", b"b")
    assert labelled_hash(labels.HASH_FILE, b"ab") != labelled_hash(labels.HASH_BUNDLE_ID, b"ab")
    assert bundle_id(b"ab") == labelled_hash(labels.HASH_BUNDLE_ID, b"ab", size=16)


def test_steps_of_bundles() -> None:
    steps = limits.BUNDLE_STEPS
    assert list(steps) == sorted(set(steps))
    assert {128, 207, 15360} <= set(steps)
    assert max(b / a for a, b in pairwise(steps)) < 1.51


def test_every_error_says_whose_fault_it_is() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, ChasquiError)]
    assert len({kind.code for kind in kinds}) == len(kinds)
    for kind in kinds:
        error = kind("What.", safety="Safe.", todo="Do.")
        assert str(error) == "What. Safe. Do."
        assert error.fault in errors.Fault
        assert error.exit_code in (1, 2, 3, 4)
    assert PeerError("What.").fault is errors.Fault.PEER
    with pytest.raises(ChasquiError):
        raise PeerError("What.")
