"""`members` against the reference: two who read `docs/spec/membership.md` and share no code say the same."""

from __future__ import annotations

import random
from collections.abc import Iterable

import pytest

from chasqui.groups.history import arrange
from chasqui.groups.membership import SeatState, members
from chasqui.groups.operation import (
    Accuse,
    Add,
    Confirm,
    Genesis,
    GroupKind,
    Lift,
    Operation,
    Rejoin,
    Remove,
    Role,
    SetRole,
)
from chasqui.groups.witnesses import Witness
from tests.groups import reference
from tests.groups.makers import accuse, add, confirm, found, lift, rejoin, remove, set_role, witness

PEOPLE = ("ana", "ben", "caro", "dora", "eve")
SEEDS = 12_000


def history(dice: random.Random) -> list[Operation]:
    """A random history of a group that was founded and has grown, so that most of it has the right."""
    taken, quorum = dice.choice(((1, 1), (2, 1), (2, 2), (3, 1)))
    operations = [found("ana", taken=taken, quorum=quorum)]
    for member in PEOPLE[1 : dice.randrange(1, 5)]:
        role = dice.choice((Role.ADMIN, Role.ADMIN, Role.MEMBER))
        operations.append(add("ana", member, operations[-1], role=role))
    said = dict.fromkeys(PEOPLE, 10)
    for _ in range(dice.randrange(1, 12)):
        by, other = dice.sample(PEOPLE, 2)
        said[by] += dice.choice((1, 1, 1, 0))
        back = min(len(operations), dice.choice((2, 3, 6)))
        heads = dice.sample(operations[-back:], min(back, dice.choice((1, 1, 2, 2, 3))))
        operations.append(move(dice, by, other, heads, operations, said[by]))
    return list({o.id: o for o in operations}.values())


def move(
    dice: random.Random, by: str, other: str, heads: list[Operation], known: list[Operation], seq: int
) -> Operation:
    """Something that somebody signs."""
    salt = dice.randrange(256)
    role = dice.choice((Role.MEMBER, Role.ADMIN))
    match dice.choice(("add", "remove", "remove", "role", "role", "accuse", "accuse", "lift", "confirm", "own")):
        case "add":
            return add(by, other, *heads, role=role, salt=salt, seq=seq)
        case "remove":
            return remove(by, other, *heads, salt=salt, seq=seq)
        case "role":
            return set_role(by, other, role, *heads, salt=salt, seq=seq)
        case "accuse":
            return accuse(by, other, *heads, salt=salt, seq=seq)
        case "lift":
            return lift(by, other, *heads, salt=salt, seq=seq)
        case "confirm":
            return confirm(by, dice.choice(known), *heads, salt=salt, seq=seq)
    return dice.choice((rejoin, rejoin, lambda *a, **k: remove(a[0], *a, **k)))(by, *heads, salt=salt, seq=seq)


def words(dice: random.Random, operations: list[Operation]) -> list[Witness]:
    """What members say of removals: all the same, or each what he likes."""
    said: list[Witness] = []
    for operation in operations:
        if not isinstance(operation.change, Remove) or dice.randrange(3) == 0:
            continue
        had = dice.sample(operations, dice.randrange(min(17, len(operations))))
        for member in PEOPLE:
            if dice.randrange(6):
                own = had if dice.randrange(5) else dice.sample(operations, min(4, len(operations)))
                said.append(witness(member, operation, *own, seq=dice.randrange(50, 54)))
    return said


def name(member: bytes) -> str:
    return member.decode().rstrip(".")


def translated(operation: Operation) -> reference.Op:
    """An operation as the reference writes it; ids keep their order as hex."""
    change = operation.change
    match change:
        case Genesis():
            said = reference.Change(
                "genesis", contact=change.kind == GroupKind.CONTACT, taken=change.taken, quorum=change.quorum
            )
        case Add():
            said = reference.Change("add", name(change.member), change.role)
        case Remove():
            said = reference.Change("remove", name(change.member))
        case SetRole():
            said = reference.Change("role", name(change.member), change.role)
        case Rejoin():
            said = reference.Change("rejoin")
        case Accuse():
            said = reference.Change("accuse", name(change.member))
        case Lift():
            said = reference.Change("lift", name(change.member))
        case Confirm():
            said = reference.Change("confirm", operation=change.operation.hex())
    heads = frozenset(head.hex() for head in operation.heads)
    return reference.Op(operation.id.hex(), name(operation.issuer), operation.seq, heads, said)


def agree(operations: Iterable[Operation], witnesses: Iterable[Witness] = ()) -> None:
    """Both say the same of everything."""
    operations, witnesses = list(operations), list(witnesses)
    told = [
        reference.Witness(name(w.member), w.removal.hex(), frozenset(h.hex() for h in w.heads), w.seq, w.id.hex())
        for w in witnesses
    ]
    said = reference.Reference([translated(o) for o in operations], told).judged()
    ours = members(arrange(operations), witnesses)
    quarantined = SeatState.QUARANTINED
    assert [(name(s.member), int(s.role), s.state is quarantined) for s in ours.seats] == [
        (s.member, reference.ADMIN if s.acting else s.role, s.quarantined) for s in said.seats
    ]
    for mine, theirs in (
        (ours.late, said.late),
        (ours.void, said.void),
        (ours.pending, said.pending),
        (frozenset(o.id for against in ours.accusations.values() for o in against), said.counting),
    ):
        assert {i.hex() for i in mine} == theirs
    placed = {o.id.hex() for o in arrange(operations).order}
    assert {i.hex() for i in ours.rightful} == placed - said.rightless - said.late
    assert {name(m) for m in ours.removals} == said.removed
    assert tuple(name(m) for m in ours.admins) == said.admins
    assert {(name(m), o.id.hex()) for m, o in ours.rejoins.items()} == set(said.key_packages)


@pytest.mark.parametrize("part", range(8))
def test_both_say_the_same(part: int) -> None:
    for seed in range(part, SEEDS // 4, 8):
        dice = random.Random(seed)
        operations = history(dice)
        try:
            agree(operations)
            agree(operations, words(dice, operations))
        except AssertionError:
            print("seed", seed)
            raise


def test_both_say_the_same_of_contacts() -> None:
    for seed in range(400):
        dice = random.Random(seed)
        operations = [found("ana", GroupKind.CONTACT, taken=1)]
        for _ in range(dice.randrange(1, 7)):
            by, other = dice.sample(("ana", "ana", "ben", "caro"), 2)
            if by != other:
                heads = dice.sample(operations, 1)
                operations.append(move(dice, by, other, heads, operations, 5))
        agree({o.id: o for o in operations}.values())
