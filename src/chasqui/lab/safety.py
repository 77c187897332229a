"""What must never be, checked at every durable step on what the step wrote. The invariants are those of the design."""

from __future__ import annotations

import traceback
from collections import defaultdict
from dataclasses import dataclass
from typing import Final

from chasqui.base.ids import ID_BYTES, MEMBER_KEY_BYTES, GroupId, MemberKey, ObjectId
from chasqui.base.limits import (
    CARRIED_BYTES_MAX,
    COMMITS_DEFERRED_MAX,
    SECONDS_PER_DAY,
    SIBLINGS_PER_COMMITTER_MAX,
    SKIPPED_KEYS_MAX,
)
from chasqui.base.ranges import Ranges
from chasqui.base.schema import decode_own
from chasqui.lab.device import Device
from chasqui.lab.ledger import Ledger, Said, Writes, by_space
from chasqui.lab.world import World
from chasqui.node import inputs
from chasqui.node.effects import Notice
from chasqui.node.groups import roster_of
from chasqui.node.records import (
    AuthorRecord,
    ChainRecord,
    CommitRecord,
    EpochRecord,
    ForeignRecord,
    HaveRecord,
    MessageRecord,
    Space,
)
from chasqui.node.store_port import Write
from chasqui.sealed.object import parse_whole

CHECKS: Final = {
    "error": "no step fails from within",
    "removed-reads": "nobody removed reads what was sent by somebody who knew it",
    "dirty-send": "nobody sends in an epoch that holds somebody whose removal he knows",
    "false-receipt": "'delivered' only where that member's device has it",
    "key-reuse": "no key is used for two bundles",
    "removed-returns": "nobody shows a removed member as a member again",
    "twice": "a text is kept once",
    "order": "an author's texts are read in the order in which he said them",
    "bounded": "what a device keeps for others is bounded",
    "rude": "two honest devices never cut each other off",
}
_LEFT_OUT: Final = 1_024  # an older copy leaves out so many numbers, and with them keys; it did not seal with those
_KEPT_MAX: Final = 40  # violations of one run; one is enough, some tell more


@dataclass(frozen=True)
class Violation:
    """Something that must not be: which check, when, at whose device."""

    check: str
    at_s: int
    who: str
    what: str


class Safety:
    """Sees every step (`device.Witness`) and keeps what must not be."""

    def __init__(self, world: World, ledger: Ledger) -> None:
        self.world = world
        self.ledger = ledger
        self.violations: list[Violation] = []
        self.hostile: set[str] = set()  # devices whose owners do not keep to the rules
        self.notices: dict[str, list[Notice]] = defaultdict(list)
        self._used: dict[tuple[bytes, int], str] = {}  # (epoch and leaf, counter): who sealed
        self._leaves: dict[tuple[str, bytes], bytes] = {}  # (device, epoch): epoch and own leaf
        self._counters: dict[tuple[str, bytes], int] = {}  # (device, epoch and leaf)
        self._out: dict[tuple[str, bytes], dict[MemberKey, str]] = defaultdict(dict)  # ever removed, and by whom
        self._lost_authors: dict[tuple[str, bytes], Ranges] = {}  # what a store had before it was restored
        self._texts: dict[tuple[str, bytes, int], ObjectId] = {}
        self._devices: dict[str, Device] = {}

    # -- device.Witness -----------------------------------------------------------------------------------------

    def durable(self, device: Device, event: inputs.Input, writes: tuple[Write, ...]) -> None:
        """Judges a step by what it wrote."""
        found = by_space(writes)
        self.ledger.durable(device, found, self.world.now_s)
        if device.name in self.hostile:
            return
        if Space.EPOCH in found:
            self._learn_leaves(device, found)
        if Space.CHAIN in found:
            self._keys_used(device, found)
        if Space.MESSAGE in found:
            self._messages(device, found)
        if Space.HAVE in found:
            self._receipts(device, found)
        if Space.REMOVED in found or Space.OPERATION in found:
            self._removals(device, found)

    def noticed(self, device: Device, notice: Notice) -> None:
        """'trouble' is an error that the node has caught."""
        if notice.what == "trouble" and device.name not in self.hostile:
            self.fail("error", device.name, "the node caught an error of its own ('trouble')")
        self.notices[device.name].append(notice)

    def broke(self, device: Device, event: inputs.Input, error: BaseException) -> None:
        """A step may only refuse."""
        where = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{where.filename.rpartition('chasqui/')[2]}:{where.lineno}"
        if device.name not in self.hostile:
            self.fail("error", device.name, f"{type(event).__name__}: {type(error).__name__}: {error} ({place})")

    def fail(self, check: str, who: str, what: str) -> None:
        """Keeps a violation."""
        if len(self.violations) < _KEPT_MAX:
            self.violations.append(Violation(check, self.world.now_s, who, what))
            self.world.tell(f"!! {check}: {who}: {what}")

    # -- for the lab --------------------------------------------------------------------------------------------

    def before_restore(self, device: Device) -> None:
        """A device loses what it had, though it has signed for it."""
        for key, data in device.store.scan(Space.AUTHOR):
            spans = load_spans(data)
            self._lost_authors[device.name, key] = self._had(device.name, key).union(spans)
        for entry in [entry for entry in self._counters if entry[0] == device.name]:
            del self._counters[entry]

    def restored(self, device: Device) -> None:
        """The counters are those of the copy."""
        self.ledger.restored(device)
        for key, data in device.store.scan(Space.CHAIN):
            self._counters[device.name, key] = decode_own(data, ChainRecord).counter
        for text in [known for known in self._texts if known[0] == device.name]:
            del self._texts[text]

    def rude(self, closer: Device, peer: Device) -> None:
        """A device cut off its peer."""
        if not {closer.name, peer.name} & self.hostile:
            self.fail("rude", closer.name, f"cut off {peer.name}")

    def bounds(self, device: Device) -> None:
        """What others can make a device keep has an end. Costs a pass over some spaces: not for every step."""
        tx = device.look()
        held: dict[bytes, int] = defaultdict(int)
        for key, value in tx.scan(Space.HELD):
            held[key[:ID_BYTES] + value[:MEMBER_KEY_BYTES]] += 1
        if any(count > COMMITS_DEFERRED_MAX for count in held.values()):
            self.fail("bounded", device.name, "keeps too many commits that wait")
        skipped: dict[bytes, int] = defaultdict(int)
        for key, _ in tx.scan(Space.SKIPPED):
            skipped[key[:-2]] += 1
        if any(count > SKIPPED_KEYS_MAX for count in skipped.values()):
            self.fail("bounded", device.name, "keeps too many keys of messages that were passed over")
        siblings: dict[bytes, int] = defaultdict(int)
        for key, commit in tx.load_prefix(Space.COMMIT, b"", CommitRecord):
            today = commit.seen_s > tx.now_s - SECONDS_PER_DAY
            siblings[key[:ID_BYTES] + commit.parent + commit.committer] += today
        if any(count > SIBLINGS_PER_COMMITTER_MAX for count in siblings.values()):
            self.fail("bounded", device.name, "keeps too many commits of one member on one parent")
        if sum(record.size for _, record in tx.load_prefix(Space.FOREIGN, b"", ForeignRecord)) > CARRIED_BYTES_MAX:
            self.fail("bounded", device.name, "carries too much for strangers")

    # -- inside -------------------------------------------------------------------------------------------------

    def _learn_leaves(self, device: Device, found: Writes) -> None:
        for key, value in found[Space.EPOCH]:
            epoch = key[ID_BYTES:]
            if value is not None and (device.name, epoch) not in self._leaves:
                leaf = decode_own(value, EpochRecord).own_leaf
                self._leaves[device.name, epoch] = epoch + leaf.to_bytes(2, "big")

    def _keys_used(self, device: Device, found: Writes) -> None:
        for key, value in found[Space.CHAIN]:
            if value is None or self._leaves.get((device.name, key[:-2])) != key:
                continue
            upto = decode_own(value, ChainRecord).counter
            begin = self._counters.get((device.name, key), 0)
            if upto - begin >= _LEFT_OUT:
                begin = upto - 1
            for counter in range(begin, upto):
                before = self._used.get((key, counter))
                if before is not None:
                    self.fail("key-reuse", device.name, f"sealed twice with key {counter} of an epoch")
                self._used[key, counter] = device.name
            self._counters[device.name, key] = upto

    def _messages(self, device: Device, found: Writes) -> None:
        for key, value in found[Space.MESSAGE]:
            if value is None:
                continue
            group = GroupId(key[:ID_BYTES])
            signed = parse_whole(decode_own(value, MessageRecord).whole, group)
            said = self.ledger.said.get(signed.id)
            if said is None:
                continue  # of a hostile member
            place = (device.name, group + signed.author, signed.seq)
            if self._texts.setdefault(place, signed.id) != signed.id:
                self.fail("twice", device.name, f"holds two texts with number {signed.seq} of {said.author}")
            if said.author == device.name:
                self._sent(device, said)
            else:
                self._read(device, said)

    def _sent(self, device: Device, said: Said) -> None:
        present = said.readers & said.known_out
        if present and said.at_s == self.world.now_s:
            names = ", ".join(sorted(self.ledger.name_of(said.group, member) for member in present))
            self.fail("dirty-send", device.name, f"'{said.text}' could be read by {names}, whose removal is known")

    def _read(self, device: Device, said: Said) -> None:
        if self.ledger.sits_as.get((said.group, device.name)) in said.known_out:
            self.fail("removed-reads", device.name, f"reads '{said.text}' of {said.author}, who knew the removal")

    def _receipts(self, device: Device, found: Writes) -> None:
        for key, value in found[Space.HAVE]:
            group, member, author = key[:ID_BYTES], key[ID_BYTES:-MEMBER_KEY_BYTES], key[-MEMBER_KEY_BYTES:]
            signer = self.ledger.owners.get((group, member))
            if value is None or self.ledger.owners.get((group, author)) != device.name or signer is None:
                continue
            if signer in self.hostile or signer == device.name:
                continue
            real = self._really(signer, group + author)
            for first, last in decode_own(value, HaveRecord).spans:
                if real.missing(first, last):
                    self.fail("false-receipt", device.name, f"takes {signer} to have {first}-{last}; it is not so")

    def _really(self, name: str, key: bytes) -> Ranges:
        data = self._devices[name].store.get(Space.AUTHOR, key)
        had = self._had(name, key)
        return had.union(load_spans(data)) if data is not None else had

    def _had(self, name: str, key: bytes) -> Ranges:
        return self._lost_authors.get((name, key), Ranges())

    def watch(self, devices: dict[str, Device]) -> None:
        """All devices of the world, by name."""
        self._devices = devices

    def _removals(self, device: Device, found: Writes) -> None:
        groups = {key[:ID_BYTES] for space in (Space.REMOVED, Space.OPERATION) for key, _ in found.get(space, ())}
        for group in sorted(groups):
            roster = roster_of(device.look(), GroupId(group))
            known = self._out[device.name, group]
            for member in sorted(roster.members & known.keys()):
                if known[member] not in self.hostile:
                    name = self.ledger.name_of(group, member)
                    self.fail("removed-returns", device.name, f"shows {name} as a member again")
            for member, operation in roster.removals.items():
                known[member] = self.ledger.name_of(group, operation.issuer)


def load_spans(author: bytes) -> Ranges:
    """The numbers in an author's record."""
    return Ranges(decode_own(author, AuthorRecord).spans)
