"""What a link is to the node: it declares itself, and carries frames of sessions, sends to whoever hears it, or holds
bundles.

Every kind passes one conformance suite (`tests/links/conformance.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NewType, Protocol

SessionId = NewType("SessionId", int)
BroadcastId = NewType("BroadcastId", int)  # a broadcast link that is there now


@dataclass(frozen=True)
class LinkProfile:
    """What a link says of itself. Nothing here is secret; nothing here identifies the node."""

    kind: str
    mtu_bytes: int
    bit_rate_bps: int | None  # None: faster than the node needs to care
    broadcast: bool
    needs_daemon: bool
    loss_expected: float  # share of frames
    airtime_share_max: float  # 1.0 where no law bounds it
    frame_overhead_ms: int = 0  # airtime of a frame before its first byte: keying up, preamble, headers below ours


@dataclass(frozen=True)
class Deposit:
    """What one export to a medium did."""

    written: int  # bundles
    already_there: int


class MediumLink(Protocol):
    """A medium that is carried: a folder on a stick, later a printed code. It has no sessions."""

    @property
    def profile(self) -> LinkProfile: ...

    def collect(self) -> Iterator[bytes]:
        """Every whole bundle on the medium, each once, as far as files can be read; torn and foreign files
        are passed over and counted in `problems`. Bundles are hostile bytes until the node has judged them.

        Raises `MachineError` where the medium is not there.
        """
        ...

    def deposit(self, bundles: Iterable[bytes]) -> Deposit:
        """Writes those bundles that the medium does not hold yet, most urgent first as given, durably before
        it returns; a reader sees whole files only.

        Raises `DiskFullError`, `ReadOnlyError` or `MachineError`; files already there stay as they were.
        """
        ...

    @property
    def problems(self) -> tuple[str, ...]:
        """What the last collect passed over, one line each, in words for a person."""
        ...


class SessionEvents(Protocol):
    """What a session link tells its owner. Called on the event loop, never concurrently."""

    def opened(self, session: SessionId) -> None: ...

    def received(self, session: SessionId, frame: bytes) -> None: ...

    def closed(self, session: SessionId) -> None: ...


class SessionLink(Protocol):
    """A link to neighbours that are there now. It runs on the daemon's event loop and never blocks it."""

    @property
    def profile(self) -> LinkProfile: ...

    async def run(self, events: SessionEvents) -> None:
        """Runs until cancelled, reconnecting by itself. Sessions that it opened are closed when it ends."""
        ...

    def send(self, session: SessionId, frame: bytes) -> None:
        """Queues one frame of at most `mtu_bytes`; a session that does not read is closed, others go on.
        A session that is gone is ignored."""
        ...

    def close(self, session: SessionId) -> None:
        """Ends a session whose peer broke the rules."""
        ...

    @property
    def state(self) -> str:
        """One line for `status`: what works, what does not and why."""
        ...


class BroadcastEvents(Protocol):
    """What a broadcast link tells its owner. Called on the event loop, never concurrently."""

    def opened(self) -> None:
        """The device is there: frames can be sent from now on."""
        ...

    def heard(self, frame: bytes, strength_db: float | None) -> None:
        """A whole frame came out of the air. `strength_db`: how far above the noise, where the device tells."""
        ...

    def sent(self, airtime_ms: int | None) -> None:
        """The frame that was handed over has left. `airtime_ms`: how long it took, None where only the profile can
        say, 0 where it was not sent at all. Called once for each `send`."""
        ...

    def closed(self) -> None:
        """The device is gone; what was handed over and not `sent` is lost."""
        ...


class BroadcastLink(Protocol):
    """A medium on which whoever is near hears every frame: a radio, a cable between sound cards. Frames get lost,
    come twice, out of order, and from anybody; a frame that was damaged on the way is not given out. It runs on the
    daemon's event loop and never blocks it.
    """

    @property
    def profile(self) -> LinkProfile:
        """`broadcast` is true, and `bit_rate_bps` is there."""
        ...

    async def run(self, events: BroadcastEvents) -> None:
        """Runs until cancelled, reconnecting by itself: `opened` and `closed` alternate. What was opened is closed
        when it ends."""
        ...

    def send(self, frame: bytes) -> None:
        """Hands over one frame of 1 to `mtu_bytes`, while the device is there and no other frame is under way. The
        link waits for a free channel by itself, not for a budget: that is the owner's. Raises `ValueError` for
        another size."""
        ...

    @property
    def state(self) -> str:
        """One line for `status`: what works, what does not and why."""
        ...
