"""Bursts put together as they were spoken: one line and one file per recording, and what is missing is said."""

from __future__ import annotations

from array import array
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from chasqui.app.message_results import Conversation, Earlier, Gap, Message
from chasqui.app.recordings import broken_off, recordings_in
from chasqui.app.screens import messages as screen
from chasqui.app.speech import Exporter, bodies_of, recording_of
from chasqui.media.burst import Burst, Quality, cut
from chasqui.media.codec2 import encode
from chasqui.media.wav import speech_of
from tests.media.sounds import hum, loudness

BEN = "bb" * 32


@pytest.fixture(scope="module")
def bursts() -> list[Burst]:
    """Nine seconds of speech in bursts of three, as somebody sends them who still speaks."""
    speech = encode(Quality.Q3200, hum(9).tobytes())
    third = len(speech) // 3
    return [
        Burst(Quality.Q3200, speech[at * third : (at + 1) * third], at < 2, 7 if at else 0, at * 75) for at in range(3)
    ]


def message(pos: int, seq: int, burst: Burst, **more: Any) -> Message:
    base = Message(
        pos, f"{pos:032x}", BEN, "ben", False, seq, "2026-11-22T10:00:00Z", "voice", "", "received", {},
        seconds=burst.seconds, quality="3200", more=burst.more, recording=burst.first or seq,
        at=burst.begins / 8_000, speech=burst.to_body(),
    )  # fmt: skip
    return structs.replace(base, **more)


def text(pos: int, seq: int) -> Message:
    return Message(
        pos, f"{pos:032x}", BEN, "ben", False, seq, "2026-11-22T10:00:00Z", "text", "next", "received", {}
    )  # fmt: skip


def heard(*found: Message, gaps: tuple[Gap, ...] = (), earlier: tuple[Earlier, ...] = ()) -> Conversation:
    return Conversation(found, gaps, "convoy", "current", earlier=earlier)


def lines(found: Conversation) -> list[str]:
    return [line for line in screen.conversation(found).splitlines() if "[voice]" in line]


@pytest.mark.must("M-VOI-8")
def test_one_line_for_what_was_spoken_at_once_and_what_is_missing_in_it(bursts: list[Burst]) -> None:
    one, two, three = (message(pos, 6 + pos, burst) for pos, burst in enumerate(bursts, 1))
    (whole,) = lines(heard(three, one, two))
    assert whole.endswith("ben: [voice] 9.0 s, 3200")
    (line,) = lines(heard(one, three))
    assert line.endswith("[voice] 9.0 s, 3200; 3.0 s of it have not arrived")
    (line,) = lines(heard(two, three))
    assert line.endswith("[voice] 9.0 s, 3200; 3.0 s of it have not arrived")
    (line,) = lines(heard(one, two))
    assert line.endswith("[voice] 6.0 s, 3200; the rest has not arrived")
    (line,) = lines(heard(one, two, text(4, 9)))
    assert line.endswith("[voice] 6.0 s, 3200; it breaks off there")
    (line,) = lines(heard(one, two, text(4, 10), gaps=(Gap(BEN, "ben", 9, 9),)))
    assert line.endswith("[voice] 6.0 s, 3200; the rest has not arrived"), "it may be in the gap"
    before = Earlier(BEN, 7, 1, bursts[0].to_body())
    (line,) = lines(heard(two, three, earlier=(before,)))
    assert line.endswith("[voice] goes on, now 9.0 s")
    (line,) = lines(heard(three, earlier=(before,)))
    assert line.endswith("[voice] goes on, now 9.0 s; 3.0 s of it have not arrived")


def test_receipts_and_states_of_all_bursts_count(bursts: list[Burst]) -> None:
    one = message(1, 7, bursts[0], own=True, receipts={BEN: "delivered"})
    two = message(2, 8, bursts[1], own=True, receipts={BEN: "waiting"}, state="after removal")
    shown = screen.conversation(heard(one, two))
    assert "… 0 of 1" in shown
    assert "! whoever removed you had not seen this" in shown


@pytest.mark.must("M-VOI-8")
def test_what_lies_over_other_bursts_is_a_recording_of_its_own(bursts: list[Burst]) -> None:
    again = Burst(Quality.Q3200, bursts[2].speech, False, 7, 80)
    one, two, other = message(1, 7, bursts[0]), message(2, 8, bursts[1]), message(3, 9, again)
    found = list(recordings_in(heard(one, two, other)))
    assert [[part.pos for part in recording.messages] for recording in found] == [[1, 2], [3]]
    assert [recording.holes for recording in found] == [(), ((0.0, 3.2),)]
    assert not broken_off(found[1], heard(one, two, other))
    assert len(lines(heard(one, two, other))) == 2


@pytest.mark.must("M-VOI-8")
def test_one_file_with_silence_for_what_is_missing(bursts: list[Burst], tmp_path: Path) -> None:
    one, three = message(4, 7, bursts[0]), message(2, 9, bursts[2])
    told: list[str] = []
    done = Exporter(str(tmp_path), told.append).take(heard(one, three))
    (path,) = tmp_path.iterdir()
    assert path.name == "voice-2-2.wav", "two bursts are here, and not all"
    assert {part.file for part in done.messages} == {str(path)}
    assert not any(isinstance(part.speech, bytes) for part in done.messages)
    pcm = array("h", speech_of(path.read_bytes()))
    assert len(pcm) == 9 * 8_000
    assert loudness(pcm[24_000:48_000]) == 0
    assert min(loudness(pcm[:24_000]), loudness(pcm[48_000:])) > loudness(hum(1)) / 3
    whole = Exporter(str(tmp_path), told.append).take(heard(one, message(5, 8, bursts[1]), three))
    assert {Path(str(part.file)).name for part in whole.messages} == {"voice-2.wav"}, "what came late is a new file"
    assert len(told) == 2


def test_following_waits_for_the_rest(bursts: list[Burst], tmp_path: Path) -> None:
    one, two, three = (message(pos, 6 + pos, burst) for pos, burst in enumerate(bursts, 1))
    told: list[str] = []
    exporter = Exporter(str(tmp_path), told.append, 60.0)
    exporter.take(heard(one), 0.0)
    exporter.take(heard(two, earlier=(Earlier(BEN, 7, 1, bursts[0].to_body()),)), 50.0)
    exporter.take(heard(), 100.0)
    assert not list(tmp_path.iterdir())
    before = tuple(Earlier(BEN, 7, pos, bursts[pos - 1].to_body()) for pos in (1, 2))
    done = exporter.take(heard(three, earlier=before), 105.0)
    assert done.messages[0].file == str(tmp_path / "voice-1.wav")
    exporter.take(heard(message(9, 30, bursts[0])), 110.0)
    exporter.take(heard(), 169.0)
    assert len(list(tmp_path.iterdir())) == 1
    exporter.take(heard(), 171.0)
    assert (tmp_path / "voice-9-1.wav").exists()
    assert "not all has arrived" in told[-1]
    exporter.take(heard(message(12, 40, bursts[0])), 172.0)
    exporter.end()
    assert (tmp_path / "voice-12-1.wav").exists(), "the end of following is the end of waiting"


def test_bodies_behind_their_lengths() -> None:
    bodies = tuple(burst.to_body() for burst in cut(Quality.Q700C, bytes(2_450) + bytes(7)))
    data = b"".join(len(body).to_bytes(2, "big") + body for body in bodies)
    assert bodies_of(data) == bodies
    assert bodies_of(b"") == ()
    first, second = (Burst(Quality.Q3200, bytes(16), first=first, at=at).to_body() for first, at in ((0, 0), (1, 3)))
    assert len(speech_of(recording_of([second, first]))) == 2 * (3 + 1) * 320
