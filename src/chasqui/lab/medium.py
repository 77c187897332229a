"""What the stations of a radio channel are set to, in the figures that a channel needs. Sources: `docs/lab.md`."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Final

from chasqui.lab.ground import BUILT_UP, VHF_TOWN, PathLoss
from chasqui.links.kiss_link import KissLink, KissSettings
from chasqui.links.rnode import airtime_ms, preamble_of
from chasqui.links.rnode_link import RNodeLink, RNodeSettings
from chasqui.node.link_port import LinkProfile

THERMAL_DBM_HZ: Final = -174.0
LORA_NOISE_FIGURE_DB: Final = 6.0  # Semtech AN1200.22
LORA_SNR_DB: Final = {7: -7.5, 8: -10.0, 9: -12.5, 10: -15.0, 11: -17.5, 12: -20.0}  # SX1276 data sheet, table 13
LORA_CAPTURE_DB: Final = 6.0  # Bor et al., MSWiM 2016
LORA_SYNC_SYMBOLS: Final = 5  # the end of a preamble that has to be heard undisturbed: there
LORA_DETECT_SYMBOLS: Final = 4  # of a preamble, until a board knows that the channel is busy
LORA_SLOT_MS: Final = 24  # of the RNode firmware: it waits 1 to 15 of them after a busy channel
LORA_SLOTS: Final = 15
FM_NOISE_DBM: Final = -122.0  # 15 kHz, noise figure 10 dB: a handheld
FM_SENSITIVITY_DBM: Final = -112.0  # so that 1200 Bd AFSK is read: 0.25 uV at 12 dB SINAD, and 7 dB more
FM_CAPTURE_DB: Final = 10.0  # Leentvaar and Flint, IEEE Trans. Commun. 1976: 5 to 10 dB with noise
PACKET_SLOT_MS: Final = 100  # KISS: SlotTime 10, P 63 of 255
PACKET_PERSISTENCE: Final = 0.25
PACKET_DETECT_MS: Final = 50  # until the demodulator of a TNC has locked


@dataclass(frozen=True)
class Medium:
    """What all stations of a channel are set to. `profile` is the one of the real link with these settings."""

    profile: LinkProfile
    airtime_ms: Callable[[int], int]  # of a frame of so many bytes
    power_dbm: float
    noise_dbm: float
    sensitivity_dbm: float  # a frame that is weaker is not heard
    capture_db: float  # by so much stronger a frame is heard although another one is on the air
    slack_ms: float  # at the beginning of a frame, which may be disturbed
    locks: bool  # whether a receiver follows the first frame that it hears to its end
    detect_ms: float  # after the beginning of a frame, until others hear that the channel is busy
    wait_ms: Callable[[Random], int]  # once a busy channel is free again
    waits_always: bool  # on a free channel, too
    path: PathLoss  # where nothing else is said

    @property
    def loss_db_max(self) -> float:
        """What is lost beyond that is neither heard nor harms."""
        return self.power_dbm - self.sensitivity_dbm + self.capture_db


def lora_medium(settings: RNodeSettings) -> Medium:
    """LoRa boards, as RNodes do it."""
    lora = settings.lora
    noise_dbm = THERMAL_DBM_HZ + 10 * math.log10(lora.bandwidth_hz) + LORA_NOISE_FIGURE_DB
    return Medium(
        profile=RNodeLink(settings).profile,
        airtime_ms=lambda size: math.ceil(airtime_ms(lora, size)),
        power_dbm=lora.power_dbm,
        noise_dbm=noise_dbm,
        sensitivity_dbm=noise_dbm + LORA_SNR_DB[lora.spreading],
        capture_db=LORA_CAPTURE_DB,
        slack_ms=(preamble_of(lora) - LORA_SYNC_SYMBOLS) * lora.symbol_ms,
        locks=True,
        detect_ms=LORA_DETECT_SYMBOLS * lora.symbol_ms,
        wait_ms=lambda chance: LORA_SLOT_MS * chance.randint(1, LORA_SLOTS),
        waits_always=False,
        path=BUILT_UP,
    )


def packet_medium(settings: KissSettings, power_dbm: float) -> Medium:
    """Packet radio on FM sets, as TNCs do it."""
    profile = KissLink(settings).profile
    rate_bps = profile.bit_rate_bps or 1

    def wait_ms(chance: Random) -> int:
        slots = 0
        while chance.random() >= PACKET_PERSISTENCE:
            slots += 1
        return slots * PACKET_SLOT_MS

    return Medium(
        profile=profile,
        airtime_ms=lambda size: profile.frame_overhead_ms + -(-size * 8000 // rate_bps),
        power_dbm=power_dbm,
        noise_dbm=FM_NOISE_DBM,
        sensitivity_dbm=FM_SENSITIVITY_DBM,
        capture_db=FM_CAPTURE_DB,
        slack_ms=max(settings.keyed_ms * 3 // 4 - PACKET_DETECT_MS, 0),
        locks=False,
        detect_ms=PACKET_DETECT_MS,
        wait_ms=wait_ms,
        waits_always=True,
        path=VHF_TOWN,
    )
