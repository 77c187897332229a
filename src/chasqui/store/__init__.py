"""The vault: one home directory, four equal files, one passphrase; and the encrypted store inside."""

from chasqui.store.creation import create_vault
from chasqui.store.header_file import vault_exists
from chasqui.store.passphrase import KdfCost, normalise
from chasqui.store.records import EncryptedStore
from chasqui.store.vault import OpenVault, change_passphrase, open_vault

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
