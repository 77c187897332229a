"""Any order, doubles, losses, restarts, pulled plugs: everyone entitled ends with the same conversation."""

from __future__ import annotations

import random

import pytest

from chasqui.node import inputs
from chasqui.node.link_port import SessionId
from tests.node.world import Person, make_group, meet

NAMES = ("ana", "ben", "caro", "dora", "ed")


def conversation(person: Person, group: bytes) -> list[tuple[str, str, int]]:
    from chasqui.base.ids import GroupId

    return [(m.text, m.author.hex(), m.seq) for m in person.read(GroupId(group)).messages]


@pytest.mark.parametrize("seed", range(6))
def test_sticks_in_any_order_some_lost_some_doubled(seed: int) -> None:
    rng = random.Random(seed)
    people = [Person(name) for name in NAMES]
    group = make_group(*people)
    sticks: list[tuple[bytes, ...]] = []
    said: list[str] = []
    for turn in range(40):
        person = rng.choice(people)
        for other in people:
            other.now_s += rng.randrange(600)
        if rng.random() < 0.4:
            text = f"{person.name} {turn}"
            person.do(inputs.SendText(group, text))
            said.append(text)
        if rng.random() < 0.1:
            person.restart()
        if rng.random() < 0.5:
            person.do(inputs.Flush())
            bundles = person.held()
            rng.shuffle(bundles)
            sticks.append(tuple(b for b in bundles if rng.random() < 0.8))
        if sticks and rng.random() < 0.7:
            rng.choice(people).do(inputs.TakeBundles(rng.choice(sticks)))
    for person in people:
        for gap in person.read(group).gaps:
            assert gap.first <= gap.last
    meet(*people)
    reference = conversation(people[0], group)
    assert sorted(text for text, _, _ in reference) == sorted(said)
    for person in people:
        assert conversation(person, group) == reference
        assert not person.read(group).gaps
        own = [m for m in person.read(group).messages if m.own]
        assert all(m.state == "delivered" for m in own)


def test_a_gap_is_shown_until_it_is_closed() -> None:
    ana, ben = Person("ana"), Person("ben")
    group = make_group(ana, ben)
    before = set(ana.held())
    ana.do(inputs.SendText(group, "one"))
    first = [b for b in ana.held() if b not in before]
    ana.do(inputs.SendText(group, "two"))
    second = [b for b in ana.held() if b not in before and b not in first]
    ben.do(inputs.TakeBundles(tuple(second)))
    conversation_now = ben.read(group)
    assert [m.text for m in conversation_now.messages] == ["two"]
    assert [(g.first, g.last) for g in conversation_now.gaps] == [
        (conversation_now.messages[0].seq - 1, conversation_now.messages[0].seq - 1)
    ]
    ben.do(inputs.TakeBundles(tuple(first)))
    assert ben.texts(group) == ["one", "two"]
    assert not ben.read(group).gaps


def test_reading_order_follows_what_authors_had_seen_not_their_clocks() -> None:
    ana, ben = Person("ana"), Person("ben")
    group = make_group(ana, ben)
    ben.now_s -= 3 * 3600  # a clock that runs late
    ana.do(inputs.SendText(group, "question"))
    meet(ana, ben)
    ben.do(inputs.SendText(group, "answer"))
    meet(ana, ben)
    for person in (ana, ben):
        assert person.texts(group) == ["question", "answer"]


def test_a_bundle_that_was_taken_in_does_nothing_the_second_time() -> None:
    ana, ben = Person("ana"), Person("ben")
    group = make_group(ana, ben)
    ana.do(inputs.SendText(group, "once"))
    bundles = tuple(ana.held())
    ben.do(inputs.TakeBundles(bundles))
    before = ben.store.after_crash()
    answer = ben.do(inputs.TakeBundles(bundles))
    assert (answer.new, answer.refused) == (0, 0)
    assert list(before.scan(1)) == list(ben.store.scan(1))
    assert ben.texts(group) == ["once"]


def test_no_key_seals_two_bundles_across_failed_commits() -> None:
    """A disk that fails at any commit: the node is rebuilt from the store, nothing that left is sealed again."""
    ana, ben = Person("ana"), Person("ben")
    group = make_group(ana, ben)
    left: set[tuple[str, bytes]] = set()
    rng = random.Random(1)
    for turn in range(60):
        effects = ana.node.step(inputs.SendText(group, f"text {turn}"), ana.now_s)
        if rng.random() < 0.4:
            ana.store = ana.store.after_crash()
            ana.restart()
            continue
        for effect in effects:
            ana._carry_out(effect, None)
        left.add((f"text {turn}", ana.held()[0]))
    meet(ana, ben)
    assert sorted(ben.texts(group)) == sorted(text for text, _ in left)
    origins = {_origin(m) for m in _whole(ana, group)}
    assert len(origins) == len(left)


def _whole(person: Person, group: bytes) -> list[bytes]:
    return [value for _, value in person.store.scan(8) if value]


def _origin(message: bytes) -> bytes:
    from chasqui.base.schema import decode_own
    from chasqui.node.records import MessageRecord

    return decode_own(message, MessageRecord).whole[33:53]


def test_neighbours_make_their_sets_equal() -> None:
    ana, ben, caro = Person("ana"), Person("ben"), Person("caro")
    group = make_group(ana, ben, caro)
    for n in range(150):
        ana.do(inputs.SendText(group, f"text {n}"))
    join(ana, ben, 1)
    join(ben, caro, 2)
    ben.do(inputs.SendText(group, "live"))
    pump({(ana, 1): ben, (ben, 1): ana, (ben, 2): caro, (caro, 2): ben})
    assert set(ana.held()) == set(ben.held()) == set(caro.held())
    assert len(caro.texts(group)) == 151


def test_a_neighbour_that_breaks_the_rules_is_cut_off() -> None:
    ana = Person("ana")
    for frame in (b"", b"\xff", b"\x10", b"\x60abc", b"\x10" + bytes(207)):
        session = SessionId(len(ana.closed) + 1)
        ana.do(inputs.SessionOpened(session, 65_535))
        ana.do(inputs.FrameReceived(session, frame))
        assert ana.closed[-1] == session


def test_hostile_bundles_change_nothing() -> None:
    ana, ben = Person("ana"), Person("ben")
    group = make_group(ana, ben)
    ana.do(inputs.SendText(group, "true"))
    (bundle,) = [b for b in ana.held() if b not in set(ben.held())]
    rng = random.Random(7)
    for _ in range(300):
        damaged = bytearray(bundle)
        damaged[rng.randrange(2, len(damaged))] ^= 1 << rng.randrange(8)
        ben.do(inputs.TakeBundles((bytes(damaged),)))
        ben.do(inputs.TakeBundles((rng.randbytes(rng.choice((0, 1, 127, 128, 207, 208, 15_360))),)))
    assert ben.texts(group) == []
    ben.do(inputs.TakeBundles((bundle,)))
    assert ben.texts(group) == ["true"]


def test_a_file_is_whole_only_with_all_its_parts() -> None:
    ana, ben = Person("ana"), Person("ben")
    group = make_group(ana, ben)
    data = random.Random(3).randbytes(200_000)
    file = ana.do(inputs.SendFile(group, "picture.jpg", data))
    bundles = [b for b in ana.held() if b not in set(ben.held())]
    ben.do(inputs.TakeBundles(tuple(bundles[:-1])))
    (message,) = ben.read(group).messages
    assert message.state == "incomplete"
    meet(ana, ben)
    assert ben.do(inputs.ReadFile(group, file)) == ("picture.jpg", data)
    assert ben.read(group).messages[0].state == "received"
    assert ana.read(group).messages[0].state == "delivered"


def join(one: Person, other: Person, session: int) -> None:
    for person in (one, other):
        person.do(inputs.SessionOpened(SessionId(session), 65_535))


def pump(wires: dict[tuple[Person, int], Person]) -> None:
    """Carries frames until nobody has anything to send."""
    people = list(dict.fromkeys(person for person, _ in wires))
    while any(person.sent for person in people):
        for person in people:
            queue, person.sent = person.sent, []
            for session, frame in queue:
                wires[person, session].do(inputs.FrameReceived(session, frame))


