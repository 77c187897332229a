"""Epochs, members and bundles for the tests of the sealed floor, all from seeds."""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import cache

from nacl.bindings import crypto_sign_seed_keypair

from chasqui.base.ids import EpochId, GroupId, MemberKey
from chasqui.base.limits import MINUTES_PER_DAY
from chasqui.base.secret import Secret
from chasqui.sealed.bundle import Bundle, parse_bundle, seal, unmask, unseal
from chasqui.sealed.chain import Chain, advance
from chasqui.sealed.epoch_keys import EpochSecrets, derive_epoch
from chasqui.sealed.kinds import BundleClass, Kind
from chasqui.sealed.object import Origin, SignedObject, make_object, read_short

DAY = 20_800
GROUP = GroupId(b"g" * 16)


@cache
def member(number: int) -> tuple[MemberKey, Secret]:
    """A member's key and its signing key."""
    public, private = crypto_sign_seed_keypair(number.to_bytes(32, "big"))
    return MemberKey(public), Secret(private)


@dataclass(frozen=True)
class Epoch:
    """One epoch with some members, each at the leaf of its number."""

    id: EpochId
    secrets: EpochSecrets

    def text(
        self,
        leaf: int = 0,
        counter: int = 0,
        *,
        body: bytes = b"x" * 100,
        seq: int = 1,
        minute: int = 7,
        day: int = DAY,
        kind: Kind = Kind.TEXT,
        receipts: bytes = b"",
        signer: int | None = None,
        group: GroupId = GROUP,
    ) -> SignedObject:
        """An object; `signer` is the member who signs, of himself the one at the leaf."""
        author, key = member(leaf if signer is None else signer)
        return make_object(
            group=group,
            author=author,
            key=key,
            seq=seq,
            minute=day * MINUTES_PER_DAY + minute,
            kind=kind,
            body=body,
            receipts=receipts,
            origin=Origin(self.id, leaf, counter),
        )

    def chain(self, leaf: int) -> Chain:
        """The ratchet of a leaf at its beginning."""
        return self.secrets.chains[leaf]

    def seal(self, signed: SignedObject, *, day: int = DAY, bundle_class: BundleClass = BundleClass.TEXT) -> Bundle:
        """The object in the place that its origin names."""
        _, leaf, counter = signed.origin
        return seal(
            signed.to_short(),
            message_key=advance(self.chain(leaf), counter).message_key,
            keys=self.secrets.days.at(day).keys,
            leaf=leaf,
            counter=counter,
            bundle_class=bundle_class,
            day=day,
        )

    def open(self, data: bytes, today: int = DAY) -> SignedObject:
        """The verified object in a bundle of this epoch; PeerError for any other bytes."""
        bundle = parse_bundle(data, today)
        leaf, counter = unmask(bundle, self.secrets.days.at(bundle.day).keys)
        if leaf >= len(self.secrets.chains):
            leaf = 0  # nobody sits there: let the seal refuse it
        plaintext = unseal(bundle, advance(self.chain(leaf), counter).message_key, leaf, counter)
        origin = Origin(self.id, leaf, counter)
        return read_short(plaintext, group=GROUP, author=member(leaf)[0], day=bundle.day, origin=origin)


@cache
def epoch(seed: int, members: int = 3, first_day: int = DAY) -> Epoch:
    """An epoch whose keys follow from the seed."""
    dice = random.Random(seed)
    secrets = derive_epoch(dice.randbytes(32), dice.randbytes(16), first_day, tuple(range(members)))
    return Epoch(EpochId(dice.randbytes(16)), secrets)
