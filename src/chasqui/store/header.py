"""The header: one salt, one cost, four equal key slots, a checksum. 512 bytes, rewritten as a whole.

    0    1  format, 1
    1    1  lanes of Argon2id
    2    2  passes
    4    4  memory in KiB
    8   16  salt
    24 472  four key slots of 118 bytes: nonce (12), sealed grant (90), tag (16)
    496 16  BLAKE2b-128 of all before: tells damage from a wrong passphrase, authenticates nothing

Every unlock opens all four slots with the one key-encrypting key, whatever it finds. An unused slot is random.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Final, NamedTuple

from chasqui.base.errors import ChasquiError, DamagedVaultError, WrongPassphraseError
from chasqui.base.ports import Entropy
from chasqui.base.secret import Secret
from chasqui.store.layout import SLOTS
from chasqui.store.passphrase import SALT_BYTES, KdfCost, stretch

FORMAT: Final = 1
DATABASE_KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
TAG_BYTES: Final = 16
GRANT_BYTES: Final = 90  # key (32), number of the file (1), zeroes for what later profiles need
KEY_SLOT_BYTES: Final = NONCE_BYTES + GRANT_BYTES + TAG_BYTES
PREFIX_BYTES: Final = 8 + SALT_BYTES
CHECKSUM_BYTES: Final = 16
HEADER_BYTES: Final = PREFIX_BYTES + SLOTS * KEY_SLOT_BYTES + CHECKSUM_BYTES


class Grant(NamedTuple):
    """What a key slot gives: the database key and which of the four files it opens."""

    key: Secret
    file_index: int


class Unlocked(NamedTuple):
    """A grant, and the key slot and key-encrypting key that it came from."""

    grant: Grant
    key_slot: int
    kek: Secret


class Header(NamedTuple):
    """The header's parts. `key_slots` are the four sealed slots as they lie in the file."""

    cost: KdfCost
    salt: bytes
    key_slots: tuple[bytes, ...]

    @property
    def prefix(self) -> bytes:
        """What every key slot is bound to: format, cost and salt."""
        memory, passes, lanes = self.cost
        return bytes((FORMAT, lanes)) + passes.to_bytes(2, "big") + memory.to_bytes(4, "big") + self.salt

    def encode(self) -> bytes:
        """The 512 bytes of the file."""
        body = self.prefix + b"".join(self.key_slots)
        return body + _checksum(body)

    def unlock(self, passphrase: bytes) -> Unlocked:
        """Tries all four key slots, always all of them.

        Raises `WrongPassphraseError` if none opens, `DamagedVaultError` if the cost is out of bounds.
        """
        kek = stretch(passphrase, self.salt, self.cost)
        opened = [(i, _open(kek, slot, self.prefix)) for i, slot in enumerate(self.key_slots)]
        for index, grant in opened:
            if grant is not None:
                return Unlocked(grant, index, kek)
        raise WrongPassphraseError(
            "The passphrase does not open this vault.",
            safety="Nothing was opened or changed.",
            todo="Try again; nobody can reset it.",
        )

    def with_grant(self, key_slot: int, kek: Secret, grant: Grant, entropy: Entropy) -> Header:
        """This header with one key slot sealed anew."""
        slots = list(self.key_slots)
        slots[key_slot] = _seal(kek, grant, self.prefix, entropy)
        return self._replace(key_slots=tuple(slots))


def new_header(cost: KdfCost, entropy: Entropy) -> Header:
    """A header whose four key slots are all unused."""
    return Header(cost, entropy(SALT_BYTES), tuple(entropy(KEY_SLOT_BYTES) for _ in range(SLOTS)))


def decode_header(data: bytes) -> Header:
    """The header of these bytes. Raises `DamagedVaultError` if they are torn, altered or of another format."""
    if len(data) != HEADER_BYTES or _checksum(data[:-CHECKSUM_BYTES]) != data[-CHECKSUM_BYTES:]:
        raise _damaged("The vault's key file is torn or altered.")
    if data[0] != FORMAT:
        raise _damaged("The vault's key file has a format that this program does not know.")
    cost = KdfCost(int.from_bytes(data[4:8], "big"), int.from_bytes(data[2:4], "big"), data[1])
    starts = range(PREFIX_BYTES, HEADER_BYTES - CHECKSUM_BYTES, KEY_SLOT_BYTES)
    return Header(
        cost, data[PREFIX_BYTES - SALT_BYTES : PREFIX_BYTES], tuple(data[s : s + KEY_SLOT_BYTES] for s in starts)
    )


def _checksum(body: bytes) -> bytes:
    return blake2b(body, digest_size=CHECKSUM_BYTES).digest()


def _seal(kek: Secret, grant: Grant, prefix: bytes, entropy: Entropy) -> bytes:
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

    plain = (grant.key + bytes((grant.file_index,))).ljust(GRANT_BYTES, b"\0")
    nonce = entropy(NONCE_BYTES)
    return nonce + ChaCha20Poly1305(kek).encrypt(nonce, plain, prefix)


def _open(kek: Secret, slot: bytes, prefix: bytes) -> Grant | None:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

    try:
        plain = ChaCha20Poly1305(kek).decrypt(slot[:NONCE_BYTES], slot[NONCE_BYTES:], prefix)
    except InvalidTag:
        return None
    index = plain[DATABASE_KEY_BYTES]
    if index >= SLOTS:
        raise _damaged("A key slot of the vault names a file that no vault has.")
    return Grant(Secret(plain[:DATABASE_KEY_BYTES]), index)


def _damaged(what: str) -> ChasquiError:
    return DamagedVaultError(
        what,
        safety="Nothing was opened or changed. Without this file not even you can read the vault.",
        todo="Put back the file 'vault' from a copy, or update the program if the vault is newer.",
    )
