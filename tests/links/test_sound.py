"""Sound links: the real modems through noise and fading, real modem processes on a channel of pipes, ALSA's file
plugin, WAV files, and ways to key a transmitter."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from array import array
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chasqui.base.errors import NotInstalledError
from chasqui.base.ids import GroupId
from chasqui.links import audio, ptt, radio_link, sound
from chasqui.links.sound import SoundLink, SoundSettings
from chasqui.links.sound_frames import Joiner, mtu_of, split
from chasqui.media.modem import Modem
from chasqui.media.modes import RATE_HZ, Mode
from tests.links.conformance import CHECKS, check_many_arrive_once, run_check
from tests.links.conformance_broadcast import BROADCAST_CHECKS, Recorder, run_broadcast_check, say
from tests.links.link_pair import LinkPair
from tests.links.sound_air import SoundAir, faded, sound_air
from tests.links.stations import Station, say_until_delivered, with_stations


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(radio_link, "RETRY_FIRST_S", 0.1)
    monkeypatch.setattr(radio_link, "RETRY_MAX_S", 0.2)


# -- frames in bursts ---------------------------------------------------------------------------------------------


@pytest.mark.must("M-SND-1")
@given(st.sampled_from(list(Mode)), st.data())
def test_every_frame_fits_a_burst_and_comes_back(mode: Mode, data: st.DataObject) -> None:
    shape = mode.shape
    frame = data.draw(st.binary(min_size=1, max_size=mtu_of(shape)))
    payloads = split(frame, shape)
    assert len(payloads) <= min(16, shape.frames_max)
    assert {len(payload) for payload in payloads} == {shape.payload_bytes}
    joiner = Joiner(shape)
    assert [joiner.hear(payload) for payload in payloads] == [None] * (len(payloads) - 1) + [frame]
    assert joiner.over
    assert joiner.passed_over == 0


@pytest.mark.parametrize("mode", Mode)
def test_what_does_not_fit_is_refused(mode: Mode) -> None:
    for size in (0, mtu_of(mode.shape) + 1):
        with pytest.raises(ValueError):
            split(bytes(size), mode.shape)


@pytest.mark.must("M-SND-2")
def test_a_burst_with_a_gap_gives_nothing_and_the_next_is_whole() -> None:
    shape = Mode.DATAC0.shape
    one, two = (random.Random(seed).randbytes(60) for seed in (1, 2))
    for missing in range(len(split(one, shape))):
        joiner = Joiner(shape)
        got = [joiner.hear(p) for at, p in enumerate(split(one, shape)) if at != missing]
        got += [joiner.hear(p) for p in split(two, shape)]
        assert [frame for frame in got if frame] == [two]
        assert joiner.passed_over >= 1
    parts = split(one, shape)
    other_last = [parts[0], bytes((1 << 4 | len(parts),)) + parts[1][1:], *parts[2:]]
    for wrong in ([parts[0], parts[2], parts[1], *parts[3:]], [parts[0], parts[1], parts[1], *parts[3:]], other_last):
        joiner = Joiner(shape)
        assert [frame for p in wrong if (frame := joiner.hear(p))] == []
        assert joiner.passed_over >= 1
    joiner = Joiner(shape)
    mixed = split(one, shape)[:2] + split(two, shape)[2:]
    assert joiner.hear(mixed[0]) is None
    joiner.lost()
    assert [joiner.hear(p) for p in mixed[1:]] == [None] * (len(mixed) - 1)


@pytest.mark.must("M-SND-2")
@pytest.mark.parametrize(
    "body",
    [
        b"\x00\x00" + bytes(11),  # nothing
        b"\x00\x0c" + b"x" * 11,  # cut
        b"\x00\x01x\x01" + bytes(9),  # filled with something else
        b"\xff\xff" + b"x" * 11,
    ],
)
def test_what_breaks_the_rules_is_passed_over(body: bytes) -> None:
    joiner = Joiner(Mode.DATAC0.shape)
    assert joiner.hear(b"\x00" + body) is None
    assert joiner.passed_over == 1


@pytest.mark.must("M-SND-2")
@given(st.lists(st.binary(min_size=14, max_size=14), max_size=40))
def test_any_payloads_are_legal(payloads: list[bytes]) -> None:
    joiner = Joiner(Mode.DATAC0.shape)
    for payload in payloads:
        frame = joiner.hear(payload)
        assert frame is None or 0 < len(frame) <= mtu_of(Mode.DATAC0.shape)


def test_the_example_of_the_spec() -> None:
    spec = Path(__file__).parents[2].joinpath("docs/spec/sound.md").read_text(encoding="utf-8").replace(" ", "")
    for payload in split(b"at the bridge", Mode.DATAC0.shape):
        assert payload.hex() in spec


# -- the modems ---------------------------------------------------------------------------------------------------


def through(mode: Mode, frames: Sequence[bytes], spoil: Callable[[array[int]], array[int]]) -> list[bytes]:
    """What arrives of frames that are sent one burst after the other."""
    there, here = Modem(mode), Modem(mode)
    joiner, got = Joiner(mode.shape), []
    try:
        for frame in frames:
            heard = spoil(array("h", [0] * 3_000) + there.burst(split(frame, mode.shape)) + array("h", [0] * 5_000))
            for at in range(0, len(heard), 320):
                for payload, _ in here.hear(heard[at : at + 320]):
                    whole = joiner.hear(payload)
                    if joiner.over:
                        here.next_burst()
                    if whole is not None:
                        got.append(whole)
    finally:
        there.close()
        here.close()
    return got


@pytest.mark.parametrize(
    ("mode", "noise_rms"),
    [(Mode.DATAC1, 1_500), (Mode.DATAC3, 2_500), (Mode.DATAC0, 2_500), (Mode.DATAC4, 6_000), (Mode.DATAC13, 6_000)],
)
def test_each_mode_through_noise(mode: Mode, noise_rms: float) -> None:
    dice = random.Random(3)
    sizes = (1, mode.shape.payload_bytes, min(161, mtu_of(mode.shape)))
    frames = [dice.randbytes(size) for size in sizes]
    got = through(mode, frames, lambda x: noisy(x, dice, noise_rms))
    assert got == frames


@pytest.mark.parametrize("mode", [Mode.DATAC3, Mode.DATAC4])
def test_fading_costs_frames_and_damages_none(mode: Mode) -> None:
    dice = random.Random(5)
    frames = [dice.randbytes(100) for _ in range(6)]
    got = through(mode, frames, lambda x: faded(x, dice, doppler_hz=0.5, noise_rms=600))
    assert set(got) <= set(frames)
    assert len(got) >= 3


def test_noise_alone_gives_nothing() -> None:
    dice = random.Random(9)
    modem = Modem(Mode.DATAC0)
    assert modem.hear(array("h", (round(dice.gauss(0, 5_000)) for _ in range(20 * RATE_HZ)))) == []
    modem.close()


def test_a_modem_that_wants_no_sound_goes_on_when_there_is_none() -> None:
    """It does in the middle of a burst, now and then: one in some ten thousand blocks of a fading one."""

    class Sated:
        def __init__(self, library: Any, times: int) -> None:
            self._library, self.asked, self._times = library, 0, times

        def __getattr__(self, name: str) -> Any:
            return getattr(self._library, name)

        def freedv_nin(self, modem: Any) -> int:
            self.asked += 1
            return 0 if self.asked <= self._times else int(self._library.freedv_nin(modem))

    modem = Modem(Mode.DATAC4)
    library = modem._library
    for times, asked in ((1, 2), (10**9, 65)):
        modem._library = sated = Sated(library, times)
        assert modem.hear(array("h")) == []
        assert sated.asked == asked, "and does not turn in a circle"
    modem._library = library
    modem.close()


def noisy(sound: array[int], dice: random.Random, rms: float) -> array[int]:
    return array("h", (max(-32768, min(32767, round(x * 0.5 + dice.gauss(0, rms)))) for x in sound))


# -- real modem processes on one channel --------------------------------------------------------------------------


def links_of(air: SoundAir, mode: Mode, **more: Any) -> list[SoundLink]:
    return [SoundLink(SoundSettings(device, mode, lead_ms=50, **more)) for device in air.devices]


def test_a_text_crosses_the_air_and_its_receipt_comes_back(tmp_path: Path) -> None:
    with sound_air(tmp_path / "air", 2, noise_rms=800, speed=20) as air:
        links = links_of(air, Mode.DATAC1)

        async def body(stations: Sequence[Station], group: GroupId) -> None:
            await say_until_delivered(stations, group, apart_s=15, tries=30)

        with_stations(lambda: links, body, timeout_s=600)
        assert all(spoken > 1 for spoken in air.on_air_s)


@pytest.mark.long
@pytest.mark.parametrize("mode", Mode)
def test_three_talk_in_every_mode(tmp_path: Path, mode: Mode) -> None:
    with sound_air(tmp_path / "air", 3, noise_rms=800, speed=15) as air:

        async def body(stations: Sequence[Station], group: GroupId) -> None:
            await say_until_delivered(stations, group, apart_s=40, tries=14)

        with_stations(lambda: links_of(air, mode), body, timeout_s=580)


class SoundPair(LinkPair[SoundLink]):
    """Two ends with real modem processes, as the suites want them. A pulled device: the process is killed."""

    sizes: Sequence[int] = (1, 14, 161, 206)

    def __init__(self, air: SoundAir) -> None:
        super().__init__()
        self._air = air
        self.wrong: list[int] = []

    def _new(self, end: int) -> SoundLink:
        return SoundLink(SoundSettings(self._air.devices[end], Mode.DATAC0, lead_ms=1))

    async def disturb(self, dice: random.Random) -> None:
        """A stranger's bursts: payloads that break the rules, and noise."""
        modem = Modem(Mode.DATAC0)
        strange = array("h", (round(dice.gauss(0, 5_000)) for _ in range(RATE_HZ)))
        for payload in (b"\x00\x00\x00" + dice.randbytes(11), dice.randbytes(14), b"\x00\xff\xff" + bytes(11)):
            strange += modem.burst([payload]) + array("h", [0] * 8_000)
        modem.close()
        before = [link.passed_over for link in self.links]
        self._air.inject(strange)
        while any(link.passed_over == was for link, was in zip(self.links, before, strict=True)):
            await asyncio.sleep(0.05)
        await asyncio.sleep(2)  # its last burst claims more to come: until that would be over, a receiver is deaf
        for events in self.events:
            events.take()

    async def unplug(self, end: int) -> None:
        process = self.links[end]._process
        assert process is not None
        self.links[end]._settings = SoundSettings("pipes:/nowhere:/nowhere", Mode.DATAC0)
        process.kill()
        await self.events[end].until(lambda: not self.events[end].there)

    async def plug(self, end: int) -> None:
        self.links[end]._settings = SoundSettings(self._air.devices[end], Mode.DATAC0, lead_ms=1)
        await self.events[end].until(lambda: self.events[end].there)


MANY = 150  # bursts of a second and more; what the suite takes otherwise would be ten minutes on a busy machine
LONG = {
    "check_many_arrive_once",
    "check_every_size_arrives_identical",
    "check_duplicates_do_no_harm",
    "check_restart_of_either_end",
    "check_the_device_may_go_and_come",
}


@pytest.mark.must("M-SND-3")
@pytest.mark.parametrize(
    "check",
    [
        pytest.param(check, marks=pytest.mark.long if check.__name__ in LONG else (), id=check.__name__)
        for check in (*CHECKS, *BROADCAST_CHECKS)
    ],
)
def test_the_suites(check: Callable[[Any], object], tmp_path: Path) -> None:
    @asynccontextmanager
    async def factory() -> AsyncIterator[SoundPair]:
        with sound_air(tmp_path / "air", 2, noise_rms=200, speed=20) as air:
            made = SoundPair(air)
            try:
                await made.start()
                yield made
            finally:
                for end in (0, 1):
                    await made.stop(end)

    if check is check_many_arrive_once:
        check = partial(check_many_arrive_once, count=MANY)
    run: Any = run_broadcast_check if check in BROADCAST_CHECKS else run_check
    run(factory, check, timeout_s=580)


# -- sound devices and files --------------------------------------------------------------------------------------


def heard_from_wav(path: Path) -> list[bytes]:
    """What another station makes of a recording."""

    async def run() -> list[bytes]:
        link, events = SoundLink(SoundSettings(f"wav:{path}:", Mode.DATAC0)), Recorder()
        task = asyncio.create_task(link.run(events))
        async with asyncio.timeout(20):
            await events.until(lambda: len(events.frames) >= 2)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return events.take()

    return asyncio.run(run())


def sent_through(device: str, frames: Sequence[bytes]) -> list[int | None]:
    """Sends frames and gives the airtimes that were reported."""

    async def run() -> list[int | None]:
        link, events = SoundLink(SoundSettings(device, Mode.DATAC0)), Recorder()
        task = asyncio.create_task(link.run(events))
        async with asyncio.timeout(30):
            while not events.there:
                assert "PortAudio" not in link.state, link.state
                await asyncio.sleep(0.05)
            await say(link, events, frames)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return events.airtimes_ms

    return asyncio.run(run())


def test_wav_files(tmp_path: Path) -> None:
    frames = [b"at the bridge", b"at noon, with both cars"]
    airtimes_ms = sent_through(f"wav::{tmp_path / 'out.wav'}", frames)
    for frame, airtime_ms in zip(frames, airtimes_ms, strict=True):
        parts = len(split(frame, Mode.DATAC0.shape))
        assert airtime_ms == 300 + 110 + 440 * parts + 110 + 50
    assert heard_from_wav(tmp_path / "out.wav") == frames


def test_a_file_that_is_none_is_said(tmp_path: Path) -> None:
    (tmp_path / "x.wav").write_bytes(b"RIFF nothing")

    async def run() -> None:
        link = SoundLink(SoundSettings(f"wav:{tmp_path / 'x.wav'}:"))
        task = asyncio.create_task(link.run(Recorder()))
        async with asyncio.timeout(20):
            while "no WAV file" not in link.state:
                await asyncio.sleep(0.05)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(run())


def test_a_sound_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ALSA's file plugin under PortAudio: what is played lands in a file, what is heard comes from one."""
    import importlib

    try:
        importlib.import_module("sounddevice")
    except OSError:
        pytest.skip("no PortAudio here: apt-get install libportaudio2")
    if not Path("/usr/share/alsa/alsa.conf").exists():
        pytest.skip("no ALSA here: apt-get install libasound2-data")
    frames = [b"at the bridge", b"at noon, with both cars"]
    recording = tmp_path / "in.raw"
    modem = Modem(Mode.DATAC0)
    heard = array("h", [0] * 8_000)
    for frame in frames:
        heard += modem.burst(split(frame, Mode.DATAC0.shape)) + array("h", [0] * 8_000)
    modem.close()
    recording.write_bytes(heard.tobytes())
    config = tmp_path / "asound.conf"
    config.write_text(
        "</usr/share/alsa/alsa.conf>\n"
        f'pcm.air {{ type file slave.pcm null file "{tmp_path}/out.raw" infile "{recording}" format raw }}\n'
    )
    monkeypatch.setenv("ALSA_CONFIG_PATH", str(config))

    async def run() -> None:
        link, events = SoundLink(SoundSettings("air", Mode.DATAC0)), Recorder()
        task = asyncio.create_task(link.run(events))
        async with asyncio.timeout(30):
            await events.until(lambda: len(events.frames) >= 2)
            assert events.take()[:2] == frames
            await say(link, events, [b"back again"])
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(run())
    played = array("h", (tmp_path / "out.raw").read_bytes())
    modem, joiner = Modem(Mode.DATAC0), Joiner(Mode.DATAC0.shape)
    got = [joiner.hear(payload) for payload, _ in modem.hear(played + array("h", [0] * 8_000))]
    modem.close()
    assert b"back again" in got


def test_without_portaudio_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(NotInstalledError, match="libportaudio2"):
        audio.open_audio("")


def test_a_modem_that_lacks_a_library_says_so_and_is_not_started_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = tmp_path / "started"
    (tmp_path / "sounddevice.py").write_text(f"open({str(started)!r}, 'a').write('x')\nraise ImportError\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(radio_link, "RETRY_FIRST_S", 0.02)

    async def run() -> None:
        link = SoundLink(SoundSettings("", Mode.DATAC0))
        task = asyncio.create_task(link.run(Recorder()))
        while not link.state.startswith("cannot be used here"):
            await asyncio.sleep(0.01)
        assert "libportaudio2" in link.state
        await asyncio.sleep(0.2)
        assert started.read_text() == "x"
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(run())


# -- keying -------------------------------------------------------------------------------------------------------


class FakeRig(threading.Thread):
    """rigctld's answers; keeps what it was told."""

    def __init__(self, answer: bytes = b"RPRT 0\n") -> None:
        super().__init__(daemon=True)
        self.told: list[bytes] = []
        self._answer = answer
        self._server = socket.create_server(("127.0.0.1", 0))
        self.place = f"127.0.0.1:{self._server.getsockname()[1]}"
        self.start()

    def run(self) -> None:
        while True:
            client, _ = self._server.accept()
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            while word := client.recv(100):
                self.told.append(word)
                client.sendall(self._answer)


@pytest.mark.must("M-SND-4")
def test_the_rig_is_keyed_around_each_burst_and_released_at_the_end(tmp_path: Path) -> None:
    rig = FakeRig()

    async def run() -> None:
        settings = SoundSettings(f"wav::{tmp_path / 'out.wav'}", Mode.DATAC0, f"rig:{rig.place}")
        link, events = SoundLink(settings), Recorder()
        task = asyncio.create_task(link.run(events))
        async with asyncio.timeout(20):
            await say(link, events, [b"one", b"two"])
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(run())
    assert rig.told == [b"T 0\n", b"T 1\n", b"T 0\n", b"T 1\n", b"T 0\n", b"T 0\n"]


@pytest.mark.must("M-SND-4")
@pytest.mark.parametrize("how", ["cancelled", "killed", "daemon gone"])
def test_whatever_happens_the_transmitter_is_released(
    tmp_path: Path, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(radio_link, "RETRY_FIRST_S", 60)  # the next process would release it, too
    rig = FakeRig()
    with sound_air(tmp_path / "air", 1, speed=1) as air:

        async def run() -> None:
            link = SoundLink(SoundSettings(air.devices[0], Mode.DATAC1, f"rig:{rig.place}"))
            events = Recorder()
            task = asyncio.create_task(link.run(events))
            async with asyncio.timeout(20):
                await events.until(lambda: events.there)
                link.send(bytes(500))
                while rig.told[-1] != b"T 1\n":
                    await asyncio.sleep(0.02)
                process = link._process
                assert process is not None
                if how == "killed":
                    process.kill()
                elif how == "daemon gone":
                    assert process.stdin is not None
                    process.stdin.close()
                else:
                    task.cancel()
                while rig.told[-1] != b"T 0\n":
                    await asyncio.sleep(0.02)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        asyncio.run(run())
    assert rig.told[-1] == b"T 0\n"


def test_a_rig_that_does_not_answer_is_said(tmp_path: Path) -> None:
    async def run(place: str, word: str) -> None:
        link = SoundLink(SoundSettings(f"wav::{tmp_path / 'out.wav'}", Mode.DATAC0, f"rig:{place}"))
        task = asyncio.create_task(link.run(Recorder()))
        async with asyncio.timeout(20):
            while word not in link.state:
                await asyncio.sleep(0.05)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(run("127.0.0.1:1", "rigctld does not answer"))
    asyncio.run(run(FakeRig(b"RPRT -9\n").place, "did not key"))


@pytest.fixture
def rigctld() -> Iterator[str]:
    if shutil.which("rigctld") is None:
        pytest.skip("no rigctld here: apt-get install libhamlib-utils")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen(
        ["rigctld", "-m", "1", "-P", "RIG", "-T", "127.0.0.1", "-t", str(port)], stdin=subprocess.DEVNULL
    )
    for _ in range(100):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            break
        except OSError:
            time.sleep(0.05)
    yield f"127.0.0.1:{port}"
    process.kill()
    process.wait()


def test_hamlibs_dummy_rig(rigctld: str) -> None:
    def keyed() -> bytes:
        host, _, port = rigctld.partition(":")
        with socket.create_connection((host, int(port)), timeout=3) as rig:
            rig.sendall(b"t\n")
            return rig.recv(100)

    rig = ptt.open_ptt(f"rig:{rigctld}")
    for on in (True, False, True):
        rig.key(on)
        assert keyed() == (b"1\n" if on else b"0\n")
    rig.close()
    assert keyed() == b"0\n"


@pytest.mark.parametrize("line", ptt.LINES)
def test_a_line_of_a_serial_port(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A double of pyserial: pseudo-terminals have no such lines."""
    told: list[tuple[str, object]] = []

    class Port:
        def __setattr__(self, name: str, value: object) -> None:
            told.append((name, value))

        def open(self) -> None:
            told.append(("open", None))

        def close(self) -> None:
            told.append(("close", None))

    monkeypatch.setattr("serial.Serial", Port)
    keyer = ptt.open_ptt(f"{line}:/dev/ttyX")
    assert sorted(told[:3], key=str) == [("dtr", False), ("port", "/dev/ttyX"), ("rts", False)]
    assert told[3] == ("open", None)
    keyer.key(True)
    keyer.close()
    assert told[4:] == [(line, True), (line, False), ("close", None)]


@pytest.mark.parametrize("wrong", ["", "vox:x", "rig:/dev/x", "rig:", "rts:h:1", "rts", "laser:/dev/x"])
def test_what_is_no_way_to_key(wrong: str) -> None:
    with pytest.raises(ValueError):
        ptt.read_ptt(wrong)


def test_the_modem_gets_no_variable_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHASQUI_PASSPHRASE_FILE", "/secret")
    assert not [name for name in sound._environment() if name.startswith("CHASQUI")]


def test_the_process_ends_with_its_link(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "chasqui.links.modem_process", f'["datac0", "wav::{tmp_path}/o.wav", "vox", 300]'],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=sound._environment(),
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stdout.read(3) == b"\xc0\x01\xc0"
    process.send_signal(signal.SIGINT)  # of a terminal: not for it
    process.stdin.close()
    assert process.wait(10) == 0
    process.stdout.close()
    assert os.path.exists(tmp_path)
