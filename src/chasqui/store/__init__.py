"""The vault: one home directory, four equal files, one passphrase; and the encrypted store inside."""

from chasqui.store.passphrase import KdfCost, normalise
from chasqui.store.records import EncryptedStore
from chasqui.store.vault import OpenVault, change_passphrase, create_vault, open_vault, vault_exists

__all__ = [
    "EncryptedStore",
    "KdfCost",
    "OpenVault",
    "change_passphrase",
    "create_vault",
    "normalise",
    "open_vault",
    "vault_exists",
]
