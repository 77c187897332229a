"""A board with Meshtastic firmware as a dumb radio: frames go out on its private port, to whoever is in range, and
nobody repeats them. A `BroadcastLink`.

Nothing is written to the board but frames. How it is set it has to say before it is used; its keys are not relied on.
"""

from __future__ import annotations

import asyncio
import math
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from chasqui.delivery.airtime import HOUR_MS
from chasqui.links.device import Device, DeviceGoneError, open_device
from chasqui.links.leaving import Leaving
from chasqui.links.meshtastic import (
    ALL,
    ONLY_CONFIG,
    PRIVATE_PORT,
    WAKE,
    Complete,
    Heard,
    MeshtasticReader,
    Opaque,
    Queue,
    Rebooted,
    Result,
    Said,
    require_protobuf,
    write_heartbeat,
    write_packet,
    write_want_config,
)
from chasqui.links.meshtastic_board import CHANNELS, PAYLOAD_BYTES_MAX, Board, Preset
from chasqui.links.radio_limits import (
    ANSWER_S,
    CARRIER_WAIT_MS_MAX,
    LOOK_EVERY_S,
    MESHTASTIC_BOOT_S,
    MESHTASTIC_CONFIG_S,
    MESHTASTIC_MTU_DEFAULT,
    QUEUE_EVERY_S,
    SPENT_EVERY_S,
)
from chasqui.links.radio_link import NO_ANSWER, RadioLink, RefusedError
from chasqui.node.link_port import BroadcastEvents

BAUD: Final = 115_200  # of all boards


@dataclass(frozen=True)
class MeshtasticSettings:
    """What the owner of the board says. Raises `ValueError` for what cannot be."""

    place: str  # the path of a serial line, or HOST:PORT
    airtime_share_max: float
    preset: Preset = Preset.LONG_FAST
    channel: int = 0
    mtu_bytes: int = MESHTASTIC_MTU_DEFAULT

    def __post_init__(self) -> None:
        good = (
            0 < self.airtime_share_max <= 1 and 0 <= self.channel < CHANNELS and 0 < self.mtu_bytes <= PAYLOAD_BYTES_MAX
        )
        if not good:
            raise ValueError("a setting of the link is out of its bounds")

    @property
    def frame_ms(self) -> float:
        """The airtime of the largest frame."""
        return self.preset.airtime_ms(self.mtu_bytes, signs=True)

    @property
    def frames_an_hour(self) -> int:
        """How many of the largest fit into an hour's airtime: see `LORA_FRAMES_AN_HOUR_MIN`."""
        return int(self.airtime_share_max * HOUR_MS / self.frame_ms)


class _Frame:
    """The one that was handed to the link."""

    def __init__(self, payload: bytes, airtime_ms: float) -> None:
        self.payload = payload
        self.airtime_ms = math.ceil(airtime_ms)
        self.number = 0  # that the board was told; 0: it has not been handed the frame
        self.taken = False  # it has said so
        self.until_s = asyncio.get_running_loop().time() + CARRIER_WAIT_MS_MAX / 1000


class MeshtasticLink(RadioLink):
    """One board."""

    def __init__(self, settings: MeshtasticSettings) -> None:
        self._settings = settings
        self._events: BroadcastEvents | None = None  # while the board is there and set as asked for
        self._device: Device | None = None
        self._reader = MeshtasticReader()
        self._board = Board()
        self._frame: _Frame | None = None  # under way
        self._leaving = Leaving(self._left)
        self._owes: asyncio.TimerHandle | None = None  # the board: an answer
        self._next: asyncio.TimerHandle | None = None  # to ask or hand over again
        self._looking: asyncio.TimerHandle | None = None
        self._mute = self._spent = False
        bit_rate_bps, beside_ms = settings.preset.rate_of(settings.mtu_bytes)
        super().__init__(
            "meshtastic",
            mtu_bytes=settings.mtu_bytes,
            bit_rate_bps=bit_rate_bps,
            airtime_share_max=settings.airtime_share_max,
            frame_overhead_ms=beside_ms,
        )

    # -- RadioLink --------------------------------------------------------------------------------------------

    @property
    def _there(self) -> bool:
        return self._events is not None

    @property
    def _under_way(self) -> bool:
        return self._frame is not None

    @property
    def _missing(self) -> str:
        return self._trouble or "looking for the board"

    def _begin(self, frame: bytes) -> None:
        self._frame = _Frame(frame, self._settings.preset.airtime_ms(len(frame), signs=self._board.signs))
        self._hand_over()

    @property
    def state(self) -> str:
        """See `BroadcastLink`; and what the board gives away by itself."""
        line = super().state
        if not self._running or not self._there:
            return line
        if self._spent:
            line += "; the board says that this hour's airtime is spent"
        shows = ", ".join(self._board.shows())
        return f"{line}; CAREFUL: the board {shows}" if shows else line

    # -- the board --------------------------------------------------------------------------------------------

    async def _use(self, events: BroadcastEvents) -> bool:
        try:
            require_protobuf()
            device = await open_device(self._settings.place, BAUD)
        except DeviceGoneError as error:
            self._trouble = f"no board ({error.what}); trying again"
            return False
        self._device, self._reader, self._board = device, MeshtasticReader(), Board()
        was_ready = False
        try:
            await self._ask_settings(device)
            refusal = self._board.refusal(self._settings.preset, self._settings.channel)
            if refusal is not None:
                raise RefusedError(refusal)
            was_ready = True
            self._events = events
            events.opened()
            self._look()
            while True:
                for said in await self._listen(device):
                    self._hear(said, events)
        except RefusedError as error:
            self._trouble = f"refused: {error.what}; nothing is sent"
        except DeviceGoneError as error:
            self._trouble = f"no board ({NO_ANSWER if self._mute else error.what}); trying again"
        finally:
            self._let_go(device)
            if was_ready:
                events.closed()
        return was_ready

    def _let_go(self, device: Device) -> None:
        for timer in (self._owes, self._next, self._looking):
            if timer is not None:
                timer.cancel()
        self._owes = self._next = self._looking = None
        self._leaving.stop()
        device.close()
        if self._frame is not None and self._frame.number:  # it may leave all the same: the airtime counts
            self._over(self._frame.airtime_ms)
        self._device = self._events = self._frame = None
        self._mute = self._spent = False

    async def _listen(self, device: Device) -> list[Said]:
        before = self._reader.passed_over
        said = self._reader.feed(await device.read())
        self.passed_over += self._reader.passed_over - before
        return said

    async def _ask_settings(self, device: Device) -> None:
        """Asks until the board has told all of its settings: one that starts anew hears nothing meanwhile."""
        loop = asyncio.get_running_loop()
        silent_until_s = loop.time() + MESHTASTIC_BOOT_S
        try:
            async with asyncio.timeout(MESHTASTIC_CONFIG_S):
                while loop.time() < silent_until_s:
                    device.write(WAKE + write_want_config())
                    if await self._take_settings(device):
                        return
        except TimeoutError as error:
            raise DeviceGoneError("it does not say how it is set") from error
        raise DeviceGoneError("it does not answer as a Meshtastic board does")

    async def _take_settings(self, device: Device) -> bool:
        """Whether all came; a board that falls silent meanwhile has to be asked again."""
        while True:
            try:
                async with asyncio.timeout(ANSWER_S):
                    heard = await self._listen(device)
            except TimeoutError:
                return False
            for said in heard:
                self._board.take(said)
                if said == Complete(ONLY_CONFIG):
                    return True

    def _hear(self, said: Said, events: BroadcastEvents) -> None:
        """Raises `DeviceGoneError` where the board is no longer what it was."""
        match said:
            case Heard():
                self._take(said, events)
            case Opaque():
                self.passed_over += 1
            case Queue():
                self._take_queue(said)
            case Rebooted():
                raise DeviceGoneError("it started anew")
            case _:
                self._board.take(said)
                refusal = self._board.refusal(self._settings.preset, self._settings.channel)
                if refusal is not None:
                    raise RefusedError(refusal)

    def _take(self, heard: Heard, events: BroadcastEvents) -> None:
        """Frames come straight through the air: what a server passed on is not from the neighbourhood."""
        ours = (
            heard.port == PRIVATE_PORT
            and heard.channel == self._settings.channel
            and heard.to == ALL
            and heard.sender != self._board.number
            and not heard.via_internet
            and 0 < len(heard.payload) <= PAYLOAD_BYTES_MAX
        )
        if not ours:
            self.passed_over += 1
            return
        self.heard_frames += 1
        events.heard(heard.payload, heard.snr_db)

    # -- a frame ----------------------------------------------------------------------------------------------

    def _hand_over(self) -> None:
        frame = self._frame
        assert frame is not None  # noqa: S101
        self._next = None
        frame.number = secrets.randbelow(2**32 - 1) + 1  # a board passes over a number that it has seen
        self._ask(write_packet(frame.payload, frame.number, self._settings.channel))

    def _ask_queue(self) -> None:
        self._next = None
        self._ask(write_heartbeat())

    def _take_queue(self, queue: Queue) -> None:
        """Boards speak of their own packets, too, and may still answer what was asked before the frame."""
        frame = self._frame
        waits = frame is not None and frame.number != 0 and not frame.taken
        if queue.packet != (frame.number if frame is not None and waits else 0):
            return
        if self._owes is not None:
            self._owes.cancel()
            self._owes = None
        if frame is None or not frame.number or self._leaving.under_way:
            return
        if waits and queue.result != Result.TAKEN:
            self._not_taken(frame, queue.result)
            return
        if waits:
            frame.taken, self._spent = True, False
        if queue.free >= queue.size or asyncio.get_running_loop().time() >= frame.until_s:
            self._leaving.begin(frame.airtime_ms)  # it is on the air now
        else:
            self._later(min(QUEUE_EVERY_S, frame.airtime_ms / 2_000), self._ask_queue)  # a fast board is soon free

    def _not_taken(self, frame: _Frame, result: int) -> None:
        """Raises `RefusedError` where it makes no sense to try again."""
        frame.number = 0
        self._spent = result == Result.AIRTIME_SPENT
        if result not in (Result.FULL, Result.AIRTIME_SPENT):
            raise RefusedError(f"the board does not send (it reports the error {result})")
        if asyncio.get_running_loop().time() >= frame.until_s:
            self._over(0)
        else:
            self._later(SPENT_EVERY_S if self._spent else QUEUE_EVERY_S, self._hand_over)

    def _left(self) -> None:
        assert self._frame is not None  # noqa: S101
        self._over(self._frame.airtime_ms)

    def _over(self, airtime_ms: int) -> None:
        self._frame = None
        if self._events is not None:
            self._events.sent(airtime_ms)

    # -- a board that is silent -------------------------------------------------------------------------------

    def _later(self, wait_s: float, call: Callable[[], None]) -> None:
        if self._next is None:
            self._next = asyncio.get_running_loop().call_later(wait_s, call)

    def _look(self) -> None:
        """Asks now and then whether it is there; boards hang up on whom they do not hear."""
        self._ask(write_heartbeat())
        self._looking = asyncio.get_running_loop().call_later(LOOK_EVERY_S, self._look)

    def _ask(self, data: bytes) -> None:
        assert self._device is not None  # noqa: S101
        if self._owes is None:
            self._owes = asyncio.get_running_loop().call_later(ANSWER_S, self._silent)
        try:
            self._device.write(data)
        except DeviceGoneError:
            self._device.close()  # whoever reads from it learns that, too

    def _silent(self) -> None:
        assert self._device is not None  # noqa: S101
        self._mute = True
        self._device.close()
