"""Key packages: what lets others add a client while it is away (RFC 9420, 10)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from chasqui.mls import ed25519, labels, limits
from chasqui.mls.checks import Check
from chasqui.mls.codec import Reader, decode_all, u16, vl
from chasqui.mls.credential import Credential
from chasqui.mls.errors import PeerError, StateError, UsageError
from chasqui.mls.extensions import (
    DEFAULT_EXTENSIONS,
    GREASE,
    VERSION_MLS10,
    Capabilities,
    Extension,
    ExtensionType,
    encode_extensions,
    find_extension,
    own_capabilities,
    read_extensions,
)
from chasqui.mls.leaf import LeafNode, LeafTemplate, Lifetime, read_leaf, sign_leaf
from chasqui.mls.secret import Secret
from chasqui.mls.suite import CipherSuite, Crypto, Entropy, crypto_of, fresh, own_crypto


@dataclass(frozen=True)
class KeyPackage:
    """A decoded key package; `verify` says whether it may be trusted. `raw` is its encoding."""

    raw: bytes
    body: bytes
    version: int
    suite_number: int
    init_key: bytes
    leaf: LeafNode
    extensions: tuple[Extension, ...]
    signature: bytes

    @property
    def suite(self) -> CipherSuite:
        """The cipher suite. Raises PeerError when it is not one of ours."""
        return CipherSuite(crypto_of(self.suite_number).suite)

    @property
    def signature_key(self) -> bytes:
        """The client's Ed25519 public key, 32 bytes."""
        return self.leaf.signature_key

    @property
    def identity(self) -> bytes:
        """The identity of a basic credential, empty for X.509."""
        return self.leaf.credential.identity

    @property
    def last_resort(self) -> bool:
        """Whether its maker marked it for repeated use (draft-ietf-mls-extensions)."""
        return find_extension(self.extensions, ExtensionType.LAST_RESORT_KEY_PACKAGE) is not None

    @cached_property
    def ref(self) -> bytes:
        """KeyPackageRef (RFC 5.2), 32 bytes."""
        return crypto_of(self.suite_number).ref_hash(labels.REF_KEY_PACKAGE, self.raw)

    def verify(self, crypto: Crypto, now: int | None = None) -> None:
        """Everything of RFC 10.1 and 7.3 that needs no group. Raises PeerError.

        `now` in unix seconds checks the lifetime; None leaves it to whoever issues the invitation.
        """
        self.check_contents(crypto, now)
        if not crypto.verify_with_label(self.leaf.signature_key, labels.SIGN_KEY_PACKAGE, self.body, self.signature):
            raise PeerError(Check.KEY_PACKAGE_SIGNATURE)
        self.leaf.check_signature(crypto, b"", 0)

    def check_contents(self, crypto: Crypto, now: int | None) -> None:
        """`verify` but for the two signatures. Raises PeerError."""
        if self.suite_number != crypto.suite:
            raise PeerError(Check.KEY_PACKAGE_SUITE)
        leaf = self.leaf
        if leaf.lifetime is None:  # only leaves of key packages have one
            raise PeerError(Check.LEAF_SOURCE, "key package")
        crypto.kem.check_public(self.init_key)
        if self.init_key == leaf.encryption_key:
            raise PeerError(Check.KEY_PACKAGE_INIT_KEY)
        leaf.check_alone(crypto)
        for extension in self.extensions:
            if not leaf.capabilities.supports_extension(extension.type):
                raise PeerError(Check.KEY_PACKAGE_EXTENSION, f"type {extension.type}")
        if now is not None:
            leaf.lifetime.check(now)


def read_key_package_form(reader: Reader) -> KeyPackage:
    """KeyPackage. Form only, nothing is verified. Raises PeerError."""
    start = reader.pos
    version = reader.u16()
    if version != VERSION_MLS10:
        raise PeerError(Check.UNKNOWN_VERSION, "key package")
    suite = reader.u16()
    init_key = reader.vl()
    leaf = read_leaf(reader)
    extensions = read_extensions(reader)
    end_of_body = reader.pos
    signature = reader.vl()
    data = reader.data
    return KeyPackage(
        data[start : reader.pos], data[start:end_of_body], version, suite, init_key, leaf, extensions, signature
    )


def read_key_package(data: bytes, now: int | None = None) -> KeyPackage:
    """A verified key package from a KeyPackage structure (not wrapped in an MLSMessage).

    `now` (unix seconds) checks the lifetime; None skips that. Raises PeerError.
    """
    if len(data) > limits.MESSAGE_BYTES_MAX:
        raise PeerError(Check.TOO_LARGE, "key package")
    key_package = decode_all(data, read_key_package_form)
    key_package.verify(crypto_of(key_package.suite_number), now)
    return key_package


@dataclass(frozen=True, slots=True, repr=False)
class KeyPackageKeys:
    """A key package and the private keys that belong to it: everything its maker keeps until it is used.

    `init_private` dies when the welcome is read, `leaf_private` when the leaf is replaced.
    """

    key_package: bytes
    init_private: Secret
    leaf_private: Secret
    signature_private: Secret

    def to_bytes(self) -> bytes:
        """A canonical saved form. It holds the private keys in the clear."""
        return _KEYS_MAGIC + b"".join(
            vl(part)
            for part in (
                self.key_package,
                self.init_private.reveal(),
                self.leaf_private.reveal(),
                self.signature_private.reveal(),
            )
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> KeyPackageKeys:
        """Raises StateError when `data` was not made by `to_bytes` or is damaged.

        Both signatures of the key package are verified, which stands in for a checksum.
        """
        if data[: len(_KEYS_MAGIC)] != _KEYS_MAGIC:
            raise StateError("not saved key package keys of this version")
        try:
            reader = Reader(data, len(_KEYS_MAGIC))
            keys = cls(reader.vl(), Secret(reader.vl()), Secret(reader.vl()), Secret(reader.vl()))
            reader.finish()
            key_package = decode_all(keys.key_package, read_key_package_form)
            crypto = crypto_of(key_package.suite_number)
            check_keys(crypto, key_package, keys)
            key_package.verify(crypto)
        except (PeerError, UsageError) as error:
            raise StateError("damaged key package keys") from error
        if keys.to_bytes() != data:
            raise StateError("the saved key package keys are not canonical")
        return keys

    def __repr__(self) -> str:
        return "KeyPackageKeys()"


_KEYS_MAGIC = b"mlsK\x01"


def open_keys(keys: KeyPackageKeys) -> tuple[Crypto, KeyPackage]:
    """The algorithms and the form of a key package of ours. Raises UsageError when it is damaged or not ours."""
    try:
        key_package = decode_all(keys.key_package, read_key_package_form)
        crypto = own_crypto(key_package.suite_number)
    except PeerError as error:
        raise UsageError("damaged key package keys") from error
    check_keys(crypto, key_package, keys)
    return crypto, key_package


def check_keys(crypto: Crypto, key_package: KeyPackage, keys: KeyPackageKeys) -> None:
    """Raises UsageError unless the private keys belong to the key package."""
    lengths = (len(keys.init_private), len(keys.leaf_private), len(keys.signature_private))
    if lengths != (crypto.kem.private_bytes, crypto.kem.private_bytes, ed25519.SEED_BYTES):
        raise UsageError("private keys of the wrong length")
    if (
        crypto.kem.public_key(keys.init_private.reveal()) != key_package.init_key
        or crypto.kem.public_key(keys.leaf_private.reveal()) != key_package.leaf.encryption_key
        or ed25519.public_key(keys.signature_private.reveal()) != key_package.leaf.signature_key
    ):
        raise UsageError("the private keys do not belong to the key package")


def make_key_package(
    suite: int,
    identity: bytes,
    entropy: Entropy,
    now: int,
    lifetime_s: int,
    *,
    signature_private: bytes | None = None,
    last_resort: bool = False,
    credential: Credential | None = None,
    capabilities: Capabilities | None = None,
    leaf_extensions: Sequence[Extension] = (),
    extensions: Sequence[Extension] = (),
    grease: bool = False,
) -> KeyPackageKeys:
    """A fresh key package, valid from `now` for `lifetime_s` seconds.

    `identity` becomes a basic credential unless `credential` is given. `signature_private` is a 32-byte Ed25519
    seed; without it a fresh one is drawn. `grease` adds values that peers must ignore (RFC 13.5); it costs about
    20 bytes of every leaf. Raises UsageError for whatever peers would refuse.
    """
    crypto = own_crypto(suite)
    if not 0 < lifetime_s <= limits.LIFETIME_MAX_S - limits.CLOCK_SKEW_S:
        raise UsageError("lifetime_s is not within what peers accept")
    seed = fresh(entropy, ed25519.SEED_BYTES) if signature_private is None else signature_private
    if len(seed) != ed25519.SEED_BYTES:
        raise UsageError("signature_private is a seed of 32 bytes")
    signature_key = ed25519.public_key(seed)
    init_private, init_key = crypto.kem.derive_key_pair(fresh(entropy, 32))
    leaf_private, leaf_key = crypto.kem.derive_key_pair(fresh(entropy, 32))
    package_extensions = list(extensions)
    listed = {extension.type for extension in (*leaf_extensions, *extensions)}
    if last_resort:
        package_extensions.append(Extension(ExtensionType.LAST_RESORT_KEY_PACKAGE, b""))
        listed.add(int(ExtensionType.LAST_RESORT_KEY_PACKAGE))
    noise = fresh(entropy, 1)[0] % 15 if grease else None
    if capabilities is None:
        capabilities = own_capabilities(sorted(listed - DEFAULT_EXTENSIONS), grease=noise)
    ignored = next((number for number in capabilities.extensions if grease and number in GREASE), None)
    if ignored is not None:
        package_extensions.append(Extension(ignored, fresh(entropy, 4)))
    template = LeafTemplate(credential or Credential.basic(identity), capabilities, tuple(leaf_extensions))
    lifetime = Lifetime(now, now + lifetime_s)
    leaf = sign_leaf(crypto, template, leaf_key, seed, signature_key, lifetime=lifetime)
    body = b"".join(
        (
            u16(VERSION_MLS10),
            u16(crypto.suite),
            vl(init_key),
            leaf.raw,
            encode_extensions(package_extensions),
        )
    )
    raw = body + vl(crypto.sign_with_label(seed, labels.SIGN_KEY_PACKAGE, body, signature_key))
    if len(raw) > limits.MESSAGE_BYTES_MAX:
        raise UsageError("the key package is larger than peers accept", Check.TOO_LARGE)
    try:
        decode_all(raw, read_key_package_form).check_contents(crypto, now)
    except PeerError as error:
        raise UsageError(f"no peer would accept this key package: {error}", error.check) from error
    return KeyPackageKeys(raw, Secret(init_private), Secret(leaf_private), Secret(seed))
