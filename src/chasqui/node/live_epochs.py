"""The epochs whose bundles this device can recognise, and the groups they belong to: a cache over the store."""

from __future__ import annotations

from chasqui.base.ids import EpochId, GroupId
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
        self._groups: dict[EpochId, GroupId] = {}
        for key, data in store.scan(Space.EPOCH):
            self.learn(GroupId(key[:_GROUP_BYTES]), EpochId(key[_GROUP_BYTES:]), decode_own(data, EpochRecord))

    def __len__(self) -> int:
        return len(self._groups)

    def learn(self, group: GroupId, epoch: EpochId, record: EpochRecord) -> None:
        """Takes in an epoch that was opened."""
        self._groups[epoch] = group
        self.recogniser.add(epoch, day_chain(record))

    def forget(self, epochs: list[EpochId]) -> None:
        """Drops epochs that were erased."""
        self.recogniser.remove(epochs)
        for epoch in epochs:
            self._groups.pop(epoch, None)

    def group_of(self, epoch: EpochId) -> GroupId:
        """The group of a live epoch."""
        return self._groups[epoch]
