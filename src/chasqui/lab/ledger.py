"""What really happened, as nobody in the world could know it: who holds which key, who said what under which epoch, who
got it, and how the epochs of each group follow one another. Fed by every durable step."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from chasqui.base.ids import ID_BYTES, NO_GROUP, EpochId, GroupId, MemberKey, ObjectId
from chasqui.base.schema import decode_own
from chasqui.groups.operation import Add, Genesis, Operation, Reason, Rejoin, Remove, read_parsed_operation
from chasqui.lab.branches import Branch, Branches
from chasqui.lab.device import Device
from chasqui.node.epochs import readers_of
from chasqui.node.groups import removed_members
from chasqui.node.records import CommitRecord, EpochRecord, GroupRecord, MessageRecord, Space
from chasqui.node.store_port import Write
from chasqui.sealed.kinds import Kind
from chasqui.sealed.object import SignedObject, parse_whole

Writes = dict[int, list[tuple[bytes, bytes | None]]]


@dataclass(frozen=True)
class Said:
    """A text that a device accepted for sending, and who could read it then."""

    id: ObjectId
    group: GroupId
    author: str
    key: MemberKey
    seq: int
    epoch: EpochId
    text: str
    at_s: int
    readers: frozenset[MemberKey]
    known_out: frozenset[MemberKey]  # whose removal the author knew


def by_space(writes: tuple[Write, ...]) -> Writes:
    """The writes of a step, space by space."""
    sorted_out: Writes = defaultdict(list)
    for space, key, value in writes:
        sorted_out[space].append((key, value))
    return sorted_out


class Ledger:
    """Facts only; what must not be is said in `safety`."""

    def __init__(self) -> None:
        self.owners: dict[tuple[bytes, bytes], str] = {}  # (group, member key): device
        self.keys: dict[tuple[bytes, str], list[MemberKey]] = defaultdict(list)  # the newest last
        self.sits_as: dict[tuple[bytes, str], MemberKey] = {}  # (group, device): the key that it uses
        self.said: dict[ObjectId, Said] = {}
        self.texts: dict[str, Said] = {}
        self.got: dict[str, set[ObjectId]] = defaultdict(set)  # by device, ever
        self.branches: dict[bytes, Branches] = defaultdict(Branches)
        self.heads: dict[tuple[bytes, str], bytes] = {}  # (group, device): head, empty for out
        self.reached: dict[tuple[bytes, str, bytes], int] = {}  # (group, device, head): when it was there first
        self.operations: dict[bytes, str] = {}  # in words
        self._packages: dict[bytes, str] = {}  # key package ref: device
        self.fresh: list[tuple[bytes, Branch]] = []  # epochs that the last step was the first to open

    def durable(self, device: Device, writes: Writes, now_s: int) -> None:
        """Takes a step in."""
        self.fresh.clear()
        for key, value in writes.get(Space.KEY_PACKAGE, ()):
            if value is not None:
                self._packages[key] = device.name
        for key, value in writes.get(Space.GROUP, ()):
            if value is not None:
                self._group(device, key, decode_own(value, GroupRecord), now_s)
        for key, value in writes.get(Space.OPERATION, ()):
            if value is not None and key[ID_BYTES:] not in self.operations:
                self._operation(key, value)
        if Space.EPOCH in writes:
            self._epochs(device, writes, now_s)
        for key, value in writes.get(Space.MESSAGE, ()):
            if value is not None:
                self._message(device, GroupId(key[:ID_BYTES]), value, now_s)

    def restored(self, device: Device) -> None:
        """An older copy is in a store's place."""
        for group, name in [place for place in self.heads if place[1] == device.name]:
            data = device.store.get(Space.GROUP, group)
            self.heads[group, name] = decode_own(data, GroupRecord).head if data is not None else b""

    def name_of(self, group: bytes, member: bytes) -> str:
        """Whose key that is."""
        return self.owners.get((group, member)) or member.hex()[:6]

    def _group(self, device: Device, group: bytes, record: GroupRecord, now_s: int) -> None:
        self._own(group, record.member, device.name)
        self.heads[group, device.name] = record.head
        self.reached.setdefault((group, device.name, record.head), now_s)
        self.sits_as[group, device.name] = MemberKey(record.member)

    def _own(self, group: bytes, member: bytes, name: str) -> None:
        if member and (group, member) not in self.owners:
            self.owners[group, member] = name
            self.keys[group, name].append(MemberKey(member))

    def _operation(self, key: bytes, whole: bytes) -> None:
        group = GroupId(key[:ID_BYTES])
        self.operations[key[ID_BYTES:]] = self._in_words(group, read_operation_of(key, whole))

    def _in_words(self, group: GroupId, operation: Operation) -> str:
        change = operation.change
        issuer = self.name_of(group, operation.issuer)
        if isinstance(change, Genesis):
            return "makes the group"
        member = bytes(getattr(change, "member", b""))
        package = getattr(change, "key_package", b"")
        if package in self._packages:
            self._own(group, member, self._packages[package])
        whom = self.name_of(group, member)
        if isinstance(change, Add):
            return f"adds {whom}"
        if isinstance(change, Rejoin):
            return f"gives {issuer} a new leaf"
        if isinstance(change, Remove):
            return f"{issuer} leaves" if change.reason == Reason.LEFT else f"removes {whom}"
        return f"{type(change).__name__.lower()} {whom if member else ''}".rstrip()

    def _epochs(self, device: Device, writes: Writes, now_s: int) -> None:
        commits = {}
        for _, value in writes.get(Space.COMMIT, ()):
            commit = decode_own(value, CommitRecord) if value is not None else None
            if commit is not None:
                commits[commit.child] = commit
        fresh = []
        for key, value in writes[Space.EPOCH]:
            group, epoch = key[:ID_BYTES], key[ID_BYTES:]
            if value is not None and epoch not in self.branches[group].by_epoch:
                fresh.append((decode_own(value, EpochRecord), group, epoch))
        for record, group, epoch in sorted(fresh, key=lambda one: one[0].number):
            commit = commits.get(epoch)
            committer = self.name_of(group, commit.committer) if commit else device.name
            done = [self.operations.get(operation, "?") for operation in commit.operations] if commit else []
            what = ", ".join(sorted(done)) or ("renews the keys" if record.parent else "begins")
            made = self.branches[group].learn(epoch, record.parent, record.number, now_s, committer, what)
            if made is not None:
                self.fresh.append((group, made))

    def _message(self, device: Device, group: GroupId, value: bytes, now_s: int) -> None:
        signed = parse_whole(decode_own(value, MessageRecord).whole, group)
        self.got[device.name].add(signed.id)
        if signed.id not in self.said and self.owners.get((group, signed.author)) == device.name:
            said = self._said(device, signed, now_s)
            self.said[signed.id] = said
            self.texts[said.text] = said

    def _said(self, device: Device, signed: SignedObject, now_s: int) -> Said:
        tx = device.look()
        epoch = signed.origin.epoch
        return Said(
            signed.id,
            signed.group,
            device.name,
            signed.author,
            signed.seq,
            epoch,
            signed.body.decode() if signed.kind is Kind.TEXT else "",
            now_s,
            frozenset(readers_of(tx, signed.group, epoch)),
            removed_members(tx, signed.group),
        )


def read_operation_of(key: bytes, whole: bytes) -> Operation:
    """The operation that a store holds under a key of its space."""
    group, operation = GroupId(key[:ID_BYTES]), ObjectId(key[ID_BYTES:])
    signed = parse_whole(whole, group)
    if signed.id != operation:
        signed = parse_whole(whole, NO_GROUP)  # the genesis
    return read_parsed_operation(operation, signed)
