"""`link test` of a radio: a few numbered frames, and what others who test at the same time say they heard of them."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Protocol

from chasqui.app.errors import LinkFailedError
from chasqui.app.results import StationTested
from chasqui.base.errors import PeerError
from chasqui.delivery.airtime import Air
from chasqui.links.probe import PROBES, STATION_BYTES, Heard, StationId, Tally, read_probe, worst, write_probe
from chasqui.node.broadcast_end import ProbeEar
from chasqui.node.link_port import LinkProfile

GAP_S_MIN: Final = 2.0  # between two probes, on a link that is fast
GAP_FRAMES: Final = 4  # mean gap in frames: three who test at once still leave the channel free half of the time
GAPS_LISTENED: Final = 2  # after the last one
TEXT_FRAME_BYTES: Final = 161  # a usual text, sealed
GOOD: Final = 0.9  # share of frames that arrive
USABLE: Final = 0.6
POOR: Final = 0.25  # below it even a short text takes a dozen tries

Sleep = Callable[[float], Awaitable[object]]  # on the clock of the channel: a double's may run faster


def gap_of(air: Air, gap_s_min: float = GAP_S_MIN) -> float:
    """Seconds between two test frames, on average."""
    return max(gap_s_min, GAP_FRAMES * air.airtime_ms(min(air.mtu_bytes, TEXT_FRAME_BYTES)) / 1000)


def lasts_s(profile: LinkProfile) -> float:
    """How long a test of this link takes."""
    air = Air(profile.mtu_bytes, profile.bit_rate_bps or 1, profile.frame_overhead_ms, profile.airtime_share_max)
    frame_s = air.airtime_ms(min(air.mtu_bytes, TEXT_FRAME_BYTES)) / 1000
    return PROBES * frame_s + (PROBES + GAPS_LISTENED) * gap_of(air)


class Prober(Protocol):
    """A link that is there and can be tested."""

    @property
    def air(self) -> Air: ...

    async def probe(self, frame: bytes) -> bool:
        """Sends one frame; whether that was within the budget and the device was there."""
        ...

    def listen(self, tally: ProbeEar | None) -> None:
        """Whoever hears probes from now on."""
        ...


@dataclass(frozen=True)
class Measured:
    """What a test found out."""

    sent: int
    others: tuple[Heard, ...]
    text_ms: int  # airtime of a usual text
    texts_an_hour: int


class Measurement:
    """One test."""

    def __init__(self, link: Prober, gap_s_min: float = GAP_S_MIN, sleep: Sleep = asyncio.sleep) -> None:
        self._link = link
        self._tally = Tally(StationId(secrets.token_bytes(STATION_BYTES)))
        self._gap_s_min, self._sleep = gap_s_min, sleep

    def take(self, frame: bytes, strength_db: float | None) -> bool:
        """See `ProbeEar`."""
        try:
            probe = read_probe(frame)
        except PeerError:
            return False
        self._tally.heard(probe, strength_db)
        return True

    async def run(self) -> Measured:
        """Sends probes, far enough apart that others get a word in, and listens a while longer."""
        air = self._link.air
        gap_s = gap_of(air, self._gap_s_min)
        sent = 0
        self._link.listen(self)
        try:
            for number in range(1, PROBES + 1):
                await self._sleep(gap_s * (0.5 + secrets.randbelow(1000) / 1000))
                sent += await self._link.probe(write_probe(self._tally.probe(number), air.mtu_bytes))
            await self._sleep(GAPS_LISTENED * gap_s)
        finally:
            self._link.listen(None)
        pieces = -(-TEXT_FRAME_BYTES // air.mtu_bytes)
        text_ms = pieces * air.airtime_ms(min(air.mtu_bytes, TEXT_FRAME_BYTES))
        return Measured(sent, self._tally.result(), text_ms, air.hour_ms // text_ms)


def judge(measured: Measured) -> tuple[str, tuple[StationTested, ...]]:
    """The verdict in words. Raises `LinkFailedError` where the link is not good enough for anything."""
    if not measured.sent:
        raise LinkFailedError(
            "Nothing could be sent: the radio went away, or this hour's airtime for tests is spent.",
            todo="See `chasqui link list`; the airtime is free again within an hour.",
        )
    if not measured.others:
        raise LinkFailedError(
            f"Not good enough: the radio took {_count(measured.sent, 'test frame')}, but no other station that tests "
            "was heard.",
            safety="Nothing of your messages was sent by this.",
            todo="Somebody else in range must run `chasqui link test` within the same half minute. If both did: "
            "check frequency, volume, squelch and antenna, and that the radio keys up.",
        )
    best = worst(measured.others[0])
    lines = [_station(number, heard) for number, heard in enumerate(measured.others, 1)]
    lines.append(
        f"A short text takes {_seconds(measured.text_ms)} on the air; at most {measured.texts_an_hour} an hour fit."
    )
    stations = tuple(StationTested(h.arrived, h.reached, h.strength_db) for h in measured.others)
    if best < POOR:
        raise LinkFailedError(
            f"Not good enough: the link is too weak. {' '.join(lines)}",
            todo="Move, raise the antenna, set the volume, or use a slower mode; then test again.",
        )
    if best >= GOOD:
        verdict = "Good: nearly every frame gets through, texts and files alike."
    elif best >= USABLE:
        verdict = "Good enough for texts: some frames are lost and sent again. Files are slow."
    else:
        verdict = "Poor: short texts get through after several tries; do not count on files."
    return "\n".join([verdict, *lines]), stations


def _station(number: int, heard: Heard) -> str:
    there = "it has not told what it heard of yours" if heard.reached is None else f"{heard.reached:.0%} of yours there"
    strength = ""
    if heard.strength_db is not None:
        side = "above" if heard.strength_db >= 0 else "below"
        strength = f", {abs(heard.strength_db):.0f} dB {side} the noise"
    return f"Station {number}: {heard.arrived:.0%} of its frames arrived here, {there}{strength}."


def _seconds(ms: int) -> str:
    return f"{ms / 1000:.1f} s" if ms < 90_000 else f"{ms // 60_000} min"


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"
