"""Bounds and times of the LAN link, with reasons. Whoever is on the network can send us anything at any rate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from chasqui.base.limits import FRAME_BYTES_MAX
from chasqui.node.link_port import LinkProfile

# -- what the link says of itself (here, so that it can be known without all that a LAN needs) --------------------
PROFILE: Final = LinkProfile(
    kind="lan",
    mtu_bytes=FRAME_BYTES_MAX,
    bit_rate_bps=None,
    broadcast=False,
    needs_daemon=True,
    loss_expected=0.0,
    airtime_share_max=1.0,
)

# -- where announcements go ---------------------------------------------------------------------------------
GROUP_V4: Final = "239.255.71.83"  # RFC 2365 local scope: no router carries it on
GROUP_V6: Final = "ff02::7183"  # link-local scope
DISCOVERY_PORT: Final = 47183

# -- discovery ----------------------------------------------------------------------------------------------
HEARD_PER_SECOND_MAX: Final = 500  # announcements looked at per network; a full house of 256 sends 9
NEIGHBOURS_MAX: Final = 1_024  # run ids remembered; four times the sessions
NEIGHBOURS_PER_ADDRESS_MAX: Final = 64  # one machine cannot fill the table alone
PLACES_MAX: Final = 16  # interface addresses served at once; more is a misconfigured machine

# -- connections --------------------------------------------------------------------------------------------
DIALS_AT_ONCE_MAX: Final = 16  # forged announcements make us dial: not into everything at once
UNGREETED_MAX: Final = 64  # connections accepted whose hello has not come; about 100 KB each
UNGREETED_PER_ADDRESS_MAX: Final = 16  # one machine cannot take all of them
SESSIONS_PER_ADDRESS_MAX: Final = 64  # several daemons behind one address are rare, more than this is a flood
ACCEPTS_PER_SECOND_MAX: Final = 64  # a handshake costs a millisecond: a flood of them gets 6 % of a core
ACCEPTS_PER_SECOND_PER_ADDRESS_MAX: Final = 16
BACKLOG: Final = 32  # connections that the kernel holds for us

# -- sessions -----------------------------------------------------------------------------------------------
QUEUE_BYTES_MAX: Final = 64 * 2**20  # frames waiting for one neighbour: twice what is carried for strangers
QUEUES_BYTES_MAX: Final = 192 * 2**20  # for all together; the longest queue is cut first
WRITE_BYTES: Final = 2**16  # handed to TLS at once: four full records, so that small frames share one
FRAMES_PER_SECOND_MAX: Final = 50_000  # per session; beyond it reading pauses, nobody else waits longer
KEEPALIVES_PER_MINUTE_MAX: Final = 240  # forty times the need; more is a flood of nothing


@dataclass(frozen=True)
class LanPace:
    """The times of the link in seconds. Those that a watcher could learn a rhythm from are means: each single
    one is drawn between half and one and a half of it."""

    rescan_s: float = 3.0  # an interface that came or went; a cable plugged in works within this
    announce_first_s: float = 0.3  # doubled up to `announce_max_s`: a lost first datagram costs little
    announce_max_s: float = 30.0  # new neighbours announce themselves, so this may be slow
    announce_gap_s: float = 1.0  # never more often than this, whatever others provoke
    dial_s: float = 5.0  # until TCP answers; same network
    greet_s: float = 5.0  # TLS handshake, and then the hello
    redial_first_s: float = 1.0  # doubled up to `redial_max_s`
    redial_max_s: float = 30.0
    keepalive_s: float = 20.0  # with nothing else to say
    silent_s: float = 75.0  # no whole frame for that long: the neighbour is gone
    stall_s: float = 45.0  # frames wait and none went out for that long: the neighbour does not read
    forget_s: float = 120.0  # a neighbour not heard for four announcements
    tick_s: float = 1.0  # how often time-outs are looked at
    goodbye_s: float = 1.0  # for what is queued when the link ends
