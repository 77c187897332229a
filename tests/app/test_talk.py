"""Push to talk through real processes: daemons, a terminal, sound from files, pipes and ALSA's file plugin."""

from __future__ import annotations

import importlib
import json
import os
import random
import subprocess
import threading
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from chasqui.media.modes import samples_of
from tests.app.people import Person, convoy, environment, wait_until
from tests.app.talking import Session, alsa
from tests.media.sounds import hum, loudness, wav

PORT = 20_000 + os.getpid() % 10_000
UNIT_S = 0.04


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Person, Person]]:
    """Two people whose daemons hear each other."""
    folder = tmp_path_factory.mktemp("talk")
    ana, ben = convoy(folder)
    for person in (ana, ben):
        person.do("link", "add", "lan", "--address", "127.0.0.1", "--port", str(PORT))
        person.up()
    yield ana, ben
    for person in (ana, ben):
        person.run("down")


def spoken(person: Person) -> list[dict[str, Any]]:
    return [message for message in person.do("read", "convoy")["messages"] if message["kind"] == "voice"]


@contextmanager
def microphone(fifo: Path, samples: array[int], *, as_wav: bool) -> Iterator[None]:
    """Somebody who speaks into a pipe at the pace of speech, and is silent when it is over."""
    os.mkfifo(fifo)
    end = threading.Event()
    head = wav(array("h"), size=0x7FFFFF00) if as_wav else b""

    def speak() -> None:
        at = 0
        while not end.is_set():
            try:
                with open(fifo, "wb", buffering=0) as file:
                    file.write(head)
                    while not end.is_set():
                        block = samples[at : at + 320]
                        file.write(block.tobytes() + bytes(640 - 2 * len(block)))
                        at += 320
                        end.wait(UNIT_S)
            except BrokenPipeError:
                continue  # it was opened to ask what it can do, or closed between two bursts

    thread = threading.Thread(target=speak, daemon=True)
    thread.start()
    try:
        yield
    finally:
        end.set()
        os.close(os.open(fifo, os.O_RDONLY | os.O_NONBLOCK))  # if it waits for a reader, here is one
        thread.join(10)


def test_a_recording_in_bursts_is_heard_as_it_comes(two: tuple[Person, Person], tmp_path: Path) -> None:
    ana, ben = two
    recording = tmp_path / "speech.wav"
    recording.write_bytes(wav(hum(5, rate=48_000), 48_000))
    with subprocess.Popen(
        ben.command("--json", "listen", "convoy"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=environment(ALSA_CONFIG_PATH=alsa(tmp_path, None, None)),
    ) as listener:  # fmt: skip
        assert listener.stdout is not None
        assert listener.stderr is not None
        assert "No loudspeaker" in listener.stderr.readline(), "it listens from here on"
        talked = ana.do("talk", "convoy", "--from", str(recording), "--burst", "2", "--mute")
        assert talked["seconds"] == 5.0
        assert talked["discarded_s"] == 0
        heard = [json.loads(listener.stdout.readline()) for _ in talked["bursts"]]
        listener.terminate()
    assert [turn["id"] for turn in heard] == talked["bursts"]
    assert [(turn["at"], turn["seconds"], turn["more"]) for turn in heard] == [
        (0.0, 2.0, True), (2.0, 2.0, True), (4.0, 1.0, False)
    ]  # fmt: skip
    assert {(turn["author_name"], turn["verified"], turn["missing_s"], turn["late"]) for turn in heard} == {
        ("ana", False, 0.0, False)
    }
    assert len({turn["recording"] for turn in heard}) == 1
    assert "[voice] 5.0 s, 3200\n" in ben.run("read", "convoy").out


def test_a_key_a_microphone_and_a_loudspeaker(two: tuple[Person, Person], tmp_path: Path) -> None:
    """Through PortAudio. What Ben's loudspeaker plays is what Ana said, and Ana's is silent meanwhile."""
    try:
        importlib.import_module("sounddevice")
    except OSError:
        pytest.skip("no PortAudio here: apt-get install libportaudio2")
    if not Path("/usr/share/alsa/alsa.conf").exists():
        pytest.skip("no ALSA here: apt-get install libasound2-data")
    ana, ben = two
    ben.do("contact", "verify", "ana")
    mic, speaker = tmp_path / "mic", tmp_path / "out.raw"
    sound = alsa(tmp_path, mic, speaker)
    before = len(spoken(ana))

    def played() -> array[int]:
        return samples_of(speaker.read_bytes() if speaker.exists() else b"")

    with (
        microphone(mic, hum(60), as_wav=False),
        Session(ben, "listen", "convoy", "--out", "out", ALSA_CONFIG_PATH=sound) as listener,
        Session(
            ana, "talk", "convoy", "--device", "mic", "--burst", "1", "--mute", ALSA_CONFIG_PATH=sound
        ) as talker,
    ):  # fmt: skip
        listener.until("listening")
        talker.until("space: speak")
        talker.press(" ")
        assert "█" in talker.until("2 bursts sent")
        talker.press(" ")
        listener.until("♪", 2)
        talker.press("q")
        assert talker.end() == 0
        assert "ana (verified): 1.0 s, 3200" in listener.screen
        sealed = len(spoken(ana)) - before
        assert f"Sealed: {sealed} bursts" in talker.screen
        recording = tmp_path / "second.wav"
        recording.write_bytes(wav(hum(1)))
        ana.do("talk", "convoy", "--from", str(recording), "--mute")
        listener.until("♪", sealed + 1)
        wait_until(lambda: len(played()) == 8_000)  # each burst opens the file anew
        heard = played()
        listener.interrupt()
        assert listener.end() == 0
    assert sealed >= 2
    assert loudness(heard[1_000:]) > loudness(hum(1)) / 3


def test_ctrl_c_discards_what_is_not_sealed_and_no_disk_has_heard_it(
    two: tuple[Person, Person], tmp_path: Path
) -> None:
    ana, _ = two
    noise = random.Random(1)
    voice = array("h", [noise.randrange(-8_000, 8_000) for _ in range(30 * 8_000)])
    mic, temporary = tmp_path / "mic", tmp_path / "temporary"
    temporary.mkdir()
    before = len(spoken(ana))
    with (
        microphone(mic, voice, as_wav=True),
        Session(ana, "talk", "convoy", "--from", str(mic), "--burst", "2", "--mute", TMPDIR=str(temporary)) as talker,
    ):
        talker.until("1 burst sent")
        talker.until("●", talker.screen.count("●") + 3)  # and goes on
        talker.interrupt()
        code = talker.end()
    after = spoken(ana)[before:]
    assert "Discarded: " in talker.screen
    assert "Nothing of that was kept anywhere." in talker.screen
    assert code == 130
    assert after
    assert all(message["more"] for message in after), "the end was never said"
    assert f"Sealed: {len(after)} burst" in talker.screen
    pieces = [voice[at : at + 32].tobytes() for at in range(0, len(voice), 1_600)]
    for path in (*ana.home.rglob("*"), *temporary.rglob("*")):
        if path.is_file():
            data = path.read_bytes()
            assert not any(piece in data for piece in pieces), path
    assert not list(temporary.iterdir())


def test_what_stands_against_it_is_said_before_a_word_is(two: tuple[Person, Person], tmp_path: Path) -> None:
    ana, ben = two
    silent = alsa(tmp_path, None, None)

    def refused(person: Person, *arguments: str, **more: str) -> dict[str, Any]:
        done = subprocess.run(
            person.command("--json", *arguments), capture_output=True, text=True, env=environment(**more), check=False
        )
        assert done.returncode in (1, 2), done
        error: dict[str, Any] = json.loads(done.stdout)["error"]
        return error

    site = tmp_path / "site"
    site.mkdir()
    (site / "sounddevice.py").write_text("raise OSError('PortAudio library not found')\n")
    paths = os.pathsep.join([str(site), *filter(None, [os.environ.get("PYTHONPATH")])])
    assert "PortAudio" in refused(ana, "talk", "convoy", PYTHONPATH=paths)["message"]
    microphone_error = refused(ana, "talk", "convoy", "--device", "nowhere", ALSA_CONFIG_PATH=silent)
    assert microphone_error["message"] == "No microphone can be used on this device."
    assert "--from FILE.wav" in microphone_error["todo"]
    text = tmp_path / "text.wav"
    text.write_bytes(b"no sound at all, but long enough")
    assert "not a WAV file" in refused(ana, "talk", "convoy", "--from", str(text))["message"]
    assert refused(ana, "talk", "convoy", "--from", str(tmp_path / "none.wav"))["code"] == "cannot"
    assert "no group" in refused(ana, "talk", "nobody", "--from", str(text))["message"].lower()
    recording = tmp_path / "speech.wav"
    recording.write_bytes(wav(hum(1)))
    ana.do("group", "create", "left")
    ana.do("group", "leave", "left")
    gone = refused(ana, "talk", "left", "--from", str(recording))
    assert "not in this group" in gone["message"] or "left" in gone["message"]
    ben.do("down")
    try:
        for command in (("talk", "convoy", "--from", str(recording)), ("listen", "convoy")):
            assert "needs the daemon" in refused(ben, *command)["message"]
    finally:
        ben.up()


def test_what_is_lost_on_the_way_stops_the_rest(two: tuple[Person, Person], tmp_path: Path) -> None:
    """The daemon ends while somebody speaks: that is said, and nothing goes on as if it were heard."""
    ana, _ = two
    mic = tmp_path / "mic"
    with (
        microphone(mic, hum(60), as_wav=True),
        Session(ana, "talk", "convoy", "--from", str(mic), "--burst", "1", "--mute") as talker,
    ):
        talker.until("1 burst sent")
        ana.do("down")
        code = talker.end()
    assert code == 1
    assert "The daemon ended" in talker.screen
    assert "Discarded: " in talker.screen
    ana.up()
