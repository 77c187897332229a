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


State = tuple[Device, Device, frozenset[Commit]]  # the last: all that were ever made


def voted(device: Device, who: int, epoch: str) -> Device:
    """Counts a vote of somebody for all commits on the way to an epoch."""
    way = {(who, epoch[:end]) for end in range(1, len(epoch) + 1)}
    return replace(device, votes=device.votes | way).followed()


def spoken(state: State, who: int, *, heard: bool) -> State:
    """Says something in its head."""
    devices = list(state[:2])
    epoch = devices[who].head
    devices[who] = voted(devices[who], who, epoch)
    if heard and devices[1 - who].holds(epoch):
        devices[1 - who] = voted(devices[1 - who], who, epoch)
    return devices[0], devices[1], state[2]


def committed(state: State, who: int) -> State:
    """Makes a commit on its head, which nobody hears yet."""
    devices = list(state[:2])
    commit = Commit(devices[who].head, who)
    device = replace(devices[who], commits=devices[who].commits | {commit})
    devices[who] = replace(device, votes=device.votes | {(who, commit.name)}).followed()
    return devices[0], devices[1], state[2] | {commit}


def heard(state: State, who: int, commit: Commit) -> State:
    """A commit reaches a device that has its parent: it may be long ago that it was made."""
    devices = list(state[:2])
    device = devices[who]
    if not device.holds(commit.parent) or commit in device.commits or commit.parent not in _open(device):
        return state
    device = replace(device, commits=device.commits | {commit})
    devices[who] = replace(device, votes=device.votes | {(commit.by, commit.name)}).followed()
    return devices[0], devices[1], state[2]


def _open(device: Device) -> set[str]:
    """Epochs on which a commit is still applied: not those before the root."""
    return {epoch for epoch in (ROOT, *(c.name for c in device.commits)) if epoch.startswith(device.root)}


def forgot(state: State, who: int, epoch: str) -> State:
    """Erases an epoch with age."""
    devices = list(state[:2])
    devices[who] = replace(devices[who], forgotten=devices[who].forgotten | {epoch})
    return devices[0], devices[1], state[2]


def after(state: State, most: int, *, keeps: bool) -> Iterator[State]:
    """Everything that can happen next; `keeps`: what lies on the way from root to head is not forgotten."""
    for who in (0, 1):
        device = state[who]
        if sum(commit.by == who for commit in state[2]) < most and device.holds(device.head):
            yield committed(state, who)
        yield spoken(state, who, heard=True)
        yield spoken(state, who, heard=False)
        for commit in state[2]:
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
            device = state[who]
            for name in device.unheard(who) if again else ():
                state = heard(state, 1 - who, Commit(name[:-1], who))
            state = spoken(state, who, heard=True)
        if state == before:
            return state


def together(state: State) -> bool:
    """Whether both have one head, and know it."""
    one, other, _ = state
    return one.head == other.head == one.root == other.root


def reachable(most: int, *, keeps: bool = True) -> Iterator[State]:
    """Every state that the world can bring them into, with so many commits of each."""
    start: State = (Device(), Device(), frozenset())
    seen, todo = {start}, [start]
    while todo:
        state = todo.pop()
        yield state
        for following in after(state, most, keeps=keeps):
            if following not in seen:
                seen.add(following)
                todo.append(following)
