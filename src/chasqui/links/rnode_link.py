"""A LoRa board that speaks the serial protocol of RNodes. A `BroadcastLink`.

A board is believed only what it has been seen to do: it is asked who it is, each value that it is set to has to come
back as asked for, and before every frame it is asked for room, for it drops what does not fit without a word.
"""

from __future__ import annotations

import asyncio
import math
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from chasqui.delivery.airtime import HOUR_MS
from chasqui.links.device import Device, DeviceGoneError, open_device
from chasqui.links.leaving import Leaving
from chasqui.links.lora import Lora
from chasqui.links.radio_limits import (
    ANSWER_S,
    BOOT_S,
    CARRIER_WAIT_MS_MAX,
    DETECT_EVERY_S,
    LOOK_EVERY_S,
    RNODE_MTU_DEFAULT,
    ROOM_EVERY_S,
)
from chasqui.links.radio_link import NO_ANSWER, RadioLink, RefusedError
from chasqui.links.rnode import (
    ASK_STATE,
    DETECT_ANSWER,
    DETECT_ASK,
    ERROR_MEMORY_LOW,
    ERROR_QUEUE_FULL,
    FRAME_BYTES_MAX,
    OFF,
    ON,
    Code,
    Heard,
    Reply,
    RNodeReader,
    airtime_ms,
    rate_of,
    wanted_of,
    write_command,
)
from chasqui.node.link_port import BroadcastEvents

BAUD: Final = 115_200  # of all boards
_ASKED: Final = frozenset({Code.READY, Code.STATE})  # while it is used


@dataclass(frozen=True)
class RNodeSettings:
    """What the owner of the board says. Raises `ValueError` for what cannot be."""

    place: str  # the path of a serial line, or HOST:PORT
    lora: Lora
    airtime_share_max: float
    mtu_bytes: int = RNODE_MTU_DEFAULT

    def __post_init__(self) -> None:
        if not (0 < self.airtime_share_max <= 1 and 0 < self.mtu_bytes <= FRAME_BYTES_MAX):
            raise ValueError("a setting of the link is out of its bounds")

    @property
    def frame_ms(self) -> float:
        """The airtime of the largest frame."""
        return airtime_ms(self.lora, self.mtu_bytes)

    @property
    def frames_an_hour(self) -> int:
        """How many of the largest fit into an hour's airtime: see `LORA_FRAMES_AN_HOUR_MIN`."""
        return int(self.airtime_share_max * HOUR_MS / self.frame_ms)


class RNodeLink(RadioLink):
    """One board."""

    _FOREIGN = "damaged"

    def __init__(self, settings: RNodeSettings) -> None:
        self._settings = settings
        self._wanted = wanted_of(settings.lora, settings.airtime_share_max)
        self._events: BroadcastEvents | None = None  # while the board is there and set as asked for
        self._device: Device | None = None
        self._reader = RNodeReader()
        self._leaving = Leaving(self._left)
        self._waiting: bytes | None = None  # a frame for which the board has not said that it has room
        self._waits_until_s = 0.0
        self._asked: dict[Code, asyncio.TimerHandle] = {}  # the board owes an answer
        self._again: asyncio.TimerHandle | None = None  # to ask for room
        self._looking: asyncio.TimerHandle | None = None
        self._mute = False
        bit_rate_bps, beside_ms = rate_of(settings.lora, settings.mtu_bytes)
        self._airtime_ms = 0  # of the frame under way
        super().__init__(
            "rnode",
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
        return self._waiting is not None or self._leaving.under_way

    @property
    def _missing(self) -> str:
        return self._trouble or "looking for the board"

    def _begin(self, frame: bytes) -> None:
        self._waiting = frame
        self._waits_until_s = asyncio.get_running_loop().time() + CARRIER_WAIT_MS_MAX / 1000
        self._ask_for_room()

    async def _use(self, events: BroadcastEvents) -> bool:
        try:
            device = await open_device(self._settings.place, BAUD)
        except DeviceGoneError as error:
            self._trouble = f"no board ({error.what}); trying again"
            return False
        self._device, self._reader = device, RNodeReader()
        was_ready = False
        try:
            await self._set_up(device)
            was_ready = True
            self._events = events
            events.opened()
            await self._serve(device, events)
        except RefusedError as error:
            self._trouble = f"refused: {error.what}; nothing is sent"
        except DeviceGoneError as error:
            self._trouble = f"no board ({NO_ANSWER if self._mute else error.what}); trying again"
        finally:
            self._stop_timers()
            with suppress(DeviceGoneError):
                device.write(write_command(Code.STATE, OFF))
            self._device = self._events = self._waiting = None
            self._mute = False
            device.close()
            if self._leaving.under_way:  # it may leave all the same: the airtime counts
                self._leaving.stop()
                events.sent(self._airtime_ms)
            if was_ready:
                events.closed()
        return was_ready

    async def _set_up(self, device: Device) -> None:
        """Raises `RefusedError` where the board is not set as asked for. Its radio is on only after that."""
        await self._detect(device)
        device.write(write_command(Code.STATE, OFF))
        await self._answer(device, Code.STATE)
        for wanted in self._wanted:
            device.write(write_command(wanted.code, wanted.data))
            if not wanted.needed:
                device.write(write_command(Code.READY, OFF))
            answer = await self._answer(device, wanted.code, None if wanted.needed else Code.READY)
            if answer is not None and not wanted.met_by(answer):
                raise RefusedError(
                    f"asked for a {wanted.name} of {wanted.words(wanted.data)}, "
                    f"the board is set to {wanted.words(answer)}"
                )
        device.write(write_command(Code.STATE, ON))
        if await self._answer(device, Code.STATE) != ON:
            raise RefusedError("the board does not switch its radio on with these settings")

    async def _detect(self, device: Device) -> None:
        """Boards start anew when they are opened, and hear nothing meanwhile."""
        for _ in range(math.ceil(BOOT_S / DETECT_EVERY_S)):
            device.write(write_command(Code.DETECT, DETECT_ASK))
            with suppress(TimeoutError):
                async with asyncio.timeout(DETECT_EVERY_S):
                    if await self._reply(device, Code.DETECT) == Reply(Code.DETECT, DETECT_ANSWER):
                        return
        raise DeviceGoneError("it does not answer as an RNode does")

    async def _answer(self, device: Device, code: Code, instead: Code | None = None) -> bytes | None:
        """What the board says to this; None: it said `instead`, so it does not know `code`."""
        try:
            async with asyncio.timeout(ANSWER_S):
                reply = await self._reply(device, code, instead)
        except TimeoutError as error:
            raise DeviceGoneError(NO_ANSWER) from error
        return reply.data if reply.code == code else None

    async def _reply(self, device: Device, code: Code, instead: Code | None = None) -> Reply:
        """Waits for one, and passes over what was said before. Commands are answered in their order."""
        while True:
            for said in self._reader.feed(await device.read()):
                if isinstance(said, Reply) and said.code in (code, instead):
                    return said

    async def _serve(self, device: Device, events: BroadcastEvents) -> None:
        torn_before = self._reader.passed_over
        self._look()
        while True:
            for said in self._reader.feed(await device.read()):
                if isinstance(said, Heard):
                    self._take(said, events)
                else:
                    self._hear(said)
            self.passed_over += self._reader.passed_over - torn_before
            torn_before = self._reader.passed_over

    def _take(self, heard: Heard, events: BroadcastEvents) -> None:
        if not 0 < len(heard.frame) <= FRAME_BYTES_MAX:
            self.passed_over += 1
            return
        self._leaving.busy(airtime_ms(self._settings.lora, len(heard.frame)))
        self.heard_frames += 1
        events.heard(heard.frame, heard.signal_to_noise_db)

    def _hear(self, reply: Reply) -> None:
        """Raises `DeviceGoneError` where the board is no longer what it was."""
        asked = self._asked.pop(Code(reply.code), None) if reply.code in _ASKED else None
        if asked is not None:
            asked.cancel()
        match reply.code:
            case Code.READY:
                self._room(reply.data == ON)
            case Code.STATE if reply.data != ON:
                raise DeviceGoneError("its radio was switched off")
            case Code.RESET:
                raise DeviceGoneError("it started anew")
            case Code.ERROR if reply.data == ERROR_QUEUE_FULL:
                if self._leaving.under_way:
                    self._leaving.stop()
                    self._tell_sent(0)
            case Code.ERROR if reply.data != ERROR_MEMORY_LOW:
                raise DeviceGoneError(f"it reports the error {reply.data[:2].hex()}")
            case _:
                for wanted in self._wanted:
                    if wanted.code == reply.code and not wanted.met_by(reply.data):
                        raise RefusedError(f"the board has changed its {wanted.name}")

    # -- a frame ----------------------------------------------------------------------------------------------

    def _ask_for_room(self) -> None:
        self._again = None
        self._ask(Code.READY, OFF)

    def _room(self, there: bool) -> None:
        if self._waiting is None or self._again is not None:
            return
        loop = asyncio.get_running_loop()
        if there:
            frame, self._waiting = self._waiting, None
            takes_ms = airtime_ms(self._settings.lora, len(frame))
            self._airtime_ms = math.ceil(takes_ms)
            self._say(Code.DATA, frame)
            self._leaving.begin(takes_ms)
        elif loop.time() < self._waits_until_s:
            self._again = loop.call_later(ROOM_EVERY_S, self._ask_for_room)
        else:
            self._waiting = None
            self._tell_sent(0)

    def _left(self) -> None:
        self._tell_sent(self._airtime_ms)

    def _tell_sent(self, airtime_ms: int) -> None:
        if self._events is not None:
            self._events.sent(airtime_ms)

    # -- a board that is silent -------------------------------------------------------------------------------

    def _look(self) -> None:
        """Asks now and then whether its radio is still on: a board that has started anew hears nothing more."""
        self._ask(Code.STATE, ASK_STATE)
        self._looking = asyncio.get_running_loop().call_later(LOOK_EVERY_S, self._look)

    def _ask(self, code: Code, data: bytes) -> None:
        if code not in self._asked:  # a board that sends answers when it has sent
            wait_s = ANSWER_S + 2 * self._settings.frame_ms / 1000
            self._asked[code] = asyncio.get_running_loop().call_later(wait_s, self._silent)
        self._say(code, data)

    def _say(self, code: Code, data: bytes) -> None:
        assert self._device is not None  # noqa: S101
        try:
            self._device.write(write_command(code, data))
        except DeviceGoneError:
            self._device.close()  # whoever reads from it learns that, too

    def _silent(self) -> None:
        assert self._device is not None  # noqa: S101
        self._mute = True
        self._device.close()

    def _stop_timers(self) -> None:
        for timer in (self._again, self._looking, *self._asked.values()):
            if timer is not None:
                timer.cancel()
        self._again = self._looking = None
        self._asked.clear()
