"""Members who try to move a group, or to hold it, with what is theirs to sign."""

from __future__ import annotations

from typing import Any

import pytest

from chasqui import mls
from chasqui.base.days import day_of
from chasqui.base.schema import encode
from chasqui.groups.bodies import CommitBody
from chasqui.groups.operation import Accuse, Add, Rejoin, Role
from chasqui.mls.suite import Crypto, Entropy
from chasqui.node import inputs
from chasqui.node.authors import load_author
from chasqui.node.changes import commit_id_of, issue
from chasqui.node.groups import history_of, load_group, next_heads, roster_of, save_operations, tree_keys
from chasqui.node.records import OwnKeyPackageRecord, Space, SpareRecord
from chasqui.node.seats import _new_seat
from chasqui.node.votes import due_vote
from chasqui.sealed.kinds import Kind
from chasqui.sealed.receipts import Vote
from tests.node.hostile import head, keep, mls_state, utter, utter_commit
from tests.node.world import Person, make_group, meet, pair, settled_group

HOUR_S = 3600


@pytest.mark.must("M-FRK-5")
def test_nobody_puts_off_the_vote_by_another_commit_now_and_then() -> None:
    """Each of Dan's commits comes before his last in the order, so that the head moves every two days. Caro is away:
    nothing is signed for by all."""
    (_, ben, _, dan), group = settled_group("ana", "ben", "caro", "dan")
    start_s, fork, state = ben.now_s, head(ben, group)[0], mls_state(dan, group)
    shorts = [mls.shorten(state.commit((), dan.entropy, dan.now_s, path=True).message) for _ in range(16)]
    last, heads = bytes([255]) * 16, {fork}
    for hours in (0, 40, 71):
        dan.now_s = ben.now_s = start_s + hours * HOUR_S
        made = [CommitBody((), bytes(16), day_of(dan.now_s), short) for short in shorts]
        bodies = {commit_id_of(body): body for body in made}
        last = max(commit for commit in bodies if commit < last)
        ben.do(inputs.TakeBundles((utter(dan, group, Kind.COMMIT, encode(bodies[last]), within=fork),)))
        heads.add(head(ben, group)[0])
    assert len(heads) == 4, "the head has moved with every one"
    tx = ben.tx()
    assert due_vote(tx, group, load_group(tx, group)) is None
    ben.now_s = start_s + 72 * HOUR_S
    tx = ben.tx()
    assert due_vote(tx, group, load_group(tx, group)) == Vote(0, 1)


@pytest.mark.must("M-COM-16")
def test_one_mls_commit_that_cites_two_things_is_two_commits() -> None:
    """Eve's two REJOINs name one key package. Were both bodies one commit, one of two would have the first of them as
    carried out and the other the second, and each would take commits that the other refuses, for ever."""
    (ana, ben, caro, dan, eve), group = settled_group("ana", "ben", "caro", "dan", "eve")
    tx = eve.tx()
    record = load_group(tx, group)
    key_package, ref = _new_seat(tx, group, record)
    first, record = issue(tx, group, record, Rejoin(next_heads(tx, group, record), ref))
    second, _ = issue(tx, group, record, Rejoin(next_heads(tx, group, record), ref))
    keep(eve, tx)
    eve.sync(ana, ben, caro, dan)
    leaf = next(leaf for leaf, key in head(dan, group)[1].roster if key == eve.key(group))
    proposals = (mls.RemoveProposal(leaf), mls.AddProposal(key_package))
    message = mls_state(dan, group).commit(proposals, dan.entropy, dan.now_s).message
    for reader, cited in ((ana, first), (caro, second)):
        reader.do(inputs.TakeBundles((utter_commit(dan, group, message, (cited.id,)),)))
    assert head(ana, group)[0] != head(caro, group)[0]
    meet(ana, ben, caro)
    assert len({head(person, group)[0] for person in (ana, ben, caro)}) == 1
    assert all(proof.member == dan.key(group) for person in (ana, ben, caro) for proof in person.show(group).proofs)
    assert all(person.show(group).proofs for person in (ana, ben, caro))


@pytest.mark.must("M-COM-11", "M-COM-17", "M-SEA-5")
def test_newcomers_refuse_what_everybody_refuses_who_was_there_before() -> None:
    """Ben, who is no admin, carries out again what was carried out before Dan came. Would he follow it, the group were
    two, of those who were there and those who were not."""
    ana, ben, caro, dan, xav = (Person(name) for name in ("ana", "ben", "caro", "dan", "xav"))
    group = make_group(ana, ben, caro)
    contact = pair(ana, xav)
    spares = {ref: spare.key_package for ref, spare in ana.tx().load_prefix(Space.SPARE, contact, SpareRecord)}
    ana.do(inputs.AddMember(group, contact, Role.MEMBER))
    meet(ana, ben, caro, xav)
    xav.do(inputs.JoinGroup(group))
    ana.do(inputs.RemoveMember(group, xav.key(group)))
    caro.do(inputs.Rejoin(group))
    given = dict(caro.tx().load_prefix(Space.KEY_PACKAGE, b"", OwnKeyPackageRecord))
    meet(ana, ben, caro)
    ana.do(inputs.AddMember(group, pair(ana, dan), Role.MEMBER))
    meet(ana, ben, caro, dan)
    dan.do(inputs.JoinGroup(group))
    meet(ana, ben, caro, dan)
    epoch, record = head(dan, group)
    leaf = next(leaf for leaf, key in record.roster if key == caro.key(group))
    changes = [(known.id, known.change) for known in history_of(ana.tx(), group).order]
    rejoin, ref = next((each, change.key_package) for each, change in changes if isinstance(change, Rejoin))
    key_package = mls.KeyPackageKeys.from_bytes(given[ref].keys).key_package
    addition, spare = next(
        (each, spares[change.key_package])
        for each, change in changes
        if isinstance(change, Add) and change.member == xav.key(group)
    )
    state = mls_state(ben, group)
    for cited, proposals in (
        (rejoin, (mls.RemoveProposal(leaf), mls.AddProposal(key_package))),
        (addition, (mls.AddProposal(spare),)),
    ):
        bundle = utter_commit(ben, group, state.commit(proposals, ben.entropy, ben.now_s).message, (cited,))
        for reader in (ana, dan):
            assert reader.do(inputs.TakeBundles((bundle,))).refused == 1
            assert head(reader, group)[0] == epoch


@pytest.mark.must("M-COM-18")
@pytest.mark.parametrize("case", ["plain", "a newcomer", "she asked before she heard of it"])
def test_nobody_alone_puts_out_who_was_lifted(case: str) -> None:
    """Two said that Caro's device was taken, and an admin has lifted that. Dan alone, who cites the two and not the
    LIFT, would put her out again and again, however often she asks for a leaf."""
    (ana, ben, caro, dan), group = settled_group("ana", "ben", "caro", "dan")
    others = (ana, ben, dan)
    if case == "she asked before she heard of it":
        caro.do(inputs.Rejoin(group))
    for accuser in (ben, dan):
        accuser.do(inputs.Accuse(group, caro.key(group)))
    meet(*others)
    ana.do(inputs.Lift(group, caro.key(group)))
    meet(*others)
    if case != "she asked before she heard of it":
        ana.sync(caro)
        caro.do(inputs.Rejoin(group))
    meet(ana, ben, caro, dan)
    readers = [ana, ben, caro]
    if case == "she asked before she heard of it":
        readers.remove(caro)  # she heard of both accusations first, and has to ask again
    if case == "a newcomer":
        eve = Person("eve", ana.now_s)
        ana.do(inputs.AddMember(group, pair(ana, eve), Role.MEMBER))
        meet(ana, ben, caro, dan, eve)
        eve.do(inputs.JoinGroup(group))
        meet(ana, ben, caro, dan, eve)
        readers.append(eve)
    epoch, record = head(dan, group)
    assert caro.key(group) in tree_keys(record)
    said = tuple(known.id for known in history_of(dan.tx(), group).order if isinstance(known.change, Accuse))
    leaf = next(leaf for leaf, key in record.roster if key == caro.key(group))
    commit = mls_state(dan, group).commit((mls.RemoveProposal(leaf),), dan.entropy, dan.now_s)
    bundle = utter_commit(dan, group, commit.message, said)
    for reader in readers:
        reader.do(inputs.TakeBundles((bundle,)))
        assert head(reader, group)[0] == epoch
        assert reader.show(group).state in ("current", "new")
        reader.do(inputs.SendText(group, "we are all here"))
    meet(*readers)
    assert all(reader.texts(group) == len(readers) * ["we are all here"] for reader in readers)
    for accuser in (ana, ben):  # what is said after that counts
        accuser.do(inputs.Accuse(group, caro.key(group)))
    meet(*readers)
    assert caro.key(group) not in tree_keys(head(ana, group)[1])


@pytest.mark.must("M-COM-18")
def test_of_who_was_lifted_all_say_the_same_whatever_they_have_heard_since() -> None:
    """Dan cites what has ended. Ben has heard of two new accusations, by which Caro is out; the LIFT of these comes
    later. Took he Dan's commit now, he would part from all who hear of that LIFT first."""
    (ana, ben, caro, dan), group = settled_group("ana", "ben", "caro", "dan")
    for accuser in (ben, dan):
        accuser.do(inputs.Accuse(group, caro.key(group)))
    meet(ana, ben, dan)
    ana.do(inputs.Lift(group, caro.key(group)))
    meet(ana, ben, dan)
    ana.sync(caro)
    caro.do(inputs.Rejoin(group))
    meet(ana, ben, caro, dan)
    epoch, record = head(dan, group)
    said = tuple(known.id for known in history_of(dan.tx(), group).order if isinstance(known.change, Accuse))
    leaf = next(leaf for leaf, key in record.roster if key == caro.key(group))
    commit = mls_state(dan, group).commit((mls.RemoveProposal(leaf),), dan.entropy, dan.now_s)
    bundle = utter_commit(dan, group, commit.message, said)
    for accuser in (ana, dan):
        accuser.do(inputs.Accuse(group, caro.key(group)))
    tx = ben.tx()
    for accuser in (ana, dan):
        save_operations(tx, group, (known.signed for known in history_of(accuser.tx(), group).order))
    keep(ben, tx)
    assert caro.key(group) in roster_of(ben.tx(), group).quarantined
    for reader in (ben, caro):
        assert reader.do(inputs.TakeBundles((bundle,))).refused == 1
    assert head(caro, group)[0] == epoch


@pytest.mark.must("M-COM-19")
def test_who_cannot_open_a_commit_alone_is_told_that_others_may_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Dan makes keys that Ben's device cannot open, and nobody else can see that. MLS does not hinder him."""
    (ana, ben, caro, dan), group = settled_group("ana", "ben", "caro", "dan")
    epoch, record = head(dan, group)
    state = mls_state(dan, group)
    leaf = state.leaf(next(leaf for leaf, key in record.roster if key == ben.key(group)))
    assert leaf is not None
    seal = Crypto.encrypt_with_label

    def spoil(self: Crypto, public: bytes, label: bytes, context: bytes, data: bytes, entropy: Entropy) -> Any:
        return seal(self, public, label, context, bytes(len(data)) if public == leaf.encryption_key else data, entropy)

    monkeypatch.setattr(Crypto, "encrypt_with_label", spoil)
    commit = state.commit((), dan.entropy, dan.now_s, path=True)
    monkeypatch.undo()
    bundle = utter_commit(dan, group, commit.message)
    for reader in (ana, ben, caro):
        reader.do(inputs.TakeBundles((bundle,)))
    assert head(ana, group)[0] == head(caro, group)[0] != epoch
    assert head(ben, group)[0] == epoch
    assert [reader.show(group).state for reader in (ana, ben, caro)] == ["current", "passed-over", "current"]
    assert ben.show(group).sealed_off == (dan.key(group),)
    assert ana.show(group).sealed_off == ()
    ben.do(inputs.Flush())
    assert load_author(ben.tx(), group, dan.key(group)).spans[-1][1] < load_group(dan.tx(), group).seq, "no receipt"
    ana.do(inputs.SendText(group, "do you read me?"))
    ben.do(inputs.Rejoin(group))
    meet(ana, ben, caro)
    assert head(ana, group)[0] == head(ben, group)[0] == head(caro, group)[0]
    assert ben.show(group).state in ("current", "new", "fork-pending")
    assert ben.show(group).sealed_off == ()
