"""Bursts between nodes: said in order, delivered, sealed again, refused where they are none; nothing decodes them."""

from __future__ import annotations

import subprocess
import sys

import pytest

from chasqui.base.errors import UsageError, UserError
from chasqui.base.schema import encode
from chasqui.groups.bodies import AskBody
from chasqui.media.burst import Burst, Quality
from chasqui.node import inputs
from chasqui.node.speech import bursts_of
from chasqui.node.under_way import incoming
from chasqui.node.views import list_contacts
from chasqui.sealed.kinds import BundleClass, Kind
from tests.node.hostile import fresh, utter, utter_object
from tests.node.world import START_S, Person, make_group, meet, settled_group

TEN_S = bytes(range(250)) * 3 + bytes(125)  # 875 bytes: 10 s at 700C


@pytest.mark.must("M-VOI-3")
def test_a_recording_is_consecutive_objects_in_order() -> None:
    ana, ben = Person("ana"), Person("ben")
    group = make_group(ana, ben)
    speech = bytes(2_450) + b"\x11" * 2_450 + TEN_S
    sent = ana.do(inputs.SendVoice(group, Quality.Q700C, speech))
    meet(ben, ana)
    found = ben.read(group).messages
    assert tuple(message.id for message in found) == sent
    assert [message.seq for message in found] == list(range(found[0].seq, found[0].seq + 3))
    assert {message.kind for message in found} == {"voice"}
    bursts = [message.burst for message in found]
    assert b"".join(burst.speech for burst in bursts if burst) == speech
    assert [burst.more for burst in bursts if burst] == [True, True, False]
    assert [message.state for message in ana.read(group).messages] == ["delivered"] * 3
    first = found[0].seq
    assert [(burst.first, burst.at) for burst in bursts if burst] == [(0, 0), (first, 700), (first, 1_400)]
    assert bursts_of(ben.tx(), group, sent[2]) == tuple(bursts)


@pytest.mark.must("M-VOI-3")
def test_a_recording_goes_on_while_its_speaker_does() -> None:
    """Sent piece by piece, with other objects between: those that hear it know which belong together, and where."""
    ana, ben = Person("ana"), Person("ben")
    group = make_group(ana, ben)
    (first,) = ana.do(inputs.SendVoice(group, Quality.Q700C, bytes(868), more=True))
    ana.do(inputs.SendText(group, "between"))
    (second,) = ana.do(inputs.SendVoice(group, Quality.Q700C, bytes(868), more=True, follows=first, at=248))
    (other,) = ana.do(inputs.SendVoice(group, Quality.Q700C, TEN_S))
    (third,) = ana.do(inputs.SendVoice(group, Quality.Q700C, b"\x11" * 7, follows=first, at=496))
    meet(ben, ana)
    found = bursts_of(ben.tx(), group, third)
    assert found is not None
    assert [(burst.at, burst.more) for burst in found] == [(0, True), (248, True), (496, False)]
    assert bursts_of(ben.tx(), group, second) == bursts_of(ben.tx(), group, first) == found
    assert bursts_of(ben.tx(), group, other) == (Burst(Quality.Q700C, TEN_S),)
    text = next(message.id for message in ben.read(group).messages if message.kind == "text")
    assert bursts_of(ben.tx(), group, text) is None
    before = ana.held()
    for wrong in (
        inputs.SendVoice(group, Quality.Q700C, TEN_S, follows=second, at=10),  # not the first
        inputs.SendVoice(group, Quality.Q700C, TEN_S, follows=text, at=10),
        inputs.SendVoice(group, Quality.Q700C, TEN_S, follows=first),  # without a place
        inputs.SendVoice(group, Quality.Q700C, TEN_S, at=10),  # of nothing
    ):
        with pytest.raises(UserError):
            ana.do(wrong)
    theirs = next(message.id for message in ben.read(group).messages if message.kind == "voice")
    with pytest.raises(UserError):
        ben.do(inputs.SendVoice(group, Quality.Q700C, TEN_S, follows=theirs, at=248))  # another's recording
    assert ana.held() == before


@pytest.mark.must("M-VOI-7")
def test_a_burst_that_follows_nothing_before_it_is_refused() -> None:
    ana, eve = Person("ana"), Person("eve")
    group = make_group(ana, eve)
    text, _ = utter_object(eve, group, Kind.TEXT, b"before")
    for number, first, good in (
        (1, text.seq + 1, False),
        (2, text.seq + 3, False),
        (3, 2**24 - 1, False),
        (4, text.seq + 3, True),
    ):
        body = Burst(Quality.Q3200, bytes(8), first=first, at=1).to_body()
        signed, bundle = utter_object(eve, group, Kind.VOICE, body)
        assert signed.seq == text.seq + number
        taken = ana.do(inputs.TakeBundles((bundle,)))
        assert (taken.new, taken.refused) == ((1, 0) if good else (0, 1))
    (message,) = ana.read(group).messages
    assert message.burst is not None
    assert message.burst.at == 1


def test_whose_words_were_compared_is_known() -> None:
    ana, ben = Person("ana"), Person("ben")
    group = make_group(ana, ben)
    for person in (ana, ben):
        person.do(inputs.SendText(group, "here"))
    meet(ben, ana)
    meet(ana, ben)
    before = ana.read(group).messages
    assert [message.verified for message in before] == [message.own for message in before]
    assert {message.own for message in before} == {True, False}
    ana.do(inputs.VerifyContact(list_contacts(ana.tx())[0].id))
    assert all(message.verified for message in ana.read(group).messages)


@pytest.mark.must("M-VOI-5")
@pytest.mark.parametrize("urgent", [False, True])
def test_a_burst_travels_as_a_text_does(urgent: bool) -> None:
    (ana, _), group = settled_group("ana", "ben")
    before = set(ana.held())
    ana.do(inputs.SendVoice(group, Quality.Q700C, TEN_S, urgent))
    ana.do(inputs.SendText(group, "x", urgent))
    written, spoken = sorted(fresh(ana, before), key=len)
    assert spoken[0] == written[0]
    assert spoken[0] >> 4 & 3 == (BundleClass.URGENT if urgent else BundleClass.TEXT)
    assert len(spoken) == 978, "10 s at 700C"


def test_what_is_no_recording_is_not_sent() -> None:
    ana, ben = Person("ana"), Person("ben")
    group = make_group(ana, ben)
    before = ana.held()
    for speech in (b"", b"\x01", bytes(200_000)):
        with pytest.raises(UsageError):
            ana.do(inputs.SendVoice(group, Quality.Q700C, speech))
    assert ana.held() == before
    assert not ana.read(group).messages


@pytest.mark.must("M-VOI-2")
def test_a_member_cannot_bring_what_is_no_burst() -> None:
    ana, eve = Person("ana"), Person("eve")
    group = make_group(ana, eve)
    for body in (b"", b"\x01", b"\x09aaaaaaa", b"\x01" + bytes(5), b"\x01\0\0\0\1", b"\x03" + bytes(15_008)):
        bundle = utter(eve, group, Kind.VOICE, body)
        assert ana.do(inputs.TakeBundles((bundle,))).refused == 1
    assert not ana.read(group).messages
    assert ana.do(inputs.TakeBundles((utter(eve, group, Kind.VOICE, b"\x03" + bytes(8)),))).new == 1
    (message,) = ana.read(group).messages
    assert message.burst == Burst(Quality.Q3200, bytes(8))


def test_a_burst_that_was_lost_is_sealed_again() -> None:
    (ana, _, caro), group = settled_group("ana", "ben", "caro")
    (sent,) = ana.do(inputs.SendVoice(group, Quality.Q3200, bytes(12_688)))
    seq = ana.read(group).messages[0].seq
    question = utter(caro, group, Kind.ASK, encode(AskBody((), ((ana.key(group), ((seq, seq),)),))))
    before = set(ana.held())
    ana.do(inputs.TakeBundles((question,)))
    ana.do(inputs.Flush())
    caro.do(inputs.TakeBundles(fresh(ana, before)))
    (message,) = caro.read(group).messages
    assert message.id == sent
    assert message.burst == Burst(Quality.Q3200, bytes(12_688))


def test_a_burst_disappears_with_the_retention() -> None:
    ana, ben = Person("ana"), Person("ben")
    make_group(ana, ben, name="other")
    group = ana.do(inputs.CreateGroup("short", retention_s=3600))
    ana.do(inputs.SendVoice(group, Quality.Q700C, TEN_S))
    assert len(ana.read(group).messages) == 1
    ana.now_s = START_S + 2 * 3600
    ana.do(inputs.Tick())
    assert not ana.read(group).messages


@pytest.mark.must("M-VOI-4")
def test_the_daemon_knows_no_decoder() -> None:
    code = (
        "import sys, chasqui.app.daemon, chasqui.app.service, chasqui.lab.run;"
        "pure = {'chasqui.media.burst', 'chasqui.media.modes', 'chasqui.media.recording'};"
        "print([n for n in sys.modules if n.startswith('chasqui.media.') and n not in pure])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_progress_of_a_file_on_both_sides() -> None:
    (ana, ben, caro), group = settled_group("ana", "ben", "caro")
    before = set(ana.held())
    ana.do(inputs.SendFile(group, "map", bytes(50_000)))
    assert ana.read(group).messages[0].signed == (0, 4)
    manifest, *parts = sorted(fresh(ana, before), key=len)
    for bens, caros, slowest in (((0,), (1, 2), 1), ((0, 1, 2), (1, 2), 2), ((0, 1, 2), (0, 1, 2, 3), 3)):
        for person, has in ((ben, bens), (caro, caros)):
            person.do(inputs.TakeBundles((manifest, *(parts[index] for index in has))))
            before = set(person.held())
            person.do(inputs.Flush())
            ana.do(inputs.TakeBundles(fresh(person, before)))
        assert ana.read(group).messages[0].signed == (slowest, 4), "the slowest of both"
    assert [(file.group_name, file.name, file.size, file.here, file.of) for file in incoming(ben.tx())] == [
        ("convoy", "map", 50_000, 3, 4)
    ]
    assert incoming(ana.tx()) == incoming(caro.tx()) == []
    ben.do(inputs.TakeBundles((parts[3],)))  # where it was cut off it goes on
    assert incoming(ben.tx()) == []
    before = set(ben.held())
    ben.do(inputs.Flush())
    ana.do(inputs.TakeBundles(fresh(ben, before)))
    assert ana.read(group).messages[0].signed is None
    assert ana.read(group).messages[0].state == "delivered"
