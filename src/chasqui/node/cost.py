"""What it costs a link to carry something, from what the link says of itself: pure, and known before it is sent."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from chasqui.base.limits import BUNDLE_STEPS, FILE_PART_BYTES
from chasqui.delivery.generations import CHECK_BYTES, fits_whole
from chasqui.delivery.radio_frames import CODED_HEADER_BYTES
from chasqui.groups.bodies import parts_of
from chasqui.media.burst import Burst, Quality
from chasqui.node.link_port import LinkProfile
from chasqui.sealed.bundle import step_for
from chasqui.sealed.object import SHORT_OVERHEAD_BYTES

LASTS_S_MAX: Final = 600  # what holds a link up for longer is asked about first
_VOICE_SHARE: Final = 4  # speech as it is spoken may take a quarter of a link: others want to talk, too
_SEALED_OVER_SPEECH: Final = 1.2  # 10 s at 700C: 875 bytes in a bundle of 978, and the frames around it
_BLOCK_BYTES: Final = 2  # the length before a body
_PART_BODY_BYTES: Final = 41  # digest and number beside the bytes of a part


@dataclass(frozen=True)
class Cost:
    """Of sending something over one link. `on_air_s`: the transmitter works so long; `lasts_s`: until it is through,
    with what gets lost and the share of time that the link may use."""

    on_air_s: float
    lasts_s: float


def rate_bps(profile: LinkProfile) -> float | None:
    """What gets through in the long run; None: more than anybody needs to care about."""
    if profile.bit_rate_bps is None:
        return None
    return profile.bit_rate_bps * profile.airtime_share_max * (1 - profile.loss_expected)


def slowest(profiles: Iterable[LinkProfile]) -> LinkProfile | None:
    """Of the links that have a rate, the slowest."""
    rated = [(rate, profile) for profile in profiles if (rate := rate_bps(profile)) is not None]
    return min(rated, key=lambda each: each[0])[1] if rated else None


def quality_for(profiles: Iterable[LinkProfile]) -> Quality:
    """The best quality that the slowest link carries in a quarter of its time while somebody speaks, else the most
    frugal one. A message goes over every link there is, so the slowest decides."""
    profile = slowest(profiles)
    rate = None if profile is None else rate_bps(profile)
    for quality in sorted(Quality, reverse=True):
        if rate is None or quality.bits_per_s * _SEALED_OVER_SPEECH * _VOICE_SHARE <= rate:
            return quality
    return Quality.Q700C


def bundles_of_speech(bursts: Sequence[Burst]) -> list[int]:
    """The sizes of their bundles."""
    return [_bundle(len(burst.to_body())) for burst in bursts]


def bundles_of_file(size: int) -> list[int]:
    """The sizes of the bundles of a file; its manifest is counted as the smallest."""
    parts = parts_of(size)
    last = size - (parts - 1) * FILE_PART_BYTES
    whole = [_bundle(FILE_PART_BYTES + _PART_BODY_BYTES)] * (parts - 1)
    return [BUNDLE_STEPS[0], *whole, _bundle(last + _PART_BODY_BYTES)]


def cost_on(profile: LinkProfile, bundles: Iterable[int]) -> Cost | None:
    """At least what these bundles cost; None for a link that is faster than anybody needs to care about."""
    rate = rate_bps(profile)
    if rate is None or profile.bit_rate_bps is None:
        return None
    on_air_s = sum(_on_air_s(profile, profile.bit_rate_bps, size) for size in bundles)
    return Cost(on_air_s, on_air_s * profile.bit_rate_bps / rate)


def _on_air_s(profile: LinkProfile, bit_rate_bps: int, size: int) -> float:
    """One bundle in as many frames as it needs."""
    room = profile.mtu_bytes - CODED_HEADER_BYTES
    frames, length = 1, size
    if not fits_whole(size, profile.mtu_bytes):
        frames = -(-(size + CHECK_BYTES) // max(1, room))
        length = -(-(size + CHECK_BYTES) // frames) * frames
    return frames * profile.frame_overhead_ms / 1000 + 8 * (length + frames * CODED_HEADER_BYTES - 1) / bit_rate_bps


def _bundle(body: int) -> int:
    return step_for(SHORT_OVERHEAD_BYTES + _BLOCK_BYTES + body)
