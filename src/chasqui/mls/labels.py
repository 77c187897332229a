"""Every domain label of RFC 9420 in one place (sections 5.1.2, 5.1.3, 5.2, 7.4, 8 and 9)."""

from __future__ import annotations

from typing import Final

STATE_CHECKSUM: Final = b"mls saved group state"
"""Ours: the checksum of a saved state."""

PREFIX: Final = b"MLS 1.0 "

# signatures (17.6)
SIGN_FRAMED_CONTENT: Final = b"FramedContentTBS"
SIGN_LEAF_NODE: Final = b"LeafNodeTBS"
SIGN_KEY_PACKAGE: Final = b"KeyPackageTBS"
SIGN_GROUP_INFO: Final = b"GroupInfoTBS"

# public-key encryption (17.7)
ENCRYPT_PATH_NODE: Final = b"UpdatePathNode"
ENCRYPT_WELCOME: Final = b"Welcome"

# references (5.2); these carry their prefix in the RFC itself
REF_KEY_PACKAGE: Final = b"MLS 1.0 KeyPackage Reference"
REF_PROPOSAL: Final = b"MLS 1.0 Proposal Reference"
EXTERNAL_INIT: Final = b"MLS 1.0 external init secret"

# X-Wing (draft-connolly-cfrg-xwing-kem-10, 5.3)
XWING: Final = bytes.fromhex("5c2e2f2f5e5c")

# tree (7.4)
PATH: Final = b"path"
NODE: Final = b"node"

# key schedule (8)
JOINER: Final = b"joiner"
WELCOME: Final = b"welcome"
EPOCH: Final = b"epoch"
INIT: Final = b"init"
SENDER_DATA: Final = b"sender data"
ENCRYPTION: Final = b"encryption"
EXPORTER: Final = b"exporter"
EXTERNAL: Final = b"external"
CONFIRM: Final = b"confirm"
MEMBERSHIP: Final = b"membership"
RESUMPTION: Final = b"resumption"
AUTHENTICATION: Final = b"authentication"
EXPORTED: Final = b"exported"
DERIVED_PSK: Final = b"derived psk"

# secret tree (9)
TREE: Final = b"tree"
LEFT: Final = b"left"
RIGHT: Final = b"right"
HANDSHAKE: Final = b"handshake"
APPLICATION: Final = b"application"
KEY: Final = b"key"
NONCE: Final = b"nonce"
SECRET: Final = b"secret"
