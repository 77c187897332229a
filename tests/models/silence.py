"""A contact searched: two devices that commit, hear or lose each other in every order, and forget what is old.

The rule: the root is the newest epoch that both have voted their way to, where committing is a vote for the commit, and
saying anything in an epoch a vote for all commits on the way to it. What lies outside of the way from root to head may
be forgotten at any time. A commit of one's own on that way is said again, in its parent, for ever.

The world is as bad as can be: each thing that is said is heard at once, later, or never; only commits that are said
again are heard in the end. What must hold: wherever they are, once they hear each other they have the same head, and
both know that the other has it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

ROOT = ""


@dataclass(frozen=True, order=True)
class Commit:
    """A child of `parent`, made by device `by`: so is its epoch called."""

    parent: str
    by: int

    @property
    def name(self) -> str:
        """The epoch that it makes."""
        return f"{self.parent}{self.by}"


Vote = tuple[int, str]  # who, for which commit


@dataclass(frozen=True)
class Device:
    """What one of the two has: commits, as long as their parents are held; votes; its root and its head."""

    commits: frozenset[Commit] = frozenset()
    votes: frozenset[Vote] = frozenset()
    root: str = ROOT
    head: str = ROOT
    forgotten: frozenset[str] = frozenset()

    def unheard(self, own: int) -> tuple[str, ...]:
        """Its own commits on the way to the head for which the other has not voted, the oldest first."""
        way = [self.head[:end] for end in range(1, len(self.head) + 1)]
        return tuple(name for name in way if name.endswith(str(own)) and (1 - own, name) not in self.votes)

    def kept(self, own: int) -> tuple[str, ...]:
        """The epochs from the root, or the parent of the oldest of these, to the head."""
        first = min(len(self.root), *(len(name) - 1 for name in (*self.unheard(own), self.head + "0")))
        return tuple(self.head[:end] for end in range(first, len(self.head) + 1))

    def holds(self, epoch: str) -> bool:
        """Whether its keys are here."""
        made = epoch == ROOT or any(commit.name == epoch for commit in self.commits)
        return made and epoch not in self.forgotten

    def followed(self) -> Device:
        """With root and head where commits and votes have them."""
        root = epoch = self.root
        while children := sorted(commit for commit in self.commits if commit.parent == epoch):
            voters = {c: {who for who, name in self.votes if name == c.name} for c in children}
            everybody = set().union(*voters.values())
            children.sort(key=lambda c: (-len(voters[c]), c.by))
            if epoch == root and len(everybody) == 2:
                root = children[0].name
            epoch = children[0].name
        return replace(self, root=root, head=epoch)


class State(NamedTuple):
    """Both devices, and all commits that were ever made."""

    devices: tuple[Device, Device]
    made: frozenset[Commit] = frozenset()

    def of(self, who: int, device: Device) -> State:
        """With another state of one device."""
        return self._replace(devices=(device, self.devices[1]) if who == 0 else (self.devices[0], device))


def voted(device: Device, who: int, epoch: str) -> Device:
    """Counts a vote of somebody for all commits on the way to an epoch."""
    way = {(who, epoch[:end]) for end in range(1, len(epoch) + 1)}
    return replace(device, votes=device.votes | way).followed()


def spoken(state: State, who: int, *, heard: bool) -> State:
    """Says something in its head."""
    epoch, other = state.devices[who].head, state.devices[1 - who]
    state = state.of(who, voted(state.devices[who], who, epoch))
    return state.of(1 - who, voted(other, who, epoch)) if heard and other.holds(epoch) else state


def committed(state: State, who: int) -> State:
    """Makes a commit on its head, which nobody hears yet."""
    commit = Commit(state.devices[who].head, who)
    return state._replace(made=state.made | {commit}).of(who, _applied(state.devices[who], commit))


def heard(state: State, who: int, commit: Commit) -> State:
    """A commit reaches a device that has its parent: it may be long ago that it was made."""
    device = state.devices[who]
    if not device.holds(commit.parent) or commit in device.commits or commit.parent not in _open(device):
        return state
    return state.of(who, _applied(device, commit))


def _applied(device: Device, commit: Commit) -> Device:
    votes = device.votes | {(commit.by, commit.name)}
    return replace(device, commits=device.commits | {commit}, votes=votes).followed()


def _open(device: Device) -> set[str]:
    """Epochs on which a commit is still applied: not those before the root."""
    return {epoch for epoch in (ROOT, *(c.name for c in device.commits)) if epoch.startswith(device.root)}


def forgot(state: State, who: int, epoch: str) -> State:
    """Erases an epoch with age."""
    device = state.devices[who]
    return state.of(who, replace(device, forgotten=device.forgotten | {epoch}))


def after(state: State, most: int, *, keeps: bool) -> Iterator[State]:
    """Everything that can happen next; `keeps`: what lies on the way from root to head is not forgotten."""
    for who in (0, 1):
        device = state.devices[who]
        if sum(commit.by == who for commit in state.made) < most and device.holds(device.head):
            yield committed(state, who)
        yield spoken(state, who, heard=True)
        yield spoken(state, who, heard=False)
        for commit in state.made:
            yield heard(state, who, commit)
        for epoch in (ROOT, *(commit.name for commit in device.commits)):
            if device.holds(epoch) and epoch != device.head and not (keeps and epoch in device.kept(who)):
                yield forgot(state, who, epoch)


def reunited(state: State, *, again: bool) -> State:
    """They hear each other from now on: what they say in their heads, and with `again` the commits of their own on the
    way from root to head, the oldest first."""
    while True:
        before = state
        for who in (0, 1):
            device = state.devices[who]
            for name in device.unheard(who) if again else ():
                state = heard(state, 1 - who, Commit(name[:-1], who))
            state = spoken(state, who, heard=True)
        if state == before:
            return state


def together(state: State) -> bool:
    """Whether both have one head, and know it."""
    one, other = state.devices
    return one.head == other.head == one.root == other.root


def reachable(most: int, *, keeps: bool = True) -> Iterator[State]:
    """Every state that the world can bring them into, with so many commits of each."""
    start = State((Device(), Device()))
    seen, todo = {start}, [start]
    while todo:
        state = todo.pop()
        yield state
        for following in after(state, most, keeps=keeps):
            if following not in seen:
                seen.add(following)
                todo.append(following)
