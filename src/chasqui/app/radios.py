"""Radio links of a vault: what their settings say, and the link that follows from them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Final

from chasqui.base.secret import Secret
from chasqui.links.ax25 import read_callsign
from chasqui.links.device import BAUD_DEFAULT, read_place
from chasqui.links.kiss_link import BIT_RATE_DEFAULT, KissLink, KissSettings
from chasqui.links.lora import Lora, read_frequency
from chasqui.links.meshtastic_board import Preset
from chasqui.links.meshtastic_link import MeshtasticLink, MeshtasticSettings
from chasqui.links.radio_limits import KISS_MTU_DEFAULT, MESHTASTIC_MTU_DEFAULT, RNODE_MTU_DEFAULT
from chasqui.links.rnode_link import RNodeLink, RNodeSettings
from chasqui.links.sound import LEAD_MS_DEFAULT, SoundLink, SoundSettings
from chasqui.media.modes import Mode
from chasqui.node.broadcast_end import DUMMY_SHARE
from chasqui.node.link_port import BroadcastLink

PERCENT_ALL: Final = "100"


def rnode_settings(settings: Mapping[str, str]) -> RNodeSettings:
    """The settings of an `rnode` link. Raises `ValueError`."""
    lora = Lora(
        read_frequency(settings["frequency"]),
        round(float(settings["bandwidth"]) * 1000),
        int(settings["spreading"]),
        int(settings["coding"]),
        int(settings["power"]),
    )
    share = float(settings["airtime"]) / 100
    return RNodeSettings(settings["place"], lora, share, int(settings.get("mtu", RNODE_MTU_DEFAULT)))


def meshtastic_settings(settings: Mapping[str, str]) -> MeshtasticSettings:
    """The settings of a `meshtastic` link. Raises `ValueError`."""
    return MeshtasticSettings(
        settings["place"],
        float(settings["airtime"]) / 100,
        Preset.named(settings["preset"]),
        int(settings.get("channel", 0)),
        int(settings.get("mtu", MESHTASTIC_MTU_DEFAULT)),
    )


def kiss_settings(settings: Mapping[str, str]) -> KissSettings:
    """The settings of a `kiss` link. Raises `ValueError`."""
    tx_delay = settings.get("tx_delay")
    return KissSettings(
        settings["place"],
        callsign=read_callsign(settings.get("callsign", "")),
        bit_rate_bps=int(settings.get("bit_rate", BIT_RATE_DEFAULT)),
        airtime_share_max=float(settings.get("airtime", PERCENT_ALL)) / 100,
        mtu_bytes=int(settings.get("mtu", KISS_MTU_DEFAULT)),
        tx_delay_ms=None if tx_delay is None else int(tx_delay),
        tnc_port=int(settings.get("tnc_port", 0)),
        baud=int(settings.get("baud", BAUD_DEFAULT)),
    )


def key_of(settings: Mapping[str, str]) -> Secret:
    """The neighbourhood key of a link, or none."""
    return Secret(bytes.fromhex(settings.get("key", "")))


def dummies_of(settings: Mapping[str, str]) -> float:
    """The share of the airtime for frames that say nothing."""
    return float(settings["dummies"]) / 100 if "dummies" in settings else DUMMY_SHARE


def shown(settings: Mapping[str, str]) -> dict[str, str]:
    """The settings of any link without what is secret."""
    return {key: "(set)" if key == "key" else value for key, value in settings.items()}


def transmitter_of(kind: str, settings: Mapping[str, str]) -> tuple[str, str]:
    """Which radio a link has: two links with one radio would each take the whole share of airtime, and a serial line or
    a sound device has room for one alone."""
    if kind == "sound":
        return "sound", settings.get("device", "")
    place = settings["place"]
    if isinstance(read_place(place), str):
        return "line", os.path.realpath(place)
    return f"network, radio {int(settings.get('tnc_port', 0))}", place.lower()


def sound_settings(settings: Mapping[str, str]) -> SoundSettings:
    """The settings of a `sound` link. Raises `ValueError`."""
    return SoundSettings(
        settings.get("device", ""),
        Mode(settings.get("mode", Mode.DATAC3.value)),
        settings.get("ptt", "vox"),
        int(settings.get("lead", LEAD_MS_DEFAULT)),
        float(settings.get("airtime", PERCENT_ALL)) / 100,
    )


_MAKERS: Final[dict[str, Callable[[Mapping[str, str]], BroadcastLink]]] = {
    "rnode": lambda settings: RNodeLink(rnode_settings(settings)),
    "meshtastic": lambda settings: MeshtasticLink(meshtastic_settings(settings)),
    "kiss": lambda settings: KissLink(kiss_settings(settings)),
    "sound": lambda settings: SoundLink(sound_settings(settings)),
}
RADIO_KINDS: Final = frozenset(_MAKERS)


def radio_link(kind: str, settings: Mapping[str, str]) -> BroadcastLink:
    """The link of a record of one of `RADIO_KINDS`. Raises `ValueError` for settings of another version."""
    return _MAKERS[kind](settings)
