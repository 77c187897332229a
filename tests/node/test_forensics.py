"""Promise 6: what was erased cannot be rebuilt from the device plus all recorded traffic.

The captor has every byte of the opened store and every bundle ever sent. He tries every string of the right length
that stands anywhere in the store as a message key, a chain key and a root. Broken on purpose, once each: without
the erasure in `skipped.spend_key`, with the chain of the sender kept in `outbox.say`, and with the root stored in the
epoch's record, the captor of this test opens messages.
"""

from __future__ import annotations

from hashlib import blake2b

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from chasqui import mls
from chasqui.base import labels
from chasqui.base.days import day_of
from chasqui.base.ids import EpochId, GroupId, MemberKey
from chasqui.base.schema import decode_own
from chasqui.base.secret import Secret
from chasqui.groups.operation import Role
from chasqui.node import inputs
from chasqui.node.groups import load_group
from chasqui.node.records import EpochRecord, OwnKeyPackageRecord, Space
from chasqui.node.views import list_contacts
from chasqui.sealed.bundle import Bundle, parse_bundle, unmask
from chasqui.sealed.epoch_keys import DayKeys
from tests.node.test_upkeep import heard_of
from tests.node.world import Person, make_group, meet, settled_group
from tests.spec.test_doubles import two_admins_add
from tests.spec.test_newcomers import unsettled


class Captor:
    """Someone with the opened store of a device and everything that was ever on a link."""

    def __init__(self, person: Person) -> None:
        self.values = [
            value for space in Space if space is not Space.BUNDLE for _, value in person.store.scan(space)
        ]
        self.strings32 = {v[i : i + 32] for v in self.values for i in range(len(v) - 31)}
        self.strings64 = {v[i : i + 64] for v in self.values for i in range(len(v) - 63)}
        self.epochs = [
            (EpochId(key[16:]), decode_own(value, EpochRecord)) for key, value in person.store.scan(Space.EPOCH)
        ]
        self.today = day_of(person.now_s)

    def opens(self, data: bytes) -> bool:
        """Whether any string of the store opens the bundle."""
        bundle = parse_bundle(data, self.today)
        for _, epoch in self.epochs:
            keys = DayKeys(Secret(epoch.mark_key), Secret(epoch.head_key))
            if epoch.day != bundle.day:
                continue
            leaf, counter = unmask(bundle, keys)
            if leaf > 200 or counter > 2000:
                continue  # of another epoch
            if any(_unseals(bundle, key, leaf, counter) for key in self.strings64):
                return True
            for string in self.strings32:
                if self._as_chain(bundle, string, leaf, counter):
                    return True
        return False

    def _as_chain(self, bundle: Bundle, string: bytes, leaf: int, counter: int) -> bool:
        root_chain = _kdf(string, labels.KDF_CHAIN, leaf.to_bytes(2, "big"))
        for start in (string, root_chain):
            key = start
            for _ in range(counter + 1):
                if _unseals(bundle, _kdf(key, labels.KDF_MESSAGE, counter.to_bytes(2, "big"), 64), leaf, counter):
                    return True
                key = _kdf(key, labels.KDF_CHAIN_NEXT)
        return False


def _kdf(key: bytes, label: bytes, context: bytes = b"", size: int = 32) -> bytes:
    return blake2b(context, key=key, person=label, digest_size=size).digest()


def _unseals(bundle: Bundle, key: bytes, leaf: int, counter: int) -> bool:
    try:
        AESSIV(key).decrypt(bundle.data[14:], [bundle.data[:2], (leaf << 16 | counter).to_bytes(4, "big")])
    except InvalidTag:
        return False
    return True


def test_disk_and_traffic_open_no_message_that_was_read() -> None:
    ana, ben = Person("ana"), Person("ben")
    group = make_group(ana, ben)
    before = set(ana.held())
    for n in range(3):
        ana.do(inputs.SendText(group, f"consumed {n}"))
    traffic = [bundle for bundle in ana.held() if bundle not in before]
    meet(ana, ben)
    assert len(ben.texts(group)) == 3
    for person in (ana, ben):
        captor = Captor(person)
        assert not any(captor.opens(bundle) for bundle in traffic)


def test_the_captor_of_this_test_opens_what_is_not_yet_read() -> None:
    """The control: a key that is still needed is found, so the search works."""
    ana, ben = Person("ana"), Person("ben")
    group = make_group(ana, ben)
    before = set(ana.held())
    ana.do(inputs.SendText(group, "on its way"))
    (bundle,) = [bundle for bundle in ana.held() if bundle not in before]
    assert Captor(ben).opens(bundle)
    assert not Captor(ana).opens(bundle)


def test_a_removed_member_s_device_opens_nothing_sent_after_the_removal() -> None:
    ana, ben, caro = Person("ana"), Person("ben"), Person("caro")
    group: GroupId = make_group(ana, ben, caro)
    old_device = Person("caro", store=caro.store.after_crash())
    ana.do(inputs.RemoveMember(group, caro.key(group)))
    before = set(ana.held())
    ana.do(inputs.SendText(group, "without caro"))
    fresh = [bundle for bundle in ana.held() if bundle not in before]
    for device in (caro, old_device):
        device.do(inputs.TakeBundles(tuple(ana.held())))
        captor = Captor(device)
        assert not any(captor.opens(bundle) for bundle in fresh)


def private_keys(person: Person, group: GroupId) -> list[bytes]:
    """What somebody needs to read a welcome for this member, and to sign as it."""
    record = load_group(person.tx(), group)
    packages = (
        mls.KeyPackageKeys.from_bytes(own.keys)
        for _, own in person.tx().load_prefix(Space.KEY_PACKAGE, b"", OwnKeyPackageRecord)
        if own.contact == group
    )
    return [
        record.signing_key[:32],
        *(part.reveal() for keys in packages for part in (keys.init_private, keys.leaf_private)),
    ]


@pytest.mark.must("M-EPO-2")
@pytest.mark.parametrize("how", ["leaves", "removed", "taken", "invited again"])
def test_who_is_out_keeps_no_key_of_a_next_leaf(how: str) -> None:
    """A key package that was given for the next leaf has the signing key in it, and opens a welcome that is recorded.
    Broken on purpose: without the erasure in `changes.shut`, all of these are found."""
    (ana, ben, caro), group = settled_group("ana", "ben", "caro")
    unsettled(caro, group)
    for person in (ana, ben, caro):
        person.now_s += 7 * 3600
    caro.do(inputs.Flush())
    secrets = private_keys(caro, group)
    assert len(secrets) == 3, "caro has given a key package, as M-SEA-1 demands"

    def found() -> list[bool]:
        values = [value for space in Space for _, value in caro.store.scan(space)]
        return [any(secret in value for value in values) for secret in secrets]

    assert all(found()), "the control: they are found while they are needed"
    if how == "leaves":
        caro.do(inputs.LeaveGroup(group))
    elif how == "taken":
        for person in (ana, ben):
            person.do(inputs.Accuse(group, caro.key(group)))
            person.sync(ana, ben, caro)
    else:
        with_caro = next(contact.id for contact in list_contacts(ana.tx()) if contact.name == "caro")
        ana.do(inputs.RemoveMember(group, caro.key(group)))
        if how == "invited again":
            ana.do(inputs.AddMember(group, with_caro, Role.MEMBER))
        ana.sync(caro)
    assert load_group(caro.tx(), group).out
    signs, *opens = found()
    assert not any(opens)
    assert signs == (how == "taken"), "who is only quarantined may be let in again, with the same key"


@pytest.mark.must("M-JOI-4", "M-SEA-9")
@pytest.mark.parametrize("how", ["used", "never used", "for a second seat"])
def test_the_key_that_opens_a_welcome_is_gone_when_that_was_opened_or_is_over(how: str) -> None:
    """Broken on purpose: without the erasure in `joining.enter`, in `upkeep` and in `doubles`, they are found."""
    crowd, group, keys = two_admins_add(joins_first=False)
    ana, _, caro, _ = crowd
    packages = [
        mls.KeyPackageKeys.from_bytes(own.keys)
        for _, own in caro.tx().load_prefix(Space.KEY_PACKAGE, b"", OwnKeyPackageRecord)
    ]
    opens = {
        MemberKey(mls.read_key_package(made.key_package).signature_key): made.init_private.reveal()
        for made in packages
    }

    def found(member: MemberKey) -> bool:
        return any(opens[member] in value for space in Space for _, value in caro.store.scan(space))

    assert all(found(key) for key in keys), "the control"
    meet(*crowd) if how == "for a second seat" else ana.sync(caro)
    if how == "never used":
        caro.now_s += 175 * 86_400
        heard_of(caro)
        caro.do(inputs.Tick())
        assert not found(keys[0])
        return
    caro.do(inputs.JoinGroup(group))
    assert not found(caro.key(group))
    for _ in range(6):
        for person in crowd:
            person.now_s += 6 * 3600
        meet(*crowd)
    assert not any(found(key) for key in keys)
