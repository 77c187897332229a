"""The epochs whose bundles this device can recognise, and the groups they belong to: a cache over the store."""

from __future__ import annotations

from collections.abc import Iterable

from chasqui.base.ids import BundleId, EpochId, GroupId
from chasqui.base.schema import decode_own
from chasqui.node.epochs import day_chain
from chasqui.node.records import EpochRecord, Space
from chasqui.node.store_port import StoreReader
from chasqui.sealed.recogniser import Recogniser

_GROUP_BYTES = 16


class LiveEpochs:
    """Made from the store; follows what a step opens and erases."""

    def __init__(self, store: StoreReader) -> None:
        self.recogniser = Recogniser({})
        self.unopened: set[BundleId] = set()  # held as a stranger's though an epoch recognised them: they were refused
        self._fresh: set[EpochId] = set()  # with these, what is held for strangers was not compared yet
        self._groups: dict[EpochId, GroupId] = {}
        for key, data in store.scan(Space.EPOCH):
            self.learn(GroupId(key[:_GROUP_BYTES]), EpochId(key[_GROUP_BYTES:]), decode_own(data, EpochRecord))

    def __len__(self) -> int:
        return len(self._groups)

    def learn(self, group: GroupId, epoch: EpochId, record: EpochRecord) -> None:
        """Takes in an epoch that was opened."""
        days = day_chain(record)
        if not self.recogniser.goes_on(epoch, days):
            self._fresh.add(epoch)
        self._groups[epoch] = group
        self.recogniser.add(epoch, days)

    def forget(self, epochs: list[EpochId]) -> None:
        """Drops epochs that were erased."""
        self.recogniser.remove(epochs)
        self._fresh.difference_update(epochs)
        for epoch in epochs:
            self._groups.pop(epoch, None)

    def compare(self, strangers: Iterable[tuple[BundleId, bytes, bytes, int]]) -> None:
        """Notes which of all bundles that are held as strangers' (mark, its body, day) are recognised by an epoch with
        which they were not compared before. One that comes is compared with every live epoch."""
        if self._fresh:
            of_any, fresh = self.recogniser.is_of_any, self._fresh
            self.unopened.update([one for one, mark, body, day in strangers if of_any(fresh, mark, body, day)])
            self._fresh.clear()

    def group_of(self, epoch: EpochId) -> GroupId:
        """The group of a live epoch."""
        return self._groups[epoch]
