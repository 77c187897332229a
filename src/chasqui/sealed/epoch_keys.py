"""From an epoch's root to the keys that recognise, mask and encrypt its bundles."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b, blake2s

from chasqui.base import labels
from chasqui.base.errors import PeerError
from chasqui.base.hashing import kdf
from chasqui.base.secret import Secret
from chasqui.sealed.chain import Chain


@dataclass(frozen=True)
class DayKeys:
    """The two keys of one epoch for one day."""

    mark: Secret
    head: Secret

    @cached_property
    def mark_state(self) -> blake2s:
        """BLAKE2s keyed and ready: copying it is cheaper than keying it."""
        return blake2s(key=self.mark, digest_size=8)

    def header_mask(self, sample: bytes) -> int:
        """32 bits that hide leaf and counter, after RFC 9001 5.4."""
        digest = blake2b(sample, key=self.head, person=labels.KDF_HEAD_MASK, digest_size=4).digest()
        return int.from_bytes(digest, "big")


@dataclass(frozen=True)
class DayChain:
    """The mark and head keys of `day`; those of later days follow from it, those of earlier days do not."""

    day: int
    keys: DayKeys

    def at(self, day: int) -> DayChain:
        """The chain moved to a later day. Raises `PeerError` for an earlier one, whose keys are gone."""
        if day < self.day:
            raise PeerError("The keys of that day have been erased.")
        mark, head = self.keys.mark, self.keys.head
        for _ in range(self.day, day):
            mark = kdf(mark, labels.KDF_MARK_NEXT)
            head = kdf(head, labels.KDF_HEAD_NEXT)
        return DayChain(day, DayKeys(mark, head))


@dataclass(frozen=True)
class EpochSecrets:
    """All that the root of an epoch gives; the root itself is not kept."""

    days: DayChain
    chains: tuple[Chain, ...]  # in the order of the leaves asked for


def derive_epoch(
    exporter_secret: bytes, r: bytes, first_day: int, leaves: tuple[int, ...]
) -> EpochSecrets:
    """Keys from the exporter secret (32 bytes), the 16 random bytes beside the commit, and the first day."""
    root = kdf(exporter_secret, labels.KDF_ROOT, r)
    start = first_day.to_bytes(4, "big")
    keys = DayKeys(kdf(root, labels.KDF_MARK, start), kdf(root, labels.KDF_HEAD, start))
    chains = tuple(Chain(0, kdf(root, labels.KDF_CHAIN, leaf.to_bytes(2, "big"))) for leaf in leaves)
    return EpochSecrets(DayChain(first_day, keys), chains)
