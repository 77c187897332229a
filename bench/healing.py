"""What it costs a cut group to become one again: bytes and time against the length of the branches and the size of the
group, beside the commits themselves and beside one re-add of a member; and what an unsettled epoch keeps."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from random import Random
from typing import Any

from chasqui import mls
from chasqui.base.ids import GroupId
from chasqui.base.schema import encode
from chasqui.groups.operation import Role
from chasqui.groups.pairing import SUITE
from chasqui.lab.memory_store import MemoryStore
from chasqui.node import inputs
from chasqui.node.changes import add_member, carry_out
from chasqui.node.effects import Answer, Persist
from chasqui.node.epochs import head_of
from chasqui.node.groups import load_group
from chasqui.node.node import Node
from chasqui.node.records import BundleRecord, CommitRecord, EpochRecord, Space
from chasqui.node.store_port import Write
from chasqui.node.transaction import Transaction

Row = dict[str, Any]

_START_S = 1_800_000_000
_SIZES = (8, 32, 128)
_LENGTHS = (1, 5, 20, 100)
_AWAKE = 8  # devices that run; the others are members whose devices are off


@dataclass(eq=False)
class _Device:
    """A node on a store in memory."""

    name: str
    now_s: int = _START_S
    store: MemoryStore = field(default_factory=MemoryStore)

    def __post_init__(self) -> None:
        self.entropy = Random(self.name).randbytes
        self.node = Node(self.store, self.entropy)
        self.do(inputs.SetUp(self.name))

    def do(self, event: inputs.Input) -> Any:
        answer: object = None
        for effect in self.node.step(event, self.now_s):
            if isinstance(effect, Persist):
                self.store.apply(effect.writes)
                self.store.commit()
            elif isinstance(effect, Answer):
                answer = effect.value
        return answer

    def copy(self) -> _Device:
        """The same device, to go another way."""
        other = _Device(self.name, self.now_s)
        other.store = MemoryStore()
        other.store.apply(tuple(Write(space, key, value) for space in Space for key, value in self.store.scan(space)))
        other.store.commit()
        other.entropy = Random(f"{self.name} again").randbytes
        other.node = Node(other.store, other.entropy)
        return other

    def tx(self) -> Transaction:
        return Transaction(self.store, self.now_s, self.entropy)

    def keep(self, tx: Transaction) -> None:
        for effect in tx.outcome():
            if isinstance(effect, Persist):
                self.store.apply(effect.writes)
                self.store.commit()
        self.node = Node(self.store, self.entropy)

    def held(self) -> dict[bytes, bytes]:
        tx = self.tx()
        return {key: record.data for key, record in tx.load_prefix(Space.BUNDLE, b"", BundleRecord)}


def _sync(*devices: _Device, rounds: int = 1) -> None:
    for _ in range(rounds):
        for one in devices:
            one.do(inputs.Flush())
            held = one.held()
            for other in devices:
                known = other.held().keys()
                other.do(inputs.TakeBundles(tuple(data for key, data in held.items() if key not in known)))


def _pair(one: _Device, other: _Device) -> GroupId:
    offer = one.do(inputs.MakeOffer())
    accepted = other.do(inputs.AcceptPairing(offer, one.name))
    one.do(inputs.AcceptPairing(accepted.reply, other.name))
    _sync(one, other, rounds=2)
    return GroupId(accepted.contact)


def _group(size: int) -> tuple[list[_Device], GroupId]:
    """A group of so many, of whom a few are awake."""
    founder, *others = (_Device(f"device {number}") for number in range(min(size, _AWAKE)))
    contacts = [_pair(founder, other) for other in others]
    group: GroupId = founder.do(inputs.CreateGroup("bench"))
    for number in range(size - len(contacts) - 1):
        tx = founder.tx()
        keys = mls.make_key_package(SUITE, f"asleep {number}".encode(), founder.entropy, founder.now_s, 86_400)
        add_member(tx, group, keys.key_package, Role.MEMBER)
        founder.keep(tx)
    for contact in contacts:
        founder.do(inputs.AddMember(group, contact, Role.MEMBER))
    _sync(founder, *others, rounds=2)
    for other in others:
        other.do(inputs.JoinGroup(group))
    _sync(founder, *others, rounds=2)
    return [founder, *others], group


def _renew(device: _Device, group: GroupId) -> None:
    tx = device.tx()
    carry_out(tx, group, load_group(tx, group), (), ())
    device.keep(tx)


def _branch(side: list[_Device], group: GroupId, length: int) -> None:
    """So many commits, by turns, each a few hours after the one before."""
    for number in range(length):
        for device in side:
            device.now_s += 4 * 3600
        maker = side[number % len(side)]
        before = maker.held().keys()
        _renew(maker, group)
        fresh = tuple(data for key, data in maker.held().items() if key not in before)
        for device in side:
            if device is not maker:
                device.do(inputs.TakeBundles(fresh))


def _commit_bytes(devices: tuple[_Device, ...], group: GroupId, since_s: int) -> int:
    """The bundles of the commits themselves that were made after the cut, each counted once."""
    found: dict[bytes, int] = {}
    for device in devices:
        tx = device.tx()
        for _, commit in tx.load_prefix(Space.COMMIT, group, CommitRecord):
            held = tx.load(Space.BUNDLE, commit.bundle, BundleRecord) if commit.bundle else None
            if held is not None and commit.seen_s >= since_s:
                found[commit.bundle] = len(held.data)
    return sum(found.values())


def _readd_bytes(device: _Device, group: GroupId) -> int:
    """One re-add of a member on this head: the commit and the Welcome, without anything around them."""
    tx = device.tx()
    _, epoch = head_of(tx, group, load_group(tx, group))
    state = mls.GroupState.from_bytes(epoch.mls_state)
    other = next(leaf for leaf, _ in epoch.roster if leaf != epoch.own_leaf)
    keys = mls.make_key_package(SUITE, b"again", device.entropy, device.now_s, 86_400)
    proposals = (mls.RemoveProposal(other), mls.AddProposal(keys.key_package))
    made = state.commit(proposals, device.entropy, device.now_s)
    return len(made.message) + len(made.welcome or b"")


def _healing(size: int, length: int, stage: tuple[list[_Device], GroupId]) -> list[Row]:
    devices, group = stage
    north, south = devices[::2], devices[1::2]
    cut_s = max(device.now_s for device in devices) + 3600
    for device in devices:
        device.now_s = cut_s
    known = devices[0].held().keys()
    _branch(north, group, length)
    _branch(south, group, length)
    one, other = north[0], south[0]
    fresh = [
        tuple(data for key, data in device.held().items() if key not in known) for device in (one, other)
    ]
    began = time.process_time()
    one.do(inputs.TakeBundles(fresh[1]))
    seconds = time.process_time() - began
    other.do(inputs.TakeBundles(fresh[0]))
    heads = {load_group(device.tx(), group).head for device in (one, other)}
    if len(heads) != 1:
        raise RuntimeError("the sides did not become one")
    commits_only = sum(len(data) for bundles in fresh for data in bundles)
    commits = _commit_bytes((one, other), group, cut_s)
    _sync(*devices, rounds=2)  # receipts and votes of all who are awake, until nobody has anything to say
    sent = sum(len(data) for key, data in one.held().items() if key not in known)
    if commits_only != commits:
        raise RuntimeError("something else than commits was said on the branches")
    where = f"n = {size}, two branches of {length}"
    readd = _readd_bytes(one, group)
    return [
        _row(f"bytes to heal, {where}", sent, "B", f"{commits}", f"bound: the commits; one re-add: {readd} B"),
        _row(f"time to heal, {where}", seconds * 1000, "ms", None, f"{seconds / length * 1000:.1f} ms a commit"),
    ]


def _state(size: int, stage: tuple[list[_Device], GroupId]) -> Row:
    """What one unsettled epoch that is no tip keeps."""
    devices, group = stage
    tx = devices[0].tx()
    head = load_group(tx, group).head
    kept = [
        len(encode(epoch)) + sum(len(value) for _, value in tx.scan_prefix(Space.CHAIN, key))
        for key, epoch in tx.load_prefix(Space.EPOCH, group, EpochRecord)
        if epoch.mls_state and key != head
    ]
    total = sum(kept) // len(kept)
    return _row(f"state kept per unsettled epoch, n = {size}", total, "B", None, f"{total // size} B a member")


def _row(name: str, value: float, unit: str, bound: str | None, note: str) -> Row:
    return {"name": name, "value": value, "unit": unit, "bound": bound, "peer": None, "note": note}


def figures() -> list[Row]:
    """Healing against the length of the branches and the size of the group."""
    rows: list[Row] = []
    for size in _SIZES:
        devices, group = _group(size)
        for length in _LENGTHS:
            stage = [device.copy() for device in devices], group
            rows += _healing(size, length, stage)
        rows.append(_state(size, stage))
    return rows
