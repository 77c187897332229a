"""Finds the epoch of a bundle without trying to decrypt it: one keyed hash per live epoch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import blake2s

from chasqui.base.ids import EpochId
from chasqui.sealed.epoch_keys import DayChain, DayKeys


class Recogniser:
    """Live epochs by day. Holds no decision of its own: a cache over the day chains that it was given."""

    def __init__(self, epochs: Mapping[EpochId, DayChain]) -> None:
        self._epochs = dict(epochs)
        self._by_day: dict[int, list[tuple[blake2s, EpochId]]] = {}
        self._keys: dict[tuple[EpochId, int], DayKeys] = {}

    def __contains__(self, epoch: EpochId) -> bool:
        return epoch in self._epochs

    def add(self, epoch: EpochId, days: DayChain) -> None:
        """Takes in a new epoch, or a known one whose chain has moved on: earlier days are forgotten."""
        self._forget(epoch)
        self._epochs[epoch] = days
        self._by_day.clear()

    def remove(self, epochs: Iterable[EpochId]) -> None:
        """Forgets epochs."""
        for epoch in epochs:
            if self._epochs.pop(epoch, None) is not None:
                self._forget(epoch)
                self._by_day.clear()

    def keys(self, epoch: EpochId, day: int) -> DayKeys:
        """The keys of a live epoch for a day. Raises `PeerError` for a day that its chain has passed."""
        found = self._keys.get((epoch, day))
        if found is None:
            found = self._epochs[epoch].at(day).keys
            self._keys[epoch, day] = found
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

    def _forget(self, epoch: EpochId) -> None:
        for key in [key for key in self._keys if key[0] == epoch]:
            del self._keys[key]
