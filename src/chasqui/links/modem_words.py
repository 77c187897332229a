"""What a `sound` link and the process of its modem say to each other: KISS frames with these commands. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

SLOT_BLOCKS: Final = 6  # 240 ms: by then a station that began to send is heard
STRENGTH_ZERO: Final = 128  # strengths in dB travel as one byte


class Word(IntEnum):
    """What the two processes say to each other, as KISS commands."""

    FRAME = 0  # to the modem: a frame; from it: strength 1 | frame
    READY = 1
    LEFT = 2  # airtime in ms, 4 bytes; 0: it was not sent
    LOST = 3  # so many more bursts were passed over, 2 bytes
    TROUBLE = 4  # why it ends, for a person
    LACKS = 5  # the same, where trying again changes nothing: what is not installed, a line feed, what to do


@dataclass(frozen=True)
class Settings:
    """What the process is told at its start. Nothing here is secret."""

    mode: str
    device: str
    ptt: str
    lead_ms: int

    def written(self) -> str:
        """As one argument."""
        return json.dumps([self.mode, self.device, self.ptt, self.lead_ms])
