"""What somebody cites stays in the past of all that follows, also where it is late: commits cite what shows that it
is, and are followed by everybody."""

from __future__ import annotations

import pytest

from chasqui import mls
from chasqui.base.ids import GroupId, MemberKey, ObjectId
from chasqui.base.schema import encode
from chasqui.groups.bodies import AskBody
from chasqui.groups.operation import Add, Rejoin, Remove, Role
from chasqui.node import inputs
from chasqui.node.changes import issue
from chasqui.node.citing import cited_roster, with_words, words_of
from chasqui.node.epochs import leaf_of
from chasqui.node.groups import history_of, load_group, next_heads, note_out, roster_of, witnesses_of
from chasqui.node.keys import u24
from chasqui.node.records import Space, SpareRecord
from chasqui.sealed.kinds import Kind
from tests.node.hostile import fresh, head, keep, mls_state, utter, utter_commit, utter_removal, utter_word
from tests.node.test_newcomers_witnesses import back_dated
from tests.node.test_quorum import tree
from tests.node.world import Person, make_group, meet, pair


def cited_late() -> tuple[Person, Person, Person, GroupId]:
    """Dora signs something on top of a removal of Caro that Ben has back-dated."""
    ana, _, caro, dora, group = back_dated()
    (late,) = roster_of(ana.tx(), group).late
    assert isinstance(history_of(ana.tx(), group).order[history_of(ana.tx(), group).position[late]].change, Remove)
    tx = dora.tx()
    record = load_group(tx, group)
    heads = tuple(sorted({late, *next_heads(tx, group, record)}))
    issue(tx, group, record, Rejoin(heads, bytes(32)))
    keep(dora, tx)
    meet(ana, caro, dora)
    return ana, caro, dora, group


def one_head(group: GroupId, *crowd: Person) -> None:
    assert len({head(person, group)[0] for person in crowd}) == 1
    assert {person.show(group).state for person in crowd} == {"current"}


@pytest.mark.must("M-COM-14")
def test_a_removal_on_top_of_what_is_late_is_followed_by_all() -> None:
    ana, caro, dora, group = cited_late()
    ana.do(inputs.RemoveMember(group, dora.key(group)))
    meet(ana, caro)
    assert dora.key(group) not in tree(caro, group)
    one_head(group, ana, caro)
    caro.do(inputs.SendText(group, "here"))
    meet(ana, caro)
    assert ana.texts(group) == caro.texts(group) == ["here"]


@pytest.mark.must("M-COM-14")
def test_who_is_added_on_top_of_what_is_late_is_in_for_all_and_follows_later_commits() -> None:
    ana, caro, dora, group = cited_late()
    eve = Person("eve")
    ana.do(inputs.AddMember(group, pair(ana, eve), Role.MEMBER))
    meet(ana, caro, dora, eve)
    eve.do(inputs.JoinGroup(group))
    meet(ana, caro, dora, eve)
    one_head(group, ana, caro, dora, eve)
    ana.do(inputs.RemoveMember(group, dora.key(group)))
    meet(ana, caro, eve)
    one_head(group, ana, caro, eve)
    assert dora.key(group) not in tree(eve, group)


@pytest.mark.must("M-COM-14", "M-COM-3", "M-ASK-2")
def test_who_lacks_a_witness_waits_for_it_and_asks() -> None:
    ana, caro, dora, group = cited_late()
    tx = dora.tx()
    erased: list[tuple[Space, bytes, bytes]] = []
    words = {(word.id, word.removal, word.member) for word in witnesses_of(tx, group) if word.member != dora.key(group)}
    for said, removal, member in words:  # as if they had not come
        for space, key in ((Space.WITNESSED, said), (Space.WITNESS, removal + member)):
            erased.append((space, group + key, tx.get(space, group + key) or b""))
            tx.erase(space, group + key)
    note_out(tx, group)
    keep(dora, tx)
    assert caro.key(group) in roster_of(dora.tx(), group).removals
    eve = Person("eve")
    newcomer = ana.do(inputs.AddMember(group, pair(ana, eve), Role.MEMBER))
    ana.sync(dora)
    assert newcomer not in tree(dora, group)
    missing = {key[len(group) :] for key, _ in dora.tx().scan_prefix(Space.MISSING, group)}
    assert missing == {said for said, _, _ in words}, "all that the commit cites and is not here"
    tx = dora.tx()
    for space, key, value in erased:
        tx.put(space, key, value)
    note_out(tx, group)
    keep(dora, tx)
    dora.now_s += 3600
    dora.do(inputs.Tick())
    assert newcomer in tree(dora, group)
    assert caro.key(group) in tree(dora, group)


@pytest.mark.must("M-ASK-2")
def test_a_witness_is_asked_for_by_its_id_as_an_operation_is() -> None:
    ana, _, dora, group = cited_late()
    said = next(word for word in witnesses_of(ana.tx(), group) if word.member == ana.key(group))
    ana.do(inputs.TakeBundles((utter(dora, group, Kind.ASK, encode(AskBody((said.id,), ()))),)))
    answers = [key for key, _ in ana.tx().scan_prefix(Space.ANSWER, group)]
    assert answers == [group + said.member + u24(said.seq)]


def test_of_a_witness_only_what_it_says_of_cited_removals_counts() -> None:
    ana, _, _, group = cited_late()
    history = history_of(ana.tx(), group)
    said = [ObjectId(key[len(group) :]) for key, _ in ana.tx().scan_prefix(Space.WITNESSED, group)]
    removal = next(o.id for o in history.order if isinstance(o.change, Remove) and o.issuer == ana.key(group))
    assert words_of(ana.tx(), group, said) == ()
    assert {word.removal for word in words_of(ana.tx(), group, (*said, removal))} == {removal}


@pytest.mark.must("M-COM-14")
def test_what_the_witnesses_had_belongs_to_what_is_cited() -> None:
    ana, ben, caro, dora, eve = people = [Person(name) for name in ("ana", "ben", "caro", "dora", "eve")]
    group = make_group(*people)
    ana.do(inputs.SetRole(group, ben.key(group), Role.ADMIN))
    meet(*people)
    ben.do(inputs.RemoveMember(group, eve.key(group)))
    meet(ben, caro, dora)
    (honest,) = (o.id for o in history_of(caro.tx(), group).order if o.issuer == ben.key(group))
    tx = caro.tx()
    issue(tx, group, load_group(tx, group), Rejoin((honest,), bytes(32)))
    keep(caro, tx)
    meet(caro, dora)
    ana.do(inputs.RemoveMember(group, ben.key(group)))
    meet(ana, caro, dora)
    before = set(ben.held())
    ben.do(inputs.RemoveMember(group, caro.key(group)))
    for person in (ana, caro, dora):
        person.do(inputs.TakeBundles(fresh(ben, before)))
    (late,) = roster_of(dora.tx(), group).late
    tx = dora.tx()
    signed, _ = issue(tx, group, load_group(tx, group), Rejoin(tuple(sorted((honest, late))), bytes(32)))
    keep(dora, tx)
    cited = with_words(dora.tx(), group, (signed.id,))
    assert len(cited) > 2
    roster = cited_roster(dora.tx(), group, cited)
    assert roster.removals.keys() == {ben.key(group), eve.key(group)}, "all but Ana had what removes Eve"


def ghost_by_back_dating() -> tuple[Person, Person, Person, GroupId, MemberKey, tuple[bytes, ...]]:
    """Ben's device, whose removal all have witnessed, adds a key as if it had not heard; Dora is in league with it and
    lets that in. Gives what both say."""
    ana, ben, caro, dora = people = [Person(name) for name in ("ana", "ben", "caro", "dora")]
    group = make_group(*people)
    ana.do(inputs.SetRole(group, ben.key(group), Role.ADMIN))
    meet(*people)
    ana.do(inputs.RemoveMember(group, ben.key(group)))
    meet(ana, caro, dora)
    contact = pair(ben, Person("ghost"))
    ((_, spare), *_) = ben.tx().load_prefix(Space.SPARE, contact, SpareRecord)
    package = mls.read_key_package(spare.key_package)
    tx, before = ben.tx(), set(ben.held())
    record = load_group(tx, group)
    add = Add(next_heads(tx, group, record), package.signature_key, package.ref, Role.MEMBER)
    signed, _ = issue(tx, group, record, add)
    keep(ben, tx)
    said = fresh(ben, before)
    dora.do(inputs.TakeBundles(said))
    commit = mls_state(dora, group).commit((mls.AddProposal(spare.key_package),), dora.entropy, dora.now_s)
    bundle = utter_commit(dora, group, commit.message, (signed.id,))
    return ana, caro, dora, group, MemberKey(package.signature_key), (*said, bundle)


@pytest.mark.must("M-COM-2", "M-COM-14")
@pytest.mark.parametrize("sender", [0, 1])
def test_who_is_let_in_by_a_late_addition_is_put_out_before_anything_is_sent(sender: int) -> None:
    ana, caro, dora, group, ghost, said = ghost_by_back_dating()
    crowd = (ana, caro)
    for person in crowd:
        person.do(inputs.TakeBundles(said))
        assert ghost not in roster_of(person.tx(), group).members
        assert ghost in tree(person, group), "the commit holds by what it cites"
        assert person.show(group).state == "removal-pending"
    crowd[sender].do(inputs.SendText(group, "among ourselves"))
    assert ghost not in tree(crowd[sender], group)
    crowd[sender].sync(*crowd)
    meet(*crowd)
    for person in crowd:
        assert ghost not in tree(person, group)
        assert person.texts(group) == ["among ourselves"]
        assert {p.key(group) for p in (ana, caro, dora)} == tree(person, group)
    assert len({head(person, group)[0] for person in crowd}) == 1


@pytest.mark.must("M-COM-2", "M-COM-14")
def test_nobody_who_was_added_in_time_is_put_out_as_if_late() -> None:
    ana, caro, dora, group = cited_late()
    history = history_of(caro.tx(), group)
    (add,) = (o for o in history.order if isinstance(o.change, Add) and o.change.member == dora.key(group))
    (removal,) = (o for o in history.order if isinstance(o.change, Remove) and o.issuer == ana.key(group))
    words = [word.id for word in witnesses_of(caro.tx(), group)]
    leaf = leaf_of(head(caro, group)[1], dora.key(group))
    assert leaf is not None
    commit = mls_state(caro, group).commit((mls.RemoveProposal(leaf),), caro.entropy, caro.now_s)
    bundle = utter_commit(caro, group, commit.message, tuple(sorted({add.id, removal.id, *words})))
    before = head(ana, group)[0]
    ana.do(inputs.TakeBundles((bundle,)))
    assert head(ana, group)[0] == before


def late_by_what_is_late() -> tuple[list[Person], GroupId]:
    """Ana removes Ben while he adds Pia; Dora and Caro witness that. Then Caro removes Ana as if she had not heard of
    it, witnesses that as falsely, and so do Ben and Eve, who had not: Pia's addition is late, and Ana's removal."""
    ana, ben, caro, dora, eve, pia = (Person(name) for name in ("ana", "ben", "caro", "dora", "eve", "pia"))
    group = make_group(ana, ben, caro, dora, eve)
    for other in (ben, caro):
        ana.do(inputs.SetRole(group, other.key(group), Role.ADMIN))
    meet(ana, ben, caro, dora, eve)
    read_by_all = head(ana, group)[0]
    ben.do(inputs.AddMember(group, pair(ben, pia), Role.MEMBER))
    said = utter_removal(ana, group, ben, next_heads(ana.tx(), group, load_group(ana.tx(), group)))
    (against_ben,) = (o.id for o in history_of(ana.tx(), group).order if isinstance(o.change, Remove))
    for person in (caro, dora):  # nobody carries it out
        person.do(inputs.TakeBundles(said))
        word = utter_word(person, group, against_ben, (against_ben,))
        (dora if person is caro else caro).do(inputs.TakeBundles(word))
    ben.sync(caro)
    (addition,) = (o.id for o in history_of(ben.tx(), group).order if o.issuer == ben.key(group))
    said = utter_removal(caro, group, ana, (addition,), within=read_by_all)
    ben.sync(eve)
    for person in (ben, eve):
        person.do(inputs.TakeBundles(said))
        assert ana.key(group) in roster_of(person.tx(), group).removals
    meet(ben, eve)
    for person in (ben, eve):
        person.sync(caro, dora)
    return [ben, caro, dora, eve], group


@pytest.mark.must("M-COM-2", "M-COM-14")
def test_who_is_late_by_a_removal_that_is_late_itself_is_put_out_and_all_follow() -> None:
    (ben, caro, dora, eve), group = late_by_what_is_late()
    for _ in range(3):
        meet(caro, dora, eve, ben)
        for person in (caro, dora, eve):
            person.now_s += 24 * 3600
            person.do(inputs.Tick())
    history, roster = history_of(dora.tx(), group), roster_of(dora.tx(), group)
    late = [history.order[history.position[each]].change for each in roster.late]
    assert {type(change) for change in late} == {Add, Remove}
    (newcomer,) = (MemberKey(change.member) for change in late if isinstance(change, Add))
    assert roster.members == {person.key(group) for person in (ben, caro, dora, eve)}
    assert newcomer in roster.shut_out
    assert len({head(person, group)[0] for person in (caro, dora, eve)}) == 1
    assert newcomer not in tree(dora, group)
    eve.do(inputs.SendText(group, "among ourselves"))
    meet(caro, dora, eve)
    for person in (caro, dora, eve):
        assert person.texts(group) == ["among ourselves"]
