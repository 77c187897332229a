"""What is demanded once all cuts are mended, faults have ended and time has passed."""

from __future__ import annotations

from typing import Final

from chasqui.base.ids import MemberKey
from chasqui.lab.device import Device
from chasqui.lab.ledger import Said
from chasqui.lab.stage import Stage
from chasqui.node import inputs
from chasqui.node.epochs import head_of
from chasqui.node.groups import roster_of, tree_keys
from chasqui.node.records import GroupRecord, Space
from chasqui.node.views import read_group
from chasqui.sealed.kinds import LIFETIME_EXPONENT, BundleClass

DEMANDS: Final = {
    "one-head": "all who are in send in the same epoch",
    "one-roster": "all who are in know the same members, and the keys are theirs",
    "who-is-in": "whoever is a member is in, and nobody else",
    "quarantine": "those are quarantined whom the scenario names, and nobody else",
    "one-seat": "nobody sits there twice, or under a key that his device does not use",
    "all-read": "every text that was accepted is read by all whom it was for, or its author sees who waits",
    "order": "an author's texts are read in the order in which he said them, each once",
    "delivered": "'delivered' is shown only of what is there",
}
KNOWN: Final = {  # what the node does not do yet, and which demands cannot hold because of it
    "frozen": frozenset({"all-read"}),  # whom accusers froze erased his keys: what was on its way to him stays closed
    "lifted": frozenset({"one-roster", "who-is-in"}),  # and he hears of no LIFT until he asks a contact for a new leaf
    "old-copy": frozenset({"all-read", "delivered", "key-reuse", "twice", "one-head"}),  # a restored copy
}
_TEXT_S: Final = 3600 << LIFETIME_EXPONENT[BundleClass.TEXT]


class Liveness:
    """Demands of one stage that do not hold, in words; empty where all do."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.ledger = stage.ledger
        self.group = stage.group
        self.honest = [d for d in stage.devices.values() if d.name not in stage.safety.hostile and not d.lost]

    def inside(self) -> list[Device]:
        """Honest devices that are in the group, by their own word, and know of no older life of theirs."""
        return [device for device in self.honest if (record := self._record(device)) and not record.out]

    def unmet(self) -> dict[str, str]:
        """Demand: what is wrong, the first of each kind."""
        found: dict[str, str] = {}
        self._heads(found)
        self._rosters(found)
        self._texts(found)
        return found

    def unmet_by_readers(self) -> dict[str, str]:
        """Order and 'delivered' as every screen would show them. Costs a reading of everything."""
        found: dict[str, str] = {}
        for device in self.honest:
            if self._record(device) is not None and device.on:
                self._screen(device, found)
        return found

    def _record(self, device: Device) -> GroupRecord | None:
        tx = device.look()
        if tx.get(Space.INVITATION, self.group) is not None:
            return None
        return tx.load(Space.GROUP, self.group, GroupRecord)

    def _heads(self, found: dict[str, str]) -> None:
        name = self.ledger.branches[self.group].name
        heads = {device.name: self._head(device) for device in self.inside()}
        if len(set(heads.values())) > 1:
            found["one-head"] = ", ".join(f"{who} {name(head)}" for who, head in heads.items())

    def _head(self, device: Device) -> bytes:
        record = self._record(device)
        return record.head if record is not None else b""

    def _rosters(self, found: dict[str, str]) -> None:
        group = self.group
        rosters, current = {}, {}
        frozen = set(self.stage.scenario.quarantined)
        for device in self.inside():
            tx = device.look()
            record = self._record(device)
            if record is None:
                continue
            roster = roster_of(tx, group)
            rosters[device.name], current[device.name] = roster.members, roster.current
            if {self.ledger.name_of(group, member) for member in roster.quarantined} != frozen:
                found.setdefault("quarantine", f"{device.name}: {self._names(roster.quarantined)}")
            tree = tree_keys(head_of(tx, group, record)[1])
            missing = {key for key in roster.current - tree if self._is_waited_for(key)}
            if tree - roster.current or missing:
                more, fewer = self._names(tree - roster.current), self._names(frozenset(missing))
                found.setdefault("one-roster", f"{device.name}: keys too many: {more}; missing: {fewer}")
        for known in (rosters, current):
            if len(set(known.values())) > 1:
                found["one-roster"] = "; ".join(f"{who}: {self._names(seats)}" for who, seats in known.items())
        self._seats(found, frozenset[MemberKey]().union(*current.values()))

    def _seats(self, found: dict[str, str], members: frozenset[MemberKey]) -> None:
        group = self.group
        for device in self.honest:
            record = self._record(device)
            mine = MemberKey(record.member) if record is not None and not record.out else None
            seated = {key for key in self.ledger.keys[group, device.name] if key in members}
            used = self.ledger.sits_as.get((group, device.name))
            if mine is None and seated & {used}:
                found.setdefault("who-is-in", f"{device.name} is not in, and is a member for others")
            elif mine is None and seated and used is None:
                found.setdefault("who-is-in", f"{device.name} never came in, and is a member for others")
            elif mine is not None and mine not in seated:
                found.setdefault("who-is-in", f"{device.name} is in, and is no member for others")
            elif seated - {used}:
                found.setdefault("one-seat", f"{device.name} sits there under a key that his device does not use")

    def _is_waited_for(self, key: MemberKey) -> bool:
        """Whether somebody honest uses this key: a hostile one may leave the leaf that is kept for him."""
        name = self.ledger.owners.get((self.group, key), "")
        return name not in self.stage.safety.hostile and self.ledger.sits_as.get((self.group, name)) == key

    def _names(self, keys: frozenset[MemberKey]) -> str:
        return ", ".join(sorted(self.ledger.name_of(self.group, key) for key in keys)) or "nobody"

    def _texts(self, found: dict[str, str]) -> None:
        inside = {device.name: device for device in self.inside()}
        members = frozenset[MemberKey]().union(*(roster_of(d.look(), self.group).members for d in inside.values()))
        owner = {  # a key that no device uses reads nothing: it is one-seat that sees it
            key: name
            for (group, key), name in self.ledger.owners.items()
            if group == self.group and self.ledger.sits_as.get((group, name)) == key
        }
        entitled: dict[bytes, list[str]] = {}
        for said in self.ledger.said.values():
            if said.group != self.group or said.key not in members or self._drowned(said):
                continue
            if said.epoch not in entitled:
                who = sorted(owner[key] for key in said.readers & members if key in owner)
                entitled[said.epoch] = [name for name in who if name in inside and not inside[name].restored]
            for name in entitled[said.epoch]:
                if said.id not in self.ledger.got[name] and name != said.author and not self._too_old(said):
                    found.setdefault("all-read", f"{name} has not read '{said.text}' of {said.author}")

    def _drowned(self, said: Said) -> bool:
        """It never left a device that is gone for ever."""
        others = (name for name in self.stage.devices if name != said.author)
        return self.stage.devices[said.author].lost and not any(said.id in self.ledger.got[name] for name in others)

    def _too_old(self, said: Said) -> bool:
        """Its bundle may have expired before it could come; that its author sees who waits is held by 'delivered'."""
        return self.stage.world.now_s - said.at_s > _TEXT_S

    def _screen(self, device: Device, found: dict[str, str]) -> None:
        device.do(inputs.SettleOrder(self.group))
        shown = read_group(device.look(), self.group).messages
        last: dict[MemberKey, int] = {}
        for message in shown:
            if message.seq <= last.get(message.author, 0):
                found.setdefault("order", f"{device.name} reads number {message.seq} of {message.author_name} late")
            last[message.author] = message.seq
            for member, delivered in message.receipts if message.own else ():
                name = self.ledger.owners.get((self.group, member))
                if name is None or name in self.stage.safety.hostile or not delivered:
                    continue
                if message.id not in self.ledger.got[name]:
                    found.setdefault("delivered", f"{device.name} shows '{message.text}' as delivered to {name}")
