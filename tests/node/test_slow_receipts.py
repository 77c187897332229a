"""Receipts on a slow link: they wait until no more comes, say what they have to in the smallest bundle, and are never
put off for ever. Turns are as long as a commit takes there."""

from __future__ import annotations

import pytest

from chasqui.base.ids import GroupId
from chasqui.base.limits import SLOT_FRAMES, SLOT_S
from chasqui.delivery.airtime import Air
from chasqui.delivery.radio_frames import PackFrame, write_radio_frame
from chasqui.node import inputs, receipting
from chasqui.node.epochs import head_of
from chasqui.node.groups import load_group
from chasqui.node.link_port import BroadcastId, LinkProfile
from chasqui.node.receipting import Due
from chasqui.node.records import Space
from tests.node.hostile import fresh
from tests.node.world import Person, make_group

AIR = BroadcastId(1)
LORA = LinkProfile("lora", 222, 1760, True, True, 0.1, 1.0, 83)
FRAME_S = Air(222, 1760, 83, 1.0).airtime_ms(222) / 1000
CALM_S = int(receipting._SLOW_FRAMES * FRAME_S)
JITTER_S = int(receipting._SLOW_JITTER_FRAMES * FRAME_S) + receipting.RECEIPT_DELAY_S + 1
LATEST_S = int(receipting._SLOW_FRAMES_MAX * FRAME_S)


def radio(person: Person) -> None:
    person.do(inputs.BroadcastOpened(AIR, LORA, 0, "radio"))


def hears(person: Person, *bundles: bytes) -> None:
    for bundle in bundles:
        person.do(inputs.BroadcastHeard(AIR, write_radio_frame(PackFrame((bundle,))), None, 0))


def says(person: Person, group: GroupId, text: str) -> tuple[bytes, ...]:
    before = set(person.held())
    person.do(inputs.SendText(group, text))
    return fresh(person, before)


def due(person: Person, group: GroupId) -> Due | None:
    value = person.tx().get(Space.DUE, group)
    return None if value is None else Due.read(value)


def ticks(person: Person) -> tuple[bytes, ...]:
    """What somebody says when it is due."""
    before = set(person.held())
    person.do(inputs.Tick())
    return fresh(person, before)


def three() -> tuple[Person, Person, Person, GroupId]:
    ana, ben, caro = Person("ana"), Person("ben"), Person("caro")
    group = make_group(ana, ben, caro)
    for person in (ana, ben, caro):
        person.do(inputs.Flush())
        radio(person)
    return ana, ben, caro, group


def test_a_receipt_waits_on_a_slow_link_and_hardly_on_a_fast_one() -> None:
    ana, ben, caro, group = three()
    text = says(ana, group, "here")
    hears(ben, *text)
    caro.do(inputs.TakeBundles(text))
    slow, fast = due(ben, group), due(caro, group)
    assert slow is not None
    assert CALM_S <= slow.at_s - ben.now_s <= CALM_S + JITTER_S
    assert fast is not None
    assert fast.at_s - caro.now_s <= receipting.RECEIPT_DELAY_S + receipting.RECEIPT_JITTER_S
    assert not ticks(ben)
    ben.now_s = slow.at_s
    (receipt,) = ticks(ben)
    ana.do(inputs.TakeBundles((receipt,)))
    assert dict(ana.read(group).messages[-1].receipts)[ben.key(group)]
    assert due(ben, group) is None


@pytest.mark.must("M-REC-6")
def test_what_goes_on_puts_a_receipt_off_but_not_for_ever() -> None:
    ana, ben, _, group = three()
    began_s, said = ben.now_s, 0
    while not (signed := ticks(ben)):
        hears(ben, *says(ana, group, "and"))
        said += 1
        for person in (ana, ben):
            person.now_s += 30
    assert LATEST_S <= ben.now_s - began_s <= LATEST_S + CALM_S + JITTER_S + 30
    assert len(signed) == 1
    ana.do(inputs.TakeBundles(signed))
    assert all(dict(message.receipts)[ben.key(group)] for message in ana.read(group).messages)
    assert said > 20


@pytest.mark.must("M-REC-6")
def test_on_a_slow_link_a_receipt_is_as_small_as_it_can_be() -> None:
    names = [Person(f"p{number}") for number in range(16)]
    group = make_group(*names)
    first, *others = names
    for person in names:
        radio(person)
    for round_ in range(2):
        for other in others:  # receipts of all, which deserve none
            hears(other, *says(first, group, f"{round_}"))
        for other in others:
            waits = due(other, group)
            assert waits is not None
            other.now_s = waits.at_s
        receipts = [bundle for other in others for bundle in ticks(other)]
        assert {len(bundle) for bundle in receipts} == {128}
        assert len(receipts) == len(others)
        for person in names:
            person.now_s = max(person.now_s for person in names)
            hears(person, *receipts)
            assert person is first or due(person, group) is None
    before = set(others[0].held())
    hears(others[0], *says(first, group, "last"))
    others[0].do(inputs.Flush())  # a stick has room
    assert max(map(len, fresh(others[0], before))) > 128
    record = load_group(others[0].tx(), group)
    _, epoch = head_of(others[0].tx(), group, record)
    assert not receipting.due_entries(others[0].tx(), group, record, epoch)


def test_what_a_text_takes_along_is_not_said_again() -> None:
    ana, ben, _, group = three()
    hears(ben, *says(ana, group, "here"))
    answer = says(ben, group, "good")
    assert due(ben, group) is None
    ana.do(inputs.TakeBundles(answer))
    assert dict(ana.read(group).messages[0].receipts)[ben.key(group)]


def test_who_speaks_himself_waits_on() -> None:
    ana, ben, _, group = three()
    hears(ben, *says(ana, group, "here"), *says(ana, group, "x" * 300))
    first = due(ben, group)
    assert first is not None
    ben.now_s = first.at_s - 1
    ben.do(inputs.SendText(group, "x" * 106))  # no room beside it
    second = due(ben, group)
    assert second is not None
    assert second.at_s == ben.now_s + first.calm_s
    assert second.latest_s == first.latest_s


def test_something_that_comes_fast_hurries_the_receipt() -> None:
    ana, ben, _, group = three()
    hears(ben, *says(ana, group, "here"))
    ben.do(inputs.TakeBundles(says(ana, group, "there")))
    waits = due(ben, group)
    assert waits is not None
    assert waits.at_s - ben.now_s <= receipting.RECEIPT_DELAY_S + receipting.RECEIPT_JITTER_S
    hears(ben, *says(ana, group, "everywhere"))
    assert due(ben, group) == waits


def test_a_turn_is_as_long_as_a_commit_takes_on_a_slow_link() -> None:
    ana, ben, caro, dora = Person("ana"), Person("ben"), Person("caro"), Person("dora")
    group = make_group(ana, ben, caro, dora)
    radio(ben)
    before = set(ana.held())
    ana.do(inputs.RemoveMember(group, dora.key(group)))
    operation = min(fresh(ana, before), key=len)
    hears(ben, operation)
    caro.do(inputs.TakeBundles((operation,)))
    waits_s = {
        person.name: int.from_bytes(person.tx().get(Space.TURN, group) or b"", "big") - person.now_s
        for person in (ben, caro)
    }
    assert waits_s["caro"] in {SLOT_S * place for place in (1, 2, 3)}
    assert waits_s["ben"] in {int(SLOT_FRAMES * FRAME_S) * place for place in (1, 2, 3)}
    assert int(SLOT_FRAMES * FRAME_S) > 100
