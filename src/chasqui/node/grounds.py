"""What a commit cites with which we put out whom nobody may let sit there: enough for all readers, and no more than
fits a bundle, whatever others have signed beside it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from chasqui.base.ids import GroupId, MemberKey, ObjectId
from chasqui.groups.membership import Roster
from chasqui.groups.operation import Accuse, Remove, SetRole
from chasqui.node.citing import cited_operations, cited_roster, forgets_lifts, with_words
from chasqui.node.groups import history_of
from chasqui.node.transaction import Transaction

CITED_AT_ONCE: Final = 192  # 3.5 kB; the widest MLS commit has 11 kB, and both have to fit 15


def grounds_of(
    tx: Transaction, group: GroupId, roster: Roster, member: MemberKey, way: Iterable[bytes] = ()
) -> tuple[ObjectId, ...]:
    """What shows that a member whom the roster shuts out is to be put out, on a branch on whose `way` these were cited
    with LIFTs. Where it is that nothing valid let him in, the first few of all that is against that do, and what counts
    for nothing by these alone is left out."""
    cited = roster.grounds(member)
    if member in roster.removals:
        return cited
    if member in roster.quarantined:
        return _despite_lifts(tx, group, roster, member, tuple(way))
    history = history_of(tx, group)
    some = 2
    while True:
        seen = cited_roster(tx, group, with_words(tx, group, cited[:some]))
        if member in seen.shut_out or some >= len(cited):
            stands = {each for each in seen.void if isinstance(history.order[history.position[each]].change, SetRole)}
            return (cited[0], *(each for each in cited[1:some] if each in seen.counting | stands))
        some *= 2


def _despite_lifts(
    tx: Transaction, group: GroupId, roster: Roster, member: MemberKey, way: tuple[bytes, ...]
) -> tuple[ObjectId, ...]:
    """The accusations that count; and where a LIFT on the way would end them that came to be void, what is against its
    signers, so far as that is needed."""
    cited, history, out = _with_who_is_out(tx, group, roster, member), history_of(tx, group), frozenset({member})
    shown = cited_operations(history, way)
    signers = {history.order[history.position[each]].issuer for each in shown - roster.counting}
    against = [
        o
        for o in history.order
        if isinstance(o.change, SetRole | Remove | Accuse)
        and o.change.member in signers
        and o.id in (roster.rightful if isinstance(o.change, SetRole) else roster.counting)
    ]
    for known in sorted(against, key=lambda o: isinstance(o.change, Accuse)):  # it takes several of these
        if not forgets_lifts(tx, group, way, with_words(tx, group, cited), out) or len(cited) >= CITED_AT_ONCE:
            break
        cited += roster.behind(known.id)
    return cited


def _with_who_is_out(tx: Transaction, group: GroupId, roster: Roster, member: MemberKey) -> tuple[ObjectId, ...]:
    """The accusations of somebody, and, where these are enough only because few are left, who is not there any more."""
    cited = roster.grounds(member)
    while True:
        seen = cited_roster(tx, group, with_words(tx, group, cited))
        gone = sorted((seen.members - roster.members) & roster.shut_out)
        if member in seen.quarantined or not gone:
            return cited
        more = (grounds_of(tx, group, roster, each) for each in gone)
        shown = next((shows for shows in more if not frozenset(shows) <= frozenset(cited)), ())
        if not shown:
            return cited  # it shows no more; a reader may refuse that, but nobody waits for what never comes
        cited = tuple(dict.fromkeys((*cited, *shown)))


def that_fit(
    tx: Transaction, group: GroupId, due: Mapping[MemberKey, tuple[ObjectId, ...]]
) -> Mapping[MemberKey, tuple[ObjectId, ...]]:
    """Of members who are to be put out, with what shows it, those whom one commit puts out: all, if what it cites
    is not too much; else the first by the order of operations, with those whom what it cites puts out, too."""
    if sum(map(len, due.values())) <= CITED_AT_ONCE:
        return due
    position = history_of(tx, group).position
    chosen: dict[MemberKey, tuple[ObjectId, ...]] = {}
    for member in sorted(due, key=lambda member: max(position[each] for each in due[member])):
        if chosen and sum(map(len, chosen.values())) + len(due[member]) > CITED_AT_ONCE:
            break
        chosen[member] = due[member]
    while True:
        seen = cited_roster(tx, group, with_words(tx, group, (each for cited in chosen.values() for each in cited)))
        more = (seen.out & due.keys()) - chosen.keys()
        if not more:
            return chosen
        chosen |= {member: due[member] for member in more}
