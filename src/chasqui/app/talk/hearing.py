"""What others say, in the order in which it is to be heard: per author as it was spoken. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from chasqui.app.message_results import Conversation, Message
from chasqui.media.burst import SAMPLES_PER_S, Burst, read_burst

PATIENCE_S = 30.0  # so long what follows a hole waits for what is missing


@dataclass(frozen=True)
class Turn:
    """A burst that is to be heard now, and how much before it is missing. `late`: what follows it was heard before."""

    message: Message
    burst: Burst
    missing_s: float = 0.0
    late: bool = False


class Hearing:
    """Bursts that came, until their turn."""

    def __init__(self, patience_s: float = PATIENCE_S) -> None:
        self._patience_s = patience_s
        self._waiting: dict[str, list[tuple[int, int, float, Message, Burst]]] = {}
        self._reached: dict[tuple[str, int], int] = {}  # samples of a recording that were heard or given up
        self._goes_on: dict[str, int] = {}  # by author: the recording whose rest has not come
        self._met: set[tuple[str, int]] = set()  # recordings of which something came since we listen

    def take(self, found: Conversation, now_s: float) -> None:
        """What came since the last look, and the earlier bursts of the same recordings: what came before we listened
        was heard before; what came since may wait here for its turn, behind what comes only now."""
        for part in found.earlier:
            key = part.author, part.recording
            if key not in self._met:
                self._reached[key] = max(self._reached.get(key, 0), read_burst(part.speech).ends)
        for message in found.messages:
            if message.own or not isinstance(message.speech, bytes) or not isinstance(message.recording, int):
                continue
            burst = read_burst(message.speech)
            self._met.add((message.author, message.recording))
            waiting = self._waiting.setdefault(message.author, [])
            waiting.append((message.recording, burst.at, now_s, message, burst))
            waiting.sort(key=lambda entry: entry[:2])

    def next(self, now_s: float) -> Turn | None:
        """Whose turn it is, once; of several authors, the one whose burst came first."""
        ready = [
            (waiting[0][3].pos, author)
            for author, waiting in self._waiting.items()
            if waiting and (not self._lacks(author) or waiting[0][2] + self._patience_s <= now_s)
        ]
        if not ready:
            return None
        author = min(ready)[1]
        recording, _, _, message, burst = self._waiting[author].pop(0)
        reached = self._reached.get((author, recording), 0)
        self._reached[author, recording] = max(reached, burst.ends)
        if burst.more:
            self._goes_on[author] = recording
        elif self._goes_on.get(author, recording) <= recording:
            self._goes_on.pop(author, None)
        return Turn(message, burst, max(0, burst.begins - reached) / SAMPLES_PER_S, burst.begins < reached)

    def _lacks(self, author: str) -> bool:
        """Whether something that was spoken before the next burst of an author has not come."""
        recording, _, _, _, burst = self._waiting[author][0]
        unfinished = self._goes_on.get(author, recording) < recording
        return unfinished or burst.begins > self._reached.get((author, recording), 0)
