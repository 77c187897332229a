"""Finds the epoch of a bundle without trying to decrypt it: one keyed hash per live epoch."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from hashlib import blake2s

from chasqui.base.ids import EpochId
from chasqui.sealed.epoch_keys import DayChain, DayKeys


class Recogniser:
    """Live epochs by day. Holds no decision of its own: a cache over the day chains that it was given."""

    def __init__(self, epochs: Mapping[EpochId, DayChain]) -> None:
        self._epochs = dict(epochs)
        self._by_day: dict[int, list[tuple[blake2s, EpochId]]] = {}
        self._keys: dict[EpochId, dict[int, DayKeys]] = {}

    def __contains__(self, epoch: EpochId) -> bool:
        return epoch in self._epochs

    def goes_on(self, epoch: EpochId, days: DayChain) -> bool:
        """Whether the epoch is known, and this is its chain, moved on or not: then it recognises nothing new."""
        known = self._epochs.get(epoch)
        return known is not None and known.day <= days.day and known.at(days.day).keys == days.keys

    def add(self, epoch: EpochId, days: DayChain) -> None:
        """Takes in a new epoch, or a known one whose chain has moved on: earlier days are forgotten."""
        if epoch in self._epochs:
            self._keys.pop(epoch, None)
            self._by_day.clear()
        self._epochs[epoch] = days
        for day, states in self._by_day.items():
            if days.day <= day:
                states.append((self.keys(epoch, day).mark_state, epoch))

    def remove(self, epochs: Iterable[EpochId]) -> None:
        """Forgets epochs."""
        for epoch in epochs:
            if self._epochs.pop(epoch, None) is not None:
                self._keys.pop(epoch, None)
                self._by_day.clear()

    def keys(self, epoch: EpochId, day: int) -> DayKeys:
        """The keys of a live epoch for a day. Raises `PeerError` for a day that its chain has passed."""
        first = self._epochs[epoch]
        known = self._keys.setdefault(epoch, {first.day: first.keys})
        found = known.get(day)
        if found is None:
            nearest = max((other for other in known if other < day), default=first.day)
            found = known[day] = DayChain(nearest, known[nearest]).at(day).keys
        return found

    def find(self, mark: bytes, mark_body: bytes, day: int) -> EpochId | None:
        """The epoch whose mark this is, or None for somebody else's bundle."""
        states = self._by_day.get(day)
        if states is None:
            states = [
                (self.keys(epoch, day).mark_state, epoch)
                for epoch, days in self._epochs.items()
                if days.day <= day
            ]
            self._by_day[day] = states
        for keyed, epoch in states:
            state = keyed.copy()
            state.update(mark_body)
            if state.digest() == mark:
                return epoch
        return None

    def is_of_any(self, epochs: Collection[EpochId], mark: bytes, mark_body: bytes, day: int) -> bool:
        """Whether this is a mark of one of these live epochs."""
        for epoch in epochs:
            if self._epochs[epoch].day <= day:
                state = self.keys(epoch, day).mark_state.copy()
                state.update(mark_body)
                if state.digest() == mark:
                    return True
        return False
