"""What is pure in `talk`: pieces, levels, turns; and half duplex with doubles of devices."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import termios
import threading
import time
from array import array
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from chasqui.app import requests
from chasqui.app.message_results import Conversation, Earlier, Message, QualityChosen, Slowest, Talked
from chasqui.app.results import Result
from chasqui.app.screens import talk as screen
from chasqui.app.talk import sessions
from chasqui.app.talk.hearing import Hearing
from chasqui.app.talk.speaking import METER_CELLS, Speaking, level, units_at_once, wipe
from chasqui.app.talk.talking import Talk, price, silence
from chasqui.app.talk.threads import Event, Events, Listener, Paused, Player, Plays, Sound
from chasqui.base.errors import UserError
from chasqui.base.limits import VOICE_RECORDING_S_MAX
from chasqui.media.burst import SAMPLES_PER_S, Burst, Quality, read_burst
from chasqui.media.wav import WavStream
from chasqui.node.cost import bundles_of_speech
from tests.media.sounds import hum, tone, wav

UNIT = 320


@pytest.mark.parametrize(("quality", "seconds", "units"), [
    (Quality.Q700C, 10, 248), (Quality.Q1300, 10, 250), (Quality.Q3200, 10, 250), (Quality.Q700C, 4, 100),
    (Quality.Q700C, 28, 700), (Quality.Q3200, 0.01, 2),
])  # fmt: skip
def test_a_burst_that_goes_on_is_no_larger_for_its_place(quality: Quality, seconds: float, units: int) -> None:
    assert units_at_once(quality, seconds) == units
    burst = silence(quality, units)
    assert bundles_of_speech([burst]) == bundles_of_speech([structs_replace(burst, at=1)])
    assert bundles_of_speech([silence(Quality.Q700C, 248)]) == [978]


def structs_replace(burst: Burst, at: int) -> Burst:
    return Burst(burst.quality, burst.speech, burst.more, 1, at)


@given(st.lists(st.integers(1, UNIT), min_size=1, max_size=60), st.integers(1, 7))
def test_pieces_are_what_was_said(tail: list[int], units: int) -> None:
    """Whole units, the last one of any length; nothing is lost, nothing comes twice, and the end is never empty."""
    speaking = Speaking(UNIT, units)
    blocks = [array("h", [number % 100] * UNIT) for number in range(len(tail))] + [array("h", [7] * tail[0])]
    pieces = [piece for block in blocks if (piece := speaking.hear(block))]
    last = speaking.end()
    assert last is not None
    assert not last.more
    assert speaking.end() is None
    said = array("h")
    for number, piece in enumerate([*pieces, last]):
        assert piece.at == number * units
        assert piece.samples
        assert len(piece.samples) <= units * UNIT
        said += piece.samples
    assert all(piece.more and len(piece.samples) == units * UNIT for piece in pieces)
    assert said == sum(blocks, array("h"))


def test_what_was_not_sent_is_forgotten() -> None:
    speaking = Speaking(UNIT, 10)
    for _ in range(15):
        speaking.hear(array("h", [5] * UNIT))
    assert (speaking.units, speaking.kept_units) == (15, 5)
    speaking.discard()
    assert speaking.end() is None
    samples = array("h", [1, 2, 3])
    wipe(samples)
    assert list(samples) == [0, 0, 0]


def test_a_recording_is_full_after_five_minutes() -> None:
    speaking = Speaking(1, 250)
    for _ in range(7_499):
        speaking.hear(array("h", [1]))
    assert not speaking.is_full
    speaking.hear(array("h", [1]))
    assert speaking.is_full


def test_the_level_rises_with_the_voice() -> None:
    levels = [level(tone(440, 0.04, level=height)) for height in (0, 30, 300, 3_000, 30_000)]
    assert levels == sorted(levels)
    assert (levels[0], levels[-1]) == (0, METER_CELLS)
    assert level(array("h")) == 0


def message(pos: int, seq: int, burst: Burst, author: str = "bb") -> Message:
    return Message(
        pos, f"{pos:032x}", author * 32, "ben", False, seq, "2026-11-22T10:00:00Z", "voice", "", "received", {},
        seconds=burst.seconds, quality="3200", more=burst.more, recording=burst.first or seq, at=burst.begins / 8_000,
        speech=burst.to_body(),
    )  # fmt: skip


def said(seq: int, count: int, first: int = 0) -> list[tuple[int, Burst]]:
    """A recording of so many bursts of a second, with the numbers of their objects."""
    return [
        (seq + at, Burst(Quality.Q3200, bytes(400), at < count - 1, seq if at else 0, at * 25)) for at in range(count)
    ]


def take(hearing: Hearing, *messages: Message, earlier: tuple[Earlier, ...] = (), now_s: float = 0.0) -> None:
    hearing.take(Conversation(messages, (), earlier=earlier), now_s)


def turns(hearing: Hearing, now_s: float = 0.0) -> list[tuple[int, float, bool]]:
    found = []
    while turn := hearing.next(now_s):
        found.append((turn.message.pos, turn.missing_s, turn.late))
    return found


def test_turns_are_in_the_order_of_speaking() -> None:
    hearing = Hearing()
    bursts = [message(pos, seq, burst) for pos, (seq, burst) in zip((3, 1, 2), said(5, 3), strict=True)]
    take(hearing, bursts[2])
    assert turns(hearing) == [], "what comes before it has not come"
    take(hearing, bursts[1], bursts[0])
    assert turns(hearing) == [(3, 0.0, False), (1, 0.0, False), (2, 0.0, False)]


def test_what_waits_for_its_turn_was_not_heard_before() -> None:
    """A radio brings the last burst before those in the middle, as it does where frames are lost."""
    hearing = Hearing()
    bursts = [message(pos, seq, burst) for pos, (seq, burst) in zip((1, 3, 4, 2), said(5, 4), strict=True)]
    came = [Earlier(each.author, each.recording or 0, each.pos, each.speech or b"") for each in bursts]
    take(hearing, bursts[0])
    assert turns(hearing) == [(1, 0.0, False)]
    take(hearing, bursts[3], earlier=(came[0],))
    assert turns(hearing) == []
    take(hearing, bursts[1], bursts[2], earlier=(came[0], came[3]))
    assert turns(hearing) == [(3, 0.0, False), (4, 0.0, False), (2, 0.0, False)]


def test_a_hole_is_waited_for_then_said() -> None:
    hearing = Hearing(30.0)
    bursts = [message(pos, seq, burst) for pos, (seq, burst) in enumerate(said(5, 4), 1)]
    take(hearing, bursts[0], bursts[3])
    assert turns(hearing, 29.0) == [(1, 0.0, False)]
    assert turns(hearing, 30.0) == [(4, 2.0, False)]
    take(hearing, bursts[1], now_s=31.0)
    assert turns(hearing, 31.0) == [(2, 0.0, True)], "late: not to be played behind what follows it"


def test_another_recording_waits_for_the_end_of_the_first() -> None:
    hearing = Hearing(30.0)
    one = [message(pos, seq, burst) for pos, (seq, burst) in enumerate(said(5, 2), 1)]
    (two,) = [message(9, seq, burst) for seq, burst in said(8, 1)]
    take(hearing, one[0], two)
    assert turns(hearing) == [(1, 0.0, False)]
    take(hearing, one[1], now_s=5.0)
    assert turns(hearing, 5.0) == [(2, 0.0, False), (9, 0.0, False)]
    take(hearing, *[message(10 + n, seq, burst) for n, (seq, burst) in enumerate(said(20, 2))][:1], now_s=6.0)
    take(hearing, *[message(13, seq, burst) for seq, burst in said(30, 1)], now_s=6.0)
    assert turns(hearing, 6.0) == [(10, 0.0, False)]
    assert turns(hearing, 36.0) == [(13, 0.0, False)], "its speaker may have been cut off"


def test_who_listens_from_the_middle_on_misses_nothing_that_he_had() -> None:
    hearing = Hearing()
    (seq, first), (_, second) = said(5, 2)
    take(hearing, message(8, 6, second), earlier=(Earlier("bb" * 32, seq, 1, first.to_body()),))
    assert turns(hearing) == [(8, 0.0, False)]


def test_several_authors_do_not_wait_for_each_other() -> None:
    hearing = Hearing()
    (_, (_, lost_before)) = said(5, 2)
    take(hearing, message(1, 6, lost_before, "bb"), message(2, 3, said(3, 1)[0][1], "cc"))
    take(hearing, structs.replace(message(3, 9, said(9, 1)[0][1], "aa"), own=True))
    assert turns(hearing) == [(2, 0.0, False)], "and nobody hears himself"


# -- half duplex ------------------------------------------------------------------------------------------------


class Desk:
    """A daemon that has one message."""

    def __init__(self, *messages: Message) -> None:
        self._messages = messages

    def call(self, request: requests.Request, beside: bytes = b"") -> tuple[Result, bytes]:
        found, self._messages = self._messages, ()
        return Conversation(found, ()), b""


class Speaker:
    """A loudspeaker that plays a block for each look at whether it may go on."""

    def __init__(self) -> None:
        self.played = 0
        self.begun = threading.Event()
        self.whole = threading.Event()

    def play(self, samples: array[int], go_on: Callable[[], bool]) -> int:
        at = 0
        while at < len(samples) and go_on():
            at += 800
            self.played += 800
            self.begun.set()
            if self.played >= 8_000:
                self.whole.set()
        return min(at, len(samples))


def test_nothing_is_played_while_somebody_speaks_here() -> None:
    speaks, looks = threading.Event(), 0
    stopped = threading.Event()

    def silent() -> bool:
        nonlocal looks
        looks += 1
        if looks == 5:
            speaks.set()  # the key is pressed in the middle of a block
        if speaks.is_set():
            stopped.set()
        return not speaks.is_set()

    speaker: Any = Speaker()
    desk: Any = Desk(message(1, 5, said(5, 1)[0][1]))
    told: list[Event] = []
    Player(desk, "convoy", 0, speaker, silent, told.append).start()
    assert speaker.begun.wait(60)
    assert stopped.wait(60)
    before = speaker.played
    assert 0 < before < 8_000
    assert not speaker.whole.wait(0.3)
    assert speaker.played == before
    speaks.clear()
    looks = 100
    assert speaker.whole.wait(60), "the rest is heard afterwards"
    assert speaker.played == 8_000
    assert [event.turn.message.pos for event in told if isinstance(event, Plays)] == [1]


class Source:
    """A microphone that counts how often it was opened."""

    rate = 8_000
    runs_on = False
    waits_for_key = True

    def __init__(self) -> None:
        self.open_now = False
        self.opened = 0
        self.taken = threading.Event()

    def open(self) -> None:
        self.open_now, self.opened = True, self.opened + 1

    def take(self) -> array[int]:
        assert self.open_now
        self.taken.set()
        return array("h", bytes(2 * UNIT))

    def close(self) -> None:
        self.open_now = False


def test_the_microphone_is_open_only_while_somebody_speaks() -> None:
    source: Any = Source()
    listener = Listener(source, lambda event: None)
    listener.start()
    assert listener.rests.is_set()
    assert not source.open_now
    for times in (1, 2):
        source.taken.clear()
        listener.speaks.set()
        assert source.taken.wait(60)
        listener.speaks.clear()
        assert listener.rests.wait(60)
        assert not source.open_now
        assert source.opened == times


# -- sound that comes, and the screen -----------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100, 48_000])
@pytest.mark.parametrize("channels", [1, 2])
def test_a_stream_is_read_as_it_comes(rate: int, channels: int) -> None:
    one = hum(0.5, rate=rate)
    data = wav(array("h", [x for sample in one for x in (sample,) * channels]), rate, channels=channels)
    read, write = os.pipe()

    def record() -> None:
        with open(write, "wb", buffering=0) as file:
            file.write(data[:50])
            file.write(data[50:])

    threading.Thread(target=record).start()
    with open(read, "rb", buffering=0) as file:
        stream = WavStream(file.read)
        assert stream.rate == rate
        got = array("h")
        while block := stream.take(rate // 25):
            got += block
    assert got == one


def test_what_one_burst_costs_and_a_slow_link_is_asked_about(monkeypatch: pytest.MonkeyPatch) -> None:
    slowest = Slowest("a1b2", "rnode", 254, 1_760, True, True, 0.2, 0.01, 20)
    chosen = QualityChosen("700C", "rnode", slowest, "con\x1bvoy", 3)
    size, cost = price(Quality.Q700C, slowest, [silence(Quality.Q700C, 248)])
    assert size == 978
    assert cost is not None
    text = screen.beginning(chosen, 9.92, cost)
    assert "\x1b" not in text
    assert "10 s of speech, 700C: 5 seconds on the air of the link a1b2 (rnode)" in text
    assert "10 minutes" in text
    call: Any = type("Call", (), {"as_json": True, "tell": print})
    with pytest.raises(UserError, match="for each minute that you speak") as refused:
        sessions._ask(call, chosen, Quality.Q700C, 248, yes=False)
    assert refused.value.slow[0].id == "a1b2"  # type: ignore[attr-defined]
    sessions._ask(call, chosen, Quality.Q700C, 248, yes=True)
    sessions._ask(call, structs.replace(chosen, slowest=None), Quality.Q700C, 248, yes=False)
    fast = structs.replace(slowest, airtime_share_max=1.0)
    sessions._ask(call, structs.replace(chosen, slowest=fast), Quality.Q700C, 248, yes=False)


def test_the_screen_of_a_session() -> None:
    assert screen.speaking(67.9, 4, 1, 2_100, 9.6, "rnode") == (
        "● 1:07 ▕████······▏ 1 burst sent · 2.1 KB, 10 seconds on the air (rnode)"
    )
    assert screen.idle(0, ending=False) == "○ space: speak"
    assert screen.idle(2, ending=True) == "2 bursts to be sealed"
    shown = screen.turn(message(1, 5, said(5, 1)[0][1]), "con voy", 2.5, late=False, plays=True)
    assert shown.endswith("ben (NOT verified): 1.0 s, 3200; 2.5 s before it have not arrived")
    late = screen.turn(message(1, 5, said(5, 1)[0][1]), "con voy", 0, late=True, plays=True)
    assert "came late, not played\n" in late
    assert "chasqui save 'con voy' 00000000 FILE.wav" in late
    assert screen.ended(Talked((), 0, 0), interrupted=True) == "Nothing was sent. Nothing was being said."
    assert "Discarded: 6.2 s that were not sealed yet." in screen.ended(Talked(("a",), 10, 6.2), interrupted=True)
    assert read_burst(said(5, 2)[1][1].to_body()).first == 5


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP])
def test_whatever_ends_it_the_terminal_is_as_it_was(number: signal.Signals) -> None:
    program = """
from chasqui.app.talk.talking import interruptions
from chasqui.app.talk.terminal import Terminal
from chasqui.app.talk.threads import Events
events = Events()
with interruptions(events), Terminal(keys=True):
    print("ready", flush=True)
    events.wait(-1, 300)
"""
    screen_end, keys = pty.openpty()
    before = termios.tcgetattr(keys)
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=keys, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        assert termios.tcgetattr(keys) != before
        process.send_signal(number)
        assert process.wait(300) == 0
    assert termios.tcgetattr(keys) == before
    os.close(keys)
    os.close(screen_end)


def test_who_stops_it_and_goes_on_finds_the_terminal_as_it_should_be() -> None:
    program = """
from chasqui.app.talk.talking import interruptions
from chasqui.app.talk.terminal import Terminal
from chasqui.app.talk.threads import Events, Paused
events = Events()
with interruptions(events), Terminal(keys=True) as terminal:
    print("ready", flush=True)
    while True:
        events.wait(-1, 300)
        if not isinstance(events.take(), Paused):
            break
        terminal.pause()
        print("again", flush=True)
"""
    screen_end, keys = pty.openpty()
    before = termios.tcgetattr(keys)
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=keys, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, process_group=0
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        there = termios.tcgetattr(keys)
        process.send_signal(signal.SIGTSTP)
        assert os.WIFSTOPPED(os.waitpid(process.pid, os.WUNTRACED)[1])
        assert termios.tcgetattr(keys) == before, "as the shell needs it"
        process.send_signal(signal.SIGCONT)
        assert process.stdout.readline() == b"again\n"
        assert termios.tcgetattr(keys) == there, "keys without Enter again"
        process.send_signal(signal.SIGSTOP)  # without a word
        assert os.WIFSTOPPED(os.waitpid(process.pid, os.WUNTRACED)[1])
        termios.tcsetattr(keys, termios.TCSANOW, before)
        process.send_signal(signal.SIGCONT)
        while termios.tcgetattr(keys) != there:
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        assert process.wait(300) == 0
    assert termios.tcgetattr(keys) == before
    os.close(keys)
    os.close(screen_end)


def test_sound_that_comes_faster_than_time_passes_is_told_once_and_ctrl_z_ends_what_is_spoken() -> None:
    events, shown, pieces, clock = Events(), list[str](), list[int](), [0.0]

    class Screen:
        fd = -1
        status = line = staticmethod(shown.append)

        def pause(self) -> None:
            shown.append("stands still" if talk.silent else "the microphone is open")

    class Ears:
        speaks, rests = threading.Event(), threading.Event()

    class Hands:
        waiting = 0

        def put(self, recording: int, piece: Any) -> None:
            pieces.append(len(piece.samples))

    made: Any = Talk
    talk: Talk = made(
        Screen(), events, Ears(), Hands(), Quality.Q700C, None, UNIT, 2_500, lambda _: "", lambda: clock[0]
    )
    Ears.rests.set()
    second = array("h", [100] * (UNIT * 25))
    talk._pressed(" ")
    for _ in range(30):
        clock[0] += 1
        talk._happened(Sound(array("h", second)))
    assert not any("no microphone" in line for line in shown), "at the pace of speech"
    for _ in range(30):
        talk._happened(Sound(array("h", second)))
    (told,) = [line for line in shown if "no microphone" in line]
    assert "--device" in told
    talk._happened(Paused())
    assert shown[-1] == "stands still"
    assert sum(pieces) == 60 * 25 * UNIT, "what was said until then is not lost"
    events.close()


@pytest.mark.parametrize("by_hand", [True, False])
def test_a_microphone_that_somebody_forgot_is_closed(by_hand: bool) -> None:
    """A recording from elsewhere goes on: whoever hands it over knows its end."""
    events, shown, pieces = Events(), list[str](), list[tuple[int, int]]()

    class Screen:
        fd = -1
        status = line = staticmethod(shown.append)

    class Ears:
        speaks, rests = threading.Event(), threading.Event()

    class Hands:
        waiting = 0

        def put(self, recording: int, piece: Any) -> None:
            pieces.append((recording, len(piece.samples)))

    screen_, ears, hands = Screen(), Ears(), Hands()
    made: Any = Talk
    talk: Talk = made(screen_, events, ears, hands, Quality.Q700C, None, UNIT, 2_500, lambda _: "")
    Ears.rests.set()
    talk._by_hand = by_hand
    talk._begin()
    block = array("h", [100] * (UNIT * 25))
    for _ in range(VOICE_RECORDING_S_MAX + 10):
        talk._happened(Sound(array("h", block)))
    closed = [line for line in shown if "microphone is closed" in line]
    assert bool(closed) == talk.silent == by_hand
    assert sum(size for number, size in pieces if number == 1) == VOICE_RECORDING_S_MAX * SAMPLES_PER_S
    talk._pressed(" ")
    assert talk.silent != by_hand, "the same key goes on after it, and ends what goes on"
    events.close()
