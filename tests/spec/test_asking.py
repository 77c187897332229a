"""The MUSTs of docs/spec/forks.md, "What was lost": questions, and objects sealed again by whoever holds them."""

from __future__ import annotations

import pytest

from chasqui.base.errors import PeerError
from chasqui.base.ids import GroupId, ObjectId
from chasqui.base.ranges import Ranges
from chasqui.base.schema import encode
from chasqui.groups.bodies import AskBody, ResealBody, read_ask, read_reseal
from chasqui.groups.fork_choice import turns
from chasqui.groups.operation import Rejoin, Role, encode_change
from chasqui.node import inputs
from chasqui.node.authors import load_author
from chasqui.node.groups import tree_keys
from chasqui.node.keys import u24
from chasqui.node.records import MessageRecord, Space
from chasqui.sealed.kinds import Kind
from chasqui.sealed.object import SignedObject, parse_whole
from tests.node.hostile import fresh, head, utter, utter_object
from tests.node.world import Person, make_group, meet, pair, settled_group

HOUR_S, DAY_S = 3600, 86_400
KEY = b"k" * 32


def said(person: Person, group: GroupId, text: str) -> SignedObject:
    """A text that its author sent, as he signed it."""
    for _, record in person.tx().load_prefix(Space.MESSAGE, group, MessageRecord):
        signed = parse_whole(record.whole, group)
        if signed.body == text.encode():
            return signed
    raise AssertionError(text)


def again(whole: bytes) -> bytes:
    return encode(ResealBody(whole, ()))


def takes(person: Person, bundle: bytes) -> bool:
    """Whether a bundle is not refused."""
    return not person.do(inputs.TakeBundles((bundle,))).refused


def asks(person: Person, group: GroupId, author: bytes, *numbers: int) -> bytes:
    spans = Ranges().union(Ranges(tuple((n, n) for n in numbers))).spans
    return utter(person, group, Kind.ASK, encode(AskBody((), ((author, spans),))))


@pytest.mark.must("M-ASK-1")
def test_questions_and_answers_byte_by_byte() -> None:
    ask = AskBody((b"i" * 16,), ((KEY, ((1, 2), (4, 4))),))
    assert encode(ask) == bytes.fromhex("92 91 c410" + "69" * 16 + "91 92 c420" + "6b" * 32 + "92 920102 920404")
    assert read_ask(encode(ask)) == ask
    assert encode(ResealBody(b"x", ())) == bytes.fromhex("93 c40178 90 c400")
    assert encode(ResealBody(b"", ((3, 3),))) == bytes.fromhex("93 c400 91 920303 c400")
    for bad in (
        AskBody((), ()),
        AskBody((b"short",), ()),
        AskBody((), ((b"short", ((1, 1),)),)),
        AskBody((b"i" * 16,) * 257, ()),
        *(AskBody((), ((KEY, spans),)) for spans in (((0, 1),), ((2, 1),), ((1, 1), (2, 2)), ((3, 3), (1, 1)))),
        AskBody((), ((KEY, ((1, 2**24),)),)),
        AskBody((), ((KEY, tuple((2 * n + 1, 2 * n + 1) for n in range(257))),)),
    ):
        with pytest.raises(PeerError):
            read_ask(encode(bad))
    for neither in (ResealBody(b"", ()), ResealBody(b"x", ((1, 1),)), ResealBody(b"", ((2, 1),))):
        with pytest.raises(PeerError):
            read_reseal(encode(neither))


@pytest.mark.must("M-ASK-2", "M-ASK-3")
def test_the_author_answers_at_once_and_others_by_turns_to_whom_it_was_sealed() -> None:
    (ana, ben, caro, dan), group = settled_group("ana", "ben", "caro", "dan")
    before = set(ana.held())
    ana.do(inputs.SendText(group, "lost"))
    ben.do(inputs.TakeBundles(fresh(ana, before)))
    number = said(ana, group, "lost").seq
    question = asks(caro, group, ana.key(group), number)
    for person in (ana, ben, dan):
        assert takes(person, question)
    key = group + ana.key(group) + u24(number)
    place = 1 + turns(head(ben, group)[0], tree_keys(head(ben, group)[1])).index(ben.key(group))
    assert ana.tx().get(Space.ANSWER, key) == ana.now_s.to_bytes(8, "big")
    assert ben.tx().get(Space.ANSWER, key) == (ben.now_s + place * HOUR_S).to_bytes(8, "big")
    assert dan.tx().get(Space.ANSWER, key) is None, "he has it not"
    before = set(ana.held())
    ana.do(inputs.Flush())
    answer = fresh(ana, before)
    ben.do(inputs.TakeBundles(answer))
    assert ben.tx().get(Space.ANSWER, key) is None, "somebody else has answered"
    caro.do(inputs.TakeBundles(answer))
    assert caro.texts(group) == ["lost"]


@pytest.mark.must("M-ASK-2")
def test_who_asks_for_what_was_never_sealed_to_him_gets_nothing() -> None:
    (ana, ben, caro), group = settled_group("ana", "ben", "caro")
    ana.do(inputs.SendText(group, "before dan"))
    meet(ana, ben, caro)
    number = said(ana, group, "before dan").seq
    dan = Person("dan", now_s=ana.now_s)
    ana.do(inputs.AddMember(group, pair(ana, dan), Role.MEMBER))
    meet(ana, ben, caro, dan)
    dan.do(inputs.JoinGroup(group))
    meet(ana, ben, caro, dan)
    question = asks(dan, group, ana.key(group), number)
    for person in (ana, ben):
        assert takes(person, question)
    ((_, noted),) = ana.tx().scan_prefix(Space.ANSWER, group)
    assert noted[8:] == dan.key(group), "that it was not for him is all that he hears, and he alone"
    assert not list(ben.tx().scan_prefix(Space.ANSWER, group))
    ana.sync(ben, caro, dan)
    assert "before dan" not in dan.texts(group)
    assert number in Ranges(load_author(dan.tx(), group, ana.key(group)).spans)
    assert ana.texts(group) == ben.texts(group)
    ana.do(inputs.RemoveMember(group, caro.key(group)))
    late = asks(caro, group, ana.key(group), number)
    ana.do(inputs.TakeBundles((late,)))
    assert not list(ana.tx().scan_prefix(Space.ANSWER, group)), "she sits in no tree of ours any more"


@pytest.mark.must("M-ASK-4")
def test_numbers_are_said_to_be_empty_by_their_author_and_only_those_he_has_given() -> None:
    (ana, ben, caro), group = settled_group("ana", "ben", "caro")
    signed, _ = utter_object(ana, group, Kind.RECEIPT, b"")
    assert takes(ana, asks(ben, group, ana.key(group), signed.seq, signed.seq + 5))
    before = set(ana.held())
    ana.do(inputs.Flush())
    for bundle in fresh(ana, before):
        assert takes(caro, bundle)
    spans = Ranges(load_author(caro.tx(), group, ana.key(group)).spans)
    assert signed.seq in spans
    assert not list(ana.tx().scan_prefix(Space.ANSWER, group)), "number and five more: not given yet, not noted"
    for first, last in ((signed.seq + 1, signed.seq + 40), (2**24 - 1, 2**24 - 1)):
        assert not takes(caro, utter(ana, group, Kind.RESEAL, encode(ResealBody(b"", ((first, last),)))))
    held = load_author(caro.tx(), group, ana.key(group)).spans
    bens = utter(ben, group, Kind.RESEAL, encode(ResealBody(b"", ((1, 2),))))
    assert takes(caro, bens)
    assert load_author(caro.tx(), group, ana.key(group)).spans == held, "it is about his own numbers"


@pytest.mark.must("M-ASK-5")
def test_a_forged_object_is_not_sealed_again() -> None:
    (ana, ben, caro), group = settled_group("ana", "ben", "caro")
    ana.do(inputs.SendText(group, "true"))
    signed = said(ana, group, "true")
    whole = signed.to_whole()
    at = whole.index(b"true")
    edited = [
        whole[:at] + b"fake" + whole[at + 4 :],
        whole[:33] + bytes((whole[33] ^ 1,)) + whole[34:],  # the epoch of its origin
        whole[:1] + ben.key(group) + whole[33:],
        whole[:-1] + bytes((whole[-1] ^ 1,)),
        whole + b"\0",
        signed.to_short(),
    ]
    for forged in edited:
        assert not takes(caro, utter(ben, group, Kind.RESEAL, again(forged)))
    assert caro.texts(group) == []
    other, elsewhere = Person("other"), Person("elsewhere")
    stranger = make_group(other, elsewhere)
    other.do(inputs.SendText(stranger, "of another group"))
    foreign = said(other, stranger, "of another group").to_whole()
    assert not takes(caro, utter(ben, group, Kind.RESEAL, again(foreign)))
    assert takes(caro, utter(ben, group, Kind.RESEAL, again(whole)))
    assert caro.texts(group) == ["true"]


@pytest.mark.must("M-ASK-5")
@pytest.mark.parametrize(
    "kind", [Kind.COMMIT, Kind.WELCOME, Kind.RECEIPT, Kind.PART, Kind.ASK, Kind.DEMAND, Kind.RESEAL]
)
def test_what_nobody_may_seal_again(kind: Kind) -> None:
    (ana, ben, caro), group = settled_group("ana", "ben", "caro")
    signed, _ = utter_object(ana, group, kind, b"x")
    before = head(caro, group)[0]
    assert not takes(caro, utter(ben, group, Kind.RESEAL, again(signed.to_whole())))
    assert head(caro, group)[0] == before


@pytest.mark.must("M-ASK-6")
def test_an_object_that_comes_again_is_acted_upon_once_and_its_author_is_not_heard() -> None:
    (ana, ben, caro), group = settled_group("ana", "ben", "caro")
    before = set(ana.held())
    ana.do(inputs.SendText(group, "once"))
    (first,) = fresh(ana, before)
    ben.do(inputs.TakeBundles((first,)))
    heard = load_author(caro.tx(), group, ana.key(group)).last_heard_s
    caro.now_s += DAY_S
    whole = said(ben, group, "once").to_whole()
    for _ in range(2):
        assert takes(caro, utter(ben, group, Kind.RESEAL, again(whole)))
    caro.do(inputs.TakeBundles((first,)))
    assert caro.texts(group) == ["once"]
    assert load_author(caro.tx(), group, ana.key(group)).last_heard_s == heard


@pytest.mark.must("M-ASK-7")
def test_operations_are_sealed_again_before_the_commit_that_cites_them() -> None:
    (ana, _, caro, _), group = settled_group("ana", "ben", "caro", "dan")
    eve = Person("eve", now_s=ana.now_s)
    ana.do(inputs.AddMember(group, pair(ana, eve), Role.MEMBER))
    meet(ana, eve)
    eve.do(inputs.JoinGroup(group))
    meet(ana, eve)
    gone, before = caro.key(group), set(caro.held())
    caro.do(inputs.LeaveGroup(group))  # sealed in the epoch before Eve's
    leaving, before = fresh(caro, before), set(ana.held())
    ana.do(inputs.TakeBundles(leaving))
    ana.do(inputs.Flush())
    eve.do(inputs.TakeBundles(fresh(ana, before)))
    assert head(eve, group)[0] == head(ana, group)[0]
    assert gone not in tree_keys(head(eve, group)[1])


@pytest.mark.must("M-ASK-4")
def test_nothing_is_answered_while_somebody_who_is_out_still_holds_the_keys() -> None:
    (ana, ben, caro), group = settled_group("ana", "ben", "caro")
    ben.do(inputs.SendText(group, "before dan"))
    meet(ana, ben, caro)
    number = said(ben, group, "before dan").seq
    dan = Person("dan", now_s=ana.now_s)
    ana.do(inputs.AddMember(group, pair(ana, dan), Role.MEMBER))
    meet(ana, ben, caro, dan)
    dan.do(inputs.JoinGroup(group))
    meet(ana, ben, caro, dan)
    question = asks(dan, group, ben.key(group), number)
    before = set(ana.held())
    ana.do(inputs.RemoveMember(group, caro.key(group)))
    ben.do(inputs.TakeBundles((min(fresh(ana, before), key=len),)))
    assert ben.show(group).state == "removal-pending"
    held = set(ben.held())
    assert takes(ben, question)
    assert set(ben.held()) - held == {question}, "it has noted the question and said nothing"


def test_an_operation_whose_past_is_not_here_can_be_asked_for() -> None:
    (ana, ben, caro), group = settled_group("ana", "ben", "caro")
    operation = encode_change(Rejoin((ObjectId(b"?" * 16),), b"r" * 32))
    signed, bundle = utter_object(caro, group, Kind.OP, operation)
    assert takes(ana, bundle)
    assert takes(ana, asks(ben, group, caro.key(group), signed.seq))
    assert not [notice for notice in ana.notices if notice.what == "trouble"]
    ana.now_s += DAY_S
    ana.do(inputs.Tick())
    assert not [notice for notice in ana.notices if notice.what == "trouble"]
    assert ana.tx().get(Space.RESEALED, group + signed.id) is not None
