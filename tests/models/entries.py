"""Newcomers, searched: who is let in on one of several branches, by whom he is given leaves, and where he ends up.

The rules are those of "New leaves" in docs/spec/forks.md: who was let in by a commit holds no keys and no votes from
before it; he gives a key package where he is (M-SEA-1); whoever reads it there gives him a leaf where he has none that
he can use (M-SEA-4); nobody takes a commit that cites the same REJOIN again (M-SEA-5); he goes where a welcome leads,
and once something was settled after his entry, where most others speak (M-SEA-6); or he demands a leaf of his contacts
(M-SEA-3). What decides is the product's own: which child is followed (`Fork`), whether a leaf is needed (`needs_leaf`),
where the group is (`elders`, `is_home`).

The founders `a`, `b`, `c` commit, vote and hear each other in any order; `a` lets `p` in, `b` lets `q` in. Who hears
another learns all that he can read of what that one has. Each reachable state is then closed: all hear all, give
leaves, vote and offer anew until nothing changes. Asked is what the model itself can see: have all one head, and the
keys of their leaves in it, and can they read what each said on the way?

Left out: removals (`putting_out.py`), ages, messages other than these, liars.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from typing import NamedTuple

from chasqui.base.ids import CommitId, EpochId, ObjectId
from chasqui.groups.fork_choice import Child, Fork
from chasqui.groups.history import History, arrange
from chasqui.node.commit_tree import Branches
from chasqui.node.entries import elders, is_home, needs_leaf, seems_elsewhere
from chasqui.node.records import CommitRecord
from tests.groups.reference import Change, Op
from tests.models.histories import as_operation, key, object_id
from tests.models.searching import reachable

ROOT = "R"
CONTACT = ""  # where a demanded key package was given
OFFERS_MAX = 9


class Commit(NamedTuple):
    """A child of `parent` by `by`, which gives `whom` a leaf of his key package `number`, 0 being that of his
    addition; or nobody. `told`: the REJOINs that its maker knew, which its welcome tells."""

    parent: str
    by: str
    whom: str = ""
    number: int = 0
    told: frozenset[tuple[str, int]] = frozenset()

    @property
    def name(self) -> str:
        """Its epoch."""
        what = f"+{self.whom}{self.number}" if self.whom else ""
        return f"{self.parent}/{self.by}{what}"


class Vote(NamedTuple):
    """Whose word for which child of which epoch, and in which epoch it was sealed."""

    by: str
    parent: str
    child: str
    sealed: str


class Package(NamedTuple):
    """A key package for a next leaf, with its REJOIN."""

    whom: str
    number: int
    given_in: str


class Device(NamedTuple):
    """What one member has."""

    commits: frozenset[Commit] = frozenset()
    votes: frozenset[Vote] = frozenset()
    packages: frozenset[Package] = frozenset()
    rejoins: frozenset[tuple[str, int]] = frozenset()
    entered: frozenset[str] = frozenset()  # epochs that a welcome opened
    root: str = ""  # of who is not there yet
    entry: str = ""  # of a newcomer, where he began last
    seated: bool = False
    demanded: bool = False
    elsewhere: tuple[str, ...] = ()
    last: frozenset[tuple[str, str]] = frozenset()  # where others spoke last, for who came by a welcome
    given: int = 0
    spent: frozenset[int] = frozenset()

    def holds(self, epoch: str) -> bool:
        """Whether its keys are here."""
        return epoch in self.entered or epoch in self.made

    def with_commit(self, commit: Commit) -> Device:
        """With a commit of its own."""
        return self._replace(commits=self.commits | {commit})

    @property
    def made(self) -> frozenset[str]:
        """Epochs of commits that were applied."""
        return frozenset(c.name for c in self.commits)


State = tuple[Device, ...]


class CounterexampleError(Exception):
    """Something that must not happen has."""


@dataclass(frozen=True)
class Entries:
    """A group and the bounds of the search; each switch takes one rule away."""

    founders: str
    newcomers: str
    commits: int
    inviters: str = "ab"  # of the newcomers, in their order
    cut: bool = False  # the search begins after a long cut (`after_a_cut`)
    offers: int = 1
    demands: int = 0
    all_demand: bool = False  # founders, too
    lot: int = 0  # another order wherever the lot decides
    states: int = 10**9
    by_tree_alone: bool = False  # broken: who sits in the tree needs no leaf
    settled_stay: bool = False  # broken: once something is settled after an entry, its member follows no welcome
    untold: bool = False  # broken: who came in by a welcome does not know what was carried out before
    all_alike: bool = False  # as it was: who came in later counts as much as who was there before
    offers_once: bool = False  # broken: no key package after the first
    left_to_others: bool = False  # as it was: who knows no fork point gives no leaf
    asks_again: bool = False  # whoever hears nobody in the end asks all contacts once more, as the screen says
    again_and_again: bool = False  # broken: a REJOIN that was cited is used again, and such a commit is taken

    @cached_property
    def names(self) -> str:
        """Everybody."""
        return self.founders + self.newcomers

    @cached_property
    def seekers(self) -> str:
        """Who may ask for a leaf."""
        return self.names if self.all_demand else self.newcomers

    @cached_property
    def by(self) -> Mapping[str, str]:
        """Who lets in whom."""
        return dict(zip(self.newcomers, self.inviters, strict=False))

    # -- names as `chasqui` has them ------------------------------------------------------------------------------

    @cached_property
    def history(self) -> History:
        """All operations that can be cited: who holds a commit that cites one has that, too."""
        made = [Op("00", "a", 1, frozenset(), Change("genesis"))]
        made += [Op(f"0{m}", "a", 2, frozenset({"00"}), Change("add", m)) for m in self.names if m != "a"]
        for m in self.seekers:
            past = f"0{m}" if m != "a" else "00"
            for number in range(1, OFFERS_MAX + 1):
                made.append(Op(f"{number}{m}", m, number, frozenset({past}), Change("rejoin")))
                past = f"{number}{m}"
        return arrange(map(as_operation, made))

    def id_of(self, epoch: str) -> EpochId:
        """The id of an epoch; the lot falls by it."""
        return EpochId(blake2b(f"{self.lot}{epoch}".encode(), digest_size=16).digest())

    def branches(self, commits: frozenset[Commit]) -> Branches:
        """The tree of commits, as the product has it."""
        if commits not in self._branches:
            children: dict[EpochId, list[tuple[CommitId, CommitRecord]]] = {}
            made_by: dict[EpochId, tuple[CommitId, CommitRecord]] = {}
            for c in sorted(commits):
                cited: tuple[ObjectId, ...] = (object_id(f"{c.number}{c.whom}"),) if c.whom else ()
                parent, child = self.id_of(c.parent), self.id_of(c.name)
                record = CommitRecord(parent, child, key(c.by), 1, b"", cited, (), 0)
                children.setdefault(parent, []).append((CommitId(child), record))
                made_by[child] = CommitId(child), record
            self._branches[commits] = Branches({at: tuple(made) for at, made in children.items()}, made_by)
        return self._branches[commits]

    @cached_property
    def _branches(self) -> dict[frozenset[Commit], Branches]:
        return {}

    # -- trees, as the names of epochs have them -----------------------------------------------------------------

    def leaves(self, epoch: str) -> Mapping[str, str]:
        """Who sits in a tree, and the epoch in which he got his leaf."""
        if epoch not in self._leaves:
            parent, _, step = epoch.rpartition("/")
            leaves = dict(self.leaves(parent)) if parent else dict.fromkeys(self.founders, ROOT)
            if "+" in step:
                leaves[step[2]] = epoch
            self._leaves[epoch] = leaves
        return self._leaves[epoch]

    @cached_property
    def _leaves(self) -> dict[str, Mapping[str, str]]:
        return {}

    def rejoined(self, epoch: str) -> frozenset[tuple[str, int]]:
        """The REJOINs that were carried out on the way to an epoch: whoever comes by a welcome is told of them."""
        steps = (step.partition("+")[2] for step in epoch.split("/"))
        return frozenset((given[0], int(given[1:])) for given in steps if given and given[1:] != "0")

    # -- following ---------------------------------------------------------------------------------------------------

    def followed(self, me: Device) -> Device:
        """With its root where votes have it, and at another entry where most others speak."""
        branches = self.branches(me.commits)
        if me.elsewhere:
            last = {key(m): self.id_of(at) for m, at in me.last}
            seated = frozenset(map(key, self.leaves(me.entry)))
            elder = elders(branches, self.history, seated, self.id_of(me.entry), self.id_of(self.head(me)))
            if self.all_alike:
                elder = frozenset()
            for entry in reversed(me.elsewhere):
                if is_home(branches, self.id_of(entry), last, elder):
                    me = me._replace(root=entry, entry=entry, elsewhere=(), seated=False)
                    break
        while (step := self.step(me, me.root)) and step[1]:
            me = me._replace(root=step[0], seated=True)
        return me

    def head(self, me: Device) -> str:
        """The epoch in which it sends."""
        return ([me.root, *self.way(me)])[-1]

    def way(self, me: Device) -> list[str]:
        """The epochs from its root to its head."""
        found, at = [], me.root
        while step := self.step(me, at):
            at = step[0]
            found.append(at)
        return found

    def step(self, me: Device, epoch: str) -> tuple[str, bool] | None:
        """The child to follow, by the product's rule, and whether it is settled."""
        asked = epoch, me.commits, frozenset(v for v in me.votes if v.parent == epoch)
        if asked not in self._steps:
            self._steps[asked] = self._step(*asked)
        return self._steps[asked]

    @cached_property
    def _steps(self) -> dict[tuple[str, frozenset[Commit], frozenset[Vote]], tuple[str, bool] | None]:
        return {}

    def _step(self, epoch: str, commits: frozenset[Commit], votes: frozenset[Vote]) -> tuple[str, bool] | None:
        here = sorted(c for c in commits if c.parent == epoch)
        if not here:
            return None
        name = {CommitId(self.id_of(c.name)): c.name for c in here}
        children = tuple(Child(i, EpochId(i), key(c.by), 0) for i, c in zip(name, here, strict=True))
        said = {i: frozenset(key(v.by) for v in votes if v.child == child) for i, child in name.items()}
        fork = Fork(self.id_of(epoch), frozenset(map(key, self.leaves(epoch))), children, said)
        return name[fork.winner(frozenset()).commit], fork.settled() is not None

    # -- what can happen --------------------------------------------------------------------------------------------

    def start(self) -> State:
        """The founders, and newcomers who are not there yet."""
        founder = Device(entered=frozenset({ROOT}), root=ROOT, seated=True)
        state = (founder,) * len(self.founders) + (Device(),) * len(self.newcomers)
        return self.after_a_cut(state) if self.cut else state

    def after_a_cut(self, state: State) -> State:
        """`b` was alone, has committed and voted. `a` has let in all others; they have settled what they can, and each
        has given a key package, as after days without `b`."""
        state = self.does(state, 1, state[1].with_commit(Commit(ROOT, "b")))
        state = self.all_vote(state, (1,))
        here = tuple(at for at in range(len(state)) if at != 1)
        for whom in self.newcomers:
            at = self.names.index(whom)
            state = self.does(state, 0, state[0].with_commit(Commit(self.head(state[0]), "a", whom)))
            state = self.all_heard(next(self.joined(state, at)), here)
        state = self.all_heard(self.does(state, 0, state[0].with_commit(Commit(self.head(state[0]), "a"))), here)
        state = self.all_heard(self.all_vote(state, here), here)
        for at in here[1:]:
            state = self.does(state, at, self.offered(state[at], self.names[at]))
        return state

    def all_vote(self, state: State, who: tuple[int, ...]) -> State:
        """These give all votes that they owe."""
        for at in who:
            while vote := self.vote(state[at], self.names[at]):
                state = self.does(state, at, state[at]._replace(votes=state[at].votes | {vote}))
        return state

    def reachable(self) -> Iterator[State]:
        """Every state."""
        return reachable(self.start(), self.after, self.states)

    def after(self, state: State) -> Iterator[State]:
        """What can happen next."""
        for at, name in enumerate(self.names):
            me = state[at]
            if not me.root:
                yield from self.joined(state, at)
                continue
            head = self.head(me)
            if sum(not c.whom for d in state for c in d.commits if c.by == name) < 1 and self.may_commit(state):
                yield self.does(state, at, me.with_commit(Commit(head, name)))
            for other in self.newcomers:
                is_in = any((c.whom, c.number) == (other, 0) for c in me.commits)
                if self.by[other] == name and not is_in and self.may_commit(state):
                    yield self.does(state, at, me.with_commit(Commit(head, name, other, 0, me.rejoins)))
            for package in self.due(me, name):
                yield self.does(state, at, self.gives(me, name, package))
            if vote := self.vote(me, name):
                yield self.does(state, at, me._replace(votes=me.votes | {vote}))
            if name in self.seekers:
                if me.entry and me.given < self.offers and self.may_offer(me):
                    yield self.does(state, at, self.offered(me, name))
                if self.offers * bool(me.entry) <= me.given < self.offers + self.demands and not me.demanded:
                    yield self.does(state, at, self.offered(me, name, demanded=True))
                for welcome in self.welcomes(state, at):
                    yield self.does(state, at, self.entered(me, welcome, name))
            for there, them in enumerate(state):
                if there != at and them.root and (then := self.heard(me, name, them, self.names[there])) != me:
                    yield self.does(state, at, then)

    def does(self, state: State, at: int, then: Device) -> State:
        """With one device changed."""
        return (*state[:at], self.followed(then), *state[at + 1 :])

    def may_commit(self, state: State) -> bool:
        """Whether the bound is not reached."""
        return len(frozenset().union(*(d.commits for d in state))) < self.commits

    def joined(self, state: State, at: int) -> Iterator[State]:
        """A newcomer enters by the welcome of his addition."""
        name = self.names[at]
        for c in state[self.names.index(self.by[name])].commits:
            if (c.whom, c.number) == (name, 0):
                me = Device(entered=frozenset({c.name}), root=c.name, entry=c.name, rejoins=c.told)
                yield (*state[:at], me, *state[at + 1 :])

    def vote(self, me: Device, name: str) -> Vote | None:
        """The first on the way for which it has not voted."""
        voted = {v.parent for v in me.votes if v.by == name}
        at, head = me.root, self.head(me)
        for child in self.way(me):
            if at not in voted:
                return Vote(name, at, child, head)
            at = child
        return None

    def may_offer(self, me: Device) -> bool:
        """M-SEA-1: nothing of its own waits, but for who has nothing settled."""
        waits = [n for n in range(1, me.given + 1) if n not in me.spent]
        return me.given < OFFERS_MAX and not (waits and me.seated) and not (self.offers_once and me.given)

    def offered(self, me: Device, name: str, *, demanded: bool = False) -> Device:
        """A key package with its REJOIN, in the head; or to all contacts."""
        number = me.given + 1
        package = Package(name, number, CONTACT if demanded else self.head(me))
        return me._replace(
            packages=me.packages | {package},
            rejoins=me.rejoins | {(name, number)},
            given=number,
            demanded=me.demanded or demanded,
        )

    def due(self, me: Device, name: str) -> Iterator[Package]:
        """Leaves that this device may give in its head."""
        head = self.head(me)
        for whom in self.seekers:
            mine = [p for p in me.packages if p.whom == whom]
            newest = max((number for m, number in me.rejoins if m == whom), default=0)
            package = max(mine, key=lambda p: p.number, default=None)
            if package is None or whom == name or package.number != newest:
                continue
            gave = any((c.by, c.whom, c.number) == (name, whom, newest) for c in me.commits)  # and forgot it then
            if (not gave or self.again_and_again) and self.is_due(me, head, package):
                yield package

    def is_due(self, me: Device, head: str, package: Package) -> bool:
        """M-SEA-4, in the words of the product."""
        rejoined = self.rejoined(head) - (self.rejoined(me.entry) if self.untold else frozenset())
        if (package.whom, package.number) in rejoined and not self.again_and_again:
            return False
        if package.given_in == CONTACT:
            return True
        branches, here, seated = self.branches(me.commits), self.id_of(head), package.whom in self.leaves(head)
        if self.by_tree_alone:
            return not seated
        given_in = self.id_of(package.given_in)
        if needs_leaf(branches, self.history, key(package.whom), here, given_in, seated=seated):
            return True
        spoke_in = self.id_of(dict(me.last).get(package.whom, package.given_in))
        return not self.left_to_others and seems_elsewhere(branches, here, given_in, spoke_in)

    def gives(self, me: Device, name: str, package: Package) -> Device:
        """Commits a new leaf on its head."""
        return me.with_commit(Commit(self.head(me), name, package.whom, package.number, me.rejoins))

    def welcomes(self, state: State, at: int) -> list[Commit]:
        """What was made of key packages of which it has the private keys."""
        me, name = state[at], self.names[at]
        made = frozenset(c for d in state for c in d.commits if c.whom == name and 0 < c.number <= me.given)
        return sorted(c for c in made if c.number not in me.spent)

    def entered(self, me: Device, welcome: Commit, name: str) -> Device:
        """M-SEA-6: by a welcome, at once or beside."""
        at = welcome.name
        me = me._replace(
            entered=me.entered | {at},
            spent=me.spent | {welcome.number},
            rejoins=me.rejoins | welcome.told,
        )
        if me.seated and not me.demanded:
            return me if self.settled_stay else me._replace(elsewhere=(*me.elsewhere, at)[-4:])
        return me._replace(root=at, entry=at, elsewhere=(), seated=False, demanded=False)

    def heard(self, me: Device, name: str, them: Device, other: str) -> Device:
        """All that it can read of what another has."""
        asked = me, name, them, other
        if asked not in self._hears:
            self._hears[asked] = self._heard(*asked)
        return self._hears[asked]

    @cached_property
    def _hears(self) -> dict[tuple[Device, str, Device, str], Device]:
        return {}

    def _heard(self, me: Device, name: str, them: Device, other: str) -> Device:
        for c in sorted(them.commits - me.commits, key=lambda c: c.parent.count("/")):
            if not me.holds(c.parent) or c.whom == name:
                continue
            if (c.whom, c.number) in self.rejoined(c.parent) and not self.again_and_again:
                raise CounterexampleError("a commit of an honest member is refused")
            rejoin = {(c.whom, c.number)} if c.number else set()
            me = me._replace(commits=me.commits | {c}, rejoins=me.rejoins | rejoin)
        made = me.made
        votes = frozenset(v for v in them.votes - me.votes if v.child in made and me.holds(v.sealed))
        packages = frozenset(
            p for p in them.packages if (other == p.whom if p.given_in == CONTACT else me.holds(p.given_in))
        )
        me = me._replace(
            votes=me.votes | votes,
            packages=me.packages | packages,
            rejoins=me.rejoins | {(p.whom, p.number) for p in packages},
        )
        spoken = self.head(them)
        if name in self.seekers and me.holds(spoken):
            me = me._replace(last=frozenset({(m, at) for m, at in me.last if m != other} | {(other, spoken)}))
        return me

    # -- when all is quiet ------------------------------------------------------------------------------------------

    def closed(self, state: State) -> State | None:
        """All hear all and do what is due; those who are not at home offer anew. None if that never ends."""
        for at, me in enumerate(state):
            if not me.root:
                state = next(self.joined(state, at), state)
        state = self.all_heard(state)
        if state not in self._ends:
            self._ends[state] = self._closed(state)
        return self._ends[state]

    @cached_property
    def _ends(self) -> dict[State, State | None]:
        return {}

    def _closed(self, state: State) -> State | None:
        for rounds in range(OFFERS_MAX):
            state = self._quiet(state)
            offering = [
                at
                for at, name in enumerate(self.names)
                if name in self.seekers and state[at].entry and self.may_offer(state[at])
            ]
            if rounds and not self._wrong_at_the_end(state):
                break  # nothing is left to offer for, and what was offered anew changed nothing
            for at in offering:
                state = self.does(state, at, self.offered(state[at], self.names[at]))
        if self.asks_again:
            for at in [at for at, me in enumerate(state) if me.root and not self._hears_somebody(state, at)]:
                state = self.does(state, at, self.offered(state[at], self.names[at], demanded=True))
            state = self._quiet(state)
        before = frozenset().union(*(d.commits for d in state))
        for at, name in enumerate(self.names):
            if name in self.seekers and state[at].entry and self.may_offer(state[at]):
                state = self.does(state, at, self.offered(state[at], name))
        state = self._quiet(state)
        if not self._wrong_at_the_end(state) and frozenset().union(*(d.commits for d in state)) != before:
            return None
        return state

    def _hears_somebody(self, state: State, at: int) -> bool:
        return any(them.root and state[at].holds(self.head(them)) for other, them in enumerate(state) if other != at)

    def _quiet(self, state: State) -> State:
        for _ in range(60):
            before = state
            state = self.all_heard(state)
            for at, name in enumerate(self.names):
                me = state[at]
                if not me.root:
                    continue
                for welcome in self.welcomes(state, at):
                    if welcome.number not in state[at].spent:
                        state = self.does(state, at, self.entered(state[at], welcome, name))
                if vote := self.vote(state[at], name):
                    state = self.does(state, at, state[at]._replace(votes=state[at].votes | {vote}))
                if package := next(self.due(state[at], name), None):
                    state = self.all_heard(self.does(state, at, self.gives(state[at], name, package)))
            if state == before:
                return state
        raise CounterexampleError("it never ends")

    def all_heard(self, state: State, who: tuple[int, ...] | None = None) -> State:
        """All, or these, hear each other."""
        while True:
            before = state
            for at in who or range(len(state)):
                name = self.names[at]
                for other in who or range(len(state)):
                    them = state[other]
                    if other != at and them.root and state[at].root:
                        state = self.does(state, at, self.heard(state[at], name, them, self.names[other]))
            if state == before:
                return state

    # -- what must hold --------------------------------------------------------------------------------------------

    def search(self) -> tuple[int, str, State | None]:
        """How many states, and the first in which something is wrong."""
        count, state = 0, self.start()
        try:
            for state in self.reachable():
                count += 1
                if what := self._wrong(state):
                    return count, what, state
        except CounterexampleError as said:
            return count, str(said), state
        return count, "", None

    def _wrong(self, state: State) -> str:
        end = self.closed(state)
        if end is None:
            return "it never ends"
        if what := self._wrong_at_the_end(end):
            return what
        final = self.head(end[0])
        for me in state:
            if not me.root:
                continue
            if not self.all_demand and not me.entry and final != me.root and not final.startswith(me.root + "/"):
                return "what was settled reverts"
            said_in = self.head(me)
            for reader, leaf in self.leaves(said_in).items():
                then = end[self.names.index(reader)]
                if leaf in then.entered and not then.holds(said_in):
                    return "a message stays unread"
        return ""

    def _wrong_at_the_end(self, end: State) -> str:
        heads = {self.head(me) for me in end if me.root}
        if len(heads) > 1:
            return "two heads"
        leaves = self.leaves(heads.pop())
        for name, me in zip(self.names, end, strict=True):
            if me.root and leaves.get(name) not in me.entered:
                return "somebody has no leaf that he can use"
        return ""
