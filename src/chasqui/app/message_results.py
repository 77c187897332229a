"""What `send`, `read` and `save` answer; see `results`."""

from __future__ import annotations

from typing import ClassVar

from msgspec import UNSET, UnsetType, field

from chasqui.app.results import Newcomer, Result, SlowLink
from chasqui.media.burst import QualityLabel


class Sent(Result, frozen=True):
    """`send`: durable from now on."""

    _PEOPLE_ONLY: ClassVar[tuple[str, ...]] = ("group", "members", "links", "daemon", "new")
    id: str
    group: str = ""
    members: int = 0
    links: int = 0
    daemon: bool = False
    new: Newcomer | None = None
    bursts: tuple[str, ...] | UnsetType = UNSET  # the ids of all, in order
    seconds: float | UnsetType = UNSET
    quality: str | UnsetType = UNSET
    slow: tuple[SlowLink, ...] | UnsetType = UNSET
    left: SlowLink | UnsetType = UNSET  # what a file costs the slowest link, where that is worth saying


class Slowest(Result, frozen=True):
    """What the slowest link of a vault says of itself (`node.link_port.LinkProfile`)."""

    id: str
    kind: str
    mtu_bytes: int
    bit_rate_bps: int
    broadcast: bool
    needs_daemon: bool
    loss_expected: float
    airtime_share_max: float
    frame_overhead_ms: int


class QualityChosen(Result, frozen=True):
    """How speech is coded for the links of a vault, and the kind of the link that decides; empty for none. `last_pos`:
    the place of the newest message of the group."""

    quality: QualityLabel
    link: str
    slowest: Slowest | None = None
    group: str = ""
    last_pos: int = 0


class Talked(Result, frozen=True):
    """`talk`: what was sealed, and how much speech was not."""

    bursts: tuple[str, ...]
    seconds: float
    discarded_s: float


class Message(Result, frozen=True):
    """A line of `read`. Receipts by member key: 'delivered' or 'waiting'. Files also have size and parts, own ones that
    wait what the slowest member has signed for; bursts have seconds, quality, whether they go on, the number of the
    message that their recording began with, and where in it they begin, in seconds. `verified`:
    its author is ourselves, or a contact whose words were compared."""


    pos: int
    id: str
    author: str
    author_name: str
    own: bool
    seq: int
    time: str
    kind: str
    text: str
    state: str
    receipts: dict[str, str]
    size: int | UnsetType = UNSET
    parts: tuple[int, int] | UnsetType = UNSET
    signed: tuple[int, int] | UnsetType = UNSET
    left: SlowLink | UnsetType = UNSET  # what the missing parts of a file still cost the slowest link
    frames: tuple[int, int] | UnsetType = UNSET  # of the part that is on its way over a radio now: gone or come
    seconds: float | UnsetType = UNSET
    quality: str | UnsetType = UNSET
    more: bool | UnsetType = UNSET
    recording: int | UnsetType = UNSET
    at: float | UnsetType = UNSET
    verified: bool = False
    speech: bytes | UnsetType = UNSET  # the body of a burst, where it was asked for; never in a document
    file: str | UnsetType = UNSET  # where `--export` wrote it


class Earlier(Result, frozen=True):
    """A burst that goes with later ones: whose, of which recording, its place in this vault, and its body."""

    author: str
    recording: int
    pos: int
    speech: bytes


class Gap(Result, frozen=True):
    """Numbers of an author that exist and have not come."""

    author: str
    author_name: str
    first: int = field(name="from")
    last: int = field(name="to")
    asked: str | None = None


class Conversation(Result, frozen=True):
    """`read`"""

    _PEOPLE_ONLY: ClassVar[tuple[str, ...]] = (
        "name",
        "state",
        "clashes",
        "pending",
        "confirmed",
        "alarms",
        "asked",
        "accused",
        "new",
        "earlier",
    )
    messages: tuple[Message, ...]
    gaps: tuple[Gap, ...]
    name: str = ""
    state: str = ""
    clashes: tuple[str, ...] = ()  # names of members who sent two objects under one number
    pending: tuple[str, ...] = ()  # names of members whose removal is not carried out
    confirmed: tuple[int, int] | None = None  # of a fork that is not settled
    alarms: tuple[str, ...] = ()  # names of members who signed two changes of keys for one state
    asked: str | None = None  # when new keys were asked for, and not given yet
    accused: tuple[str, ...] = ()  # names of members who still read, though others say that their device was taken
    new: Newcomer | None = None
    earlier: tuple[Earlier, ...] = ()  # bursts of the same recordings that came before


class Saved(Result, frozen=True):
    """`save`"""

    _PEOPLE_ONLY: ClassVar[tuple[str, ...]] = ("voice", "missing_s")
    file: str
    name: str
    size: int
    voice: bool = False
    missing_s: float = 0  # of a recording
