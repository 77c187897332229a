"""One question makes many answers: what a member can make others seal again is bounded; nobody honest goes short."""

from __future__ import annotations

import random

import pytest

from chasqui.base.ids import GroupId
from chasqui.base.limits import ASK_AGAIN_S, FILE_PART_BYTES
from chasqui.base.schema import encode
from chasqui.groups.bodies import AskBody
from chasqui.node import allowances, inputs
from chasqui.node.changes import carry_out
from chasqui.node.groups import load_group, tree_keys
from chasqui.node.records import AuthorRecord, Space
from chasqui.sealed.kinds import Kind
from tests.node.hostile import fresh, head, keep, utter
from tests.node.world import Person, settled_group

DAY_S = 86_400
Spans = tuple[tuple[int, int], ...]


def asks(person: Person, group: GroupId, *numbers: tuple[bytes, Spans]) -> bytes:
    return utter(person, group, Kind.ASK, encode(AskBody((), numbers)))


def answered(person: Person, group: GroupId, *questions: bytes) -> int:
    """How many numbers somebody answers who gets these questions; each comes between two sticks."""
    found = 0
    for question in questions:
        assert not person.do(inputs.TakeBundles((question,))).refused
        noted = len(list(person.tx().scan_prefix(Space.ANSWER, group)))
        before = load_group(person.tx(), group).seq
        person.do(inputs.Flush())
        assert not list(person.tx().scan_prefix(Space.ANSWER, group))
        assert load_group(person.tx(), group).seq >= before + noted
        found += noted
    return found


def renews(person: Person, group: GroupId) -> None:
    tx = person.tx()
    carry_out(tx, group, load_group(tx, group), (), ())
    keep(person, tx)


@pytest.mark.must("M-ASK-9")
def test_nothing_is_sealed_twice_where_it_still_travels() -> None:
    (ana, ben, eve), group = settled_group("ana", "ben", "eve")
    ana.do(inputs.SendText(group, "once is enough"))
    ana.sync(ben, eve)
    number = load_group(ana.tx(), group).seq
    everything = (bytes(ana.key(group)), ((number, number),))
    assert answered(ana, group, *(asks(eve, group, everything) for _ in range(10))) == 1
    ben.now_s = ana.now_s = eve.now_s = ana.now_s + 7 * DAY_S
    assert not answered(ana, group, asks(eve, group, everything)), "days later, in the same epoch"
    renews(ana, group)
    ana.sync(eve, ben)
    assert answered(ana, group, *(asks(eve, group, everything) for _ in range(10))) == 1, "for who is here alone"
    ana.now_s += allowances._TRAVELS_S + DAY_S
    eve.now_s = ana.now_s
    assert answered(ana, group, asks(eve, group, everything)) == 1, "what was sealed then may have been lost with age"


@pytest.mark.must("M-ASK-9")
def test_a_part_of_a_file_is_not_said_twice_either() -> None:
    (ana, eve), group = settled_group("ana", "eve")
    ana.do(inputs.SendFile(group, "x", random.Random(1).randbytes(3 * FILE_PART_BYTES)))
    last = load_group(ana.tx(), group).seq
    parts = (bytes(ana.key(group)), ((last - 2, last),))
    assert answered(ana, group, asks(eve, group, parts)) == 3
    assert not answered(ana, group, *(asks(eve, group, parts) for _ in range(5)))


@pytest.mark.must("M-ASK-10")
def test_what_one_member_makes_others_seal_is_bounded_and_takes_nothing_from_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (ana, ben, eve), group = settled_group("ana", "ben", "eve")
    first = load_group(ana.tx(), group).seq + 1
    for _ in range(30):
        ana.do(inputs.SendText(group, "x" * 1000))
    ana.sync(ben, eve)
    spans = (bytes(ana.key(group)), ((first, first + 29),))
    monkeypatch.setattr(allowances, "ANSWERED_BYTES_MAX", 6000)
    said = 0
    for _ in range(4):  # new keys each time, so that nothing travels in them yet
        said += answered(ana, group, *(asks(eve, group, spans) for _ in range(5)))
        renews(ana, group)
        ana.sync(ben, eve)
    assert 3 <= said <= 6
    assert answered(ana, group, asks(ben, group, spans)) > 3, "what is ben's is not used up"
    eve.now_s = ana.now_s = ana.now_s + ASK_AGAIN_S
    assert 3 <= answered(ana, group, asks(eve, group, spans)) <= 6


@pytest.mark.must("M-ASK-10")
def test_who_was_cut_off_gets_everything_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    (ana, ben, caro), group = settled_group("ana", "ben", "caro")
    monkeypatch.setattr(allowances, "ANSWERED_BYTES_MAX", 16_000)
    before = set(ana.held())
    for number in range(40):
        ana.do(inputs.SendText(group, f"{number} " + "x" * 1000))
    ana.do(inputs.SendFile(group, "x", random.Random(2).randbytes(6000)))
    lost = fresh(ana, before)
    ben.do(inputs.TakeBundles(lost))
    for person in (ana, ben):  # no bundle of all that is left anywhere
        tx = person.tx()
        for key, value in list(tx.scan(Space.BUNDLE)):
            if any(bundle in value for bundle in lost):
                tx.erase(Space.BUNDLE, key)
        for key, _ in list(tx.scan(Space.EXPIRY)):
            if tx.get(Space.BUNDLE, key[8:]) is None:
                tx.erase(Space.EXPIRY, key)
        keep(person, tx)
    ana.do(inputs.SendText(group, "did you get it?"))
    rounds = 0
    while len(caro.texts(group)) < 42 or any(m.state == "incomplete" for m in caro.read(group).messages):
        rounds += 1
        assert rounds < 30, len(caro.texts(group))
        for person in (ana, caro):
            person.now_s += DAY_S
            person.do(inputs.Tick())
        ana.sync(caro)
        caro.sync(ana)
    assert rounds > 6, "else nothing was held back"


@pytest.mark.must("M-ASK-10")
def test_who_asks_without_end_is_not_listened_to(monkeypatch: pytest.MonkeyPatch) -> None:
    (ana, eve), group = settled_group("ana", "eve")
    monkeypatch.setattr(allowances, "ASKS_MAX", 3)
    numbers = []
    for _ in range(5):
        ana.do(inputs.SendText(group, "x"))
        numbers.append(load_group(ana.tx(), group).seq)
    said = [bool(answered(ana, group, asks(eve, group, (bytes(ana.key(group)), ((n, n),))))) for n in numbers]
    assert said == [True, True, True, False, False]


@pytest.mark.must("M-ASK-3")
def test_a_lie_about_who_is_gone_keeps_nothing_else_from_being_answered() -> None:
    (ana, ben, caro, dan), group = settled_group("ana", "ben", "caro", "dan")
    gone, held = sorted((ana, ben, caro), key=lambda person: person.key(group))[:2]
    (holder,) = {ana, ben, caro} - {gone, held}
    held.do(inputs.SendText(group, "held by one"))
    number = load_group(held.tx(), group).seq
    held.sync(holder)
    tx = dan.tx()
    known = tx.load(Space.AUTHOR, group + gone.key(group), AuthorRecord)
    assert known is not None
    question = asks(
        dan, group, (bytes(gone.key(group)), ((9_000, 39_000),)), (bytes(held.key(group)), ((number, number),))
    )
    assert gone.key(group) in tree_keys(head(dan, group)[1])
    holder.do(inputs.TakeBundles((question,)))
    assert [key[-3:] for key, _ in holder.tx().scan_prefix(Space.ANSWER, group)] == [number.to_bytes(3, "big")]
