"""Welcome, GroupSecrets and GroupInfo as they travel (RFC 9420, 12.4.3)."""

from __future__ import annotations

from dataclasses import dataclass

from chasqui.mls import labels, limits
from chasqui.mls.checks import Check
from chasqui.mls.codec import Reader, optional, u16, u32, vl, vl_join
from chasqui.mls.errors import PeerError
from chasqui.mls.extensions import Extension, encode_extensions, find_extension, read_extensions
from chasqui.mls.key_schedule import GroupContext, read_group_context
from chasqui.mls.psk import PreSharedKeyId, read_psk_id
from chasqui.mls.secret import Secret
from chasqui.mls.suite import Crypto
from chasqui.mls.update_path import HpkeCiphertext, read_ciphertext


@dataclass(frozen=True, slots=True)
class GroupInfo:
    """What a newcomer is told of the group, signed by a member. `body` is the signed part."""

    body: bytes
    context: GroupContext
    extensions: tuple[Extension, ...]
    confirmation_tag: bytes
    signer: int
    signature: bytes

    def encode(self) -> bytes:
        return self.body + vl(self.signature)

    def extension(self, wanted: int) -> bytes | None:
        """The data of a GroupInfo extension (not of the group context's)."""
        return find_extension(self.extensions, wanted)

    def check_signature(self, crypto: Crypto, signature_key: bytes) -> None:
        """Raises PeerError unless signed with that key."""
        if not crypto.verify_with_label(signature_key, labels.SIGN_GROUP_INFO, self.body, self.signature):
            raise PeerError(Check.GROUP_INFO_SIGNATURE)


def read_group_info(reader: Reader) -> GroupInfo:
    """GroupInfo. Form only. Raises PeerError."""
    start = reader.pos
    context = read_group_context(reader)
    extensions = read_extensions(reader)
    confirmation_tag = reader.vl()
    signer = reader.u32()
    body = reader.data[start : reader.pos]
    return GroupInfo(body, context, extensions, confirmation_tag, signer, reader.vl())


def sign_group_info(
    crypto: Crypto,
    context: GroupContext,
    extensions: tuple[Extension, ...],
    confirmation_tag: bytes,
    signer: int,
    signature_seed: bytes,
    signature_key: bytes,
) -> GroupInfo:
    """A signed GroupInfo."""
    body = context.encode() + encode_extensions(extensions) + vl(confirmation_tag) + u32(signer)
    signature = crypto.sign_with_label(signature_seed, labels.SIGN_GROUP_INFO, body, signature_key)
    return GroupInfo(body, context, extensions, confirmation_tag, signer, signature)


@dataclass(frozen=True, slots=True, repr=False)
class GroupSecrets:
    """What only the newcomer may read."""

    joiner: Secret
    path_secret: Secret | None
    psks: tuple[PreSharedKeyId, ...]

    def encode(self) -> bytes:
        path = None if self.path_secret is None else vl(self.path_secret.reveal())
        return vl(self.joiner.reveal()) + optional(path) + vl_join(psk.encode() for psk in self.psks)


def read_group_secrets(reader: Reader) -> GroupSecrets:
    """GroupSecrets. Raises PeerError."""
    joiner = Secret(reader.vl())
    path_secret = Secret(reader.vl()) if reader.present() else None
    return GroupSecrets(joiner, path_secret, reader.many(read_psk_id, limits.PSKS_MAX))


@dataclass(frozen=True, slots=True)
class EncryptedGroupSecrets:
    """GroupSecrets for the holder of one key package."""

    new_member: bytes
    secrets: HpkeCiphertext

    def encode(self) -> bytes:
        return vl(self.new_member) + self.secrets.encode()


def _read_encrypted(reader: Reader) -> EncryptedGroupSecrets:
    return EncryptedGroupSecrets(reader.vl(), read_ciphertext(reader))


@dataclass(frozen=True, slots=True)
class Welcome:
    """Welcome: secrets per newcomer, and the GroupInfo encrypted once for all."""

    suite: int
    secrets: tuple[EncryptedGroupSecrets, ...]
    encrypted_group_info: bytes

    def encode(self) -> bytes:
        listed = vl_join(secret.encode() for secret in self.secrets)
        return u16(self.suite) + listed + vl(self.encrypted_group_info)

    def find(self, ref: bytes) -> EncryptedGroupSecrets:
        """The entry for a KeyPackageRef. Raises PeerError when there is none."""
        for entry in self.secrets:
            if entry.new_member == ref:
                return entry
        raise PeerError(Check.WELCOME_NOT_FOR_US)


def read_welcome(reader: Reader) -> Welcome:
    """Welcome. Form only. Raises PeerError."""
    return Welcome(reader.u16(), reader.many(_read_encrypted, limits.LEAVES_MAX), reader.vl())


def welcome_key_nonce(crypto: Crypto, welcome_secret: bytes) -> tuple[bytes, bytes]:
    """Key and nonce of the encrypted GroupInfo."""
    return (
        crypto.expand_with_label(welcome_secret, labels.KEY, b"", crypto.nk),
        crypto.expand_with_label(welcome_secret, labels.NONCE, b"", crypto.nn),
    )
