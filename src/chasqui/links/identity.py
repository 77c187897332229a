"""Who a daemon is on the LAN until it ends: a fresh key, a certificate that says nothing, and its hash.

The certificate binds the run id: whoever dials a run id checks that he got it. It proves no more than that the
answering daemon is the one that announced; neighbours are carriers, bundles are sealed.
"""

from __future__ import annotations

import os
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from chasqui.base.hashing import labelled_hash
from chasqui.base.labels import LAN_RUN_ID
from chasqui.base.ports import Entropy
from chasqui.links.announcement import RUN_ID_BYTES, RunId

_SERIAL_BYTES: Final = 19  # below the 20 that RFC 5280 allows
_FROM: Final = datetime(2000, 1, 1, tzinfo=UTC)  # the same for all: our clock stays out of it
_UNTIL: Final = datetime(2099, 12, 31, tzinfo=UTC)


@dataclass(frozen=True)
class LanIdentity:
    """One start of one daemon."""

    run_id: RunId
    accepting: ssl.SSLContext = field(repr=False)
    dialling: ssl.SSLContext = field(repr=False)


def run_id_of(certificate_der: bytes) -> RunId:
    """The run id that a certificate stands for."""
    return RunId(labelled_hash(LAN_RUN_ID, certificate_der, size=RUN_ID_BYTES))


def make_identity(entropy: Entropy) -> LanIdentity:
    """A fresh identity. The key and the serial come from `entropy`; TLS draws its own from OpenSSL."""
    key = Ed25519PrivateKey.from_private_bytes(entropy(32))
    nobody = x509.Name([])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(nobody)
        .issuer_name(nobody)
        .public_key(key.public_key())
        .serial_number(int.from_bytes(entropy(_SERIAL_BYTES), "big") + 1)
        .not_valid_before(_FROM)
        .not_valid_after(_UNTIL)
        .sign(key, None)
    )
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    accepting = _context(ssl.PROTOCOL_TLS_SERVER)
    accepting.num_tickets = 0  # a ticket would let two sessions be linked
    with _short_lived(pem + certificate.public_bytes(Encoding.PEM)) as path:
        accepting.load_cert_chain(path)
    return LanIdentity(run_id_of(certificate.public_bytes(Encoding.DER)), accepting, _context(ssl.PROTOCOL_TLS_CLIENT))


def _context(role: int) -> ssl.SSLContext:
    context = ssl.SSLContext(role)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # the dialler compares the run id; nobody is authenticated on purpose
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_COMPRESSION
    return context


@contextmanager
def _short_lived(data: bytes) -> Iterator[str]:
    """A path from which OpenSSL reads `data`: memory that has no name, or where there is none a file of this
    user that is overwritten and removed at once."""
    if hasattr(os, "memfd_create"):
        file = os.memfd_create("", os.MFD_CLOEXEC)
        try:
            os.write(file, data)
            yield f"/proc/self/fd/{file}"
        finally:
            os.close(file)
        return
    file, path = tempfile.mkstemp()
    try:
        os.write(file, data)
        yield path
    finally:
        os.pwrite(file, bytes(len(data)), 0)
        os.fsync(file)
        os.close(file)
        os.unlink(path)
