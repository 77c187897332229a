"""Every domain label of chasqui, mirrored in `docs/spec/labels.md`. No label is used for two purposes.

Personalisation labels of BLAKE2 are at most 16 bytes (b), of BLAKE2s 8 bytes (s).
"""

from __future__ import annotations

from typing import Final

# MLS exporter (RFC 9420 8.5): the label of the one secret that chasqui takes from an epoch.
EXPORTER_BUNDLE: Final = "chasqui bundle"
EXPORTER_EPOCH_ID: Final = "chasqui epoch id"
EXPORTER_CHECK_WORDS: Final = "chasqui check words"

# Key derivation: BLAKE2b with these as personalisation.
KDF_ROOT: Final = b"chq1 root"
KDF_MARK: Final = b"chq1 mark"
KDF_MARK_NEXT: Final = b"chq1 mark next"
KDF_HEAD: Final = b"chq1 head"
KDF_HEAD_NEXT: Final = b"chq1 head next"
KDF_HEAD_MASK: Final = b"chq1 head mask"
KDF_CHAIN: Final = b"chq1 chain"
KDF_CHAIN_NEXT: Final = b"chq1 chain next"
KDF_MESSAGE: Final = b"chq1 message"
KDF_GROUP_CHECK: Final = b"chq1 group check"

# Hashes: BLAKE2b with these as personalisation.
HASH_BUNDLE_ID: Final = b"chq1 bundle id"
HASH_OBJECT_ID: Final = b"chq1 object id"
HASH_GROUP_ID: Final = b"chq1 group id"
HASH_COMMIT_ID: Final = b"chq1 commit id"
HASH_COMMIT_R: Final = b"chq1 commit r"
HASH_FILE: Final = b"chq1 file"
HASH_FORK: Final = b"chq1 fork"
HASH_TURN: Final = b"chq1 turn"
HASH_PLACE: Final = b"chq1 place"
HASH_BOOT: Final = b"chq1 boot"

# BLAKE2s, 8 bytes of personalisation.
HASH_MARK_BODY: Final = b"chq1 mrk"
SHORT_ID: Final = b"chq1 sid"
DAY_PRINT: Final = b"chq1 day"
VEIL_MAC: Final = b"chq1 vmc"
VEIL_MASK: Final = b"chq1 vms"

# Signatures: prefix of what Ed25519 signs.
SIGN_OBJECT: Final = b"chasqui object 1\x00"
SIGN_SPARE: Final = b"chasqui spare 1\x00"

# HPKE info strings.
HPKE_PAIRING_REPLY: Final = b"chasqui pairing reply 1"
HPKE_SEAT: Final = b"chasqui seat 1"
HPKE_REMOVED: Final = b"chasqui removed 1"

# File magics: what a finder of the file may know (docs/spec/files.md).
MAGIC_COURIER: Final = b"CHQB"
MAGIC_OFFER: Final = b"CHQO"
MAGIC_REPLY: Final = b"CHQR"

# The LAN link (docs/spec/lan.md): announcements that look random, and the run id of a certificate.
LAN_MASK: Final = b"chq1 lan mask"
LAN_CHECK: Final = b"chq1 lan check"
LAN_RUN_ID: Final = b"chq1 lan run id"
