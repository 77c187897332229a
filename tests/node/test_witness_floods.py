"""Members who witness removals that nobody signed, or the same one without end: what is kept of them is bounded."""

from __future__ import annotations

import pytest

from chasqui.base.days import day_of
from chasqui.base.ids import GroupId, ObjectId
from chasqui.base.limits import WITNESSES_AT_ONCE_MAX, WITNESSES_IDLE_MAX
from chasqui.groups.bodies import CommitBody
from chasqui.groups.operation import Remove, Role, encode_change
from chasqui.groups.witnesses import encode_witnesses
from chasqui.mls import shorten
from chasqui.node import inputs
from chasqui.node.asking import note_missing
from chasqui.node.changes import commit_id_of
from chasqui.node.groups import history_of, load_group, next_heads, roster_of, witnesses_of, words_by
from chasqui.node.records import Space
from chasqui.sealed.kinds import Kind
from tests.node.hostile import keep, mls_state, utter, utter_commit, utter_object
from tests.node.world import Person, make_group, meet


def made_up(number: int) -> ObjectId:
    return ObjectId(number.to_bytes(16, "big"))


def kept(person: Person, group: GroupId, by: Person) -> tuple[int, int]:
    """How many words of somebody, and how many objects."""
    words = [word for word in witnesses_of(person.tx(), group) if word.member == by.key(group)]
    return len(words), words_by(person.tx(), group).get(by.key(group), 0)


@pytest.mark.must("M-WIT-4")
def test_words_on_removals_that_nobody_signed_are_bounded_by_member() -> None:
    ana, ben, eve = people = [Person(name) for name in ("ana", "ben", "eve")]
    group = make_group(*people)
    for start in range(0, 50 * WITNESSES_AT_ONCE_MAX, WITNESSES_AT_ONCE_MAX):
        said = tuple((made_up(start + n), ()) for n in range(WITNESSES_AT_ONCE_MAX))
        ana.do(inputs.TakeBundles((utter(eve, group, Kind.WITNESS, encode_witnesses(said)),)))
    words, objects = kept(ana, group, eve)
    assert 0 < words <= WITNESSES_IDLE_MAX
    assert objects == words // WITNESSES_AT_ONCE_MAX
    ana.do(inputs.RemoveMember(group, eve.key(group)))
    meet(ana, ben)
    for person in (ana, ben):
        assert kept(person, group, ben)[0] == 1, "what others say is not touched"


@pytest.mark.must("M-WIT-4")
def test_words_on_one_removal_are_bounded_and_the_first_counts() -> None:
    ana, ben, caro, eve = people = [Person(name) for name in ("ana", "ben", "caro", "eve")]
    group = make_group(*people)
    ana.do(inputs.RemoveMember(group, caro.key(group)))
    meet(ana, ben, eve)
    (removal,) = (o.id for o in history_of(ana.tx(), group).order if isinstance(o.change, Remove))
    before = kept(ana, group, eve)
    assert before == (1, 1)
    for _ in range(WITNESSES_IDLE_MAX + 20):
        ana.do(inputs.TakeBundles((utter(eve, group, Kind.WITNESS, encode_witnesses(((removal, ()),))),)))
    assert kept(ana, group, eve) == (1, WITNESSES_IDLE_MAX + 1)


@pytest.mark.must("M-WIT-4")
def test_what_was_too_much_comes_as_soon_as_it_is_cited_or_the_removal_is_here() -> None:
    ana, ben, eve = people = [Person(name) for name in ("ana", "ben", "eve")]
    group = make_group(*people)
    ana.do(inputs.SetRole(group, ben.key(group), Role.ADMIN))
    meet(*people)
    for start in range(0, WITNESSES_IDLE_MAX, WITNESSES_AT_ONCE_MAX):
        said = tuple((made_up(start + n), ()) for n in range(WITNESSES_AT_ONCE_MAX))
        ana.do(inputs.TakeBundles((utter(eve, group, Kind.WITNESS, encode_witnesses(said)),)))
    change = Remove(next_heads(ben.tx(), group, load_group(ben.tx(), group)), eve.key(group), 0, 2)
    removal, operation = utter_object(ben, group, Kind.OP, encode_change(change))
    one, first = utter_object(eve, group, Kind.WITNESS, encode_witnesses(((removal.id, ()),)))
    assert ana.do(inputs.TakeBundles((first,))).refused == 1
    two, second = utter_object(eve, group, Kind.WITNESS, encode_witnesses(((made_up(999), ()),)))
    tx = ana.tx()
    note_missing(tx, group, two.id, ben.key(group))
    keep(ana, tx)
    assert not ana.do(inputs.TakeBundles((second,))).refused, "a commit waits for it"
    ana.do(inputs.TakeBundles((operation,)))
    assert eve.key(group) in roster_of(ana.tx(), group).removals
    ana.do(inputs.Flush())  # the removal is carried out: a new epoch, with which what was refused is tried again
    assert one.id in {word.id for word in witnesses_of(ana.tx(), group)}


@pytest.mark.must("M-WIT-4")
def test_a_commit_that_cites_what_was_too_much_is_followed_at_once() -> None:
    ana, _, eve = people = [Person(name) for name in ("ana", "ben", "eve")]
    group = make_group(*people)
    for start in range(0, WITNESSES_IDLE_MAX, WITNESSES_AT_ONCE_MAX):
        said = tuple((made_up(start + n), ()) for n in range(WITNESSES_AT_ONCE_MAX))
        ana.do(inputs.TakeBundles((utter(eve, group, Kind.WITNESS, encode_witnesses(said)),)))
    word, bundle = utter_object(eve, group, Kind.WITNESS, encode_witnesses(((made_up(999), ()),)))
    assert ana.do(inputs.TakeBundles((bundle,))).refused == 1
    message = mls_state(eve, group).commit((), eve.entropy, eve.now_s, path=True).message
    ana.do(inputs.TakeBundles((utter_commit(eve, group, message, (word.id,)),)))
    commit = commit_id_of(CommitBody((word.id,), bytes(16), day_of(eve.now_s), shorten(message)))
    assert ana.tx().get(Space.COMMIT, group + commit) is not None, "as by whoever heard the word first"
