"""The MUSTs of docs/spec/forks.md: votes byte by byte, the choice as a pure function, nodes whom somebody lies to."""

from __future__ import annotations

from hashlib import blake2b

import pytest

from chasqui.base.errors import PeerError
from chasqui.base.ids import CommitId, EpochId, GroupId, MemberKey
from chasqui.groups.fork_choice import Child, Fork, turns
from chasqui.mls import shorten
from chasqui.node import inputs
from chasqui.node.branches import branches_of, unsettled_path
from chasqui.node.changes import carry_out
from chasqui.node.epochs import load_epoch
from chasqui.node.groups import load_group, tree_keys
from chasqui.node.records import EpochRecord, Space
from chasqui.node.renewal import renewal_due_s
from chasqui.node.votes import due_vote, take_vote
from chasqui.sealed.kinds import Kind
from chasqui.sealed.object import Origin, SignedObject
from chasqui.sealed.receipts import ReceiptEntry, Vote, decode_receipts, encode_receipts
from tests.node.hostile import fresh, head, keep, mls_state, utter_commit
from tests.node.world import Person, settled_group

HOUR_S, DAY_S = 3600, 86_400


def renew(person: Person, group: GroupId) -> tuple[EpochId, tuple[bytes, ...]]:
    """Fresh keys on the head, whatever day it is: the child, and the bundle of the commit."""
    before, tx = set(person.held()), person.tx()
    carry_out(tx, group, load_group(tx, group), (), ())
    keep(person, tx)
    return head(person, group)[0], fresh(person, before)


def hear(person: Person, group: GroupId, member: MemberKey, epoch: EpochId, vote: Vote) -> None:
    """A member's vote, sealed in that epoch, as if all else about its object held."""
    tx = person.tx()
    origin = Origin(epoch, 0, 0)
    receipts = encode_receipts((), vote)
    take_vote(tx, SignedObject(group, member, 1, 0, Kind.RECEIPT, b"", receipts, origin, bytes(64)))
    keep(person, tx)


def chosen(person: Person, group: GroupId, parent: EpochId, member: MemberKey) -> set[EpochId]:
    """The children of a parent for which somebody voted, as this device knows."""
    tx = person.tx()
    votes = tx.get(Space.VOTE, group + parent + member) or b""
    ids = {votes[at : at + 16] for at in range(0, len(votes), 16)}
    return {EpochId(made.child) for commit, made in branches_of(tx, group).children[parent] if commit in ids}


def kept(person: Person, group: GroupId, epoch: EpochId) -> EpochRecord:
    record = load_epoch(person.tx(), group, epoch)
    assert record is not None
    return record


# -- votes --------------------------------------------------------------------------------------------------


@pytest.mark.must("M-FRK-1")
def test_a_vote_is_three_bytes_at_the_end_of_the_receipts() -> None:
    entry = ReceiptEntry(1, 5, b"")
    assert encode_receipts((), Vote(0, 1)) == bytes.fromhex("040001")
    assert encode_receipts((entry,), Vote(2, 255)) == bytes.fromhex("0805" + "0402ff")
    assert decode_receipts(bytes.fromhex("0805" + "0402ff")) == ((entry,), Vote(2, 255))
    for bad in ("040000", "0400", "04000100", "040001" + "0805", "040001040001"):
        with pytest.raises(PeerError):
            decode_receipts(bytes.fromhex(bad))


@pytest.mark.must("M-FRK-2")
def test_a_vote_names_commits_on_the_path_of_its_epoch_and_none_beyond() -> None:
    (ana, ben, caro, _), group = settled_group("ana", "ben", "caro", "dan")
    root = head(ana, group)[0]
    path = [renew(ana, group)[0] for _ in range(3)]
    parents = [root, *path]
    known = ana.store.after_crash()
    for skip, count, named in ((0, 1, {2}), (0, 2, {2, 1}), (1, 1, {1}), (2, 255, {0}), (3, 1, set()), (9, 9, set())):
        ana.store = known.after_crash()
        ana.restart()
        hear(ana, group, ben.key(group), path[2], Vote(skip, count))
        voted = {at for at in range(3) if chosen(ana, group, parents[at], ben.key(group))}
        assert voted == named
    ana.store = known.after_crash()
    ana.restart()
    hear(ana, group, caro.key(group), root, Vote(0, 1))
    assert load_group(ana.tx(), group).root == root, "what is settled has nothing left to vote on"


@pytest.mark.must("M-FRK-3")
def test_only_who_sat_in_the_tree_of_the_parent_may_vote() -> None:
    (ana, ben, caro, _), group = settled_group("ana", "ben", "caro", "dan")
    root = head(ana, group)[0]
    ana.do(inputs.RemoveMember(group, caro.key(group)))
    child = head(ana, group)[0]
    grandchild, _ = renew(ana, group)
    stranger = MemberKey(b"s" * 32)
    hear(ana, group, stranger, grandchild, Vote(0, 2))
    assert chosen(ana, group, root, stranger) == chosen(ana, group, child, stranger) == set()
    hear(ana, group, caro.key(group), grandchild, Vote(0, 2))
    assert chosen(ana, group, root, caro.key(group)) == {child}
    assert chosen(ana, group, child, caro.key(group)) == set()
    hear(ana, group, ben.key(group), grandchild, Vote(0, 2))
    assert chosen(ana, group, child, ben.key(group)) == {grandchild}


@pytest.mark.must("M-FRK-4")
def test_a_member_votes_once_on_each_parent() -> None:
    (ana, ben, *_), group = settled_group("ana", "ben", "caro", "dan")
    root = head(ana, group)[0]
    _, ours = renew(ana, group)
    _, theirs = renew(ben, group)
    for person, bundles in ((ana, theirs), (ben, ours)):
        person.do(inputs.TakeBundles(bundles))
    assert head(ana, group)[0] == head(ben, group)[0]
    before = head(ana, group)[0]
    for person in (ana, ben):
        person.now_s += 72 * HOUR_S
        person.do(inputs.Flush())
        assert chosen(person, group, root, person.key(group)) == {before}
        tx = person.tx()
        assert due_vote(tx, group, load_group(tx, group)) is None
        held = set(person.held())
        person.do(inputs.Flush())
        assert set(person.held()) == held


@pytest.mark.must("M-FRK-4")
def test_two_votes_of_one_member_count_for_both_and_settle_nothing_alone() -> None:
    (ana, ben, caro, dan), group = settled_group("ana", "ben", "caro", "dan")
    root = head(ana, group)[0]
    mine, _ = renew(ana, group)
    theirs, bundles = renew(ben, group)
    ana.do(inputs.TakeBundles(bundles))
    for _ in range(2):
        for child in (mine, theirs):
            hear(ana, group, caro.key(group), child, Vote(0, 1))
    assert chosen(ana, group, root, caro.key(group)) == {mine, theirs}
    hear(ana, group, dan.key(group), mine, Vote(0, 1))
    assert head(ana, group)[0] == mine
    assert load_group(ana.tx(), group).root == root, "two of four, however often"
    hear(ana, group, ben.key(group), mine, Vote(0, 1))
    assert load_group(ana.tx(), group).root == mine


@pytest.mark.must("M-FRK-5")
def test_a_vote_is_given_after_72_hours_or_when_all_have_signed_for_the_commit() -> None:
    (ana, ben, caro), group = settled_group("ana", "ben", "caro")

    def vote(person: Person) -> Vote | None:
        tx = person.tx()
        return due_vote(tx, group, load_group(tx, group))

    _, bundles = renew(ana, group)
    for person in (ben, caro):
        person.do(inputs.TakeBundles(bundles))
    known = ben.store.after_crash()
    assert vote(ben) is None, "Caro has not signed for it"
    caro.do(inputs.Flush())
    ben.do(inputs.TakeBundles(tuple(caro.held())))
    assert vote(ben) == Vote(0, 1)
    ben.store = known.after_crash()
    ben.restart()
    ben.now_s += 72 * HOUR_S - 1
    assert vote(ben) is None
    ben.now_s += 1
    assert vote(ben) == Vote(0, 1)
    ben.do(inputs.TakeBundles(renew(ana, group)[1]))
    assert vote(ben) == Vote(1, 1), "the newer commit waits"


# -- the choice ---------------------------------------------------------------------------------------------

PARENT = EpochId(b"p" * 16)
A, B, C, D, E = (MemberKey(letter * 32) for letter in (b"a", b"b", b"c", b"d", b"e"))


def child(name: str, committer: MemberKey, removes: int = 0) -> Child:
    return Child(CommitId(name.encode() * 16), EpochId(name.encode() * 16), committer, removes)


def fork(children: list[Child], **votes: set[MemberKey]) -> Fork:
    by_id = {CommitId(name.encode() * 16): voters for name, voters in votes.items()}
    return Fork(PARENT, frozenset((A, B, C, D)), tuple(children), by_id)


def rank(member: MemberKey) -> bytes:
    return blake2b(PARENT + member, person=b"chq1 fork", digest_size=16).digest()


@pytest.mark.must("M-FRK-6")
def test_settled_is_what_more_than_two_thirds_of_the_parents_tree_voted_for() -> None:
    x, y = child("x", A), child("y", B)
    assert fork([x, y], x={A, B}).settled() is None
    assert fork([x, y], x={A, B, E}).settled() is None, "a stranger's vote"
    assert fork([x, y], x={A, B, C}).settled() == x
    out = frozenset((C, D))
    assert fork([x, y], x={A, B}).settled() is None, "who is out keeps his weight in the count"
    assert fork([x, y], x={A}, y={B, C, D}).winner(out) == y, "and his vote settles"
    assert Fork(PARENT, frozenset((A, B, C)), (x, y), {x.commit: {A, B}}).settled() is None, "two thirds are not more"
    first, second = sorted((x, y), key=lambda each: rank(each.committer))
    split = {first.commit: {A}, second.commit: {B}}
    two = frozenset((A, B))
    assert Fork(PARENT, two, (x, y), {first.commit: {A}}).settled() is None, "the other can still say the same"
    assert Fork(PARENT, two, (x, y), split).settled() == first
    assert Fork(PARENT, two, (x, y), {first.commit: {A}, second.commit: {A, B}}).settled() == second


@pytest.mark.must("M-FRK-6")
def test_the_third_of_three_parts_the_other_two_by_no_vote() -> None:
    """He votes for one child before Ana and for the other before Ben, who have voted for one each."""
    (ana, ben, mal), group = settled_group("ana", "ben", "mal")
    root = head(ana, group)[0]
    (mine, of_ana), (theirs, of_ben) = renew(ana, group), renew(ben, group)
    ana.do(inputs.TakeBundles(of_ben))
    ben.do(inputs.TakeBundles(of_ana))
    for person, first, then in ((ana, mine, theirs), (ben, theirs, mine)):
        for voter, child in ((ana, mine), (ben, theirs), (mal, first)):
            hear(person, group, voter.key(group), child, Vote(0, 1))
        assert load_group(person.tx(), group).root == root
        hear(person, group, mal.key(group), then, Vote(0, 1))
    assert head(ana, group)[0] == head(ben, group)[0]
    for person in (ana, ben):
        for voter in (ana, ben, mal):
            hear(person, group, voter.key(group), mine, Vote(0, 1))
        assert load_group(person.tx(), group).root == mine, "the word of all settles it"


@pytest.mark.must("M-FRK-7")
def test_the_choice_goes_by_votes_then_doubles_then_removals_then_hashes() -> None:
    first, second = sorted((A, B), key=rank)
    x, y = child("x", first), child("y", second)
    assert fork([x, y]).winner(frozenset()) == fork([y, x]).winner(frozenset()) == x
    assert fork([x, y], y={C}).winner(frozenset()) == y
    assert fork([x, y], y={C}).winner(frozenset((C,))) == x, "votes of those who are out aside"
    assert fork([x, child("y", second, 1)]).winner(frozenset()) == child("y", second, 1)
    assert fork([child("x", first, 2), child("z", first, 2), y]).winner(frozenset()) == y, "two by one member"
    assert fork([child("x", first, 2), child("z", first, 2), y], x={C}).winner(frozenset()).commit == b"x" * 16
    assert fork([child("z", first), child("x", first)]).winner(frozenset()).commit == b"x" * 16


@pytest.mark.must("M-FRK-7")
def test_a_removal_wins_over_a_renewal() -> None:
    (ana, ben, caro, dan), group = settled_group("ana", "ben", "caro", "dan")
    before = set(ana.held())
    ana.do(inputs.RemoveMember(group, caro.key(group)))
    operation, commit = sorted(fresh(ana, before), key=len)
    _, renewal = renew(ben, group)
    for order in ((operation, commit, *renewal), (*renewal, commit, operation)):
        known = dan.store.after_crash()
        for bundle in order:
            dan.do(inputs.TakeBundles((bundle,)))
        assert head(dan, group)[0] == head(ana, group)[0]
        dan.store = known
        dan.restart()


@pytest.mark.must("M-FRK-8")
def test_the_head_follows_from_the_sets_in_any_order_and_length_counts_nothing() -> None:
    (ana, ben, caro, dan), group = settled_group("ana", "ben", "caro", "dan")
    parent = head(ana, group)[0]

    def hashed(person: Person) -> bytes:
        return blake2b(parent + person.key(group), person=b"chq1 fork", digest_size=16).digest()

    winner, loser = sorted((ana, ben), key=hashed)
    won, (short,) = renew(winner, group)
    long = [renew(loser, group)[1][0] for _ in range(3)]
    for bundles in ((short, *long), (*reversed(long), short), (long[0], short, *long[1:])):
        known = dan.store.after_crash()
        dan.do(inputs.TakeBundles(bundles))
        assert head(dan, group)[0] == won
        assert len(branches_of(dan.tx(), group).children[parent]) == 2
        dan.store = known
        dan.restart()
    dan.do(inputs.TakeBundles((short, *long)))
    tip = head(loser, group)[0]
    hear(dan, group, caro.key(group), tip, Vote(2, 1))
    assert head(dan, group)[0] == tip, "one vote at the fork point takes all that grew from it"


@pytest.mark.must("M-FRK-9")
def test_settled_branches_are_followed_for_30_days_more_then_their_states_go() -> None:
    (ana, ben, caro, dan), group = settled_group("ana", "ben", "caro", "dan")
    root = head(ana, group)[0]
    mine, _ = renew(ana, group)
    lost = [renew(ben, group) for _ in range(2)]
    ana.do(inputs.TakeBundles(tuple(bundle for _, bundles in lost for bundle in bundles)))
    late = set(ben.held())
    ben.do(inputs.SendText(group, "late"))
    for person in (ben, caro, dan):
        hear(ana, group, person.key(group), mine, Vote(0, 1))
    record = load_group(ana.tx(), group)
    assert record.root == record.head == mine
    settled = (root, *(epoch for epoch, _ in lost))
    for epoch in settled:
        assert kept(ana, group, epoch).settled_s == ana.now_s
        assert kept(ana, group, epoch).mls_state
    further, bundles = renew(ben, group)
    ana.do(inputs.TakeBundles(bundles))
    assert kept(ana, group, further).mls_state, "a branch that lost is followed still"
    assert head(ana, group)[0] == mine
    ana.now_s += 30 * DAY_S - 1
    ana.do(inputs.Tick())
    assert all(kept(ana, group, epoch).mls_state for epoch in settled)
    ana.now_s += HOUR_S
    ana.do(inputs.Tick())
    for epoch in settled:
        assert not kept(ana, group, epoch).mls_state
        assert not list(ana.tx().scan_prefix(Space.VOTE, group + epoch))
    ana.do(inputs.TakeBundles(fresh(ben, late)))
    assert ana.texts(group) == ["late"], "the keys of messages stay"
    sibling = mls_state(dan, group).commit((), dan.entropy, dan.now_s, path=True).message
    ana.do(inputs.TakeBundles((utter_commit(dan, group, sibling),)))
    assert head(ana, group)[0] == mine
    assert ana.show(group).state == "current"


# -- turns, renewal, proofs ---------------------------------------------------------------------------------


@pytest.mark.must("M-FRK-10")
def test_turns_are_five_seconds_apart_in_the_order_of_a_hash() -> None:
    def rank_of(member: MemberKey) -> bytes:
        return blake2b(PARENT + member, person=b"chq1 turn", digest_size=16).digest()

    assert turns(PARENT, frozenset((A, B, C, D))) == tuple(sorted((A, B, C, D), key=rank_of))
    (ana, ben, caro, dan), group = settled_group("ana", "ben", "caro", "dan")
    epoch = head(ana, group)[0]
    before = set(ana.held())
    ana.do(inputs.RemoveMember(group, dan.key(group)))
    (operation, _) = sorted(fresh(ana, before), key=len)
    everybody = {person.key(group): person for person in (ana, ben, caro)}
    order = turns(epoch, frozenset(everybody))
    for place, member in enumerate(order, 1):
        person = everybody[member]
        if person is ana:
            continue
        person.do(inputs.Tick())
        person.do(inputs.TakeBundles((operation,)))
        person.now_s += 5 * place - 1
        person.do(inputs.Tick())
        assert head(person, group)[0] == epoch
        person.now_s += 1
        person.do(inputs.Tick())
        assert dan.key(group) not in tree_keys(head(person, group)[1])


@pytest.mark.must("M-FRK-10")
@pytest.mark.parametrize("everybodys", ["stick", "sweep"])
def test_a_stick_and_the_hour_are_everybodys_turn(everybodys: str) -> None:
    (ana, ben, caro, dan), group = settled_group("ana", "ben", "caro", "dan")
    before = set(ana.held())
    ana.do(inputs.RemoveMember(group, dan.key(group)))
    operation = min(fresh(ana, before), key=len)
    for person in (ben, caro):
        person.do(inputs.TakeBundles((operation,)))
        if everybodys == "sweep":
            person.now_s += HOUR_S
        person.do(inputs.Flush() if everybodys == "stick" else inputs.Tick())
        assert dan.key(group) not in tree_keys(head(person, group)[1])


@pytest.mark.must("M-FRK-11")
def test_keys_renew_after_a_week_and_not_while_a_fork_is_open() -> None:
    (ana, ben, caro, _), group = settled_group("ana", "ben", "caro", "dan")
    epoch, record = head(ana, group)
    due_s = renewal_due_s(record, ana.now_s)
    spread_s = int.from_bytes(ana.key(group)[:4], "big") % DAY_S
    assert due_s == dict(record.renewed)[record.own_leaf] + 7 * DAY_S + spread_s
    ana.now_s = due_s - 1
    ana.do(inputs.Flush())
    assert head(ana, group)[0] == epoch
    known = ana.store.after_crash()
    ana.now_s = due_s
    ana.do(inputs.Flush())
    assert head(ana, group)[1].parent == epoch
    assert renewal_due_s(head(ana, group)[1], ana.now_s) > due_s
    ana.store = known
    ana.restart()
    for person in (ben, caro):
        ana.do(inputs.TakeBundles(renew(person, group)[1]))
    here = head(ana, group)[0]
    ana.do(inputs.Flush())
    assert head(ana, group)[0] == here, "a fork is open"
    ana.now_s += DAY_S * 10
    ana.do(inputs.Tick())
    assert head(ana, group)[0] == here, "a day that nobody bears out"


@pytest.mark.must("M-FRK-11")
def test_who_hears_nobody_renews_sixteen_times_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chasqui.node.renewal.trusted_day", lambda tx: tx.now_s // DAY_S)
    (ana, _, _), group = settled_group("ana", "ben", "caro")
    for _ in range(20):
        ana.now_s += 8 * DAY_S
        ana.do(inputs.Flush())
    assert len(unsettled_path(ana.tx(), group)) == 16


@pytest.mark.must("M-FRK-12")
def test_two_commits_of_one_member_on_one_parent_are_kept_as_a_proof_and_shown() -> None:
    (ana, ben, caro, _), group = settled_group("ana", "ben", "caro", "dan")
    parent = head(ana, group)[0]
    messages = [mls_state(ben, group).commit((), ben.entropy, ben.now_s, path=True).message for _ in range(2)]
    shorts = map(shorten, messages)
    cites_nothing = blake2b(bytes(16), person=b"chq1 commit r", digest_size=16).digest()
    beside = cites_nothing + (ben.now_s // DAY_S).to_bytes(4, "big")
    ids = sorted(blake2b(beside + short, person=b"chq1 commit id", digest_size=16).digest() for short in shorts)
    bundles = [utter_commit(ben, group, message) for message in messages]
    ana.do(inputs.TakeBundles((bundles[0],)))
    assert not list(ana.tx().scan_prefix(Space.PROOF, group))
    ana.do(inputs.TakeBundles((bundles[1],)))
    assert dict(ana.tx().scan_prefix(Space.PROOF, group)) == {group + ben.key(group) + parent: b"".join(ids)}
    assert ana.show(group).forks[0].by_one_member
    assert {m.name: m.state for m in ana.show(group).members}["ben"] == "current", "no punishment by itself"
    _, bundle = renew(caro, group)
    ana.do(inputs.TakeBundles(bundle))
    assert head(ana, group)[0] == head(caro, group)[0], "whoever makes one goes first"
