"""FreeDV data modes by libcodec2: bytes to sound and back. Samples are 16 bits, 8 kHz, one channel. Pure.

A burst is a preamble, one or more modem frames of one size, and a postamble; each modem frame carries a CRC-16, and
what fails it is not given out. The C code reads hostile sound: only a process without keys runs it
(`links/modem_process.py`).
"""

from __future__ import annotations

import ctypes
from array import array
from collections.abc import Sequence
from functools import cache
from typing import Any, Final

from chasqui.base.errors import MachineError
from chasqui.media.library import codec2_library
from chasqui.media.modes import RATE_HZ, Mode

_CRC_BYTES: Final = 2
_IDLE_MAX: Final = 64  # calls in a row for which the library may want no sound; it is one, now and then
_UNSYNC: Final = 0  # freedv_api.h
_RX_SYNC: Final = 2


class Modem:
    """One end. Raises `CodecMissingError` where there is no library, and `MachineError` where it is of another kind."""

    def __init__(self, mode: Mode) -> None:
        self._library = _library()
        self.shape = shape = mode.shape
        self._modem = self._library.freedv_open(shape.number)
        if not self._modem:
            raise MachineError(
                "The libcodec2 of this device does not know this mode.", todo="`pip install 'chasqui[voice]'`"
            )
        found = (
            self._library.freedv_get_bits_per_modem_frame(self._modem) // 8 - _CRC_BYTES,
            self._library.freedv_get_n_tx_modem_samples(self._modem),
            self._library.freedv_get_n_tx_preamble_modem_samples(self._modem),
            self._library.freedv_get_n_tx_postamble_modem_samples(self._modem),
            self._library.freedv_get_modem_sample_rate(self._modem),
        )
        if found != (
            shape.payload_bytes,
            shape.frame_samples,
            shape.preamble_samples,
            shape.postamble_samples,
            RATE_HZ,
        ):
            self.close()
            raise MachineError("The libcodec2 of this device speaks another version of this mode.")
        self._library.freedv_set_frames_per_burst(self._modem, shape.frames_max)
        for bounded in (self._library.freedv_set_clip, self._library.freedv_set_tx_bpf):
            bounded(self._modem, 1)
        self._heard = array("h")
        self._frame = ctypes.create_string_buffer(shape.payload_bytes + _CRC_BYTES)

    def close(self) -> None:
        """Gives the memory back."""
        if self._modem:
            self._library.freedv_close(self._modem)
            self._modem = None

    def burst(self, payloads: Sequence[bytes]) -> array[int]:
        """The sound of modem frames. Raises `ValueError` for too many, none, or another size."""
        shape, library = self.shape, self._library
        if not 0 < len(payloads) <= shape.frames_max or {len(p) for p in payloads} != {shape.payload_bytes}:
            raise ValueError("not what a burst holds")
        sound = array("h")
        room = max(shape.frame_samples, shape.preamble_samples, shape.postamble_samples)
        piece = (ctypes.c_short * room)()
        sound.extend(piece[: library.freedv_rawdatapreambletx(self._modem, piece)])
        for payload in payloads:
            crc = library.freedv_gen_crc16(payload, len(payload))
            library.freedv_rawdatatx(self._modem, piece, payload + crc.to_bytes(_CRC_BYTES, "big"))
            sound.extend(piece[: shape.frame_samples])
        sound.extend(piece[: library.freedv_rawdatapostambletx(self._modem, piece)])
        return sound

    def hear(self, samples: array[int]) -> list[tuple[bytes, float]]:
        """Payloads whose CRC is right, with how far they stood above the noise in dB (in 3 kHz)."""
        library, got = self._library, []
        self._heard.extend(samples)
        at = idle = 0
        while len(self._heard) - at >= (wanted := library.freedv_nin(self._modem)):
            idle = 0 if wanted else idle + 1
            if idle > _IDLE_MAX:
                self.forget()
                break
            block = (ctypes.c_short * max(1, wanted))(*self._heard[at : at + wanted])  # it may want none, and goes on
            at += wanted
            size = library.freedv_rawdatarx(self._modem, self._frame, block)
            if size == len(self._frame):
                got.append((self._frame.raw[:-_CRC_BYTES], self._strength_db()))
        else:
            del self._heard[:at]
        return got

    def forget(self) -> None:
        """What was heard so far belongs to no burst any more."""
        self._heard = array("h")
        self.next_burst()

    def next_burst(self) -> None:
        """The burst is over: look for another."""
        self._library.freedv_set_sync(self._modem, _UNSYNC)

    @property
    def busy(self) -> bool:
        """Whether a burst is being heard."""
        return bool(self._library.freedv_get_rx_status(self._modem) & _RX_SYNC)

    def _strength_db(self) -> float:
        sync, strength = ctypes.c_int(), ctypes.c_float()
        self._library.freedv_get_modem_stats(self._modem, ctypes.byref(sync), ctypes.byref(strength))
        return strength.value


@cache
def _library() -> Any:
    library = codec2_library()
    handle, sound = ctypes.c_void_p, ctypes.POINTER(ctypes.c_short)
    library.freedv_open.restype, library.freedv_open.argtypes = handle, [ctypes.c_int]
    library.freedv_close.restype, library.freedv_close.argtypes = None, [handle]
    for name in (
        "bits_per_modem_frame",
        "n_tx_modem_samples",
        "n_tx_preamble_modem_samples",
        "n_tx_postamble_modem_samples",
        "modem_sample_rate",
        "rx_status",
    ):
        ask = getattr(library, f"freedv_get_{name}")
        ask.restype, ask.argtypes = ctypes.c_int, [handle]
    library.freedv_nin.restype, library.freedv_nin.argtypes = ctypes.c_int, [handle]
    for name in ("frames_per_burst", "clip", "tx_bpf", "sync"):
        tell = getattr(library, f"freedv_set_{name}")
        tell.restype, tell.argtypes = None, [handle, ctypes.c_int]
    for end in (library.freedv_rawdatapreambletx, library.freedv_rawdatapostambletx):
        end.restype, end.argtypes = ctypes.c_int, [handle, sound]
    library.freedv_rawdatatx.restype, library.freedv_rawdatatx.argtypes = None, [handle, sound, ctypes.c_char_p]
    library.freedv_rawdatarx.restype = ctypes.c_int
    library.freedv_rawdatarx.argtypes = [handle, ctypes.c_char_p, sound]
    library.freedv_gen_crc16.restype, library.freedv_gen_crc16.argtypes = (
        ctypes.c_ushort,
        [ctypes.c_char_p, ctypes.c_int],
    )
    library.freedv_get_modem_stats.restype = None
    library.freedv_get_modem_stats.argtypes = [handle, ctypes.POINTER(ctypes.c_int), ctypes.POINTER(ctypes.c_float)]
    return library
