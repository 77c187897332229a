"""Packet radio on doubles of TNCs: bytes, the suites over TCP and at serial lines, and what only a TNC does wrong."""

from __future__ import annotations

import asyncio
import builtins
import os
import pty
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chasqui.base.errors import PeerError
from chasqui.links import radio_link
from chasqui.links.ax25 import BLANK, Callsign, read_callsign, read_ui, write_ui
from chasqui.links.device import DeviceGoneError, open_device, read_place
from chasqui.links.kiss import KISS_BYTES_MAX, KissFrame, KissReader, write_kiss
from chasqui.links.kiss_link import KissLink, KissSettings
from chasqui.node.link_port import BroadcastLink
from tests.links.conformance import CHECKS, run_check
from tests.links.conformance_broadcast import BROADCAST_CHECKS, BroadcastPair, Recorder, run_broadcast_check, say
from tests.links.tnc import KissPair, pty_pairs, tcp_pair

EXAMPLE = "c000a2a6a840404060 84 9c608682989840ef 03f0 10c0dbdcdbddff c0"


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(radio_link, "RETRY_FIRST_S", 0.02)
    monkeypatch.setattr(radio_link, "RETRY_MAX_S", 0.1)


# -- bytes --------------------------------------------------------------------------------------------------------

frames = st.builds(
    KissFrame,
    st.integers(0, 15),
    st.integers(0, 15),
    st.one_of(st.binary(max_size=60), st.lists(st.sampled_from(b"\xc0\xdb\xdc\xdd\x00"), max_size=40).map(bytes)),
)


@pytest.mark.must("M-KIS-1")
@given(st.lists(frames, max_size=8), st.data())
def test_frames_survive_any_cut_of_the_stream(sent: list[KissFrame], data: st.DataObject) -> None:
    stream = b"".join(map(write_kiss, sent))
    for piece in map(write_kiss, sent):
        assert b"\xc0" not in piece[1:-1]
    reader, got = KissReader(), []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        got += reader.feed(stream[:size])
        stream = stream[size:]
    assert got == sent
    assert reader.passed_over == reader.held_bytes == 0


@pytest.mark.must("M-KIS-2")
@given(st.binary(max_size=300), frames)
def test_after_any_bytes_the_next_frame_is_read(noise: bytes, frame: KissFrame) -> None:
    reader = KissReader()
    reader.feed(noise)
    assert reader.feed(b"\xc0" + write_kiss(frame))[-1:] == [frame]


@pytest.mark.must("M-KIS-2")
@pytest.mark.parametrize("inside", [b"\x00a\xdb", b"\x00\xdbx", b"\x00\xdb\xdb\xdc", bytes(KISS_BYTES_MAX + 1)])
def test_a_wrong_escape_and_a_frame_without_an_end_are_passed_over(inside: bytes) -> None:
    reader = KissReader()
    good = write_kiss(KissFrame(0, 0, b"good"))
    assert reader.feed(b"\xc0" + inside + b"\xc0" + good) == [KissFrame(0, 0, b"good")]
    assert reader.passed_over == 1


@pytest.mark.must("M-KIS-2")
def test_a_stream_without_an_end_fills_no_memory() -> None:
    reader = KissReader()
    reader.feed(b"\xc0")
    for _ in range(100):
        assert reader.feed(bytes(10_000)) == []
        assert reader.held_bytes <= 2 * KISS_BYTES_MAX
    assert reader.feed(write_kiss(KissFrame(0, 0, b"good"))) == [KissFrame(0, 0, b"good")]


def test_the_first_bytes_may_be_the_end_of_a_frame() -> None:
    assert KissReader().feed(b"\x00 of a frame\xc0" + write_kiss(KissFrame(1, 0, b"x"))) == [KissFrame(1, 0, b"x")]


@pytest.mark.must("M-KIS-1", "M-KIS-3")
def test_the_example_of_the_spec() -> None:
    made = write_kiss(KissFrame(0, 0, write_ui(Callsign("N0CALL", 7), bytes.fromhex("10c0db"))))
    spec = Path(__file__).parents[2].joinpath("docs/spec/kiss.md").read_text()
    assert made.hex() in spec.replace(" ", "")


@given(st.binary(min_size=1, max_size=400), st.from_regex(r"\A[A-Z0-9]{1,6}(-([0-9]|1[0-5]))?\Z"))
def test_what_is_sent_under_any_callsign_is_read(info: bytes, call: str) -> None:
    assert read_ui(write_ui(read_callsign(call), info)) == info
    assert read_ui(write_ui(BLANK, info)) == info


@pytest.mark.must("M-KIS-4")
def test_what_is_not_to_everybody_is_refused() -> None:
    frame = bytearray(write_ui(BLANK, b"x"))
    for position in (*range(7), 13, 14, 15):  # destination, end of the addresses, control, protocol
        for bit in range(8):
            other = bytearray(frame)
            other[position] ^= 1 << bit
            reserved = (position == 6 and bit >= 5) or (position == 13 and bit > 0)
            if reserved:
                assert read_ui(bytes(other)) == b"x"
            else:
                with pytest.raises(PeerError):
                    read_ui(bytes(other))
    for size in range(len(frame)):
        with pytest.raises(PeerError):
            read_ui(bytes(frame[:size]))


@pytest.mark.parametrize("text", ["TOOLONGER", "A-16", "A B", "ä", "-1", "A-", "A--1", "A-01"])
def test_what_is_no_callsign(text: str) -> None:
    with pytest.raises(ValueError):
        read_callsign(text)


def test_callsigns() -> None:
    assert read_callsign("") == BLANK
    assert str(read_callsign("dl1abc-7")) == "DL1ABC-7"
    assert str(read_callsign("DL1ABC-0")) == "DL1ABC"


def test_places() -> None:
    assert read_place("127.0.0.1:8001") == ("127.0.0.1", 8001)
    assert read_place("[::1]:8001") == ("::1", 8001)
    assert read_place("/dev/ttyUSB0") == "/dev/ttyUSB0"
    for wrong in ("", "8001", ":8001", "host:", "host:0", "host:65536", "host:x"):
        with pytest.raises(ValueError):
            read_place(wrong)


# -- the suites ---------------------------------------------------------------------------------------------------


@pytest.mark.must("M-KIS-5")
@pytest.mark.parametrize("medium", ["tcp", "serial"])
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_every_link(check: Callable[[Any], object], medium: str, tmp_path: Path) -> None:
    factory: Any = tcp_pair if medium == "tcp" else pty_pairs(tmp_path)
    run_check(factory, check)


@pytest.mark.parametrize("medium", ["tcp", "serial"])
@pytest.mark.parametrize("check", BROADCAST_CHECKS, ids=lambda check: check.__name__)
def test_every_broadcast_link(check: Callable[[BroadcastPair], object], medium: str, tmp_path: Path) -> None:
    factory: Any = tcp_pair if medium == "tcp" else pty_pairs(tmp_path)
    run_broadcast_check(factory, check)


# -- the link -----------------------------------------------------------------------------------------------------


def with_pair(body: Any) -> None:
    """Runs it with two stations over TCP."""

    async def run() -> None:
        async with tcp_pair() as pair, asyncio.timeout(20):
            await body(pair)

    asyncio.run(run())


@pytest.mark.must("M-KIS-4")
def test_foreign_frames_are_passed_over_and_counted() -> None:
    async def body(pair: KissPair) -> None:
        link, events = pair.links[0], pair.events[0]
        whole = write_ui(BLANK, b"ours")
        for frame in (
            KissFrame(1, 0, whole),  # of another radio of this TNC
            KissFrame(0, 6, whole),  # an answer of the TNC
            KissFrame(0, 0, b"\x82" + whole[1:]),  # to somebody
            KissFrame(0, 0, whole[:14]),
            KissFrame(0, 0, b""),
            KissFrame(0, 0, whole[:-4] + bytes(1_001)),
        ):
            pair.tncs[0].tell(write_kiss(frame))
        pair.tncs[0].tell(write_kiss(KissFrame(0, 0, whole)))
        await events.until(lambda: bool(events.frames))
        assert events.take() == [b"ours"]
        assert link.passed_over == 6
        assert link.state == "ready; 1 frames heard, 6 of others or damaged passed over"

    with_pair(body)


@pytest.mark.must("M-KIS-3")
def test_what_goes_out_carries_the_callsign_and_nothing_else_of_the_sender() -> None:
    async def body(pair: KissPair) -> None:
        for end, source in ((0, b"\x40" * 6 + b"\x61"), (1, b"\x9c\x60\x86\x82\x98\x98\x6f")):
            await say(pair.links[end], pair.events[end], [b"hello"])
            while not any(frame.command == 0 for frame in pair.tncs[end].told):
                await asyncio.sleep(0.01)
            told = [frame.data for frame in pair.tncs[end].told if frame.command == 0]
            assert told == [b"\xa2\xa6\xa8\x40\x40\x40\xe0" + source + b"\x03\xf0hello"]

    with_pair(body)


def test_the_tnc_is_told_how_long_to_key_up_when_the_owner_says_so() -> None:
    async def body(pair: KissPair) -> None:
        await pair.stop(0)
        pair.links[0] = KissLink(KissSettings(pair.tncs[0].place, tx_delay_ms=600, tnc_port=12))
        pair.tncs[0].told.clear()
        task = asyncio.create_task(pair.links[0].run(Recorder()))
        while len(pair.tncs[0].told) < 2:
            await asyncio.sleep(0.01)
        assert pair.tncs[0].told == [KissFrame(12, 1, bytes((60,))), KissFrame(12, 4, bytes((20,)))]
        task.cancel()

    with_pair(body)


def test_a_frame_has_left_only_when_its_time_and_that_of_others_is_over() -> None:
    async def body(pair: KissPair) -> None:
        await pair.stop(0)
        link, events = KissLink(KissSettings(pair.tncs[0].place, bit_rate_bps=9_600, tx_delay_ms=0)), Recorder()
        task = asyncio.create_task(link.run(events))
        loop, began, took = asyncio.get_running_loop(), 0.0, []
        for busy in (False, True):
            await events.until(lambda: events.there)
            began, events.under_way = loop.time(), 1
            link.send(bytes(100))
            with pytest.raises(RuntimeError):
                link.send(bytes(100))
            if busy:
                pair.tncs[0].tell(write_kiss(KissFrame(0, 0, b"somebody else's long frame".ljust(300))))
            await events.until(lambda: not events.under_way)
            took.append(loop.time() - began)
        assert took[0] >= 0.1 * 0.98
        assert took[1] >= took[0] * 0.9 + 0.25
        task.cancel()

    with_pair(body)


def test_a_tnc_that_hangs_up_at_once_is_tried_again_and_nobody_waits() -> None:
    async def run() -> None:
        link, events = KissLink(KissSettings("127.0.0.1:1")), Recorder()
        assert link.state == "not running"
        task = asyncio.create_task(link.run(events))
        while not link.state.startswith("no TNC"):
            await asyncio.sleep(0.01)
        assert link.state == "no TNC (Connection refused); trying again"
        link.send(b"to nobody")
        with pytest.raises(RuntimeError):
            await link.run(events)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert link.state == "not running"

    asyncio.run(run())


def test_an_owner_who_fails_ends_the_link() -> None:
    async def body(pair: KissPair) -> None:
        class Broken(Recorder):
            def heard(self, frame: bytes, strength_db: float | None) -> None:
                raise ZeroDivisionError

        await pair.stop(0)
        link, events = KissLink(KissSettings(pair.tncs[0].place)), Broken()
        task = asyncio.create_task(link.run(events))
        await events.until(lambda: events.there)
        await say(pair.links[1], pair.events[1], [b"x"])
        with pytest.raises(ZeroDivisionError):
            await task
        assert not events.there
        assert link.state == "not running"

    with_pair(body)


def test_a_device_that_takes_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("chasqui.links.device.UNSENT_BYTES_MAX", 2_000)

    async def run() -> None:
        factory: Any = pty_pairs(tmp_path)
        async with factory() as pair, asyncio.timeout(20):
            pair.tncs[0].port.deafen()
            events = pair.events[0]
            for _ in range(100):
                if not events.there:
                    break
                events.under_way = 1
                pair.links[0].send(bytes(300))
                await events.until(lambda: not events.under_way)
            assert not events.there

    asyncio.run(run())


def test_a_line_that_somebody_else_has_is_said_so() -> None:
    async def run() -> None:
        near, far = pty.openpty()
        line = os.ttyname(far)
        first = await open_device(line)
        with pytest.raises(DeviceGoneError, match="another program has it, or another link"):
            await open_device(line)
        first.close()
        (await open_device(line)).close()
        os.close(near)
        os.close(far)

    asyncio.run(run())


def test_without_pyserial_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    asked: list[str] = []

    def without(name: str, *rest: Any) -> Any:
        asked.append(name)
        if name == "serial":
            raise ImportError
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)

    async def run() -> None:
        link: BroadcastLink = KissLink(KissSettings("/dev/ttyX"))
        task = asyncio.create_task(link.run(Recorder()))
        while not link.state.startswith("cannot be used here"):
            await asyncio.sleep(0.01)
        assert "pyserial" in link.state
        assert "`pip install 'chasqui[radio]'`" in link.state
        assert "trying again" not in link.state
        tries = asked.count("serial")
        await asyncio.sleep(0.2)  # ten times the first pause
        assert asked.count("serial") == tries, "not again in vain"
        task.cancel()

    asyncio.run(run())


@given(st.integers(1, 10**7), st.integers(1, 1_000))
@settings(max_examples=50)
def test_a_profile_promises_no_more_than_the_air_takes(rate: int, size: int) -> None:
    profile = KissLink(KissSettings("h:1", bit_rate_bps=rate, mtu_bytes=1_000)).profile
    assert profile.bit_rate_bps is not None
    bits = (size + 20) * 8
    least_ms = 400 + bits * 1000 // rate
    said_ms = profile.frame_overhead_ms + size * 8000 / profile.bit_rate_bps
    assert said_ms >= least_ms - 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"bit_rate_bps": 0},
        {"airtime_share_max": 0.0},
        {"airtime_share_max": 1.1},
        {"mtu_bytes": 1_001},
        {"mtu_bytes": 0},
        {"tx_delay_ms": 2_551},
        {"tx_delay_ms": -1},
        {"tnc_port": 16},
        {"baud": 0},
    ],
)
def test_settings_have_bounds(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        KissSettings("h:1", **wrong)
