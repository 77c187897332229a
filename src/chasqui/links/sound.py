"""Any voice radio through a sound card: FreeDV data modes, and a way to key the transmitter. A `BroadcastLink`.

Sound card, modem and keying live in a process of their own (`modem_process`); this is the daemon's end of it.
"""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from chasqui.base.errors import MachineError, NotInstalledError
from chasqui.links.audio import BLOCK
from chasqui.links.kiss import FEND, KissFrame, KissReader, write_kiss
from chasqui.links.modem_words import SLOT_BLOCKS, STRENGTH_ZERO, Settings, Word
from chasqui.links.ptt import open_ptt, read_ptt
from chasqui.links.radio_limits import READ_BYTES
from chasqui.links.radio_link import RadioLink
from chasqui.links.sound_frames import mtu_of
from chasqui.media.modes import RATE_HZ, Mode
from chasqui.node.link_port import BroadcastEvents

LEAD_MS_DEFAULT: Final = 300  # a handheld that keys itself by sound needs half of it
LEAD_MS_MAX: Final = 3_000
GOODBYE_S: Final = 5.0  # for the modem to release the transmitter


@dataclass(frozen=True)
class SoundSettings:
    """What the owner of the radio says of it. Raises `ValueError` for what cannot be."""

    device: str = ""  # see `audio.open_audio`
    mode: Mode = Mode.DATAC3
    ptt: str = "vox"
    lead_ms: int = LEAD_MS_DEFAULT
    airtime_share_max: float = 1.0

    def __post_init__(self) -> None:
        read_ptt(self.ptt)
        if not (0 <= self.lead_ms <= LEAD_MS_MAX and 0 < self.airtime_share_max <= 1):
            raise ValueError("a setting of the link is out of its bounds")


class SoundLink(RadioLink):
    """One radio."""

    _FOREIGN = "broken bursts"  # with a gap, or of somebody else

    def __init__(self, settings: SoundSettings) -> None:
        self._settings = settings
        self._process: asyncio.subprocess.Process | None = None
        self._ready = False
        self._sending = False
        shape = settings.mode.shape
        waiting_ms = 2 * SLOT_BLOCKS * BLOCK * 1000 // RATE_HZ
        ends = shape.preamble_samples + shape.postamble_samples + shape.frame_samples  # half a frame is empty at worst
        super().__init__(
            "sound",
            mtu_bytes=mtu_of(shape),
            bit_rate_bps=(shape.payload_bytes - 1) * 8 * RATE_HZ // shape.frame_samples,
            airtime_share_max=settings.airtime_share_max,
            frame_overhead_ms=settings.lead_ms + ends * 1000 // RATE_HZ + waiting_ms,
        )

    # -- RadioLink --------------------------------------------------------------------------------------------

    @property
    def _there(self) -> bool:
        return self._ready and self._process is not None

    @property
    def _under_way(self) -> bool:
        return self._sending

    @property
    def _missing(self) -> str:
        return f"no sound ({self._trouble}); trying again" if self._trouble else "opening the sound device"

    def _begin(self, frame: bytes) -> None:
        assert self._process is not None  # noqa: S101
        assert self._process.stdin is not None  # noqa: S101
        self._sending = True
        self._process.stdin.write(write_kiss(KissFrame(0, Word.FRAME, frame)))

    # -- the modem's process ----------------------------------------------------------------------------------

    async def _use(self, events: BroadcastEvents) -> bool:
        told = Settings(self._settings.mode.value, self._settings.device, self._settings.ptt, self._settings.lead_ms)
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", "chasqui.links.modem_process", told.written()),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                env=_environment(),
                start_new_session=True,
            )
        except OSError as error:
            self._trouble = os.strerror(error.errno or 0)
            return False
        opened = False
        try:
            self._process = process
            assert process.stdout is not None  # noqa: S101
            reader = KissReader()
            reader.feed(bytes((FEND,)))
            while data := await process.stdout.read(READ_BYTES):
                for frame in reader.feed(data):
                    opened |= frame.command == Word.READY
                    self._take(frame, events)
        finally:
            self._process = None
            was_ready, self._ready, self._sending = self._ready, False, False
            if was_ready:
                events.closed()
            finishing = asyncio.create_task(self._finish(process))
            try:
                await asyncio.shield(finishing)
            except asyncio.CancelledError:
                await finishing  # a transmitter that is keyed is released first
                raise
        return opened

    def _take(self, frame: KissFrame, events: BroadcastEvents) -> None:
        match frame.command:
            case Word.READY if not self._ready:
                self._ready, self._trouble = True, ""
                events.opened()
            case Word.FRAME if self._ready and len(frame.data) > 1:
                self.heard_frames += 1
                events.heard(frame.data[1:], float(frame.data[0] - STRENGTH_ZERO))
            case Word.LEFT if self._ready and self._sending:
                self._sending = False
                events.sent(int.from_bytes(frame.data, "big"))
            case Word.LOST:
                self.passed_over += int.from_bytes(frame.data, "big")
            case Word.TROUBLE:
                self._trouble = frame.data.decode(errors="replace")
            case Word.LACKS:
                what, _, todo = frame.data.decode(errors="replace").partition("\n")
                raise NotInstalledError(what, todo=todo)

    async def _finish(self, process: asyncio.subprocess.Process) -> None:
        """Ends the process; if it does not release the transmitter itself, that is done here."""
        if process.stdin is not None:
            process.stdin.close()
        try:
            async with asyncio.timeout(GOODBYE_S):
                code = await process.wait()
        except TimeoutError:
            process.kill()
            code = await process.wait()
        if code < 0:  # killed: a rig that was keyed goes on sending
            self._trouble = self._trouble or "the modem ended by a mistake of its own"
            with suppress(MachineError, ValueError):
                await asyncio.to_thread(_release, self._settings.ptt)


def _release(ptt: str) -> None:
    open_ptt(ptt).close()


def _environment() -> dict[str, str]:
    """What the process needs: where Python finds us, and where the system finds sound. No secret of ours is in it."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CHASQUI_")}
    return kept | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
