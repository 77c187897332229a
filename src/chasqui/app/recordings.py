"""Messages that are bursts, put together as they were spoken: for the screen and for files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from msgspec import UnsetType

from chasqui.app.message_results import Conversation, Earlier, Message
from chasqui.media.burst import SAMPLES_PER_S, read_burst
from chasqui.media.recording import lay_out

_PER_S = 100  # places and lengths are whole hundredths of a second


@dataclass(frozen=True)
class Recording:
    """What is here of one: its messages in the order of speaking, those of it that came before what was asked for,
    and what is missing before and between them, from and to which second. `seconds`: from its beginning to the end of
    what is here, with what is missing. `more`: its end is not here."""

    messages: tuple[Message, ...]
    earlier: tuple[Earlier, ...]
    holes: tuple[tuple[float, float], ...]
    seconds: float
    more: bool

    @property
    def missing_s(self) -> float:
        """How much of that is missing."""
        return sum(ends - begins for begins, ends in self.holes)

    @property
    def whole(self) -> bool:
        """Whether all of it is here."""
        return not self.more and not self.holes

    @property
    def pos(self) -> int:
        """What names it in this vault: the place of what came first of it."""
        return min([*(part.pos for part in self.messages), *(part.pos for part in self.earlier)])

    @property
    def key(self) -> tuple[str, int, int]:
        """What names it among all recordings."""
        recording = self.messages[0].recording
        return self.messages[0].author, 0 if isinstance(recording, UnsetType) else recording, self.pos

    def bodies(self) -> tuple[bytes, ...]:
        """The bodies of its bursts, where they were asked for."""
        said = [message.speech for message in self.messages if isinstance(message.speech, bytes)]
        return (*(part.speech for part in self.earlier), *said)


def recordings_in(found: Conversation) -> Iterator[Recording]:
    """The recordings of a conversation. What lies over other bursts of the same one, as no honest speaker says it, is
    a recording of its own."""
    by_recording: dict[tuple[str, int | UnsetType], list[Message]] = {}
    for message in found.messages:
        if message.kind == "voice":
            by_recording.setdefault((message.author, message.recording), []).append(message)
    for key, bursts in by_recording.items():
        yield from _recordings(bursts, [part for part in found.earlier if (part.author, part.recording) == key])


def broken_off(recording: Recording, found: Conversation) -> bool:
    """Whether the rest was never sent: its author went on with something else, and nothing is missing since."""
    last = recording.messages[-1]
    later = any(message.author == last.author and message.seq > last.seq for message in found.messages)
    gaps = any(gap.author == last.author and gap.last > last.seq for gap in found.gaps)
    return recording.more and later and not gaps


def _recordings(bursts: Sequence[Message], earlier: Sequence[Earlier]) -> Iterator[Recording]:
    before_these = [read_burst(part.speech) for part in earlier]
    stretches = [_stretch(burst) for burst in bursts]
    stretches += [(_in_hundredths(burst.begins), _in_hundredths(burst.ends)) for burst in before_these]
    layout = lay_out(stretches)
    ordered = tuple(bursts[number] for number in layout.order if number < len(bursts))
    before = tuple(earlier[number - len(bursts)] for number in layout.order if number >= len(bursts))
    last = layout.order[-1]
    more = bursts[last].more is True if last < len(bursts) else before_these[last - len(bursts)].more
    over = [bursts[number] for number in layout.over if number < len(bursts)]
    if ordered:
        holes = tuple((begins / _PER_S, ends / _PER_S) for begins, ends in layout.holes)
        yield Recording(ordered, before, holes, stretches[last][1] / _PER_S, more)
    if over:
        yield from _recordings(over, ())


def _stretch(burst: Message) -> tuple[int, int]:
    start = _hundredths(burst.at)
    return start, start + _hundredths(burst.seconds)


def _in_hundredths(samples: int) -> int:
    return samples * _PER_S // SAMPLES_PER_S


def _hundredths(seconds: float | UnsetType) -> int:
    return 0 if isinstance(seconds, UnsetType) else round(seconds * _PER_S)
