"""What one step of the node asks its runner to do, in this order of duty: persist first, then the rest."""

from __future__ import annotations

from dataclasses import dataclass

from chasqui.base.ids import GroupId
from chasqui.node.link_port import BroadcastId, SessionId
from chasqui.node.store_port import Write


@dataclass(frozen=True)
class Persist:
    """Writes that must be durable before any other effect of the same step is carried out."""

    writes: tuple[Write, ...]


@dataclass(frozen=True)
class Send:
    """One frame to one session."""

    session: SessionId
    frame: bytes


@dataclass(frozen=True)
class CloseSession:
    """The peer of this session broke the rules."""

    session: SessionId


@dataclass(frozen=True)
class Transmit:
    """One frame to whoever hears this broadcast link. There is no other before `BroadcastSent` came. In the books
    it has left by `until_ms` of the link's clock."""

    link: BroadcastId
    frame: bytes
    until_ms: int


@dataclass(frozen=True)
class Wake:
    """Step the node with `BroadcastDue` for this link at this time of its clock, at once if that is past. It replaces
    what was asked for before; None: not at all."""

    link: BroadcastId
    at_ms: int | None


@dataclass(frozen=True)
class Timer:
    """Step the node with `Tick` at this time (seconds since 1970), or sooner."""

    at_s: int


@dataclass(frozen=True)
class Notice:
    """Something that a person who is looking would want to know. `what` is a word of the table in
    `docs/reference/notices.md`; nothing here holds a text."""

    what: str
    group: GroupId | None = None


@dataclass(frozen=True)
class Answer:
    """What a command asked for."""

    value: object


Effect = Persist | Send | CloseSession | Transmit | Wake | Timer | Notice | Answer
