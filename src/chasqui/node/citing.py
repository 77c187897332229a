"""What a commit cites: all that its readers go by, so that what one says of it does not depend on what else he has.

Beside operations, these are the witnesses of removals where the past of an operation holds something that is late, and
what made other admins where it holds a removal by one who was alone in the days that he cites: without them the past of
the operation would have out whom the tree holds, and everybody would refuse the commit. The LIFTs of whoever gets a new
leaf are cited so that nobody puts him out again by what was said before.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Set as AbstractSet

from chasqui.base.ids import GroupId, MemberKey, ObjectId
from chasqui.groups.history import History, arrange
from chasqui.groups.late import is_whole, makers_of_late
from chasqui.groups.membership import Roster, members, promotions
from chasqui.groups.operation import Confirm, Lift, Operation, Rejoin, Remove
from chasqui.groups.witnesses import Witness, read_witnesses
from chasqui.node.epochs import Way
from chasqui.node.groups import history_of, roster_of, witnesses_of
from chasqui.node.records import Space
from chasqui.node.transaction import Transaction
from chasqui.sealed.object import parse_whole


def missing_of(tx: Transaction, group: GroupId, cited: Iterable[bytes]) -> list[ObjectId]:
    """What is not here of what a commit cites, and of what the witnesses that it cites name."""
    known, ids = history_of(tx, group).position, [ObjectId(each) for each in cited]
    words = words_of(tx, group, ids)
    named = {head for word in words for head in word.heads}
    here = {word.id for word in words} | {each for each in ids if _is_witness(tx, group, each)}
    return sorted({each for each in (*ids, *named) if each not in known and each not in here})


def words_of(tx: Transaction, group: GroupId, cited: Iterable[ObjectId]) -> tuple[Witness, ...]:
    """What the witnesses that a commit cites say of the removals that it cites, too; nothing else of theirs counts."""
    ids = frozenset(cited)
    found = []
    for each in sorted(ids):
        whole = tx.get(Space.WITNESSED, group + each)
        if whole is not None:
            signed = parse_whole(whole, group)
            said = ((removal, heads) for removal, heads in read_witnesses(signed.body) if removal in ids)
            found += [Witness(signed.author, removal, heads, signed.seq, each) for removal, heads in said]
    return tuple(found)


def cited_operations(history: History, cited: Iterable[bytes]) -> frozenset[ObjectId]:
    """The operations among what a commit cites."""
    return frozenset(ObjectId(each) for each in cited if ObjectId(each) in history.position)


def way_of(history: History, cited: Iterable[bytes]) -> Way:
    """What a commit that cites these leaves for later ones to be judged by."""
    changes = {each: history.order[history.position[each]].change for each in cited_operations(history, cited)}
    lifts = {each for each, change in changes.items() if isinstance(change, Lift)}
    return Way(
        rejoined=tuple(each for each, change in changes.items() if isinstance(change, Rejoin)),
        lifted=tuple(
            each
            for each, change in changes.items()
            if each in lifts or (isinstance(change, Confirm) and change.operation in lifts)
        ),
    )


def with_lifts(
    tx: Transaction, group: GroupId, rejoin: Operation, present: AbstractSet[MemberKey]
) -> tuple[ObjectId, ...]:
    """What a commit cites that gives a member a new leaf: his REJOIN, and that he was lifted, whether he knew that or
    not, so that he cannot be put out again by what was said before, and that those were who signed that, by what would
    make it void; as far as this has nobody out who sits there."""
    history, roster = history_of(tx, group), roster_of(tx, group)
    lifts = [o for o in history.order if isinstance(o.change, Lift) and o.id in roster.counting]
    shown: dict[ObjectId, None] = {}
    members = [rejoin.issuer]
    for member in members:  # grows
        for lift in lifts:
            if isinstance(lift.change, Lift) and lift.change.member == member and lift.id not in shown:
                behind = roster.behind(lift.id)
                shown |= dict.fromkeys(behind)
                members += [history.order[history.position[each]].issuer for each in behind]
    cited = (rejoin.id, *shown)
    barred = cited_roster(tx, group, with_words(tx, group, cited)).barred
    return (rejoin.id,) if barred & present else cited


def forgets_lifts(
    tx: Transaction, group: GroupId, way: Iterable[bytes], cited: Iterable[bytes], removed: AbstractSet[MemberKey]
) -> bool:
    """Whether a commit puts somebody out for accusations alone who would stay if it had cited the LIFTs, too, that
    commits on the `way` to its parent did: its maker has them. Nothing else enters, so all say the same."""
    shown, ids = frozenset(map(ObjectId, way)), frozenset(map(ObjectId, cited))
    if not shown or not removed:
        return False
    accused = removed & cited_roster(tx, group, ids).quarantined
    return not accused <= cited_roster(tx, group, ids | shown).out


def cited_roster(tx: Transaction, group: GroupId, cited: Iterable[ObjectId]) -> Roster:
    """What a commit cites says together with its past: all that readers go by. The caller knows that it is here."""
    history, ids = history_of(tx, group), tuple(cited)
    words = words_of(tx, group, ids)
    past = _with_past(history, cited_operations(history, ids), words)
    return members(arrange(o for index, o in enumerate(history.order) if past >> index & 1), words)


def with_words(tx: Transaction, group: GroupId, operations: Iterable[ObjectId]) -> tuple[ObjectId, ...]:
    """What a commit cites that carries out these operations: where something late lies in their past, the removals that
    make it late, too (late themselves or not), with what stands behind these and the witnesses of them; where somebody
    who is current is removed by it, by one admin where two are needed, what shows that they are."""
    cited, history, roster = frozenset(operations), history_of(tx, group), roster_of(tx, group)
    alone = any(isinstance(o.change, Remove) and o.id in roster.pending for o in history.order)
    if not cited or not (roster.late or alone):
        return tuple(sorted(cited))
    witnesses = witnesses_of(tx, group)
    makers = makers_of_late(history, witnesses)
    usable = [word for word in witnesses if is_whole(history, word)]
    while True:
        past = _with_past(history, cited_operations(history, cited), words_of(tx, group, cited))
        more = {behind for made in makers if made.late & past for behind in made.behind}
        removals = {made.behind[0] for made in makers if made.late & past}
        more |= {word.id for word in usable if word.removal in removals}
        if alone and cited_roster(tx, group, cited).removals.keys() & roster.current:
            more |= next((by for by in promotions(history, roster) if not by <= cited), frozenset())
        if more <= cited:
            return tuple(sorted(cited))
        cited |= more


def _with_past(history: History, operations: AbstractSet[ObjectId], words: Iterable[Witness]) -> int:
    bits = 0
    for each in frozenset(operations).union(*(word.heads for word in words)):
        bits |= history.past[each] | 1 << history.position[each]
    return bits


def _is_witness(tx: Transaction, group: GroupId, each: ObjectId) -> bool:
    return tx.get(Space.WITNESSED, group + each) is not None
