"""The tree of commits, searched: who commits, votes and hears what, in every order, and what is left when all is quiet.

The rule: every device opens every commit on every epoch that it holds. From the root it descends: the child with more
than two thirds of the votes of the epoch's tree; in a tree of two that with the most, once both have voted; else the
least of (-votes of those who are not removed, whether the committer signed two children here, -removals that the child
carries out, a hash of epoch and committer, id). It votes once per epoch, for ever, for the child on its path; it
carries out removals that its head has not before it sends.

What is left out, so that few states remain: additions and newcomers; turns and ages (anybody may commit, and vote,
at any time); messages (one could be said wherever an honest device has its head, so these epochs are asked about). A
removal counts from the moment it is known and for ever; a commit brings those it carries out.
Two honest devices meet and one learns all it can read of the other; who is not in the tree of the other's head reads
nothing but commits. A dishonest member knows everything, commits and votes anything, and shows each device what he
likes. The hash is an order of members, given. Each reachable state is then closed: everybody honest hears everything,
carries out, votes, until nothing changes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

from tests.models.searching import reachable

ROOT = "R"


@dataclass(frozen=True, order=True)
class Commit:
    """A child of `parent`; its name says everything about it."""

    parent: str
    by: int
    removes: frozenset[int]
    again: bool = False

    @cached_property
    def name(self) -> str:
        """The id."""
        return f"{self.parent}/{self.by}{'!' if self.again else ''}{''.join(f'-{x}' for x in sorted(self.removes))}"


Vote = tuple[int, str, str]  # who, epoch, child


@dataclass(frozen=True)
class Device:
    """What one honest member has."""

    commits: frozenset[Commit] = frozenset()
    votes: frozenset[Vote] = frozenset()
    removed: frozenset[int] = frozenset()

    def joined(self, other: Device) -> Device:
        """Both."""
        return Device(self.commits | other.commits, self.votes | other.votes, self.removed | other.removed)


State = tuple[Device, ...]  # the last one: all that anybody ever said


@dataclass(frozen=True)
class Healing:
    """A group and the bounds of the search."""

    size: int
    dishonest: frozenset[int] = frozenset()
    commits: int = 2
    removals: int = 1
    depth: int = 2
    states: int = 10**9
    shrinking: bool = False  # broken: whoever is removed takes his weight from the quorum
    vote_twice: bool = False  # broken: an honest member votes again when its head has changed
    all_in: int = 2  # the largest tree in which the most votes settle once all have voted; broken: 0, or more than 2
    lazy: bool = False  # broken: nobody carries out what the head lacks

    # -- the rule ---------------------------------------------------------------------------------------------

    def tree(self, epoch: str) -> frozenset[int]:
        """Members of an epoch."""
        return frozenset(range(self.size)) - frozenset(
            int(part) for step in epoch.split("/")[1:] for part in step.split("-")[1:]
        )

    def settled(self, device: Device, epoch: str) -> list[Commit]:
        """Children with more than two thirds."""
        tree = self.tree(epoch)
        electorate = tree - device.removed if self.shrinking else tree
        children = _children(device.commits, epoch)
        done = [c for c in children if 3 * len(_for(device, c) & electorate) > 2 * len(electorate)]
        everybody = {who for who, parent, _ in device.votes if parent == epoch} >= tree
        voted = [c for c in children if _for(device, c)]
        if not done and everybody and len(tree) <= self.all_in and voted:
            return [min(voted, key=lambda c: (-len(_for(device, c) & tree), self._hash(c), c.name))]
        return done

    def _hash(self, c: Commit) -> int:
        """Stands for hash(epoch || committer)."""
        return (c.by * 3 + len(c.parent)) % (self.size + 1)

    def winner(self, device: Device, epoch: str) -> Commit | None:
        """The child that a device with these sets follows."""
        children = _children(device.commits, epoch)
        if not children:
            return None
        done = self.settled(device, epoch)
        if done:
            return min(done)
        makers = [c.by for c in children]
        return min(
            children,
            key=lambda c: (
                -len((_for(device, c) & self.tree(epoch)) - device.removed),
                makers.count(c.by) > 1,
                -len(c.removes & device.removed),
                self._hash(c),
                c.name,
            ),
        )

    def path(self, device: Device) -> list[Commit]:
        """From the root to the head."""
        steps: list[Commit] = []
        while (step := self.winner(device, steps[-1].name if steps else ROOT)) is not None:
            steps.append(step)
        return steps

    def head(self, device: Device) -> str:
        """The epoch in which the device sends."""
        path = self.path(device)
        return path[-1].name if path else ROOT

    # -- what can happen -------------------------------------------------------------------------------------

    @cached_property
    def honest(self) -> list[int]:
        """Who keeps the rule."""
        return [m for m in range(self.size) if m not in self.dishonest]

    def reachable(self) -> Iterator[State]:
        """Every state."""
        return reachable((Device(),) * (self.size + 1), self._steps, self.states)

    def _steps(self, state: State) -> Iterator[State]:
        said = state[-1]
        for me in self.honest:
            mine = state[me]
            if me in mine.removed:
                continue
            if len(said.removed) < self.removals:
                for whom in range(self.size):
                    if whom != me and whom not in said.removed:
                        yield self._says(state, me, Device(removed=frozenset({whom})))
            if (made := self._commits(mine, me)) and made not in mine.commits and len(said.commits) < self.commits:
                yield self._says(state, me, Device(frozenset({made}), removed=made.removes))
            for vote in self._votes(mine, me):
                yield self._says(state, me, Device(votes=frozenset({vote})))
            for other in self.honest:
                then = mine.joined(self._readable(state[other], me))
                if then != mine:
                    yield (*state[:me], then, *state[me + 1 :])
        for liar in self.dishonest:
            yield from self._lies(state, liar)

    def _commits(self, mine: Device, me: int) -> Commit | None:
        head = self.head(mine)
        if head.count("/") >= self.depth or me not in self.tree(head):
            return None
        return Commit(head, me, mine.removed & self.tree(head))

    def _votes(self, mine: Device, me: int) -> list[Vote]:
        voted = {(epoch, child) for who, epoch, child in mine.votes if who == me}
        epochs = {epoch for epoch, _ in voted}
        return [
            (me, c.parent, c.name)
            for c in self.path(mine)
            if me in self.tree(c.parent)
            and (c.parent not in epochs or (self.vote_twice and (c.parent, c.name) not in voted))
        ]

    def _says(self, state: State, me: int, what: Device) -> State:
        said = state[-1].joined(what)
        return (*state[:me], state[me].joined(what), *state[me + 1 : -1], said)

    def _readable(self, theirs: Device, me: int) -> Device:
        commits = frozenset(c for c in theirs.commits if me in self.tree(c.parent))
        removed = frozenset(x for c in commits for x in c.removes)
        if me not in self.tree(self.head(theirs)):
            return Device(commits, removed=removed)
        return Device(commits, theirs.votes, theirs.removed | removed)

    def _lies(self, state: State, liar: int) -> Iterator[State]:
        said = state[-1]
        if len(said.removed) < self.removals:
            for whom in self.honest:
                if whom not in said.removed:
                    yield (*state[:-1], said.joined(Device(removed=frozenset({whom}))))
        if len(said.commits) < self.commits:
            for epoch in [ROOT, *(c.name for c in said.commits)]:
                if liar in self.tree(epoch) and epoch.count("/") < self.depth:
                    removable = said.removed & self.tree(epoch) - {liar}
                    for removes in {frozenset[int](), removable}:
                        for again in (False, True):
                            made = Commit(epoch, liar, removes, again)
                            if (
                                made not in said.commits
                                and sum(1 for c in said.commits if (c.parent, c.by) == (epoch, liar)) < 2
                            ):
                                yield (*state[:-1], said.joined(Device(frozenset({made}))))
        for c in said.commits:
            if liar in self.tree(c.parent) and (liar, c.parent, c.name) not in said.votes:
                yield (*state[:-1], said.joined(Device(votes=frozenset({(liar, c.parent, c.name)}))))
        for me in self.honest:  # shows one thing to one device
            mine = state[me]
            for c in said.commits - mine.commits:
                if c.by == liar and me in self.tree(c.parent) and _held(mine, c.parent):
                    yield self._says(state, me, Device(frozenset({c}), removed=c.removes))
            for vote in said.votes - mine.votes:
                if vote[0] == liar and any(c.name == vote[2] for c in mine.commits):
                    yield self._says(state, me, Device(votes=frozenset({vote})))
            for whom in said.removed - mine.removed:
                yield self._says(state, me, Device(removed=frozenset({whom})))

    # -- when all is quiet ----------------------------------------------------------------------------------------

    def closed(self, state: State) -> State | None:
        """Everybody hears, carries out and votes until nothing changes; None if that never ends."""
        state = self._heard(state)
        if state not in self._ends:
            self._ends[state] = self._closed(state)
        return self._ends[state]

    @cached_property
    def _ends(self) -> dict[State, State | None]:
        return {}

    def _heard(self, state: State) -> State:
        for me in self.honest:
            mine = state[me].joined(self._readable(state[-1], me))
            state = (*state[:me], mine, *state[me + 1 :])
        return state

    def _closed(self, state: State) -> State | None:
        free = replace(self, commits=10**6, depth=10**6)
        for _ in range(20 * self.size):
            before = state
            state = self._heard(state)
            for me in self.honest:
                mine = state[me]
                if me in mine.removed:
                    continue
                made = free._commits(mine, me)
                if made and made.removes and not self.lazy:
                    state = self._says(state, me, Device(frozenset({made})))
                for vote in self._votes(state[me], me):
                    state = self._says(state, me, Device(votes=frozenset({vote})))
            if state == before:
                return state
        return None

    # -- what must hold ------------------------------------------------------------------------------------------

    def search(self, *, must_settle: bool = False) -> tuple[int, str, State | None]:
        """How many states, and the first in which something is wrong."""
        count = 0
        for state in self.reachable():
            count += 1
            for what in self._wrong(state, must_settle):
                return count, what, state
        return count, "", None

    def _wrong(self, state: State, must_settle: bool) -> Iterator[str]:
        epochs = [ROOT, *(c.name for c in state[-1].commits)]
        known = [state[-1], *(replace(state[-1], removed=frozenset()), *(d for d in state[:-1]))]
        for epoch in epochs:
            if len({c for device in known for c in self.settled(device, epoch)}) > 1:
                yield "two siblings are settled"
        end = self.closed(state)
        if end is None:
            yield "it never ends"
            return
        there = [m for m in self.honest if m not in end[-1].removed]
        if not there:
            return
        heads = {self.head(end[m]) for m in there}
        if len(heads) > 1:
            yield "two heads"
            return
        head = heads.pop()
        if self.tree(head) & end[-1].removed:
            yield "somebody removed is in the tree"
        if not frozenset(there) <= self.tree(head):
            yield "a member is not in the tree"
        final = [c.name for c in self.path(end[there[0]])]
        for m in self.honest:
            for c in self._settled_path(state[m]):
                if c.name not in final:
                    yield "what was settled reverts"
            sent_in = self.head(state[m])
            for reader in there:
                if reader in self.tree(sent_in) and not _held(end[reader], sent_in):
                    yield "a message stays unread"
        if must_settle:
            for c in self.path(end[there[0]]):
                tree = self.tree(c.parent)
                if 3 * len(tree & frozenset(there)) > 2 * len(tree) and not self.settled(end[there[0]], c.parent):
                    yield "more than two thirds are there, and nothing is settled"

    def _settled_path(self, device: Device) -> list[Commit]:
        steps: list[Commit] = []
        while done := self.settled(device, steps[-1].name if steps else ROOT):
            steps.append(done[0])
        return steps


def _children(commits: frozenset[Commit], epoch: str) -> list[Commit]:
    return sorted((c for c in commits if c.parent == epoch), key=lambda c: c.name)


def _for(device: Device, child: Commit) -> frozenset[int]:
    return frozenset(who for who, _, chosen in device.votes if chosen == child.name)


def _held(device: Device, epoch: str) -> bool:
    return epoch == ROOT or any(c.name == epoch for c in device.commits)
