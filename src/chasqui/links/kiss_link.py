"""Packet radio through a TNC that speaks KISS, at a serial line or over TCP (Direwolf). A `BroadcastLink`.

KISS does not tell when a frame has left, so that is reckoned: what keying up and the bits take, and what was heard
meanwhile, for a radio that hears does not send.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from chasqui.base.errors import PeerError
from chasqui.links.ax25 import BLANK, HEADER_BYTES, Callsign, read_ui, write_ui
from chasqui.links.device import BAUD_DEFAULT, Device, DeviceGoneError, open_device
from chasqui.links.kiss import PORTS, Command, KissFrame, KissReader, write_kiss
from chasqui.links.leaving import Leaving
from chasqui.links.radio_limits import KISS_MTU_DEFAULT, KISS_MTU_MAX
from chasqui.links.radio_link import RadioLink
from chasqui.node.link_port import BroadcastEvents

BIT_RATE_DEFAULT: Final = 1_200  # AFSK on VHF, what most stations are set to
TX_DELAY_MS_DEFAULT: Final = 300
TX_DELAY_MS_MAX: Final = 2_550  # one byte of 10 ms
_FRAMING_BYTES: Final = HEADER_BYTES + 4  # and two flags and the check sequence
_STUFFED: Final = 63, 62  # after five ones a zero is put in: one bit in 62 of random ones


@dataclass(frozen=True)
class KissSettings:
    """What the owner of the radio says of it. Raises `ValueError` for what cannot be."""

    place: str  # HOST:PORT or the path of a serial line
    callsign: Callsign = BLANK
    bit_rate_bps: int = BIT_RATE_DEFAULT  # on the air
    airtime_share_max: float = 1.0
    mtu_bytes: int = KISS_MTU_DEFAULT
    tx_delay_ms: int | None = None  # None: what the TNC is set to
    tnc_port: int = 0  # of a TNC with several radios
    baud: int = BAUD_DEFAULT  # of the serial line

    def __post_init__(self) -> None:
        good = (
            self.bit_rate_bps > 0
            and 0 < self.airtime_share_max <= 1
            and 0 < self.mtu_bytes <= KISS_MTU_MAX
            and 0 <= (self.tx_delay_ms or 0) <= TX_DELAY_MS_MAX
            and 0 <= self.tnc_port < PORTS
            and self.baud > 0
        )
        if not good:
            raise ValueError("a setting of the link is out of its bounds")

    @property
    def keyed_ms(self) -> int:
        """How long the transmitter is on before and after the frame."""
        delay_ms = TX_DELAY_MS_DEFAULT if self.tx_delay_ms is None else self.tx_delay_ms
        return delay_ms + delay_ms // 3


class KissLink(RadioLink):
    """One radio."""

    def __init__(self, settings: KissSettings) -> None:
        self._settings = settings
        self._events: BroadcastEvents | None = None  # while the device is there
        self._device: Device | None = None
        self._reader = KissReader()
        self._leaving = Leaving(self._left)
        rate_bps = settings.bit_rate_bps * _STUFFED[1] // _STUFFED[0]
        super().__init__(
            "kiss",
            mtu_bytes=settings.mtu_bytes,
            bit_rate_bps=max(1, rate_bps),
            airtime_share_max=settings.airtime_share_max,
            frame_overhead_ms=settings.keyed_ms + _FRAMING_BYTES * 8000 // settings.bit_rate_bps,
        )

    # -- RadioLink --------------------------------------------------------------------------------------------

    @property
    def _there(self) -> bool:
        return self._device is not None

    @property
    def _under_way(self) -> bool:
        return self._leaving.under_way

    @property
    def _missing(self) -> str:
        return f"no TNC ({self._trouble}); trying again" if self._trouble else "looking for the TNC"

    def _begin(self, frame: bytes) -> None:
        self._say(Command.DATA, write_ui(self._settings.callsign, frame))
        self._leaving.begin(self._settings.keyed_ms + self._airtime_ms(len(frame)))

    async def _use(self, events: BroadcastEvents) -> bool:
        try:
            device = await open_device(self._settings.place, self._settings.baud)
        except DeviceGoneError as error:
            self._trouble = error.what
            return False
        await self._serve(device, events)
        return True

    async def _serve(self, device: Device, events: BroadcastEvents) -> None:
        """Until the device goes, or whoever listens is cancelled or fails."""
        self._device, self._events, self._reader = device, events, KissReader()
        try:
            if self._settings.tx_delay_ms is not None:
                self._say(Command.TX_DELAY, bytes((self._settings.tx_delay_ms // 10,)))
                self._say(Command.TX_TAIL, bytes((self._settings.tx_delay_ms // 30,)))
            events.opened()
            while True:
                self._take(await device.read(), events)
        except DeviceGoneError as error:
            self._trouble = error.what
        finally:
            self._device = self._events = None
            self._leaving.stop()
            device.close()
            events.closed()

    def _take(self, data: bytes, events: BroadcastEvents) -> None:
        torn_before = self._reader.passed_over
        for frame in self._reader.feed(data):
            if frame.port != self._settings.tnc_port or frame.command != Command.DATA:
                self.passed_over += 1
                continue
            self._leaving.busy(self._airtime_ms(len(frame.data)))
            try:
                info = read_ui(frame.data)
            except PeerError:
                self.passed_over += 1
                continue
            if len(info) > KISS_MTU_MAX:
                self.passed_over += 1
                continue
            self.heard_frames += 1
            events.heard(info, None)
        self.passed_over += self._reader.passed_over - torn_before

    def _say(self, command: Command, data: bytes) -> None:
        assert self._device is not None  # noqa: S101
        try:
            self._device.write(write_kiss(KissFrame(self._settings.tnc_port, command, data)))
        except DeviceGoneError:
            self._device.close()  # whoever reads from it learns that, too

    # -- when a frame has left --------------------------------------------------------------------------------

    def _airtime_ms(self, info_bytes: int) -> float:
        return self._profile.frame_overhead_ms + info_bytes * 8000 / (self._profile.bit_rate_bps or 1)

    def _left(self) -> None:
        if self._events is not None:
            self._events.sent(None)
