"""From a passphrase to the key-encrypting key: Argon2id (RFC 9106) with a cost that the device can bear."""

from __future__ import annotations

import os
import unicodedata
from typing import Final, NamedTuple

from chasqui.base.errors import DamagedVaultError, UsageError
from chasqui.base.secret import Secret

SALT_BYTES: Final = 16
KEK_BYTES: Final = 32
PASSPHRASE_BYTES_MAX: Final = 1024  # more is a file dropped into the prompt

# What a header may ask of us. A hostile one must neither take the machine's memory nor its afternoon.
MEMORY_KIB_MIN: Final = 8 * 1024
MEMORY_KIB_MAX: Final = 1024 * 1024
PASSES_MAX: Final = 64
LANES_MAX: Final = 16
WORK_KIB_MAX: Final = 4 * 1024 * 1024  # memory times passes: some seconds on a phone


class KdfCost(NamedTuple):
    """What one guess costs. `memory_kib` in KiB, `passes` over that memory, `lanes` that can run at once."""

    memory_kib: int
    passes: int
    lanes: int

    def within_bounds(self) -> bool:
        """Whether this process is willing to pay it."""
        return (
            MEMORY_KIB_MIN <= self.memory_kib <= MEMORY_KIB_MAX
            and 1 <= self.passes <= PASSES_MAX
            and 1 <= self.lanes <= LANES_MAX
            and self.memory_kib * self.passes <= WORK_KIB_MAX
        )


COST_USUAL: Final = KdfCost(64 * 1024, 3, 4)  # RFC 9106, section 4, second recommended option
COST_SMALL: Final = KdfCost(32 * 1024, 6, 4)  # below 768 MiB of RAM: as many memory passes, half the memory
COST_TINY: Final = KdfCost(16 * 1024, 12, 2)  # below 384 MiB
COST_LEAST: Final = KdfCost(MEMORY_KIB_MIN, 1, 1)  # for tests only: a guess costs 5 ms


def ram_bytes() -> int | None:
    """The machine's memory, where the system tells."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None


def cost_for(ram: int | None) -> KdfCost:
    """The cost for a machine with that much memory; the usual one where it is unknown."""
    if ram is None or ram >= 768 * 2**20:
        return COST_USUAL
    return COST_SMALL if ram >= 384 * 2**20 else COST_TINY


def normalise(text: str) -> bytes:
    """A typed passphrase as bytes: Unicode NFC, then UTF-8, so that two keyboards agree.

    Raises `UsageError` when it is empty, too long or not text.
    """
    try:
        passphrase = unicodedata.normalize("NFC", text).encode()
    except UnicodeEncodeError as error:
        raise UsageError("The passphrase holds characters that cannot be stored.", todo="Type it again.") from error
    check(passphrase)
    return passphrase


def check(passphrase: bytes) -> None:
    """Refuses an empty or overlong passphrase. Raises `UsageError`."""
    if not passphrase:
        raise UsageError(
            "The passphrase is empty.",
            safety="Without one, whoever holds the device reads everything.",
            todo="Choose a passphrase; six random words are good.",
        )
    if len(passphrase) > PASSPHRASE_BYTES_MAX:
        raise UsageError(f"The passphrase is longer than {PASSPHRASE_BYTES_MAX} bytes.", todo="Choose a shorter one.")


def stretch(passphrase: bytes, salt: bytes, cost: KdfCost) -> Secret:
    """The 32-byte key-encrypting key. Raises `DamagedVaultError` if the cost is out of bounds."""
    if not cost.within_bounds():
        raise DamagedVaultError(
            "The vault's key file asks for an absurd amount of work.",
            safety="It is damaged or was made by somebody else; nothing was opened or changed.",
            todo="Put back the file 'vault' from a copy of this vault.",
        )
    # Imported here: it takes 10 ms that a process which never unlocks need not pay.
    from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

    memory, passes, lanes = cost
    kdf = Argon2id(salt=salt, length=KEK_BYTES, iterations=passes, lanes=lanes, memory_cost=memory)
    return Secret(kdf.derive(passphrase))
