"""From one epoch's secrets to the next's (RFC 9420, 8), and the transcript (8.2)."""

from __future__ import annotations

from dataclasses import dataclass, replace

from chasqui.mls import labels
from chasqui.mls.checks import Check
from chasqui.mls.codec import Reader, u16, u64, vl
from chasqui.mls.errors import PeerError, UsageError
from chasqui.mls.extensions import VERSION_MLS10, Extension, encode_extensions, read_extensions
from chasqui.mls.secret import Secret
from chasqui.mls.suite import Crypto


@dataclass(frozen=True, slots=True)
class GroupContext:
    """What all members of an epoch agree on (RFC 8.1)."""

    suite: int
    group_id: bytes
    epoch: int
    tree_hash: bytes
    confirmed_transcript_hash: bytes
    extensions: tuple[Extension, ...]

    def encode(self) -> bytes:
        return b"".join(
            (
                u16(VERSION_MLS10),
                u16(self.suite),
                vl(self.group_id),
                u64(self.epoch),
                vl(self.tree_hash),
                vl(self.confirmed_transcript_hash),
                encode_extensions(self.extensions),
            )
        )


def read_group_context(reader: Reader) -> GroupContext:
    """GroupContext. Raises PeerError."""
    if reader.u16() != VERSION_MLS10:
        raise PeerError(Check.UNKNOWN_VERSION, "group context")
    return GroupContext(
        reader.u16(), reader.vl(), reader.u64(), reader.vl(), reader.vl(), read_extensions(reader)
    )


@dataclass(frozen=True, slots=True, repr=False)
class EpochSecrets:
    """The secrets of an epoch that are kept. `epoch_secret` itself never is. None: erased."""

    init: Secret | None
    membership: Secret | None
    exporter: Secret | None
    authenticator: Secret | None
    external: Secret | None
    confirmation: Secret | None
    resumption: Secret | None
    sender_data: Secret | None

    def without_messages(self) -> EpochSecrets:
        """Without what only private messages need."""
        return replace(self, sender_data=None)

    def of_parent(self, *, external: bool) -> EpochSecrets:
        """What processing a sibling commit needs: init_secret and the membership key; nothing for this epoch's use."""
        kept = self.external if external else None
        return EpochSecrets(self.init, self.membership, None, None, kept, None, None, None)


@dataclass(frozen=True, slots=True, repr=False)
class NewEpoch:
    """The outcome of the key schedule. `joiner` and `welcome` go into a Welcome and die; so does `encryption`
    when it has become a secret tree."""

    joiner: Secret
    welcome: Secret
    encryption: Secret
    secrets: EpochSecrets


def joiner_secret(crypto: Crypto, init: bytes, commit: bytes, context: bytes) -> bytes:
    """joiner_secret from the previous init_secret, the commit_secret and the new encoded GroupContext."""
    return crypto.expand_with_label(crypto.extract(init, commit), labels.JOINER, context, crypto.nh)


def welcome_secret(crypto: Crypto, joiner: bytes, psk: bytes) -> bytes:
    """welcome_secret."""
    return crypto.derive_secret(crypto.extract(joiner, psk), labels.WELCOME)


def epoch_of_joiner(crypto: Crypto, joiner: bytes, psk: bytes, context: bytes) -> NewEpoch:
    """The epoch that a joiner_secret and psk_secret lead to."""
    member = crypto.extract(joiner, psk)
    welcome = crypto.derive_secret(member, labels.WELCOME)
    epoch = crypto.expand_with_label(member, labels.EPOCH, context, crypto.nh)
    encryption, secrets = epoch_of_secret(crypto, epoch)
    return NewEpoch(Secret(joiner), Secret(welcome), encryption, secrets)


def epoch_of_secret(crypto: Crypto, epoch: bytes) -> tuple[Secret, EpochSecrets]:
    """(encryption_secret, the kept secrets) of an epoch_secret."""

    def derive(label: bytes) -> Secret:
        return Secret(crypto.derive_secret(epoch, label))

    return derive(labels.ENCRYPTION), EpochSecrets(
        init=derive(labels.INIT),
        membership=derive(labels.MEMBERSHIP),
        exporter=derive(labels.EXPORTER),
        authenticator=derive(labels.AUTHENTICATION),
        external=derive(labels.EXTERNAL),
        confirmation=derive(labels.CONFIRM),
        resumption=derive(labels.RESUMPTION),
        sender_data=derive(labels.SENDER_DATA),
    )


def export(crypto: Crypto, exporter: bytes, label: bytes, context: bytes, length: int) -> bytes:
    """MLS-Exporter (RFC 8.5)."""
    if not 0 < length <= 255 * crypto.nh:
        raise UsageError("an export is 1 to 8160 bytes long")
    secret = crypto.derive_secret_of_any_label(exporter, label)
    return crypto.expand_with_label(secret, labels.EXPORTED, crypto.hash(context), length)


def confirmed_transcript(crypto: Crypto, interim: bytes, wire_format: int, content: bytes, signature: bytes) -> bytes:
    """confirmed_transcript_hash after a commit with this encoded FramedContent and signature."""
    return crypto.hash(interim + u16(wire_format) + content + vl(signature))


def interim_transcript(crypto: Crypto, confirmed: bytes, confirmation_tag: bytes) -> bytes:
    """interim_transcript_hash after a commit with this confirmation tag."""
    return crypto.hash(confirmed + vl(confirmation_tag))


EXTERNAL_INIT_INFO = b""


def external_key_pair(crypto: Crypto, external: bytes) -> tuple[bytes, bytes]:
    """(private, public) to which an outsider encrypts his external init (RFC 8.3)."""
    return crypto.kem.derive_key_pair(external)


def external_init_sender(crypto: Crypto, external_pub: bytes, seed: bytes) -> tuple[bytes, bytes]:
    """(kem_output, init_secret) of an outsider."""
    output, context = crypto.hpke.setup_sender(external_pub, EXTERNAL_INIT_INFO, seed)
    return output, context.export(labels.EXTERNAL_INIT, crypto.nh)


def external_init_receiver(crypto: Crypto, external: bytes, kem_output: bytes) -> bytes:
    """init_secret that an outsider's kem_output stands for. Raises PeerError."""
    private, public = external_key_pair(crypto, external)
    context = crypto.hpke.setup_receiver(kem_output, private, EXTERNAL_INIT_INFO, public)
    return context.export(labels.EXTERNAL_INIT, crypto.nh)
