"""`talk` and `listen`: what happens when a key is pressed, sound comes, or Ctrl-C."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from chasqui.app.message_results import Slowest, Talked
from chasqui.app.screens import talk as screen
from chasqui.app.talk.speaking import Piece, Speaking, level, wipe
from chasqui.app.talk.terminal import Terminal
from chasqui.app.talk.threads import (
    Ended,
    Event,
    Events,
    Gone,
    Interrupted,
    Listener,
    Paused,
    PieceSent,
    Plays,
    Refused,
    Sealer,
    Sound,
)
from chasqui.base.errors import ChasquiError
from chasqui.media.burst import Burst, Quality
from chasqui.node.cost import Cost, bundles_of_speech, cost_on
from chasqui.node.link_port import LinkProfile

TICK_S: Final = 0.2
EVENTS_AT_ONCE: Final = 100
REST_S: Final = 2.0
LAST_CALL_TICKS: Final = 50  # so long a burst that the daemon has in its hands may take when Ctrl-C comes
PACE_S: Final = 3.0  # so much may lie in a buffer
PACE_SHARE: Final = 1.25
_UNIT_S: Final = 0.04
_SIGNALS: Final = (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP)


def price(quality: Quality, slowest: Slowest | None, bursts: list[Burst]) -> tuple[int, Cost | None]:
    """Bytes of the bundles, and what they cost the slowest link; None where no link is slow."""
    bundles = bundles_of_speech(bursts)
    if slowest is None:
        return sum(bundles), None
    profile = LinkProfile(
        slowest.kind, slowest.mtu_bytes, slowest.bit_rate_bps, slowest.broadcast, slowest.needs_daemon,
        slowest.loss_expected, slowest.airtime_share_max, slowest.frame_overhead_ms,
    )  # fmt: skip
    return sum(bundles), cost_on(profile, bundles)


def silence(quality: Quality, units: int) -> Burst:
    """A burst as long as that, to reckon with."""
    frames = max(1, units * 320 // quality.shape.frame_samples)
    return Burst(quality, bytes(-(-frames * quality.shape.frame_bits // 8)))


@contextmanager
def interruptions(events: Events) -> Iterator[None]:
    """Ctrl-C, Ctrl-\\, a closed terminal and a polite end become an event, and so does Ctrl-Z. From before the terminal
    gives keys without Enter until it is as it was: else it would stay like that."""
    before = [(number, signal.signal(number, lambda *_: events.post(Interrupted()))) for number in _SIGNALS]
    before.append((signal.SIGTSTP, signal.signal(signal.SIGTSTP, lambda *_: events.post(Paused()))))
    try:
        yield
    finally:
        for number, handler in before:
            signal.signal(number, handler)


@dataclass
class Score:
    """What became of what was said."""

    ids: tuple[str, ...] = ()
    units: int = 0
    discarded_units: int = 0
    bursts: list[Burst] = field(default_factory=list)
    failure: ChasquiError | None = None


class Talk:
    """One session. Everything here runs in one thread; what blocks does so in others."""

    def __init__(
        self,
        terminal: Terminal,
        events: Events,
        listener: Listener,
        sealer: Sealer,
        quality: Quality,
        slowest: Slowest | None,
        unit_samples: int,
        units_at_once: int,
        heard: Callable[[Plays], str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._terminal = terminal
        self._events = events
        self._listener = listener
        self._sealer = sealer
        self._quality = quality
        self._slowest = slowest
        self._unit_samples = unit_samples
        self._units_at_once = units_at_once
        self._heard = heard
        self._clock = clock
        self._began_s = 0.0
        self._told_pace = False
        self._speaking: Speaking | None = None
        self._recording = 0
        self._level = 0
        self._ending = False
        self._by_hand = True  # a key begins and ends what is spoken
        self.interrupted = False  # by Ctrl-C, or because the daemon or the terminal has gone
        self._score = Score()
        self._handed: list[int] = []  # units of the pieces that are not sealed yet

    @property
    def silent(self) -> bool:
        """Whether nobody speaks here."""
        return not self._listener.speaks.is_set()

    def run(self, *, at_once: bool) -> tuple[Talked, ChasquiError | None]:
        """Until it ends: what was sent, and why it ended, if it broke."""
        self._by_hand = not at_once
        if at_once:
            self._begin()
        while not (self._ending and not self._sealer.waiting):
            self._terminal.status(self._status())
            if self._events.wait(self._terminal.fd, TICK_S):
                self._pressed(self._terminal.keys())
            for _ in range(EVENTS_AT_ONCE):  # a recording comes faster than keys can be looked at
                event = None if self.interrupted else self._events.take()
                if event is None:
                    break
                self._happened(event)
            if self.interrupted:
                self._discard()
                break
        self._listener.rests.wait(REST_S)  # the microphone is closed before the process ends
        while event := self._events.take():  # what was sealed before the end
            self._happened(event)
        score = self._score
        self._terminal.status("")
        seconds, discarded_s = round(score.units * _UNIT_S, 2), round(score.discarded_units * _UNIT_S, 2)
        return Talked(score.ids, seconds, discarded_s), score.failure

    def _pressed(self, keys: str) -> None:
        if not keys:
            self.interrupted = True  # the terminal has gone
        for key in keys:
            if key == " " and self._speaking is None and not self._ending:
                self._begin()
            elif key == " ":
                self._end()
            elif key in "qQ\x04":
                self._end()
                self._ending = True

    def _happened(self, event: Event) -> None:
        match event:
            case Sound(samples):
                self._hear(samples)
            case Ended(error):
                self._end()
                self._ending = True
                self._score.failure = self._score.failure or error
            case PieceSent():
                self._sent(event)
            case Refused(error, units):
                del self._handed[:1]
                self._score.discarded_units += units
                if self._speaking is not None:
                    self._stop()
                if self._score.failure is None:
                    self._score.failure = error
                    self._terminal.line(screen.refused(error))
                self._ending = True
            case Plays():
                self._terminal.line(self._heard(event))
            case Gone(error):
                self._score.failure = self._score.failure or error
                self.interrupted = True
            case Interrupted():
                self.interrupted = True
            case Paused():
                self._pause()

    def _pause(self) -> None:
        """What was being said ends as by the key: nobody speaks into a microphone of a process that stands still."""
        if self._by_hand:
            self._end()
            self._listener.rests.wait(REST_S)
        self._terminal.pause()

    def _begin(self) -> None:
        self._recording += 1
        self._began_s = self._clock()
        self._speaking = Speaking(self._unit_samples, self._units_at_once)
        self._listener.speaks.set()

    def _hear(self, samples: Any) -> None:
        if self._speaking is None:
            wipe(samples)  # it was on its way when the key was pressed
            return
        self._level = level(samples)
        self._watch_pace(self._speaking.units * _UNIT_S)
        self._hand_over(self._speaking.hear(samples))
        wipe(samples)
        if self._speaking.is_full and self._by_hand:  # whoever forgot the key does not send the room for hours
            self._end()
            self._terminal.line(screen.closed_by_itself())
        elif self._speaking.is_full:  # the next recording follows without a break
            self._hand_over(self._speaking.end())
            self._begin()

    def _watch_pace(self, heard_s: float) -> None:
        """Nobody speaks faster than time passes: what does is no microphone."""
        passed_s = self._clock() - self._began_s
        if self._by_hand and not self._told_pace and heard_s > PACE_S + PACE_SHARE * passed_s:
            self._told_pace = True
            self._terminal.line(screen.too_fast(heard_s, passed_s))

    def _end(self) -> None:
        if self._speaking is not None:
            self._listener.speaks.clear()
            self._hand_over(self._speaking.end())
            self._speaking = None

    def _hand_over(self, piece: Piece | None) -> None:
        if piece is not None:
            self._handed.append(-(-len(piece.samples) // self._unit_samples))
            self._sealer.put(self._recording, piece)

    def _stop(self) -> None:
        """Ends without sending what is not sent."""
        if self._speaking is not None:
            self._listener.speaks.clear()
            self._score.discarded_units += self._speaking.kept_units
            self._speaking.discard()
            self._speaking = None

    def _discard(self) -> None:
        self._stop()
        self._score.discarded_units += self._sealer.discard()
        for _ in range(LAST_CALL_TICKS):
            if not self._sealer.waiting:
                return
            self._events.wait(-1, TICK_S)
        self._terminal.line(screen.not_known())

    def _sent(self, event: PieceSent) -> None:
        del self._handed[:1]
        self._score.ids = (*self._score.ids, event.id)
        self._score.units += -(-event.burst.samples // 320)
        self._score.bursts.append(event.burst)

    def _status(self) -> str:
        if self._speaking is None:
            return screen.idle(self._sealer.waiting, ending=self._ending)
        unsealed = [silence(self._quality, units) for units in (*self._handed, max(1, self._speaking.kept_units))]
        size, cost = price(self._quality, self._slowest, [*self._score.bursts, *unsealed])
        link = self._slowest.kind if self._slowest else ""
        seconds = self._speaking.units * _UNIT_S
        return screen.speaking(seconds, self._level, len(self._score.ids), size, cost.on_air_s if cost else 0, link)
