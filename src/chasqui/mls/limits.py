"""Every bound of the package, with its reason. Sizes in bytes unless the name says otherwise."""

from __future__ import annotations

from typing import Final

MESSAGE_BYTES_MAX: Final = 4 << 20
"""One MLSMessage. A welcome with tree of 2048 members is about 600 KB, with X-Wing keys about 2.9 MB."""

FIELD_BYTES_MAX: Final = 128 << 20
"""One vector of a message or a saved state, which have lower bounds of their own."""

LEAVES_MAX: Final = 2048
"""Leaves of a tree (a power of two). Groups here are of people who know each other; 512 is measured."""

TREE_BYTES_MAX: Final = 8 << 20
"""All nodes of a ratchet tree. 2048 members with X-Wing keys and every parent set make 5.7 MB. Without this bound
a few members with huge leaves could make states that are too large to load again."""

PROPOSALS_MAX: Final = 1024
"""Proposals of one commit: enough to remove or add half of the largest group at once."""

PROPOSALS_CACHED_MAX: Final = 256
"""Proposals by reference that a state keeps per epoch; a member could otherwise fill our memory."""

PROPOSALS_CACHED_BYTES_MAX: Final = 1 << 20
"""All of them together: 256 Adds with X-Wing keys are 700 KB."""

PROPOSALS_SENDER_SHARE: Final = 2
"""One sender fills at most one half of these two bounds, so he does not crowd out the others."""

PROPOSALS_OUTSIDE_SHARE: Final = 4
"""All who are no members fill at most a quarter of them: whoever knows group id and epoch can ask to be added."""

EXTENSIONS_MAX: Final = 64
"""Extensions in one list. The IANA registry has about a dozen."""

CAPABILITIES_MAX: Final = 256
"""Entries in one list of capabilities, GREASE included."""

CERTIFICATES_MAX: Final = 16
"""Certificates of one X.509 credential."""

CREDENTIAL_BYTES_MAX: Final = 64 << 10
"""Identity or certificate chain of one leaf; every member stores it for every other."""

LEAF_BYTES_MAX: Final = 128 << 10
"""One leaf node: the largest credential and as much again. Without it two members with leaves of 2 MiB would make a
tree that no welcome and no group info can carry."""

PSKS_MAX: Final = 64
"""Pre-shared keys of one commit or welcome."""

RATCHET_JUMP_MAX: Final = 1024
"""Generations that one message may skip: 1024 steps cost about 10 ms of hashing. An honest sender makes us pay it once;
a member who seals rubbish behind true sender data does so with every 140 bytes, because a failure changes nothing."""

RATCHET_KEPT_MAX: Final = 256
"""Skipped message keys kept per sender; the oldest go first. Bounds both memory and what a captor finds."""

LIFETIME_MAX_S: Final = 400 * 86_400
"""Longest lifetime of a leaf node in seconds (RFC 7.2 demands a maximum): a year and a little."""

CLOCK_SKEW_S: Final = 86_400
"""How far another's clock may run ahead of ours before `not_before` counts: phones off-line drift."""

PADDING_MAX: Final = 64 << 10
"""Zero bytes after a private content."""

EPOCH_MAX: Final = (1 << 64) - 2
"""The last epoch from which one can still commit."""

STATE_BYTES_MAX: Final = 128 << 20
"""A saved state. 2048 leaves with 64-byte identities are about 700 KB, with X-Wing about 5 MB; the rest is room for
8 MiB of tree, 4 MiB of group extensions and 256 skipped keys in each of 4096 ratchets (73 MB), so that nothing a
peer can bring about makes a state that does not load."""
