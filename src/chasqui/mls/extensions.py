"""Extensions, capabilities and what a group may require of its members (RFC 9420, 7.2, 11.1, 13.4, 13.5)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache

from chasqui.mls import limits
from chasqui.mls.checks import Check
from chasqui.mls.codec import Reader, decode_all, u16, vl, vl_join
from chasqui.mls.credential import Credential, CredentialType
from chasqui.mls.errors import PeerError, UsageError
from chasqui.mls.suite import CipherSuite

VERSION_MLS10 = 1


class ExtensionType(IntEnum):
    """Registered extension types that this package understands (RFC 17.3)."""

    APPLICATION_ID = 1
    RATCHET_TREE = 2
    REQUIRED_CAPABILITIES = 3
    EXTERNAL_PUB = 4
    EXTERNAL_SENDERS = 5
    LAST_RESORT_KEY_PACKAGE = 10
    """From draft-ietf-mls-extensions; an empty marker in KeyPackage.extensions."""


DEFAULT_EXTENSIONS = frozenset(range(1, 6))
DEFAULT_PROPOSALS = frozenset(range(1, 8))


@dataclass(frozen=True, slots=True)
class Extension:
    """A type number and its opaque data."""

    type: int
    data: bytes

    def encode(self) -> bytes:
        return u16(self.type) + vl(self.data)


def read_extensions(reader: Reader) -> tuple[Extension, ...]:
    """Extension<V>, no type twice. Raises PeerError."""
    sub = reader.sub()
    if sub.pos == sub.end:
        return ()
    found: list[Extension] = []
    seen: set[int] = set()
    while sub.pos < sub.end:
        if len(found) >= limits.EXTENSIONS_MAX:
            raise PeerError(Check.TOO_MANY, "extensions")
        extension = Extension(sub.u16(), sub.vl())
        if extension.type in seen:
            raise PeerError(Check.DUPLICATE_EXTENSION, f"type {extension.type}")
        seen.add(extension.type)
        found.append(extension)
    return tuple(found)


def encode_extensions(extensions: Iterable[Extension]) -> bytes:
    """Extension<V>."""
    return vl_join(extension.encode() for extension in extensions)


def own_extensions(extensions: Iterable[Extension]) -> tuple[Extension, ...]:
    """A list of our own caller. Raises UsageError where peers could not read it: a type twice, or too many."""
    made = tuple(extensions)
    try:
        decode_all(encode_extensions(made), read_extensions)
    except PeerError as error:
        raise UsageError(f"these extensions are invalid: {error}", error.check) from error
    return made


def find_extension(extensions: Sequence[Extension], wanted: int) -> bytes | None:
    """The data of the extension of that type, if present."""
    for extension in extensions:
        if extension.type == wanted:
            return extension.data
    return None


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a client supports. Default proposals and extensions (RFC 7.2) are not listed."""

    versions: tuple[int, ...]
    cipher_suites: tuple[int, ...]
    extensions: tuple[int, ...]
    proposals: tuple[int, ...]
    credentials: tuple[int, ...]

    def encode(self) -> bytes:
        return b"".join(
            vl_join(map(u16, values))
            for values in (self.versions, self.cipher_suites, self.extensions, self.proposals, self.credentials)
        )

    def supports_extension(self, number: int) -> bool:
        return number in DEFAULT_EXTENSIONS or number in self.extensions

    def understands_extension(self, number: int) -> bool:
        """For our own capabilities: GREASE stands in the list for others to ignore, we support none of it."""
        return number not in GREASE and self.supports_extension(number)

    def supports_proposal(self, number: int) -> bool:
        return number in DEFAULT_PROPOSALS or number in self.proposals

    def meets(self, required: RequiredCapabilities) -> bool:
        """Whether everything required is there. Credentials have no defaults (RFC 11.1)."""
        return (
            all(map(self.supports_extension, required.extensions))
            and all(map(self.supports_proposal, required.proposals))
            and all(number in self.credentials for number in required.credentials)
        )


@lru_cache(maxsize=64)
def _capabilities(raw: bytes) -> Capabilities:
    reader = Reader(raw)
    most = limits.CAPABILITIES_MAX
    return Capabilities(
        reader.u16s(most), reader.u16s(most), reader.u16s(most), reader.u16s(most), reader.u16s(most)
    )


def read_capabilities(reader: Reader) -> Capabilities:
    """Capabilities. Members mostly have equal ones, so they are decoded once and shared."""
    start = reader.pos
    for _ in range(5):
        length = reader.length()
        reader.pos += length
    return _capabilities(reader.data[start : reader.pos])


@dataclass(frozen=True, slots=True)
class RequiredCapabilities:
    """The required_capabilities extension of a group (RFC 11.1)."""

    extensions: tuple[int, ...] = ()
    proposals: tuple[int, ...] = ()
    credentials: tuple[int, ...] = ()

    def encode(self) -> bytes:
        return b"".join(
            vl_join(map(u16, values)) for values in (self.extensions, self.proposals, self.credentials)
        )

    def extension(self) -> Extension:
        return Extension(ExtensionType.REQUIRED_CAPABILITIES, self.encode())


def _read_required(reader: Reader) -> RequiredCapabilities:
    most = limits.CAPABILITIES_MAX
    return RequiredCapabilities(reader.u16s(most), reader.u16s(most), reader.u16s(most))


@lru_cache(maxsize=16)
def _required(data: bytes) -> RequiredCapabilities:
    try:
        return decode_all(data, _read_required)
    except PeerError as error:
        raise PeerError(Check.EXTENSION_MALFORMED, "required_capabilities") from error


def required_capabilities(extensions: Sequence[Extension]) -> RequiredCapabilities | None:
    """The group's requirements, if it has any. Raises PeerError when they do not decode."""
    data = find_extension(extensions, ExtensionType.REQUIRED_CAPABILITIES)
    return None if data is None else _required(data)


@dataclass(frozen=True, slots=True)
class ExternalSender:
    """One who may propose from outside (RFC 12.1.8.1)."""

    signature_key: bytes
    credential: Credential

    def encode(self) -> bytes:
        return vl(self.signature_key) + self.credential.encode()


def external_senders_extension(senders: Sequence[ExternalSender]) -> Extension:
    """The group extension that admits these external senders. Raises UsageError where peers could not read it."""
    made = Extension(ExtensionType.EXTERNAL_SENDERS, vl_join(sender.encode() for sender in senders))
    try:
        external_senders((made,))
    except PeerError as error:
        raise UsageError("a credential of an unknown type, or too many senders", error.check) from error
    return made


def external_senders(extensions: Sequence[Extension]) -> tuple[ExternalSender, ...]:
    """The external senders of a group. Raises PeerError when the extension does not decode."""
    data = find_extension(extensions, ExtensionType.EXTERNAL_SENDERS)
    if data is None:
        return ()

    def read(reader: Reader) -> tuple[ExternalSender, ...]:
        return reader.many(lambda sub: ExternalSender(sub.vl(), Credential.read(sub)), limits.EXTENSIONS_MAX)

    try:
        return decode_all(data, read)
    except PeerError as error:
        raise PeerError(Check.EXTENSION_MALFORMED, "external_senders") from error


def check_group_extensions(extensions: Sequence[Extension]) -> None:
    """Decodes the extensions of a group context that we know. Raises PeerError."""
    required_capabilities(extensions)
    external_senders(extensions)


GREASE = tuple(0x0A0A + 0x1010 * i for i in range(15))
"""Values that every correct peer ignores (RFC 13.5)."""


def own_capabilities(
    extensions: Iterable[int] = (), proposals: Iterable[int] = (), grease: int | None = None
) -> Capabilities:
    """What this package supports; `grease` (0-14) adds that GREASE value where RFC 13.5 allows it.

    Raises UsageError for another `grease`.
    """
    if grease is not None and not 0 <= grease < len(GREASE):
        raise UsageError("grease is 0 to 14")
    extra = () if grease is None else (GREASE[grease],)
    return Capabilities(
        versions=(VERSION_MLS10,),
        cipher_suites=(*(int(suite) for suite in CipherSuite), *extra),
        extensions=(*extensions, *extra),
        proposals=(*proposals, *extra),
        credentials=(int(CredentialType.BASIC), int(CredentialType.X509), *extra),
    )
