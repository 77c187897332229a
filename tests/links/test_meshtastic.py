"""Boards with Meshtastic firmware on doubles that speak their messages: bytes, airtime, the suites, and what only such
a board does."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chasqui.base.errors import MachineError, PeerError
from chasqui.base.ids import GroupId
from chasqui.links import leaving, meshtastic, meshtastic_link, radio_link
from chasqui.links.meshtastic import (
    MESSAGE_BYTES_MAX,
    Heard,
    MeshtasticReader,
    Queue,
    read_message,
    write_heartbeat,
    write_packet,
    write_want_config,
)
from chasqui.links.meshtastic_board import PAYLOAD_BYTES_MAX, Preset
from chasqui.links.meshtastic_link import MeshtasticLink, MeshtasticSettings
from tests.app.people import Person, pair, until_ready, wait_until
from tests.links.conformance import CHECKS, run_check
from tests.links.conformance_broadcast import BROADCAST_CHECKS, BroadcastPair, Recorder, run_broadcast_check, say
from tests.links.lora_air import LoraAir
from tests.links.mesh_boards import (
    Made,
    MeshBoard,
    MeshPair,
    at_serial,
    boards_elsewhere,
    foreign,
    framed,
    in_network,
    mesh,
    mesh_pair,
    packet_s,
)
from tests.links.stations import Station, say_until_delivered, with_stations

SPEED = 2_000


@pytest.fixture
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Airtime passes as fast as on the double's channel."""
    monkeypatch.setattr(leaving, "MS_S", 0.001 / SPEED)
    monkeypatch.setattr(radio_link, "RETRY_FIRST_S", 0.02)
    monkeypatch.setattr(radio_link, "RETRY_MAX_S", 0.1)
    monkeypatch.setattr(meshtastic_link, "QUEUE_EVERY_S", 0.005)
    monkeypatch.setattr(meshtastic_link, "SPENT_EVERY_S", 0.05)


# -- bytes --------------------------------------------------------------------------------------------------------


@given(st.binary(min_size=1, max_size=231), st.integers(1, 2**32 - 1), st.integers(0, 7))
def test_a_frame_is_written_as_the_boards_own_library_reads_it(payload: bytes, number: int, channel: int) -> None:
    written = write_packet(payload, number, channel)
    assert written[:4] == b"\x94\xc3" + (len(written) - 4).to_bytes(2, "big")
    packet = mesh.ToRadio.FromString(written[4:]).packet
    assert (packet.to, packet.id, packet.channel) == (0xFFFFFFFF, number, channel)
    assert (packet.decoded.portnum, packet.decoded.payload) == (256, payload)
    assert packet.hop_limit == 0
    assert not packet.want_ack


@pytest.mark.must("M-MSH-4")
def test_a_heartbeat_is_empty() -> None:
    told = mesh.ToRadio.FromString(write_heartbeat()[4:])
    assert told.WhichOneof("payload_variant") == "heartbeat"
    assert told.heartbeat.nonce == 0, "with a 1 in it the board tells its name to all"
    assert mesh.ToRadio.FromString(write_want_config()[4:]).want_config_id == 69_420


@pytest.mark.must("M-MSH-1")
@given(st.lists(st.binary(min_size=1, max_size=231), max_size=6), st.floats(-32, 32, width=32), st.data())
def test_what_a_board_says_is_read_whatever_the_cut(sent: list[bytes], snr: float, data: st.DataObject) -> None:
    stream = b"DEBUG | hello\r\n" + framed(mesh.FromRadio(rebooted=False).SerializeToString())
    for payload in sent:
        packet = mesh.MeshPacket(to=5, id=6, rx_snr=snr, channel=2)
        setattr(packet, "from", 4)
        packet.decoded.portnum, packet.decoded.payload = 256, payload
        stream += framed(mesh.FromRadio(packet=packet).SerializeToString())
    stream += framed(mesh.FromRadio(queueStatus=mesh.QueueStatus(free=3, maxlen=16)).SerializeToString())
    reader, said = MeshtasticReader(), []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        said += reader.feed(stream[:size])
        stream = stream[size:]
    heard = [Heard(4, 5, 2, 256, payload, snr or None, False) for payload in sent]
    assert said == [*heard, Queue(0, 3, 16, 0)]


@pytest.mark.must("M-MSH-1")
@given(st.binary(max_size=300))
def test_any_bytes_of_a_board_are_legal(noise: bytes) -> None:
    reader = MeshtasticReader()
    reader.feed(noise)
    assert reader.held_bytes <= 4 + MESSAGE_BYTES_MAX
    reader.feed(bytes(4 + MESSAGE_BYTES_MAX))
    good = framed(mesh.FromRadio(config_complete_id=9).SerializeToString())
    assert reader.feed(good)[-1] == meshtastic.Complete(9)


@pytest.mark.must("M-MSH-1")
def test_two_bytes_that_begin_no_message_hide_none() -> None:
    good = framed(mesh.FromRadio(config_complete_id=9).SerializeToString())
    for before in (b"\x94", b"\x94\x94\xc3\x02\x01", b"\x94\xc3\xff\xff", b"\x94\xc3\x00\x06"):
        reader = MeshtasticReader()
        assert reader.feed(before + good)[-1:] == [meshtastic.Complete(9)]
    with pytest.raises(PeerError):
        read_message(b"\x12\xff")


@pytest.mark.parametrize("snr", [float("nan"), float("inf"), 1e30, 0.0])
def test_a_strength_that_is_none_is_not_told(snr: float) -> None:
    import random

    packet = foreign(random.Random(1), b"x", rx_snr=snr)
    (said,) = read_message(mesh.FromRadio(packet=packet).SerializeToString())
    assert isinstance(said, Heard)
    assert said.snr_db is None


def test_without_the_library_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "google.protobuf", None)
    meshtastic._messages.cache_clear()
    with pytest.raises(MachineError, match="protobuf"):
        meshtastic.require_protobuf()
    meshtastic._messages.cache_clear()


def test_the_examples_of_the_spec() -> None:
    spec = Path(__file__).parents[2].joinpath("docs/spec/meshtastic.md").read_text(encoding="utf-8").replace(" ", "")
    assert write_packet(b"\x10\xc0\xdb", 0x01020304, 0).hex() in spec
    assert write_heartbeat().hex() in spec
    assert write_want_config().hex() in spec


# -- airtime ------------------------------------------------------------------------------------------------------


@pytest.mark.must("M-MSH-6")
@given(st.sampled_from(list(Preset)), st.integers(1, PAYLOAD_BYTES_MAX), st.booleans())
def test_airtime_is_that_of_the_packet_on_the_air(preset: Preset, size: int, signs: bool) -> None:
    data = mesh.Data(portnum=256, payload=bytes(size), bitfield=0)
    whole = 16 + len(data.SerializeToString())
    assert whole <= 255
    if signs and whole + 66 <= 255:
        whole += 66
    modulation = preset.modulation
    seconds = packet_s(whole, modulation.bandwidth_hz, modulation.spreading, modulation.coding)
    assert preset.airtime_ms(size, signs=signs) == pytest.approx(1000 * seconds)


def test_a_larger_frame_fits_no_packet() -> None:
    data = mesh.Data(portnum=256, payload=bytes(PAYLOAD_BYTES_MAX + 1), bitfield=0)
    assert 16 + len(data.SerializeToString()) == 256


@pytest.mark.must("M-MSH-6")
@given(st.sampled_from(list(Preset)), st.sampled_from([64, 160, PAYLOAD_BYTES_MAX]), st.booleans())
@settings(max_examples=40, deadline=None)
def test_a_profile_promises_no_more_than_the_air_takes(preset: Preset, mtu: int, signs: bool) -> None:
    bit_rate_bps, beside_ms = preset.rate_of(mtu)
    for size in range(1, mtu + 1):
        assert beside_ms + math.ceil(size * 8000 / bit_rate_bps) >= preset.airtime_ms(size, signs=signs)


def test_presets_are_those_of_the_boards() -> None:
    import importlib

    config: Any = importlib.import_module("meshtastic.protobuf.config_pb2")
    numbers = dict(config.Config.LoRaConfig.ModemPreset.items())
    numbers.setdefault("MEDIUM_TURBO", 16)  # newer than the package
    assert all(numbers[preset.label.upper()] == preset.number for preset in Preset)
    assert Preset.named("long_fast") is Preset.LONG_FAST
    with pytest.raises(ValueError):
        Preset.named("long_turtle")


@pytest.mark.parametrize(
    "wrong", [{"airtime_share_max": 0.0}, {"airtime_share_max": 1.1}, {"mtu_bytes": 232}, {"channel": 8}]
)
def test_settings_have_bounds(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        MeshtasticSettings("/dev/x", **{"airtime_share_max": 1.0, **wrong})


# -- the suites ---------------------------------------------------------------------------------------------------


@pytest.mark.must("M-MSH-5")
@pytest.mark.usefixtures("hurry")
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_every_link(check: Callable[[Any], object], tmp_path: Path) -> None:
    run_check(partial(mesh_pair, tmp_path, SPEED), check, timeout_s=300)


@pytest.mark.usefixtures("hurry")
@pytest.mark.parametrize("make", [at_serial, in_network])
@pytest.mark.parametrize("check", BROADCAST_CHECKS, ids=lambda check: check.__name__)
def test_every_broadcast_link(check: Callable[[BroadcastPair], object], make: Made, tmp_path: Path) -> None:
    run_broadcast_check(partial(mesh_pair, tmp_path, SPEED, make), check, timeout_s=300)


# -- the link -----------------------------------------------------------------------------------------------------


def with_pair(folder: Path, body: Any, *, wait: bool = True, prepare: Any = None, **settings: Any) -> None:
    """Runs it with two boards."""

    async def run() -> None:
        pair = MeshPair(folder, SPEED, **settings)
        if prepare is not None:
            prepare(pair.boards[0])
        try:
            async with asyncio.timeout(120):
                await pair.start(wait)
                await body(pair)
        finally:
            await pair.end()

    asyncio.run(run())


async def until(true: Callable[[], bool]) -> None:
    while not true():
        await asyncio.sleep(0.01)


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"preset": 0}, "asked for the preset short_turbo, the board is set to long_fast"),
    ({"use_preset": False}, "the board is set by hand"),
    ({"coding": 8}, "the board is set to a coding rate of 8, the preset has 5"),
    ({"region": 0}, "no region is set on the board"),
    ({"region": 13}, "2.4 GHz"),
    ({"sends": False}, "sending is switched off on the board"),
    ({"rebroadcast": 5}, "passes over private ports"),
    ({"channels": {1: 0}}, "the board has no channel 0"),
]


@pytest.mark.must("M-MSH-2")
@pytest.mark.usefixtures("hurry")
@pytest.mark.parametrize(("changed", "words"), REFUSED)
def test_a_board_that_is_set_otherwise_is_refused(changed: dict[str, Any], words: str, tmp_path: Path) -> None:
    async def body(pair: MeshPair) -> None:
        link, board = pair.links[0], pair.boards[0]
        await until(lambda: link.state.startswith("refused"))
        assert words in link.state
        assert link.state.endswith("nothing is sent")
        assert not pair.events[0].there
        link.send(b"to nobody")
        assert not any(message.HasField("packet") for message in board.asked)
        for name, value in before.items():
            setattr(board, name, value)
        await pair.events[0].until(lambda: pair.events[0].there)  # by itself, once the board is as asked for

    before: dict[str, Any] = {}

    def prepare(board: MeshBoard) -> None:
        for name, value in changed.items():
            before[name] = getattr(board, name)
            setattr(board, name, value)

    with_pair(tmp_path, body, wait=False, prepare=prepare)


@pytest.mark.must("M-MSH-3")
@pytest.mark.usefixtures("hurry")
def test_nothing_is_written_to_a_board_but_frames_and_questions(tmp_path: Path) -> None:
    async def body(pair: MeshPair) -> None:
        assert await pair.carry(0, [b"hello"]) == [b"hello"]
        kinds = {message.WhichOneof("payload_variant") for message in pair.boards[0].asked}
        assert kinds == {"want_config_id", "heartbeat", "packet"}
        (packet,) = pair.boards[0].sent
        assert packet.decoded.portnum == 256
        assert packet.hop_limit == 0
        assert pair.boards[0].announced == 0

    with_pair(tmp_path, body)


SHOWS: list[tuple[dict[str, Any], str]] = [
    ({"role": 0}, "announces itself every few hours"),
    ({"name": "Ana"}, "tells a name"),
    ({"gps": 1, "channels": {0: 32}}, "tells where it is"),
    ({"mqtt": True}, "may pass on what it sends to a server (MQTT)"),
    ({"protocols": 1}, "may pass on what it sends to the local network"),
]


@pytest.mark.usefixtures("hurry")
@pytest.mark.parametrize(("changed", "words"), SHOWS)
def test_what_a_board_shows_of_itself_is_said(changed: dict[str, Any], words: str, tmp_path: Path) -> None:
    async def body(pair: MeshPair) -> None:
        assert pair.links[0].state == f"ready; 0 frames heard; CAREFUL: the board {words}"
        assert pair.links[1].state == "ready; 0 frames heard"

    def prepare(board: MeshBoard) -> None:
        for name, value in changed.items():
            setattr(board, name, value)

    with_pair(tmp_path, body, prepare=prepare)


@pytest.mark.usefixtures("hurry")
def test_a_position_that_no_channel_tells_is_no_danger(tmp_path: Path) -> None:
    async def body(pair: MeshPair) -> None:
        assert pair.links[0].state == "ready; 0 frames heard"

    with_pair(tmp_path, body, prepare=lambda board: setattr(board, "gps", 1))


@pytest.mark.usefixtures("hurry")
def test_strength_is_told(tmp_path: Path) -> None:
    async def body(pair: MeshPair) -> None:
        await say(pair.links[0], pair.events[0], [b"hello"])
        await pair.events[1].until(lambda: bool(pair.events[1].frames))
        assert pair.events[1].frames == [(b"hello", 6.25)]

    with_pair(tmp_path, body)


@pytest.mark.must("M-MSH-5")
@pytest.mark.usefixtures("hurry")
def test_a_full_board_is_offered_the_frame_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def body(pair: MeshPair) -> None:
        board, link, events = pair.boards[0], pair.links[0], pair.events[0]
        board.full = True
        events.under_way = 1
        link.send(b"waits")
        with pytest.raises(RuntimeError):
            link.send(b"too early")
        await until(lambda: board.dropped > 5)
        assert events.under_way == 1
        board.full = False
        await pair.events[1].until(lambda: bool(pair.events[1].frames))
        assert pair.events[1].take() == [b"waits"]
        await events.until(lambda: not events.under_way)
        monkeypatch.setattr(meshtastic_link, "CARRIER_WAIT_MS_MAX", 100)
        board.full = True
        await say(link, events, [b"never leaves"])
        assert events.airtimes_ms[-1] == 0

    with_pair(tmp_path, body)


@pytest.mark.must("M-MSH-5")
@pytest.mark.usefixtures("hurry")
def test_a_frame_has_left_only_when_the_queue_is_empty_and_its_airtime_is_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leaving, "MS_S", 0.001)

    async def body(pair: MeshPair) -> None:
        board, events = pair.boards[0], pair.events[0]
        others = foreign(pair.air.dice, b"others", hop_limit=0)
        board.queue = [(others, 200)] * 3  # of the board's own, before it begins to send
        begun = time.monotonic()
        pair.air.speed = 1.0
        await say(pair.links[0], events, [bytes(200)])
        four_s = 3 * packet_s(200, 500_000, 7, 5) + Preset.SHORT_TURBO.airtime_ms(200, signs=False) / 1000
        assert time.monotonic() - begun >= four_s
        assert len(board.sent) == 4
        assert events.airtimes_ms == [math.ceil(Preset.SHORT_TURBO.airtime_ms(200, signs=False))], "only ours counts"

    with_pair(tmp_path, body)


def test_a_fast_board_is_kept_busy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meshtastic_link, "QUEUE_EVERY_S", 1_000.0)  # what a fast one is not left alone for
    monkeypatch.setattr(meshtastic_link, "LOOK_EVERY_S", 1_000.0)

    async def body(pair: MeshPair) -> None:
        pair.boards[0].queue = [(foreign(pair.air.dice, b"others", hop_limit=0), 200)]
        await say(pair.links[0], pair.events[0], [bytes(20)] * 3)
        assert len(pair.boards[0].sent) == 4

    with_pair(tmp_path, body)


@pytest.mark.usefixtures("hurry")
def test_what_a_board_says_of_its_own_packets_is_nothing_to_ours(tmp_path: Path) -> None:
    async def body(pair: MeshPair) -> None:
        board, events = pair.boards[0], pair.events[0]
        board.deaf = True
        events.under_way = 1
        pair.links[0].send(b"ours")
        await until(lambda: board.asked[-1].HasField("packet"))
        for packet in (0, 77):
            board.say(queueStatus=mesh.QueueStatus(res=0, free=16, maxlen=16, mesh_packet_id=packet))
        board.say(queueStatus=mesh.QueueStatus(res=7, free=16, maxlen=16, mesh_packet_id=77))
        await asyncio.sleep(0.3)
        assert events.there
        assert events.under_way == 1, "the board has not said that it took it"
        board.deaf = False
        board.command(board.asked[-1])
        await events.until(lambda: not events.under_way)

    with_pair(tmp_path, body)


@pytest.mark.must("M-MSH-5")
@pytest.mark.usefixtures("hurry")
def test_a_board_whose_airtime_is_spent_is_not_pressed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def body(pair: MeshPair) -> None:
        board, link, events = pair.boards[0], pair.links[0], pair.events[0]
        board.share_s = -1.0
        events.under_way = 1
        link.send(b"waits")
        await until(lambda: "this hour's airtime is spent" in link.state)
        await asyncio.sleep(0.3)
        assert sum(message.HasField("packet") for message in board.asked) == 1
        board.share_s = None
        await pair.events[1].until(lambda: bool(pair.events[1].frames))
        await events.until(lambda: not events.under_way)
        assert "spent" not in link.state

    monkeypatch.setattr(meshtastic_link, "SPENT_EVERY_S", 1.0)
    with_pair(tmp_path, body)


@pytest.mark.usefixtures("hurry")
def test_a_board_that_will_not_send_is_said(tmp_path: Path) -> None:
    async def body(pair: MeshPair) -> None:
        board, events = pair.boards[0], pair.events[0]
        board.tell_settings = lambda number: None  # type: ignore[method-assign]
        board.sends = False
        events.under_way = 1
        pair.links[0].send(b"x")
        await events.until(lambda: not events.there)
        assert pair.links[0].state == "refused: the board does not send (it reports the error 34); nothing is sent"
        assert events.airtimes_ms == []

    with_pair(tmp_path, body)


@pytest.mark.must("M-MSH-6")
@pytest.mark.usefixtures("hurry")
@pytest.mark.parametrize("signs", [False, True])
def test_the_airtime_told_is_that_of_the_air(signs: bool, tmp_path: Path) -> None:
    async def body(pair: MeshPair) -> None:
        sent = [bytes(size) for size in (1, 100, 127, 128, 165, 166, 231)]
        assert await pair.carry(0, sent) == sent
        told_ms = [airtime or 0 for airtime in pair.events[0].airtimes_ms]
        assert 0 <= sum(told_ms) - 1000 * pair.boards[0].on_air_s <= len(sent)

    with_pair(tmp_path, body, prepare=lambda board: setattr(board, "signs", signs))


@pytest.mark.must("M-MSH-6")
@pytest.mark.usefixtures("hurry")
def test_a_frame_that_a_board_had_when_it_was_pulled_out_counts_as_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leaving, "MS_S", 1.0)

    async def body(pair: MeshPair) -> None:
        pair.events[0].under_way = 1
        pair.links[0].send(b"on its way")
        await until(lambda: len(pair.boards[0].sent) == 1)
        await pair.unplug(0)
        assert pair.events[0].airtimes_ms == [math.ceil(Preset.SHORT_TURBO.airtime_ms(10, signs=False))]

    with_pair(tmp_path, body)


@pytest.mark.usefixtures("hurry")
def test_a_board_that_started_anew_is_asked_anew(tmp_path: Path) -> None:
    async def body(pair: MeshPair) -> None:
        pair.boards[0].say(rebooted=True)
        await pair.events[0].until(lambda: not pair.events[0].there)
        assert pair.links[0].state == "no board (it started anew); trying again"
        await pair.events[0].until(lambda: pair.events[0].there)
        assert await pair.carry(0, [b"again"]) == [b"again"]

    with_pair(tmp_path, body)


@pytest.mark.must("M-MSH-2")
@pytest.mark.usefixtures("hurry")
def test_a_board_that_is_set_otherwise_meanwhile_is_let_go_of(tmp_path: Path) -> None:
    async def body(pair: MeshPair) -> None:
        pair.boards[0].preset = 0
        pair.boards[0].tell_settings(0)
        await pair.events[0].until(lambda: not pair.events[0].there)
        assert "the board is set to long_fast" in pair.links[0].state

    with_pair(tmp_path, body)


@pytest.mark.usefixtures("hurry")
@pytest.mark.parametrize("frame", [True, False])
def test_a_board_that_falls_silent_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, frame: bool) -> None:
    monkeypatch.setattr(meshtastic_link, "ANSWER_S", 0.3)
    monkeypatch.setattr(meshtastic_link, "LOOK_EVERY_S", 100.0 if frame else 0.05)

    async def body(pair: MeshPair) -> None:
        pair.boards[0].deaf = True
        if frame:
            pair.events[0].under_way = 1
            pair.links[0].send(b"x")
        await pair.events[0].until(lambda: not pair.events[0].there)
        assert pair.links[0].state == "no board (it does not answer); trying again"

    with_pair(tmp_path, body)


@pytest.mark.usefixtures("hurry")
def test_a_board_that_answers_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meshtastic_link, "LOOK_EVERY_S", 0.02)

    async def body(pair: MeshPair) -> None:
        for _ in range(10):
            assert await pair.carry(0, [b"hello"]) == [b"hello"]
            await asyncio.sleep(0.08)
        assert pair.events[0].there
        assert pair.links[0].state == "ready; 0 frames heard"

    with_pair(tmp_path, body)


@pytest.mark.usefixtures("hurry")
def test_what_is_no_such_board_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meshtastic_link, "MESHTASTIC_BOOT_S", 0.4)
    monkeypatch.setattr(meshtastic_link, "MESHTASTIC_CONFIG_S", 0.8)
    monkeypatch.setattr(meshtastic_link, "ANSWER_S", 0.2)

    async def body(pair: MeshPair) -> None:
        await until(lambda: "as a Meshtastic board does" in pair.links[0].state)
        board = pair.boards[0]
        asyncio.get_running_loop().create_task(chatter(board))
        await until(lambda: "does not say how it is set" in pair.links[0].state)

    async def chatter(board: MeshBoard) -> None:
        for _ in range(40):
            board.port.tell(b"hello\r\n")
            await asyncio.sleep(0.05)

    with_pair(tmp_path, body, wait=False, prepare=lambda board: setattr(board, "deaf", True))


@pytest.mark.usefixtures("hurry")
def test_a_board_that_starts_slowly_is_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meshtastic_link, "ANSWER_S", 0.2)

    async def body(pair: MeshPair) -> None:
        await until(lambda: len(pair.boards[0].asked) > 2)
        pair.boards[0].deaf = False
        await pair.events[0].until(lambda: pair.events[0].there)

    with_pair(tmp_path, body, wait=False, prepare=lambda board: setattr(board, "deaf", True))


def test_states_without_a_board() -> None:
    async def run() -> None:
        link, events = MeshtasticLink(MeshtasticSettings("/dev/does-not-exist", 1.0)), Recorder()
        assert link.state == "not running"
        task = asyncio.create_task(link.run(events))
        await until(lambda: link.state.startswith("no board"))
        assert link.state == "no board (No such file or directory); trying again"
        link.send(b"to nobody")
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert link.state == "not running"

    asyncio.run(run())


# -- people -------------------------------------------------------------------------------------------------------


def boards_of(folder: Path, number: int, air: LoraAir, **settings: Any) -> Sequence[MeshtasticLink]:
    made = [at_serial(air, folder, end) for end in range(number)]
    for board in made:
        board.port.start()
    said = {"airtime_share_max": 1.0, "preset": Preset.SHORT_TURBO, **settings}
    return [MeshtasticLink(MeshtasticSettings(board.port.place, **said)) for board in made]


@pytest.mark.parametrize(("number", "loss"), [pytest.param(2, 0.0, marks=pytest.mark.long), (3, 0.05)])
def test_a_text_crosses_the_air_and_the_receipts_come_back(number: int, loss: float, tmp_path: Path) -> None:
    air = LoraAir(loss=loss, seed=number)

    async def body(stations: Sequence[Station], group: GroupId) -> None:
        await say_until_delivered(stations, group, apart_s=20)  # longer than all turns take
        assert all(board.on_air_s > 0.05 for board in air.boards), "everybody was on the air"
        assert all(board.dropped == 0 for board in air.boards)

    with_stations(lambda: boards_of(tmp_path, number, air), body, timeout_s=300)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(4))
def test_a_text_crosses_a_bad_channel(seed: int, tmp_path: Path) -> None:
    air = LoraAir(loss=0.25, seed=seed)

    async def body(stations: Sequence[Station], group: GroupId) -> None:
        await say_until_delivered(stations, group, apart_s=15)

    with_stations(lambda: boards_of(tmp_path, 3, air, airtime_share_max=0.1), body, timeout_s=300)


@pytest.mark.long
def test_real_daemons_over_boards(tmp_path: Path) -> None:
    ana, ben = Person.make(tmp_path, "ana"), Person.make(tmp_path, "ben")
    pair(ana, ben, tmp_path)
    with boards_elsewhere(tmp_path, 2) as (boards, do):

        def state() -> str:
            return str(ana.do("link", "list")["links"][0]["state"])

        try:
            for person, board in zip((ana, ben), boards, strict=True):
                person.up()
                person.do("link", "add", "meshtastic", board.port.place, "--preset", "short_turbo", "--airtime", "10%")
            until_ready(ana, ben)
            ana.send("ben", "over the hill")
            wait_until(lambda: ben.texts("ana") == ["over the hill"])
            wait_until(lambda: ana.do("read", "ben")["messages"][0]["state"] == "delivered")
            do(boards[0].stop)
            wait_until(lambda: state().startswith("no board"))
            do(boards[0].start)
            wait_until(lambda: state().startswith("ready"))
            ana.send("ben", "and back again")
            wait_until(lambda: "and back again" in ben.texts("ana"))
        finally:
            for person in (ana, ben):
                person.run("down")

