"""Random small histories, and how they look to `chasqui`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from hypothesis import strategies as st

from chasqui.base.ids import NO_GROUP, EpochId, GroupId, MemberKey, ObjectId
from chasqui.groups import operation as real
from chasqui.groups import witnesses as real_witnesses
from chasqui.groups.history import arrange
from chasqui.groups.membership import members
from chasqui.sealed.kinds import Kind
from chasqui.sealed.object import Origin, SignedObject
from tests.groups.reference import ADMIN, MEMBER, Change, Op, Reference, Roster, Witness
from tests.models.story import Story

NAMES = "abcdef"
NO_BODY = SignedObject(
    GroupId(b"G" * 16), MemberKey(bytes(32)), 1, 0, Kind.OP, b"", b"", Origin(EpochId(bytes(16)), 0, 0), bytes(64)
)
KINDS = ("add", "remove", "remove", "remove", "role", "accuse", "accuse", "lift", "confirm", "confirm", "rejoin")


@dataclass(frozen=True)
class Move:
    """One operation of a script. What it means depends on what is there: numbers are taken modulo that."""

    kind: str
    by: int
    whom: int
    role: int
    rightful: bool  # the first member after `by` that may do it, if there is one
    last: int  # which of the last operations it names, or was made without
    behind: int  # 0: knew all; else so many of the last operations were not there
    seq: int | None
    salt: str
    words: tuple[tuple[int, int], ...]  # of a removal: each member's delay, and his lie


moves = st.builds(
    Move,
    st.sampled_from(KINDS),
    st.integers(0, 5),
    st.integers(0, 5),
    st.sampled_from([MEMBER, ADMIN]),
    st.sampled_from([True, True, True, False]),
    st.integers(0, 5),
    st.sampled_from([0, 0, 1, 1, 2, 3, 5]),
    st.sampled_from([None, None, None, None, 1, 2, 3]),
    st.sampled_from("xyz"),
    st.lists(st.tuples(st.integers(0, 8), st.sampled_from([0, 0, 0, 1, 3, 6])), min_size=6, max_size=6).map(tuple),
)


@st.composite
def stories(draw: st.DrawFn, longest: int = 14) -> Story:
    """Two to six people; a few of them are let in at the outset, so that not all is spent on additions."""
    size = draw(st.integers(2, 6))
    contact = draw(st.sampled_from([False] * 9 + [True]))
    taken = 1 if contact else draw(st.integers(1, 3))
    quorum = 1 if contact else draw(st.integers(1, 2))
    story = Story(taken=taken, quorum=quorum, contact=contact)
    start = draw(st.integers(0, size - 1))
    for name in NAMES[1 : 1 + start]:
        role = draw(st.sampled_from([MEMBER, ADMIN]))
        added = story.add("a", name, role=role)
        if quorum == 2 and "b" in story.told().admins:
            story.confirm("b", added)
    words: list[tuple[str, Move]] = []
    for move in draw(st.lists(moves, max_size=max(1, longest - len(story.ops)))):
        made = _play(story, move, size)
        if made and move.kind == "remove":
            words.append((made, move))
    order = list(story.ops)
    for removal, move in words:
        gone, place = story.ops[removal].change.member, order.index(removal)
        for index, (delay, lie) in enumerate(move.words[:size]):
            if delay == 8:
                continue  # says nothing
            had = [i for i in order[: place + delay] if story.ops[i].issuer == gone or delay == 7]
            story.witness(removal, NAMES[index], had=had[: len(had) - lie] if lie else had)
            if lie == 6:
                story.witness(removal, NAMES[index], had=order[:place:2])
    return story


def _play(story: Story, move: Move, size: int) -> str:
    ids = list(story.ops)
    known = ids[: max(1, len(ids) - move.behind)]
    after = story.closed(known)
    names = NAMES[:size]
    by, whom = names[move.by % size], names[move.whom % size]
    named = ids[-1 - move.last % len(ids)]
    told = story.told(without=frozenset(ids) - frozenset(after))
    able = told.current if move.kind in ("accuse", "rejoin") else frozenset(told.admins)
    if move.rightful and able:
        by = min(able, key=lambda m: (names.index(m) - move.by) % size)
        if move.kind == "confirm" and told.pending | told.void:
            named = sorted(told.pending | told.void)[move.last % len(told.pending | told.void)]
        if move.kind == "lift" and told.open:
            whom = min(story.ops[i].change.member for i in told.open)
        if move.kind in ("accuse", "role") and whom == by:
            whom = names[(move.whom + 1) % size]
    if move.kind in ("accuse", "role", "lift") and whom == by:
        return ""  # not well-formed
    change = Change(move.kind, whom, move.role, named)
    return story.say(by, change, after, move.seq, move.salt)


# -- as `chasqui` has them ------------------------------------------------------------------------------------


def object_id(name: str) -> ObjectId:
    """An id that sorts like the name."""
    return ObjectId(name.encode().ljust(16, b"\0"))


def key(name: str) -> MemberKey:
    """A member key."""
    return MemberKey(name.encode().ljust(32, b"."))


def as_operation(o: Op) -> real.Operation:
    """The operation, unsigned."""
    c, heads = o.change, tuple(sorted(object_id(head) for head in o.heads))
    change: real.Change
    match c.kind:
        case "genesis":
            kind = real.GroupKind.CONTACT if c.contact else real.GroupKind.GROUP
            change = real.Genesis(kind, 3, "", bytes(16), 0, c.taken, c.quorum)
        case "add":
            change = real.Add(heads, key(c.member), bytes(32), c.role)
        case "remove":
            reason = real.Reason.LEFT if c.member == o.issuer else real.Reason.REMOVED
            change = real.Remove(heads, key(c.member), 0, reason)
        case "role":
            change = real.SetRole(heads, key(c.member), c.role)
        case "rejoin":
            change = real.Rejoin(heads, bytes(32))
        case "accuse":
            change = real.Accuse(heads, key(c.member), 0)
        case "lift":
            change = real.Lift(heads, key(c.member))
        case _:
            change = real.Confirm(heads, object_id(c.operation))
    signed = NO_BODY if o.change.kind != "genesis" else NO_BODY.__class__(NO_GROUP, *_rest(NO_BODY))
    return real.Operation(object_id(o.id), key(o.issuer), o.seq, 0, change, signed)


def _rest(signed: SignedObject) -> tuple[MemberKey, int, int, Kind, bytes, bytes, Origin, bytes]:
    return MemberKey(bytes(32)), 1, 0, Kind.OP, b"", b"", signed.origin, bytes(64)


def as_witness(w: Witness) -> real_witnesses.Witness:
    """The witness."""
    heads = tuple(sorted(map(object_id, w.heads)))
    return real_witnesses.Witness(key(w.member), object_id(w.removal), heads, w.seq, object_id(w.id))


def agree(operations: Iterable[Op], witnesses: Iterable[Witness]) -> Roster:
    """`members` says what the reference says. Gives that."""
    ops, words = list(operations), list(witnesses)
    sets = Reference(ops, words)
    said = sets.judged()
    roster = members(arrange(map(as_operation, ops)), map(as_witness, words))
    seats = [(seat.member, int(seat.role), seat.member in roster.quarantined) for seat in roster.seats]
    acting = {seat.member for seat in said.seats if seat.acting}
    assert seats == [(key(s.member), ADMIN if s.acting else s.role, s.quarantined) for s in said.seats], acting
    assert list(roster.admins) == [key(m) for m in said.admins]
    assert set(roster.removals) == {key(m) for m in said.removed}
    assert roster.void == {object_id(i) for i in said.void}
    assert roster.pending == {object_id(i) for i in said.pending}
    assert roster.late == {object_id(i) for i in said.late}
    assert {m: o.id for m, o in roster.rejoins.items()} == {key(m): object_id(i) for m, i in said.key_packages}
    effective = frozenset(sets.ops) - said.rightless - said.void - said.pending - said.late
    assert roster.counting == {object_id(i) for i in effective}
    return said
