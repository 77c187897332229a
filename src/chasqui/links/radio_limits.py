"""Bounds and times of the links to radios, with reasons."""

from __future__ import annotations

from typing import Final

# -- the device ---------------------------------------------------------------------------------------------
CONNECT_S: Final = 10.0  # a TNC on the same machine or network answers at once
KEEPALIVE_S: Final = 15  # three of them without an answer: the machine with the TNC is gone
RETRY_FIRST_S: Final = 1.0  # doubled up to `RETRY_MAX_S`
RETRY_MAX_S: Final = 30.0  # a radio that was switched on again is back within this
READ_BYTES: Final = 4_096  # one read
UNREAD_BYTES_MAX: Final = 2**16  # a TNC that says more than we read waits
UNSENT_BYTES_MAX: Final = 2**14  # sixteen of the largest frames with escapes: a device that takes nothing is given up

# -- packet radio -------------------------------------------------------------------------------------------
KISS_MTU_DEFAULT: Final = 256  # what every TNC takes in one frame (AX.25 2.2, 6.7.2.3: N1)
KISS_MTU_MAX: Final = 1_000  # Direwolf silently cuts what is longer than 2 KB; a longer one is rarely heard whole
CARRIER_WAIT_MS_MAX: Final = 60_000  # a channel that is busy for longer: the TNC has long given up or will send late

# -- LoRa boards --------------------------------------------------------------------------------------------
RNODE_MTU_DEFAULT: Final = 254  # one packet; of a longer frame both have to arrive
LORA_FRAMES_AN_HOUR_MIN: Final = 2  # of the largest: a tenth of the airtime is for tests, a fifth for what is urgent
BOOT_S: Final = 8.0  # from opening a board, which starts it anew, to its first answer
DETECT_EVERY_S: Final = 1.0
ANSWER_S: Final = 3.0  # a board that does not send answers within milliseconds
ROOM_EVERY_S: Final = 0.5  # a board whose queue is full is asked again
LOOK_EVERY_S: Final = 30.0  # whether its radio is still on

# -- Meshtastic boards --------------------------------------------------------------------------------------
MESHTASTIC_MTU_DEFAULT: Final = 231  # what fits into one packet
MESHTASTIC_BOOT_S: Final = 30.0  # some boards start anew when they are opened, and take a quarter of a minute
MESHTASTIC_CONFIG_S: Final = 60.0  # to tell all of its settings; a board that says them slowly says them in seconds
QUEUE_EVERY_S: Final = 0.5  # at least: while a frame waits in the board, it is asked how full its queue is
SPENT_EVERY_S: Final = 30.0  # a board whose share of the hour is spent is tried again
