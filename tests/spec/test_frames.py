"""The MUSTs of docs/spec/frames.md and of docs/spec/records.md."""

from __future__ import annotations

import pytest

from chasqui.base.errors import PeerError
from chasqui.base.ids import GroupId, bundle_id
from chasqui.delivery.frames import BundleFrame, IdsFrame, RequestFrame, read_frame, write_frame
from chasqui.node import inputs
from chasqui.node.effects import Persist
from chasqui.node.link_port import SessionId
from chasqui.node.records import Space
from chasqui.sealed.kinds import Kind
from tests.node.hostile import fresh, utter
from tests.node.world import Person, make_group

ONE, TWO = SessionId(1), SessionId(2)
MTU = 65_535


def short(bundle: bytes) -> bytes:
    return bundle_id(bundle)[:8]


def talk(person: Person, session: SessionId, frame: bytes) -> list[tuple[SessionId, bytes]]:
    """What is said because of one frame."""
    person.sent.clear()
    person.do(inputs.FrameReceived(session, frame))
    return list(person.sent)


def listening(*sessions: SessionId) -> tuple[Person, Person, GroupId, tuple[bytes, ...]]:
    """Ana has said three things that Ben, with open sessions, has not heard."""
    ana, ben = Person("ana"), Person("ben")
    group = make_group(ana, ben)
    said = tuple(utter(ana, group, Kind.TEXT, text) for text in (b"1", b"2", b"3"))
    for session in sessions:
        ben.do(inputs.SessionOpened(session, MTU))
    return ana, ben, group, said


@pytest.mark.must("M-FRM-1")
def test_frames_byte_by_byte() -> None:
    ids = (b"8 bytes.", b"of an id")
    for frame, data in (
        (BundleFrame(b"b" * 128), b"\x10" + b"b" * 128),
        (RequestFrame(ids), b"\x608 bytes.of an id"),
        (IdsFrame(ids), b"\x908 bytes.of an id"),
    ):
        assert write_frame(frame) == data
        assert read_frame(data) == frame
    assert read_frame(b"\x10" + bytes(15_360))
    many = b"".join(n.to_bytes(8, "big") for n in range(8_001))
    assert read_frame(b"\x60" + many[:512])
    assert read_frame(b"\x90" + many[:-8])
    for bad in (b"", b"\x11" + bytes(128), b"\x20" + bytes(128), b"\x10" + bytes(127), b"\x10" + bytes(15_361)):
        with pytest.raises(PeerError):
            read_frame(bad)
    for bad in (
        b"\x60",
        b"\x60" + bytes(7),
        b"\x60" + many[:520],
        b"\x90" + many,
        b"\x91" + bytes(8),
        b"\x90" + bytes(16),
    ):
        with pytest.raises(PeerError):
            read_frame(bad)


@pytest.mark.must("M-FRM-2", "M-FRM-3")
def test_what_closes_a_session_and_what_does_not() -> None:
    _, ben, _, said = listening(ONE, TWO)
    torn = said[0][:-1] + bytes((said[0][-1] ^ 1,))
    hopeless = b"\x50" + bytes(127)  # no bundle: its lifetime is not that of its class
    for bundle in (torn, hopeless):
        ((_, asked),) = talk(ben, ONE, b"\x90" + short(bundle))
        assert asked == b"\x60" + short(bundle)
        talk(ben, ONE, b"\x10" + bundle)
    assert ben.closed == []
    talk(ben, ONE, b"\x10" + said[1])  # asked for by nobody
    assert ben.closed == [ONE]
    talk(ben, TWO, b"\xff")
    assert ben.closed == [ONE, TWO]
    ben.do(inputs.SessionOpened(SessionId(3), MTU))
    for page in range(9):  # more than wait: an honest carrier may hold as many
        talk(ben, SessionId(3), b"\x90" + b"".join((page * 8000 + n).to_bytes(8, "big") for n in range(8000)))
    assert ben.closed == [ONE, TWO]


@pytest.mark.must("M-FRM-4")
def test_one_session_is_asked_and_another_when_it_closes() -> None:
    _, ben, _, said = listening(ONE, TWO)
    ids = b"".join(short(bundle) for bundle in said)
    assert talk(ben, ONE, b"\x90" + ids) == [(ONE, b"\x60" + ids)]
    assert talk(ben, TWO, b"\x90" + ids) == []
    talk(ben, ONE, b"\x10" + said[0])
    ben.sent.clear()
    ben.do(inputs.SessionClosed(ONE))
    assert ben.sent == [(TWO, b"\x60" + ids[8:])]


@pytest.mark.must("M-FRM-5")
def test_a_strangers_bundle_is_announced_and_given_like_an_own_one() -> None:
    ana, _, _, said = listening()
    caro = Person("caro")
    answers = []
    for person in (Person("ben"), caro):
        person.do(inputs.SessionOpened(ONE, MTU))
        person.do(inputs.SessionOpened(TWO, MTU))
        talk(person, ONE, b"\x90" + short(said[0]))
        heard = talk(person, ONE, b"\x10" + said[0])
        assert (TWO, b"\x90" + short(said[0])) in heard
        answers.append(talk(person, TWO, b"\x60" + short(said[0])))
    own = Person("own")
    own.store = ana.store.after_crash()
    own.restart()
    for session in (ONE, TWO):
        own.do(inputs.SessionOpened(session, MTU))
    answers.append(talk(own, TWO, b"\x60" + short(said[0])))
    assert answers == [[(TWO, b"\x10" + said[0])]] * 3


# -- records ------------------------------------------------------------------------------------------------


@pytest.mark.must("M-RCD-2")
def test_one_persist_first() -> None:
    ana, ben = Person("ana"), Person("ben")
    group = make_group(ana, ben)
    ana.do(inputs.SessionOpened(ONE, MTU))
    before = set(ana.held())
    for event in (inputs.SendText(group, "hello"), inputs.RemoveMember(group, ben.key(group)), inputs.MakeOffer()):
        effects = ana.node.step(event, ana.now_s)
        assert [at for at, effect in enumerate(effects) if isinstance(effect, Persist)] == [0]
        disk = {space: dict(ana.store.scan(space)) for space in map(int, Space)}
        ana.restart()
        assert {space: dict(ana.store.scan(space)) for space in map(int, Space)} == disk  # a step writes nothing itself
    assert not fresh(ana, before)


@pytest.mark.must("M-RCD-3")
def test_a_node_is_what_its_store_says() -> None:
    worlds = []
    for restarts in (False, True):
        ana, ben, caro = Person("ana"), Person("ben"), Person("caro")
        group = make_group(ana, ben, caro)
        for turn in range(12):
            for person in (ana, ben, caro):
                person.now_s += 100
                if restarts:
                    person.restart()
                if turn == 6 and person is ana:
                    ana.do(inputs.RemoveMember(group, caro.key(group)))
                elif person is not caro:
                    person.do(inputs.SendText(group, f"{person.name} {turn}"))
                person.sync(*(other for other in (ana, ben, caro) if other is not person))
        worlds.append([[dict(p.store.scan(int(space))) for space in Space] for p in (ana, ben, caro)])
    assert worlds[0] == worlds[1]
