"""Receipts on a slow link: they wait until no more comes, say what they have to in the smallest bundle, and are never
put off for ever. Turns are as long as a commit takes there."""

from __future__ import annotations

from itertools import pairwise

import pytest
from msgspec import structs

from chasqui.base.ids import ID_BYTES, GroupId
from chasqui.base.limits import BUNDLE_BYTES_MIN, SLOT_FRAMES, SLOT_S
from chasqui.base.ports import Uptime
from chasqui.delivery.airtime import Air
from chasqui.delivery.radio_frames import PackFrame, write_radio_frame
from chasqui.node import inputs, receipting
from chasqui.node.effects import Persist
from chasqui.node.epochs import head_of
from chasqui.node.groups import load_group
from chasqui.node.link_port import BroadcastId, LinkProfile
from chasqui.node.receipting import Due, go_on
from chasqui.node.records import CommitRecord, Space
from chasqui.node.votes import goes_alone
from tests.node.hostile import fresh
from tests.node.world import Person, make_group

AIR = BroadcastId(1)
LORA = LinkProfile("lora", 222, 1760, True, True, 0.1, 1.0, 83)
FRAME_S = Air(222, 1760, 83, 1.0).airtime_ms(222) / 1000
CALM_S = int(receipting._SLOW_FRAMES * FRAME_S)
PLACE_S = receipting.round_ms(int(1000 * FRAME_S))[1] / 1000
JITTER_S = int(PLACE_S) + receipting.RECEIPT_DELAY_S + 2  # of two who sign
LATEST_S = int(receipting._SLOW_FRAMES_MAX * FRAME_S)


def radio(person: Person) -> None:
    person.do(inputs.BroadcastOpened(AIR, LORA, Uptime(b"boot", 0), "radio"))


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


@pytest.mark.must("M-REC-7")
def test_each_who_signs_on_a_slow_link_has_a_place_of_his_own_and_another_each_time() -> None:
    names = [Person(f"p{number}") for number in range(12)]
    group = make_group(*names)
    first, *others = names
    for person in names:
        person.do(inputs.Flush())
        radio(person)
    orders = []
    for _ in range(3):
        text = says(first, group, "here")
        for other in others:
            hears(other, *text)
        waits = [due(other, group) for other in others]
        times = sorted(wait.at_s for wait in waits if wait is not None)
        assert len(times) == len(others)
        assert all(int(PLACE_S) <= b - a <= int(PLACE_S) + 1 for a, b in pairwise(times))
        orders.append([wait.at_s for wait in waits if wait is not None])
        for person in names:
            person.now_s = times[-1]
            person.do(inputs.Flush())
    assert len({tuple(sorted(range(11), key=order.__getitem__)) for order in orders}) == 3


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


@pytest.mark.must("M-REC-6")
@pytest.mark.parametrize("who", ["ana", "ben"])
def test_a_clock_that_was_ahead_and_is_put_right_lets_no_conversation_put_a_receipt_off_for_long(who: str) -> None:
    ana, ben, _, group = three()
    hears(ben, *says(ana, group, "here"))
    for person in (ana, ben):
        person.now_s -= 7 * 3600
    began_s, waits = ben.now_s, due(ben, group)
    assert waits is not None
    while waits.at_s > ben.now_s and ben.now_s < began_s + 6 * 3600 + LATEST_S:
        ana.now_s = ben.now_s = ben.now_s + CALM_S - 1
        if who == "ana":
            hears(ben, *says(ana, group, "and here"))
        else:
            go_on(tx := ben.tx(), group)
            (persist,) = tx.outcome()
            assert isinstance(persist, Persist)
            ben.store.apply(persist.writes)
            ben.store.commit()
        waits = due(ben, group)
        assert waits is not None
    assert ticks(ben), "he signs"
    took_s = ben.now_s - began_s
    assert took_s <= (LATEST_S + 4 * CALM_S if who == "ana" else 6 * 3600 + 2 * CALM_S), "what he says himself is rare"


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


def removal(count: int = 5) -> tuple[list[Person], GroupId]:
    """The last of so many was removed; the others have heard of it, and have signed for it, over the radio."""
    names = [Person(f"p{number}") for number in range(count)]
    group = make_group(*names)
    for person in names:
        person.do(inputs.Flush())
        radio(person)
    first, *others = names[:-1]
    before = set(first.held())
    first.do(inputs.RemoveMember(group, names[-1].key(group)))
    for other in others:
        hears(other, *sorted(fresh(first, before), key=len))
    first.now_s += receipting.RECEIPT_DELAY_S + receipting.RECEIPT_JITTER_S
    said = [ticks(first)]
    for other in others:
        wait = due(other, group)
        assert wait is not None
        other.now_s = wait.at_s
        said.append(ticks(other))
    assert [len(bundles) for bundles in said] == [1] * len(names[:-1])
    assert {len(bundle) for bundles in said[1:] for bundle in bundles} == {BUNDLE_BYTES_MIN}
    for person in names[:-1]:
        person.now_s = max(other.now_s for other in others)
        hears(person, *(bundle for bundles in said for bundle in bundles))
    return names[:-1], group


def votes(person: Person, group: GroupId) -> set[bytes]:
    """Who has voted for the head, as far as somebody knows."""
    parent = head_of(person.tx(), group, load_group(person.tx(), group))[1].parent
    return {key[2 * ID_BYTES :] for key, _ in person.tx().scan_prefix(Space.VOTE, group + parent)}


@pytest.mark.must("M-REC-3")
def test_a_witness_of_a_removal_signs_for_it_in_the_smallest_bundle() -> None:
    names, group = removal(12)
    first = names[0]
    last = load_group(first.tx(), group).seq - 1  # the commit; behind it came his own witness
    for other in names[1:]:
        assert last in receipting.have(first.tx(), group, other.key(group), first.key(group))
        said = first.tx().scan_prefix(Space.WITNESS, group)
        assert other.key(group) in {key[2 * ID_BYTES :] for key, _ in said}


@pytest.mark.must("M-FRK-13")
def test_on_a_slow_link_a_vote_waits_for_something_to_ride_in_but_not_for_ever() -> None:
    names, group = removal()
    first = names[0]
    early, late = [person for person in names[1:] if person.key(group) not in votes(person, group)][:2]
    for _ in range(5):
        for person in names:
            person.now_s += 3600
            assert not ticks(person)
    hears(first, *says(early, group, "good morning"))
    assert early.key(group) in votes(first, group)
    late.now_s += 3600
    hears(first, *ticks(late))
    assert late.key(group) in votes(first, group)


@pytest.mark.must("M-FRK-13")
def test_no_vote_waits_before_a_stick_nor_where_nothing_came_over_a_slow_link() -> None:
    names, group = removal()
    person, other = [each for each in names[1:] if each.key(group) not in votes(each, group)][:2]
    person.do(inputs.Flush())
    assert person.key(group) in votes(person, group)
    tx = other.tx()
    assert not goes_alone(tx, group)
    tx.erase(Space.SLOW, group)
    assert goes_alone(tx, group)


@pytest.mark.must("M-FRK-13")
def test_no_vote_waits_where_there_is_a_fork() -> None:
    names, group = removal()
    person = next(each for each in names[1:] if each.key(group) not in votes(each, group))
    tx = person.tx()
    assert not goes_alone(tx, group)
    head = load_group(tx, group).head
    made = next(made for _, made in tx.load_prefix(Space.COMMIT, group, CommitRecord) if made.child == head)
    tx.save(Space.COMMIT, group + bytes(ID_BYTES), structs.replace(made, child=bytes(ID_BYTES)))
    assert goes_alone(tx, group)
