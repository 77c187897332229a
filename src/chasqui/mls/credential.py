"""Credentials (RFC 9420, 5.3): basic identities, and X.509 chains as opaque bytes.

Whether a credential is acceptable is the application's decision (the Authentication Service of RFC 9750).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from chasqui.mls import limits
from chasqui.mls.checks import Check
from chasqui.mls.codec import Reader, u16, vl, vl_join
from chasqui.mls.errors import PeerError


class CredentialType(IntEnum):
    """Credential types whose form is known (RFC 17.5)."""

    BASIC = 1
    X509 = 2


@dataclass(frozen=True, slots=True)
class Credential:
    """A basic identity, or certificates (the leaf certificate first) that this package does not interpret."""

    type: int
    identity: bytes = b""
    certificates: tuple[bytes, ...] = ()

    @staticmethod
    def basic(identity: bytes) -> Credential:
        return Credential(CredentialType.BASIC, identity)

    @staticmethod
    def x509(certificates: tuple[bytes, ...]) -> Credential:
        return Credential(CredentialType.X509, b"", certificates)

    def may_succeed(self, old: Credential) -> bool:
        """Whether a member who showed `old` may go on with this. Only the application can tell for certificates."""
        return self == old or CredentialType.X509 in (self.type, old.type)

    def encode(self) -> bytes:
        if self.type == CredentialType.BASIC:
            return u16(self.type) + vl(self.identity)
        return u16(self.type) + vl_join(vl(certificate) for certificate in self.certificates)

    @staticmethod
    def read(reader: Reader) -> Credential:
        """Raises PeerError, for unknown types too: their end cannot be found."""
        kind = reader.u16()
        if kind == CredentialType.BASIC:
            return Credential(kind, reader.vl_max(limits.CREDENTIAL_BYTES_MAX))
        if kind == CredentialType.X509:
            start = reader.pos
            chain = reader.many(Reader.vl, limits.CERTIFICATES_MAX)
            if reader.pos - start > limits.CREDENTIAL_BYTES_MAX:
                raise PeerError(Check.TOO_LARGE, "certificates")
            return Credential(kind, b"", chain)
        raise PeerError(Check.UNKNOWN_CREDENTIAL, f"type {kind}")
