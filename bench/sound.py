"""Sound: how many frames arrive in each mode of the modem, through noise and through fading. One core.

`python3 -m bench.sound 500` measures as many frames at each step and writes the table of docs/howto/link-sound.md.
"""

from __future__ import annotations

import math
import random
import sys
import time
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any, Final

from chasqui.links.sound_frames import Joiner, split
from chasqui.media.library import CodecMissingError, codec2_library
from chasqui.media.modem import Modem
from chasqui.media.modes import RATE_HZ, Mode

FRAMES: Final = 8  # of the short run
BURSTS: Final = 16  # different ones; the channel is another one for each frame
WEAKEST_DB: Final = {Mode.DATAC1: 3, Mode.DATAC3: -2, Mode.DATAC0: -2, Mode.DATAC4: -8, Mode.DATAC13: -8}
STEPS_DB: Final = (-2, 0, 2)  # from there, through noise
FADED_DB: Final = (2, 6, 12)  # and through fading
DOPPLER_HZ: Final = 1.0  # two paths, each fading so fast, two milliseconds apart: 'poor' of ITU-R F.1487
LATE_SAMPLES: Final = 16
QUIET_SAMPLES: Final = 2_400  # before each burst
GAIN_SAMPLES: Final = 80  # how long a path is taken to stay as it is
_BLOCK: Final = 320
_BAND: Final = 3_000 / (RATE_HZ / 2)  # the part of the noise that counts
_TAPS: Final = 45

Row = dict[str, Any]


@dataclass(frozen=True)
class Burst:
    """One frame as sound, with the same a quarter of a wave later, which fading needs."""

    frame: bytes
    sound: array[int]
    turned: array[int]


@dataclass(frozen=True)
class Counted:
    """What arrived."""

    sent: int
    arrived: int
    wrong: int  # frames that nobody sent
    audio_s: float
    took_s: float


def figures() -> list[Row]:
    """A few frames of each mode at its weakest signal through noise, and through fading; the rest takes an hour."""
    try:
        codec2_library()
    except CodecMissingError:
        return [_row("frames by sound", None, "", None, "libcodec2 is not installed")]
    rows = []
    for mode in Mode:
        bursts = bursts_of(mode, random.Random(1))
        noise = measured(mode, bursts, FRAMES, WEAKEST_DB[mode] + 2, fading=False)
        fading = measured(mode, bursts, FRAMES, WEAKEST_DB[mode] + 12, fading=True)
        note = f"of {FRAMES}; 500 of each are in docs/howto/link-sound.md"
        rows += [
            _row(f"{mode.value}, {WEAKEST_DB[mode] + 2:+d} dB in noise", noise.arrived, "frames", None, note),
            _row(f"{mode.value}, {WEAKEST_DB[mode] + 12:+d} dB fading", fading.arrived, "frames", None, note),
            _row(
                f"{mode.value}, heard", noise.audio_s / noise.took_s, "x real time", None, "with noise made by Python"
            ),
        ]
    return rows


def bursts_of(mode: Mode, dice: random.Random) -> list[Burst]:
    """Frames of one modem frame each."""
    modem = Modem(mode)
    made = []
    for _ in range(BURSTS):
        frame = dice.randbytes(mode.shape.payload_bytes - 3)
        sound = modem.burst(split(frame, mode.shape))
        made.append(Burst(frame, sound, _turned(sound)))
    modem.close()
    return made


def measured(mode: Mode, bursts: Sequence[Burst], frames: int, snr_db: float, *, fading: bool) -> Counted:
    """Frames through a channel. `snr_db` is that of the burst, on average, against the noise in 3 kHz."""
    dice = random.Random(f"{mode.value} {snr_db} {fading}")
    level = math.sqrt(sum(x * x for b in bursts for x in b.sound) / sum(len(b.sound) for b in bursts))
    noise_rms = level / 10 ** (snr_db / 20) / math.sqrt(_BAND)
    scale = min(1.0, 5_000 / max(noise_rms, level))  # nothing is clipped
    noise = array("h", (round(dice.gauss(0, noise_rms * scale)) for _ in range(1 << 18)))
    paths = [_path(dice), _path(dice)] if fading else []
    modem, joiner = Modem(mode), Joiner(mode.shape)
    arrived = wrong = samples = 0
    began = time.perf_counter()
    for number in range(frames):
        burst = bursts[number % len(bursts)]
        heard = _through(burst, paths, noise, scale, dice)
        samples += len(heard)
        got = set(_received(modem, joiner, heard))
        arrived += burst.frame in got
        wrong += len(got - {b.frame for b in bursts})
    modem.close()
    return Counted(frames, arrived, wrong, samples / RATE_HZ, time.perf_counter() - began)


def _received(modem: Modem, joiner: Joiner, heard: array[int]) -> Iterator[bytes]:
    """As the process of the modem does it."""
    for at in range(0, len(heard), _BLOCK):
        for payload, _ in modem.hear(heard[at : at + _BLOCK]):
            frame = joiner.hear(payload)
            if joiner.over:
                modem.next_burst()
            if frame is not None:
                yield frame
        if not modem.busy:
            joiner.lost()


def _through(
    burst: Burst, paths: Sequence[Iterator[complex]], noise: array[int], scale: float, dice: random.Random
) -> array[int]:
    sound = [0.0] * QUIET_SAMPLES
    if not paths:
        sound += [scale * x for x in burst.sound]
    else:
        zeroes = [0] * LATE_SAMPLES
        soon = [*burst.sound, *zeroes], [*burst.turned, *zeroes]
        late = [*zeroes, *burst.sound], [*zeroes, *burst.turned]
        for at in range(0, len(soon[0]), GAIN_SAMPLES):
            first, second = (scale * next(path) for path in paths)
            parts = (part[at : at + GAIN_SAMPLES] for part in (*soon, *late))
            sound += [
                first.real * a + first.imag * b + second.real * c + second.imag * d
                for a, b, c, d in zip(*parts, strict=True)
            ]
    sound += [0.0] * QUIET_SAMPLES  # until the modem has heard all of it
    start = dice.randrange(len(noise))
    spoiled = array("h")
    for at in range(0, len(sound), 4_096):
        piece = sound[at : at + 4_096]
        begin = (start + at) % (len(noise) - 4_096)
        mixed = zip(piece, noise[begin : begin + len(piece)], strict=True)
        spoiled.extend(max(-32768, min(32767, int(x + y))) for x, y in mixed)
    return spoiled


def _path(dice: random.Random) -> Iterator[complex]:
    """The gains of one path, whose spread of frequencies is a bell, and whose power is a half on average."""
    waves = [(dice.gauss(0, DOPPLER_HZ / 2), dice.uniform(0, math.tau)) for _ in range(16)]
    for step in count():
        t = math.tau * step * GAIN_SAMPLES / RATE_HZ
        yield sum(complex(math.cos(t * f + p), math.sin(t * f + p)) for f, p in waves) / math.sqrt(2 * len(waves))


def _turned(sound: array[int]) -> array[int]:
    """A quarter of a wave later, for what lies well inside the band (Hilbert, with a window)."""
    half = _TAPS // 2
    taps = [
        (at - half, 2 / (math.pi * (at - half)) * (0.54 - 0.46 * math.cos(math.tau * at / (_TAPS - 1))))
        for at in range(_TAPS)
        if (at - half) % 2
    ]
    wide = [0] * half + list(sound) + [0] * half
    parts = [[tap * x for x in wide[half - at : half - at + len(sound)]] for at, tap in taps]
    return array("h", (max(-32768, min(32767, round(sum(column)))) for column in zip(*parts, strict=True)))


def table(frames: int, modes: Iterable[Mode]) -> Iterator[str]:
    """Rows for the how-to, as they are measured."""
    for mode in modes:
        bursts = bursts_of(mode, random.Random(1))
        for steps, fading in ((STEPS_DB, False), (FADED_DB, True)):
            for step in steps:
                snr_db = WEAKEST_DB[mode] + step
                done = measured(mode, bursts, frames, snr_db, fading=fading)
                share = 100 * (1 - done.arrived / done.sent)
                how = "fading" if fading else "noise"
                yield f"| `{mode.value}` | {how} | {snr_db:+d} dB | {share:.1f} % | {done.wrong} |"


def _row(name: str, value: float | None, unit: str, bound: str | None, note: str | None) -> Row:
    return {"name": name, "value": value, "unit": unit, "bound": bound, "peer": None, "note": note}


if __name__ == "__main__":
    for line in table(int(sys.argv[1]), [Mode(name) for name in sys.argv[2:]] or Mode):
        print(line, flush=True)
