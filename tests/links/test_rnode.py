"""LoRa boards on doubles of RNodes: bytes, airtime, the suites, and what only such a board does wrong."""

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

from chasqui.base.ids import GroupId
from chasqui.links import leaving, radio_link, rnode_link
from chasqui.links.kiss import KISS_BYTES_MAX
from chasqui.links.lora import BANDWIDTHS_HZ, Lora, frequency_text, read_frequency
from chasqui.links.rnode import FRAME_BYTES_MAX, Code, Heard, Reply, RNodeReader, airtime_ms, rate_of, write_command
from chasqui.links.rnode_link import RNodeLink, RNodeSettings
from tests.app.people import Person, pair, until_ready, wait_until
from tests.links.conformance import CHECKS, run_check
from tests.links.conformance_broadcast import BROADCAST_CHECKS, BroadcastPair, Recorder, run_broadcast_check, say
from tests.links.lora_air import LoraAir
from tests.links.rnodes import FAST, Board, RNodePair, boards_elsewhere, packet_s, rnode_pair
from tests.links.stations import Station, say_until_delivered, with_stations

SPEED = 2_000


@pytest.fixture
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Airtime passes as fast as on the double's channel."""
    monkeypatch.setattr(leaving, "MS_S", 0.001 / SPEED)
    monkeypatch.setattr(radio_link, "RETRY_FIRST_S", 0.02)
    monkeypatch.setattr(radio_link, "RETRY_MAX_S", 0.1)
    monkeypatch.setattr(rnode_link, "DETECT_EVERY_S", 0.2)
    monkeypatch.setattr(rnode_link, "ROOM_EVERY_S", 0.02)


loras = st.builds(
    Lora,
    st.integers(137_000_000, 1_020_000_000),
    st.sampled_from(BANDWIDTHS_HZ),
    st.integers(7, 12),
    st.integers(5, 8),
    st.integers(0, 37),
)

# -- bytes and airtime --------------------------------------------------------------------------------------------


@pytest.mark.must("M-RND-1")
@given(st.lists(st.binary(min_size=1, max_size=60), max_size=6), st.integers(-128, 127), st.data())
def test_what_a_board_says_is_read_whatever_the_cut(sent: list[bytes], quarters: int, data: st.DataObject) -> None:
    stream = write_command(Code.READY, b"\x01") + b"".join(
        write_command(Code.SIGNAL_TO_NOISE, bytes((quarters & 255,))) + write_command(Code.DATA, frame)
        for frame in sent
    )
    reader, said = RNodeReader(), []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        said += reader.feed(stream[:size])
        stream = stream[size:]
    assert said == [Reply(0x0F, b"\x01"), *(Heard(frame, quarters / 4) for frame in sent)]


def test_strength_is_told_of_one_frame_only() -> None:
    reader = RNodeReader()
    heard = reader.feed(b"\xc0\x24\xf2\xc0\xc0\x00a\xc0\xc0\x00b\xc0")
    assert heard == [Heard(b"a", -3.5), Heard(b"b", None)]


@given(st.binary(max_size=300))
def test_any_bytes_of_a_board_are_legal(noise: bytes) -> None:
    reader = RNodeReader()
    reader.feed(noise)
    last = reader.feed(b"\xc0" + write_command(Code.DATA, b"x"))[-1]
    assert isinstance(last, Heard)
    assert last.frame == b"x"
    assert reader.held_bytes <= 2 * KISS_BYTES_MAX


@pytest.mark.must("M-RND-6")
@pytest.mark.parametrize(
    ("spreading", "bandwidth", "coding", "size", "preamble", "ms"),
    [  # by hand from AN1200.13
        (7, 125_000, 5, 51, 8, 102.656),
        (9, 125_000, 5, 51, 8, 328.704),
        (12, 125_000, 5, 51, 8, 2_465.792),
        (10, 125_000, 8, 20, 8, 493.568),
        (7, 500_000, 5, 255, 94, 121.92),
    ],
)
def test_airtime_by_the_formula(
    spreading: int, bandwidth: int, coding: int, size: int, preamble: int, ms: float
) -> None:
    assert Lora(868_100_000, bandwidth, spreading, coding, 14).packet_ms(size, preamble) == pytest.approx(ms)


@pytest.mark.must("M-RND-6")
@given(loras, st.integers(1, FRAME_BYTES_MAX))
def test_a_frame_longer_than_a_packet_is_two(lora: Lora, size: int) -> None:
    parts = [size] if size <= 254 else [254, size - 254]
    seconds = sum(packet_s(1 + part, lora.spreading, lora.bandwidth_hz, lora.coding) for part in parts)
    assert airtime_ms(lora, size) == pytest.approx(1000 * seconds)


@pytest.mark.must("M-RND-6")
@given(loras, st.sampled_from([64, 254, 255, 508]))
@settings(max_examples=40, deadline=None)
def test_a_profile_promises_no_more_than_the_air_takes(lora: Lora, mtu: int) -> None:
    bit_rate_bps, beside_ms = rate_of(lora, mtu)
    for size in range(1, mtu + 1):
        assert beside_ms + math.ceil(size * 8000 / bit_rate_bps) >= airtime_ms(lora, size)
    whole = beside_ms + mtu * 8000 / bit_rate_bps
    assert whole <= airtime_ms(lora, mtu) * 1.25, "nor much more than that"


def test_frequencies() -> None:
    assert read_frequency("868.1MHz") == read_frequency("868100 khz") == read_frequency("868100000Hz") == 868_100_000
    assert frequency_text(868_100_000) == "868.1MHz"
    assert frequency_text(433_000_000) == "433MHz"
    for wrong in ("868.1", "868.1 GHz", "1MHz", "2400MHz", "868.1000001MHz", "0.5Hz", "", "eight MHz", "-868MHz"):
        with pytest.raises(ValueError):
            read_frequency(wrong)


@given(loras)
def test_a_frequency_is_read_as_it_is_shown(lora: Lora) -> None:
    assert read_frequency(frequency_text(lora.frequency_hz)) == lora.frequency_hz


@pytest.mark.parametrize(
    "wrong",
    [
        (136_999_999, 125_000, 9, 5, 14), (868_100_000, 124_999, 9, 5, 14), (868_100_000, 125_000, 6, 5, 14),
        (868_100_000, 125_000, 13, 5, 14), (868_100_000, 125_000, 9, 4, 14), (868_100_000, 125_000, 9, 9, 14),
        (868_100_000, 125_000, 9, 5, -1), (868_100_000, 125_000, 9, 5, 38), (1_020_000_001, 125_000, 9, 5, 14),
    ],
)  # fmt: skip
def test_what_no_chip_does(wrong: tuple[int, ...]) -> None:
    with pytest.raises(ValueError):
        Lora(*wrong)


@pytest.mark.parametrize("wrong", [{"airtime_share_max": 0.0}, {"airtime_share_max": 1.1}, {"mtu_bytes": 509}])
def test_settings_have_bounds(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        RNodeSettings("/dev/x", FAST, **{"airtime_share_max": 1.0, **wrong})


# -- the suites ---------------------------------------------------------------------------------------------------


@pytest.mark.must("M-RND-4")
@pytest.mark.usefixtures("hurry")
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_every_link(check: Callable[[Any], object], tmp_path: Path) -> None:
    run_check(partial(rnode_pair, tmp_path, SPEED), check)


@pytest.mark.usefixtures("hurry")
@pytest.mark.parametrize("check", BROADCAST_CHECKS, ids=lambda check: check.__name__)
def test_every_broadcast_link(check: Callable[[BroadcastPair], object], tmp_path: Path) -> None:
    run_broadcast_check(partial(rnode_pair, tmp_path, SPEED), check)


# -- the link -----------------------------------------------------------------------------------------------------


def with_pair(folder: Path, body: Any, *, wait: bool = True, prepare: Any = None, **settings: Any) -> None:
    """Runs it with two boards."""

    async def run() -> None:
        pair = RNodePair(folder, SPEED, **settings)
        if prepare is not None:
            prepare(pair.boards[0])
        try:
            async with asyncio.timeout(20):
                await pair.start(wait)
                await body(pair)
        finally:
            await pair.end()

    asyncio.run(run())


async def until(true: Callable[[], bool]) -> None:
    while not true():
        await asyncio.sleep(0.01)


QUIRKS: list[tuple[int, Any, str]] = [
    (0x01, lambda _: (869_000_000).to_bytes(4, "big"), "a frequency of 868.1MHz, the board is set to 869MHz"),
    (0x01, lambda _: (868_100_101).to_bytes(4, "big"), "the board is set to 868.100101MHz"),
    (0x02, lambda _: (250_000).to_bytes(4, "big"), "a bandwidth of 500 kHz, the board is set to 250 kHz"),
    (0x03, lambda _: bytes((10,)), "a power of 14 dBm, the board is set to 10 dBm"),
    (0x04, lambda _: bytes((8,)), "a spreading factor of 7, the board is set to 8"),
    (0x05, lambda _: bytes((6,)), "a coding rate of 5, the board is set to 6"),
    (0x05, lambda _: b"", "a coding rate of 5, the board is set to nothing that can be read"),
    (0x02, lambda _: b"\xff" * 400, "a bandwidth of 500 kHz, the board is set to nothing that can be read"),
    (0x0C, lambda _: (5_000).to_bytes(2, "big"), "a share of airtime of 1 %, the board is set to 50 %"),
]


@pytest.mark.must("M-RND-2")
@pytest.mark.usefixtures("hurry")
@pytest.mark.parametrize(("code", "quirk", "words"), QUIRKS)
def test_a_board_that_is_set_otherwise_is_refused(code: int, quirk: Any, words: str, tmp_path: Path) -> None:
    async def body(pair: RNodePair) -> None:
        link, board = pair.links[0], pair.boards[0]
        await until(lambda: link.state.startswith("refused"))
        assert words in link.state
        assert link.state.endswith("nothing is sent")
        assert not board.on
        assert (0x06, b"\x01") not in board.asked, "its radio was never on"
        assert not pair.events[0].there
        link.send(b"to nobody")
        board.quirks.clear()
        await pair.events[0].until(lambda: pair.events[0].there)  # by itself, once the board does as asked for

    with_pair(
        tmp_path, body, wait=False, prepare=lambda board: board.quirks.update({code: quirk}), airtime_share_max=0.01
    )


@pytest.mark.must("M-RND-2")
@pytest.mark.usefixtures("hurry")
def test_a_board_with_less_power_and_one_that_does_not_switch_on(tmp_path: Path) -> None:
    async def body(pair: RNodePair) -> None:
        await until(lambda: pair.links[0].state.startswith("refused"))
        assert "a power of 30 dBm, the board is set to 22 dBm" in pair.links[0].state

    with_pair(tmp_path, body, wait=False, lora=Lora(868_100_000, 500_000, 7, 5, 30))

    async def off(pair: RNodePair) -> None:
        await until(lambda: pair.links[0].state.startswith("refused"))
        assert "does not switch its radio on" in pair.links[0].state

    with_pair(tmp_path, off, wait=False, prepare=lambda board: board.quirks.update({0x06: lambda _: b"\0"}))


@pytest.mark.must("M-RND-2", "M-RND-5")
@pytest.mark.usefixtures("hurry")
def test_a_board_is_told_all_before_it_is_switched_on(tmp_path: Path) -> None:
    async def body(pair: RNodePair) -> None:
        board = pair.boards[0]
        assert [asked for asked in board.asked if asked[0] not in (0x08, 0x0F)][:8] == [
            (0x06, b"\x00"), (0x01, bytes.fromhex("33be27a0")), (0x02, bytes.fromhex("0007a120")), (0x03, b"\x0e"),
            (0x04, b"\x07"), (0x05, b"\x05"), (0x0C, b"\x00\x64"), (0x06, b"\x01"),
        ]  # fmt: skip
        await pair.stop(0)
        await until(lambda: not board.on)

    with_pair(tmp_path, body, airtime_share_max=0.01)


@pytest.mark.usefixtures("hurry")
def test_an_old_board_that_knows_no_share_is_used(tmp_path: Path) -> None:
    async def body(pair: RNodePair) -> None:
        assert await pair.carry(0, [b"hello"]) == [b"hello"]
        assert [strength for _, strength in pair.events[1].frames] == []

    with_pair(tmp_path, body, prepare=lambda board: board.quirks.update({0x0C: lambda _: None}))


@pytest.mark.usefixtures("hurry")
def test_strength_is_told(tmp_path: Path) -> None:
    async def body(pair: RNodePair) -> None:
        await say(pair.links[0], pair.events[0], [b"hello"])
        await pair.events[1].until(lambda: bool(pair.events[1].frames))
        assert pair.events[1].frames == [(b"hello", -3.5)]

    with_pair(tmp_path, body)


@pytest.mark.must("M-RND-3")
@pytest.mark.usefixtures("hurry")
def test_nothing_is_handed_to_a_board_without_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def body(pair: RNodePair) -> None:
        board, link, events = pair.boards[0], pair.links[0], pair.events[0]
        board.full = True
        events.under_way = 1
        link.send(b"waits")
        with pytest.raises(RuntimeError):
            link.send(b"too early")
        await until(lambda: sum(code == 0x0F for code, _ in board.asked) > 5)
        assert events.under_way == 1
        board.full = False
        await pair.events[1].until(lambda: bool(pair.events[1].frames))
        assert pair.events[1].take() == [b"waits"]
        monkeypatch.setattr(rnode_link, "CARRIER_WAIT_MS_MAX", 100)
        board.full = True
        await events.until(lambda: not events.under_way)
        await say(link, events, [b"never leaves"])
        assert events.airtimes_ms[-1] == 0
        assert board.dropped == 0

    with_pair(tmp_path, body)


@pytest.mark.must("M-RND-6")
@pytest.mark.usefixtures("hurry")
def test_the_airtime_told_is_that_of_the_air(tmp_path: Path) -> None:
    async def body(pair: RNodePair) -> None:
        sent = [bytes(size) for size in (1, 100, 254, 255, 508)]
        assert await pair.carry(0, sent) == sent
        told_ms = [airtime or 0 for airtime in pair.events[0].airtimes_ms]
        assert 0 <= sum(told_ms) - 1000 * pair.boards[0].on_air_s <= len(sent)

    with_pair(tmp_path, body)


@pytest.mark.must("M-RND-5")
@pytest.mark.usefixtures("hurry")
def test_a_frame_that_a_board_had_when_it_was_pulled_out_counts_as_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leaving, "MS_S", 1.0)

    async def body(pair: RNodePair) -> None:
        pair.events[0].under_way = 1
        pair.links[0].send(b"on its way")
        await until(lambda: pair.boards[0].sent_frames == 1)
        await pair.unplug(0)
        assert pair.events[0].airtimes_ms == [math.ceil(airtime_ms(FAST, 10))]

    with_pair(tmp_path, body)


@pytest.mark.usefixtures("hurry")
@pytest.mark.parametrize(
    ("code", "data", "words"),
    [
        (0x06, b"\x00", "no board (its radio was switched off); trying again"),
        (0x55, b"\xf8", "no board (it started anew); trying again"),
        (0x90, b"\x02", "no board (it reports the error 02); trying again"),
        (0x03, b"\x05", "refused: the board has changed its power; nothing is sent"),
    ],
)
def test_a_board_that_is_no_longer_what_it_was_is_set_up_anew(
    code: int, data: bytes, words: str, tmp_path: Path
) -> None:
    async def body(pair: RNodePair) -> None:
        pair.boards[0].say(code, data)
        await pair.events[0].until(lambda: not pair.events[0].there)
        assert pair.links[0].state == words
        await pair.events[0].until(lambda: pair.events[0].there)
        assert await pair.carry(0, [b"again"]) == [b"again"]

    with_pair(tmp_path, body)


@pytest.mark.usefixtures("hurry")
def test_errors_that_do_no_harm(tmp_path: Path) -> None:
    async def body(pair: RNodePair) -> None:
        board, events = pair.boards[0], pair.events[0]
        for data in (b"\x05", b"\x04"):
            board.say(0x90, data)
        board.say(0x03, b"\x0e")
        assert await pair.carry(1, [b"heard"]) == [b"heard"]
        assert events.there
        assert not events.airtimes_ms

    with_pair(tmp_path, body)


@pytest.mark.usefixtures("hurry")
def test_a_frame_that_did_not_fit_after_all_has_not_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leaving, "MS_S", 1.0)

    async def body(pair: RNodePair) -> None:
        events = pair.events[0]
        events.under_way = 1
        pair.links[0].send(b"x")
        await until(lambda: pair.boards[0].sent_frames == 1)
        pair.boards[0].say(0x90, b"\x04")
        await events.until(lambda: not events.under_way)
        assert events.airtimes_ms == [0]

    with_pair(tmp_path, body)


@pytest.mark.usefixtures("hurry")
def test_a_board_that_started_anew_without_a_word_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rnode_link, "LOOK_EVERY_S", 0.05)

    async def body(pair: RNodePair) -> None:
        pair.boards[0].boot()
        await pair.events[0].until(lambda: not pair.events[0].there)
        await pair.events[0].until(lambda: pair.events[0].there)
        assert await pair.carry(1, [b"hello"]) == [b"hello"]

    with_pair(tmp_path, body)


@pytest.mark.usefixtures("hurry")
def test_a_board_that_falls_silent_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rnode_link, "ANSWER_S", 0.3)

    async def body(pair: RNodePair) -> None:
        pair.boards[0].quirks[0x0F] = lambda _: None
        pair.events[0].under_way = 1
        pair.links[0].send(b"x")
        await pair.events[0].until(lambda: not pair.events[0].there)
        assert pair.links[0].state == "no board (it does not answer); trying again"

    with_pair(tmp_path, body)


@pytest.mark.usefixtures("hurry")
def test_a_board_that_answers_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rnode_link, "ANSWER_S", 0.2)
    monkeypatch.setattr(rnode_link, "LOOK_EVERY_S", 0.02)

    async def body(pair: RNodePair) -> None:
        for _ in range(10):
            assert await pair.carry(0, [b"hello"]) == [b"hello"]
            await asyncio.sleep(0.08)
        assert pair.events[0].there
        assert pair.links[0].state == "ready; 0 frames heard"

    with_pair(tmp_path, body, mtu_bytes=64)


@pytest.mark.usefixtures("hurry")
def test_while_somebody_is_heard_ours_does_not_leave(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leaving, "MS_S", 0.001)

    async def body(pair: RNodePair) -> None:
        began = time.monotonic()
        pair.events[0].under_way = 1
        pair.links[0].send(b"ours")
        await until(lambda: pair.boards[0].sent_frames == 1)
        pair.boards[0].catch(0, bytes(FRAME_BYTES_MAX))
        await pair.events[0].until(lambda: not pair.events[0].under_way)
        assert time.monotonic() - began >= (airtime_ms(FAST, 4) + airtime_ms(FAST, FRAME_BYTES_MAX)) / 1000 - 0.01
        assert pair.events[0].airtimes_ms == [math.ceil(airtime_ms(FAST, 4))], "only ours is counted"

    with_pair(tmp_path, body)


@pytest.mark.usefixtures("hurry")
def test_what_is_no_rnode_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rnode_link, "BOOT_S", 0.4)
    monkeypatch.setattr(rnode_link, "ANSWER_S", 0.2)

    async def body(pair: RNodePair) -> None:
        await until(lambda: "as an RNode does" in pair.links[0].state)
        pair.boards[0].quirks[0x08] = lambda _: b"\x46"
        pair.boards[0].quirks[0x01] = lambda _: None
        await until(lambda: pair.links[0].state == "no board (it does not answer); trying again")

    with_pair(tmp_path, body, wait=False, prepare=lambda board: board.quirks.update({0x08: lambda _: b"\x45"}))


def test_states_without_a_board() -> None:
    async def run() -> None:
        link, events = RNodeLink(RNodeSettings("/dev/does-not-exist", FAST, 1.0)), Recorder()
        assert link.state == "not running"
        task = asyncio.create_task(link.run(events))
        await until(lambda: link.state.startswith("no board"))
        assert link.state == "no board (No such file or directory); trying again"
        link.send(b"to nobody")
        with pytest.raises(RuntimeError):
            await link.run(events)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert link.state == "not running"

    asyncio.run(run())


# -- people -------------------------------------------------------------------------------------------------------


def boards_of(folder: Path, number: int, air: LoraAir, **settings: Any) -> Sequence[RNodeLink]:
    made = [Board(air, folder / f"tty{end}") for end in range(number)]
    for board in made:
        board.start()
    said = {"airtime_share_max": 1.0, **settings}
    return [RNodeLink(RNodeSettings(board.port.place, FAST, **said)) for board in made]


@pytest.mark.parametrize(("number", "loss"), [(2, 0.0), (3, 0.05)])
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
    with boards_elsewhere(tmp_path, 2) as (_, boards, do):

        def state() -> str:
            return str(ana.do("link", "list")["links"][0]["state"])

        try:
            for person, board in zip((ana, ben), boards, strict=True):
                person.up()
                person.do(
                    "link", "add", "rnode", board.port.place, "--frequency", "868.1MHz", "--bandwidth", "250",
                    "--spreading", "7", "--coding", "5", "--power", "14", "--airtime", "10%",
                )  # fmt: skip
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
            assert "4 dB below the noise" in ana.do("link", "test", both(ana, ben))["message"]
        finally:
            for person in (ana, ben):
                person.run("down")


def both(ana: Person, ben: Person) -> str:
    """The other tests, too; gives the id of one's own link."""
    ben.start("link", "test", ben.do("link", "list")["links"][0]["id"])
    return str(ana.do("link", "list")["links"][0]["id"])

