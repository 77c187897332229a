"""Recordings of other rates at the 8 kHz of speech: a polyphase low-pass filter, in plain Python (2 % of real time)."""

from __future__ import annotations

from array import array
from functools import cache
from math import ceil, cosh, gcd, pi, sin, sqrt
from operator import mul
from typing import Final

from chasqui.media.burst import SAMPLES_PER_S

_CUT_HZ: Final = 3_900  # the codec hears nothing above 3.7 kHz ...
_SLOPE_HZ: Final = 1_200  # ... so what folds back from 4.5 kHz and less does no harm
_STOP_DB: Final = 50  # below the hiss of a telephone
_TOP: Final = 32_767


def to_speech_rate(pcm: array[int], rate: int) -> array[int]:
    """Samples of a rate above 8 kHz at 8 kHz; those at 8 kHz as they are."""
    if rate == SAMPLES_PER_S:
        return pcm
    step = gcd(rate, SAMPLES_PER_S)
    up, down = SAMPLES_PER_S // step, rate // step
    phases = _phases(rate, up)
    taps = len(phases[0])
    ahead = taps // 2
    silence = array("h", bytes(2 * taps))
    padded = silence[:ahead] + pcm + silence
    out = array("h")
    for index in range(len(pcm) * up // down):
        start, phase = divmod(index * down, up)
        level = round(sum(map(mul, phases[phase], padded[start : start + taps])))
        out.append(max(-_TOP - 1, min(_TOP, level)))
    return out


@cache
def _phases(rate: int, up: int) -> tuple[tuple[float, ...], ...]:
    """A windowed sinc (Kaiser) for each place that a sample of speech can have between two of the recording."""
    taps = 2 * ceil((_STOP_DB - 8) / (2.285 * 2 * pi * _SLOPE_HZ / rate) / 2)
    shape = 0.5842 * (_STOP_DB - 21) ** 0.4 + 0.07886 * (_STOP_DB - 21)
    phases = []
    for phase in range(up):
        places = [tap - taps // 2 - phase / up for tap in range(taps)]
        weights = [_sinc(2 * _CUT_HZ / rate * x) * _window(shape, 2 * x / taps) for x in places]
        whole = sum(weights)
        phases.append(tuple(weight / whole for weight in weights))
    return tuple(phases)


def _sinc(x: float) -> float:
    return sin(pi * x) / (pi * x) if x else 1.0


def _window(shape: float, place: float) -> float:
    """Kaiser's, for a place from -1 to 1."""
    return _bessel(shape * sqrt(max(0.0, 1 - place**2)))


def _bessel(x: float) -> float:
    """I0, by its integral: the mean of cosh(x cos t) over half a turn."""
    steps = 64
    return sum(cosh(x * sin(pi * (k + 0.5) / (2 * steps))) for k in range(steps)) / steps
